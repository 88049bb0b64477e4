# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Partition tables, and the devices that have them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from .device import DeviceNumber


class Partition(t.NamedTuple):
    """An entry of a partition table; `start` and `sectors` in units of 512 bytes.

    `kind` is the type as the table has it (`0x83`, a GUID), `name` the GPT's label (hostile
    input), `uuid` the PARTUUID. `extended` is the container of an MBR's logical partitions,
    `logical` what lies in one, `nested` an entry of a table within a partition (BSD slices).
    """

    number: int
    start: int
    sectors: int
    kind: str = ""
    name: str = ""
    uuid: str = ""
    extended: bool = False
    logical: bool = False
    nested: bool = False

    @property
    def end(self) -> int:
        """The first sector after the partition."""
        return self.start + self.sectors


@dataclass(frozen=True)
class PartitionTable:
    """What libblkid finds on a device; `kind` is empty where there is no partition table.

    `problem` says why it could not be read, where that does not end a task. `content` is what the
    whole device holds instead, by libblkid's name. `ignored` are the partitions that do not count,
    though another reader sees them: those of a table that is left over, or the kernel's.
    """

    kind: str = ""
    partitions: tuple[Partition, ...] = ()
    logical_sector: int = 512
    problem: str = ""
    content: str = ""
    ignored: tuple[Partition, ...] = ()

    def mapped_sectors(self, partition: Partition) -> int:
        """Return the length of the partition's map in sectors of 512 bytes.

        kpartx maps an extended container for boot loaders only: two sectors, or one of the device's
        own if that is larger (kpartx/dos.c).
        """
        return max(2, self.logical_sector // 512) if partition.extended else partition.sectors


@dataclass(frozen=True)
class Parent:
    """A device whose partition maps a task states, as `stated` there.

    `uuid` is what the uuids of its partition maps end in. `image` is the regular file that was
    stated; `device` then is the loop device that shows it, or, where it is not `attached`, the one
    that would, with sectors of `logical_sector` bytes. A loop device with `autoclear` goes with its
    last user.
    """

    stated: str
    name: str
    uuid: str
    device: DeviceNumber
    sectors: int
    read_only: bool = False
    partition_table: PartitionTable = PartitionTable()
    image: str = ""
    attached: bool = True
    autoclear: bool = False
    logical_sector: int = 512


class ImageFile(t.NamedTuple):
    """A regular file with a disk image: its real path, its size in sectors of 512 bytes.

    `packed` is the format in which it holds the disk, `qcow2` or `xz`; empty if it is the disk.
    `sector` is the size in bytes of the disk's sectors where its partition table shows it, else 0.
    """

    path: str
    sectors: int
    read_only: bool
    packed: str = ""
    sector: int = 0


class LoopDevice(t.NamedTuple):
    """A loop device that shows a whole file; with `autoclear` it goes with its last user."""

    device: DeviceNumber
    autoclear: bool
