# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Maps as the modules return them: dicts exist here, at the edge to Ansible, and nowhere below."""

from __future__ import annotations

import typing as t

from .._values.device import SECTOR, UNASSIGNED
from .._values.multipath import Multipath
from .._values.table import Linear
from .luns import path_result

if t.TYPE_CHECKING:
    from ...plugin_utils._types import DeviceNumber, Host, Map, Segment, Use
    from .._values.multipath import PathGroup

Result = dict[str, t.Any]


def map_result(each: Map, host: Host) -> Result:
    """Return a map for the playbook; sizes in bytes, sectors of 512 bytes in tables."""
    return {
        "name": each.name,
        "uuid": each.uuid,
        "wwid": each.wwid,
        "path": f"/dev/mapper/{each.name}",
        "device": assigned(each.device),
        "size": each.sectors * SECTOR,
        "open_count": each.open_count,
        "read_only": each.read_only,
        "suspended": each.suspended,
        "deferred_remove": each.deferred_remove,
        "has_inactive_table": bool(each.inactive),
        "table": [_segment_result(segment) for segment in each.live],
        "path_groups": _groups_result(each, host),
        "partition_maps": [child.name for child in host.maps_of_partitions(each.uuid)],
        "uses": [use.words() for use in host.uses_of(each.device)],
        "users": [use_result(use) for use in host.uses_of(each.device)],
    }


def _segment_result(segment: Segment) -> Result:
    result: Result = {
        "start": segment.start,
        "length": segment.length,
        "target": segment.target.kind,
        "parameters": str(segment.target),
    }
    if isinstance(segment.target, Linear):
        result["device"] = str(segment.target.device)
        result["offset"] = segment.target.offset
    if isinstance(segment.target, Multipath):
        result["features"] = list(segment.target.features.words())
        result["hardware_handler"] = " ".join(segment.target.hardware_handler)
    return result


def _groups_result(each: Map, host: Host) -> list[Result]:
    if each.multipath is None:
        return []
    states = [group.state for group in each.status.groups] if each.status else []
    return [
        {
            "state": states[index] if index < len(states) else "unknown",
            "path_selector": group.selector.name,
            "path_selector_arguments": list(group.selector.arguments),
            "paths": _group_paths(group, each, host),
        }
        for index, group in enumerate(each.multipath.groups)
    ]


def _group_paths(group: PathGroup, each: Map, host: Host) -> list[Result]:
    results = []
    for path in group.paths:
        live = each.path_states.get(path.device)
        # A path whose device is gone stays in the table, and has nothing but its number.
        result = path_result(host.disk(path.device))
        result["path_selector_arguments"] = list(path.arguments)
        result["active"] = live.active if live else None
        result["fail_count"] = live.fail_count if live else None
        results.append(result)
    return results


def use_result(use: Use) -> Result:
    """Return a use of a device as data; what is not known of it is None."""
    return {
        "kind": use.kind,
        "name": use.name or None,
        "device": str(use.device) if use.device else None,
        "uuid": use.uuid or None,
        "process": use.process or None,
        "partition": use.partition or None,
        "opens": use.opens or None,
    }


def assigned(device: DeviceNumber) -> str | None:
    """Return the number of a map; None of one that is only foreseen."""
    return None if device == UNASSIGNED else str(device)
