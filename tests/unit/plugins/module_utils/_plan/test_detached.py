# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`lun_paths` with state: detached: what holds a LUN, what goes, and what lifts the hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk
from unit.memory_multipathd import merged

from ansible_collections.san.device_mapper.plugins.module_utils._plan.detached import (
    DETACHED_DROP_IN,
    blacklist,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.boot_files import STATIC
from ansible_collections.san.device_mapper.plugins.module_utils._values.detached import (
    detached_rules,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import (
    Configuration,
    parse_sections,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.records import (
    DETACHED_RULES,
    STATIC_PATHS,
    listed_as_detached,
    partitions_path,
    record_path,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use

WWID, OTHER = "3600", "3601"
UUID = f"mpath-{WWID}"
SDA, SDB, SDC = (
    BlockDevice(
        name,
        DeviceNumber(8, 16 * number),
        2048,
        wwid=wwid,
        address=f"{number}:0:0:0",
        state="running",
        reported_sectors=2048,
    )
    for number, (name, wwid) in enumerate([("sda", WWID), ("sdb", WWID), ("sdc", OTHER)])
)
HELD = [f"write {DETACHED_RULES}", f"write {DETACHED_DROP_IN}"]
FREE = [f"rm {DETACHED_RULES}", f"rm {DETACHED_DROP_IN}"]
DELETED = [
    "echo 1 > /sys/class/block/sda/device/delete",
    "echo 1 > /sys/class/block/sdb/device/delete",
    "wait until udev has forgotten sda, sdb",
]


def san(*, daemon: bool = False, installed: bool = True, mapped: bool = True) -> MemoryHost:
    """Return a host with two LUNs, the first of which may have a map with a partition map."""
    kernel = MemoryKernel({each.device: Disk(2048) for each in (SDA, SDB, SDC)})
    host = MemoryHost(kernel, (SDA, SDB, SDC))
    kernel.daemon.installed = installed
    if mapped:
        host.run("multipath_map", name="data", wwid=WWID)
        kernel.place("data-part1", f"part1-{UUID}", linear(kernel))
    kernel.daemon.runs = daemon
    if daemon:
        kernel.daemon.wwids.add(WWID)
    return host


def linear(kernel: MemoryKernel) -> Any:
    """Return the table of a partition of the map."""
    from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (  # noqa: PLC0415
        Linear,
        Segment,
    )

    return (Segment(0, 8, Linear(kernel.placed(UUID).device, 8)),)


def detach(host: MemoryHost, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    """Return what the task returns."""
    return host.run("lun_paths", check_mode, **{"wwid": WWID, "state": "detached", **options})


@given(st.frozensets(st.from_regex(r"[0-9A-Za-z#+.:=@_-]+", fullmatch=True)))
def test_the_list_is_read_as_it_is_written(wwids: frozenset[str]) -> None:
    assert listed_as_detached(detached_rules(wwids)) == wwids


def test_the_files_that_assemble_maps_are_known_by_their_names() -> None:
    assert {*STATIC_PATHS} == {*STATIC}


def test_map_partition_maps_and_paths_go_once_the_hold_is_written() -> None:
    host = san(installed=False)
    checked = detach(host, check_mode=True)
    assert (host.kernel.writes, len(host.kernel.maps())) == ((), 2)
    done = detach(host)
    assert done["plan"] == [
        f"write {DETACHED_RULES}",
        "remove data-part1",
        "remove data",
        *DELETED,
    ]
    assert (checked["plan"], checked["diff"]) == (done["plan"], done["diff"])
    assert done["diff"]["after"] == f"{WWID} held detached\n"
    assert (done["removed"], done["luns"], done["detached"]) == (["sda", "sdb"], [], [WWID])
    assert host.kernel.maps() == ()
    assert host.kernel.files == {DETACHED_RULES: detached_rules({WWID})}
    assert detach(host)["changed"] is False
    assert host.run("lun_paths", wwid=OTHER)["detached"] == []


def test_a_persistent_map_does_not_come_back_at_boot() -> None:
    host = san(installed=False)
    records = {record_path(UUID): "", partitions_path(UUID): ""}
    host.kernel.files.update({**STATIC, **records, record_path("mpath-3601"): ""})
    assert detach(host)["plan"][:3] == [
        f"write {DETACHED_RULES}",
        *(f"rm {path}" for path in sorted(records)),
    ]
    host = san(installed=False)
    host.kernel.files.update({**STATIC, **records})
    detach(host)
    assert {*host.kernel.files} == {DETACHED_RULES}


def test_multipathd_goes_by_its_blacklist_before_it_lets_go_of_the_map() -> None:
    host = san(daemon=True)
    checked = detach(host, check_mode=True)
    done = detach(host)
    assert done["plan"] == [
        *HELD,
        f"multipath -w {WWID}",
        "remove data-part1",
        "multipathd reconfigure",
        "multipathd del map data",
        *DELETED,
    ]
    assert checked["plan"] == done["plan"]
    daemon = host.kernel.daemon
    assert daemon.files == {DETACHED_DROP_IN: blacklist(frozenset({WWID}))}
    host.kernel.known = (SDA, SDB, SDC)
    daemon.disks = host.kernel.known
    assert [each.name for each in daemon.paths()] == ["sdc"]
    assert detach(host)["plan"] == DELETED
    assert detach(host)["changed"] is False


def test_a_daemon_that_has_removed_the_map_itself_is_not_told_to() -> None:
    host = san(daemon=True)
    tell = host.kernel.tell_multipathd

    def tell_and_flush(request: str, timeout: float = 60.0) -> None:
        tell(request, timeout)
        if request == "reconfigure":
            host.kernel._maps.clear()

    host.kernel.tell_multipathd = tell_and_flush  # type: ignore[method-assign]
    assert detach(host)["changed"]
    assert host.kernel.daemon.requests == ["reconfigure"]


def test_a_daemon_that_has_not_read_the_list_is_told_again() -> None:
    """A run that was killed has written the files, and no more."""
    host = san(daemon=True)
    host.kernel.files[DETACHED_RULES] = detached_rules({WWID})
    host.kernel.daemon.files[DETACHED_DROP_IN] = blacklist(frozenset({WWID}))
    assert "multipathd reconfigure" in detach(host)["plan"]


def test_a_daemon_that_starts_later_finds_the_list() -> None:
    host = san(mapped=False)
    assert detach(host)["plan"] == [*HELD, *DELETED]


@pytest.mark.parametrize("daemon", [False, True])
def test_present_lifts_the_hold_and_lets_udev_look_again(daemon: bool) -> None:
    host = san(daemon=daemon, mapped=False)
    host.run("lun_paths", state="detached", luns=[{"wwid": WWID}, {"wwid": OTHER}])
    host.kernel.known, host.kernel.unscanned = (SDA,), {"host1": (SDB,)}
    read = ["multipathd reconfigure"] * daemon
    done = host.run("lun_paths", wwid=WWID, min_paths=2)
    assert done["plan"][: 3 + daemon] == [
        f"write {DETACHED_DROP_IN}",
        *read,
        f"write {DETACHED_RULES}",
        "echo change > /sys/class/block/sda/uevent",
    ]
    assert (done["added"], done["detached"]) == (["sdb"], [])
    assert host.kernel.files == {DETACHED_RULES: detached_rules({OTHER})}
    assert host.run("lun_paths", wwid=WWID, min_paths=2)["changed"] is False
    host.kernel.known = (*host.kernel.known, SDC)
    assert host.run("lun_paths", wwid=OTHER)["plan"][: 2 + daemon] == [FREE[1], *read, FREE[0]]
    assert (host.kernel.files, host.kernel.daemon.files) == ({}, {})
    if daemon:
        assert host.kernel.daemon.known == merged(Configuration())


@pytest.mark.parametrize("daemon", [False, True])
def test_absent_removes_what_is_left_and_then_the_hold(daemon: bool) -> None:
    host = san(daemon=daemon, mapped=False)
    detach(host)
    host.kernel.known = (SDA, SDB, SDC)
    gone: dict[str, Any] = {"wwid": WWID, "state": "absent"}
    checked = host.run("lun_paths", check_mode=True, **gone)
    done = host.run("lun_paths", **gone)
    read = ["multipathd reconfigure"] * daemon
    assert done["plan"] == [*DELETED, FREE[1], *read, FREE[0]]
    assert [checked[key] for key in ("plan", "diff")] == [done[key] for key in ("plan", "diff")]
    assert (host.kernel.files, host.kernel.daemon.files) == ({}, {})
    assert host.run("lun_paths", **gone)["changed"] is False


def test_no_map_is_made_of_a_lun_that_is_held() -> None:
    host = san(mapped=False)
    detach(host)
    for known in ((SDC,), (SDA, SDB, SDC)):
        host.kernel.known = known
        with pytest.raises(Refused, match="held detached by lun_paths") as refused:
            host.run("multipath_map", name="data", wwid=WWID)
        assert "lun_paths with state: present" in refused.value.way_out
    with pytest.raises(Refused, match="held detached by lun_paths"):
        host.run("multipath_map", name="data", paths=["/dev/sda", "/dev/sdb"])
    assert host.run("multipath_map", wwid=WWID, state="absent")["changed"] is False


def test_what_is_held_is_shown() -> None:
    host = san()
    detach(host)
    host.kernel.known = (SDA, SDC)
    shown = host.run("device_mapper_info")
    assert shown["detached"] == [WWID]
    assert [each["detached"] for each in shown["luns"]] == [True, False]


def test_what_is_in_use_is_refused_with_its_users() -> None:
    host = san()
    host.kernel.placed(UUID).opened = 1
    with pytest.raises(Refused, match="its map data is in use: open in process 7") as refused:
        detach(host)
    assert refused.value.way_out
    host.kernel.placed(UUID).opened = 0
    host.used[SDB.device] = (Use("mount", "/srv"),)
    with pytest.raises(Refused, match="its paths are in use: sdb mounted at /srv"):
        detach(host)
    assert host.kernel.files == {}


def test_the_daemon_has_the_paths_of_its_maps_open() -> None:
    """It closes what it blacklists. `absent` leaves it the paths that it has."""
    host = san(daemon=True)
    host.used[SDB.device] = (Use("multipathd", "multipathd", process=7),)
    with pytest.raises(Refused, match="open in process 7"):
        host.run("lun_paths", wwid=WWID, state="absent")
    assert detach(host)["changed"]


def test_paths_of_other_maps_that_a_task_has_failed_stay_failed() -> None:
    """The daemon would use them again when it reads its files; those of the LUN go with it."""
    host = san(daemon=True)
    host.run("multipath_path", state="failed", maps=["data"], paths=["sda"])
    assert detach(host, check_mode=True)["changed"]
    host.run("multipath_map", wwid=OTHER)
    host.run("multipath_path", state="failed", maps=[OTHER], paths=["sdc"], min_active=0)
    with pytest.raises(Refused, match=f"multipath_path has failed: sdc of {OTHER}") as refused:
        detach(host)
    assert (refused.value.option, refused.value.value) == ("state", "detached")
    assert host.kernel.files == {}
    host.run("multipath_path", state="active", maps=[OTHER], paths=["sdc"])
    assert detach(host)["changed"]


def test_a_wwid_that_nobody_knows_is_refused() -> None:
    host = san(mapped=False)
    with pytest.raises(Refused, match="neither a map nor a path of it") as refused:
        detach(host, wwid="3602")
    assert "it has disks of: 3600, 3601" in refused.value.found
    assert "state: absent" in refused.value.way_out


def test_an_exception_that_defeats_the_blacklist_is_refused() -> None:
    host = san()
    text = 'blacklist_exceptions {\n\twwid "36.*"\n}\n'
    host.kernel.daemon.files["/etc/multipath.conf"] = text
    with pytest.raises(Refused, match="an exception to its blacklist") as refused:
        detach(host)
    assert "/etc/multipath.conf line 2" in refused.value.found


def test_a_directory_that_cannot_be_written_to_is_refused() -> None:
    host = san()
    host.kernel.daemon.read_only = "/etc/multipath"
    with pytest.raises(Refused, match="cannot be written to"):
        detach(host)


def test_multipathd_reads_the_blacklist_as_its_own() -> None:
    (section,) = parse_sections(blacklist(frozenset({"3600+1", "eui.1"})), "file")
    assert section.names == ("blacklist",)
    assert [each.value for each in section.settings] == [r"^3600\+1$", r"^eui\.1$"]
