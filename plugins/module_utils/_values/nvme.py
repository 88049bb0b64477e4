# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NVMe subsystems as the kernel's native multipath joins them: controllers, namespaces, paths."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from .device import DeviceNumber

DISCOVERY = "nqn.2014-08.org.nvmexpress.discovery"
"""The name of every discovery subsystem that has none of its own."""
OFF = -1
"""A time-out that is off: the kernel waits forever."""

_ACCESSIBLE = ("", "optimized", "non-optimized")
"""The ANA states that carry I/O; empty where the controller reports no ANA."""


@dataclass(frozen=True)
class NvmeController:
    """A controller of a subsystem: the host's connection to a port of the storage.

    `address` is the kernel's text, such as `traddr=192.0.2.1,trsvcid=4420`, or a PCI address. The
    time-outs are seconds, OFF, or None where the transport has none (PCIe).
    """

    name: str
    transport: str = ""
    address: str = ""
    state: str = ""
    host_nqn: str = ""
    ctrl_loss_tmo: int | None = None
    fast_io_fail_tmo: int | None = None
    reconnect_delay: int | None = None

    def part(self, *keys: str) -> str:
        """Return the part of the address with the first of `keys` that it has; empty without."""
        pairs = (each.partition("=") for each in self.address.split(","))
        parts = {key: value for key, _equals, value in pairs}
        return next((parts[key] for key in keys if parts.get(key, "none") != "none"), "")

    @property
    def target_address(self) -> str:
        """The address of the storage's port."""
        return self.part("traddr") if "=" in self.address else self.address

    @property
    def is_local(self) -> bool:
        """Whether it is a device on PCIe, not a connection to a SAN."""
        return self.transport == "pcie"

    @property
    def is_live(self) -> bool:
        """Whether the controller takes I/O."""
        return self.state == "live"

    @property
    def keeps_io(self) -> bool:
        """Whether I/O waits for this controller where no path is usable.

        The kernel does not show whether `fast_io_fail_tmo` has expired: where it is set, I/O waits
        for those seconds only (multipath.c nvme_available_path).
        """
        connecting = self.state == "connecting" and self.fast_io_fail_tmo in (None, OFF)
        return connecting or self.state in ("live", "resetting")


@dataclass(frozen=True)
class NvmePath:
    """A path of a namespace, through one controller; `ana_state` is empty without ANA."""

    name: str
    controller: NvmeController
    sectors: int
    ana_state: str = ""
    ana_group: int | None = None

    @property
    def is_accessible(self) -> bool:
        """Whether the storage lets I/O through this path."""
        return self.ana_state in _ACCESSIBLE

    @property
    def in_transition(self) -> bool:
        """Whether the storage changes the path's ANA state, as in a takeover."""
        return self.ana_state == "change"


@dataclass(frozen=True)
class NvmeNamespace:
    """A namespace whose paths the kernel joins to one device, the NVMe multipath device.

    `wwid` is the kernel's: by the first of UUID, NGUID, EUI-64 that the namespace has.
    `delayed_removal` are the seconds for which I/O waits once the last path is gone.
    """

    name: str
    device: DeviceNumber
    sectors: int
    wwid: str = ""
    nsid: int = 0
    uuid: str = ""
    nguid: str = ""
    eui64: str = ""
    read_only: bool = False
    delayed_removal: int = 0
    paths: tuple[NvmePath, ...] = ()

    def carries_io(self, path: NvmePath) -> bool:
        """Return whether the kernel uses this path.

        It takes a path out of use while its size is not the device's (nvme_mpath_revalidate_paths).
        """
        return path.controller.is_live and path.is_accessible and path.sectors == self.sectors

    @property
    def is_local(self) -> bool:
        """Whether this is a disk in the host, not a LUN of a SAN."""
        return bool(self.paths) and all(path.controller.is_local for path in self.paths)

    @property
    def usable_paths(self) -> int:
        """How many paths carry I/O."""
        return sum(map(self.carries_io, self.paths))

    @property
    def queues(self) -> bool:
        """Whether I/O waits where no path is usable; otherwise it fails."""
        if not self.paths:
            return self.delayed_removal > 0
        return any(path.controller.keeps_io for path in self.paths)


@dataclass(frozen=True)
class NvmeSubsystem:
    """An NVMe subsystem, mostly a storage array; namespaces only where the kernel joins paths."""

    name: str
    nqn: str
    model: str = ""
    serial: str = ""
    firmware: str = ""
    iopolicy: str = ""
    controllers: tuple[NvmeController, ...] = ()
    namespaces: tuple[NvmeNamespace, ...] = ()
