# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of the paths of maps, as `multipath_path` returns it."""

from __future__ import annotations

import typing as t

from .luns import path_result

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plugin_utils._types import DeviceNumber, Host, Map

Result = dict[str, t.Any]


def path_states_result(
    before: Map, after: Map, paths: Sequence[DeviceNumber], host: Host, *, in_use: bool
) -> Result:
    """Return how many paths of a map were and are active, and its stated `paths`."""
    states = {device: path.active for device, path in after.path_states.items()}
    return {
        "name": after.name,
        "wwid": after.wwid,
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
                **path_result(host.disk(device)),
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
            disk = host.disk(path.device)
            words = (disk.name, str(path.device), disk.address)
            state = "active" if path.active else "failed"
            lines.append(f"    {' '.join(filter(None, words))} {state}")
    return lines
