# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks that are run on lab hosts, and what each of their tasks returned."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

from .errors import LabError

CALLBACKS = Path(__file__).resolve().parents[1] / "callback"


def run(
    directory: Path,
    inventory: Path,
    playbook: Path,
    *arguments: str,
    timeout: float | None = 600,
    shown: bool = False,
) -> tuple[int, list[dict[str, t.Any]]]:
    """Run a playbook; return its status and results. What it prints is shown or else kept back."""
    written = directory / "results"
    written.unlink(missing_ok=True)
    environment = {
        **os.environ,
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "results",
        "SAN_RESULTS": str(written),
    }
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(playbook), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=not shown,
        text=True,
        check=False,
        timeout=timeout,
    )
    if not written.exists():
        raise LabError(f"{playbook} has not run\n{done.stdout or ''}{done.stderr or ''}")
    return done.returncode, [json.loads(line) for line in written.read_text("utf-8").splitlines()]
