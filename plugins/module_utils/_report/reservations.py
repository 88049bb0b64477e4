# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Persistent reservations as `device_mapper_info` returns them."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ...plugin_utils._types import Host, Map


def reservation_result(each: Map, host: Host) -> dict[str, t.Any] | None:
    """Return what the paths of a map say of its LUN's reservation; None if none says anything."""
    members = [*map(host.disk, dict.fromkeys(each.multipath.devices() if each.multipath else ()))]
    others = [disk for disk in host.disks_of_wwid(each.wwid) if each.wwid and disk not in members]
    paths = [disk for disk in (*members, *others) if disk.device in host.reservations]
    if not paths:
        return None
    told = host.reservations[paths[0].device]
    return {
        "type": told.type or None,
        "key": told.holder if told.kind else None,
        "registered_keys": list(told.keys),
        "paths": [
            {
                "name": disk.name,
                "device": str(disk.device),
                "registered": host.reservations[disk.device].registered,
            }
            for disk in paths
        ],
    }
