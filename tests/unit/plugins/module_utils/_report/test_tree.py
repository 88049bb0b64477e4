# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.readings import daemon

from ansible_collections.san.device_mapper.plugins.module_utils._report.tree import tree
from ansible_collections.san.device_mapper.plugins.module_utils._tasks.device_mapper_info import (
    Request,
    report,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use

SDA = BlockDevice("sda", DeviceNumber(8, 0), 524288, "3601", address="2:0:0:0", state="running")
SDB = BlockDevice("sdb", DeviceNumber(8, 16), 524288, "3601", address="3:0:0:0", state="offline")
SDC = BlockDevice("sdc", DeviceNumber(8, 32), 2048, "3602", access_state="active/optimized")
SDD = BlockDevice("sdd", DeviceNumber(8, 48), 2048)
DATA = Map(
    "data",
    "mpath-3601",
    DeviceNumber(253, 0),
    live=parse_table(
        "0 524288 multipath 1 queue_if_no_path 0 2 1"
        " service-time 0 1 2 8:0 1 1 service-time 0 2 2 8:16 1 1 8:64 1 1"
    ),
    status=MultipathStatus.parse(
        "2 0 0 0 2 1 A 0 1 2 8:0 A 0 0 1 E 0 2 2 8:16 F 1 0 1 8:64 A 0 0 1"
    ),
)
PARTS = tuple(
    Map(
        f"data-part{number}",
        f"part{number}-mpath-3601",
        DeviceNumber(253, number),
        live=parse_table(f"0 2048 linear 253:0 {number * 2048}"),
    )
    for number in (10, 2)
)
HOST = Host(
    detached=frozenset(),
    maps=(DATA, *PARTS, Map("vg-root", "LVM-x", DeviceNumber(253, 3))),
    block_devices=(SDA, SDB, SDC, SDD),
    uses={
        DATA.device: (Use("map", "data-part10", PARTS[0].device, PARTS[0].uuid),),
        PARTS[1].device: (Use("mount", "/srv/a b"),),
    },
)
TREE = """\
LUN 3601 256 MiB
└─ map data 253:0, 256 MiB, queue_if_no_path
   ├─ path group service-time active
   │  └─ path sda 8:0 2:0:0:0 running active
   ├─ path group service-time enabled
   │  ├─ path sdb 8:16 3:0:0:0 offline FAILED
   │  └─ 8:64 active
   ├─ partition map data-part2 253:2, 1 MiB
   │  └─ mounted at /srv/a b
   └─ partition map data-part10 253:10, 1 MiB
LUN 3602 1 MiB
└─ path sdc 8:32 active/optimized"""


def test_the_tree_shows_luns_maps_groups_paths_partitions_and_uses() -> None:
    assert tree(HOST) == TREE


def test_a_map_whose_paths_are_all_gone_is_shown() -> None:
    host = Host(maps=(replace(DATA, suspended=True, status=None),), block_devices=(), uses={})
    assert tree(host).splitlines() == [
        "LUN 3601 no path",
        "└─ map data 253:0, 256 MiB, queue_if_no_path, SUSPENDED",
    ]


def test_an_empty_host_has_an_empty_tree() -> None:
    assert tree(Host(maps=(), block_devices=())) == ""


def test_hostile_words_stay_visible() -> None:
    host = replace(HOST, uses={DATA.device: (Use("mount", "/srv\x1b[2J\n"),)})
    assert "\x1b" not in tree(host)
    assert "   └─ mounted at /srv\\x1b[2J\\n" in tree(host).splitlines()


@pytest.mark.parametrize(
    ("sectors", "size"),
    [
        (0, "0 B"),
        (1, "512 B"),
        (2, "1 KiB"),
        (2047, "1024 KiB"),
        (2048, "1 MiB"),
        (3 * 1024**3, "1.5 TiB"),
        (2 * 1024**4 * 1024, "1.049e+06 TiB"),
    ],
)
def test_sizes_are_in_the_largest_unit_that_they_reach(sectors: int, size: str) -> None:
    host = Host(maps=(), block_devices=(replace(SDC, sectors=sectors),))
    assert tree(host).splitlines()[0] == f"LUN 3602 {size}"


def test_everything_is_reported() -> None:
    result = report(
        Request(),
        replace(
            HOST,
            missing_links={},
            not_ready=frozenset(),
            boot_files={},
            parents=(),
            multipathd=daemon(),
            nvme=(),
            reservations={},
        ),
    )
    assert [each["name"] for each in result["maps"]] == [each.name for each in HOST.maps]
    assert [(each["wwid"], each["map"]) for each in result["luns"]] == [
        ("3601", "data"),
        ("3602", None),
    ]
    assert result["tree"] == TREE
