# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random hosts for the laws, and random statements about them.

A host has maps of three LUNs and of the partitions of the first, in all states that people and
interrupted runs leave behind, and maps of others.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, Union

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from unit.memory_kernel import MemoryKernel
from unit.memory_map import MemoryMap
from unit.memory_multipath import Disk
from unit.readings import whole
from unit.strategies import loadable_multipaths

from ansible_collections.san.device_mapper.plugins.module_utils._plan.missing import (
    Absent,
    Desired,
    plan,
)
from ansible_collections.san.device_mapper.plugins.module_utils._plan.steps import Plan
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    Multipath,
    Path,
    PathGroup,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    Linear,
    Segment,
    Table,
    parse_table,
)

Example = TypeVar("Example")


class Draw(Protocol):
    """Chooses a value for hypothesis."""

    def __call__(self, strategy: SearchStrategy[Example], /) -> Example: ...


SECTORS = 2048
LUNS = {
    f"mpath-{number}": tuple(DeviceNumber(8, 64 * number + 16 * path) for path in range(3))
    for number in range(3)
}
HANDLERS = {"mpath-0": "", "mpath-1": "", "mpath-2": "alua"}
"""The hardware handlers that are attached to the LUNs' paths."""

PARENT = "mpath-0"
PARTITIONS = ("part1-mpath-0", "part2-mpath-0")
NAMES = ("data", "log", "data-part1", "data-part2", "dataq1", "0", "1", "2")
LOCAL_DISK = DeviceNumber(8, 240)
# Maps of others: a name that a task may want, uuids that resemble those of the task's maps.
FOREIGN = (
    ("vg-root", "LVM-x", "0 8 linear 8:240 0"),
    ("2", "", "0 8 linear 8:240 8"),
    ("unnamed", "", "0 8 zero"),
    ("data10", "mpath-00", "0 2048 multipath 0 0 1 1 round-robin 0 1 0 8:240"),
    ("data10-part1", "part1-mpath-00", "0 8 linear 8:240 16"),
    ("stripes", "LVM-part1-mpath-0", "0 64 striped 2 16 8:240 0 8:240 64"),
)

Stated = tuple[Union[Desired, Absent], ...]


@dataclass
class World:
    """A host, and what a task states about it."""

    kernel: MemoryKernel
    stated: Stated

    def plan(self) -> Plan:
        """Return the plan for the host as it is."""
        return plan(self.stated, self.kernel.maps())

    def host(self) -> Host:
        """Return what is observed."""
        return whole(maps=self.kernel.maps())

    def again(self) -> World:
        """Return the same world, to go another way."""
        return World(copy.deepcopy(self.kernel), self.stated)

    def foreign(self) -> list[Map]:
        """Return the maps that the task does not own."""
        uuids = {each.uuid for each in self.stated}
        return [each for each in self.kernel.maps() if each.uuid not in uuids]


