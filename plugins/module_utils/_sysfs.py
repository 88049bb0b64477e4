# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Block devices and their uses, read from /sys and /proc; opens no device."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import typing as t

from ._device import DeviceNumber
from ._host import BlockDevice, Transport, Use
from ._scsi import hardware_handler, serial, target_node_name, target_port_group, transport

if t.TYPE_CHECKING:
    from ._libudev import Udev

_BLOCK = "/sys/class/block"
_ADDRESS = re.compile(r"[0-9]+:[0-9]+:[0-9]+:[0-9]+", re.ASCII)
_VIRTUAL = ("dm-", "loop", "md", "ram", "zram", "sr", "fd", "nbd", "drbd")


def read_block_devices(udev: Udev, timeout: float) -> tuple[BlockDevice, ...]:
    """Return the host's disks that could be paths of a map, in the order of their names.

    Waits for udev, `timeout` seconds at most, while it does not know one of them yet.
    """
    names = [name for name in sorted(os.listdir(_BLOCK)) if _is_disk(name)]
    if not all(udev.knows(number) for number in map(_number, names) if number):
        udev.settle(timeout)
    found = (_read_block_device(name, udev) for name in names)
    return tuple(each for each in found if each is not None)


def read_uses() -> dict[DeviceNumber, tuple[Use, ...]]:
    """Return who uses which block device: mounts, swap, and the devices built on top of it.

    What uses a partition uses its disk, too.
    """
    uses: dict[DeviceNumber, list[Use]] = {}
    mounted, swaps = mounts(), _swaps()
    for name in sorted(os.listdir(_BLOCK)):
        number = _number(name)
        if number is None:
            continue
        of = _partition_words(name)
        found = [Use(f"{of}mounted at {place}") for place in mounted.get(number, ())]
        found += [Use(f"{of}in use as swap") for _swap in swaps.get(number, ())]
        for holder in _listed(f"{_BLOCK}/{name}/holders"):
            found.append(Use(f"{of}held by {_holder_words(holder)}", _number(holder)))
        for owner in (number, _disk_of(name)):
            if owner is not None and found:
                uses.setdefault(owner, []).extend(found)
    return {number: tuple(found) for number, found in uses.items()}


def device_number(path: str) -> DeviceNumber | None:
    """Return the number of the block device that `path` leads to; None if it leads to none."""
    with contextlib.suppress(OSError, ValueError):
        status = os.stat(path)
        if stat.S_ISBLK(status.st_mode):
            return DeviceNumber(os.major(status.st_rdev), os.minor(status.st_rdev))
    return None


def openers(numbers: set[DeviceNumber]) -> dict[DeviceNumber, tuple[Use, ...]]:
    """Return the processes that have one of the devices open, without udev's short-lived ones."""
    found: dict[DeviceNumber, list[Use]] = {}
    for process in filter(str.isdigit, _listed("/proc")):
        name = _line(f"/proc/{process}/comm")
        if int(process) == os.getpid() or "udev" in name:
            continue
        for descriptor in _listed(f"/proc/{process}/fd"):
            number = device_number(f"/proc/{process}/fd/{descriptor}")
            if number in numbers:
                found.setdefault(number, []).append(Use(f"open in process {process} ({name})"))
                break
    return {number: tuple(uses) for number, uses in found.items()}


def kernel_name(device: DeviceNumber) -> str:
    """Return the kernel's name of a block device, such as `sda` or `dm-0`; empty if it has none."""
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(f"/sys/dev/block/{device}"))
    return ""


def size_in_sectors(name: str) -> int:
    """Return the size of the block device with the kernel name `name` in sectors of 512 bytes."""
    return int(_line(f"{_BLOCK}/{name}/size") or 0)


def is_read_only(name: str) -> bool:
    """Tell whether the block device with the kernel name `name` refuses writes."""
    return _line(f"{_BLOCK}/{name}/ro") == "1"


def has_address(name: str, address: str) -> bool:
    """Tell whether the disk with the kernel name `name` is there, at this SCSI address."""
    return _address(name) == address and os.path.exists(f"{_BLOCK}/{name}")


def is_recovering(address: str) -> bool:
    """Tell whether the SCSI host of an address is busy with error recovery: commands wait then."""
    host = address.partition(":")[0]
    return _line(f"/sys/class/scsi_host/host{host}/state") != "running"


def transport_of(name: str) -> Transport:
    """Return what the transport of the disk with the kernel name `name` calls its ports."""
    return transport(f"{_BLOCK}/{name}/device")


def controllers() -> tuple[str, ...]:
    """Return the SCSI hosts (host0) and NVMe controllers (nvme0) in the order of their numbers."""
    found = [*_listed("/sys/class/scsi_host"), *_listed("/sys/class/nvme")]
    return tuple(sorted(found, key=lambda name: (name.rstrip("0123456789"), len(name), name)))


def has_native_nvme_multipath() -> bool:
    """Tell whether the kernel joins the paths of NVMe namespaces itself (nvme_core.multipath)."""
    return _line("/sys/module/nvme_core/parameters/multipath") == "Y"


def with_partitions(name: str) -> tuple[DeviceNumber, ...]:
    """Return the numbers of a disk and of its partitions."""
    return tuple(number for number in map(_number, (name, *partition_names(name))) if number)


def partition_names(name: str) -> tuple[str, ...]:
    """Return the kernel's names of a disk's partitions."""
    return tuple(each for each in _listed(f"{_BLOCK}/{name}") if each.startswith(name))


