# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system.lock import Lock
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
)

HOLD = """
import sys, time
from ansible_collections.san.device_mapper.plugins.module_utils._system.lock import Lock
Lock.lock_file = sys.argv[1]
with Lock().exclusive(5):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


def exclusive(timeout: float, path: str) -> contextlib.AbstractContextManager[None]:
    """Hold the lock on the file `path`."""
    lock = Lock()
    lock.lock_file = path
    return lock.exclusive(timeout)


def holder(path: str, seconds: float) -> subprocess.Popen[str]:
    """Return another process that holds the lock already."""
    argv = [sys.executable, "-c", HOLD, path, str(seconds)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def is_locked(path: str) -> bool:
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_the_lock_is_held_and_let_go(path: str) -> None:
    with exclusive(5, path):
        assert is_locked(path)
    assert not is_locked(path)


def test_the_lock_is_let_go_after_a_failure(path: str) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(5, path):
        raise ZeroDivisionError
    assert not is_locked(path)


def test_the_second_waits_for_the_first(path: str) -> None:
    with holder(path, 0.3) as first:
        with exclusive(30, path):
            assert is_locked(path)
        assert first.wait(30) == 0


def test_the_second_does_not_wait_for_ever(path: str) -> None:
    with holder(path, 60) as first:
        started = time.monotonic()
        with pytest.raises(DeviceMapperError) as late, exclusive(0.2, path):
            pytest.fail("the lock was taken twice")
        assert time.monotonic() - started < 30
        first.kill()
    message = str(late.value)
    assert message.startswith("timeout: another task of this collection")
    assert "more than 0.2 seconds" in message
    assert f"fuser {path}" in message
    assert "nothing was changed" in message


def test_a_killed_holder_holds_nothing(path: str) -> None:
    with holder(path, 60) as first:
        os.kill(first.pid, signal.SIGKILL)
        first.wait(30)
        with exclusive(5, path):
            assert is_locked(path)


def test_alarms_are_as_they_were(path: str) -> None:
    before = signal.getsignal(signal.SIGALRM)
    with exclusive(5, path):
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        assert signal.getsignal(signal.SIGALRM) is before


def test_the_lock_is_the_owners_and_no_link(path: str, tmp_path: Path) -> None:
    with exclusive(5, path):
        assert os.stat(path).st_mode & 0o777 == 0o600
    link = tmp_path / "link"
    link.symlink_to(path)
    for refused, words in ((link, "symbolic links"), (tmp_path / "no/lock", "No such file")):
        with pytest.raises(DeviceMapperError, match=words), exclusive(5, str(refused)):
            pytest.fail("it was taken for a lock")
