# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps that come, change and go over and over, on the booted host: see cycles_on_host.py."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from kernel.conftest import REMOTE, Host

from lab.storage import wwid

CYCLES = 1000
PROGRAM = Path(__file__).parent / "cycles_on_host.py"


def run(host: Host, seconds: int, seed: int, found: Counter[str]) -> None:
    """Run cycles until the time is over, and compare what there is with what there was."""
    host.lab.push(PROGRAM, f"{REMOTE}/{PROGRAM.name}")
    wwids = [wwid(lun) for lun, _size in enumerate(host.lab.machine.luns)]
    argv = ["python3", f"{REMOTE}/{PROGRAM.name}", str(seed), str(seconds), str(CYCLES), *wwids]
    done = host.lab.ssh(argv, check=False, timeout=seconds + 600)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stdout + done.stderr
    found.update(json.loads(lines[0]))
    assert done.returncode == 0, done.stdout + done.stderr
