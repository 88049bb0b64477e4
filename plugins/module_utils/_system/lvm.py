# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""LVM: the only file that knows it, its commands and its list of devices."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import typing as t

from .attribute import line, read_text
from .block_devices import device_number
from .programs import run

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ...plugin_utils._types import DeviceNumber


class Lvm:
    """LVM on this host."""

    lvm_devices_file, numbers = "/etc/lvm/devices/system.devices", "/sys/dev/block"

    def physical_volumes(self, timeout: float) -> frozenset[DeviceNumber] | None:
        """Return LVM's physical volumes; None where LVM has nothing to say."""
        try:
            done = run("pvs", "--reportformat", "json", "--options", "pv_name", timeout=timeout)
            report = json.loads(done.stdout)["report"]
        except (FileNotFoundError, subprocess.TimeoutExpired, ValueError, KeyError):
            return None
        names = [row["pv_name"] for part in report for row in part["pv"]]
        return frozenset(filter(None, map(device_number, names)))

    def listed_by_lvm(
        self, disks: Iterable[DeviceNumber], timeout: float
    ) -> frozenset[DeviceNumber]:
        """Return those of `disks` that LVM's devices file lists; none where LVM does not go by it.

        The file identifies a disk as sysfs does (lvmdevices(8): sys_wwid, wwid_naa and the like).
        """
        text = read_text(self.lvm_devices_file)
        listed = set(re.findall(r"^\s*IDTYPE=(?:sys_)?wwid\S* IDNAME=(\S+)", text, re.MULTILINE))
        if not listed or not _goes_by_devices_file(timeout):
            return frozenset()
        return frozenset(disk for disk in disks if _wwid(f"{self.numbers}/{disk}") in listed)


def _wwid(directory: str) -> str:
    """Return the WWID of a disk as LVM writes it: without spaces (device_id.c)."""
    wwid = line(f"{directory}/device/wwid") or line(f"{directory}/wwid")
    return re.sub(r"\s+", "_", wwid)


def _goes_by_devices_file(timeout: float) -> bool:
    with contextlib.suppress(FileNotFoundError, subprocess.TimeoutExpired):
        done = run("lvmconfig", "--typeconfig", "full", "devices/use_devicesfile", timeout=timeout)
        return done.stdout.strip() == "use_devicesfile=1"
    return False
