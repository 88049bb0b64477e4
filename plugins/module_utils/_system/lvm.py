# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""LVM: the only file that knows it, and its commands."""

from __future__ import annotations

import json
import subprocess

from .programs import run


def physical_volumes(timeout: float) -> tuple[str, ...] | None:
    """Return the device files of LVM's physical volumes; None where LVM has nothing to say.

    It reads its devices: not to be asked while one of them would not answer.
    """
    try:
        done = run("pvs", "--reportformat", "json", "--options", "pv_name", timeout=timeout)
        report = json.loads(done.stdout)["report"]
    except (FileNotFoundError, subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    return tuple(row["pv_name"] for part in report for row in part["pv"])
