# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one seam: what tasks ask of a host, and what they ask it to change.

A task observes through Readings, a plan is carried out on a Kernel. Check mode is a type: what it
hands down has readings only. A task names the parts of the system that it needs (see _system), so
that a host is sent those; what they do not have, the task cannot ask for.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ...plugin_utils._types import (
        BlockDevice,
        DeviceNumber,
        Enough,
        ImageFile,
        Initramfs,
        LoopDevice,
        Map,
        Multipathd,
        NextBoot,
        NvmeSubsystem,
        Parsed,
        PartitionTable,
        Reservation,
        RuleFile,
        Rules,
        Table,
        Transport,
        UdevDevice,
        UdevFlag,
        Unit,
        Uses,
    )


class Readings(t.Protocol):
    """What can be read of a host; nothing here changes it. Bounded waits are in seconds."""

    # Maps

    def maps(self) -> tuple[Map, ...]:
        """Return all maps of the host in the order of their names; opens no device."""

    def map_of_uuid(self, uuid: str) -> Map | None:
        """Return the map with this uuid, if there is one; reads no other."""

    def has_node(self, present: Map) -> bool:
        """Return whether /dev/mapper leads to the map by its name; True where no udev runs."""

    def stale_nodes(self, names: Sequence[str], timeout: float) -> Mapping[str, str]:
        """Return what /dev/mapper has by these names that does not lead to the map of the name.

        A link that udev may be about to change gets `timeout` seconds to lead there.
        """

    # Block devices and their uses

    def block_device(self, device: DeviceNumber) -> BlockDevice | None:
        """Return a block device with its name, size and mode; None if there is no such device."""

    def device_at(self, path: str) -> DeviceNumber | None:
        """Return the number of the block device that `path` leads to; None if it leads to none."""

    def partitions_of(self, device: DeviceNumber) -> tuple[DeviceNumber, ...]:
        """Return the numbers of the partitions that the kernel has made on a disk."""

    def kernel_partitions(self, device: DeviceNumber) -> tuple[tuple[int, int, int], ...]:
        """Return number, first sector and sectors of the partitions that the kernel has made."""

    def layers_below(self, device: DeviceNumber) -> tuple[DeviceNumber, ...]:
        """Return the numbers of all devices that a device lies on, over all layers."""

    def uses(self) -> Mapping[DeviceNumber, Uses]:
        """Return the uses that /sys and /proc show of each block device: opens no device.

        Mounts, swap, and the devices on top. What uses a partition uses its disk as well.
        """

    def openers(self, devices: Iterable[DeviceNumber]) -> Mapping[DeviceNumber, Uses]:
        """Return the processes that have one of `devices` open; udev's are of the kind `udev`.

        Never blocks, whatever file systems the processes have files on.
        """

    def open_counts(self, explained: Mapping[str, int], timeout: float) -> Mapping[str, int]:
        """Return how often maps are open, by uuid, once none is so more often than `explained`.

        Waits `timeout` seconds at most; a map that has gone is not open.
        """

    def is_claimed(self, device: DeviceNumber) -> bool:
        """Return whether the block device, or a partition of it, is in exclusive use.

        Each mount claims its device, in other mount namespaces as well, and so does each device on
        top. Nothing is read from it.
        """

    def mounts(self) -> Mapping[DeviceNumber, Sequence[str]]:
        """Return the mount points of each block device."""

    # Disks: the paths

    def disks(self, timeout: float) -> tuple[BlockDevice, ...]:
        """Return the disks that could be paths of a map, in the order of their names.

        Waits for udev, `timeout` seconds at most, while it does not know one of them yet.
        """

    def disks_once(
        self, enough: Callable[[Sequence[BlockDevice]], bool], timeout: float
    ) -> tuple[BlockDevice, ...]:
        """Return the disks that udev knows, once they are `enough`, or after `timeout` seconds."""

    def left_of(self, disks: Sequence[BlockDevice], timeout: float) -> tuple[BlockDevice, ...]:
        """Return those of `disks` that kernel or udev still have after `timeout` seconds at most.

        None as soon as all are gone.
        """

    def reported_sectors(self, disks: Iterable[BlockDevice]) -> Mapping[DeviceNumber, int]:
        """Return the sizes that SCSI disks state themselves, in sectors of 512 bytes.

        A disk that does not answer is left out.
        """

    def reported_wwids(
        self, disks: Iterable[BlockDevice]
    ) -> Mapping[DeviceNumber, tuple[str, ...]]:
        """Return the WWIDs by the page 0x83 that SCSI disks state now.

        A disk that does not answer is left out.
        """

    def reservations(self, disks: Iterable[BlockDevice]) -> Mapping[DeviceNumber, Reservation]:
        """Return the persistent reservations of LUNs, as each of these paths says them.

        A path that does not answer, or whose storage has no such command, is left out.
        """

    def transports(self, disks: Iterable[BlockDevice]) -> Mapping[DeviceNumber, Transport]:
        """Return what the transports of `disks` call their ports."""

    def controllers(self) -> tuple[str, ...]:
        """Return the SCSI hosts (host0) and NVMe controllers (nvme0) in their numbers' order."""

    def san_controllers(self) -> tuple[str, ...]:
        """Return those of the controllers that may lead to a SAN: not ATA, USB or FireWire."""

    def has_native_nvme_multipath(self) -> bool:
        """Return whether the kernel joins the paths of NVMe namespaces itself."""

    def nvme_subsystems(self) -> tuple[NvmeSubsystem, ...]:
        """Return the NVMe subsystems, with the namespaces whose paths the kernel joins itself."""

    # Partition tables and images

    def partition_table(
        self, path: str, device: DeviceNumber | None, timeout: float, logical_sector: int = 0
    ) -> PartitionTable:
        """Return the partition table on `path`, a block device with this number, or a file.

        A file's `logical_sector` is the size in bytes of the sectors of the disk that it holds.

        Callers must first rule out devices that are known to hang. Raises Refused for a device that
        cannot be read within `timeout` seconds, or whose table is not read rightly.
        """

    def libblkid_version(self) -> str:
        """Return the version of this host's libblkid, such as `2.38.1`."""

    def image_file(self, path: str) -> ImageFile | None:
        """Return the regular file that `path` leads to; None if it leads to none."""

    def loop_devices(self, path: str) -> tuple[LoopDevice, ...]:
        """Return the loop devices that show the whole file `path`, which may be gone, by number."""

    def free_loop_device(self, besides: Iterable[DeviceNumber]) -> DeviceNumber:
        """Return the first loop device that shows no file, and is not one of `besides`."""

    # The multipath daemon

    def multipathd_runs(self) -> bool:
        """Return whether the daemon runs; its socket is not asked, for that could start it."""

    def multipathd_view(self, timeout: float) -> Multipathd:
        """Return the maps and paths as the daemon sees them; Refused if it does not answer."""

    def multipathd(
        self, timeout: float, disks: frozenset[DeviceNumber], *, checked: bool
    ) -> Multipathd:
        """Return the daemon once it is idle, with its files; Refused if it does not answer.

        It is given some seconds more to know all of `disks`. If it does not run, its parser is
        asked about its files only if they are to be `checked`: that takes a process.
        """

    def multipathd_now(self, disks: frozenset[DeviceNumber]) -> Multipathd:
        """Return the daemon as it is, what it has against `disks`, and what it has logged."""

    def multipathd_once(self, enough: Enough, timeout: float) -> bool:
        """Return whether the daemon gets idle, and what it has read is `enough`.

        Waits `timeout` seconds at most.
        """

    def multipath_parsed(self, files: Mapping[str, str]) -> Parsed | None:
        """Return what multipath-tools' parser makes of `files`, by path, in place of the host's.

        None where it can be asked of the host's own files only.
        """

    # systemd

    def units(self, timeout: float) -> tuple[Unit, ...]:
        """Return the active mount, swap and automount units; Refused if systemd says nothing."""

    def named_at_boot(self, paths: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return where fstab, crypttab and the kernel's command line name `paths`, by path."""

    # What a host boots with

    def missing_modules(self, names: Iterable[str]) -> frozenset[str]:
        """Return those kernel modules that are neither loaded, nor built in, nor installed."""

    def boot_files(self, programs: Iterable[str]) -> Mapping[str, str]:
        """Return the texts of the records of maps, and of those of the files `programs`, by path.

        Those that are there; empty for what is not a regular file.
        """

    def next_boot(self, programs: Iterable[str], timeout: float) -> NextBoot:
        """Return what would keep the next boot from making maps; `programs` are what it calls.

        `systemd` is one of them. Refused if systemd does not say in `timeout` seconds.
        """

    def detached(self) -> frozenset[str]:
        """Return the WWIDs of the LUNs that the host holds detached."""

    def held_paths(self) -> frozenset[tuple[str, DeviceNumber]]:
        """Return the paths that tasks have failed, with the uuids of their maps."""

    # udev

    def settle(self, timeout: float) -> None:
        """Wait until udev's queue is empty, `timeout` seconds at most."""

    def udev_properties(self, device: DeviceNumber, names: Sequence[str]) -> tuple[str, ...]:
        """Return udev's properties `names` of a block device, empty where one is not set."""

    def udev_property_names(self, device: DeviceNumber) -> tuple[str, ...]:
        """Return the names of udev's properties of a block device, in libudev's order."""

    def udev_device(self, device: DeviceNumber) -> UdevDevice:
        """Return a block device as udev shows it, with its node's owner and what can be tuned."""

    def links_in(self, directory: str) -> Mapping[str, DeviceNumber]:
        """Return the links to block devices in a directory, by their paths."""

    def udev_version(self) -> int:
        """Return the version of udev, which is systemd's; 0 where there is none."""

    def verify_rules(self, rules: Sequence[Rules], version: int) -> None:
        """Raise Refused for rules in which the host's udev, of this version, finds errors."""

    def rule_files(self, rules: Sequence[Rules]) -> tuple[RuleFile, ...]:
        """Return which of the `rules` are installed as they should be."""

    def installed_rules(self) -> tuple[str, ...]:
        """Return the names of the collection's own rule files that are installed."""

    def shadowed_rules(self) -> Mapping[str, str]:
        """Return packages' rule files about maps and disks, by the path in /etc that hides each."""

    def multipath_rules(self) -> tuple[str, ...]:
        """Return the paths of the rule files of multipath-tools and kpartx on this host."""

    def kpartx_delimiter(self) -> str | None:
        """Return the delimiter that the host's kpartx rule states; None without such a rule."""

    def initramfs(self, looking: bool, timeout: float) -> Initramfs:
        """Return what builds the initramfs and, when `looking`, the names of what it holds."""

    def initramfs_mounts(self) -> frozenset[str]:
        """Return the mount points that fstab leaves to the initramfs."""

    def physical_volumes(self, timeout: float) -> frozenset[DeviceNumber] | None:
        """Return LVM's physical volumes; None where LVM has nothing to say.

        It reads its devices: not to be asked while one of them would not answer.
        """

    def listed_by_lvm(
        self, disks: Iterable[DeviceNumber], timeout: float
    ) -> frozenset[DeviceNumber]:
        """Return those of `disks` that LVM's devices file lists; none where LVM has no such file.

        Nothing is read from a device.
        """

    def user_exists(self, name: str) -> bool:
        """Return whether the host knows a user by this name or number."""

    def group_exists(self, name: str) -> bool:
        """Return whether the host knows a group by this name or number."""


class Kernel(Readings, t.Protocol):
    """Readings, and what changes a host. Refused requests raise KernelError.

    Maps are named by their uuid, disks and their controllers as the kernel names them.
    """

    def exclusive(self, timeout: float) -> AbstractContextManager[None]:
        """Hold the host's lock; DeviceMapperError if another task keeps it for `timeout` s."""

    def create(self, name: str, uuid: str) -> None:
        """Make an empty map."""

    def load(self, uuid: str, table: Table, read_only: bool) -> None:
        """Put `table` into the inactive slot."""

    def clear(self, uuid: str) -> None:
        """Empty the inactive slot."""

    def resume(self, uuid: str, flush: bool, udev: UdevFlag) -> None:
        """Swap the inactive table in, if there is one, and let I/O go on."""

    def rename(self, uuid: str, new_name: str, udev: UdevFlag) -> None:
        """Change the name."""

    def message(self, uuid: str, text: str) -> None:
        """Send `text` to the target at sector 0."""

    def hold_path(self, uuid: str, device: DeviceNumber) -> None:
        """Note that a path that has failed is not to be reinstated by the host itself."""

    def release_path(self, uuid: str, device: DeviceNumber) -> None:
        """Take that back."""

    def remove(self, uuid: str, deferred: bool) -> None:
        """Remove the map, waiting a few seconds for short-lived opens by udev to end.

        With `deferred`, a map that is open is removed once it is closed, and nothing waits.
        """

    def udev_batch(self, timeout: float) -> AbstractContextManager[None]:
        """Wait at the end, `timeout` seconds at most, until udev is done with all changes."""

    def attach(self, device: DeviceNumber, path: str, read_only: bool, logical_sector: int) -> None:
        """Let the loop device show the file `path`, as a disk with sectors of so many bytes."""

    def detach(self, device: DeviceNumber) -> None:
        """Let the loop device go, at the latest with its last user."""

    def scan(self, controller: str) -> None:
        """Let a SCSI host or NVMe controller look for disks that the kernel does not know yet."""

    def rescan(self, disk: str) -> None:
        """Let the kernel ask a disk for its size again."""

    def delete(self, path: BlockDevice) -> None:
        """Make the kernel forget a SCSI disk; one that has gone is no error."""

    def announce(self, disk: str) -> None:
        """Let udev look again at a disk and its partitions; one that has gone is no error."""

    def write_file(self, path: str, text: str) -> None:
        """Write a whole file that the host boots with."""

    def remove_file(self, path: str) -> None:
        """Remove such a file; one that is not there is no error."""

    def write_drop_in(self, path: str, text: str) -> None:
        """Put a whole file into the multipath daemon's directory, unless its parser complains."""

    def remove_drop_in(self, path: str) -> None:
        """Remove a file from the multipath daemon's directory."""

    def add_wwid(self, wwid: str) -> None:
        """Add a WWID to those that multipath-tools takes for multipath devices."""

    def remove_wwid(self, wwid: str) -> None:
        """Remove a WWID from those that multipath-tools takes for multipath devices."""

    def tell_multipathd(self, request: str, timeout: float) -> None:
        """Tell the multipath daemon something."""


class ReadingsOnly:
    """The readings of a system, and nothing else of it: what check mode hands down.

    A second wall behind the planner: even a bug cannot change a host.
    """

    def __init__(self, system: Readings) -> None:
        self._system = system

    def __getattr__(self, request: str) -> t.Any:
        if request.startswith("_") or request not in vars(Readings):
            raise PermissionError(f"check mode: {request} was asked of a host that is only read")
        return getattr(self._system, request)
