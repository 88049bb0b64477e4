# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a path says of itself at the moment at which a task sends it I/O; and what is in use."""

from __future__ import annotations

from typing import Any

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use

WWID, OTHER = "36001405" + "a" * 25, "36001405" + "b" * 25
SDA, SDB = DeviceNumber(8, 0), DeviceNumber(8, 16)
TASK: dict[str, Any] = {"name": "data", "wwid": WWID}


@pytest.fixture
def host() -> MemoryHost:
    """Return a host whose udev and kernel have read both paths before the array changed."""
    disks = tuple(
        BlockDevice(name, number, 2048, WWID, address=address, page_wwids=(WWID,), state="running")
        for name, number, address in (("sda", SDA, "2:0:0:0"), ("sdb", SDB, "3:0:0:0"))
    )
    return MemoryHost(MemoryKernel({disk.device: Disk(disk.sectors) for disk in disks}), disks)


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("how", [{}, {"paths": ["sda", "sdb"]}])
def test_a_path_that_is_another_lun_by_now_does_not_join(
    host: MemoryHost, check_mode: bool, how: dict[str, Any]
) -> None:
    host.pages[SDB] = (OTHER,)
    with pytest.raises(Refused) as refused:
        host.run("multipath_map", check_mode, **TASK, **how)
    assert f"takes the path sdb (8:16) for {WWID}, but its SCSI page 0x83 says {OTHER}" in str(
        refused.value
    )
    assert host.kernel.maps() == ()


def test_a_path_that_is_another_lun_by_now_is_not_reinstated(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    host.run("multipath_path", maps=["data"], paths=["sdb"], state="failed")
    host.pages[SDB] = (OTHER,)
    with pytest.raises(Refused, match="Keep it failed") as refused:
        host.run("multipath_path", maps=["data"], state="active")
    assert OTHER in refused.value.found


def test_a_path_that_a_task_has_failed_stays_failed_in_a_new_table(host: MemoryHost) -> None:
    """What an administrator does for maintenance outlives a task about something else."""
    host.run("multipath_map", **TASK)
    host.run("multipath_path", maps=["data"], paths=["sdb"], state="failed")
    task = {**TASK, "path_grouping_policy": "multibus"}
    checked = host.run("multipath_map", check_mode=True, **task)["plan"]
    assert checked[-1] == "message data 0 fail_path 8:16"
    assert host.run("multipath_map", **task)["plan"] == checked
    assert host.run("multipath_map", **task)["plan"] == []
    (found,) = host.kernel.maps()
    assert [path.active for path in found.path_states.values()] == [True, False]
    host.run("multipath_path", maps=["data"], state="active")
    task["path_grouping_policy"] = "failover"
    assert "fail_path" not in str(host.run("multipath_map", **task)["plan"])


def test_a_map_in_use_is_not_made_read_only(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    device = host.kernel.placed(f"mpath-{WWID}").device
    host.used = {device: (Use("mount", "/srv"),)}
    with pytest.raises(Refused) as refused:
        host.run("multipath_map", **TASK, read_only=True)
    assert (refused.value.option, refused.value.value) == ("read_only", True)
    assert "is in use: mounted at /srv" in refused.value.found
