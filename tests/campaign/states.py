# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random states of the booted host, as people leave them with dmsetup, and random tasks about them.

After each task: check mode has foreseen it, a second run is quiet, nothing of the task's is
suspended or half-loaded, the maps of others are as they were, /dev/mapper shows what there is; or
the task is refused with one message, in check mode too, and nothing has changed.
"""

from __future__ import annotations

import shlex
import time
import typing as t
from collections import Counter
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st
from kernel.conftest import Host
from unit.worlds import Draw

from lab.storage import wwid

NAMES = ("data", "log", "archive", "1", "data-part1", "datap2", "log_1")
DELIMITERS = ("auto", "", "p", "-part", "_")
TABLE = "label: gpt\n,8MiB\n,16MiB\n,\n"
PARTITIONS = {1: (2048, 16384), 2: (18432, 32768), 3: (51200, 8192)}
"""Starts and lengths in sectors; the third one's length is not the table's."""
FOREIGN = (
    ("foreign-root", "LVM-data", "0 1024 linear {loop} 0"),
    ("log", "", "0 1024 linear {loop} 1024"),
    ("foreign-part1", "part1-mpath-00", "0 8 linear {loop} 2048"),
    ("foreign-mpath", "mpath-00", "0 16384 multipath 0 0 1 1 round-robin 0 1 0 {loop}"),
    ("foreign-suspended", "LVM-suspended", "0 8 zero"),
)
"""Maps of others: names that a task may want, uuids that resemble those of its maps."""
SETTLED = 30.0

Options = dict[str, t.Any]


@dataclass(frozen=True)
class Left:
    """A map as somebody has left it: tables as dmsetup takes them, empty for none."""

    name: str
    uuid: str
    live: str
    inactive: str = ""
    messages: tuple[str, ...] = ()
    read_only: bool = False
    suspended: bool = False
    opened: bool = False


@dataclass(frozen=True)
class Task:
    """A module and its options."""

    module: str
    options: Options


@dataclass(frozen=True)
class Sequence:
    """A state that is left, and what tasks state then, one after the other."""

    maps: tuple[Left, ...]
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class World:
    """The LUNs of the host: WWIDs, and the numbers of each one's paths; sizes in sectors."""

    wwids: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...]
    size: int


def shared(draw: Draw, items: t.Sequence[str]) -> list[list[str]]:
    """Return the items in groups, in random order."""
    groups: list[list[str]] = [[]]
    permuted: list[str] = draw(st.permutations(items))
    for item in permuted:
        if draw(st.booleans()) and groups[-1]:
            groups.append([])
        groups[-1].append(item)
    return groups


def multipath(draw: Draw, world: World, lun: int) -> str:
    """Return a table over some of a LUN's paths."""
    paths = world.paths[lun][: draw(st.integers(1, len(world.paths[lun])))]
    selector, argument = draw(
        st.sampled_from((("service-time", " 1"), ("round-robin", " 1000"), ("queue-length", "")))
    )
    features = draw(
        st.sampled_from(
            ("0", "0", "0", "1 queue_if_no_path", "2 pg_init_retries 50", "2 queue_mode bio")
        )
    )
    groups = shared(draw, paths)
    count = 1 if argument else 0
    words = " ".join(
        f"{selector} 0 {len(group)} {count} " + " ".join(path + argument for path in group)
        for group in groups
    )
    size = draw(st.sampled_from((world.size, world.size, world.size - 2048)))
    return f"0 {size} multipath {features} 0 {len(groups)} 1 {words}"


