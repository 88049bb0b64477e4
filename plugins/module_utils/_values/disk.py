# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks, the possible paths of maps, and what is written to sysfs about them."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from .device import DeviceNumber

_RUNNING = ("", "running", "live")
"""The states of SCSI and NVMe devices that take I/O; empty where a device has no such state."""
_DOWN = ("offline", "transport-offline", "cancel", "deleted", "dead")
"""The states of SCSI and NVMe devices in which I/O fails at once; in the others it waits."""
_INACCESSIBLE = ("unavailable", "offline")
"""The ALUA states in which a path carries no I/O, nor after an activation (SPC-4, 5.15.2)."""


_OF_PAGE_83 = re.compile(r"[23][0-9a-f]{16,32}|[18].+", re.ASCII)
"""A WWID that udev has from VPD page 0x83: the type of its designator, and what that says."""
_UNFIT = re.compile(r"[^0-9A-Za-z#+.:=@_-]")
_BLANKS = re.compile(r"\s+")
_UNDERSCORES = re.compile("_+")
_OF_PAGE_80 = ("S", "0")
"""How a WWID begins that udev makes of vendor, model and unit serial number (VPD page 0x80)."""


@dataclass(frozen=True)
class BlockDevice:
    """A disk as sysfs and udev show it; a possible path of a map.

    `wwid` is what multipath takes for one: ID_SERIAL (NVMe: ID_WWN, DASD: ID_UID); empty where
    it is unknown. `address` is host:channel:target:lun of a SCSI device, else empty. `state` is
    the SCSI device's state, `access_state` its ALUA state in sysfs' words; empty if there is none.
    `hardware_handler` is the one attached to the SCSI device; empty if none is. `serial` is the
    unit's serial number, `target_node_name` that of the storage's port or node; empty if unknown.
    `page_wwids` are the WWIDs that page 0x83 gives in the kernel's last reading of it: all that
    udev could have taken from it, the best first; empty if there are none. `reported_sectors` is
    the size that the disk itself states, 0 if it was not asked, or is silent. `is_joined` says that
    this is no path, but what the kernel has made of the paths of a namespace (native NVMe
    multipath).
    """

    name: str
    device: DeviceNumber
    sectors: int
    wwid: str = ""
    read_only: bool = False
    address: str = ""
    state: str = ""
    access_state: str = ""
    preferred: bool = False
    links: tuple[str, ...] = ()
    hardware_handler: str = ""
    serial: str = ""
    target_node_name: str = ""
    target_port_group: int | None = None
    page_wwids: tuple[str, ...] = ()
    reported_sectors: int = 0
    is_joined: bool = False

    @property
    def answers(self) -> bool:
        """Whether the disk takes commands: its device is neither down, nor lets I/O wait."""
        return self.state in _RUNNING

    @property
    def is_down(self) -> bool:
        """Whether I/O to the disk fails at once, and the kernel does not open it."""
        return self.state in _DOWN

    @property
    def is_inaccessible(self) -> bool:
        """Whether the array lets no I/O through this path."""
        return self.access_state in _INACCESSIBLE

    def other_wwid(self, wwid: str) -> str:
        """Return the WWID that keeps the disk from being a path of `wwid`; empty if nothing does.

        udev remembers what the disk said at its last event, which may be long ago: the array may
        have given the LUN number to another unit since. So page 0x83 decides, and udev must agree
        with it. Where udev has another name for the LUN that the page names (it fell back to page
        0x80, or took another designator), nothing is wrong with the path.
        """
        if not self.page_wwids or not _OF_PAGE_83.fullmatch(wwid):
            return "" if self.wwid in ("", wwid) else self.wwid
        if not names(self.page_wwids, wwid):
            return self.page_wwid(wwid)
        known = self.wwid in ("", wwid) or names(self.page_wwids, self.wwid)
        return "" if known or self.wwid.startswith(_OF_PAGE_80) else self.wwid

    @property
    def is_stale(self) -> bool:
        """Whether udev and page 0x83 name different LUNs."""
        return bool(self.wwid) and bool(self.other_wwid(self.wwid))

    def names_lun(self, wwid: str) -> bool:
        """Return whether udev or page 0x83 names the LUN."""
        return self.wwid == wwid or names(self.page_wwids, wwid)

    def page_wwid(self, wwid: str) -> str:
        """Return what page 0x83 says beside `wwid`: the same if it does, or the most alike."""
        if names(self.page_wwids, wwid):
            return wwid
        alike = (each for each in self.page_wwids if each[:1] == wwid[:1])
        return next(alike, self.page_wwids[0] if self.page_wwids else "")

    @property
    def in_transition(self) -> bool:
        """Whether the array changes the path's ALUA state, as in a takeover: it has none now."""
        return self.access_state == "transitioning"

    @property
    def carries_io(self) -> bool:
        """Whether the layer below multipath would carry I/O on this path.

        The kernel's multipath target learns of a broken path by I/O that fails, and in a group that
        is not in use there is none; the layer below may know already.
        """
        return self.answers and not self.is_inaccessible


class Transport(t.NamedTuple):
    """What the ends of a SCSI path are called, as the host's transport has them; lower case.

    A port has several names where sysfs gives it several: an iSCSI target its name, portal and
    address. `fabric` is the name of the Fibre Channel fabric; empty for another transport.
    """

    target_ports: tuple[str, ...] = ()
    initiator_ports: tuple[str, ...] = ()
    fabric: str = ""


def udev_text(text: str) -> str:
    """Return text of a device as udev has it in a property: replaced is what a link cannot have."""
    return _UNFIT.sub("_", _BLANKS.sub("_", text.strip()))


def identified(
    disks: Iterable[BlockDevice], pages: Mapping[DeviceNumber, tuple[str, ...]]
) -> tuple[BlockDevice, ...]:
    """Return `disks` with what page 0x83 of some of them says now, which the kernel may not know.

    It reads a page again where the array says that the disk's identity has changed, and not where
    it says only that LUN numbers have (scsi_error.c scsi_check_sense, scsi_lib.c scsi_evt_emit).
    """
    return tuple(
        replace(each, page_wwids=pages[each.device]) if each.device in pages else each
        for each in disks
    )


def names(wwids: Collection[str], wwid: str) -> bool:
    """Return whether one of `wwids` is `wwid`.

    How text in them is padded, and what replaces other characters, differs between programs.
    """
    return wwid in wwids or _loose(wwid) in map(_loose, wwids)


def _loose(wwid: str) -> str:
    return _UNDERSCORES.sub("_", udev_text(wwid)).strip("_")


def scan_request(controller: str) -> tuple[str, str]:
    """Return what is to be written, and to which file of sysfs."""
    if controller.startswith("nvme"):
        return "1", f"/sys/class/nvme/{controller}/rescan_controller"
    return "- - -", f"/sys/class/scsi_host/{controller}/scan"


def rescan_request(disk: str) -> tuple[str, str]:
    """Return what is to be written where in sysfs; an NVMe disk's size is its controller's."""
    attribute = "rescan_controller" if disk.startswith("nvme") else "rescan"
    return "1", f"/sys/class/block/{disk}/device/{attribute}"


def delete_request(disk: str) -> tuple[str, str]:
    """Return what is to be written, and to which file of sysfs."""
    return "1", f"/sys/class/block/{disk}/device/delete"


def announce_request(disk: str) -> tuple[str, str]:
    """Return what is to be written, and to which file of sysfs."""
    return "change", f"/sys/class/block/{disk}/uevent"
