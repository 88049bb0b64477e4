# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""LUNs and their paths as the modules return them, and as lines of a difference."""

from __future__ import annotations

import re
import typing as t

from .._values.device import SECTOR

if t.TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ...plugin_utils._types import BlockDevice

_BY_PATH = re.compile("/dev/disk/by-path/[^/]*")
Result = dict[str, t.Any]


def lun_result(
    wwid: str, paths: Sequence[BlockDevice], map_name: str | None, detached: Collection[str]
) -> Result:
    """Return a LUN as this host sees it, whether a map uses it or not."""
    sizes = {path.sectors for path in paths}
    return {
        "wwid": wwid,
        "size": paths[0].sectors * SECTOR if len(sizes) == 1 else None,
        "map": map_name,
        "detached": wwid in detached,
        "paths": [path_result(path) for path in paths],
    }


def lun_lines(wwid: str, paths: Sequence[BlockDevice], detached: Collection[str]) -> list[str]:
    """Return a LUN as lines for --diff, one for each path; none where there is nothing of it."""
    lines = [
        " ".join(filter(None, (path.name, str(path.device), path.address, path.state)))
        + f", {path.sectors} sectors"
        for path in paths
    ]
    held = wwid in detached
    heading = f"{wwid} held detached" if held else wwid
    return [heading, *(f"  {line}" for line in lines)] if lines or held else []


def path_result(path: BlockDevice) -> Result:
    """Return a path; sizes in bytes."""
    return {
        "name": path.name,
        "path": f"/dev/{path.name}" if path.name else "",
        "device": str(path.device),
        "address": path.address,
        "size": path.sectors * SECTOR,
        "state": path.state,
        "access_state": path.access_state,
        "carries_io": bool(path.name) and path.carries_io,
        "hardware_handler": path.hardware_handler,
        "serial": path.serial,
        "target_node_name": path.target_node_name,
        "target_port_group": path.target_port_group,
        "read_only": path.read_only,
        "links": [link for link in path.links if _BY_PATH.fullmatch(link)],
    }
