# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Block devices and their uses, read from /sys and /proc; reads nothing from a device."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import typing as t

from .._values.device import DeviceNumber
from .._values.disk import BlockDevice
from .._values.use import Use
from .attribute import line, listed, place, read_text

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ...plugin_utils._types import Uses

BLOCK = "/sys/class/block"


class BlockDevices:
    """The block devices of the running kernel."""

    def block_device(self, device: DeviceNumber) -> BlockDevice | None:
        """Return a block device with its name, size and mode; None if there is no such device."""
        name = kernel_name(device)
        if not name:
            return None
        return BlockDevice(name, device, size_in_sectors(name), read_only=is_read_only(name))

    def device_at(self, path: str) -> DeviceNumber | None:
        """Return the number of the block device that `path` leads to; None if it leads to none."""
        return device_number(path)

    def partitions_of(self, device: DeviceNumber) -> tuple[DeviceNumber, ...]:
        """Return the numbers of the partitions that the kernel has made on a disk."""
        name = kernel_name(device)
        return tuple(filter(None, map(number_of, partition_names(name)))) if name else ()

    def kernel_partitions(self, device: DeviceNumber) -> tuple[tuple[int, int, int], ...]:
        """Return number, first sector and sectors of the partitions that the kernel has made."""
        found = []
        for name in partition_names(kernel_name(device)):
            facts = [line(f"{BLOCK}/{name}/{each}") for each in ("partition", "start", "size")]
            if all(facts):  # One that is just going has none.
                number, start, sectors = map(int, facts)
                found.append((number, start, sectors))
        return tuple(found)

    def layers_below(self, device: DeviceNumber) -> tuple[DeviceNumber, ...]:
        """Return the numbers of all devices that a device lies on, over all layers."""
        name = kernel_name(device)
        slaves = map(number_of, listed(f"{BLOCK}/{name}/slaves"))
        below = [each for each in (_disk_of(name), *slaves) if each is not None]
        return (*below, *(deeper for each in below for deeper in self.layers_below(each)))

    def mounts(self) -> dict[DeviceNumber, list[str]]:
        """Return the mount points of each block device (proc(5), mountinfo).

        A file system with a device number of its own (btrfs) is found by its source's path.
        """
        found: dict[DeviceNumber, list[str]] = {}
        for each in lines("/proc/self/mountinfo"):
            words = each.split(" ")
            number = DeviceNumber.parse(words[2])
            source = _unescaped(words[words.index("-") + 2])
            if source.startswith("/"):
                number = device_number(source) or number
            found.setdefault(number, []).append(_unescaped(words[4]))
        return found

    def uses(self) -> dict[DeviceNumber, Uses]:
        """Return the uses that /sys and /proc show of each block device: opens no device."""
        uses: dict[DeviceNumber, list[Use]] = {}
        mounted, swaps = self.mounts(), self.swaps()
        named = {kernel_name(number) for number in (*mounted, *swaps)}
        for name in sorted(os.listdir(BLOCK)):
            holders = listed(f"{BLOCK}/{name}/holders")
            number = number_of(name) if holders or name in named else None
            if number is None:
                continue
            disk = _disk_of(name)
            partition = name if disk else ""
            found = [Use("mount", point, partition=partition) for point in mounted.get(number, ())]
            found += [Use("swap", partition=partition)] * (number in swaps)
            found += [_held(holder, partition) for holder in holders]
            for owner in (number, disk):
                if owner is not None and found:
                    uses.setdefault(owner, []).extend(found)
        return {number: tuple(found) for number, found in uses.items()}

    def swaps(self) -> set[DeviceNumber]:
        """Return the block devices that are swapped to."""
        paths = (_unescaped(each.split()[0]) for each in lines("/proc/swaps")[1:])
        return set(filter(None, map(device_number, paths)))

    def openers(self, devices: Iterable[DeviceNumber]) -> dict[DeviceNumber, Uses]:
        """Return the processes that have one of `devices` open, but for udev's short-lived ones."""
        sought = {*devices}
        found: dict[DeviceNumber, list[Use]] = {}
        for process in filter(str.isdigit, listed("/proc")):
            name = line(f"/proc/{process}/comm")
            if int(process) == os.getpid() or "udev" in name:
                continue
            files = listed(f"/proc/{process}/fd")
            opened = {device_number(f"/proc/{process}/fd/{descriptor}") for descriptor in files}
            for number in sorted(sought & {each for each in opened if each is not None}):
                found.setdefault(number, []).append(Use("process", name, process=int(process)))
        return {number: tuple(uses) for number, uses in found.items()}

    def is_claimed(self, device: DeviceNumber) -> bool:
        """Return whether the block device, or a partition of it, is in exclusive use."""
        try:
            os.close(opened(kernel_name(device), device, os.O_EXCL))
        except OSError as refused:
            return refused.errno == errno.EBUSY
        return False


