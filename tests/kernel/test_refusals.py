# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and trouble on the booted host: one clear message, and nothing has changed."""

from __future__ import annotations

import time
import typing as t

import pytest

from .conftest import UUIDS, WWIDS, Host

Words = tuple[str, ...]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"wwid": "360000000000000000"}, ("wwid: 360000000000000000", WWIDS[0], WWIDS[1])),
        ({"wwid": WWIDS[0], "min_paths": 5}, (f"wwid: {WWIDS[0]}: 4 paths", "min_paths (5)")),
        ({"paths": ["/dev/sdzz"]}, ("paths: /dev/sdzz", "no block device")),
        ({"wwid": WWIDS[0], "paths": ["0:0:0:1"]}, ("paths: 0:0:0:1", WWIDS[1])),
        ({"wwid": WWIDS[0], "name": "a/b"}, ("name: a/b", "'/'")),
        ({"wwid": WWIDS[0], "name": "new\nline"}, ("name: 'new\\nline'", "mangled")),
        ({"wwid": WWIDS[0], "name": "n" * 128}, ("128 characters", "127")),
        ({"wwid": WWIDS[0], "name": "control"}, ("name: control",)),
        ({"wwid": WWIDS[0], "min_paths": 0}, ("min_paths: 0",)),
        ({"wwid": WWIDS[0], "timeout": 0}, ("timeout: 0",)),
    ],
)
def test_bad_options_of_multipath_map(
    host: Host, options: dict[str, t.Any], expected: Words
) -> None:
    """The message names the option, its value, and what was found."""
    message = host.refused("multipath_map", **options)
    for words in expected:
        assert words in message


def test_without_multipath_tools(host: Host) -> None:
    """Nobody would be there to make the map."""
    message = host.refused("multipath_map", name="data", wwid=WWIDS[0], manager="multipathd")
    assert message.startswith("manager: multipathd: multipath-tools is not installed. Install it")


def test_a_map_whose_first_table_was_an_error_target(host: Host) -> None:
    """It is bio-based for ever, which no table shows; wiped multipath maps are request-based."""
    task = {"name": "data", "wwid": WWIDS[0]}
    sectors = host.run("blockdev", "--getsz", f"/dev/{host.disks(0)[0]}").strip()
    host.run("dmsetup", "create", "data", "--uuid", UUIDS[0], "--table", f"0 {sectors} error")
    host.run("udevadm", "settle")
    message = host.refused("multipath_map", **task)
    assert "has a bio-based error table, which no request-based multipath one may follow" in message
    assert "Remove the map first (state: absent, or dmsetup remove)" in message
    host.applied("multipath_map", **task, features={"queue_mode": "bio"})
    host.applied("multipath_map", wwid=WWIDS[0], state="absent")

    host.applied("multipath_map", **task)
    host.run("dmsetup", "wipe_table", "data")
    message = host.refused("multipath_map", **task, features={"queue_mode": "bio"})
    assert "has a request-based error table, which no bio-based multipath one may" in message
    assert host.applied("multipath_map", **task)["changed"]
    assert not host.applied("multipath_map", **task)["changed"]


def only(device: str) -> str:
    """Return the option that lets LVM see no other device, for it would find what is on it on each
    path. `--devices` would do it, but LVM has that only since 2.03.12.
    """
    return f"""--config 'devices {{ filter = [ "a|^{device}$|", "r|.*|" ] }}'"""


