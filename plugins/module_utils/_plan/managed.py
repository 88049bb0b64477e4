# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A map as the multipath daemon is to make it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .._values.multipath import Multipath, PathGroup
from .._values.names import multipath_uuid
from .._values.table import Table, canonical, equivalent

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from ...plugin_utils._types import Configuration, DaemonPath, DeviceNumber, Map

_FEATURES = ("pg_init_retries", "pg_init_delay_msecs", "queue_mode")


@dataclass(frozen=True)
class Managed:
    """A map as the daemon is to make it: `settings` say it to the daemon.

    `table` is the target where the daemon decides as is foreseen; of it only that is awaited which
    the task states: the paths, the `stated` options and the `stated_features`. Without `named` the
    name is the daemon's as well, and without a value `read_only` is.
    `device` says what holds for the storage of the LUN; empty if nothing is stated. `elsewhere` are
    the keywords of the map in files that are not this collection's. While no path is left the
    daemon counts `retries`, and the map queues or does not.
    """

    name: str
    wwid: str
    table: Table
    read_only: bool | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    device: Mapping[str, str] = field(default_factory=dict)
    stated: frozenset[str] = frozenset()
    stated_features: frozenset[str] = frozenset()
    policy: str = ""
    named: bool = True
    elsewhere: frozenset[str] = frozenset()
    retries: bool = False

    @property
    def uuid(self) -> str:
        """The map's uuid, its identity."""
        return multipath_uuid(self.wwid)

    def settled(self, found: Map, paths: Callable[[], Sequence[DaemonPath]] = tuple) -> Table:
        """Return the table as it is once the daemon has decided what the task leaves to it.

        That is what `found` has already: what is not stated, the order of groups, and groups that
        follow from the stated policy by what the daemon knows of its `paths`.
        """
        there = found.multipath
        (segment,) = canonical(self.table)
        if there is None or not isinstance(segment.target, Multipath):
            return self.table
        there, target = there.canonical(), segment.target
        decided = {
            each: getattr(there.features, each)
            for each in _FEATURES
            if each not in self.stated_features
        }
        counting = self.retries and (found.status is None or not found.status.active_paths())
        if counting or "no_path_retry" not in self.stated:
            decided["queue_if_no_path"] = there.features.queue_if_no_path
        handler_stated = "hardware_handler" in self.stated
        handler = target.hardware_handler if handler_stated else there.hardware_handler
        groups = target.groups
        if self._follow(there.groups, groups, paths):
            groups = there.groups
            if "path_selector" in self.stated:
                groups = _regrouped(groups, target)
        target = replace(
            target,
            features=target.features._replace(**decided),
            hardware_handler=handler,
            groups=groups,
        )
        return (segment._replace(target=target),)

    def _follow(
        self,
        found: Sequence[PathGroup],
        foreseen: Sequence[PathGroup],
        paths: Callable[[], Sequence[DaemonPath]],
    ) -> bool:
        """Return whether the daemon may have made these groups by the stated policy, if any.

        It splits off those of marginal paths (libmultipath/pgpolicies.c group_paths), and
        may have found other priorities than the kernel shows.
        """
        there, expected = _sets(found), _sets(foreseen)
        devices = {device for group in expected for device in group}
        if {device for group in there for device in group} != devices:
            return False
        if "path_grouping_policy" not in self.stated or there == expected:
            return True
        known = {each.device: each for each in paths() if each.wwid == self.wwid}
        if not devices <= {*known}:
            return False
        common: Mapping[DeviceNumber, Hashable] = {
            path.device: index for index, group in enumerate(foreseen) for path in group.paths
        }
        if self.policy == "group_by_prio":
            common = {device: known[device].priority for device in devices}
        split = {device: (common[device], known[device].marginal) for device in devices}
        return there in (_parted(common, devices), _parted(split, devices))

    def is_known(self, known: Configuration) -> bool:
        """Return whether the daemon has read what the task states, and nothing else of ours."""
        return known.says(self.settings, self.device, self.elsewhere)

    def is_met(self, found: Map | None, paths: Callable[[], Sequence[DaemonPath]] = tuple) -> bool:
        """Return whether the map is there as it is to be; `paths` are asked for only if needed."""
        return (
            found is not None
            and (found.name == self.name or not self.named)
            and self.read_only in (None, found.read_only)
            and not found.suspended
            and equivalent(self.settled(found, paths), found.live)
        )


def _sets(groups: Sequence[PathGroup]) -> set[frozenset[DeviceNumber]]:
    return {frozenset(path.device for path in group.paths) for group in groups}


def _parted(
    common: Mapping[DeviceNumber, Hashable], devices: set[DeviceNumber]
) -> set[frozenset[DeviceNumber]]:
    """Return the groups of those devices that have something in common."""
    values = {common[device] for device in devices}
    return {frozenset(each for each in devices if common[each] == value) for value in values}


def _regrouped(groups: Sequence[PathGroup], target: Multipath) -> tuple[PathGroup, ...]:
    """Return `groups` with the selector and the arguments that the paths have in `target`."""
    paths = {path.device: path for group in target.groups for path in group.paths}
    selector = target.groups[0].selector
    return tuple(
        PathGroup(selector, tuple(paths[path.device] for path in group.paths)) for group in groups
    )