def left_map(draw: Draw, world: World, lun: int, name: str) -> Left:
    """Return a map of a LUN as somebody has left it."""
    kind = draw(st.integers(0, 11))
    live = multipath(draw, world, lun)
    if kind == 0:
        live = ""
    elif kind == 1:
        live = f"0 {world.size} error"
    elif kind == 2:
        live = f"0 {world.size} linear {world.paths[lun][0]} 0"
    inactive = ""
    if draw(st.integers(0, 3)) == 0:
        inactive = draw(st.sampled_from((f"0 {world.size} error", multipath(draw, world, lun))))
        if live and ("queue_mode" in live) != ("queue_mode" in inactive):
            inactive = ""
        if ("linear" in live or "error" in live) and "multipath" in inactive:
            inactive = ""
    messages: tuple[str, ...] = ()
    if kind > 2:
        failed = [path for path in world.paths[lun] if f"{path} " in live + " "]
        # Somebody may wait for I/O to a map that queues without a path, udev first of all.
        most = len(failed) - ("queue_if" in live)
        messages = tuple(f"fail_path {path}" for path in failed[: draw(st.integers(0, most))])
    suspended = bool(live) and draw(st.integers(0, 4)) == 0
    opened = bool(live) and not suspended and draw(st.integers(0, 4)) == 0
    read_only = draw(st.integers(0, 7)) == 0
    uuid = f"mpath-{world.wwids[lun]}"
    return Left(name, uuid, live, inactive, messages, read_only, suspended, opened)


def left_partition(draw: Draw, number: int, parent: Left, name: str) -> Left:
    """Return a map of a partition as somebody has left it."""
    start, length = PARTITIONS[number]
    start += draw(st.sampled_from((0, 0, 0, 8)))
    live = f"0 {length} linear /dev/mapper/{parent.name} {start}"
    if draw(st.integers(0, 5)) == 0:
        live = ""
    suspended = bool(live) and draw(st.integers(0, 5)) == 0
    opened = bool(live) and not suspended and draw(st.integers(0, 5)) == 0
    return Left(name, f"part{number}-{parent.uuid}", live, suspended=suspended, opened=opened)


def stated_map(draw: Draw, world: World, lun: int, name: str) -> Options:
    """Return what a task states of a LUN."""
    options: Options = {"wwid": world.wwids[lun]}
    if draw(st.integers(0, 3)) == 0:
        options["state"] = "absent"
        options["in_use"] = draw(st.sampled_from(("fail", "defer")))
        return options
    options["name"] = name
    options["path_grouping_policy"] = draw(st.sampled_from(("failover", "multibus", "auto")))
    options["path_selector"] = draw(
        st.sampled_from(("service-time", "round-robin", "queue-length"))
    )
    options["no_path_retry"] = draw(st.sampled_from(("fail", "fail", "queue")))
    options["allow_shrink"] = draw(st.booleans())
    options["read_only"] = draw(st.integers(0, 7)) == 0
    if draw(st.integers(0, 3)) == 0:
        options["paths"] = list(world.paths[lun][: draw(st.integers(1, len(world.paths[lun])))])
    if draw(st.integers(0, 5)) == 0:
        options["features"] = {"queue_mode": draw(st.sampled_from(("bio", "rq")))}
    return options


def task(draw: Draw, world: World, names: t.Sequence[str]) -> Task:
    """Return a task about the LUNs, or about the partitions of the map of one of those names."""
    if names and draw(st.integers(0, 2)) == 0:
        options: Options = {
            "device": draw(st.sampled_from(names)),
            "state": draw(st.sampled_from(("present", "present", "absent"))),
            "delimiter": draw(st.sampled_from(DELIMITERS)),
            "purge": draw(st.booleans()),
            "read_only": draw(st.integers(0, 5)) == 0,
        }
        if draw(st.integers(0, 3)) == 0:
            options["partitions"] = sorted(draw(st.sets(st.integers(1, 3), min_size=1)))
        return Task("partition_maps", options)
    wanted = draw(st.permutations(NAMES))
    luns = draw(st.sets(st.sampled_from(range(len(world.wwids))), min_size=1))
    maps = [stated_map(draw, world, lun, wanted[lun]) for lun in sorted(luns)]
    return Task("multipath_map", {"maps": maps})


