# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that running lab hosts live in.

A host's directory is locked for as long as its QEMU lives: QEMU inherits the open
lock. A directory whose lock is free is what a killed host left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import typing as t
from pathlib import Path

from .errors import LabError

LOCK = "lock"


def checkout_directory() -> Path:
    """Return where the host that `start` leaves running for this checkout lives."""
    checkout = Path(__file__).resolve().parents[2]
    return _parent() / f"checkout-{hashlib.sha256(bytes(checkout)).hexdigest()[:12]}"


def create(path: Path | None) -> tuple[Path, int]:
    """Create a directory, a unique one if no path is given; return it and its lock."""
    parent = _parent()
    with _locked(parent / LOCK):
        _remove_abandoned(parent)
        if path is None:
            path = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        else:
            try:
                path.mkdir(mode=0o700)
            except FileExistsError:
                raise LabError("the lab host of this checkout starts already") from None
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return path, lock


def is_abandoned(path: Path) -> bool:
    """Return whether no process holds the directory's lock."""
    try:
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def remove(path: Path) -> None:
    """Remove the directory of a host that has ended."""
    while path.exists():
        # The shared ssh connections end with the host and remove their own sockets.
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)


def _parent() -> Path:
    # Not /tmp or XDG_RUNTIME_DIR: those are often in memory, and LUNs are large.
    # The name is short because a Unix socket's path has at most 107 characters.
    parent = Path("/var/tmp") / f"san-device-mapper-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        parent.mkdir(mode=0o700)
    found = parent.lstat()
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.geteuid()
        or stat.S_IMODE(found.st_mode) != 0o700
    ):
        raise LabError(f"{parent} is not a directory that belongs to this user alone")
    return parent


@contextlib.contextmanager
def _locked(path: Path) -> t.Iterator[None]:
    with open(path, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_abandoned(parent: Path) -> None:
    for path in parent.iterdir():
        if path.is_dir() and is_abandoned(path):
            remove(path)
