# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules make of the kernel's tables, on the booted host."""

from __future__ import annotations

import time

import pytest

from .conftest import UUIDS, WWIDS, Host


def test_paths_are_loaded_in_the_order_of_their_addresses(host: Host) -> None:
    """A map of all paths of the WWID, in one group each."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    numbers = [host.number(disk) for disk in host.disks(0)]
    groups = " ".join(f"service-time 0 1 2 {number} 1 1" for number in numbers)
    assert host.table("data").strip() == f"0 524288 multipath 0 0 4 1 {groups}"


@pytest.mark.parametrize("policy", ["failover", "multibus", "group_by_prio"])
@pytest.mark.parametrize("selector", ["service-time", "queue-length", "round-robin"])
def test_a_second_run_is_quiet(host: Host, policy: str, selector: str) -> None:
    """Whatever the kernel prints back, the second run changes nothing and loads nothing."""
    options = {"path_grouping_policy": policy, "path_selector": selector, "no_path_retry": "queue"}
    assert host.applied("multipath_map", wwid=WWIDS[0], **options)["changed"]
    before = host.state()
    assert not host.applied("multipath_map", wwid=WWIDS[0], **options)["changed"]
    assert host.state() == before


def test_another_current_group_and_a_failed_path_are_no_difference(host: Host) -> None:
    """Live state is not what a task states."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.run("dmsetup", "message", "data", "0", "switch_group 3")
    host.run("dmsetup", "message", "data", "0", f"fail_path {host.number(host.disks(0)[0])}")
    answer = host.applied("multipath_map", name="data", wwid=WWIDS[0])
    assert not answer["changed"]
    first = answer["maps"][0]["path_groups"][0]["paths"][0]
    assert (first["active"], first["fail_count"]) == (False, 1)


def test_an_offline_path_stays_in_the_table(host: Host) -> None:
    """A path that is declared but failed is not dropped, also when its udev data is gone."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    disk = host.disks(0)[1]
    host.shell(f"echo offline > /sys/block/{disk}/device/state")
    host.run("udevadm", "trigger", "--action=change", "--settle", f"/sys/block/{disk}")
    answer = host.applied("multipath_map", name="data", wwid=WWIDS[0])
    assert not answer["changed"], answer["plan"]


def test_a_path_that_is_down_joins_once_it_is_up(host: Host) -> None:
    """The kernel opens each path that a map gets, and cannot open that one; the others are used."""
    disk = host.disks(0)[1]
    host.shell(f"echo offline > /sys/block/{disk}/device/state")
    table = f"0 524288 multipath 0 0 1 1 service-time 0 1 0 {host.number(disk)}"
    host.shell(f"! dmsetup create probe --table '{table}' 2> /dev/null")
    options = {"name": "data", "wwid": WWIDS[0], "min_paths": 3}
    checked = host.applied("multipath_map", check_mode=True, **options)
    made = host.applied("multipath_map", **options)
    assert made["plan"] == checked["plan"]
    assert len(made["maps"][0]["path_groups"]) == 3
    assert not host.applied("multipath_map", **options)["changed"]
    assert f"these paths are down: {disk};" in host.refused(
        "multipath_map", name="data", paths=[disk]
    )
    host.shell(f"echo running > /sys/block/{disk}/device/state")
    joined = host.applied("multipath_map", **options)
    assert [words.split()[0] for words in joined["plan"]] == ["load", "resume"]
    assert len(joined["maps"][0]["path_groups"]) == 4


def test_queueing_is_changed_by_message(host: Host) -> None:
    """No table is loaded for live state."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    answer = host.applied("multipath_map", name="data", wwid=WWIDS[0], no_path_retry="queue")
    assert answer["plan"] == ["message data 0 queue_if_no_path"]
    assert "1 queue_if_no_path" in host.table("data")
    assert host.applied("multipath_map", name="data", wwid=WWIDS[0])["changed"]
    assert "queue_if_no_path" not in host.table("data")


