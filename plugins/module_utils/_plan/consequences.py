# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other settings of multipathd do to the maps and disks of a host, before they are there.

By the same decisions as the daemon's own: which paths it takes (blacklist.c), which LUNs get a map
(wwids.c should_multipath), how a map is called (propsel.c select_alias), and which setting holds.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .._values.blacklist import named_rules, rules_against
from .._values.errors import Refused
from .._values.host_settings import SETTINGS_FILE, is_same, stated
from .._values.multipathd_versions import NOT_OF_A_MAP
from .._values.use import words

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...plugin_utils._types import (
        BlockDevice,
        Configuration,
        DeviceNumber,
        Host,
        Map,
        Uses,
    )
    from .._values.blacklist import Rule

KINDS = ("renamed", "released", "claimed")
"""The kinds that are refused where something is in use, unless they are allowed."""

_ALL = ("off", "no", "greedy")
_PAIRS = ("on", "yes", "smart")
_ON = ("yes", "on", "1")
_NOT_OF_A_MAP = {key for key, names in NOT_OF_A_MAP.items() if names == "defaults"}
_SECTIONS = ("defaults", "devices", "overrides")
_IDENTITY = ("vendor", "product", "revision", "user_friendly_names", "alias_prefix")


@dataclass(frozen=True)
class Consequence:
    """One thing that happens to a map, or to a disk, once the daemon uses other settings.

    A map is `renamed`; `released`, which means that the daemon keeps none of its paths, and removes
    it if nothing uses it; it `loses` a path; or a setting of it is `changed`. A disk is `claimed`
    for a map. `before` and `after` are names or values; empty where none is known.
    """

    kind: str
    name: str
    wwid: str = ""
    before: str = ""
    after: str = ""
    keyword: str = ""
    users: Uses = ()
    reason: str = ""

    def words(self) -> str:
        """Return it in words."""
        used = f" (in use: {words(self.users)})" if self.users else ""
        return {
            "renamed": f"the map {self.name} is renamed to {self.after or 'a user-friendly name'}",
            "released": f"the map {self.name} loses all of its paths",
            "loses": f"the map {self.name} loses the path {self.before}",
            "claimed": f"multipathd makes a map of the disk {self.name} ({self.wwid})",
            "changed": (
                f"{self.name}: {self.keyword} {self.before or 'unset'} becomes"
                f" {self.after or 'unset'}"
            ),
        }[self.kind] + used


def by_properties(host: Host) -> frozenset[DeviceNumber]:
    """Return the paths of maps of which udev's properties decide: where such rules are others."""
    proposed = host.multipathd.proposed
    before, after = (
        {each for each in _rules(configuration) if each[1] == "property"}
        for configuration in (proposed.present, proposed.together)
    )
    if before == after:
        return frozenset()
    return frozenset(device for each in host.multipath_maps() for device in each.opened())


def consequences(host: Host) -> tuple[Consequence, ...]:
    """Return what the proposed settings do to the host, maps first."""
    other_rules = _other_rules(host)
    return (*_of_maps(host, other_rules), *_claimed(host, other_rules))


def _of_maps(host: Host, other_rules: bool) -> Iterator[Consequence]:
    keywords = _keywords(host)
    decided = _Decided(host)
    for each in host.multipath_maps():
        users = host.uses_beyond_partition_maps(each)
        lost = _lost(each, host) if other_rules else []
        left = [disk for disk, _reason in lost]
        if lost and len(left) == len(each.opened()):
            yield Consequence(
                "released", each.name, each.wwid, each.name, users=users, reason=lost[0][1]
            )
            continue
        for disk, reason in lost:
            yield Consequence("loses", each.name, each.wwid, disk.name, reason=reason)
        name = _other_name(each, decided, host)
        if name is not None:
            yield Consequence("renamed", each.name, each.wwid, each.name, name, users=users)
        yield from _changed(each, keywords, decided)


def _lost(each: Map, host: Host) -> list[tuple[BlockDevice, str]]:
    """Return the paths of a map that are left out by a rule that does not leave them out now."""
    proposed = host.multipathd.proposed
    found = []
    for disk in map(host.disk, each.opened()):
        if _verdict(disk, proposed.present, host) is not True:
            rules = _against(disk, proposed.together, host)
            found += [(disk, rule.said()) for rule, certain in rules if certain][:1]
    return found


def _other_rules(host: Host) -> bool:
    proposed = host.multipathd.proposed
    return _rules(proposed.present) != _rules(proposed.together)


def _rules(configuration: Configuration) -> set[tuple[str, str, tuple[tuple[str, str], ...]]]:
    return {
        (name, each.kind, tuple((said.keyword, said.value) for said in each.patterns))
        for name, each in named_rules(configuration)
    }


def _verdict(disk: BlockDevice, configuration: Configuration, host: Host) -> bool | None:
    """Return whether rules leave a disk out; None where that is not certain."""
    found = [certain for _rule, certain in _against(disk, configuration, host)]
    return True if True in found else None if found else False


def _against(
    disk: BlockDevice, configuration: Configuration, host: Host
) -> Iterator[tuple[Rule, bool]]:
    names = host.property_names.get(disk.device)
    return rules_against(_known(disk, host), configuration, names)


