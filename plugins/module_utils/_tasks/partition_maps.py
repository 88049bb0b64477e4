# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`partition_maps`: from a task's options and a host to the partition maps that the task states."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._observe.names import observe_names
from .._observe.partitions import observe_partitions
from .._plan.boot import with_partition_records
from .._plan.map_steps import Attach, Detach
from .._plan.missing import Absent, Desired, plan
from .._plan.renames import boot_warnings, refuse_stale_nodes, refuse_unmounting
from .._plan.steps import uuids
from .._report.difference import difference
from .._report.partitions import partition_result
from .._values.errors import Refused, refuse_empty
from .._values.names import check_name, check_uuid, partition_number, partition_uuid
from .._values.table import Linear, Segment, devices
from .._values.use import words
from .task import Task

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...plugin_utils._types import Host, Map, Parent, Partition, PartitionTable, Plan, Readings
    from .task import ModuleOptions

_DELIMITER = re.compile(r"(?:[-_.]part|[-_.]p|(?<=[0-9])p)$")
"""The delimiters in use, of which a device's name is not taken to have the end."""
_DISJOINT = ("dos", "gpt", "mac", "atari", "aix")
"""The partition tables (libblkid's names) whose partitions never share sectors."""


@dataclass(frozen=True)
class Request:
    """The devices whose partition maps a task states; no `partitions` means all of them."""

    devices: tuple[str, ...]
    present: bool
    delimiter: str = "auto"
    partitions: tuple[int, ...] = ()
    purge: bool = True
    read_only: bool = False
    skip_extended: bool = False
    rename_mounted: bool = False
    sector_size: int = 0


def parse(options: ModuleOptions) -> Request:
    """Return what `options` state; Refused names the option that is wrong."""
    for option in ("devices", "partitions"):
        refuse_empty(option, options[option])
    devices = tuple(options["devices"] or (options["device"],))
    for device in devices:
        if devices.count(device) > 1:
            raise Refused(
                option="devices",
                value=device,
                found="it is specified more than once",
                way_out="Specify it once",
            )
        if not device:
            raise Refused(
                option="device",
                value=device,
                found="must not be empty",
                way_out="Specify the name of a map or a /dev path",
            )
    numbers = tuple(options["partitions"] or ())
    for number in numbers:
        if number < 1:
            raise Refused(
                option="partitions",
                value=number,
                found="must be at least 1, the number of the first partition",
                way_out="Specify the numbers that device_mapper_info shows",
            )
    if options["delimiter"] != "auto":
        check_name("delimiter", f"x{options['delimiter']}1")
    return Request(
        devices,
        present=options["state"] == "present",
        delimiter=options["delimiter"],
        partitions=numbers,
        purge=options["purge"],
        read_only=options["read_only"],
        skip_extended=options["extended"] == "skip",
        rename_mounted=options["rename_mounted"],
        sector_size=options["sector_size"] or 0,
    )


def operations(request: Request, host: Host) -> Plan:
    """Return what is missing on the host; Refused if it cannot be made so."""
    stated = desire(request, host)
    refuse_stale_nodes("device", stated, host)
    maps = plan(stated, host.maps)
    refuse_unmounting("delimiter", request.delimiter, stated, host, request.rename_mounted)
    steps = (*_attach(request, stated, host), *maps, *_detach(request, stated, host))
    return with_partition_records(steps, host, [each.uuid for each in host.parents])


def desire(request: Request, host: Host) -> tuple[Desired | Absent, ...]:
    """Return the partition maps as they should be; Refused if a device is not fit for them."""
    seen: dict[str, Parent] = {}
    stated: list[Desired | Absent] = []
    for parent in host.parents:
        twin = seen.setdefault(parent.uuid, parent)
        if twin is not parent:
            raise Refused(
                option="devices",
                value=parent.stated,
                found=f"it is the same device as {twin.stated}",
                way_out="Specify it once",
            )
        desired = tuple(_desired(request, parent, host)) if request.present else ()
        wanted = {each.uuid for each in desired}
        for each in host.partition_maps(parent):
            if each.uuid in wanted or not _is_meant(request, each, parent):
                continue
            if request.present and _is_seen(each, parent):
                continue
            _refuse_used(parent, each, host, "removed")
            stated.append(Absent(each.uuid))
        stated += desired
    return tuple(stated)


def observe(request: Request, readings: Readings, timeout: float) -> Host:
    """Return the host as these devices' partition maps concern it."""
    host = observe_partitions(
        readings,
        request.devices,
        timeout,
        reading=request.present,
        sector_size=request.sector_size,
    )
    return observe_names(host, dict(_names(request, host)), readings, timeout)


def _names(request: Request, host: Host) -> Iterator[tuple[str, str]]:
    """Yield the uuids of the maps that should be there, whether they can be or not, and names."""
    for parent in host.parents if request.present else ():
        delimiter = delimiter_for(request, parent, host)
        for each in _meant(request, parent):
            name = f"{parent.name}{delimiter}{each.number}"
            yield partition_uuid(each.number, parent.uuid), name


