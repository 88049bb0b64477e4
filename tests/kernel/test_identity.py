# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that lead to another LUN than udev remembers, or have another name there, on the host."""

from __future__ import annotations

import typing as t

from .conftest import Host

RULES = "/run/udev/rules.d/99-test-identity.rules"


def reasons(host: Host) -> list[tuple[str, str]]:
    """Return kind and path of what is wrong with the map `reused`."""
    (found,) = host.applied("device_mapper_info", maps=["reused"])["maps"]
    return [(reason["kind"], reason.get("name", "")) for reason in found["health"]["reasons"]]


def renumber(host: Host, disks: t.Iterable[str]) -> None:
    """Give the LUN numbers to other LUNs; the kernel reads that, and udev has no event."""
    host.shell(
        "echo 1 > /sys/bus/pseudo/drivers/scsi_debug/vpd_use_hostno;"
        f" for disk in {' '.join(disks)}; do echo 1 > /sys/block/$disk/device/rescan; done;"
        " udevadm settle"
    )


def test_a_lun_number_that_another_lun_has_now(host: Host) -> None:
    """Its path neither joins the map, nor stays in it, nor gets I/O; it may be failed."""
    with host.debug_lun("add_host=2", "per_host_store=1") as lun:
        wwid = lun["wwid"]
        first, second = (path["name"] for path in lun["paths"])
        host.applied("multipath_map", name="reused", wwid=wwid, paths=[first])
        assert reasons(host) == [("path_not_in_map", second)]
        renumber(host, [first, second])
        for options in ({}, {"paths": [first]}, {"paths": [second]}):
            message = host.refused("multipath_map", name="reused", wwid=wwid, **options)
            said = message.partition(f"for {wwid}, but its SCSI page 0x83 says ")[2]
            assert said.startswith(wwid[:4])
            assert not said.startswith(wwid)
        assert reasons(host) == [("path_of_other_lun", first)]
        host.applied("multipath_path", maps=["reused"], state="failed", min_active=0)
        message = host.refused("multipath_path", maps=["reused"], state="active")
        assert "page 0x83" in message
        host.applied("multipath_map", name="reused", state="absent")
        assert "page 0x83" in host.refused("multipath_map", name="reused", wwid=wwid)


def test_a_path_with_another_name_in_udev_stays(host: Host) -> None:
    """As where an array did not answer for page 0x83 at the moment that udev asked."""
    with host.debug_lun("add_host=2") as lun:
        first, _second = (path["name"] for path in lun["paths"])
        host.applied("multipath_map", name="reused", wwid=lun["wwid"])
        try:
            host.run("mkdir", "-p", "/run/udev/rules.d")
            rule = f'KERNEL=="{first}", ENV{{ID_SERIAL}}="SLinux_scsi_debug_2000"\n'
            host.run("tee", RULES, input=rule)
            host.shell(f"udevadm control --reload; udevadm trigger --settle /dev/{first}")
            assert reasons(host) == [("path_renamed", first)]
            assert not host.applied("multipath_map", name="reused", wwid=lun["wwid"])["changed"]
        finally:
            host.shell(f"rm {RULES}; udevadm control --reload")


def test_a_new_lun_behind_a_stale_number(host: Host) -> None:
    """The disk is asked who it is; it is named while it is in use, and replaced when it is not."""
    with host.debug_lun("add_host=1") as lun:
        (path,) = lun["paths"]
        host.shell("echo 1 > /sys/bus/pseudo/drivers/scsi_debug/vpd_use_hostno")
        unit = (int(path["address"].partition(":")[0]) + 1) * 2000  # scsi_debug.c resp_inquiry
        names = {"1": f"1Linux_scsi_debug_{unit}", "3": f"3{0x3333333000000000 + unit:016x}"}
        wwid = names[lun["wwid"][0]]
        with host.opened(path["path"]):
            message = host.refused("lun_paths", wwid=wwid)
            assert f"udev takes {path['name']} ({path['address']}) for {lun['wwid']}" in message
            assert f"says {wwid}, and it is in use" in message
        checked = host.applied("lun_paths", check_mode=True, wwid=wwid)
        done = host.applied("lun_paths", wwid=wwid)
        assert done["plan"] == checked["plan"]
        assert done["plan"][0] == f"echo 1 > /sys/class/block/{path['name']}/device/delete"
        (found,) = done["luns"]
        assert [each["address"] for each in found["paths"]] == [path["address"]]
        assert not host.applied("lun_paths", wwid=wwid)["changed"]
        wwids = [each["wwid"] for each in host.applied("device_mapper_info")["luns"]]
        assert wwid in wwids
        assert lun["wwid"] not in wwids
