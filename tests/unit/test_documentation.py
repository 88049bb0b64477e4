# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides show is what the collection has."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from check import messages

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"\.\. code-block:: yaml\n   :caption: (playbooks/\w+\.yml)\n\n((?:   .*\n|\n)+)"
)


@pytest.mark.parametrize(("guide", "count"), [("lun_life", 4), ("day_two", 3), ("multipathd", 2)])
def test_the_guide_shows_the_playbooks_as_they_are(guide: str, count: int) -> None:
    text = (ROOT / f"docs/docsite/rst/{guide}.rst").read_text("utf-8")
    shown = {name: textwrap.dedent(block).strip() for name, block in BLOCK.findall(text)}
    assert len(shown) == count
    for name, block in shown.items():
        _licence, _blank, playbook = (ROOT / name).read_text("utf-8").partition("\n\n")
        assert block == playbook.strip(), name


def test_the_messages_are_those_of_the_code() -> None:
    written = (ROOT / messages.PAGE).read_text("utf-8")
    assert written == messages.page(ROOT / "plugins"), "make format writes the page anew"


def test_each_guide_is_in_the_table_of_contents() -> None:
    contents = yaml.safe_load((ROOT / "docs/docsite/extra-docs.yml").read_text("utf-8"))
    listed = [name for section in contents["sections"] for name in section["toctree"]]
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "docs/docsite/rst").glob("*.rst"))
    index = (ROOT / "docs/index.rst").read_text("utf-8")
    assert re.findall(r"^   docsite/(\w+)$", index, re.MULTILINE) == listed
