# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The adapter on libblkid: the only file that knows that library."""

from __future__ import annotations

import contextlib
import ctypes
import os
import typing as t

from ._errors import DeviceMapperError
from ._host import Partition, PartitionTable

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ._device import DeviceNumber

_ENTRY_DETAILS = 1 << 2  # BLKID_PARTS_ENTRY_DETAILS: types, names and uuids of the entries
_FOUND, _NOTHING = 0, 1
_AMBIGUOUS = -2


def read_partition_table(path: str, device: DeviceNumber) -> PartitionTable:
    """Return the partition table of the block device `path`, whose number must be `device`.

    Reads a few sectors; whoever calls has made sure that reading does not hang. Raises
    DeviceMapperError when the device cannot be read, or is another one by now.
    """
    with _opened(path, device) as descriptor, _probe(path, descriptor) as (library, probe):
        library.blkid_probe_enable_superblocks(probe, 0)
        library.blkid_probe_enable_partitions(probe, 1)
        library.blkid_probe_set_partitions_flags(probe, _ENTRY_DETAILS)
        outcome = library.blkid_do_safeprobe(probe)
        if outcome == _AMBIGUOUS:
            raise DeviceMapperError(
                f"{path}: libblkid finds more than one partition table; `wipefs {path}` lists"
                " them, `wipefs --offset` erases one that is left over"
            )
        if outcome not in (_FOUND, _NOTHING):
            raise DeviceMapperError(f"{path}: cannot be read for its partition table")
        sector = library.blkid_probe_get_sectorsize(probe)
        if outcome == _NOTHING:
            return PartitionTable(logical_sector=sector)
        # Asked before the list: a protective MBR without its GPT is a type without a table there.
        kind = _value(library, probe, b"PTTYPE")
        partitions = library.blkid_probe_get_partitions(probe)
        found = tuple(_partitions(library, partitions)) if partitions else ()
        return PartitionTable(kind, found, sector)


def _partitions(library: ctypes.CDLL, partitions: int) -> Iterator[Partition]:
    for index in range(library.blkid_partlist_numof_partitions(partitions)):
        entry = library.blkid_partlist_get_partition(partitions, index)
        kind = _text(library.blkid_partition_get_type_string(entry))
        yield Partition(
            number=library.blkid_partition_get_partno(entry),
            start=library.blkid_partition_get_start(entry),
            sectors=library.blkid_partition_get_size(entry),
            kind=kind or f"{library.blkid_partition_get_type(entry):#x}",
            name=_text(library.blkid_partition_get_name(entry)),
            uuid=_text(library.blkid_partition_get_uuid(entry)),
            extended=bool(library.blkid_partition_is_extended(entry)),
        )


@contextlib.contextmanager
def _opened(path: str, device: DeviceNumber) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as refused:
        raise DeviceMapperError(f"{path}: cannot be opened: {refused.strerror}") from refused
    try:
        number = os.fstat(descriptor).st_rdev
        if (os.major(number), os.minor(number)) != (device.major, device.minor):
            raise DeviceMapperError(f"{path}: is no longer the device {device}; run the task again")
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _probe(path: str, descriptor: int) -> Iterator[tuple[ctypes.CDLL, int]]:
    library = _load_library()
    probe = library.blkid_new_probe()
    try:
        if not probe or library.blkid_probe_set_device(probe, descriptor, 0, 0) != 0:
            raise DeviceMapperError(f"{path}: libblkid cannot read this device")
        yield library, probe
    finally:
        if probe:
            library.blkid_free_probe(probe)


def _value(library: ctypes.CDLL, probe: int, name: bytes) -> str:
    value, length = ctypes.c_char_p(), ctypes.c_size_t()
    if library.blkid_probe_lookup_value(probe, name, ctypes.byref(value), ctypes.byref(length)):
        return ""
    return _text(value.value)


def _load_library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libblkid.so.1")
    except OSError as refused:
        raise DeviceMapperError(
            "this host has no libblkid (libblkid.so.1): install the package libblkid1 (Debian,"
            " Ubuntu, SUSE) or libblkid (Fedora, RHEL)"
        ) from refused
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    sectors = ctypes.c_int64
    for name, result, arguments in (
        ("blkid_new_probe", pointer, []),
        ("blkid_free_probe", None, [pointer]),
        ("blkid_probe_set_device", number, [pointer, number, sectors, sectors]),
        ("blkid_probe_enable_superblocks", number, [pointer, number]),
        ("blkid_probe_enable_partitions", number, [pointer, number]),
        ("blkid_probe_set_partitions_flags", number, [pointer, number]),
        ("blkid_do_safeprobe", number, [pointer]),
        ("blkid_probe_get_sectorsize", ctypes.c_uint, [pointer]),
        ("blkid_probe_get_partitions", pointer, [pointer]),
        ("blkid_probe_lookup_value", number, [pointer, text, pointer, pointer]),
        ("blkid_partlist_numof_partitions", number, [pointer]),
        ("blkid_partlist_get_partition", pointer, [pointer, number]),
        ("blkid_partition_get_partno", number, [pointer]),
        ("blkid_partition_get_start", sectors, [pointer]),
        ("blkid_partition_get_size", sectors, [pointer]),
        ("blkid_partition_get_type", number, [pointer]),
        ("blkid_partition_get_type_string", text, [pointer]),
        ("blkid_partition_get_name", text, [pointer]),
        ("blkid_partition_get_uuid", text, [pointer]),
        ("blkid_partition_is_extended", number, [pointer]),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
