# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations on the paths below the maps, in the form that all steps have.

Their words are the shell's: an admin knows them as writes to sysfs.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._values.disk import delete_request, rescan_request, scan_request
from .._values.errors import DeviceMapperError
from .steps import Unmapped

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...plugin_utils._types import BlockDevice, DeviceNumber, Host, Kernel


@dataclass(frozen=True)
class Scan(Unmapped):
    """Let a SCSI host or NVMe controller look for new disks; what comes cannot be foreseen."""

    controller: str

    def words(self) -> str:
        return _echo(scan_request(self.controller))

    def carry_out(self, kernel: Kernel) -> None:
        kernel.scan(self.controller)


@dataclass(frozen=True)
class Rescan(Unmapped):
    """Let the kernel learn the size of a path anew; `sectors` is what it will be, 0 if unknown."""

    name: str
    device: DeviceNumber
    sectors: int

    def words(self) -> str:
        return _echo(rescan_request(self.name))

    def carry_out(self, kernel: Kernel) -> None:
        kernel.rescan(self.name)

    def foresee(self, host: Host) -> Host:
        def rescanned(disk: BlockDevice) -> BlockDevice:
            return replace(disk, sectors=self.sectors or disk.sectors)

        return _changed(host, self.device, rescanned)


@dataclass(frozen=True)
class Delete(Unmapped):
    """Make the kernel forget a path that is not in use."""

    path: BlockDevice

    def words(self) -> str:
        return _echo(delete_request(self.path.name))

    def carry_out(self, kernel: Kernel) -> None:
        kernel.delete(self.path)

    def foresee(self, host: Host) -> Host:
        return _changed(host, self.path.device, lambda disk: None)


@dataclass(frozen=True)
class Wanted:
    """What a task wants to see of a LUN."""

    wwid: str
    min_paths: int
    max_paths: int = 0
    one_size: bool = False

    def words(self) -> str:
        return f"{self.min_paths} path{'s' * (self.min_paths > 1)} of {self.wwid}"

    def too_many(self, paths: Sequence[BlockDevice]) -> bool:
        """Return whether the LUN has more paths than the task allows."""
        return bool(self.max_paths) and len(paths) > self.max_paths

    def is_there(self, paths: Sequence[BlockDevice]) -> bool:
        """Return whether the LUN's paths are enough, and have one size if that is waited for."""
        return len(paths) >= self.min_paths and (not self.one_size or has_one_size(paths))

    def found(self, paths: Sequence[BlockDevice]) -> str:
        """Return in words what there is of the LUN, and what is wrong with it."""
        listed = ", ".join(f"{each.name} of {each.sectors} sectors" for each in paths) or "none"
        if self.too_many(paths):
            wrong = f"more than max_paths ({self.max_paths})"
        elif len(paths) < self.min_paths:
            wrong = f"fewer than min_paths ({self.min_paths})"
        else:
            wrong = "of different sizes"
        count = "1 path is" if len(paths) == 1 else f"{len(paths)} paths are"
        return f"wwid: {self.wwid}: {count} there ({listed}), {wrong}"


@dataclass(frozen=True)
class AwaitPaths(Unmapped):
    """Wait until kernel and udev know enough paths, `timeout` seconds at most for all LUNs."""

    wanted: tuple[Wanted, ...]
    controllers: tuple[str, ...]
    timeout: float

    def words(self) -> str:
        return f"wait for {', '.join(each.words() for each in self.wanted)}"

    def carry_out(self, kernel: Kernel) -> None:
        def found(disks: Sequence[BlockDevice]) -> Iterator[tuple[Wanted, list[BlockDevice]]]:
            paths: dict[str, list[BlockDevice]] = {each.wwid: [] for each in self.wanted}
            for disk in disks:
                if not disk.other_wwid(disk.wwid):
                    paths.get(disk.wwid, []).append(disk)
            return ((each, paths[each.wwid]) for each in self.wanted)

        def enough(disks: Sequence[BlockDevice]) -> bool:
            return all(each.is_there(paths) for each, paths in found(disks))

        disks = kernel.disks_once(enough, self.timeout)
        many = [each.found(paths) for each, paths in found(disks) if each.too_many(paths)]
        if many:
            raise DeviceMapperError(
                f"{'; '.join(many)}. Check the zoning and that only one LUN has this WWID, or"
                " raise max_paths"
            )
        missing = [each.found(paths) for each, paths in found(disks) if not each.is_there(paths)]
        if missing:
            scanned = f" and a scan of {', '.join(self.controllers)}" if self.controllers else ""
            raise DeviceMapperError(
                f"{'; '.join(missing)}, after {self.timeout:g} seconds{scanned}. If paths are"
                " missing, check the zoning, the mapping of the LUN and the links, or lower"
                " min_paths; if sizes differ, check the LUN at the array"
            )


@dataclass(frozen=True)
class AwaitGone(Unmapped):
    """Wait until kernel and udev have forgotten paths that were deleted."""

    paths: tuple[BlockDevice, ...]
    timeout: float

    def words(self) -> str:
        return f"wait until udev has forgotten {', '.join(each.name for each in self.paths)}"

    def carry_out(self, kernel: Kernel) -> None:
        left = kernel.left_of(self.paths, self.timeout)
        if left:
            raise DeviceMapperError(
                f"timeout: {', '.join(each.name for each in left)}: deleted, but still there after"
                f" {self.timeout:g} seconds, or with links in /dev/disk. See `udevadm settle` and"
                " the kernel's log, or raise the timeout"
            )


def has_one_size(paths: Sequence[BlockDevice]) -> bool:
    """Return whether those paths that can be asked for it have one size."""
    return len({each.sectors for each in paths if each.answers}) <= 1


def _changed(
    host: Host, device: DeviceNumber, change: Callable[[BlockDevice], BlockDevice | None]
) -> Host:
    # A plan goes through the disks in their order, so that the one meant is near the front.
    for at, disk in enumerate(host.block_devices):
        if disk.device == device:
            changed = change(disk)
            kept = (changed,) if changed else ()
            disks = (*host.block_devices[:at], *kept, *host.block_devices[at + 1 :])
            return replace(host, block_devices=disks)
    return host


def _echo(request: tuple[str, str]) -> str:
    text, path = request
    return f"echo '{text}' > {path}" if " " in text else f"echo {text} > {path}"
