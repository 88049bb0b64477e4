# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names on the booted host: what systemd does with a mount, and what is in a node's place."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator

import pytest

from .conftest import WWIDS, Host
from .test_partition_maps import partition

POINT = "/mnt/test"
UNIT = "mnt-test.mount"


@pytest.fixture
def mounted(host: Host) -> Iterator[Host]:
    """Return the host with a partition map, whose file system fstab mounts by its node."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    partition(host, "label: gpt\n,64MiB\n")
    host.applied("partition_maps", device="data", delimiter="-part")
    host.shell(
        f"mkfs.ext4 -q /dev/mapper/data-part1; mkdir -p {POINT}; cp /etc/fstab /run/fstab.before;"
        f" echo '/dev/mapper/data-part1 {POINT} ext4 nofail 0 2' >> /etc/fstab; udevadm settle;"
        f" systemctl daemon-reload; systemctl start {UNIT}; echo kept > {POINT}/file"
    )
    try:
        yield host
    finally:
        host.shell(
            f"systemctl stop {UNIT}; mv /run/fstab.before /etc/fstab; systemctl daemon-reload;"
            " systemctl reset-failed",
            check=False,
        )


@contextlib.contextmanager
def in_fstab(host: Host, line: str, unit: str) -> Iterator[None]:
    """Have fstab say so, and systemd have started the unit; nothing of it is left afterwards."""
    host.shell(
        f"mkdir -p {POINT}; cp /etc/fstab /run/fstab.before; echo '{line}' >> /etc/fstab;"
        f" udevadm settle; systemctl daemon-reload; systemctl start {unit}"
    )
    try:
        yield
    finally:
        host.shell(
            f"set +e; swapoff --all; systemctl stop {UNIT} {unit}; mv /run/fstab.before /etc/fstab;"
            " systemctl daemon-reload; systemctl reset-failed",
            check=False,
        )


def device_is_gone(host: Host) -> None:
    """Wait until systemd has no device of the old name: what ends with it has been ended."""
    state = ("systemctl", "is-active", "dev-mapper-data.device")
    host.until(lambda: host.run(*state, check=False).strip() != "active")


def is_active(host: Host, unit: str) -> bool:
    return host.run("systemctl", "is-active", unit, check=False).strip() == "active"


def is_mounted(host: Host) -> bool:
    return host.run("findmnt", "--noheadings", POINT, check=False) != ""


def test_a_rename_that_would_unmount_is_refused(mounted: Host) -> None:
    """By the name of the map below, and by the delimiter; an option allows it."""
    message = mounted.refused("multipath_map", name="dbdata", wwid=WWIDS[0])
    assert f"systemd stops {UNIT} ({POINT}) with dev-mapper-data\\x2dpart1.device" in message
    assert "set rename_mounted: true" in message
    message = mounted.refused("partition_maps", device="data", delimiter="_p")
    assert f"systemd stops {UNIT} ({POINT})" in message
    mounted.run("udevadm", "settle")
    assert "kept" in mounted.run("cat", f"{POINT}/file")
    assert not mounted.applied("partition_maps", device="data")["changed"]

    task: dict[str, t.Any] = {"name": "dbdata", "wwid": WWIDS[0], "rename_mounted": True}
    checked = mounted.module("multipath_map", check_mode=True, **task)
    answer = mounted.applied("multipath_map", **task)
    assert answer["plan"] == ["rename data-part1 dbdata-part1", "rename data dbdata"]
    assert checked["plan"] == answer["plan"]
    (warning,) = answer["warnings"]
    assert warning.startswith("/etc/fstab:")
    assert "names /dev/mapper/data-part1, which the next boot will not find" in warning
    assert checked["warnings"] == [warning]
    # This is what the refusal is for.
    mounted.until(lambda: not is_mounted(mounted))
    mounted.run("test", "-b", "/dev/mapper/dbdata-part1")


def test_swap_that_systemd_manages_survives_a_rename(host: Host) -> None:
    """Its unit does not stop with the device of the old name."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.shell("mkswap -q /dev/mapper/data")
    unit = "dev-mapper-data.swap"
    with in_fstab(host, "/dev/mapper/data none swap nofail 0 0", unit):
        number = host.applied("device_mapper_info", maps=["data"])["maps"][0]["device"]
        task: dict[str, t.Any] = {"name": "dbdata", "wwid": WWIDS[0]}
        checked = host.module("multipath_map", check_mode=True, **task)
        answer = host.applied("multipath_map", **task)
        assert answer["plan"] == checked["plan"] == ["rename data dbdata"]
        (warning,) = answer["warnings"]
        assert warning == checked["warnings"][0]
        assert "names /dev/mapper/data, which the next boot will not find" in warning
        device_is_gone(host)
        assert f"/dev/dm-{number.partition(':')[2]}" in host.run("cat", "/proc/swaps")


