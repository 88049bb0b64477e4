# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LVM's devices file, as LVM 2.03.16 writes it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system import lvm
from ansible_collections.san.device_mapper.plugins.module_utils._system.lvm import Lvm
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber

SDA, SDB, NVME = DeviceNumber(8, 0), DeviceNumber(8, 16), DeviceNumber(259, 1)
FILE = """\
# LVM uses devices listed in this file.
# Created by LVM command pvcreate pid 1 at Mon Nov 30 19:00:00 2026
VERSION=1.1.1
IDTYPE=sys_wwid IDNAME=naa.5525400000000001 DEVNAME=/dev/sdz PVID=x PART=1
IDTYPE=wwid_eui IDNAME=eui.0025 DEVNAME=/dev/nvme0n1 PVID=y
IDTYPE=mpath_uuid IDNAME=mpath-35525400000000002 DEVNAME=/dev/mapper/log PVID=z
IDTYPE=devname IDNAME=/dev/vdb DEVNAME=/dev/vdb PVID=.
"""


@pytest.fixture
def host(tmp_path: Path) -> Lvm:
    """Return LVM of a host with three disks, and a devices file."""
    for number, wwid in ((SDA, "device/wwid"), (SDB, "device/wwid"), (NVME, "wwid")):
        path = tmp_path / str(number) / wwid
        path.parent.mkdir(parents=True)
        path.write_text(
            "eui.0025\n" if number == NVME else f"naa.552540000000000{1 + (number == SDB)}\n"
        )
    (tmp_path / "system.devices").write_text(FILE)
    found = Lvm()
    found.lvm_devices_file, found.numbers = str(tmp_path / "system.devices"), str(tmp_path)
    return found


@pytest.mark.parametrize(
    ("said", "listed"),
    [("use_devicesfile=1\n", {SDA, NVME}), ("use_devicesfile=0\n", set()), ("", set())],
)
def test_disks_are_listed_by_their_wwid(
    host: Lvm, monkeypatch: pytest.MonkeyPatch, said: str, listed: set[DeviceNumber]
) -> None:
    def run(*argv: str, timeout: float) -> subprocess.CompletedProcess[str]:
        assert (argv[0], argv[-1], timeout) == ("lvmconfig", "devices/use_devicesfile", 7)
        return subprocess.CompletedProcess(argv, 0, said, "")

    monkeypatch.setattr(lvm, "run", run)
    assert host.listed_by_lvm([SDA, SDB, NVME], 7) == listed


def test_a_host_without_lvm_or_without_the_file_lists_none(
    host: Lvm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_argv: str, timeout: float) -> subprocess.CompletedProcess[str]:
        raise FileNotFoundError

    monkeypatch.setattr(lvm, "run", run)
    assert host.listed_by_lvm([SDA], 7) == frozenset()
    host.lvm_devices_file = "/nowhere"
    monkeypatch.setattr(lvm, "run", None)
    assert host.listed_by_lvm([SDA], 7) == frozenset()
