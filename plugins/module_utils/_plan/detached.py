# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""LUNs that a host lets go of and does not take back: the files that say so, and what goes.

What keeps a LUN away is written first, so that no event between the steps brings its map back.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._values.blacklist import named_rules
from .._values.detached import detached_rules
from .._values.errors import MultipathdLate, Refused
from .._values.multipath_conf import DIRECTORY, Setting, drop_in_path, exactly, section
from .._values.names import multipath_uuid
from .._values.records import DETACHED_RULES
from .._values.use import words
from .boot import forgotten
from .missing import Absent, plan
from .multipathd_steps import DeleteMap, RemoveDropIn, RemoveWwid, as_request
from .steps import Unmapped

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...plugin_utils._types import Configuration, DaemonPath, Host, Kernel, Plan, Step

DETACHED_DROP_IN = f"{DIRECTORY}/san-device_mapper-detached.conf"

_MARK = (
    "# Written by the Ansible module san.device_mapper.lun_paths (state: detached), which replaces"
    " all of it."
)
_READ = "reconfigure"


@dataclass(frozen=True)
class WriteDetached(Unmapped):
    """Write the list of the LUNs that the host holds detached; without any, there is no file."""

    wwids: frozenset[str]

    def words(self) -> str:
        return f"{'write' if self.wwids else 'rm'} {DETACHED_RULES}"

    def carry_out(self, kernel: Kernel) -> None:
        if self.wwids:
            kernel.write_file(DETACHED_RULES, detached_rules(self.wwids))
        else:
            kernel.remove_file(DETACHED_RULES)

    def foresee(self, host: Host) -> Host:
        return replace(host, detached=self.wwids)


@dataclass(frozen=True)
class WriteBlacklist(Unmapped):
    """Write the same list for multipathd, as its blacklist."""

    wwids: frozenset[str]

    def words(self) -> str:
        return f"{'write' if self.wwids else 'rm'} {DETACHED_DROP_IN}"

    def carry_out(self, kernel: Kernel) -> None:
        if self.wwids:
            kernel.write_drop_in(DETACHED_DROP_IN, blacklist(self.wwids))
        else:
            kernel.remove_drop_in(DETACHED_DROP_IN)

    def foresee(self, host: Host) -> Host:
        texts = {**host.multipathd.texts}
        texts.pop(DETACHED_DROP_IN, None)
        if self.wwids:
            texts[DETACHED_DROP_IN] = blacklist(self.wwids)
        return replace(host, multipathd=replace(host.multipathd, texts=texts))


@dataclass(frozen=True)
class ReadBlacklist(Unmapped):
    """Have multipathd read its files, and wait until it blacklists these LUNs, and not `freed`."""

    wwids: frozenset[str]
    freed: frozenset[str]
    timeout: float

    def words(self) -> str:
        return f"multipathd {_READ}"

    def carry_out(self, kernel: Kernel) -> None:
        def is_done(known: Configuration, _paths: Callable[[], Sequence[DaemonPath]]) -> bool:
            return not _unread(self.wwids, self.freed, known)

        kernel.tell_multipathd(_READ, self.timeout)
        if not kernel.multipathd_once(is_done, self.timeout):
            raise MultipathdLate(
                self.words(),
                f"after {self.timeout:g} seconds it does not go by {DETACHED_DROP_IN}; more is in"
                " multipathd's log (journalctl -u multipathd)",
            )

    @property
    def reinstates_paths(self) -> bool:
        return True


@dataclass(frozen=True)
class DeleteLeftMap(DeleteMap):
    """Have multipathd remove a map, unless it has done so when it read its blacklist."""

    def carry_out(self, kernel: Kernel) -> None:
        if kernel.map_of_uuid(self.uuid):
            super().carry_out(kernel)


def blacklist(wwids: frozenset[str]) -> str:
    """Return multipathd's file about these LUNs."""
    rules = [Setting("wwid", exactly(wwid)) for wwid in sorted(wwids)]
    return "".join(f"{line}\n" for line in (_MARK, *section("blacklist", {}, rules=rules)))


