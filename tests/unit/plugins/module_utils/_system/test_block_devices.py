# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from unit.sysfs import Sysfs

from ansible_collections.san.device_mapper.plugins.module_utils._system import block_devices
from ansible_collections.san.device_mapper.plugins.module_utils._system.block_devices import (
    BlockDevices,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use

MOUNTS = """\
25 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw
90 25 0:45 / /home/u/a\x0c\u2028\r\x1c\x85b rw,nosuid - fuse.sshfs u@host: rw
91 25 253:7 / /srv/with\\040space\\012line rw - ext4 /dev/mapper/none rw
"""
SDA, SDA1, SDA2 = DeviceNumber(8, 0), DeviceNumber(8, 1), DeviceNumber(8, 2)
DATA = DeviceNumber(252, 0)


class Named(BlockDevices):
    """The block devices of a made-up /sys, with these mounts and this swap."""

    def __init__(self, mounted: dict[DeviceNumber, list[str]], swapped: set[DeviceNumber]) -> None:
        self.mounted = mounted
        self.swapped = swapped

    def mounts(self) -> dict[DeviceNumber, list[str]]:
        return self.mounted

    def swaps(self) -> set[DeviceNumber]:
        return self.swapped


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sysfs:
    """Return a /sys in which sda has two partitions; a map lies on the second."""
    monkeypatch.setattr(block_devices, "BLOCK", str(tmp_path / "class/block"))
    names = {SDA: "sda", SDA1: "sda1", SDA2: "sda2", DATA: "dm-0"}
    monkeypatch.setattr(block_devices, "kernel_name", lambda number: names.get(number, ""))
    found = Sysfs(tmp_path)
    found.disk("sda", "8:0", "0:0:0:0")
    found.add(
        "pci0/host0/target0:0:0/0:0:0:0/block/sda/sda1", "8:1", partition="1", start="64", size="8"
    )
    two = found.add("pci0/host0/target0:0:0/0:0:0:0/block/sda/sda2", "8:2", partition="2")
    data = found.add("virtual/block/dm-0", "252:0", size="64", ro="1")
    (data / "dm").mkdir()
    (data / "dm/name").write_text("data\n")
    (data / "dm/uuid").write_text("mpath-3600\n")
    (data / "slaves").mkdir()
    (data / "slaves/sda2").symlink_to("../../sda2")
    (two / "holders/dm-0").symlink_to("../../dm-0")
    return found


@pytest.mark.usefixtures("sysfs")
def test_what_uses_a_partition_uses_its_disk() -> None:
    uses = Named({SDA1: ["/srv"]}, set()).uses()
    assert [use.words() for use in uses[SDA1]] == ["its partition sda1 is mounted at /srv"]
    assert uses[SDA] == (
        Use("mount", "/srv", partition="sda1"),
        Use("map", "data", DATA, "mpath-3600", partition="sda2"),
    )
    assert DATA not in uses


@pytest.mark.parametrize(
    ("holder", "name", "uuid", "use"),
    [
        ("dm-0", "data", "", Use("map", "data", DATA, partition="sda2")),
        ("dm-0", "vg-lv", "LVM-x", Use("lvm", "vg-lv", DATA, "LVM-x", partition="sda2")),
        ("md127", "", "", Use("md", "md127", DeviceNumber(9, 127), partition="sda2")),
        ("bcache0", "", "", Use("device", "bcache0", DeviceNumber(251, 0), partition="sda2")),
    ],
)
def test_what_a_device_on_top_is(sysfs: Sysfs, holder: str, name: str, uuid: str, use: Use) -> None:
    for other, number in (("md127", "9:127"), ("bcache0", "251:0")):
        sysfs.add(f"virtual/block/{other}", number)
    (sysfs.root / "class/block/dm-0/slaves/sda2").unlink()
    slaves = sysfs.root / "class/block" / holder / "slaves"
    slaves.mkdir(exist_ok=True)
    (slaves / "sda2").symlink_to("../../sda2")
    for attribute, value in (("name", name), ("uuid", uuid)):
        (sysfs.root / "class/block/dm-0/dm" / attribute).write_text(f"{value}\n")
    assert Named({}, set()).uses() == {SDA: (use,), SDA2: (use,)}


@pytest.mark.usefixtures("sysfs")
def test_swap_is_a_use() -> None:
    assert Named({}, {SDA1, DATA}).uses() == {
        SDA: (
            Use("swap", partition="sda1"),
            Use("map", "data", DATA, "mpath-3600", partition="sda2"),
        ),
        SDA1: (Use("swap", partition="sda1"),),
        SDA2: (Use("map", "data", DATA, "mpath-3600", partition="sda2"),),
        DATA: (Use("swap"),),
    }


@pytest.mark.usefixtures("sysfs")
def test_a_device_has_its_size_and_mode_its_partitions_and_what_it_lies_on() -> None:
    devices = BlockDevices()
    assert devices.block_device(DATA) == BlockDevice("dm-0", DATA, 64, read_only=True)
    assert devices.partitions_of(SDA) == (SDA1, SDA2)
    assert devices.partitions_of(SDA1) == ()
    assert devices.kernel_partitions(SDA) == ((1, 64, 8),)
    assert devices.layers_below(DATA) == (SDA2, SDA)


@pytest.mark.usefixtures("sysfs")
def test_a_device_that_has_gone_has_nothing() -> None:
    devices, gone = BlockDevices(), DeviceNumber(8, 16)
    assert devices.block_device(gone) is None
    assert devices.partitions_of(gone) == ()
    assert devices.layers_below(gone) == ()
    assert not devices.is_claimed(gone)


def test_a_mount_point_may_have_any_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users may mount by FUSE, at names of their choice; only a newline is escaped for sure."""
    file = tmp_path / "mountinfo"
    file.write_bytes(MOUNTS.encode())
    lines = block_devices.lines
    monkeypatch.setattr(block_devices, "lines", lambda _path: lines(str(file)))
    found = BlockDevices().mounts()
    assert found[DeviceNumber(0, 45)] == ["/home/u/a\x0c\u2028\r\x1c\x85b"]
    assert found[DeviceNumber(253, 7)] == ["/srv/with space\nline"]


def test_the_device_number_says_whose_a_mount_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source's path may lead to another device since; btrfs has nothing but that."""
    lines = (
        "90 25 252:0 / /srv/a rw - ext4 /dev/mapper/a rw",
        "91 25 0:45 / /srv/b rw - btrfs /dev/mapper/a rw",
        "92 25 0:46 / /srv/c rw - fuse.x /mnt/dead/image rw",
    )
    monkeypatch.setattr(block_devices, "lines", lambda _path: list(lines))
    paths = {"/dev/mapper/a": DeviceNumber(252, 7)}
    monkeypatch.setattr(block_devices, "device_number", lambda path: paths[path])
    assert BlockDevices().mounts() == {
        DATA: ["/srv/a"],
        DeviceNumber(252, 7): ["/srv/b"],
        DeviceNumber(0, 46): ["/srv/c"],
    }


def test_the_file_system_of_a_path_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last mount at a point counts, which hides those before."""
    monkeypatch.setattr(
        block_devices, "lines", lambda _path: [*MOUNTS.splitlines()[:1], "91 25 0:50 / /srv/a rw"]
    )
    assert block_devices.mounted_at("/srv/a/b/c") == DeviceNumber(0, 50)
    assert block_devices.mounted_at("/srv/ab") == DeviceNumber(254, 0)
    assert block_devices.mounted_at("nowhere") is None


def test_a_descriptor_is_not_followed_out_of_dev(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file server that is dead does not answer a stat, and the task would wait forever."""
    followed: list[str] = []
    monkeypatch.setattr(block_devices, "device_number", followed.append)
    targets = ("/dev/sda", "/mnt/dead/directory", "socket:[7]", "/dev/shm/fuse/file")
    for number, target in enumerate(targets):
        (tmp_path / str(number)).symlink_to(target)
        block_devices.opened_at(str(tmp_path / str(number)))
    assert block_devices.opened_at(str(tmp_path / "gone")) is None
    assert followed == [str(tmp_path / "0")]


def test_a_loop_device_on_a_device_is_a_use(sysfs: Sysfs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel shows no holder for it, and no process has the device open."""
    for name, number, shown in (("loop0", "7:0", "/dev/sda2"), ("loop1", "7:1", "/srv/image")):
        loop = sysfs.add(f"virtual/block/{name}", number) / "loop"
        loop.mkdir()
        (loop / "backing_file").write_text(f"{shown}\n")
    monkeypatch.setattr(block_devices, "device_number", {"/dev/sda2": SDA2}.__getitem__)
    use = Use("loop", "loop0", DeviceNumber(7, 0), partition="sda2")
    assert use in Named({}, set()).uses()[SDA]
    assert use.words() == "its partition sda2 is shown by the loop device loop0"


@pytest.mark.parametrize(
    ("comm", "exe", "is_of_udev"),
    [
        ("systemd-udevd", "/usr/bin/udevadm", True),
        ("(udev-worker)", "/usr/bin/udevadm (deleted)", True),
        ("systemd-udevd", "/lib/systemd/systemd-udevd", True),
        ("udevadm", "/usr/bin/udevadm", False),
        ("my-udev-helper", "/usr/bin/python3.11", False),
        ("systemd-udevd", "/tmp/python3", False),
    ],
)
def test_a_process_is_udevs_by_its_program(
    monkeypatch: pytest.MonkeyPatch, comm: str, exe: str, is_of_udev: bool
) -> None:
    """And so is what a rule has started; whose name merely contains udev is a user."""
    files = {"comm": comm, "exe": exe}
    parents = {"8": "7", "7": "1"}
    monkeypatch.setattr(block_devices, "descriptors", lambda process: [process])
    monkeypatch.setattr(block_devices, "opened_at", {"7": SDA, "8": SDA}.get)
    monkeypatch.setattr(block_devices, "listed", lambda _directory: ["7", "8", "self"])
    monkeypatch.setattr(
        block_devices,
        "line",
        lambda path: files["comm"] if path.startswith("/proc/7/") else "blkid",
    )
    monkeypatch.setattr(
        os,
        "readlink",
        lambda path: files["exe"] if path.startswith("/proc/7/") else "/sbin/blkid",
    )
    monkeypatch.setattr(
        block_devices,
        "lines",
        lambda path: ["Name:\tx", f"PPid:\t{parents[path.split('/')[2]]}"],
    )
    found = BlockDevices().openers([SDA])
    assert [use.is_udev for use in found[SDA]] == [is_of_udev, is_of_udev]


@pytest.mark.parametrize(
    ("exe", "kind"),
    [
        ("/usr/sbin/multipathd", "multipathd"),
        ("/usr/sbin/multipathd (deleted)", "multipathd"),
        ("/usr/bin/python3", "process"),
    ],
)
def test_the_daemon_is_known_by_its_program(
    monkeypatch: pytest.MonkeyPatch, exe: str, kind: str
) -> None:
    """Each of these processes calls itself multipathd."""
    monkeypatch.setattr(block_devices, "descriptors", lambda process: [process])
    monkeypatch.setattr(block_devices, "opened_at", {"7": SDA}.get)
    monkeypatch.setattr(block_devices, "listed", lambda _directory: ["7"])
    monkeypatch.setattr(block_devices, "line", lambda _path: "multipathd")
    monkeypatch.setattr(block_devices, "lines", lambda _path: ["PPid:\t1"])
    monkeypatch.setattr(os, "readlink", lambda _path: exe)
    (use,) = BlockDevices().openers([SDA])[SDA]
    assert (use.kind, use.words()) == (kind, "open in process 7 (multipathd)")


@pytest.mark.parametrize(
    ("number", "is_claimed"), [(errno.EBUSY, True), (errno.ENOENT, False), (errno.EIO, False)]
)
def test_a_device_that_is_busy_is_claimed(
    monkeypatch: pytest.MonkeyPatch, number: int, is_claimed: bool
) -> None:
    def refused(_name: str, _number: DeviceNumber, flags: int) -> int:
        assert flags == os.O_EXCL
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(block_devices, "opened", refused)
    assert BlockDevices().is_claimed(SDA) == is_claimed


@pytest.mark.parametrize("path", ["", "/dev/null", "/dev/nosuch", "/", "a\0b"])
def test_what_is_no_block_device_has_no_number(path: str) -> None:
    assert BlockDevices().device_at(path) is None
