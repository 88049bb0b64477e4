# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What udev shows of paths and maps: properties, links, owners of nodes, and what can be tuned."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import grp
import os
import pwd
import stat
import typing as t

from .._values.udev import UdevDevice
from .attribute import line, read_text
from .block_devices import BLOCK, device_number, kernel_name
from .libudev import LibUdev

if t.TYPE_CHECKING:
    from ...plugin_utils._types import DeviceNumber

_PROPERTIES = (
    *("DM_MULTIPATH_DEVICE_PATH", "SYSTEMD_READY", "ID_FS_TYPE", "DM_UDEV_RULES_VSN"),
    *("MPATH_DEVICE_READY", "SAN_DEVICE_MAPPER_MAP", "SAN_DEVICE_MAPPER_PERMISSIONS"),
    *("DM_SUBSYSTEM_UDEV_FLAG1", "ID_PART_TABLE_TYPE"),
)
_ATTRIBUTES = (
    *("queue/scheduler", "queue/nr_requests", "queue/rq_affinity", "queue/add_random"),
    *("queue/max_sectors_kb", "device/timeout"),
)


class UdevDevices(LibUdev):
    """udev's devices on this host, and the users that its rules may name."""

    def udev_device(self, device: DeviceNumber) -> UdevDevice:
        """Return a block device as udev shows it, with its node's owner and what can be tuned."""
        name = kernel_name(device)
        _known, values, links = self.read(device, _PROPERTIES)
        owner, group, mode = _permissions(f"/dev/{name}")
        attributes = {each: line(f"{BLOCK}/{name}/{each}") for each in _ATTRIBUTES}
        return UdevDevice(
            name=name,
            device=device,
            properties={key: value for key, value in zip(_PROPERTIES, values) if value},
            links=links,
            owner=owner,
            group=group,
            mode=mode,
            vendor=line(f"{BLOCK}/{name}/device/vendor"),
            model=line(f"{BLOCK}/{name}/device/model"),
            attributes={key: value for key, value in attributes.items() if value},
        )

    def links_in(self, directory: str) -> dict[str, DeviceNumber]:
        """Return the links to block devices in a directory, by their paths."""
        found = {path: device_number(path) for path in sorted(glob.glob(f"{directory}/*"))}
        return {path: number for path, number in found.items() if number is not None}

    def initramfs_mounts(self, path: str = "/etc/fstab") -> frozenset[str]:
        """Return the mount points that fstab leaves to the initramfs (x-initrd.mount)."""
        lines = (each.strip() for each in read_text(path).split("\n"))
        words = [each.split() for each in lines if not each.startswith("#")]
        return frozenset(
            each[1]
            for each in words
            if len(each) > 3 and fnmatch.fnmatchcase(f",{each[3]},", "*,x-initrd.mount,*")
        )

    def user_exists(self, name: str) -> bool:
        """Return whether the host knows a user by this name or number."""
        with contextlib.suppress(KeyError):
            return name.isdigit() or bool(pwd.getpwnam(name))
        return False

    def group_exists(self, name: str) -> bool:
        """Return whether the host knows a group by this name or number."""
        with contextlib.suppress(KeyError):
            return name.isdigit() or bool(grp.getgrnam(name))
        return False


def _permissions(path: str) -> tuple[str, str, int]:
    try:
        status = os.stat(path)
    except OSError:
        return "", "", 0
    owner, group = str(status.st_uid), str(status.st_gid)
    with contextlib.suppress(KeyError):
        owner = pwd.getpwuid(status.st_uid).pw_name
    with contextlib.suppress(KeyError):
        group = grp.getgrgid(status.st_gid).gr_name
    return owner, group, stat.S_IMODE(status.st_mode)