def _unread(wwids: frozenset[str], freed: frozenset[str], known: Configuration) -> frozenset[str]:
    """Return the LUNs about which what multipathd has read differs from its file."""
    said = {each.patterns[0].value for _name, each in named_rules(known) if each.kind == "wwid"}
    return frozenset(
        {each for each in wwids if exactly(each) not in said}
        | {each for each in freed if exactly(each) in said}
    )


def listing(wwids: frozenset[str], host: Host) -> Plan:
    """Return what writes the list of the LUNs that are held detached."""
    return (WriteDetached(wwids),) if wwids != host.detached else ()


def blacklisting(
    wwids: frozenset[str], freed: frozenset[str], host: Host, timeout: float
) -> tuple[Plan, Plan]:
    """Return what writes the same list for multipathd, and what has it read the list if it runs."""
    daemon = host.multipathd
    wanted = wwids if daemon.installed else frozenset[str]()
    there = daemon.texts.get(DETACHED_DROP_IN, "")
    differs = there != (blacklist(wanted) if wanted else "")
    unread = daemon.runs and _unread(wwids, freed - wwids, daemon.known)
    return (
        (WriteBlacklist(wanted),) if differs else (),
        (ReadBlacklist(wwids, freed - wwids, timeout),) if unread else (),
    )


def leaving_maps(wwids: Sequence[str], host: Host, timeout: float) -> tuple[Plan, Plan]:
    """Return what goes before multipathd reads its blacklist, and what after it.

    A daemon that runs removes the maps itself, at the latest when it is told to.
    """
    daemon = host.multipathd
    uuids = [multipath_uuid(wwid) for wwid in wwids]
    before: list[Step] = [*forgotten(uuids, host)]
    for wwid in wwids:
        if wwid in daemon.wwids and daemon.installed:
            before.append(RemoveWwid(wwid))
        if drop_in_path(wwid) in daemon.drop_ins:
            before.append(RemoveDropIn(wwid, drop_in_path(wwid)))
    maps = [each for each in map(host.map_of_uuid, uuids) if each]
    gone = [Absent(each.uuid) for one in maps for each in (*host.partition_maps(one), one)]
    after: list[Step] = []
    for step in plan(gone, host.maps):
        told = as_request(step, timeout) if daemon.runs else step
        if isinstance(told, DeleteMap):
            after.append(DeleteLeftMap(told.name, told.uuid, timeout))
        else:
            before.append(told)
    return tuple(before), tuple(after)


def refuse_mapped_in_use(wwid: str, host: Host) -> None:
    """Refuse to detach a LUN whose map is in use."""
    present = host.map_of_uuid(multipath_uuid(wwid))
    uses = host.uses_beyond_partition_maps(present) if present else ()
    if present and uses:
        raise Refused(
            option="wwid",
            value=wwid,
            found=f"its map {present.name} is in use: {words(uses)}",
            way_out="End that use first (unmount, swapoff, vgchange); nothing was changed",
        )


def refuse_unblacklistable(wwid: str, host: Host) -> None:
    """Refuse a LUN that multipathd would take all the same."""
    daemon = host.multipathd
    if daemon.installed and daemon.read_only:
        raise Refused(
            option="state",
            value="detached",
            found=f"{daemon.read_only}, where multipathd's blacklist is, cannot be written to",
            way_out="Make it writable; nothing was changed",
        )
    for name, rule in named_rules(daemon.files):
        excepted = name == "blacklist_exceptions" and rule.kind == "wwid"
        if excepted and rule.is_for({"wwid": wwid}) is not False:
            raise Refused(
                option="wwid",
                value=wwid,
                found=(
                    f"multipathd would take it all the same: an exception to its blacklist is for"
                    f" it, {rule.words()}"
                ),
                way_out="Take the exception out; nothing was changed",
            )
