# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from unit.memory_kernel import MemoryKernel, apply
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._plan.missing import (
    Absent,
    Desired,
    plan,
)
from ansible_collections.san.device_mapper.plugins.module_utils._plan.steps import words
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    Interrupted,
    KernelError,
    Unfinished,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map, UdevFlag
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    equivalent,
    parse_table,
    sectors,
)

SDA, SDB = DeviceNumber(8, 0), DeviceNumber(8, 16)
OLD = parse_table("0 8 multipath 0 0 1 1 service-time 0 1 0 8:0")
NEW = parse_table("0 8 multipath 0 0 1 1 service-time 0 2 0 8:0 8:16")
DATA = Desired("data", "mpath-1", NEW)


@pytest.fixture
def kernel() -> MemoryKernel:
    return MemoryKernel({SDA: Disk(8), SDB: Disk(8)})


def interrupted(kernel: MemoryKernel, stated: Desired | Absent = DATA) -> Interrupted:
    with pytest.raises(Interrupted) as interruption:
        apply(plan([stated], kernel.maps()), kernel, 60)
    return interruption.value


def test_a_plan_is_carried_out_within_one_batch(kernel: MemoryKernel) -> None:
    apply(plan([DATA], ()), kernel, 17)
    assert kernel.batches == [17]
    (data,) = kernel.maps()
    assert equivalent(data.live, NEW)
    assert not data.suspended


@pytest.mark.parametrize("at_end", [False, True])
def test_what_was_done_is_said_where_udev_fails(kernel: MemoryKernel, at_end: bool) -> None:
    """Nothing where the batch cannot begin, all of it where udev is late at its end."""

    class Late(MemoryKernel):
        @contextlib.contextmanager
        def udev_batch(self, timeout: float) -> Iterator[None]:
            if at_end:
                with super().udev_batch(timeout):
                    yield
            raise DeviceMapperError("udev is late")

    steps = plan([DATA], ())
    with pytest.raises(Unfinished, match="udev is late") as error:
        apply(steps, Late(kernel.disks), 17)
    whole = (words(steps), ())
    assert (error.value.done, error.value.left) == (whole if at_end else whole[::-1])


def test_a_map_that_could_not_be_removed_queues_again(kernel: MemoryKernel) -> None:
    queueing = parse_table("0 8 multipath 1 queue_if_no_path 0 1 1 service-time 0 1 0 8:0")
    placed = kernel.place("data", "mpath-1", queueing)
    assert placed.live
    assert placed.live.multipath
    placed.live.multipath.message("fail_path 8:0")
    placed.opened = 1
    error = interrupted(kernel, Absent("mpath-1"))
    assert (error.done, error.left) == ((), ("remove data",))
    (data,) = kernel.maps()
    assert data.queues_without_path


