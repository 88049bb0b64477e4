# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The initramfs: the only file that knows what builds it, and where it lies."""

from __future__ import annotations

import os
import subprocess
import typing as t

from .._values.udev import Initramfs
from .programs import PATH, run

if t.TYPE_CHECKING:
    from collections.abc import Sequence

# Debian's dracut replaces initramfs-tools; beside it there is dracut-core at most, which does not
# build one automatically.
_GENERATORS = (
    ("initramfs-tools", "mkinitramfs", ("lsinitramfs",)),
    ("dracut", "dracut", ("lsinitrd", "--kver")),
)
_TOLD = (
    "/etc/dracut.conf.d/san-device-mapper.conf",
    "/etc/initramfs-tools/hooks/san-device-mapper",
)
_IMAGES = ("/boot/initrd.img-{}", "/boot/initramfs-{}.img", "/boot/initrd-{}")


class InitramfsImage:
    """The initramfs of the running kernel, and what builds it."""

    def initramfs(self, looking: bool, timeout: float) -> Initramfs:
        """Return what builds the initramfs and, when `looking`, the names of what it holds."""
        release = os.uname().release
        image = next(filter(os.path.exists, (each.format(release) for each in _IMAGES)), "")
        told = any(os.path.exists(each) for each in _TOLD)
        for generator, command, listing in _GENERATORS:
            if any(os.path.exists(f"{folder}/{command}") for folder in PATH.split(":")):
                what = release if "--kver" in listing else image
                files = _files([*listing, what], timeout) if looking and image else None
                return Initramfs(generator, told, image, files)
        return Initramfs(told=told, image=image)


def _files(argv: Sequence[str], timeout: float) -> frozenset[str] | None:
    """Return the names, without folders, of the files that a listing has; None if it fails."""
    try:
        done = run(*argv, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    # lsinitrd prints lines as ls -l does, lsinitramfs the paths alone.
    words = (line.split(" -> ")[0].split() for line in done.stdout.split("\n"))
    return frozenset(os.path.basename(each[-1]) for each in words if each)
