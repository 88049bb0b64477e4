# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules return: dicts exist here, at the edge to Ansible, and nowhere below."""

from __future__ import annotations

import os
import typing as t

from .._values.device import SECTOR, UNASSIGNED
from .._values.host import BlockDevice
from .._values.linear import Linear
from .._values.multipath import Multipath
from .._values.multipath_conf import wwid_of_path
from .._values.names import multipath_uuid, wwid_of
from .._values.table import canonical

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .._values.device import DeviceNumber
    from .._values.host import Host, Map, Multipathd, Parent, Partition
    from .._values.multipath import Path, PathGroup
    from .._values.table import Segment
    from .health import Health

Result = dict[str, t.Any]


def map_result(each: Map, host: Host) -> Result:
    """Return a map for the playbook; sizes in bytes, sectors of 512 bytes in tables."""
    result: Result = {
        "name": each.name,
        "uuid": each.uuid,
        "wwid": wwid_of(each.uuid),
        "path": f"/dev/mapper/{each.name}",
        "device": _number(each.device),
        "size": each.sectors * SECTOR,
        "open_count": each.open_count,
        "read_only": each.read_only,
        "suspended": each.suspended,
        "deferred_remove": each.deferred_remove,
        "has_inactive_table": bool(each.inactive),
        "table": [_segment_result(segment) for segment in each.live],
        "path_groups": _groups_result(each, host),
        "partition_maps": [child.name for child in host.maps_of_partitions(each.uuid)],
        "uses": [use.words for use in host.uses_of(each.device)],
    }
    return result


def partition_result(partition: Partition, each: Map, parent: Parent) -> Result:
    """Return a partition and its map; sizes and offsets in bytes."""
    return {
        "name": each.name,
        "uuid": each.uuid,
        "path": f"/dev/mapper/{each.name}",
        "device": _number(each.device),
        "parent": parent.name,
        "number": partition.number,
        "start": partition.start * SECTOR,
        "size": each.sectors * SECTOR,
        "type": partition.kind,
        "partition_name": partition.name,
        "partuuid": partition.uuid,
        "extended": partition.extended,
        "read_only": each.read_only,
    }


def lun_result(wwid: str, paths: Sequence[BlockDevice], host: Host) -> Result:
    """Return a LUN as this host sees it, whether a map uses it or not."""
    sizes = {path.sectors for path in paths}
    holder = host.map_of_uuid(f"mpath-{wwid}")
    return {
        "wwid": wwid,
        "size": paths[0].sectors * SECTOR if len(sizes) == 1 else None,
        "map": holder.name if holder else None,
        "paths": [_path_result(path) for path in paths],
    }


def multipathd_result(daemon: Multipathd, differences: Sequence[str]) -> Result:
    """Return the daemon's view, and in words where it differs from the kernel's."""
    return {
        "installed": daemon.installed,
        "running": daemon.runs,
        "version": ".".join(map(str, daemon.version)),
        "maps": [
            {
                "name": each.name,
                "wwid": each.wwid,
                "paths": [
                    {"name": path.name, "state": path.state}
                    for path in daemon.paths
                    if path.map == each.name
                ],
            }
            for each in daemon.maps
        ],
        "differences": list(differences),
    }


def health_result(health: Health | None) -> Result | None:
    """Return how a map is, with each reason's words that say something."""
    if health is None:
        return None
    reasons = [
        {key: value for key, value in vars(reason).items() if value} for reason in health.reasons
    ]
    return {
        "state": health.state,
        "reasons": reasons,
        "path_count": health.paths,
        "active_paths": health.usable,
        "expected_paths": health.expected,
    }


def problem_line(name: str, health: Health) -> str:
    """Return what is wrong with a multipath map in a line."""
    words = [f"{health.state}, {health.usable} of {health.paths} paths active"]
    for reason in health.reasons:
        what = " ".join(filter(None, (reason.kind.replace("_", " "), reason.name or reason.path)))
        found = " instead of ".join(filter(None, (reason.found, reason.expected)))
        words.append(": ".join(filter(None, (what, found))))
    return f"{name}: {'; '.join(words)}"


def path_states_result(
    before: Map, after: Map, paths: Sequence[DeviceNumber], host: Host, *, in_use: bool
) -> Result:
    """Return how many paths of a map were and are active, and its stated `paths`."""
    states = {path.device: path.active for path in after.status.paths()} if after.status else {}
    return {
        "name": after.name,
        "wwid": wwid_of(after.uuid),
        "path": f"/dev/mapper/{after.name}",
        "path_count": len(states),
        "active_before": before.status.active_paths() if before.status else None,
        "active_after": after.status.active_paths() if after.status else None,
        "path_group_before": before.multipath.current_group if before.multipath else None,
        "path_group_after": after.multipath.current_group if after.multipath else None,
        "in_use": in_use,
        "paths": [
            # A path whose device is gone stays in the table, and has nothing but its number.
            {
                **_path_result(host.disk_at(device) or BlockDevice("", device, 0)),
                "active": states.get(device),
            }
            for device in paths
        ],
    }


