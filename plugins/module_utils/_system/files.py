# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files on the host: how each is written as a whole, and those that a host boots with.

After a power failure, either the new or the old file is there; a reader meanwhile sees one of them.
No symbolic link is followed to a file, nor to the directory of the records.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import typing as t

from .._values.records import (
    CHECK,
    CHECK_UNIT,
    DETACHED_RULES,
    ENDINGS,
    RECORDS,
    listed_as_detached,
)
from .attribute import listed
from .programs import run
from .selinux import refused_by_host

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NEW = ".san.device_mapper.new"
"""What those who read whole directories pass over: udev reads *.rules, multipathd what has .conf in
its name. The modules write under their lock, one at a time."""
_RELOAD_SECONDS = 30.0
_LAYERED_SECONDS = 60.0
_LAYERED = 'mount -t overlay overlay -o "lowerdir=$0:/etc" /etc && exec "$@"'


class Files:
    """The boot files of the running host."""

    def write_file(self, path: str, text: str) -> None:
        """Write a whole file, mode 0644; the directory is made if it is not there."""
        with refused_by_host("write", path):
            write_whole(path, text)
        _tell_udev(path)
        if path.endswith(".service"):
            _tell_systemd("daemon-reload")
        if path in (CHECK, CHECK_UNIT):
            _tell_systemd("restart", "--no-block", os.path.basename(CHECK_UNIT))

    def remove_file(self, path: str) -> None:
        """Remove a file, and the directory of the records with the last one.

        And what a run that was killed has left beside it, half-written. A unit ends before its
        program goes.
        """
        if path == CHECK:
            _tell_systemd("stop", os.path.basename(CHECK_UNIT))
        with refused_by_host("remove", path):
            with _directory(path) as directory:
                for name in (os.path.basename(path), _NEW):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=directory)
                os.fsync(directory)
            if os.path.dirname(path) == RECORDS:
                with contextlib.suppress(OSError):
                    os.rmdir(RECORDS)
        _tell_udev(path)
        if path.endswith(".service"):
            _tell_systemd("daemon-reload")

    def boot_files(self, programs: Iterable[str]) -> dict[str, str]:
        """Return the texts of the records of maps, and of those of the files `programs`, by path.

        Those that are there; empty for what is not a regular file.
        """
        names = [name for name in listed(RECORDS) if name.endswith(ENDINGS)]
        paths = [*(f"{RECORDS}/{name}" for name in names), *programs]
        return {path: _regular_file(path) for path in paths if os.path.lexists(path)}

    def detached(self) -> frozenset[str]:
        """Return the LUNs that the host holds detached."""
        return listed_as_detached(_regular_file(DETACHED_RULES))


def _tell_udev(path: str) -> None:
    """Let udevd read its rules again, if the file is one of them, before the next event.

    Without being told, it looks for changed files every three seconds at most (systemd, udevd.c),
    and would handle the events of a map that is made now by the previous rules. Where no udevd runs
    there is nothing to do.
    """
    if path.endswith(".rules"):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            run("udevadm", "control", "--reload", timeout=_RELOAD_SECONDS)


def _tell_systemd(*request: str) -> None:
    """Tell systemd about a unit of ours; where it does not run, there is nothing to do.

    A unit whose program is not there yet is started by the next file.
    """
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        run("systemctl", *request, timeout=_RELOAD_SECONDS)


def write_whole(path: str, text: str) -> None:
    """Write a whole file, mode 0644, and its directory if it is not there; OSError if refused."""
    with _directory(path, make=True) as directory:
        try:
            _write_in(directory, os.path.basename(path), text)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(_NEW, dir_fd=directory)
            raise


def layered(files: Mapping[str, str], *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program that finds `files` below /etc in the place of the host's.

    It has a mount namespace of its own, in which /etc is an overlay that cannot be written to: no
    other process sees it, and the host's files stay as they are.
    """
    with tempfile.TemporaryDirectory(prefix="san.device_mapper.", dir="/run") as layer:
        for path, text in files.items():
            name = f"{layer}{path[len('/etc') :]}"
            os.makedirs(os.path.dirname(name), exist_ok=True)
            with open(name, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
        arguments = ("unshare", "--mount", "sh", "-c", _LAYERED, layer, *argv)
        return run(*arguments, timeout=_LAYERED_SECONDS)


def _write_in(directory: int, name: str, text: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_NEW, dir_fd=directory)  # A run that was killed left it.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(_NEW, flags, 0o644, dir_fd=directory)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        os.fchmod(descriptor, 0o644)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    os.rename(_NEW, name, src_dir_fd=directory, dst_dir_fd=directory)
    os.fsync(directory)


def _regular_file(path: str) -> str:
    """Return the text of a regular file; empty for anything else, whatever it leads to."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="utf-8", errors="replace") as file:
            return file.read()
    return ""


@contextlib.contextmanager
def _directory(path: str, make: bool = False) -> Iterator[int]:
    name = os.path.dirname(path)
    if make and not os.path.lexists(name):
        os.makedirs(name, 0o755)
        os.chmod(name, 0o755)
    follow = 0 if name != RECORDS else os.O_NOFOLLOW
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | follow)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