def test_a_map_is_renamed_while_it_is_mounted(host: Host) -> None:
    """The uuid is the identity, the name follows; a mounted file system notices nothing."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.shell(
        "mkfs.ext4 -q /dev/mapper/data; mkdir -p /mnt/test; mount /dev/mapper/data /mnt/test"
    )
    answer = host.applied("multipath_map", name="archive", wwid=WWIDS[0])
    assert answer["plan"] == ["rename data archive"]
    host.shell("echo still here > /mnt/test/file; sync; test -b /dev/mapper/archive")
    host.shell("test ! -e /dev/mapper/data")


def test_paths_may_be_named_in_any_way(host: Host) -> None:
    """A /dev path, a by-path name, an address and a number name the same table."""
    one, two, three, four = host.disks(0)
    by_path = host.lab.paths(0)[1].by_path
    address = host.shell(f"basename $(realpath /sys/block/{three}/device)").strip()
    named = [f"/dev/{one}", by_path, address, host.number(four)]
    made = host.applied("multipath_map", name="data", paths=named)
    assert made["maps"][0]["wwid"] == WWIDS[0]
    assert not host.applied("multipath_map", name="data", wwid=WWIDS[0])["changed"]
    links = [f"/dev/disk/by-path/{path.by_path}" for path in host.lab.paths(0)]
    assert not host.applied("multipath_map", name="data", wwid=WWIDS[0], paths=links)["changed"]
    fewer = host.applied("multipath_map", name="data", wwid=WWIDS[0], paths=[f"/dev/{two}"])
    assert fewer["changed"]
    assert host.table("data").split()[3:9] == ["0", "0", "1", "1", "service-time", "0"]


def alua(host: Host) -> tuple[str, dict[str, str]]:
    """Return the WWID of scsi_debug's LUN and its paths' states, once all of them are known.

    The kernel asks each path a while after it came (scsi_dh_alua.c alua_rtpg_queue), and again two
    seconds later if the answer is a unit attention; it shows active/optimized until then.
    scsi_debug gives a path the state of its SCSI host's number modulo 3 (resp_report_tgtpgs).
    """
    states = ("active/optimized", "active/non-optimized", "standby")
    deadline = time.monotonic() + 60
    while True:
        luns = host.applied("device_mapper_info")["luns"]
        (lun,) = [each for each in luns if each["wwid"] not in WWIDS]
        found = {path["name"]: path["access_state"] for path in lun["paths"]}
        hosts = {path["name"]: int(path["address"].partition(":")[0]) for path in lun["paths"]}
        if found == {name: states[number % 3] for name, number in hosts.items()}:
            return lun["wwid"], found
        assert time.monotonic() < deadline, found


def test_groups_follow_the_alua_state(host: Host) -> None:
    """group_by_prio and auto group by the access state that the kernel shows for each path."""
    # The kernel shows the state of paths whose handler was there when they came.
    host.run("modprobe", "scsi_dh_alua")
    with host.debug_lun("add_host=4"):
        # Linux 6.12 takes all of them for optimized until something has it ask again.
        debugged = "$(grep -l scsi_debug /sys/block/sd*/device/model | xargs -n 1 dirname)"
        host.shell(f"for device in {debugged}; do echo 1 >$device/rescan; done")
        wwid, states = alua(host)
        assert len(set(states.values())) > 1
        made = host.applied("multipath_map", name="alua", wwid=wwid)
        groups = made["maps"][0]["path_groups"]
        found = [{states[path["name"]] for path in group["paths"]} for group in groups]
        assert all(len(group) == 1 for group in found)
        assert found[0] == {"active/optimized"}
        again = host.applied(
            "multipath_map", name="alua", wwid=wwid, path_grouping_policy="group_by_prio"
        )
        assert not again["changed"]
        host.applied("multipath_map", name="alua", state="absent")


def test_foreign_maps_are_never_touched(host: Host) -> None:
    """What looks alike but is somebody else's stays as it is, through a whole life beside it."""
    sda, sdb = host.disks(1)[:2]
    host.run("dmsetup", "create", "data-part9", "--uuid", "part9-mpath-3552540000000000", "--table",
             f"0 8 linear {host.number(sda)} 0")  # fmt: skip
    host.run(
        "dmsetup",
        "create",
        "dat",
        "--uuid",
        "LVM-abc",
        "--table",
        f"0 8 linear {host.number(sdb)} 0",
    )
    before = host.state()
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", "/dev/mapper/data", input=",\n")
    host.applied("partition_maps", device="data", delimiter="-part")
    host.applied("multipath_map", name="data", state="absent")
    assert host.state() == before


def test_leftovers_of_an_interrupted_run_are_repaired(host: Host) -> None:
    """A map without a table, one with an inactive table, a suspended one."""
    host.run("dmsetup", "create", "data", "--uuid", UUIDS[0], "--notable")
    plan = host.applied("multipath_map", name="data", wwid=WWIDS[0])["plan"]
    assert [words.split()[0] for words in plan] == ["load", "resume"]
    table = host.table("data")
    host.run("dmsetup", "load", "data", "--table", "0 524288 error")
    answer = host.applied("multipath_map", name="data", wwid=WWIDS[0])
    assert answer["plan"] == ["clear data"]
    host.run("dmsetup", "suspend", "data")
    answer = host.applied("multipath_map", name="data", wwid=WWIDS[0])
    assert [words.split()[0] for words in answer["plan"]] == ["resume", "message"]
    assert host.table("data") == table
    assert host.suspended() == []


def test_without_udevd_the_nodes_are_there(host: Host) -> None:
    """In a container or a chroot nobody else makes or removes the nodes."""
    host.shell(
        "systemctl stop systemd-udevd.service systemd-udevd-kernel.socket"
        " systemd-udevd-control.socket"
    )
    try:
        host.applied("multipath_map", name="data", wwid=WWIDS[0])
        host.run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", "/dev/mapper/data", input=",\n")
        host.applied("partition_maps", device="data", delimiter="-part")
        host.shell("test -b /dev/mapper/data-part1; head -c 512 /dev/mapper/data-part1 | wc -c")
        host.applied("partition_maps", device="data", delimiter="p")
        host.shell("test -b /dev/mapper/datap1; test ! -e /dev/mapper/data-part1")
        host.applied("multipath_map", wwid=WWIDS[0], state="absent")
        host.shell("test ! -e /dev/mapper/data; test ! -e /dev/mapper/datap1")
    finally:
        host.shell("systemctl start systemd-udevd-kernel.socket systemd-udevd-control.socket")


def test_no_udev_cookie_is_left(host: Host) -> None:
    """Each batch's semaphore goes with it."""
    host.applied("multipath_map", maps=[{"wwid": wwid} for wwid in WWIDS])
    host.applied("multipath_map", state="absent", maps=[{"wwid": wwid} for wwid in WWIDS])
    assert "0x" not in host.run("dmsetup", "udevcookies")
