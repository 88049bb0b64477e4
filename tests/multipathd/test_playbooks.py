# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks on a host with the real daemon, each run twice, while fio writes and verifies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from integration.test_playbooks import PLAYBOOKS, SIZE, San
from integration.test_targets import play

from .conftest import DaemonHost


@pytest.fixture
def san(host: DaemonHost, tmp_path: Path) -> Iterator[San]:
    """Return the host with a new LUN that its kernel does not know, and take it away again."""
    there = San(host.lab, tmp_path)
    there.delete(there.paths)
    yield there
    host.shell(
        "systemctl --quiet unmask multipathd.service multipathd.socket;"
        " umount --quiet /srv/new0 || true; sed -i '/[/]srv[/]new/d' /etc/fstab"
    )
    host.fresh()
    for path in there.paths:
        host.lab.unplug(path)


def test_the_life_of_a_lun_and_its_daemon(san: San, host: DaemonHost) -> None:
    """New, handed back and over in use, with paths lost and found, larger, and gone."""
    assert "Join the paths of each LUN" in san.twice("new_luns")
    assert "san.device_mapper" in host.shell("ls /etc/multipath/conf.d")
    with san.written():
        assert san.twice("from_multipathd") == [
            "Stop multipathd for good",
            "Join the paths of each LUN",
        ]
        assert "multipath" in host.table("new0")
        assert san.comes_back()
        assert san.twice("to_multipathd") == [
            "Tell multipathd of the maps",
            "Let multipathd be started",
            "Start multipathd",
        ]
        assert not san.comes_back()
        san.delete(san.paths[:2])
        policy = {"san_policy": "failover", "san_selector": "queue-length"}
        assert "Find the paths of the LUNs" in san.twice("maintain_paths", **policy)
        host.shell("systemctl restart multipathd.service")
        for lun in san.luns:
            san.lab.grow_lun(lun, 2 * SIZE)
        assert "Grow the file systems" in san.twice("grow_luns", **policy)
    assert len(san.twice("retire_luns")) == 2
    assert len(san.twice("retire_luns", san_unmapped=True)) == 1
    assert "new0" not in host.table()


def test_a_host_of_the_daemon(host: DaemonHost, tmp_path: Path) -> None:
    """From a daemon that does not run to one that uses the settings; the second run is quiet.

    By the role alone: with the other one, as the playbook has both, it takes a minute longer.
    """
    host.shell("systemctl --quiet disable --now multipathd.service multipathd.socket")
    (whole,) = yaml.safe_load((PLAYBOOKS / "multipath_host.yml").read_text("utf-8"))
    path = tmp_path / "multipathd.yml"
    path.write_text(json.dumps([{**whole, "roles": whole["roles"][:1]}]), "utf-8")
    device = {"vendor": "QEMU", "product": "^QEMU", "no_path_retry": 7}
    variables = json.dumps({"multipathd_devices": [device]})
    changed: list[list[str]] = [[]]
    for each in play(tmp_path, path, str(path), "-e", variables):
        if "stats" in each:
            changed.append([])
        elif each["result"].get("changed"):
            changed[-1].append(each["task"].rpartition(" : ")[2])
    first, second, _end = changed
    assert (first, second) == (["Set the host's settings", "Start it, now and at boot"], [])
    assert "no_path_retry 7" in host.run("multipathd", "show", "config")
