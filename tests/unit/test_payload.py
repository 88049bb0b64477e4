# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module imports is what Ansible sends to each host, for each task: no file without need."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
FILES = {
    "device_mapper_info": 39,
    "lun_paths": 23,
    "multipath_map": 57,
    "multipath_path": 40,
    "partition_maps": 38,
    "udev_info": 41,
}
"""The most files of the collection that a module may be sent with, its own among them."""


def imported(path: Path) -> Iterator[Path]:
    """Yield the files that Ansible finds imported: below `if TYPE_CHECKING` as well."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            names = [base / alias.name for alias in node.names]
            for each in (base, *names):
                file = each.with_suffix(".py")
                if file.exists() and "module_utils" in file.parts:
                    yield file


@pytest.mark.parametrize("module", FILES)
def test_a_module_is_sent_with_what_it_needs(module: str) -> None:
    found = {PLUGINS / f"modules/{module}.py"}
    waiting = [*found]
    while waiting:
        new = {*imported(waiting.pop())} - found
        found |= new
        waiting += new
    assert len(found) <= FILES[module], sorted(str(each.relative_to(PLUGINS)) for each in found)
