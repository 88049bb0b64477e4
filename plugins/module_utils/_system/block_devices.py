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
import threading
import typing as t

from .._values.device import DeviceNumber
from .._values.disk import BlockDevice
from .._values.errors import DeviceMapperError
from .._values.use import Use
from .attribute import line, listed, place, read_text

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...plugin_utils._types import Uses

BLOCK = "/sys/class/block"
Found = t.TypeVar("Found")

_HARDWARE = ("sd", "nvme", "dasd", "vd", "sr")
"""How the kernel calls disks of its own drivers: none of them lies on another block device."""
_DEV, _DEV_SHM = "/dev/", "/dev/shm/"
_UDEV = ("systemd-udevd", "udevd", "udevadm")
"""The files that udev's daemon is run from; since systemd 251 it is udevadm under its old name."""
_UDEV_NAMES = ("systemd-udevd", "udevd", "(udev-worker)")
"""The names that it and its workers have."""

_SECONDS = 30.0
"""How long a file system is given to answer that may be on a server."""


class BlockDevices:
    """The block devices of the running kernel."""

    def block_device(self, device: DeviceNumber) -> BlockDevice | None:
        """Return a block device with its name, size and mode; None if there is no such device."""
        name = kernel_name(device)
        if not name:
            return None
        directory = f"{BLOCK}/{name}"
        return BlockDevice(
            name,
            device,
            size_in_sectors(directory),
            read_only=is_read_only(directory),
            is_joined="/nvme-subsystem/" in place(directory),
        )

    def device_at(self, path: str) -> DeviceNumber | None:
        """Return the number of the block device that `path` leads to; None if it leads to none.

        Outside of /dev, a file system may be asked whose server is dead: an error in bounded time.
        """
        if path.startswith(_DEV):
            return device_number(path)
        return answered(path, lambda: device_number(path))

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

        Only a file system with a device number of its own (btrfs) is found by its source's path:
        that was the device's when it was mounted, and may be another's since a rename.
        """
        found: dict[DeviceNumber, list[str]] = {}
        for each in lines("/proc/self/mountinfo"):
            words = each.split(" ")
            number = DeviceNumber.parse(words[2])
            source = _unescaped(words[words.index("-") + 2])
            if not number.major and source.startswith(_DEV):
                number = device_number(source) or number
            found.setdefault(number, []).append(_unescaped(words[4]))
        return found

    def uses(self) -> dict[DeviceNumber, Uses]:
        """Return the uses that /sys and /proc show of each block device: opens no device."""
        uses: dict[DeviceNumber, list[Use]] = {}
        mounted, swaps = self.mounts(), self.swaps()
        loops = self.loops()
        named = {kernel_name(number) for number in (*mounted, *swaps, *loops)} - {""}
        held = _held()
        for name in sorted({*named, *held}):
            number = number_of(name)
            if number is None:
                continue
            disk = _disk_of(name)
            partition = name if disk else ""
            found = [Use("mount", point, partition=partition) for point in mounted.get(number, ())]
            found += [Use("swap", partition=partition)] * (number in swaps)
            on_top = (*loops.get(number, ()), *held.get(name, ()))
            found += [use._replace(partition=partition) if partition else use for use in on_top]
            for owner in (number, disk):
                if owner is not None and found:
                    uses.setdefault(owner, []).extend(found)
        return {number: tuple(found) for number, found in uses.items()}

    def swaps(self) -> set[DeviceNumber]:
        """Return the block devices that are swapped to."""
        paths = (_unescaped(each.split()[0]) for each in lines("/proc/swaps")[1:])
        return set(filter(None, map(device_number, paths)))

    def loops(self) -> dict[DeviceNumber, list[Use]]:
        """Return the loop devices that show block devices, by these; the kernel names no holder."""
        found: dict[DeviceNumber, list[Use]] = {}
        for name in (each for each in listed(BLOCK) if each.startswith("loop")):
            shown = read_text(f"{BLOCK}/{name}/loop/backing_file").rstrip("\n")
            number = device_number(shown) if shown.startswith(_DEV) else None
            if number is not None:
                found.setdefault(number, []).append(Use("loop", name, number_of(name)))
        return found

    def openers(self, devices: Iterable[DeviceNumber]) -> dict[DeviceNumber, Uses]:
        """Return the processes that have one of `devices` open; udev's and multipathd by kind."""
        sought = {*devices}
        found: dict[DeviceNumber, list[Use]] = {}
        for process in filter(str.isdigit, listed("/proc")):
            if int(process) == os.getpid():
                continue
            opened = {*filter(None, map(opened_at, descriptors(process)))}
            for number in sorted(sought & opened):
                name = line(f"/proc/{process}/comm")
                use = Use(_kind_of(process), name, process=int(process))
                found.setdefault(number, []).append(use)
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


def within(seconds: float, read: Callable[[], Found]) -> Found:
    """Return what `read` returns, or raise what it raises; TimeoutError after `seconds`.

    A read that takes longer is left to the kernel, which gives it up when the process ends: it
    waits killably for pages (filemap.c) and for answers of file servers (nfs, fuse).
    """
    outcome: list[Callable[[], Found]] = []

    def keep() -> None:
        try:
            found = read()
        except Exception as error:  # It is raised by the thread that waits.
            outcome.append(_raising(error))
        else:
            outcome.append(lambda: found)

    reader = threading.Thread(target=keep, daemon=True)
    reader.start()
    reader.join(seconds)
    if not outcome:
        raise TimeoutError
    return outcome[0]()


