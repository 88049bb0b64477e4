# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to PERSISTENT RESERVE IN, and what a path can know by them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.san.device_mapper.plugins.module_utils._values.reservation import (
    Nexus,
    Registration,
    Reservation,
    parse_full_status,
    parse_keys,
    parse_reservation,
)

HBA, OTHER = "0x2100000e1e000001", "0x2100000e1e000002"
FC = bytes(8) + bytes.fromhex(HBA[2:]) + bytes(8)
SAS = b"\x06\0\0\0" + bytes.fromhex("500605b000000001") + bytes(12)
ISCSI = b"\x05\0\0\x10iqn.Example:me\0\0"
SESSION = b"\x45\0\0\x24iqn.example:me,i,0x00023d000001\0\0\0\0\0"


def answer(content: bytes) -> bytes:
    return b"\0\0\0\x07" + len(content).to_bytes(4, "big") + content + bytes(40)


def descriptor(transport: bytes, port: int = 1, flags: int = 0) -> bytes:
    head = (0xABC).to_bytes(8, "big") + bytes(4) + bytes((flags, 5)) + bytes(4)
    return head + port.to_bytes(2, "big") + len(transport).to_bytes(4, "big") + transport


def test_keys_and_the_reservation() -> None:
    keys = answer((0xABC).to_bytes(8, "big") * 2 + (1).to_bytes(8, "big"))
    assert parse_keys(keys) == ("0xabc", "0xabc", "0x1")
    assert parse_keys(answer(b"")) == ()
    reserved = answer((0xABC).to_bytes(8, "big") + bytes(5) + b"\x05\0\0")
    assert parse_reservation(reserved) == (5, "0xabc")
    assert parse_reservation(answer(b"")) == (0, "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (descriptor(FC), [Registration("0xabc", False, HBA, 1)]),
        (descriptor(SAS, flags=1), [Registration("0xabc", True, "0x500605b000000001", 1)]),
        (descriptor(ISCSI, flags=2), [Registration("0xabc", False, "iqn.example:me", None)]),
        (descriptor(SESSION, 258), [Registration("0xabc", False, "iqn.example:me", 258)]),
        (descriptor(b"\x0f\0\0\0"), [Registration("0xabc", False, "", 1)]),
        (descriptor(b""), [Registration("0xabc", False, "", 1)]),
        (descriptor(FC[:12]), [Registration("0xabc", False, "", 1)]),
        (descriptor(FC) + descriptor(FC, 2)[:20], [Registration("0xabc", False, HBA, 1)]),
        (b"", []),
    ],
)
def test_the_full_status(content: bytes, expected: list[Registration]) -> None:
    assert [*parse_full_status(answer(content))] == expected


@given(st.binary(max_size=200))
def test_any_answer_is_read(content: bytes) -> None:
    """Storage may say what it likes, and each key is printable."""
    for given_answer in (content, answer(content)):
        keys = [*parse_keys(given_answer), parse_reservation(given_answer)[1]]
        keys += [each.key for each in parse_full_status(given_answer)]
        assert all(key.isprintable() for key in keys)


def at(initiator: str, port: int | None, holds: bool = False) -> Registration:
    return Registration("0xabc", holds, initiator, port)


@pytest.mark.parametrize(
    ("own", "registrations", "expected"),
    [
        (Nexus(HBA, 1), [at(HBA, 1)], True),
        (Nexus(HBA, 1), [at(OTHER, 1), at(HBA, 1)], True),
        (Nexus(HBA, 1), [at("", 1), at(HBA, 1)], True),
        (Nexus(HBA, 1), [at(HBA, None)], True),
        (Nexus(HBA, 1), [at(HBA, 2), at(OTHER, 1)], False),
        (Nexus(HBA, 1), [at(HBA, 2), at("", 1)], None),
        (Nexus(HBA, 1), [at("", 2)], False),
        # The host's port has no name in sysfs.
        (Nexus("", 1), [at(HBA, 1)], None),
        (Nexus("", 1), [at(HBA, None)], None),
        (Nexus("", 1), [at(HBA, 2)], False),
        # The storage does not number its ports.
        (Nexus(HBA), [at(OTHER, 1)], False),
        (Nexus(HBA), [at(HBA, 1)], None),
        (Nexus(HBA), [at(HBA, None)], True),
        (Nexus(), [at(HBA, 1)], None),
        # It does not list them either.
        (Nexus(HBA, 1), None, None),
    ],
)
def test_whether_a_path_is_registered(
    own: Nexus, registrations: list[Registration] | None, expected: bool | None
) -> None:
    found = None if registrations is None else tuple(registrations)
    told = Reservation(own, 5, "0xabc", ("0xabc",), found)
    assert told.registered is expected
    assert told.shuts_out is (None if expected is None else not expected)
    assert Reservation(own, 0, "", ("0xabc",), found).shuts_out is False
    assert Reservation(own, 5, "0xabc", (), None).registered is False


@pytest.mark.parametrize(("kind", "expected"), [(1, True), (3, True), (5, False), (8, False)])
def test_some_reservations_are_of_their_holder_alone(kind: int, expected: bool) -> None:
    registrations = (at(HBA, 1), at(OTHER, 1, holds=True))
    told = Reservation(Nexus(HBA, 1), kind, "0xabc", ("0xabc", "0xabc"), registrations)
    assert told.registered
    assert told.shuts_out is expected
    holder = Reservation(Nexus(OTHER, 1), kind, "0xabc", ("0xabc", "0xabc"), registrations)
    assert holder.shuts_out is False
    assert Reservation(Nexus(HBA, 1), kind, "0xabc", ("0xabc",)).shuts_out is None


def test_types_have_names() -> None:
    assert Reservation(Nexus(), 6).type == "exclusive_access_registrants_only"
    assert Reservation(Nexus(), 15).type == "type 15"
    assert Reservation(Nexus()).type == ""
    assert [kind for kind in range(16) if Reservation(Nexus(), kind).lets_read] == [1, 5, 7]
