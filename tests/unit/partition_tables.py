# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partition tables of all kinds, sound and odd, to be written into files.

Those that tools write name the commands, with DEVICE for the loop device; the odd ones, which no
tool writes, are bytes. Standard library only: the booted host uses this file, too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MIB = 1 << 20
TIB = 1 << 40
SIZE = 64 * MIB
SECTORS = SIZE // 512
"""The size of an image, unless it says otherwise, in bytes and in sectors of 512 bytes."""

DEVICE = "DEVICE"

EXTENDED, LINUX, PROTECTIVE = 0x05, 0x83, 0xEE
LINUX_GUID = bytes.fromhex("af3dc60f838472478e793d69d8477de4")

Piece = tuple[int, bytes]
Command = tuple[tuple[str, ...], str]
Entry = tuple[int, int, int, int]
"""An MBR's entry: its slot from 0, its type, its first sector, its sectors (the device's own)."""
Slice = tuple[int, int, int]
"""A slice: its index from 0, its first sector, its sectors."""


@dataclass(frozen=True)
class Image:
    """What a file holds: pieces at their offsets in bytes, then what `commands` write.

    `kept` is how many bytes of it are left of it, or are there, in the end.
    """

    pieces: tuple[Piece, ...] = ()
    commands: tuple[Command, ...] = ()
    logical_sector: int = 512
    size: int = SIZE
    kept: int = 0

    def write(self, path: str) -> None:
        """Write the pieces into the file `path`; all else of it is zeros."""
        with open(path, "wb") as file:
            file.truncate(self.size)
            for offset, data in self.pieces:
                file.seek(offset)
                file.write(data)
            if self.kept:
                file.truncate(self.kept)


def boot_record(*entries: Entry) -> bytes:
    """Return an MBR, or the record before a logical partition."""
    data = bytearray(512)
    for slot, kind, start, sectors in entries:
        struct.pack_into("<4xB3xII", data, 446 + 16 * slot, kind, start, sectors)
    data[510:] = b"\x55\xaa"
    return bytes(data)


def pool_member() -> tuple[Piece, ...]:
    """Return the four labels of a whole-disk member of a ZFS pool, which leave the first 8 KiB."""
    labels = (0, 256 << 10, SIZE - (512 << 10), SIZE - (256 << 10))
    blocks = [struct.pack("<5Q", 0xBAB10C, 5000, 40 + k, 1, 1700000000 + k) for k in range(128)]
    return tuple(
        piece
        for at in labels
        for piece in (
            (at + (16 << 10), b"\x01\x01\0\0" + bytes(112 * 1024 - 4)),
            *((at + (128 << 10) + k * 1024, block) for k, block in enumerate(blocks)),
        )
    )


def mbr(*records: tuple[int, Sequence[Entry]], sector: int = 512) -> tuple[Piece, ...]:
    """Return boot records at their sectors."""
    return tuple((at * sector, boot_record(*entries)) for at, entries in records)


def gpt(
    *partitions: Slice,
    damaged: Iterable[str] = (),
    record: Sequence[Entry] = ((0, PROTECTIVE, 1, SECTORS - 1),),
    count: int = 128,
    sector: int = 512,
) -> tuple[Piece, ...]:
    """Return a GPT of `count` entries, and its copy; `partitions` as number, first, last sector."""
    last = SIZE // sector - 1
    table = bytearray(128 * count)
    for number, start, end in partitions:
        entry = struct.pack("<16s16sQQQ", LINUX_GUID, number.to_bytes(16, "little"), start, end, 0)
        table[128 * (number - 1) : 128 * (number - 1) + len(entry)] = entry
    blocks = len(table) // sector
    pieces = [(0, boot_record(*record))]
    for name, here, there, entries in (
        ("primary", 1, last, 2),
        ("backup", last, 1, last - blocks),
    ):
        header = struct.pack(
            "<8sIIIIQQQQ16sQIII",
            *(b"EFI PART", 0x10000, 92, 0, 0, here, there, 2 + blocks, last - blocks - 1),
            *(b"disk" * 4, entries, count, 128, zlib.crc32(bytes(table))),
        )
        header = header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]
        pieces += [(entries * sector, bytes(table))]
        pieces += [] if name in damaged else [(here * sector, header)]
    return tuple(pieces)


def bsd(*slices: Slice) -> bytes:
    """Return a BSD disklabel (sys/disklabel.h), which is at sector 1 of its partition."""
    label = bytearray(148 + 16 * 16)
    for magic in (0, 132):
        struct.pack_into("<I", label, magic, 0x82564557)
    struct.pack_into("<H", label, 138, 16)
    for index, start, sectors in slices:
        struct.pack_into("<IIIBBH", label, 148 + 16 * index, sectors, start, 1024, 7, 8, 16)
    struct.pack_into("<H", label, 136, _checksum(bytes(label), "<H"))
    return bytes(label)


