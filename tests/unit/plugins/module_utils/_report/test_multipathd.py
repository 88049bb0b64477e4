# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.san.device_mapper.plugins.module_utils._report.multipathd import (
    differences,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd import (
    DaemonMap,
    DaemonPath,
    Multipathd,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

SDA, SDB = DeviceNumber(8, 0), DeviceNumber(8, 16)
TABLE = parse_table("0 2048 multipath 0 0 1 1 service-time 0 2 2 8:0 1 1 8:16 1 1")
STATUS = MultipathStatus.parse("2 0 0 0 1 1 A 0 2 2 8:0 A 0 0 1 8:16 A 0 0 1")
DATA = Map("data", "mpath-3600", DeviceNumber(253, 0), TABLE, status=STATUS)
DAEMON = Multipathd(
    installed=True,
    runs=True,
    maps=(DaemonMap("data", "3600"),),
    paths=(
        DaemonPath("sda", SDA, "3600", "ready", "data"),
        DaemonPath("sdb", SDB, "3600", "ready", "data"),
    ),
    complaints=(),
)
HOST = Host((DATA,), (BlockDevice("sda", SDA, 2048), BlockDevice("sdb", SDB, 2048)))


def told(host: Host = HOST, **changes: Any) -> list[str]:
    """Return the differences on a host with another view of the daemon's."""
    return list(differences(replace(host, multipathd=replace(DAEMON, **changes))))


def test_where_both_see_the_same_there_is_nothing_to_tell() -> None:
    assert told() == []
    assert told(replace(HOST, maps=()), runs=False) == []


def test_maps_that_one_of_them_does_not_know() -> None:
    assert told(maps=()) == ["data: the kernel has this map, multipathd does not know it"]
    assert told(replace(HOST, maps=())) == [
        "data: multipathd has this map (3600), the kernel does not"
    ]


def test_another_name() -> None:
    paths = tuple(replace(path, map="mpatha") for path in DAEMON.paths)
    assert told(maps=(DaemonMap("mpatha", "3600"),), paths=paths) == [
        "data: multipathd calls it mpatha"
    ]


def test_paths_that_one_of_them_does_not_have_or_takes_for_failed() -> None:
    assert told(paths=DAEMON.paths[:1]) == [
        "data: sdb is a path for the kernel, not for multipathd"
    ]
    more = DaemonPath("sdc", DeviceNumber(8, 32), "3600", "ready", "data")
    assert told(paths=(*DAEMON.paths, more)) == [
        "data: 8:32 is a path for multipathd, not for the kernel"
    ]
    failed = replace(HOST, maps=(replace(DATA, status=STATUS.with_path("8:0", False)),))
    assert told(failed) == ["data: sda is failed for the kernel, ready for multipathd"]
    faulty = tuple(replace(path, state="faulty") for path in DAEMON.paths)
    assert told(paths=faulty[:1] + DAEMON.paths[1:]) == [
        "data: sda is active for the kernel, faulty for multipathd"
    ]
    assert told(failed, paths=(replace(DAEMON.paths[0], state="undef"), DAEMON.paths[1])) == []


def test_a_daemon_that_does_not_answer() -> None:
    assert told(complaints=("it hangs",)) == ["it hangs"]