def report(_request: Request, host: Host) -> dict[str, t.Any]:
    """Return the partition maps that are there, with what the partition table says of them."""
    return {
        "maps": [
            partition_result(partition, each, parent)
            for parent in host.parents
            for partition in parent.partition_table.partitions
            for each in host.partition_maps(parent)
            if each.uuid == partition_uuid(partition.number, parent.uuid)
        ],
    }


def changes(_request: Request, before: Host, after: Host, steps: Plan) -> dict[str, t.Any]:
    """Return the difference of the maps and files that `steps` are about; nothing without steps."""
    if not steps:
        return {}
    # The record of a map's partitions is about the map, which stays as it is.
    concerned = uuids(steps) - {each.uuid for each in before.parents}
    return {"diff": difference(before, after, concerned)}


def _attach(request: Request, stated: Sequence[Desired | Absent], host: Host) -> Iterator[Attach]:
    """Yield the loop devices of images whose maps are stated, and that none shows yet."""
    below = {
        device for each in stated if isinstance(each, Desired) for device in devices(each.table)
    }
    for parent in host.parents:
        if not parent.attached and parent.device in below:
            read_only = request.read_only or parent.read_only
            yield Attach(parent.device, parent.image, read_only, parent.logical_sector)


def _detach(request: Request, stated: Sequence[Desired | Absent], host: Host) -> Iterator[Detach]:
    """Yield the loop devices of images that are to have no maps; Refused if one has other uses."""
    if request.present:
        return
    gone = {each.uuid for each in stated}
    for parent in host.parents:
        left = [each for each in host.partition_maps(parent) if each.uuid not in gone]
        if not parent.image or not parent.attached or parent.autoclear or left:
            continue
        mine = {each.device for each in host.partition_maps(parent)}
        others = tuple(use for use in host.uses_of(parent.device) if use.device not in mine)
        if others:
            raise Refused(
                option="device",
                value=parent.stated,
                found=(
                    f"its loop device {parent.name} would be detached, and is in use:"
                    f" {words(others)}"
                ),
                way_out="End that use first; nothing was changed",
            )
        yield Detach(parent.device)


def delimiter_for(request: Request, parent: Parent, host: Host) -> str:
    """Return what stands between the parent's name and the number in the names of its maps.

    `auto`: what the maps of these partitions already use if they agree; else what the host's kpartx
    rule uses; else kpartx's own rule (kpartx.c set_delimiter): `p` after a digit, otherwise
    nothing. Maps that are to go do not count: a run that was killed has removed some of them.
    """
    if request.delimiter != "auto":
        return request.delimiter
    staying = {partition_uuid(each.number, parent.uuid) for each in _meant(request, parent)}
    maps = [each for each in host.partition_maps(parent) if each.uuid in staying]
    used = {_delimiter_of(each, parent) for each in maps} - {None}
    if len(used) == 1:
        (found,) = used
        return found or ""
    if host.kpartx_delimiter is not None:
        return host.kpartx_delimiter
    return "p" if parent.name[-1:].isdigit() else ""


def _desired(request: Request, parent: Parent, host: Host) -> Iterator[Desired]:
    delimiter = delimiter_for(request, parent, host)
    for partition in _chosen(request, parent):
        name = f"{parent.name}{delimiter}{partition.number}"
        check_name("delimiter", name)
        uuid = partition_uuid(partition.number, parent.uuid)
        check_uuid("device", parent.stated, uuid)
        length = parent.partition_table.mapped_sectors(partition)
        table = (Segment(0, length, Linear(parent.device, partition.start)),)
        desired = Desired(name, uuid, table, request.read_only or parent.read_only)
        present = host.map_of_uuid(uuid)
        if present is not None:
            _refuse_foreign(parent, present, host)
            _refuse_change(parent, present, desired, host)
        yield desired


def _chosen(request: Request, parent: Parent) -> tuple[Partition, ...]:
    """Return the partitions that are to have maps; Refused if one of them is not sound."""
    table = parent.partition_table
    if table.kind == "PMBR":
        raise Refused(
            option="device",
            value=parent.stated,
            found=(
                "it has a protective MBR but no readable GPT: the partition table is damaged, or"
                f" made for sectors of another size than this device's {table.logical_sector} bytes"
            ),
            way_out="Repair it (gdisk, sgdisk --load-backup) or erase it (wipefs); no map was made",
        )
    numbers = [partition.number for partition in table.partitions]
    for number in request.partitions:
        if number not in numbers:
            known = ", ".join(map(str, numbers)) or "none"
            raise Refused(
                option="partitions",
                value=number,
                found=(
                    f"the partition table of {parent.stated} has no such number (it has: {known})"
                    f"{_instead(table)}"
                ),
                way_out="Correct the number, or make the partition first",
            )
    chosen = _meant(request, parent)
    for partition in chosen:
        _refuse_outside(parent, partition)
        # Kernel, partx and kpartx map what overlaps, and so does an explicit choice.
        if not request.partitions:
            _refuse_overlap(parent, partition, chosen)
    return chosen


def _instead(table: PartitionTable) -> str:
    return f"; the whole device is a {table.content}" if table.content else ""


