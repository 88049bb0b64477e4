# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One reading of the devices whose partition maps a task states."""

from __future__ import annotations

import os
import typing as t
from dataclasses import replace

from .._values.errors import Refused
from .._values.host import Host
from .._values.names import unnamed_uuid
from .._values.partitions import Parent, Partition
from .._values.table import devices
from .uses import with_openers

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plugin_utils._types import DeviceNumber, Map, Readings

_KPARTX_SECONDS = 30.0


def observe_partitions(
    readings: Readings,
    stated: Sequence[str],
    timeout: float,
    *,
    reading: bool,
    sector_size: int = 0,
) -> Host:
    """Return the host's maps and the `stated` devices, with their partition tables if `reading`.

    `sector_size` is that of the disks in images, 0 for what their tables show.

    Waits for udev first where a rule of the host's may be at work on the same maps, `timeout`
    seconds at most, and not for long: an event of any other device may hang, and udev's queue does
    not say whose its events are. Raises Refused for a device that is not there or that cannot be
    read without hanging. Where its maps are to be removed, a device that is not there has none.
    """
    delimiter = readings.kpartx_delimiter()
    if delimiter is not None:
        if reading:
            _refuse_at_once(stated, readings)
        readings.settle(min(timeout, _KPARTX_SECONDS))
    maps = readings.maps()
    uses = readings.uses()
    host = Host(maps=maps, uses=uses, kpartx_delimiter=delimiter)
    parents: list[Parent] = []
    for each in stated:
        taken = {other.device for other in parents if other.image}
        parent = _parent(
            each, host, taken, readings, timeout if reading else None, sector_size=sector_size
        )
        if parent is not None:
            parents.append(parent)
    children = [child for each in parents for child in host.maps_of_partitions(each.uuid)]
    return replace(
        host,
        parents=tuple(parents),
        uses=with_openers(uses, children, readings, timeout),
        boot_files=readings.boot_files(()),
    )


def _refuse_at_once(stated: Sequence[str], readings: Readings) -> None:
    """Refuse devices that queue without a path before udev is waited for, which may read them.

    Other states, such as a suspended map, may be those of the moment.
    """
    host = Host(maps=readings.maps())
    for each in stated:
        present = _map_stated(each, host)
        number = present.device if present else readings.device_at(each) if "/" in each else None
        if number is not None:
            _refuse_queueing(each, number, host)


def _parent(
    stated: str,
    host: Host,
    taken: set[DeviceNumber],
    readings: Readings,
    timeout: float | None,
    *,
    sector_size: int,
) -> Parent | None:
    """Return the stated device; its partition table is read, unless `timeout` is None."""
    reading = timeout is not None
    present = _map_stated(stated, host)
    if present is None and _is_image(stated, readings, reading):
        return _image(stated, host, taken, readings, timeout, sector_size=sector_size)
    number = present.device if present else readings.device_at(stated) if "/" in stated else None
    there = readings.block_device(number) if number else None
    if number is None or there is None:
        if not reading:
            return None
        raise Refused(
            option="device",
            value=stated,
            found="this host has no map, block device or image file of this name",
            way_out="Make the map first (multipath_map), or correct the name or path",
        )
    present = present or host.map_at(number)
    uuid = present.uuid if present else ""
    parent = Parent(
        stated=stated,
        name=present.name if present else there.name,
        uuid=uuid or unnamed_uuid(number),
        device=number,
        sectors=there.sectors,
        read_only=there.read_only,
    )
    if timeout is None:
        return parent
    if there.is_joined:
        _refuse_joined(stated, there.name)
    _refuse_path(stated, number, host)
    _refuse_hanging(stated, number, host)
    path = f"/dev/mapper/{present.name}" if present else stated
    table = readings.partition_table(path, number, timeout)
    if not table.kind and not table.content:
        _refuse_dasd(stated, number, host, readings)
        table = replace(table, ignored=_seen_by_the_kernel(parent, host, readings))
    return replace(parent, partition_table=table)


def _seen_by_the_kernel(parent: Parent, host: Host, readings: Readings) -> tuple[Partition, ...]:
    """Return the kernel's own partitions of a device that has maps, or of a map's paths."""
    if not host.maps_of_partitions(parent.uuid):
        return ()
    below = host.map_at(parent.device)
    disks = below.multipath.devices() if below and below.multipath else (parent.device,)
    found = (each for disk in disks for each in readings.kernel_partitions(disk))
    return tuple(Partition(*each) for each in dict.fromkeys(found))


def _is_image(stated: str, readings: Readings, reading: bool) -> bool:
    """Return whether a file is stated; to be detached, a loop device may have outlived its file."""
    if not os.path.isabs(stated):
        return False
    return bool(readings.image_file(stated) if reading else readings.loop_devices(stated))


