# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""multipathd with 16 maps in use reads its files again and again while a path fails.

A task changes the policies of the map with the file system, or of all maps at once: one request to
the daemon each time, and before version 0.8.8 that reloads every map of the host. No I/O fails, and
what fio wrote is read back.
"""

from __future__ import annotations

import random
import time
import typing as t
from collections import Counter

from kernel.conftest import Host
from multipathd.conftest import DaemonHost, with_daemon

from lab.storage import wwid

from .mounted import POLICIES, SELECTORS, Mounted

LUNS = 16
POLICIES_OF_THE_DAEMON = tuple(each for each in POLICIES if each != "auto")


class Reconfigured(Mounted):
    """The map with the file system, and the others, which are held open."""

    def __init__(self, host: DaemonHost, chance: random.Random, found: Counter[str]) -> None:
        queue = {"no_path_retry": "queue", "manager": "multipathd"}
        super().__init__(host, found, {"name": "data", "wwid": wwid(0), **queue})
        self.daemon = host
        self.chance = chance
        self.others = [
            {"name": f"other{number}", "wwid": wwid(number)} for number in range(1, LUNS)
        ]

    def hold(self) -> None:
        """Make the other maps, and keep each open."""
        self.host.applied("multipath_map", maps=self.others, manager="multipathd")
        for each in self.others:
            self.host.shell(f"setsid sleep 86400 < /dev/mapper/{each['name']} > /dev/null 2>&1 &")

    def offline(self) -> str:
        """Let a path of the mounted map fail within the next seconds; return its name."""
        path = self.chance.choice(self.host.lab.paths(0))
        disk = self.host.run("realpath", f"/dev/disk/by-path/{path.by_path}").strip()[5:]
        wait = self.chance.uniform(0.0, 4.0)
        self.host.shell(
            f"(sleep {wait:.2f}; echo offline > /sys/block/{disk}/device/state)"
            " > /dev/null 2>&1 < /dev/null &"
        )
        return disk

    def all_back(self) -> None:
        for path in self.host.lab.paths(0):
            disk = self.host.run("realpath", f"/dev/disk/by-path/{path.by_path}").strip()[5:]
            self.host.shell(f"echo running > /sys/block/{disk}/device/state")
        self.daemon.until(lambda: "F" not in self.states().values(), 90.0)

    def happen(self) -> None:
        """A task changes policies while a path fails; I/O goes on, and the path comes back."""
        fails = self.chance.random() < 0.5
        disk = self.offline() if fails else ""
        policy, selector = self.chance.choice(POLICIES_OF_THE_DAEMON), self.chance.choice(SELECTORS)
        stated: dict[str, t.Any] = {
            "path_grouping_policy": policy,
            "path_selector": selector,
            "timeout": 120,
        }
        if self.chance.random() < 0.25:
            maps = [{"name": "data", "wwid": wwid(0), "no_path_retry": "queue"}, *self.others]
            answer = self.host.applied("multipath_map", maps=maps, manager="multipathd", **stated)
            self.found["policies changed of all maps at once"] += bool(answer["changed"])
        else:
            answer = self.host.applied("multipath_map", **self.stated, **stated)
            self.found["policies changed of the mounted map"] += bool(answer["changed"])
        told = [step for step in answer["plan"] if step == "multipathd reconfigure"]
        assert len(told) <= 1, answer["plan"]
        self.found["reconfigure"] += len(told)
        self.await_io()
        if disk:
            state = f"/sys/block/{disk}/device/state"
            self.until(lambda: "offline" in self.host.run("cat", state), f"{disk} is not offline")
            self.found["paths lost meanwhile"] += 1
            self.await_io()
            self.all_back()


def run(host: Host, seconds: int, seed: int, found: Counter[str]) -> None:
    """Let it happen until the time is over; the first violation ends it."""
    with_daemon(host.lab)
    daemon = DaemonHost(host.lab)
    daemon.fresh()
    version = ".".join(map(str, daemon.version()))
    found[f"with multipath-tools {version}"] += 1
    there = Reconfigured(daemon, random.Random(seed), found)
    there.hold()
    end = time.monotonic() + seconds
    with there.mounted():
        while time.monotonic() < end:
            there.happen()
