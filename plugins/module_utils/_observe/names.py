# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One reading of names: what has those that maps get, and what goes by those that they lose."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._plan.renames import losing
from .._values.systemd import nodes

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from ...plugin_utils._types import Host, Readings

_PATIENCE = 10.0  # Seconds for udev to follow a rename by another tool.


def observe_names(host: Host, names: Mapping[str, str], readings: Readings, timeout: float) -> Host:
    """Return the host with what concerns the `names` that maps are to have, by their uuids."""
    lost = [path for each in losing(names, host) for path in nodes(each.name)]
    return replace(
        host,
        stale_nodes=readings.stale_nodes([*names.values()], min(timeout, _PATIENCE)),
        units=readings.units(timeout) if lost else (),
        named_at_boot=readings.named_at_boot(lost) if lost else {},
    )
