# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in use is what the kernel says, on the booted host: users that no process shows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from .conftest import UUIDS, WWIDS, Host
from .test_partition_maps import partition

EXPORT = "/sys/kernel/config/nvmet/subsystems/test"
FUSE = "/run/dead"
SERVER = f"""\
import ctypes, os, struct, subprocess, sys, time
os.makedirs("{FUSE}", exist_ok=True)
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={{device}},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if ctypes.CDLL(None).mount(b"dead", b"{FUSE}", b"fuse", 0, options):
    sys.exit("not mounted")
request = os.read(device, 1 << 17)
_length, _code, unique = struct.unpack_from("<IIQ", request)
_major, _minor, ahead, _flags = struct.unpack_from("<IIII", request, 40)
body = struct.pack("<IIIIHHII", 7, 31, ahead, 0, 12, 9, 65536, 1) + bytes(64 - 28)
os.write(device, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)
open_it = "import os, time; os.open('{FUSE}', os.O_PATH); print('ready', flush=True)"
open_it += "; time.sleep(900)"
subprocess.Popen([sys.executable, "-c", open_it], stdout=open("/run/dead.ready", "w"))
time.sleep(900)
"""


@pytest.fixture
def part(host: Host) -> Host:
    """Return the host with the map `data`, and the map of a partition of it."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    partition(host, "label: gpt\n,64MiB\n")
    host.applied("partition_maps", device="data", delimiter="-part")
    return host


@contextlib.contextmanager
def loop_device(host: Host) -> Iterator[str]:
    """Have a loop device show the partition map."""
    name = host.run("losetup", "--find", "--show", "/dev/mapper/data-part1").strip()
    try:
        yield f"shown by the loop device {name.rpartition('/')[2]}"
    finally:
        host.run("losetup", "--detach", name)


@contextlib.contextmanager
def export(host: Host) -> Iterator[str]:
    """Have the kernel's NVMe target export the partition map."""
    host.shell(
        f"modprobe nvmet; mkdir -p {EXPORT}/namespaces/1; cd {EXPORT}/namespaces/1;"
        " printf /dev/mapper/data-part1 > device_path; echo 1 > enable"
    )
    try:
        yield "open 1 time by something that is not a process"
    finally:
        host.shell(f"echo 0 > {EXPORT}/namespaces/1/enable; rmdir {EXPORT}/namespaces/1 {EXPORT}")
        host.lab.unload("nvmet")


@pytest.mark.parametrize("use", [loop_device, export])
def test_what_no_process_has_open_is_in_use(
    part: Host, use: Callable[[Host], contextlib.AbstractContextManager[str]]
) -> None:
    """A map that it is on is neither moved nor shrunk nor removed, nor is the map below."""
    with use(part) as words:
        gone = {"wwid": WWIDS[0], "state": "absent"}
        assert words in part.refused("multipath_map", **gone)
        assert words in part.refused("partition_maps", device="data", state="absent")
        partition(part, "label: gpt\nstart=4MiB, size=64MiB\n")
        assert words in part.refused("partition_maps", device="data")
        partition(part, "label: gpt\n,32MiB\n")
        message = part.refused("partition_maps", device="data")
        assert f"data-part1 would be moved or shrunk, and is in use: {words}" in message
        partition(part, "label: gpt\n")
        assert words in part.refused("partition_maps", device="data")
    assert len(part.applied("multipath_map", **gone)["plan"]) == 2


def test_a_mount_is_of_the_device_that_the_kernel_says(host: Host) -> None:
    """The map is renamed under it, and another map gets its old name."""
    host.applied("multipath_map", name="a", wwid=WWIDS[0])
    host.shell("mkfs.ext4 -q /dev/mapper/a; mkdir -p /mnt/test; mount /dev/mapper/a /mnt/test")
    maps = [{"name": "b", "wwid": WWIDS[0]}, {"name": "a", "wwid": WWIDS[1]}]
    host.applied("multipath_map", maps=maps)
    found = {each["name"]: each["uses"] for each in host.applied("device_mapper_info")["maps"]}
    assert found == {"a": [], "b": ["mounted at /mnt/test"]}
    host.applied("multipath_map", wwid=WWIDS[1], state="absent")
    message = host.refused("multipath_map", wwid=WWIDS[0], state="absent")
    assert "the map b is in use: mounted at /mnt/test" in message


def test_a_file_server_that_is_dead_stops_no_task(host: Host) -> None:
    """A process has a directory of it open, and another one has the map open."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.run("modprobe", "fuse")
    host.run("tee", "/run/server.py", input=SERVER)
    host.shell(
        "rm -f /run/dead.ready; setsid python3 /run/server.py > /run/dead.log 2>&1 &"
        " echo $! > /run/dead.pid"
    )
    try:
        host.until(lambda: host.shell("cat /run/dead.ready", check=False).startswith("ready"))
        with host.opened("/dev/mapper/data"):
            start = time.monotonic()
            message = host.refused("multipath_map", wwid=WWIDS[0], state="absent", timeout=20)
        assert "(sleep)" in message
        assert time.monotonic() - start < 60
    finally:
        host.shell(f"umount --lazy {FUSE}; kill -- -$(cat /run/dead.pid)", check=False)


def test_udev_is_waited_for(host: Host) -> None:
    """A program that a rule has started has the map open for some seconds, and goes."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    rule = f'ENV{{DM_UUID}}=="{UUIDS[0]}", RUN+="/var/tmp/slow"'
    host.run("mkdir", "-p", "/run/udev/rules.d")
    host.run("tee", "/run/udev/rules.d/99-slow.rules", input=f"{rule}\n")
    script = (
        "#!/bin/sh\nexec < $DEVNAME\ntouch /run/slow.opened\nsleep 8\ntouch /run/slow.closing\n"
    )
    host.run("tee", "/var/tmp/slow", input=script)
    try:
        host.shell(
            "chmod +x /var/tmp/slow; rm -f /run/slow.*; udevadm control --reload;"
            " udevadm trigger /dev/mapper/data"
        )
        host.until(lambda: bool(host.shell("ls /run/slow.opened", check=False)))
        host.shell("test ! -e /run/slow.closing")
        assert host.applied("multipath_map", wwid=WWIDS[0], state="absent")["changed"]
        host.shell("test -e /run/slow.closing")
    finally:
        host.shell("rm /run/udev/rules.d/99-slow.rules /var/tmp/slow; udevadm control --reload")
