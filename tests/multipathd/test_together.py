# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other modules on a host where the real daemon manages the maps, and after a reboot."""

from __future__ import annotations

import typing as t

from kernel.conftest import WWIDS

from .conftest import TASK, DaemonHost


def test_partition_maps_stay_through_what_the_daemon_does(host: DaemonHost) -> None:
    """They are made beside udev's kpartx, follow a rename of nothing but the map, and go first."""
    host.twice()
    host.run(
        *("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never"),
        "/dev/mapper/data",
        input="label: gpt\n,64MiB\n",
    )
    for _run in range(2):
        made = host.applied("partition_maps", device="data", delimiter="-part")
    assert (made["changed"], made["maps"][0]["name"]) == (False, "data-part1")
    host.twice(path_grouping_policy="multibus")
    assert not host.applied("partition_maps", device="data", delimiter="-part")["changed"]
    gone = host.applied("multipath_map", **TASK, state="absent")
    order = ["remove data-part1", f"multipath -w {WWIDS[0]}", "multipathd del map data"]
    assert gone["plan"][:3] == order


def test_paths_are_failed_and_reinstated_by_the_daemon(host: DaemonHost) -> None:
    """Its checker does not bring back what it was told to fail; both views are shown."""
    host.twice()
    info = host.applied("device_mapper_info")["multipathd"]
    assert (info["running"], info["differences"]) == (True, [])
    assert [len(each["paths"]) for each in info["maps"]] == [4]
    disk = host.disks(0)[0]
    failed = {"state": "failed", "maps": ["data"], "paths": [disk]}
    assert host.applied("multipath_path", **failed)["plan"] == [f"multipathd fail path {disk}"]
    assert not host.applied("multipath_path", **failed)["changed"]
    assert host.applied("multipath_path", path_group=3, maps=["data"])["plan"] == [
        "multipathd switch map data group 3"
    ]
    back = host.applied("multipath_path", state="active", maps=["data"])
    assert back["plan"] == [f"multipathd reinstate path {disk}"]
    host.run("dmsetup", "message", "data", "0", f"fail_path {host.number(disk)}")
    host.until(lambda: " F " not in host.run("dmsetup", "status", "data"))


def test_paths_failed_for_maintenance_get_no_io(host: DaemonHost) -> None:
    """What would have the daemon use them is refused with their names, by each module."""
    host.twice(path_grouping_policy="multibus")
    failed, other = host.disks(0)[:2]
    task = {**TASK, "path_grouping_policy": "multibus"}
    log = {"name": "log", "wwid": WWIDS[1]}
    chosen: dict[str, t.Any] = {"maps": ["data"], "paths": [failed]}

    def reads(disk: str) -> int:
        return int(host.run("cat", f"/sys/block/{disk}/stat").split()[0])

    host.applied("multipath_path", state="failed", **chosen)
    before, of_others = reads(failed), reads(other)
    host.shell(
        "while dd if=/dev/mapper/data of=/dev/null bs=64k count=64 iflag=direct; do :; done"
        " > /dev/null 2>&1 < /dev/null & echo $! > /run/reader"
    )
    named = f"those that multipath_path has failed: {failed} of data"
    assert named in host.message(**task, path_selector="round-robin")
    assert named in host.refused("multipath_map", **log)
    assert named in host.refused("multipath_config", defaults={"polling_interval": 7})
    assert not host.twice(**task)["changed"]
    assert host.applied("multipath_map", wwid=WWIDS[1])["changed"]
    assert host.applied("multipath_map", wwid=WWIDS[1], state="absent")["changed"]
    host.until(lambda: reads(other) > of_others + 100)
    assert reads(failed) == before
    host.applied("multipath_path", state="active", **chosen)
    assert host.applied("multipath_map", **log)["changed"]
    host.until(lambda: reads(failed) > before)
    host.shell("reader=$(cat /run/reader); kill $reader; while test -e /proc/$reader; do :; done")


def test_paths_that_go_and_come_back(host: DaemonHost) -> None:
    """The daemon takes them out and in by itself, and there is nothing for a task to do."""
    host.twice()
    disk = host.disks(0)[3]
    host.run("tee", f"/sys/block/{disk}/device/delete", input="1")
    host.until(lambda: host.paths_of() == 3)
    host.twice(min_paths=3)
    assert "min_paths" in host.message(name="other", min_paths=4)
    found = host.applied("lun_paths", luns=[{"wwid": WWIDS[0]}], min_paths=4)
    assert found["changed"]
    host.until(lambda: host.paths_of() == 4)
    assert not host.applied("multipath_map", **TASK, min_paths=4)["changed"]
    host.applied("multipath_map", **TASK, state="absent")
    host.applied("lun_paths", luns=[{"wwid": WWIDS[0]}], state="absent")
    host.applied("lun_paths", luns=[{"wwid": WWIDS[0]}], min_paths=4)
    assert "No devices found" in host.table()


def test_a_map_that_drifts_from_its_drop_in_is_degraded(host: DaemonHost) -> None:
    """Somebody changed it by hand while no daemon put it right."""
    host.twice(no_path_retry="fail")
    assert host.applied("device_mapper_info")["problems"] == []
    host.run("systemctl", "stop", "multipathd.service", "multipathd.socket")
    host.run("dmsetup", "message", "data", "0", "queue_if_no_path")
    (reason,) = host.applied("device_mapper_info")["maps"][0]["health"]["reasons"]
    assert reason["kind"] == "not_as_drop_in"
    assert (reason["found"], reason["expected"]) == ("no_path_retry queue", "no_path_retry fail")
