# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The multipath daemon in memory: what real ones were seen to do, beside an in-memory kernel."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from unit.memory_map import MemoryMap

from ansible_collections.san.device_mapper.plugins.module_utils._plan.multipathd_reasons import (
    LOGGED,
)
from ansible_collections.san.device_mapper.plugins.module_utils._plan.path_groups import (
    groups,
    priority,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.blacklist import (
    rules_against,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    MultipathdError,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    Features,
    Multipath,
    Path,
    PathGroup,
    PathSelector,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import (
    MARK,
    Configuration,
    Section,
    parse_sections,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd import (
    DaemonMap,
    DaemonPath,
    Multipathd,
    Parsed,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd_versions import (
    renames_and_reloads,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    Segment,
    Table,
    with_queueing,
)
from ansible_collections.san.device_mapper.plugins.plugin_utils._types import Enough


@dataclass
class Daemon:
    """Its files by their paths, what it has read of them, and the disks that it could take."""

    installed: bool = True
    runs: bool = False
    version: tuple[int, ...] = (0, 9, 4)
    files: dict[str, str] = field(default_factory=dict)
    wwids: set[str] = field(default_factory=set)
    disks: tuple[BlockDevice, ...] = ()
    known: Configuration = field(default_factory=Configuration)
    read_only: str = ""
    awaited_file: str = ""
    complaints: tuple[str, ...] = ()
    requests: list[str] = field(default_factory=list)
    deaf: bool = False
    failback: str = "-"
    priorities: dict[str, int] = field(default_factory=dict)
    marginal: set[str] = field(default_factory=set)
    log: tuple[str, ...] = ()
    bindings: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ("polling_intervall",)
    parses_beforehand: bool = True

    def said(self) -> Configuration:
        """Return what the files say."""
        texts = sorted(self.files.items())
        return Configuration(
            tuple(each for path, text in texts for each in parse_sections(text, path))
        )

    def paths(self) -> Iterator[BlockDevice]:
        """Yield the disks that no rule of what it has read keeps out."""
        for each in self.disks:
            if each.wwid and not self.left_out(each):
                yield each

    def left_out(self, disk: BlockDevice) -> str:
        """Return what multipath-tools say against a disk; empty if they take it."""
        known = {**_KNOWN, "devnode": disk.name, "wwid": disk.wwid}
        rules = [rule for rule, certain in rules_against(known, self.known) if certain]
        return f"{disk.name}: {LOGGED[rules[0].kind]} blacklisted" if rules else ""

    def view(self, maps: tuple[Map, ...]) -> Multipathd:
        """Return what is observed of it."""
        return Multipathd(
            runs=self.runs,
            installed=self.installed,
            version=self.version if self.runs else (),
            reloads_all=self.runs and self.version < (0, 8, 8),
            maps=tuple(
                DaemonMap(each.name, each.uuid[6:], self.failback)
                for each in maps
                if self.runs and each.uuid.startswith("mpath-")
            ),
            paths=tuple(
                DaemonPath(
                    *(each.name, each.device, each.wwid),
                    *("ready", "", STORAGE),
                    protocol="scsi:fcp",
                    priority=self.priorities.get(each.name, priority(each)),
                    marginal=each.name in self.marginal,
                )
                for each in self.paths()
                if self.runs
            ),
            known=self.known if self.runs else Configuration(),
            files=self.said(),
            complaints=self.complaints,
            drop_ins={path: text for path, text in self.files.items() if text.startswith(MARK)},
            wwids=frozenset(self.wwids),
            read_only=self.read_only,
            awaited_file="" if self.awaited_file in self.files else self.awaited_file,
            left_out={each.device: self.left_out(each) for each in self.disks if self.runs},
            log=self.log,
            texts=dict(self.files),
            bindings=self.bindings,
        )

    def parsed(self, files: Mapping[str, str]) -> Parsed | None:
        """Return what its parser makes of files, and against which lines it speaks."""
        if not self.parses_beforehand:
            return None
        found = tuple(
            each for path, text in sorted(files.items()) for each in parse_sections(text, path)
        )
        complaints = tuple(
            f"{each.file} line {setting.line}, invalid keyword: {setting.keyword}"
            for each in found
            for setting in each.settings
            if setting.keyword in self.unknown
        )
        return Parsed(Configuration(found), complaints)


STORAGE = ("ACME", "disk+1")
_KNOWN = {"vendor": "ACME", "product": "disk+1", "protocol": "scsi:fcp", "property": "ID_WWN"}


def merged(files: Configuration) -> Configuration:
    """Return what the daemon has read: one section a LUN, of several the later one counts."""
    names = ("multipaths", "multipath")
    others = tuple(each for each in files.sections if each.names != names)
    wwids = {each.value("wwid"): None for each in files.sections if each.names == names}
    return Configuration(
        others
        + tuple(
            Section("", 0, names, tuple(s for each in files.multipath(wwid) for s in each.settings))
            for wwid in wwids
        )
    )


class MemoryMultipathd:
    """What a MemoryKernel has of the daemon: its files, its requests, and the maps it makes."""

    daemon: Daemon
    _maps: list[MemoryMap]
    _request: Callable[..., AbstractContextManager[None]]
    place: Callable[..., MemoryMap]
    place_inactive: Callable[..., None]
    _open_count: Callable[[MemoryMap], int]
    message: Callable[[str, str], None]
    maps: Callable[[], tuple[Map, ...]]

    def write_drop_in(self, path: str, text: str) -> None:
        """Put a whole file into the daemon's directory."""
        with self._request("write", path):
            self.daemon.files[path] = text

    def remove_drop_in(self, path: str) -> None:
        """Remove a file."""
        with self._request("remove", path):
            self.daemon.files.pop(path, None)

    def add_wwid(self, wwid: str) -> None:
        """Note a WWID."""
        with self._request("add", wwid):
            self.daemon.wwids.add(wwid)

    def remove_wwid(self, wwid: str) -> None:
        """Forget a WWID."""
        with self._request("remove", wwid):
            self.daemon.wwids.discard(wwid)

    def tell_multipathd(self, request: str, timeout: float = 60.0) -> None:
        """Do what the daemon is told."""
        with self._request("tell", request):
            self.daemon.requests.append(request)
            if self.daemon.deaf:
                return
            verb, _space, name = request.partition(" map ")
            if verb.split()[0] in ("fail", "reinstate", "switch"):
                self._messaged(request.split())
            elif request == "reconfigure":
                self.daemon.known = merged(self.daemon.said())
                for wwid in sorted(self.daemon.wwids):
                    self._made(wwid, renames=True)
            elif verb == "add":
                said = self.daemon.known.aliased(name)
                wwid = said[-1].value("wwid") if said else name
                self.daemon.wwids.add(wwid)
                self._made(wwid, renames=False)
            else:
                self._told(verb, next((each for each in self._maps if each.name == name), None))

    def multipathd_once(self, enough: Enough, _timeout: float) -> bool:
        """Tell at once: nothing happens here while anybody waits."""
        with self._request("wait for", "multipathd"):
            view = self.daemon.view(())
            return view.runs and enough(view.known, lambda: view.paths)

    def multipath_parsed(self, files: Mapping[str, str]) -> Parsed | None:
        """Return what the parser makes of files."""
        return self.daemon.parsed(files)

    def multipathd_now(self, _disks: frozenset[DeviceNumber]) -> Multipathd:
        """Return the daemon as it is now."""
        return self.daemon.view(self.maps())

    def _told(self, verb: str, found: MemoryMap | None) -> None:
        if found is None:
            raise MultipathdError(verb, "it answers 'fail'")
        if verb == "del":
            if self._open_count(found):
                raise OSError(errno.EBUSY, "map in use")
            self._maps.remove(found)
        elif verb in ("resize", "reload"):
            self._made(found.uuid[6:], renames=False)
        elif verb == "resume":
            found.end_suspension()
        elif verb in ("disablequeueing", "restorequeueing") and found.live and found.live.multipath:
            found.live.multipath.message(
                "fail_if_no_path" if verb == "disablequeueing" else "queue_if_no_path"
            )

    def _messaged(self, words: list[str]) -> None:
        """Send a map the message for `fail path NAME` and `switch map NAME group NUMBER`."""
        if words[0] == "switch":
            found = next(each for each in self._maps if each.name == words[2])
            self.message(found.uuid, f"switch_group {words[4]}")
            return
        device = next(each.device for each in self.daemon.disks if each.name == words[2])
        for each in self._maps:
            if each.live and each.live.multipath and device in each.live.devices():
                self.message(each.uuid, f"{words[0]}_path {device}")

    def _made(self, wwid: str, *, renames: bool) -> None:
        """Make a map, or change the name or the table of one that is there; new ones do both."""
        paths = [each for each in self.daemon.paths() if each.wwid == wwid]
        if not paths:
            return
        said = (*self.daemon.known.multipath(wwid), Section("", 0, ()))[0]
        found = next((each for each in self._maps if each.uuid == f"mpath-{wwid}"), None)
        name = said.value("alias") or (found.name if found else wwid)
        table = _table(paths, self.daemon)
        if found is None:
            self.place(name, f"mpath-{wwid}", table)
            return
        renamed = renames and found.name != name
        if renamed:
            found.name = name
        version = self.daemon.version
        if not renamed or renames_and_reloads(version, version < (0, 8, 8)):
            self.place_inactive(found, table)
            found.swap(flush=False)
            found.end_suspension()


def _table(paths: list[BlockDevice], daemon: Daemon) -> Table:
    """Return the table as the daemon makes it; it has its own order of paths."""

    def said(keyword: str) -> str:
        return daemon.known.decided(keyword, paths[0].wwid, STORAGE)

    priorities = {path.name: daemon.priorities.get(path.name, priority(path)) for path in paths}
    arranged = groups(paths, said("path_grouping_policy") or "failover")
    if daemon.priorities and said("path_grouping_policy") == "group_by_prio":
        arranged = tuple(
            tuple(path for path in paths if priorities[path.name] == each)
            for each in sorted({*priorities.values()}, reverse=True)
        )
    arranged = tuple(
        part
        for group in arranged
        for part in (
            tuple(path for path in group if path.name not in daemon.marginal),
            tuple(path for path in group if path.name in daemon.marginal),
        )
        if part
    )
    selector = PathSelector((said("path_selector") or "service-time 0").split()[0])
    handler = tuple(path.hardware_handler for path in paths if path.hardware_handler)[-1:]
    path_groups = tuple(
        PathGroup(selector, tuple(Path(path.device, ("1",)) for path in reversed(group)))
        for group in arranged
    )
    features = Features.parse((said("features") or "0").split()[1:])
    table = (Segment(0, paths[0].sectors, Multipath(features, handler, path_groups, 1)),)
    return with_queueing(table, said("no_path_retry") not in ("", "fail"))
