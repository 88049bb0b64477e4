# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One reading of a host for those who look at it: maps and disks, links, partition tables."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._values.errors import DeviceMapperError, Refused
from .._values.multipathd import Multipathd
from .._values.names import is_plain
from .._values.partitions import Parent, PartitionTable
from .._values.records import PROGRAMS, NextBoot
from .paths import observe_paths

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ...plugin_utils._types import BlockDevice, Host, Map, Readings

_READY = "MPATH_DEVICE_READY"
_PATIENCE = 5.0  # Seconds; the host can be looked at even if the daemon hangs.


def observe_health(
    readings: Readings,
    chosen: Callable[[Map], bool],
    timeout: float,
    *,
    reading: bool,
    asking: bool = False,
) -> Host:
    """Return the host's maps, disks and NVMe subsystems, the daemon's view, and missing links.

    `reading` says that the partition tables of the `chosen` multipath maps are to be read, where
    that does not hang: of those that have partition maps and an active path. `asking` says that
    their paths are to be asked for persistent reservations; without it there are none.
    """
    host = observe_paths(readings, timeout)
    links = {each.device: tuple(_missing_links(each, readings)) for each in host.maps}
    mapped = [
        each
        for each in host.maps
        if reading and each.wwid and chosen(each) and host.partition_maps(each)
    ]
    files = readings.boot_files(())
    return replace(
        host,
        not_ready=frozenset(each.device for each in host.maps if _is_not_ready(each, readings)),
        missing_links={number: each for number, each in links.items() if each},
        parents=readable_parents(mapped, readings, timeout),
        boot_files=files,
        detached=readings.detached(),
        next_boot=_next_boot(files, readings, min(timeout, _PATIENCE)),
        multipathd=_multipathd(readings, min(timeout, _PATIENCE)),
        nvme=readings.nvme_subsystems(),
        reservations=readings.reservations(_paths(host, chosen)) if asking else {},
    )


def _paths(host: Host, chosen: Callable[[Map], bool]) -> Iterator[BlockDevice]:
    """Yield the paths of the `chosen` maps, and what has the WWID of one and is not in it."""
    for each in host.multipath_maps():
        if chosen(each):
            wwid = each.wwid
            numbers = {*each.opened(), *(disk.device for disk in host.disks_of_wwid(wwid))}
            yield from (disk for disk in map(host.disk, sorted(numbers)) if disk.name)


def _next_boot(files: Mapping[str, str], readings: Readings, timeout: float) -> NextBoot:
    """Return what would keep the next boot from making the maps that it should, if any."""
    try:
        return readings.next_boot(PROGRAMS, timeout) if files else NextBoot()
    except Refused:
        return NextBoot()  # Not known: no reason for an alarm.


def _multipathd(readings: Readings, timeout: float) -> Multipathd:
    try:
        return readings.multipathd_view(timeout)
    except Refused as hung:
        return Multipathd(
            runs=True,
            installed=True,
            version=(),
            maps=(),
            paths=(),
            complaints=(hung.found,),
            drop_ins={},
        )


def _missing_links(each: Map, readings: Readings) -> Iterator[str]:
    """Yield the links that should lead to a map: its name, and its uuid if udev knows the map.

    Those are what 10-dm.rules and 13-dm-disk.rules make for a map that is resumed; whether they ran
    is said by DM_UDEV_RULES_VSN.
    """
    if not each.live or each.suspended or not is_plain(each.name + each.uuid):
        return
    links = [f"/dev/mapper/{each.name}"]
    if each.uuid and readings.udev_properties(each.device, ("DM_UDEV_RULES_VSN",)) != ("",):
        links.append(f"/dev/disk/by-id/dm-uuid-{each.uuid}")
    yield from (link for link in links if readings.device_at(link) != each.device)


def _is_not_ready(each: Map, readings: Readings) -> bool:
    return bool(each.wwid) and readings.udev_properties(each.device, (_READY,)) == ("0",)


def readable_parents(maps: Sequence[Map], readings: Readings, timeout: float) -> tuple[Parent, ...]:
    """Return the multipath maps whose partition tables can be read without hanging, with them."""
    return tuple(
        Parent(
            each.name,
            each.name,
            each.uuid,
            each.device,
            each.sectors,
            partition_table=_read_table(each, readings, timeout),
        )
        for each in maps
        if each.status and each.status.active_paths() and not each.suspended
    )


def _read_table(each: Map, readings: Readings, timeout: float) -> PartitionTable:
    try:
        return readings.partition_table(f"/dev/mapper/{each.name}", each.device, timeout)
    except DeviceMapperError as error:
        return PartitionTable(problem=str(error))
