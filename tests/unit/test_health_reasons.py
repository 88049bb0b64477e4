# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each reason that a map is not healthy is in the documentation, and in words in the report."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.plugin_utils import _report_hosts

PLUGINS = Path(__file__).parents[2] / "plugins"
KINDS = [
    str(node.args[0].value)
    for name in ("health", "nvme")
    for node in ast.walk(
        ast.parse((PLUGINS / f"module_utils/_report/{name}.py").read_text("utf-8"))
    )
    if isinstance(node, ast.Call)
    and isinstance(node.func, ast.Name)
    and node.func.id == "Reason"
    and isinstance(node.args[0], ast.Constant)
]


@pytest.mark.parametrize("kind", sorted(set(KINDS)))
def test_a_reason_is_documented_and_has_words(kind: str) -> None:
    documented = (PLUGINS / "modules/device_mapper_info.py").read_text("utf-8")
    assert f"V({kind})" in documented
    assert kind in _report_hosts._WORDS


def test_the_report_knows_no_other_reasons() -> None:
    assert {*_report_hosts._WORDS} == set(KINDS)
