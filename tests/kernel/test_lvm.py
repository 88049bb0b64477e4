# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LVM on LUNs, with the devices file that RHEL 9 has by default."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import WWIDS, Host

LOCAL, FILE = "/etc/lvm/lvmlocal.conf", "/etc/lvm/devices/system.devices"


@pytest.fixture
def listing(host: Host) -> Iterator[Host]:
    """Return the host whose LVM uses its devices file; LVM has one since 2.03.12."""
    if not host.run("lvmconfig", "--type", "default", "devices/use_devicesfile", check=False):
        pytest.skip("this LVM has no devices file")
    host.shell(f"cp {LOCAL} /run/lvmlocal.conf; rm -f {FILE}")
    host.run("tee", "-a", LOCAL, input="devices {\nuse_devicesfile = 1\n}\n")
    yield host
    host.shell(f"vgchange -qq -an; cp /run/lvmlocal.conf {LOCAL}; rm -rf /etc/lvm/devices")


def summary(host: Host) -> list[str]:
    answer = host.applied("udev_info", hide_paths=False, links=False)
    found: list[str] = answer["summary"]
    return found


def test_a_map_whose_paths_lvm_lists_is_named(listing: Host) -> None:
    """LVM does not find the volume group until it is told of the map."""
    host, disk = listing, listing.disks(0)[0]
    host.shell(
        f"pvcreate -qqy /dev/{disk}; vgcreate -qqy group /dev/{disk};"
        " lvcreate -qqy -n volume -L 8M group; vgchange -qq -an group"
    )
    assert "IDTYPE=sys_wwid" in host.run("cat", FILE)
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.run("udevadm", "settle")
    assert host.run("vgs", "--noheadings", "-o", "vg_name").split() == []
    assert summary(host) == ["data: LVM devices file: expected the map, found its paths"]
