# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The uses of a block device, as data."""

from __future__ import annotations

import typing as t

from .errors import visible

if t.TYPE_CHECKING:
    from .device import DeviceNumber

_WORDS = {
    "mount": "mounted at {name}",
    "swap": "in use as swap",
    "map": "held by the map {name} (uuid {uuid})",
    "lvm": "held by the LVM volume {name}",
    "md": "held by the md array {name}",
    "loop": "shown by the loop device {name}",
    "device": "held by {name}",
    "process": "open in process {process} ({name})",
    "udev": "open in process {process} ({name}) of udev",
    "multipathd": "open in process {process} ({name})",
    "unexplained": "open {times} by something that is not a process",
    "claim": "claimed, perhaps by a mount in another mount namespace",
}


class Use(t.NamedTuple):
    """One use of a block device.

    `kind` is `mount`, `swap`, a device on top (`map`, `lvm`, `md`, `loop`, `device`), a `process`
    that has it open, one of `udev`, the daemon `multipathd`, a `claim`, or a number of `opens` that
    are `unexplained`.
    `name` is the mount point, the device or the program; `device` the number of the device on top,
    `uuid` that of a map, `process` the number of a process. `partition` is the kernel's name of the
    partition of the device that is used.
    """

    kind: str
    name: str = ""
    device: DeviceNumber | None = None
    uuid: str = ""
    process: int = 0
    partition: str = ""
    opens: int = 0

    @property
    def is_process(self) -> bool:
        """Whether a process has the device open, and nothing else is known to use it."""
        return self.kind in ("process", "udev", "multipathd")

    @property
    def is_udev(self) -> bool:
        """Whether it is a process of udev's, which is short-lived."""
        return self.kind == "udev"

    @property
    def is_multipathd(self) -> bool:
        """Whether it is the daemon, which has each path of its maps open."""
        return self.kind == "multipathd"

    def words(self) -> str:
        """Return the use as people read it."""
        times = "1 time" if self.opens == 1 else f"{self.opens} times"
        known = {**self._asdict(), "uuid": self.uuid or "empty", "times": times}
        of = f"its partition {self.partition} is " if self.partition else ""
        return visible(of + _WORDS[self.kind].format(**known))


Uses = tuple[Use, ...]


def words(uses: Uses) -> str:
    """Return uses as a message lists them."""
    return "; ".join(use.words() for use in uses)