@st.composite
def sequences(draw: st.DrawFn, world: World) -> Sequence:
    """Return a state and tasks."""
    names = [name for name in draw(st.permutations(NAMES)) if name != "log"]
    maps: list[Left] = []
    for lun in range(len(world.wwids)):
        if draw(st.integers(0, 3)):
            maps.append(left_map(draw, world, lun, names.pop()))
    parents = [each for each in maps if each.live and "error" not in each.live]
    for parent in parents[:1]:
        for number in PARTITIONS:
            if draw(st.booleans()):
                # A holder of the parent's device that is opened needs the parent to do I/O.
                name = f"{parent.name}-part{number}" if draw(st.booleans()) else names.pop()
                if name not in [each.name for each in maps]:
                    maps.append(left_partition(draw, number, parent, name))
    known = [each.name for each in maps if each.uuid.startswith("mpath-")]
    tasks = tuple(task(draw, world, known) for _task in range(draw(st.integers(1, 3))))
    return Sequence(tuple(maps), tasks)


def script(maps: t.Sequence[Left]) -> str:
    """Return the commands by which somebody leaves the maps so."""
    lines = []
    # The partitions' tables name the nodes of maps that were made before.
    for prefix in ("mpath-", "part"):
        lines.append("cookie=$(dmsetup udevcreatecookie)")
        for each in maps:
            table = f"--table {shlex.quote(each.live)}" if each.live else "--notable"
            option = "--readonly" if each.read_only else ""
            if each.uuid.startswith(prefix):
                lines.append(
                    f"dmsetup create {shlex.quote(each.name)} --uuid {each.uuid} {option}"
                    f" --udevcookie $cookie {table}"
                )
        lines.append("dmsetup udevreleasecookie $cookie")
    for each in maps:
        name = shlex.quote(each.name)
        lines += [f"dmsetup message {name} 0 {text}" for text in each.messages]
        if each.inactive:
            lines.append(f"dmsetup load {name} --table {shlex.quote(each.inactive)}")
        if each.opened:
            lines.append(
                f"sleep 86400 < /dev/mapper/{name} > /dev/null 2>&1 & echo $! >> /run/opened"
            )
    lines += [
        f"dmsetup suspend {'--noflush' if 'queue_if' in each.live else ''} {shlex.quote(each.name)}"
        for each in reversed(maps)
        if each.suspended
    ]
    return "\n".join(lines)


WIPE = """
if [ -e /run/opened ]; then kill $(cat /run/opened) 2> /dev/null || true; rm /run/opened; fi
for turn in 1 2 3; do
  left=$(dmsetup info --columns --noheadings --separator '|' -o name,uuid |
    grep -E '[|](part[0-9]+-)?mpath-3' | cut -d '|' -f 1 || true)
  for name in $left; do
    dmsetup message $name 0 fail_if_no_path 2> /dev/null || true
    dmsetup clear $name
    # Without a wait: udev reads a partition map, and hangs while the map below is suspended.
    dmsetup resume --noudevsync $name 2> /dev/null || true
  done
  udevadm settle
  for name in $left; do dmsetup remove --retry $name 2> /dev/null || true; done
done
test -z "$left"
"""
SEEN = (
    "dmsetup info --columns --noheadings --separator '|'"
    " -o name,uuid,suspended,tables_loaded,events,readonly; echo ---; dmsetup table; echo ---;"
    " dmsetup table --inactive; echo ---; dmsetup udevcookies | grep -c 0x || true; echo ---;"
    " ls /dev/mapper"
)


@dataclass(frozen=True)
class Seen:
    """What there is of maps on the host."""

    text: str

    def parts(self) -> list[list[str]]:
        return [part.splitlines() for part in self.text.split("---\n")]

    def rows(self) -> list[list[str]]:
        """Return name, uuid, whether suspended, which tables, events, whether writeable."""
        return [line.split("|") for line in self.parts()[0]]

    def foreign(self) -> list[str]:
        ours = {row[0] for row in self.rows() if "mpath-3" in row[1]}
        rows = ["|".join(row) for row in self.rows() if row[0] not in ours]
        return rows + [line for line in self.parts()[1] if line.split(":")[0] not in ours]

    def ours(self) -> list[list[str]]:
        return [row for row in self.rows() if "mpath-3" in row[1]]

    def nodes_are_there(self) -> bool:
        """Return whether there are nodes of all maps that have a table, and of no others."""
        nodes = {*self.parts()[4]} - {"control"}
        live = {row[0] for row in self.rows() if row[3] in ("Live", "Both")}
        return live <= nodes <= {row[0] for row in self.rows()}


