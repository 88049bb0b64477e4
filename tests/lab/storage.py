# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SAN behind the lab host: LUNs, and the paths that lead to each of them."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

# The first PCI slot of the HBAs: a fixed one, so that by-path names never depend
# on which other devices the machine has.
FIRST_HBA_SLOT = 0x10


@dataclasses.dataclass(frozen=True)
class ScsiPath:
    """One way from the host to a LUN: through an HBA to a target port."""

    lun: int
    hba: int
    target: int

    def __str__(self) -> str:
        """Return the name that QEMU knows the path by."""
        return f"path-lun{self.lun}-hba{self.hba}-target{self.target}"

    @property
    def by_path(self) -> str:
        """The name in /dev/disk/by-path."""
        slot = FIRST_HBA_SLOT + self.hba
        return f"pci-0000:00:{slot:02x}.0-scsi-0:0:{self.target}:{self.lun}"


def paths(lun: int, hbas: int, targets: int) -> tuple[ScsiPath, ...]:
    """Return all paths to the LUN, in the order in which the host meets them."""
    return tuple(ScsiPath(lun, hba, target) for hba in range(hbas) for target in range(targets))


def naa(lun: int) -> int:
    """Return the LUN's NAA identifier: type 5 (IEEE registered), QEMU's 52:54:00.

    QEMU offers 64 bits only, so there is no type 6 as most arrays have it. Type 3
    (locally assigned) would be more modest, but scsi_id passes over it.
    """
    return 0x5525400_000000001 + lun


def wwid(lun: int) -> str:
    """Return the WWID as multipath and udev's ID_SERIAL have it."""
    return f"3{naa(lun):016x}"


def host_bus_adapter(hba: int) -> dict[str, t.Any]:
    """Return QEMU's device for the HBA.

    It announces paths that come and go. A new size it does not: the host's kernel has to be told to
    look, as with most arrays.
    """
    return {
        "driver": "virtio-scsi-pci",
        "id": f"hba{hba}",
        "param_change": False,
        "addr": f"{FIRST_HBA_SLOT + hba:#x}",
    }


def block_node(path: ScsiPath, backing_file: Path) -> dict[str, t.Any]:
    """Return QEMU's block node for the path.

    Each path has its own, so that one path alone can fail or show another size.
    """
    return {
        "driver": "raw",
        "node-name": str(path),
        "discard": "unmap",
        # All paths share the machine's page cache: a flush to its disk adds nothing.
        "cache": {"no-flush": True},
        "file": {
            "driver": "file",
            "filename": str(backing_file),
            "locking": "off",
            "discard": "unmap",
        },
    }


def failing(path: ScsiPath) -> str:
    """Return the name of the node that lets requests through the path fail."""
    return f"fail-{path}"


def failing_node(path: ScsiPath, kind: str) -> dict[str, t.Any]:
    """Return QEMU's block node on top of the path's in which each request of that kind fails."""
    error = {"event": "none", "iotype": kind, "errno": 5}
    return {
        "driver": "blkdebug",
        "node-name": failing(path),
        "image": str(path),
        "inject-error": [error],
    }


def scsi_disk(path: ScsiPath, is_failing: bool = False) -> dict[str, t.Any]:
    """Return QEMU's SCSI disk for the path."""
    return {
        "driver": "scsi-hd",
        "id": str(path),
        "bus": f"hba{path.hba}.0",
        "channel": 0,
        "scsi-id": path.target,
        "lun": path.lun,
        "drive": failing(path) if is_failing else str(path),
        "wwn": naa(path.lun),
        "serial": f"lab-lun{path.lun}",
        "port_index": 1 + path.target,
        "share-rw": True,
    }
