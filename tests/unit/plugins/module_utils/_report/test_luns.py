# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._report.luns import (
    lun_lines,
    lun_result,
    path_result,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import (
    DeviceNumber,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import (
    BlockDevice,
)

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
SDA_RESULT = {
    "name": "sda",
    "path": "/dev/sda",
    "device": "8:0",
    "address": "2:0:0:0",
    "size": 1048576,
    "state": "running",
    "access_state": "active/optimized",
    "carries_io": True,
    "hardware_handler": "",
    "serial": "",
    "target_node_name": "",
    "target_port_group": None,
    "read_only": False,
    "links": [LINK],
}


def test_a_lun_is_returned_with_its_map_and_paths() -> None:
    assert lun_result("3600", [SDA], "data", {"3600"}) == {
        "wwid": "3600",
        "size": 1048576,
        "map": "data",
        "detached": True,
        "paths": [SDA_RESULT],
    }


def test_a_lun_without_a_map_or_one_size_says_so() -> None:
    result = lun_result("3601", [SDA, replace(SDA, sectors=4096)], None, ())
    assert (result["map"], result["size"]) == (None, None)


def test_a_path_that_has_gone_has_nothing_but_its_number() -> None:
    assert path_result(BlockDevice("", DeviceNumber(8, 16), 0)) == {
        **dict.fromkeys(SDA_RESULT, ""),
        "device": "8:16",
        "size": 0,
        "carries_io": False,
        "target_port_group": None,
        "read_only": False,
        "links": [],
    }


@pytest.mark.parametrize(
    ("state", "access_state", "carries_io"),
    [
        ("running", "standby", True),
        ("live", "", True),
        ("offline", "active/optimized", False),
        ("blocked", "active/optimized", False),
        ("running", "unavailable", False),
        ("running", "offline", False),
    ],
)
def test_a_path_says_whether_it_would_carry_io(
    state: str, access_state: str, carries_io: bool
) -> None:
    path = replace(SDA, state=state, access_state=access_state)
    assert path_result(path)["carries_io"] == carries_io


def test_a_lun_in_lines_has_one_for_each_path() -> None:
    plain = BlockDevice("sdb", DeviceNumber(8, 16), 8)
    assert lun_lines("3600", [SDA, plain], ()) == [
        "3600",
        "  sda 8:0 2:0:0:0 running, 2048 sectors",
        "  sdb 8:16, 8 sectors",
    ]
    assert lun_lines("3600", [], ()) == []
    assert lun_lines("3600", [], {"3600"}) == ["3600 held detached"]
