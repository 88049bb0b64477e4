# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The comparison: desired maps against the kernel's, and the few operations that are missing."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._values.errors import Refused
from .._values.map import Map, UdevFlag
from .._values.multipath import Multipath
from .._values.table import Table, equivalent, queueing, sectors, with_queueing
from .map_steps import (
    CANCEL_DEFERRED_REMOVE,
    FAIL_IF_NO_PATH,
    QUEUE_IF_NO_PATH,
    Clear,
    Create,
    Load,
    Message,
    Remove,
    Rename,
    Resume,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...plugin_utils._types import Plan, Step


@dataclass(frozen=True)
class Desired:
    """A map as a task states it; `udev` is what its events tell udev besides."""

    name: str
    uuid: str
    table: Table
    read_only: bool = False
    udev: UdevFlag = UdevFlag.NONE


class Absent(t.NamedTuple):
    """A map that a task states not to be.

    Callers have checked that it is not in use, or it is `deferred` until then. I/O of a file
    system or another device on it `keeps_queueing` for a path meanwhile.
    """

    uuid: str
    deferred: bool = False
    keeps_queueing: bool = False


def plan(stated: Sequence[Desired | Absent], maps: Sequence[Map]) -> Plan:
    """Return the operations that turn `maps` into what is stated; empty if nothing is missing.

    Removals come first (they free names), then renames, then the rest in the order stated.
    """
    present = {each.uuid: each for each in maps}
    desired = [each for each in stated if isinstance(each, Desired)]
    renames = {step.uuid: step for step in _renames(desired, _names_left(stated, maps))}
    steps: list[Step] = [*_removals(stated, present), *renames.values()]
    for each in desired:
        own = [*_steps(each, present.get(each.uuid, Map("", "")))]
        rename = renames.get(each.uuid)
        _refuse_hanging(each, [rename, *own] if rename else own)
        steps += own
    return tuple(steps)


def refuse_conflicts(stated: Sequence[Desired | Absent], maps: Sequence[Map]) -> None:
    """Refuse names that are taken, and tables that may not follow those that are there."""
    present = {each.uuid: each for each in maps}
    desired = [each for each in stated if isinstance(each, Desired)]
    _refuse_taken_names(desired, _names_left(stated, maps))
    for each in desired:
        if each.uuid in present and _needs_load(each, present[each.uuid]):
            _refuse_other_type(each, present[each.uuid])


def _removals(stated: Sequence[Desired | Absent], present: Mapping[str, Map]) -> Iterator[Step]:
    # First of all: a removal could be the one that the kernel has been waiting for.
    for each in stated:
        there = present.get(each.uuid)
        if there and there.deferred_remove and not _defers(each):
            yield Message(there.name, each.uuid, CANCEL_DEFERRED_REMOVE)
    for each in stated:
        if isinstance(each, Absent) and each.uuid in present:
            yield from _removal(present[each.uuid], each)


def _names_left(stated: Sequence[Desired | Absent], maps: Sequence[Map]) -> dict[str, str]:
    """Return the names of the maps that stay, with their uuids."""
    gone = {each.uuid for each in stated if isinstance(each, Absent) and not each.deferred}
    return {each.name: each.uuid for each in maps if each.uuid not in gone}


def _defers(stated: Desired | Absent) -> bool:
    return isinstance(stated, Absent) and stated.deferred


def _removal(present: Map, stated: Absent) -> Iterator[Step]:
    """Yield the removal; a process that waits for I/O to a map without a path has to end first.

    Such a reader (mostly udev's blkid) gets its error, and closes the map, once it fails I/O. A
    suspended map takes no message (dm-mpath.c multipath_message).
    """
    waits = present.queues_without_path and not stated.keeps_queueing
    if waits and not present.suspended:
        yield Message(present.name, present.uuid, FAIL_IF_NO_PATH)
    if not (stated.deferred and present.deferred_remove):
        yield Remove(present.name, present.uuid, stated.deferred)


def _renames(desired: Sequence[Desired], names: dict[str, str]) -> Iterator[Step]:
    """Yield the renames, each when its new name is free; `names` are taken, by which uuid."""
    current = {uuid: name for name, uuid in names.items()}
    waiting = [each for each in desired if current.get(each.uuid, each.name) != each.name]
    _refuse_taken_names(desired, names)
    while waiting:
        free = [each for each in waiting if each.name not in names]
        waiting = [each for each in waiting if each.name in names]
        if not free:
            names_text = ", ".join(sorted(each.name for each in waiting))
            raise Refused(
                option="name",
                value=names_text,
                found="these maps would have to swap their names",
                way_out="Rename one of them to a third name in a task before this one",
            )
        for each in free:
            old = current[each.uuid]
            yield Rename(old, each.uuid, each.name, each.udev)
            names[each.name] = names.pop(old)


def _refuse_taken_names(desired: Sequence[Desired], names: dict[str, str]) -> None:
    moving = {each.uuid: each.name for each in desired}
    wanted: dict[str, str] = {}
    for each in desired:
        twin = wanted.setdefault(each.name, each.uuid)
        if twin != each.uuid:
            raise Refused(
                option="name",
                value=each.name,
                found=f"two maps would have this name ({twin} and {each.uuid})",
                way_out="Choose another name or delimiter for one of them",
            )
        owner = names.get(each.name, each.uuid)
        if owner != each.uuid and moving.get(owner, each.name) == each.name:
            raise Refused(
                option="name",
                value=each.name,
                found=(
                    f"another map has this name (its uuid is {owner or 'empty'}, not {each.uuid})"
                ),
                way_out=(
                    "Choose another name, or rename or remove that map first; it was not touched"
                ),
            )


def _refuse_hanging(desired: Desired, steps: Sequence[Step]) -> None:
    """Refuse events of a map that queues without a path: udev would read it, and wait forever.

    The rules of multipath-tools, which know NO_PATHS, are not on every host.
    """
    hangs = UdevFlag.NO_PATHS in desired.udev and queueing(desired.table)
    for step in steps if hangs else ():
        if isinstance(step, (Rename, Resume)):
            raise Refused(
                option="no_path_retry",
                value="queue",
                found=(
                    f"every path of the map {desired.name} is down, and the map queues: a process"
                    f" that reads it would hang, udev first of all (after `{step.words()}`)"
                ),
                way_out="Bring a path back first, or set no_path_retry: fail",
            )


def _refuse_other_type(desired: Desired, present: Map) -> None:
    """Refuse a table that the kernel does not let follow the live one (dm-ioctl.c table_load).

    A map stays request-based or bio-based, and multipath is followed by multipath only.
    """
    # The first table that is loaded decides, before it is resumed.
    found, wanted = _type(present.live or present.inactive), _type(desired.table)
    if present.request_based not in (None, wanted == "request-based multipath"):
        found = f"{'request' if present.request_based else 'bio'}-based error"
    if found and found != wanted:
        raise Refused(
            option="name",
            value=desired.name,
            found=f"the map {present.name} has a {found} table, which no {wanted} one may follow",
            way_out=(
                "Remove the map first (state: absent, or dmsetup remove), then run the task again"
            ),
        )


def _type(table: Table) -> str:
    """Return the type that `table` gives to a map; empty if it leaves it open."""
    for segment in table:
        if isinstance(segment.target, Multipath):
            bio = segment.target.features.queue_mode == "bio"
            return f"{'bio' if bio else 'request'}-based multipath"
    # `dmsetup wipe_table` leaves an error target behind, which any table of the map's type may
    # follow; a map that is made with one has its type from then on.
    return "" if all(segment.target.kind == "error" for segment in table) else "bio-based"


def _steps(desired: Desired, present: Map) -> Iterator[Step]:
    """Yield what brings one map, under its final name, to its desired table and state.

    `present` is a map without a uuid if there is none yet.
    """
    name, uuid = desired.name, desired.uuid
    if not present.uuid:
        yield Create(name, uuid)
    if _needs_load(desired, present):
        _refuse_other_type(desired, present)
        resized = bool(present.live) and sectors(desired.table) != present.sectors
        reload = UdevFlag.RELOAD if present.live and not resized else UdevFlag.NONE
        yield Load(name, uuid, desired.table, desired.read_only)
        yield Resume(name, uuid, resized, desired.read_only, desired.udev | reload)
        return
    if present.inactive:
        yield Clear(name, uuid)
    if present.suspended:
        yield Resume(name, uuid, read_only=desired.read_only, udev=desired.udev)
    yield from _messages(desired, present)


def _needs_load(desired: Desired, present: Map) -> bool:
    if not present.live or desired.read_only != present.read_only:
        return True
    return not equivalent(with_queueing(desired.table, False), with_queueing(present.live, False))


def _messages(desired: Desired, present: Map) -> Iterator[Step]:
    """Yield the message that sets queueing; it is live state, no table is loaded for it.

    A suspended map does not show it (dm-mpath.c: a flushing suspend switches it off until the
    resume), so that it is sent in any case after a resume.
    """
    wanted, found = queueing(desired.table), queueing(present.live)
    if wanted is not None and (wanted != found or present.suspended):
        text = QUEUE_IF_NO_PATH if wanted else FAIL_IF_NO_PATH
        yield Message(desired.name, desired.uuid, text)
