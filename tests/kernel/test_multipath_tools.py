# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Beside kpartx, multipath-tools and their udev rules, as Debian has them, on the booted host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.host import Lab

from .conftest import WWIDS, Host


def partition(host: Host, script: str, device: str = "data") -> None:
    """Write a partition table onto a map."""
    options = ("--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never")
    host.run("sfdisk", *options, f"/dev/mapper/{device}", input=script)


@pytest.fixture(scope="module")
def _packages(_lab: Lab) -> Iterator[None]:
    """Install kpartx and multipath-tools with their udev rules, without the daemon.

    And without what their triggers do: building an initramfs takes minutes.
    """
    host = Host(_lab)
    daemon = "multipathd.service multipathd.socket"
    quickly = "dpkg --no-triggers --force-unsafe-io"
    host.shell(
        f"systemctl --quiet mask {daemon};"
        f" {quickly} --install /opt/packages/*.deb > /dev/null 2>&1; udevadm control --reload"
    )
    yield
    host.shell(
        "packages=$(for file in /opt/packages/*.deb; do dpkg-deb --field $file Package; done);"
        f" {quickly} --purge $packages > /dev/null 2>&1; systemctl --quiet unmask {daemon};"
        # What the rules said of a disk stays in udev's database until the disk's next event.
        " udevadm control --reload; udevadm trigger --settle --subsystem-match=block"
    )


@pytest.fixture
def tools(_packages: None, host: Host) -> Host:
    """Return the host with kpartx, multipath-tools and their udev rules."""
    return host


@pytest.mark.parametrize("delimiter", ["auto", "p"])
def test_beside_the_rule_that_runs_kpartx(tools: Host, delimiter: str) -> None:
    """Whatever the rule makes and renames, runs end in what is stated, the second one quietly."""
    stated = {"device": "data", "delimiter": delimiter}
    name = "datap1" if delimiter == "p" else "data-part1"
    tools.applied("multipath_map", name="data", wwid=WWIDS[0])
    for script in ("label: gpt\n,64MiB\n,64MiB\n", "label: gpt\n,128MiB\n"):
        partition(tools, script)
        # The map comes up with the table on it, as after a boot: the rule runs kpartx.
        tools.applied("multipath_map", wwid=WWIDS[0], state="absent")
        tools.applied("multipath_map", name="data", wwid=WWIDS[0])
        made = tools.applied("partition_maps", **stated)
        assert made["maps"][0]["name"] == name
        again = tools.applied("partition_maps", **stated)
        assert (again["changed"], again["plan"]) == (False, [])
    assert tools.table(name).split()[1] == str(128 * 2048)


def test_with_kpartx_at_the_same_moment(tools: Host) -> None:
    """What it makes or renames between two requests of the module is planned for."""
    tools.applied("multipath_map", name="data", wwid=WWIDS[0])
    partition(tools, "label: gpt\n,64MiB\n,64MiB\n")
    for at in (1, 2, 5):
        for command in ("kpartx -an -p -part", "kpartx -un -p -other", "kpartx -dn -p -part"):
            tools.shell("udevadm settle; kpartx -d -p -part /dev/mapper/data")
            disturb = [*command.split(), "/dev/mapper/data"]
            made = tools.applied(
                "partition_maps", device="data", delimiter="-part", at=at, disturb=disturb
            )
            assert [each["name"] for each in made["maps"]] == ["data-part1", "data-part2"]
            assert not tools.applied("partition_maps", device="data")["changed"]
            assert tools.suspended() == []


def test_kpartx_keeps_away_from_what_is_to_come_back(tools: Host) -> None:
    """The partition maps of a persistent map keep their names when the map changes.

    What assembles maps at boot reloads by dmsetup, which cannot tell udev that only paths change.
    """
    tools.applied("multipath_map", name="data", wwid=WWIDS[0], persistent=True)
    try:
        partition(tools, "label: gpt\n,64MiB\n")
        tools.applied("partition_maps", device="data", delimiter="_")
        tools.shell(
            'dmsetup load data --table "$(dmsetup table data)"; dmsetup resume data; udevadm settle'
        )
        assert sorted(tools.run("dmsetup", "ls").split()[::2]) == ["data", "data_1"]
    finally:
        tools.applied("multipath_map", wwid=WWIDS[0], state="absent")


def test_kpartx_makes_no_partition_maps_where_none_are_wanted_after_a_reboot(tools: Host) -> None:
    """The map is made anew as at boot, by what cannot tell udev of it."""
    stated = {"wwid": WWIDS[0], "name": "data", "persistent": True, "skip_kpartx": True}
    tools.applied("multipath_map", **stated)
    try:
        partition(tools, "label: gpt\n,64MiB\n")
        again = (
            "table=$(dmsetup table data); dmsetup remove --retry data;"
            f" dmsetup create data --uuid mpath-{WWIDS[0]}"
            ' --table "$table"; udevadm settle; dmsetup ls'
        )
        assert tools.shell(again).split()[::2] == ["data"]
        # It is the file that keeps it away.
        tools.applied("multipath_map", **{**stated, "skip_kpartx": False})
        assert sorted(tools.shell(again).split()[::2]) == ["data", "data-part1"]
    finally:
        tools.shell("dmsetup remove --retry data-part1", check=False)
        tools.applied("multipath_map", wwid=WWIDS[0], state="absent")


def test_a_blacklist_counts_while_the_daemon_is_stopped(tools: Host) -> None:
    """The rules ask `multipath -U`, and udev would give the map no links of its content."""
    task = {"name": "data", "wwid": WWIDS[0]}
    rule = 'blacklist {\n devnode ".*"\n}\n'
    tools.run("tee", "/etc/multipath.conf", input=rule)
    try:
        message = tools.refused("multipath_map", **task)
        assert '/etc/multipath.conf line 2 (blacklist: devnode ".*")' in message
        tools.run("rm", "/etc/multipath.conf")
        tools.applied("multipath_map", **task)
        (found,) = tools.applied("device_mapper_info", maps=["data"])["maps"]
        assert found["health"]["reasons"] == []
        tools.run("tee", "/etc/multipath.conf", input=rule)
        tools.run("udevadm", "trigger", "--settle", "/dev/mapper/data")
        tools.shell("dmsetup suspend data; dmsetup resume data; udevadm settle")
        (found,) = tools.applied("device_mapper_info", maps=["data"])["maps"]
        reason = {"kind": "not_ready", "found": "MPATH_DEVICE_READY=0"}
        assert found["health"]["reasons"] == [reason]
        # What is there is left as it is.
        assert not tools.applied("multipath_map", **task)["changed"]
    finally:
        tools.run("rm", "-f", "/etc/multipath.conf")