def solaris(*slices: Slice) -> bytes:
    """Return a Solaris VTOC for x86, which is at sector 1 of its partition."""
    label = bytearray(512)
    struct.pack_into("<II", label, 12, 0x600DDEEE, 1)
    struct.pack_into("<HH", label, 28, 512, 16)
    for index, start, sectors in slices:
        struct.pack_into("<HHII", label, 72 + 12 * index, 2, 0, start, sectors)
    return bytes(label)


def sun(*slices: Slice, tags: Sequence[int] = (2, 2, 5)) -> bytes:
    """Return a Sun label with 2048 sectors in a cylinder; `slices` start at cylinders."""
    label = bytearray(512)
    struct.pack_into(">I", label, 128, 1)
    struct.pack_into(">H", label, 140, 8)
    for index, tag in enumerate(tags):
        struct.pack_into(">HH", label, 142 + 4 * index, tag, 0)
    struct.pack_into(">I", label, 188, 0x600DDEEE)
    struct.pack_into(">H", label, 432, 64)
    struct.pack_into(">HH", label, 436, 1, 2048)
    for index, cylinder, sectors in slices:
        struct.pack_into(">II", label, 444 + 8 * index, cylinder, sectors)
    struct.pack_into(">H", label, 508, 0xDABE)
    struct.pack_into(">H", label, 510, _checksum(bytes(label), ">H"))
    return bytes(label)


def _checksum(label: bytes, word: str) -> int:
    total = 0
    for (value,) in struct.iter_unpack(word, label):
        total ^= value
    return total


def _like_entries(sector: bytearray) -> bytes:
    """Return a boot sector whose code reads like two entries of an MBR."""
    sector[446:510] = boot_record((0, LINUX, 2048, 4096), (1, LINUX, 8192, 4096))[446:510]
    sector[510:512] = b"\x55\xaa"
    return bytes(sector)


def fat() -> tuple[Piece, ...]:
    """Return the beginning of a FAT16 of 64 MiB."""
    sector = bytearray(512)
    sector[:11] = b"\xeb\x3c\x90mkfs.fat"
    struct.pack_into(
        "<HBHBHHBHHHII", sector, 11, 512, 4, 4, 2, 512, 0, 0xF8, 128, 63, 255, 0, SECTORS
    )
    sector[36:39] = b"\x80\x00\x29"
    sector[43:62] = b"NO NAME    FAT16   "
    return (
        (0, _like_entries(sector)),
        (4 * 512, b"\xf8\xff\xff\xff"),
        (132 * 512, b"\xf8\xff\xff\xff"),
    )


def exfat() -> tuple[Piece, ...]:
    """Return the boot region of an exFAT of 64 MiB."""
    sector = bytearray(512)
    sector[:11] = b"\xeb\x76\x90EXFAT   "
    numbers = (0, SECTORS, 128, 128, 256, 16352, 4, 0x1234, 0x100, 0, 9, 3, 1, 0x80, 0)
    struct.pack_into("<QQIIIIIIHHBBBBB", sector, 64, *numbers)
    region = _like_entries(sector) + (bytes(510) + b"\x55\xaa") * 8 + bytes(1024)
    total = 0
    for index, byte in enumerate(region):
        if index not in (106, 107, 112):
            total = ((total << 31 | total >> 1) + byte) & 0xFFFFFFFF
    return ((0, region + struct.pack("<I", total) * 128),)


def ntfs() -> tuple[Piece, ...]:
    """Return the boot sector of an NTFS of 64 MiB, and its first records."""
    sector = bytearray(512)
    sector[:11] = b"\xeb\x52\x90NTFS    "
    struct.pack_into("<HB", sector, 11, 512, 8)
    sector[21] = 0xF8
    struct.pack_into("<QQQ", sector, 40, SECTORS - 1, 4, 100)
    sector[64], sector[68] = 0xF6, 1
    sector[72:80] = b"serialno"
    return (0, _like_entries(sector)), (4 * 8 * 512, (b"FILE" + bytes(1020)) * 4)


def sfdisk(script: str, logical_sector: int = 512) -> Image:
    """Return what sfdisk writes."""
    options = ("--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never")
    return Image(commands=((("sfdisk", *options, DEVICE), script),), logical_sector=logical_sector)


def sgdisk(*options: str, logical_sector: int = 512) -> Image:
    """Return what sgdisk writes."""
    return Image(commands=((("sgdisk", *options, DEVICE), ""),), logical_sector=logical_sector)


def parted(label: str, *words: str, logical_sector: int = 512) -> Image:
    """Return what parted writes."""
    argv = ("parted", "--script", DEVICE, "mklabel", label, *words)
    return Image(commands=((argv, ""),), logical_sector=logical_sector)


