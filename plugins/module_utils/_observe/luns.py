# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One reading of the LUNs of a host, for those that are to be there or to go."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import replace

from .._values.disk import identified
from .._values.host import Host
from .._values.records import STATIC_PATHS
from .._values.use import Use
from .uses import with_openers

if t.TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from ...plugin_utils._types import BlockDevice, DeviceNumber, Readings, Uses


def observe_luns(
    readings: Readings, present: Mapping[str, int], absent: Container[str], timeout: float
) -> Host:
    """Return the host's disks, controllers and NVMe subsystems, and who uses the disks.

    `present` has a number of paths for each WWID. Those paths are asked for their size and for who
    they are; where paths are missing, each disk that a SAN may lead to is asked who it is: a scan
    finds nothing behind a LUN number that the kernel has a disk for. The users of the paths of
    `absent`, and of those disks that are another LUN now, are all found: processes as well, and
    what is mounted in other namespaces.
    """
    uses = readings.uses()
    found = readings.disks(timeout)
    sizes = readings.reported_sectors(each for each in found if each.wwid in present)
    controllers = readings.san_controllers()
    disks = tuple(replace(each, reported_sectors=sizes.get(each.device, 0)) for each in found)
    asked = [each for each in disks if each.wwid in present]
    disks = identified(disks, readings.reported_wwids(asked))
    paths = Counter(each.wwid for each in disks if not each.is_stale)
    if any(paths[wwid] < number for wwid, number in present.items()):
        others = [each for each in disks if each.wwid not in present]
        reachable = [each for each in others if _host_of(each) in controllers]
        disks = identified(disks, readings.reported_wwids(reachable))
    leaving = [
        each
        for each in disks
        if each.wwid in absent or (each.is_stale and any(map(each.names_lun, present)))
    ]
    return Host(
        block_devices=disks,
        uses={**uses, **_all_uses(leaving, uses, readings)},
        controllers=readings.controllers(),
        san_controllers=controllers,
        native_nvme_multipath=readings.has_native_nvme_multipath(),
        nvme=readings.nvme_subsystems(),
        detached=readings.detached(),
    )


def observe_detached(host: Host, readings: Readings, going: Container[str], timeout: float) -> Host:
    """Return the host with what brings LUNs back, and the maps of those that are `going`.

    All uses of these maps, and of their partition maps, are found.
    """
    maps = readings.maps()
    uuids = {each.uuid for each in maps if each.wwid in going}
    leaving = [each for each in maps if each.uuid in uuids or each.partition[1] in uuids]
    return replace(
        host,
        maps=maps,
        uses=with_openers(host.uses, leaving, readings, timeout),
        boot_files=readings.boot_files(STATIC_PATHS),
        held_paths=readings.held_paths(),
        multipathd=readings.multipathd(timeout, frozenset(), checked=False),
    )


def _host_of(disk: BlockDevice) -> str:
    return f"host{disk.address.partition(':')[0]}"


def _all_uses(
    disks: Sequence[BlockDevice], known: Mapping[DeviceNumber, Uses], readings: Readings
) -> dict[DeviceNumber, Uses]:
    if not disks:
        return {}
    owners = {
        number: each
        for each in disks
        for number in (each.device, *readings.partitions_of(each.device))
    }
    uses = {each.device: known.get(each.device, ()) for each in disks}
    for number, found in readings.openers(owners).items():
        disk = owners[number].device
        # udev's are short-lived, and the kernel lets a disk go that one of them has open.
        uses[disk] = (*uses[disk], *(use for use in found if not use.is_udev))
    for each in disks:
        if not uses[each.device] and each.state == "running" and readings.is_claimed(each.device):
            uses[each.device] = (Use("claim"),)
    return uses
