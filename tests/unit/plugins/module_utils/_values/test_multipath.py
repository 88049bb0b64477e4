# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.captures import cases
from unit.strategies import FEATURES, MULTIPATHS

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    Features,
    GroupStatus,
    Multipath,
    MultipathStatus,
    Path,
    PathGroup,
    PathSelector,
    PathStatus,
    handler_in_use,
)

SDA, SDB, SDC = (DeviceNumber(8, minor) for minor in (0, 16, 32))
STATUSES = sorted(
    {
        step.state.status.split("multipath ", 1)[1]
        for case in cases()
        for step in case.steps
        if "multipath" in step.state.status
    }
)


@given(MULTIPATHS)
def test_parse_is_the_inverse_of_str(multipath: Multipath) -> None:
    assert Multipath.parse(str(multipath)) == multipath


@given(FEATURES, st.randoms())
def test_features_may_be_in_any_order(features: Features, random: Random) -> None:
    words = iter(features.words())
    pairs = [
        (word, next(words)) if word.startswith(("pg_init_", "queue_mode")) else (word,)
        for word in words
    ]
    random.shuffle(pairs)
    assert Features.parse([word for pair in pairs for word in pair]) == features


def test_a_table_is_typed() -> None:
    text = (
        "3 queue_if_no_path pg_init_retries 50 1 alua 2 1"
        " service-time 0 2 2 8:0 1 1 8:16 1 20 round-robin 0 1 1 8:32 1"
    )
    assert Multipath.parse(text) == Multipath(
        features=Features(queue_if_no_path=True, pg_init_retries=50),
        hardware_handler=("alua",),
        groups=(
            PathGroup(
                PathSelector("service-time"), (Path(SDA, ("1", "1")), Path(SDB, ("1", "20")))
            ),
            PathGroup(PathSelector("round-robin"), (Path(SDC, ("1",)),)),
        ),
        current_group=1,
    )


def test_a_table_opens_its_paths_in_its_order() -> None:
    text = "0 0 2 1 service-time 0 2 0 8:32 8:0 service-time 0 1 0 8:16"
    assert Multipath.parse(text).devices() == (SDC, SDA, SDB)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0 0 1 1",
        "0 0 1 1 service-time 0 1 0",
        "0 0 1 1 service-time 0 2 0 8:0",
        "0 0 1 1 service-time 0 1 0 8:0 8:16",
        "0 0 1 1 service-time 0 1 1 8:0",
        "0 0 1 1 service-time 0 1 0 sda",
        "0 0 -1 1",
        "0 0 x 1",
        "1 no_partitions 0 0 0",
        "1 pg_init_retries 0 0 0",
        "2 pg_init_retries many 0 0 0",
        "2 queue_if_no_path 0 0 0",
        "99999999999999999999 queue_if_no_path",
        "0 0 99999999999999999999 1 service-time 0 1 0 8:0",
    ],
)
def test_other_parameters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Multipath.parse(text)


SAME = "0 0 2 1 service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32"


@pytest.mark.parametrize(
    "text",
    [
        "0 0 2 1 service-time 0 2 2 8:0 1 1 8:16 1 1 service-time 0 1 2 8:32 1 1",
        "0 0 2 1 service-time 0 2 1 8:0 5 8:16 7 service-time 0 1 1 8:32 9",
        "0 0 2 2 service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32",
        "0 0 2 1 service-time 0 2 0 8:16 8:0 service-time 0 1 0 8:32",
        "1 retain_attached_hw_handler 0 2 1 service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32",
        "2 queue_mode mq 0 2 1 service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32",
        "2 pg_init_delay_msecs 2000 0 2 1 service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32",
        "0 0 2 1 service-time 1 ignored 2 0 8:0 8:16 service-time 0 1 0 8:32",
    ],
)
def test_what_the_kernel_decides_by_itself_makes_no_difference(text: str) -> None:
    assert Multipath.parse(text).canonical() == Multipath.parse(SAME).canonical()


@pytest.mark.parametrize(
    "text",
    [
        "0 0 2 1 service-time 0 1 0 8:32 service-time 0 2 0 8:0 8:16",
        "0 0 2 1 service-time 0 1 0 8:0 service-time 0 2 0 8:16 8:32",
        "0 0 1 1 service-time 0 3 0 8:0 8:16 8:32",
        "0 0 1 1 service-time 0 2 0 8:0 8:16",
        "0 0 2 1 service-time 0 2 0 8:0 8:16 queue-length 0 1 0 8:32",
        "0 0 2 1 service-time 0 2 2 8:0 1 2 8:16 1 1 service-time 0 1 0 8:32",
        "1 queue_if_no_path 0 2 1 service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32",
        "0 1 alua 2 1 service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32",
        "2 pg_init_retries 1 0 2 1 service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32",
        "2 pg_init_delay_msecs 0 0 2 1 service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32",
        "2 queue_mode bio 0 2 1 service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32",
    ],
)
def test_everything_else_makes_a_difference(text: str) -> None:
    assert Multipath.parse(text).canonical() != Multipath.parse(SAME).canonical()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0", "1 972", True),
        ("0", "2 972 0", True),
        ("1 972", "2 972 0", True),
        ("0", "1 973", False),
        ("0", "2 972 1", False),
    ],
)
def test_historical_service_time_has_defaults(one: str, other: str, same: bool) -> None:
    tables = [f"0 0 1 1 historical-service-time {each} 1 1 8:0 1" for each in (one, other)]
    first, second = (Multipath.parse(each).canonical() for each in tables)
    assert (first == second) is same


