# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One reading of the host for a task; nothing here changes anything."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import replace

from .._system.attribute import content, listed
from .._system.disks import is_claimed, reported_sectors
from .._system.libblkid import read_partition_table
from .._system.libblkid import version as libblkid_version
from .._system.libudev import Udev
from .._system.loop import free_loop_device, loop_devices
from .._system.multipathd import is_running
from .._system.sysfs import (
    controllers,
    device_number,
    has_native_nvme_multipath,
    is_read_only,
    kernel_name,
    openers,
    read_block_devices,
    read_uses,
    size_in_sectors,
    transport_of,
    with_partitions,
)
from .._values.device import SECTOR
from .._values.errors import DeviceMapperError, Refused
from .._values.host import Host, Map, Multipathd, Parent, PartitionTable, Use
from .._values.names import is_plain, unnamed_uuid, wwid_of
from .._values.table import devices

if t.TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from .._values.device import DeviceNumber
    from .._values.host import BlockDevice
    from .._values.kernel import Kernel

_RULES = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
_KPARTX_SECONDS = 30.0
_CLAIMED = Use("claimed, perhaps by a mount in another mount namespace")
# Of a rule that runs kpartx, and of the one that the role udev_rules installs instead.
_KPARTX = re.compile(
    rb"""(?:kpartx[^"']*?\s-p\s*|\{SAN_DEVICE_MAPPER_DELIMITER\}=")(?P<delimiter>[^\s"']+)"""
)


def observe_paths(kernel: Kernel, named: Sequence[str], timeout: float, leaving: bool) -> Host:
    """Return the host's maps and disks; `named` are the /dev paths that the task mentions.

    `leaving` says that maps are to be removed: then the processes that have one open are found.
    """
    maps = kernel.maps()
    uses = read_uses()
    if leaving:
        uses = _with_openers(uses, maps)
    return Host(
        maps=maps,
        block_devices=read_block_devices(Udev(), timeout),
        uses=uses,
        resolved=_resolved(named),
        multipathd=Multipathd(runs=is_running()),
    )


def observe_health(
    kernel: Kernel, chosen: Callable[[Map], bool], timeout: float, *, reading: bool
) -> Host:
    """Return the host's maps and disks, and which links udev has not made to maps.

    `reading` says that the partition tables of the `chosen` multipath maps are to be read, where
    that does not hang: of those that have partition maps and an active path.
    """
    host = observe_paths(kernel, (), timeout, leaving=False)
    udev = Udev()
    links = {each.device: tuple(_missing_links(each, udev)) for each in host.maps}
    host = replace(host, missing_links={number: each for number, each in links.items() if each})
    if reading:
        chosen_maps = (each for each in host.maps if wwid_of(each.uuid) and chosen(each))
        mapped = [each for each in chosen_maps if host.partition_maps(each.uuid, each.device)]
        host = replace(host, parents=readable_parents(mapped, timeout))
    return host


def _missing_links(each: Map, udev: Udev) -> Iterator[str]:
    """Yield the links that should lead to a map: its name, and its uuid if udev knows the map.

    Those are what 10-dm.rules and 13-dm-disk.rules make for a map that is resumed; whether they ran
    is said by DM_UDEV_RULES_VSN.
    """
    if not each.live or each.suspended or not is_plain(each.name + each.uuid):
        return
    links = [f"/dev/mapper/{each.name}"]
    if each.uuid and udev.properties(each.device, ("DM_UDEV_RULES_VSN",)) != ("",):
        links.append(f"/dev/disk/by-id/dm-uuid-{each.uuid}")
    yield from (link for link in links if device_number(link) != each.device)


def readable_parents(maps: Sequence[Map], timeout: float) -> tuple[Parent, ...]:
    """Return the multipath maps whose partition tables can be read without hanging, with them."""
    return tuple(
        Parent(
            each.name,
            each.name,
            each.uuid,
            each.device,
            each.sectors,
            partition_table=_table(each, timeout),
        )
        for each in maps
        if each.status and each.status.active_paths() and not each.suspended
    )


def _table(each: Map, timeout: float) -> PartitionTable:
    try:
        return read_partition_table(f"/dev/mapper/{each.name}", each.device, timeout)
    except DeviceMapperError as error:
        return PartitionTable(problem=str(error))


def observe_path_states(
    kernel: Kernel, named: Sequence[str], timeout: float, by_transport: bool
) -> Host:
    """Return the host's maps and disks, and who uses the maps; `named` are paths of the task.

    `by_transport` says that the task chooses by the names that transports give to ports.
    """
    host = observe_paths(kernel, named, timeout, leaving=True)
    disks = host.block_devices if by_transport else ()
    return replace(
        host,
        controllers=controllers(),
        transports={each.device: transport_of(each.name) for each in disks},
    )


