# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of `udev_info`: what udev should show, as values; what no rule can hold ends here."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._values.errors import Refused
from .._values.names import check_wwid
from .._values.udev import Rules
from .._values.udev_rules import check_syntax

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .task import ModuleOptions

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
_NVME_LONGEST = {"subsystem": 223, "model": 40}  # NVMF_NQN_SIZE (nvme.h); Identify Controller
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
class NvmeTuning:
    """The settings of NVMe subsystems that match the patterns, and of their controllers.

    An empty `iopolicy`, and a time-out that is None, are not stated; -1 is off. `transport` is
    that of the controllers whose time-outs are meant, empty for all.
    """

    subsystem: str
    model: str
    transport: str = ""
    iopolicy: str = ""
    ctrl_loss_tmo: int | None = None
    fast_io_fail_tmo: int | None = None


@dataclass(frozen=True)
class Request:
    """What should hold. The first of `tuning`, or `nvme`, that matches a device counts."""

    hide_paths: bool
    links: bool
    partition_maps: bool
    permissions: tuple[Permission, ...]
    tuning: tuple[Tuning, ...]
    nvme: tuple[NvmeTuning, ...]
    rules: tuple[Rules, ...]
    initramfs: str
    verify: bool


def parse(options: ModuleOptions) -> Request:
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
        nvme=tuple(_nvme_tuning(each) for each in options["nvme"] or ()),
        rules=rules,
        initramfs=options["initramfs"],
        verify=options["verify"],
    )


def _permission(stated: ModuleOptions) -> Permission:
    check_wwid("permissions: wwid", stated["wwid"])
    for option in ("owner", "group"):
        if not _OWNER.fullmatch(stated[option]):
            raise Refused(
                option=f"permissions: {option}",
                value=stated[option],
                found="a udev rule cannot contain this name",
                way_out="Use letters, digits and _.- only, or a number",
            )
    if not _MODE.fullmatch(stated["mode"]):
        raise Refused(
            option="permissions: mode",
            value=stated["mode"],
            found="must be a mode in four octal digits",
            way_out=(
                "Put it in quotation marks, such as '0660': YAML reads another number without them"
            ),
        )
    return Permission(stated["wwid"], stated["owner"], stated["group"], stated["mode"])


def _refuse_repeated(wwids: Sequence[str]) -> None:
    for wwid in wwids:
        if wwids.count(wwid) > 1:
            raise Refused(
                option="permissions: wwid",
                value=wwid,
                found="it is specified more than once",
                way_out="Specify each LUN once",
            )


def _tuning(stated: ModuleOptions) -> Tuning:
    for option, longest in _LONGEST.items():
        text = stated[option].strip(" ")
        if not _PATTERN.fullmatch(text) or len(text) > longest:
            raise Refused(
                option=f"tuning: {option}",
                value=stated[option],
                found=f"no device can have this {option}, or a udev rule cannot contain it",
                way_out=(
                    f"Write it as `cat /sys/block/sda/device/{option}` shows it, in at most"
                    f" {longest} characters; * and ? match others"
                ),
            )
    settings = tuple(
        (name, _setting(name, stated[name]))
        for name in ATTRIBUTE_OF
        if stated.get(name) is not None
    )
    if not settings:
        raise Refused(
            option="tuning",
            value=f"{stated['vendor']} {stated['model']}",
            found="no setting is specified",
            way_out=f"Specify one or more of {', '.join(ATTRIBUTE_OF)}",
        )
    return Tuning(stated["vendor"].strip(" "), stated["model"].strip(" "), settings)


def _nvme_tuning(stated: ModuleOptions) -> NvmeTuning:
    patterns = {name: _nvme_pattern(name, stated.get(name)) for name in _NVME_LONGEST}
    if not any(patterns.values()):
        raise Refused(
            option="nvme",
            value=dict(stated),
            found="neither subsystem nor model is specified",
            way_out="Specify one of them; '*' stands for all NVMe subsystems",
        )
    words = patterns["subsystem"] or patterns["model"]
    timeouts = {name: stated.get(name) for name in ("ctrl_loss_tmo", "fast_io_fail_tmo")}
    for name, seconds in timeouts.items():
        if seconds is not None and seconds < -1:
            raise Refused(
                option=f"nvme: {name}",
                value=seconds,
                found="must be at least 0 seconds, or -1 for forever",
                way_out="Correct it, or leave it out",
            )
    loss, fail = timeouts["ctrl_loss_tmo"], timeouts["fast_io_fail_tmo"]
    if loss is not None and fail is not None and -1 < loss < fail:
        raise Refused(
            option="nvme: fast_io_fail_tmo",
            value=fail,
            found=f"it is longer than ctrl_loss_tmo ({loss}), after which the controller is gone",
            way_out="Reduce it, or set it to -1",
        )
    if stated.get("iopolicy") is None and loss is None and fail is None:
        raise Refused(
            option="nvme",
            value=words,
            found="no setting is specified",
            way_out="Specify one or more of iopolicy, ctrl_loss_tmo, fast_io_fail_tmo",
        )
    return NvmeTuning(
        subsystem=patterns["subsystem"] or "*",
        model=patterns["model"] or "*",
        transport=stated.get("transport") or "",
        iopolicy=stated.get("iopolicy") or "",
        ctrl_loss_tmo=loss,
        fast_io_fail_tmo=fail,
    )


def _nvme_pattern(option: str, value: str | None) -> str:
    """Return a pattern without the spaces around it; empty if it is not stated."""
    text = (value or "").strip(" ")
    if value is not None and not (_PATTERN.fullmatch(text) and len(text) <= _NVME_LONGEST[option]):
        name = {"subsystem": "subsysnqn"}.get(option, option)
        raise Refused(
            option=f"nvme: {option}",
            value=value,
            found=f"no NVMe subsystem has such a {name}, or no rule of udev can hold it",
            way_out=(
                f"Write it as `cat /sys/class/nvme-subsystem/nvme-subsys0/{name}` shows it, in at"
                f" most {_NVME_LONGEST[option]} characters; * and ? stand for others"
            ),
        )
    return text


def _setting(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int) and value < _LEAST.get(name, 0):
        raise Refused(
            option=f"tuning: {name}",
            value=value,
            found=f"must be at least {_LEAST.get(name, 0)}",
            way_out="Increase it, or leave it out",
        )
    if isinstance(value, str) and not _WORD.fullmatch(value):
        raise Refused(
            option=f"tuning: {name}",
            value=value,
            found="it is not the name of a scheduler",
            way_out="Use one that /sys/block/sda/queue/scheduler shows, such as none",
        )
    return str(value)
