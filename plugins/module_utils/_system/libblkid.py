# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The adapter on libblkid: the only file that knows that library."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import struct
import typing as t

from .._values.errors import DeviceMapperError, Refused
from .._values.partitions import Partition, PartitionTable
from .attribute import decoded
from .block_devices import within

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ...plugin_utils._types import DeviceNumber

_ENTRY_DETAILS = 1 << 2  # BLKID_PARTS_ENTRY_DETAILS: types, names and uuids of the entries
_ONLY_IN = 2  # BLKID_FLTR_ONLYIN
_FOUND, _NOTHING = 0, 1
_BSD = "bsd"
_AMBIGUOUS = -2

_MOST = 255
"""The kernel's last partition (DISK_MAX_PARTS, block/partitions/check.h); libblkid has no last."""

_LIKE_MBR = (b"vfat", b"exfat", b"ntfs", b"BitLocker")
"""What begins with what else could be an MBR: boot code, and 0x55 0xaa."""

_MEMBERS = 1 << 2  # BLKID_USAGE_RAID: members of RAID and volume groups
_MEMBER_BY_NAME = (b"zfs_member",)
"""A member of which libblkid says that it is a file system."""


class LibBlkid:
    """What libblkid reads of devices and files."""

    def partition_table(
        self, path: str, device: DeviceNumber | None, timeout: float, logical_sector: int = 0
    ) -> PartitionTable:
        """Return the partition table on `path`, a block device with the number `device` or a file.

        A file's `logical_sector` is the size in bytes of the sectors of the disk that it holds.

        Reads a few sectors. Raises Refused when the device cannot be read, or has a partition table
        that this host's libblkid reads wrongly, and DeviceMapperError when it is another one by
        now.

        Callers must first rule out devices that are known to hang. A read that takes longer than
        `timeout` seconds all the same, as when the last path has gone unnoticed, is given up.
        """
        try:
            return within(timeout, lambda: _read_partition_table(path, device, logical_sector))
        except TimeoutError as late:
            raise Refused(
                option="device",
                value=path,
                found=f"a read has not been answered within {timeout:g} seconds",
                way_out=(
                    "See whether its paths are alive (device_mapper_info), or raise the timeout"
                ),
            ) from late

    def libblkid_version(self) -> str:
        """Return the version of this host's libblkid, such as `2.38.1`."""
        return _version(_load_library())


def _read_partition_table(
    path: str, device: DeviceNumber | None, logical_sector: int
) -> PartitionTable:
    with _opened(path, device) as descriptor, _probe(path, descriptor) as (library, probe):
        if logical_sector:
            library.blkid_probe_set_sectorsize(probe, logical_sector)
        if device:
            # libblkid reads through the page cache, which lasts as long as anything has the device
            # open, be it a map on top: what another node, or another path, has written since is
            # not in it. What is dirty, or in use by a file system here, stays (mm/fadvise.c).
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        table = _read(library, probe, path)
        if not table.kind:
            return table
        content = _content(library, probe, path, table.kind)
        if content:
            # Boot code is no table, whatever it reads like.
            ignored = () if content.encode() in _LIKE_MBR else table.partitions
            return PartitionTable(
                logical_sector=table.logical_sector, content=content, ignored=ignored
            )
        if table.kind == "dos":
            _refuse_wrapped(table, os.pread(descriptor, 64, 446), path, _version(library))
        return table


def _read(library: ctypes.CDLL, probe: int, path: str) -> PartitionTable:
    """Return the table that libblkid sees if it looks for nothing else."""
    library.blkid_probe_enable_superblocks(probe, 0)
    library.blkid_probe_enable_partitions(probe, 1)
    library.blkid_probe_set_partitions_flags(probe, _ENTRY_DETAILS)
    outcome = library.blkid_do_safeprobe(probe)
    if outcome == _AMBIGUOUS:
        raise Refused(
            option="device",
            value=path,
            found="libblkid finds more than one partition table",
            way_out=(
                "Erase the one that is left over: `wipefs` lists them, `wipefs --offset` erases one"
            ),
        )
    _refuse_unreadable(outcome, path)
    sector = library.blkid_probe_get_sectorsize(probe)
    # Asked before the list: a protective MBR without its GPT is a type without a table there.
    kind = _value(library, probe, b"PTTYPE") if outcome == _FOUND else ""
    # A BSD label without an MBR has no type, and a list all the same (partitions/bsd.c).
    partitions = library.blkid_probe_get_partitions(probe)
    found = tuple(_partitions(library, partitions)) if partitions else ()
    return PartitionTable(kind or (_BSD if found else ""), found, sector)


