# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real daemon that is not fit, dies, or is told otherwise by its host's own files."""

from __future__ import annotations

import pytest
from kernel.conftest import WWIDS

from .conftest import DIRECTORY, TASK, DaemonHost, drop_in

SECTION = (
    f'multipaths {{\n\tmultipath {{\n\t\twwid "{WWIDS[0]}"\n\t\tno_path_retry queue\n\t}}\n}}\n'
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'blacklist {{\n  wwid "{WWIDS[0]}"\n}}\n', "/etc/multipath.conf line 2 (blacklist: wwid"),
        (
            "blacklist {\n\n  devnode .*\n}\n",
            '/etc/multipath.conf line 3 (blacklist: devnode ".*")',
        ),
        (
            "blacklist {\n  device {\n    vendor QEMU\n    product .*\n  }\n}\n",
            '/etc/multipath.conf line 2 (blacklist: device vendor "QEMU" product ".*")',
        ),
        (SECTION, "/etc/multipath.conf line 2 already has a multipath section"),
        (
            "multipaths {\n  multipath {\n    wwid 1\n    alias data\n  }\n}\n",
            "/etc/multipath.conf line 4 gives this name to 1",
        ),
        ("defaults {\n  polling_interval\n}\n", "line 2 of /etc/multipath.conf"),
        ("defaults {\n  find_multipaths maybe\n}\n", "/etc/multipath.conf line 2, invalid value"),
        ("nonsense {\n}\n", "/etc/multipath.conf line 1, invalid keyword"),
    ],
)
def test_what_defeats_a_task_is_named(host: DaemonHost, text: str, found: str) -> None:
    """With its file and line, before anything is changed."""
    host.configure(text)
    if "invalid value" in found and host.version() < (0, 8, 8):
        # Its parser says nothing of values.
        assert host.applied("multipath_map", **TASK)["changed"]
    else:
        assert found in host.message()


def test_rules_that_the_daemon_has_not_read_yet(host: DaemonHost) -> None:
    """They are named before it is told to read its files."""
    for rule in (f'wwid "{WWIDS[0]}"', 'protocol "scsi:.*"', "device {\n    vendor QEMU\n  }"):
        host.run("tee", "/etc/multipath.conf", input=f"blacklist {{\n  {rule}\n}}\n")
        assert "once it reads its files: /etc/multipath.conf line 2 (blacklist: " in host.message()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (
            "printf 'blacklist {\n property ID_SERIAL\n}\n' > /etc/multipath.conf",
            "udev property ID_SERIAL blacklisted; /etc/multipath.conf line 2 (blacklist: property",
        ),
        (
            "printf 'blacklist {\n protocol .*\n}\n' > /etc/multipath.conf",
            "protocol scsi:unspec blacklisted; /etc/multipath.conf line 2 (blacklist: protocol",
        ),
        (
            "printf 'overrides {\n uid_attribute ID_MODEL\n}\n' > /etc/multipath.conf",
            "it has the WWID QEMU_HARDDISK for the path",
        ),
    ],
)
def test_what_defeats_a_task_under_way_is_named(
    host: DaemonHost, command: str, reason: str
) -> None:
    """Somebody states otherwise just before the daemon is told: the wait ends with its reason."""
    failed = host.module("multipath_map", **TASK, at=3, disturb=["sh", "-c", command], timeout=15)
    assert "after 15 seconds there is no map, instead of data '0 " in failed["msg"]
    assert reason in failed["msg"]


def test_a_wwid_that_somebody_removes_under_way(host: DaemonHost) -> None:
    """The daemon does not know it, which the message says; the next task states it again."""
    host.applied("multipath_map", **TASK)
    remove = ["multipath", "-w", WWIDS[0]]
    host.run(*remove)
    host.shell("multipathd del map data")
    task = {**TASK, "path_grouping_policy": "multibus"}
    failed = host.module("multipath_map", **task, at=3, disturb=remove, timeout=15)
    assert "find_multipaths is strict, and the WWID is not in" in failed.get("msg", ""), failed
    assert host.applied("multipath_map", **task)["changed"]
    assert host.paths_of() == 4


def test_an_admins_section(host: DaemonHost) -> None:
    """It is adopted if that is meant, unless it is read later, and is never rewritten."""
    host.configure(SECTION)
    host.twice(adopt=True, no_path_retry="fail")
    assert "queue_if_no_path" not in host.table("data")
    later = f"{DIRECTORY}/z.conf"
    host.run("tee", later, input=SECTION)
    assert f"{later} line 4 sets no_path_retry queue" in host.message(
        adopt=True, name="other", no_path_retry="fail"
    )
    host.run("rm", later)
    host.run("tee", drop_in(WWIDS[0]), input=SECTION)
    assert "This module did not write that file" in host.message(adopt=True)
    assert host.run("cat", "/etc/multipath.conf") == SECTION


