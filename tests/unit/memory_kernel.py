# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Device-mapper in memory: a Kernel with the quirks of a real one, held to captured outputs."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Iterator, Mapping
from typing import cast

from unit.memory_map import LoadedSegment, LoadedTable, MemoryMap
from unit.memory_multipath import Disk, LoadedMultipath
from unit.memory_multipathd import Daemon, MemoryMultipathd
from unit.memory_san import MemorySan

from ansible_collections.san.device_mapper.plugins.module_utils._plan.map_steps import (
    CANCEL_DEFERRED_REMOVE,
)
from ansible_collections.san.device_mapper.plugins.module_utils._plan.steps import Plan
from ansible_collections.san.device_mapper.plugins.module_utils._plan.steps import (
    apply as carry_out,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import KernelError
from ansible_collections.san.device_mapper.plugins.module_utils._values.kernel import Kernel
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map, UdevFlag
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    Multipath,
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.records import (
    DETACHED_RULES,
    listed_as_detached,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    Linear,
    Segment,
    Table,
)

MAJOR = 252


class Killed(BaseException):
    """The process that changes maps has been killed."""


class MemoryKernel(MemoryMultipathd, MemorySan):
    """Device-mapper over `disks`; those that are `claimed` are mounted, or in use otherwise.

    Requests that change something are counted from 0. The one with the number `fail_at` is
    refused; a resume then fails in its middle, which is what it has to fear (see `resume`). Before
    the one with the number `kill_at`, Killed is raised.
    """

    def __init__(self, disks: Mapping[DeviceNumber, Disk]) -> None:
        self.disks = dict(disks)
        self.daemon = Daemon()
        self.loops: dict[DeviceNumber, tuple[str, bool]] = {}
        self.claimed: set[DeviceNumber] = set()
        self.files: dict[str, str] = {}
        self.held: set[tuple[str, DeviceNumber]] = set()
        self.requests = 0
        self.readings = 0
        self.lookups = 0
        self.fail_at: int | None = None
        self.kill_at: int | None = None
        self.batches: list[float] = []
        self.nodeless = False
        self._in_batch = False
        self._maps: list[MemoryMap] = []

    def maps(self) -> tuple[Map, ...]:
        """Return all maps in the order of their names."""
        self.readings += 1
        return self.looked_at()

    def looked_at(self) -> tuple[Map, ...]:
        """Return the same without counting, for what is beside device-mapper."""
        return tuple(self._observed(each) for each in sorted(self._maps, key=lambda m: m.name))

    def map_of_uuid(self, uuid: str) -> Map | None:
        """Return one map."""
        self.lookups += 1
        return next((self._observed(each) for each in self._maps if each.uuid == uuid), None)

    def has_node(self, _present: Map) -> bool:
        """Return whether udev has done its part."""
        return not self.nodeless

    def create(self, name: str, uuid: str) -> None:
        """Make an empty map."""
        with self._request("create", name):
            self.place(name, uuid)

    def load(self, uuid: str, table: Table, read_only: bool) -> None:
        """Put `table` into the inactive slot; the first one decides on the map's type."""
        with self._request("load a table into", uuid):
            found = self._found(uuid)
            loaded = self._loaded(table, read_only)
            request_based = loaded.multipath is not None and not loaded.multipath.bio
            if found.live and found.live.multipath and not loaded.multipath:
                raise OSError(errno.EINVAL, "multipath may only be followed by multipath")
            if found.request_based not in (None, request_based):
                raise OSError(errno.EINVAL, "the type may not change")
            if found.request_based is None and self._reaches_beyond(loaded):
                raise OSError(errno.EINVAL, "beyond the device")
            found.inactive, found.request_based = loaded, request_based

    def clear(self, uuid: str) -> None:
        """Empty the inactive slot."""
        with self._request("clear the inactive table of", uuid):
            self._found(uuid).inactive = None

    def resume(self, uuid: str, flush: bool, udev: UdevFlag) -> None:
        """Swap the inactive table in, if there is one, and let I/O go on.

        Whether a table fits on its devices is checked here, but for the first. If it does not, the
        map stays suspended with its old table, and the new one is gone (do_resume).
        """
        self._require_batch()
        with self._request("resume", uuid, refuse=False):
            found = self._found(uuid)
            refused = self.requests - 1 == self.fail_at
            if found.inactive:
                if refused or self._reaches_beyond(found.inactive):
                    found.suspend(flush)
                    found.inactive = None
                    raise OSError(errno.EINVAL, "beyond the device")
                found.swap(flush)
            elif refused:
                raise OSError(errno.EINVAL, "refused")
            if found.suspended:
                found.end_suspension()

    def rename(self, uuid: str, new_name: str, udev: UdevFlag) -> None:
        """Change the name."""
        self._require_batch()
        with self._request("rename", uuid):
            found = self._found(uuid)
            self._require_free(name=new_name)
            found.name = new_name

    def message(self, uuid: str, text: str) -> None:
        """Send `text` to the target at sector 0."""
        with self._request(f"send the message {text} to", uuid):
            found = self._found(uuid)
            if text == CANCEL_DEFERRED_REMOVE:
                found.deferred_remove = False
                return
            if found.live is None or found.live.multipath is None:
                raise OSError(errno.EINVAL, "no target, or one that takes no message")
            if found.suspended:
                raise OSError(errno.EBUSY, "suspended")
            found.live.multipath.message(text)

    def detached(self) -> frozenset[str]:
        """Return the LUNs that are held detached."""
        return listed_as_detached(self.files.get(DETACHED_RULES, ""))

    def held_paths(self) -> frozenset[tuple[str, DeviceNumber]]:
        """Return the paths that tasks have failed."""
        return frozenset(self.held)

    def hold_path(self, uuid: str, device: DeviceNumber) -> None:
        """Note that a path stays failed."""
        self.held.add((uuid, device))

    def release_path(self, uuid: str, device: DeviceNumber) -> None:
        """Take that back."""
        self.held.discard((uuid, device))

    def remove(self, uuid: str, deferred: bool) -> None:
        """Remove the map, or note that it is to be removed with its last close (dev_remove)."""
        self._require_batch()
        with self._request("remove", uuid):
            found = self._found(uuid)
            if self._open_count(found):
                if not deferred:
                    raise OSError(errno.EBUSY, "open")
                found.deferred_remove = True
            else:
                self._maps.remove(found)
                self._remove_deferred()

    def write_file(self, path: str, text: str) -> None:
        """Write a file that the host boots with."""
        with self._request("write", path):
            self.files[path] = text

    def remove_file(self, path: str) -> None:
        """Remove such a file."""
        with self._request("remove", path):
            self.files.pop(path, None)

    def attach(self, device: DeviceNumber, path: str, read_only: bool, logical_sector: int) -> None:
        """Let the loop device show the file `path`; every file has 10,000 sectors."""
        with self._request("attach", path):
            if device in self.loops:
                raise OSError(errno.EBUSY, "attached")
            self.loops[device] = (path, read_only)
            self.disks[device] = Disk(10_000)

    def detach(self, device: DeviceNumber) -> None:
        """Let the loop device go."""
        with self._request("detach", str(device)):
            del self.loops[device], self.disks[device]

    @contextlib.contextmanager
    def udev_batch(self, timeout: float) -> Iterator[None]:
        """Note the batch; what udev has to know may only be changed within one."""
        self.batches.append(timeout)
        self._in_batch = True
        try:
            yield
        finally:
            self._in_batch = False

    def place(self, name: str, uuid: str, live: Table = (), read_only: bool = False) -> MemoryMap:
        """Put a map there that somebody else has made; counts as no request."""
        self._require_free(name=name, uuid=uuid)
        taken = {each.device.minor for each in self._maps}
        minor = next(number for number in itertools.count() if number not in taken)
        placed = MemoryMap(name, uuid, DeviceNumber(MAJOR, minor))
        if live:
            self.place_inactive(placed, live, read_only)
            placed.swap(flush=False)
            placed.end_suspension()
        self._maps.append(placed)
        return placed

    def place_inactive(self, placed: MemoryMap, table: Table, read_only: bool = False) -> None:
        """Load a table as somebody else's interrupted change."""
        placed.inactive = self._loaded(table, read_only)
        multipath = placed.inactive.multipath
        placed.request_based = multipath is not None and not multipath.bio

    def placed(self, uuid: str) -> MemoryMap:
        """Return the map with this uuid, to be looked at or changed as if by somebody else."""
        return self._found(uuid)

    def holders(self, device: DeviceNumber) -> tuple[MemoryMap, ...]:
        """Return the maps one of whose tables opens `device`."""
        return tuple(
            each for each in self._maps if any(device in table.devices() for table in each.tables())
        )

    def opened(self) -> tuple[MemoryMap, ...]:
        """Return the maps that something else than a map has open."""
        return tuple(each for each in self._maps if each.opened)

    def _remove_deferred(self) -> None:
        """Remove those maps that waited for what has just been closed (dm_blk_close)."""
        while closed := [
            each for each in self._maps if each.deferred_remove and not self._open_count(each)
        ]:
            self._maps.remove(closed[0])

    def _observed(self, each: MemoryMap) -> Map:
        live, inactive = (
            tuple(Segment.read(*segment.read_back()) for segment in table.segments) if table else ()
            for table in (each.live, each.inactive)
        )
        status = None
        if each.live and each.live.multipath:
            status = MultipathStatus.read(each.live.multipath.status())
        kinds = {segment.target.kind for segment in (*live, *inactive)}
        return Map(
            name=each.name,
            uuid=each.uuid,
            device=each.device,
            live=live,
            inactive=inactive,
            suspended=each.suspended,
            read_only=each.read_only,
            deferred_remove=each.deferred_remove,
            open_count=self._open_count(each),
            status=status,
            request_based=each.request_based if kinds == {"error"} else None,
        )

    def _loaded(self, table: Table, read_only: bool) -> LoadedTable:
        segments = [self._loaded_segment(segment) for segment in table]
        ends = [0, *(segment.start + segment.length for segment in table)]
        if not table or any(segment.length < 1 for segment in table):
            raise OSError(errno.EINVAL, "no sectors")
        if ends[:-1] != [segment.start for segment in table]:
            raise OSError(errno.EINVAL, "a gap")
        if any(each.target for each in segments) and len(segments) > 1:
            raise OSError(errno.EINVAL, "multipath is alone in its table")
        return LoadedTable(segments, read_only)

    def _loaded_segment(self, segment: Segment) -> LoadedSegment:
        target = segment.target
        for device in target.devices():
            if self._sectors(device) is None:
                raise OSError(errno.ENXIO, "no such device")
            if device in self.claimed:
                raise OSError(errno.EBUSY, "claimed")
        if isinstance(target, Multipath):
            return LoadedSegment(segment, LoadedMultipath(target, self.disks))
        if not isinstance(target, Linear) and target.kind in (Linear.kind, Multipath.kind):
            raise OSError(errno.EINVAL, "parameters that do not parse")
        return LoadedSegment(segment, None)

    def _reaches_beyond(self, table: LoadedTable) -> bool:
        for each in table.segments:
            target = each.segment.target
            offset = target.offset if isinstance(target, Linear) else 0
            end = offset + each.segment.length
            if any(end > (self._sectors(device) or 0) for device in each.devices()):
                return True
        return False

    def _sectors(self, device: DeviceNumber) -> int | None:
        if device in self.disks:
            return self.disks[device].sectors
        for each in self._maps:
            if each.device == device:
                return each.live.sectors if each.live else 0
        return None

    def _open_count(self, each: MemoryMap) -> int:
        return each.opened + len(self.holders(each.device))

    def _found(self, uuid: str) -> MemoryMap:
        for each in self._maps:
            if each.uuid == uuid:
                return each
        raise OSError(errno.ENXIO, "no such map")

    def _require_free(self, name: str, uuid: str = "") -> None:
        if any(each.name == name or (uuid and each.uuid == uuid) for each in self._maps):
            raise OSError(errno.EBUSY, "there is one already")

    def _require_batch(self) -> None:
        if not self._in_batch:
            raise RuntimeError("a change outside of udev_batch")

    @contextlib.contextmanager
    def _request(self, request: str, name: str, refuse: bool = True) -> Iterator[None]:
        number = self.requests
        self.requests += 1
        if number == self.kill_at:
            raise Killed
        try:
            if refuse and number == self.fail_at:
                raise OSError(errno.ENOMEM, "refused")
            yield
        except OSError as refused:
            code = refused.errno or 0
            raise KernelError(request, name, code, os.strerror(code)) from refused


def apply(plan: Plan, kernel: MemoryKernel, timeout: float) -> None:
    """Carry out a plan on an in-memory kernel, which has all that changes something."""
    carry_out(plan, cast(Kernel, kernel), timeout)
