# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and uuids of maps: what device-mapper takes, and what multipath-tools gives.

And names of SCSI hosts and NVMe controllers, which tasks state in several ways.
"""

from __future__ import annotations

import re
import typing as t

from .errors import Refused

if t.TYPE_CHECKING:
    from .device import DeviceNumber

_MANGLED = re.compile(r"[^0-9A-Za-z#+.:=@_-]", re.ASCII)
_LONGEST_NAME = 127  # DM_NAME_LEN, without the closing NUL
_LONGEST_UUID = 128  # DM_UUID_LEN, likewise

_MULTIPATH = "mpath-"
_CONTROLLER = re.compile(r"(?:host)?(?P<number>[0-9]+)|nvme[0-9]+", re.ASCII)
_NAMESPACE = ("eui.", "nvme.", "uuid.")
"""How the WWID of an NVMe namespace begins: with the kind of its identifier (udev's ID_WWN)."""
_NVME_DEVICE = re.compile(r"(?:/dev/(?:disk/by-id/)?)?nvme[-0-9].*", re.ASCII | re.DOTALL)
_PARTITION = re.compile(r"part([1-9][0-9]*)-(.+)", re.ASCII | re.DOTALL)


def check_name(option: str, name: str) -> None:
    """Raise Refused unless `name` can be a map's name as it stands."""
    _check_characters(option, name)
    if len(name) > _LONGEST_NAME:
        raise Refused(
            option=option,
            value=name,
            found=f"it has {len(name)} characters, and device-mapper allows {_LONGEST_NAME}",
            way_out="Choose a shorter name",
        )
    if name in (".", "..", "control"):
        raise Refused(
            option=option,
            value=name,
            found="this name is reserved in /dev/mapper",
            way_out="Choose another name",
        )


def check_wwid(option: str, wwid: str) -> None:
    """Raise Refused unless `wwid` can be part of a map's uuid as it stands."""
    _check_characters(option, wwid)
    if len(_MULTIPATH + wwid) > _LONGEST_UUID:
        raise Refused(
            option=option,
            value=wwid,
            found=f"{len(wwid)} characters are too many for a map's uuid",
            way_out=(
                "Write the WWID as `udevadm info --query=property --name=/dev/sda` shows it"
                " (ID_SERIAL)"
            ),
        )


def check_uuid(option: str, stated: str, uuid: str) -> None:
    """Raise Refused if `uuid`, which follows from what is `stated`, is too long for the kernel."""
    if len(uuid) > _LONGEST_UUID:
        raise Refused(
            option=option,
            value=stated,
            found=f"the uuids of its partition maps ({uuid}) exceed {_LONGEST_UUID} characters",
            way_out="Give the device a shorter uuid",
        )


def multipath_uuid(wwid: str) -> str:
    """Return the uuid of the map of the LUN `wwid` (libmultipath's UUID_PREFIX)."""
    return _MULTIPATH + wwid


def wwid_of(uuid: str) -> str:
    """Return the WWID in a multipath map's uuid; empty for another uuid."""
    return uuid[len(_MULTIPATH) :] if uuid.startswith(_MULTIPATH) else ""


def unnamed_uuid(device: DeviceNumber) -> str:
    """Return what the uuids of its partition maps have for a device without a uuid of its own.

    The suffix never changes (kpartx/kpartx.c, NONDM_UUID_SUFFIX).
    """
    return f"devnode_{device}_Wh5pYvM"


def partition_uuid(number: int, parent: str) -> str:
    """Return the uuid of the map of partition `number` (kpartx/devmapper.c)."""
    return f"part{number}-{parent}"


def partition_of(uuid: str) -> tuple[int, str]:
    """Return the number of the partition that `uuid` is of, and the parent's uuid; 0 if of none."""
    match = _PARTITION.fullmatch(uuid)
    return (int(match.group(1)), match.group(2)) if match else (0, "")


def partition_number(uuid: str, parent: str) -> int:
    """Return the number of the partition of `parent` that `uuid` is of; 0 if of none."""
    number, found = partition_of(uuid)
    return number if found == parent else 0


def is_plain(name: str) -> bool:
    """Return whether a map's device node has its name; otherwise characters are mangled."""
    return not _MANGLED.search(name)


def _check_characters(option: str, text: str) -> None:
    if not text:
        raise Refused(
            option=option,
            value=text,
            found="it is empty",
            way_out="Specify it, or leave the option out",
        )
    match = _MANGLED.search(text)
    if match:
        raise Refused(
            option=option,
            value=text,
            found=f"the character {match.group()!r} would be mangled by device-mapper",
            way_out="Use letters, digits and #+-.:=@_ only",
        )
    if text.startswith("-"):
        raise Refused(
            option=option,
            value=text,
            found="it begins with '-', and dmsetup and multipath would read it as an option",
            way_out="Choose a name that begins with another character",
        )


def is_namespace(wwid: str) -> bool:
    """Return whether a WWID is that of an NVMe namespace."""
    return wwid.startswith(_NAMESPACE)


def refuse_joined(option: str, text: str, *, native: bool) -> None:
    """Refuse a namespace as a path on a host whose kernel joins its paths itself (`native`)."""
    if native and (is_namespace(text) or _NVME_DEVICE.fullmatch(text)):
        raise Refused(
            option=option,
            value=text,
            found=(
                "the kernel itself joins the paths of NVMe namespaces (nvme_core.multipath is Y),"
                " so that there are no paths for a map to join"
            ),
            way_out=(
                "Use the NVMe multipath device as it is (device_mapper_info returns it in nvme), or"
                " boot with nvme_core.multipath=N"
            ),
        )


def controller_name(text: str) -> str:
    """Return the kernel's name of the SCSI host or NVMe controller that `text` states."""
    match = _CONTROLLER.fullmatch(text)
    if match is None:
        raise Refused(
            option="hosts",
            value=text,
            found="it is not the name of a SCSI host or NVMe controller",
            way_out=(
                "Specify a SCSI host by number or name, as in /sys/class/scsi_host (0, host0), or"
                " an NVMe controller (nvme0)"
            ),
        )
    number = match.group("number")
    return f"host{int(number)}" if number else text
