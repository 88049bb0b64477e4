# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps that the real daemon makes, as tasks state them."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
from kernel.conftest import WWIDS

from .conftest import DIRECTORY, TASK, DaemonHost, drop_in

FILE = drop_in(WWIDS[0])
ALUA = "1Linux_scsi_debug_2000"


def test_the_life_of_a_map(host: DaemonHost) -> None:
    """Made, used, partitioned, renamed, given other policies, grown, and gone, each task twice."""
    made = host.twice()
    assert made["plan"][:3] == [
        f"multipath -a {WWIDS[0]}",
        f"write {FILE}",
        "multipathd reconfigure",
    ]
    assert host.paths_of() == 4
    assert host.run("stat", "--format=%a", FILE).strip() == "644"
    host.shell(
        "mkfs.ext4 -q /dev/mapper/data; mkdir -p /mnt/test; mount /dev/mapper/data /mnt/test"
    )
    host.shell("sh -c 'while date > /mnt/test/now && sync; do :; done' > /dev/null 2>&1 &")
    host.twice(name="other")
    both = host.twice(name="third", path_grouping_policy="multibus", no_path_retry="queue")
    # Some rename it, and reload it when they are told once more.
    times = 2 if (0, 8, 8) <= host.version() < (0, 9, 5) else 1
    assert both["plan"].count("multipathd reconfigure") == times
    assert "1 queue_if_no_path 0 1 1 service-time 0 4" in host.table("third")
    assert "mounted at /mnt/test" in host.message(name="third", state="absent")
    size = 320 << 20
    host.lab.grow_lun(0, size)
    for disk in host.disks(0):
        host.run("tee", f"/sys/block/{disk}/device/rescan", input="1")
    options = {"name": "third", "path_grouping_policy": "multibus", "no_path_retry": "queue"}
    grown = host.twice(**options)
    # The daemon sees a larger LUN with its next event by itself, where auto_resize says so.
    assert grown["plan"][0] == "multipathd resize map third"
    assert grown["maps"][0]["size"] == size
    host.shell("fuser --silent --kill --mount /mnt/test", check=False)
    host.until(lambda: "busy" not in host.shell("umount /mnt/test 2>&1", check=False))
    gone = host.twice(name=None, state="absent")
    assert gone["plan"] == [f"multipath -w {WWIDS[0]}", "multipathd del map third", f"rm {FILE}"]
    assert "No devices found" in host.table()
    assert WWIDS[0] not in host.shell("grep -v '^#' /etc/multipath/wwids || true")
    assert host.shell(f"ls {DIRECTORY}") == ""


def test_each_option_is_told_once(host: DaemonHost) -> None:
    """The daemon's own words for each of them are understood."""
    for options in (
        {"failback": "immediate"},
        {"failback": "15", "no_path_retry": "12"},
        {"failback": "manual", "prio": "const", "no_path_retry": "queue"},
        {"features": {"pg_init_retries": 5}, "skip_kpartx": True},
        {"path_selector": "queue-length", "path_grouping_policy": "multibus"},
        {"path_selector": "round-robin", "path_grouping_policy": "group_by_serial"},
    ):
        assert host.twice(**options)["changed"]
        if "12" in options.values():
            assert host.run("multipathd", "show", "maps", "raw", "format", "%Q") == "12 chk\n"


def test_what_the_daemon_knows_of_storage(host: DaemonHost) -> None:
    """It holds for all LUNs of one product, which a task has to state."""
    options = {"path_checker": "directio", "fast_io_fail_tmo": "7", "dev_loss_tmo": "infinity"}
    assert f"other LUNs of it: {WWIDS[1]}" in host.message(**options)
    maps = [TASK, {"name": "log", "wwid": WWIDS[1]}]
    assert host.applied("multipath_map", maps=maps, **options)["changed"]
    assert not host.applied("multipath_map", maps=maps, **options)["changed"]
    assert '"checker" : "directio"' in host.shell("multipathd show map data json")
    host.shell("printf 'overrides {\n path_checker tur\n}\n' > /etc/multipath.conf")
    assert "/etc/multipath.conf line 2 sets path_checker tur" in host.refused(
        "multipath_map", maps=maps, path_checker="directio"
    )