class Machine:
    """The booted host, and the laws."""

    def __init__(self, host: Host, world: World, found: Counter[str]) -> None:
        self.host = host
        self.world = world
        self.found = found

    def seen(self) -> Seen:
        return Seen(self.host.shell(SEEN))

    def go(self, sequence: Sequence) -> None:
        """Hold a sequence to the laws."""
        self.host.shell(WIPE)
        self.host.shell(script(sequence.maps))
        self.found["sequences"] += 1
        for each in sequence.tasks:
            self.hold(each)

    def hold(self, stated: Task) -> None:
        """Run a task and hold it to the laws."""
        options = {**stated.options, "timeout": 20}
        before = self.seen()
        checked = self.host.module(stated.module, check_mode=True, diff=True, **options)
        done = self.host.module(stated.module, diff=True, **options)
        after = self.seen()
        note(f"{before.text}\n{checked}\n{done}\n{after.text}")
        assert after.foreign() == before.foreign()
        assert after.parts()[3] == ["0"], "a udev cookie is left"
        if done.get("failed"):
            self.found["refused"] += 1
            assert done["msg"].isprintable()
            assert checked.get("msg") == done["msg"]
            assert after.text == before.text
            return
        self.found["changed" if done["changed"] else "quiet"] += 1
        for key in ("changed", "plan", "diff"):
            assert checked.get(key) == done.get(key), f"check mode foresees another {key}"
        again = self.host.module(stated.module, **options)
        note(f"{again}")
        assert (again.get("changed"), again.get("plan")) == (False, []), "the second run changes"
        self.hold_maps(stated, done)

    def hold_maps(self, stated: Task, done: Options) -> None:
        """Hold what a task has left to the laws."""
        end = time.monotonic() + SETTLED
        while not (now := self.seen()).nodes_are_there():
            assert time.monotonic() < end, f"/dev/mapper is not as the maps are: {now.text}"
        names = {each["name"] for each in done["maps"]}
        for name, _uuid, suspended, tables, *_more in now.ours():
            if name in names:
                assert (suspended, tables) == ("Active", "Live"), f"{name}: {suspended} {tables}"
        assert names <= {row[0] for row in now.ours()}


def prepared(host: Host) -> World:
    """Make the maps of others and a partition table on each LUN; return the LUNs."""
    sizes = host.lab.machine.luns
    wwids = tuple(wwid(lun) for lun in range(len(sizes)))
    paths = tuple(tuple(host.number(disk) for disk in host.disks(lun)) for lun in range(len(sizes)))
    for each in wwids:
        host.applied("multipath_map", name="table", wwid=each)
        quiet = ("--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never")
        host.run("sfdisk", *quiet, "/dev/mapper/table", input=TABLE)
        host.applied("multipath_map", wwid=each, state="absent")
    host.shell("truncate -s 8M /var/tmp/foreign.raw")
    loop = host.run("losetup", "--find", "--show", "/var/tmp/foreign.raw").strip()
    number = host.number(loop.rpartition("/")[2])
    for name, uuid, table in FOREIGN:
        identity = ("--uuid", uuid) if uuid else ()
        host.run("dmsetup", "create", name, *identity, "--table", table.format(loop=number))
    host.shell("dmsetup suspend foreign-suspended; udevadm settle")
    return World(wwids, paths, sizes[0] // 512)


def run(host: Host, seconds: int, number: int, found: Counter[str], examples: int = 10_000) -> None:
    """Hold sequences to the laws until the time is over; the first violation ends it."""
    machine = Machine(host, prepared(host), found)
    end = time.monotonic() + seconds

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(sequences(machine.world))
    def laws(sequence: Sequence) -> None:
        if time.monotonic() < end:
            machine.go(sequence)

    try:
        laws()
    finally:
        host.shell(WIPE + "dmsetup resume foreign-suspended", check=False)
