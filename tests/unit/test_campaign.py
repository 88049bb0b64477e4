# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaigns of `make campaign` in short, always with the same seed."""

from __future__ import annotations

from pathlib import Path

from campaign import fuzzed_tables, fuzzed_words


def test_damaged_partition_tables_end_in_a_message_or_in_maps_within(tmp_path: Path) -> None:
    """Of each outcome there are many: damage does not just end in tables that are not read."""
    found = fuzzed_tables.run(tmp_path, 800, 1)
    assert min(found["mapped"], found["refused"], found["nothing"]) > 100


def test_hostile_words_end_in_a_message(tmp_path: Path) -> None:
    """Lines that mean something else are read as that, or turned down."""
    found = fuzzed_words.run(tmp_path, 1000, 1)
    assert min(found["table read"], found["table turned down"], found["status read"]) > 50
    assert min(found["task refused"], found["attributes with one"]) > 10
