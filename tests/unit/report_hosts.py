# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts to make reports of: what device_mapper_info returns for hosts that are values."""

from __future__ import annotations

from typing import Any

from unit.readings import daemon

from ansible_collections.san.device_mapper.plugins.module_utils._tasks import device_mapper_info
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.nvme import (
    NvmeController,
    NvmeNamespace,
    NvmePath,
    NvmeSubsystem,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use

GIB = 2 << 20
"""Sectors of 512 bytes."""


class San:
    """A host that LUNs are added to, each with two groups of two paths, over two SCSI hosts."""

    def __init__(self) -> None:
        self._maps: list[Map] = []
        self._disks: list[BlockDevice] = []
        self._uses: dict[DeviceNumber, tuple[Use, ...]] = {}
        self._nvme: tuple[NvmeSubsystem, ...] = ()

    def lun(
        self,
        name: str,
        states: str = "AAAA",
        *,
        size: int = 100 * GIB,
        mounts: tuple[str, ...] = (),
        queues: bool = False,
        suspended: bool = False,
        gone: tuple[int, ...] = (),
    ) -> San:
        """Add a LUN, its map with a path for each of `states`, a partition for each of `mounts`.

        A path that is A is active, F failed, D active with its device offline. An empty `name` is
        for a LUN without a map.
        """
        index = len(self._disks) // 4
        wwid = f"3600a098038314352{index:016x}"
        disks = [
            self._disk(wwid, index, number, state, size) for number, state in enumerate(states)
        ]
        self._disks += [disk for number, disk in enumerate(disks) if number not in gone]
        if not name:
            return self
        device = self._number()
        groups = [disks[:2], disks[2:]]
        numbers = [[str(disk.device) for disk in group] for group in groups if group]
        feature = "1 queue_if_no_path" if queues else "0"
        words = " ".join(
            f"service-time 0 {len(each)} 1 {' '.join(f'{path} 1' for path in each)}"
            for each in numbers
        )
        live = f"0 {size} multipath {feature} 1 alua {len(numbers)} 1 {words}"
        kinds = iter(states.replace("D", "A"))
        groups_words = " ".join(
            f"{state} 0 {len(each)} 1 {' '.join(f'{path} {next(kinds)} 0 0' for path in each)}"
            for state, each in zip("AE", numbers)
        )
        status = MultipathStatus.parse(f"2 0 0 0 {len(numbers)} 1 {groups_words}")
        data = Map(
            name, f"mpath-{wwid}", device, parse_table(live), suspended=suspended, status=status
        )
        self._maps.append(data)
        for number, mount in enumerate(mounts, 1):
            self._partition(data, number, size // len(mounts), mount)
        return self

    def namespace(self, states: str = "AA", *, mounts: tuple[str, ...] = ()) -> San:
        """Add a subsystem with a namespace, with a path for each of `states`.

        A path that is A is optimized, N non-optimized, I inaccessible; of L the controller is lost.
        """
        words = {"A": "optimized", "N": "non-optimized", "I": "inaccessible", "L": "optimized"}
        number = len(self._nvme)
        controllers = [
            NvmeController(
                f"nvme{number * 4 + index}",
                "tcp",
                f"traddr=192.0.2.{index + 1},trsvcid=4420",
                "connecting" if state == "L" else "live",
                ctrl_loss_tmo=600,
                fast_io_fail_tmo=-1,
            )
            for index, state in enumerate(states)
        ]
        paths = [
            NvmePath(f"nvme{number}c{index}n1", controller, 100 * GIB, words[state], 1)
            for index, (controller, state) in enumerate(zip(controllers, states))
        ]
        device = DeviceNumber(259, number)
        wwid = f"uuid.2f7cbd5a-51fa-4bfb-9f8f-{number:012x}"
        joined = NvmeNamespace(f"nvme{number}n1", device, 100 * GIB, wwid, 1, paths=tuple(paths))
        subsystem = NvmeSubsystem(
            f"nvme-subsys{number}",
            f"nqn.2026-11.com.example:array{number}",
            model="Array",
            iopolicy="numa",
            controllers=tuple(controllers),
            namespaces=(joined,),
        )
        self._nvme = (*self._nvme, subsystem)
        self._uses[device] = tuple(Use("mount", mount) for mount in mounts)
        return self

    def result(self, **request: Any) -> dict[str, Any]:
        """Return what the module returns on this host."""
        host = Host(
            maps=tuple(self._maps),
            block_devices=tuple(self._disks),
            uses=self._uses,
            parents=(),
            missing_links={},
            reservations={},
            not_ready=frozenset(),
            boot_files={},
            detached=frozenset(),
            multipathd=daemon(),
            nvme=self._nvme,
        )
        return device_mapper_info.report(device_mapper_info.Request(**request), host)

    def _partition(self, data: Map, number: int, size: int, mount: str) -> None:
        name, device = f"{data.name}-part{number}", self._number()
        table = parse_table(f"0 {size - 4096} linear {data.device} {2048 + (number - 1) * size}")
        self._maps.append(Map(name, f"part{number}-{data.uuid}", device, table))
        held = Use("map", name, device, f"part{number}-{data.uuid}")
        self._uses[data.device] = (*self._uses.get(data.device, ()), held)
        if mount.startswith("vg"):
            volume = Map(
                mount,
                f"LVM-{number}",
                self._number(),
                parse_table(f"0 {size - 8192} linear {device} 0"),
            )
            self._maps.append(volume)
            self._uses[device] = (Use("lvm", mount, volume.device, volume.uuid),)
            self._uses[volume.device] = (Use("mount", f"/var/lib/{mount}"),)
        elif mount:
            self._uses[device] = (Use("mount", mount),)

    def _number(self) -> DeviceNumber:
        return DeviceNumber(253, len(self._maps))

    def _disk(self, wwid: str, lun: int, number: int, state: str, size: int) -> BlockDevice:
        minor = (lun * 4 + number) * 16
        return BlockDevice(
            name=_disk_name(lun * 4 + number),
            device=DeviceNumber(8 + minor // 256, minor % 256),
            sectors=size,
            wwid=wwid,
            address=f"{1 + number % 2}:0:{number // 2}:{lun}",
            state="offline" if state == "D" else "running",
            access_state="active/optimized" if number < 2 else "active/non-optimized",
            target_port_group=1 + number // 2,
        )


def _disk_name(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"sd{letters}"


def fleet() -> dict[str, dict[str, Any]]:
    """Return some hosts with all there can be."""
    return {
        "db1.example.com": San()
        .lun("pgdata", "AAFF", mounts=("/srv/pgdata",), size=2048 * GIB)
        .lun("pgwal", "AAAA", mounts=("/srv/pgwal",), size=256 * GIB)
        .lun("backup", "FFFF", queues=True, mounts=("/srv/backup",), size=4096 * GIB)
        .lun("", size=512 * GIB)
        .result(),
        "db2.example.com": San()
        .lun("pgdata", mounts=("/srv/pgdata",), size=2048 * GIB)
        .lun("pgwal", mounts=("/srv/pgwal",), size=256 * GIB)
        .result(),
        "vm1.example.com": San()
        .lun("guests", "AAAA", mounts=("vg0-guests", "vg0-images"), size=8192 * GIB)
        .lun("scratch", "FFFF", size=1024 * GIB)
        .lun("iso", "ADAA", gone=(3,), mounts=("/srv/iso", ""), size=100 * GIB)
        .result(),
        "web7.example.com": {"unreachable": True, "msg": "Connection timed out", "changed": False},
    }


def large(luns: int) -> dict[str, dict[str, Any]]:
    """Return one host with so many LUNs of four paths each, some of them not as they should be."""
    san = San()
    for number in range(luns):
        states = "AFAA" if number % 10 == 3 else "FFFF" if number % 97 == 5 else "AAAA"
        san.lun(f"data{number:04}", states, mounts=(f"/srv/data{number:04}",))
    return {"large.example.com": san.result()}


def hostile(words: str) -> dict[str, dict[str, Any]]:
    """Return hosts with `words` wherever something that others have written can be."""
    san = San().lun(words, "AFDA", mounts=(words, f"vg-{words}")).lun("")
    result = san.namespace("AI", mounts=(words,)).result()
    (subsystem,) = result["nvme"]
    subsystem["iopolicy"] = words
    for controller in subsystem["controllers"]:
        controller["target_address"] = words
    for path in subsystem["namespaces"][0]["paths"]:
        path["ana_state"] = words
    for lun in result["luns"]:
        for path in lun["paths"]:
            path["target_node_name"] = words
    (data,) = (each for each in result["maps"] if each["wwid"])
    data["uses"].append(words)
    data["users"].append({"kind": words, "name": words, "device": None})
    data["health"]["reasons"].append({"kind": words, "name": words, "found": words})
    for group in data["path_groups"]:
        for path in group["paths"]:
            for key in ("name", "address", "state", "access_state", "target_node_name"):
                path[key] = words
    return {words: result, f"{words} failed": {"failed": True, "msg": words}}
