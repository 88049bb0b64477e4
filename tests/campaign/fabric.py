# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults below the maps, on the booted host, under a mounted file system that fio verifies.

Paths go offline and come back, are unplugged and plugged again; LUNs are rescanned and grow;
modules change the map meanwhile. No I/O fails while a path is left. With none left, every module
answers within its timeout, and I/O goes on when one returns.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import time
import typing as t
from collections import Counter
from collections.abc import Iterator

from kernel.conftest import WWIDS, Host

from lab.storage import ScsiPath

FIO = """
fio --name=verified --filename=/mnt/test/file --size=32M --rw=randwrite --bs=4k --direct=1
--rate_iops=25 --time_based --runtime=86400 --verify=crc32c --verify_backlog=64 --verify_fatal=1
--output-format=json
"""
MAP: dict[str, t.Any] = {"name": "data", "wwid": WWIDS[0], "no_path_retry": "queue"}
POLICIES = ("failover", "multibus", "auto")
SELECTORS = ("service-time", "round-robin", "queue-length")
ENOUGH = 60.0
"""Seconds within which I/O goes on, and udev has dealt with a path, under software emulation."""
TIMEOUT = 5
"""What the modules are given while no path is left; they have `SLACK` seconds more."""
SLACK = 15.0


class Fabric:
    """The booted host with a mounted partition of a map, and what happens below it."""

    def __init__(self, host: Host, chance: random.Random, found: Counter[str]) -> None:
        self.host = host
        self.chance = chance
        self.found = found
        self.stated: dict[str, t.Any] = {**MAP, "path_grouping_policy": "multibus"}
        self.offline: set[str] = set()
        self.unplugged: list[ScsiPath] = []
        self.device = ""
        self.size = host.lab.machine.luns[0]

    @contextlib.contextmanager
    def mounted(self) -> Iterator[None]:
        """Mount a file system, write to it and verify it; nothing may fail."""
        host = self.host
        host.applied("multipath_map", **self.stated)
        quiet = ("--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never")
        host.run("sfdisk", *quiet, "/dev/mapper/data", input="label: gpt\n,128MiB\n")
        host.applied("partition_maps", device="data", delimiter="-part")
        host.shell(
            "mkfs.ext4 -q /dev/mapper/data-part1; mkdir -p /mnt/test;"
            " mount -o errors=remount-ro /dev/mapper/data-part1 /mnt/test"
        )
        self.device = host.run("realpath", "/dev/mapper/data-part1").strip()[len("/dev/") :]
        argv = host.lab.ssh_argv(*FIO.split())
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as fio:
            self.fio = fio
            try:
                self.await_io()
                yield
            finally:
                self.all_back()
                host.run("pkill", "-INT", "-x", "fio", check=False)
                output = fio.communicate(timeout=300)[0]
        (job,) = json.loads(output[output.index("{") :])["jobs"]
        assert job["error"] == 0, output
        self.found["KiB written and verified"] += job["read"]["io_kbytes"]
        host.shell("umount /mnt/test; e2fsck -fn /dev/mapper/data-part1 > /dev/null 2>&1")

    def completed(self) -> int:
        words = self.host.run("cat", f"/sys/block/{self.device}/stat").split()
        return int(words[0]) + int(words[4])

    def await_io(self) -> None:
        """Return once I/O goes on."""
        before, end = self.completed(), time.monotonic() + ENOUGH
        while self.completed() == before:
            assert self.fio.poll() is None, "fio has ended"
            assert time.monotonic() < end, f"I/O does not go on: {self.host.table()}"
            time.sleep(0.1)

    def plugged(self) -> list[ScsiPath]:
        return [path for path in self.host.lab.paths(0) if path not in self.unplugged]

    def disks(self) -> list[str]:
        links = [f"/dev/disk/by-path/{path.by_path}" for path in self.plugged()]
        return [path.rpartition("/")[2] for path in self.host.run("realpath", *links).split()]

    def states(self) -> dict[str, str]:
        """Return which path of the map is active (A) or failed (F), by number."""
        words = self.host.run("dmsetup", "status", "--noflush", "data").split()
        return {word: words[at + 1] for at, word in enumerate(words) if ":" in word[1:-1]}

    def set_state(self, disk: str, state: str) -> None:
        self.host.shell(f"echo {state} > /sys/block/{disk}/device/state")

    def until(self, holds: t.Callable[[], bool], words: str) -> None:
        end = time.monotonic() + ENOUGH
        while not holds():
            assert time.monotonic() < end, words
            time.sleep(0.1)

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
        self.host.applied("multipath_path", state="active", maps=["data"])

    def unplug(self) -> None:
        """A path's device goes altogether, if another one is left."""
        if self.unplugged:
            return
        self.all_back()
        path = self.chance.choice(self.plugged())
        self.host.lab.unplug(path)
        self.unplugged.append(path)

    def plug(self) -> None:
        """The device comes back, is found by a scan, and joins the map."""
        if self.unplugged:
            self.all_back()
            self.host.lab.plug(self.unplugged.pop())
            count = len(self.plugged())
            self.host.applied("lun_paths", wwid=WWIDS[0], min_paths=count)
            self.host.applied("multipath_map", **self.stated, min_paths=count)

    def reload(self) -> None:
        """A task states other policies; the second run is quiet."""
        self.stated["path_grouping_policy"] = self.chance.choice(POLICIES)
        self.stated["path_selector"] = self.chance.choice(SELECTORS)
        self.host.applied("multipath_map", **self.stated)
        assert not self.host.applied("multipath_map", **self.stated)["changed"]

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
            self.found[
                f"{module} {'refused' if answer.get('failed') else 'done'} without paths"
            ] += 1
        disk = self.chance.choice(sorted(self.offline))
        self.set_state(disk, "running")
        self.offline.remove(disk)
        self.host.applied("multipath_path", state="active", maps=["data"], paths=[disk])
        self.await_io()
        self.all_back()

    def happen(self) -> None:
        """Let something happen; I/O goes on."""
        events = (self.lose, self.lose, self.back, self.reload, self.reload, self.unplug, self.plug)
        rarer = (self.rescan, self.grow, self.partition, self.all_down)
        event = self.chance.choice((*events, *rarer))
        self.found[event.__name__] += 1
        try:
            event()
            self.await_io()
        except AssertionError as error:
            error.add_note(f"in {event.__name__}, after {self.found}; paths {self.states()}")
            raise


def run(host: Host, seconds: int, seed: int, found: Counter[str]) -> None:
    """Let it happen until the time is over; the first violation ends it."""
    fabric = Fabric(host, random.Random(seed), found)
    end = time.monotonic() + seconds
    with fabric.mounted():
        while time.monotonic() < end:
            fabric.happen()
