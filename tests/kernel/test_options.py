# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of multipath_map make of maps, on the booted host."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterator

import pytest

from .conftest import WWIDS, Host
from .test_multipath_path import states


def stated(host: Host, **options: t.Any) -> dict[str, t.Any]:
    """Return the answer of a run that changes the map, after which another one is quiet."""
    answer = host.applied("multipath_map", name="data", **options)
    assert answer["changed"]
    again = host.applied("multipath_map", name="data", **options)
    assert not again["changed"], again["plan"]
    return answer


@pytest.fixture
def alua(host: Host) -> Iterator[dict[str, t.Any]]:
    """Return a LUN of 8 MiB of scsi_debug's, with four paths and ALUA."""
    # The kernel attaches the handler to paths that come after it.
    host.run("modprobe", "scsi_dh_alua")
    with host.debug_lun("add_host=4", "dev_size_mb=8") as lun:
        yield lun


def test_groups_and_handlers_of_paths_with_alua(host: Host, alua: dict[str, t.Any]) -> None:
    """What the paths tell of themselves decides; a handler that is attached is kept."""
    wwid = alua["wwid"]
    ports = {path["name"]: path["target_port_group"] for path in alua["paths"]}
    assert None not in ports.values()
    assert {path["hardware_handler"] for path in alua["paths"]} == {"alua"}
    made = stated(host, wwid=wwid, path_grouping_policy="group_by_tpg")
    groups = [[path["name"] for path in group["paths"]] for group in made["maps"][0]["path_groups"]]
    assert len(groups) == len(set(ports.values()))
    assert all(len({ports[name] for name in group}) == 1 for group in groups)
    assert " 1 alua " in host.table("data")

    stated(host, wwid=wwid, path_grouping_policy="group_by_serial", hardware_handler="none")
    assert " 0 0 1 1 service-time" in host.table("data")
    # Another handler than the attached one: the kernel keeps that, and so the next run is quiet.
    stated(host, wwid=wwid, path_grouping_policy="multibus", hardware_handler="emc")
    assert " 0 1 alua 1 1 service-time" in host.table("data")
    message = host.refused(
        "multipath_map", name="data", wwid=wwid, path_grouping_policy="group_by_node_name"
    )
    assert "node name" in message


def test_a_map_grows_and_shrinks_with_its_paths(host: Host, alua: dict[str, t.Any]) -> None:
    """Larger at once, smaller only if that is allowed; never while the paths differ."""
    wwid, names = alua["wwid"], [path["name"] for path in alua["paths"]]
    stated(host, wwid=wwid)
    set_size = "echo %d > /sys/bus/pseudo/drivers/scsi_debug/virtual_gb"
    rescan = "; ".join(f"echo 1 > /sys/block/{name}/device/rescan" for name in names)
    host.shell(f"{set_size % 1}; {rescan}")
    grown = stated(host, wwid=wwid)
    assert grown["plan"][1] == "resume data --nolockfs"
    assert grown["maps"][0]["size"] == 1 << 30
    host.shell(f"{set_size % 0}; {rescan}")
    assert "would shrink" in host.refused("multipath_map", name="data", wwid=wwid)
    shrunk = stated(host, wwid=wwid, allow_shrink=True)
    assert shrunk["maps"][0]["size"] == 8 << 20


def test_stated_groups_and_throughputs(host: Host) -> None:
    """The groups in their order, and what a path may carry against the others."""
    one, two, three, four = host.disks(0)
    stated(
        host,
        path_groups=[[f"/dev/{four}"], [f"/dev/{one}", host.number(two)], [f"/dev/{three}"]],
        path_selector_arguments={"relative_throughput": {f"/dev/{two}": 10}},
    )
    numbers = {disk: host.number(disk) for disk in (one, two, three, four)}
    assert (
        host.table("data")
        .strip()
        .endswith(
            f"0 0 3 1 service-time 0 1 2 {numbers[four]} 1 1"
            f" service-time 0 2 2 {numbers[one]} 1 1 {numbers[two]} 1 10"
            f" service-time 0 1 2 {numbers[three]} 1 1"
        )
    )


def test_the_kernel_loads_the_modules_that_it_has(host: Host) -> None:
    """An unloaded selector is loaded with the table; one that is not there is refused before."""
    host.run("modprobe", "--remove", "dm-queue-length")
    host.applied("multipath_map", check_mode=True, wwid=WWIDS[0], path_selector="queue-length")
    host.shell("test ! -e /sys/module/dm_queue_length")
    stated(host, wwid=WWIDS[0], path_selector="queue-length")
    message = host.refused(
        "multipath_map", name="data", wwid=WWIDS[0], path_selector="historical-service-time"
    )
    assert "no module dm-historical-service-time" in message


