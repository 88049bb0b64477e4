# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LUN numbers that lead to other LUNs, while modules state maps and blocks are written to these.

The storage is the kernel's own target (LIO), within the booted host: units of one size, shown by
two ports under a few LUN numbers. A number shows another unit, two exchange theirs, units grow, and
udev is slow, stormed, or has not heard of it yet. Each block that is written names the unit whose
map it was written to; what is on the units is read behind the storage's back.
"""

from __future__ import annotations

import random
import time
import typing as t
from collections import Counter

from kernel.conftest import Host
from kernel.target import Target, content, target, wwid

from .fabric import outcome

UNITS, PORTS, NUMBERS = (1, 2, 3, 4), (1, 2), (0, 1, 2)
MIB = 8
WRITTEN = "/run/write_blocks.py"
BLOCKS = r"""
import glob, mmap, os, random, re, stat, subprocess, sys
units = {f"mpath-{wwid}": number for number, wwid in enumerate(sys.argv[2:], 1)}

def block(number):
    return b"unit %8d" % number + bytes(4083)

def write():
    listed = ["dmsetup", "info", "--columns", "--noheadings", "--separator", "|"]
    done = subprocess.run([*listed, "-o", "uuid,major,minor"], capture_output=True, text=True)
    rows = [line.split("|") for line in done.stdout.splitlines() if "|" in line]
    written = failed = 0
    node = "/var/tmp/written.node"  # Of its own: /dev/mapper may lag behind.
    for uuid, major, minor in rows:
        if uuid not in units:
            continue
        os.mknod(node, 0o600 | stat.S_IFBLK, os.makedev(int(major), int(minor)))
        try:
            descriptor = os.open(node, os.O_WRONLY | os.O_DIRECT)
        except OSError:
            failed += 1
            continue
        finally:
            os.unlink(node)
        size = int(open(f"/sys/block/dm-{minor}/size").read()) // 8
        page = mmap.mmap(-1, 4096)
        page.write(block(units[uuid]))
        for _block in range(16 if size else 0):
            try:
                os.pwrite(descriptor, page, 4096 * random.randrange(size))
                written += 1
            except OSError:
                failed += 1
        os.close(descriptor)
    print(written, failed)

def check():
    own = foreign = 0
    for name in glob.glob("/var/tmp/unit*.raw"):
        number = int(re.search("unit([0-9]+)", name).group(1))
        with open(name, "rb") as file:
            while data := file.read(4096):
                if data[:4] == b"unit":
                    own += data == block(number)
                    foreign += data != block(number)
    print(own, foreign)

