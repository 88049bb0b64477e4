# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Device-mapper's own operations as steps, and losetup's."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass, replace

from .._values.errors import DeviceMapperError, KernelError
from .._values.map import Map, UdevFlag
from .._values.names import wwid_of
from .._values.table import Table, canonical, format_table, with_current_group, with_queueing
from .steps import Plan, Step, Unmapped

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from ...plugin_utils._types import DeviceNumber, Host, Kernel

CANCEL_DEFERRED_REMOVE = "@cancel_deferred_remove"
"""The message to a map that takes its deferred removal back (dm-ioctl.c message_for_md)."""
QUEUE_IF_NO_PATH, FAIL_IF_NO_PATH = "queue_if_no_path", "fail_if_no_path"
"""The messages to a multipath map that say what becomes of I/O while it has no path."""


@dataclass(frozen=True)
class Create(Step):
    """Make an empty map; its uuid can never be changed again."""

    name: str
    uuid: str

    def words(self) -> str:
        return f"create {self.name} --uuid {self.uuid} --notable"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.create(self.name, self.uuid)

    def foresee(self, host: Host) -> Host:
        return replace(host, maps=(*host.maps, Map(self.name, self.uuid)))

    @property
    def fights_multipathd(self) -> bool:
        return bool(wwid_of(self.uuid))


class OnMap(Step):
    """A request to the kernel that changes a map which is there."""

    @property
    def udev_is_awaited(self) -> bool:
        return True

    @property
    def fights_multipathd(self) -> bool:
        # A table with the uuid of a LUN's map belongs to the daemon as soon as it runs.
        return bool(wwid_of(self.uuid))

    def recover(self, done: Plan, kernel: Kernel) -> int:
        """Leave the map neither suspended, nor half-loaded, nor newly empty.

        A resume whose swap fails leaves the map suspended with its old table (dm-ioctl.c
        do_resume); a second resume lets I/O go on. Without an old table it cannot be resumed, only
        removed.
        """
        created = any(isinstance(step, Create) and step.uuid == self.uuid for step in done)
        present = kernel.map_of_uuid(self.uuid)
        if present:
            # What fails here shows in what is left.
            with contextlib.suppress(KernelError):
                if present.inactive:
                    kernel.clear(present.uuid)
            with contextlib.suppress(KernelError):
                if not present.live and (created or present.suspended):
                    kernel.remove(present.uuid, False)
                elif present.suspended:
                    kernel.resume(present.uuid, False, UdevFlag.NONE)
            _refuse_unwhole(kernel.map_of_uuid(self.uuid))
        return 0


def _refuse_unwhole(present: Map | None) -> None:
    if present and present.suspended:
        raise DeviceMapperError(
            f"the map {present.name} is suspended and could not be resumed: I/O to it waits."
            f" `dmsetup resume {present.name}` resumes it"
        )
    if present and present.inactive:
        raise DeviceMapperError(
            f"the map {present.name} has a second table, which could not be cleared: the"
            f" next resume would swap it in. `dmsetup clear {present.name}` discards it"
        )


@dataclass(frozen=True)
class Load(OnMap):
    """Put a table into the inactive slot; I/O still goes through the live one."""

    name: str
    uuid: str
    table: Table
    read_only: bool = False

    def words(self) -> str:
        option = "--readonly " if self.read_only else ""
        return f"load {self.name} {option}--table '{format_table(self.table)}'"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.load(self.uuid, self.table, self.read_only)

    def foresee(self, host: Host) -> Host:
        return _changed(host, self.uuid, lambda each: replace(each, inactive=self.table))


@dataclass(frozen=True)
class Resume(OnMap):
    """Swap the inactive table in, in one ioctl, and let I/O go on.

    `flush` waits for the I/O under way before the swap: for a change of size, and only then
    (multipath-tools dm_addmap_reload). Of a map without a path it would fail the I/O that is queued
    (dm-mpath.c multipath_presuspend), which is refused before. File systems are not frozen.
    """

    name: str
    uuid: str
    flush: bool = False
    read_only: bool = False
    udev: UdevFlag = UdevFlag.NONE

    def words(self) -> str:
        return f"resume {self.name} {'' if self.flush else '--noflush '}--nolockfs"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.resume(self.uuid, self.flush, self.udev)

    def foresee(self, host: Host) -> Host:
        def resumed(each: Map) -> Map:
            live = canonical(each.inactive) or each.live
            read_only = self.read_only if each.inactive else each.read_only
            return replace(each, live=live, inactive=(), suspended=False, read_only=read_only)

        return _changed(host, self.uuid, resumed)


