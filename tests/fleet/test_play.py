# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide's layout and playbook, as a user runs them: on a host of that layout, twice."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/docsite/rst/lab.rst"
BLOCK = re.compile(r"\.\. code-block:: \w+\n   :caption: (\S+)\n\n((?:   .*\n|\n)+)")


def test_the_guides_playbook_runs_on_the_guides_layout(tmp_path: Path) -> None:
    """The host has what the file says, and the playbook meets it."""
    for name, block in BLOCK.findall(GUIDE.read_text("utf-8")):
        (tmp_path / name).write_text(textwrap.dedent(block), "utf-8")
    lab = [sys.executable, str(ROOT / "tests/lab"), "run", f"--layout={tmp_path / 'san.toml'}"]
    argv = [*lab, "--", sys.executable, str(ROOT / "tests/play.py"), str(tmp_path / "site.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "play: passed; the second run changed nothing" in done.stdout
    assert re.search(r"^lab +: ok=3 +changed=1 ", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^lab +: ok=3 +changed=0 ", done.stdout, re.MULTILINE), done.stdout
