# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._plan.map_steps import (
    Rename,
    Resume,
)
from ansible_collections.san.device_mapper.plugins.module_utils._plan.missing import (
    Absent,
    Desired,
    plan,
)
from ansible_collections.san.device_mapper.plugins.module_utils._plan.steps import words
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map, UdevFlag
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    Table,
    parse_table,
)

TABLE = parse_table("0 8 multipath 0 0 1 1 service-time 0 2 0 8:0 8:16")
READ_BACK = parse_table("0 8 multipath 0 0 1 1 service-time 0 2 2 8:0 1 1 8:16 1 1 ")
QUEUEING = parse_table("0 8 multipath 1 queue_if_no_path 0 1 1 service-time 0 2 0 8:0 8:16")
WITH_HANDLER = parse_table("0 8 multipath 0 1 alua 1 1 service-time 0 2 2 8:0 1 1 8:16 1 1 ")
ONE_PATH = parse_table("0 8 multipath 0 0 1 1 service-time 0 1 2 8:0 1 1 ")
SMALLER = parse_table("0 4 multipath 0 0 1 1 service-time 0 2 2 8:0 1 1 8:16 1 1 ")
LOAD = "load data --table '0 8 multipath 0 0 1 1 service-time 0 2 0 8:0 8:16'"
SWAP = "resume data --noflush --nolockfs"
DATA = Desired("data", "mpath-1", TABLE)


@pytest.mark.parametrize(
    ("present", "steps"),
    [
        (None, ("create data --uuid mpath-1 --notable", LOAD, SWAP)),
        (Map("data", "mpath-1"), (LOAD, SWAP)),
        (Map("data", "mpath-1", inactive=READ_BACK), (LOAD, SWAP)),
        (Map("data", "mpath-1", live=READ_BACK), ()),
        (Map("data", "mpath-1", live=READ_BACK, inactive=READ_BACK), ("clear data",)),
        (
            Map("data", "mpath-1", live=READ_BACK, suspended=True),
            (SWAP, "message data 0 fail_if_no_path"),
        ),
        (
            Map("data", "mpath-1", live=READ_BACK, inactive=ONE_PATH, suspended=True),
            ("clear data", SWAP, "message data 0 fail_if_no_path"),
        ),
        (Map("old", "mpath-1", live=READ_BACK), ("rename old data",)),
        (Map("old", "mpath-1", live=ONE_PATH), ("rename old data", LOAD, SWAP)),
        (Map("data", "mpath-1", live=ONE_PATH), (LOAD, SWAP)),
        (Map("data", "mpath-1", live=ONE_PATH, suspended=True), (LOAD, SWAP)),
        (Map("data", "mpath-1", live=READ_BACK, read_only=True), (LOAD, SWAP)),
        (Map("data", "mpath-1", live=SMALLER), (LOAD, "resume data --nolockfs")),
        (Map("data", "mpath-1", live=WITH_HANDLER), (LOAD, SWAP)),
        (Map("data", "mpath-1", live=QUEUEING), ("message data 0 fail_if_no_path",)),
        (Map("data", "mpath-1", live=parse_table("0 8 error")), (LOAD, SWAP)),
    ],
)
def test_only_what_is_missing_is_planned(present: Map | None, steps: tuple[str, ...]) -> None:
    maps = [present] if present else []
    assert words(plan([DATA], [*maps, Map("other", "mpath-2", live=ONE_PATH)])) == steps


def test_queueing_is_changed_by_a_message() -> None:
    desired = Desired("data", "mpath-1", QUEUEING)
    present = Map("data", "mpath-1", live=READ_BACK)
    assert words(plan([desired], [present])) == ("message data 0 queue_if_no_path",)


def test_a_linear_map_gets_no_message() -> None:
    table = parse_table("0 8 linear 8:0 0")
    present = Map("data", "part1-x", live=table, suspended=True)
    assert words(plan([Desired("data", "part1-x", table)], [present])) == (SWAP,)


@pytest.mark.parametrize(
    ("present", "flags"),
    [
        (None, UdevFlag.NONE),
        (Map("data", "mpath-1"), UdevFlag.NONE),
        (Map("data", "mpath-1", live=ONE_PATH), UdevFlag.RELOAD),
        (Map("data", "mpath-1", live=SMALLER), UdevFlag.NONE),
        (Map("data", "mpath-1", live=READ_BACK, suspended=True), UdevFlag.NONE),
    ],
)
@pytest.mark.parametrize("stated", [UdevFlag.NONE, UdevFlag.NO_KPARTX | UdevFlag.NO_PATHS])
def test_udev_is_told_what_a_swap_means(
    present: Map | None, flags: UdevFlag, stated: UdevFlag
) -> None:
    steps = plan([replace(DATA, udev=stated)], [present] if present else [])
    (resume,) = (step for step in steps if isinstance(step, Resume))
    assert resume.udev == flags | stated