@dataclass(frozen=True)
class Clear(OnMap):
    """Throw the inactive table away."""

    name: str
    uuid: str

    def words(self) -> str:
        return f"clear {self.name}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.clear(self.uuid)

    def foresee(self, host: Host) -> Host:
        return _changed(host, self.uuid, lambda each: replace(each, inactive=()))


@dataclass(frozen=True)
class Rename(OnMap):
    """Give a map another name in place; processes that have it open notice nothing."""

    name: str
    uuid: str
    new_name: str
    udev: UdevFlag = UdevFlag.NONE

    def words(self) -> str:
        return f"rename {self.name} {self.new_name}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.rename(self.uuid, self.new_name, self.udev)

    def foresee(self, host: Host) -> Host:
        return _changed(host, self.uuid, lambda each: replace(each, name=self.new_name))


@dataclass(frozen=True)
class Message(OnMap):
    """Change the live state of a multipath map without a reload."""

    name: str
    uuid: str
    text: str

    def words(self) -> str:
        return f"message {self.name} 0 {self.text}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.message(self.uuid, self.text)

    def recover(self, done: Plan, kernel: Kernel) -> int:
        """Leave the map as it is: a message neither loads a table nor suspends the map."""
        return 0

    def foresee(self, host: Host) -> Host:
        if self.text == CANCEL_DEFERRED_REMOVE:
            return _changed(host, self.uuid, lambda each: replace(each, deferred_remove=False))
        return _changed(host, self.uuid, self.messaged)

    @property
    def fights_multipathd(self) -> bool:
        # The daemon has no word of its own for it, and keeps the map.
        return self.text != CANCEL_DEFERRED_REMOVE and super().fights_multipathd

    def messaged(self, each: Map) -> Map:
        """Return the map with what the message changes of it."""
        verb, _space, argument = self.text.partition(" ")
        if verb in (QUEUE_IF_NO_PATH, FAIL_IF_NO_PATH):
            return replace(each, live=with_queueing(each.live, verb == QUEUE_IF_NO_PATH))
        if verb == "switch_group":
            live = with_current_group(each.live, int(argument))
            return replace(each, live=live, status=each.status and each.status.switched())
        status = each.status and each.status.with_path(argument, verb == "reinstate_path")
        return replace(each, status=status)


@dataclass(frozen=True)
class Remove(OnMap):
    """Remove a map that is not open; with `deferred`, the kernel removes it once it is closed."""

    name: str
    uuid: str
    deferred: bool = False

    def words(self) -> str:
        return f"remove --deferred {self.name}" if self.deferred else f"remove {self.name}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.remove(self.uuid, self.deferred)

    def foresee(self, host: Host) -> Host:
        if self.deferred:
            return _changed(host, self.uuid, lambda each: replace(each, deferred_remove=True))
        return replace(host, maps=tuple(each for each in host.maps if each.uuid != self.uuid))

    def recover(self, done: Plan, kernel: Kernel) -> int:
        undone = self._queue_again(done, kernel)
        super().recover(done, kernel)
        return undone

    def _queue_again(self, done: Plan, kernel: Kernel) -> int:
        """Let the map queue again that was told to fail I/O just before, in order to be removed."""
        if done[-1:] == (Message(self.name, self.uuid, FAIL_IF_NO_PATH),):
            # The map may have gone, or be suspended: then it shows in what is left.
            with contextlib.suppress(KernelError):
                kernel.message(self.uuid, QUEUE_IF_NO_PATH)
                return 1
        return 0


@dataclass(frozen=True)
class Attach(Unmapped):
    """Let a loop device show a file, so that the file's partitions can have maps."""

    device: DeviceNumber
    image: str
    read_only: bool = False
    logical_sector: int = 512

    def words(self) -> str:
        option = "--read-only " if self.read_only else ""
        if self.logical_sector != 512:
            option += f"--sector-size {self.logical_sector} "
        return f"losetup {option}/dev/loop{self.device.minor} {self.image}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.attach(self.device, self.image, self.read_only, self.logical_sector)


@dataclass(frozen=True)
class Detach(Unmapped):
    """Let a loop device go that is not in use any more."""

    device: DeviceNumber

    def words(self) -> str:
        return f"losetup --detach /dev/loop{self.device.minor}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.detach(self.device)


def _changed(host: Host, uuid: str, change: Callable[[Map], Map]) -> Host:
    # From the end, where the maps are that a plan has created.
    for at in range(len(host.maps) - 1, -1, -1):
        if host.maps[at].uuid == uuid:
            changed = change(host.maps[at])
            return replace(host, maps=(*host.maps[:at], changed, *host.maps[at + 1 :]))
    return host