def test_files_that_cannot_be_read_or_written(host: DaemonHost) -> None:
    """They are named before anything is changed."""
    host.run("mkdir", "/etc/multipath.conf")
    assert "/etc/multipath.conf: Is a directory" in host.message()
    host.run("rmdir", "/etc/multipath.conf")
    host.shell(f"mkdir -p {DIRECTORY}; mount -t tmpfs -o ro none /etc/multipath")
    assert "/etc/multipath is not writable" in host.message()


def test_a_daemon_that_hangs_or_does_not_run(host: DaemonHost) -> None:
    """The wait is bounded, and the way out is told."""
    host.shell("systemctl kill --signal=STOP multipathd.service")
    try:
        assert "does not answer `show daemon` within 3 seconds" in host.message(timeout=3)
    finally:
        host.shell("systemctl kill --signal=CONT multipathd.service")
    assert "multipathd runs on this host" in host.message(manager="kernel")
    host.systemctl("stop")
    assert "multipathd does not run" in host.message(manager="multipathd")
    assert "only multipathd has this setting" in host.message(failback="manual")


def test_the_daemon_is_stopped_and_started_between_tasks(host: DaemonHost) -> None:
    """What is as stated stays so, and nothing else is begun meanwhile."""
    host.applied("multipath_map", **TASK)
    host.systemctl("stop")
    assert not host.applied("multipath_map", **TASK)["changed"]
    message = host.message(name="other")
    assert "multipathd does not run, and its map is named data, not other" in message
    host.systemctl("start")
    assert not host.applied("multipath_map", **TASK)["changed"]
    assert host.paths_of() == 4


@pytest.mark.parametrize("signal", ["TERM", "KILL"])
def test_the_daemon_dies_in_the_middle(host: DaemonHost, signal: str) -> None:
    """The task ends with an error, or is done; once the daemon is back, the next one is.

    Newer systemd units start the daemon again by themselves.
    """
    stop = ["systemctl", "kill", f"--signal={signal}", "multipathd.service"]
    for at in (1, 3):
        host.module("multipath_map", **TASK, at=at, disturb=stop, timeout=10)
        assert host.suspended() == []
        host.systemctl("start")
        host.applied("multipath_map", **TASK)
        assert host.paths_of() == 4
        host.applied("multipath_map", **TASK, state="absent")


def test_the_daemon_is_restarted_in_the_middle(host: DaemonHost) -> None:
    """Each request may meet another daemon than the one before."""
    restart = ["systemctl", "restart", "multipathd.service"]
    for at in (1, 2, 3):
        host.shell("systemctl reset-failed multipathd.service")
        host.applied("multipath_map", **TASK, at=at, disturb=restart)
        assert not host.applied("multipath_map", **TASK)["changed"]
        host.shell("systemctl reset-failed multipathd.service")
        host.applied("multipath_map", **TASK, state="absent", at=at, disturb=restart)
        assert "No devices found" in host.table()


def test_a_task_that_is_killed_is_continued(host: DaemonHost) -> None:
    """At each of its requests; what the daemon was told before goes on meanwhile."""
    for at in (1, 2, 3):
        host.module("multipath_map", **TASK, at=at)
        host.applied("multipath_map", **TASK)
        assert not host.applied("multipath_map", **TASK)["changed"]
        host.module("multipath_map", **TASK, state="absent", at=at)
        host.applied("multipath_map", **TASK, state="absent")
        assert not host.applied("multipath_map", **TASK, state="absent")["changed"]
        assert "No devices found" in host.table()


def test_a_map_is_handed_over_in_use_and_back(host: DaemonHost) -> None:
    """The daemon is told before it starts: no table changes, and nothing mounted is lost."""
    host.systemctl("stop")
    host.applied("multipath_map", **TASK)
    host.shell(
        "mkfs.ext4 -q /dev/mapper/data; mkdir -p /mnt/test; mount /dev/mapper/data /mnt/test"
    )
    host.twice(manager="multipathd")
    before = host.table("data")
    host.systemctl("start")
    host.until(lambda: "data" in host.shell("multipathd show maps"))
    host.shell("date > /mnt/test/now; sync")
    assert not host.applied("multipath_map", **TASK)["changed"]
    assert host.table("data") == before
    host.twice(path_grouping_policy="multibus", no_path_retry="queue")
    host.systemctl("stop")
    options = {"path_grouping_policy": "multibus", "no_path_retry": "queue"}
    assert host.twice(manager="kernel", **options)["changed"]
    host.shell("date > /mnt/test/now; sync")
    assert "queue_if_no_path" in host.table("data")
    assert WWIDS[0] not in host.files().replace(f"#{WWIDS[0]}", "")
