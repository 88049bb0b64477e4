# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs no disk: the rest is tested on a booted host."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.sysfs import Sysfs

from ansible_collections.san.device_mapper.plugins.module_utils._system import (
    block_devices,
    disks,
    scsi_generic,
)
from ansible_collections.san.device_mapper.plugins.module_utils._system.block_devices import (
    BlockDevices,
)
from ansible_collections.san.device_mapper.plugins.module_utils._system.disks import Disks
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import KernelError

# No host has these.
GONE = BlockDevice("sdzzzz", DeviceNumber(8, 0), 2048, state="running", address="4095:0:0:0")


class KnownDisks(Disks):
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

    def udev_runs(self) -> bool:
        return False


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sysfs:
    for module in (block_devices, disks):
        monkeypatch.setattr(module, "BLOCK", str(tmp_path / "class/block"))
    monkeypatch.setattr(disks, "DISKS", str(tmp_path / "block"))
    return Sysfs(tmp_path)


def test_disks_are_what_could_be_a_path(sysfs: Sysfs) -> None:
    sda = sysfs.disk("sda", "8:0", "0:0:0:0", state="running")
    sysfs.add("pci0/host0/target0:0:0/0:0:0:0/block/sda/sda1", "8:1", partition="1")
    sysfs.add("virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "259:0", "../nvme-subsys0")
    sysfs.add("virtual/block/dm-0", "252:0")
    sysfs.add("virtual/block/zram0", "251:0")
    (sysfs.root / "block/sdz").symlink_to("../devices/gone/block/sdz")
    system = KnownDisks({"8:0": "3600"})
    (found,) = system.disks(1)
    assert (found.name, found.wwid, found.address) == ("sda", "3600", "0:0:0:0")
    assert (found.sectors, found.state, found.read_only) == (2048, "running", False)
    assert system.reads == 1
    (sda / "device").unlink()
    assert system.disks(1) == ()


def test_a_name_and_an_address_may_be_another_units_by_now(sysfs: Sysfs) -> None:
    page = "\0\x01\0\x04"
    directory = sysfs.disk("sda", "8:0", "0:0:0:3", vpd_pg80=f"{page}AAAA")
    system = KnownDisks({"8:0": "3600"})
    (found,) = system.disks(1)
    assert found.serial == "AAAA"
    others = [
        replace(found, name="sdz"),
        replace(found, address="0:0:0:4"),
        replace(found, device=DeviceNumber(8, 16)),
    ]
    assert system.left_of([found, *others], 0) == (found,)
    (directory.parents[1] / "vpd_pg80").write_text(f"{page}BBBB")
    assert system.left_of([found], 0) == ()


def test_udev_is_waited_for_where_it_does_not_know_a_disk(sysfs: Sysfs) -> None:
    sysfs.disk("sda", "8:0", "0:0:0:0")
    sysfs.disk("sdb", "8:16", "0:0:0:1", wwid="naa.6005")
    system = KnownDisks({"8:0": "3600"}, {"8:16": "3601"})
    assert [each.wwid for each in system.disks(1)] == ["3600", "3601"]
    assert system.reads == 4
    silent = KnownDisks({"8:0": "3600"})
    assert [each.wwid for each in silent.disks(1)] == ["3600", "36005"]


def requests(root: Path, luns: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how often sysfs is asked for the disks and uses of mapped LUNs with four paths each.

    Each path has two partitions of the kernel's, which are no concern of a map's.
    """
    sysfs = Sysfs(root)
    known = {}
    page = "\0\x83\0\x0c\x01\x03\0\x08" + "\x60" * 8
    for lun in range(luns):
        slaves = sysfs.add(f"virtual/block/dm-{lun}", f"252:{lun}") / "slaves"
        for directory in (slaves, slaves.parent / "dm"):
            directory.mkdir()
        (slaves.parent / "dm/name").write_text(f"data{lun}")
        for path in range(4):
            name, number = f"sd{lun}-{path}", f"8:{64 * lun + 16 * path}"
            known[number] = f"3600{lun}"
            vpd = {"vpd_pg80": "\0\x80\0\x04AAAA", "vpd_pg83": page, "vendor": "ACME"}
            disk = sysfs.disk(name, number, f"{path}:0:0:{lun}", access_state="standby", **vpd)
            for part in (1, 2):
                place = disk.relative_to(root / "devices") / f"{name}{part}"
                sysfs.add(str(place), f"259:{lun}", partition=str(part))
            (slaves / name).symlink_to(f"../../{name}")
    asked: list[str] = []

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: str, *rest: Any) -> Any:
            asked.extend([path] * str(path).startswith(str(root)))
            return real(path, *rest)

        return call

    with monkeypatch.context() as patched:
        for module in (block_devices, disks):
            patched.setattr(module, "BLOCK", str(root / "class/block"))
        patched.setattr(disks, "DISKS", str(root / "block"))
        for name in ("open", "listdir", "readlink", "stat"):
            patched.setattr(os, name, counted(getattr(os, name)))
        assert len(KnownDisks(known).disks(1)) == 4 * luns
        assert len(BlockDevices().uses()) >= 4 * luns
    return len(asked)


def test_sysfs_is_asked_the_same_few_questions_of_each_lun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two links and ten attributes of each path; what the kernel says of who uses it besides."""
    few, many = (requests(tmp_path / str(luns), luns, monkeypatch) for luns in (16, 64))
    assert many - few == 48 * (4 * (12 + 2) + 4)


@pytest.mark.parametrize(
    ("request_name", "name", "path"),
    [
        ("scan", "host4095", "/sys/class/scsi_host/host4095/scan"),
        ("scan", "nvme4095", "/sys/class/nvme/nvme4095/rescan_controller"),
        ("rescan", "sdzzzz", "/sys/class/block/sdzzzz/device/rescan"),
        ("rescan", "nvme4095n1", "/sys/class/block/nvme4095n1/device/rescan_controller"),
    ],
)
def test_a_write_that_fails_says_where(request_name: str, name: str, path: str) -> None:
    with pytest.raises(KernelError) as refused:
        getattr(Disks(), request_name)(name)
    assert (refused.value.request, refused.value.name) == (request_name, name)
    assert refused.value.words == f"{path}: No such file or directory"
    assert refused.value.errno == errno.ENOENT


def test_a_size_that_does_not_fit_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a LUN of more than 2 TiB, READ CAPACITY (10) says that (16) has to be asked."""
    monkeypatch.setattr(scsi_generic, "opened", lambda *_disk: os.open("/dev/null", os.O_RDONLY))
    answers = {16: b"", 10: b"\xff" * 4 + (512).to_bytes(4, "big")}
    monkeypatch.setattr(
        scsi_generic, "_answer", lambda _descriptor, command, _length: answers[len(command)]
    )
    assert scsi_generic.reported_sectors(GONE) == 0
    answers[10] = (7).to_bytes(4, "big") + (4096).to_bytes(4, "big")
    assert scsi_generic.reported_sectors(GONE) == 64


def test_an_attribute_that_has_gone_is_not_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where files can be made, as in sysfs where they cannot, it is not there."""
    gone = tmp_path / "rescan"
    monkeypatch.setattr(disks, "rescan_request", lambda _disk: ("1", str(gone)))
    with pytest.raises(KernelError, match="No such file"):
        Disks().rescan("sda")
    assert not gone.exists()


def test_to_delete_what_somebody_else_has_deleted_is_no_error() -> None:
    Disks().delete(GONE)
    assert Disks().left_of([GONE], 60) == ()


def test_what_is_gone_or_does_not_run_is_asked_nothing() -> None:
    offline = BlockDevice("sda", DeviceNumber(8, 0), 8, state="offline")
    assert Disks().reported_sectors([GONE, offline]) == {}
    assert Disks().reported_wwids([GONE, offline]) == {}
    assert scsi_generic.reported_sectors(GONE) == 0
    assert scsi_generic.reported_wwids(GONE) == ()
    assert not BlockDevices().is_claimed(DeviceNumber(4095, 0))


def test_few_disks_are_asked_at_a_time_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two thousand paths may all have died."""
    asked, end = [], threading.Event()

    def question(disk: BlockDevice) -> int:
        asked.append(disk)
        return 1 if disk.device.minor == 3 else end.wait(60) or 2

    monkeypatch.setattr(disks, "_ASKING", 0.2)
    monkeypatch.setattr(scsi_generic, "reported_sectors", question)
    monkeypatch.setattr(disks, "_is_recovering", lambda _address: False)
    paths = [BlockDevice("sda", DeviceNumber(8, n), 8, state="running") for n in range(2000)]
    try:
        assert Disks().reported_sectors(paths) == {DeviceNumber(8, 3): 1}
    finally:
        end.set()
    assert len(asked) <= 9


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/scsi_host/host0", False),
        ("/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host0/scsi_host/host0", False),
        ("/sys/devices/pci0000:00/0000:00:03.0/virtio0/host0/scsi_host/host0", True),
        ("/sys/devices/platform/host0/session1/../scsi_host/host0", True),
        ("/sys/devices/pci0000:00/0000:3b:00.0/host0/scsi_host/host0", True),
        ("", True),
    ],
)
def test_controllers_of_a_san(
    monkeypatch: pytest.MonkeyPatch, directory: str, expected: bool
) -> None:
    monkeypatch.setattr(disks, "place", lambda _link: directory)
    monkeypatch.setattr(Disks, "controllers", lambda _self: ("host0",))
    assert Disks().san_controllers() == (("host0",) if expected else ())


def test_a_wait_ends_with_what_is_there() -> None:
    seen: list[int] = []

    def enough(_disks: object) -> bool:
        seen.append(1)
        return len(seen) == 2

    Disks().disks_once(enough, 60)
    assert len(seen) == 2
    started = time.monotonic()
    Disks().disks_once(lambda _disks: False, 0.01)
    assert time.monotonic() - started < 10
