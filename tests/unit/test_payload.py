# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module imports is what Ansible sends to each host, for each task: no file without need."""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"
FILES = {
    "device_mapper_info": 49,
    "lun_paths": 50,
    "multipath_config": 40,
    "multipath_map": 63,
    "multipath_path": 44,
    "partition_maps": 40,
    "udev_info": 45,
}
"""How many files of the collection a module is sent with, its own among them."""
UNNEEDED = {
    "device_mapper_info": ("_plan/multipathd*", "_plan/missing", "_plan/boot", "_system/loop"),
    "lun_paths": ("_plan/multipathd", "*_refusals", "*libblkid", "_values/boot_files", "_tasks/m*"),
    "multipath_config": ("_plan/multipathd*", "_plan/m*", "_system/libblkid", "_system/loop"),
    "multipath_path": ("_plan/multipathd", "_system/libblkid", "_system/loop", "_plan/boot"),
    "partition_maps": ("*multipathd*", "_system/disks", "_plan/path*", "_system/scsi*"),
    "udev_info": ("_plan/m*", "_plan/path*", "_system/multipathd", "_system/lock"),
}
"""What concerns none of a module's work, whatever else is exchanged for it."""


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
    names = sorted(str(each.relative_to(PLUGINS).with_suffix("")) for each in found)
    assert len(found) == FILES[module], names
    for pattern in UNNEEDED.get(module, ()):
        assert fnmatch.filter(names, f"module_utils/{pattern}") == [], pattern
