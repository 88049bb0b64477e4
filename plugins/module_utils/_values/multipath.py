# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The multipath target's table and status lines (drivers/md/dm-mpath.c).

Table: `<features> <hardware handler> <number of groups> <initial group> {group}`, where features
and handler are a count followed by as many words, and a group is `<selector> <count> <arguments>
<number of paths> <arguments per path> {<major:minor> <arguments>}`.
"""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

from .device import DeviceNumber, number

if t.TYPE_CHECKING:
    from collections.abc import Iterator


class PathSelector(t.NamedTuple):
    """The name of a group's path selector and its own arguments."""

    name: str
    arguments: tuple[str, ...] = ()


class Path(t.NamedTuple):
    """One path and the selector's arguments for it."""

    device: DeviceNumber
    arguments: tuple[str, ...] = ()


class PathGroup(t.NamedTuple):
    """Paths of one priority; the selector spreads I/O over them."""

    selector: PathSelector
    paths: tuple[Path, ...]


class Features(t.NamedTuple):
    """The features of a table, each with the kernel's default (dm-mpath.c parse_features).

    `pg_init_delay_msecs` is None for the kernel's default of 2000 milliseconds, which it does not
    print.
    """

    queue_if_no_path: bool = False
    pg_init_retries: int = 0
    pg_init_delay_msecs: int | None = None
    retain_attached_hw_handler: bool = False
    queue_mode: str = "rq"

    @classmethod
    def parse(cls, words: t.Sequence[str]) -> Features:
        """Return the features that `words` name, in any order; ValueError for an unknown one."""
        stated: dict[str, t.Any] = {}
        rest = iter(words)
        for word in rest:
            if word in ("queue_if_no_path", "retain_attached_hw_handler"):
                stated[word] = True
            elif word in ("pg_init_retries", "pg_init_delay_msecs"):
                stated[word] = number(_following(rest, word))
            elif word == "queue_mode":
                stated[word] = _following(rest, word)
            else:
                raise ValueError(f"unknown feature {word!r}")
        return cls(**stated)

    def words(self) -> tuple[str, ...]:
        """Return the words that state these features, in the order in which the kernel prints."""
        words: list[str] = []
        if self.queue_if_no_path:
            words.append("queue_if_no_path")
        if self.pg_init_retries:
            words += ("pg_init_retries", str(self.pg_init_retries))
        if self.pg_init_delay_msecs is not None:
            words += ("pg_init_delay_msecs", str(self.pg_init_delay_msecs))
        if self.retain_attached_hw_handler:
            words.append("retain_attached_hw_handler")
        if self.queue_mode != "rq":
            words += ("queue_mode", self.queue_mode)
        return tuple(words)


@dataclass(frozen=True)
class Multipath:
    """A multipath table; groups in the order of their priority.

    `current_group` counts from 1; a table that is loaded names the group to start with, a table
    that is read back the one that is in use. `hardware_handler` is its name and arguments.
    """

    features: Features
    hardware_handler: tuple[str, ...]
    groups: tuple[PathGroup, ...]
    current_group: int

    kind = "multipath"

    @classmethod
    def parse(cls, parameters: str) -> Multipath:
        """Return the target that the kernel's `parameters` state; ValueError if they do not."""
        words = iter(parameters.split())
        features = Features.parse(_counted(words))
        hardware_handler = _counted(words)
        count, current = _number(words), _number(words)
        groups = tuple(_parse_group(words) for _group in range(count))
        _end(words)
        return cls(features, hardware_handler, groups, current)

    def __str__(self) -> str:
        features = self.features.words()
        words = [str(len(features)), *features]
        words += [str(len(self.hardware_handler)), *self.hardware_handler]
        words += [str(len(self.groups)), str(self.current_group)]
        for group in self.groups:
            words += _group_words(group)
        return " ".join(words)

    def canonical(self) -> Multipath:
        """Return the form in which two tables that mean the same are equal.

        What the kernel decides or changes is made the same: the current group (the
        first), the hardware handler's arguments (it does not print them), repeat counts (since 4.6
        always 1), the order of the paths in a group. Defaults are filled in.
        """
        return self._canonical

    @functools.cached_property
    def _canonical(self) -> Multipath:
        # A map's live table is compared with several others.
        features = self.features._replace(
            retain_attached_hw_handler=False,
            queue_mode="rq" if self.features.queue_mode == "mq" else self.features.queue_mode,
            pg_init_delay_msecs=_unless(self.features.pg_init_delay_msecs, 2000),
        )
        groups = tuple(_canonical_group(group) for group in self.groups)
        return Multipath(features, self.hardware_handler[:1], groups, min(1, len(groups)))

    def devices(self) -> tuple[DeviceNumber, ...]:
        """Return the devices that the target opens, in the order of the table."""
        return tuple(path.device for group in self.groups for path in group.paths)


def handler_in_use(stated: str, attached: t.Sequence[str], queue_mode: str) -> tuple[str, ...]:
    """Return the handler that a table gets which states one, over paths with those `attached`.

    `stated` is a name, `none` or `auto`; `attached` goes by the table's order, empty for none.
    dm-mpath.c setup_scsi_dh: since 4.3 a handler that is attached already is retained instead of
    another one, and the last path decides. Bio-based multipath retains it in any case, and attaches
    none (parse_hw_handler).
    """
    retained = tuple([name for name in attached if name][-1:])
    if queue_mode == "bio" or stated == "auto":
        return retained
    return () if stated == "none" else retained or (stated,)


class PathStatus(t.NamedTuple):
    """A path as the kernel sees it now; `fail_count` since the table was loaded."""

    device: DeviceNumber
    active: bool
    fail_count: int


