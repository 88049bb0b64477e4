# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partition tables with random damage, read by libblkid and planned for as `partition_maps` does.

Whatever a device holds, the outcome is one clear message, or maps that lie within the device.
"""

from __future__ import annotations

import contextlib
import os
import random
import struct
import subprocess
import zlib
from collections import Counter
from pathlib import Path

from unit.memory_host import DEFAULTS
from unit.partition_tables import DEVICE, ODD, SIZE, SOUND, Image
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._plan.map_steps import Load
from ansible_collections.san.device_mapper.plugins.module_utils._plan.steps import Plan, foresee
from ansible_collections.san.device_mapper.plugins.module_utils._system.libblkid import LibBlkid
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import partition_maps
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Parent,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import Linear

SECTOR = 512
ENDS = (0, 1, 2, SIZE // SECTOR - 1, SIZE // SECTOR, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
"""Numbers of sectors at which readers err."""

Sectors = dict[int, bytes]


def tables(folder: Path) -> dict[str, tuple[Path, Sectors]]:
    """Return files with sound and odd tables, and what is in those sectors that are not empty."""
    found = {}
    for name, image in (SOUND | ODD).items():
        if not is_fit(image):
            continue
        path = folder / name
        image.write(str(path))
        for argv, script in image.commands:
            words = [str(path) if word == DEVICE else word for word in argv]
            subprocess.run(words, input=script, text=True, check=True, capture_output=True)
        found[name] = (path, written(path))
    return found


def is_fit(image: Image) -> bool:
    """Return whether a table can be made in a file, with what every Debian host has."""
    tools = all(argv[0] == "sfdisk" for argv, _script in image.commands)
    return tools and image.logical_sector == SECTOR and image.size == SIZE and not image.kept


def written(path: Path) -> Sectors:
    """Return the sectors of a file that are not zeros, by their numbers."""
    found, descriptor, at = {}, os.open(path, os.O_RDONLY), 0
    try:
        # The files are sparse: the system says where there is data at all.
        with contextlib.suppress(OSError):
            while True:
                at = os.lseek(descriptor, at, os.SEEK_DATA)
                end = os.lseek(descriptor, at, os.SEEK_HOLE)
                for number in range(at // SECTOR, -(-end // SECTOR)):
                    found[number] = os.pread(descriptor, SECTOR, number * SECTOR)
                at = end
    finally:
        os.close(descriptor)
    return {number: sector for number, sector in found.items() if sector != bytes(SECTOR)}


def damaged(sectors: Sectors, chance: random.Random) -> Sectors:
    """Return the sectors that are to be written, for a table with damage."""
    changed: dict[int, bytearray] = {}
    numbers = [*sectors] or [0]
    for _change in range(chance.randint(1, 6)):
        number = chance.choice(numbers)
        sector = changed.setdefault(number, bytearray(sectors.get(number, bytes(SECTOR))))
        kind = chance.randrange(5)
        at = chance.randrange(SECTOR - 8)
        if kind == 0:
            sector[at] = chance.randrange(256)
        elif kind == 1:
            sector[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            value = chance.choice(ENDS) & 0xFFFFFFFF
            struct.pack_into(chance.choice("<>") + "I", sector, at & ~1, value)
        elif kind == 3:
            struct.pack_into("<Q", sector, at & ~7, chance.choice(ENDS))
        else:
            target = chance.choice([0, 1, number + 1, chance.randrange(SIZE // SECTOR)])
            changed[target % (SIZE // SECTOR)] = bytearray(sector)
    if chance.random() < 0.7:
        mend(sectors, changed)
    return {number: bytes(sector) for number, sector in changed.items()}


def mend(sectors: Sectors, changed: dict[int, bytearray]) -> None:
    """Make the checksums right, so that the damage is read and not the checksum's."""

    def current(number: int) -> bytearray:
        return changed.get(number) or bytearray(sectors.get(number, bytes(SECTOR)))

    for number in [*{*sectors, *changed}]:
        header = current(number)
        if header[:8] == b"EFI PART":
            first, count, size = struct.unpack_from("<QII", header, 72)
            if count * size <= 1 << 16 and first < SIZE // SECTOR:
                blocks = -(-count * size // SECTOR)
                entries = b"".join(bytes(current(first + at)) for at in range(blocks))
                struct.pack_into("<I", header, 88, zlib.crc32(entries[: count * size]))
            struct.pack_into("<I", header, 16, 0)
            length = min(max(struct.unpack_from("<I", header, 12)[0], 20), SECTOR)
            struct.pack_into("<I", header, 16, zlib.crc32(bytes(header[:length])))
            changed[number] = header
        elif header[508:510] == b"\xda\xbe":
            header[510:] = bytes(2)
            total = 0
            for (word,) in struct.iter_unpack(">H", header):
                total ^= word
            struct.pack_into(">H", header, 510, total)
            changed[number] = header


def planned(request: partition_maps.Request, host: Host) -> tuple[Plan, str]:
    """Return what is to be done, and the message if that is refused."""
    try:
        return partition_maps.operations(request, host), ""
    except DeviceMapperError as refused:
        return (), str(refused)


def outcome(table: PartitionTable, chance: random.Random) -> str:
    """Return what the module makes of a table; AssertionError for what it must not do."""
    size = chance.choice([SIZE // SECTOR, SIZE // SECTOR, SIZE // SECTOR // 2])
    device = DeviceNumber(253, 0)
    parent = Parent("data", "data", "mpath-36", device, size, partition_table=table)
    extended = chance.choice(["map", "skip"])
    options = {**DEFAULTS["partition_maps"], "device": "data", "extended": extended}
    request = partition_maps.parse(options)
    host = whole(parents=(parent,))
    steps, message = planned(request, host)
    assert message.isprintable(), repr(message)
    if message:
        return "refused"
    loads = [step for step in steps if isinstance(step, Load)]
    for step in loads:
        (segment,) = step.table
        assert isinstance(segment.target, Linear)
        assert segment.target.device == device
        assert segment.start == 0 <= segment.target.offset
        assert segment.length > 0
        assert segment.target.offset + segment.length <= size
    names = [step.name for step in loads]
    assert len({*names}) == len(names)
    assert not partition_maps.operations(request, foresee(steps, host))
    return "mapped" if loads else "nothing"


def read(path: Path) -> PartitionTable | None:
    """Return the table; None if libblkid, or what holds it to the MBR, turns it down."""
    try:
        return LibBlkid().partition_table(str(path), None, 60)
    except DeviceMapperError:
        return None


def run(folder: Path, cases: int, seed: int) -> Counter[str]:
    """Return how often each outcome came."""
    found: Counter[str] = Counter()
    chance = random.Random(seed)
    images = tables(folder)
    names = sorted(images)
    for case in range(cases):
        path, sectors = images[names[case % len(names)]]
        changes = damaged(sectors, chance)
        descriptor = os.open(path, os.O_WRONLY)
        try:
            for number, sector in changes.items():
                os.pwrite(descriptor, sector, number * SECTOR)
            table = read(path)
            found[outcome(table, chance) if table else "not read"] += 1
        except BaseException:
            path.rename(folder / f"violation-{case}")
            raise
        finally:
            for number in changes:
                os.pwrite(descriptor, sectors.get(number, bytes(SECTOR)), number * SECTOR)
            os.close(descriptor)
    return found
