# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The multipath daemon: the only file that knows it."""

from __future__ import annotations

import contextlib

_PID_FILE = "/run/multipathd.pid"


def is_running() -> bool:
    """Tell whether multipathd runs on this host.

    Its socket is not asked: where systemd listens on it, asking would start the daemon.
    """
    with contextlib.suppress(OSError, ValueError):
        with open(_PID_FILE, encoding="ascii") as file:
            process = int(file.read())
        with open(f"/proc/{process}/comm", encoding="ascii") as file:
            return file.read().strip() == "multipathd"
    return False