def _content(library: ctypes.CDLL, probe: int, path: str, kind: str) -> str:
    """Return what the whole device holds, where a table of this `kind` is left over from before.

    Members of RAID, of volume groups and of ZFS pools: libblkid itself ignores the table of the
    first two if it looks for both (superblocks.c superblocks_safeprobe). What else begins like an
    MBR: the MBR's prober asks for some, which ones depends on its version (exFAT: since 2.41). A
    BSD label counts only if there is nothing else at all.
    """
    library.blkid_probe_enable_partitions(probe, 0)
    library.blkid_probe_enable_superblocks(probe, 1)
    if kind == _BSD:
        return _superblock(library, probe, path)
    library.blkid_probe_filter_superblocks_usage(probe, _ONLY_IN, _MEMBERS)
    member = _superblock(library, probe, path)
    if member:
        return member
    names = _MEMBER_BY_NAME + (_LIKE_MBR if kind == "dos" else ())
    listed = (ctypes.c_char_p * (len(names) + 1))(*names, None)
    library.blkid_probe_filter_superblocks_type(probe, _ONLY_IN, listed)
    return _superblock(library, probe, path)


def _superblock(library: ctypes.CDLL, probe: int, path: str) -> str:
    """Return the name of the superblock that is found; empty if there is none."""
    outcome = library.blkid_do_safeprobe(probe)
    if outcome == _AMBIGUOUS:
        return "several superblocks"
    _refuse_unreadable(outcome, path)
    return _value(library, probe, b"TYPE") if outcome == _FOUND else ""


def _refuse_unreadable(outcome: int, path: str) -> None:
    if outcome not in (_FOUND, _NOTHING):
        raise Refused(
            option="device",
            value=path,
            found="its partition table cannot be read",
            way_out="See the kernel's log (dmesg) for its errors; no map was made",
        )


def _refuse_wrapped(table: PartitionTable, entries: bytes, path: str, release: str) -> None:
    """Refuse an MBR beyond 2 TiB of a device with larger sectors, where libblkid miscounts.

    It multiplies an entry's numbers by the sector size in 32 bits of 512-byte units: of any entry
    until 2.41, of logical partitions still in 2.42 (libblkid/src/partitions/dos.c). The second
    opinion is the MBR's own four `entries` (the sector and the number of sectors, from byte 8 of
    16 on).
    """
    factor = table.logical_sector // 512
    found = {each.number: each for each in table.partitions if not (each.logical or each.nested)}
    for number, (start, sectors) in enumerate(struct.iter_unpack("<8xII", entries), 1):
        end = (start + sectors) * factor
        if factor == 1 or end <= 1 << 32 or number not in found:
            continue
        true = (found[number].start, found[number].sectors) == (start * factor, sectors * factor)
        if found[number].extended or not true:
            raise Refused(
                option="device",
                value=path,
                found=(
                    f"its partition {number} ends at sector {end} (of 512 bytes), beyond 2 TiB,"
                    f" where libblkid {release} miscounts in an MBR of a device with sectors of"
                    f" {table.logical_sector} bytes"
                ),
                way_out="Use a GPT on it; no map was made",
            )


def _partitions(library: ctypes.CDLL, partitions: int) -> Iterator[Partition]:
    for index in range(library.blkid_partlist_numof_partitions(partitions)):
        entry = library.blkid_partlist_get_partition(partitions, index)
        number = library.blkid_partition_get_partno(entry)
        if number > _MOST:
            continue
        kind = decoded(library.blkid_partition_get_type_string(entry))
        table = library.blkid_partition_get_table(entry)
        yield Partition(
            number=number,
            start=library.blkid_partition_get_start(entry),
            sectors=library.blkid_partition_get_size(entry),
            kind=kind or f"{library.blkid_partition_get_type(entry):#x}",
            name=decoded(library.blkid_partition_get_name(entry)),
            uuid=decoded(library.blkid_partition_get_uuid(entry)),
            extended=bool(library.blkid_partition_is_extended(entry)),
            logical=bool(library.blkid_partition_is_logical(entry)),
            nested=bool(table and library.blkid_parttable_get_parent(table)),
        )


@contextlib.contextmanager
def _opened(path: str, device: DeviceNumber | None) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as refused:
        raise DeviceMapperError(f"{path}: cannot be opened: {refused.strerror}") from refused
    try:
        number = os.fstat(descriptor).st_rdev
        if device and (os.major(number), os.minor(number)) != (device.major, device.minor):
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
    return decoded(value.value)


def _version(library: ctypes.CDLL) -> str:
    release = ctypes.c_char_p()
    library.blkid_get_library_version(ctypes.byref(release), None)
    return decoded(release.value)


@functools.cache
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
        ("blkid_probe_set_sectorsize", number, [pointer, ctypes.c_uint]),
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
        ("blkid_partition_is_logical", number, [pointer]),
        ("blkid_partition_get_table", pointer, [pointer]),
        ("blkid_parttable_get_parent", pointer, [pointer]),
        ("blkid_probe_filter_superblocks_type", number, [pointer, number, pointer]),
        ("blkid_probe_filter_superblocks_usage", number, [pointer, number, number]),
        ("blkid_get_library_version", number, [pointer, pointer]),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
