# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What SCSI says of a path, read from its device's own directory in sysfs; sends no command.

libmultipath (discovery.c, prioritizers/alua_rtpg.c) takes the same facts for its policies.
"""

from __future__ import annotations

import glob
import re
import typing as t

from .._values.disk import Transport, udev_text
from .attribute import content, line

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_VENDOR_SPECIFIC, _T10, _EUI, _NAA, _TARGET_PORT, _TARGET_PORT_GROUP, _NAME = 0, 1, 2, 3, 4, 5, 8
"""The types of the designators of VPD page 0x83 (SPC-4, 7.8.6)."""
_ASCII = 2
"""The code set of a designator that is text; the others are bytes."""
_NODE = re.compile(r"end_device-.*|rport-.*|session[0-9]+|ata[0-9]+", re.ASCII)
"""What a transport calls the storage's node or port, in the place of its disk."""


def hardware_handler(directory: str) -> str:
    """Return the hardware handler that is attached to the device; empty if none is."""
    name = line(f"{directory}/dh_state")
    return "" if name == "detached" else name


def serial(directory: str) -> str:
    """Return the unit's serial number (VPD page 0x80, NVMe: the controller's); empty if unknown."""
    return _page(f"{directory}/vpd_pg80").decode("ascii", "replace").strip("\0 ") or line(
        f"{directory}/serial"
    )


def identification(directory: str) -> bytes:
    """Return VPD page 0x83 as the kernel read it last, without its header; empty if unknown."""
    return _page(f"{directory}/vpd_pg83")


def target_port_group(page: bytes) -> int | None:
    """Return the target port group by VPD page 0x83; None if the page names none."""
    return _number_of_port(page, _TARGET_PORT_GROUP)


def target_port(page: bytes) -> int | None:
    """Return the relative number of the target port by VPD page 0x83; None if it has none."""
    return _number_of_port(page, _TARGET_PORT)


def _number_of_port(page: bytes, kind: int) -> int | None:
    for header, designator in _designators(page):
        if header[1] & 0x0F == kind and len(designator) >= 4:
            return int.from_bytes(designator[2:4], "big")
    return None


def page_wwids(page: bytes, directory: str) -> tuple[str, ...]:
    """Return every WWID that udev or multipath could take from VPD page 0x83, the best first.

    Which designator they take, and how they write it, depends on the programs that are installed:
    systemd's scsi_id (scsi_serial.c id_search_list), the rules of sg3-utils
    (55-scsi-sg3_id.rules), libmultipath (discovery.c parse_vpd_pg83). An ATA disk has none here:
    udev names it by its model (ata_id), which is not in the page in this form.
    """
    if not page:
        return ()
    vendor = line(f"{directory}/vendor")
    if vendor == "ATA":
        return ()
    if page[2:3].strip(b"\0"):
        # Older than SPC-3, without designators (scsi_serial.c check_fill_0x83_prespc3).
        return (f"3{page.hex()}",)

    def product() -> str:
        return f"{vendor:8.8}{line(f'{directory}/model'):16.16}"

    found = [
        each for header, value in _designators(page) for each in _names(header, value, product)
    ]
    return tuple(dict.fromkeys(name for _rank, name in sorted(found, key=lambda each: each[0])))


def _names(
    header: bytes, designator: bytes, product: Callable[[], str]
) -> Iterator[tuple[int, str]]:
    """Yield the WWIDs that a designator of the logical unit may give, each with its rank."""
    kind = header[1] & 0x0F
    if header[1] & 0x30 or not designator:  # Of a port, or of the whole storage.
        return
    text = udev_text(designator.decode("ascii", "replace").rstrip("\0"))
    digits = text.lower() if header[0] & 0x0F == _ASCII else designator.hex()
    if not digits:
        return
    if kind == _NAA:
        yield {"6": 0, "5": 1, "2": 1}.get(digits[0], 2), f"3{digits}"
    elif kind == _EUI:
        yield 3, f"2{digits}"
    elif kind == _NAME:
        prefix = {"naa.": "3", "eui.": "2"}.get(text[:4].lower())
        if prefix:
            yield 4, prefix + text[4:].lower()
        yield 5, f"8{text}"
    elif kind == _T10:
        yield 6, f"1{text}"
        yield 7, f"1{digits}"
    elif kind == _VENDOR_SPECIFIC:
        yield 8, f"0{udev_text(product() + text)}"
        yield 9, f"0{udev_text(product())}{digits}"