def test_features_and_read_only(host: Host) -> None:
    """As the kernel prints them; bio or request stays while the map is there."""
    features = {"pg_init_retries": 3, "pg_init_delay_msecs": 500}
    stated(host, wwid=WWIDS[0], features=features, read_only=True)
    assert "4 pg_init_retries 3 pg_init_delay_msecs 500" in host.table("data")
    host.shell("! dd if=/dev/zero of=/dev/mapper/data bs=512 count=1 oflag=direct")
    answer = stated(host, wwid=WWIDS[0])
    assert not answer["maps"][0]["read_only"]
    options = {"wwid": WWIDS[0], "features": {"queue_mode": "bio"}}
    message = host.refused("multipath_map", name="data", **options)
    assert "no bio-based multipath one may follow" in message
    host.applied("multipath_map", name="data", state="absent")
    stated(host, **options)
    assert "queue_mode bio" in host.table("data")


def test_a_removal_that_is_deferred(host: Host) -> None:
    """A map in use stays until it is closed, unless it is stated again."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    removal = {"name": "data", "state": "absent", "in_use": "defer"}
    with host.opened("/dev/mapper/data"):
        checked = host.applied("multipath_map", check_mode=True, **removal)
        answer = host.applied("multipath_map", **removal)
        assert answer["plan"] == checked["plan"] == ["remove --deferred data"]
        assert answer["maps"][0]["deferred_remove"]
        assert not host.applied("multipath_map", **removal)["changed"]
        kept = host.applied("multipath_map", name="data", wwid=WWIDS[0])
        assert kept["plan"] == ["message data 0 @cancel_deferred_remove"]
        assert host.applied("multipath_map", **removal)["changed"]
    host.until(lambda: "No devices found" in host.table())
    assert not host.applied("multipath_map", **removal)["changed"]


def test_a_file_system_waits_on_while_its_map_is_to_go(host: Host) -> None:
    """Without a path its I/O is not failed, as that of a process is: it would be lost."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0], no_path_retry="queue")
    host.shell(
        "mkfs.ext4 -q /dev/mapper/data; mkdir -p /mnt/test; mount /dev/mapper/data /mnt/test; sync"
    )
    numbers = [host.number(disk) for disk in host.disks(0)]
    for number in numbers:
        host.run("dmsetup", "message", "data", "0", f"fail_path {number}")
    removal = {"name": "data", "state": "absent", "in_use": "defer"}
    checked = host.applied("multipath_map", check_mode=True, **removal)
    assert checked["plan"] == ["remove --deferred data"]
    assert host.applied("multipath_map", **removal)["plan"] == checked["plan"]
    for number in numbers:
        host.run("dmsetup", "message", "data", "0", f"reinstate_path {number}")
    host.shell("echo kept > /mnt/test/file; sync; grep kept /mnt/test/file; umount /mnt/test")
    host.until(lambda: "No devices found" in host.table())


def test_udev_is_told_to_leave_partitions_alone(host: Host) -> None:
    """The flag that kpartx' udev rule looks for, on each of the map's events."""
    flag = "DM_SUBSYSTEM_UDEV_FLAG1=1"
    host.applied("multipath_map", name="data", wwid=WWIDS[0], skip_kpartx=True)
    assert flag in host.run("udevadm", "info", "--query=property", "/dev/mapper/data")
    host.applied("multipath_map", name="archive", wwid=WWIDS[0], skip_kpartx=True)
    assert flag in host.run("udevadm", "info", "--query=property", "/dev/mapper/archive")


def test_all_paths_down_under_a_map_that_queues(host: Host) -> None:
    """A reader hangs; no module does, and none makes udev hang."""
    options = {"name": "data", "wwid": WWIDS[0], "no_path_retry": "queue", "timeout": 20}
    host.applied("multipath_map", **options)
    for disk in host.disks(0):
        host.shell(f"echo offline > /sys/block/{disk}/device/state")
    host.shell(
        "dd if=/dev/mapper/data of=/dev/null bs=4096 count=1 iflag=direct > /dev/null 2>&1 &"
        " echo $! > /run/opener"
    )
    host.until(lambda: {*states(host, "data").values()} == {"F"})
    start = time.monotonic()
    changed = {**options, "path_grouping_policy": "multibus"}
    assert "every path of the map data is down" in host.refused("multipath_map", **changed)
    assert [path["state"] for path in _paths(host)] == ["offline"] * 4
    removal = {"name": "data", "state": "absent", "in_use": "defer", "timeout": 20}
    checked = host.applied("multipath_map", check_mode=True, **removal)
    assert checked["plan"] == ["message data 0 fail_if_no_path", "remove --deferred data"]
    assert host.applied("multipath_map", **removal)["plan"] == checked["plan"]
    host.until(lambda: "No devices found" in host.table(), seconds=20)
    assert time.monotonic() - start < 60


def _paths(host: Host) -> list[dict[str, t.Any]]:
    (found,) = host.applied("device_mapper_info")["maps"]
    return [path for group in found["path_groups"] for path in group["paths"]]
