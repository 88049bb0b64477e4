# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before a device is read, lest the read hang."""

from __future__ import annotations

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MAJOR, MemoryKernel
from unit.memory_map import MemoryMap
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._observe.partitions import (
    observe_partitions,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    ImageFile,
    LoopDevice,
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

QUEUEING = parse_table("0 2048 multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 0 8:0")
ON_TOP = parse_table(f"0 8 linear {MAJOR}:0 0")
TABLE = PartitionTable("gpt", (Partition(1, 64, 100),))


class ReadHost(MemoryHost):
    """A host that notes of what the partition table was read."""

    def __init__(self, kernel: MemoryKernel) -> None:
        super().__init__(kernel, partition_tables={"data": TABLE})
        self.read: list[tuple[str, DeviceNumber | None]] = []

    def partition_table(
        self, path: str, device: DeviceNumber | None, timeout: float, logical_sector: int = 0
    ) -> PartitionTable:
        self.read.append((path, device))
        return super().partition_table(path, device, timeout)


@pytest.fixture
def kernel() -> MemoryKernel:
    return MemoryKernel({DeviceNumber(8, 0): Disk(2048)})


@pytest.fixture
def data(kernel: MemoryKernel) -> MemoryMap:
    return kernel.place("data", "mpath-3600", QUEUEING)


def without_a_path(placed: MemoryMap) -> None:
    assert placed.live
    assert placed.live.multipath
    placed.live.multipath.message("fail_path 8:0")


def refusal(kernel: MemoryKernel, stated: str = "data") -> Refused:
    host = ReadHost(kernel)
    with pytest.raises(Refused) as refused:
        observe_partitions(host, [stated], reading=True, timeout=1)
    assert (refused.value.option, refused.value.value) == ("device", stated)
    assert refused.value.way_out
    assert host.read == []
    return refused.value


@pytest.mark.parametrize("stated", ["nosuch", "/dev/mapper/nosuch", "/dev/nosuch", "/dev/null", ""])
def test_a_device_that_is_not_there_is_refused(kernel: MemoryKernel, stated: str) -> None:
    assert "no map, block device or image file of this name" in refusal(kernel, stated).found


def test_a_namespace_whose_paths_the_kernel_joins_is_refused(kernel: MemoryKernel) -> None:
    joined = BlockDevice("nvme0n1", DeviceNumber(259, 1), 2048, is_joined=True)
    kernel.known = (joined,)
    refused = refusal(kernel, "/dev/nvme0n1")
    assert "nvme0n1 is an NVMe multipath device" in refused.found
    assert "/dev/nvme0n1p1 is the first" in refused.way_out
    host = ReadHost(kernel)
    (parent,) = observe_partitions(host, ["/dev/nvme0n1"], reading=False, timeout=1).parents
    assert parent.device == joined.device


@pytest.mark.parametrize("stated", ["data", "/dev/mapper/data"])
def test_a_map_that_queues_without_a_path_is_refused(
    kernel: MemoryKernel, data: MemoryMap, stated: str
) -> None:
    without_a_path(data)
    assert "queues and has no active path" in refusal(kernel, stated).found


def test_udev_is_not_waited_for_where_a_device_is_refused_in_any_case(
    kernel: MemoryKernel, data: MemoryMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a map that queues without a path, udev itself may wait for a read."""
    waits: list[float] = []
    monkeypatch.setattr(ReadHost, "kpartx_delimiter", lambda _self: "-part")
    monkeypatch.setattr(ReadHost, "settle", lambda _self, timeout: waits.append(timeout))
    observe_partitions(ReadHost(kernel), ["data"], reading=True, timeout=60)
    assert waits == [30.0]
    kernel.place("lv", "LVM-x", ON_TOP)
    without_a_path(data)
    for stated in ("data", "/dev/mapper/data", "lv"):
        assert "queues and has no active path" in refusal(kernel, stated).found
    assert waits == [30.0]
    observe_partitions(ReadHost(kernel), ["data"], reading=False, timeout=60)
    assert waits == [30.0, 30.0]


@pytest.mark.parametrize(
    ("packed", "way_out"), [("qcow2", "qemu-img convert -O raw"), ("xz", "xz --decompress")]
)
def test_an_image_that_is_not_the_disk_itself_is_refused(
    kernel: MemoryKernel, monkeypatch: pytest.MonkeyPatch, packed: str, way_out: str
) -> None:
    file = ImageFile("/srv/image", 2048, False, packed)
    monkeypatch.setattr(ReadHost, "image_file", lambda _self, _path: file)
    monkeypatch.setattr(
        ReadHost, "free_loop_device", lambda _self, _besides: DeviceNumber(7, 0), raising=False
    )
    refused = refusal(kernel, "/srv/image")
    assert f"in the format {packed}" in refused.found
    assert way_out in refused.way_out


@pytest.mark.parametrize(
    ("found", "stated", "used"), [(0, 0, 512), (4096, 0, 4096), (0, 2048, 2048), (4096, 512, 512)]
)
def test_an_image_is_read_with_sectors_of_the_stated_size_or_of_its_tables(
    kernel: MemoryKernel, monkeypatch: pytest.MonkeyPatch, found: int, stated: int, used: int
) -> None:
    read: list[int] = []

    def table(
        _self: object, _path: str, _device: None, _timeout: float, sector: int
    ) -> PartitionTable:
        read.append(sector)
        return TABLE

    file = ImageFile("/srv/image", 2048, False, sector=found)
    monkeypatch.setattr(MemoryHost, "image_file", lambda _self, _path: file)
    monkeypatch.setattr(MemoryHost, "partition_table", table)
    monkeypatch.setattr(
        MemoryHost, "free_loop_device", lambda _self, _besides: DeviceNumber(7, 0), raising=False
    )
    (parent,) = observe_partitions(
        MemoryHost(kernel), ["/srv/image"], reading=True, timeout=1, sector_size=stated
    ).parents
    assert (parent.logical_sector, read) == (used, [used])


def test_an_image_that_is_shown_with_sectors_of_another_size_is_refused(
    kernel: MemoryKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, shown = ImageFile("/srv/image", 2048, False), LoopDevice(DeviceNumber(7, 3), False)
    monkeypatch.setattr(MemoryHost, "image_file", lambda _self, _path: file)
    monkeypatch.setattr(MemoryHost, "loop_devices", lambda _self, _path: (shown,))
    host = MemoryHost(kernel)
    (parent,) = observe_partitions(host, ["/srv/image"], reading=True, timeout=1).parents
    assert parent.attached
    with pytest.raises(Refused, match="loop3 shows the image /srv/image already") as refused:
        observe_partitions(host, ["/srv/image"], reading=True, timeout=1, sector_size=4096)
    assert (refused.value.option, refused.value.value) == ("sector_size", 4096)


@pytest.mark.usefixtures("data")
def test_a_map_on_top_of_one_that_would_hang_is_refused(kernel: MemoryKernel) -> None:
    kernel.place("lv", "LVM-x", ON_TOP)
    without_a_path(kernel.placed("mpath-3600"))
    assert "the map data queues and has no active path" in refusal(kernel, "lv").found


def test_a_suspended_map_is_refused(kernel: MemoryKernel, data: MemoryMap) -> None:
    data.suspend(flush=False)
    assert "the map data is suspended" in refusal(kernel).found


def test_a_map_without_a_table_is_refused(kernel: MemoryKernel) -> None:
    kernel.place("data", "mpath-3600")
    assert "the map data has no table" in refusal(kernel).found


def test_a_map_with_a_path_is_read(kernel: MemoryKernel, data: MemoryMap) -> None:
    host = ReadHost(kernel)
    (parent,) = observe_partitions(host, ["data"], reading=True, timeout=1).parents
    assert parent.partition_table == TABLE
    assert host.read == [("/dev/mapper/data", data.device)]


def test_to_remove_its_maps_nothing_is_read(kernel: MemoryKernel, data: MemoryMap) -> None:
    without_a_path(data)
    host = ReadHost(kernel)
    stated = ["/dev/mapper/data", "nosuch"]
    (parent,) = observe_partitions(host, stated, reading=False, timeout=1).parents
    assert host.read == []
    assert (parent.name, parent.uuid, parent.device) == ("data", "mpath-3600", data.device)


def test_a_map_without_a_uuid_gives_its_number(kernel: MemoryKernel) -> None:
    kernel.place("plain", "", parse_table("0 8 linear 8:0 0"))
    host = MemoryHost(kernel)
    (parent,) = observe_partitions(host, ["plain"], reading=False, timeout=1).parents
    assert parent.uuid == f"devnode_{MAJOR}:0_Wh5pYvM"
