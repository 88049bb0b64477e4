# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's table of what is supported has rows for what CI tries, and for nothing else."""

from __future__ import annotations

from pathlib import Path

from check.supported import DEBIANS, HOSTS, table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_table_is_what_is_tried() -> None:
    section = README.partition("\n## Supported and tested\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert rows == list(table())


def test_each_debian_of_the_table_is_booted() -> None:
    assert set(HOSTS.values()) == set(DEBIANS)