def path_states_lines(each: Map, host: Host) -> list[str]:
    """Return a map's live state as lines for --diff, one for each path."""
    group = each.multipath.current_group if each.multipath else 0
    states = each.status.groups if each.status else ()
    lines = [f"{each.name} ({each.uuid}) current group {group}"]
    for number, found in enumerate(states, 1):
        lines.append(f"  group {number}")
        for path in found.paths:
            disk = host.disk_at(path.device) or BlockDevice("", path.device, 0)
            words = (disk.name, str(path.device), disk.address)
            state = "active" if path.active else "failed"
            lines.append(f"    {' '.join(filter(None, words))} {state}")
    return lines


def lun_lines(wwid: str, paths: Sequence[BlockDevice]) -> list[str]:
    """Return a LUN as lines for --diff, one for each path."""
    lines = [
        " ".join(filter(None, (path.name, str(path.device), path.address, path.state)))
        + f", {path.sectors} sectors"
        for path in paths
    ]
    return [wwid, *(f"  {line}" for line in lines)] if lines else []


def plan_diff(before: Host, after: Host, uuids: t.Container[str]) -> Result:
    """Return the difference of the maps with these uuids, and of multipathd's files about them.

    Paths have the names that they had before.
    """
    return {"before": _plan_text(before, uuids, before), "after": _plan_text(after, uuids, before)}


def _plan_text(host: Host, uuids: t.Container[str], named: Host) -> str:
    maps = [each for each in host.maps if each.uuid in uuids]
    files = [
        f"{path}\n" + "".join(f"  {line}\n" for line in text.splitlines())
        for path, text in sorted(host.multipathd.drop_ins.items())
        if multipath_uuid(wwid_of_path(path)) in uuids
    ]
    return _text(maps, named) + "".join(files)


def _text(maps: Sequence[Map], host: Host) -> str:
    lines = [line for each in maps for line in _map_lines(each, host)]
    return "".join(f"{line}\n" for line in lines)


def _map_lines(each: Map, host: Host) -> list[str]:
    states = [
        word
        for word, holds in (
            ("read-only", each.read_only),
            ("suspended", each.suspended),
            ("to be removed once it is closed", each.deferred_remove),
            ("with an inactive table", each.inactive),
            ("without a table", not each.live),
        )
        if holds
    ]
    lines = [" ".join([f"{each.name} ({each.uuid})", *states])]
    for segment in canonical(each.live):
        target = segment.target
        if isinstance(target, Multipath):
            features = " ".join(target.features.words()) or "no features"
            handler = "".join(f", hardware handler {name}" for name in target.hardware_handler)
            lines.append(f"  {segment.start} {segment.length} multipath, {features}{handler}")
            for number, group in enumerate(target.groups, 1):
                selector = " ".join((group.selector.name, *group.selector.arguments))
                lines.append(f"    group {number} {selector}")
                lines += [f"      {_path_text(path, host)}" for path in group.paths]
        else:
            lines.append(f"  {segment}")
    return lines


def _path_text(path: Path, host: Host) -> str:
    """Return the path with its names, and with the selector's arguments unless they are usual."""
    arguments = () if set(path.arguments) <= {"1"} else path.arguments
    disk = host.disk_at(path.device) or BlockDevice("", path.device, 0)
    words = (disk.name, str(disk.device), disk.address, *arguments)
    return " ".join(filter(None, words))


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
    status = {path.device: path for path in each.status.paths()} if each.status else {}
    results = []
    for path in group.paths:
        live = status.get(path.device)
        # A path whose device is gone stays in the table, and has nothing but its number.
        result = _path_result(host.disk_at(path.device) or BlockDevice("", path.device, 0))
        result["path_selector_arguments"] = list(path.arguments)
        result["active"] = live.active if live else None
        result["fail_count"] = live.fail_count if live else None
        results.append(result)
    return results


def _path_result(path: BlockDevice) -> Result:
    return {
        "name": path.name,
        "path": f"/dev/{path.name}" if path.name else "",
        "device": str(path.device),
        "address": path.address,
        "size": path.sectors * SECTOR,
        "state": path.state,
        "access_state": path.access_state,
        "hardware_handler": path.hardware_handler,
        "serial": path.serial,
        "target_node_name": path.target_node_name,
        "target_port_group": path.target_port_group,
        "read_only": path.read_only,
        "links": [link for link in path.links if os.path.dirname(link) == "/dev/disk/by-path"],
    }


def _number(device: DeviceNumber) -> str | None:
    return None if device == UNASSIGNED else str(device)
