# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libblkid on images in files: their device number is 0:0, as that of any regular file."""

from __future__ import annotations

import ctypes
import random
import struct
import threading
import uuid
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit import partition_tables
from unit.partition_tables import MIB, ODD, SIZE, SOUND, TIB
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._plan.missing import Desired
from ansible_collections.san.device_mapper.plugins.module_utils._system import libblkid
from ansible_collections.san.device_mapper.plugins.module_utils._system.libblkid import LibBlkid
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import partition_maps
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    Refused,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Parent,
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import Linear

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
    return LibBlkid().partition_table(str(image), FILE, 60)


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
        Partition(5, 2056, 100, "0x83", "", "abcd1234-05", logical=True),
        Partition(6, 3088, 200, "0x82", "", "abcd1234-06", logical=True),
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


@pytest.mark.parametrize("name", ["fat", "exfat", "ntfs"])
def test_a_file_system_is_no_partition_table(image: Path, name: str) -> None:
    ODD[name].write(str(image))
    table = read(image)
    # Whether the MBR's prober sees the file system itself depends on the version.
    assert (table.kind, table.partitions, table.ignored) == ("", (), ())
    assert table.content in ("", name)


@pytest.mark.parametrize(
    ("name", "ignored"),
    [("pool-member-gpt", []), ("pool-member-mbr", [(1, 2048, 8192)])],
)
def test_a_table_that_is_left_over_on_a_pools_member_does_not_count(
    image: Path, name: str, ignored: list[tuple[int, int, int]]
) -> None:
    ODD[name].write(str(image))
    table = read(image)
    assert (table.kind, table.partitions, table.content) == ("", (), "zfs_member")
    assert [(each.number, each.start, each.sectors) for each in table.ignored] == ignored


def test_a_bsd_label_without_an_mbr_counts_if_nothing_else_is_there(image: Path) -> None:
    ODD["bsd-bare"].write(str(image))
    table = read(image)
    assert table.kind == "bsd"
    assert [(each.number, each.start, each.sectors) for each in table.partitions] == [
        (1, 64, 8192), (2, 8256, 8192), (3, 0, 131072),
    ]  # fmt: skip
    superblock = (1024, bytes(56) + b"\x53\xef" + bytes(100))
    partition_tables.Image((*ODD["bsd-bare"].pieces, superblock)).write(str(image))
    table = read(image)
    assert (table.kind, table.content, len(table.ignored)) == ("", "ext2", 3)


