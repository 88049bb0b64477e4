# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._plan.map_steps import (
    Clear,
    Create,
    Load,
    Message,
    Remove,
    Rename,
    Resume,
)
from ansible_collections.san.device_mapper.plugins.module_utils._plan.steps import (
    Step,
    foresee,
    words,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

ONE = parse_table("0 8 linear 8:0 0")
OTHER = parse_table("0 8 linear 8:0 8")
QUEUEING = parse_table("0 8 multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 1 8:0 1")
FAILING = parse_table("0 8 multipath 0 0 1 1 round-robin 0 1 1 8:0 1")
GROUPS = parse_table("0 8 multipath 0 0 2 1 round-robin 0 1 1 8:0 1 round-robin 0 1 1 8:16 1")
SWITCHED = parse_table("0 8 multipath 0 0 2 2 round-robin 0 1 1 8:0 1 round-robin 0 1 1 8:16 1")


def status(groups: str) -> MultipathStatus:
    return MultipathStatus.parse(f"2 0 0 0 2 1 {groups}")


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Create("data", "mpath-1"), "create data --uuid mpath-1 --notable"),
        (Load("data", "u", ONE), "load data --table '0 8 linear 8:0 0'"),
        (Load("data", "u", ONE, True), "load data --readonly --table '0 8 linear 8:0 0'"),
        (Resume("data", "u"), "resume data --noflush --nolockfs"),
        (Resume("data", "u", flush=True), "resume data --nolockfs"),
        (Clear("data", "u"), "clear data"),
        (Rename("data", "u", "log"), "rename data log"),
        (Message("data", "u", "fail_if_no_path"), "message data 0 fail_if_no_path"),
        (Remove("data", "u"), "remove data"),
        (Remove("data", "u", deferred=True), "remove --deferred data"),
    ],
)
def test_a_step_speaks_as_dmsetup_does(step: Step, text: str) -> None:
    assert words((step,)) == (text,)


@pytest.mark.parametrize(
    ("before", "step", "after"),
    [
        (None, Create("data", "u"), Map("data", "u")),
        (Map("data", "u"), Load("data", "u", ONE), Map("data", "u", inactive=ONE)),
        # The kernel shows whether a map is read-only only once it has a live table.
        (Map("data", "u"), Load("data", "u", ONE, True), Map("data", "u", inactive=ONE)),
        (
            Map("data", "u", inactive=ONE),
            Resume("data", "u", read_only=True),
            Map("data", "u", live=ONE, read_only=True),
        ),
        (
            Map("data", "u", live=ONE, inactive=OTHER, suspended=True, read_only=True),
            Resume("data", "u"),
            Map("data", "u", live=OTHER),
        ),
        (
            Map("data", "u", live=ONE, suspended=True, read_only=True),
            Resume("data", "u"),
            Map("data", "u", live=ONE, read_only=True),
        ),
        (
            Map("data", "u", live=ONE, inactive=OTHER),
            Clear("data", "u"),
            Map("data", "u", live=ONE),
        ),
        (Map("data", "u"), Rename("data", "u", "log"), Map("log", "u")),
        (
            Map("data", "u", live=FAILING),
            Message("data", "u", "queue_if_no_path"),
            Map("data", "u", live=QUEUEING),
        ),
        (
            Map("data", "u", live=QUEUEING),
            Message("data", "u", "fail_if_no_path"),
            Map("data", "u", live=FAILING),
        ),
        (
            Map("data", "u", live=FAILING),
            Message("data", "u", "fail_path 8:0"),
            Map("data", "u", live=FAILING),
        ),
        (
            Map("data", "u", live=GROUPS, status=status("A 0 1 0 8:0 A 0 D 0 1 0 8:16 F 3")),
            Message("data", "u", "fail_path 8:0"),
            Map("data", "u", live=GROUPS, status=status("A 0 1 0 8:0 F 1 D 0 1 0 8:16 F 3")),
        ),
        (
            Map("data", "u", live=GROUPS, status=status("A 0 1 0 8:0 A 0 D 0 1 0 8:16 F 3")),
            Message("data", "u", "fail_path 8:16"),
            Map("data", "u", live=GROUPS, status=status("A 0 1 0 8:0 A 0 D 0 1 0 8:16 F 3")),
        ),
        (
            Map("data", "u", live=GROUPS, status=status("A 0 1 0 8:0 A 0 D 0 1 0 8:16 F 3")),
            Message("data", "u", "reinstate_path 8:16"),
            Map("data", "u", live=GROUPS, status=status("A 0 1 0 8:0 A 0 D 0 1 0 8:16 A 3")),
        ),
        (
            Map("data", "u", live=GROUPS, status=status("A 0 1 0 8:0 A 0 D 0 1 0 8:16 F 3")),
            Message("data", "u", "switch_group 2"),
            Map("data", "u", live=SWITCHED, status=status("E 0 1 0 8:0 A 0 E 0 1 0 8:16 F 3")),
        ),
        (Map("data", "u"), Remove("data", "u"), None),
    ],
)
def test_a_step_foresees_its_map_and_leaves_others(
    before: Map | None, step: Step, after: Map | None
) -> None:
    other = Map("zother", "z", live=ONE, inactive=ONE, suspended=True)
    maps = tuple(each for each in (before, other) if each)
    expected = tuple(each for each in (after, other) if each)
    assert foresee((step,), whole(maps=maps)) == whole(maps=expected)


def test_maps_are_foreseen_in_the_order_of_their_names() -> None:
    maps = (Map("b", "2"), Map("c", "3"))
    steps = (Rename("b", "2", "d"), Create("a", "1"))
    assert [each.name for each in foresee(steps, whole(maps=maps)).maps] == ["a", "c", "d"]
