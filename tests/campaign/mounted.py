# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system on a map of the booted host, to which fio writes and which it verifies."""

from __future__ import annotations

import abc
import contextlib
import json
import subprocess
import time
import typing as t
from collections import Counter
from collections.abc import Iterator

from kernel.conftest import Host

FIO = """
fio --name=verified --filename=/mnt/test/file --size=32M --rw=randwrite --bs=4k --direct=1
--rate_iops=25 --time_based --runtime=86400 --verify=crc32c --verify_backlog=64 --verify_fatal=1
--output-format=json
"""
POLICIES = ("failover", "multibus", "auto")
SELECTORS = ("service-time", "round-robin", "queue-length")
ENOUGH = 60.0
"""Seconds within which I/O goes on, and udev has dealt with a path, under software emulation."""


class Mounted(abc.ABC):
    """A map and what a task states of it; a partition of it is mounted, and written to."""

    def __init__(self, host: Host, found: Counter[str], stated: dict[str, t.Any]) -> None:
        self.host = host
        self.found = found
        self.stated = stated
        self.device = ""

    def reload(self, **options: t.Any) -> None:
        """A task states other policies; the second run is quiet."""
        self.stated.update(options)
        self.host.applied("multipath_map", **self.stated)
        again = self.host.applied("multipath_map", **self.stated)
        assert (again["changed"], again["plan"]) == (False, []), again["plan"]

    @abc.abstractmethod
    def all_back(self) -> None:
        """Let I/O go through all paths that are there."""

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
        # The partition's map may have another name by now.
        host.shell(f"umount /mnt/test; e2fsck -fn /dev/{self.device} > /dev/null 2>&1")

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

    def states(self) -> dict[str, str]:
        """Return which path of the map is active (A) or failed (F), by number."""
        words = self.host.run("dmsetup", "status", "--noflush", "data").split()
        return {word: words[at + 1] for at, word in enumerate(words) if ":" in word[1:-1]}

    def until(self, holds: t.Callable[[], bool], words: str) -> None:
        end = time.monotonic() + ENOUGH
        while not holds():
            assert time.monotonic() < end, words
            time.sleep(0.1)
