# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One reading of the maps and paths of a host."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._values.host import Host
from .uses import with_openers

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from ...plugin_utils._types import BlockDevice, DeviceNumber, Map, Readings


def observe_paths(
    readings: Readings,
    timeout: float,
    *,
    named: Iterable[str] = (),
    leaving: Callable[[Map], bool] | None = None,
    patience: float = 0,
) -> Host:
    """Return the host's maps and disks; `named` are the /dev paths that the task mentions.

    All uses are found of those maps that are `leaving`, and of their partition maps: processes as
    well, and what is no process. udev's get `patience` seconds to end.
    """
    maps = readings.maps()
    uses = readings.uses()
    disks = readings.disks(timeout)
    if leaving:
        uuids = {each.uuid for each in maps if each.uuid and leaving(each)}
        gone = [each for each in maps if each.uuid in uuids or each.partition[1] in uuids]
        uses = with_openers(uses, gone, readings, patience)
    return Host(
        maps=maps,
        block_devices=disks,
        uses=uses,
        resolved=_resolved(named, readings),
    )


def _resolved(named: Iterable[str], readings: Readings) -> dict[str, DeviceNumber]:
    found = {each: readings.device_at(each) for each in named if each.startswith("/")}
    return {each: number for each, number in found.items() if number is not None}


def with_settled_states(
    host: Host, wwids: Collection[str], readings: Readings, timeout: float
) -> Host:
    """Return the host once no path of these LUNs is in transition, or after `timeout` seconds.

    The ALUA handler asks the array until its states are settled (scsi_dh_alua.c alua_rtpg).
    """

    def settled(disks: Iterable[BlockDevice]) -> bool:
        return not any(disk.in_transition and disk.wwid in wwids for disk in disks)

    if settled(host.block_devices):
        return host
    readings.disks_once(settled, timeout)
    return replace(host, block_devices=readings.disks(timeout))
