# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files import which: floors are folders, and none of them looks up."""

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