def test_paths_in_use(host: Host) -> None:
    """A mounted path, one that LVM holds, one in md, one in another map: named, with the user."""
    disk = host.disks(0)[2]
    host.shell(f"mkfs.ext4 -q /dev/{disk}; mkdir -p /mnt/test; mount /dev/{disk} /mnt/test")
    message = host.refused("multipath_map", name="data", wwid=WWIDS[0])
    assert f"path {disk} " in message
    assert "mounted at /mnt/test" in message
    host.clean()

    host.shell(
        f"pvcreate -qqy /dev/{disk}; vgcreate -qqy {only(f'/dev/{disk}')} group /dev/{disk};"
        f" lvcreate -qqy {only(f'/dev/{disk}')} -n volume -L 8M group"
    )
    message = host.refused("multipath_map", name="data", wwid=WWIDS[0])
    assert "LVM volume group-volume" in message
    host.clean()

    host.shell(
        f"mdadm --create /dev/md7 --quiet --run --level=1 --raid-devices=2 /dev/{disk} missing"
    )
    message = host.refused("multipath_map", name="data", wwid=WWIDS[0])
    assert "md array md7" in message
    host.shell("mdadm --stop --quiet /dev/md7")
    host.clean()

    host.run("dmsetup", "create", "other", "--uuid", "mpath-other", "--table",
             f"0 524288 multipath 0 0 1 1 service-time 0 1 0 {host.number(disk)}")  # fmt: skip
    message = host.refused("multipath_map", name="data", wwid=WWIDS[0])
    assert "the map other (uuid mpath-other)" in message


def test_paths_of_two_sizes(host: Host) -> None:
    """A path whose size the kernel has not learnt yet; the message says which."""
    with host.debug_lun("add_host=2") as lun:
        # scsi_debug's size is one for all; the second host is rescanned after it has grown.
        host.shell("echo 1 > /sys/bus/pseudo/drivers/scsi_debug/virtual_gb")
        host.shell(f"echo 1 > /sys/block/{lun['paths'][1]['name']}/device/rescan")
        message = host.refused("multipath_map", wwid=lun["wwid"])
        assert "do not have one size" in message
        assert lun["paths"][0]["name"] in message


def test_a_name_that_a_foreign_map_has(host: Host) -> None:
    """Both uuids are shown; the foreign map is neither adopted nor touched."""
    number = host.number(host.disks(1)[0])
    host.run(
        "dmsetup", "create", "data", "--uuid", "SOMEBODY-1", "--table", f"0 8 linear {number} 0"
    )
    message = host.refused("multipath_map", name="data", wwid=WWIDS[0])
    assert "SOMEBODY-1" in message
    assert UUIDS[0] in message
    assert "SOMEBODY-1" in host.refused("multipath_map", name="data", state="absent")


def test_removing_a_map_in_use(host: Host) -> None:
    """Mounted itself, a mounted partition, held by LVM, open in a process: each is named."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", "/dev/mapper/data", input=",\n")
    host.applied("partition_maps", device="data", delimiter="-part")
    host.shell(
        "mkfs.ext4 -q /dev/mapper/data-part1; mkdir -p /mnt/test;"
        " mount /dev/mapper/data-part1 /mnt/test"
    )
    for message in (
        host.refused("multipath_map", name="data", state="absent"),
        host.refused("partition_maps", device="data", state="absent"),
    ):
        assert "mounted at /mnt/test" in message
    host.shell("umount /mnt/test; mkswap /dev/mapper/data-part1; swapon /dev/mapper/data-part1")
    assert "swap" in host.refused("multipath_map", name="data", state="absent")
    partition = only("/dev/mapper/data-part1")
    host.shell(
        "swapoff -a; pvcreate -qqy /dev/mapper/data-part1;"
        f" vgcreate -qqy {partition} group /dev/mapper/data-part1;"
        f" lvcreate -qqy {partition} -n volume -L 8M group"
    )
    assert "LVM volume group-volume" in host.refused("multipath_map", name="data", state="absent")
    host.shell(f"vgchange -qq -an group {partition}")
    with host.opened("/dev/mapper/data-part1"):
        assert "(sleep)" in host.refused("multipath_map", name="data", state="absent")
    assert host.applied("multipath_map", name="data", state="absent")["changed"]


def test_partition_maps_without_a_table(host: Host) -> None:
    """No partition table: no maps, and those that are left over go."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    empty = host.applied("partition_maps", device="data")
    assert (empty["changed"], empty["maps"]) == (False, [])
    host.run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", "/dev/mapper/data", input=",\n")
    host.applied("partition_maps", device="data")
    host.run("wipefs", "-qaf", "/dev/mapper/data")
    assert host.applied("partition_maps", device="data", state="absent")["changed"]
    assert len(host.table().splitlines()) == 1


