# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One task at a time on a host: the second waits for the first, within a bounded time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import typing as t

from .._values.errors import DeviceMapperError
from .selinux import refusal

if t.TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_FILE = "/run/san.device_mapper.lock"
"""Held while a task observes and changes maps; the kernel lets go of it when the process ends."""


class Lock:
    """The lock of this host."""

    lock_file = LOCK_FILE

    @contextlib.contextmanager
    def exclusive(self, timeout: float) -> Iterator[None]:
        """Hold the host's lock; DeviceMapperError if another task has it after `timeout` seconds.

        Or if its file cannot be made: /run may be full, or not writeable in a container.
        """
        try:
            descriptor = os.open(
                self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as refused:
            words = refusal(self.lock_file, refused)
            raise DeviceMapperError(
                f"{self.lock_file}: {words}; tasks on one host take turns by locking this file,"
                " which must not be a link. Make room for it, or remove what is there; nothing was"
                " changed"
            ) from refused
        try:
            _wait_for(descriptor, timeout, self.lock_file)
            yield
        finally:
            os.close(descriptor)


def _wait_for(descriptor: int, timeout: float, path: str) -> None:
    """Take the lock; an alarm ends the wait, flock(2) has no timeout of its own."""
    previous = signal.signal(signal.SIGALRM, _late)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except TimeoutError:
        raise DeviceMapperError(
            f"timeout: another task of this collection has been changing this host for more than"
            f" {timeout:g} seconds (`fuser {path}` shows it). Run the task again when it has"
            " ended, or raise the timeout; nothing was changed"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _late(_signal: int, _frame: object) -> t.NoReturn:
    raise TimeoutError