def test_an_automount_is_refused_a_new_name(host: Host) -> None:
    """Mounted or waiting: the next access would look for the old name."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.shell("mkfs.ext4 -q /dev/mapper/data")
    unit = "mnt-test.automount"
    line = (
        f"/dev/mapper/data {POINT} ext4 nofail,x-systemd.automount,x-systemd.device-timeout=5 0 2"
    )
    with in_fstab(host, line, unit):
        host.run("ls", f"{POINT}/lost+found")
        assert is_active(host, UNIT)
        message = host.refused("multipath_map", name="dbdata", wwid=WWIDS[0])
        assert "dev-mapper-data.device" in message
        host.run("systemctl", "stop", UNIT)
        assert is_active(host, unit)
        message = host.refused("multipath_map", name="dbdata", wwid=WWIDS[0])
        assert f"{unit} ({POINT}) with dev-mapper-data.device" in message
        # What the refusal is for, and the way out that it names.
        task: dict[str, t.Any] = {"name": "dbdata", "wwid": WWIDS[0], "rename_mounted": True}
        assert host.module("multipath_map", check_mode=True, **task)["plan"]
        host.run("systemctl", "stop", unit)
        del task["rename_mounted"]
        assert host.applied("multipath_map", **task)["plan"] == ["rename data dbdata"]
        device_is_gone(host)
        assert "lost+found" not in host.run("ls", POINT)


def test_a_mount_without_systemd_survives_a_rename(host: Host) -> None:
    """No unit of it is tied to the device: mount(8), and no line in fstab."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.shell(f"mkfs.ext4 -q /dev/mapper/data; mkdir -p {POINT}; mount /dev/mapper/data {POINT}")
    answer = host.applied("multipath_map", name="dbdata", wwid=WWIDS[0])
    assert answer["plan"] == ["rename data dbdata"]
    assert not answer.get("warnings")
    host.run("udevadm", "settle")
    assert is_mounted(host)


def test_a_name_that_an_initramfs_is_made_with_is_warned_of(host: Host) -> None:
    """By the map that has it, and by a partition map that goes with it."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    partition(host, "label: gpt\n,64MiB\n")
    host.applied("partition_maps", device="data", delimiter="-part")
    files = {
        "/etc/initramfs-tools/conf.d/test-resume": "RESUME=/dev/mapper/data-part1\n",
        "/etc/dracut.conf.d/test.conf": "add_device+=' /dev/mapper/data '\n",
        "/etc/default/grub.d/test.cfg": 'GRUB_CMDLINE_LINUX="root=/dev/mapper/data quiet"\n',
    }
    try:
        for path, text in files.items():
            host.run("mkdir", "-p", path.rpartition("/")[0])
            host.run("tee", path, input=text)
        task = {"name": "dbdata", "wwid": WWIDS[0]}
        warnings = host.applied("multipath_map", check_mode=True, **task)["warnings"]
        assert {each.partition(" names ")[0] for each in warnings} == {
            f"{path}:1" for path in files
        }
        assert host.applied("multipath_map", **task)["warnings"] == warnings
        assert not host.applied("multipath_map", **task).get("warnings")
    finally:
        host.run("rm", *files)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        ("mknod /dev/mapper/data b 1 0", "a block device node (1:0)"),
        ("ln -s /dev/ram0 /dev/mapper/data", "a link to /dev/ram0"),
        ("echo > /dev/mapper/data", "a file"),
    ],
)
def test_what_is_in_the_place_of_a_node_is_refused(host: Host, make: str, found: str) -> None:
    """The next task's mkfs would go to another device."""
    host.shell(make)
    try:
        message = host.refused("multipath_map", name="data", wwid=WWIDS[0], timeout=3)
        assert f"/dev/mapper/data is {found}, and does not lead to a map of this name" in message
    finally:
        host.run("rm", "/dev/mapper/data")
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
