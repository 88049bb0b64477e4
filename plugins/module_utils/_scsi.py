# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What SCSI says of a path, read from the directory of its device in sysfs; sends no command.

libmultipath (discovery.c, prioritizers/alua_rtpg.c) takes the same facts for its policies.
"""

from __future__ import annotations

import contextlib
import os
import re

_TARGET_PORT_GROUP = 5
"""The type of the designator that names a target port group (SPC-4, 7.8.6.9)."""


def hardware_handler(directory: str) -> str:
    """Return the hardware handler that is attached to the device; empty if none is."""
    name = _text(f"{directory}/dh_state")
    return "" if name == "detached" else name


def serial(directory: str) -> str:
    """Return the unit's serial number (VPD page 0x80, NVMe: the controller's); empty if unknown."""
    return _page(f"{directory}/vpd_pg80").decode("ascii", "replace").strip("\0 ") or _text(
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
    for part in reversed(os.path.realpath(directory).split("/")):
        found = ""
        if part.startswith("end_device-"):
            found = _text(f"{directory}/sas_address")
        elif part.startswith("rport-"):
            found = _text(f"{classes}/fc_remote_ports/{part}/node_name")
        elif re.fullmatch("session[0-9]+", part):
            found = _text(f"{classes}/iscsi_session/{part}/targetname")
        elif re.fullmatch("ata[0-9]+", part):
            found = f"ata-{part[3:]}.00"
        if found:
            return found
    return ""


def _page(path: str) -> bytes:
    """Return what a VPD page says after its header of four bytes, which ends in its length."""
    data = _bytes(path)
    return data[4 : 4 + int.from_bytes(data[2:4], "big")]


def _text(path: str) -> str:
    return _bytes(path).decode("utf-8", "replace").strip()


def _bytes(path: str) -> bytes:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read()
    return b""
