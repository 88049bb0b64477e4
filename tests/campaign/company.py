# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults beside the modules, on the booted host: udev, kpartx, dmsetup, other runs, disks, SSH.

A task that is disturbed does what it states, or ends with one message. Once nobody disturbs any
more the next run converges and the one after is quiet; nothing is suspended, no cookie is left.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import time
import typing as t
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from kernel.conftest import REMOTE, WWIDS, Host

UDEVD = "systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket"
STATED: tuple[tuple[str, dict[str, t.Any]], ...] = (
    ("multipath_map", {"name": "data", "wwid": WWIDS[0], "path_grouping_policy": "multibus"}),
    ("multipath_map", {"name": "archive", "wwid": WWIDS[0], "path_selector": "round-robin"}),
    ("multipath_map", {"maps": [{"name": f"m{wwid}", "wwid": wwid} for wwid in WWIDS]}),
    ("multipath_map", {"maps": [{"wwid": wwid} for wwid in WWIDS], "state": "absent"}),
    ("partition_maps", {"device": WWIDS[0], "delimiter": "-part"}),
    ("partition_maps", {"device": WWIDS[0], "delimiter": "p"}),
    ("partition_maps", {"device": WWIDS[0], "state": "absent"}),
)
"""A device that is a WWID stands for the map of this LUN."""
ENOUGH = "/run/enough"
TABLE = "label: gpt\n" + ",8MiB\n" * 4
LOOPS = (
    "kpartx -u -p -part $map; kpartx -d $map",
    "dmsetup suspend $name; dmsetup resume $name",
    "dmsetup rename $name other; dmsetup rename other $name",
    'dmsetup load $name --table "$(dmsetup table $name)"; dmsetup clear $name',
    "dmsetup message $name 0 queue_if_no_path; dmsetup message $name 0 fail_if_no_path",
    "dmsetup remove $name",
    "udevadm trigger --subsystem-match=block",
)
"""What others do to the map of the first LUN, over and over."""