write() if sys.argv[1] == "write" else check()
"""


class Identity:
    """The units, the LUN numbers that show them, and the maps."""

    def __init__(self, array: Target, chance: random.Random, found: Counter[str]) -> None:
        self.array = array
        self.host = array.host
        self.chance = chance
        self.found = found
        self.shown: dict[tuple[int, int], int] = {}
        self.sizes = dict.fromkeys(UNITS, MIB)

    def make(self) -> None:
        self.host.run("tee", WRITTEN, input=BLOCKS)
        for unit in UNITS:
            self.array.add_unit(unit, MIB)
        for number in NUMBERS:
            for port in PORTS:
                self.show(port, number, UNITS[number])
        self.host.run("udevadm", "settle")

    def show(self, port: int, number: int, unit: int) -> None:
        """Let a LUN number show a unit; no two numbers of a port show the same one."""
        others = [each for each in self.shown if each[0] == port and self.shown[each] == unit]
        if (port, number) in others:
            return
        for place in (*others, (port, number)):
            self.array.hide(*place)
            self.shown.pop(place, None)
        self.array.show(port, number, unit)
        self.shown[port, number] = unit

    # What happens to the storage.

    def remap(self) -> None:
        """A LUN number of a port shows another unit."""
        self.show(self.chance.choice(PORTS), self.chance.choice(NUMBERS), self.chance.choice(UNITS))

    def exchange(self) -> None:
        """Two LUN numbers of a port exchange what they show."""
        port = self.chance.choice(PORTS)
        first, second = self.chance.sample(NUMBERS, 2)
        units = self.shown.get((port, first)), self.shown.get((port, second))
        for number in (first, second):
            self.array.hide(port, number)
            self.shown.pop((port, number), None)
        for number, unit in ((second, units[0]), (first, units[1])):
            if unit is not None:
                self.show(port, number, unit)

    def unmap(self) -> None:
        """A LUN number of a port shows nothing."""
        place = self.chance.choice(PORTS), self.chance.choice(NUMBERS)
        self.array.hide(*place)
        self.shown.pop(place, None)

    def resize(self) -> None:
        """A unit grows, without a unit attention or an event."""
        unit = self.chance.choice(UNITS)
        self.sizes[unit] += 4
        self.host.shell(
            f"truncate -s {self.sizes[unit]}M {content(unit)};"
            f" losetup --set-capacity $(losetup --associated {content(unit)} | cut -d : -f 1)"
        )

    def rescan(self) -> None:
        """Another tool rescans the disks and scans the SCSI hosts."""
        self.host.shell(
            "for disk in $(grep -l LIO-ORG /sys/block/sd*/device/vendor); do"
            " echo 1 > $(dirname $disk)/rescan || true; done 2> /dev/null;"
            " for scan in /sys/class/scsi_host/host*/scan; do echo '- - -' > $scan; done",
            check=False,
        )

    def storm(self) -> None:
        """Udev has to look at everything once more."""
        self.host.shell("udevadm trigger --subsystem-match=block")

    def deaf(self) -> None:
        """The storage changes while udev deals with nothing; a task runs before it hears of it."""
        self.host.shell("udevadm control --stop-exec-queue")
        try:
            for _event in range(self.chance.randint(1, 3)):
                self.chance.choice((self.remap, self.exchange, self.unmap))()
            for _task in range(2):
                self.task(timeout=3)
                self.write()
        finally:
            self.host.shell("udevadm control --start-exec-queue")

    # What the host does.

    def task(self, timeout: int = 20) -> None:
        """A task states something of a unit; it may be refused, and says so in a line."""
        unit = self.chance.choice(UNITS)
        stated: dict[str, t.Any] = {"wwid": wwid(unit), "timeout": timeout}
        module = self.chance.choice(("multipath_map",) * 4 + ("lun_paths", "multipath_path"))
        if module == "multipath_map":
            absent = self.chance.randrange(6) == 0
            policy = self.chance.choice(("multibus", "failover"))
            here = {"name": f"unit{unit}", "path_grouping_policy": policy}
            stated.update({"state": "absent"} if absent else here)
        elif module == "lun_paths":
            stated["min_paths"] = self.chance.choice((1, 2))
            stated["timeout"] = min(timeout, 5)
        else:
            names = self.host.shell("dmsetup ls --target multipath | cut -f 1").split()
            if not any(name.startswith("unit") for name in names):
                return
            stated = {"state": "active", "timeout": timeout}
        answer = self.host.module(module, **stated)
        self.found[f"{module} {outcome(answer)}"] += 1

    def write(self) -> None:
        """Write blocks through each map, by its number, whatever became of its node."""
        written, failed = self.script("write")
        self.found["blocks written"] += written
        self.found["blocks that failed"] += failed

    def script(self, action: str) -> tuple[int, int]:
        first, second = self.host.run("python3", WRITTEN, action, *map(wwid, UNITS)).split()
        return int(first), int(second)

    def check(self) -> None:
        """No block is on another unit than the one whose map it was written to."""
        own, foreign = self.script("check")
        self.found["blocks found on their unit"] = own
        assert foreign == 0, f"{foreign} blocks are on another unit: {self.host.table()}"

    def happen(self) -> None:
        """Let something happen to the storage, and the host follow, or not."""
        choices = (self.remap, self.remap, self.exchange, self.unmap, self.resize, self.deaf)
        event = self.chance.choice(choices)
        self.found[event.__name__] += 1
        try:
            event()
            if self.chance.randrange(3) == 0:
                self.storm()
            if self.chance.randrange(3) == 0:
                self.rescan()
            for _task in range(self.chance.randint(1, 3)):
                self.task()
                self.write()
            self.check()
        except AssertionError as error:
            error.add_note(f"in {event.__name__}, after {self.found}; shown {self.shown}")
            raise


def run(host: Host, seconds: int, seed: int, found: Counter[str]) -> None:
    """Let it happen until the time is over; the first violation ends it."""
    with target(host, len(PORTS)) as array:
        storage = Identity(array, random.Random(seed), found)
        storage.make()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            storage.happen()
