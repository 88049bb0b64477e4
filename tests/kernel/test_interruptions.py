# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that are killed, or that meet each other, on the booted host."""

from __future__ import annotations

import json
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import REMOTE, WWIDS, Host

LUNS = [{"name": "data", "wwid": WWIDS[0]}, {"name": "log", "wwid": WWIDS[1]}]

PLANS: dict[str, tuple[dict[str, t.Any], dict[str, t.Any]]] = {
    "create": ({"state": "absent"}, {}),
    "reload": ({}, {"path_grouping_policy": "multibus", "path_selector": "round-robin"}),
    "remove": ({}, {"state": "absent"}),
}


@pytest.mark.parametrize("plan", PLANS)
def test_a_kill_at_each_step(host: Host, plan: str) -> None:
    """After `kill -9` before any request nothing is suspended, and the next run converges."""
    before, after = PLANS[plan]
    kills = 0
    for number in range(1, 20):
        host.applied("multipath_map", maps=LUNS, **before)
        answer = host.module("multipath_map", at=number, maps=LUNS, **after)
        assert host.suspended() == []
        converged = host.applied("multipath_map", maps=LUNS, **after)
        again = host.applied("multipath_map", maps=LUNS, **after)
        assert not again["changed"]
        if not answer.get("killed"):
            assert not converged["changed"]
            break
        kills += 1
    # Each run that changed something has removed the semaphore of the killed one before it.
    assert "0x" not in host.run("dmsetup", "udevcookies")
    # Two maps: create, load, resume; load, resume; remove. And the wait for udev.
    assert kills == {"create": 7, "reload": 5, "remove": 3}[plan]


def test_kills_at_system_calls(host: Host) -> None:
    """A sample of what `make campaign` does in great numbers: see kill_modules.py."""
    seed, seconds, kills = "1", "600", "8"
    host.run("modprobe", "loop")
    argv = ["python3", f"{REMOTE}/kill_modules.py", seed, seconds, kills, *WWIDS]
    done = host.lab.ssh(argv, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["kills"] == int(kills)


def test_two_runs_at_once(host: Host) -> None:
    """The second waits for the first, and finds nothing to do."""
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(host.applied, "multipath_map", maps=LUNS) for _run in range(2)]
        assert sorted(run.result()["changed"] for run in runs) == [False, True]


def test_a_lock_that_is_not_given_up(host: Host) -> None:
    """The wait is bounded, and its message says what to do."""
    host.shell(
        "flock /run/san.device_mapper.lock sleep 600 > /dev/null 2>&1 & echo $! > /run/holder"
    )
    try:
        host.shell("until fuser -s /run/san.device_mapper.lock; do sleep 0.1; done")
        answer = host.module("multipath_map", maps=LUNS, timeout=2)
        assert "another task" in answer["msg"]
        assert host.module("multipath_map", maps=LUNS, check_mode=True)["changed"]
    finally:
        host.shell("pkill -P $(cat /run/holder); kill $(cat /run/holder) || true", check=False)


def test_udevd_that_does_not_answer(host: Host) -> None:
    """The wait for udev is bounded; the map is there, and no semaphore is left."""
    host.shell("pkill -STOP -x systemd-udevd")
    try:
        answer = host.module("multipath_map", name="data", wwid=WWIDS[0], timeout=3)
        assert "timeout" in answer["msg"]
        assert "udev" in answer["msg"]
        assert "0x" not in host.run("dmsetup", "udevcookies")
        assert "multipath" in host.table("data")
    finally:
        host.shell("pkill -CONT -x systemd-udevd; udevadm settle")
    assert not host.applied("multipath_map", name="data", wwid=WWIDS[0])["changed"]
