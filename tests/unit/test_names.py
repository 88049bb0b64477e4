# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that maps get and lose, in whole tasks on a host in memory."""

from __future__ import annotations

from typing import Any

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.records import (
    partitions_path,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.systemd import Unit

WWID = "35525400000000001"
UUID = f"mpath-{WWID}"
SDA = DeviceNumber(8, 0)
PART = "part1-" + UUID
MOUNT = Unit("srv-data.mount", "/srv/data", frozenset({r"dev-mapper-data\x2dpart1.device"}))


@pytest.fixture
def host() -> MemoryHost:
    """Return a host with the map `data`, a partition map of it, and a table of that partition."""
    kernel = MemoryKernel({SDA: Disk(4096)})
    path = BlockDevice("sda", SDA, 4096, wwid=WWID, address="0:0:0:0")
    table = PartitionTable("gpt", (Partition(1, 8, 100),))
    found = MemoryHost(kernel, (path,), {"data": table, "dbdata": table})
    found.run("multipath_map", name="data", wwid=WWID)
    found.run("partition_maps", device="data", delimiter="-part")
    return found


def refusal(host: MemoryHost, module: str, **options: Any) -> str:
    before = host.kernel.looked_at()
    messages = []
    for check_mode in (True, False):
        with pytest.raises(Refused) as refused:
            host.run(module, check_mode, **options)
        messages.append(str(refused.value))
    assert messages[0] == messages[1]
    assert host.kernel.looked_at() == before
    return messages[0]


def names(host: MemoryHost) -> list[str]:
    return [each.name for each in host.kernel.looked_at()]


def test_partition_maps_go_with_their_map(host: MemoryHost) -> None:
    """They keep their delimiter; first of all, as kpartx' rule looks at a map that is renamed."""
    host.run("multipath_map", name="data", wwid=WWID, persistent=True)
    task: dict[str, Any] = {"name": "dbdata", "wwid": WWID}
    answer = host.run("multipath_map", **task)
    assert answer["plan"][:2] == ["rename data-part1 dbdata-part1", "rename data dbdata"]
    assert "1 dbdata-part1\n" in host.kernel.files[partitions_path(UUID)]
    assert names(host) == ["dbdata", "dbdata-part1"]
    assert not host.run("multipath_map", **task)["changed"]
    assert not host.run("partition_maps", device="dbdata")["changed"]


def test_a_partition_map_of_another_name_stays(host: MemoryHost) -> None:
    host.kernel.placed(PART).name = "boot"
    host.run("multipath_map", name="dbdata", wwid=WWID)
    assert names(host) == ["boot", "dbdata"]


@pytest.mark.parametrize("delimiter", ["-part", "_part", "-p"])
def test_the_delimiter_is_kept_after_a_rename_by_others(host: MemoryHost, delimiter: str) -> None:
    host.kernel.placed(UUID).name = "dbdata"
    host.kernel.placed(PART).name = f"data{delimiter}1"
    host.run("partition_maps", device="dbdata")
    assert names(host) == ["dbdata", f"dbdata{delimiter}1"]


def test_a_rename_that_unmounts_is_refused(host: MemoryHost) -> None:
    """Of the map below as well as of the partition map itself; an option allows it."""
    host.of_systemd = (MOUNT,)
    message = refusal(host, "multipath_map", name="dbdata", wwid=WWID)
    assert message == (
        "name: dbdata: the map data-part1 would lose its name, and systemd stops srv-data.mount"
        r" (/srv/data) with dev-mapper-data\x2dpart1.device. Stop it (systemctl stop"
        " srv-data.mount), run this task again, write the new name where the old one stands"
        " (/etc/fstab, then systemctl daemon-reload), and start it; or set rename_mounted: true to"
        " let systemd stop it. Nothing was changed"
    )
    message = refusal(host, "partition_maps", device="data", delimiter="_p")
    assert message.startswith("delimiter: _p: the map data-part1 would lose its name")
    assert not host.run("partition_maps", device="data")["changed"]
    task: dict[str, Any] = {"device": "data", "delimiter": "_p", "rename_mounted": True}
    assert host.run("partition_maps", **task)["plan"] == ["rename data-part1 data_p1"]
    assert host.run("multipath_map", name="dbdata", wwid=WWID)["changed"]


def test_multipathds_renames_unmount_as_well(host: MemoryHost) -> None:
    host.of_systemd = (MOUNT,)
    host.kernel.daemon.runs = host.kernel.daemon.installed = True
    assert "srv-data.mount" in refusal(host, "multipath_map", name="dbdata", wwid=WWID)


def test_what_the_next_boot_would_miss_is_a_warning(host: MemoryHost) -> None:
    """In check mode as well, and not without a rename."""
    host.boot_names = {"/dev/mapper/data-part1": ("/etc/fstab:3",)}
    task: dict[str, Any] = {"name": "dbdata", "wwid": WWID}
    expected = [
        "/etc/fstab:3 names /dev/mapper/data-part1, which the next boot will not find: the map"
        " data is renamed to dbdata. Write the new name there, or the file system's UUID"
    ]
    assert host.run("multipath_map", check_mode=True, **task)["warnings"] == expected
    assert host.run("multipath_map", **task)["warnings"] == expected
    assert host.run("multipath_map", **task)["warnings"] == []


def test_what_multipathd_renames_is_a_warning_in_check_mode_as_well(host: MemoryHost) -> None:
    """It renames the partition maps itself, which no step of the plan says."""
    host.kernel.daemon.runs = host.kernel.daemon.installed = True
    host.boot_names = {"/dev/mapper/data-part1": ("/proc/cmdline",)}
    task: dict[str, Any] = {"name": "dbdata", "wwid": WWID}
    expected = [
        "/proc/cmdline names /dev/mapper/data-part1, which the next boot will not find: the map"
        " data is renamed to dbdata. Write the new name into the boot loader's configuration, or"
        " the file system's UUID"
    ]
    assert host.run("multipath_map", check_mode=True, **task)["warnings"] == expected
    assert host.run("multipath_map", **task)["warnings"] == expected


def test_a_stale_node_is_refused(host: MemoryHost) -> None:
    """What is there in the place of a map's node leads to another device, or nowhere."""
    host.stale = {"dbdata": "a block device node (7:0)", "data-part1": "a file"}
    message = refusal(host, "multipath_map", name="dbdata", wwid=WWID)
    assert message == (
        "name: dbdata: /dev/mapper/dbdata is a block device node (7:0), and does not lead to a map"
        " of this name. Find out what made it, and remove it (rm /dev/mapper/dbdata), or choose"
        " another name"
    )
    assert "is a file" in refusal(host, "partition_maps", device="data")
    host.run("multipath_map", wwid=WWID, state="absent")
