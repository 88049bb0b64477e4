# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`kill -9` of modules at their system calls, on the booted host: see kernel/kill_modules.py."""

from __future__ import annotations

import json
import subprocess
from collections import Counter

from kernel.conftest import REMOTE, Host

from lab.storage import wwid


def run(host: Host, seconds: int, seed: int, found: Counter[str], kills: int = 10_000) -> None:
    """Kill modules until the time is over; what happens is printed as it happens."""
    wwids = [wwid(lun) for lun, _size in enumerate(host.lab.machine.luns)]
    program = ["python3", f"{REMOTE}/kill_modules.py", str(seed), str(seconds), str(kills), *wwids]
    lines = []
    with subprocess.Popen(
        host.lab.ssh_argv(*program), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            lines.append(line)
            if not line.startswith("{"):
                print(line, end="", flush=True)
    found.update(json.loads(lines[-1]))
    assert not found["violations"]