def _parts(*names: str) -> tuple[str, ...]:
    one = ("mkpart", *names, "ext2", "4MiB", "16MiB")
    return (*one, "mkpart", *names, "ext2", "16MiB", "32MiB")


SOUND: dict[str, Image] = {
    "dos": sfdisk("label: dos\n,8MiB\n,8MiB\n,8MiB\n,\n"),
    "dos-logical": sfdisk("label: dos\n,8MiB\n,,E\n,8MiB\n,8MiB\n,\n"),
    "dos-extended-first": sfdisk("label: dos\n,32MiB,E\n,8MiB\n,\n,8MiB\n,\n"),
    "dos-gap": sfdisk("label: dos\n2: start=2048, size=8192\n4: start=16384, size=8192\n"),
    "dos-empty": sfdisk("label: dos\n"),
    "dos-by-parted": parted(
        "msdos",
        *("mkpart", "primary", "1MiB", "8MiB", "mkpart", "extended", "8MiB", "40MiB"),
        *("mkpart", "logical", "9MiB", "20MiB", "mkpart", "logical", "21MiB", "40MiB"),
    ),
    "gpt": sfdisk('label: gpt\n,8MiB\nsize=8MiB, name="two words"\n,\n'),
    "gpt-gap": sfdisk("label: gpt\n3: start=2048, size=8192\n7: start=16384, size=8192\n"),
    "gpt-empty": sfdisk("label: gpt\n"),
    "gpt-hybrid": sgdisk("-n", "1:0:+8M", "-n", "2:0:+8M", "-n", "3:0:+8M", "-h", "1:2"),
    "gpt-by-parted": parted("gpt", *_parts("data")),
    "mac": parted("mac", *_parts("data")),
    "sgi": parted("dvh", *_parts("primary")),
    "sun": Image(((0, sun((0, 1, 8192), (1, 5, 8192))),)),
    "bsd-nested": Image((
        *mbr((0, [(0, 0xA5, 2048, 32768), (1, LINUX, 40960, 8192)])),
        (2049 * 512, bsd((0, 16, 4096), (1, 8192, 4096), (2, 0, 32768))),
    )),
    "solaris-nested": Image((
        *mbr((0, [(0, 0x82, 2048, 32768)])),
        (2049 * 512, solaris((0, 1024, 4096), (1, 8192, 4096))),
    )),
    "minix-nested": Image(
        mbr((0, [(0, 0x81, 2048, 32768)]), (2048, [(0, 0x81, 4096, 4096), (1, 0x81, 8192, 4096)]))
    ),
    "dos-4096": sfdisk("label: dos\n,8MiB\n,,E\n,8MiB\n,\n", logical_sector=4096),
    "gpt-4096": sfdisk("label: gpt\n,8MiB\n,\n", logical_sector=4096),
    "gpt-4096-sgdisk": sgdisk("-n", "1:0:+8M", "-n", "5:0:+8M", logical_sector=4096),
    "gpt-4096-by-parted": parted("gpt", *_parts("data"), logical_sector=4096),
}  # fmt: skip
"""Tables from which the kernel, libblkid and kpartx should make the same of, but for a few."""

