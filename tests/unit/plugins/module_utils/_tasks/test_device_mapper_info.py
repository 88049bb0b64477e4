# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._tasks import device_mapper_info
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    Refused,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.kernel import Readings
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

OPTIONS: dict[str, Any] = {
    "maps": None,
    "wwids": None,
    "health": None,
    "expected_paths": None,
    "max_paths": None,
    "partition_tables": False,
    "reservations": False,
}


def multipath(number: int, name: str, state: str) -> Map:
    return Map(
        name,
        f"mpath-360{number}",
        DeviceNumber(253, number),
        live=parse_table(f"0 2048 multipath 0 0 1 1 service-time 0 1 0 8:{number}"),
        status=MultipathStatus.parse(f"2 0 0 0 1 1 A 0 1 0 8:{number} {state} 0"),
    )


def disk(number: int) -> BlockDevice:
    return BlockDevice(f"sd{number}", DeviceNumber(8, number), 2048, f"360{number}")


PART = Map(
    "data-part1",
    "part1-mpath-3600",
    DeviceNumber(253, 9),
    live=parse_table("0 8 linear 253:0 8"),
)
FOREIGN = Map("vg-root", "LVM-x", live=parse_table("0 8 linear 253:9 0"))
HOST = whole(
    maps=(multipath(0, "data", "A"), PART, multipath(1, "log", "F"), FOREIGN),
    block_devices=(disk(0), disk(1), disk(2)),
)


@pytest.mark.parametrize(
    ("options", "maps", "luns"),
    [
        ({}, ["data", "data-part1", "log", "vg-root"], ["3600", "3601", "3602"]),
        ({"maps": ["data"]}, ["data", "data-part1"], ["3600"]),
        ({"maps": ["data-part1", "vg-root", "nosuch"]}, ["data-part1", "vg-root"], []),
        ({"wwids": ["3600"]}, ["data", "data-part1"], ["3600"]),
        ({"wwids": ["3602"]}, [], ["3602"]),
        ({"health": ["dead", "queueing"]}, ["log"], ["3601"]),
        ({"health": ["healthy"]}, ["data", "data-part1"], ["3600"]),
        ({"health": ["degraded"]}, [], []),
        ({"health": ["degraded"], "expected_paths": 2}, ["data", "data-part1"], ["3600"]),
        ({"maps": ["log"], "health": ["healthy"]}, [], []),
        ({"maps": ["log"], "wwids": ["3601"], "health": ["dead"]}, ["log"], ["3601"]),
        ({"maps": ["log"], "wwids": ["3602"]}, [], []),
    ],
)
def test_what_fits_all_filters_is_returned(
    options: dict[str, Any], maps: list[str], luns: list[str]
) -> None:
    result = device_mapper_info.report(device_mapper_info.parse({**OPTIONS, **options}), HOST)
    assert [each["name"] for each in result["maps"]] == maps
    assert [each["wwid"] for each in result["luns"]] == luns
    shown = [line.split()[1] for line in result["tree"].splitlines() if line.startswith("LUN")]
    assert shown == luns
    assert "ansible_facts" not in result


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        ({}, ["log: dead, 0 of 1 paths active; no usable path; path failed sd1"]),
        ({"health": ["healthy", "degraded"]}, []),
        (
            {"health": ["degraded"], "expected_paths": 2},
            ["data: degraded, 1 of 1 paths active; too few paths: 1 instead of 2"],
        ),
        (
            {"maps": ["data", "nosuch"], "wwids": ["3600", "3602"]},
            ["nosuch: no map has this name", "3602: no map has this WWID"],
        ),
    ],
)
def test_what_is_wrong_is_a_line_for_each_map(options: dict[str, Any], problems: list[str]) -> None:
    assert (
        device_mapper_info.report(device_mapper_info.parse({**OPTIONS, **options}), HOST)[
            "problems"
        ]
        == problems
    )


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("maps", []),
        ("maps", [""]),
        ("wwids", []),
        ("wwids", ["3600", ""]),
        ("health", []),
        ("expected_paths", 0),
        ("max_paths", 0),
    ],
)
def test_what_asks_for_nothing_is_refused(option: str, value: Any) -> None:
    with pytest.raises(Refused) as refused:
        device_mapper_info.parse({**OPTIONS, option: value})
    assert (refused.value.option, refused.value.value) == (option, value)


def test_the_bounds_of_paths_leave_something() -> None:
    with pytest.raises(Refused, match=r"must be at least expected_paths \(4\)"):
        device_mapper_info.parse({**OPTIONS, "expected_paths": 4, "max_paths": 3})
    assert device_mapper_info.parse({**OPTIONS, "expected_paths": 4, "max_paths": 4})


@pytest.fixture
def kernel() -> MemoryKernel:
    """Return a kernel whose map no udev knows, and one of whose partitions has a map."""
    kernel = MemoryKernel({DeviceNumber(8, 0): Disk(2048)})
    table = "0 2048 multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 0 8:0"
    data = kernel.place("san-test-data", "mpath-3600", parse_table(table))
    kernel.place("a b", "part1-mpath-3600", parse_table(f"0 8 linear {data.device} 8"))
    return kernel


def observe(host: MemoryHost, request: Any) -> Host:
    return device_mapper_info.observe(request, cast(Readings, host), 1)


def test_links_that_are_not_there_are_seen(kernel: MemoryKernel) -> None:
    there, asking = MemoryHost(kernel), device_mapper_info.Request()
    assert observe(there, asking).missing_links == {}
    there.properties = {"DM_UDEV_RULES_VSN": "2"}
    data = kernel.placed("mpath-3600").device
    link = "/dev/disk/by-id/dm-uuid-mpath-3600"
    assert observe(there, asking).missing_links == {data: (link,)}
    there.links = {link: data, "/dev/mapper/san-test-data": DeviceNumber(8, 0)}
    assert observe(there, asking).missing_links == {data: ("/dev/mapper/san-test-data",)}
    kernel.placed("mpath-3600").suspend(flush=False)
    assert observe(there, asking).missing_links == {}


class Unreliable(MemoryHost):
    """A host whose partition table can be read once."""

    read: tuple[str, ...] = ()

    def partition_table(
        self,
        path: str,
        _device: DeviceNumber | None,
        _timeout: float,
        _logical_sector: int = 0,
    ) -> PartitionTable:
        self.read = (*self.read, path)
        if len(self.read) > 1:
            raise DeviceMapperError("it is gone")
        return PartitionTable("gpt")


def test_a_partition_table_is_read_only_where_that_is_asked_for_and_does_not_hang(
    kernel: MemoryKernel,
) -> None:
    host = Unreliable(kernel)
    asking = replace(device_mapper_info.Request(), partition_tables=True)
    assert observe(host, device_mapper_info.Request()).parents == ()
    assert observe(host, replace(asking, maps=("other",))).parents == ()
    (parent,) = observe(host, asking).parents
    assert (parent.uuid, parent.partition_table.kind) == ("mpath-3600", "gpt")
    (parent,) = observe(host, asking).parents
    assert parent.partition_table.problem == "it is gone"
    live = kernel.placed("mpath-3600").live
    assert live
    assert live.multipath
    live.multipath.message("fail_path 8:0")
    assert observe(host, asking).parents == ()
    assert host.read == ("/dev/mapper/san-test-data",) * 2
