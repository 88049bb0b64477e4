# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._report.result import (
    lun_result,
    map_result,
    partition_result,
    plan_diff,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import (
    BlockDevice,
    Host,
    Map,
    Parent,
    Partition,
    Use,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

LINK = "/dev/disk/by-path/pci-0000:00:10.0-scsi-0:0:0:0"
SDA = BlockDevice(
    "sda",
    DeviceNumber(8, 0),
    2048,
    "3600",
    address="2:0:0:0",
    state="running",
    access_state="active/optimized",
    links=("/dev/disk/by-id/scsi-3600", LINK),
)
DATA = Map(
    "data",
    "mpath-3600",
    DeviceNumber(253, 0),
    live=parse_table(
        "0 2048 multipath 1 queue_if_no_path 1 alua 2 1"
        " service-time 0 1 2 8:0 1 1 queue-length 0 1 1 8:16 1 "
    ),
    open_count=1,
    status=MultipathStatus.parse("2 0 1 0 2 1 A 0 1 2 8:0 A 0 0 1 E 0 1 1 8:16 F 3 0 "),
)
PART1 = Map(
    "data-part1",
    "part1-mpath-3600",
    DeviceNumber(253, 1),
    live=parse_table("0 1000 linear 253:0 64"),
)
HOST = Host(
    maps=(DATA, PART1),
    block_devices=(SDA,),
    uses={DATA.device: (Use("held by the map data-part1", PART1.device),)},
)
SDA_RESULT = {
    "name": "sda",
    "path": "/dev/sda",
    "device": "8:0",
    "address": "2:0:0:0",
    "size": 1048576,
    "state": "running",
    "access_state": "active/optimized",
    "hardware_handler": "",
    "serial": "",
    "target_node_name": "",
    "target_port_group": None,
    "read_only": False,
    "links": [LINK],
}


def test_a_multipath_map_is_returned_with_its_paths() -> None:
    assert map_result(DATA, HOST) == {
        "name": "data",
        "uuid": "mpath-3600",
        "wwid": "3600",
        "path": "/dev/mapper/data",
        "device": "253:0",
        "size": 1048576,
        "open_count": 1,
        "read_only": False,
        "suspended": False,
        "deferred_remove": False,
        "has_inactive_table": False,
        "table": [
            {
                "start": 0,
                "length": 2048,
                "target": "multipath",
                "parameters": (
                    "1 queue_if_no_path 1 alua 2 1"
                    " service-time 0 1 2 8:0 1 1 queue-length 0 1 1 8:16 1"
                ),
                "features": ["queue_if_no_path"],
                "hardware_handler": "alua",
            }
        ],
        "path_groups": [
            {
                "state": "active",
                "path_selector": "service-time",
                "path_selector_arguments": [],
                "paths": [
                    {
                        **SDA_RESULT,
                        "path_selector_arguments": ["1", "1"],
                        "active": True,
                        "fail_count": 0,
                    }
                ],
            },
            {
                "state": "enabled",
                "path_selector": "queue-length",
                "path_selector_arguments": [],
                "paths": [
                    {
                        **dict.fromkeys(SDA_RESULT, ""),
                        "device": "8:16",
                        "size": 0,
                        "target_port_group": None,
                        "read_only": False,
                        "links": [],
                        "path_selector_arguments": ["1"],
                        "active": False,
                        "fail_count": 3,
                    }
                ],
            },
        ],
        "partition_maps": ["data-part1"],
        "uses": ["held by the map data-part1"],
    }


def test_a_map_that_is_foreseen_has_no_number_and_no_states() -> None:
    foreseen = map_result(Map("data", "mpath-3600", live=DATA.live), HOST)
    assert foreseen["device"] is None
    assert [group["state"] for group in foreseen["path_groups"]] == ["unknown", "unknown"]
    assert foreseen["path_groups"][0]["paths"][0]["active"] is None


def test_a_linear_map_is_returned_with_its_device() -> None:
    result = map_result(replace(PART1, suspended=True, inactive=PART1.live), HOST)
    assert result["table"] == [
        {
            "start": 0,
            "length": 1000,
            "target": "linear",
            "parameters": "253:0 64",
            "device": "253:0",
            "offset": 64,
        }
    ]
    assert (result["wwid"], result["path_groups"]) == ("", [])
    assert (result["suspended"], result["has_inactive_table"]) == (True, True)


def test_a_foreign_map_is_returned_as_the_kernel_prints_it() -> None:
    striped = Map("stripes", "", DeviceNumber(253, 2), parse_table("0 64 striped 1 16 8:0 0"))
    (segment,) = map_result(striped, HOST)["table"]
    assert segment == {
        "start": 0,
        "length": 64,
        "target": "striped",
        "parameters": "1 16 8:0 0",
    }


def test_a_partition_is_returned_in_bytes() -> None:
    partition = Partition(1, 64, 1000, "0x83", "label", "5d1ba0bc-01")
    parent = Parent("/dev/mapper/data", "data", "mpath-3600", DATA.device, 2048)
    assert partition_result(partition, PART1, parent) == {
        "name": "data-part1",
        "uuid": "part1-mpath-3600",
        "path": "/dev/mapper/data-part1",
        "device": "253:1",
        "parent": "data",
        "number": 1,
        "start": 32768,
        "size": 512000,
        "type": "0x83",
        "partition_name": "label",
        "partuuid": "5d1ba0bc-01",
        "extended": False,
        "read_only": False,
    }


def test_a_lun_is_returned_with_its_map_and_paths() -> None:
    assert lun_result("3600", [SDA], HOST) == {
        "wwid": "3600",
        "size": 1048576,
        "map": "data",
        "paths": [SDA_RESULT],
    }


def test_a_lun_without_a_map_or_one_size_says_so() -> None:
    result = lun_result("3601", [SDA, replace(SDA, sectors=4096)], HOST)
    assert (result["map"], result["size"]) == (None, None)


def difference(before: list[Map], after: list[Map]) -> dict[str, str]:
    """Return what --diff shows of maps on the host."""
    uuids = {each.uuid for each in (*before, *after)}
    hosts = (replace(HOST, maps=tuple(before)), replace(HOST, maps=tuple(after)))
    return plan_diff(*hosts, uuids)


@pytest.mark.parametrize(
    ("each", "line"),
    [
        (Map("data", "u"), "data (u) without a table"),
        (Map("data", "u", live=PART1.live, suspended=True), "data (u) suspended"),
        (
            Map("data", "u", live=PART1.live, deferred_remove=True),
            "data (u) to be removed once it is closed",
        ),
        (
            Map("data", "u", live=PART1.live, inactive=PART1.live, read_only=True),
            "data (u) read-only with an inactive table",
        ),
    ],
)
def test_a_difference_names_what_is_unusual(each: Map, line: str) -> None:
    assert difference([each], [])["before"].splitlines()[0] == line
    assert difference([each], [])["after"] == ""


def test_two_tables_that_mean_the_same_make_no_difference() -> None:
    loaded = Map(
        "data",
        "mpath-3600",
        live=parse_table(
            "0 2048 multipath 1 queue_if_no_path 1 alua 2 1"
            " service-time 0 1 0 8:0 queue-length 0 1 0 8:16"
        ),
    )
    found = difference([DATA], [loaded])
    assert found["before"] == found["after"]


def test_another_hardware_handler_is_a_difference() -> None:
    texts = [f"0 8 multipath 0 {handler} 1 1 round-robin 0 1 0 8:0" for handler in ("0", "2 emc 1")]
    before, after = (replace(DATA, live=parse_table(text)) for text in texts)
    found = difference([before], [after])
    assert "multipath, no features\n" in found["before"]
    assert "multipath, no features, hardware handler emc\n" in found["after"]


def test_a_throughput_is_not_hidden_in_the_difference() -> None:
    weighted = replace(DATA, live=parse_table("0 8 multipath 0 0 1 1 service-time 0 1 2 8:0 1 20"))
    even = replace(DATA, live=parse_table("0 8 multipath 0 0 1 1 service-time 0 1 2 8:0 1 1"))
    found = difference([weighted], [even])
    assert found["before"] != found["after"]
