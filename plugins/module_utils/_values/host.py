# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host is, as the planner sees it: values only, nothing here reads anything."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass, field

from .device import UNASSIGNED, DeviceNumber
from .linear import Linear
from .multipath import Multipath, MultipathStatus
from .multipath_conf import Configuration
from .names import partition_of
from .table import Table, devices, sectors
from .udev import UdevState

if t.TYPE_CHECKING:
    from collections.abc import Mapping


_BY_PATH = "/dev/disk/by-path/"
RUNNING = ("", "running", "live")
"""The states of SCSI and NVMe devices that take I/O; empty where a device has no such state."""
INACCESSIBLE = ("unavailable", "offline")
"""The ALUA states in which a path carries no I/O, nor after an activation (SPC-4, 5.15.2)."""


@dataclass(frozen=True)
class Map:
    """A device-mapper map; an empty tuple stands for a table that is not there.

    `deferred_remove` says that the kernel removes the map once nobody has it open. A map keeps the
    type of its first table; where the tables do not show it, being error targets, `request_based`
    does.
    """

    name: str
    uuid: str
    device: DeviceNumber = UNASSIGNED
    live: Table = ()
    inactive: Table = ()
    suspended: bool = False
    read_only: bool = False
    deferred_remove: bool = False
    open_count: int = 0
    status: MultipathStatus | None = None
    request_based: bool | None = field(default=None, compare=False)

    @property
    def sectors(self) -> int:
        """The map's size in sectors of 512 bytes."""
        return sectors(self.live)

    @property
    def multipath(self) -> Multipath | None:
        """The multipath target, if that is what the live table consists of."""
        if len(self.live) == 1 and isinstance(self.live[0].target, Multipath):
            return self.live[0].target
        return None

    def lies_on(self, device: DeviceNumber) -> bool:
        """Tell whether the live table is one linear target onto `device`."""
        targets = [segment.target for segment in self.live]
        return len(targets) == 1 and isinstance(targets[0], Linear) and targets[0].device == device

    @property
    def queues_without_path(self) -> bool:
        """Whether I/O to the map may hang: it queues, and no path is known to be active."""
        if self.multipath is None or not self.multipath.features.queue_if_no_path:
            return False
        return self.status is None or self.status.active_paths() == 0


@dataclass(frozen=True)
class Use:
    """One use of a block device, in words; `holder` is the device on top, if it is one.

    `is_process` says that a process has the device open, and nothing else is known to use it.
    """

    words: str
    holder: DeviceNumber | None = None
    is_process: bool = False


@dataclass(frozen=True)
class BlockDevice:
    """A disk as sysfs and udev show it; a possible path of a map.

    `wwid` is what multipath takes for one: ID_SERIAL (NVMe: ID_WWN, DASD: ID_UID); empty where
    nobody knows it. `address` is host:channel:target:lun of a SCSI device, else empty. `state` is
    the SCSI device's state, `access_state` its ALUA state in sysfs' words; empty if there is none.
    `hardware_handler` is the one attached to the SCSI device; empty if none is. `serial` is the
    unit's serial number, `target_node_name` that of the storage's port or node; empty if unknown.
    `reported_sectors` is the size that the disk itself states, 0 if it was not asked, or is silent.
    """

    name: str
    device: DeviceNumber
    sectors: int
    wwid: str = ""
    read_only: bool = False
    address: str = ""
    state: str = ""
    access_state: str = ""
    preferred: bool = False
    links: tuple[str, ...] = ()
    hardware_handler: str = ""
    serial: str = ""
    target_node_name: str = ""
    target_port_group: int | None = None
    reported_sectors: int = 0

    @property
    def carries_io(self) -> bool:
        """Whether the layer below multipath would carry I/O on this path.

        The kernel's multipath target learns of a broken path by I/O that fails, and in a group that
        is not in use there is none; the layer below may know already.
        """
        return self.state in RUNNING and self.access_state not in INACCESSIBLE


@dataclass(frozen=True)
class Transport:
    """What the ends of a SCSI path are called, as the host's transport has them; lower case.

    A port has several names where sysfs gives it several: an iSCSI target its name, portal and
    address. `fabric` is the name of the Fibre Channel fabric; empty for another transport.
    """

    target_ports: tuple[str, ...] = ()
    initiator_ports: tuple[str, ...] = ()
    fabric: str = ""


