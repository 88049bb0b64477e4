# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._plan.path_groups import (
    groups,
    kept_groups,
    priority,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table


def disk(name: str, minor: int, address: str, **details: Any) -> BlockDevice:
    return BlockDevice(name, DeviceNumber(8, minor), 2048, address=address, **details)


ALUA = (
    disk("sda", 0, "2:0:0:0", access_state="active/non-optimized"),
    disk("sdb", 16, "10:0:0:0", access_state="active/optimized"),
    disk("sdc", 32, "3:0:0:0", access_state="active/optimized"),
    disk("sdd", 48, "4:0:0:0", access_state="standby"),
)
PLAIN = tuple(replace(each, access_state="") for each in ALUA)


@pytest.mark.parametrize(
    ("access_state", "preferred", "expected"),
    [
        ("", False, 1),
        ("", True, 1),
        ("active/optimized", False, 50),
        ("active/optimized", True, 50),
        ("active/non-optimized", False, 10),
        ("active/non-optimized", True, 90),
        ("lba-dependent", False, 5),
        ("standby", False, 1),
        ("standby", True, 81),
        ("unavailable", False, 0),
        ("transitioning", False, 0),
    ],
)
def test_priorities_are_multipaths(access_state: str, preferred: bool, expected: int) -> None:
    assert priority(replace(ALUA[0], access_state=access_state, preferred=preferred)) == expected


@pytest.mark.parametrize(
    ("paths", "policy", "expected"),
    [
        (ALUA, "group_by_prio", [["sdc", "sdb"], ["sda"], ["sdd"]]),
        (ALUA, "auto", [["sdc", "sdb"], ["sda"], ["sdd"]]),
        (ALUA, "multibus", [["sdc", "sdb", "sda", "sdd"]]),
        (ALUA, "failover", [["sdc"], ["sdb"], ["sda"], ["sdd"]]),
        (PLAIN, "group_by_prio", [["sda", "sdc", "sdd", "sdb"]]),
        (PLAIN, "auto", [["sda"], ["sdc"], ["sdd"], ["sdb"]]),
        (PLAIN, "failover", [["sda"], ["sdc"], ["sdd"], ["sdb"]]),
        ((*ALUA[:3], PLAIN[3]), "auto", [["sdc"], ["sdb"], ["sda"], ["sdd"]]),
        (ALUA[:1], "multibus", [["sda"]]),
    ],
)
def test_paths_are_grouped_as_by_multipath(
    paths: tuple[BlockDevice, ...], policy: str, expected: list[list[str]]
) -> None:
    for order in (paths, tuple(reversed(paths))):
        found = [[path.name for path in group] for group in groups(order, policy)]
        assert found == expected


OPTIMIZED, OTHER, MOVING = "active/optimized", "active/non-optimized", "transitioning"
CALM = parse_table(
    "0 2048 multipath 0 0 2 1 service-time 0 2 0 8:0 8:16 service-time 0 2 0 8:32 8:48"
)
LIVE = Map("data", "mpath-3600", live=CALM)


def in_states(*states: str) -> tuple[BlockDevice, ...]:
    return tuple(replace(path, access_state=state) for path, state in zip(ALUA, states))


@pytest.mark.parametrize("policy", ["auto", "group_by_prio"])
@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((OPTIMIZED, OPTIMIZED, OTHER, OTHER), "ab cd"),
        ((MOVING, MOVING, OTHER, OTHER), "ab cd"),
        ((MOVING, OPTIMIZED, OTHER, OTHER), "ab cd"),
        ((MOVING, MOVING, MOVING, MOVING), "ab cd"),
        ((OPTIMIZED, OPTIMIZED, MOVING, MOVING), "ab cd"),
        # Those that have a state follow it, with those of their group.
        ((MOVING, OTHER, MOVING, OPTIMIZED), "cd ab"),
        ((OTHER, OTHER, OPTIMIZED, MOVING), "cd ab"),
    ],
)
def test_a_path_in_transition_keeps_its_group(
    policy: str, states: tuple[str, ...], expected: str
) -> None:
    """What happened in a takeover: one group over both controllers."""
    found = kept_groups(in_states(*states), policy, LIVE)
    assert [{path.name[-1] for path in group} for group in found] == [
        {*group} for group in expected.split()
    ]
    assert {path for group in found for path in group} == {*in_states(*states)}