def _image(
    stated: str,
    host: Host,
    taken: set[DeviceNumber],
    readings: Readings,
    timeout: float | None,
    *,
    sector_size: int,
) -> Parent:
    """Return the loop device that shows the file `stated`, or the one that would."""
    file = readings.image_file(stated)
    image = file.path if file else stated
    # One that was attached for part of the maps before, rather than another program's.
    shown = sorted(readings.loop_devices(image), key=lambda each: not host.holders(each.device))
    device = shown[0].device if shown else readings.free_loop_device(taken)
    there = readings.block_device(device) if shown else None
    parent = Parent(
        stated=stated,
        name=f"loop{device.minor}",
        uuid=unnamed_uuid(device),
        device=device,
        sectors=there.sectors if there else file.sectors if file else 0,
        read_only=there.read_only if there else file is not None and file.read_only,
        image=image,
        attached=bool(shown),
        autoclear=bool(shown) and shown[0].autoclear,
        logical_sector=sector_size or (file.sector if file else 0) or 512,
    )
    if timeout is None:
        return parent
    if file and file.packed:
        _refuse_packed(stated, file.packed)
    if not shown:
        table = readings.partition_table(image, None, timeout, parent.logical_sector)
        return replace(parent, partition_table=table)
    table = readings.partition_table(f"/dev/{parent.name}", device, timeout)
    if sector_size and table.logical_sector != sector_size:
        raise Refused(
            option="sector_size",
            value=sector_size,
            found=(
                f"{parent.name} shows the image {stated} already, with sectors of"
                f" {table.logical_sector} bytes"
            ),
            way_out="Detach it first (state: absent, or losetup --detach); nothing was changed",
        )
    return replace(parent, partition_table=table)


def _refuse_packed(stated: str, packed: str) -> None:
    """Refuse an image of which a loop device would show something other than the disk."""
    unpacked = packed in ("xz", "gzip")
    raise Refused(
        option="device",
        value=stated,
        found=f"it is a disk image in the format {packed}, and a loop device shows raw images only",
        way_out=(
            f"Decompress it ({packed} --decompress --keep)"
            if unpacked
            else "Convert it (qemu-img convert -O raw), or connect it with qemu-nbd"
        ),
    )


def _refuse_dasd(stated: str, number: DeviceNumber, host: Host, readings: Readings) -> None:
    """Refuse a DASD whose partition table the host's libblkid does not see."""
    below = host.map_at(number)
    for device in devices(below.live) if below else ():
        _refuse_dasd(stated, device, host, readings)
    there = readings.block_device(number)
    if there and there.name.startswith("dasd"):
        raise Refused(
            option="device",
            value=stated,
            found=(
                "it is a DASD, whose partition tables libblkid"
                f" {readings.libblkid_version()} does not read (2.43 and later do), or it has none"
            ),
            way_out=("Make its partition maps with kpartx, or upgrade util-linux; no map was made"),
        )


def _map_stated(stated: str, host: Host) -> Map | None:
    directory, name = os.path.split(stated)
    return host.map_named(name) if directory in ("", "/dev/mapper") else None


def _refuse_path(stated: str, number: DeviceNumber, host: Host) -> None:
    """Refuse a single path of a multipath map: its partitions belong to the map."""
    for each in host.holders(number):
        if each.multipath is not None:
            raise Refused(
                option="device",
                value=stated,
                found=f"it is a path of the multipath map {each.name}",
                way_out=f"Specify the map instead: {each.name}",
            )


def _refuse_joined(stated: str, name: str) -> None:
    """Refuse a namespace whose paths the kernel joins; the kernel also makes its partitions."""
    raise Refused(
        option="device",
        value=stated,
        found=f"{name} is an NVMe multipath device, whose partitions are the kernel's own",
        way_out=(
            f"Use them as they are (/dev/{name}p1 is the first); after a change of the partition"
            f" table the kernel reads it again (partx --update /dev/{name}). No map was made"
        ),
    )


def _refuse_hanging(stated: str, number: DeviceNumber, host: Host) -> None:
    """Refuse a device that would not answer a read: it, or a map below it, queues or waits."""
    below = host.map_at(number)
    if below is None:
        return
    if below.suspended:
        raise Refused(
            option="device",
            value=stated,
            found=f"the map {below.name} is suspended, so that reading it would hang",
            way_out=f"Find out what suspended it; `dmsetup resume {below.name}` resumes it",
        )
    _refuse_queueing(stated, number, host)
    if not below.live:
        raise Refused(
            option="device",
            value=stated,
            found=f"the map {below.name} has no table (an interrupted run?)",
            way_out="Run the task that makes this map again, or remove it",
        )
    for device in devices(below.live):
        _refuse_hanging(stated, device, host)


def _refuse_queueing(stated: str, number: DeviceNumber, host: Host) -> None:
    """Refuse a device that would not answer a read until a path comes back."""
    below = host.map_at(number)
    if below is None:
        return
    if below.queues_without_path:
        raise Refused(
            option="device",
            value=stated,
            found=(
                f"the map {below.name} queues and has no active path, so that reading it would hang"
            ),
            way_out=(
                "Bring a path back first, or let the map fail: multipath_map with no_path_retry:"
                " fail"
            ),
        )
    for device in devices(below.live):
        _refuse_queueing(stated, device, host)
