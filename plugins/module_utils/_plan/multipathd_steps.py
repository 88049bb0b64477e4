# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations on the multipath daemon: on its files, requests, and the wait for their effect."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .._values.errors import MultipathdError
from .._values.host import Map
from .._values.multipath import Multipath
from .._values.names import multipath_uuid
from .._values.table import canonical, equivalent, format_table
from .multipathd_reasons import reasons

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._values.host import BlockDevice, Host
    from .._values.kernel import Kernel
    from .._values.multipath_conf import Configuration
    from .._values.table import Table


@dataclass(frozen=True)
class Managed:
    """A map as the daemon is to make it: `settings` say it to the daemon, `table` is the target.

    `device` says to it what holds for the storage of the LUN; empty if nothing is stated.
    `stated_features` are those that the task states; the daemon may have others of its own
    (its table of storage), and a hardware handler unless `handler_stated`. While no path is left it
    counts `retries`, and the map queues or does not.
    """

    name: str
    wwid: str
    table: Table
    read_only: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    device: Mapping[str, str] = field(default_factory=dict)
    stated_features: frozenset[str] = frozenset()
    handler_stated: bool = False
    retries: bool = False

    @property
    def uuid(self) -> str:
        """The map's uuid, its identity."""
        return multipath_uuid(self.wwid)

    def settled(self, found: Map) -> Table:
        """Return the table as it is once the daemon has decided what the task leaves to it.

        That is what `found` has already, if it has the same groups: their order, which follows from
        the priorities that the daemon finds, and what is not stated.
        """
        there = found.multipath
        (segment,) = canonical(self.table)
        if there is None or not isinstance(segment.target, Multipath):
            return self.table
        there, target = there.canonical(), segment.target
        unstated = {each: getattr(there.features, each) for each in _FEATURES}
        features = {each: unstated[each] for each in _FEATURES if each not in self.stated_features}
        if self.retries and (found.status is None or not found.status.active_paths()):
            features["queue_if_no_path"] = there.features.queue_if_no_path
        same = sorted(target.groups, key=repr) == sorted(there.groups, key=repr)
        target = replace(
            target,
            features=replace(target.features, **features),
            hardware_handler=target.hardware_handler
            if self.handler_stated
            else there.hardware_handler,
            groups=there.groups if same else target.groups,
        )
        return (replace(segment, target=target),)

    def is_known(self, known: Configuration) -> bool:
        """Tell whether the daemon has read what the task states."""
        return known.says(self.settings, self.device)

    def is_met(self, found: Map | None) -> bool:
        """Tell whether the map is there as it is to be."""
        return (
            found is not None
            and found.name == self.name
            and found.read_only == self.read_only
            and not found.suspended
            and equivalent(self.settled(found), found.live)
        )


_FEATURES = ("pg_init_retries", "pg_init_delay_msecs", "queue_mode")


@dataclass(frozen=True)
class WriteDropIn:
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

    def foresee(self, host: Host) -> Host:
        drop_ins = {**host.multipathd.drop_ins, self.path: self.text}
        return replace(host, multipathd=replace(host.multipathd, drop_ins=drop_ins))


@dataclass(frozen=True)
class RemoveDropIn:
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
class AddWwid:
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
class RemoveWwid:
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
class Tell:
    """Tell the daemon something whose effect another step waits for; about one map, or all."""

    request: str
    uuid: str = ""

    def words(self) -> str:
        return f"multipathd {self.request}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.tell_multipathd(self.request)

    def foresee(self, host: Host) -> Host:
        return host


@dataclass(frozen=True)
class DeleteMap:
    """Have the daemon remove a map that nobody has open."""

    name: str
    uuid: str

    def words(self) -> str:
        return f"multipathd del map {self.name}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.tell_multipathd(f"del map {self.name}")

    def foresee(self, host: Host) -> Host:
        return replace(host, maps=tuple(each for each in host.maps if each.uuid != self.uuid))


@dataclass(frozen=True)
class AwaitName:
    """Wait until the daemon has renamed a map, `timeout` seconds at most."""

    managed: Managed
    timeout: float

    @property
    def uuid(self) -> str:
        return self.managed.uuid

    def words(self) -> str:
        return f"wait for {self.managed.name}"

    def carry_out(self, kernel: Kernel) -> None:
        def is_renamed(_known: Configuration) -> bool:
            found = kernel.map_of_uuid(self.uuid)
            return found is not None and found.name == self.managed.name

        if not kernel.multipathd_once(is_renamed, self.timeout):
            raise MultipathdError(
                self.words(),
                f"after {self.timeout:g} seconds the map has another name"
                f"{_why(self.managed, (), kernel, None)}",
            )

    def foresee(self, host: Host) -> Host:
        return host


@dataclass(frozen=True)
class AwaitMap:
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

        def is_done(known: Configuration) -> bool:
            found = kernel.map_of_uuid(self.uuid)
            there = found is not None and managed.is_met(found) and kernel.has_node(found)
            return there and managed.is_known(known)

        if not kernel.multipathd_once(is_done, self.timeout):
            found = kernel.map_of_uuid(self.uuid)
            reason = _why(managed, self.disks, kernel, found)
            raise MultipathdError(self.words(), self._instead(found) + reason)

    def _instead(self, found: Map | None) -> str:
        there = f"{found.name} '{format_table(found.live)}'" if found else "no map"
        same = " as stated, but not the settings" if self.managed.is_met(found) else ""
        return (
            f"after {self.timeout:g} seconds there is {there}{same}, instead of"
            f" {self.managed.name} '{format_table(self.table)}'"
        )

    def foresee(self, host: Host) -> Host:
        managed = self.managed
        there = host.map_of_uuid(managed.uuid) or Map(managed.name, managed.uuid)
        table = canonical(self.table)
        made = replace(
            there,
            name=managed.name,
            live=table,
            inactive=(),
            read_only=managed.read_only,
            suspended=False,
        )
        others = tuple(each for each in host.maps if each.uuid != managed.uuid)
        return replace(host, maps=(*others, made))


def _why(managed: Managed, disks: Sequence[BlockDevice], kernel: Kernel, found: Map | None) -> str:
    """Return in words why the daemon has the map not as it was told, and where more is said."""
    try:
        daemon = kernel.multipathd(frozenset(disk.device for disk in disks))
        why = "; ".join(reasons(managed, disks, daemon, found))
    except MultipathdError as silent:
        why = f"it does not answer `{silent.request}`: {silent.words}"
    more = "more is in multipathd's log (journalctl -u multipathd)"
    return f". The daemon: {why}; {more}" if why else f"; {more}"