def test_a_second_table_that_cannot_be_cleared_is_named(
    kernel: MemoryKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clear(_self: object, uuid: str) -> None:
        raise KernelError("clear", uuid, 5, "Input/output error")

    kernel.place_inactive(kernel.place("data", "mpath-1", OLD), OLD)
    kernel.claimed = {SDB}
    monkeypatch.setattr(MemoryKernel, "clear", clear)
    with pytest.raises(DeviceMapperError, match="the map data has a second table"):
        apply(plan([DATA], kernel.maps()), kernel, 60)


def test_a_new_map_whose_table_is_refused_is_removed(kernel: MemoryKernel) -> None:
    kernel.claimed = {SDB}
    error = interrupted(kernel)
    assert kernel.maps() == ()
    assert error.done == ("create data --uuid mpath-1 --notable",)
    assert (error.left or ())[0].startswith("load data")
    assert "Device or resource busy" in str(error)


def test_a_new_map_that_cannot_be_resumed_is_removed(kernel: MemoryKernel) -> None:
    kernel.fail_at = 2
    error = interrupted(kernel)
    assert kernel.maps() == ()
    assert error.left == ("resume data --noflush --nolockfs",)


def test_an_empty_map_of_an_earlier_run_stays_as_it_was(kernel: MemoryKernel) -> None:
    kernel.place("data", "mpath-1")
    kernel.claimed = {SDB}
    before = kernel.maps()
    interrupted(kernel)
    assert kernel.maps() == before


def test_a_map_that_would_stay_suspended_without_a_table_is_removed(kernel: MemoryKernel) -> None:
    kernel.place_inactive(kernel.place("data", "mpath-1"), NEW)
    kernel.fail_at = 1
    interrupted(kernel)
    assert kernel.maps() == ()


def test_a_map_keeps_its_table_when_the_new_one_is_refused(kernel: MemoryKernel) -> None:
    kernel.place("data", "mpath-1", OLD)
    kernel.claimed = {SDB}
    before = kernel.maps()
    interrupted(kernel)
    assert kernel.maps() == before


def test_a_second_table_of_an_earlier_run_is_thrown_away(kernel: MemoryKernel) -> None:
    kernel.place_inactive(kernel.place("data", "mpath-1", OLD), NEW)
    kernel.claimed = {SDB}
    interrupted(kernel)
    (data,) = kernel.maps()
    assert equivalent(data.live, OLD)
    assert data.inactive == ()


def test_a_swap_that_fails_leaves_the_old_table_running(kernel: MemoryKernel) -> None:
    kernel.place("data", "mpath-1", OLD)
    steps = plan([DATA], kernel.maps())
    # A path shrinks between the observation and the resume, which is when the kernel looks.
    kernel.disks[SDB] = Disk(7)
    with pytest.raises(Interrupted):
        apply(steps, kernel, 60)
    (data,) = kernel.maps()
    assert equivalent(data.live, OLD)
    assert data.inactive == ()
    assert not data.suspended


def test_a_map_that_is_open_is_not_removed(kernel: MemoryKernel) -> None:
    kernel.place("data", "mpath-1", OLD).opened = 1
    error = interrupted(kernel, Absent("mpath-1"))
    assert error.left == ("remove data",)
    assert [each.name for each in kernel.maps()] == ["data"]


def test_maps_before_the_refused_one_stay_done(kernel: MemoryKernel) -> None:
    first = Desired("first", "mpath-2", OLD)
    kernel.fail_at = 4
    with pytest.raises(Interrupted) as interruption:
        apply(plan([first, DATA], ()), kernel, 60)
    (map_of_first,) = kernel.maps()
    assert equivalent(map_of_first.live, OLD)
    assert [words.split()[0] for words in interruption.value.done] == [
        "create",
        "load",
        "resume",
        "create",
    ]


class NeverResumes(MemoryKernel):
    """A kernel that cannot resume any more."""

    def resume(self, uuid: str, flush: bool, udev: UdevFlag) -> None:
        self.placed(uuid).suspend(flush)
        raise KernelError("resume", uuid, 5, "Input/output error")


def test_a_map_that_stays_suspended_is_named(kernel: MemoryKernel) -> None:
    stuck = NeverResumes(kernel.disks)
    stuck.place("data", "mpath-1", OLD)
    with pytest.raises(DeviceMapperError, match="`dmsetup resume data` resumes it"):
        apply(plan([DATA], stuck.maps()), stuck, 60)


def test_a_larger_size_is_swapped_in(kernel: MemoryKernel) -> None:
    kernel.place("data", "mpath-1", parse_table("0 4 multipath 0 0 1 1 service-time 0 1 0 8:0"))
    apply(plan([DATA], kernel.maps()), kernel, 60)
    assert sectors(kernel.maps()[0].live) == 8


def test_other_maps_are_not_touched(kernel: MemoryKernel) -> None:
    others = (
        kernel.place("other", "mpath-10", OLD),
        kernel.place("unnamed", ""),
    )
    others[0].suspend(flush=True)
    kernel.fail_at = 1
    before: tuple[Map, ...] = kernel.maps()
    interrupted(kernel)
    assert kernel.maps() == before