def device_number(path: str) -> DeviceNumber | None:
    """Return the number of the block device that `path` leads to; None if it leads to none."""
    with contextlib.suppress(OSError, ValueError):
        status = os.stat(path)
        if stat.S_ISBLK(status.st_mode):
            return DeviceNumber(os.major(status.st_rdev), os.minor(status.st_rdev))
    return None


def kernel_name(device: DeviceNumber) -> str:
    """Return the kernel's name of a block device, such as `sda` or `dm-0`; empty if it has none."""
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(f"/sys/dev/block/{device}"))
    return ""


def opened(name: str, number: DeviceNumber, flags: int) -> int:
    """Open the device for reading; OSError also if its node is another device's.

    Closing it does not trouble udev, which looks again at what was open for writing.
    """
    path = f"/dev/{name}"
    if device_number(path) != number:
        raise FileNotFoundError(errno.ENOENT, "it is not this device", path)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)


def size_in_sectors(name: str) -> int:
    """Return the size of the block device with the kernel name `name` in sectors of 512 bytes."""
    return int(line(f"{BLOCK}/{name}/size") or 0)


def is_read_only(name: str) -> bool:
    """Return whether the block device with the kernel name `name` refuses writes."""
    return line(f"{BLOCK}/{name}/ro") == "1"


def partition_names(name: str) -> tuple[str, ...]:
    """Return the kernel's names of a disk's partitions."""
    return tuple(each for each in listed(f"{BLOCK}/{name}") if each.startswith(name))


def number_of(name: str) -> DeviceNumber | None:
    """Return the number of the block device `name`; None if it has gone."""
    text = line(f"{BLOCK}/{name}/dev")
    return DeviceNumber.parse(text) if text else None


def _disk_of(name: str) -> DeviceNumber | None:
    """Return the number of the disk that the partition `name` is on; None for a disk."""
    if not os.path.exists(f"{BLOCK}/{name}/partition"):
        return None
    return number_of(os.path.basename(os.path.dirname(place(f"{BLOCK}/{name}"))))


def _held(holder: str, partition: str) -> Use:
    """Return the use by a device on top."""
    number = number_of(holder)
    name, uuid = line(f"{BLOCK}/{holder}/dm/name"), line(f"{BLOCK}/{holder}/dm/uuid")
    if name:
        kind = "lvm" if uuid.startswith("LVM-") else "map"
        return Use(kind, name, number, uuid, partition=partition)
    return Use("md" if holder.startswith("md") else "device", holder, number, partition=partition)


def _unescaped(word: str) -> str:
    """Return a word of /proc/self/mountinfo with its octal escapes (`\\040`) undone."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), word)


def lines(path: str) -> list[str]:
    """Return the lines of a file of /proc.

    Only a newline ends one, which the kernel escapes in names (fs/proc_namespace.c mangle): a
    mount point may have any other character in it that Python takes for the end of a line.
    """
    return [line for line in read_text(path).split("\n") if line]
