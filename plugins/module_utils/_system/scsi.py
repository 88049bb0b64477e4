# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What SCSI says of a path, read from its device's own directory in sysfs; sends no command.

libmultipath (discovery.c, prioritizers/alua_rtpg.c) takes the same facts for its policies.
"""

from __future__ import annotations

import glob
import re

from .._values.disk import Transport
from .attribute import content, line

_TARGET_PORT_GROUP = 5
"""The type of the designator that names a target port group (SPC-4, 7.8.6.9)."""


def hardware_handler(directory: str) -> str:
    """Return the hardware handler that is attached to the device; empty if none is."""
    name = line(f"{directory}/dh_state")
    return "" if name == "detached" else name


def serial(directory: str) -> str:
    """Return the unit's serial number (VPD page 0x80, NVMe: the controller's); empty if unknown."""
    return _page(f"{directory}/vpd_pg80").decode("ascii", "replace").strip("\0 ") or line(
        f"{directory}/serial"
    )


def target_port_group(directory: str) -> int | None:
    """Return the target port group by VPD page 0x83; None if the device names none."""
    page = _page(f"{directory}/vpd_pg83")
    start = 0
    while start + 4 <= len(page):
        end = start + 4 + page[start + 3]
        designator = page[start + 4 : end]
        if page[start + 1] & 0x0F == _TARGET_PORT_GROUP and len(designator) >= 4:
            return int.from_bytes(designator[2:4], "big")
        start = end
    return None


def target_node_name(directory: str, classes: str = "/sys/class") -> str:
    """Return the name of the storage's node or port; empty if its transport has none.

    A SAS address, the node name of a remote port of Fibre Channel, the name of an iSCSI target, or
    the port of an ATA device (libmultipath's sysfs_get_tgt_nodename).
    """
    for part in reversed(directory.split("/")):
        found = ""
        if part.startswith("end_device-"):
            found = line(f"{directory}/sas_address")
        elif part.startswith("rport-"):
            found = line(f"{classes}/fc_remote_ports/{part}/node_name")
        elif re.fullmatch("session[0-9]+", part):
            found = line(f"{classes}/iscsi_session/{part}/targetname")
        elif re.fullmatch("ata[0-9]+", part):
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