def test_no_other_map_is_reloaded(host: DaemonHost) -> None:
    """The daemon changes the one that the task is about; and somebody's removal is undone."""
    host.applied("multipath_map", name="log", wwid=WWIDS[1])
    host.applied("multipath_map", **TASK)
    events = host.run("dmsetup", "info", "--columns", "--noheadings", "-o", "events", "log")
    host.twice(path_grouping_policy="multibus")
    now = host.run("dmsetup", "info", "--columns", "--noheadings", "-o", "events", "log")
    # Before 0.8.8, each `reconfigure` reloads all maps.
    assert events == now or host.version() < (0, 8, 8)
    # The daemon, too, may make the map again: udev tells it of paths that are free.
    host.shell("multipathd del map data")
    plan = host.applied("multipath_map", **TASK, path_grouping_policy="multibus")["plan"]
    assert plan[:1] in ([], ["multipathd add map data"])


def test_friendly_names_do_not_disturb(host: DaemonHost) -> None:
    """Identity is the WWID, whatever the daemon calls the map."""
    host.configure("defaults {\n  user_friendly_names yes\n  find_multipaths greedy\n}\n")
    host.until(lambda: "mpatha" in host.table() and "mpathb" in host.table())
    host.until(lambda: "mpathb" in host.run("cat", "/etc/multipath/bindings"))
    bindings = host.run("cat", "/etc/multipath/bindings")
    device = host.shell(f"dmsetup info -c --noheadings -o minor --uuid mpath-{WWIDS[0]}")
    host.twice()
    assert device == host.shell("dmsetup info -c --noheadings -o minor data")
    host.applied("multipath_map", wwid=WWIDS[0], state="absent")
    assert "data" not in host.table()
    assert host.run("cat", "/etc/multipath/bindings") == bindings


def test_two_luns_in_one_task(host: DaemonHost) -> None:
    """The daemon reads its files once for both."""
    maps = [{"name": "data", "wwid": WWIDS[0]}, {"name": "log", "wwid": WWIDS[1]}]
    plan = host.applied("multipath_map", maps=maps)["plan"]
    assert plan.count("multipathd reconfigure") == 1
    assert not host.applied("multipath_map", maps=maps)["changed"]
    maps = [{**each, "state": "absent"} for each in maps]
    assert len(host.applied("multipath_map", maps=maps)["plan"]) == 6


@pytest.fixture
def _alua(host: DaemonHost) -> Iterator[None]:
    """Give the host a LUN with four paths, of which three ALUA states say how good they are."""
    host.shell(
        "modprobe scsi_dh_alua; modprobe scsi_debug"
        " add_host=4 num_tgts=1 max_luns=1 vpd_use_hostno=0 dev_size_mb=64; udevadm settle"
    )
    # Linux 6.12 takes all of them for optimized until something has it ask again.
    debugged = "$(grep -l scsi_debug /sys/block/sd*/device/model | xargs -n 1 dirname)"
    host.shell(f"for device in {debugged}; do echo 1 >$device/rescan; done")
    states = f"for device in {debugged}; do cat $device/access_state; done | sort -u"
    host.until(lambda: host.shell(states).count("\n") == 3)
    yield
    host.applied("multipath_map", wwid=ALUA, state="absent")
    host.until(lambda: not host.shell("rmmod scsi_debug 2>&1", check=False))


@pytest.mark.usefixtures("_alua")
def test_the_daemons_parser_has_the_last_word(host: DaemonHost) -> None:
    """Which version it is nobody tells while it does not run: its parser knows the policy or not.

    What it does not take is not left behind.
    """
    policy = {"path_grouping_policy": "group_by_tpg"}
    task: dict[str, t.Any] = {"name": "alua", "wwid": ALUA, **policy}
    host.systemctl("stop")
    host.applied("multipath_map", **task)
    told = host.module("multipath_map", **task, manager="multipathd")
    if host.version() < (0, 8, 8):
        # Its parser says nothing of values.
        assert told["changed"]
    elif host.version() < (0, 9, 6):
        assert f"{drop_in(ALUA)} line 6, invalid value" in told["msg"]
        assert host.shell(f"ls {DIRECTORY}") == ""
    else:
        assert told["plan"][-1] == f"write {drop_in(ALUA)}"


