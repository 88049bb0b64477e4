# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.san.device_mapper.plugins.module_utils._system.scsi import (
    hardware_handler,
    identification,
    page_wwids,
    serial,
    target_node_name,
    target_port_group,
    transport,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import Transport

NAA = b"\x01\x03\x00\x08\x60\x00\x00\x00\x00\x00\x00\x01"
RELATIVE_PORT = b"\x61\x94\x00\x04\x00\x00\x00\x02"
PORT_GROUP = b"\x61\x95\x00\x04\x00\x00\x01\x02"


def page(number: int, content: bytes, surplus: bytes = b"") -> bytes:
    return bytes((0, number)) + len(content).to_bytes(2, "big") + content + surplus


def device(sysfs: Path, place: str, **attributes: str | bytes) -> str:
    """Make a SCSI device in sysfs, as a directory of files."""
    directory = sysfs / place
    directory.mkdir(parents=True)
    for name, value in attributes.items():
        (directory / name).write_bytes(value.encode() if isinstance(value, str) else value)
    return str(directory)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [({"dh_state": "alua\n"}, "alua"), ({"dh_state": "detached\n"}, ""), ({}, "")],
)
def test_the_attached_handler(tmp_path: Path, attributes: dict[str, str], expected: str) -> None:
    assert hardware_handler(device(tmp_path, "0:0:0:0", **attributes)) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"vpd_pg80": page(0x80, b"  ABC123  ")}, "ABC123"),
        ({"vpd_pg80": page(0x80, b"ABC", b"surplus")}, "ABC"),
        ({"vpd_pg80": page(0x80, b"")}, ""),
        ({"vpd_pg80": b"\x00"}, ""),
        ({"serial": "S4EVNX0R\n"}, "S4EVNX0R"),
        ({}, ""),
    ],
)
def test_the_serial_number(
    tmp_path: Path, attributes: dict[str, str | bytes], expected: str
) -> None:
    assert serial(device(tmp_path, "0:0:0:0", **attributes)) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (NAA + RELATIVE_PORT + PORT_GROUP, 0x0102),
        (PORT_GROUP + b"\x61\x95\x00\x04\x00\x00\x00\x09", 0x0102),
        (NAA + RELATIVE_PORT, None),
        (NAA + PORT_GROUP[:6], None),
        (b"\x61\x95\x00\x02\x00\x00" + NAA, None),
        (b"\x61", None),
        (b"", None),
    ],
)
def test_the_target_port_group(tmp_path: Path, content: bytes, expected: int | None) -> None:
    path = device(tmp_path, "0:0:0:0", vpd_pg83=page(0x83, content))
    assert target_port_group(identification(path)) == expected


def test_a_device_without_pages_has_no_target_port_group(tmp_path: Path) -> None:
    assert identification(device(tmp_path, "0:0:0:0")) == b""
    assert target_port_group(b"") is None


T10 = b"\x02\x01\x00\x1cLinux   scsi_debug      2000"
LOCAL = b"\x01\x03\x00\x08" + bytes.fromhex("33333330000007d0")
EXTENDED = b"\x01\x03\x00\x10" + bytes.fromhex("600140512345678000112233445566aa")
LIO_T10 = b"\x02\x01\x00\x11LIO-ORG one:5123\0"
PORT_NAA = b"\x61\x93\x00\x08" + bytes.fromhex("2222222000000001")
TEXT = b"\x03\x08\x00\x14naa.33333330000007D0"
IQN = b"\x03\x08\x00\x0ciqn.one,0x1\0"
EUI = b"\x01\x02\x00\x08" + bytes.fromhex("0011223344556677")
OWN = b"\x02\x00\x00\x04ab c"


@pytest.mark.parametrize(
    ("content", "vendor", "expected"),
    [
        (
            T10 + LOCAL + PORT_NAA + PORT_GROUP + TEXT,
            "Linux",
            [
                "333333330000007d0",
                "8naa.33333330000007D0",
                "1Linux_scsi_debug_2000",
                "1linux_scsi_debug_2000",
            ],
        ),
        (
            LIO_T10 + LOCAL + EUI + EXTENDED,
            "LIO-ORG",
            [
                "3600140512345678000112233445566aa",
                "333333330000007d0",
                "20011223344556677",
                "1LIO-ORG_one:5123",
                "1lio-org_one:5123",
            ],
        ),
        (IQN, "any", ["8iqn.one_0x1"]),
        (OWN, "QEMU", ["0QEMU_disk_ab_c", "0QEMU_diskab_c"]),
        (EXTENDED, "ATA", []),
        (PORT_NAA, "any", []),
        (LOCAL[:7], "any", ["3333333"]),
        (b"\x60\x06\x01\x60old unit", "any", ["3600601606f6c6420756e6974"]),
        (b"\x01\x03\x00", "any", []),
        (b"\x02\x03\x00\x04\0\0\0\0", "any", []),
        (b"", "any", []),
    ],
)
def test_the_wwids_of_a_page(
    tmp_path: Path, content: bytes, vendor: str, expected: list[str]
) -> None:
    """scsi_debug, the kernel's own target, QEMU: all that a program may take for the WWID."""
    path = device(tmp_path, "0:0:0:0", vpd_pg83=page(0x83, content), vendor=vendor, model="disk")
    assert [*page_wwids(identification(path), path)] == expected


