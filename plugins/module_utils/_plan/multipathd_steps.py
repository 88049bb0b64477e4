# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations on the multipath daemon: on its files, requests, and the wait for their effect."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass, replace

from .._values.errors import KernelError, MultipathdError, MultipathdLate
from .._values.map import Map
from .._values.names import multipath_uuid, wwid_of
from .._values.table import canonical, format_table
from .map_steps import FAIL_IF_NO_PATH, Message, Remove
from .multipathd_reasons import reasons
from .steps import Plan, Step

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...plugin_utils._types import (
        BlockDevice,
        Configuration,
        DaemonPath,
        Host,
        Kernel,
        Table,
    )
    from .managed import Managed

    Paths = Callable[[], Sequence[DaemonPath]]


@dataclass(frozen=True)
class WriteDropIn(Step):
    """Replace the daemon's file about one map."""

    wwid: str
    path: str
    text: str

    @property
    def uuid(self) -> str:
        return multipath_uuid(self.wwid)

    def words(self) -> str:
        return f"write {self.path}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.write_drop_in(self.path, self.text)

    def recover(self, done: Plan, kernel: Kernel) -> int:
        """Forget the WWID that was added for this file, which the daemon's parser does not take."""
        if done[-1:] == (AddWwid(self.wwid),):
            with contextlib.suppress(KernelError):
                kernel.remove_wwid(self.wwid)
                return 1
        return 0

    def foresee(self, host: Host) -> Host:
        drop_ins = {**host.multipathd.drop_ins, self.path: self.text}
        return replace(host, multipathd=replace(host.multipathd, drop_ins=drop_ins))


@dataclass(frozen=True)
class RemoveDropIn(Step):
    """Remove the daemon's file about one map."""

    wwid: str
    path: str

    @property
    def uuid(self) -> str:
        return multipath_uuid(self.wwid)

    def words(self) -> str:
        return f"rm {self.path}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.remove_drop_in(self.path)

    def foresee(self, host: Host) -> Host:
        drop_ins = {**host.multipathd.drop_ins}
        drop_ins.pop(self.path, None)
        return replace(host, multipathd=replace(host.multipathd, drop_ins=drop_ins))


@dataclass(frozen=True)
class AddWwid(Step):
    """Have multipath-tools take the LUN for a multipath device."""

    wwid: str

    @property
    def uuid(self) -> str:
        return multipath_uuid(self.wwid)

    def words(self) -> str:
        return f"multipath -a {self.wwid}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.add_wwid(self.wwid)

    def foresee(self, host: Host) -> Host:
        wwids = host.multipathd.wwids | {self.wwid}
        return replace(host, multipathd=replace(host.multipathd, wwids=wwids))


@dataclass(frozen=True)
class RemoveWwid(Step):
    """Have multipath-tools no longer take the LUN for a multipath device."""

    wwid: str

    @property
    def uuid(self) -> str:
        return multipath_uuid(self.wwid)

    def words(self) -> str:
        return f"multipath -w {self.wwid}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.remove_wwid(self.wwid)

    def foresee(self, host: Host) -> Host:
        wwids = host.multipathd.wwids - {self.wwid}
        return replace(host, multipathd=replace(host.multipathd, wwids=wwids))


@dataclass(frozen=True)
class Tell(Step):
    """Tell the daemon something, about one map or all.

    It answers within `timeout` seconds. `effect` is the message to the kernel that does the same at
    once; None where another step waits for what the daemon makes of it.
    """

    request: str
    timeout: float
    uuid: str = ""
    effect: Message | None = None

    def words(self) -> str:
        return f"multipathd {self.request}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.tell_multipathd(self.request, self.timeout)

    def foresee(self, host: Host) -> Host:
        return self.effect.foresee(host) if self.effect else host

    @property
    def reinstates_paths(self) -> bool:
        # It makes all of its paths anew, and checks those again that it was told to fail
        # (multipathd/main.c reconfigure, cli_handlers.c cli_fail).
        return self.request == "reconfigure"


def disable_queueing(name: str, uuid: str, timeout: float) -> Tell:
    """Return the step after which I/O to a map without a path fails."""
    effect = Message(name, uuid, FAIL_IF_NO_PATH)
    return Tell(f"disablequeueing map {name}", timeout, uuid, effect)


