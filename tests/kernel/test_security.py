# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile input, few privileges and files that others have prepared, on the booted host."""

from __future__ import annotations

import re
import struct
import typing as t
import zlib

import pytest

from .conftest import WWIDS, Host

TRAP = "/run/trap"
NAMES = (
    f"$(touch {TRAP})",
    f"`touch {TRAP}`",
    f"'; touch {TRAP};",
    "../../../etc/passwd",
    'a\nKERNEL=="*"',
    "\x1b[2J\x7f",
    "%s%n{{ 1 }}",
    "\u202eatad 😀",
    "x" * 36,
)
"""Names of partitions; a GPT has room for 36 UTF-16 code units."""
LOCK = "/run/san.device_mapper.lock"
RECORDS = "/etc/san.device_mapper"
CHANGING = (
    "trace=open,openat,creat,truncate,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2,link,"
    "linkat,symlink,symlinkat,unlink,unlinkat,rmdir,chmod,fchmodat,chown,lchown,fchownat"
)
WRITING = re.compile("O_WRONLY|O_RDWR|O_CREAT")
PATH = re.compile(r'(?:(?:AT_FDCWD|[0-9]+)<([^>]*)>, )?"([^"]*)"')
DOCUMENTED = re.compile(
    "/dev/null|/dev/mapper/control|/dev/loop-control|/dev/loop[0-9]+"
    "|/sys/devices/.*/(scan|rescan|uevent)|/sys/class/.*/(scan|rescan|uevent)"
    r"|/run/san\.device_mapper\.(lock|cookie)|/run/\.san\.device_mapper\.new"
    r"|/etc/san\.device_mapper(/.*)?|/etc/(udev/rules\.d|systemd/system)"
    r"/(\.san\.device_mapper\.new|[0-9]*-?san-device-mapper[-@a-z]*\.(rules|service))"
)
PERSISTENT: dict[str, t.Any] = {"name": "data", "wwid": WWIDS[0], "persistent": True}


def gpt(names: tuple[str, ...], sectors: int) -> bytes:
    """Return the first sectors of a disk with partitions of 1 MiB of these names."""
    entries = b"".join(
        struct.pack(
            "<16s16sQQQ72s",
            bytes.fromhex("af3dc60f838472478e793d69d8477de4"),
            bytes([at + 1] * 16),
            2048 * (at + 1),
            2048 * (at + 2) - 1,
            0,
            name.encode("utf-16-le")[:72],
        )
        for at, name in enumerate(names)
    ).ljust(128 * 128, b"\0")

    def header(checksum: int) -> bytes:
        fields = (b"EFI PART", 0x10000, 92, checksum, 0, 1, sectors - 1, 34, sectors - 34)
        rest = (bytes([255] * 16), 2, 128, 128, zlib.crc32(entries))
        return struct.pack("<8sIIIIQQQQ16sQIII", *fields, *rest)

    protective = struct.pack(
        "<446xBBBBBBBBII48xH", 0, 0, 2, 0, 0xEE, 255, 255, 255, 1, sectors - 1, 0xAA55
    )
    whole = header(zlib.crc32(header(0)))
    return protective + whole.ljust(512, b"\0") + entries


