# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import time

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system.programs import run


def test_a_program_says_how_it_ended() -> None:
    done = run("sh", "-c", "echo said; echo complained >&2; exit 3", timeout=10)
    assert (done.returncode, done.stdout, done.stderr) == (3, "said\n", "complained\n")


def test_one_that_no_signal_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one in the kernel, which waits for a device that does not answer."""
    left: list[subprocess.Popen[str]] = []

    def kill(process: subprocess.Popen[str]) -> None:
        left.append(process)

    monkeypatch.setattr(subprocess.Popen, "kill", kill)
    started = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run("sleep", "30", timeout=0.2)
    assert time.monotonic() - started < 5
    (process,) = left
    process.terminate()
    process.communicate()
