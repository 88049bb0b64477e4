# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of every kind on maps, while tasks want to remove, move, shrink and rename these.

A map or a partition map that something uses, whatever it is, is still there after each task, with
its number and with all that it had; and so is the map below. What nothing uses may go.
"""

from __future__ import annotations

import random
import time
import typing as t
from collections import Counter
from dataclasses import dataclass

from kernel.conftest import UUIDS, WWIDS, Host

from .fabric import outcome

LAYOUTS = (
    "label: gpt\n,16MiB\n,16MiB\n,16MiB\n",
    "label: gpt\n,16MiB\n,16MiB\n,16MiB\n",
    "label: gpt\nstart=4MiB, size=16MiB\n,16MiB\n,16MiB\n",
    "label: gpt\n,12MiB\nstart=40MiB, size=24MiB\n",
    "label: gpt\n,16MiB\n",
    "label: gpt\n",
)
"""Partition tables that others write to the map `data`, in use or not."""
WAIT = "setsid sleep 900 > /dev/null 2>&1"


@dataclass(frozen=True)
class Kind:
    """How something uses a device, `$dev`, and how it ends that: scripts with a `$key` of its own.

    `$dm` is the kernel's name of the device. What a script prints at its end names the use.
    """

    name: str
    start: str
    stop: str


KINDS = (
    Kind(
        "mount",
        "mkfs.ext4 -qF $dev; mkdir -p /mnt/users/$key; mount $dev /mnt/users/$key",
        "umount /mnt/users/$key",
    ),
    Kind(
        "mount in another namespace",
        "mkfs.ext4 -qF $dev; mkdir -p /mnt/users/$key; rm -f /run/$key.ready;"
        " setsid unshare --mount --propagation private sh -c"
        ' "mount $dev /mnt/users/$key; touch /run/$key.ready; exec sleep 900" > /dev/null 2>&1 &'
        " echo $! > /run/$key.pid; until [ -e /run/$key.ready ]; do sleep 0.1; done",
        "kill $(cat /run/$key.pid); while grep -q /users/$key /proc/$(cat /run/$key.pid)/mounts"
        " 2> /dev/null; do sleep 0.1; done",
    ),
    Kind("swap", "mkswap -f $dev > /dev/null; swapon $dev", "swapoff $dev"),
    Kind(
        "loop",
        "losetup --find --show $dev > /run/$key.loop",
        "losetup --detach $(cat /run/$key.loop)",
    ),
    Kind(
        "lvm",
        "pvcreate -qq -ff -y $dev; vgcreate -qq -s 1M $key $dev;"
        " lvcreate -qq -y -Wn -Zn -L 4M -n lv $key",
        "vgchange -qq -an $key; vgremove -qq -ff -y $key; pvremove -qq -ff -y $dev",
    ),
    Kind(
        "md",
        "mdadm --quiet --build /dev/md/$key --level=1 --raid-devices=2 $dev missing",
        "mdadm --quiet --stop /dev/md/$key",
    ),
    Kind(
        "crypt",
        "dmsetup create $key --table"
        ' "0 $(blockdev --getsz $dev) crypt aes-xts-plain64 $(printf %064d 7) 0 $dev 0"',
        "dmsetup remove --retry $key",
    ),
    Kind(
        "target",
        "each=/sys/kernel/config/nvmet/subsystems/$key/namespaces/1; mkdir -p $each;"
        " printf $dev > $each/device_path; echo 1 > $each/enable",
        "each=/sys/kernel/config/nvmet/subsystems/$key; echo 0 > $each/namespaces/1/enable;"
        " rmdir $each/namespaces/1 $each",
    ),
    Kind(
        "process",
        f"{WAIT} 3< $dev & echo $! > /run/$key.pid;"
        " until readlink /proc/$!/exe | grep -q sleep; do sleep 0.1; done",
        "kill $(cat /run/$key.pid); while [ -e /proc/$(cat /run/$key.pid) ]; do sleep 0.1; done",
    ),
)


@dataclass(frozen=True)
class Seen:
    """A map: its number, how often it is open, and start, length and rest of its table."""

    device: str
    opens: int
    table: tuple[str, ...]

    def keeps(self, before: Seen) -> bool:
        """Whether a user of the map from before still has it, as it was or grown."""
        is_there = bool(self.table) and self.device == before.device and self.opens > 0
        if not is_there or int(self.table[1]) < int(before.table[1]):
            return False
        return "linear" not in before.table or self.table[2:] == before.table[2:]


class Users:
    """The maps, and who uses them: the kind and the key of each use, by the uuid of the map."""

    def __init__(self, host: Host, chance: random.Random, found: Counter[str]) -> None:
        self.host = host
        self.chance = chance
        self.found = found
        self.held: dict[str, tuple[Kind, str]] = {}
        self.keys = 0
        self.bag: list[Kind] = []
        """The kinds of users that have yet to come, until each has come once more."""

    def make(self) -> None:
        self.host.run("modprobe", "-a", "nvmet", "dm-crypt", "raid1", "loop", "xts")
        self.host.shell(
            "mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config"
        )
        self.restore()

    def restore(self) -> None:
        """State the maps that others are to use, as far as they are not there."""
        maps = [{"name": "data", "wwid": WWIDS[0]}, {"name": "log", "wwid": WWIDS[1]}]
        if UUIDS[0] not in self.seen():
            self.host.applied("lun_paths", wwid=WWIDS[0])
        self.host.module("multipath_map", maps=maps)  # A name may be kept by systemd.
        if UUIDS[0] not in self.used():
            self.layout(LAYOUTS[0])
            name = self.host.shell(f"{self.node(UUIDS[0])}; echo $name").strip()
            self.host.applied("partition_maps", device=name, delimiter="-part", purge=True)

    def layout(self, text: str) -> None:
        """Write a partition table to the map of the first LUN, whatever its name is."""
        if UUIDS[0] in self.held:
            return  # It has no partitions: what uses it is all over it.
        quiet = "--quiet --no-reread --no-tell-kernel --wipe=never"
        script = f"{self.node(UUIDS[0])}; sfdisk {quiet} $dev"
        self.host.run("sh", "-euc", script, input=text)

    @staticmethod
    def node(uuid: str) -> str:
        """Return what gives `$dev` and `$dm` their values."""
        return (
            f"name=$(dmsetup info --columns --noheadings -o name --uuid {uuid});"
            " dev=/dev/mapper/$name; dm=$(basename $(realpath $dev))"
        )

    def seen(self) -> dict[str, Seen]:
        """Return the multipath maps and partition maps, by uuid."""
        listed = self.host.shell(
            "dmsetup info --columns --noheadings --separator '|' -o name,uuid,major,minor,open;"
            " echo ---; dmsetup table"
        )
        info, tables = listed.split("---\n")
        texts = dict(line.split(": ", 1) for line in tables.splitlines() if ": " in line)
        rows = [line.split("|") for line in info.splitlines() if "mpath-" in line]
        return {
            uuid: Seen(f"{major}:{minor}", int(opens), tuple(texts.get(name, "").split()))
            for name, uuid, major, minor, opens in rows
        }

    def used(self) -> set[str]:
        """Return the maps that something uses, or that are below such a map."""
        parents = {uuid.partition("-")[2] for uuid in self.held if uuid.startswith("part")}
        return {*self.held} | parents

    # What happens.

    def come(self) -> None:
        """Something begins to use a map that nothing uses, nor a partition map of it."""
        parents = self.used() - {*self.held}
        children = {uuid.partition("-")[2] for uuid in self.seen() if uuid.startswith("part")}
        free = [each for each in self.seen() if each not in (*self.held, *parents, *children)]
        if not free:
            self.go()
            return
        self.bag = self.bag or self.chance.sample(KINDS, len(KINDS))
        uuid, kind = self.chance.choice(sorted(free)), self.bag.pop()
        self.keys += 1
        key = f"user{self.keys}"
        self.host.shell(
            f"{self.node(uuid)}; key={key}; udevadm settle; wipefs -qaf $dev; {kind.start};"
            " udevadm settle"
        )
        self.held[uuid] = kind, key
        self.found[f"used by {kind.name}"] += 1

    def go(self) -> None:
        """A use ends."""
        if self.held:
            uuid = self.chance.choice(sorted(self.held))
            kind, key = self.held.pop(uuid)
            opens = f"$(dmsetup info --columns --noheadings -o open --uuid {uuid})"
            self.host.shell(
                f"{self.node(uuid)}; key={key}; {kind.stop}; udevadm settle;"
                f" until [ {opens} = 0 ]; do sleep 0.1; done"
            )

    def repartition(self) -> None:
        """Another tool writes another partition table."""
        self.layout(self.chance.choice(LAYOUTS))

    def task(self) -> None:
        """A task wants something else than there is; what is used stays."""
        name = self.chance.choice(("data", "data", "other"))
        purging = {"device": WWIDS[0], "delimiter": self.chance.choice(("-part", "p", "auto"))}
        stated: tuple[tuple[str, dict[str, t.Any]], ...] = (
            ("multipath_map", {"wwid": WWIDS[0], "state": "absent"}),
            ("multipath_map", {"wwid": WWIDS[1], "state": "absent"}),
            ("multipath_map", {"wwid": WWIDS[0], "name": name}),
            ("partition_maps", {**purging, "state": "absent"}),
            ("partition_maps", {**purging, "purge": True}),
            ("partition_maps", purging),
            ("lun_paths", {"wwid": WWIDS[0], "state": "absent"}),
        )
        module, options = self.chance.choice(stated)
        before = self.seen()
        if "device" in options:
            if UUIDS[0] not in before:
                return
            options["device"] = self.host.shell(f"{self.node(UUIDS[0])}; echo $name").strip()
        answer = self.host.module(module, **options, timeout=3)
        after = self.seen()
        words = "with users" if self.held else "without users"
        self.found[f"{module} {outcome(answer)} {words}"] += 1
        for uuid in self.used():
            assert uuid in after, f"{uuid} is gone: {self.held}, {options}, {answer}"
            assert after[uuid].keeps(before[uuid]), f"{before[uuid]}, {after[uuid]}: {answer}"

    def happen(self) -> None:
        """Let something happen."""
        if UUIDS[0] not in self.seen() or self.chance.randrange(5) == 0:
            self.restore()
        events = (self.come, self.come, self.come, self.go, self.repartition)
        event = self.chance.choice(events)
        try:
            event()
            for _task in range(self.chance.randint(1, 2)):
                self.task()
        except AssertionError as error:
            error.add_note(f"in {event.__name__}, after {self.found}; {self.host.table()}")
            raise


def run(host: Host, seconds: int, seed: int, found: Counter[str]) -> None:
    """Let it happen until the time is over; the first violation ends it."""
    users = Users(host, random.Random(seed), found)
    users.make()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            users.happen()
    finally:
        while users.held:
            users.go()