def observe_luns(
    kernel: Kernel, present: Container[str], absent: Container[str], timeout: float
) -> Host:
    """Return the host's maps, disks and controllers, for LUNs that are to be there or to go.

    The paths of those in `present` are asked for their size, of those in `absent` all users are
    found: processes, too, and what is mounted in other namespaces.
    """
    host = observe_paths(kernel, (), timeout, leaving=False)
    sizes = reported_sectors(each for each in host.block_devices if each.wwid in present)
    disks = tuple(
        replace(each, reported_sectors=sizes.get(each.device, 0)) for each in host.block_devices
    )
    leaving = [each for each in disks if each.wwid in absent]
    return replace(
        host,
        block_devices=disks,
        uses={**host.uses, **_all_uses(leaving, host)} if leaving else host.uses,
        controllers=controllers(),
        native_nvme_multipath=has_native_nvme_multipath(),
    )


def _all_uses(disks: Sequence[BlockDevice], host: Host) -> dict[DeviceNumber, tuple[Use, ...]]:
    owners = {number: each for each in disks for number in with_partitions(each.name)}
    uses = {each.device: host.uses_of(each.device) for each in disks}
    for number, found in openers({*owners}).items():
        disk = owners[number].device
        uses[disk] = (*uses[disk], *found)
    for each in disks:
        if uses[each.device] or each.state != "running":
            continue
        if is_claimed(each.name, each.device):
            uses[each.device] = (_CLAIMED,)
    return uses


def observe_partitions(
    kernel: Kernel, stated: Sequence[str], reading: bool, timeout: float
) -> Host:
    """Return the host's maps and the `stated` devices, with their partition tables if `reading`.

    Waits for udev first where a rule of the host's may be at work on the same maps, `timeout`
    seconds at most, and not for long: an event of any other device may hang. Raises Refused for a
    device that is not there or that cannot be read without hanging. Where its maps are to be
    removed, a device that is not there has none.
    """
    delimiter = kpartx_delimiter()
    if delimiter is not None:
        Udev().settle(min(timeout, _KPARTX_SECONDS))
    maps = kernel.maps()
    uses = read_uses()
    host = Host(maps=maps, uses=uses, kpartx_delimiter=delimiter)
    parents: list[Parent] = []
    for each in stated:
        taken = {other.device for other in parents if other.image}
        parent = _parent(each, host, taken, timeout if reading else None)
        if parent is not None:
            parents.append(parent)
    children = [child for each in parents for child in host.maps_of_partitions(each.uuid)]
    return replace(host, parents=tuple(parents), uses=_with_openers(uses, children))


def _parent(
    stated: str, host: Host, taken: set[DeviceNumber], timeout: float | None
) -> Parent | None:
    """Return the stated device; its partition table is read, unless `timeout` is None."""
    reading = timeout is not None
    present = _map_stated(stated, host)
    if present is None and _is_image(stated, reading):
        return _image(stated, host, taken, timeout)
    number = present.device if present else device_number(stated) if "/" in stated else None
    if number is None:
        if not reading:
            return None
        raise Refused(
            "device", stated, "this host has no such map, block device or image file",
            "Make it first (multipath_map), or state a map's name or a path",
        )  # fmt: skip
    name = kernel_name(number)
    present = present or host.map_at(number)
    uuid = present.uuid if present else ""
    parent = Parent(
        stated=stated,
        name=present.name if present else name,
        uuid=uuid or unnamed_uuid(number),
        device=number,
        sectors=size_in_sectors(name),
        read_only=is_read_only(name),
    )
    if timeout is None:
        return parent
    _refuse_path(stated, number, host)
    _refuse_hanging(stated, number, host)
    path = f"/dev/mapper/{present.name}" if present else stated
    table = read_partition_table(path, number, timeout)
    if not table.kind:
        _refuse_dasd(stated, number, host)
    return replace(parent, partition_table=table)


def _is_image(stated: str, reading: bool) -> bool:
    """Tell whether a file is stated; to be detached, a loop device may have outlived its file."""
    if not os.path.isabs(stated):
        return False
    return os.path.isfile(stated) if reading else bool(loop_devices(stated))


