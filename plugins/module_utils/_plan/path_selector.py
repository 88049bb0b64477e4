# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Path selectors with their arguments, as a task states them (drivers/md/dm-ps-*.c)."""

from __future__ import annotations

import re
import typing as t

from .._values.errors import Refused
from .._values.multipath import Path, PathGroup, PathSelector

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...plugin_utils._types import BlockDevice, Host
    from .path_groups import Groups

_OPTION = "path_selector_arguments"
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "round-robin": (),
    "queue-length": (),
    "service-time": ("relative_throughput",),
    "historical-service-time": ("base_weight", "threshold_multiplier"),
    "io-affinity": ("cpu_mask",),
}
"""What each path selector takes. A repeat count is always 1 since Linux 4.6, so none is stated."""

_MASK = re.compile(r"[0-9a-f]{1,8}(,[0-9a-f]{1,8})*", re.ASCII | re.IGNORECASE)


class StatedPathSelector(t.NamedTuple):
    """The path selector that a task states.

    `arguments` are the selector's own; `of_paths` are a path, as the task names it, and its one.
    """

    name: str
    arguments: tuple[str, ...] = ()
    of_paths: tuple[tuple[str, str], ...] = ()


def parse_path_selector(name: str, stated: Mapping[str, t.Any] | None) -> StatedPathSelector:
    """Return what the options state; Refused for arguments that the selector does not take."""
    arguments = {each: value for each, value in (stated or {}).items() if value is not None}
    for each in arguments:
        if each not in _ARGUMENTS[name]:
            takes = ", ".join(_ARGUMENTS[name]) or "none"
            raise Refused(
                option=_OPTION,
                value=each,
                found=f"the path selector {name} has no such argument (it has: {takes})",
                way_out="Leave it out, or choose another path selector",
            )
    own: tuple[str, ...] = ()
    if "base_weight" in arguments or "threshold_multiplier" in arguments:
        # dm-ps-historical-service-time.c: HST_FIXED_95 is 972, of HST_FIXED_1, which is 1024.
        own = (
            _bounded("base_weight", arguments.get("base_weight", 972), 1023),
            _bounded("threshold_multiplier", arguments.get("threshold_multiplier", 0), 2**32 - 1),
        )
    throughputs: Mapping[str, t.Any] = arguments.get("relative_throughput", {})
    masks: Mapping[str, t.Any] = arguments.get("cpu_mask", {})
    of_paths = [
        *((path, _bounded("relative_throughput", each, 100)) for path, each in throughputs.items()),
        *((path, _mask(each)) for path, each in masks.items()),
    ]
    return StatedPathSelector(name, own, tuple(of_paths))


def selected(
    stated_selector: StatedPathSelector, arranged: Groups, host: Host
) -> tuple[PathGroup, ...]:
    """Return the groups with the selector and its arguments; Refused if they do not fit them."""
    stated = _by_path(stated_selector, arranged, host)
    return tuple(_path_group(stated_selector, group, stated) for group in arranged)


def _path_group(
    stated_selector: StatedPathSelector, group: Sequence[BlockDevice], stated: Mapping[str, str]
) -> PathGroup:
    arguments: list[tuple[str, ...]]
    if stated_selector.name == "io-affinity":
        _refuse_masks(group, stated)
        arguments = [(stated[path.name],) for path in group]
    elif any(path.name in stated for path in group):
        # [<repeat count> [<relative throughput>]], and each path of a group has as many.
        arguments = [("1", stated.get(path.name, "1")) for path in group]
    else:
        arguments = [()] * len(group)
    paths = tuple(Path(path.device, each) for path, each in zip(group, arguments))
    return PathGroup(PathSelector(stated_selector.name, stated_selector.arguments), paths)


def _by_path(stated_selector: StatedPathSelector, arranged: Groups, host: Host) -> dict[str, str]:
    """Return the paths' arguments by the kernel's names of the paths."""
    names = [path.name for group in arranged for path in group]
    found: dict[str, str] = {}
    for text, argument in stated_selector.of_paths:
        path = host.path_named(text)
        if path is None or path.name not in names:
            raise Refused(
                option=_OPTION,
                value=text,
                found=f"it is not a path of this map (its paths are {', '.join(names)})",
                way_out="Name a path of the map, as in `paths`",
            )
        if path.name in found:
            raise Refused(
                option=_OPTION,
                value=text,
                found=f"{path.name} is named twice",
                way_out="Name each path once",
            )
        found[path.name] = argument
    return found


def _refuse_masks(group: Sequence[BlockDevice], stated: Mapping[str, str]) -> None:
    """Refuse a path without a CPU that is its own in the group, as ioa_add_path would."""
    taken = 0
    for path in group:
        if path.name not in stated:
            raise Refused(
                option=_OPTION,
                value="cpu_mask",
                found=f"the path {path.name} has none, and io-affinity needs one for each path",
                way_out="Specify the CPUs of each path",
            )
        mask = int(stated[path.name].replace(",", ""), 16)
        if mask & taken:
            raise Refused(
                option=_OPTION,
                value="cpu_mask",
                found=(
                    f"{stated[path.name]}, of the path {path.name}, contains a CPU of another path"
                ),
                way_out="List each CPU for only one path of a group",
            )
        taken |= mask


def _bounded(argument: str, value: object, highest: int) -> str:
    text = str(value)
    if not (text.isascii() and text.isdigit()) or int(text) > highest:
        raise Refused(
            option=_OPTION,
            value=argument,
            found=f"{text} must be a whole number from 0 to {highest}",
            way_out="Set it to a number in this range",
        )
    return str(int(text))


def _mask(value: object) -> str:
    text = str(value)
    if not _MASK.fullmatch(text) or not int(text.replace(",", ""), 16):
        raise Refused(
            option=_OPTION,
            value="cpu_mask",
            found=f"{text!r} is not a mask of CPUs",
            way_out="Write it in hexadecimal digits, as in /proc/irq/*/smp_affinity",
        )
    return text.lower()
