# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import Killed, MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._values.boot_files import STATIC
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.records import (
    CHECK,
    CHECK_UNIT,
    KPARTX_RULES,
    MANAGED,
    PROGRAM,
    RECORDS,
    RULES,
    UNIT,
    NextBoot,
)

RECORD, OTHER = f"{RECORDS}/mpath-3600.map", f"{RECORDS}/mpath-3700.map"
PARTITIONS = f"{RECORDS}/mpath-3600.partitions"
TASK: dict[str, Any] = {"name": "data", "wwid": "3600"}
PERSISTENT = {**TASK, "persistent": True}
TEXT = f"""{MANAGED}name data
path_grouping_policy auto
path_selector service-time 0
features 0
hardware_handler auto
"""
INSTALLED = [f"write {each}" for each in (PROGRAM, CHECK, CHECK_UNIT, UNIT, KPARTX_RULES, RULES)]
TABLE = PartitionTable("gpt", (Partition(1, 8, 8), Partition(2, 16, 8)))


@pytest.fixture
def host() -> MemoryHost:
    disks = tuple(
        BlockDevice(
            f"sd{letter}",
            DeviceNumber(8, 16 * number),
            2048,
            "3600" if number < 2 else "3700",
            address=f"{number}:0:0:0",
            links=("/dev/disk/by-id/x", f"/dev/disk/by-path/ip-{number}:3260"),
        )
        for number, letter in enumerate("abc")
    )
    kernel = MemoryKernel({disk.device: Disk(disk.sectors) for disk in disks})
    return MemoryHost(kernel, disks, partition_tables={"data": TABLE})


def files(host: MemoryHost) -> set[str]:
    return set(host.kernel.files)


