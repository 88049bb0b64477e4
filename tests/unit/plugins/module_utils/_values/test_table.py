# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.captures import captures, cases
from unit.strategies import TABLES

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    Multipath,
    handler_in_use,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    Linear,
    Other,
    Segment,
    Table,
    canonical,
    devices,
    equivalent,
    format_table,
    parse_table,
    queueing,
    sectors,
    with_queueing,
)

PRINTED = sorted(
    {
        text
        for case in cases()
        for step in case.steps
        for text in (step.state.table, step.state.inactive)
        if text
    }
)
# What was loaded into an empty map, and what was read back once it was in use.
PAIRS = sorted(
    {
        (case.steps[0].given, case.steps[1].state.table)
        for case in cases()
        if not case.steps[0].error and case.steps[1].do.startswith("resume")
    }
)
# The hardware handlers that are attached to the disks, the same ones for each capture.
HANDLERS = {device: disk.handler for device, disk in captures()[0].memory_kernel().disks.items()}
LINE = "0 8 multipath 1 queue_if_no_path 1 alua 1 1 service-time 0 2 2 8:0 1 1 8:16 1 1"


@given(TABLES)
def test_parse_is_the_inverse_of_format(table: Table) -> None:
    assert parse_table(format_table(table)) == table


@pytest.mark.parametrize("text", PRINTED)
def test_what_a_kernel_prints_is_typed_and_printed_the_same(text: str) -> None:
    table = parse_table(text)
    known = {"multipath": Multipath, "linear": Linear}
    lines = text.splitlines()
    assert len(table) == len(lines)
    for segment, line in zip(table, lines):
        assert isinstance(segment.target, known.get(line.split()[2], Other))
        assert str(segment).split() == line.split()


@pytest.mark.parametrize(("loaded", "read_back"), PAIRS)
def test_what_was_loaded_and_what_is_read_back_are_equivalent(loaded: str, read_back: str) -> None:
    assert equivalent(with_handler_in_use(parse_table(loaded)), parse_table(read_back))


def with_handler_in_use(table: Table) -> Table:
    """Return a table with the hardware handler that it gets over the captured kernels' disks."""
    if not isinstance(table[0].target, Multipath):
        return table
    (segment,), target = table, table[0].target
    retains = target.features.retain_attached_hw_handler
    stated = target.hardware_handler[0] if target.hardware_handler else ""
    attached = [HANDLERS.get(device, "") for device in target.devices()]
    handler = handler_in_use(
        stated or ("auto" if retains else "none"), attached, target.features.queue_mode
    )
    return (segment._replace(target=replace(target, hardware_handler=handler)),)


def test_most_pairs_differ_as_texts() -> None:
    assert len(PAIRS) > 100
    assert len([pair for pair in PAIRS if pair[0].split() != pair[1].split()]) > len(PAIRS) / 2


@given(TABLES)
def test_a_table_is_equivalent_to_itself_and_to_its_canonical_form(table: Table) -> None:
    assert equivalent(table, table)
    assert equivalent(table, canonical(table))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0 8 linear 8:0 0", "0 8 linear 8:0 1"),
        ("0 8 linear 8:0 0", "0 8 linear 8:1 0"),
        ("0 8 linear 8:0 0", "0 9 linear 8:0 0"),
        ("0 8 linear 8:0 0", "0 4 linear 8:0 0\n4 4 linear 8:0 4"),
        ("0 8 linear 8:0 0", ""),
        ("0 8 error", "0 8 zero"),
        ("0 8 striped 2 16 8:0 0 8:16 0", "0 8 striped 2 16 8:16 0 8:0 0"),
    ],
)
def test_these_are_not_equivalent(one: str, other: str) -> None:
    assert not equivalent(parse_table(one), parse_table(other))


@given(st.integers(), st.integers(), st.text(), st.text())
def test_reading_any_line_is_total(start: int, length: int, kind: str, parameters: str) -> None:
    segment = Segment.read(start, length, kind, parameters)
    assert segment.target.kind == kind


@given(st.data())
def test_a_line_with_other_words_is_typed_only_if_it_prints_the_same(data: st.DataObject) -> None:
    words = data.draw(st.sampled_from((LINE, "0 8 linear 8:0 2048"))).split()
    for _change in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(3, len(words)))
        spare = data.draw(st.lists(st.sampled_from([*words, "-1", "+1", "9" * 30]), max_size=2))
        words[place : place + data.draw(st.integers(0, 2))] = spare
    segment = Segment.read(0, 8, words[2], " ".join(words[3:]))
    if isinstance(segment.target, Multipath) and words.count("queue_if_no_path") > 1:
        assert segment.target.features.queue_if_no_path
    else:
        assert str(segment).split() == words


def test_a_table_with_foreign_targets_is_kept_as_it_is() -> None:
    text = "0 8 error \n8 8 zero \n16 8 thin-pool 253:0 253:1 128 32768 1 skip_block_zeroing"
    table = parse_table(text)
    assert [segment.target.kind for segment in table] == ["error", "zero", "thin-pool"]
    assert sectors(table) == 24
    assert devices(table) == ()
    assert queueing(table) is None
    assert with_queueing(table, True) == table


def test_a_table_of_linear_segments_has_a_length_and_devices() -> None:
    table = parse_table("0 1000 linear 8:0 0\n1000 24 linear 8:16 5000")
    assert sectors(table) == 1024
    assert devices(table) == (DeviceNumber(8, 0), DeviceNumber(8, 16))


def test_queueing_is_read_and_changed_apart_from_the_rest() -> None:
    table = parse_table(LINE)
    assert queueing(table) is True
    changed = with_queueing(table, False)
    assert queueing(changed) is False
    assert not equivalent(changed, table)
    assert with_queueing(changed, True) == table


@pytest.mark.parametrize("text", ["0", "0 8", "x 8 linear 8:0 0", "0 x linear 8:0 0"])
def test_a_line_without_start_length_and_target_is_no_table(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_table(text)
