# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The booted host, booted again: the last of these tests, whose daemon is enabled from then on."""

from __future__ import annotations

import typing as t

from kernel.conftest import WWIDS

from lab import storage

from .conftest import DaemonHost

NAMES = ("data", "log")
STATED: dict[str, t.Any] = {
    "maps": [{"name": name, "wwid": wwid} for name, wwid in zip(NAMES, WWIDS, strict=True)],
    "path_grouping_policy": "multibus",
    "no_path_retry": "queue",
}
PARTITIONS: dict[str, t.Any] = {"devices": [*NAMES], "delimiter": "-part"}
FSTAB = """
/dev/mapper/data-part1 /srv/data ext4 x-systemd.device-timeout=300 0 2
/dev/mapper/log-part1 /srv/log ext4 nofail,x-systemd.device-timeout=300 0 2
"""


def contents(host: DaemonHost, name: str) -> str:
    """Return the file system's uuid and the file's checksum."""
    return host.shell(f"blkid -o value -s UUID /dev/mapper/{name}-part1; md5sum </srv/{name}/file")


def disks(host: DaemonHost, name: str) -> set[str]:
    """Return the names of the map's paths."""
    listed = host.shell(f"ls /sys/block/$(basename $(realpath /dev/mapper/{name}))/slaves")
    return set(listed.split())


def test_what_is_on_the_maps_is_mounted_again(host: DaemonHost) -> None:
    """From half of the paths of one LUN, which have other names; and with nofail without the other.

    What comes late has other places, too.
    """
    lab = host.lab
    host.applied("multipath_map", **STATED)
    for name in NAMES:
        host.run("sfdisk", "--quiet", f"/dev/mapper/{name}", input="label: gpt\n,64MiB\n")
    host.applied("partition_maps", **PARTITIONS)
    host.run("tee", "-a", "/etc/fstab", input=FSTAB)
    host.shell("systemctl --quiet enable multipathd.service; systemctl daemon-reload")
    for name in NAMES:
        host.shell(
            f"mkfs.ext4 -q -F /dev/mapper/{name}-part1; mkdir -p /srv/{name}; mount /srv/{name};"
            f" head -c 8M /dev/urandom >/srv/{name}/file"
        )
    before = [contents(host, name) for name in NAMES]
    names = disks(host, "data")
    host.shell("umount /srv/data /srv/log; sync")
    late = (*lab.paths(0)[:2], *lab.paths(1))
    for path in late:
        lab.unplug(path)
    lab.reset()
    mounts = host.shell("grep ' /srv/' /proc/mounts")
    assert mounts.startswith("/dev/mapper/data-part1 /srv/data ext4 ")
    assert mounts.count("\n") == 1
    host.until(lambda: len(disks(host, "data")) == 2, 120)
    for path in late:
        elsewhere = {} if path.lun else {"lun": 7}
        lab.qmp("device_add", **{**storage.scsi_disk(path), **elsewhere})
    host.until(lambda: host.paths_of("data") == 4, 120)
    host.until(lambda: "log" in host.table() and host.paths_of("log") == 4, 120)
    # systemd still waits for the device, as long as fstab says.
    host.lab.wait_for_nodes("/dev/mapper/log-part1")
    host.run("systemctl", "start", "srv-log.mount")
    assert [contents(host, name) for name in NAMES] == before
    assert disks(host, "data") != names
    for module, options in (("multipath_map", STATED), ("partition_maps", PARTITIONS)):
        answer = host.module_under(module, **options)
        assert not answer.get("failed"), answer
        assert (answer["plan"], answer["changed"]) == ([], False)
    host.shell("umount /srv/data /srv/log")
