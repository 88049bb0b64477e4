# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loop devices: what sysfs says of them, and util-linux' losetup, which attaches them."""

from __future__ import annotations

import contextlib
import glob
import os
import typing as t
from dataclasses import dataclass

from .._values.device import DeviceNumber
from .._values.errors import KernelError
from .programs import run

if t.TYPE_CHECKING:
    from collections.abc import Container

_MAJOR = 7  # LOOP_MAJOR


@dataclass(frozen=True)
class LoopDevice:
    """A loop device that shows a whole file; with `autoclear` it goes with its last user."""

    device: DeviceNumber
    autoclear: bool


def loop_devices(path: str) -> tuple[LoopDevice, ...]:
    """Return the loop devices that show the whole file `path`, by their numbers.

    The file may have been deleted since.
    """
    found = []
    for directory in glob.glob("/sys/class/block/loop*/loop"):
        if _line(f"{directory}/offset") == "0" and _line(f"{directory}/sizelimit") == "0":
            with contextlib.suppress(OSError):
                shown = _line(f"{directory}/backing_file")
                if shown in (path, f"{path} (deleted)") or os.path.samefile(shown, path):
                    device = DeviceNumber.parse(_line(f"{os.path.dirname(directory)}/dev"))
                    found.append(LoopDevice(device, _line(f"{directory}/autoclear") == "1"))
    return tuple(sorted(found, key=lambda each: each.device))


def free_loop_device(besides: Container[DeviceNumber]) -> DeviceNumber:
    """Return the first loop device that shows no file, and is none of `besides`."""
    minor = 0
    while True:
        device = DeviceNumber(_MAJOR, minor)
        if device not in besides and not os.path.exists(f"/sys/class/block/loop{minor}/loop"):
            return device
        minor += 1


def attach(device: DeviceNumber, path: str, read_only: bool) -> None:
    """Let the loop device show the file `path`; KernelError if it cannot."""
    option = ["--read-only"] if read_only else []
    _losetup("attach", device, *option, f"/dev/loop{device.minor}", path)


def detach(device: DeviceNumber) -> None:
    """Let the loop device go, at the latest with its last user; KernelError if it cannot."""
    _losetup("detach", device, "--detach", f"/dev/loop{device.minor}")


def _losetup(request: str, device: DeviceNumber, *arguments: str) -> None:
    try:
        done = run("losetup", *arguments)
    except FileNotFoundError as missing:
        words = "this host has no losetup (util-linux; Debian: the package mount)"
        raise KernelError(request, f"loop{device.minor}", 0, words) from missing
    if done.returncode:
        raise KernelError(request, f"loop{device.minor}", 0, done.stderr.strip())


def _line(path: str) -> str:
    """Return the line of the sysfs attribute `path`, which may end in any character."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return os.fsdecode(file.readline().rstrip(b"\n"))
    return ""
