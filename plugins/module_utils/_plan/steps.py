# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan consists of, and device-mapper's own operations.

Those on paths, on the multipath daemon and on what a host boots with are beside this file: a module
imports the ones that it plans.
"""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, replace

from .._values.host import Map
from .._values.table import Table, canonical, format_table, with_current_group, with_queueing

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from .._values.device import DeviceNumber
    from .._values.host import Host
    from .._values.kernel import Kernel


CANCEL_DEFERRED_REMOVE = "@cancel_deferred_remove"
"""The message to a map that takes its deferred removal back (dm-ioctl.c message_for_md)."""
QUEUE_IF_NO_PATH, FAIL_IF_NO_PATH = "queue_if_no_path", "fail_if_no_path"
"""The messages to a multipath map that say what becomes of I/O while it has no path."""


class UdevFlag(enum.Flag):
    """What multipath-tools tells udev with a resume (libmultipath/devmapper.h)."""

    NONE = 0
    RELOAD = 0x0100
    """Only paths or policies changed: no blkid, no kpartx, no LVM scan is due."""
    NO_KPARTX = 0x0200
    """udev makes no partition maps of this map."""
    NO_PATHS = 0x0400
    """The map has no usable path: nobody may read it."""


class Step(t.Protocol):
    """One operation; it says of itself what a plan, check mode and `apply` need to know."""

    @property
    def uuid(self) -> str:
        """The map that it is about; empty if it is about no one map."""

    def words(self) -> str:
        """Return it as an admin knows it, from dmsetup or the shell."""

    def carry_out(self, kernel: Kernel) -> None:
        """Do it; a KernelError if that is refused."""

    def foresee(self, host: Host) -> Host:
        """Return what it makes of the host that was observed."""


Plan = tuple[Step, ...]


@dataclass(frozen=True)
class Create:
    """Make an empty map; its uuid can never be changed again."""

    name: str
    uuid: str

    def words(self) -> str:
        return f"create {self.name} --uuid {self.uuid} --notable"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.create(self.name, self.uuid)

    def foresee(self, host: Host) -> Host:
        return replace(host, maps=(*host.maps, Map(self.name, self.uuid)))


@dataclass(frozen=True)
class Load:
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
class Resume:
    """Swap the inactive table in, in one ioctl, and let I/O go on.

    `flush` waits for the I/O under way before the swap: for a change of size, and only then
    (multipath-tools dm_addmap_reload). Of a map without a path it would fail the I/O that is queued
    (dm-mpath.c multipath_presuspend), which is refused before.
    """

    name: str
    uuid: str
    flush: bool = False
    read_only: bool = False
    udev: UdevFlag = UdevFlag.NONE

    def words(self) -> str:
        return f"resume {self.name}" if self.flush else f"resume {self.name} --noflush --nolockfs"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.resume(self.uuid, self.flush, self.udev)

    def foresee(self, host: Host) -> Host:
        def resumed(each: Map) -> Map:
            live = canonical(each.inactive) or each.live
            read_only = self.read_only if each.inactive else each.read_only
            return replace(each, live=live, inactive=(), suspended=False, read_only=read_only)

        return _changed(host, self.uuid, resumed)


@dataclass(frozen=True)
class Clear:
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
class Rename:
    """Give a map another name in place; whoever has it open notices nothing."""

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
class Message:
    """Change the live state of a multipath map without a reload.

    `by_multipathd` is the same request in the words of the daemon that manages the map.
    """

    name: str
    uuid: str
    text: str
    by_multipathd: str = ""

    def words(self) -> str:
        if self.by_multipathd:
            return f"multipathd {self.by_multipathd}"
        return f"message {self.name} 0 {self.text}"

    def carry_out(self, kernel: Kernel) -> None:
        if self.by_multipathd:
            kernel.tell_multipathd(self.by_multipathd)
        else:
            kernel.message(self.uuid, self.text)

    def foresee(self, host: Host) -> Host:
        if self.text == CANCEL_DEFERRED_REMOVE:
            return _changed(host, self.uuid, lambda each: replace(each, deferred_remove=False))
        verb, _space, argument = self.text.partition(" ")

        def messaged(each: Map) -> Map:
            if verb in (QUEUE_IF_NO_PATH, FAIL_IF_NO_PATH):
                return replace(each, live=with_queueing(each.live, verb == QUEUE_IF_NO_PATH))
            if verb == "switch_group":
                live = with_current_group(each.live, int(argument))
                return replace(each, live=live, status=each.status and each.status.switched())
            status = each.status and each.status.with_path(argument, verb == "reinstate_path")
            return replace(each, status=status)

        return _changed(host, self.uuid, messaged)


@dataclass(frozen=True)
class Remove:
    """Remove a map that nobody has open, or with `deferred` one that somebody has, at the end."""

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


@dataclass(frozen=True)
class Attach:
    """Let a loop device show a file, so that the file's partitions can have maps."""

    device: DeviceNumber
    image: str
    read_only: bool = False

    uuid = ""

    def words(self) -> str:
        option = "--read-only " if self.read_only else ""
        return f"losetup {option}/dev/loop{self.device.minor} {self.image}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.attach(self.device, self.image, self.read_only)

    def foresee(self, host: Host) -> Host:
        return host


@dataclass(frozen=True)
class Detach:
    """Let a loop device go that nobody uses any more."""

    device: DeviceNumber

    uuid = ""

    def words(self) -> str:
        return f"losetup --detach /dev/loop{self.device.minor}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.detach(self.device)

    def foresee(self, host: Host) -> Host:
        return host


ON_MAPS = (Load, Resume, Clear, Rename, Message, Remove)
"""The steps that change a map that is there, by a request to the kernel."""


def foresee(plan: Plan, host: Host) -> Host:
    """Return the host as it will be once `plan` is carried out, its maps in their names' order."""
    for step in plan:
        host = step.foresee(host)
    return replace(host, maps=tuple(sorted(host.maps, key=lambda each: each.name)))


def words(plan: Plan) -> tuple[str, ...]:
    """Return the plan in words, an operation each."""
    return tuple(step.words() for step in plan)


def is_by_kernel(step: Step) -> bool:
    """Tell whether a step asks the kernel to make or change a map, not the multipath daemon."""
    if isinstance(step, Message):
        return not step.by_multipathd
    return isinstance(step, (Create, *ON_MAPS))


def uuids(plan: Plan) -> set[str]:
    """Return the uuids of the maps that `plan` changes."""
    return {step.uuid for step in plan if step.uuid}


def _changed(host: Host, uuid: str, change: Callable[[Map], Map]) -> Host:
    # From the end, where the maps are that a plan has created.
    for at in range(len(host.maps) - 1, -1, -1):
        if host.maps[at].uuid == uuid:
            changed = change(host.maps[at])
            return replace(host, maps=(*host.maps[:at], changed, *host.maps[at + 1 :]))
    return host
