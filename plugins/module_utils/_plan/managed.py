# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A map as the multipath daemon is to make it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from .._values.multipath import Multipath
from .._values.names import multipath_uuid
from .._values.table import Table, canonical, equivalent

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from ...plugin_utils._types import Configuration, Map

_FEATURES = ("pg_init_retries", "pg_init_delay_msecs", "queue_mode")


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
        """Return whether the daemon has read what the task states."""
        return known.says(self.settings, self.device)

    def is_met(self, found: Map | None) -> bool:
        """Return whether the map is there as it is to be."""
        return (
            found is not None
            and found.name == self.name
            and found.read_only == self.read_only
            and not found.suspended
            and equivalent(self.settled(found), found.live)
        )
