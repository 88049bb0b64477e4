# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""LVM: the only file that knows it, and its commands."""

from __future__ import annotations

import json
import subprocess
import typing as t

from .block_devices import device_number
from .programs import run

if t.TYPE_CHECKING:
    from ...plugin_utils._types import DeviceNumber


class Lvm:
    """LVM on this host."""

    def physical_volumes(self, timeout: float) -> frozenset[DeviceNumber] | None:
        """Return LVM's physical volumes; None where LVM has nothing to say."""
        try:
            done = run("pvs", "--reportformat", "json", "--options", "pv_name", timeout=timeout)
            report = json.loads(done.stdout)["report"]
        except (FileNotFoundError, subprocess.TimeoutExpired, ValueError, KeyError):
            return None
        names = [row["pv_name"] for part in report for row in part["pv"]]
        return frozenset(filter(None, map(device_number, names)))
