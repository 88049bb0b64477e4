# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The linear target: `<device> <offset in sectors>` (drivers/md/dm-linear.c)."""

from __future__ import annotations

from dataclasses import dataclass

from .device import DeviceNumber, number


@dataclass(frozen=True)
class Linear:
    """A run of sectors of one device, from `offset` (512-byte sectors) on."""

    device: DeviceNumber
    offset: int

    kind = "linear"

    @classmethod
    def parse(cls, parameters: str) -> Linear:
        """Return the target that the kernel's `parameters` state; ValueError if they do not."""
        device, offset = parameters.split()
        return cls(DeviceNumber.parse(device), number(offset))

    def __str__(self) -> str:
        return f"{self.device} {self.offset}"

    def canonical(self) -> Linear:
        """Return itself: linear has neither defaults nor anything the kernel fills in."""
        return self

    def devices(self) -> tuple[DeviceNumber, ...]:
        """Return the devices that the target opens."""
        return (self.device,)
