# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

from ansible_collections.san.device_mapper.plugins.module_utils._report.luns import (
    path_result,
)
from ansible_collections.san.device_mapper.plugins.module_utils._report.maps import (
    map_result,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import (
    DeviceNumber,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import (
    BlockDevice,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import (
    Host,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import (
    Map,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    parse_table,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import (
    Use,
)

SDA = BlockDevice("sda", DeviceNumber(8, 0), 2048, "3600", address="2:0:0:0", state="running")
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
    uses={DATA.device: (Use("map", PART1.name, PART1.device, PART1.uuid),)},
)


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
                        **path_result(SDA),
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
                        **path_result(BlockDevice("", DeviceNumber(8, 16), 0)),
                        "path_selector_arguments": ["1"],
                        "active": False,
                        "fail_count": 3,
                    }
                ],
            },
        ],
        "partition_maps": ["data-part1"],
        "uses": ["held by the map data-part1 (uuid part1-mpath-3600)"],
        "users": [
            {
                "kind": "map",
                "name": "data-part1",
                "device": "253:1",
                "uuid": "part1-mpath-3600",
                "process": None,
                "partition": None,
                "opens": None,
            }
        ],
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


def test_a_use_is_returned_in_words_and_as_data() -> None:
    found = {
        DATA.device: (Use("mount", "/srv", partition="sda1"), Use("process", "cat", process=7))
    }
    result = map_result(DATA, replace(HOST, uses=found))
    nothing = dict.fromkeys(("device", "uuid", "process", "partition", "opens"))
    assert result["users"] == [
        {"kind": "mount", "name": "/srv", **nothing, "partition": "sda1"},
        {"kind": "process", "name": "cat", **nothing, "process": 7},
    ]
    assert result["uses"] == ["its partition sda1 is mounted at /srv", "open in process 7 (cat)"]