def _designators(page: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the header and the content of each designator; an incomplete one is cut short."""
    start = 0
    while start + 4 <= len(page):
        end = start + 4 + page[start + 3]
        yield page[start : start + 4], page[start + 4 : end]
        start = end


def target_node_name(directory: str, classes: str = "/sys/class") -> str:
    """Return the name of the storage's node or port; empty if its transport has none.

    A SAS address, the node name of a remote port of Fibre Channel, the name of an iSCSI target, or
    the port of an ATA device (libmultipath's sysfs_get_tgt_nodename).
    """
    for part in filter(_NODE.fullmatch, reversed(directory.split("/"))):
        if part.startswith("end_device-"):
            found = line(f"{directory}/sas_address")
        elif part.startswith("rport-"):
            found = line(f"{classes}/fc_remote_ports/{part}/node_name")
        elif part.startswith("session"):
            found = line(f"{classes}/iscsi_session/{part}/targetname")
        else:
            found = f"ata-{part[3:]}.00"
        if found:
            return found
    return ""


def transport(directory: str, classes: str = "/sys/class") -> Transport:
    """Return what the transport of the SCSI device calls the two ends of the path.

    Fibre Channel: the port names (WWPN) of the remote port and of the HBA, and the name of the
    fabric (Documentation/ABI/testing/sysfs-class-fc_host and the drivers' fc_host). iSCSI: the
    target's name, portal and address; the initiator's name and the address of the connection's own
    end. SAS: the addresses of both. And for any of them, the kernel's name of the target
    (`target0:0:1`).
    """
    target: list[str] = []
    initiator: list[str] = []
    fabric = ""
    for part in directory.split("/"):
        if re.fullmatch("host[0-9]+", part):
            initiator.append(line(f"{classes}/fc_host/{part}/port_name"))
            initiator.append(line(f"{classes}/iscsi_host/{part}/ipaddress"))
            initiator.append(line(f"{classes}/scsi_host/{part}/host_sas_address"))
            fabric = line(f"{classes}/fc_host/{part}/fabric_name")
        elif part.startswith("rport-"):
            target.append(line(f"{classes}/fc_remote_ports/{part}/port_name"))
        elif part.startswith("end_device-"):
            target.append(line(f"{classes}/sas_device/{part}/sas_address"))
        elif re.fullmatch("session[0-9]+", part):
            target.append(line(f"{classes}/iscsi_session/{part}/targetname"))
            initiator.append(line(f"{classes}/iscsi_session/{part}/initiatorname"))
            for connection in glob.glob(f"{classes}/iscsi_connection/connection{part[7:]}:*"):
                target += _portals(connection)
        elif re.fullmatch("target[0-9]+:[0-9]+:[0-9]+", part):
            target.append(part)
    return Transport(_distinct(target), _distinct(initiator), fabric.lower())


def _portals(connection: str) -> list[str]:
    """Return address and portal of an iSCSI connection: as stated, and where it was sent to."""
    found = []
    for prefix in ("persistent_", ""):
        address = line(f"{connection}/{prefix}address")
        port = line(f"{connection}/{prefix}port")
        found += [address, f"[{address}]:{port}" if ":" in address else f"{address}:{port}"]
    return [each for each in found if each and not each.startswith(":")]


def _distinct(found: list[str]) -> tuple[str, ...]:
    """Return the names once each, without those that are empty or stand for none."""
    return tuple(dict.fromkeys(each.lower() for each in found if each and each != "(null)"))


def _page(path: str) -> bytes:
    """Return what a VPD page says after its header of four bytes, which ends in its length."""
    data = content(path)
    return data[4 : 4 + int.from_bytes(data[2:4], "big")]
