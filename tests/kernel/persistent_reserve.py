# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PERSISTENT RESERVE OUT on the booted host, as sg_persist sends it: DISK ACTION KEY NEW TYPE."""

import ctypes
import fcntl
import os
import sys

ACTIONS = {"reserve": 1, "release": 2, "clear": 3, "preempt": 4, "register": 6}


class Command(ctypes.Structure):
    """`struct sg_io_hdr` of scsi/sg.h."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("interface", "direction")),
        *((name, ctypes.c_ubyte) for name in ("length", "senses")),
        ("vectors", ctypes.c_ushort),
        ("bytes", ctypes.c_uint),
        *((name, ctypes.c_void_p) for name in ("data", "command", "sense")),
        *((name, ctypes.c_uint) for name in ("timeout", "flags")),
        ("pack", ctypes.c_int),
        ("user", ctypes.c_void_p),
        *((name, ctypes.c_ubyte) for name in ("status", "masked", "message", "written")),
        *((name, ctypes.c_ushort) for name in ("host", "driver")),
        ("left", ctypes.c_int),
        *((name, ctypes.c_uint) for name in ("duration", "info")),
    )


disk, action, key, new, kind = sys.argv[1:]
keys = int(key, 16).to_bytes(8, "big") + int(new, 16).to_bytes(8, "big") + bytes(8)
block = bytes((0x5F, ACTIONS[action], int(kind), 0, 0, 0, 0, 0, len(keys), 0))
data, command = (ctypes.create_string_buffer(each, len(each)) for each in (keys, block))
sense = ctypes.create_string_buffer(64)
descriptor = os.open(f"/dev/{disk}", os.O_RDWR | os.O_NONBLOCK)
for _attempt in range(5):  # A unit attention costs one.
    request = Command(
        interface=ord("S"),
        direction=-2,
        length=len(block),
        senses=len(sense),
        bytes=len(keys),
        data=ctypes.addressof(data),
        command=ctypes.addressof(command),
        sense=ctypes.addressof(sense),
        timeout=30_000,
    )
    fcntl.ioctl(descriptor, 0x2285, request)
    if not request.status:
        break
else:
    sys.exit(f"status {request.status}, sense {sense.raw.hex()}")
