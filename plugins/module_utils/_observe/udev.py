# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One reading of what udev shows of paths and maps; nothing here changes anything."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._values.table import devices
from .._values.udev import EarlyMount, UdevDevice, UdevState
from .health import readable_parents
from .paths import observe_paths

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ...plugin_utils._types import DeviceNumber, Host, Readings, Rules

_BY_ID = "/dev/disk/by-id"


def observe_udev(
    readings: Readings,
    rules: Sequence[Rules],
    initramfs: str,
    timeout: float,
    *,
    verify: bool,
    partition_maps: bool,
) -> Host:
    """Return the host's maps and disks with what udev shows of them.

    `rules` are those that should be installed, `initramfs` says whether also there: always, never,
    or auto, if it makes mounts of multipath maps. To `verify`, LVM is asked what it sees, the image
    is looked into, and, if udev is to make `partition_maps`, the partition tables are read of which
    it makes some. Raises Refused for rules that this host's udev refuses.
    """
    readings.settle(timeout)
    host = observe_paths(readings, timeout)
    version = readings.udev_version()
    readings.verify_rules(rules, version)
    maps = host.multipath_maps()
    paths = {
        number
        for each in maps
        for number in devices(each.live)
        if readings.block_device(number) is not None
    }
    partitions = {each: readings.partitions_of(each) for each in paths}
    children = [child for each in maps for child in host.partition_maps(each)]
    numbers = {
        *paths,
        *(number for each in partitions.values() for number in each),
        *(each.device for each in (*maps, *children)),
    }
    seen = {number: readings.udev_device(number) for number in numbers}
    early = early_mounts(
        {each.device: each.uuid for each in maps},
        readings.mounts(),
        readings.layers_below,
        readings.initramfs_mounts(),
    )
    needed = initramfs == "always" or (initramfs == "auto" and bool(early))
    state = UdevState(
        version=version,
        devices=seen,
        partitions=partitions,
        rule_files=readings.rule_files(rules),
        installed=readings.installed_rules(),
        shadowed=readings.shadowed_rules(),
        multipath_rules=readings.multipath_rules(),
        physical_volumes=_physical_volumes(host, readings, timeout) if verify else None,
        listed_by_lvm=readings.listed_by_lvm(paths, timeout) if verify else frozenset(),
        early_mounts=early,
        initramfs_needed=needed,
        initramfs=readings.initramfs(needed and verify, timeout),
    )
    links = (link for each in seen.values() for link in each.links)
    resolved = {link: readings.device_at(link) for link in links}
    mapped = [each for each in maps if partition_maps and verify and _has_maps(seen[each.device])]
    return replace(
        host,
        udev=state,
        resolved={
            **readings.links_in(_BY_ID),
            **{link: number for link, number in resolved.items() if number is not None},
        },
        parents=readable_parents(mapped, readings, timeout),
    )


def _has_maps(device: UdevDevice) -> bool:
    """Return whether udev makes the partition maps of a map: it has any, and no flag forbids it."""
    properties = device.properties
    forbidden = properties.get("DM_SUBSYSTEM_UDEV_FLAG1") == "1"
    return bool(properties.get("ID_PART_TABLE_TYPE")) and not forbidden


def early_mounts(
    uuids: Mapping[DeviceNumber, str],
    mounted: Mapping[DeviceNumber, Sequence[str]],
    below: Callable[[DeviceNumber], Iterable[DeviceNumber]],
    marked: Iterable[str],
) -> tuple[EarlyMount, ...]:
    """Return the mounts of multipath maps that are made before the root's own udev runs.

    Those are the root, /usr (systemd's initrd-fstab, initramfs-tools' mountfs), and the `marked`.
    `uuids` are those of the maps, `below` tells all that a device lies on.
    """
    places = {"/", "/usr", *marked}
    return tuple(
        EarlyMount(place, uuids[layer])
        for number, found in mounted.items()
        for layer in sorted({number, *below(number)}.intersection(uuids), key=str)
        for place in sorted(places.intersection(found))
    )


def _physical_volumes(
    host: Host, readings: Readings, timeout: float
) -> frozenset[DeviceNumber] | None:
    """Return what LVM sees; None while a map would not answer its read."""
    if any(each.suspended or each.queues_without_path for each in host.maps):
        return None
    return readings.physical_volumes(timeout)
