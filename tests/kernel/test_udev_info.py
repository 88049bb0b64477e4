# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What udev shows without the role's rules, and which rules it takes, on the booted host."""

from __future__ import annotations

import jinja2
import pytest

from .conftest import HERE, WWIDS, Host

NAME = "63-san-device-mapper-links.rules"
LINK = f"/dev/disk/by-id/scsi-{WWIDS[0]}"


def test_what_nothing_hides_or_links_to_is_named(host: Host) -> None:
    """The module changes nothing, and names each path, its properties and the map's link."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    before = host.state()
    disks = host.disks(0)
    answer = host.applied("udev_info")
    assert host.state() == before
    assert not answer["changed"]
    assert (answer["maps"], answer["paths"]) == (["data"], sorted(disks))
    for disk in disks:
        assert f"{disk}: DM_MULTIPATH_DEVICE_PATH: expected 1, found nothing" in answer["summary"]
    (linked,) = (each for each in answer["failures"] if each["property"] == LINK)
    assert linked["device"] == "data"
    assert linked["found"] in disks
    (_text, device) = host.run("realpath", "/dev/mapper/data").strip().rsplit("/", 1)
    assert linked["expected"] == device
    assert not host.applied("udev_info", hide_paths=False, links=False)["failures"]


def test_partitions_that_udev_has_made_no_maps_of_are_named(host: Host) -> None:
    """Unless it was told to make none."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    table = "label: gpt\nstart=2048, size=131072\n"
    options = ("--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never")
    host.run("sfdisk", *options, "/dev/mapper/data", input=table)
    stated = {"hide_paths": False, "links": False, "partition_maps": True}

    def summary() -> list[str]:
        host.run("udevadm", "settle")
        told: list[str] = host.applied("udev_info", **stated)["summary"]
        return told

    words = "data: partition 1: expected a map of 131072 sectors from 2048, found"
    assert summary() == [f"{words} nothing"]
    host.applied("partition_maps", device="data")
    assert summary() == []
    table = "0 8 linear /dev/mapper/data 2048"
    host.shell(f"dmsetup load data1 --table '{table}'; dmsetup resume data1")
    assert summary() == [f"{words} data1 with another table"]
    host.applied("multipath_map", wwid=WWIDS[0], state="absent")
    host.applied("multipath_map", name="data", wwid=WWIDS[0], skip_kpartx=True)
    assert summary() == []


@pytest.mark.parametrize(
    "line",
    ['SUBSYSTEM=="block", OWNER="no-such-user"', 'ENV{A}=="b", GOTO="nowhere"'],
)
def test_rules_that_udev_refuses_are_refused(host: Host, line: str) -> None:
    """By the host's own command where it has one; systemd 254 brought it."""
    stated = {"rules": [{"name": NAME, "content": f"{line}\n"}], "verify": False}
    if host.applied("udev_info", verify=False)["udev_version"] >= 254:
        assert "`udevadm verify` finds errors: " in host.refused("udev_info", **stated)
    else:
        assert host.applied("udev_info", **stated)["outdated"] == [NAME]


def test_what_no_rule_can_hold_is_refused_before_any_change(host: Host) -> None:
    """Nothing that would end a value and begin another one gets as far as a rule."""
    owner = 'root", RUN+="/bin/true'
    permission = {"wwid": WWIDS[0], "owner": owner}
    message = host.refused("udev_info", permissions=[permission])
    assert message.startswith(f"permissions: owner: {owner}: a udev rule cannot contain this name")
    rule = {"name": NAME, "content": 'KERNEL=="sda\nRUN+="/bin/true"\n'}
    assert "udev could not read this line" in host.refused("udev_info", rules=[rule])


def test_the_hook_puts_the_rules_into_an_image(host: Host) -> None:
    """As mkinitramfs runs it, which would take minutes for the rest of the image."""
    templates = HERE.parents[1] / "roles/udev_rules/templates"
    loader = jinja2.FileSystemLoader(templates)
    hook = jinja2.Environment(loader=loader, trim_blocks=True).get_template("initramfs-tools.j2")
    # It stands for multipath-tools'. An image has all in /usr, also where the host has not.
    other = "/lib/udev/rules.d/60-persistent-storage.rules"
    names = {"multipath_rules": [host.run("realpath", other).strip()]}
    text = hook.render(__udev_rules_names=[NAME], __udev_rules_host=names)
    host.run("sh", "-euc", "cat >/run/hook", input=text)
    build = "DESTDIR=/run/image verbose=n version=$(uname -r) sh /run/hook"
    host.shell(
        f"echo '# of the role' >/etc/udev/rules.d/{NAME}; mkdir -p /run/image/sbin;"
        f" {build}; test ! -e /run/image/usr{other}; sh /run/hook prereqs"
    )
    assert host.run("cat", f"/run/image/etc/udev/rules.d/{NAME}") == "# of the role\n"
    again = f"rm /run/image/etc/udev/rules.d/{NAME}; {build}"
    host.shell(f"touch /run/image/sbin/multipath; {again}; test -e /run/image/usr{other}; {again}")
    host.shell(f"rm -r /run/image /run/hook /etc/udev/rules.d/{NAME}")


def test_a_mount_that_fstab_leaves_to_the_initramfs_needs_the_rules_there(host: Host) -> None:
    """If it is one of a multipath map; the root file system of the lab host is none."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.shell(
        "mkfs.ext4 -q -F /dev/mapper/data; mkdir -p /mnt/test; mount /dev/mapper/data /mnt/test;"
        " cp /etc/fstab /run/fstab"
    )
    try:
        for options, early in (("nofail", []), ("nofail,x-initrd.mount", ["/mnt/test"])):
            line = f"/dev/mapper/data /mnt/test ext4 {options} 0 0\n"
            host.run("tee", "/etc/fstab", input=line)
            answer = host.applied("udev_info", verify=False)
            assert answer["initramfs_needed"] is bool(early)
            assert answer["early_mounts"] == [{"place": each, "wwid": WWIDS[0]} for each in early]
    finally:
        host.shell("cp /run/fstab /etc/fstab")


def test_the_image_is_looked_into_by_the_names_that_this_host_has(host: Host) -> None:
    """What is not in the initramfs of the running kernel is named."""
    rules = [{"name": NAME, "content": "# none\n"}]
    answer = host.applied("udev_info", rules=rules, initramfs="always")
    assert answer["initramfs_needed"]
    assert answer["initramfs_generator"] == "initramfs-tools"
    missing = [each for each in answer["failures"] if each["expected"] == "in the image"]
    assert [each["property"] for each in missing] == [f"udev/rules.d/{NAME}"]
    assert not host.applied("udev_info", initramfs="auto")["initramfs_needed"]