def tables(draw: Draw, uuid: str) -> Table:
    length = draw(st.sampled_from((SECTORS // 2, SECTORS)))
    return (Segment(0, length, draw(loadable_multipaths(LUNS[uuid], HANDLERS[uuid]))),)


def partition_tables(draw: Draw, parent: DeviceNumber) -> Table:
    start, length = draw(st.integers(0, 500)), draw(st.integers(1, 500))
    return (Segment(0, length, Linear(parent, start)),)


def leftovers(draw: Draw, kernel: MemoryKernel, placed: MemoryMap, inactive: Table) -> None:
    """Leave the map as people and interrupted runs do."""
    if draw(st.integers(0, 3)) == 0:
        kernel.place_inactive(placed, inactive, draw(st.booleans()))
    if draw(st.integers(0, 3)) == 0 and placed.live:
        placed.suspend(draw(st.booleans()))
    if draw(st.integers(0, 5)) == 0 and is_whole(placed):
        placed.opened, placed.deferred_remove = 1, draw(st.booleans())
    use(draw, placed)


def place_owned(draw: Draw, kernel: MemoryKernel, names: list[str]) -> None:
    for uuid in LUNS:
        if draw(st.booleans()):
            live = tables(draw, uuid) if draw(st.integers(0, 3)) else ()
            placed = kernel.place(names.pop(), uuid, live, draw(st.integers(0, 5)) == 0)
            leftovers(draw, kernel, placed, tables(draw, uuid))


def place_partitions(draw: Draw, kernel: MemoryKernel, names: list[str]) -> None:
    parent = kernel.placed(PARENT)
    for uuid in PARTITIONS:
        if draw(st.booleans()):
            live = partition_tables(draw, parent.device) if draw(st.integers(0, 3)) else ()
            placed = kernel.place(names.pop(), uuid, live, draw(st.integers(0, 5)) == 0)
            leftovers(draw, kernel, placed, partition_tables(draw, parent.device))


def place_foreign(draw: Draw, kernel: MemoryKernel) -> None:
    taken = {each.name for each in kernel.maps()}
    for name, uuid, text in FOREIGN:
        if name not in taken and draw(st.booleans()):
            placed = kernel.place(name, uuid, parse_table(text))
            if draw(st.booleans()):
                placed.suspend(flush=True)


def stated_maps(draw: Draw, kernel: MemoryKernel, has_parent: bool) -> Stated:
    names = list(draw(st.permutations(NAMES)))
    stated: list[Desired | Absent] = []
    present = {each.uuid: each for each in kernel.maps()}
    for uuid in PARTITIONS if has_parent else ():
        choice = draw(st.sampled_from(("left alone", "absent", "present", "present")))
        if choice == "absent":
            opened = uuid in present and kernel.placed(uuid).opened > 0
            stated.append(Absent(uuid, deferred=opened))
        if choice == "present":
            parent = kernel.placed(PARENT).device
            table = partition_tables(draw, parent)
            stated.append(Desired(names.pop(), uuid, table, draw(st.integers(0, 5)) == 0))
    for uuid, paths in LUNS.items():
        choice = draw(st.sampled_from(("left alone", "absent", "present", "present", "present")))
        if choice == "absent" and is_removable(kernel, uuid, stated):
            stated.append(Absent(uuid))
        elif choice == "absent" and is_held(kernel, uuid, stated):
            stated.append(Absent(uuid, deferred=True))
        if choice == "present":
            keeps = uuid in present and draw(st.booleans())
            name = present[uuid].name if keeps else names.pop()
            table = (Segment(0, SECTORS, draw(loadable_multipaths(paths, HANDLERS[uuid]))),)
            stated.append(Desired(name, uuid, table))
    return tuple(stated)


def is_whole(placed: MemoryMap) -> bool:
    """Return whether the map is as a run leaves it that was not interrupted."""
    return placed.live is not None and placed.inactive is None and not placed.suspended


def is_removable(kernel: MemoryKernel, uuid: str, stated: Sequence[Desired | Absent]) -> bool:
    """Return whether no map is on top of the one with this uuid, nor will be."""
    if uuid == PARENT and any(isinstance(each, Desired) for each in stated):
        return False
    present = {each.uuid: each.device for each in kernel.maps()}
    removed = {each.uuid for each in stated if isinstance(each, Absent) and not each.deferred}
    return uuid not in present or (
        not kernel.placed(uuid).opened
        and all(each.uuid in removed for each in kernel.holders(present[uuid]))
    )


def is_held(kernel: MemoryKernel, uuid: str, stated: Sequence[Desired | Absent]) -> bool:
    """Return whether the map with this uuid stays open, whatever becomes of the stated maps."""
    placed = kernel.placed(uuid)
    if not is_whole(placed):
        return False
    touched = {each.uuid for each in stated if not (isinstance(each, Absent) and each.deferred)}
    return placed.opened > 0 or any(
        each.uuid not in touched for each in kernel.holders(placed.device)
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Return a host and a task's statement about it."""
    disks = {
        device: Disk(SECTORS, HANDLERS[uuid]) for uuid, paths in LUNS.items() for device in paths
    }
    kernel = MemoryKernel({**disks, LOCAL_DISK: Disk(100_000)})
    names = list(draw(st.permutations(NAMES)))
    place_owned(draw, kernel, names)
    has_parent = any(each.uuid == PARENT and each.live for each in kernel.maps())
    if has_parent:
        place_partitions(draw, kernel, names)
    place_foreign(draw, kernel)
    return World(kernel, stated_maps(draw, kernel, has_parent))


@st.composite
def plannable_worlds(draw: st.DrawFn) -> World:
    """Return a world whose statement is not refused for a name that is taken."""
    world = draw(worlds())
    try:
        world.plan()
    except Refused:
        assume(False)
    return world


def disguised(draw: Draw, table: Table) -> Table:
    """Return the same table in other words: paths in another order, arguments spelt out."""
    segment = table[0]
    if not isinstance(segment.target, Multipath):
        return table
    groups = []
    for group in segment.target.groups:
        paths = draw(st.permutations(group.paths))
        repeated = [Path(path.device, other_words(group, path)) for path in paths]
        groups.append(PathGroup(group.selector, tuple(repeated)))
    current = draw(st.integers(1, len(groups)))
    handler = segment.target.hardware_handler
    if handler:
        # Another one is not attached, and with the feature none needs to be named.
        retains = segment.target.features.retain_attached_hw_handler
        others = [handler, ("emc", "1"), ()] if retains else [handler, ("emc", "1")]
        handler = draw(st.sampled_from(others))
    target = Multipath(segment.target.features, handler, tuple(groups), current)
    return (Segment(segment.start, segment.length, target),)


def other_words(group: PathGroup, path: Path) -> tuple[str, ...]:
    """Return the path's arguments otherwise, with the same meaning."""
    if group.selector.name == "io-affinity":
        return (f"00000000,{path.arguments[0]:0>8}",)
    return ("7", *path.arguments[1:]) if path.arguments else ()


def reload(draw: Draw, kernel: MemoryKernel, uuid: str, table: Table, read_only: bool) -> None:
    """Give the map another table, as somebody else would, and let some of its paths fail."""
    placed = kernel.placed(uuid)
    kernel.place_inactive(placed, table, read_only)
    placed.swap(flush=True)
    placed.end_suspension()
    use(draw, placed)


def use(draw: Draw, placed: MemoryMap) -> None:
    """Let paths fail, and I/O choose a group."""
    if placed.live and placed.live.multipath:
        for device in sorted(placed.live.multipath.devices()):
            if draw(st.integers(0, 3)) == 0:
                placed.live.multipath.message(f"fail_path {device}")
        if draw(st.booleans()):
            placed.live.multipath.read()