def test_a_damaged_partition_table(host: Host) -> None:
    """A protective MBR without a GPT: an error, not an empty result; existing maps stay."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    script = "label: gpt\n,64MiB\n,\n"
    host.run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", "/dev/mapper/data", input=script)
    host.applied("partition_maps", device="data", delimiter="p")
    zero = [
        "dd",
        "if=/dev/zero",
        "of=/dev/mapper/data",
        "bs=512",
        "conv=notrunc,fsync",
        "status=none",
    ]
    host.run(*zero, "seek=1", "count=33")
    assert not host.applied("partition_maps", device="data")["changed"], "the backup GPT is good"
    host.run(*zero, f"seek={524288 - 33}", "count=33")
    assert "damaged" in host.refused("partition_maps", device="data")
    assert "damaged" in host.refused("partition_maps", device="data", partitions=[1])
    assert host.applied("partition_maps", device="data", state="absent")["changed"]


def test_a_map_that_queues_without_a_path_hangs_nobody(host: Host) -> None:
    """Reading is refused, looking works, and so does removal."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0], no_path_retry="queue")
    for disk in host.disks(0):
        host.run("dmsetup", "message", "data", "0", f"fail_path {host.number(disk)}")
    message = host.refused("partition_maps", device="data", timeout=20)
    assert "no active path" in message
    (found,) = host.applied("device_mapper_info")["maps"]
    assert [path["active"] for group in found["path_groups"] for path in group["paths"]] == [
        False
    ] * 4
    assert not host.applied("multipath_map", name="data", wwid=WWIDS[0], no_path_retry="queue")[
        "changed"
    ]
    removed = host.applied("multipath_map", name="data", state="absent")
    assert removed["plan"] == ["message data 0 fail_if_no_path", "remove data"]


def test_a_map_that_could_not_be_removed_queues_again(host: Host) -> None:
    """Somebody opens it at the last moment: his I/O is not failed for ever by the attempt."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0], no_path_retry="queue")
    for disk in host.disks(0):
        host.run("dmsetup", "message", "data", "0", f"fail_path {host.number(disk)}")
    script = "sleep 600 < /dev/mapper/data > /dev/null 2>&1 & echo $! > /run/opener"
    removal: dict[str, t.Any] = {"name": "data", "state": "absent"}
    answer = host.module("multipath_map", at=2, disturb=["sh", "-c", script], **removal)
    try:
        assert "the kernel refused `remove data`" in answer["msg"]
        assert "1 queue_if_no_path" in host.table("data")
    finally:
        host.end_opener()
    assert host.applied("multipath_map", **removal)["changed"]


def test_each_map_that_a_process_has_open_is_in_use(host: Host) -> None:
    """One process may have several."""
    for lun, name in enumerate(("data", "log")):
        host.applied("multipath_map", name=name, wwid=WWIDS[lun])
    with host.opened("/dev/mapper/data", "/dev/mapper/log"):
        for name in ("data", "log"):
            message = host.refused("multipath_map", name=name, state="absent")
            assert f"the map {name} is in use: open in process" in message


def test_a_mount_in_another_namespace_is_a_use(host: Host) -> None:
    """Neither this namespace's mounts nor a process's files show it."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.shell(
        "mkfs.ext4 -q /dev/mapper/data; mkdir -p /mnt/test; unshare --mount sh -c"
        " 'mount /dev/mapper/data /mnt/test; exec sleep 600' > /dev/null 2>&1 &"
        " echo $! > /run/opener;"
        " until grep -q /mnt/test /proc/$!/mountinfo && readlink /proc/$!/exe | grep -q sleep;"
        " do sleep 0.1; done"
    )
    try:
        message = host.refused("multipath_map", name="data", state="absent")
        assert "claimed, perhaps by a mount in another mount namespace" in message
    finally:
        host.end_opener()
    removal: dict[str, t.Any] = {"name": "data", "state": "absent"}
    host.until(lambda: bool(host.module("multipath_map", **removal).get("changed")))


