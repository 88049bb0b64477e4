# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laws of planning and applying, over random hosts and random statements about them.

The first law, the round trip, is about values: see _values/test_table.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from unit.memory_kernel import Killed, apply
from unit.worlds import LUNS, World, disguised, plannable_worlds, reload, tables, worlds

from ansible_collections.san.device_mapper.plugins.module_utils._plan.map_steps import Message
from ansible_collections.san.device_mapper.plugins.module_utils._plan.missing import Absent, Desired
from ansible_collections.san.device_mapper.plugins.module_utils._plan.steps import (
    foresee,
    words,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    Interrupted,
    Refused,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.kernel import Kernel
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    canonical,
    equivalent,
    with_queueing,
)


def meaning(maps: Sequence[Map], queueing_too: bool = True) -> list[tuple[object, ...]]:
    """Return what the task's owner sees of the maps, whoever loaded them and in which words."""
    return [
        (
            each.name,
            each.uuid,
            canonical(each.live if queueing_too else with_queueing(each.live, False)),
            canonical(each.inactive),
            each.suspended,
            each.read_only,
            each.deferred_remove,
        )
        for each in maps
    ]


@given(plannable_worlds())
def test_convergence_and_foresight(world: World) -> None:
    """After a run the plan is empty, and what it foresaw is there."""
    steps = world.plan()
    foreseen = foresee(steps, world.host()).maps
    apply(steps, world.kernel, 60)
    assert meaning(foreseen) == meaning(world.kernel.maps())
    assert words(world.plan()) == ()


@given(plannable_worlds())
def test_foresight_at_each_step(world: World) -> None:
    """What is foreseen after each step is what is there after it, but for hidden queueing.

    A suspended map does not show whether it queues (dm-mpath.c multipath_presuspend).
    """
    steps, before = world.plan(), world.host()
    with world.kernel.udev_batch(60):
        for done, step in enumerate(steps, 1):
            step.carry_out(cast(Kernel, world.kernel))
            foreseen = foresee(steps[:done], before).maps
            assert meaning(foreseen, False) == meaning(world.kernel.maps(), False)


@given(plannable_worlds(), st.data())
def test_quiet(world: World, data: st.DataObject) -> None:
    """A host that satisfies the task gets an empty plan, in whatever words it was made so."""
    apply(world.plan(), world.kernel, 60)
    for each in world.stated:
        if isinstance(each, Desired):
            table = disguised(data.draw, each.table)
            reload(data.draw, world.kernel, each.uuid, table, each.read_only)
    assert words(world.plan()) == ()


@given(plannable_worlds(), st.data())
def test_a_difference_is_noticed(world: World, data: st.DataObject) -> None:
    """A plan is empty for a map if, and only if, its table means what is stated."""
    apply(world.plan(), world.kernel, 60)
    desired = [each for each in world.stated if isinstance(each, Desired) and each.uuid in LUNS]
    assume(desired)
    changed = data.draw(st.sampled_from(desired))
    table = tables(data.draw, changed.uuid)
    reload(data.draw, world.kernel, changed.uuid, table, changed.read_only)
    same = equivalent(table, changed.table)
    assert {step.uuid for step in world.plan()} == (set() if same else {changed.uuid})


@given(plannable_worlds())
def test_restraint(world: World) -> None:
    """A map that the task does not own appears in no step, and stays as it is."""
    steps, foreign = world.plan(), world.foreign()
    assert {step.uuid for step in steps} <= {each.uuid for each in world.stated}
    apply(steps, world.kernel, 60)
    assert closed(world.foreign()) == closed(foreign)


def closed(maps: Sequence[Map]) -> list[Map]:
    """Return the maps without their open counts, which the task's maps on top change."""
    return [Map(**{**vars(each), "open_count": 0}) for each in maps]


@given(plannable_worlds())
def test_a_kill_at_each_step_leaves_nothing_suspended_and_the_next_run_converges(
    world: World,
) -> None:
    steps = world.plan()
    undisturbed = world.again()
    apply(steps, undisturbed.kernel, 60)
    suspended = {each.uuid for each in world.kernel.maps() if each.suspended}
    for kill_at in range(len(steps)):
        killed = world.again()
        killed.kernel.kill_at = kill_at
        with pytest.raises(Killed):
            apply(steps, killed.kernel, 60)
        assert {each.uuid for each in killed.kernel.maps() if each.suspended} <= suspended
        killed.kernel.kill_at = None
        apply(killed.plan(), killed.kernel, 60)
        assert meaning(killed.kernel.maps()) == meaning(undisturbed.kernel.maps())


@given(plannable_worlds())
def test_a_refusal_of_each_step_is_tidied_up_and_the_next_run_converges(world: World) -> None:
    steps = world.plan()
    undisturbed = world.again()
    apply(steps, undisturbed.kernel, 60)
    for fail_at, step in enumerate(steps):
        refused = world.again()
        before = {each.uuid: each for each in world.kernel.maps()}
        refused.kernel.fail_at = fail_at
        with pytest.raises(Interrupted) as interrupted:
            apply(steps, refused.kernel, 60)
        assert interrupted.value.left == words(steps[fail_at:])
        for each in refused.kernel.maps():
            if each.uuid == step.uuid and isinstance(step, Message):
                was = before[each.uuid]
                assert (each.suspended, each.inactive) == (was.suspended, was.inactive)
            elif each.uuid == step.uuid:
                assert not each.suspended
                assert each.inactive == ()
                assert each.live or not before[each.uuid].live
        refused.kernel.fail_at = None
        apply(refused.plan(), refused.kernel, 60)
        assert meaning(refused.kernel.maps()) == meaning(undisturbed.kernel.maps())


@given(worlds())
def test_a_plan_is_refused_for_names_only(world: World) -> None:
    """Nobody else may have a name that is stated, nor may two maps swap theirs."""
    desired = {each.uuid: each.name for each in world.stated if isinstance(each, Desired)}
    taken = {each.name for each in world.foreign()}
    deferred = {each.uuid for each in world.stated if isinstance(each, Absent) and each.deferred}
    taken |= {each.name for each in world.kernel.maps() if each.uuid in deferred}
    clashes = len({*desired.values()}) < len(desired) or taken & {*desired.values()}
    if clashes or _swaps(world, desired):
        with pytest.raises(Refused) as refused:
            world.plan()
        assert refused.value.option == "name"
    else:
        assert {step.uuid for step in world.plan()} <= {each.uuid for each in world.stated}


def _swaps(world: World, desired: dict[str, str]) -> bool:
    """Return whether maps that are there want each other's names, in a ring."""
    owners = {each.name: each.uuid for each in world.kernel.maps() if each.uuid in desired}
    for uuid in owners.values():
        seen = [uuid]
        while (following := owners.get(desired[seen[-1]], "")) not in ("", *seen):
            seen.append(following)
        if following == uuid and len(seen) > 1:
            return True
    return False
