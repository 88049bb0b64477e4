# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Device numbers as device-mapper tables print them, and sizes."""

from __future__ import annotations

import re
import typing as t

_DEVICE_NUMBER = re.compile(r"([0-9]{1,10}):([0-9]{1,10})", re.ASCII)

SECTOR = 512
"""Bytes per sector in device-mapper tables and in sysfs, whatever the device's own blocks."""


class DeviceNumber(t.NamedTuple):
    """The major and minor number of a block device, written `8:16`."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> DeviceNumber:
        """Return the number that `text` states; ValueError for anything but `major:minor`."""
        match = _DEVICE_NUMBER.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no major:minor")
        return cls(int(match.group(1)), int(match.group(2)))

    def __str__(self) -> str:
        return f"{self.major}:{self.minor}"


def number(text: str) -> int:
    """Return the number that a word of a table is; ValueError for what the kernel never prints.

    int() also takes signs, underscores and the digits of other scripts.
    """
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is no number")
    return int(text)


UNASSIGNED = DeviceNumber(0, 0)
"""The number of a map that is foreseen but not made; the kernel gives 0:0 to no device."""


def size_words(size: int) -> str:
    """Return a size in bytes in the largest binary unit that it reaches."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.4g} {unit}"
