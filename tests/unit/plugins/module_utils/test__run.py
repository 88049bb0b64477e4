# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import fcntl
import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.memory_host import DEFAULTS, MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils import _run
from ansible_collections.san.device_mapper.plugins.module_utils._plan.steps import UdevFlag
from ansible_collections.san.device_mapper.plugins.module_utils._run import Task, outcome
from ansible_collections.san.device_mapper.plugins.module_utils._system.lock import exclusive
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import device_mapper_info
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    Interrupted,
    Refused,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import (
    BlockDevice,
    Host,
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.kernel import Kernel

SDA, SDB = DeviceNumber(8, 0), DeviceNumber(8, 16)
LOAD = "load data --table '0 2048 multipath 0 0 1 1 service-time 0 2 0 8:0 8:16'"
PLAN = ["create data --uuid mpath-3600 --notable", LOAD, "resume data --noflush --nolockfs"]
Disturbance = Callable[[MemoryKernel], None]
TASK: dict[str, Any] = {"name": "data", "wwid": "3600", "path_grouping_policy": "multibus"}


@pytest.fixture(autouse=True)
def lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the test a lock of its own."""
    path = tmp_path / "lock"
    path.touch()
    monkeypatch.setattr(_run, "exclusive", functools.partial(exclusive, path=str(path)))
    return path


@pytest.fixture
def host() -> MemoryHost:
    disks = (
        BlockDevice("sda", SDA, 2048, "3600", address="2:0:0:0"),
        BlockDevice("sdb", SDB, 2048, "3600", address="3:0:0:0"),
    )
    return MemoryHost(MemoryKernel({disk.device: Disk(disk.sectors) for disk in disks}), disks)


def test_a_run_changes_what_is_missing_and_observes_again(host: MemoryHost) -> None:
    result = host.run("multipath_map", **TASK)
    assert (result["changed"], result["plan"]) == (True, PLAN)
    (found,) = result["maps"]
    assert (found["name"], found["device"], found["size"]) == ("data", "252:0", 2048 * 512)
    assert found["path_groups"][0]["paths"][0]["active"] is True
    assert host.observations == 2
    assert host.kernel.batches == [60.0]


def test_check_mode_plans_the_same_and_asks_the_kernel_for_nothing(host: MemoryHost) -> None:
    checked = host.run("multipath_map", check_mode=True, **TASK)
    assert (host.kernel.maps(), host.kernel.requests, host.observations) == ((), 0, 1)
    done = host.run("multipath_map", **TASK)
    for key in ("changed", "plan", "diff"):
        assert checked[key] == done[key]
    assert checked["maps"][0]["device"] is None


def test_the_difference_shows_a_line_for_each_path(host: MemoryHost) -> None:
    assert host.run("multipath_map", **TASK)["diff"] == {
        "before": "",
        "after": (
            "data (mpath-3600)\n"
            "  0 2048 multipath, no features\n"
            "    group 1 service-time\n"
            "      sda 8:0 2:0:0:0\n"
            "      sdb 8:16 3:0:0:0\n"
        ),
    }


def test_with_nothing_to_do_nothing_is_done(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    host.observations = 0
    result = host.run("multipath_map", **TASK)
    assert (result["changed"], result["plan"], host.observations) == (False, [], 1)
    assert "diff" not in result
    assert host.kernel.batches == [60.0]


def test_a_removed_map_is_gone_from_the_result(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    result = host.run("multipath_map", name="data", state="absent")
    assert (result["plan"], result["maps"]) == (["remove data"], [])
    assert result["diff"]["after"] == ""
    assert "diff" not in host.run("multipath_map", name="data", state="absent")


def test_partitions_of_a_map_get_maps(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    host.partition_tables["data"] = PartitionTable("gpt", (Partition(1, 64, 1024),))
    result = host.run("partition_maps", device="data", delimiter="-part")
    assert result["plan"] == [
        "create data-part1 --uuid part1-mpath-3600 --notable",
        "load data-part1 --table '0 1024 linear 252:0 64'",
        "resume data-part1 --noflush --nolockfs",
    ]
    assert result["diff"]["after"] == ("data-part1 (part1-mpath-3600)\n  0 1024 linear 252:0 64\n")


@pytest.mark.parametrize("timeout", [0, -1])
@pytest.mark.parametrize("module", ["multipath_map", "partition_maps"])
def test_a_timeout_that_is_none_is_refused(host: MemoryHost, module: str, timeout: int) -> None:
    with pytest.raises(Refused) as refused:
        host.run(module, timeout=timeout, **({"device": "x"} if module[0] == "p" else TASK))
    assert (refused.value.option, refused.value.value) == ("timeout", timeout)
    assert host.observations == 0


def test_the_timeout_is_for_udev_too(host: MemoryHost) -> None:
    host.run("multipath_map", timeout=7, **TASK)
    assert host.kernel.batches == [7.0]


@pytest.mark.parametrize("check_mode", [True, False])
def test_maps_are_not_changed_under_a_running_daemon(host: MemoryHost, check_mode: bool) -> None:
    host.kernel.daemon.runs = True
    with pytest.raises(Refused, match="multipathd runs on this host") as refused:
        host.run("multipath_map", check_mode, manager="kernel", **TASK)
    assert refused.value.option == "manager"
    assert PLAN[0] in refused.value.found
    assert "multipathd.service" in refused.value.way_out
    assert host.kernel.maps() == ()


def test_a_daemon_is_no_matter_where_nothing_is_to_be_changed(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    host.kernel.daemon.runs = True
    assert host.run("multipath_map", manager="kernel", **TASK)["changed"] is False


def test_an_interrupted_run_is_continued(host: MemoryHost) -> None:
    host.kernel.claimed = {SDB}
    with pytest.raises(Interrupted):
        host.run("multipath_map", **TASK)
    host.kernel.claimed = set()
    assert host.run("multipath_map", **TASK)["plan"] == PLAN


def test_a_host_that_is_unfit_afterwards_is_an_error_that_says_what_was_done(
    host: MemoryHost,
) -> None:
    task = host.multipath_map()
    times = []

    def observe(requests: Any, kernel: Kernel, timeout: float) -> Host:
        times.append(1)
        observed = task.observe(requests, kernel, timeout)
        return observed if len(times) == 1 else replace(observed, block_devices=())

    options = {**DEFAULTS["multipath_map"], **TASK}
    with pytest.raises(DeviceMapperError, match="no block device of this host") as error:
        outcome(replace(task, observe=observe), options, lambda: host.kernel, check_mode=False)
    assert f"after the task had done: {'; '.join(PLAN)}" in str(error.value)
    assert len(host.kernel.maps()) == 1


def observed_with(host: MemoryHost, look: Callable[[Kernel], bool], check_mode: bool) -> list[bool]:
    """Return what `look` finds at each observation of a task."""
    found = []
    task = host.multipath_map()

    def observe(requests: Any, kernel: Kernel, timeout: float) -> Host:
        found.append(look(kernel))
        return task.observe(requests, kernel, timeout)

    options = {**DEFAULTS["multipath_map"], **TASK}
    outcome(replace(task, observe=observe), options, lambda: host.kernel, check_mode)
    return found


def test_check_mode_hands_down_a_kernel_that_refuses_to_change(host: MemoryHost) -> None:
    def refuses(kernel: Kernel) -> bool:
        with pytest.raises(PermissionError, match="check mode"):
            kernel.create("data", "mpath-3600")
        return True

    assert observed_with(host, refuses, check_mode=True) == [True]
    assert host.kernel.maps() == ()


def test_a_run_is_alone_on_the_host_and_check_mode_waits_for_nobody(
    host: MemoryHost, lock: Path
) -> None:
    def is_locked(_kernel: Kernel) -> bool:
        with open(lock, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    assert observed_with(host, is_locked, check_mode=True) == [False]
    assert observed_with(host, is_locked, check_mode=False) == [True, True]


def test_a_module_that_states_nothing_returns_what_there_is() -> None:
    kernel = MemoryKernel({})
    kernel.place("data", "mpath-3600")

    def observe(_request: device_mapper_info.Request, observed: Kernel, _timeout: float) -> Host:
        assert not isinstance(observed, MemoryKernel)
        return Host(maps=observed.maps())

    def parse(_options: object) -> device_mapper_info.Request:
        return device_mapper_info.Request()

    task = Task(parse, observe, device_mapper_info.report)
    result = outcome(task, {"timeout": 60}, lambda: kernel, check_mode=False)
    assert result["changed"] is False
    assert [each["name"] for each in result["maps"]] == ["data"]
    assert "plan" not in result


def test_only_the_maps_concerned_are_in_the_difference(host: MemoryHost) -> None:
    host.kernel.place("other", "LVM-x")
    difference = host.run("multipath_map", **TASK)["diff"]
    assert "data" in difference["after"]
    assert "other" not in difference["before"] + difference["after"]


class Disturbed(MemoryKernel):
    """A kernel on which somebody else works, too: before each batch, and after it."""

    def __init__(self, host: MemoryHost, before: Disturbance, after: Disturbance) -> None:
        super().__init__(host.kernel.disks)
        self.before, self.after = before, after

    @contextlib.contextmanager
    def udev_batch(self, timeout: float) -> Iterator[None]:
        self.before(self)
        with super().udev_batch(timeout):
            yield
            self.after(self)


def make(kernel: MemoryKernel) -> None:
    if not kernel.maps():
        MemoryKernel.create(kernel, "elsewhere", "mpath-3600")


def rename(kernel: MemoryKernel) -> None:
    MemoryKernel.rename(kernel, "mpath-3600", "elsewhere", UdevFlag.NONE)


def leave(_kernel: MemoryKernel) -> None:
    pass


def test_what_somebody_else_made_at_the_same_moment_is_planned_for(host: MemoryHost) -> None:
    host.kernel = Disturbed(host, make, leave)
    result = host.run("multipath_map", **TASK)
    assert result["plan"] == ["rename elsewhere data", *PLAN[1:]]
    assert host.run("multipath_map", **TASK)["changed"] is False


def test_somebody_who_always_undoes_it_ends_the_task(host: MemoryHost) -> None:
    host.kernel = Disturbed(host, leave, rename)
    with pytest.raises(DeviceMapperError, match="something else on this host") as refused:
        host.run("multipath_map", **TASK)
    assert "Missing again: rename elsewhere data" in str(refused.value)
    assert len(host.kernel.batches) == 3
