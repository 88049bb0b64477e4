# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paths that a task means: found by their WWID or listed, and fit to be a map's."""

from __future__ import annotations

import typing as t

from .._values.disk import names
from .._values.errors import Refused
from .._values.names import multipath_uuid, refuse_joined, wwid_of
from .._values.table import devices, sectors
from .map_steps import Load

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...plugin_utils._types import BlockDevice, Host, Map, Plan


def found_paths(wwid: str, host: Host) -> tuple[BlockDevice, ...]:
    """Return every disk with the stated WWID.

    A path of the map that has become unreadable stays: udev may have lost its WWID with it, or have
    another name for it. Refused if one is a path of another LUN by page 0x83 or by udev.
    """
    present = host.map_of_uuid(multipath_uuid(wwid))
    members = {*devices(present.live)} if present else set()
    paths = host.disks_of_wwid(wwid)
    if any(disk.wwid != wwid for disk in map(host.disk_at, members) if disk):
        paths = tuple(
            each
            for each in host.block_devices
            if each.wwid == wwid or (each.device in members and _is_known_as(each, wwid))
        )
    for path in paths:
        refuse_other_lun("wwid", wwid, path, wwid)
    if not paths:
        refuse_joined("wwid", wwid, native=host.native_nvme_multipath)
        known = sorted({each.wwid for each in host.block_devices if each.wwid})
        raise Refused(
            option="wwid",
            value=wwid,
            found=(
                "no block device of this host has this WWID (there are:"
                f" {', '.join(known) or 'none'})"
            ),
            way_out=(
                "Map the LUN to this host and rescan its SCSI hosts (lun_paths does so), or"
                " correct the WWID"
            ),
        )
    return paths


def listed_paths(
    option: str, listed: Sequence[str], wwid: str, host: Host
) -> Iterator[BlockDevice]:
    """Yield the disks that the task lists in `option`, each with the right WWID.

    An empty `wwid` stands for that of the first path.
    """
    seen: dict[str, str] = {}
    for text in listed:
        path = host.path_named(text)
        if path is None:
            refuse_joined(option, text, native=host.native_nvme_multipath)
            raise Refused(
                option=option,
                value=text,
                found="no block device of this host has this name or address",
                way_out=(
                    "Correct it, or rescan the SCSI hosts (lun_paths does so) if the path should be"
                    " there"
                ),
            )
        present = host.map_of_uuid(multipath_uuid(wwid)) if wwid else None
        member = present is not None and path.device in devices(present.live)
        kept = member and not path.other_wwid(wwid)
        wwid = wwid or path.wwid
        if path.wwid != wwid and not kept:
            raise Refused(
                option=option,
                value=text,
                found=f"its WWID is {path.wwid or 'unknown'}, not {wwid or 'known'}",
                way_out="List only paths of the LUN; one map joins the paths of one LUN",
            )
        if not wwid:
            raise Refused(
                option=option,
                value=text,
                found="its WWID is unknown to udev and sysfs",
                way_out=(
                    "Only a LUN with a WWID can have a map; see ID_SERIAL in `udevadm info"
                    " --query=property --name=/dev/sda`"
                ),
            )
        if path.name in seen:
            raise Refused(
                option=option,
                value=text,
                found=f"it is the same path as {seen[path.name]}",
                way_out="List each path once",
            )
        refuse_other_lun(option, text, path, wwid)
        seen[path.name] = text
        yield path