def test_a_suspended_map_hangs_nobody(host: Host) -> None:
    """Reading a map that somebody has suspended is refused."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.run("dmsetup", "suspend", "data")
    assert "suspended" in host.refused("partition_maps", device="data")


def test_a_read_that_nobody_answers_is_given_up(host: Host) -> None:
    """All paths are gone, and nobody has noticed: the kernel queues the read itself."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0], no_path_retry="queue")
    host.run("dmsetup", "create", "data-part1", "--uuid", f"part1-{UUIDS[0]}", "--table",
             "0 8 linear /dev/mapper/data 2048")  # fmt: skip
    host.shell("udevadm settle; echo 3 > /proc/sys/vm/drop_caches")
    for disk in host.disks(0):
        host.shell(f"echo offline > /sys/block/{disk}/device/state")
    assert " F " not in host.run("dmsetup", "status", "--noflush", "data")
    started = time.monotonic()
    message = host.module("partition_maps", device="data", timeout=3)["msg"]
    assert "not been answered within 3 seconds" in message
    assert time.monotonic() - started < 30
    assert "queues and has no active path" in host.refused("partition_maps", device="data")


def test_a_path_is_no_device_for_partition_maps(host: Host) -> None:
    """A single path of a map is refused, with the map's name."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    disk = host.disks(0)[0]
    assert "Specify the map instead: data" in host.refused("partition_maps", device=f"/dev/{disk}")
    message = host.refused("partition_maps", device="nothing")
    assert "no map, block device or image file of this name" in message


def test_without_privileges(host: Host) -> None:
    """Another user than root is told to become root."""
    answer = host.module_under("multipath_map", user="admin", name="data", wwid=WWIDS[0])
    assert answer["failed"]
    assert "become" in answer["msg"]
    dropped = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"]
    answer = host.module_under("multipath_map", *dropped, name="data", wwid=WWIDS[0])
    assert answer["failed"]
    assert "CAP_SYS_ADMIN" in answer["msg"]


def test_without_libdevmapper_or_device_mapper(host: Host) -> None:
    """Hosts without the library or the driver are told what to install or load."""
    without = ["unshare", "--mount", "sh", "-ec"]
    library = (
        'for file in /lib/*/libdevmapper.so.1.02*; do mount --bind /dev/null $file; done; exec "$@"'
    )
    answer = host.module_under("multipath_map", *without, library, "-", name="data", wwid=WWIDS[0])
    assert "install the package libdevmapper1.02.1" in answer["msg"]
    driver = (
        "mount -t tmpfs none /dev/mapper; mount --bind /dev/null /proc/misc;"
        " mount --bind /dev/null /proc/devices;"
        ' exec "$@"'
    )
    answer = host.module_under("multipath_map", *without, driver, "-", name="data", wwid=WWIDS[0])
    assert "no device-mapper" in answer["msg"]


def test_a_table_that_the_kernel_rejects(host: Host) -> None:
    """An exclusive opener that nothing shows: the kernel's words, and no map is left."""
    disk = host.disks(0)[1]
    opener = f"import os, time; os.open('/dev/{disk}', os.O_RDWR | os.O_EXCL); time.sleep(600)"
    host.shell(
        f'python3 -c "{opener}" > /dev/null 2>&1 & echo $! > /run/opener;'
        f" until readlink /proc/$!/fd/* | grep -qx /dev/{disk}; do sleep 0.1; done"
    )
    try:
        answer = host.module("multipath_map", name="data", wwid=WWIDS[0])
        assert answer["failed"]
        assert "busy" in answer["msg"]
        assert "device-mapper: table:" in answer["msg"]
        assert "No devices found" in host.table()
    finally:
        host.end_opener()
