# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Path grouping policies: which paths form a group, and which group goes first."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from .._values.errors import Refused

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from ...plugin_utils._types import BlockDevice, DeviceNumber, Map

_NUMBERS = re.compile("[0-9]+")
Groups = tuple[tuple["BlockDevice", ...], ...]


def kept_groups(paths: Sequence[BlockDevice], policy: str, present: Map | None) -> Groups:
    """Return the paths in groups; what is in transition keeps its group in the live table.

    A takeover is a matter of seconds, and the states between say nothing of priorities. Such a path
    counts as others of its group do. Of a group that is in transition as a whole nothing is known:
    then the groups stay as they are, and paths that are new come after them.
    """
    live = present.multipath.groups if present and present.multipath else ()
    places = {path.device: index for index, group in enumerate(live) for path in group.paths}
    moving = [path for path in paths if path.in_transition and path.device in places]
    if not moving:
        return groups(paths, policy)
    told = {
        places[path.device]: path
        for path in paths
        if path.device in places and not path.in_transition
    }
    originals = {path.device: path for path in paths}
    assumed = [
        replace(path, access_state=peer.access_state, preferred=peer.preferred)
        if path in moving and (peer := told.get(places[path.device]))
        else path
        for path in paths
    ]
    found = groups(assumed, policy)
    if any(places[path.device] not in told for path in moving):
        ours = [[p for p in paths if places.get(p.device) == index] for index in range(len(live))]
        kept = [tuple(group) for group in ours if group]
        by_priority = policy == "group_by_prio" or (
            policy == "auto" and all(path.access_state for path in paths)
        )
        if by_priority or _members(found) == _members(kept):
            new = [path for path in assumed if path.device not in places]
            found = (*kept, *(groups(new, policy) if new else ()))
    return tuple(tuple(originals[path.device] for path in group) for group in found)


def _members(found: Iterable[Sequence[BlockDevice]]) -> set[frozenset[DeviceNumber]]:
    return {frozenset(path.device for path in group) for group in found}


def groups(paths: Sequence[BlockDevice], policy: str) -> Groups:
    """Return the paths in groups, the one to use first at the front, with multipath.conf's meaning.

    As in libmultipath/pgpolicies.c, a group's priority is the average of its paths', and of two
    with one priority the larger goes first. Ties are resolved by address and name, so that the
    order does not depend on the kernel's. Refused if what the policy goes by is unknown of a path.
    """
    ordered = sorted(paths, key=lambda path: (-priority(path), _natural(path)))
    if policy == "auto":
        known = all(path.access_state for path in ordered)
        policy = "group_by_prio" if known else "failover"
    criterion = _CRITERIA[policy]
    found: dict[Hashable, list[BlockDevice]] = {}
    for path in ordered:
        found.setdefault(criterion(path), []).append(path)
    _refuse_unknown(policy, [*found.get(None, ()), *found.get("", ())])
    # Sorting is stable: the groups are in the order of their first paths.
    ranked = sorted(found.values(), key=lambda group: (-_average(group), -len(group)))
    return tuple(tuple(group) for group in ranked)


def priority(path: BlockDevice) -> int:
    """Return the path's priority by its ALUA state, as multipath's `sysfs` prioritizer gives it.

    libmultipath/prioritizers/sysfs.c: a preferred target port group gains 80 unless it is already
    optimized. A path without ALUA has 1, as with the prioritizer `const`.
    """
    if not path.access_state:
        return 1
    states = {"active/optimized": 50, "active/non-optimized": 10, "lba-dependent": 5, "standby": 1}
    value = states.get(path.access_state, 0)
    return value + 80 if path.preferred and value != 50 else value


_CRITERIA: dict[str, Callable[[BlockDevice], Hashable]] = {
    "failover": lambda path: path.device,
    "multibus": lambda path: True,
    "group_by_prio": priority,
    "group_by_serial": lambda path: path.serial,
    "group_by_node_name": lambda path: path.target_node_name,
    "group_by_tpg": lambda path: path.target_port_group,
}
"""What the paths of one group have in common."""

POLICIES = ("auto", *_CRITERIA)

SOURCES = {
    "group_by_serial": "the unit's serial number (VPD page 0x80)",
    "group_by_node_name": "the target's node name (FC, iSCSI, SAS or ATA, in sysfs)",
    "group_by_tpg": "the target port group (VPD page 0x83)",
}
"""Where it is from, for the policies by what never changes of a path, and may be unknown."""


def _refuse_unknown(policy: str, paths: Sequence[BlockDevice]) -> None:
    if paths:
        names = ", ".join(path.name for path in paths)
        raise Refused(
            option="path_grouping_policy",
            value=policy,
            found=f"{SOURCES[policy]} of {names} is unknown",
            way_out="Choose another policy, or list the groups in path_groups",
        )


def _average(group: Sequence[BlockDevice]) -> int:
    return sum(map(priority, group)) // len(group)


def _natural(path: BlockDevice) -> tuple[list[int], int, str]:
    return [*map(int, _NUMBERS.findall(path.address))], len(path.name), path.name