def _image(stated: str, host: Host, taken: set[DeviceNumber], timeout: float | None) -> Parent:
    """Return the loop device that shows the file `stated`, or the one that would."""
    image = os.path.realpath(stated)
    # One that was attached for part of the maps before, rather than another program's.
    shown = sorted(loop_devices(image), key=lambda each: not host.holders(each.device))
    device = shown[0].device if shown else free_loop_device(taken)
    parent = Parent(
        stated=stated,
        name=f"loop{device.minor}",
        uuid=unnamed_uuid(device),
        device=device,
        sectors=0 if shown else os.stat(image).st_size // SECTOR,
        read_only=not os.access(image, os.W_OK),
        image=image,
        attached=bool(shown),
        autoclear=bool(shown) and shown[0].autoclear,
    )
    if shown:
        name = kernel_name(device)
        parent = replace(parent, sectors=size_in_sectors(name), read_only=is_read_only(name))
    if timeout is None:
        return parent
    path, number = (f"/dev/{parent.name}", device) if shown else (image, None)
    return replace(parent, partition_table=read_partition_table(path, number, timeout))


def _refuse_dasd(stated: str, number: DeviceNumber, host: Host) -> None:
    """Refuse a DASD whose partition table the host's libblkid does not see."""
    below = host.map_at(number)
    for device in devices(below.live) if below else ():
        _refuse_dasd(stated, device, host)
    if kernel_name(number).startswith("dasd"):
        raise Refused(
            "device", stated,
            f"it is a DASD, whose partition tables libblkid {libblkid_version()} does not read"
            " (2.43 and later do), or it has none",
            "Make its partition maps with kpartx, or upgrade util-linux; no map was made",
        )  # fmt: skip


def _map_stated(stated: str, host: Host) -> Map | None:
    directory, name = os.path.split(stated)
    return host.map_named(name) if directory in ("", "/dev/mapper") else None


def _refuse_path(stated: str, number: DeviceNumber, host: Host) -> None:
    """Refuse a single path of a multipath map: its partitions belong to the map."""
    for each in host.holders(number):
        if each.multipath is not None:
            raise Refused(
                "device", stated, f"it is a path of the multipath map {each.name}",
                f"State the map instead: {each.name}",
            )  # fmt: skip


def _refuse_hanging(stated: str, number: DeviceNumber, host: Host) -> None:
    """Refuse a device that would not answer a read: it, or a map below it, queues or waits."""
    below = host.map_at(number)
    if below is None:
        return
    if below.suspended:
        raise Refused(
            "device", stated, f"the map {below.name} is suspended, so that reading it would hang",
            f"Find out who suspended it; `dmsetup resume {below.name}` lets I/O go on",
        )  # fmt: skip
    if below.queues_without_path:
        raise Refused(
            "device", stated,
            f"the map {below.name} queues and has no active path, so that reading it would hang",
            "Bring a path back first, or let the map fail: multipath_map with no_path_retry: fail",
        )  # fmt: skip
    if not below.live:
        raise Refused(
            "device", stated, f"the map {below.name} has no table (an interrupted run?)",
            "Run the task that makes this map again, or remove it",
        )  # fmt: skip
    for device in devices(below.live):
        _refuse_hanging(stated, device, host)


def _resolved(named: Sequence[str]) -> dict[str, DeviceNumber]:
    found = {each: device_number(each) for each in named if each.startswith("/")}
    return {each: number for each, number in found.items() if number is not None}


def _with_openers(
    uses: dict[DeviceNumber, tuple[Use, ...]], maps: Sequence[Map]
) -> dict[DeviceNumber, tuple[Use, ...]]:
    """Return `uses` with those of open maps that nothing in `uses` explains.

    That is the processes that have them open, or a claim by somebody who is in no process: a mount
    in another mount namespace, a target of the kernel's own (LIO). A map that others lie on is
    claimed by those.
    """
    unexplained = {
        each.device: each for each in maps if each.open_count > len(uses.get(each.device, ()))
    }
    if not unexplained:
        return uses
    merged = dict(uses)
    for number, found in openers({*unexplained}).items():
        merged[number] = (*merged.get(number, ()), *found)
    for number in unexplained:
        known = merged.get(number, ())
        if all(use.is_process for use in known) and is_claimed(kernel_name(number), number):
            merged[number] = (*known, _CLAIMED)
    return merged


def kpartx_delimiter(directories: Sequence[str] = _RULES) -> str | None:
    """Return the delimiter that the host's kpartx udev rule states; None without such a rule.

    As with udev, a file hides those of the same name in the directories after its own.
    """
    files: dict[str, str] = {}
    for directory in directories:
        for name in listed(directory):
            files.setdefault(name, f"{directory}/{name}")
    for name, path in sorted(files.items()):
        match = _KPARTX.search(content(path)) if name.endswith(".rules") else None
        if match:
            return match.group("delimiter").decode("utf-8", "replace")
    return None