class Company:
    """The booted host, and those who disturb."""

    def __init__(self, host: Host, chance: random.Random, found: Counter[str]) -> None:
        self.host = host
        self.chance = chance
        self.found = found

    def task(self) -> tuple[str, dict[str, t.Any]]:
        """Return a random task; that of partitions is about the map by its present name."""
        module, options = self.chance.choice(STATED)
        if module == "partition_maps":
            listed = self.host.run("dmsetup", "info", "--columns", "--noheadings",
                                   "--separator=|", "-o", "name,uuid")  # fmt: skip
            names = [line.split("|")[0] for line in listed.split() if f"|mpath-{WWIDS[0]}" in line]
            if not names:
                return STATED[0]
            options = {**options, "device": names[0]}
        return module, options

    def disturbed(self, **more: t.Any) -> None:
        """Run tasks that may fail with a message."""
        for _task in range(self.chance.randint(1, 3)):
            module, options = self.task()
            answer = self.host.module(module, **options, **more)
            self.note(answer)

    def note(self, answer: dict[str, t.Any]) -> None:
        if answer.get("failed"):
            assert answer["msg"].isprintable()
            self.found["ended with a message"] += 1
        else:
            self.found["done" if answer["changed"] else "nothing to do"] += 1

    def converge(self) -> None:
        """Hold the host to the laws, now that nobody disturbs."""
        self.host.run("udevadm", "settle")
        assert self.host.suspended() == []
        for number in range(2):
            module, options = self.task() if number else self.chance.choice(STATED[:4])
            self.host.applied(module, **options)
            again = self.host.applied(module, **options)
            assert (again["changed"], again["plan"]) == (False, []), again["plan"]
        assert "0x" not in self.host.run("dmsetup", "udevcookies")
        listed = self.host.run("dmsetup", "info", "--columns", "--noheadings", "-o", "name")
        names = {line for line in listed.split("\n") if line and "No devices" not in line}
        nodes = {*self.host.run("ls", "/dev/mapper").split()} - {"control"}
        assert nodes == names

    # Who disturbs.

    def no_udevd(self) -> None:
        """No udevd runs."""
        self.host.run("systemctl", "stop", *UDEVD.split())
        try:
            self.disturbed()
            assert self.host.suspended() == []
        finally:
            self.host.run("systemctl", "start", *UDEVD.split())
            self.host.shell("udevadm trigger --subsystem-match=block --settle")

    def slow_udevd(self) -> None:
        """The udevd stands still for a while, longer or shorter than the timeout."""
        self.host.shell(
            "pkill -STOP -x systemd-udevd;"
            f" (sleep {self.chance.uniform(0.2, 6):.1f}; pkill -CONT -x systemd-udevd)"
            " > /dev/null 2>&1 &"
        )
        try:
            self.disturbed(timeout=4)
        finally:
            self.host.run("pkill", "-CONT", "-x", "systemd-udevd", check=False)

    def restarted_udevd(self) -> None:
        """The udevd is restarted in the middle of a run."""
        module, options = self.task()
        at = self.chance.randint(1, 8)
        restart = ["systemctl", "restart", "systemd-udevd.service"]
        self.note(self.host.module(module, at=at, disturb=restart, timeout=20, **options))

    @contextlib.contextmanager
    def meanwhile(self, commands: str) -> Iterator[None]:
        """Repeat commands about the map of the first LUN."""
        loop = (
            f"rm -f {ENOUGH}; while [ ! -e {ENOUGH} ]; do"
            " name=$(dmsetup info --columns --noheadings --separator '|' -o name,uuid |"
            f" grep '|mpath-{WWIDS[0]}' | cut -d '|' -f 1); map=/dev/mapper/$name;"
            f' if [ -n "$name" ]; then {commands}; fi; sleep 0.1; done'
        )
        # In a file: systemd would put its own values for the loop's variables.
        self.host.run("tee", "/run/meanwhile", input=loop)
        unit = ("--quiet", "--collect", "--unit=meanwhile")
        self.host.run("systemd-run", *unit, "sh", "/run/meanwhile")
        try:
            yield
        finally:
            # What the loop has begun comes to its end.
            self.host.shell(
                f"touch {ENOUGH};"
                " while systemctl --quiet is-active meanwhile.service; do sleep 0.1; done"
            )

    def others(self) -> None:
        """Others work by kpartx and dmsetup on the same maps."""
        commands = self.chance.choice(LOOPS)
        self.found[f"beside `{commands}`"] += 1
        with self.meanwhile(
            f"export PATH=$PATH:/var/tmp/kpartx/sbin:/var/tmp/kpartx/usr/sbin; {commands}"
        ):
            self.disturbed(timeout=20)
        self.host.run("udevadm", "settle")

    def at_once(self) -> None:
        """Two or eight runs at once; each waits for its turn."""
        tasks = [self.task() for _run in range(self.chance.choice((2, 8)))]
        with ThreadPoolExecutor(len(tasks)) as pool:
            runs = [pool.submit(self.host.module, module, **options) for module, options in tasks]
            for run in runs:
                self.note(run.result())

    def full_disk(self) -> None:
        """There is no room for the records of persistent maps; nothing half-written is left."""
        folder = self.chance.choice(("/etc/san.device_mapper", "/etc/udev/rules.d"))
        stated: dict[str, t.Any] = {"name": "data", "wwid": WWIDS[0], "persistent": True}
        self.host.shell(
            f"mkdir -p {folder}; mount -t tmpfs -o size=4k full {folder};"
            f" head -c 4096 /dev/zero > {folder}/full"
        )
        try:
            answer = self.host.module("multipath_map", **stated)
            assert "No space left on device" in answer["msg"]
            assert self.host.run("ls", "-A", folder).split() == ["full"]
            self.note(answer)
        finally:
            self.host.run("umount", folder)
        assert self.host.applied("multipath_map", **stated)["changed"]
        assert not self.host.applied("multipath_map", **stated)["changed"]
        self.host.applied("multipath_map", **{**stated, "persistent": False})
        left = self.host.shell("find /etc -path '*san*device*mapper*' -type f")
        assert left == "", left

    def cut(self) -> None:
        """The SSH connection ends in the middle; the run goes on or ends, not in between."""
        module, options = self.task()
        argv = self.host.lab.ssh_argv("python3", f"{REMOTE}/run_module.py", module)
        argv[1:1] = ["-S", "none"]
        with subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdin
            process.stdin.write(_stated(options))
            process.stdin.close()
            time.sleep(self.chance.uniform(1, 5))
            process.kill()
        self.host.shell(
            f"for turn in $(seq 300); do pgrep -f run_modul[e].py.{module} > /dev/null || exit 0;"
            " sleep 0.1; done; exit 1"
        )
        assert self.host.suspended() == []

    def happen(self) -> None:
        """Let somebody disturb, and hold the host to the laws afterwards."""
        events: tuple[Callable[[], None], ...] = (
            *(self.no_udevd, self.slow_udevd, self.restarted_udevd, self.others, self.others),
            *(self.at_once, self.full_disk, self.cut),
        )
        event = self.chance.choice(events)
        self.found[event.__name__] += 1
        try:
            event()
            self.converge()
        except BaseException as error:
            error.add_note(f"in {event.__name__}, after {self.found}")
            raise


def _stated(options: dict[str, t.Any]) -> bytes:
    return json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode()


def run(host: Host, seconds: int, seed: int, found: Counter[str]) -> None:
    """Let it happen until the time is over; the first violation ends it."""
    host.shell("dpkg-deb -x /opt/packages/kpartx_*.deb /var/tmp/kpartx")
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    quiet = ("--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never")
    host.run("sfdisk", *quiet, "/dev/mapper/data", input=TABLE)
    company = Company(host, random.Random(seed), found)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        company.happen()
