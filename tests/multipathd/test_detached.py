# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A LUN that the real multipathd lets go of, and does not take back from scans and events."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
from kernel.conftest import WWIDS
from kernel.test_detached import RULES, SCAN

from .conftest import DIRECTORY, TASK, DaemonHost, drop_in

DROP_IN = f"{DIRECTORY}/san-device_mapper-detached.conf"
DETACHED: dict[str, t.Any] = {"wwid": WWIDS[0], "state": "detached"}


@pytest.fixture
def san(host: DaemonHost) -> Iterator[DaemonHost]:
    """Return the host with the daemon, and bring back all paths afterwards."""
    yield host
    host.applied("lun_paths", luns=[{"wwid": wwid} for wwid in WWIDS], min_paths=4)
    host.shell(f"test ! -e {RULES}; test ! -e {DROP_IN}")


@pytest.mark.parametrize("find_multipaths", ["strict", "off"])
def test_the_daemon_does_not_take_back_what_is_held(san: DaemonHost, find_multipaths: str) -> None:
    """With `off` it makes a map of any path that it meets: the blacklist alone keeps it away."""
    san.configure(f"defaults {{\n\tfind_multipaths {find_multipaths}\n}}\n")
    san.applied("multipath_map", **TASK)
    checked = san.applied("lun_paths", check_mode=True, **DETACHED)
    done = san.applied("lun_paths", **DETACHED)
    assert done["plan"][:5] == [
        f"write {RULES}",
        f"write {DROP_IN}",
        f"multipath -w {WWIDS[0]}",
        f"rm {drop_in(WWIDS[0])}",
        "multipathd reconfigure",
    ]
    assert checked["plan"] == done["plan"]
    assert not san.applied("lun_paths", **DETACHED)["changed"]
    san.shell(f"{SCAN}; udevadm settle; udevadm trigger --settle --subsystem-match=block")
    assert len(san.disks(0)) == 4
    san.systemctl("restart")
    san.until(lambda: "idle" in san.shell("multipathd show daemon"))
    san.shell("udevadm trigger --settle --subsystem-match=block; multipathd reconfigure")
    san.until(lambda: "idle" in san.shell("multipathd show daemon"))
    assert WWIDS[0] not in san.shell("dmsetup info --columns --noheadings -o uuid")
    assert WWIDS[0] not in san.shell("multipathd show paths format %w")
    message = san.refused("multipath_map", **TASK)
    assert "held detached by lun_paths" in message
    back = san.applied("lun_paths", wwid=WWIDS[0], min_paths=4)
    assert back["plan"][:3] == [f"rm {DROP_IN}", "multipathd reconfigure", f"rm {RULES}"]
    san.applied("multipath_map", **TASK)
    assert san.paths_of() == 4


def test_a_daemon_that_does_not_run_finds_the_blacklist_when_it_starts(san: DaemonHost) -> None:
    """And `absent` takes both files back."""
    san.run("systemctl", "stop", "multipathd.service", "multipathd.socket")
    done = san.applied("lun_paths", **DETACHED)
    assert done["plan"][:2] == [f"write {RULES}", f"write {DROP_IN}"]
    san.systemctl("start")
    san.shell(f"{SCAN}; udevadm settle")
    san.until(lambda: "idle" in san.shell("multipathd show daemon"))
    assert WWIDS[0] not in san.shell("multipathd show paths format %w")
    done = san.applied("lun_paths", wwid=WWIDS[0], state="absent")
    assert done["plan"][-3:] == [f"rm {DROP_IN}", "multipathd reconfigure", f"rm {RULES}"]
    assert not san.applied("lun_paths", wwid=WWIDS[0], state="absent")["changed"]