@pytest.mark.usefixtures("_alua")
def test_groups_that_the_daemon_finds_by_itself(host: DaemonHost) -> None:
    """Newer ones group by ALUA whatever they are told, which is refused unless they are not to."""
    task = {"name": "alua", "wwid": ALUA}
    assert (
        len(host.twice(**task, path_grouping_policy="group_by_prio")["maps"][0]["path_groups"]) == 3
    )
    if "detect_pgpolicy" in host.shell("multipathd show config local"):
        refused = host.message(**task, path_grouping_policy="multibus")
        assert "detect_pgpolicy is yes (multipathd's default)" in refused
        host.configure("overrides {\n  detect_pgpolicy no\n}\n")
    made = host.twice(**task, path_grouping_policy="multibus", path_checker="directio")
    assert len(made["maps"][0]["path_groups"]) == 1
    assert '"checker" : "directio"' in host.shell("multipathd show map alua json")


VENDOR = """devices {
  device {
    vendor "QEMU"
    product "QEMU HARDDISK"
    path_grouping_policy multibus
    path_selector "queue-length 0"
    no_path_retry queue
  }
}
"""


def test_the_vendors_settings_go_on_under_a_task_that_states_a_name(host: DaemonHost) -> None:
    """No default of the module precedes them; what is no longer stated comes back."""
    host.configure(VENDOR)
    made = host.twice()
    vendors = "1 queue_if_no_path 0 1 1 queue-length 0 4"
    assert vendors in host.table("data")
    assert vendors in made["maps"][0]["table"][0]["parameters"]
    assert [line.split()[0] for line in host.run("cat", FILE).splitlines()[3:-2]] == [
        *("wwid", "alias")
    ]
    host.twice(no_path_retry="fail", path_selector="service-time")
    assert "0 0 1 1 service-time 0 4" in host.table("data")
    assert host.twice()["plan"][:2] == [f"write {FILE}", "multipathd reconfigure"]
    assert vendors in host.table("data")
    only = host.twice(name=None)
    assert (only["changed"], only["maps"][0]["name"]) == (False, "data")


def test_the_daemons_own_table_of_storage_goes_on(host: DaemonHost) -> None:
    """Of a NetApp's LUN a task states the name: what multipath and the kernel show is as before."""
    with host.debug_lun("add_host=2", "inq_vendor=NETAPP", "inq_product=LUN") as lun:
        wwid = lun["wwid"]
        host.shell(f"multipath -a {wwid}; multipathd add map {wwid}")
        host.until(lambda: host.path_states(wwid) == ["ready", "ready"])
        shown, table = host.run("multipath", "-ll", wwid), host.table(wwid)
        assert "queue_if_no_path" in table
        assert "NETAPP,LUN" in shown
        host.twice(name="netapp", wwid=wwid)
        host.until(lambda: host.path_states(wwid) == ["ready", "ready"])
        assert host.table("netapp") == table
        now = host.run("multipath", "-ll", "netapp")
        assert now.replace(f"netapp ({wwid})", wwid) == shown
        host.applied("multipath_map", wwid=wwid, state="absent")


def test_a_map_that_is_only_a_wwid_needs_no_reading_of_files(host: DaemonHost) -> None:
    """The daemon names it, and another task gives it a name."""
    # The daemon may make the map as soon as it is free to.
    made = host.applied("multipath_map", wwid=WWIDS[0])
    assert "multipathd reconfigure" not in made["plan"]
    assert made["maps"][0]["name"] == WWIDS[0]
    assert not host.applied("multipath_map", wwid=WWIDS[0])["changed"]
    assert host.twice()["maps"][0]["name"] == "data"


def test_settings_that_are_no_options_reach_the_daemon(host: DaemonHost) -> None:
    """It has them afterwards; what its parser does not know is not left behind."""
    host.twice(settings={"ghost_delay": 7, "deferred_remove": True, "san_path_err_threshold": 3})
    assert "ghost_delay 7" in host.shell("multipathd show config")
    before = host.files()
    told = host.module("multipath_map", name="log", wwid=WWIDS[1], settings={"no_such": 1})
    assert "line 6, invalid keyword" in told["msg"]
    assert (told["changed"], host.files()) == (False, before)
