# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The maps of a device's partitions over their life, on the booted host."""

from __future__ import annotations

import pytest

from .conftest import WWIDS, Host

IMAGE = "/var/tmp/image.raw"
SECTOR = "dd if=/dev/mapper/data count=1 status=none | sha256sum"
"""What is in memory of the first sector."""


def partition(host: Host, script: str, device: str = "data") -> None:
    """Write a partition table onto a map."""
    options = ("--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never")
    host.run("sfdisk", *options, f"/dev/mapper/{device}", input=script)


def table(host: Host, name: str) -> list[str]:
    """Return start, length, target, device and offset of a map of one segment."""
    return host.table(name).split()


@pytest.fixture
def data(host: Host) -> Host:
    """Return the host with a map `data` of its first LUN."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    return host


def test_a_mounted_partition_grows_and_is_renamed_in_place(data: Host) -> None:
    """Only its map is loaded anew, under the file system, which then is grown."""
    partition(data, "label: gpt\n,64MiB\n")
    data.applied("partition_maps", device="data", delimiter="-part")
    data.shell(
        "mkfs.ext4 -q /dev/mapper/data-part1; mkdir -p /mnt/test;"
        " mount /dev/mapper/data-part1 /mnt/test; echo kept > /mnt/test/file"
    )
    partition(data, "label: gpt\n,128MiB\n,\n")
    answer = data.applied("partition_maps", device="data")
    assert [words.split("'")[0] for words in answer["plan"]] == [
        "load data-part1 --table ",
        "resume data-part1 --nolockfs",
        "create data-part2 --uuid part2-mpath-35525400000000001 --notable",
        "load data-part2 --table ",
        "resume data-part2 --noflush --nolockfs",
    ]
    assert table(data, "data-part1")[1] == str(128 * 2048)
    data.shell("resize2fs /dev/mapper/data-part1 2> /dev/null; grep kept /mnt/test/file")
    blocks, size = data.run("stat", "--file-system", "--format=%b %S", "/mnt/test").split()
    assert int(blocks) * int(size) > 100 << 20
    renamed = data.applied("partition_maps", device="data", delimiter="p")
    assert renamed["plan"] == ["rename data-part1 datap1", "rename data-part2 datap2"]
    data.shell("echo still > /mnt/test/file; sync; test -b /dev/mapper/datap1")


def test_a_mounted_partition_neither_shrinks_nor_moves_nor_goes(data: Host) -> None:
    """Each is refused with the mount point, before any change."""
    partition(data, "label: gpt\nstart=32768, size=64MiB\n,\n")
    data.applied("partition_maps", device="data", delimiter="-part")
    data.shell(
        "mkfs.ext4 -q /dev/mapper/data-part1; mkdir -p /mnt/test;"
        " mount /dev/mapper/data-part1 /mnt/test"
    )
    for script, words in (
        ("label: gpt\nstart=32768, size=32MiB\n", "moved or shrunk"),
        ("label: gpt\nstart=16384, size=64MiB\n", "moved or shrunk"),
        ("label: gpt\n", "removed"),
    ):
        partition(data, script)
        message = data.refused("partition_maps", device="data")
        assert f"data-part1 would be {words}, and is in use: mounted at /mnt/test" in message
    kept = data.applied("partition_maps", device="data", purge=False)
    assert kept["plan"] == []


def test_an_open_partition_neither_moves_nor_becomes_read_only(data: Host) -> None:
    """A process, such as a virtual machine or a database, may use it without a file system."""
    partition(data, "label: gpt\nstart=32768, size=64MiB\n")
    data.applied("partition_maps", device="data", delimiter="-part")
    with data.opened("/dev/mapper/data-part1"):
        used = "and is in use: open in process"
        message = data.refused("partition_maps", device="data", read_only=True)
        assert f"data-part1 would be made read-only, {used}" in message
        partition(data, "label: gpt\nstart=16384, size=64MiB\n")
        message = data.refused("partition_maps", device="data")
        assert f"data-part1 would be moved or shrunk, {used}" in message
    assert data.applied("partition_maps", device="data")["changed"]


def test_read_only_maps(data: Host) -> None:
    """Stated, or because the device is read-only: its maps refuse writes, and writing is undone."""
    partition(data, "label: gpt\n,64MiB\n")
    made = data.applied("partition_maps", device="data", delimiter="-part", read_only=True)
    assert made["maps"][0]["read_only"]
    assert data.run("blockdev", "--getro", "/dev/mapper/data-part1").strip() == "1"
    assert not data.applied("partition_maps", device="data", read_only=True)["changed"]
    assert data.applied("partition_maps", device="data")["changed"]
    assert data.run("blockdev", "--getro", "/dev/mapper/data-part1").strip() == "0"
    data.applied("partition_maps", device="data", state="absent")
    data.shell(
        "dmsetup create ro --readonly --uuid RO-1 --table"
        ' "0 $(blockdev --getsz /dev/mapper/data) linear /dev/mapper/data 0"'
    )
    made = data.applied("partition_maps", device="ro")
    assert [(each["name"], each["read_only"]) for each in made["maps"]] == [("ro1", True)]
    assert not data.applied("partition_maps", device="ro")["changed"]


def test_a_disk_image_gets_a_loop_device_and_loses_it(host: Host) -> None:
    """Attached once, found again, and detached with the last map; an admin's own is kept."""
    host.shell(f"truncate -s 64M {IMAGE}")
    try:
        host.run("sfdisk", "--quiet", IMAGE, input="label: gpt\n,16MiB\n,\n")
        checked = host.applied("partition_maps", device=IMAGE, check_mode=True)
        made = host.applied("partition_maps", device=IMAGE)
        assert made["plan"] == checked["plan"]
        assert made["plan"][0] == f"losetup /dev/loop0 {IMAGE}"
        assert [each["name"] for each in made["maps"]] == ["loop0p1", "loop0p2"]
        assert made["maps"][0]["uuid"] == "part1-devnode_7:0_Wh5pYvM"
        again = host.applied("partition_maps", device=IMAGE)
        assert (again["changed"], again["maps"]) == (False, made["maps"])
        host.shell("mkfs.ext4 -q /dev/mapper/loop0p1; mkdir -p /mnt/test")
        host.run("mount", "/dev/mapper/loop0p1", "/mnt/test")
        assert "mounted at /mnt/test" in host.refused(
            "partition_maps", device=IMAGE, state="absent"
        )
        host.run("umount", "/mnt/test")
        gone = host.applied("partition_maps", device=IMAGE, state="absent")
        assert gone["plan"][-1] == "losetup --detach /dev/loop0"
        assert IMAGE not in host.run("losetup", "--list")
        assert not host.applied("partition_maps", device=IMAGE, state="absent")["changed"]
        host.run("losetup", "/dev/loop5", IMAGE)
        made = host.applied("partition_maps", device=IMAGE)
        assert [each["name"] for each in made["maps"]] == ["loop5p1", "loop5p2"]
        host.run("rm", IMAGE)
        gone = host.applied("partition_maps", device=IMAGE, state="absent")
        assert gone["plan"][-1] == "losetup --detach /dev/loop5"
    finally:
        host.clean()
        host.run("rm", "-f", IMAGE)


