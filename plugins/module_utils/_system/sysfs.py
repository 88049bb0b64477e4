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

from .._values.device import DeviceNumber
from .._values.host import BlockDevice, Transport, Use
from .attribute import line, listed, place
from .scsi import hardware_handler, serial, target_node_name, target_port_group, transport

if t.TYPE_CHECKING:
    from .libudev import Udev

_BLOCK = "/sys/class/block"
_ADDRESS = re.compile(r"[0-9]+:[0-9]+:[0-9]+:[0-9]+", re.ASCII)
_VIRTUAL = ("dm-", "loop", "md", "ram", "zram", "sr", "fd", "nbd", "drbd")


def read_block_devices(udev: Udev, timeout: float) -> tuple[BlockDevice, ...]:
    """Return the host's disks that could be paths of a map, in the order of their names.

    Waits for udev, `timeout` seconds at most, while it does not know one of them yet.
    """
    found = list(_block_devices(udev))
    if not all(known for _device, known in found):
        udev.settle(timeout)
        found = list(_block_devices(udev))
    return tuple(device for device, _known in found)


def _block_devices(udev: Udev) -> t.Iterator[tuple[BlockDevice, bool]]:
    """Yield the disks, and whether udev's rules have run for each."""
    for name in sorted(os.listdir(_BLOCK)):
        if name.startswith(_VIRTUAL):
            continue
        directory = place(f"{_BLOCK}/{name}")
        device = place(f"{directory}/device") if _is_disk(directory) else ""
        number = _number(name) if device else None
        if number is not None:
            yield _block_device(name, number, device, udev)


def read_uses() -> dict[DeviceNumber, tuple[Use, ...]]:
    """Return who uses which block device: mounts, swap, and the devices built on top of it.

    What uses a partition uses its disk, too.
    """
    uses: dict[DeviceNumber, list[Use]] = {}
    mounted, swaps = mounts(), _swaps()
    named = {kernel_name(number) for number in (*mounted, *swaps)}
    for name in sorted(os.listdir(_BLOCK)):
        holders = listed(f"{_BLOCK}/{name}/holders")
        number = _number(name) if holders or name in named else None
        if number is None:
            continue
        of = _partition_words(name)
        found = [Use(f"{of}mounted at {point}") for point in mounted.get(number, ())]
        found += [Use(f"{of}in use as swap") for _swap in swaps.get(number, ())]
        for holder in holders:
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
    for process in filter(str.isdigit, listed("/proc")):
        name = line(f"/proc/{process}/comm")
        if int(process) == os.getpid() or "udev" in name:
            continue
        files = listed(f"/proc/{process}/fd")
        opened = {device_number(f"/proc/{process}/fd/{descriptor}") for descriptor in files}
        for number in sorted(numbers & {each for each in opened if each is not None}):
            use = Use(f"open in process {process} ({name})", is_process=True)
            found.setdefault(number, []).append(use)
    return {number: tuple(uses) for number, uses in found.items()}


def kernel_name(device: DeviceNumber) -> str:
    """Return the kernel's name of a block device, such as `sda` or `dm-0`; empty if it has none."""
    with contextlib.suppress(OSError):
        return os.path.basename(os.readlink(f"/sys/dev/block/{device}"))
    return ""


def size_in_sectors(name: str) -> int:
    """Return the size of the block device with the kernel name `name` in sectors of 512 bytes."""
    return int(line(f"{_BLOCK}/{name}/size") or 0)


def is_read_only(name: str) -> bool:
    """Tell whether the block device with the kernel name `name` refuses writes."""
    return line(f"{_BLOCK}/{name}/ro") == "1"


def is_request_based(number: DeviceNumber) -> bool:
    """Tell whether a map has blk-mq queues: only one whose first table was request-based has them.

    (dm.c dm_setup_md_queue.)
    """
    return os.path.isdir(f"/sys/dev/block/{number}/mq")


def is_still(disk: BlockDevice) -> bool:
    """Tell whether a SCSI disk's name is still that of the same unit at the same address.

    A unit without a serial number, or one that is just going, is told by its address alone.
    """
    directory = _device(disk.name)
    same_place = bool(disk.address) and _address(directory) == disk.address
    same_unit = serial(directory) in ("", disk.serial)
    return same_place and same_unit and _number(disk.name) in (None, disk.device)


def is_recovering(address: str) -> bool:
    """Tell whether the SCSI host of an address is busy with error recovery: commands wait then."""
    host = address.partition(":")[0]
    return line(f"/sys/class/scsi_host/host{host}/state") != "running"


def transport_of(name: str) -> Transport:
    """Return what the transport of the disk with the kernel name `name` calls its ports."""
    return transport(_device(name))


def controllers() -> tuple[str, ...]:
    """Return the SCSI hosts (host0) and NVMe controllers (nvme0) in the order of their numbers."""
    found = [*listed("/sys/class/scsi_host"), *listed("/sys/class/nvme")]
    return tuple(sorted(found, key=lambda name: (name.rstrip("0123456789"), len(name), name)))


def has_native_nvme_multipath() -> bool:
    """Tell whether the kernel joins the paths of NVMe namespaces itself (nvme_core.multipath)."""
    return line("/sys/module/nvme_core/parameters/multipath") == "Y"


def with_partitions(name: str) -> tuple[DeviceNumber, ...]:
    """Return the numbers of a disk and of its partitions."""
    return tuple(number for number in map(_number, (name, *partition_names(name))) if number)


