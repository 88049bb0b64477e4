# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._tasks.multipath_path import (
    PathFilters,
    Request,
    operations,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import (
    BlockDevice,
    Transport,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    Refused,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

# Two LUNs over two HBAs and two ports of the storage, the second one's paths in two groups.
NUMBERS = tuple(DeviceNumber(8, 16 * index) for index in range(8))
DISKS = tuple(
    BlockDevice(
        name=f"sd{'abcdefgh'[index]}",
        device=number,
        sectors=2048,
        wwid=f"360{index % 2}",
        address=f"{index // 4}:0:{index // 2 % 2}:{index % 2}",
        links=(f"/dev/disk/by-path/path-{index}",),
    )
    for index, number in enumerate(NUMBERS)
)
PORTS = (("0x5000000000000001", "a"), ("0x5000000000000002", "b"))
DATA = "0 2048 multipath 0 0 1 1 service-time 0 4 0 8:0 8:32 8:64 8:96"
LOG = "0 2048 multipath {} 0 2 1 service-time 0 2 0 8:16 8:48 service-time 0 2 0 8:80 8:112"


@pytest.fixture
def host() -> MemoryHost:
    kernel = MemoryKernel({number: Disk(2048) for number in NUMBERS})
    kernel.place("data", "mpath-3600", parse_table(DATA))
    kernel.place("log", "mpath-3601", parse_table(LOG.format("0")))
    kernel.place("vg-root", "LVM-x", parse_table("0 8 zero"))
    there = MemoryHost(kernel, DISKS)
    for index, number in enumerate(NUMBERS):
        targets, initiator = PORTS[index // 2 % 2], f"0x210000000000000{index // 4}"
        there.names_of_ports[number] = Transport(
            targets, (initiator,), f"0x100000000000000{index // 4}"
        )
    return there


def failing(host: MemoryHost, **options: Any) -> list[str]:
    """Return the paths that a task would fail, by the names of their disks."""
    plan = host.run("multipath_path", check_mode=True, state="failed", min_active=0, **options)
    names = {str(disk.device): disk.name for disk in DISKS}
    return sorted(names[step.split()[-1]] for step in plan["plan"])


def refusal(host: MemoryHost, **options: Any) -> Refused:
    """Return why a task is refused, in both modes and without any change."""
    before = host.kernel.maps()
    for check_mode in (True, False):
        with pytest.raises(Refused) as refused:
            host.run("multipath_path", check_mode, **{"state": "failed", **options})
    assert (host.kernel.maps(), host.kernel.requests) == (before, 0)
    assert refused.value.way_out
    return refused.value


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"maps": ["data"]}, "aceg"),
        ({"maps": ["3601"]}, "bdfh"),
        ({"maps": ["log", "data", "3600"]}, "abcdefgh"),
        ({"paths": ["sda", "path-1", "8:32", "1:0:1:1"]}, "abch"),
        ({"hosts": ["0"]}, "abcd"),
        ({"hosts": ["host1"]}, "efgh"),
        ({"hosts": ["0", "host1"]}, "abcdefgh"),
        ({"hosts": ["3"]}, ""),
        ({"target_ports": ["0x5000000000000001"]}, "abef"),
        ({"target_ports": ["50:00:00:00:00:00:00:02"]}, "cdgh"),
        ({"target_ports": ["5000000000000002", "A"]}, "abcdefgh"),
        ({"initiator_ports": ["0x2100000000000001"]}, "efgh"),
        ({"fabrics": ["10:00:00:00:00:00:00:00"]}, "abcd"),
        ({"maps": ["data"], "hosts": ["0"]}, "ac"),
        ({"maps": ["data"], "hosts": ["0"], "target_ports": ["b"]}, "c"),
        ({"hosts": ["1"], "fabrics": ["1000000000000000"]}, ""),
        ({"maps": ["data"], "paths": ["sdb"]}, ""),
    ],
)
def test_a_path_is_chosen_that_fits_all_options(
    host: MemoryHost, options: dict[str, Any], names: str
) -> None:
    assert failing(host, **options) == [f"sd{letter}" for letter in names]


