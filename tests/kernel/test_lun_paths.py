# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that come, grow and go, on the booted host."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterator

import pytest

from .conftest import WWIDS, Host

ALL = {"luns": [{"wwid": wwid} for wwid in WWIDS], "min_paths": 4}


@pytest.fixture
def san(host: Host) -> Iterator[Host]:
    """Return the booted host, and bring back all its paths afterwards."""
    yield host
    host.applied("lun_paths", **ALL)


def address(host: Host, disk: str) -> str:
    """Return host:channel:target:lun of a disk."""
    return host.run("realpath", f"/sys/block/{disk}/device").strip().rpartition("/")[2]


def delete(host: Host, *disks: str) -> None:
    """Delete disks as somebody else would."""
    for disk in disks:
        host.shell(f"echo 1 > /sys/block/{disk}/device/delete")
    host.run("udevadm", "settle")


def test_missing_paths_are_scanned_back(san: Host) -> None:
    """A scan brings them, udev knows them when the task ends, and a second task is quiet."""
    disks = san.disks(0)
    addresses = [address(san, disk) for disk in disks]
    assert not san.applied("lun_paths", **ALL)["changed"]
    delete(san, *disks[1:3])
    checked = san.applied("lun_paths", check_mode=True, wwid=WWIDS[0], min_paths=4)
    assert len(checked["luns"][0]["paths"]) == 2
    done = san.applied("lun_paths", wwid=WWIDS[0], min_paths=4)
    links = [f"/dev/disk/by-path/{path.by_path}" for path in san.lab.paths(0)]
    found = [link for path in done["luns"][0]["paths"] for link in path["links"]]
    assert sorted(found) == sorted(links)
    assert sorted(path["address"] for path in done["luns"][0]["paths"]) == addresses
    assert checked["plan"] == done["plan"]
    assert done["plan"][0] == "echo '- - -' > /sys/class/scsi_host/host0/scan"
    assert len(done["added"]) == 2
    assert not san.applied("lun_paths", wwid=WWIDS[0], min_paths=4)["changed"]


def test_only_the_stated_hosts_are_scanned_and_what_is_missing_is_said(san: Host) -> None:
    """One path on each of two SCSI hosts is missing; the scan of one of them brings one."""
    disks = san.disks(1)
    number = address(san, disks[0]).partition(":")[0]
    delete(san, disks[0], disks[3])
    answer = san.module("lun_paths", wwid=WWIDS[1], min_paths=4, hosts=[number], timeout=10)
    for words in (
        f"wwid: {WWIDS[1]}: 3 paths are there",
        disks[1],
        f"fewer than min_paths (4), after 10 seconds and a scan of host{number}.",
    ):
        assert words in answer["msg"]
    assert "host99" in san.refused("lun_paths", wwid=WWIDS[1], hosts=["host99"])


def test_a_lun_that_no_host_has(san: Host) -> None:
    """All hosts are scanned, and the task ends after its timeout."""
    answer = san.module("lun_paths", wwid="3600", timeout=1)
    assert "wwid: 3600: 0 paths are there (none), fewer than min_paths (1)" in answer["msg"]


def test_a_stale_size_is_found_without_a_change_and_made_right(san: Host) -> None:
    """The disk is asked, the kernel's size is compared, and only what differs is rescanned."""
    with san.debug_lun("add_host=2") as lun:
        names = [path["name"] for path in lun["paths"]]
        options = {"wwid": lun["wwid"], "min_paths": 2}
        assert not san.applied("lun_paths", **options)["changed"]
        # scsi_debug's size is one for all; the second host is rescanned after it has grown.
        san.shell("echo 1 > /sys/bus/pseudo/drivers/scsi_debug/virtual_gb")
        san.shell(f"echo 1 > /sys/block/{names[1]}/device/rescan")
        san.shell(f"echo offline > /sys/block/{names[1]}/device/state")
        checked = san.applied("lun_paths", check_mode=True, **options)
        assert checked["plan"] == [f"echo 1 > /sys/class/block/{names[0]}/device/rescan"]
        assert san.run("cat", f"/sys/block/{names[0]}/size").strip() != str(1 << 21)
        done = san.applied("lun_paths", **options)
        assert (done["plan"], done["diff"]) == (checked["plan"], checked["diff"])
        assert done["luns"][0]["size"] == 1 << 30
        assert not san.applied("lun_paths", **options)["changed"]


def test_unused_paths_are_deleted_for_good(san: Host) -> None:
    """Nothing of them is left in /sys, /dev or udev; an offline path goes like the others."""
    disks = san.disks(0)
    san.shell(f"echo offline > /sys/block/{disks[1]}/device/state")
    started = time.monotonic()
    absent: dict[str, t.Any] = {"wwid": WWIDS[0], "state": "absent"}
    checked = san.applied("lun_paths", check_mode=True, **absent)
    assert san.disks(0) == disks
    done = san.applied("lun_paths", **absent)
    left = san.shell(
        f"cd /dev; ls -d {' '.join(disks)} disk/by-id/*{WWIDS[0][1:]}* || true; cd /sys/block;"
        f" ls -d {' '.join(disks)} || true; ls /sys/class/scsi_device"
    )
    assert time.monotonic() - started < 60
    assert left.split() == sorted(address(san, disk) for disk in san.disks(1))
    assert [checked[key] for key in ("plan", "diff")] == [done[key] for key in ("plan", "diff")]
    assert sorted(done["removed"]) == sorted(disks)
    assert not san.applied("lun_paths", **absent)["changed"]