def _known(disk: BlockDevice, host: Host) -> Mapping[str, str]:
    known = {"devnode": disk.name, "wwid": disk.wwid}
    path = host.multipathd.path_at(disk.device)
    if path and path.protocol:
        known["protocol"] = path.protocol
    if path and len(path.storage) == 2:
        known["vendor"], known["product"] = path.storage
    return known


def _other_name(each: Map, decided: _Decided, host: Host) -> str | None:
    """Return the name that the map gets, empty if it is not known yet; None if it keeps its own."""
    after = _name(each, decided, host, proposed=True)
    # What it would be called already, it is called for another reason.
    if after == each.name or after == _name(each, decided, host, proposed=False):
        return None
    return after


def _name(each: Map, decided: _Decided, host: Host, *, proposed: bool) -> str:
    """Return what the daemon calls a map, empty for a user-friendly name that is not made yet."""
    both = host.multipathd.proposed
    said = (both.together if proposed else both.present).multipath(each.wwid)
    alias = next((name for name in (e.value("alias") for e in reversed(said)) if name), "")
    if alias or decided("user_friendly_names", each.wwid, proposed=proposed) not in _ON:
        return alias or each.wwid
    prefix = decided("alias_prefix", each.wwid, proposed=proposed) or "mpath"
    bindings = host.multipathd.bindings
    bound = bindings.get(each.wwid, "")
    is_friendly = re.fullmatch(re.escape(prefix) + "[a-z]+", each.name) is not None
    if is_friendly and (each.name == bound or each.name not in bindings.values()):
        return each.name
    return bound if bound.startswith(prefix) else ""


class _Decided:
    """What holds for a LUN; asked once for all LUNs of one storage that no section is about."""

    def __init__(self, host: Host) -> None:
        self._daemon = host.multipathd
        self._known: dict[tuple[bool, str, tuple[str, ...]], str] = {}

    def __call__(self, keyword: str, wwid: str, *, proposed: bool) -> str:
        both = self._daemon.proposed
        configuration = both.together if proposed else both.present
        paths = self._daemon.paths_of_wwid(wwid)
        storage = paths[0].storage if paths else ()
        if any(each.value(keyword) for each in configuration.multipath(wwid)):
            return configuration.decided(keyword, wwid, storage)
        place = (proposed, keyword, storage)
        if place not in self._known:
            self._known[place] = configuration.decided(keyword, "", storage)
        return self._known[place]


def _keywords(host: Host) -> list[str]:
    """Return what the file says now, and what it is to say, of maps and their paths."""
    daemon = host.multipathd
    said = {**stated(daemon.proposed.text), **stated(daemon.texts.get(SETTINGS_FILE, ""))}
    found = {each.keyword for each in said if each.names[0] in _SECTIONS}
    return sorted(found - _NOT_OF_A_MAP - {*_IDENTITY})


def _changed(each: Map, keywords: Sequence[str], decided: _Decided) -> Iterator[Consequence]:
    """Yield the settings of a map that other values hold for."""
    for keyword in keywords:
        before = decided(keyword, each.wwid, proposed=False)
        after = decided(keyword, each.wwid, proposed=True)
        if not is_same(before, after):
            yield Consequence("changed", each.name, each.wwid, before, after, keyword)


def _claimed(host: Host, other_rules: bool) -> Iterator[Consequence]:
    """Yield the disks of which the daemon makes a map, and did not before."""
    proposed = host.multipathd.proposed
    before, after = _mode(proposed.present), _mode(proposed.together)
    if before == after and not other_rules:
        return
    for wwid, disks in host.luns().items():
        if host.map_of_uuid(f"mpath-{wwid}"):
            continue
        now = [each for each in disks if _verdict(each, proposed.present, host) is not True]
        then = [each for each in disks if _verdict(each, proposed.together, host) is not True]
        known = wwid in host.multipathd.wwids
        if _makes_map(after, len(then), known) and not _makes_map(before, len(now), known):
            for each in then:
                users = host.uses_of(each.device)
                yield Consequence("claimed", each.name, wwid, users=users)


def _mode(configuration: Configuration) -> str:
    return configuration.decided("find_multipaths", "", ())


def _makes_map(mode: str, paths: int, known: bool) -> bool:
    """Return whether a LUN gets a map (libmultipath/wwids.c should_multipath)."""
    if not paths:
        return False
    return mode in _ALL or known or (mode in _PAIRS and paths > 1)


def refuse_consequences(found: Sequence[Consequence], allowed: frozenset[str]) -> None:
    """Refuse what would happen to something in use, unless its kind is allowed."""
    for each in found:
        if each.kind in KINDS and each.users and each.kind not in allowed:
            because = f", by {each.reason}" if each.reason else ""
            raise Refused(
                option="allow",
                value=", ".join(sorted(allowed)) or "none",
                found=f"{each.words()}{because}",
                way_out=(
                    f"End the use first, change the settings, or allow it (allow: [{each.kind}]);"
                    " nothing was changed"
                ),
            )
