# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Persistent reservations, by the command that reads them; nothing is registered or reserved."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from .._values.reservation import (
    Nexus,
    Reservation,
    parse_full_status,
    parse_keys,
    parse_reservation,
)
from .attribute import line, place
from .block_devices import BLOCK
from .disks import answers
from .scsi import identification, target_port
from .scsi_generic import asked

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ...plugin_utils._types import BlockDevice, DeviceNumber

_KEYS, _RESERVATION, _FULL_STATUS = 0, 1, 3
"""Service actions of PERSISTENT RESERVE IN (SPC-4, 6.15)."""
_SHORT, _LONG = 8192, 65528
"""Bytes for an answer: of some hundred nexuses, and all that the command can have."""


class Reservations:
    """The persistent reservations of LUNs."""

    def reservations(self, disks: Iterable[BlockDevice]) -> dict[DeviceNumber, Reservation]:
        """Return the reservations of LUNs as SCSI disks state them; asked as they are their size.

        A disk that does not answer, or whose storage has no such command, is left out.
        """
        return answers(_reservation, [each for each in disks if each.address])


def _reservation(disk: BlockDevice) -> Reservation | None:
    """Return what a disk says; None for nothing, as storage that does not know the command."""
    listed = _asked(disk, _KEYS)
    reserved = _asked(disk, _RESERVATION) if listed else b""
    if not reserved:
        return None
    keys = parse_keys(listed)
    full = _asked(disk, _FULL_STATUS) if keys else b""
    return Reservation(
        nexus(place(f"{place(f'{BLOCK}/{disk.name}')}/device")),
        *parse_reservation(reserved),
        keys,
        parse_full_status(full) if full else None,
    )


def _asked(disk: BlockDevice, action: int) -> bytes:
    """Return a whole answer; empty if there is none."""
    answer = b""
    for length in (_SHORT, _LONG):
        command = bytes((0x5E, action, 0, 0, 0, 0, 0, *length.to_bytes(2, "big"), 0))
        answer = asked(disk, command, length)
        if int.from_bytes(answer[4:8], "big") + 8 <= length:
            break
    return answer if len(answer) >= 8 else b""


def nexus(directory: str, classes: str = "/sys/class") -> Nexus:
    """Return the two ends of the path to a SCSI device, by its directory."""
    return Nexus(_initiator(directory, classes), target_port(identification(directory)))


def _initiator(directory: str, classes: str) -> str:
    """Return what the transport calls the host's port; empty if it has no name there.

    The phys of a SAS port have one address (SPL, 4.1.4).
    """
    names = []
    for part in directory.split("/"):
        if re.fullmatch("host[0-9]+", part):
            names.append(line(f"{classes}/fc_host/{part}/port_name"))
        elif re.fullmatch("session[0-9]+", part):
            names.append(line(f"{classes}/iscsi_session/{part}/initiatorname"))
        elif re.fullmatch("port-[0-9]+:[0-9]+", part):
            port = directory[: directory.index(f"/{part}") + len(part) + 1]
            phys = sorted(map(os.path.basename, glob.glob(f"{port}/phy-*")))
            names += [line(f"{classes}/sas_phy/{each}/sas_address") for each in phys]
    found = {each.lower() for each in names if each and each != "(null)"}
    return found.pop() if len(found) == 1 else ""