def test_arguments_of_a_hardware_handler_make_no_difference() -> None:
    tables = [f"0 {each} 1 1 round-robin 0 1 0 8:0" for each in ("1 emc", "3 emc 1 0", "1 rdac")]
    emc, with_arguments, rdac = (Multipath.parse(each).canonical() for each in tables)
    assert emc == with_arguments
    assert emc != rdac


@pytest.mark.parametrize(
    ("stated", "attached", "queue_mode", "expected"),
    [
        ("auto", ["", ""], "rq", ()),
        ("auto", ["alua", "alua"], "rq", ("alua",)),
        ("auto", ["alua", ""], "rq", ("alua",)),
        ("auto", ["alua", "rdac"], "rq", ("rdac",)),
        ("none", ["alua", "alua"], "rq", ()),
        ("none", ["alua", "alua"], "mq", ()),
        ("none", ["alua", "alua"], "bio", ("alua",)),
        ("none", ["", ""], "bio", ()),
        ("emc", ["", ""], "rq", ("emc",)),
        ("emc", ["alua", "alua"], "rq", ("alua",)),
        ("emc", ["", "alua"], "bio", ("alua",)),
        ("alua", ["", ""], "bio", ()),
    ],
)
def test_an_attached_hardware_handler_is_kept(
    stated: str, attached: list[str], queue_mode: str, expected: tuple[str, ...]
) -> None:
    assert handler_in_use(stated, attached, queue_mode) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("f", "0000000f", True),
        ("f", "00000000,0000000F", True),
        ("1,00000000", "00000001,00000000", True),
        ("1", "1,00000000", False),
        ("1", "2", False),
    ],
)
def test_masks_of_io_affinity_are_numbers(one: str, other: str, same: bool) -> None:
    tables = [f"0 0 1 1 io-affinity 0 1 1 8:0 {each}" for each in (one, other)]
    first, second = (Multipath.parse(each).canonical() for each in tables)
    assert (first == second) is same


@given(MULTIPATHS)
def test_canonical_is_stable(multipath: Multipath) -> None:
    assert multipath.canonical().canonical() == multipath.canonical()


def test_a_status_is_typed() -> None:
    text = "2 0 1 0 3 2 E 0 1 2 8:0 F 3 0 1 A 0 1 0 8:16 A 0 D 0 1 1 8:32 A 0 7 "
    status = MultipathStatus.parse(text)
    assert status == MultipathStatus(
        (
            GroupStatus("enabled", (PathStatus(SDA, False, 3),)),
            GroupStatus("active", (PathStatus(SDB, True, 0),)),
            GroupStatus("disabled", (PathStatus(SDC, True, 0),)),
        )
    )
    assert status.active_paths() == 2
    assert [path.device for path in status.paths()] == [SDA, SDB, SDC]


@pytest.mark.parametrize("text", STATUSES)
def test_a_captured_status_has_its_paths(text: str) -> None:
    status = MultipathStatus.parse(text)
    words = text.split()
    assert [str(path.device) for path in status.paths()] == [word for word in words if ":" in word]
    assert len([path for path in status.paths() if not path.active]) == words.count("F")
    letters = {"active": "A", "enabled": "E", "disabled": "D"}
    assert len(status.groups) == int(words[4])
    for group in status.groups:
        assert letters[group.state] in words


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2 0 0 0 1 1",
        "2 0 0 0 1 1 X 0 1 0 8:0 A 0",
        "2 0 0 0 1 1 A 0 1 0 sda A 0",
        "2 0 0 0 1 1 A 0 1 0 8:0 A",
        "2 0 0 0 1 1 A 0 1 0 8:0 A 0 surplus",
        "2 0 0 0 1 1 A 0 1 0 8:0 A -1",
    ],
)
def test_another_status_is_refused_and_reads_as_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        MultipathStatus.parse(text)
    assert MultipathStatus.read(text) is None


@given(st.data())
def test_a_status_with_other_words_is_read_or_none(data: st.DataObject) -> None:
    words = data.draw(st.sampled_from(STATUSES)).split()
    for _change in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(words)))
        spare = data.draw(st.lists(st.sampled_from([*words, "X", "-1", "9" * 30, "é"]), max_size=2))
        words[place : place + data.draw(st.integers(0, 2))] = spare
    status = MultipathStatus.read(" ".join(words))
    assert status is None or len(status.paths()) <= len(words)
