# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths and fabrics that are interrupted, below a file system that fio verifies; no task runs.

No I/O fails while a path works, and each path is back in use within two intervals of the check.
"""

from __future__ import annotations

import random
import time
import typing as t
from collections import Counter

from kernel.conftest import WWIDS, Host

from .mounted import Mounted

INTERVAL = 5
SLACK = 5.0
"""Seconds that reads and the looks of this campaign take beyond two intervals, emulated."""
OFTEN, WINDOW = 4, 300.0
"""A path that is interrupted more often in so many seconds would be left alone for a while."""
MAP: dict[str, t.Any] = {
    "name": "data",
    "wwid": WWIDS[0],
    "no_path_retry": "fail",
    "path_grouping_policy": "multibus",
    "persistent": True,
    "check_interval": INTERVAL,
}


class Flapping(Mounted):
    """The LUN of the booted host; a fabric is what the paths of one HBA go through."""

    def __init__(self, host: Host, chance: random.Random, found: Counter[str]) -> None:
        super().__init__(host, found, dict(MAP))
        self.chance = chance
        self.interrupted: dict[str, list[float]] = {}

    def fabrics(self) -> list[list[str]]:
        """Return the names of the disks by the HBA that they are reached through."""
        paths = self.host.lab.paths(0)
        links = [f"/dev/disk/by-path/{path.by_path}" for path in paths]
        disks = [line[len("/dev/") :] for line in self.host.run("realpath", *links).split()]
        hbas = sorted({path.hba for path in paths})
        pairs = list(zip(disks, paths, strict=True))
        return [[disk for disk, path in pairs if path.hba == hba] for hba in hbas]

    def set_state(self, disks: list[str], state: str) -> None:
        self.host.shell(
            "".join(f"echo {state} >/sys/block/{disk}/device/state\n" for disk in disks)
        )

    def all_back(self) -> None:
        self.set_state([disk for fabric in self.fabrics() for disk in fabric], "running")

    def is_rested(self, disk: str) -> bool:
        now = time.monotonic()
        return sum(now - each < WINDOW for each in self.interrupted.get(disk, [])) < OFTEN

    def interrupt(self) -> None:
        """A path or a fabric goes, stays away for a moment, and comes back."""
        kind = self.chance.choice(("path", "fabric"))
        fabric = self.chance.choice(self.fabrics())
        disks = fabric if kind == "fabric" else [self.chance.choice(fabric)]
        if not all(map(self.is_rested, disks)):
            time.sleep(1)
            return
        self.found[f"{kind} interrupted"] += 1
        self.set_state(disks, "offline")
        end = time.monotonic() + self.chance.uniform(0.5, 10.0)
        while time.monotonic() < end:
            self.await_io()
        for disk in disks:
            self.interrupted.setdefault(disk, []).append(time.monotonic())
        failed = sum(state == "F" for state in self.states().values())
        self.set_state(disks, "running")
        started = time.monotonic()
        while "F" in self.states().values():
            seconds = time.monotonic() - started
            assert seconds < 2 * INTERVAL + SLACK, f"not back in time: {self.states()}"
            self.await_io()
        self.found["paths reinstated"] += failed
        seconds = round(time.monotonic() - started)
        self.found["seconds at most until back"] = max(
            seconds, self.found["seconds at most until back"]
        )


def run(host: Host, seconds: int, seed: int, found: Counter[str]) -> None:
    """Let it happen until the time is over; the first violation ends it."""
    flapping = Flapping(host, random.Random(seed), found)
    end = time.monotonic() + seconds
    try:
        with flapping.mounted():
            while time.monotonic() < end:
                flapping.interrupt()
    finally:
        host.applied("multipath_map", name="data", wwid=WWIDS[0], persistent=False)