def refuse_other_lun(
    option: str, value: str, path: BlockDevice, wwid: str, way_out: str = ""
) -> None:
    """Refuse a path of another LUN by page 0x83, or by udev: what is written may go there."""
    if path.other_wwid(wwid):
        disk, page = f"the path {path.name} ({path.device})", path.page_wwid(wwid)
        known = path.wwid or "a disk without a WWID"
        if page == path.wwid:
            found = f"{disk} is {page} by udev and by its SCSI page 0x83"
        else:
            found = (
                f"udev takes {disk} for {known}, but its SCSI page 0x83 says {page or 'nothing'}"
            )
        raise Refused(
            option=option,
            value=value,
            found=found,
            way_out=way_out
            or (
                "The array may have given its LUN number to another LUN. Let kernel and udev read"
                f" it again (echo 1 > /sys/block/{path.name}/device/rescan; udevadm trigger"
                f" --settle /dev/{path.name}); a path of another LUN is left out then"
            ),
        )


def _is_known_as(path: BlockDevice, wwid: str) -> bool:
    """Return whether a path of the map has nothing that says another LUN, or page 0x83 for it."""
    return not path.wwid or names(path.page_wwids, wwid)


def one_size(option: str, wwid: str, paths: Sequence[BlockDevice], present: Map | None) -> int:
    """Return the size of the LUN in sectors; Refused if its paths do not agree on it.

    A path of the map that does not answer has no say: its size is 0, or that of its last scan.
    """
    members = present.opened() if present else ()
    asked = [path for path in paths if path.answers or path.device not in members]
    if present and present.live and not asked:
        return present.sectors
    asked = asked or [*paths]
    sizes = {path.sectors for path in asked}
    if len(sizes) == 1 and 0 not in sizes:
        return asked[0].sectors
    found = ", ".join(f"{path.name} has {path.sectors} sectors" for path in asked)
    raise Refused(
        option=option,
        value=wwid,
        found=f"its paths do not have one size: {found}",
        way_out=(
            "Rescan the paths whose size is stale (echo 1 > /sys/block/NAME/device/rescan); if they"
            " still differ, they are not one LUN"
        ),
    )


def refuse_short(steps: Plan, host: Host) -> None:
    """Refuse to load a table with a path that is shorter (dm-table.c device_area_is_invalid).

    That is one which does not answer, with the size of its last scan; the kernel takes size 0.
    """
    for step in steps:
        if not isinstance(step, Load) or not wwid_of(step.uuid):
            continue
        length = sectors(step.table)
        short = [host.disk(device) for device in devices(step.table)]
        short = [path for path in short if 0 < path.sectors < length]
        if short:
            found = ", ".join(f"{path.name} has {path.sectors}" for path in short)
            raise Refused(
                option="wwid",
                value=wwid_of(step.uuid),
                found=(
                    f"a table of {length} sectors is needed for the map {step.name}, and these"
                    f" paths, which do not answer, are shorter: {found}"
                ),
                way_out="Bring them up and rescan them, or delete them; nothing was changed",
            )


def refuse_serials(option: str, wwid: str, paths: Sequence[BlockDevice]) -> None:
    """Refuse SCSI paths to units that share a WWID, as copies of a LUN or two faulty arrays do."""
    serials: dict[str, list[str]] = {}
    for path in paths:
        if path.address and path.serial:
            serials.setdefault(path.serial, []).append(path.name)
    if len(serials) > 1:
        found = "; ".join(f"{', '.join(disks)}: {serial}" for serial, disks in serials.items())
        raise Refused(
            option=option,
            value=wwid,
            found=f"its paths have different unit serial numbers (SCSI page 0x80): {found}",
            way_out=(
                "Give each LUN a WWID of its own at the array. If these are serial numbers of the"
                " controllers of one array, set path_grouping_policy: group_by_serial"
            ),
        )


def refuse_claimed(option: str, wwid: str, path: BlockDevice, uuid: str, host: Host) -> None:
    """Refuse a path that anything but the task's own map uses."""
    for use in host.uses_of(path.device):
        holder = host.map_at(use.device) if use.device else None
        if holder is None or holder.uuid != uuid:
            raise Refused(
                option=option,
                value=wwid,
                found=f"the path {path.name} ({path.device}) is in use: {use.words()}",
                way_out="Free it first (unmount, swapoff, deactivate or remove what holds it)",
            )
