# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The multipath daemon as a task sees it."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

from .host import NOT_READ
from .multipath_conf import Configuration

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .device import DeviceNumber


class DaemonMap(t.NamedTuple):
    """A map that multipathd manages.

    `failback` is `immediate` or `followover`, `-` for another setting; or a countdown.
    """

    name: str
    wwid: str
    failback: str = ""


@dataclass(frozen=True)
class DaemonPath:
    """A path as multipathd sees it: its checker's `state`, and its map, or `[orphan]`.

    `storage` are the vendor and the product by which the daemon knows what it is, `protocol` is
    how it is reached (`scsi:fcp`); empty if it does not say. `priority` is what its prioritizer
    found, None for nothing; a path that has failed now and then is `marginal`.
    """

    name: str
    device: DeviceNumber
    wwid: str
    state: str
    map: str
    storage: tuple[str, ...] = ()
    protocol: str = ""
    priority: int | None = None
    marginal: bool = False


@dataclass(frozen=True)
class Parsed:
    """What multipath-tools' own parser makes of files, and what it says against them."""

    configuration: Configuration
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposed:
    """The host's files with another text of one of them, as multipath-tools' parser reads them.

    `alone` is what it takes of that one, `together` of all, `present` of the files as they are, or
    what a daemon that runs has read. `complaints` are about the proposed one. Where its parser can
    not be asked before the file is there, all are as this collection reads them.
    """

    text: str
    alone: Configuration
    together: Configuration
    present: Configuration
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Multipathd:
    """The multipath daemon and its files.

    A daemon that `reloads_all` loads each map of the host anew when it is told to read its files.
    `known` is what it has read, `files` is what they say now. `drop_ins` are those files
    that this collection has written, `wwids` the LUNs that are taken for multipath devices,
    `read_only` a directory that cannot be written to, `awaited_file` one that is not there and
    without which systemd does not start the daemon (Red Hat), `complaints` what the daemon's
    parser says against the files. `left_out` is what multipath-tools say of disks that the daemon
    has not as paths, `log` what it has logged, where that was asked for. `texts` are those of its
    files, `bindings` the user-friendly names by WWID, `proposed` what a task would make of the
    settings of the host. What a task did not read is NOT_READ.
    """

    runs: bool
    installed: bool = NOT_READ
    version: tuple[int, ...] = NOT_READ
    reloads_all: bool = NOT_READ
    maps: tuple[DaemonMap, ...] = NOT_READ
    paths: tuple[DaemonPath, ...] = NOT_READ
    known: Configuration = NOT_READ
    files: Configuration = NOT_READ
    complaints: tuple[str, ...] = NOT_READ
    drop_ins: Mapping[str, str] = NOT_READ
    wwids: frozenset[str] = NOT_READ
    read_only: str = NOT_READ
    awaited_file: str = NOT_READ
    left_out: Mapping[DeviceNumber, str] = NOT_READ
    log: tuple[str, ...] = NOT_READ
    texts: Mapping[str, str] = NOT_READ
    bindings: Mapping[str, str] = NOT_READ
    proposed: Proposed = NOT_READ

    def path_at(self, device: DeviceNumber) -> DaemonPath | None:
        """Return the path with this device number."""
        return self._paths_by_number.get(device)

    def fails_back_at_once(self, wwid: str) -> bool:
        """Return whether the daemon makes the best group of this LUN's map current at once."""
        return any(each.wwid == wwid and each.failback == "immediate" for each in self.maps)

    def paths_of_wwid(self, wwid: str) -> tuple[DaemonPath, ...]:
        """Return the paths that the daemon takes for those of this LUN."""
        return self._paths_by_wwid.get(wwid, ())

    def wwids_of_storage(self, storage: tuple[str, ...]) -> frozenset[str]:
        """Return the LUNs of this vendor and product."""
        return self._wwids_by_storage.get(storage, frozenset())

    @functools.cached_property
    def others(self) -> Configuration:
        """What the files say that this collection has not written."""
        sections = self.files.sections
        return Configuration(tuple(each for each in sections if each.file not in self.drop_ins))

    @functools.cached_property
    def deciding(self) -> Configuration:
        """What decides on maps where this collection says nothing: its files, its own tables."""
        return Configuration((*self.known.without_maps(), *self.others.sections))

    @functools.cached_property
    def _wwids_by_storage(self) -> Mapping[tuple[str, ...], frozenset[str]]:
        found: dict[tuple[str, ...], set[str]] = {}
        for each in self.paths:
            found.setdefault(each.storage, set()).add(each.wwid)
        return {storage: frozenset(wwids) for storage, wwids in found.items()}

    @functools.cached_property
    def _paths_by_number(self) -> Mapping[DeviceNumber, DaemonPath]:
        return {each.device: each for each in self.paths}

    @functools.cached_property
    def _paths_by_wwid(self) -> Mapping[str, tuple[DaemonPath, ...]]:
        found: dict[str, list[DaemonPath]] = {}
        for each in self.paths:
            found.setdefault(each.wwid, []).append(each)
        return {wwid: tuple(paths) for wwid, paths in found.items()}