def refusal(host: MemoryHost, **options: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        host.run("multipath_map", **options)
    assert not host.kernel.files
    return refused.value


def test_a_map_is_not_persistent_unless_that_is_stated(host: MemoryHost) -> None:
    result = host.run("multipath_map", **TASK)
    assert result["maps"][0]["persistent"] is False
    assert host.kernel.files == {}


def test_the_first_persistent_map_brings_what_assembles_it(host: MemoryHost) -> None:
    checked = host.run("multipath_map", check_mode=True, **PERSISTENT)
    assert host.kernel.files == {}
    done = host.run("multipath_map", **PERSISTENT)
    assert host.kernel.files == {**STATIC, RECORD: TEXT}
    assert done["plan"][3:] == [*INSTALLED, f"write {RECORD}"]
    for key in ("changed", "plan", "diff"):
        assert checked[key] == done[key]
    for result in (checked, done):
        assert result["maps"][0]["persistent"] is True
    assert "  name data\n" in done["diff"]["after"]
    assert f"{PROGRAM}, {len(STATIC[PROGRAM])} characters\n" in done["diff"]["after"]
    again = host.run("multipath_map", **PERSISTENT)
    assert (again["changed"], again["plan"]) == (False, [])


def test_the_next_one_brings_its_record_only(host: MemoryHost) -> None:
    host.run("multipath_map", **PERSISTENT)
    done = host.run("multipath_map", wwid="3700", name="log", persistent=True)
    assert done["plan"][3:] == [f"write {OTHER}"]


def test_what_is_there_but_different_is_written_anew(host: MemoryHost) -> None:
    host.run("multipath_map", **PERSISTENT)
    host.kernel.files.update({PROGRAM: "old", RECORD: ""})
    done = host.run("multipath_map", **PERSISTENT)
    assert done["plan"] == [f"write {PROGRAM}", f"write {RECORD}"]
    assert host.kernel.files == {**STATIC, RECORD: TEXT}


def test_a_task_that_does_not_state_it_keeps_a_map_persistent_as_it_states_it(
    host: MemoryHost,
) -> None:
    host.run("multipath_map", **PERSISTENT)
    done = host.run("multipath_map", wwid="3600", name="log", no_path_retry="queue")
    assert done["plan"][-1] == f"write {RECORD}"
    assert "name log\n" in host.kernel.files[RECORD]
    assert "features 1 queue_if_no_path\n" in host.kernel.files[RECORD]
    assert done["maps"][0]["persistent"] is True


def test_the_last_one_takes_everything_along(host: MemoryHost) -> None:
    host.run("multipath_map", **PERSISTENT)
    host.run("multipath_map", wwid="3700", name="log", persistent=True)
    done = host.run("multipath_map", wwid="3700", state="absent")
    # The record goes first: a path that comes then does not bring the map back.
    assert done["plan"] == [
        f"rm {OTHER}",
        "remove log",
        "echo change > /sys/class/block/sdc/uevent",
    ]
    done = host.run("multipath_map", **TASK, persistent=False)
    # The map stays, so that its paths get no event.
    assert done["plan"] == [f"rm {RECORD}", *(f"rm {path}" for path in sorted(STATIC))]
    assert host.kernel.files == {}
    assert host.kernel.writes == ("announce sdc",)
    assert not host.run("multipath_map", **TASK, persistent=False)["changed"]


@pytest.mark.parametrize("stated", [{"wwid": "3600"}, {"name": "data"}])
def test_absent_removes_the_record_of_a_map_that_is_not_there(
    host: MemoryHost, stated: dict[str, Any]
) -> None:
    host.run("multipath_map", **PERSISTENT)
    disks = host.block_devices
    host.kernel = replace_maps(host.kernel)
    host.block_devices = disks
    done = host.run("multipath_map", state="absent", **stated)
    assert done["plan"][0] == f"rm {RECORD}"
    assert host.kernel.files == {}
    assert not host.run("multipath_map", state="absent", **stated)["changed"]


def replace_maps(kernel: MemoryKernel) -> MemoryKernel:
    """Return the kernel after a boot that has assembled nothing."""
    booted = MemoryKernel(kernel.disks)
    booted.files = kernel.files
    return booted


def test_partition_maps_of_a_persistent_map_are_stated_with_it(host: MemoryHost) -> None:
    host.run("multipath_map", **PERSISTENT)
    done = host.run("partition_maps", device="data", delimiter="-part")
    assert done["plan"][-1] == f"write {PARTITIONS}"
    assert host.kernel.files[PARTITIONS] == f"{MANAGED}1 data-part1\n2 data-part2\n"
    assert not host.run("partition_maps", device="data")["changed"]
    assert not host.run("multipath_map", **PERSISTENT)["changed"]
    host.run("partition_maps", device="data", partitions=[2], read_only=True)
    assert host.kernel.files[PARTITIONS] == f"{MANAGED}2 data-part2 read_only\n"
    done = host.run("partition_maps", device="data", state="absent")
    assert done["plan"][-1] == f"write {PARTITIONS}"
    assert host.kernel.files[PARTITIONS] == MANAGED
    assert not host.run("partition_maps", device="data", state="absent")["changed"]


def test_partition_maps_of_another_map_are_not(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    host.run("partition_maps", device="data")
    assert host.kernel.files == {}


def test_partition_maps_that_are_there_already_become_persistent_with_the_map(
    host: MemoryHost,
) -> None:
    host.run("multipath_map", **TASK)
    host.run("partition_maps", device="data", delimiter="p")
    host.run("multipath_map", **PERSISTENT)
    assert host.kernel.files[PARTITIONS] == f"{MANAGED}1 datap1\n2 datap2\n"
    host.run("multipath_map", state="absent", wwid="3600")
    assert host.kernel.files == {}


@pytest.mark.parametrize("final", [{"state": "absent"}, {"persistent": False}, {"name": "log"}])
def test_after_a_kill_anywhere_the_next_run_converges(
    host: MemoryHost, final: dict[str, Any]
) -> None:
    host.run("multipath_map", **PERSISTENT)
    host.run("partition_maps", device="data")
    undisturbed = copy.deepcopy(host)
    steps = undisturbed.run("multipath_map", **{**TASK, **final})["plan"]
    requests = [step for step in steps if not step.startswith("echo")]
    assert len(requests) > 1
    for number in range(len(requests)):
        killed = copy.deepcopy(host)
        killed.kernel.kill_at = killed.kernel.requests + number
        with pytest.raises(Killed):
            killed.run("multipath_map", **{**TASK, **final})
        if RECORD in killed.kernel.files and "state" in final:
            assert killed.kernel.maps()
        killed.kernel.kill_at = None
        killed.run("multipath_map", **{**TASK, **final})
        assert killed.kernel.files == undisturbed.kernel.files
        assert not killed.run("multipath_map", **{**TASK, **final})["changed"]


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (
            {"path_groups": [["sdb"], ["sda"]]},
            ["path_grouping_policy stated", "path ip-1:3260 1", "path ip-0:3260 2"],
        ),
        (
            {"paths": ["sdb"], "path_grouping_policy": "multibus"},
            ["path_grouping_policy multibus", "path ip-1:3260 1"],
        ),
        (
            {"path_selector_arguments": {"relative_throughput": {"sdb": 3}}},
            ["path ip-0:3260 1 1 1", "path ip-1:3260 2 1 3"],
        ),
        (
            {"features": {"queue_mode": "bio"}, "hardware_handler": "none", "read_only": True},
            ["features 2 queue_mode bio", "hardware_handler auto", "read_only"],
        ),
    ],
)
def test_what_is_stated_is_recorded(
    host: MemoryHost, options: dict[str, Any], lines: list[str]
) -> None:
    host.run("multipath_map", **PERSISTENT, **options)
    found = host.kernel.files[RECORD].splitlines()
    assert [line for line in found if line in lines] == lines


