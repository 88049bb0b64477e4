# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of storage, and the ends of a path; a booted host has the command itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system import (
    disks,
    reservations,
)
from ansible_collections.san.device_mapper.plugins.module_utils._system.reservations import (
    Reservations,
    nexus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.reservation import (
    Nexus,
    Registration,
    Reservation,
)

DISK = BlockDevice("sdzzzz", DeviceNumber(8, 0), 8, state="running", address="4095:0:0:0")
PAGE = b"\0\x83\0\x08\x61\x94\0\x04\0\0\x01\x02"
EMPTY = bytes(8)
KEY = bytes(3) + b"\x01\0\0\0\x08" + bytes(7) + b"\x05"
RESERVED = bytes(3) + b"\x01\0\0\0\x10" + bytes(7) + b"\x05" + bytes(5) + b"\x05" + bytes(2)
FULL = (
    bytes(7) + b"\x18" + bytes(7) + b"\x05" + bytes(4) + b"\x01\x05" + bytes(5) + b"\x02" + bytes(4)
)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, {}),
        ({0: KEY}, {}),
        ({0: EMPTY, 1: EMPTY}, {DISK.device: Reservation(Nexus())}),
        (
            {0: KEY, 1: RESERVED},
            {DISK.device: Reservation(Nexus(), 5, "0x5", ("0x5",))},
        ),
        (
            {0: KEY, 1: RESERVED, 3: FULL},
            {
                DISK.device: Reservation(
                    Nexus(), 5, "0x5", ("0x5",), (Registration("0x5", True, "", 2),)
                )
            },
        ),
    ],
)
def test_what_storage_answers(
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[int, bytes],
    expected: dict[DeviceNumber, Reservation],
) -> None:
    """Only commands that read are sent: 5Eh with the service actions 0, 1 and 3."""
    monkeypatch.setattr(disks, "_is_recovering", lambda _address: False)

    def asked(_disk: BlockDevice, command: bytes, length: int) -> bytes:
        assert command[0] == 0x5E
        assert int.from_bytes(command[7:9], "big") == length
        return answers.get(command[1], b"")

    monkeypatch.setattr(reservations, "asked", asked)
    assert Reservations().reservations([DISK]) == expected
    nvme = BlockDevice("nvme0n1", DeviceNumber(259, 0), 8, state="live")
    assert Reservations().reservations([nvme]) == {}


def test_an_answer_that_does_not_fit_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = bytes(4) + (8 * 2000).to_bytes(4, "big") + (bytes(7) + b"\x05") * 2000
    monkeypatch.setattr(reservations, "asked", lambda _disk, _command, length: keys[:length])
    assert reservations._asked(DISK, 0) == keys


@pytest.mark.parametrize(
    ("place", "initiator"),
    [
        ("host3/rport-3:0-1/target3:0:1/3:0:1:0", "0x2100000e1e000001"),
        ("host4/session2/target4:0:0/4:0:0:1", "iqn.2026-11.example:host"),
        ("host5/port-5:0/end_device-5:0/target5:0:0/5:0:0:0", "0x500605b000000001"),
        ("host5/port-5:0/expander-5:0/port-5:0:3/end_device-5:0:3/5:0:3:0", "0x500605b000000001"),
        ("host5/port-5:1/end_device-5:1/target5:0:1/5:0:1:0", ""),
        ("virtio0/host6/target6:0:0/6:0:0:0", ""),
    ],
)
def test_the_ends_of_a_path(tmp_path: Path, place: str, initiator: str) -> None:
    names = {
        "fc_host/host3/port_name": "0x2100000E1E000001",
        "iscsi_session/session2/initiatorname": "iqn.2026-11.example:Host",
        "sas_phy/phy-5:0/sas_address": "0x500605b000000001",
        "sas_phy/phy-5:1/sas_address": "0x500605b000000001",
        "sas_phy/phy-5:2/sas_address": "0x500605b000000002",
        "sas_phy/phy-5:3/sas_address": "0x500605b000000003",
    }
    for name, value in names.items():
        file = tmp_path / "class" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n", "ascii")
    directory = tmp_path / "devices" / place
    directory.mkdir(parents=True)
    (directory / "vpd_pg83").write_bytes(PAGE)
    for phy, port in ((0, 0), (1, 0), (2, 1), (3, 1)):
        (tmp_path / f"devices/host5/port-5:{port}/phy-5:{phy}").mkdir(parents=True, exist_ok=True)
    assert nexus(str(directory), str(tmp_path / "class")) == Nexus(initiator, 0x0102)
    assert nexus("/nowhere") == Nexus()