@dataclass(frozen=True)
class Partition:
    """An entry of a partition table; `start` and `sectors` in units of 512 bytes.

    `kind` is the type as the table has it (`0x83`, a GUID), `name` the GPT's label (hostile
    input), `uuid` the PARTUUID. `extended` is the container of an MBR's logical partitions,
    `logical` what lies in one, `nested` an entry of a table within a partition (BSD slices).
    """

    number: int
    start: int
    sectors: int
    kind: str = ""
    name: str = ""
    uuid: str = ""
    extended: bool = False
    logical: bool = False
    nested: bool = False

    @property
    def end(self) -> int:
        """The first sector after the partition."""
        return self.start + self.sectors


@dataclass(frozen=True)
class PartitionTable:
    """What libblkid finds on a device; `kind` is empty where there is no partition table.

    `problem` says why it could not be read, where that does not end a task.
    """

    kind: str = ""
    partitions: tuple[Partition, ...] = ()
    logical_sector: int = 512
    problem: str = ""

    def mapped_sectors(self, partition: Partition) -> int:
        """Return the length of the partition's map in sectors of 512 bytes.

        kpartx maps an extended container for boot loaders only: two sectors, or one of the device's
        own if that is larger (kpartx/dos.c).
        """
        return max(2, self.logical_sector // 512) if partition.extended else partition.sectors


@dataclass(frozen=True)
class Parent:
    """A device whose partition maps a task states, as `stated` there.

    `uuid` is what the uuids of its partition maps end in. `image` is the regular file that was
    stated; `device` then is the loop device that shows it, or, where it is not `attached`, the one
    that would. A loop device with `autoclear` goes with its last user.
    """

    stated: str
    name: str
    uuid: str
    device: DeviceNumber
    sectors: int
    read_only: bool = False
    partition_table: PartitionTable = PartitionTable()
    image: str = ""
    attached: bool = True
    autoclear: bool = False


@dataclass(frozen=True)
class DaemonMap:
    """A map that multipathd manages."""

    name: str
    wwid: str


@dataclass(frozen=True)
class DaemonPath:
    """A path as multipathd sees it: its checker's `state`, and its map, or `[orphan]`.

    `storage` are the vendor and the product by which the daemon knows what it is, `protocol` is
    how it is reached (`scsi:fcp`); empty if it does not say.
    """

    name: str
    device: DeviceNumber
    wwid: str
    state: str
    map: str
    storage: tuple[str, ...] = ()
    protocol: str = ""


@dataclass(frozen=True)
class Multipathd:
    """The multipath daemon and its files.

    `known` is what it has read, `files` is what they say now. `drop_ins` are those files
    that this collection has written, `wwids` the LUNs that are taken for multipath devices,
    `read_only` a directory that cannot be written to, `complaints` what the daemon's parser says
    against the files. `left_out` is what multipath-tools say of disks that the daemon has not as
    paths, `log` what it has logged, where that was asked for.
    """

    installed: bool = False
    runs: bool = False
    version: tuple[int, ...] = ()
    maps: tuple[DaemonMap, ...] = ()
    paths: tuple[DaemonPath, ...] = ()
    known: Configuration = field(default_factory=Configuration)
    files: Configuration = field(default_factory=Configuration)
    complaints: tuple[str, ...] = ()
    drop_ins: Mapping[str, str] = field(default_factory=dict)
    wwids: frozenset[str] = frozenset()
    read_only: str = ""
    left_out: Mapping[DeviceNumber, str] = field(default_factory=dict)
    log: tuple[str, ...] = ()

    def path_at(self, device: DeviceNumber) -> DaemonPath | None:
        """Return the path with this device number."""
        return self._paths_by_number.get(device)

    def paths_of_wwid(self, wwid: str) -> tuple[DaemonPath, ...]:
        """Return the paths that the daemon takes for those of this LUN."""
        return self._paths_by_wwid.get(wwid, ())

    def wwids_of_storage(self, storage: tuple[str, ...]) -> frozenset[str]:
        """Return the LUNs of this vendor and product."""
        return self._wwids_by_storage.get(storage, frozenset())

    @functools.cached_property
    def others(self) -> Configuration:
        """What the files say that this collection has not written."""
        sections = self.files.sections
        return Configuration(tuple(each for each in sections if each.file not in self.drop_ins))

    @functools.cached_property
    def _wwids_by_storage(self) -> Mapping[tuple[str, ...], frozenset[str]]:
        found: dict[tuple[str, ...], set[str]] = {}
        for each in self.paths:
            found.setdefault(each.storage, set()).add(each.wwid)
        return {storage: frozenset(wwids) for storage, wwids in found.items()}

    @functools.cached_property
    def _paths_by_number(self) -> Mapping[DeviceNumber, DaemonPath]:
        return {each.device: each for each in self.paths}

    @functools.cached_property
    def _paths_by_wwid(self) -> Mapping[str, tuple[DaemonPath, ...]]:
        found: dict[str, list[DaemonPath]] = {}
        for each in self.paths:
            found.setdefault(each.wwid, []).append(each)
        return {wwid: tuple(paths) for wwid, paths in found.items()}


@dataclass(frozen=True)
class Host:
    """One reading of a host. `resolved` tells what the device names of the task stand for.

    `kpartx_delimiter` is what the host's own udev rule gives to kpartx; None without such a rule.
    `missing_modules` are those modules that the task needs and the kernel does not have.
    `controllers` are the SCSI hosts and NVMe controllers that can look for new disks. `transports`
    are those of the disks, where the task chooses paths by them. `missing_links` are the links that
    should lead to a map, and do not, where the task asks for them. `udev` is what udev shows, where
    the task asks for it. `boot_files` are the texts of the files that assemble maps at boot, by
    their paths; `missing_programs` is what they would need and the host does not have.
    """

    maps: tuple[Map, ...] = ()
    block_devices: tuple[BlockDevice, ...] = ()
    uses: Mapping[DeviceNumber, tuple[Use, ...]] = field(default_factory=dict)
    resolved: Mapping[str, DeviceNumber] = field(default_factory=dict)
    parents: tuple[Parent, ...] = ()
    kpartx_delimiter: str | None = None
    multipathd: Multipathd = Multipathd()
    missing_modules: frozenset[str] = frozenset()
    controllers: tuple[str, ...] = ()
    native_nvme_multipath: bool = False
    transports: Mapping[DeviceNumber, Transport] = field(default_factory=dict)
    missing_links: Mapping[DeviceNumber, tuple[str, ...]] = field(default_factory=dict)
    udev: UdevState = field(default_factory=UdevState)
    boot_files: Mapping[str, str] = field(default_factory=dict)
    missing_programs: tuple[str, ...] = ()

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

    def usable_paths(self, each: Map) -> int:
        """Return how many active paths of a map would carry I/O."""
        states = each.status.paths() if each.status else ()
        disks = [self.disk_at(device) for device in {path.device for path in states if path.active}]
        return sum(disk is not None and disk.carries_io for disk in disks)

    def disks_of_wwid(self, wwid: str) -> tuple[BlockDevice, ...]:
        """Return the disks with this WWID, in the order of all disks; "" for those of none."""
        return self._disks_by_wwid.get(wwid, ())

    def disk_named(self, text: str) -> BlockDevice | None:
        """Return the disk that `text` names: its name, by-path link, H:C:T:L or major:minor."""
        return self._disks_by_name.get(text)

    def holders(self, device: DeviceNumber) -> tuple[Map, ...]:
        """Return the maps whose live or inactive tables open `device`."""
        return self._maps_by_opened.get(device, ())

    def partition_maps(self, uuid: str, device: DeviceNumber) -> tuple[Map, ...]:
        """Return the partition maps of the device, to which `uuid` belongs, by their numbers.

        Theirs is the uuid, and one linear target onto the device (or no table, after an interrupted
        run); whatever else looks alike belongs to somebody else.
        """
        return tuple(
            each for each in self.maps_of_partitions(uuid) if not each.live or each.lies_on(device)
        )

    def maps_of_partitions(self, uuid: str) -> tuple[Map, ...]:
        """Return the maps whose uuids say that they are of partitions of `uuid`, by number."""
        return self._maps_by_parent.get(uuid, ())

    def uses_of(self, device: DeviceNumber) -> tuple[Use, ...]:
        """Return the uses of `device`: mounts, swap, holders, also of its partitions."""
        return self.uses.get(device, ())

    def uses_beyond_partition_maps(self, present: Map) -> tuple[Use, ...]:
        """Return the uses of a map and of its partition maps, which are no use by themselves."""
        children = self.partition_maps(present.uuid, present.device)
        numbers = [each.device for each in children]
        own = [use for use in self.uses_of(present.device) if use.holder not in numbers]
        return (*own, *(use for child in children for use in self.uses_of(child.device)))

    def opens_beyond_partition_maps(self, present: Map) -> int:
        """Return how often a map is open, but for its partition maps, and how often they are.

        Each partition map with a table has its parent open.
        """
        children = self.partition_maps(present.uuid, present.device)
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
            for number in {*devices(each.live), *devices(each.inactive)}:
                found.setdefault(number, []).append(each)
        return {number: tuple(maps) for number, maps in found.items()}

    @functools.cached_property
    def _maps_by_parent(self) -> Mapping[str, tuple[Map, ...]]:
        numbered = [(partition_of(each.uuid), each) for each in self.maps]
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
