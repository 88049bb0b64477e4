# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The floor: the bare calls of libdevmapper for the same maps, one udev cookie, nothing else.

`floor.py create|read|remove`; standard input has a JSON list of [name, uuid, sectors, target type,
parameters]. It checks nothing and reads nothing that it was not told to.
"""

from __future__ import annotations

import ctypes
import json
import sys

CREATE, REMOVE, TABLE = 0, 2, 11
"""Kinds of tasks, from libdevmapper.h."""


def main(work: str, maps: list[tuple[str, str, int, str, str]]) -> None:
    """Do the work for all maps; wait for udev once."""
    library = ctypes.CDLL("libdevmapper.so.1.02.1")
    library.dm_task_create.restype = ctypes.c_void_p
    cookie = ctypes.c_uint32(0)
    if work != "read":
        library.dm_udev_create_cookie(ctypes.byref(cookie))
    kind = {"create": CREATE, "read": TABLE, "remove": REMOVE}[work]
    for name, uuid, sectors, target, parameters in maps:
        task = ctypes.c_void_p(library.dm_task_create(kind))
        library.dm_task_set_name(task, name.encode())
        if work == "create":
            library.dm_task_set_uuid(task, uuid.encode())
            start, length = ctypes.c_uint64(0), ctypes.c_uint64(sectors)
            library.dm_task_add_target(task, start, length, target.encode(), parameters.encode())
        if work != "read":
            library.dm_task_set_cookie(task, ctypes.byref(cookie), ctypes.c_uint16(0))
        if not library.dm_task_run(task):
            raise SystemExit(f"{work} {name}: refused")
        library.dm_task_destroy(task)
    if work != "read":
        library.dm_udev_wait(cookie)


if __name__ == "__main__":
    main(sys.argv[1], json.load(sys.stdin))
