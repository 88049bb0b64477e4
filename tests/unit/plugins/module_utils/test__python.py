# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Python says that is too old for the collection, as far as it reads it at all."""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._python import refuse_old_python

PLUGINS = Path(__file__).parents[4] / "plugins"
MODULES = sorted((PLUGINS / "modules").glob("*.py"))
CHECK = ["from ..module_utils._python import refuse_old_python", "refuse_old_python()"]
OLDEST = (3, 6)
"""Of RHEL 8 (/usr/libexec/platform-python) and SLES 15."""


@pytest.mark.parametrize(
    ("there", "way_out"),
    [
        (
            ["/usr/bin/python3.9", "/usr/bin/python3.11", "/usr/bin/python3.6"],
            "This host has /usr/bin/python3.9 and /usr/bin/python3.11: set"
            " ansible_python_interpreter to it",
        ),
        (
            [],
            "Install one (RHEL 8: the package python3.11; SLES 15: python311) and set"
            " ansible_python_interpreter to it, such as /usr/bin/python3.11",
        ),
    ],
)
def test_an_old_python_says_which_one_to_set(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    there: list[str],
    way_out: str,
) -> None:
    monkeypatch.setattr(os.path, "exists", there.__contains__)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "version_info", (3, 6, 8, "final", 0))
        patch.setattr(sys, "executable", "/usr/libexec/platform-python")
        with pytest.raises(SystemExit) as ended:
            refuse_old_python()
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out) == {
        "failed": True,
        "changed": False,
        "msg": (
            "ansible_python_interpreter: /usr/libexec/platform-python: this is Python 3.6.8;"
            f" the modules of san.device_mapper need Python 3.9 or later. {way_out}"
        ),
    }


def test_a_python_that_is_supported_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    refuse_old_python()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("path", [*MODULES, PLUGINS / "module_utils/_python.py"], ids=str)
def test_an_old_python_can_read_what_says_so(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"), feature_version=OLDEST)
    future = [each.module for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)]
    assert "__future__" not in future


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_says_it_before_it_imports_anything_else(path: Path) -> None:
    body = ast.parse(path.read_text("utf-8")).body
    first = [each for each in body if not isinstance(each, ast.Assign)][:2]
    assert [ast.unparse(each) for each in first] == CHECK
