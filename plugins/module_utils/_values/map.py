# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Maps as the kernel has them, and what their events tell udev."""

from __future__ import annotations

import enum
import functools
import typing as t
from dataclasses import dataclass, field

from .device import UNASSIGNED, DeviceNumber
from .multipath import Multipath, MultipathStatus, PathStatus
from .names import partition_of, wwid_of
from .table import Linear, Table, devices, sectors

if t.TYPE_CHECKING:
    from collections.abc import Mapping


class UdevFlag(enum.Flag):
    """What multipath-tools tells udev with a resume (libmultipath/devmapper.h)."""

    NONE = 0
    RELOAD = 0x0100
    """Only paths or policies changed: no blkid, no kpartx, no LVM scan is due."""
    NO_KPARTX = 0x0200
    """udev makes no partition maps of this map."""
    NO_PATHS = 0x0400
    """The map has no usable path: a read of it would wait."""


@dataclass(frozen=True)
class Map:
    """A device-mapper map; an empty tuple stands for a table that is not there.

    `deferred_remove` says that the kernel removes the map once it is closed. A map keeps the
    type of its first table; where the tables do not show it, being error targets, `request_based`
    does.
    """

    name: str
    uuid: str
    device: DeviceNumber = UNASSIGNED
    live: Table = ()
    inactive: Table = ()
    suspended: bool = False
    read_only: bool = False
    deferred_remove: bool = False
    open_count: int = 0
    status: MultipathStatus | None = None
    request_based: bool | None = field(default=None, compare=False)

    @property
    def wwid(self) -> str:
        """The WWID of the LUN of a multipath map; empty for another map."""
        return wwid_of(self.uuid)

    @property
    def partition(self) -> tuple[int, str]:
        """The number of the partition that the map is of, and its parent's uuid; 0 if of none."""
        return partition_of(self.uuid)

    @property
    def sectors(self) -> int:
        """The map's size in sectors of 512 bytes."""
        return sectors(self.live)

    @property
    def multipath(self) -> Multipath | None:
        """The multipath target, if that is what the live table consists of."""
        if len(self.live) == 1 and isinstance(self.live[0].target, Multipath):
            return self.live[0].target
        return None

    def lies_on(self, device: DeviceNumber) -> bool:
        """Return whether the live table is one linear target onto `device`."""
        targets = [segment.target for segment in self.live]
        return len(targets) == 1 and isinstance(targets[0], Linear) and targets[0].device == device

    def opened(self) -> tuple[DeviceNumber, ...]:
        """Return the devices that the live and the inactive table open, once each."""
        return tuple(dict.fromkeys((*devices(self.live), *devices(self.inactive))))

    @functools.cached_property
    def path_states(self) -> Mapping[DeviceNumber, PathStatus]:
        """The states of a multipath map's paths in the kernel; empty where it does not say."""
        return {path.device: path for path in self.status.paths()} if self.status else {}

    @property
    def queues(self) -> bool:
        """Whether I/O waits while no path is left, as far as a map that is not suspended shows."""
        return self.multipath is not None and self.multipath.features.queue_if_no_path

    @property
    def queues_without_path(self) -> bool:
        """Whether I/O to the map may hang: it queues, and no path is known to be active."""
        return self.queues and (self.status is None or self.status.active_paths() == 0)
