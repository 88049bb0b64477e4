# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One reading of a host, as tasks plan by it: values only, nothing here reads anything."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass, replace

from .disk import BlockDevice

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from ...plugin_utils._types import (
        DeviceNumber,
        Map,
        Multipathd,
        NextBoot,
        NvmeNamespace,
        NvmeSubsystem,
        Parent,
        Reservation,
        Transport,
        UdevState,
        Unit,
        Uses,
    )

_BY_PATH = "/dev/disk/by-path/"


class NotReadError(LookupError):
    """A task looked at what it has not read: a fault of the collection's, not of the host."""


class _NotRead:
    """Stands for what a task has not read: to look at it is an error, for it is not empty."""

    def _look(self, *_arguments: object) -> t.NoReturn:
        raise NotReadError("a task looks at what it has not read of the host")

    __bool__ = __contains__ = __getitem__ = __iter__ = __len__ = _look

    def __eq__(self, other: object) -> bool:
        # Since Python 3.13 a dataclass compares each field, also where both are one object.
        return self is other or self._look()

    __hash__ = _look

    def __getattr__(self, name: str) -> t.NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)  # Python asks whether it can be copied.
        self._look()


NOT_READ: t.Any = _NotRead()


@dataclass(frozen=True)
class Host:
    """One reading of a host for a task; what the task did not read is NOT_READ, not empty.

    `uses` are those of devices, by number; `resolved` is what device names of the task stand for.
    `parents` are the devices whose partition maps the task is about, or whose tables it has read.

    `kpartx_delimiter` is what the host's own udev rule gives to kpartx; None without such a rule.
    `missing_modules` are those modules that the task needs and the kernel does not have.
    `controllers` are the SCSI hosts and NVMe controllers that can look for new disks,
    `san_controllers` those that may lead to a SAN. `transports` are those of the disks.
    `missing_links` are the links that should lead to a map, and do not.
    `udev` is what udev shows of paths and maps. `boot_files` are the texts of the files that
    assemble maps at boot, by their paths; `next_boot` is what would keep the next boot from making
    them. `held_paths` are those that tasks have failed. `not_ready` are the maps that udev's rules
    take for not usable. `stale_nodes` are what stands in the place of the nodes of the task's maps.
    `units` are those of systemd, and `named_at_boot` the places that name paths, which a rename in
    the task concerns. `nvme` are the NVMe subsystems, with the namespaces whose paths the kernel
    joins itself. `reservations` are those of LUNs by the paths that were asked; a path that does
    not say has none. `property_names` are those of udev's properties of some paths. `detached` are
    the WWIDs of the LUNs that the host holds detached.
    """

    maps: tuple[Map, ...] = NOT_READ
    block_devices: tuple[BlockDevice, ...] = NOT_READ
    uses: Mapping[DeviceNumber, Uses] = NOT_READ
    resolved: Mapping[str, DeviceNumber] = NOT_READ
    parents: tuple[Parent, ...] = NOT_READ
    kpartx_delimiter: str | None = NOT_READ
    multipathd: Multipathd = NOT_READ
    missing_modules: frozenset[str] = NOT_READ
    controllers: tuple[str, ...] = NOT_READ
    san_controllers: tuple[str, ...] = NOT_READ
    native_nvme_multipath: bool = NOT_READ
    transports: Mapping[DeviceNumber, Transport] = NOT_READ
    missing_links: Mapping[DeviceNumber, tuple[str, ...]] = NOT_READ
    udev: UdevState = NOT_READ
    boot_files: Mapping[str, str] = NOT_READ
    next_boot: NextBoot = NOT_READ
    held_paths: frozenset[tuple[str, DeviceNumber]] = NOT_READ
    not_ready: frozenset[DeviceNumber] = NOT_READ
    stale_nodes: Mapping[str, str] = NOT_READ
    units: tuple[Unit, ...] = NOT_READ
    named_at_boot: Mapping[str, tuple[str, ...]] = NOT_READ
    nvme: tuple[NvmeSubsystem, ...] = NOT_READ
    reservations: Mapping[DeviceNumber, Reservation] = NOT_READ
    property_names: Mapping[DeviceNumber, tuple[str, ...]] = NOT_READ
    detached: frozenset[str] = NOT_READ

    def ordered(self) -> Host:
        """Return the same host with its maps in the order of their names, as they are read."""
        if self.maps is NOT_READ:
            return self
        return replace(self, maps=tuple(sorted(self.maps, key=lambda each: each.name)))

    def map_of_uuid(self, uuid: str) -> Map | None:
        """Return the map with this uuid, which is its identity."""
        return self._maps_by_uuid.get(uuid)

    def map_named(self, name: str) -> Map | None:
        """Return the map with this name."""
        return self._maps_by_name.get(name)

    def map_at(self, device: DeviceNumber) -> Map | None:
        """Return the map with this device number."""
        return self._maps_by_number.get(device)

    def disk_at(self, device: DeviceNumber) -> BlockDevice | None:
        """Return the disk with this device number."""
        return self._disks_by_number.get(device)

    def disk(self, device: DeviceNumber) -> BlockDevice:
        """Return the disk with this device number; one that has gone has nothing but its number."""
        return self.disk_at(device) or BlockDevice("", device, 0)

    def namespace_of_wwid(self, wwid: str) -> NvmeNamespace | None:
        """Return the namespace with this WWID whose paths the kernel joins."""
        found = (one for each in self.nvme for one in each.namespaces if one.wwid == wwid)
        return next(found, None)

    def multipath_maps(self) -> tuple[Map, ...]:
        """Return the maps of LUNs that have a multipath table."""
        return tuple(each for each in self.maps if each.wwid and each.multipath)

    def luns(self) -> dict[str, tuple[BlockDevice, ...]]:
        """Return the host's disks by WWID, in its order; those without one are no paths."""
        return {wwid: disks for wwid, disks in sorted(self._disks_by_wwid.items()) if wwid}

    def usable_paths(self, each: Map) -> int:
        """Return how many active paths of a map would carry I/O."""
        active = [device for device, path in each.path_states.items() if path.active]
        disks = [self.disk_at(device) for device in active]
        return sum(disk is not None and disk.carries_io for disk in disks)

    def disks_of_wwid(self, wwid: str) -> tuple[BlockDevice, ...]:
        """Return the disks with this WWID, in the order of all disks; "" for those of none."""
        return self._disks_by_wwid.get(wwid, ())

    def path_named(self, text: str) -> BlockDevice | None:
        """Return the disk that `text` names: a /dev path, by-path, H:C:T:L or major:minor."""
        number = self.resolved.get(text)
        return self.disk_at(number) if number else self._disks_by_name.get(text)

    def holders(self, device: DeviceNumber) -> tuple[Map, ...]:
        """Return the maps whose live or inactive tables open `device`."""
        return self._maps_by_opened.get(device, ())

    def partition_maps(self, parent: Parent | Map) -> tuple[Map, ...]:
        """Return the partition maps of a device, by their numbers.

        Theirs is the uuid, and one linear target onto the device (or no table, after an interrupted
        run); a map that only looks alike belongs to another tool.
        """
        return tuple(
            each
            for each in self.maps_of_partitions(parent.uuid)
            if not each.live or each.lies_on(parent.device)
        )

    def maps_of_partitions(self, uuid: str) -> tuple[Map, ...]:
        """Return the maps whose uuids say that they are of partitions of `uuid`, by number."""
        return self._maps_by_parent.get(uuid, ())

    def uses_of(self, device: DeviceNumber) -> Uses:
        """Return the uses of `device`: mounts, swap, holders, also of its partitions."""
        return self.uses.get(device, ())

    def uses_beyond_partition_maps(self, present: Map) -> Uses:
        """Return the uses of a map and of its partition maps, which are no use by themselves."""
        children = self.partition_maps(present)
        numbers = [each.device for each in children]
        own = [use for use in self.uses_of(present.device) if use.device not in numbers]
        return (*own, *(use for child in children for use in self.uses_of(child.device)))

    def opens_beyond_partition_maps(self, present: Map) -> int:
        """Return how often a map is open, but for its partition maps, and how often they are.

        Each partition map with a table has its parent open.
        """
        children = self.partition_maps(present)
        own = present.open_count - sum(bool(child.live) for child in children)
        return own + sum(child.open_count for child in children)

    # A host of thousands of paths is asked for each of them: each question is one look.

    @functools.cached_property
    def _maps_by_uuid(self) -> Mapping[str, Map]:
        return {each.uuid: each for each in reversed(self.maps)}

    @functools.cached_property
    def _maps_by_name(self) -> Mapping[str, Map]:
        return {each.name: each for each in reversed(self.maps)}

    @functools.cached_property
    def _maps_by_number(self) -> Mapping[DeviceNumber, Map]:
        return {each.device: each for each in reversed(self.maps)}

    @functools.cached_property
    def _maps_by_opened(self) -> Mapping[DeviceNumber, tuple[Map, ...]]:
        found: dict[DeviceNumber, list[Map]] = {}
        for each in self.maps:
            for number in each.opened():
                found.setdefault(number, []).append(each)
        return {number: tuple(maps) for number, maps in found.items()}

    @functools.cached_property
    def _maps_by_parent(self) -> Mapping[str, tuple[Map, ...]]:
        numbered = [(each.partition, each) for each in self.maps]
        found: dict[str, list[Map]] = {}
        for (_number, parent), each in sorted(numbered, key=lambda pair: pair[0][0]):
            found.setdefault(parent, []).append(each)
        found.pop("", None)
        return {parent: tuple(maps) for parent, maps in found.items()}

    @functools.cached_property
    def _disks_by_number(self) -> Mapping[DeviceNumber, BlockDevice]:
        return {each.device: each for each in reversed(self.block_devices)}

    @functools.cached_property
    def _disks_by_wwid(self) -> Mapping[str, tuple[BlockDevice, ...]]:
        found: dict[str, list[BlockDevice]] = {}
        for each in self.block_devices:
            found.setdefault(each.wwid, []).append(each)
        return {wwid: tuple(disks) for wwid, disks in found.items()}

    @functools.cached_property
    def _disks_by_name(self) -> Mapping[str, BlockDevice]:
        # What the kernel calls a disk wins over the links that udev makes of what the disk says.
        links = {
            link[len(_BY_PATH) :]: each
            for each in reversed(self.block_devices)
            for link in each.links
            if link.startswith(_BY_PATH)
        }
        names = {
            text: each
            for each in reversed(self.block_devices)
            for text in (each.name, each.address, str(each.device))
            if text
        }
        return {**links, **names}
