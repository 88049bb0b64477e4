# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._report.health import (
    Health,
    Reason,
    health,
    health_result,
)
from ansible_collections.san.device_mapper.plugins.module_utils._report.reservations import (
    reservation_result,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import (
    drop_in,
    drop_in_path,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd import Multipathd
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Parent,
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.reservation import (
    Nexus,
    Registration,
    Reservation,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

LUN, OTHER_LUN = "3600140512345678000112233445566aa", "3600140587654321000112233445566aa"
SDA = BlockDevice("sda", DeviceNumber(8, 0), 2048, "3600", state="running")
SDB = BlockDevice("sdb", DeviceNumber(8, 16), 2048, "3600", state="running")
FAILING = parse_table("0 2048 multipath 0 0 1 1 service-time 0 2 0 8:0 8:16")
QUEUEING = parse_table("0 2048 multipath 1 queue_if_no_path 0 1 1 service-time 0 2 0 8:0 8:16")
LINEAR = parse_table("0 8 linear 8:0 0")


def status(first: str, second: str) -> MultipathStatus:
    return MultipathStatus.parse(f"2 0 0 0 1 1 A 0 2 0 8:0 {first} 0 8:16 {second} 0")


DATA = Map("data", "mpath-3600", live=FAILING, status=status("A", "A"))


def observed(*maps: Map, disks: tuple[BlockDevice, ...] = (SDA, SDB), **parts: Any) -> Host:
    """Return a host of which nothing else has been read than what a health needs."""
    nothing = {
        "parents": (),
        "missing_links": {},
        "not_ready": frozenset(),
        "boot_files": {},
        "multipathd": daemon(),
        "reservations": {},
    }
    return Host(**{"maps": maps, "block_devices": disks, **nothing, **parts})


def daemon(**drop_ins: str) -> Multipathd:
    """Return a daemon with drop-ins by the WWIDs of their maps."""
    texts = {drop_in_path(wwid): text for wwid, text in drop_ins.items()}
    return Multipathd(runs=False, drop_ins=texts)


def health_of(*disks: BlockDevice, **data: Any) -> Health | None:
    each = replace(DATA, **data)
    return health(each, observed(each, disks=disks))


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
        (
            {"access_state": "transitioning"},
            {},
            "degraded",
            [Reason("path_in_transition", "8:16", "sdb", "transitioning")],
        ),
        ({"access_state": "standby"}, {}, "healthy", []),
        (
            {"wwid": "3601"},
            {},
            "degraded",
            [Reason("path_of_other_lun", "8:16", "sdb", "3601", "3600")],
        ),
        (
            {"page_wwids": (OTHER_LUN,), "wwid": LUN},
            {"uuid": f"mpath-{LUN}"},
            "degraded",
            [Reason("path_of_other_lun", "8:16", "sdb", OTHER_LUN, LUN)],
        ),
        (
            {"page_wwids": (LUN,), "wwid": "SVENDOR_disk_1"},
            {"uuid": f"mpath-{LUN}"},
            "degraded",
            [Reason("path_renamed", "8:16", "sdb", "SVENDOR_disk_1", LUN)],
        ),
        (
            {"page_wwids": (OTHER_LUN,), "wwid": LUN, "device": DeviceNumber(8, 32)},
            {"uuid": f"mpath-{LUN}"},
            "degraded",
            [Reason("path_gone", "8:16")],
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
    wwid = data.get("uuid", DATA.uuid)[len("mpath-") :]
    found = health_of(replace(SDA, wwid=wwid), replace(SDB, **{"wwid": wwid, **second}), **data)
    assert found
    assert (found.state, list(found.reasons)) == (state, reasons)


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
    empty = Health("dead", (Reason("no_table"), *lost))
    assert health_of(SDA, live=(), status=None) == empty
    wrong = Reason("no_multipath_table", found="linear", expected="multipath")
    assert health_of(SDA, live=LINEAR, status=None) == Health("dead", (wrong, *lost))


def test_only_multipath_maps_have_a_health() -> None:
    assert health(Map("vg-root", "LVM-x", live=LINEAR), Host()) is None
    assert health_result(None) is None


def test_a_reason_says_what_there_is_to_say() -> None:
    assert health_result(health_of(SDA, status=status("A", "F"))) == {
        "state": "degraded",
        "reasons": [{"kind": "path_failed", "path": "8:16"}, {"kind": "path_gone", "path": "8:16"}],
        "path_count": 2,
        "active_paths": 1,
        "expected_paths": None,
        "max_paths": None,
    }


@pytest.mark.parametrize(("most", "kinds"), [(2, []), (1, ["too_many_paths"])])
def test_more_paths_than_there_should_be_are_a_reason(most: int, kinds: list[str]) -> None:
    """Those that have failed count: a zone that is too wide is so all the same."""
    each = replace(DATA, status=status("A", "F"))
    found = health(each, observed(each), most=most)
    assert found
    assert [reason.kind for reason in found.reasons] == ["path_failed", *kinds]
    assert found.reasons[1:] == tuple(Reason(kind, found="2", expected="1") for kind in kinds)


def test_a_path_that_a_reservation_shuts_out_is_a_reason() -> None:
    """In the map, and with the WWID of its LUN."""
    sdc = replace(SDA, name="sdc", device=DeviceNumber(8, 32))
    told = {
        disk.device: Reservation(
            Nexus(disk.name, 1), 5, "0x1", ("0x1",), (Registration("0x1", True, "sda", 1),)
        )
        for disk in (SDA, SDB, sdc)
    }
    host = observed(DATA, disks=(SDA, SDB, sdc), reservations=told)
    found = health(DATA, host)
    assert found
    kind = "write_exclusive_registrants_only"
    assert found.reasons == (
        Reason("path_not_registered", "8:16", "sdb", kind),
        Reason("path_not_in_map", "8:32", "sdc"),
        Reason("path_not_registered", "8:32", "sdc", kind),
    )
    assert reservation_result(DATA, host) == {
        "type": kind,
        "key": "0x1",
        "registered_keys": ["0x1"],
        "paths": [
            {"name": "sda", "device": "8:0", "registered": True},
            {"name": "sdb", "device": "8:16", "registered": False},
            {"name": "sdc", "device": "8:32", "registered": False},
        ],
    }
    assert reservation_result(DATA, observed(DATA)) is None
    free = {SDA.device: Reservation(Nexus(), keys=("0x1",))}
    assert reservation_result(DATA, observed(DATA, reservations=free)) == {
        "type": None,
        "key": None,
        "registered_keys": ["0x1"],
        "paths": [{"name": "sda", "device": "8:0", "registered": None}],
    }


@pytest.mark.parametrize(
    ("expected", "reasons"),
    [(1, ()), (2, ()), (3, (Reason("too_few_paths", found="2", expected="3"),))],
)
def test_fewer_paths_than_expected_are_a_reason(expected: int, reasons: tuple[Reason, ...]) -> None:
    host = observed(DATA)
    state = "degraded" if reasons else "healthy"
    assert health(DATA, host, expected) == Health(state, reasons, 2, 2, expected)


DM0, DM1 = DeviceNumber(253, 0), DeviceNumber(253, 1)


def partition_map(table: str) -> Map:
    return Map("data-part1", "part1-mpath-3600", DM1, live=parse_table(table))


def reasons_of(table: str, read: PartitionTable | None = None, **host: Any) -> list[Reason]:
    """Return what is wrong with a healthy map of 2048 sectors that has this partition map."""
    each = replace(DATA, device=DM0)
    if read is not None:
        host["parents"] = (Parent("data", "data", each.uuid, DM0, 2048, partition_table=read),)
    maps = (each, partition_map(table))
    found = health(each, observed(*maps, **host))
    assert found
    assert found.state == ("degraded" if found.reasons else "healthy")
    return list(found.reasons)


def stale(found: str, expected: str) -> list[Reason]:
    return [Reason("stale_partition_map", name="data-part1", found=found, expected=expected)]


@pytest.mark.parametrize(
    ("table", "reasons"),
    [
        ("0 1024 linear 253:0 1024", []),
        (
            "0 1025 linear 253:0 1024",
            stale("sectors 1024 to 2048", "no sector beyond 2047"),
        ),
        ("0 1024 linear 8:0 1024", stale("another device", "no sector beyond 2047")),
        ("", stale("no table", "no sector beyond 2047")),
    ],
)
def test_a_partition_map_that_can_show_no_partition_is_stale(
    table: str, reasons: list[Reason]
) -> None:
    assert reasons_of(table) == reasons


@pytest.mark.parametrize(
    ("partitions", "reasons"),
    [
        ((Partition(1, 1024, 512),), []),
        ((Partition(1, 1024, 1024),), ["sectors 1024 to 2047"]),
        ((Partition(1, 512, 512),), ["sectors 512 to 1023"]),
        ((Partition(1, 1024, 512, extended=True),), ["sectors 1024 to 1025"]),
        ((Partition(2, 1024, 512),), ["no partition"]),
        ((), ["no partition"]),
    ],
)
def test_a_partition_map_is_held_against_the_table_that_was_read(
    partitions: tuple[Partition, ...], reasons: list[str]
) -> None:
    found = reasons_of("0 512 linear 253:0 1024", PartitionTable("gpt", partitions))
    assert found == [each for text in reasons for each in stale("sectors 1024 to 1535", text)]


def test_a_partition_table_that_cannot_be_read_is_a_reason_and_no_map_is_stale_for_it() -> None:
    found = reasons_of("0 512 linear 253:0 1024", PartitionTable(problem="no such luck"))
    assert found == [Reason("partition_table_unreadable", found="no such luck")]


def test_a_map_that_udev_takes_for_not_ready_is_a_reason() -> None:
    """Without a usable path that is as it should be."""
    ready = health(DATA, observed(DATA, not_ready=frozenset({DATA.device})))
    assert ready
    assert (ready.state, [each.kind for each in ready.reasons]) == ("degraded", ["not_ready"])
    down = replace(DATA, status=status("F", "F"))
    dead = health(down, observed(down, not_ready=frozenset({DATA.device})))
    assert dead
    assert "not_ready" not in [each.kind for each in dead.reasons]


def test_links_that_udev_has_not_made_are_reasons() -> None:
    links = {DM0: ("/dev/mapper/data",), DM1: ("/dev/disk/by-id/dm-uuid-part1-mpath-3600",)}
    assert reasons_of("0 512 linear 253:0 1024", missing_links=links) == [
        Reason("missing_link", expected="/dev/mapper/data"),
        Reason("missing_link", name="data-part1", expected=links[DM1][0]),
    ]


@pytest.mark.parametrize(
    ("said", "live", "found"),
    [
        ({}, FAILING, None),
        ({"alias": "data", "path_selector": "service-time 0"}, FAILING, None),
        ({"alias": "other"}, FAILING, "alias data"),
        ({"path_selector": "queue-length 0"}, FAILING, "path_selector service-time 0"),
        ({"path_grouping_policy": "multibus"}, FAILING, None),
        ({"path_grouping_policy": "group_by_prio"}, FAILING, None),
        ({"path_grouping_policy": "failover"}, FAILING, "path_grouping_policy with 1 groups"),
        ({"no_path_retry": "fail"}, FAILING, None),
        ({"no_path_retry": "fail"}, QUEUEING, "no_path_retry queue"),
        ({"no_path_retry": "queue"}, QUEUEING, None),
        ({"no_path_retry": "12"}, QUEUEING, None),
        ({"no_path_retry": "12"}, FAILING, "no_path_retry fail"),
        ({"failback": "immediate"}, FAILING, None),
    ],
)
def test_a_map_is_held_against_its_drop_in(said: dict[str, str], live: Any, found: Any) -> None:
    """What it says and a table shows; prio, failback and the like only the daemon knows."""
    text = drop_in({"wwid": "3600", **said}, {})
    each = replace(DATA, live=live)
    seen = health(each, observed(each, multipathd=daemon(**{"3600": text})))
    assert seen
    (keyword, value), *_others = [*said.items(), ("", "")]
    drift = Reason("not_as_drop_in", found=found or "", expected=f"{keyword} {value}")
    assert seen.reasons == ((drift,) if found else ())
    assert seen.state == ("degraded" if found else "healthy")


def test_the_drop_in_of_another_map_says_nothing_of_this_one() -> None:
    text = drop_in({"wwid": "3601", "alias": "other"}, {})
    seen = health(DATA, observed(DATA, multipathd=daemon(**{"3601": text})))
    assert seen
    assert seen.state == "healthy"