def test_the_paths_of_nvme_are_chosen_by_their_controller() -> None:
    number = DeviceNumber(259, 0)
    table = parse_table("0 8 multipath 0 0 1 1 service-time 0 1 0 259:0")
    kernel = MemoryKernel({number: Disk(2048)})
    kernel.place("data", "mpath-uuid.1", table)
    there = MemoryHost(kernel, (BlockDevice("nvme11n1", number, 2048),))
    result = there.run("multipath_path", state="failed", hosts=["nvme11"])
    assert result["plan"] == ["message data 0 fail_path 259:0"]


def test_a_path_whose_device_is_gone_is_chosen_by_map_or_number(host: MemoryHost) -> None:
    host.block_devices = DISKS[2:]
    assert failing(host, maps=["data"], paths=["8:0"]) == ["sda"]
    result = host.run("multipath_path", state="failed", maps=["data"], min_active=0)
    assert result["maps"][0]["paths"][0]["name"] == ""
    assert result["maps"][0]["paths"][0]["active"] is False
    assert "    8:0 failed\n" in result["diff"]["after"]


def test_paths_fail_and_are_active_again(host: MemoryHost) -> None:
    checked = host.run("multipath_path", check_mode=True, state="failed", hosts=["0"])
    done = host.run("multipath_path", state="failed", hosts=["0"])
    assert done == checked
    assert done["plan"] == [
        "message data 0 fail_path 8:0",
        "message data 0 fail_path 8:32",
        "message log 0 fail_path 8:16",
        "message log 0 fail_path 8:48",
    ]
    assert done["diff"]["before"].startswith(
        "data (mpath-3600) current group 1\n  group 1\n    sda 8:0 0:0:0:0 active\n"
    )
    assert done["diff"]["after"].startswith(
        "data (mpath-3600) current group 1\n  group 1\n    sda 8:0 0:0:0:0 failed\n"
    )
    for found in done["maps"]:
        assert (found["active_before"], found["active_after"], found["path_count"]) == (4, 2, 4)
        assert [path["active"] for path in found["paths"]] == [False, False]
        assert found["in_use"] is False
    again = host.run("multipath_path", state="failed", hosts=["0"])
    assert (again["changed"], again["plan"], "diff" in again) == (False, [], False)
    assert [found["active_before"] for found in again["maps"]] == [2, 2]
    back = host.run("multipath_path", state="active", maps=["data"])
    assert back["plan"] == [
        "message data 0 reinstate_path 8:0",
        "message data 0 reinstate_path 8:32",
    ]
    assert host.run("multipath_path", state="active", maps=["data"])["changed"] is False


def test_only_paths_that_are_not_as_stated_get_a_message(host: MemoryHost) -> None:
    host.kernel.message("mpath-3600", "fail_path 8:0")
    result = host.run("multipath_path", state="failed", hosts=["0"], maps=["data"])
    held = "touch /run/san.device_mapper/failed/mpath-3600@8:0"
    assert result["plan"] == [held, "message data 0 fail_path 8:32"]
    assert result["maps"][0]["active_before"] == 3


def test_maps_in_use_keep_active_paths(host: MemoryHost) -> None:
    """All that would be short of them are named at once; one that nobody uses is not."""
    for uuid in ("mpath-3600", "mpath-3601"):
        host.kernel.placed(uuid).opened = 1
    host.mounted[host.kernel.placed("mpath-3600").device] = "/srv"
    refused = refusal(host, hosts=["0", "1"])
    assert (refused.option, refused.value) == ("min_active", 1)
    assert refused.found == (
        "too few paths would be left: data 0 of 4 active paths (mounted at /srv);"
        " log 0 of 4 active paths (open in process 7 (cat))"
    )
    host.kernel.placed("mpath-3601").opened = 0
    assert "log" not in refusal(host, hosts=["0", "1"]).found
    assert "data 2 of 4" in refusal(host, hosts=["0"], min_active=3).found
    assert host.run("multipath_path", state="failed", hosts=["0"], min_active=2)["changed"]


