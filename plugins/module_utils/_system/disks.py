# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disks below the maps: the only file that writes to sysfs, and that asks a disk anything."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import time
import typing as t
from concurrent import futures

from .._values.device import SECTOR
from .._values.errors import KernelError
from .libudev import Udev
from .sysfs import (
    device_number,
    is_recovering,
    is_still,
    partition_names,
    read_block_devices,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._values.device import DeviceNumber
    from .._values.host import BlockDevice

_SG_IO = 0x2285  # scsi/sg.h
_FROM_DEVICE = -3
_COMMAND_TIMEOUT = 30_000
"""Milliseconds; what the kernel gives a disk itself (sd.h SD_TIMEOUT).

A command that takes longer starts the kernel's error recovery, which stops all I/O of the SCSI
host: nobody should be less patient than the kernel.
"""
_READ_CAPACITY_16 = bytes((0x9E, 0x10)) + bytes(11) + bytes((32, 0, 0))
_READ_CAPACITY_10 = bytes((0x25,)) + bytes(9)
_UNIT_ATTENTION = 6
_ATTEMPTS = 5  # Each attention that is pending, such as "capacity has changed", costs one.
_LOOK_AGAIN = 1.0  # Seconds; what udev has no event for is looked for as often.


class _Command(ctypes.Structure):
    """`struct sg_io_hdr` of scsi/sg.h."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("dxfer_direction", ctypes.c_int),
        ("cmd_len", ctypes.c_ubyte),
        ("mx_sb_len", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("dxfer_len", ctypes.c_uint),
        ("dxferp", ctypes.c_void_p),
        ("cmdp", ctypes.c_void_p),
        ("sbp", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("usr_ptr", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte),
        ("sb_len_wr", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("resid", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


class Disks:
    """The SCSI and NVMe layers of the running kernel."""

    def scan(self, controller: str) -> None:
        """Let a SCSI host or NVMe controller look for disks that the kernel does not know yet."""
        _write("scan", controller, *scan_request(controller))

    def rescan(self, disk: str) -> None:
        """Let the kernel ask a disk for its size again."""
        _write("rescan", disk, *rescan_request(disk))

    def delete(self, path: BlockDevice) -> None:
        """Make the kernel forget a SCSI disk; one that has gone is no error.

        Its name, and its address, may be another LUN's by now, after a scan: that one is left.

        Nothing is to be flushed before: whoever closes a disk last has its buffers written
        (block/bdev.c), and the kernel sends SYNCHRONIZE CACHE itself (sd.c sd_shutdown).
        """
        if not is_still(path):
            return
        try:
            _write("delete", path.name, *delete_request(path.name))
        except KernelError as refused:
            # Somebody else deletes it at the same moment (scsi_sysfs.c sdev_store_delete).
            if refused.errno not in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
                raise

    def announce(self, disk: str) -> None:
        """Let udev look again at a disk and its partitions; one that has gone is no error."""
        for name in (disk, *partition_names(disk)):
            try:
                _write("announce", name, *announce_request(name))
            except KernelError as refused:
                if refused.errno not in (errno.ENOENT, errno.ENODEV):
                    raise

    def disks_once(
        self, enough: Callable[[Sequence[BlockDevice]], bool], timeout: float
    ) -> tuple[BlockDevice, ...]:
        """Return the disks that udev knows, once they are `enough`, or after `timeout` seconds."""
        udev = Udev()

        def known() -> tuple[BlockDevice, ...]:
            found = read_block_devices(udev, 0)
            return tuple(each for each in found if not udev.runs() or udev.knows(each.device))

        return _once(enough, known, timeout, udev)

    def left_of(self, disks: Sequence[BlockDevice], timeout: float) -> tuple[BlockDevice, ...]:
        """Return those of `disks` that kernel or udev still have after `timeout` seconds at most.

        None as soon as all are gone.
        """
        udev = Udev()

        def left() -> tuple[BlockDevice, ...]:
            return tuple(
                each for each in disks if is_still(each) or (udev.runs() and _has_dead_link(each))
            )

        return _once(lambda found: not found, left, timeout, udev)


def scan_request(controller: str) -> tuple[str, str]:
    """Return what is to be written to which file."""
    if controller.startswith("nvme"):
        return "1", f"/sys/class/nvme/{controller}/rescan_controller"
    return "- - -", f"/sys/class/scsi_host/{controller}/scan"


def rescan_request(disk: str) -> tuple[str, str]:
    """Return what is to be written to which file; an NVMe disk's size is its controller's."""
    attribute = "rescan_controller" if disk.startswith("nvme") else "rescan"
    return "1", f"/sys/class/block/{disk}/device/{attribute}"


def delete_request(disk: str) -> tuple[str, str]:
    """Return what is to be written to which file."""
    return "1", f"/sys/class/block/{disk}/device/delete"


def announce_request(disk: str) -> tuple[str, str]:
    """Return what is to be written to which file."""
    return "change", f"/sys/class/block/{disk}/uevent"


def reported_sectors(disks: Iterable[BlockDevice]) -> dict[DeviceNumber, int]:
    """Return the sizes that SCSI disks state themselves, in sectors of 512 bytes.

    The kernel's own size is that of the disk's last scan. READ CAPACITY changes nothing; a rescan,
    the other way to learn the size, may change it. Only disks that are running are asked: what is
    offline, blocked, or in error recovery, would let the question wait. A disk that does not
    answer is left out.
    """
    asked = [each for each in disks if each.state == "running" and not is_recovering(each.address)]
    if not asked:
        return {}
    # A path that has just died answers late; all of one fabric may do so, each for itself.
    with futures.ThreadPoolExecutor(max_workers=len(asked)) as pool:
        answers = pool.map(_reported_sectors, asked)
    return {disk.device: sectors for disk, sectors in zip(asked, answers) if sectors}


def is_claimed(name: str, number: DeviceNumber) -> bool:
    """Tell whether somebody has the block device, or a partition of it, for himself.

    That is what each mount does, also in other mount namespaces, and each device on top. `name` is
    the kernel's name of the device with the `number`. Nothing is read from it.
    """
    try:
        os.close(_opened(name, number, os.O_EXCL))
    except OSError as refused:
        return refused.errno == errno.EBUSY
    return False


Found = t.TypeVar("Found")


def _once(
    enough: Callable[[Found], bool], look: Callable[[], Found], timeout: float, udev: Udev
) -> Found:
    """Return what `look` finds once it is `enough`, or after `timeout` seconds."""
    end = time.monotonic() + timeout
    with udev.block_events() as wait:
        while True:
            found = look()
            left = end - time.monotonic()
            if enough(found) or left <= 0:
                return found
            wait(min(left, _LOOK_AGAIN))


def _write(request: str, name: str, text: str, path: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as refused:
        number = refused.errno or 0
        raise KernelError(request, name, number, f"{path}: {refused.strerror}") from refused


def _has_dead_link(disk: BlockDevice) -> bool:
    """Tell whether a link is left that udev's rules would have taken away."""
    return any(os.path.islink(link) and not os.path.exists(link) for link in disk.links)


def _reported_sectors(disk: BlockDevice) -> int:
    """Return the size of one disk; 0 if it does not answer."""
    with contextlib.suppress(OSError):
        descriptor = _opened(disk.name, disk.device, 0)
        try:
            answer = _answer(descriptor, _READ_CAPACITY_16, 32)
            if len(answer) >= 12:
                return _capacity(answer[0:8], answer[8:12])
            answer = _answer(descriptor, _READ_CAPACITY_10, 8)
            return _capacity(answer[0:4], answer[4:8]) if len(answer) == 8 else 0
        finally:
            os.close(descriptor)
    return 0


def _capacity(last_block: bytes, block_length: bytes) -> int:
    """Return sectors of 512 bytes (SBC-4, READ CAPACITY: the address of the last block)."""
    blocks = int.from_bytes(last_block, "big") + 1
    return blocks * int.from_bytes(block_length, "big") // SECTOR


def _opened(name: str, number: DeviceNumber, flags: int) -> int:
    """Open the device for reading; OSError also if its node is another device's.

    Closing it does not trouble udev, which looks again at what was open for writing.
    """
    path = f"/dev/{name}"
    if device_number(path) != number:
        raise FileNotFoundError(errno.ENOENT, "it is not this device", path)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)


def _answer(descriptor: int, command: bytes, length: int) -> bytes:
    """Return the disk's answer to a SCSI command; empty if there is none."""
    for _attempt in range(_ATTEMPTS):
        block = ctypes.create_string_buffer(command, len(command))
        data, sense = ctypes.create_string_buffer(length), ctypes.create_string_buffer(64)
        request = _Command(
            interface_id=ord("S"),
            dxfer_direction=_FROM_DEVICE,
            cmd_len=len(command),
            mx_sb_len=len(sense),
            dxfer_len=length,
            dxferp=ctypes.addressof(data),
            cmdp=ctypes.addressof(block),
            sbp=ctypes.addressof(sense),
            timeout=_COMMAND_TIMEOUT,
        )
        fcntl.ioctl(descriptor, _SG_IO, request)
        if not (request.status or request.host_status or request.driver_status):
            return data.raw[: length - request.resid]
        if _sense_key(sense.raw) != _UNIT_ATTENTION:
            break
    return b""


def _sense_key(sense: bytes) -> int:
    """Return the sense key (SPC-4, 4.5: descriptor format 72h, 73h; fixed format 70h, 71h)."""
    return (sense[1] if sense[0] & 0x7F in (0x72, 0x73) else sense[2]) & 0x0F
