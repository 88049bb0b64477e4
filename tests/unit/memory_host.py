# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A SAN host in memory: readings of it beside an in-memory kernel, and tasks that run on it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

from ansible.module_utils import basic
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from unit.memory_kernel import MemoryKernel

from ansible_collections.san.device_mapper.plugins.module_utils._run import outcome
from ansible_collections.san.device_mapper.plugins.module_utils._tasks.task import Task
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import (
    BlockDevice,
    Transport,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd import Multipathd
from ansible_collections.san.device_mapper.plugins.module_utils._values.nvme import NvmeSubsystem
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    LoopDevice,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.records import NextBoot
from ansible_collections.san.device_mapper.plugins.module_utils._values.reservation import (
    Reservation,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.systemd import Unit
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use, Uses
from ansible_collections.san.device_mapper.plugins.modules import (
    device_mapper_info,
    lun_paths,
    multipath_config,
    multipath_map,
    multipath_path,
    partition_maps,
)
from ansible_collections.san.device_mapper.plugins.plugin_utils._types import Enough

MODULES = {
    "device_mapper_info": device_mapper_info,
    "lun_paths": lun_paths,
    "multipath_config": multipath_config,
    "multipath_map": multipath_map,
    "multipath_path": multipath_path,
    "partition_maps": partition_maps,
}


def arguments(options: Mapping[str, Any]) -> contextlib.AbstractContextManager[Any]:
    """Give options to the AnsibleModule that is made in this context.

    ansible-core 2.18 and older have neither a profile, nor a helper for it.
    """
    given = json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()
    return mock.patch.multiple(basic, create=True, _ANSIBLE_ARGS=given, _ANSIBLE_PROFILE="legacy")


def defaults(module: str) -> dict[str, Any]:
    """Return the options of a module that are not stated, with their defaults."""
    validated = ArgumentSpecValidator(MODULES[module].SPECIFICATION["argument_spec"]).validate({})
    parameters: dict[str, Any] = validated.validated_parameters
    return parameters


DEFAULTS: Mapping[str, Mapping[str, Any]] = {name: defaults(name) for name in MODULES}


class MemoryHost:
    """The host; `partition_tables` are by the name of the map that has them.

    What it does not have itself it has from its kernel, whose disks are those that a scan changes.
    """

    def __init__(
        self,
        kernel: MemoryKernel,
        block_devices: tuple[BlockDevice, ...] = (),
        partition_tables: dict[str, PartitionTable] | None = None,
        scsi_hosts: tuple[str, ...] = ("host0", "host1", "host2", "host3"),
        native_nvme_multipath: bool = False,
    ) -> None:
        self.kernel = kernel
        if block_devices:
            kernel.known = block_devices
        self.partition_tables = partition_tables or {}
        self.scsi_hosts = scsi_hosts
        self.mounted: dict[DeviceNumber, str] = {}
        self.used: dict[DeviceNumber, Uses] = {}
        self.lacking_modules: frozenset[str] = frozenset()
        self.boots = NextBoot()
        self.names_of_ports: dict[DeviceNumber, Transport] = {}
        self.native_nvme_multipath = native_nvme_multipath
        self.links: dict[str, DeviceNumber] = {}
        self.pages: dict[DeviceNumber, tuple[str, ...]] = {}
        self.local_hosts: frozenset[str] = frozenset()
        self.properties: dict[str, str] = {}
        self.seen_by_the_kernel: dict[DeviceNumber, tuple[tuple[int, int, int], ...]] = {}
        self.observations = 0
        self.stale: dict[str, str] = {}
        self.of_systemd: tuple[Unit, ...] = ()
        self.boot_names: dict[str, tuple[str, ...]] = {}
        self.is_locked = False
        self.nvme: tuple[NvmeSubsystem, ...] = ()
        self.reserved: dict[DeviceNumber, Reservation] = {}

    def run(self, module: str, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Return what a task with the module returns."""
        return self.outcome(module, MODULES[module].TASK, check_mode, **options)

    def outcome(
        self, module: str, task: Task[Any], check_mode: bool = False, **options: Any
    ) -> dict[str, Any]:
        """Return what a module returns whose task is this one."""
        whole = {**DEFAULTS[module], **options}
        return outcome(task, whole, lambda: Parts(self, MODULES[module].PARTS), check_mode)

    def maps(self) -> tuple[Map, ...]:
        """Return what is read of device-mapper."""
        return self.kernel.maps()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "kernel":
            raise AttributeError(name)
        return getattr(self.kernel, name)

    @property
    def block_devices(self) -> tuple[BlockDevice, ...]:
        """The disks that the kernel knows."""
        return self.kernel.known

    @block_devices.setter
    def block_devices(self, disks: tuple[BlockDevice, ...]) -> None:
        self.kernel.known = disks

    @contextlib.contextmanager
    def exclusive(self, _timeout: float) -> Iterator[None]:
        """Hold the host's lock."""
        self.is_locked = True
        try:
            yield
        finally:
            self.is_locked = False

    def block_device(self, device: DeviceNumber) -> BlockDevice | None:
        """Return a disk, or a map as one."""
        for disk in self.block_devices:
            if disk.device == device:
                return disk
        for each in self.kernel.looked_at():
            if each.device == device:
                name = f"dm-{device.minor}"
                return BlockDevice(name, device, each.sectors, read_only=each.read_only)
        return None

    def device_at(self, path: str) -> DeviceNumber | None:
        """Return the number of a disk or map by its node, or by a link."""
        nodes = {f"/dev/{disk.name}": disk.device for disk in self.block_devices}
        nodes.update({f"/dev/mapper/{each.name}": each.device for each in self.kernel.looked_at()})
        return {**nodes, **self.links}.get(path)

    def partitions_of(self, _device: DeviceNumber) -> tuple[DeviceNumber, ...]:
        """Return none: the kernel here makes no partitions."""
        return ()

    def kernel_partitions(self, device: DeviceNumber) -> tuple[tuple[int, int, int], ...]:
        """Return the partitions that the test says the kernel has made."""
        return self.seen_by_the_kernel.get(device, ())

    def uses(self) -> dict[DeviceNumber, Uses]:
        """Return mounts, what the test says, and the maps on top."""
        self.observations += 1
        uses: dict[DeviceNumber, Uses] = dict(self.used)
        for device, place in self.mounted.items():
            uses[device] = (*uses.get(device, ()), Use("mount", place))
        for each in self.kernel.looked_at():
            for device in each.opened():
                held = Use("map", each.name, each.device, each.uuid)
                uses[device] = (*uses.get(device, ()), held)
        return uses

    def openers(self, devices: Iterable[DeviceNumber]) -> dict[DeviceNumber, Uses]:
        """Return the process that has each map open that is open, and not mounted."""
        opened = {each.device for each in self.kernel.opened() if each.device not in self.mounted}
        return {each: (Use("process", "cat", process=7),) for each in devices if each in opened}

    def open_counts(self, explained: Mapping[str, int], _timeout: float) -> dict[str, int]:
        """Return at once: nobody here closes anything while anybody waits."""
        counts = {each.uuid: each.open_count for each in self.kernel.looked_at()}
        return {uuid: counts.get(uuid, 0) for uuid in explained}

    def stale_nodes(self, names: Sequence[str], _timeout: float) -> dict[str, str]:
        """Return what the test puts into /dev/mapper."""
        return {name: found for name, found in self.stale.items() if name in names}

    def units(self, _timeout: float) -> tuple[Unit, ...]:
        """Return the units that the test states."""
        return self.of_systemd

    def named_at_boot(self, paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the places that the test states."""
        return {path: self.boot_names[path] for path in paths if path in self.boot_names}

    def is_claimed(self, device: DeviceNumber) -> bool:
        """Return whether the kernel says so."""
        return device in self.kernel.claimed

    def layers_below(self, _device: DeviceNumber) -> tuple[DeviceNumber, ...]:
        """Return none: what maps lie on is not asked for here."""
        return ()

    def physical_volumes(self, _timeout: float) -> None:
        """Return none: there is no LVM here."""

    def listed_by_lvm(self, _disks: object, _timeout: float) -> frozenset[DeviceNumber]:
        """Return none: there is no LVM here."""
        return frozenset()

    def mounts(self) -> dict[DeviceNumber, list[str]]:
        """Return the mount points."""
        return {device: [place] for device, place in self.mounted.items()}

    def disks(self, _timeout: float) -> tuple[BlockDevice, ...]:
        """Return the disks, which the daemon sees as well."""
        self.kernel.daemon.disks = self.block_devices
        return self.block_devices

    def reported_sectors(self, disks: Iterable[BlockDevice]) -> dict[DeviceNumber, int]:
        """Return the sizes that disks report."""
        return {each.device: each.reported_sectors for each in disks if each.reported_sectors}

    def reported_wwids(self, disks: Iterable[BlockDevice]) -> dict[DeviceNumber, tuple[str, ...]]:
        """Return what the test says that disks are now."""
        asked = {each.device for each in disks}
        return {number: page for number, page in self.pages.items() if number in asked}

    def reservations(self, disks: Iterable[BlockDevice]) -> dict[DeviceNumber, Reservation]:
        """Return what the test says that the LUNs answer."""
        asked = {each.device for each in disks}
        return {number: each for number, each in self.reserved.items() if number in asked}

    def transports(self, disks: Iterable[BlockDevice]) -> dict[DeviceNumber, Transport]:
        """Return the names of the ports."""
        return {each.device: self.names_of_ports.get(each.device, Transport()) for each in disks}

    def controllers(self) -> tuple[str, ...]:
        """Return the SCSI hosts and NVMe controllers."""
        return self.scsi_hosts

    def san_controllers(self) -> tuple[str, ...]:
        """Return the controllers, without those that the test takes for local ones."""
        return tuple(each for each in self.scsi_hosts if each not in self.local_hosts)

    def has_native_nvme_multipath(self) -> bool:
        """Return whether the kernel joins NVMe paths itself."""
        return self.native_nvme_multipath

    def nvme_subsystems(self) -> tuple[NvmeSubsystem, ...]:
        """Return the NVMe subsystems."""
        return self.nvme

    def partition_table(
        self,
        path: str,
        _device: DeviceNumber | None,
        _timeout: float,
        _logical_sector: int = 0,
    ) -> PartitionTable:
        """Return the partition table on a map."""
        return self.partition_tables.get(path.rpartition("/")[2], PartitionTable())

    def image_file(self, _path: str) -> None:
        """Return none: there are no files here."""

    def multipathd_runs(self) -> bool:
        """Return whether the daemon runs."""
        return self.kernel.daemon.runs

    def multipathd_view(self, _timeout: float) -> Multipathd:
        """Return the daemon's view."""
        return self.kernel.daemon.view(self.kernel.looked_at())

    def multipathd(
        self, _timeout: float, _disks: frozenset[DeviceNumber], *, checked: bool
    ) -> Multipathd:
        """Return the daemon with its files."""
        return self.kernel.daemon.view(self.kernel.looked_at())

    def multipathd_once(self, enough: Enough, timeout: float) -> bool:
        """Return at once: nothing happens here while anybody waits."""
        return self.kernel.multipathd_once(enough, timeout)

    def missing_modules(self, names: Iterable[str]) -> frozenset[str]:
        """Return the modules that the test takes away."""
        return self.lacking_modules & {*names}

    def boot_files(self, programs: Iterable[str]) -> dict[str, str]:
        """Return the records, and those of the programs that are there."""
        wanted = {*programs}
        return {
            path: text
            for path, text in self.kernel.files.items()
            if path in wanted or path.endswith((".map", ".partitions", ".skip_kpartx"))
        }

    def next_boot(self, programs: Iterable[str], _timeout: float) -> NextBoot:
        """Return what the test takes away of the programs and systemd, and puts in their way."""
        asked = {*programs, "systemd"}
        missing = tuple(each for each in self.boots.missing_programs if each in asked)
        return replace(self.boots, missing_programs=missing)

    def settle(self, _timeout: float) -> None:
        """Wait for nothing: there is no udev here."""

    def udev_properties(self, _device: DeviceNumber, names: Sequence[str]) -> tuple[str, ...]:
        """Return the properties that the test gives to each device."""
        return tuple(self.properties.get(name, "") for name in names)

    def udev_property_names(self, _device: DeviceNumber) -> tuple[str, ...]:
        """Return the names of the properties that the test gives to each device."""
        return tuple(sorted(self.properties))

    def loop_devices(self, _path: str) -> tuple[LoopDevice, ...]:
        """Return none: there are no loop devices here."""
        return ()

    def kpartx_delimiter(self) -> str | None:
        """Return none: there is no kpartx here."""
        return None


class Parts:
    """A host of which a module sees those parts that it is sent with, and nothing else."""

    def __init__(self, host: MemoryHost, parts: Sequence[type]) -> None:
        self._host = host
        self._parts = parts

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not any(hasattr(part, name) for part in self._parts):
            raise AttributeError(f"no part of the system that the module is sent with has {name}")
        return getattr(self._host, name)
