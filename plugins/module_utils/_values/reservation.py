# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Persistent reservations of a LUN (SPC-4, 5.13), and whether one shuts a path out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Iterator

TYPES = {
    1: "write_exclusive",
    3: "exclusive_access",
    5: "write_exclusive_registrants_only",
    6: "exclusive_access_registrants_only",
    7: "write_exclusive_all_registrants",
    8: "exclusive_access_all_registrants",
}
_OF_THE_HOLDER = (1, 3)
"""The types of which a registration alone is not enough."""
_WRITES_ONLY = (1, 5, 7)

_HEADER = 8
_FULL_STATUS = 24
"""Bytes of a descriptor of READ FULL STATUS before its TransportID (SPC-4, 6.15.5)."""
_FIBRE_CHANNEL, _ISCSI, _SAS = 0, 5, 6
"""The protocols of TransportIDs (SPC-4, 7.6.4)."""


@dataclass(frozen=True)
class Nexus:
    """Where a path begins and ends, as far as the host knows.

    `initiator` is the port of the host by its transport: its WWPN, SAS address or iSCSI name, in
    lower case; empty if there is none in sysfs. `target_port` is the number of the storage's port
    by SCSI page 0x83.
    """

    initiator: str = ""
    target_port: int | None = None


@dataclass(frozen=True)
class Registration:
    """A nexus with its key, and whether it holds the reservation; for `target_port` see Nexus.

    That is None if the initiator is registered at all ports of the target.
    """

    key: str
    holds: bool
    initiator: str
    target_port: int | None


@dataclass(frozen=True)
class Reservation:
    """What a LUN says of its reservation when it is asked through a path, whose `nexus` this is.

    `kind` is the number of its type, 0 if there is none, and `holder` the key that it was made
    with, which is 0 where all registrants hold it. `keys` are those of all nexuses, one for each.
    `registrations` is None where the LUN does not say which nexuses these are.
    """

    nexus: Nexus
    kind: int = 0
    holder: str = ""
    keys: tuple[str, ...] = ()
    registrations: tuple[Registration, ...] | None = None

    @property
    def type(self) -> str:
        """Return the name of the type; empty if there is no reservation."""
        return TYPES.get(self.kind, f"type {self.kind}") if self.kind else ""

    @property
    def registered(self) -> bool | None:
        """Whether the nexus is registered; None if that cannot be told."""
        return self._is_among(self.registrations)

    @property
    def shuts_out(self) -> bool | None:
        """Whether the storage rejects writes through the path; None if that cannot be told.

        Registered is enough for most types; for two the nexus has to be the holder.
        """
        if not self.kind:
            return False
        registrations = self.registrations
        if registrations is not None and self.kind in _OF_THE_HOLDER:
            registrations = tuple(each for each in registrations if each.holds)
        allowed = self._is_among(registrations)
        return None if allowed is None else not allowed

    @property
    def lets_read(self) -> bool:
        """Whether everyone may read, also a nexus that is shut out."""
        return self.kind in _WRITES_ONLY

    def _is_among(self, registrations: tuple[Registration, ...] | None) -> bool | None:
        """Return whether one of the registrations is of the nexus.

        Where there is none at the target's port, that is certain whatever the host's is called.
        """
        if not self.keys:
            return False
        if registrations is None:
            return None
        own = self.nexus
        here = [
            each
            for each in registrations
            if own.target_port is None or each.target_port in (None, own.target_port)
        ]
        if not own.initiator:
            return None if here else False
        mine = [each for each in here if each.initiator == own.initiator]
        if mine:
            known = own.target_port is not None or any(each.target_port is None for each in mine)
            return True if known else None
        return False if all(each.initiator for each in here) else None


def parse_keys(answer: bytes) -> tuple[str, ...]:
    """Return the keys by the answer to READ KEYS."""
    content = _content(answer)
    return tuple(_key(content[at : at + 8]) for at in range(0, len(content) - 7, 8))


def parse_reservation(answer: bytes) -> tuple[int, str]:
    """Return type and key by the answer to READ RESERVATION; 0 and empty if there is none."""
    content = _content(answer)
    return (content[13] & 0x0F, _key(content[0:8])) if len(content) >= 16 else (0, "")


def parse_full_status(answer: bytes) -> tuple[Registration, ...]:
    """Return the registrations by the answer to READ FULL STATUS."""
    return tuple(_registrations(_content(answer)))


def _registrations(content: bytes) -> Iterator[Registration]:
    at = 0
    while at + _FULL_STATUS <= len(content):
        head = content[at : at + _FULL_STATUS]
        end = at + _FULL_STATUS + int.from_bytes(head[20:24], "big")
        port = None if head[12] & 2 else int.from_bytes(head[18:20], "big")
        initiator = _initiator(content[at + _FULL_STATUS : end])
        yield Registration(_key(head[0:8]), bool(head[12] & 1), initiator, port)
        at = end


def _initiator(transport_id: bytes) -> str:
    """Return what a TransportID calls the port of a host; empty for a protocol not known here.

    iSCSI: its name, without the session that may follow: sysfs does not show the own session's.
    """
    protocol = transport_id[0] & 0x0F if transport_id else -1
    if protocol == _FIBRE_CHANNEL and len(transport_id) >= 16:
        return f"0x{transport_id[8:16].hex()}"
    if protocol == _SAS and len(transport_id) >= 12:
        return f"0x{transport_id[4:12].hex()}"
    if protocol == _ISCSI:
        length = int.from_bytes(transport_id[2:4], "big")
        name = transport_id[4 : 4 + length].split(b"\0")[0].decode("ascii", "replace")
        return name.partition(",i,0x")[0].lower()
    return ""


def _key(number: bytes) -> str:
    return f"0x{int.from_bytes(number, 'big'):x}"


def _content(answer: bytes) -> bytes:
    """Return what follows the header, in its length; READ KEYS and the others have the same."""
    return answer[_HEADER : _HEADER + int.from_bytes(answer[4:8], "big")]
