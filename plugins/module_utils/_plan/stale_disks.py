# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks that are another LUN than kernel or udev remember.

A scan does not look behind a LUN number that the kernel has a disk for: the disk has to go first.
"""

from __future__ import annotations

import typing as t

from .._values.errors import Refused

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plugin_utils._types import BlockDevice, Host


def stale_disks(host: Host) -> tuple[BlockDevice, ...]:
    """Return the disks for which udev and page 0x83 name different LUNs."""
    return tuple(each for each in host.block_devices if each.is_stale)


def replaceable(wwid: str, stale: Sequence[BlockDevice], host: Host) -> tuple[BlockDevice, ...]:
    """Return the `stale` disks that were or are paths of the LUN; Refused if one is used.

    That is one which udev takes for a path and which is another LUN now, or the other way round.
    """
    found = tuple(each for each in stale if each.names_lun(wwid))
    for disk in found:
        uses = host.uses_of(disk.device)
        if uses:
            raise Refused(
                option="wwid",
                value=wwid,
                found=(
                    f"udev takes {disk.name} ({disk.address}) for {disk.wwid}, but its SCSI page"
                    f" 0x83 says {disk.page_wwid(wwid)}, and it is in use:"
                    f" {', '.join(use.words() for use in uses)}"
                ),
                way_out=(
                    "What is written there goes to another LUN. If a map uses it, fail the path at"
                    " once (multipath_path, state: failed), let kernel and udev read it again (echo"
                    f" 1 > /sys/block/{disk.name}/device/rescan; udevadm trigger --settle"
                    f" /dev/{disk.name}), and run multipath_map, which leaves it out; otherwise end"
                    " that use"
                ),
            )
    return found


def other_names(host: Host) -> dict[str, BlockDevice]:
    """Return a disk for each WWID by page 0x83 that udev does not have for the LUN."""
    return {
        wwid: disk
        for disk in host.block_devices
        if disk.wwid and not disk.is_stale
        for wwid in disk.page_wwids
        if wwid != disk.wwid
    }


def refuse_other_name(wwid: str, disk: BlockDevice | None) -> None:
    """Refuse to wait for paths that are there, and that udev has another name for."""
    if disk:
        raise Refused(
            option="wwid",
            value=wwid,
            found=f"{disk.name} ({disk.address}) is a path of it, but udev calls it {disk.wwid}",
            way_out=(
                "Use the name that udev has, or let udev ask it again (udevadm trigger"
                f" --settle /dev/{disk.name})"
            ),
        )
