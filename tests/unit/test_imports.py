# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files import which: floors are folders, none looks up, and one alone meets the host."""

from __future__ import annotations

import re
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


@pytest.mark.parametrize("floor", BELOW)
def test_imports_only_go_down(floor: str) -> None:
    files = [UTILS / floor] if floor.endswith(".py") else sorted((UTILS / floor).glob("*.py"))
    for path in files:
        looked_at = re.findall(r"^ *from \.+(_[a-z]+)", path.read_text("utf-8"), re.MULTILINE)
        above = {*looked_at} - {*BELOW[floor].split()}
        assert not above, f"{path.relative_to(UTILS)} imports from {above}"


HOSTS = re.compile(
    r"^import (?:ctypes|fcntl|glob|grp|pwd|select|shutil|signal|socket|stat|subprocess|tempfile"
    r"|threading|time)\b"
    r"|\bopen\(|\bos\.(?!path\.(?:basename|dirname|isabs|join|split)\b)\w+|\bos\.environ",
    re.MULTILINE,
)
"""What meets the host: modules of Python's library, and all of `os` but the making of paths."""


@pytest.mark.parametrize("floor", ["_tasks", "_report", "_observe", "_plan", "_values"])
def test_only_the_system_meets_the_host(floor: str) -> None:
    for path in sorted((UTILS / floor).glob("*.py")):
        found = HOSTS.search(path.read_text("utf-8"))
        assert not found, f"{path.relative_to(UTILS)}: {found and found.group()}"