def _meant(request: Request, parent: Parent) -> tuple[Partition, ...]:
    """Return the partitions of the table that the task is about."""
    return tuple(
        each
        for each in parent.partition_table.partitions
        if (not request.partitions or each.number in request.partitions)
        and not (each.extended and request.skip_extended)
    )


def _refuse_outside(parent: Parent, partition: Partition) -> None:
    """Refuse a partition that is not on the device; of a container two sectors have to be."""
    length = parent.partition_table.mapped_sectors(partition)
    if length < 1 or partition.start < 0 or partition.start + length > parent.sectors:
        raise Refused(
            option="device",
            value=parent.stated,
            found=(
                f"its partition {partition.number} has the sectors {partition.start} to"
                f" {partition.end - 1}, and the device has {parent.sectors} sectors"
            ),
            way_out=(
                "Grow the device, correct the partition table, or list only the others in"
                " `partitions`; no map was made"
            ),
        )


def _refuse_overlap(parent: Parent, partition: Partition, chosen: Sequence[Partition]) -> None:
    """Refuse a partition that shares sectors with another chosen one, as after a slip in a table.

    A container holds its logical partitions, a partition the slices nested in it; and in labels of
    slices (BSD, Sun, SGI) some cover others by custom, so that the kernel maps them all.
    """
    table = parent.partition_table
    if table.kind not in _DISJOINT or partition.extended or partition.nested:
        return
    for other in chosen:
        if other is partition or other.extended or other.nested:
            continue
        if other.start < partition.end and partition.start < other.end:
            raise Refused(
                option="device",
                value=parent.stated,
                found=f"its partitions {partition.number} and {other.number} overlap",
                way_out=(
                    "Correct the partition table (sfdisk --verify); or, if it is meant as in an"
                    " installer image, list those to map in `partitions`; no map was made"
                ),
            )


def _refuse_foreign(parent: Parent, present: Map, host: Host) -> None:
    """Refuse to take over a map that has the right uuid, and is not on the device."""
    if present not in host.partition_maps(parent):
        raise Refused(
            option="device",
            value=parent.stated,
            found=(
                f"the map {present.name} has the uuid {present.uuid} of one of its partition"
                " maps, but is on another device"
            ),
            way_out="Find out what it is (dmsetup table), and remove it; it was not touched",
        )


def _refuse_change(parent: Parent, present: Map, desired: Desired, host: Host) -> None:
    """Refuse to change a map under its user's feet, except that it may grow."""
    if not present.live:
        return
    same_start = present.live[0].target == desired.table[0].target
    if not (same_start and desired.table[0].length >= present.sectors):
        _refuse_used(parent, present, host, "moved or shrunk")
    if desired.read_only and not present.read_only:
        _refuse_used(parent, present, host, "made read-only")


def _refuse_used(parent: Parent, present: Map, host: Host, what: str) -> None:
    uses = host.uses_of(present.device)
    if uses:
        raise Refused(
            option="device",
            value=parent.stated,
            found=(
                f"its partition map {present.name} would be {what}, and is in use: {words(uses)}"
            ),
            way_out="End that use first (unmount, swapoff, vgchange -an); nothing was changed",
        )


def _is_meant(request: Request, each: Map, parent: Parent) -> bool:
    """Return whether the task says that this map should not be."""
    if request.present:
        return request.purge
    if not request.partitions:
        return True
    return partition_number(each.uuid, parent.uuid) in request.partitions


def _is_seen(each: Map, parent: Parent) -> bool:
    """Return whether another reader sees the partition, where no table that counts is found.

    That alone is no reason to remove its map: the other one may be right.
    """
    table = parent.partition_table
    number = partition_number(each.uuid, parent.uuid)
    shown = [
        (Segment(0, table.mapped_sectors(one), Linear(parent.device, one.start)),)
        for one in table.ignored
        if one.number == number
    ]
    return not table.kind and each.live in shown


def _kept(request: Request, host: Host) -> Iterator[str]:
    """Yield in words which maps are kept that the table, if there were one, would have to show."""
    for parent in host.parents if request.present and request.purge else ():
        kept = [each.name for each in host.partition_maps(parent) if _is_seen(each, parent)]
        if kept:
            content = parent.partition_table.content
            found = f"the whole device is a {content}" if content else "libblkid finds no table"
            yield (
                f"{parent.stated}: kept {', '.join(kept)}: {found}, but another reader (partx, or"
                " the kernel) sees these partitions. If they are wrong, remove the maps with"
                " state: absent"
            )


def _delimiter_of(each: Map, parent: Parent) -> str | None:
    number = str(partition_number(each.uuid, parent.uuid))
    if not each.name.endswith(number):
        return None
    stem = each.name[: len(each.name) - len(number)]
    if stem.startswith(parent.name):
        return stem[len(parent.name) :]
    # The device has been renamed since.
    known = _DELIMITER.search(stem)
    return known.group() if known else None


def warnings(request: Request, before: Host, after: Host) -> Iterator[str]:
    """Yield which maps are kept against the table, and what the next boot would miss."""
    yield from _kept(request, after)
    yield from boot_warnings(before, after)


TASK = Task(parse, observe, report, operations, changes, warnings)
