# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loop devices: what sysfs says of them, and util-linux' losetup, which attaches them."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import subprocess
import typing as t

from .._values.device import SECTOR, DeviceNumber
from .._values.errors import KernelError
from .._values.partitions import ImageFile, LoopDevice
from .attribute import line, read_text
from .block_devices import answered, mounted_at
from .programs import run

if t.TYPE_CHECKING:
    from collections.abc import Iterable

_MAJOR = 7  # LOOP_MAJOR

_SECTORS = (512, 1024, 2048, 4096)
"""The sizes of sectors that a loop device takes, in bytes."""
_SECONDS = 30.0
"""How long losetup is given; it opens the file, which may be on a server."""

_PACKED = (
    (0, b"QFI\xfb", "qcow2"),
    (0, b"KDMV", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x1f\x8b\x08", "gzip"),
)
"""What a file begins with that is not the disk itself: offset, bytes, format."""


class LoopDevices:
    """The loop devices of the running kernel, and the files that they can show."""

    def image_file(self, path: str) -> ImageFile | None:
        """Return the regular file that `path` leads to; None if it leads to none.

        An error if its file system does not answer.
        """
        return answered(path, lambda: _image_file(path))

    def loop_devices(self, path: str) -> tuple[LoopDevice, ...]:
        """Return the loop devices that show the whole file `path`, which may be gone, by number.

        An error if its file system does not answer.
        """
        return answered(path, lambda: tuple(_loop_devices(path)))

    def free_loop_device(self, besides: Iterable[DeviceNumber]) -> DeviceNumber:
        """Return the first loop device that shows no file, and is not one of `besides`."""
        taken, minor = {*besides}, 0
        while True:
            device = DeviceNumber(_MAJOR, minor)
            if device not in taken and not os.path.exists(f"/sys/class/block/loop{minor}/loop"):
                return device
            minor += 1

    def attach(self, device: DeviceNumber, path: str, read_only: bool, logical_sector: int) -> None:
        """Let the loop device show the file `path`; KernelError if it cannot."""
        options = ["--read-only"] if read_only else []
        if logical_sector != SECTOR:
            options += ["--sector-size", str(logical_sector)]
        _losetup("attach", device, *options, f"/dev/loop{device.minor}", path)

    def detach(self, device: DeviceNumber) -> None:
        """Let the loop device go, at the latest with its last user; KernelError if it cannot."""
        _losetup("detach", device, "--detach", f"/dev/loop{device.minor}")


def _image_file(path: str) -> ImageFile | None:
    real = os.path.realpath(path)
    if not os.path.isfile(real):
        return None
    read_only = not os.access(real, os.W_OK)
    start = _start(real)
    return ImageFile(
        real, os.stat(real).st_size // SECTOR, read_only, _packed(start), _sector(start)
    )


def _loop_devices(path: str) -> list[LoopDevice]:
    found, path = [], os.path.realpath(path)
    for directory in glob.glob("/sys/class/block/loop*/loop"):
        if line(f"{directory}/offset") == "0" and line(f"{directory}/sizelimit") == "0":
            with contextlib.suppress(OSError):
                # A file's name may end in any character but this one.
                shown = read_text(f"{directory}/backing_file").partition("\n")[0]
                if shown in (path, f"{path} (deleted)") or _is_same_file(shown, path):
                    device = DeviceNumber.parse(line(f"{os.path.dirname(directory)}/dev"))
                    found.append(LoopDevice(device, line(f"{directory}/autoclear") == "1"))
    return sorted(found, key=lambda each: each.device)


def _is_same_file(shown: str, path: str) -> bool:
    """Return whether two paths lead to one file; what another file system has is not asked for.

    Its server may be dead, and would never answer.
    """
    number = os.stat(path).st_dev
    here = DeviceNumber(os.major(number), os.minor(number))
    return mounted_at(shown) == here and os.path.samefile(shown, path)


def _start(path: str) -> bytes:
    """Return what a file begins with; nothing if it cannot be read, which is named later."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(2 * _SECTORS[-1])
    return b""


def _packed(start: bytes) -> str:
    """Return the format in which a file holds a disk; empty if it is the disk itself."""
    for offset, magic, name in _PACKED:
        if start[offset:].startswith(magic):
            return name
    return ""


def _sector(start: bytes) -> int:
    """Return the size of the sectors for which a GPT was written, whose header is in the second.

    Return 0 if there is none: no other partition table says it.
    """
    return next((size for size in _SECTORS if start[size:].startswith(b"EFI PART")), 0)


def _losetup(request: str, device: DeviceNumber, *arguments: str) -> None:
    try:
        done = run("losetup", *arguments, timeout=_SECONDS)
    except subprocess.TimeoutExpired as late:
        words = f"losetup has not ended within {_SECONDS:g} seconds; see to the image's file system"
        raise KernelError(request, f"loop{device.minor}", errno.ETIMEDOUT, words) from late
    except FileNotFoundError as missing:
        words = "this host has no losetup (util-linux; Debian: the package mount)"
        raise KernelError(request, f"loop{device.minor}", 0, words) from missing
    if done.returncode:
        raise KernelError(request, f"loop{device.minor}", 0, done.stderr.strip())
