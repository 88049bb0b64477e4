# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults below the maps, on the booted host, under a mounted file system that fio verifies.

Paths go offline and come back, are unplugged and plugged again, fail each write; LUNs are rescanned
and grow; modules change the map meanwhile. No I/O fails while a path is left. With none left, every
module answers within its timeout, and I/O goes on when one returns.
"""

from __future__ import annotations

import random
import time
import typing as t
from collections import Counter

from kernel.conftest import WWIDS, Host

from lab.storage import ScsiPath

from .mounted import POLICIES, SELECTORS, Mounted

MAP: dict[str, t.Any] = {"name": "data", "wwid": WWIDS[0], "no_path_retry": "queue"}
TIMEOUT = 5
"""What the modules are given while no path is left; they have `SLACK` seconds more."""
SLACK = 15.0


class Fabric(Mounted):
    """The LUN of the booted host, and what happens to its paths."""

    def __init__(self, host: Host, chance: random.Random, found: Counter[str]) -> None:
        super().__init__(host, found, {**MAP, "path_grouping_policy": "multibus"})
        self.chance = chance
        self.offline: set[str] = set()
        self.unplugged: list[ScsiPath] = []
        self.size = host.lab.machine.luns[0]

    def plugged(self) -> list[ScsiPath]:
        return [path for path in self.host.lab.paths(0) if path not in self.unplugged]

    def disks(self) -> list[str]:
        links = [f"/dev/disk/by-path/{path.by_path}" for path in self.plugged()]
        return [path.rpartition("/")[2] for path in self.host.run("realpath", *links).split()]

    def set_state(self, disk: str, state: str) -> None:
        self.host.shell(f"echo {state} > /sys/block/{disk}/device/state")

    # What happens.

    def lose(self) -> None:
        """A path goes offline, if another one is left."""
        left = [disk for disk in self.disks() if disk not in self.offline]
        active = [number for number, state in self.states().items() if state == "A"]
        if len(left) > 1 and len(active) > 1:
            disk = self.chance.choice(left)
            self.set_state(disk, "offline")
            self.offline.add(disk)

    def back(self) -> None:
        """A path comes back, and is reinstated."""
        if self.offline:
            disk = self.chance.choice(sorted(self.offline))
            self.set_state(disk, "running")
            self.offline.remove(disk)
            self.host.applied("multipath_path", state="active", maps=["data"], paths=[disk])

    def all_back(self) -> None:
        for disk in sorted(self.offline):
            self.set_state(disk, "running")
        self.offline.clear()
        # Not what the map still has of a path that is unplugged: that fails again.
        self.host.applied("multipath_path", state="active", maps=["data"], paths=self.disks())

    def unplug(self) -> None:
        """A path's device goes altogether, if another one is left."""
        if self.unplugged:
            return
        self.all_back()
        path = self.chance.choice(self.plugged())
        self.host.lab.unplug(path)
        self.unplugged.append(path)

    def plug(self, failing: str = "") -> None:
        """The device comes back, is found by a scan, and joins the map."""
        if self.unplugged:
            self.all_back()
            self.host.lab.plug(self.unplugged.pop(), failing)
            count = len(self.plugged())
            self.host.applied("lun_paths", wwid=WWIDS[0], min_paths=count)
            self.host.applied("multipath_map", **self.stated, min_paths=count)

    def sicken(self) -> None:
        """Each write through one path fails, though it is there; the others take over."""
        self.plug()
        self.unplug()
        (path,) = self.unplugged
        self.plug(failing="write")
        self.reload(path_grouping_policy="multibus")
        disk = self.host.run("realpath", f"/dev/disk/by-path/{path.by_path}").strip()
        number = self.host.number(disk.rpartition("/")[2])
        for _time in range(2):
            self.until(lambda: self.states()[number] == "F", "the path does not fail")
            self.await_io()
            # It is reinstated, and fails again: at once, which the task says, or a moment later.
            answer = self.host.module("multipath_path", state="active", maps=["data"], timeout=20)
            self.found[f"multipath_path {outcome(answer)} with a path that fails"] += 1
        self.host.lab.unplug(path)
        self.unplugged.append(path)
        self.plug()

    def other_policies(self) -> None:
        """A task states others."""
        policy, selector = self.chance.choice(POLICIES), self.chance.choice(SELECTORS)
        self.reload(path_grouping_policy=policy, path_selector=selector)

    def rescan(self) -> None:
        """The host scans, and reads each path's size again."""
        self.host.shell(
            "for scan in /sys/class/scsi_host/*/scan; do echo '- - -' > $scan; done;"
            " for disk in /sys/block/sd*; do"
            " grep -q running $disk/device/state && echo 1 > $disk/device/rescan; done || true"
        )

    def grow(self) -> None:
        """The LUN grows on all paths, and the map with it."""
        self.plug()
        self.all_back()
        self.size += 8 << 20
        self.host.lab.grow_lun(0, self.size)
        self.host.applied("lun_paths", wwid=WWIDS[0], min_paths=len(self.plugged()))
        grown = self.host.applied("multipath_map", **self.stated)
        assert grown["maps"][0]["size"] == self.size, grown

    def partition(self) -> None:
        """The partition map is renamed in place."""
        delimiter = self.chance.choice(("-part", "p", "_"))
        self.host.applied("partition_maps", device="data", delimiter=delimiter)

    def all_down(self) -> None:
        """No path is left: I/O waits, modules answer; a path returns, and I/O goes on."""
        for disk in self.disks():
            self.set_state(disk, "offline")
            self.offline.add(disk)
        self.until(lambda: "A" not in self.states().values(), "a path is still active")
        for module, options in (
            ("device_mapper_info", {}),
            ("multipath_map", self.stated),
            ("partition_maps", {"device": "data"}),
            ("multipath_path", {"state": "active", "maps": ["data"]}),
            ("lun_paths", {"wwid": WWIDS[0]}),
        ):
            started = time.monotonic()
            answer = self.host.module(module, **{**options, "timeout": TIMEOUT})
            seconds = time.monotonic() - started
            assert seconds < TIMEOUT + SLACK, f"{module} took {seconds:.0f} s: {answer}"
            self.found[f"{module} {outcome(answer)} without paths"] += 1
        disk = self.chance.choice(sorted(self.offline))
        self.set_state(disk, "running")
        self.offline.remove(disk)
        self.host.applied("multipath_path", state="active", maps=["data"], paths=[disk])
        self.await_io()
        self.all_back()

    def happen(self) -> None:
        """Let something happen; I/O goes on."""
        events = (self.lose, self.lose, self.back, self.unplug, self.plug)
        policies = (self.other_policies, self.other_policies)
        rarer = (self.rescan, self.grow, self.partition, self.sicken, self.all_down)
        event = self.chance.choice((*events, *policies, *rarer))
        self.found[event.__name__] += 1
        try:
            event()
            self.await_io()
        except AssertionError as error:
            error.add_note(f"in {event.__name__}, after {self.found}; paths {self.states()}")
            raise


def outcome(answer: dict[str, t.Any]) -> str:
    """Return whether a task has ended with a message, in a word."""
    return "refused" if answer.get("failed") else "done"


def run(host: Host, seconds: int, seed: int, found: Counter[str]) -> None:
    """Let it happen until the time is over; the first violation ends it."""
    fabric = Fabric(host, random.Random(seed), found)
    end = time.monotonic() + seconds
    with fabric.mounted():
        while time.monotonic() < end:
            fabric.happen()