def test_new_paths_come_after_groups_that_are_in_transition() -> None:
    late = disk("sde", 64, "5:0:0:0", access_state=OPTIMIZED)
    found = kept_groups((*in_states(MOVING, MOVING, OTHER, OTHER), late), "auto", LIVE)
    assert [{path.name for path in group} for group in found] == [
        {"sda", "sdb"}, {"sdc", "sdd"}, {"sde"},
    ]  # fmt: skip
    # Without its map, or in another policy, there is nothing to keep.
    assert len(kept_groups(in_states(*[MOVING] * 4), "auto", None)) == 1
    assert len(kept_groups(in_states(*[MOVING] * 4), "multibus", LIVE)) == 1


def test_disks_without_an_address_are_in_the_order_of_their_names() -> None:
    paths = [disk(name, minor, "") for minor, name in enumerate(("sdaa", "sdb", "sda"))]
    assert [path.name for path in groups(paths, "multibus")[0]] == ["sda", "sdb", "sdaa"]


def facts(name: str, *values: Any) -> tuple[BlockDevice, ...]:
    """Return the plain paths, each with its value of the fact `name`."""
    return tuple(replace(path, **{name: value}) for path, value in zip(PLAIN, values))


@pytest.mark.parametrize(
    ("policy", "fact", "one", "other"),
    [
        ("group_by_serial", "serial", "A0", "B0"),
        ("group_by_node_name", "target_node_name", "0x5005", "iqn.2026-11.x:b"),
        ("group_by_tpg", "target_port_group", 0, 65535),
    ],
)
def test_paths_with_one_fact_are_a_group(
    policy: str, fact: str, one: object, other: object
) -> None:
    # In the order of their addresses: sda, sdc, sdd, sdb.
    paths = facts(fact, one, other, one, other)
    assert names(paths, policy) == [["sda", "sdc"], ["sdd", "sdb"]]
    assert names(facts(fact, one, one, other, one), policy) == [["sda", "sdd", "sdb"], ["sdc"]]
    assert names(facts(fact, other, one, one, one), policy) == [["sdc", "sdd", "sdb"], ["sda"]]


def test_the_group_with_the_best_paths_goes_first() -> None:
    """Its priority is the average, as in libmultipath's path_group_prio_update."""
    ports = (1, 2, 1, 2)
    paths = [replace(path, target_port_group=port) for path, port in zip(ALUA, ports)]
    # sda has priority 10 and sdc 50, sdb has 50 and sdd 1.
    assert names(paths, "group_by_tpg") == [["sdc", "sda"], ["sdb", "sdd"]]
    paths[2] = replace(paths[2], access_state="standby")
    assert names(paths, "group_by_tpg") == [["sdb", "sdd"], ["sda", "sdc"]]


@pytest.mark.parametrize(
    ("policy", "fact", "known", "unknown", "found"),
    [
        ("group_by_serial", "serial", "A0", "", "serial number"),
        ("group_by_node_name", "target_node_name", "0x5005", "", "node name"),
        ("group_by_tpg", "target_port_group", 0, None, "target port group"),
    ],
)
def test_a_fact_that_is_not_known_of_each_path_is_refused(
    policy: str, fact: str, known: object, unknown: object, found: str
) -> None:
    with pytest.raises(Refused) as refused:
        groups(facts(fact, known, unknown, known, unknown), policy)
    assert (refused.value.option, refused.value.value) == ("path_grouping_policy", policy)
    assert found in refused.value.found
    assert "of sdd, sdb is unknown" in refused.value.found
    assert "path_groups" in refused.value.way_out


def names(paths: Any, policy: str) -> list[list[str]]:
    return [[path.name for path in group] for group in groups(paths, policy)]