def test_a_path_that_is_stated_needs_a_name_that_stays(host: MemoryHost) -> None:
    hostile = ("/dev/disk/by-path/ip-$(reboot)",)
    host.block_devices = tuple(replace(each, links=hostile) for each in host.block_devices)
    refused = refusal(host, **PERSISTENT, paths=["sda"])
    assert (refused.option, refused.value) == ("persistent", True)
    assert "the path sda has no link in /dev/disk/by-path/" in refused.found
    assert host.run("multipath_map", **PERSISTENT)["changed"]


def test_a_record_that_names_paths_names_all_of_them(host: MemoryHost) -> None:
    first, second, other = host.block_devices
    host.block_devices = (first, replace(second, state="offline"), other)
    arguments = {"relative_throughput": {"sda": 3}}
    refused = refusal(host, **PERSISTENT, path_selector_arguments=arguments)
    assert refused.option == "persistent"
    assert refused.found.endswith("these are down and in no map: sdb")
    assert host.run("multipath_map", **PERSISTENT)["changed"]


def test_a_host_that_cannot_assemble_maps_is_refused(host: MemoryHost) -> None:
    host.boots = NextBoot(missing_programs=("dmsetup", "systemd"))
    refused = refusal(host, **PERSISTENT)
    found = "this host lacks what assembles maps at boot (no dmsetup; no systemd)"
    assert refused.found == found
    assert not host.kernel.maps()


@pytest.mark.parametrize(
    ("boots", "found", "way_out"),
    [
        (
            NextBoot(daemon_units=("multipathd.socket",)),
            "the next boot leaves the map to multipathd (multipathd.socket is enabled)",
            "`systemctl mask multipathd.service multipathd.socket`",
        ),
        (
            NextBoot(command_line=("nompath",)),
            "the next boot makes no multipath map (nompath on the kernel's command line)",
            "Take it out of the boot loader's configuration",
        ),
    ],
)
def test_a_map_that_the_next_boot_would_not_make_is_not_promised(
    host: MemoryHost, boots: NextBoot, found: str, way_out: str
) -> None:
    """A map that has been promised is said to be in danger, and no task fails for it."""
    host.boots = boots
    refused = refusal(host, **PERSISTENT, manager="kernel")
    assert (refused.option, refused.found) == ("persistent", found)
    assert refused.way_out.startswith(way_out)
    assert host.run("multipath_map", **TASK)["changed"]
    host.boots = NextBoot()
    host.run("multipath_map", **PERSISTENT)
    host.boots = boots
    assert not host.run("multipath_map", **TASK)["changed"]
    (obstacle,) = boots.obstacles()
    told = host.run("device_mapper_info", maps=["data"])
    line = f"will not be there after the next boot: {obstacle}"
    assert line in told["problems"][0]
    host.kernel.daemon.runs = True
    assert line not in "".join(host.run("device_mapper_info", maps=["data"])["problems"])