def test_udev_is_told_the_same_with_a_rename() -> None:
    desired = replace(DATA, udev=UdevFlag.NO_KPARTX)
    (rename,) = plan([desired], [Map("old", "mpath-1", live=READ_BACK)])
    assert isinstance(rename, Rename)
    assert rename.udev == UdevFlag.NO_KPARTX


@pytest.mark.parametrize(
    ("present", "refuses"),
    [
        (None, True),
        (Map("data", "mpath-1", live=ONE_PATH), True),
        (Map("old", "mpath-1", live=QUEUEING), True),
        (Map("data", "mpath-1", live=QUEUEING), False),
        (Map("data", "mpath-1", live=READ_BACK), False),
        (Map("data", "mpath-1", live=QUEUEING, inactive=TABLE), False),
    ],
)
def test_udev_is_not_made_to_read_a_map_that_queues_without_a_path(
    present: Map | None, refuses: bool
) -> None:
    maps = [present] if present else []
    down = Desired("data", "mpath-1", QUEUEING, udev=UdevFlag.NO_PATHS)
    other = Desired("log", "mpath-2", QUEUEING)
    if refuses:
        with pytest.raises(Refused, match="every path of the map data is down") as refused:
            plan([down, other], maps)
        assert (refused.value.option, refused.value.value) == ("no_path_retry", "queue")
    else:
        assert {step.uuid for step in plan([down, other], maps)} >= {"mpath-2"}
    # A map that fails answers udev at once.
    plan([replace(DATA, udev=UdevFlag.NO_PATHS)], maps)


def test_what_is_absent_is_removed_in_the_order_stated_and_first() -> None:
    maps = [Map("data", "mpath-1"), Map("data-part1", "part1-mpath-1"), Map("x", "mpath-2")]
    stated: list[Desired | Absent] = [
        Desired("data", "mpath-2", TABLE),
        Absent("part1-mpath-1"),
        Absent("mpath-1"),
    ]
    assert words(plan(stated, maps)) == (
        "remove data-part1",
        "remove data",
        "rename x data",
        LOAD,
        SWAP,
    )


@pytest.mark.parametrize(
    ("table", "letter", "suspended", "steps"),
    [
        (QUEUEING, "F", False, ("message data 0 fail_if_no_path", "remove data")),
        (QUEUEING, "F", True, ("remove data",)),
        (QUEUEING, "A", False, ("remove data",)),
        (TABLE, "F", False, ("remove data",)),
    ],
)
def test_who_waits_for_a_path_is_let_go_before_the_removal(
    table: Table, letter: str, suspended: bool, steps: tuple[str, ...]
) -> None:
    status = MultipathStatus.parse(f"2 0 0 0 1 1 E 0 2 2 8:0 {letter} 1 0 1 8:16 F 1 0 1")
    present = Map("data", "mpath-1", live=table, suspended=suspended, status=status)
    assert words(plan([Absent("mpath-1")], [present])) == steps


def test_io_of_a_file_system_waits_on_for_a_path() -> None:
    status = MultipathStatus.parse("2 0 0 0 1 1 E 0 2 2 8:0 F 1 0 1 8:16 F 1 0 1")
    present = Map("data", "mpath-1", live=QUEUEING, status=status)
    stated = Absent("mpath-1", deferred=True, keeps_queueing=True)
    assert words(plan([stated], [present])) == ("remove --deferred data",)


@pytest.mark.parametrize(
    ("deferred", "marked", "steps"),
    [
        (False, False, ("remove data",)),
        (True, False, ("remove --deferred data",)),
        (True, True, ()),
        (False, True, ("message data 0 @cancel_deferred_remove", "remove data")),
    ],
)
def test_a_removal_may_be_deferred(deferred: bool, marked: bool, steps: tuple[str, ...]) -> None:
    present = Map("data", "mpath-1", live=TABLE, deferred_remove=marked)
    assert words(plan([Absent("mpath-1", deferred)], [present])) == steps