NVME = """
modprobe nvme_core multipath={native}
modprobe -a nvme-tcp nvmet-tcp
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
cd /sys/kernel/config/nvmet
truncate -s 64M /run/namespace
mkdir -p subsystems/lab/namespaces/1
echo 1 > subsystems/lab/attr_allow_any_host
echo 1 > subsystems/lab/namespaces/1/buffered_io
printf /run/namespace > subsystems/lab/namespaces/1/device_path
echo 1 > subsystems/lab/namespaces/1/enable
for port in 4420 4421; do
    mkdir ports/$port
    echo tcp > ports/$port/addr_trtype
    echo ipv4 > ports/$port/addr_adrfam
    echo 127.0.0.1 > ports/$port/addr_traddr
    echo $port > ports/$port/addr_trsvcid
    ln -s $PWD/subsystems/lab ports/$port/subsystems/lab
    echo nqn=lab,transport=tcp,traddr=127.0.0.1,trsvcid=$port > /dev/nvme-fabrics
done
"""
NO_NVME = """
for controller in /sys/class/nvme/nvme*/delete_controller; do echo 1 > $controller; done
cd /sys/kernel/config/nvmet
rm -f ports/*/subsystems/lab
rmdir ports/* subsystems/lab/namespaces/1 subsystems/lab
rm /run/namespace
"""


@pytest.mark.parametrize(
    ("native", "nodes"), [("N", ["/dev/nvme0n1", "/dev/nvme1n1"]), ("Y", ["/dev/nvme0n1"])]
)
def test_namespaces_are_paths_where_the_kernel_does_not_join_them(
    host: Host, native: str, nodes: list[str]
) -> None:
    """They are counted and looked for, and cannot be deleted; joined ones are no paths at all."""
    host.shell(NVME.format(native=native))
    try:
        host.lab.wait_for_nodes(*nodes)
        wwid = host.run("cat", "/sys/block/nvme0n1/wwid").strip()
        (subsystem,) = host.applied("device_mapper_info")["nvme"]
        assert [each["state"] for each in subsystem["controllers"]] == ["live", "live"]
        assert len(subsystem["namespaces"]) == (native == "Y")
        if native == "Y":
            assert "this one is nvme0n1" in host.refused("lun_paths", wwid=wwid)
            return
        answer = host.applied("lun_paths", wwid=wwid, min_paths=2)
        assert not answer["changed"]
        assert [each["name"] for each in answer["luns"][0]["paths"]] == ["nvme0n1", "nvme1n1"]
        answer = host.module("lun_paths", wwid=wwid, min_paths=3, timeout=1)
        assert "and a scan of nvme0, nvme1" in answer["msg"]
        message = host.refused("lun_paths", wwid=wwid, state="absent")
        assert "nvme0n1 is not a SCSI disk" in message
    finally:
        host.shell(NO_NVME)
        host.lab.unload("nvme-tcp", "nvmet-tcp", "nvmet", "nvme-fabrics", "nvme-core")


def test_paths_in_use_are_not_deleted(san: Host) -> None:
    """A map, a mounted partition, a mount elsewhere, a process: named, and nothing is deleted."""
    disks = san.disks(0) + san.disks(1)
    both = {"luns": [{"wwid": wwid} for wwid in WWIDS], "state": "absent"}

    def refusal() -> str:
        message = san.refused("lun_paths", **both)
        assert san.disks(0) + san.disks(1) == disks
        assert message.startswith(f"wwid: {WWIDS[1]}: its paths are in use: ")
        return message

    san.applied("multipath_map", name="log", wwid=WWIDS[1])
    assert f"{disks[4]}, {disks[5]}" in refusal()
    assert "held by the map log" in refusal()
    san.applied("multipath_map", name="log", wwid=WWIDS[1], state="absent")
    disk = disks[6]
    san.run("sfdisk", "-q", f"/dev/{disk}", input=",\n")
    san.shell(f"udevadm settle; mkfs.ext4 -q /dev/{disk}1; mkdir -p /mnt/test")
    with san.opened(f"/dev/{disk}1"):
        assert f"{disk} open in process" in refusal()
    elsewhere = f"mount /dev/{disk}1 /mnt/test && echo $$ > /run/opener && exec sleep 600"
    san.shell(f"rm /run/opener; unshare -m sh -c '{elsewhere}' > /dev/null 2>&1 &")
    san.shell("until test -s /run/opener; do sleep 0.1; done")
    assert f"{disk} claimed, perhaps by a mount in another mount namespace" in refusal()
    san.end_opener()