ODD: dict[str, Image] = {
    "empty": Image(),
    "two-extended": Image(
        mbr(
            (0, [(0, EXTENDED, 2048, 8192), (1, 0x0F, 16384, 8192), (2, LINUX, 32768, 8192)]),
            (2048, [(0, LINUX, 64, 1024)]),
            (16384, [(0, LINUX, 64, 1024)]),
        )
    ),
    "empty-first-ebr": Image(
        mbr(
            (0, [(0, EXTENDED, 2048, 32768)]),
            (2048, [(1, EXTENDED, 4096, 4096)]),
            (6144, [(0, LINUX, 64, 1024)]),
        )
    ),
    "link-in-slot-3": Image(
        mbr(
            (0, [(0, EXTENDED, 2048, 32768)]),
            (2048, [(0, LINUX, 64, 1024), (2, EXTENDED, 4096, 4096)]),
            (6144, [(0, LINUX, 64, 1024)]),
        )
    ),
    "data-in-slot-3": Image(
        mbr(
            (0, [(0, EXTENDED, 2048, 32768)]),
            (2048, [(0, LINUX, 64, 1024), (2, LINUX, 2048, 1024)]),
        )
    ),
    "ebr-loop": Image(
        mbr(
            (0, [(0, EXTENDED, 2048, 32768)]),
            (2048, [(0, LINUX, 64, 1024), (1, EXTENDED, 4096, 4096)]),
            (6144, [(0, LINUX, 64, 1024), (1, EXTENDED, 4096, 4096)]),
        )
    ),
    "ebr-missing": Image(mbr((0, [(0, LINUX, 16384, 1024), (1, EXTENDED, 2048, 8192)]))),
    "overlap": Image(mbr((0, [(0, LINUX, 2048, 8192), (1, LINUX, 4096, 8192)]))),
    "past-the-end": Image(mbr((0, [(0, LINUX, 2048, 8192), (1, LINUX, 16384, SECTORS)]))),
    "starts-past-the-end": Image(
        mbr((0, [(0, LINUX, 2048, 8192), (1, LINUX, SECTORS + 100, 8192)]))
    ),
    "pmbr-alone": Image(mbr((0, [(0, PROTECTIVE, 1, SECTORS - 1)]))),
    "hybrid": Image(
        gpt(
            (1, 2048, 4095),
            (2, 4096, 8191),
            record=((0, LINUX, 4096, 4096), (1, PROTECTIVE, 1, 2047)),
        )
    ),
    "gpt-primary-damaged": Image(gpt((1, 2048, 4095), damaged=["primary"])),
    "gpt-backup-damaged": Image(gpt((1, 2048, 4095), damaged=["backup"])),
    "gpt-both-damaged": Image(gpt((1, 2048, 4095), damaged=["primary", "backup"])),
    "gpt-past-the-end": Image(gpt((1, 2048, 4095), (2, 8192, SECTORS + 10))),
    "gpt-past-usable": Image(gpt((1, 2048, 4095), (2, 8192, SECTORS - 5))),
    "gpt-reversed": Image(gpt((1, 2048, 4095), (2, 8191, 8000))),
    "gpt-overlap": Image(gpt((1, 2048, 4095), (2, 4000, 8000))),
    "installer-image": Image((
        *mbr((0, [(0, 0, 64, SECTORS - 64), (1, 0xEF, 3440, 18880)])),
        (64 * 512, b"\x01CD001\x01\0"),
    )),
    "gpt-without-pmbr": Image(gpt((1, 2048, 4095), record=())),
    "gpt-grown": Image(gpt((1, 2048, 4095)), kept=SIZE + 16 * MIB),
    "gpt-truncated": Image(gpt((1, 2048, 4095), (2, 8192, 100_000)), kept=SIZE // 2),
    "gpt-of-4096": Image(gpt((1, 256, 511), sector=4096)),
    "gpt-128": Image(gpt(*((n, 2048 + 256 * n, 2175 + 256 * n) for n in range(1, 129)))),
    "gpt-300": Image(
        gpt(*((n, 2048 + 256 * n, 2175 + 256 * n) for n in range(1, 301)), count=512)
    ),
    "bsd-overlap": Image((
        *mbr((0, [(0, 0xA5, 2048, 32768)])),
        (2049 * 512, bsd((0, 2064, 8192), (1, 4096, 8192), (2, 2048, 32768))),
    )),
    "sun-whole": Image(((0, sun((0, 1, 8192), (1, 5, 8192), (2, 0, SECTORS))),)),
    "sun-data-in-slice-3": Image(((0, sun((0, 1, 8192), (2, 5, 8192), tags=(2, 0, 2))),)),
    "bsd-bare": Image(((512, bsd((0, 64, 8192), (1, 8256, 8192), (2, 0, SECTORS))),)),
    "pool-member-gpt": Image((*gpt((1, 2048, 4095)), *pool_member())),
    "pool-member-mbr": Image((*mbr((0, [(0, LINUX, 2048, 8192)])), *pool_member())),
    "fat": Image(fat()),
    "exfat": Image(exfat()),
    "ntfs": Image(ntfs()),
    "dos-4096-huge": Image(
        mbr((0, [(0, LINUX, 256, 1024), (1, LINUX, 2 * TIB // 4096 + 256, 1024)]), sector=4096),
        logical_sector=4096,
        size=5 * TIB,
    ),
    "dos-4096-huge-size": Image(
        mbr((0, [(0, LINUX, 256, 3 * TIB // 4096)]), sector=4096),
        logical_sector=4096,
        size=5 * TIB,
    ),
    "dos-4096-huge-logical": Image(
        mbr(
            (0, [(0, LINUX, 256, 1024), (1, EXTENDED, TIB // 4096, 3 * TIB // 4096)]),
            (TIB // 4096, [(0, LINUX, 64, 1024), (1, EXTENDED, 2 * TIB // 4096, 4096)]),
            (3 * TIB // 4096, [(0, LINUX, 64, 1024)]),
            sector=4096,
        ),
        logical_sector=4096,
        size=5 * TIB,
    ),
    "dos-4096-low": Image(
        mbr((0, [(0, LINUX, 256, 1024)]), sector=4096), logical_sector=4096, size=5 * TIB
    ),
}  # fmt: skip
"""Tables that readers take differently, or that should have no maps."""