def attribute(name: str, path: str) -> str:
    """Return an attribute of the block device `name`, such as `queue/scheduler`; empty if none."""
    return _line(f"{_BLOCK}/{name}/{path}")


def layers_below(device: DeviceNumber) -> tuple[DeviceNumber, ...]:
    """Return the numbers of all devices that a device lies on, over all layers."""
    name = kernel_name(device)
    disk = _disk_of(name)
    slaves = map(_number, _listed(f"{_BLOCK}/{name}/slaves"))
    below = [each for each in (disk, *slaves) if each is not None]
    return (*below, *(deeper for each in below for deeper in layers_below(each)))


def mounts() -> dict[DeviceNumber, list[str]]:
    """Return the mount points of each block device (proc(5), mountinfo).

    A file system with a device number of its own (btrfs) is found by its source's path.
    """
    found: dict[DeviceNumber, list[str]] = {}
    for line in _lines("/proc/self/mountinfo"):
        words = line.split(" ")
        number = DeviceNumber.parse(words[2])
        source = _unescaped(words[words.index("-") + 2])
        if source.startswith("/"):
            number = device_number(source) or number
        found.setdefault(number, []).append(_unescaped(words[4]))
    return found


def _address(name: str) -> str:
    """Return host:channel:target:lun of a SCSI disk; empty for another."""
    address = os.path.basename(os.path.realpath(f"{_BLOCK}/{name}/device"))
    return address if _ADDRESS.fullmatch(address) else ""


def _read_block_device(name: str, udev: Udev) -> BlockDevice | None:
    """Return the disk `name`; None if it has vanished since it was listed."""
    number = _number(name)
    if number is None:
        return None
    directory = f"{_BLOCK}/{name}/device"
    return BlockDevice(
        name=name,
        device=number,
        sectors=size_in_sectors(name),
        wwid=_wwid(name, number, udev),
        read_only=is_read_only(name),
        address=_address(name),
        state=_line(f"{directory}/state"),
        access_state=_line(f"{directory}/access_state"),
        preferred=_line(f"{directory}/preferred_path") == "1",
        links=udev.links(number),
        hardware_handler=hardware_handler(directory),
        serial=serial(directory),
        target_node_name=target_node_name(directory),
        target_port_group=target_port_group(directory),
    )


def _wwid(name: str, number: DeviceNumber, udev: Udev) -> str:
    """Return the WWID as multipath takes it (uid_attrs: sd ID_SERIAL, dasd ID_UID, nvme ID_WWN).

    Where udev does not know it, an NAA or EUI name from sysfs is the same WWID in other letters
    (a digit for the type of the designator, then its hexadecimal digits).
    """
    attribute = {"dasd": "ID_UID", "nvme": "ID_WWN"}.get(
        name.rstrip("0123456789np")[:4], "ID_SERIAL"
    )
    (wwid,) = udev.properties(number, (attribute,))
    if wwid:
        return wwid
    kind, _dot, digits = _line(f"{_BLOCK}/{name}/device/wwid").partition(".")
    return {"naa": "3", "eui": "2"}[kind] + digits if kind in ("naa", "eui") else ""


def _is_disk(name: str) -> bool:
    """Tell whether `name` could be a path; what the kernel has made of NVMe paths is none."""
    directory = f"{_BLOCK}/{name}"
    return (
        not name.startswith(_VIRTUAL)
        and "/nvme-subsystem/" not in os.path.realpath(directory)
        and not os.path.exists(f"{directory}/partition")
        and os.path.exists(f"{directory}/device")
    )


def _number(name: str) -> DeviceNumber | None:
    text = _line(f"{_BLOCK}/{name}/dev")
    return DeviceNumber.parse(text) if text else None


def _disk_of(name: str) -> DeviceNumber | None:
    """Return the number of the disk that the partition `name` is on; None for a disk."""
    if not os.path.exists(f"{_BLOCK}/{name}/partition"):
        return None
    return _number(os.path.basename(os.path.dirname(os.path.realpath(f"{_BLOCK}/{name}"))))


def _partition_words(name: str) -> str:
    return f"its partition {name} is " if os.path.exists(f"{_BLOCK}/{name}/partition") else ""


def _holder_words(name: str) -> str:
    map_name, uuid = _line(f"{_BLOCK}/{name}/dm/name"), _line(f"{_BLOCK}/{name}/dm/uuid")
    if uuid.startswith("LVM-"):
        return f"the LVM volume {map_name}"
    if map_name:
        return f"the map {map_name} (uuid {uuid or 'empty'})"
    return f"the md array {name}" if name.startswith("md") else name


def _swaps() -> dict[DeviceNumber, list[str]]:
    swaps: dict[DeviceNumber, list[str]] = {}
    for line in _lines("/proc/swaps")[1:]:
        path = _unescaped(line.split()[0])
        number = device_number(path)
        if number is not None:
            swaps.setdefault(number, []).append(path)
    return swaps


def _unescaped(word: str) -> str:
    """Return a word of /proc/self/mountinfo with its octal escapes (`\\040`) undone."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), word)


def _listed(directory: str) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(os.listdir(directory))
    return []


def _line(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.readline().strip()
    return ""


def _lines(path: str) -> list[str]:
    with (
        contextlib.suppress(OSError),
        open(path, encoding="utf-8", errors="surrogateescape") as file,
    ):
        return file.read().splitlines()
    return []