def test_a_map_that_is_stated_is_not_removed_later() -> None:
    present = Map("data", "mpath-1", live=READ_BACK, deferred_remove=True)
    assert words(plan([DATA], [present])) == ("message data 0 @cancel_deferred_remove",)


def test_the_name_of_a_map_that_is_only_removed_later_is_not_free() -> None:
    present = Map("data", "mpath-2", live=TABLE)
    with pytest.raises(Refused, match="another map has this name"):
        plan([DATA, Absent("mpath-2", deferred=True)], [present])


def test_what_is_absent_already_needs_nothing() -> None:
    assert plan([Absent("mpath-1")], [Map("data", "mpath-2")]) == ()


def test_names_are_handed_on_in_the_order_in_which_they_become_free() -> None:
    maps = [Map("a", "1", live=TABLE), Map("b", "2", live=TABLE), Map("c", "3", live=TABLE)]
    stated = [Desired("b", "1", TABLE), Desired("c", "2", TABLE), Desired("d", "3", TABLE)]
    assert words(plan(stated, maps)) == ("rename c d", "rename b c", "rename a b")


def test_a_new_map_gets_a_name_that_another_gives_up() -> None:
    maps = [Map("data", "2", live=TABLE)]
    steps = words(plan([DATA, Desired("log", "2", TABLE)], maps))
    assert steps[:2] == ("rename data log", "create data --uuid mpath-1 --notable")


@pytest.mark.parametrize(
    ("stated", "maps", "found"),
    [
        ([DATA], [Map("data", "LVM-x")], "another map has this name (its uuid is LVM-x"),
        ([DATA], [Map("data", "")], "its uuid is empty, not mpath-1"),
        ([DATA], [Map("data", "mpath-10"), Map("old", "mpath-1")], "its uuid is mpath-10"),
        (
            [DATA, Desired("data", "2", TABLE)],
            [],
            "two maps would have this name (mpath-1 and 2)",
        ),
        (
            [DATA, Desired("data", "2", TABLE)],
            [Map("a", "mpath-1"), Map("b", "2")],
            "two maps would have this name",
        ),
        (
            [DATA, Desired("log", "2", TABLE)],
            [Map("log", "mpath-1"), Map("data", "2")],
            "swap their names",
        ),
    ],
)
def test_a_name_that_cannot_be_had_is_refused(
    stated: list[Desired], maps: list[Map], found: str
) -> None:
    with pytest.raises(Refused) as refused:
        plan(stated, maps)
    assert refused.value.option == "name"
    assert "data" in str(refused.value.value)
    assert found in refused.value.found
    assert refused.value.way_out


@pytest.mark.parametrize(
    ("live", "desired"),
    [
        ("0 8 linear 8:0 0", TABLE),
        ("0 8 multipath 3 retain_attached_hw_handler queue_mode bio 0 0 0", TABLE),
        ("0 8 multipath 0 0 0 0", parse_table("0 8 linear 8:0 0")),
        ("0 8 multipath 0 0 0 0", parse_table("0 8 multipath 2 queue_mode bio 0 0 0")),
    ],
)
def test_a_table_that_the_kernel_would_not_let_follow_is_refused(live: str, desired: Table) -> None:
    table = parse_table(live)
    for present in (Map("data", "mpath-1", live=table), Map("data", "mpath-1", inactive=table)):
        with pytest.raises(Refused, match=r"which no .* one may follow"):
            plan([Desired("data", "mpath-1", desired)], [present])


@pytest.mark.parametrize(
    ("request_based", "table", "may_follow"),
    [
        (False, "0 8 linear 8:0 0", True),
        (False, "0 8 multipath 2 queue_mode bio 0 0 0", True),
        (False, "0 8 multipath 0 0 0 0", False),
        (True, "0 8 linear 8:0 0", False),
        (True, "0 8 multipath 2 queue_mode bio 0 0 0", False),
        (True, "0 8 multipath 0 0 0 0", True),
        (None, "0 8 linear 8:0 0", True),
        (None, "0 8 multipath 0 0 0 0", True),
    ],
)
def test_an_error_table_is_followed_by_one_of_the_map_s_type(
    request_based: bool | None, table: str, may_follow: bool
) -> None:
    present = Map("data", "mpath-1", live=parse_table("0 8 error"), request_based=request_based)
    desired = [Desired("data", "mpath-1", parse_table(table))]
    if may_follow:
        assert plan(desired, [present])
    else:
        with pytest.raises(Refused, match=r"has a (bio|request)-based error table, which no"):
            plan(desired, [present])
