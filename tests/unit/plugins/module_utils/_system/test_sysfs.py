# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system import sysfs as adapter
from ansible_collections.san.device_mapper.plugins.module_utils._system.libudev import Udev
from ansible_collections.san.device_mapper.plugins.module_utils._system.sysfs import (
    is_still,
    mounts,
    read_block_devices,
    read_uses,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber

MOUNTS = """\
25 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw
90 25 0:45 / /home/u/a\x0c\u2028\r\x1c\x85b rw,nosuid - fuse.sshfs u@host: rw
91 25 253:7 / /srv/with\\040space\\012line rw - ext4 /dev/mapper/none rw
"""


class Database(Udev):
    """udev's answers for these WWIDs; it learns those of `later` when it is waited for."""

    def __init__(self, now: dict[str, str], later: dict[str, str] | None = None) -> None:
        self.known = dict(now)
        self.later = later or {}
        self.reads = 0

    def read(
        self, device: DeviceNumber, names: Sequence[str]
    ) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
        self.reads += 1
        known = str(device) in self.known
        return known, (self.known.get(str(device), ""),), ()

    def settle(self, timeout: float) -> None:
        self.known |= self.later


class Sysfs:
    """A made-up /sys, linked as the kernel links it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "class/block").mkdir(parents=True)

    def add(self, place: str, number: str, device: str = "", **attributes: str) -> Path:
        """Add a block device; `device` is where its link of that name leads to."""
        directory = self.root / "devices" / place
        (directory / "holders").mkdir(parents=True)
        (directory / "dev").write_text(f"{number}\n")
        for name, value in attributes.items():
            (directory / name).write_text(f"{value}\n")
        if device:
            (directory / "device").symlink_to(device)
        up = "../../devices"
        (self.root / "class/block" / directory.name).symlink_to(f"{up}/{place}")
        return directory

    def disk(self, name: str, number: str, address: str, **attributes: str) -> Path:
        """Add a SCSI disk."""
        place = f"pci0/host0/target0:0:0/{address}/block/{name}"
        directory = self.add(place, number, "../../../" + address, size="2048", ro="0")
        for key, value in attributes.items():
            (directory.parents[1] / key).write_text(f"{value}\n")
        return directory


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sysfs:
    monkeypatch.setattr(adapter, "_BLOCK", str(tmp_path / "class/block"))
    return Sysfs(tmp_path)


def test_disks_are_what_could_be_a_path(sysfs: Sysfs) -> None:
    sda = sysfs.disk("sda", "8:0", "0:0:0:0", state="running")
    sysfs.add("pci0/host0/target0:0:0/0:0:0:0/block/sda/sda1", "8:1", partition="1")
    sysfs.add("virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "259:0", "../nvme-subsys0")
    sysfs.add("virtual/block/dm-0", "252:0")
    sysfs.add("virtual/block/zram0", "251:0")
    (sysfs.root / "class/block/sdz").symlink_to("../../devices/gone/block/sdz")
    udev = Database({"8:0": "3600"})
    (found,) = read_block_devices(udev, 1)
    assert (found.name, found.wwid, found.address) == ("sda", "3600", "0:0:0:0")
    assert (found.sectors, found.state, found.read_only) == (2048, "running", False)
    assert udev.reads == 1
    (sda / "device").unlink()
    assert read_block_devices(udev, 1) == ()


def test_a_name_and_an_address_may_be_another_units_by_now(sysfs: Sysfs) -> None:
    page = "\0\x01\0\x04"
    directory = sysfs.disk("sda", "8:0", "0:0:0:3", vpd_pg80=f"{page}AAAA")
    (found,) = read_block_devices(Database({"8:0": "3600"}), 1)
    assert found.serial == "AAAA"
    assert is_still(found)
    assert not is_still(replace(found, name="sdz"))
    assert not is_still(replace(found, address="0:0:0:4"))
    assert not is_still(replace(found, device=DeviceNumber(8, 16)))
    (directory.parents[1] / "vpd_pg80").write_text(f"{page}BBBB")
    assert not is_still(found)


def test_udev_is_waited_for_where_it_does_not_know_a_disk(sysfs: Sysfs) -> None:
    sysfs.disk("sda", "8:0", "0:0:0:0")
    sysfs.disk("sdb", "8:16", "0:0:0:1", wwid="naa.6005")
    udev = Database({"8:0": "3600"}, {"8:16": "3601"})
    assert [each.wwid for each in read_block_devices(udev, 1)] == ["3600", "3601"]
    assert udev.reads == 4
    silent = Database({"8:0": "3600"})
    assert [each.wwid for each in read_block_devices(silent, 1)] == ["3600", "36005"]


def test_what_uses_a_partition_uses_its_disk(sysfs: Sysfs, monkeypatch: pytest.MonkeyPatch) -> None:
    sysfs.disk("sda", "8:0", "0:0:0:0")
    one = sysfs.add("pci0/host0/target0:0:0/0:0:0:0/block/sda/sda1", "8:1", partition="1")
    two = sysfs.add("pci0/host0/target0:0:0/0:0:0:0/block/sda/sda2", "8:2", partition="2")
    data = sysfs.add("virtual/block/dm-0", "252:0")
    (data / "dm").mkdir()
    (data / "dm/name").write_text("data\n")
    (data / "dm/uuid").write_text("mpath-3600\n")
    (two / "holders/dm-0").symlink_to("../../dm-0")
    mounted = {DeviceNumber(8, 1): ["/srv"]}
    monkeypatch.setattr(adapter, "mounts", lambda: mounted)
    monkeypatch.setattr(adapter, "_swaps", dict)
    monkeypatch.setattr(adapter, "kernel_name", lambda number: one.name)
    uses = read_uses()
    assert [use.words for use in uses[DeviceNumber(8, 1)]] == [
        "its partition sda1 is mounted at /srv"
    ]
    assert len(uses[DeviceNumber(8, 0)]) == 2
    assert DeviceNumber(252, 0) not in uses


def test_a_mount_point_may_have_any_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users may mount by FUSE, at names of their choice; only a newline is escaped for sure."""
    file = tmp_path / "mountinfo"
    file.write_bytes(MOUNTS.encode())
    lines = adapter._lines
    monkeypatch.setattr(adapter, "_lines", lambda _path: lines(str(file)))
    found = mounts()
    assert found[DeviceNumber(0, 45)] == ["/home/u/a\x0c\u2028\r\x1c\x85b"]
    assert found[DeviceNumber(253, 7)] == ["/srv/with space\nline"]
