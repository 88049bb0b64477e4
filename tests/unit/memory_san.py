# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks below an in-memory kernel, and those that it has yet to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice


class MemorySan:
    """The SCSI layer; what it is asked to change is listed in `writes`.

    `unscanned` are the disks that a scan of each SCSI host finds, `stuck` the names of those that
    stay when they are deleted. Scans and rescans learn the size that a disk reports, or, where it
    reports none, that of `arriving_sizes`.
    """

    known: tuple[BlockDevice, ...] = ()
    unscanned: Mapping[str, tuple[BlockDevice, ...]] = {}
    arriving_sizes: Mapping[str, int] = {}
    stuck: frozenset[str] = frozenset()
    writes: tuple[str, ...] = ()
    waits: tuple[float, ...] = ()

    def scan(self, controller: str) -> None:
        """Find disks."""
        self.writes = (*self.writes, f"scan {controller}")
        names = {each.name for each in self.known}
        found = (each for each in self.unscanned.get(controller, ()) if each.name not in names)
        self.known = (*self.known, *map(self._measured, found))

    def rescan(self, disk: str) -> None:
        """Learn the size of a disk."""
        self.writes = (*self.writes, f"rescan {disk}")
        self.known = tuple(
            self._measured(each) if each.name == disk else each for each in self.known
        )

    def delete(self, path: BlockDevice) -> None:
        """Forget a disk."""
        self.writes = (*self.writes, f"delete {path.name}")
        self.known = tuple(
            each for each in self.known if each.name != path.name or each.name in self.stuck
        )

    def announce(self, disk: str) -> None:
        """Do nothing: there is no udev here."""
        self.writes = (*self.writes, f"announce {disk}")

    def disks_once(
        self, _enough: Callable[[Sequence[BlockDevice]], bool], timeout: float
    ) -> tuple[BlockDevice, ...]:
        """Return the disks at once: nothing happens here while anybody waits."""
        self.waits = (*self.waits, timeout)
        return self.known

    def left_of(self, disks: Sequence[BlockDevice], timeout: float) -> tuple[BlockDevice, ...]:
        """Return the disks that are still known."""
        self.waits = (*self.waits, timeout)
        gone = {each.device for each in disks}
        return tuple(each for each in self.known if each.device in gone)

    def _measured(self, disk: BlockDevice) -> BlockDevice:
        size = disk.reported_sectors or self.arriving_sizes.get(disk.name, disk.sectors)
        return replace(disk, sectors=size)