def partition_names(name: str) -> tuple[str, ...]:
    """Return the kernel's names of a disk's partitions."""
    return tuple(each for each in listed(f"{_BLOCK}/{name}") if each.startswith(name))


def attribute(name: str, path: str) -> str:
    """Return an attribute of the block device `name`, such as `queue/scheduler`; empty if none."""
    return line(f"{_BLOCK}/{name}/{path}")


def layers_below(device: DeviceNumber) -> tuple[DeviceNumber, ...]:
    """Return the numbers of all devices that a device lies on, over all layers."""
    name = kernel_name(device)
    disk = _disk_of(name)
    slaves = map(_number, listed(f"{_BLOCK}/{name}/slaves"))
    below = [each for each in (disk, *slaves) if each is not None]
    return (*below, *(deeper for each in below for deeper in layers_below(each)))


def mounts() -> dict[DeviceNumber, list[str]]:
    """Return the mount points of each block device (proc(5), mountinfo).

    A file system with a device number of its own (btrfs) is found by its source's path.
    """
    found: dict[DeviceNumber, list[str]] = {}
    for each in _lines("/proc/self/mountinfo"):
        words = each.split(" ")
        number = DeviceNumber.parse(words[2])
        source = _unescaped(words[words.index("-") + 2])
        if source.startswith("/"):
            number = device_number(source) or number
        found.setdefault(number, []).append(_unescaped(words[4]))
    return found


def _device(name: str) -> str:
    """Return the directory of the device that has the disk `name`; empty if it has gone."""
    return place(f"{place(f'{_BLOCK}/{name}')}/device")


def _address(device: str) -> str:
    """Return host:channel:target:lun of a SCSI device by its directory; empty for another."""
    address = os.path.basename(device)
    return address if _ADDRESS.fullmatch(address) else ""


def _block_device(
    name: str, number: DeviceNumber, directory: str, udev: Udev
) -> tuple[BlockDevice, bool]:
    """Return a disk, whose device has this `directory`, and whether udev's rules have run."""
    known, (wwid,), links = udev.read(number, (_wwid_property(name),))
    found = BlockDevice(
        name=name,
        device=number,
        sectors=size_in_sectors(name),
        wwid=wwid or _wwid(directory),
        read_only=is_read_only(name),
        address=_address(directory),
        state=line(f"{directory}/state"),
        access_state=line(f"{directory}/access_state"),
        preferred=line(f"{directory}/preferred_path") == "1",
        links=links,
        hardware_handler=hardware_handler(directory),
        serial=serial(directory),
        target_node_name=target_node_name(directory),
        target_port_group=target_port_group(directory),
    )
    return found, known


def _wwid_property(name: str) -> str:
    """Return the property of udev's that multipath takes as WWID (its default uid_attrs)."""
    return {"dasd": "ID_UID", "nvme": "ID_WWN"}.get(name.rstrip("0123456789np")[:4], "ID_SERIAL")


def _wwid(device: str) -> str:
    """Return the WWID by sysfs, for a disk of which udev knows none; empty if it has none there.

    An NAA or EUI name is the same WWID in other letters (a digit for the type of the designator,
    then its hexadecimal digits).
    """
    kind, _dot, digits = line(f"{device}/wwid").partition(".")
    return {"naa": "3", "eui": "2"}[kind] + digits if kind in ("naa", "eui") else ""


def _is_disk(directory: str) -> bool:
    """Tell whether this is a disk's place; what the kernel has made of NVMe paths is no path."""
    return (
        bool(directory)
        and "/nvme-subsystem/" not in directory
        and not os.path.exists(f"{directory}/partition")
    )


def _number(name: str) -> DeviceNumber | None:
    text = line(f"{_BLOCK}/{name}/dev")
    return DeviceNumber.parse(text) if text else None


def _disk_of(name: str) -> DeviceNumber | None:
    """Return the number of the disk that the partition `name` is on; None for a disk."""
    if not os.path.exists(f"{_BLOCK}/{name}/partition"):
        return None
    return _number(os.path.basename(os.path.dirname(place(f"{_BLOCK}/{name}"))))


def _partition_words(name: str) -> str:
    return f"its partition {name} is " if os.path.exists(f"{_BLOCK}/{name}/partition") else ""


def _holder_words(name: str) -> str:
    map_name, uuid = line(f"{_BLOCK}/{name}/dm/name"), line(f"{_BLOCK}/{name}/dm/uuid")
    if uuid.startswith("LVM-"):
        return f"the LVM volume {map_name}"
    if map_name:
        return f"the map {map_name} (uuid {uuid or 'empty'})"
    return f"the md array {name}" if name.startswith("md") else name


def _swaps() -> dict[DeviceNumber, list[str]]:
    swaps: dict[DeviceNumber, list[str]] = {}
    for each in _lines("/proc/swaps")[1:]:
        path = _unescaped(each.split()[0])
        number = device_number(path)
        if number is not None:
            swaps.setdefault(number, []).append(path)
    return swaps


def _unescaped(word: str) -> str:
    """Return a word of /proc/self/mountinfo with its octal escapes (`\\040`) undone."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), word)


def _lines(path: str) -> list[str]:
    """Return the lines of a file of /proc.

    Only a newline ends one, which the kernel escapes in names (fs/proc_namespace.c mangle): a
    mount point may have any other character in it that Python takes for the end of a line.
    """
    with (
        contextlib.suppress(OSError),
        open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file,
    ):
        return [line for line in file.read().split("\n") if line]
    return []
