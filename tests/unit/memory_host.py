# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A SAN host in memory: what a task observes on it, with an in-memory kernel below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unit.memory_kernel import MemoryKernel

from ansible_collections.san.device_mapper.plugins.module_utils._run import Task, outcome
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import (
    multipath_map,
    multipath_options,
    multipath_path,
    partition_maps,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import (
    BlockDevice,
    Host,
    Map,
    Parent,
    PartitionTable,
    Transport,
    Use,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.kernel import Kernel
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import devices

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "multipath_map": {
        "name": None,
        "wwid": None,
        "paths": None,
        "path_groups": None,
        "state": "present",
        "path_grouping_policy": "auto",
        "path_selector": "service-time",
        "path_selector_arguments": None,
        "hardware_handler": "auto",
        "features": None,
        "no_path_retry": "fail",
        "read_only": False,
        "allow_shrink": False,
        "skip_kpartx": False,
        "in_use": "fail",
        "min_paths": 1,
        "manager": "auto",
        "failback": None,
        "prio": None,
        "path_checker": None,
        "fast_io_fail_tmo": None,
        "dev_loss_tmo": None,
        "adopt": False,
        "persistent": None,
        "maps": None,
        "timeout": 60,
    },
    "partition_maps": {
        "device": None,
        "devices": None,
        "state": "present",
        "delimiter": "auto",
        "partitions": None,
        "purge": True,
        "extended": "map",
        "read_only": False,
        "timeout": 60,
    },
    "multipath_path": {
        "state": None,
        "path_group": None,
        "maps": None,
        "paths": None,
        "hosts": None,
        "target_ports": None,
        "initiator_ports": None,
        "fabrics": None,
        "min_active": 1,
        "timeout": 60,
    },
}


@dataclass
class MemoryHost:
    """The host; `partition_tables` are by the name of the map that has them."""

    kernel: MemoryKernel
    block_devices: tuple[BlockDevice, ...] = ()
    mounts: dict[DeviceNumber, str] = field(default_factory=dict)
    partition_tables: dict[str, PartitionTable] = field(default_factory=dict)
    missing_modules: frozenset[str] = frozenset()
    missing_programs: tuple[str, ...] = ()
    transports: dict[DeviceNumber, Transport] = field(default_factory=dict)
    observations: int = 0

    def run(self, module: str, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Return what a task with the module returns."""
        whole = {**DEFAULTS[module], **options}
        if module == "multipath_map":
            return outcome(self.multipath_map(), whole, lambda: self.kernel, check_mode)
        if module == "multipath_path":
            return outcome(self.multipath_path(), whole, lambda: self.kernel, check_mode)
        return outcome(self.partition_maps(), whole, lambda: self.kernel, check_mode)

    def multipath_map(self) -> Task[tuple[multipath_options.Request, ...]]:
        """Return the module's task, observing this host."""

        def observe(
            _requests: Sequence[multipath_options.Request], kernel: Kernel, _timeout: float
        ) -> Host:
            return self.observe(kernel, ())

        module = multipath_map
        return Task(multipath_options.parse, observe, module.report, module.operations)

    def multipath_path(self) -> Task[multipath_path.Request]:
        """Return the module's task, observing this host."""

        def observe(_request: multipath_path.Request, kernel: Kernel, _timeout: float) -> Host:
            return self.observe(kernel, ())

        module = multipath_path
        return Task(module.parse, observe, module.report, module.operations, module.changes)

    def partition_maps(self) -> Task[partition_maps.Request]:
        """Return the module's task, observing this host."""

        def observe(request: partition_maps.Request, kernel: Kernel, _timeout: float) -> Host:
            return self.observe(kernel, request.devices)

        module = partition_maps
        return Task(module.parse, observe, module.report, module.operations)

    def observe(self, kernel: Kernel, stated: Sequence[str]) -> Host:
        """Return a reading of the host."""
        self.kernel.daemon.disks = self.block_devices
        self.observations += 1
        maps = kernel.maps()
        return Host(
            maps=maps,
            block_devices=self.block_devices,
            uses=self._uses(maps),
            parents=tuple(self._parent(name, maps) for name in stated),
            multipathd=self.kernel.daemon.view(maps),
            missing_modules=self.missing_modules,
            controllers=("host0", "host1", "host2", "host3"),
            transports=self.transports,
            boot_files=dict(self.kernel.files),
            missing_programs=self.missing_programs,
        )

    def _uses(self, maps: Sequence[Map]) -> dict[DeviceNumber, tuple[Use, ...]]:
        uses: dict[DeviceNumber, tuple[Use, ...]] = {
            device: (Use(f"mounted at {place}"),) for device, place in self.mounts.items()
        }
        for each in maps:
            for device in {*devices(each.live), *devices(each.inactive)}:
                held = Use(
                    f"held by the map {each.name} (uuid {each.uuid or 'empty'})", each.device
                )
                uses[device] = (*uses.get(device, ()), held)
        for each in maps:
            if each.open_count > len(uses.get(each.device, ())):
                opener = Use("open in process 7 (cat)")
                uses[each.device] = (*uses.get(each.device, ()), opener)
        return uses

    def _parent(self, name: str, maps: Sequence[Map]) -> Parent:
        (found,) = (each for each in maps if each.name == name)
        return Parent(
            stated=name,
            name=found.name,
            uuid=found.uuid,
            device=found.device,
            sectors=found.sectors,
            read_only=found.read_only,
            partition_table=self.partition_tables.get(name, PartitionTable()),
        )
