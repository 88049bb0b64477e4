# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._health import (
    Health,
    Reason,
    health,
)
from ansible_collections.san.device_mapper.plugins.module_utils._host import (
    BlockDevice,
    Host,
    Map,
)
from ansible_collections.san.device_mapper.plugins.module_utils._multipath import MultipathStatus
from ansible_collections.san.device_mapper.plugins.module_utils._result import health_result
from ansible_collections.san.device_mapper.plugins.module_utils._table import parse_table

SDA = BlockDevice("sda", DeviceNumber(8, 0), 2048, "3600", state="running")
SDB = BlockDevice("sdb", DeviceNumber(8, 16), 2048, "3600", state="running")
FAILING = parse_table("0 2048 multipath 0 0 1 1 service-time 0 2 0 8:0 8:16")
QUEUEING = parse_table("0 2048 multipath 1 queue_if_no_path 0 1 1 service-time 0 2 0 8:0 8:16")
LINEAR = parse_table("0 8 linear 8:0 0")


def status(first: str, second: str) -> MultipathStatus:
    return MultipathStatus.parse(f"2 0 0 0 1 1 A 0 2 0 8:0 {first} 0 8:16 {second} 0")


DATA = Map("data", "mpath-3600", live=FAILING, status=status("A", "A"))


def health_of(*disks: BlockDevice, **data: Any) -> Health | None:
    each = replace(DATA, **data)
    return health(each, Host(maps=(each,), block_devices=disks))


@pytest.mark.parametrize(
    ("second", "data", "state", "reasons"),
    [
        ({}, {}, "healthy", []),
        ({}, {"live": QUEUEING}, "healthy", []),
        ({"wwid": ""}, {}, "healthy", []),
        (
            {},
            {"status": status("A", "F")},
            "degraded",
            [Reason("path_failed", "8:16", "sdb")],
        ),
        (
            {"state": "offline"},
            {"status": status("A", "F")},
            "degraded",
            [Reason("path_failed", "8:16", "sdb"), Reason("path_down", "8:16", "sdb", "offline")],
        ),
        (
            {"access_state": "unavailable"},
            {},
            "degraded",
            [Reason("path_down", "8:16", "sdb", "unavailable")],
        ),
        ({"access_state": "standby"}, {}, "healthy", []),
        (
            {"wwid": "3601"},
            {},
            "degraded",
            [Reason("path_of_other_lun", "8:16", "sdb", "3601", "3600")],
        ),
        (
            {"sectors": 4096},
            {},
            "degraded",
            [Reason("path_size", "8:16", "sdb", "2097152", "1048576")],
        ),
        (
            {"device": DeviceNumber(8, 32), "name": "sdc"},
            {},
            "degraded",
            [Reason("path_gone", "8:16"), Reason("path_not_in_map", "8:32", "sdc")],
        ),
        ({}, {"inactive": FAILING}, "degraded", [Reason("inactive_table")]),
        ({}, {"suspended": True}, "queueing", [Reason("suspended")]),
        ({}, {"status": None}, "dead", [Reason("no_usable_path")]),
    ],
)
def test_a_map_is_as_its_paths_are(
    second: dict[str, Any], data: dict[str, Any], state: str, reasons: list[Reason]
) -> None:
    assert health_of(SDA, replace(SDB, **second), **data) == Health(state, tuple(reasons))


@pytest.mark.parametrize(("live", "state"), [(FAILING, "dead"), (QUEUEING, "queueing")])
def test_a_map_without_a_path_is_dead_or_queues(live: Any, state: str) -> None:
    found = health_of(SDA, SDB, live=live, status=status("F", "F"))
    assert found
    assert found.state == state
    assert [each.kind for each in found.reasons] == [
        "no_usable_path",
        "path_failed",
        "path_failed",
    ]
    gone = health_of(live=live)
    assert gone
    assert gone.state == state


def test_a_map_without_its_table_is_dead() -> None:
    lost = (Reason("path_not_in_map", "8:0", "sda"),)
    assert health_of(SDA, live=(), status=None) == Health("dead", (Reason("no_table"), *lost))
    wrong = Reason("no_multipath_table", found="linear", expected="multipath")
    assert health_of(SDA, live=LINEAR, status=None) == Health("dead", (wrong, *lost))


def test_only_multipath_maps_have_a_health() -> None:
    assert health(Map("vg-root", "LVM-x", live=LINEAR), Host()) is None
    assert health_result(None) is None


def test_a_reason_says_what_there_is_to_say() -> None:
    assert health_result(health_of(SDA, status=status("A", "F"))) == {
        "state": "degraded",
        "reasons": [{"kind": "path_failed", "path": "8:16"}, {"kind": "path_gone", "path": "8:16"}],
    }