@dataclass(frozen=True)
class DeleteMap(Step):
    """Have the daemon remove a map that is not open, within `timeout` seconds."""

    name: str
    uuid: str
    timeout: float

    def words(self) -> str:
        return f"multipathd del map {self.name}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.tell_multipathd(f"del map {self.name}", self.timeout)

    def recover(self, done: Plan, kernel: Kernel) -> int:
        """Take back what was done just before in order to remove the map, which stays.

        The next boot would not take its LUN without the WWID; and it queues again.
        """
        undone, wwid = 0, wwid_of(self.uuid)
        with contextlib.suppress(KernelError):
            if done[-1:] == (RemoveWwid(wwid),):
                kernel.add_wwid(wwid)
                undone = 1
            before = done[: len(done) - undone]
            if before[-1:] == (disable_queueing(self.name, self.uuid, self.timeout),):
                kernel.tell_multipathd(f"restorequeueing map {self.name}", self.timeout)
                undone += 1
        return undone

    def foresee(self, host: Host) -> Host:
        return replace(host, maps=tuple(each for each in host.maps if each.uuid != self.uuid))


def as_request(step: Step, timeout: float) -> Step:
    """Return what the daemon is told in the place of a step that removes the map of a LUN."""
    if isinstance(step, Remove) and wwid_of(step.uuid):
        return DeleteMap(step.name, step.uuid, timeout)
    if isinstance(step, Message) and step.text == FAIL_IF_NO_PATH:
        return disable_queueing(step.name, step.uuid, timeout)
    return step


@dataclass(frozen=True)
class AwaitName(Step):
    """Wait until the daemon has renamed a map, `timeout` seconds at most."""

    managed: Managed
    timeout: float

    @property
    def uuid(self) -> str:
        return self.managed.uuid

    def words(self) -> str:
        return f"wait for {self.managed.name}"

    def carry_out(self, kernel: Kernel) -> None:
        def is_renamed(_known: Configuration, _paths: Paths) -> bool:
            found = kernel.map_of_uuid(self.uuid)
            return found is not None and found.name == self.managed.name

        if not kernel.multipathd_once(is_renamed, self.timeout):
            raise MultipathdLate(
                self.words(),
                f"after {self.timeout:g} seconds the map has another name"
                f"{_why(self.managed, (), kernel, None)}",
            )


@dataclass(frozen=True)
class AwaitMap(Step):
    """Wait until the daemon is idle and the kernel has the map, `timeout` seconds at most.

    And until udev has made its node, for which the daemon itself may not wait; but that alone does
    not fail a task.
    """

    managed: Managed
    table: Table
    disks: tuple[BlockDevice, ...]
    timeout: float

    @property
    def uuid(self) -> str:
        return self.managed.uuid

    def words(self) -> str:
        return f"wait for {self.managed.name} --table '{format_table(self.table)}'"

    def carry_out(self, kernel: Kernel) -> None:
        managed = self.managed

        def is_done(known: Configuration, paths: Paths) -> bool:
            found = kernel.map_of_uuid(self.uuid)
            there = found is not None and managed.is_met(found, paths) and kernel.has_node(found)
            return there and managed.is_known(known)

        if not kernel.multipathd_once(is_done, self.timeout):
            found = kernel.map_of_uuid(self.uuid)
            reason = _why(managed, self.disks, kernel, found)
            raise MultipathdLate(self.words(), self._instead(found) + reason)

    def _instead(self, found: Map | None) -> str:
        there = f"{found.name} '{format_table(found.live)}'" if found else "no map"
        same = " with the right table but other settings" if self.managed.is_met(found) else ""
        return (
            f"after {self.timeout:g} seconds there is {there}{same}, instead of"
            f" {self.managed.name} '{format_table(self.table)}'"
        )

    def foresee(self, host: Host) -> Host:
        managed = self.managed
        protected = all(disk.read_only for disk in self.disks)
        there = host.map_of_uuid(managed.uuid)
        there = there or Map(managed.name, managed.uuid, read_only=protected)
        table = canonical(self.table)
        made = replace(
            there,
            name=managed.name,
            live=table,
            inactive=(),
            read_only=there.read_only if managed.read_only is None else managed.read_only,
            suspended=False,
        )
        uuid = managed.uuid
        others = tuple(each for each in host.maps if each.uuid != uuid)
        return replace(host, maps=(*others, made))


def _why(managed: Managed, disks: Sequence[BlockDevice], kernel: Kernel, found: Map | None) -> str:
    """Return in words why the daemon has the map not as it was told, and where more is said."""
    try:
        daemon = kernel.multipathd_now(frozenset(disk.device for disk in disks))
        why = "; ".join(reasons(managed, disks, daemon, found))
    except MultipathdError as silent:
        why = f"it does not answer `{silent.request}`: {silent.words}"
    more = "more is in multipathd's log (journalctl -u multipathd)"
    return f". The daemon: {why}; {more}" if why else f"; {more}"
