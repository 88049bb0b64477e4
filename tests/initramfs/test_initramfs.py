# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role udev_rules on a host whose initramfs mounts a multipath map, by both of its builders.

The root file system of the lab host is on another disk: a mount that fstab leaves to the initramfs
stands for it.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from integration.test_targets import play

from lab.host import Lab
from lab.storage import wwid

ROLE = {"name": "san.device_mapper.udev_rules"}
OWN = ["63-san-device-mapper-links.rules", "63-san-device-mapper-paths.rules"]
# Debian's names, which dracut does not know.
OF_TOOLS = ["56-dm-mpath.rules", "56-dm-parts.rules", "60-kpartx.rules", "60-multipath.rules"]
BUILT = ["Tell what builds the initramfs", "Build the initramfs"]
FSTAB = "/dev/mapper/data /srv/early ext4 nofail,x-initrd.mount 0 0\n"
MAP = f"""
modprobe -a dm-multipath dm-service-time
path=$(realpath /dev/disk/by-id/scsi-{wwid(0)})
dmsetup create data --uuid mpath-{wwid(0)} --table \
    "0 $(blockdev --getsz $path) multipath 0 0 1 1 service-time 0 1 0 $path"
mkfs.ext4 -q -F /dev/mapper/data
mkdir /srv/early
mount /srv/early
"""
PACKAGES = """
systemctl --quiet mask multipathd.service multipathd.socket
dpkg --no-triggers --force-unsafe-io --install /opt/packages/initramfs/*.deb >/dev/null 2>&1
"""
# Debian's dracut replaces initramfs-tools; beside it there can be dracut-core, the program without
# what calls it. So the host is one of dracut once the other program is out of the way. What it
# builds is small, which takes seconds instead of minutes under software emulation.
DRACUT = """
mv /usr/sbin/mkinitramfs /usr/sbin/mkinitramfs.away
printf '%s\\n' hostonly=yes no_kernel=yes compress=cat \
    'dracutmodules=" base udev-rules dm multipath "' >/etc/dracut.conf.d/lab.conf
"""


@pytest.fixture(scope="module")
def host() -> Lab:
    """Return the host with its early mount, multipath-tools and dracut."""
    lab = Lab.from_environment()
    lab.ssh(["tee", "-a", "/etc/fstab"], input=FSTAB)
    for script in (PACKAGES, MAP):
        lab.ssh(["sh", "-euc", script], timeout=600)
    return lab


def run(directory: Path, **variables: t.Any) -> list[str]:
    """Run the role and its verification; return the tasks that changed something."""
    tasks = [
        {"name": name, "ansible.builtin.include_role": {**ROLE, **which}, "vars": variables}
        for name, which in (("Run the role", {}), ("Verify", {"tasks_from": "verify"}))
    ]
    playbook = directory / "playbook.yml"
    head = {"hosts": "san", "become": True, "gather_facts": False}
    playbook.write_text(yaml.safe_dump([{**head, "tasks": tasks}]), "utf-8")
    results = play(directory, playbook)
    changed = (each["task"] for each in results if each.get("result", {}).get("changed"))
    return [name.rpartition(" : ")[2] for name in changed]


def in_image(lab: Lab, listing: str) -> list[str]:
    """Return the rule files in the image that are the role's, or multipath-tools'."""
    listed = lab.ssh(["sh", "-euc", listing], timeout=300).stdout.split()
    names = {word.rpartition("/")[2] for word in listed}
    return sorted(names.intersection(OWN + OF_TOOLS))


@pytest.mark.parametrize(
    ("prepare", "listing"),
    [
        ("", "lsinitramfs /boot/initrd.img-$(uname -r)"),
        (DRACUT, "lsinitrd --kver $(uname -r)"),
    ],
    ids=["initramfs-tools", "dracut"],
)
def test_the_rules_are_in_the_image_and_it_is_built_when_they_change(
    host: Lab, tmp_path: Path, prepare: str, listing: str
) -> None:
    """It is told, builds once, verifies what is inside, and takes it out again."""
    host.ssh(["sh", "-euc", prepare])
    first, again, gone = (tmp_path / name for name in ("1", "2", "3"))
    for each in (first, again, gone):
        each.mkdir()
    assert set(BUILT) <= set(run(first))
    assert in_image(host, listing) == sorted(OWN + OF_TOOLS)
    assert run(again) == []
    assert "Build the initramfs" in run(gone, udev_rules_state="absent")
    assert not set(OWN).intersection(in_image(host, listing))
