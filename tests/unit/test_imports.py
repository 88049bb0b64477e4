# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files import which: floors are folders, none looks up, and one alone meets the host."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

UTILS = Path(__file__).parents[2] / "plugins/module_utils"
BELOW = {
    "_run.py": "_tasks _plan _values",
    "_tasks": "_report _observe _plan _values",
    "_report": "_plan _values",
    "_observe": "_plan _values",
    "_plan": "_values",
    "_system": "_values",
    "_values": "",
}
PURE = {"__future__", "collections", "collections.abc", "contextlib", "dataclasses", "enum"}
PURE |= {"fnmatch", "functools", "itertools", "re", "typing"}
"""Modules of Python's library that do not meet the host."""
PURE_PATHS = {"basename", "dirname", "isabs", "join", "split"}
"""What `os.path` does with names alone."""


def trees(floor: str) -> Iterator[tuple[Path, ast.Module]]:
    """Yield the files of a floor, parsed."""
    files = [UTILS / floor] if floor.endswith(".py") else sorted((UTILS / floor).glob("*.py"))
    assert files
    for path in files:
        yield path.relative_to(UTILS), ast.parse(path.read_text("utf-8"))


def of_types(tree: ast.Module) -> set[ast.AST]:
    """Return what stands below `if t.TYPE_CHECKING`, which no host runs."""
    guards = [
        each
        for each in ast.walk(tree)
        if isinstance(each, ast.If) and ast.unparse(each.test) == "t.TYPE_CHECKING"
    ]
    return {node for guard in guards for each in guard.body for node in ast.walk(each)}


@pytest.mark.parametrize("floor", BELOW)
def test_imports_only_go_down(floor: str) -> None:
    allowed = {floor, *BELOW[floor].split()}
    for path, tree in trees(floor):
        here = Path("module_utils", path).parts
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            start = here[: len(here) - node.level]
            named = (*start, *(node.module or "").split("."))
            targets = [named] if node.module else [(*start, each.name) for each in node.names]
            for target in targets:
                if target[0] == "module_utils":
                    assert target[1] in allowed, f"{path} imports {'.'.join(target)}"
                else:
                    assert node in of_types(tree), f"{path} imports what is for types alone"


@pytest.mark.parametrize("floor", ["_tasks", "_report", "_observe", "_plan", "_values"])
def test_only_the_system_meets_the_host(floor: str) -> None:
    for path, tree in trees(floor):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                strange = {each.name for each in node.names} - PURE - {"os"}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                strange = {node.module or ""} - PURE
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os":
                strange = {f"os.{node.attr}"} - {"os.path"}
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os.path":
                strange = {node.attr} - PURE_PATHS
            elif isinstance(node, ast.Call):
                strange = {ast.unparse(node.func)} & {"open", "__import__", "eval", "exec"}
            else:
                continue
            assert not strange, f"{path}, line {node.lineno}: {strange}"