def test_a_path_that_has_failed_by_itself_is_counted(host: MemoryHost) -> None:
    host.kernel.placed("mpath-3600").opened = 1
    multipath = host.kernel.placed("mpath-3600").live
    assert multipath
    assert multipath.multipath
    for device in ("8:64", "8:96"):
        multipath.multipath.message(f"fail_path {device}")
    assert "data 0 of 2 active paths" in refusal(host, hosts=["0"]).found
    assert host.run("multipath_path", state="failed", hosts=["0"], min_active=0)["changed"]
    # What is as stated already is no change to refuse.
    assert host.run("multipath_path", state="failed", hosts=["0"])["changed"] is False


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "offline"},
        {"state": "blocked"},
        {"state": "transport-offline"},
        {"access_state": "unavailable"},
        {"device": DeviceNumber(9, 9)},
    ],
)
def test_a_path_whose_device_is_down_does_not_count_as_active(
    host: MemoryHost, broken: dict[str, Any]
) -> None:
    host.kernel.placed("mpath-3600").opened = 1
    down = tuple(replace(disk, **broken) for disk in DISKS[4:])
    host.block_devices = (*DISKS[:4], *down)
    assert "data 1 of 2 active paths" in refusal(host, paths=["sda"], min_active=2).found
    assert "data 0 of 2 active paths" in refusal(host, hosts=["0"]).found
    assert host.run("multipath_path", state="failed", paths=["sda"])["changed"]


def test_a_partition_map_in_use_is_a_use_and_an_unused_one_is_not(host: MemoryHost) -> None:
    device = host.kernel.placed("mpath-3600").device
    part = host.kernel.place(
        "data-part1", "part1-mpath-3600", parse_table(f"0 8 linear {device} 8")
    )
    assert host.run("multipath_path", True, state="failed", maps=["data"])["changed"]
    part.opened = 1
    host.mounted[part.device] = "/srv"
    assert "data 0 of 4 active paths (mounted at /srv)" in refusal(host, maps=["data"]).found


def test_an_open_that_nothing_explains_is_a_use() -> None:
    table = parse_table(DATA)
    status = MemoryKernel({number: Disk(2048) for number in NUMBERS})
    status.place("data", "mpath-3600", table).opened = 1
    request = Request(PathFilters(maps=("data",)))
    with pytest.raises(Refused, match=r"data 0 of 4 active paths \(open\)"):
        operations(request, whole(maps=status.maps(), block_devices=DISKS))


def test_an_unused_map_that_queues_keeps_a_path(host: MemoryHost) -> None:
    host.kernel.message("mpath-3601", "queue_if_no_path")
    host.kernel.requests = 0
    assert "a process that reads it would hang" in refusal(host, maps=["log"]).found
    assert host.run("multipath_path", state="failed", maps=["log"], min_active=0)["changed"]


def test_the_current_group_is_switched(host: MemoryHost) -> None:
    options: dict[str, Any] = {"maps": ["log"], "path_group": 2}
    checked = host.run("multipath_path", check_mode=True, **options)
    done = host.run("multipath_path", **options)
    assert done == checked
    assert done["plan"] == ["message log 0 switch_group 2"]
    (found,) = done["maps"]
    assert (found["path_group_before"], found["path_group_after"]) == (1, 2)
    assert "current group 2" in done["diff"]["after"]
    placed = host.kernel.placed("mpath-3601").live
    assert placed
    assert placed.multipath
    placed.multipath.read()
    assert host.run("multipath_path", **options)["changed"] is False
    placed.multipath.message("disable_group 1")
    assert host.run("multipath_path", maps=["log"], path_group=1)["changed"]
    assert not placed.multipath.groups[0].disabled


