# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SCSI commands to a disk, by the kernel's generic interface (scsi/sg.h); none of them writes."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import typing as t

from .._values.device import SECTOR
from .block_devices import BLOCK, opened
from .scsi import page_wwids

if t.TYPE_CHECKING:
    from ...plugin_utils._types import BlockDevice

_SG_IO = 0x2285  # scsi/sg.h
_FROM_DEVICE = -3
_COMMAND_TIMEOUT = 30_000
"""Milliseconds; what the kernel gives a disk itself (sd.h SD_TIMEOUT).

A command that takes longer starts the kernel's error recovery, which stops all I/O of the SCSI
host: a shorter limit than the kernel's would only cause that earlier.
"""
_READ_CAPACITY_16 = bytes((0x9E, 0x10)) + bytes(11) + bytes((32, 0, 0))
_READ_CAPACITY_10 = bytes((0x25,)) + bytes(9)
_PAGE = 1024  # Bytes; more than any page of designators has.
_INQUIRY_83 = bytes((0x12, 1, 0x83, *_PAGE.to_bytes(2, "big"), 0))
_UNIT_ATTENTION = 6
_ATTEMPTS = 5  # Each attention that is pending, such as "capacity has changed", costs one.


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


def reported_sectors(disk: BlockDevice) -> int:
    """Return the size of one disk; 0 if it does not answer."""
    answer = asked(disk, _READ_CAPACITY_16, 32)
    if len(answer) >= 12:
        return _capacity(answer[0:8], answer[8:12])
    answer = asked(disk, _READ_CAPACITY_10, 8)
    # The highest number says that there are more (SBC-4, READ CAPACITY (10)).
    known = len(answer) == 8 and answer[0:4] != b"\xff" * 4
    return _capacity(answer[0:4], answer[4:8]) if known else 0


def reported_wwids(disk: BlockDevice) -> tuple[str, ...]:
    """Return the WWIDs by the page 0x83 that one disk states; none if it does not answer."""
    answer = asked(disk, _INQUIRY_83, _PAGE)
    if answer[1:2] == b"\x83":
        page = answer[4 : 4 + int.from_bytes(answer[2:4], "big")]
        return page_wwids(page, f"{BLOCK}/{disk.name}/device")
    return ()


def asked(disk: BlockDevice, command: bytes, length: int) -> bytes:
    """Return what one disk answers to a SCSI command, `length` bytes at most; empty if nothing."""
    with contextlib.suppress(OSError):
        descriptor = opened(disk.name, disk.device, 0)
        try:
            return _answer(descriptor, command, length)
        finally:
            os.close(descriptor)
    return b""


def _capacity(last_block: bytes, block_length: bytes) -> int:
    """Return sectors of 512 bytes (SBC-4, READ CAPACITY: the address of the last block)."""
    blocks = int.from_bytes(last_block, "big") + 1
    return blocks * int.from_bytes(block_length, "big") // SECTOR


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