def test_hostile_names_on_a_disk_are_words_and_nothing_more(host: Host) -> None:
    """Each map has the plain name that the task gives; nothing on the disk is run or followed."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    script = (
        "import sys; file = open('/dev/mapper/data', 'r+b', 0);"
        " file.write(bytes.fromhex(sys.stdin.read()))"
    )
    size = int(host.run("blockdev", "--getsz", "/dev/mapper/data"))
    host.run("python3", "-c", script, input=gpt(NAMES, size).hex())
    made = host.applied("partition_maps", device="data", delimiter="-part", diff=True)
    assert [each["name"] for each in made["maps"]] == [
        f"data-part{number}" for number in range(1, len(NAMES) + 1)
    ]
    names = [each["partition_name"] for each in made["maps"]]
    assert [names[at] for at in (0, 1, 3, 7, 8)] == [NAMES[at] for at in (0, 1, 3, 7, 8)]
    assert all("/" not in word for words in made["plan"] for word in words.split()[1:2])
    assert not host.applied("partition_maps", device="data", delimiter="-part")["changed"]
    host.applied("device_mapper_info")
    assert host.shell(f"test ! -e {TRAP}; echo none") == "none\n"


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\nb", "$(reboot)", "%s", "é", "x" * 128, "-rf x", "\x1b[2J", "."]
)
def test_a_hostile_name_of_a_map_is_refused(host: Host, name: str) -> None:
    """With one printable message, before any change."""
    message = host.refused("multipath_map", name=name, wwid=WWIDS[0])
    assert message.startswith("name: ")
    assert message.isprintable()


def test_one_capability_is_enough(host: Host) -> None:
    """Root with CAP_SYS_ADMIN alone makes, changes and removes maps, and waits for udev."""
    alone = ["setpriv", "--bounding-set=-all,+sys_admin", "--inh-caps=-all"]
    for module, options in (
        ("multipath_map", {"name": "data", "wwid": WWIDS[0]}),
        ("multipath_map", {"name": "archive", "wwid": WWIDS[0], "no_path_retry": "queue"}),
        ("device_mapper_info", {}),
        ("multipath_path", {"maps": ["archive"], "state": "active"}),
        ("multipath_map", {"wwid": WWIDS[0], "state": "absent"}),
    ):
        answer = host.module_under(module, *alone, **options)
        assert not answer.get("failed"), answer
    assert "No devices found" in host.table()


def test_apparmor_does_not_confine_what_runs_over_ssh(host: Host) -> None:
    """As the page on reliability says of Debian; each start of a module is one of these shells."""
    assert host.run("cat", "/sys/module/apparmor/parameters/enabled") == "Y\n"
    assert host.run("cat", "/proc/self/attr/apparmor/current") == "unconfined\n"


def test_links_and_files_that_others_have_prepared(host: Host) -> None:
    """A link is not followed: neither that of the lock, nor that of the records."""
    victim = "/var/tmp/victim"
    host.shell(f"echo kept > {victim}; rm -f {LOCK}; ln -s {victim} {LOCK}")
    try:
        assert f"{LOCK}: " in host.module("multipath_map", name="data", wwid=WWIDS[0])["msg"]
    finally:
        host.run("rm", LOCK)
    host.shell(f"mkdir /var/tmp/elsewhere; ln -s /var/tmp/elsewhere {RECORDS}")
    try:
        message = host.module("multipath_map", **PERSISTENT)["msg"]
        assert RECORDS in message
        assert host.run("ls", "/var/tmp/elsewhere") == ""
    finally:
        host.run("rm", RECORDS)
    host.shell(f"mkdir {RECORDS}; ln -s {victim} {RECORDS}/.san.device_mapper.new")
    host.applied("multipath_map", **PERSISTENT)
    modes = host.shell(f"stat -c '%a %U %F' {RECORDS} {RECORDS}/*.map {LOCK}; cat {victim}")
    assert modes.splitlines() == [
        "755 root directory",
        "644 root regular file",
        "600 root regular empty file",
        "kept",
    ]
    host.applied("multipath_map", wwid=WWIDS[0], state="absent")
    left = host.shell("find /etc -path '*san*device*mapper*'; rm -r /var/tmp/elsewhere")
    assert left == ""


def written(trace: str) -> set[str]:
    """Return the paths that what strace saw has made, opened for writing, changed or removed."""
    found = set()
    for line in trace.splitlines():
        # Python 3.13's mimalloc reads a limit of the kernel's by open, not openat.
        is_read = line.startswith(("open(", "openat(")) and not WRITING.search(line)
        if " = -1 " in line or is_read:
            continue
        for directory, path in PATH.findall(line):
            found.add(path if path.startswith("/") else f"{directory}/{path}")
    return found


def test_nothing_is_written_but_what_is_documented(host: Host) -> None:
    """What the page on reliability lists, and nothing else; run from start to end under strace."""
    image = "/var/tmp/written.raw"
    host.shell(f"truncate -s 8M {image}; echo ,4MiB | sfdisk -q {image}; rm -f /run/trace.*")
    disks = host.disks(0)
    host.shell(f"echo 1 > /sys/block/{disks[-1]}/device/delete")
    strace = ("strace", "-ff", "--seccomp-bpf", "-qq", "-y", "-s", "4096", "-e", CHANGING)
    try:
        for module, options in (
            ("lun_paths", {"wwid": WWIDS[0], "min_paths": len(disks)}),
            ("multipath_map", PERSISTENT),
            ("partition_maps", {"device": image}),
            ("partition_maps", {"device": image, "state": "absent"}),
            ("multipath_map", {"wwid": WWIDS[0], "state": "absent"}),
        ):
            answer = host.module_under(module, *strace, "-o", "/run/trace", **options)
            assert not answer.get("failed"), answer
        found = written(host.shell("cat /run/trace.*"))
    finally:
        host.shell(f"rm -f /run/trace.* {image}")
    assert f"{RECORDS}/mpath-{WWIDS[0]}.map" in found
    # losetup opens the image so that its partitions can be written to.
    assert [each for each in sorted(found - {image}) if not DOCUMENTED.fullmatch(each)] == []
