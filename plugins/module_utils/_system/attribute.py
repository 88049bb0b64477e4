# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small files, as many as a host with thousands of paths has of them in /sys.

Few system calls each: Python's file objects make more, and realpath one for each directory above.
"""

from __future__ import annotations

import contextlib
import os

_PAGE = 4096
"""Bytes; no attribute of sysfs has more (Documentation/filesystems/sysfs.rst), a VPD page may."""


def content(path: str) -> bytes:
    """Return what the file has; nothing if it is not there or refuses to be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        found = part = os.read(descriptor, _PAGE)
        while len(part) == _PAGE:
            part = os.read(descriptor, _PAGE)
            found += part
        return found
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def read_text(path: str) -> str:
    """Return the text of a whole file; what is not UTF-8 stays a surrogate. Empty if it is gone."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read().decode("utf-8", "surrogateescape")
    return ""


def line(path: str) -> str:
    """Return the first line of the file, without the spaces around it."""
    return content(path).partition(b"\n")[0].decode("utf-8", "replace").strip()


def listed(directory: str) -> list[str]:
    """Return the names in a directory, sorted; none if it is not there."""
    with contextlib.suppress(OSError):
        return sorted(os.listdir(directory))
    return []


def place(link: str) -> str:
    """Return where a symbolic link of sysfs leads to, whose directory is none; empty if nowhere.

    A class's link leads to the device's own directory below /sys/devices, which has no links above.
    """
    with contextlib.suppress(OSError):
        return os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
    return ""


def encoded(text: str) -> bytes:
    """Return text as a library takes it, with the bytes that `decoded` found."""
    return text.encode("utf-8", "surrogateescape")


def decoded(value: bytes | None) -> str:
    """Return text that a library gives; what is not UTF-8 stays a surrogate, None is empty."""
    return (value or b"").decode("utf-8", "surrogateescape")
