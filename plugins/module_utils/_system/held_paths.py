# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paths that tasks have failed, until the next boot: what checks paths leaves them failed."""

from __future__ import annotations

import contextlib
import os

from .._values.device import DeviceNumber
from .._values.records import HELD, held_file
from .attribute import listed
from .selinux import refused_by_host


class HeldPaths:
    """An empty file for each path, by the uuid of its map and its number."""

    def held_paths(self) -> frozenset[tuple[str, DeviceNumber]]:
        """Return the paths that are held, with the uuids of their maps."""
        found = [name.rpartition("@") for name in listed(HELD)]
        return frozenset((uuid, DeviceNumber.parse(number)) for uuid, _at, number in found if uuid)

    def hold_path(self, uuid: str, device: DeviceNumber) -> None:
        """Note that a path stays failed."""
        path = held_file(uuid, device)
        with refused_by_host("write", path):
            os.makedirs(HELD, 0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(path, flags, 0o600))

    def release_path(self, uuid: str, device: DeviceNumber) -> None:
        """Note that a path may come back."""
        path = held_file(uuid, device)
        with refused_by_host("remove", path), contextlib.suppress(FileNotFoundError):
            os.unlink(path)