@given(st.binary(max_size=64))
def test_any_page_is_read(content: bytes) -> None:
    """A device may say what it likes; a WWID never has a character that a map cannot take."""
    for wwid in page_wwids(content, "/nowhere"):
        assert re.fullmatch("[01238][0-9A-Za-z#+.:=@_-]*", wwid)


@pytest.mark.parametrize(
    ("place", "attributes", "expected"),
    [
        ("host1/rport-1:0-3/target1:0:3/1:0:3:0", {}, "0x5005076300"),
        ("host2/session4/target2:0:0/2:0:0:1", {}, "iqn.2026-11.example:one"),
        ("host3/port-3:0/end_device-3:0/target3:0:0/3:0:0:0", {"sas_address": "0x5000c5\n"},
         "0x5000c5"),
        ("ata7/host6/target6:0:0/6:0:0:0", {}, "ata-7.00"),
        ("virtio3/host8/target8:0:0/8:0:0:0", {}, ""),
        ("host1/rport-9:0-9/target9:0:9/9:0:9:0", {}, ""),
    ],
)  # fmt: skip
def test_the_node_name_of_the_target(
    tmp_path: Path, place: str, attributes: dict[str, str], expected: str
) -> None:
    device(tmp_path, "class/fc_remote_ports/rport-1:0-3", node_name="0x5005076300\n")
    device(tmp_path, "class/iscsi_session/session4", targetname="iqn.2026-11.example:one\n")
    path = device(tmp_path, f"devices/{place}", **attributes)
    assert target_node_name(path, f"{tmp_path}/class") == expected


FC, ISCSI, SAS = (
    "devices/pci0/host3/rport-3:0-1/target3:0:1/3:0:1:0",
    "devices/platform/host4/session2/target4:0:0/4:0:0:1",
    "devices/pci0/host5/port-5:0/end_device-5:0/target5:0:0/5:0:0:0",
)
CLASSES = {
    "fc_host/host3/port_name": "0x2100000E1E000001",
    "fc_host/host3/fabric_name": "0x1000000533000001",
    "fc_remote_ports/rport-3:0-1/port_name": "0x500a098100000001",
    "fc_remote_ports/rport-3:0-1/node_name": "0x500a098000000000",
    "iscsi_host/host4/ipaddress": "192.0.2.10",
    "iscsi_session/session2/targetname": "iqn.2026-11.example:Array",
    "iscsi_session/session2/initiatorname": "iqn.2026-11.example:host",
    "iscsi_connection/connection2:0/persistent_address": "192.0.2.1",
    "iscsi_connection/connection2:0/persistent_port": "3260",
    "iscsi_connection/connection2:0/address": "2001:db8::1",
    "iscsi_connection/connection2:0/port": "3260",
    "iscsi_connection/connection22:0/address": "192.0.2.99",
    "sas_device/end_device-5:0/sas_address": "0x5000c50000000001",
    "scsi_host/host5/host_sas_address": "0x500605b000000000",
}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (
            FC,
            Transport(
                ("0x500a098100000001", "target3:0:1"),
                ("0x2100000e1e000001",),
                "0x1000000533000001",
            ),
        ),
        (
            ISCSI,
            Transport(
                (
                    "iqn.2026-11.example:array",
                    "192.0.2.1",
                    "192.0.2.1:3260",
                    "2001:db8::1",
                    "[2001:db8::1]:3260",
                    "target4:0:0",
                ),
                ("192.0.2.10", "iqn.2026-11.example:host"),
            ),
        ),
        (SAS, Transport(("0x5000c50000000001", "target5:0:0"), ("0x500605b000000000",))),
        ("devices/virtio0/host0/target0:0:1/0:0:1:0", Transport(("target0:0:1",))),
    ],
)
def test_the_names_of_ports(tmp_path: Path, place: str, expected: Transport) -> None:
    for name, value in CLASSES.items():
        path = tmp_path / "class" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n", "ascii")
    assert transport(device(tmp_path, place), str(tmp_path / "class")) == expected
