# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a multipath map is: whether its I/O goes on, and what is not as it should be."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ._names import wwid_of
from ._table import devices

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ._host import BlockDevice, Host, Map

_RUNNING = ("", "running", "live")
"""The states of SCSI and NVMe devices that take I/O; empty where a device has no such state."""
_INACCESSIBLE = ("unavailable", "offline")
"""The ALUA states in which a path carries no I/O, nor after an activation (SPC-4, 5.15.2)."""


@dataclass(frozen=True)
class Reason:
    """One thing that is not as it should be.

    `path` is the major:minor of the path concerned and `name` its disk's, both empty where the map
    itself is; `found` is what was found instead of `expected`, empty where the kind says all.
    """

    kind: str
    path: str = ""
    name: str = ""
    found: str = ""
    expected: str = ""


@dataclass(frozen=True)
class Health:
    """`healthy`; `degraded`, where I/O goes on; `queueing`, where it waits; `dead`: it fails."""

    state: str
    reasons: tuple[Reason, ...] = ()


def carries_io(disk: BlockDevice) -> bool:
    """Tell whether the layer below multipath would carry I/O on this path.

    The kernel's multipath target learns of a broken path by I/O that fails, and in a group that is
    not in use there is none; the layer below may know already.
    """
    return disk.state in _RUNNING and disk.access_state not in _INACCESSIBLE


def usable_paths(each: Map, host: Host) -> int:
    """Return how many active paths of a map would carry I/O."""
    running = {disk.device for disk in host.block_devices if carries_io(disk)}
    states = each.status.paths() if each.status else ()
    return len({path.device for path in states if path.active} & running)


def health(each: Map, host: Host) -> Health | None:
    """Return how a multipath map is; None for another map."""
    if not wwid_of(each.uuid):
        return None
    reasons = (*_map_reasons(each, host), *_path_reasons(each, host))
    if not each.live:
        return Health("dead", reasons)
    if each.suspended:
        return Health("queueing", reasons)
    if not usable_paths(each, host):
        queues = each.multipath is not None and each.multipath.features.queue_if_no_path
        return Health("queueing" if queues else "dead", reasons)
    return Health("degraded" if reasons else "healthy", reasons)


def _map_reasons(each: Map, host: Host) -> Iterator[Reason]:
    if not each.live:
        yield Reason("no_table")
    elif each.multipath is None:
        yield Reason("no_multipath_table", found=each.live[0].target.kind, expected="multipath")
    elif not usable_paths(each, host):
        yield Reason("no_usable_path")
    if each.suspended:
        yield Reason("suspended")
    if each.inactive:
        yield Reason("inactive_table")


def _path_reasons(each: Map, host: Host) -> Iterator[Reason]:
    """Yield what is wrong with the paths of the table, then those that it does not have."""
    wwid, disks = wwid_of(each.uuid), {disk.device: disk for disk in host.block_devices}
    members = dict.fromkeys(devices(each.live) if each.multipath else ())
    active = {path.device: path.active for path in each.status.paths()} if each.status else {}
    for device in members:
        disk, number = disks.get(device), str(device)
        if active.get(device) is False:
            yield Reason("path_failed", number, disk.name if disk else "")
        if disk is None:
            yield Reason("path_gone", number)
            continue
        if not carries_io(disk):
            found = disk.access_state if disk.state in _RUNNING else disk.state
            yield Reason("path_down", number, disk.name, found)
        if disk.wwid not in ("", wwid):
            yield Reason("path_of_other_lun", number, disk.name, disk.wwid, wwid)
        if disk.sectors != each.sectors:
            yield Reason(
                "path_size", number, disk.name, str(disk.sectors * 512), str(each.sectors * 512)
            )
    for disk in host.block_devices:
        if disk.wwid == wwid and disk.device not in members:
            yield Reason("path_not_in_map", str(disk.device), disk.name)