def test_a_device_that_vanishes_in_the_middle(data: Host) -> None:
    """The message says what was done; nothing is suspended, and no map without a table is left."""
    partition(data, "label: gpt\n,64MiB\n,\n")
    data.shell(
        "dmsetup create gone --uuid GONE-1 --table"
        ' "0 $(blockdev --getsz /dev/mapper/data) linear /dev/mapper/data 0"'
    )
    # The fifth request is for the second map's table.
    disturb = ["dmsetup", "remove", "--retry", "gone1", "gone"]
    answer = data.module("partition_maps", device="gone", at=5, disturb=disturb)
    assert answer.get("failed"), answer
    assert "Done before it: create gone1 " in answer["msg"]
    assert "Not done: load gone2 " in answer["msg"]
    assert data.table().split(":")[0] == "data"
    assert data.suspended() == []


def test_a_table_that_another_node_has_changed_is_seen(data: Host) -> None:
    """Though the map of a partition holds the device open, and with it the old sector in memory."""
    partition(data, "label: dos\nstart=2048, size=64MiB\n")
    data.applied("partition_maps", device="data", delimiter="-part")
    # The other node writes past this one's cache of the map: by a path, without a cache.
    (path, *_others) = data.disks(0)
    old = data.shell(SECTOR)
    data.shell(
        f"truncate --size=$(blockdev --getsize64 /dev/mapper/data) {IMAGE};"
        " printf 'label: dos\\nstart=2048, size=64MiB\\nstart=204800, size=32MiB\\n' |"
        f" sfdisk --quiet {IMAGE};"
        f" dd if={IMAGE} of=/dev/{path} bs=4096 count=1 oflag=direct conv=notrunc status=none;"
        f" rm {IMAGE}"
    )
    assert data.shell(SECTOR) == old
    answer = data.applied("partition_maps", device="data", delimiter="-part")
    assert [each["name"] for each in answer["maps"]] == ["data-part1", "data-part2"]
    assert answer["changed"]
