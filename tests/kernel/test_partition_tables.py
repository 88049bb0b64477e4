# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Partition tables of all kinds: the module, kpartx and the kernel on the booted host."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator

import pytest
from unit.partition_tables import ODD, SOUND

from .conftest import HERE, REMOTE, Host

Read = dict[str, dict[str, list[list[t.Any]]]]

NOT_READ_BY_KPARTX = ("sgi", "bsd-nested", "solaris-nested", "minix-nested")
"""Where kpartx makes fewer maps, or none, of what the kernel sees."""

NOT_READ_BY_EACH_LIBBLKID = ("solaris-nested", "minix-nested")
"""Where some versions of libblkid, 2.41.5 for one, see only what lies around the slices."""

MAPPED = {
    "empty": "",
    "two-extended": "1:2048+2 2:16384+2 3:32768+8192 5:2112+1024 6:16448+1024",
    "empty-first-ebr": "1:2048+2 5:6208+1024",
    "link-in-slot-3": "1:2048+2 5:2112+1024 6:6208+1024",
    "data-in-slot-3": "1:2048+2 5:2112+1024 6:4096+1024",
    "ebr-loop": "1:2048+2 5:2112+1024 6:6208+1024",
    "ebr-missing": "1:16384+1024 2:2048+2",
    "hybrid": "1:2048+2048 2:4096+4096",
    "gpt-primary-damaged": "1:2048+2048",
    "gpt-backup-damaged": "1:2048+2048",
    "gpt-past-the-end": "1:2048+2048",
    "gpt-past-usable": "1:2048+2048",
    "gpt-without-pmbr": "",
    "gpt-grown": "1:2048+2048",
    "bsd-overlap": "1:2048+32768 5:2064+8192 6:4096+8192",
    "sun-whole": "1:2048+8192 2:10240+8192",
    "sun-data-in-slice-3": "1:2048+8192 3:10240+8192",
    "bsd-bare": "1:64+8192 2:8256+8192 3:0+131072",
    "pool-member-gpt": "",
    "pool-member-mbr": "",
    "fat": "",
    "exfat": "",
    "ntfs": "",
    "dos-4096-low": "1:2048+8192",
}
"""What the module makes of the odd tables; the documentation gives the reasons."""

REFUSED = {
    "overlap": "its partitions 1 and 2 overlap",
    "past-the-end": "its partition 2 has the sectors 16384 to 147455",
    "starts-past-the-end": "its partition 2 has the sectors 131172 ",
    "pmbr-alone": "no readable GPT",
    "gpt-both-damaged": "no readable GPT",
    "gpt-reversed": "its partition 2 has the sectors 8191 ",
    "gpt-overlap": "its partitions 1 and 2 overlap",
    "installer-image": "its partitions 1 and 2 overlap",
    "gpt-truncated": "no readable GPT",
    "gpt-of-4096": "made for sectors of another size than this device's 512 bytes",
    "dos-4096-huge": "libblkid",
    "dos-4096-huge-size": "libblkid",
    "dos-4096-huge-logical": "its partition 2 ends at sector 8589934592 (of 512 bytes), beyond",
}

AS_THE_KERNEL = (
    *("two-extended", "empty-first-ebr", "link-in-slot-3", "data-in-slot-3", "ebr-missing"),
    *("hybrid", "gpt-backup-damaged", "gpt-past-the-end", "gpt-without-pmbr", "gpt-grown"),
    *("bsd-overlap", "sun-data-in-slice-3", "dos-4096-low", "empty"),
)
"""The odd tables of which the module makes what the kernel does."""


@pytest.fixture(scope="module")
def read(_lab: t.Any) -> Iterator[Read]:
    """Return what the kernel and kpartx make of each table; a map has each table's name.

    Without udevd: the events of a thousand partitions say nothing about tables.
    """
    there = Host(_lab)
    sockets = "systemd-udevd-kernel.socket systemd-udevd-control.socket"
    there.shell(
        f"systemctl stop systemd-udevd.service {sockets}; modprobe -a loop dm-mod;"
        f" mkdir -p {REMOTE}/unit"
    )
    try:
        there.lab.push(
            HERE.parent / "unit/partition_tables.py", f"{REMOTE}/unit/partition_tables.py"
        )
        there.lab.push(HERE / "read_tables.py", f"{REMOTE}/read_tables.py")
        there.shell(
            "dpkg-deb -x /opt/packages/kpartx_*.deb /var/tmp/kpartx;"
            " PATH=/var/tmp/kpartx/sbin:/var/tmp/kpartx/usr/sbin:$PATH"
            f" python3 {REMOTE}/read_tables.py > {REMOTE}/read.json"
        )
        yield json.loads(there.run("cat", f"{REMOTE}/read.json"))
    finally:
        there.shell(f"dmsetup remove_all; losetup --detach-all; systemctl start {sockets}")
        there.clean()
        there.run("rm", "-rf", "/var/tmp/partition_tables", "/var/tmp/kpartx")


@pytest.fixture
def host(_lab: t.Any) -> Host:
    """Return the booted host; what `read` has made stays until the last test."""
    return Host(_lab)


