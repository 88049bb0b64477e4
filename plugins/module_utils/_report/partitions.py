# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Partition maps as `partition_maps` returns them."""

from __future__ import annotations

import typing as t

from .._values.device import SECTOR, UNASSIGNED

if t.TYPE_CHECKING:
    from ...plugin_utils._types import Map, Parent, Partition


def partition_result(partition: Partition, each: Map, parent: Parent) -> dict[str, t.Any]:
    """Return a partition and its map; sizes and offsets in bytes."""
    return {
        "name": each.name,
        "uuid": each.uuid,
        "path": f"/dev/mapper/{each.name}",
        "device": None if each.device == UNASSIGNED else str(each.device),
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