def answered(path: str, look: Callable[[], Found]) -> Found:
    """Return what `look` finds at `path`; an error if the file system does not answer in time."""
    try:
        return within(_SECONDS, look)
    except TimeoutError as late:
        raise DeviceMapperError(
            f"{path}: its file system has not answered within {_SECONDS:g} seconds. See to its"
            " server (findmnt --target shows the mount), or unmount it, then run the task again"
        ) from late


def _raising(error: Exception) -> Callable[[], t.NoReturn]:
    def again() -> t.NoReturn:
        raise error

    return again


def mounted_at(path: str) -> DeviceNumber | None:
    """Return the device number of the file system that has `path`; looks at no file of it."""
    found: dict[str, DeviceNumber] = {}
    for each in lines("/proc/self/mountinfo"):
        words = each.split(" ")
        found[_unescaped(words[4])] = DeviceNumber.parse(words[2])
    while path not in found and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return found.get(path)


def descriptors(process: str) -> list[str]:
    """Return the paths of a process's open files in /proc."""
    return [f"/proc/{process}/fd/{each}" for each in listed(f"/proc/{process}/fd")]


def opened_at(descriptor: str) -> DeviceNumber | None:
    """Return the number of the block device that a descriptor in /proc is of, if it is of one.

    A descriptor is only followed into /dev: stat asks the file system that the file is on, and a
    FUSE or NFS server that is dead never answers.
    """
    with contextlib.suppress(OSError):
        target = os.readlink(descriptor)
        if target.startswith(_DEV) and not target.startswith(_DEV_SHM):
            return device_number(descriptor)
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


def size_in_sectors(directory: str) -> int:
    """Return the size of the block device at `directory` of sysfs, in sectors of 512 bytes."""
    return int(line(f"{directory}/size") or 0)


def is_read_only(directory: str) -> bool:
    """Return whether the block device at `directory` of sysfs refuses writes."""
    return line(f"{directory}/ro") == "1"


def partition_names(name: str) -> tuple[str, ...]:
    """Return the kernel's names of a disk's partitions."""
    return tuple(each for each in listed(f"{BLOCK}/{name}") if each.startswith(name))


def number_of(name: str) -> DeviceNumber | None:
    """Return the number of the block device `name`; None if it has gone."""
    return number_in(f"{BLOCK}/{name}")


def number_in(directory: str) -> DeviceNumber | None:
    """Return the number of the block device at `directory` of sysfs; None if it has gone."""
    text = line(f"{directory}/dev")
    return DeviceNumber.parse(text) if text else None


def _disk_of(name: str) -> DeviceNumber | None:
    """Return the number of the disk that the partition `name` is on; None for a disk."""
    if not os.path.exists(f"{BLOCK}/{name}/partition"):
        return None
    return number_of(os.path.basename(os.path.dirname(place(f"{BLOCK}/{name}"))))


def _kind_of(process: str) -> str:
    if _program_of(process) == "multipathd":
        return "multipathd"
    return "udev" if _is_of_udev(process) else "process"


def _program_of(process: str) -> str:
    """Return the name of the file that a process runs; its own name is its own to choose."""
    with contextlib.suppress(OSError):
        program = os.readlink(f"/proc/{process}/exe")
        return os.path.basename(program.partition(" (deleted)")[0])
    return ""


def _is_of_udev(process: str) -> bool:
    """Return whether a process is udevd, a worker of it, or a program that a rule has started."""
    seen: set[str] = set()
    while process not in ("", "0", "1") and process not in seen:
        seen.add(process)
        if _program_of(process) in _UDEV and line(f"/proc/{process}/comm") in _UDEV_NAMES:
            return True
        process = _parent_of(process)
    return False


def _parent_of(process: str) -> str:
    for each in lines(f"/proc/{process}/status"):
        if each.startswith("PPid:"):
            return each.split()[1]
    return ""


def _held() -> dict[str, list[Use]]:
    """Return the uses by devices on top, by the kernel's names of what they lie on.

    The kernel makes a link below `slaves` of the one for each link below `holders` of the other
    (block/holder.c bd_link_disk_holder), and there are fewer that lie on others than there are
    disks with their partitions.
    """
    found: dict[str, list[Use]] = {}
    for holder in listed(BLOCK):
        below = [] if holder.startswith(_HARDWARE) else listed(f"{BLOCK}/{holder}/slaves")
        if below:
            use = _use_by(holder)
            for name in below:
                found.setdefault(name, []).append(use)
    return found


def _use_by(holder: str) -> Use:
    """Return the use by a device on top."""
    number = number_of(holder)
    name, uuid = line(f"{BLOCK}/{holder}/dm/name"), line(f"{BLOCK}/{holder}/dm/uuid")
    if name:
        kind = "lvm" if uuid.startswith("LVM-") else "map"
        return Use(kind, name, number, uuid)
    return Use("md" if holder.startswith("md") else "device", holder, number)


def _unescaped(word: str) -> str:
    """Return a word of /proc/self/mountinfo with its octal escapes (`\\040`) undone."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), word)


def lines(path: str) -> list[str]:
    """Return the lines of a file of /proc.

    Only a newline ends one, which the kernel escapes in names (fs/proc_namespace.c mangle): a
    mount point may have any other character in it that Python takes for the end of a line.
    """
    return [line for line in read_text(path).split("\n") if line]