def test_no_io_is_sent_down_a_path_of_another_lun(host: MemoryHost) -> None:
    """It may be failed, and that is all."""
    lun = "3600140512345678000112233445566aa"
    host.kernel.place("new", f"mpath-{lun}", parse_table(LOG.format("0")))
    strange = replace(DISKS[5], wwid=lun, page_wwids=("3600140587654321000112233445566aa",))
    host.block_devices = (*DISKS[:5], strange, *DISKS[6:])
    chosen: dict[str, Any] = {"maps": ["new"], "paths": [strange.name]}
    assert host.run("multipath_path", state="failed", **chosen)["changed"]
    host.kernel.requests = 0
    for options in ({"state": "active", "maps": ["new"]}, {"maps": ["new"], "path_group": 2}):
        found = refusal(host, **{"state": "active", **options}).found
        assert f"takes the path sdf (8:80) for {lun}" in found


def test_a_group_that_is_not_there_or_has_no_path_is_refused(host: MemoryHost) -> None:
    options: dict[str, Any] = {"maps": ["log"], "state": None}
    assert "has 2 path groups" in refusal(host, **options, path_group=3).found
    for device in ("8:80", "8:112"):
        host.kernel.message("mpath-3601", f"fail_path {device}")
    host.kernel.requests = 0
    assert "no active path" in refusal(host, **options, path_group=2).found


def test_a_suspended_map_takes_no_message(host: MemoryHost) -> None:
    host.kernel.placed("mpath-3601").suspend(flush=False)
    assert "suspended" in refusal(host, hosts=["0"]).found
    assert "suspended" in refusal(host, state=None, maps=["log"], path_group=2).found
    assert host.run("multipath_path", state="active", hosts=["0"])["changed"] is False


def test_a_daemon_is_told_instead_of_the_kernel(host: MemoryHost) -> None:
    host.kernel.daemon.runs = True
    result = host.run("multipath_path", state="failed", maps=["data"], hosts=["0"])
    assert result["plan"] == ["multipathd fail path sda", "multipathd fail path sdc"]
    assert host.kernel.held == {("mpath-3600", DeviceNumber(8, minor)) for minor in (0, 32)}
    again = host.run("multipath_path", state="failed", maps=["data"], hosts=["0"])
    assert again["plan"] == []
    result = host.run("multipath_path", state="active", maps=["data"])
    assert result["plan"] == ["multipathd reinstate path sda", "multipathd reinstate path sdc"]
    assert host.kernel.held == set()
    result = host.run("multipath_path", path_group=2, maps=["log"])
    assert result["plan"] == ["multipathd switch map log group 2"]


def test_a_daemon_is_told_of_a_path_that_failed_before(host: MemoryHost) -> None:
    """Its checker would bring it back; what the note says is seen to in any case."""
    host.kernel.daemon.runs = True
    host.kernel.message("mpath-3600", "fail_path 8:0")
    options: dict[str, Any] = {"maps": ["data"], "paths": ["sda"]}
    result = host.run("multipath_path", state="failed", **options)
    assert result["plan"] == ["multipathd fail path sda"]
    assert host.kernel.held == {("mpath-3600", DeviceNumber(8, 0))}
    assert host.run("multipath_path", state="failed", **options)["plan"] == []
    host.kernel.message("mpath-3600", "reinstate_path 8:0")
    result = host.run("multipath_path", state="active", **options)
    assert (result["plan"], host.kernel.held) == (["multipathd reinstate path sda"], set())
    # Of a path without a disk the daemon knows nothing.
    host.kernel.message("mpath-3600", "fail_path 8:0")
    host.block_devices = tuple(each for each in host.block_devices if each.name != "sda")
    options["paths"] = ["8:0"]
    result = host.run("multipath_path", state="failed", **options)
    assert result["plan"] == ["touch /run/san.device_mapper/failed/mpath-3600@8:0"]


