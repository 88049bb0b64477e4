# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Device-mapper tables as values: typed, with the kernel's text as their other form."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .device import DeviceNumber, number
from .multipath import Multipath


@dataclass(frozen=True)
class Linear:
    """A run of sectors of one device, from `offset` (512-byte sectors) on (dm-linear.c)."""

    device: DeviceNumber
    offset: int

    kind = "linear"

    @classmethod
    def parse(cls, parameters: str) -> Linear:
        """Return the target that the kernel's `parameters` state; ValueError if they do not."""
        device, offset = parameters.split()
        return cls(DeviceNumber.parse(device), number(offset))

    def __str__(self) -> str:
        return f"{self.device} {self.offset}"

    def canonical(self) -> Linear:
        """Return itself: linear has neither defaults nor anything the kernel fills in."""
        return self

    def devices(self) -> tuple[DeviceNumber, ...]:
        """Return the devices that the target opens."""
        return (self.device,)


class Other(t.NamedTuple):
    """A target that this collection never loads, kept as the kernel prints it."""

    kind: str
    parameters: str

    def __str__(self) -> str:
        return self.parameters

    def canonical(self) -> Other:
        """Return itself: what it means is not known here."""
        return self

    def devices(self) -> tuple[DeviceNumber, ...]:
        """Return no devices: what it opens is not known here."""
        return ()


Target = t.Union[Linear, Multipath, Other]


class Segment(t.NamedTuple):
    """A target over `length` sectors from sector `start` of the map (512 bytes each)."""

    start: int
    length: int
    target: Target

    @classmethod
    def read(cls, start: int, length: int, kind: str, parameters: str) -> Segment:
        """Return the segment that the kernel reports.

        Total: a line that does not parse becomes `Other`, so that a foreign map never ends a task.
        """
        for target in (Linear, Multipath):
            if target.kind == kind:
                try:
                    return cls(start, length, target.parse(parameters))
                except ValueError:
                    break
        return cls(start, length, Other(kind, parameters.strip()))

    def __str__(self) -> str:
        return f"{self.start} {self.length} {self.target.kind} {self.target}"


Table = tuple[Segment, ...]
"""A whole table; the empty one means that no table is loaded."""


def parse_table(text: str) -> Table:
    """Return the table that `text` states, a segment a line, as `dmsetup table` prints it."""
    segments = []
    for line in text.splitlines():
        start, length, kind, *parameters = line.split(None, 3)
        segments.append(Segment.read(int(start), int(length), kind, "".join(parameters)))
    return tuple(segments)


def format_table(table: Table) -> str:
    """Return the text that loads `table`: the inverse of `parse_table`."""
    return "\n".join(str(segment) for segment in table)


def sectors(table: Table) -> int:
    """Return the length of the map that `table` makes, in sectors of 512 bytes."""
    return sum(segment.length for segment in table)


def devices(table: Table) -> tuple[DeviceNumber, ...]:
    """Return the devices that `table` opens."""
    return tuple(device for segment in table for device in segment.target.devices())


def canonical(table: Table) -> Table:
    """Return `table` without what the kernel decides, with defaults filled in."""
    return tuple(Segment(s.start, s.length, s.target.canonical()) for s in table)


def equivalent(one: Table, other: Table) -> bool:
    """Return whether the two tables mean the same to the kernel, whatever their texts."""
    return canonical(one) == canonical(other)


def queueing(table: Table) -> bool | None:
    """Return whether a multipath `table` queues I/O without a path; None for other tables."""
    for segment in table:
        if isinstance(segment.target, Multipath):
            return segment.target.features.queue_if_no_path
    return None


def with_queueing(table: Table, queue: bool) -> Table:
    """Return `table` with its multipath targets queueing or not; other targets stay as they are."""
    return tuple(each._replace(target=_queueing(each.target, queue)) for each in table)


def with_current_group(table: Table, number: int) -> Table:
    """Return `table` with its multipath targets using the group `number`, counted from 1."""
    return tuple(
        each._replace(target=replace(each.target, current_group=number))
        if isinstance(each.target, Multipath)
        else each
        for each in table
    )


def _queueing(target: Target, queue: bool) -> Target:
    if not isinstance(target, Multipath) or target.features.queue_if_no_path == queue:
        return target
    return replace(target, features=target.features._replace(queue_if_no_path=queue))
