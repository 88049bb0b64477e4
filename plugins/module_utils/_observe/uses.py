# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who uses maps beyond what /sys and /proc show: processes, and claims without a process."""

from __future__ import annotations

import typing as t

from .._values.use import Use

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...plugin_utils._types import DeviceNumber, Map, Readings, Uses

CLAIM = Use("claim")


def with_openers(
    uses: Mapping[DeviceNumber, Uses], maps: Sequence[Map], readings: Readings
) -> Mapping[DeviceNumber, Uses]:
    """Return `uses` with those of open maps that nothing in `uses` explains.

    That is the processes that have them open, or a claim by somebody who is in no process: a mount
    in another mount namespace, a target of the kernel's own (LIO). A map that others lie on is
    claimed by those.
    """
    unexplained = {
        each.device: each for each in maps if each.open_count > len(uses.get(each.device, ()))
    }
    if not unexplained:
        return uses
    merged = dict(uses)
    for number, found in readings.openers(unexplained).items():
        merged[number] = (*merged.get(number, ()), *found)
    for number in unexplained:
        known = merged.get(number, ())
        if all(use.is_process for use in known) and readings.is_claimed(number):
            merged[number] = (*known, CLAIM)
    return merged
