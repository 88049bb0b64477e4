# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from ansible.module_utils.basic import AnsibleModule
from unit.memory_host import MemoryHost, arguments
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils import _run
from ansible_collections.san.device_mapper.plugins.module_utils._run import readable
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import multipath_map
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    Interrupted,
    Refused,
    Unfinished,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.kernel import (
    Kernel,
    Readings,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import UdevFlag
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.modules import multipath_map as module

SDA, SDB = DeviceNumber(8, 0), DeviceNumber(8, 16)
LOAD = "load data --table '0 2048 multipath 0 0 1 1 service-time 0 2 0 8:0 8:16'"
PLAN = ["create data --uuid mpath-3600 --notable", LOAD, "resume data --noflush --nolockfs"]
Disturbance = Callable[[MemoryKernel], None]
TASK: dict[str, Any] = {"name": "data", "wwid": "3600", "path_grouping_policy": "multibus"}


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


def test_warnings_are_given_to_ansible(
    host: MemoryHost, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And are no part of the result that a module puts together."""
    host.run("multipath_map", **TASK)
    host.boot_names = {"/dev/mapper/data": ("/etc/fstab:3",)}
    given: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, text: given.append(text))
    monkeypatch.setattr(_run, "system", lambda _parts: host)
    with arguments({**TASK, "name": "log"}), pytest.raises(SystemExit):
        _run.run(module.SPECIFICATION, multipath_map.TASK)
    assert "/etc/fstab:3" not in capsys.readouterr().out
    (warning,) = given
    assert warning.startswith("/etc/fstab:3 names /dev/mapper/data, ")


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


def observed_with(
    host: MemoryHost, look: Callable[[Readings, Host], Host], check_mode: bool = False
) -> dict[str, Any]:
    """Return what a task returns that observes what `look` makes of each reading."""
    task = multipath_map.TASK

    def observe(request: Any, readings: Readings, timeout: float) -> Host:
        return look(readings, task.observe(request, readings, timeout))

    watched = replace(task, observe=observe)
    return host.outcome("multipath_map", watched, check_mode, **TASK)


def test_a_host_that_is_unfit_afterwards_is_an_error_that_says_what_was_done(
    host: MemoryHost,
) -> None:
    times = []

    def look(_readings: Readings, observed: Host) -> Host:
        times.append(1)
        return observed if len(times) == 1 else replace(observed, block_devices=())

    with pytest.raises(Unfinished, match="no block device of this host") as error:
        observed_with(host, look)
    assert f"after the task had done: {'; '.join(PLAN)}" in str(error.value)
    assert (error.value.done, error.value.left) == (tuple(PLAN), None)
    assert len(host.kernel.maps()) == 1


def test_a_host_that_cannot_be_read_afterwards_is_an_error_that_says_what_was_done(
    host: MemoryHost,
) -> None:
    times = []

    def look(_readings: Readings, observed: Host) -> Host:
        times.append(1)
        if len(times) == 1:
            return observed
        raise DeviceMapperError("udev does not answer")

    with pytest.raises(Unfinished, match=r"udev does not answer\. That was found after") as error:
        observed_with(host, look)
    assert (error.value.done, error.value.left) == (tuple(PLAN), None)


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_task_observes_by_readings_that_change_nothing(
    host: MemoryHost, check_mode: bool
) -> None:
    refused = []

    def look(readings: Readings, observed: Host) -> Host:
        with pytest.raises(PermissionError, match="create was asked of a host that is only read"):
            cast(Kernel, readings).create("data", "mpath-3600")
        refused.append(1)
        return observed

    observed_with(host, look, check_mode)
    assert len(refused) == (1 if check_mode else 2)


def test_a_run_is_alone_on_the_host_and_check_mode_waits_for_nobody(host: MemoryHost) -> None:
    locked: list[bool] = []

    def look(_readings: Readings, observed: Host) -> Host:
        locked.append(host.is_locked)
        return observed

    observed_with(host, look, check_mode=True)
    assert locked == [False]
    observed_with(host, look)
    assert locked == [False, True, True]
    assert not host.is_locked


def test_a_module_that_states_nothing_returns_what_there_is(host: MemoryHost) -> None:
    host.kernel.place("data", "mpath-3600")
    result = host.run("device_mapper_info")
    assert result["changed"] is False
    assert [each["name"] for each in result["maps"]] == ["data"]
    assert "plan" not in result


def test_what_cannot_be_decoded_is_escaped_in_results() -> None:
    hostile = b"/srv/caf\xe9".decode("utf-8", "surrogateescape")
    result = readable({"uses": [f"mounted at {hostile}"], "size": 8, hostile: ("a\nb", None)})
    escaped = "/srv/caf\\udce9"
    assert result == {"uses": [f"mounted at {escaped}"], "size": 8, escaped: ["a\nb", None]}
    assert json.dumps(result).encode()


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


def disturbed(host: MemoryHost, before: Disturbance, after: Disturbance) -> MemoryHost:
    return MemoryHost(Disturbed(host, before, after), host.block_devices)


def make(kernel: MemoryKernel) -> None:
    if not kernel.maps():
        MemoryKernel.create(kernel, "elsewhere", "mpath-3600")


def rename(kernel: MemoryKernel) -> None:
    MemoryKernel.rename(kernel, "mpath-3600", "elsewhere", UdevFlag.NONE)


def leave(_kernel: MemoryKernel) -> None:
    pass


def test_what_somebody_else_made_at_the_same_moment_is_planned_for(host: MemoryHost) -> None:
    host = disturbed(host, make, leave)
    result = host.run("multipath_map", **TASK)
    assert result["plan"] == ["rename elsewhere data", *PLAN[1:]]
    assert host.run("multipath_map", **TASK)["changed"] is False


def test_somebody_who_always_undoes_it_ends_the_task(host: MemoryHost) -> None:
    host = disturbed(host, leave, rename)
    with pytest.raises(DeviceMapperError, match="something else on this host") as refused:
        host.run("multipath_map", **TASK)
    assert "Missing again: rename elsewhere data" in str(refused.value)
    assert len(host.kernel.batches) == 3


def test_what_the_kernel_refused_last_is_named_after_all_attempts(host: MemoryHost) -> None:
    """Where each attempt finds another plan, as when something else is at work as well."""
    names = iter(["one", "two", "three", "four"])

    def before(kernel: MemoryKernel) -> None:
        if not kernel.maps():
            MemoryKernel.create(kernel, "elsewhere", "mpath-3600")
        with MemoryKernel.udev_batch(kernel, 60):
            MemoryKernel.rename(kernel, "mpath-3600", next(names), UdevFlag.NONE)
        kernel.claimed = {SDB}

    host = disturbed(host, before, leave)
    with pytest.raises(Interrupted, match="the kernel refused `load data") as refused:
        host.run("multipath_map", **TASK)
    assert "something else" not in str(refused.value)


def test_a_wait_that_took_as_long_as_a_task_may_wait_is_not_repeated(
    host: MemoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.kernel.daemon.runs = host.kernel.daemon.deaf = True
    waits: list[float] = []

    def late(_enough: object, timeout: float) -> bool:
        waits.append(timeout)
        return False

    monkeypatch.setattr(host.kernel, "multipathd_once", late)
    with pytest.raises(Interrupted, match="after 60 seconds"):
        host.run("multipath_map", **{**TASK, "path_grouping_policy": "failover"})
    assert waits == [60.0]


def test_paths_in_transition_are_waited_for(host: MemoryHost) -> None:
    moving = replace(host.block_devices[0], access_state="transitioning")
    host.block_devices = (moving, *host.block_devices[1:])
    host.run("multipath_map", timeout=7, wwid="3601", name="other", state="absent")
    assert host.kernel.waits == ()
    host.run("multipath_map", timeout=7, **TASK)
    assert {*host.kernel.waits} == {7.0}