class GroupStatus(t.NamedTuple):
    """A group's state: `active` (in use), `enabled` or `disabled`."""

    state: str
    paths: tuple[PathStatus, ...]


class MultipathStatus(t.NamedTuple):
    """The live state of a multipath map (dm-mpath.c multipath_status, STATUSTYPE_INFO)."""

    groups: tuple[GroupStatus, ...]

    @classmethod
    def read(cls, parameters: str) -> MultipathStatus | None:
        """Return the state that the kernel reports; None if it cannot be understood.

        Total, so that the words of a later kernel never end a task.
        """
        try:
            return cls.parse(parameters)
        except ValueError:
            return None

    @classmethod
    def parse(cls, parameters: str) -> MultipathStatus:
        """Return the state that a status line states; ValueError if it does not."""
        words = iter(parameters.split())
        _counted(words)  # queue_io and pg_init_count
        _counted(words)  # the hardware handler's words; it has none
        count = _number(words)
        _number(words)  # the current group; its state says so as well
        groups = tuple(_parse_group_status(words) for _group in range(count))
        _end(words)
        return cls(groups)

    def paths(self) -> tuple[PathStatus, ...]:
        """Return the states of all paths."""
        return tuple(path for group in self.groups for path in group.paths)

    def active_paths(self) -> int:
        """Return how many paths the kernel would use."""
        return sum(path.active for path in self.paths())

    def with_path(self, device: str, active: bool) -> MultipathStatus:
        """Return the state once `device` (major:minor) is failed, or active again.

        A path that is so already is left as it is (dm-mpath.c fail_path, reinstate_path).
        """

        def changed(path: PathStatus) -> PathStatus:
            if str(path.device) != device:
                return path
            return PathStatus(path.device, active, path.fail_count + (path.active and not active))

        return MultipathStatus(
            tuple(group._replace(paths=tuple(map(changed, group.paths))) for group in self.groups)
        )

    def switched(self) -> MultipathStatus:
        """Return the state once a group has been switched to, before the next I/O uses it.

        No group is in use then, and none disabled any more (dm-mpath.c switch_pg_num).
        """
        return MultipathStatus(tuple(group._replace(state="enabled") for group in self.groups))


_GROUP_STATES = {"A": "active", "E": "enabled", "D": "disabled"}


def _parse_group_status(words: Iterator[str]) -> GroupStatus:
    state = _GROUP_STATES.get(_word(words))
    if state is None:
        raise ValueError("a path group in a state that is not known")
    _counted(words)  # the selector's own words
    count, per_path = _number(words), _number(words)
    paths = []
    for _path in range(count):
        device = DeviceNumber.parse(_word(words))
        active, fail_count = _word(words) == "A", _number(words)
        _take(words, per_path)
        paths.append(PathStatus(device, active, fail_count))
    return GroupStatus(state, tuple(paths))


def _parse_group(words: Iterator[str]) -> PathGroup:
    selector = PathSelector(_word(words), _counted(words))
    count, per_path = _number(words), _number(words)
    paths = tuple(
        Path(DeviceNumber.parse(_word(words)), _take(words, per_path)) for _path in range(count)
    )
    return PathGroup(selector, paths)


def _group_words(group: PathGroup) -> list[str]:
    arguments = group.selector.arguments
    per_path = len(group.paths[0].arguments) if group.paths else 0
    words = [group.selector.name, str(len(arguments)), *arguments]
    words += [str(len(group.paths)), str(per_path)]
    for path in group.paths:
        words += [str(path.device), *path.arguments]
    return words


def _canonical_group(group: PathGroup) -> PathGroup:
    selector, paths = group.selector, group.paths
    if selector.name in ("round-robin", "queue-length", "service-time"):
        # Arguments of their own are taken and ignored (dm-ps-*.c, the create functions).
        selector = PathSelector(selector.name)
    if selector.name in ("round-robin", "queue-length", "historical-service-time"):
        # Their only argument per path is the repeat count.
        paths = tuple(Path(path.device, ("1",)) for path in paths)
    elif selector.name == "service-time":
        # dm-ps-service-time.c: [<repeat count> [<relative throughput, default 1>]]
        paths = tuple(Path(path.device, ("1", *path.arguments[1:2], "1")[:2]) for path in paths)
    if selector.name == "historical-service-time":
        # dm-ps-historical-service-time.c: [<base weight> [<threshold multiplier>]]
        defaults = ("972", "0")
        arguments = selector.arguments + defaults[len(selector.arguments) :]
        selector = PathSelector(selector.name, arguments)
    if selector.name == "io-affinity":
        # The kernel prints a mask with a comma after each 32 CPUs, and with leading zeros (%*pb).
        paths = tuple(Path(path.device, tuple(map(_mask, path.arguments))) for path in paths)
    return PathGroup(selector, tuple(sorted(paths, key=lambda path: path.device)))


def _mask(text: str) -> str:
    return text.replace(",", "").lower().lstrip("0") or "0"


def _unless(value: int | None, default: int) -> int | None:
    return None if value == default else value


def _word(words: Iterator[str]) -> str:
    word = next(words, None)
    if word is None:
        raise ValueError("a multipath line that ends too early")
    return word


def _number(words: Iterator[str]) -> int:
    return number(_word(words))


def _take(words: Iterator[str], count: int) -> tuple[str, ...]:
    return tuple(_word(words) for _item in range(count))


def _counted(words: Iterator[str]) -> tuple[str, ...]:
    return _take(words, _number(words))


def _following(words: Iterator[str], feature: str) -> str:
    word = next(words, None)
    if word is None:
        raise ValueError(f"feature {feature!r} without its value")
    return word


def _end(words: Iterator[str]) -> None:
    surplus = next(words, None)
    if surplus is not None:
        raise ValueError(f"a multipath line with a surplus {surplus!r}")
