# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The multipath daemon's view of maps and paths, beside the kernel's."""

from __future__ import annotations

import typing as t

from .._values.names import multipath_uuid
from .._values.table import devices

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...plugin_utils._types import Host, Map, Multipathd
    from .._values.multipathd import DaemonPath

_USABLE = ("ready", "ghost")
_UNKNOWN = ("undef", "pending", "delayed", "i/o pending")


def differences(host: Host) -> Iterator[str]:
    """Yield in words where the daemon that runs and the kernel do not see the same.

    Each is to be expected for a moment: the daemon checks paths from time to time.
    """
    daemon = host.multipathd
    yield from daemon.complaints
    if not daemon.runs or daemon.complaints:
        return
    wwids = {each.wwid: each.name for each in daemon.maps}
    for each in host.maps:
        wwid = each.wwid
        if wwid and each.multipath and wwid not in wwids:
            yield f"{each.name}: the kernel has this map, multipathd does not know it"
        elif wwid and each.multipath:
            yield from _map_differences(each, wwids[wwid], host)
    uuids = {each.uuid for each in host.maps}
    for wwid, name in wwids.items():
        if multipath_uuid(wwid) not in uuids:
            yield f"{name}: multipathd has this map ({wwid}), the kernel does not"


def _map_differences(each: Map, name: str, host: Host) -> Iterator[str]:
    if each.name != name:
        yield f"{each.name}: multipathd calls it {name}"
    known = {path.device: path for path in host.multipathd.paths if path.map == name}
    states = {device: path.active for device, path in each.path_states.items()}
    for device in sorted({*devices(each.live), *known}):
        disk = host.disk_at(device)
        words = f"{each.name}: {disk.name if disk else device}"
        path = known.get(device)
        if path is None:
            yield f"{words} is a path for the kernel, not for multipathd"
        elif device not in states:
            yield f"{words} is a path for multipathd, not for the kernel"
        elif path.state not in _UNKNOWN and states[device] != _is_usable(path):
            kernels = "active" if states[device] else "failed"
            yield f"{words} is {kernels} for the kernel, {path.state} for multipathd"


def _is_usable(path: DaemonPath) -> bool:
    return path.state in _USABLE


def multipathd_result(daemon: Multipathd, differences: Sequence[str]) -> dict[str, t.Any]:
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