def test_a_path_that_fails_again_at_once_ends_the_task(host: MemoryHost) -> None:
    class Broken(MemoryKernel):
        def message(self, uuid: str, text: str) -> None:
            super().message(uuid, text)
            super().message(uuid, "fail_path 8:0")

    broken = Broken(host.kernel.disks)
    broken.place("data", "mpath-3600", parse_table(DATA))
    MemoryKernel.message(broken, "mpath-3600", "fail_path 8:0")
    with pytest.raises(DeviceMapperError, match="Missing again: message data 0 reinstate_path 8:0"):
        MemoryHost(broken, DISKS).run("multipath_path", state="active", maps=["data"])


def test_a_group_that_the_daemon_leaves_at_once_is_refused(host: MemoryHost) -> None:
    """Each run would change it, and the daemon change it back."""
    host.kernel.daemon.runs = True
    host.kernel.daemon.failback = "immediate"
    options: dict[str, Any] = {"state": None, "maps": ["log"]}
    refused = refusal(host, **options, path_group=2)
    assert "failback immediate for the map log" in refused.found
    assert host.run("multipath_path", **options, path_group=1)["changed"] is False
    host.kernel.daemon.failback = "-"
    assert host.run("multipath_path", **options, path_group=2)["changed"]


@pytest.mark.parametrize(
    ("options", "option", "value", "found"),
    [
        ({"maps": ["nosuch"]}, "maps", "nosuch", "there are: data, log"),
        ({"maps": ["vg-root"]}, "maps", "vg-root", "LVM-x"),
        ({"maps": []}, "maps", [], "the list is empty"),
        ({"maps": ["data"], "hosts": []}, "hosts", [], "the list is empty"),
        ({"paths": [""]}, "paths", [""], "the list is empty"),
        ({"paths": ["sdz"]}, "paths", "sdz", "no block device"),
        ({"paths": ["9:9"]}, "paths", "9:9", "no block device"),
        ({"hosts": ["sda"]}, "hosts", "sda", "not the name of a SCSI host"),
        ({"hosts": ["7"]}, "hosts", "host7", "host0, host1, host2, host3"),
        ({"target_ports": ["c"]}, "target_ports", "c", "0x5000000000000001"),
        ({"initiator_ports": ["a"]}, "initiator_ports", "a", "0x2100000000000000"),
        ({"fabrics": ["a"]}, "fabrics", "a", "0x1000000000000000"),
        ({"maps": ["data"], "min_active": -1}, "min_active", -1, "must be at least 0"),
        ({"maps": ["data"], "path_group": 0}, "path_group", 0, "must be at least 1"),
    ],
)
def test_bad_options_are_refused(
    host: MemoryHost, options: dict[str, Any], option: str, value: object, found: str
) -> None:
    refused = refusal(host, **options)
    assert (refused.option, refused.value) == (option, value)
    assert found in refused.found


def test_a_disk_that_is_no_path_is_refused(host: MemoryHost) -> None:
    host.block_devices = (*DISKS, BlockDevice("sdz", DeviceNumber(8, 240), 8))
    assert "no multipath map has it" in refusal(host, paths=["sdz"]).found


def test_a_state_in_unknown_words_is_refused() -> None:
    host = whole(maps=(Map("data", "mpath-3600", live=parse_table(DATA)),))
    with pytest.raises(Refused, match="a form that this module does not know"):
        operations(Request(PathFilters(maps=("data",))), host)


def test_what_the_kernel_joins_itself_is_refused(host: MemoryHost) -> None:
    """It would look as if a path were out of use, while I/O goes on over it."""
    host.scsi_hosts = ("host0", "nvme0")
    assert failing(host, hosts=["nvme0"]) == []
    host.native_nvme_multipath = True
    refused = refusal(host, hosts=["host0", "nvme0"])
    assert (refused.option, refused.value) == ("hosts", "nvme0")
    assert "nvme disconnect --device=nvme0" in refused.way_out
    assert "reaches no disk" in refusal(host, hosts=["nvme1"]).found
    assert "nvme_core.multipath is Y" in refusal(host, maps=["uuid.1"]).found
