# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A map in memory: its two slots for tables, and what a resume does with them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass

from unit.memory_multipath import LoadedMultipath

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import Segment


@dataclass
class LoadedSegment:
    """A segment in a slot; `target` holds the state of those kinds that have one."""

    segment: Segment
    target: LoadedMultipath | None

    def devices(self) -> set[DeviceNumber]:
        """Return the devices that the segment opens."""
        return self.target.devices() if self.target else set(self.segment.target.devices())

    def read_back(self) -> tuple[int, int, str, str]:
        """Return the segment as the kernel prints it."""
        parameters = self.target.table() if self.target else str(self.segment.target)
        return self.segment.start, self.segment.length, self.segment.target.kind, parameters


@dataclass
class LoadedTable:
    """A table in one of a map's two slots."""

    segments: list[LoadedSegment]
    read_only: bool = False

    @property
    def multipath(self) -> LoadedMultipath | None:
        """The multipath target, which never has company."""
        return self.segments[0].target

    @property
    def sectors(self) -> int:
        """The length of the table."""
        return sum(each.segment.length for each in self.segments)

    def devices(self) -> set[DeviceNumber]:
        """Return the devices that the table opens."""
        return {device for each in self.segments for device in each.devices()}

    def text(self) -> str:
        """Return what `dmsetup table` prints."""
        return "\n".join(" ".join(map(str, each.read_back())) for each in self.segments)


@dataclass
class MemoryMap:
    """A map; `opened` counts who has it open besides other maps."""

    name: str
    uuid: str
    device: DeviceNumber
    live: LoadedTable | None = None
    inactive: LoadedTable | None = None
    suspended: bool = False
    read_only: bool = False
    deferred_remove: bool = False
    opened: int = 0
    request_based: bool | None = None

    def tables(self) -> Iterator[LoadedTable]:
        """Yield the tables, the live one first."""
        yield from (table for table in (self.live, self.inactive) if table)

    def suspend(self, flush: bool) -> None:
        """Stop I/O."""
        if self.live and self.live.multipath and not self.suspended:
            self.live.multipath.suspend(flush)
        self.suspended = True

    def swap(self, flush: bool) -> None:
        """Make the inactive table the live one; the map is suspended afterwards (do_resume)."""
        self.suspend(flush)
        self.live, self.inactive = self.inactive, None

    def end_suspension(self) -> None:
        """Let I/O go on."""
        if self.live is None:
            raise OSError(errno.EINVAL, "no table")
        if self.live.multipath:
            self.live.multipath.resume()
        self.suspended = False
        self.read_only = self.live.read_only

    def status(self) -> str:
        """Return what `dmsetup status` prints."""
        lines = []
        for each in self.live.segments if self.live else ():
            parameters = each.target.status() if each.target else ""
            start, length, kind, _parameters = each.read_back()
            lines.append(f"{start} {length} {kind} {parameters}")
        return "\n".join(lines)