def test_how_often_paths_are_looked_at_is_recorded(host: MemoryHost) -> None:
    """The default is the program's own."""
    host.run("multipath_map", **PERSISTENT, check_interval=0)
    assert host.kernel.files[RECORD] == f"{TEXT}check_interval 0\n"
    assert not host.run("multipath_map", **TASK, check_interval=0)["changed"]
    assert host.run("multipath_map", **TASK, check_interval=20)["plan"] == [f"write {RECORD}"]
    assert host.kernel.files[RECORD] == TEXT
    for seconds in (-1, 3601):
        with pytest.raises(Refused, match="must be 0 for no checks, or 1 to 3600"):
            host.run("multipath_map", **TASK, check_interval=seconds)
    with pytest.raises(Refused, match="the map is not persistent"):
        host.run("multipath_map", **TASK, persistent=False, check_interval=5)
    host.kernel.daemon.runs = True
    with pytest.raises(Refused, match="multipathd manages the map, and checks its paths itself"):
        host.run("multipath_map", **PERSISTENT, check_interval=5)


def test_udev_is_told_at_boot_too_to_make_no_partition_maps(host: MemoryHost) -> None:
    skipping = f"{RECORDS}/mpath-3600.skip_kpartx"
    done = host.run("multipath_map", **PERSISTENT, skip_kpartx=True)
    assert done["plan"][-2:] == [f"write {skipping}", f"write {RECORD}"]
    assert host.kernel.files[skipping] == MANAGED
    assert not host.run("multipath_map", **PERSISTENT, skip_kpartx=True)["changed"]
    assert host.run("multipath_map", **PERSISTENT)["plan"] == [f"rm {skipping}"]
    host.run("multipath_map", **PERSISTENT, skip_kpartx=True)
    host.run("multipath_map", **TASK, state="absent")
    assert host.kernel.files == {}


def test_a_name_that_another_map_has_after_a_reboot_is_refused(host: MemoryHost) -> None:
    host.run("multipath_map", **PERSISTENT)
    disks = host.block_devices
    host.kernel = replace_maps(host.kernel)
    host.block_devices = disks
    with pytest.raises(Refused, match=r"mpath-3600 has this name after a reboot") as refused:
        host.run("multipath_map", wwid="3700", name="data", persistent=True)
    assert refused.value.option == "name"


def test_a_map_that_the_daemon_manages_comes_back_by_it(host: MemoryHost) -> None:
    """It needs no record; the one that it had from before goes, and cannot be stated away."""
    host.run("multipath_map", **PERSISTENT)
    host.kernel.daemon.runs = True
    done = host.run("multipath_map", **PERSISTENT)
    assert f"rm {RECORD}" in done["plan"]
    assert done["maps"][0]["persistent"]
    assert host.kernel.files == {}
    assert not host.run("multipath_map", **PERSISTENT)["changed"]
    assert refusal(host, **TASK, persistent=False).option == "persistent"


def test_beside_a_daemon_that_does_not_manage_the_map_nothing_is_written(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    host.kernel.daemon.runs = True
    assert refusal(host, **PERSISTENT, manager="kernel").option == "manager"
    host.kernel.files.update({**STATIC, RECORD: TEXT})
    assert host.run("multipath_map", **TASK, persistent=False, manager="kernel")["changed"]
    assert host.kernel.files == {}