@pytest.mark.parametrize("name", ["bsd-bare", "pool-member-mbr"])
def test_a_read_error_in_any_probe_is_an_error(
    image: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    ODD[name].write(str(image))
    library = libblkid._load_library()
    probes: list[int] = []

    def probe(each: int) -> int:
        probes.append(each)
        return 0 if name == "pool-member-mbr" and len(probes) == 1 else -1 if len(probes) > 1 else 1

    monkeypatch.setattr(library, "blkid_do_safeprobe", probe)
    monkeypatch.setattr(libblkid, "_value", lambda *_arguments: "dos")
    with pytest.raises(Refused, match="its partition table cannot be read"):
        read(image)
    assert len(probes) == 2


def test_partitions_after_the_kernels_last_are_left_out(image: Path) -> None:
    ODD["gpt-300"].write(str(image))
    assert [each.number for each in read(image).partitions] == list(range(1, 256))


def test_slices_in_a_partition_are_nested(image: Path) -> None:
    SOUND["bsd-nested"].write(str(image))
    assert [(each.number, each.nested) for each in read(image).partitions] == [
        (1, False), (2, False), (5, True), (6, True),
    ]  # fmt: skip


HUGE = 3 * TIB // 4096


@pytest.mark.parametrize(
    ("entry", "reported", "refused"),
    [
        ((256, 1024), Partition(1, 2048, 8192), False),
        ((256, 1024), Partition(1, 2048, 8192, extended=True), False),
        ((HUGE, 1024), Partition(1, (HUGE * 8) % 2**32, 8192), True),
        ((256, HUGE), Partition(1, 2048, (HUGE * 8) % 2**32), True),
        ((HUGE, 1024), Partition(1, HUGE * 8, 8192), False),
        ((HUGE, 1024), Partition(1, HUGE * 8, 8192, extended=True), True),
        # Each number is right, and what the container holds need not be.
        ((HUGE // 2, HUGE // 2), Partition(1, HUGE * 4, HUGE * 4, extended=True), True),
        ((HUGE // 2, HUGE // 2), Partition(1, HUGE * 4, HUGE * 4), False),
    ],
)
def test_what_libblkid_miscounts_is_refused(
    entry: tuple[int, int], reported: Partition, refused: bool
) -> None:
    table = PartitionTable("dos", (reported,), 4096)
    entries = partition_tables.boot_record((0, 0x83, *entry))[446:510]
    if refused:
        with pytest.raises(Refused, match="beyond 2 TiB, where libblkid 2"):
            libblkid._refuse_wrapped(table, entries, "/dev/mapper/data", "2.38.1")
    else:
        libblkid._refuse_wrapped(table, entries, "/dev/mapper/data", "2.38.1")


@pytest.mark.parametrize("name", [name for name, each in SOUND.items() if not each.commands])
@given(st.data())
def test_a_damaged_table_ends_in_sound_partitions_or_a_message(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    """Whatever is overwritten of a table, nothing crashes, and no map would leave the device."""
    path = tmp_path_factory.getbasetemp() / name
    SOUND[name].write(str(path))
    damage(
        path, data, st.sampled_from([0, 446, 510, 512, 1024, 2048 * 512, 2049 * 512, SIZE - 512])
    )
    stated = partitions_that_would_have_maps(path)
    for each in stated:
        (segment,) = each.table
        assert isinstance(segment.target, Linear)
        assert segment.target.offset >= 0
        assert segment.target.offset + segment.length <= partition_tables.SECTORS


@given(st.data())
def test_random_bytes_have_no_maps(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "random"
    seed = data.draw(st.integers(0, 2**32))
    path.write_bytes(random.Random(seed).randbytes(MIB) + bytes(MIB))
    assert partitions_that_would_have_maps(path) == []


def damage(path: Path, data: st.DataObject, regions: st.SearchStrategy[int]) -> None:
    """Overwrite some bytes near the regions, or cut the file."""
    with path.open("r+b") as file:
        for _time in range(data.draw(st.integers(1, 8))):
            file.seek(data.draw(regions) + data.draw(st.integers(0, 511)))
            file.write(data.draw(st.binary(min_size=1, max_size=8)))
        file.truncate(data.draw(st.sampled_from([SIZE, SIZE, SIZE // 2, MIB, 512])))
        file.truncate(SIZE)


def partitions_that_would_have_maps(path: Path) -> list[Desired]:
    """Return the maps that a task would state of a device with this content."""
    try:
        table = read(path)
    except Refused:
        return []
    parent = Parent("data", "data", "mpath-3600", DeviceNumber(253, 1), partition_tables.SECTORS,
                    partition_table=table)  # fmt: skip
    stated = []
    for each in table.partitions:
        request = partition_maps.Request(("data",), present=True, partitions=(each.number,))
        try:
            found = partition_maps.desire(request, whole(parents=(parent,)))
        except Refused:
            continue
        stated += [each for each in found if isinstance(each, Desired)]
    return stated


def test_a_file_is_read_as_a_disk_with_sectors_of_another_size(image: Path) -> None:
    ODD["gpt-of-4096"].write(str(image))
    assert read(image).kind == "PMBR"
    table = LibBlkid().partition_table(str(image), None, 60, 4096)
    assert (table.kind, table.logical_sector) == ("gpt", 4096)
    assert [(each.number, each.start, each.sectors) for each in table.partitions] == [
        (1, 2048, 2048)
    ]


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceMapperError, match="nosuch: cannot be opened: No such file"):
        read(tmp_path / "nosuch")


def test_a_device_that_has_become_another_one_is_refused(image: Path) -> None:
    with pytest.raises(DeviceMapperError, match="is no longer the device 253:1"):
        LibBlkid().partition_table(str(image), DeviceNumber(253, 1), 60)


def test_a_device_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceMapperError, match="libblkid cannot read this device"):
        read(tmp_path)


def test_a_host_without_the_library_is_told_what_to_install(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    libblkid._load_library.cache_clear()
    with pytest.raises(DeviceMapperError, match=r"this host has no libblkid \(libblkid.so.1\)"):
        read(image)


def test_a_read_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a map that queues whose last path is gone, which nobody has noticed yet."""
    answered = threading.Event()
    monkeypatch.setattr(libblkid, "_read_partition_table", lambda *_what: answered.wait())
    with pytest.raises(Refused, match="not been answered"):
        LibBlkid().partition_table("/dev/mapper/data", None, 0.1)
    answered.set()