def made(host: Host, *tables: str) -> dict[str, list[list[t.Any]]]:
    """Return the partition maps that are there, by the names of the maps they are on."""
    found: dict[str, list[list[t.Any]]] = {name: [] for name in tables}
    listed = host.shell(
        "dmsetup info -c --noheadings --separator='|' -o name,uuid; echo; dmsetup table"
    )
    info, _blank, lines = listed.partition("\n\n")
    uuids = dict(line.split("|") for line in info.splitlines())
    for line in lines.splitlines():
        each, _separator, table = line.partition(": ")
        name, part, number = each.rpartition("-part")
        if part and name in found:
            _zero, length, _linear, _device, start = table.split()
            found[name].append([int(number), int(start), int(length), each, uuids[each]])
    return {name: sorted(maps) for name, maps in found.items()}


def by_libblkid(host: Host, name: str) -> list[list[int]]:
    """Return the partitions that the host's libblkid sees in the table, as partx shows them."""
    options = ("--raw", "--noheadings", "--output", "NR,START,SECTORS")
    lines = host.run("partx", *options, f"/dev/mapper/{name}").splitlines()
    return sorted([int(word) for word in line.split()] for line in lines)


def shown(maps: list[list[t.Any]]) -> str:
    """Return the partitions as numbers, starts and lengths."""
    return " ".join(f"{number}:{start}+{length}" for number, start, length, *_names in maps)


def test_the_maps_are_those_that_kpartx_makes(host: Host, read: Read) -> None:
    """The same names, uuids, starts and lengths, and what the kernel sees; then nothing to do."""
    devices = list(SOUND)
    assert host.applied("partition_maps", devices=devices, delimiter="-part")["changed"]
    found = made(host, *devices)
    for name in devices:
        if name not in NOT_READ_BY_KPARTX:
            assert found[name] == read[name]["kpartx"], name
        seen = read[name]["kernel"]
        if name in NOT_READ_BY_EACH_LIBBLKID:
            seen = by_libblkid(host, name)
        assert [each[:3] for each in found[name]] == seen, name
    assert sum(map(len, found.values())) > 50
    before = host.state()
    assert not host.applied("partition_maps", devices=devices, delimiter="-part")["changed"]
    assert host.state() == before
    host.applied("partition_maps", devices=devices, state="absent")
    assert not any(made(host, *devices).values())


def test_odd_tables(host: Host, read: Read) -> None:
    """What the documentation's table says is made of each odd table."""
    assert {*MAPPED, *REFUSED, "gpt-128", "gpt-300"} == {*ODD}
    host.applied("partition_maps", devices=list(MAPPED), delimiter="-part")
    found = made(host, *MAPPED)
    expected = dict(MAPPED)
    if "libblkid 2.36." in host.run("blkid", "-V"):
        # Its prober for FAT gives way to what else could be an MBR (vfat.c, "MBR detected").
        expected["fat"] = shown(by_libblkid(host, "fat"))
    assert {name: shown(maps) for name, maps in found.items()} == expected
    for name in AS_THE_KERNEL:
        assert [each[:3] for each in found[name]] == read[name]["kernel"], name
    host.applied("partition_maps", devices=list(MAPPED), state="absent")


def test_a_bsd_label_without_an_mbr_is_read_as_by_partx(host: Host, read: Read) -> None:
    """And maps that are there stay: libblkid says no type of such a label."""
    name = "bsd-bare"
    host.applied("partition_maps", device=name, delimiter="-part")
    found = made(host, name)[name]
    assert [each[:3] for each in found] == by_libblkid(host, name)
    assert not host.applied("partition_maps", device=name, delimiter="-part")["changed"]
    host.applied("partition_maps", device=name, state="absent")


@pytest.mark.parametrize(("name", "count"), [("gpt-128", 128), ("gpt-300", 255)])
def test_many_partitions(host: Host, read: Read, name: str, count: int) -> None:
    """All have maps, up to the last that the kernel knows."""
    assert len(read[name]["kernel"]) == count
    checked = host.applied("partition_maps", device=name, check_mode=True)
    assert sum(words.startswith("create ") for words in checked["plan"]) == count


def test_tables_that_are_refused(host: Host, read: Read) -> None:
    """One message for each, the same in check mode, and no map."""
    before = host.state()
    for name, words in REFUSED.items():
        answer = host.module("partition_maps", device=name)
        assert answer.get("failed"), name
        assert words in answer["msg"], name
        assert f"/{name}: " in answer["msg"] or f"device: {name}: " in answer["msg"]
    checked = host.module("partition_maps", device=name, check_mode=True)
    assert checked["msg"] == answer["msg"]
    assert host.state() == before


def test_the_other_partitions_are_mapped_where_asked(host: Host, read: Read) -> None:
    """A partition past the end does not keep the sound ones from their maps."""
    host.applied("partition_maps", device="past-the-end", partitions=[1], delimiter="-part")
    assert shown(made(host, "past-the-end")["past-the-end"]) == "1:2048+8192"
    host.applied("partition_maps", device="past-the-end", state="absent")


def test_partitions_that_overlap_are_mapped_where_asked(host: Host, read: Read) -> None:
    """As the kernel does it without a question."""
    name = "installer-image"
    host.applied("partition_maps", device=name, partitions=[1, 2], delimiter="-part")
    found = made(host, name)[name]
    assert [each[:3] for each in found] == read[name]["kernel"]
    assert shown(found) == "1:64+131008 2:3440+18880"
    host.applied("partition_maps", device=name, state="absent")
