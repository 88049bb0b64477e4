# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that are failed and reinstated on the booted host, under a file system."""

from __future__ import annotations

import typing as t

from .conftest import WWIDS, Host

# ext4's thread reads and writes on its own for seconds after the mount; on a path that is down,
# the kernel would fail the path in the middle of a run that must change nothing.
QUIET = "noatime,noinit_itable"
READ = "dd if=/dev/mapper/data of=/dev/null bs=4096 count=1 iflag=direct status=none"


def states(host: Host, name: str) -> dict[str, str]:
    """Return which path of a map is active (A) or failed (F), by number."""
    words = host.run("dmsetup", "status", name).split()
    return {word: words[at + 1] for at, word in enumerate(words) if ":" in word}


def four_runs(host: Host, **options: t.Any) -> dict[str, t.Any]:
    """Check, apply, apply again, check again; return what applying returned.

    A new map is open for a moment, while udev reads it.
    """
    host.run("udevadm", "settle")
    checked = host.applied("multipath_path", check_mode=True, **options)
    done = host.applied("multipath_path", **options)
    assert done["changed"]
    for key in ("changed", "plan", "diff", "maps"):
        assert done[key] == checked[key]
    for check_mode in (False, True):
        again = host.applied("multipath_path", check_mode=check_mode, **options)
        assert (again["changed"], again["plan"]) == (False, [])
    return done


def test_an_hba_is_taken_out_of_use_and_back(host: Host) -> None:
    """Mounted and unmounted maps; what would be an outage is refused, and nothing changes."""
    host.applied("multipath_map", maps=[
        {"name": "data", "wwid": WWIDS[0], "path_grouping_policy": "multibus"},
        {"name": "log", "wwid": WWIDS[1], "path_grouping_policy": "multibus"},
    ])  # fmt: skip
    host.shell(
        "mkfs.ext4 -q /dev/mapper/data; mkdir -p /mnt/test;"
        # Before Linux 5.13, nothing is prefetched and the option is unknown.
        f" mount -o {QUIET},no_prefetch_block_bitmaps /dev/mapper/data /mnt/test"
        f" || mount -o {QUIET} /dev/mapper/data /mnt/test"
    )
    disks = host.disks(0)
    numbers = [host.number(disk) for disk in disks]
    done = four_runs(host, hosts=[0], state="failed", min_active=2)
    assert [found["active_after"] for found in done["maps"]] == [2, 2]
    assert [found["in_use"] for found in done["maps"]] == [True, False]
    assert states(host, "data") == dict(zip(numbers, "FFAA", strict=True))
    host.shell("dd if=/dev/zero of=/mnt/test/file bs=1M count=1 conv=fsync status=none")
    for policy in ("failover", "multibus"):
        # The kernel takes all paths of a new table for active.
        stated = {"name": "data", "wwid": WWIDS[0], "path_grouping_policy": policy}
        assert host.applied("multipath_map", **stated)["changed"]
        assert sorted(states(host, "data").values()) == ["A", "A", "F", "F"]

    # Paths that have failed by themselves, or whose device is down, are none that are left.
    host.run("dmsetup", "message", "data", "0", f"fail_path {numbers[2]}")
    message = host.refused("multipath_path", hosts=[0, 1], state="failed")
    assert "min_active: 1: too few paths" in message
    assert "data 0 of 1 active paths (mounted at /mnt/test)" in message
    assert "log" not in message
    host.run("dmsetup", "message", "data", "0", f"reinstate_path {numbers[2]}")
    host.shell(f"sync; echo offline > /sys/block/{disks[2]}/device/state")
    assert "data 0 of 1" in host.refused("multipath_path", paths=[disks[3]], state="failed")
    kinds = [
        {reason["kind"] for reason in found["health"]["reasons"]}
        for found in host.applied("device_mapper_info")["maps"]
    ]
    assert kinds == [{"path_failed", "path_down"}, {"path_failed"}]
    host.shell(f"echo running > /sys/block/{disks[2]}/device/state")
    host.run("dmsetup", "message", "data", "0", f"fail_path {numbers[2]}")
    host.shell("sync; cat /mnt/test/file > /dev/null")

    done = host.applied("multipath_path", maps=["data"], state="active")
    assert (done["maps"][0]["active_before"], done["maps"][0]["active_after"]) == (1, 4)
    assert states(host, "data") == dict(zip(numbers, "AAAA", strict=True))
    assert [*states(host, "log").values()].count("F") == 2


def test_a_port_and_a_path_group(host: Host) -> None:
    """The target's name chooses paths; a switched group carries the next I/O."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0], path_grouping_policy="failover")
    done = host.applied("multipath_path", target_ports=["target0:0:1"], state="failed")
    assert [path["address"] for path in done["maps"][0]["paths"]] == ["0:0:1:0"]
    assert "no active path" in host.refused("multipath_path", maps=["data"], path_group=2)

    host.shell(READ)
    done = four_runs(host, maps=[WWIDS[0]], path_group=3)
    assert (done["maps"][0]["path_group_before"], done["maps"][0]["path_group_after"]) == (1, 3)
    host.shell(READ)
    groups = host.applied("device_mapper_info")["maps"][0]["path_groups"]
    assert [group["state"] for group in groups] == ["enabled", "enabled", "active", "enabled"]
    assert not host.applied("multipath_path", maps=["data"], path_group=3)["changed"]


def test_a_path_whose_device_is_gone_and_a_suspended_map(host: Host) -> None:
    """The first is failed by its number; the second takes no message."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0], path_grouping_policy="multibus")
    disk = host.disks(0)[3]
    number = host.number(disk)
    host.shell(f"echo 1 > /sys/block/{disk}/device/delete; udevadm settle")
    try:
        done = host.applied("multipath_path", paths=[number], state="failed")
        assert done["plan"] == [f"message data 0 fail_path {number}"]
        assert states(host, "data")[number] == "F"
        host.run("dmsetup", "suspend", "--noflush", "data")
        assert "suspended" in host.refused("multipath_path", maps=["data"], state="failed")
        host.run("dmsetup", "resume", "data")
    finally:
        host.clean()
        host.applied("lun_paths", wwid=WWIDS[0], min_paths=4)
