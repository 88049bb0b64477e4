# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libblkid on images in files: their device number is 0:0, as that of any regular file."""

from __future__ import annotations

import ctypes
import struct
import uuid
import zlib
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._errors import DeviceMapperError
from ansible_collections.san.device_mapper.plugins.module_utils._host import (
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._libblkid import (
    read_partition_table,
)

FILE = DeviceNumber(0, 0)
SECTORS = 8192
LINUX = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
DISK, FIRST = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(bytes(SECTORS * 512))
    return path


def write(image: Path, sector: int, data: bytes) -> None:
    with image.open("r+b") as file:
        file.seek(sector * 512)
        file.write(data)


def boot_record(*entries: tuple[int, int, int], disk_id: int = 0) -> bytes:
    """Return an MBR with entries of type, first sector and length."""
    packed = b"".join(struct.pack("<B3xB3xII", 0, *entry) for entry in entries)
    return struct.pack("<440xI2x64s2s", disk_id, packed, b"\x55\xaa")


def gpt(image: Path) -> None:
    """Write a GPT with one partition, and its copy at the end."""
    entry = LINUX.bytes_le + FIRST.bytes_le + struct.pack("<QQQ", 64, 2047, 0)
    entries = (entry + "böot".encode("utf-16-le")).ljust(128 * 128, b"\0")
    write(image, 0, boot_record((0xEE, 1, SECTORS - 1)))
    for here, there, array in ((1, SECTORS - 1, 2), (SECTORS - 1, 1, SECTORS - 33)):
        write(image, array, entries)
        header = struct.pack(
            "<8sIIIIQQQQ16sQIII",
            b"EFI PART", 0x10000, 92, 0, 0, here, there, 34, SECTORS - 34,
            DISK.bytes_le, array, 128, 128, zlib.crc32(entries),
        )  # fmt: skip
        write(image, here, header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:])


def read(image: Path) -> PartitionTable:
    return read_partition_table(str(image), FILE)


def test_an_empty_device_has_no_partition_table(image: Path) -> None:
    assert read(image) == PartitionTable(kind="", partitions=(), logical_sector=512)


def test_an_mbr_has_primary_extended_and_logical_partitions(image: Path) -> None:
    write(
        image,
        0,
        boot_record((0x83, 64, 1000), (0, 0, 0), (0x05, 2048, 4096), disk_id=0xABCD1234),
    )
    write(image, 2048, boot_record((0x83, 8, 100), (0x05, 1024, 1024)))
    write(image, 3072, boot_record((0x82, 16, 200)))
    table = read(image)
    assert table.kind == "dos"
    assert table.partitions == (
        Partition(1, 64, 1000, "0x83", "", "abcd1234-01"),
        Partition(3, 2048, 4096, "0x5", "", "abcd1234-03", extended=True),
        Partition(5, 2056, 100, "0x83", "", "abcd1234-05"),
        Partition(6, 3088, 200, "0x82", "", "abcd1234-06"),
    )


def test_a_gpt_has_names_and_uuids(image: Path) -> None:
    gpt(image)
    table = read(image)
    assert table.kind == "gpt"
    assert table.partitions == (Partition(1, 64, 1984, str(LINUX), "böot", str(FIRST)),)


def test_a_gpt_is_read_from_its_copy(image: Path) -> None:
    gpt(image)
    write(image, 1, bytes(512))
    assert [each.number for each in read(image).partitions] == [1]


def test_a_protective_mbr_alone_is_told_from_an_empty_device(image: Path) -> None:
    gpt(image)
    for sector in (1, SECTORS - 1):
        write(image, sector, bytes(512))
    table = read(image)
    assert (table.kind, table.partitions) == ("PMBR", ())


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceMapperError, match="nosuch: cannot be opened: No such file"):
        read(tmp_path / "nosuch")


def test_a_device_that_has_become_another_one_is_refused(image: Path) -> None:
    with pytest.raises(DeviceMapperError, match="is no longer the device 253:1"):
        read_partition_table(str(image), DeviceNumber(253, 1))


def test_a_device_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceMapperError, match="libblkid cannot read this device"):
        read(tmp_path)


def test_a_host_without_the_library_is_told_what_to_install(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(DeviceMapperError, match=r"this host has no libblkid \(libblkid.so.1\)"):
        read(image)
