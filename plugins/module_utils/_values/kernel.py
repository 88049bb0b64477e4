# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this collection asks of a kernel, and the kernel that refuses to change."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from .._plan.steps import UdevFlag
    from .device import DeviceNumber
    from .host import BlockDevice, Map, Multipathd
    from .multipath_conf import Configuration
    from .table import Table


class Kernel(t.Protocol):
    """Maps, loop devices, disks, the multipath daemon. Refused requests raise KernelError.

    Maps are named by their uuid, disks and their controllers as the kernel names them.
    """

    def maps(self) -> tuple[Map, ...]:
        """Return all maps of the host in the order of their names; opens no device."""

    def map_of_uuid(self, uuid: str) -> Map | None:
        """Return the map with this uuid, if there is one; reads no other."""

    def has_node(self, present: Map) -> bool:
        """Tell whether /dev/mapper leads to the map by its name; udev sees to that, if it runs."""

    def create(self, name: str, uuid: str) -> None:
        """Make an empty map."""

    def load(self, uuid: str, table: Table, read_only: bool) -> None:
        """Put `table` into the inactive slot."""

    def clear(self, uuid: str) -> None:
        """Empty the inactive slot."""

    def resume(self, uuid: str, flush: bool, udev: UdevFlag) -> None:
        """Swap the inactive table in, if there is one, and let I/O go on."""

    def rename(self, uuid: str, new_name: str, udev: UdevFlag) -> None:
        """Change the name."""

    def message(self, uuid: str, text: str) -> None:
        """Send `text` to the target at sector 0."""

    def remove(self, uuid: str, deferred: bool) -> None:
        """Remove the map, waiting a few seconds for short-lived opens by udev to end.

        With `deferred`, a map that is open is removed once it is closed, and nothing waits.
        """

    def attach(self, device: DeviceNumber, path: str, read_only: bool) -> None:
        """Let the loop device show the file `path`."""

    def detach(self, device: DeviceNumber) -> None:
        """Let the loop device go, at the latest with its last user."""

    def udev_batch(self, timeout: float) -> AbstractContextManager[None]:
        """Wait at the end, `timeout` seconds at most, until udev is done with all changes."""

    def scan(self, controller: str) -> None:
        """Let a SCSI host or NVMe controller look for disks that the kernel does not know yet."""

    def rescan(self, disk: str) -> None:
        """Let the kernel ask a disk for its size again."""

    def delete(self, path: BlockDevice) -> None:
        """Make the kernel forget a SCSI disk; one that has gone is no error."""

    def announce(self, disk: str) -> None:
        """Let udev look again at a disk and its partitions; one that has gone is no error."""

    def write_file(self, path: str, text: str) -> None:
        """Write a whole file that the host boots with."""

    def remove_file(self, path: str) -> None:
        """Remove such a file; one that is not there is no error."""

    def disks_once(
        self, enough: Callable[[Sequence[BlockDevice]], bool], timeout: float
    ) -> tuple[BlockDevice, ...]:
        """Return the disks that udev knows, once they are `enough`, or after `timeout` seconds."""

    def left_of(self, disks: Sequence[BlockDevice], timeout: float) -> tuple[BlockDevice, ...]:
        """Return those of `disks` that kernel or udev still have after `timeout` seconds at most.

        None as soon as all are gone.
        """

    def write_drop_in(self, path: str, text: str) -> None:
        """Put a whole file into the multipath daemon's directory, unless its parser complains."""

    def remove_drop_in(self, path: str) -> None:
        """Remove a file from the multipath daemon's directory."""

    def add_wwid(self, wwid: str) -> None:
        """Add a WWID to those that multipath-tools takes for multipath devices."""

    def remove_wwid(self, wwid: str) -> None:
        """Remove a WWID from those that multipath-tools takes for multipath devices."""

    def tell_multipathd(self, request: str) -> None:
        """Tell the multipath daemon something."""

    def multipathd(self, disks: frozenset[DeviceNumber]) -> Multipathd:
        """Return the daemon as it is now, and what it has against `disks` and has logged.

        It logs from the moment on at which it was told something.
        """

    def multipathd_once(self, enough: Callable[[Configuration], bool], timeout: float) -> bool:
        """Tell whether the multipath daemon gets idle, and what it has read is `enough`.

        Waits `timeout` seconds at most.
        """


class ReadOnlyKernel:
    """A kernel for check mode: it can be observed, and nothing else.

    A second wall behind the planner: even a bug cannot change a host.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.maps = kernel.maps

    def __getattr__(self, request: str) -> t.NoReturn:
        raise PermissionError(f"check mode: {request} was asked of a kernel that is only observed")
