# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of `udev_info`: what udev should show, as values; what no rule can hold ends here."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from .._system.udev_rules import Rules, check_syntax
from .._values.errors import Refused
from .._values.names import check_wwid

if t.TYPE_CHECKING:
    from collections.abc import Sequence

Options = Mapping[str, t.Any]

ATTRIBUTE_OF = {
    "scheduler": "queue/scheduler",
    "nr_requests": "queue/nr_requests",
    "rq_affinity": "queue/rq_affinity",
    "add_random": "queue/add_random",
    "timeout": "device/timeout",
    "max_sectors_kb": "queue/max_sectors_kb",
}
"""The attributes in sysfs that the settings are about."""
PATHS_ONLY = ("timeout", "max_sectors_kb")

# The least that the kernel takes: BLKDEV_MIN_RQ, one second, a page (blk-sysfs.c).
_LEAST = {"nr_requests": 4, "timeout": 1, "max_sectors_kb": 4}
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]*", re.ASCII)
_PATTERN = re.compile(r"[A-Za-z0-9 _.:/+?*-]+", re.ASCII)
_OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_MODE = re.compile(r"0[0-7]{3}", re.ASCII)
_LONGEST = {"vendor": 8, "model": 40}  # SCSI has 8 and 16 characters, NVMe models have 40


@dataclass(frozen=True)
class Permission:
    """Who may use the map of the LUN `wwid` and its partition maps; `mode` is octal, with a 0."""

    wwid: str
    owner: str
    group: str
    mode: str


@dataclass(frozen=True)
class Tuning:
    """The `settings`, by name, of paths and maps whose vendor and model match udev's patterns."""

    vendor: str
    model: str
    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """What should hold. The first of `tuning` that matches a device counts."""

    hide_paths: bool
    links: bool
    partition_maps: bool
    permissions: tuple[Permission, ...]
    tuning: tuple[Tuning, ...]
    rules: tuple[Rules, ...]
    initramfs: str
    verify: bool


def parse(options: Options) -> Request:
    """Return what the task states; Refused for what no rule can hold."""
    permissions = tuple(_permission(each) for each in options["permissions"] or ())
    _refuse_repeated([each.wwid for each in permissions])
    rules = tuple(Rules(each["name"], each["content"]) for each in options["rules"] or ())
    check_syntax(rules)
    return Request(
        hide_paths=options["hide_paths"],
        links=options["links"],
        partition_maps=options["partition_maps"],
        permissions=permissions,
        tuning=tuple(_tuning(each) for each in options["tuning"] or ()),
        rules=rules,
        initramfs=options["initramfs"],
        verify=options["verify"],
    )


def _permission(stated: Options) -> Permission:
    check_wwid("permissions: wwid", stated["wwid"])
    for option in ("owner", "group"):
        if not _OWNER.fullmatch(stated[option]):
            raise Refused(
                f"permissions: {option}", stated[option],
                "it is no name that a rule of udev can hold",
                "Use letters, digits and _.- only, or a number",
            )  # fmt: skip
    if not _MODE.fullmatch(stated["mode"]):
        raise Refused(
            "permissions: mode", stated["mode"], "it is no mode in four octal digits",
            "Put it in quotation marks, such as '0660': YAML takes a number for another one",
        )  # fmt: skip
    return Permission(stated["wwid"], stated["owner"], stated["group"], stated["mode"])


def _refuse_repeated(wwids: Sequence[str]) -> None:
    for wwid in wwids:
        if wwids.count(wwid) > 1:
            raise Refused("permissions: wwid", wwid, "it is stated twice", "State each LUN once")


def _tuning(stated: Options) -> Tuning:
    for option, longest in _LONGEST.items():
        text = stated[option].strip(" ")
        if not _PATTERN.fullmatch(text) or len(text) > longest:
            raise Refused(
                f"tuning: {option}", stated[option],
                f"no device has such a {option}, or no rule of udev can hold it",
                f"State it as `cat /sys/block/sda/device/{option}` shows it, in at most {longest}"
                " characters; * and ? stand for others",
            )  # fmt: skip
    settings = tuple(
        (name, _setting(name, stated[name]))
        for name in ATTRIBUTE_OF
        if stated.get(name) is not None
    )
    if not settings:
        raise Refused(
            "tuning", f"{stated['vendor']} {stated['model']}", "it states no setting",
            f"State one or more of {', '.join(ATTRIBUTE_OF)}",
        )  # fmt: skip
    return Tuning(stated["vendor"].strip(" "), stated["model"].strip(" "), settings)


def _setting(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int) and value < _LEAST.get(name, 0):
        raise Refused(
            f"tuning: {name}", value, "the kernel takes no such value",
            f"State {_LEAST.get(name, 0)} or more",
        )  # fmt: skip
    if isinstance(value, str) and not _WORD.fullmatch(value):
        raise Refused(
            f"tuning: {name}", value, "no scheduler has such a name",
            "State one that /sys/block/sda/queue/scheduler shows, such as none",
        )  # fmt: skip
    return str(value)
