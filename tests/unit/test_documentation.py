# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides show is what the collection has."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import guides
import pytest
import yaml

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"\.\. code-block:: yaml\n   :caption: (playbooks/\w+\.yml)\n\n((?:   .*\n|\n)+)"
)


@pytest.mark.parametrize(
    ("guide", "count"),
    [("san_host", 1), ("lun_life", 4), ("day_two", 3), ("multipathd", 2), ("multipath_conf", 1)],
)
def test_the_guide_shows_the_playbooks_as_they_are(guide: str, count: int) -> None:
    text = (ROOT / f"docs/docsite/rst/{guide}.rst").read_text("utf-8")
    shown = {name: textwrap.dedent(block).strip() for name, block in BLOCK.findall(text)}
    assert len(shown) == count
    for name, block in shown.items():
        _licence, _blank, playbook = (ROOT / name).read_text("utf-8").partition("\n\n")
        assert block == playbook.strip(), name


def test_the_output_is_of_the_playbook() -> None:
    text = (ROOT / "docs/docsite/rst/san_host.rst").read_text("utf-8")
    (play,) = yaml.safe_load((ROOT / "playbooks/provision.yml").read_text("utf-8"))
    role = ROOT / "roles/udev_rules"
    known = [task["name"] for task in play["tasks"]]
    for path in ("tasks/main.yml", "handlers/main.yml"):
        tasks = yaml.safe_load((role / path).read_text("utf-8"))
        known += [f"san.device_mapper.udev_rules : {task['name']}" for task in tasks]
    shown = re.findall(r"(?:TASK|HANDLER) \[(.*)\]", text)
    assert set(shown) <= set(known)
    assert {task["name"] for task in play["tasks"]} <= set(shown)


def test_each_guide_is_in_the_table_of_contents() -> None:
    contents = yaml.safe_load((ROOT / "docs/docsite/extra-docs.yml").read_text("utf-8"))
    listed = [name for section in contents["sections"] for name in section["toctree"]]
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "docs/docsite/rst").glob("*.rst"))
    index = (ROOT / "docs/index.rst").read_text("utf-8")
    assert re.findall(r"^   docsite/(\w+)$", index, re.MULTILINE) == listed


@pytest.mark.parametrize(
    "name", ["README.md", "roles/multipathd/README.md", "roles/udev_rules/README.md"]
)
def test_what_a_readme_links_to_is_there(name: str) -> None:
    readme = ROOT / name
    for target in re.findall(r"\]\(([^)]*)\)|(?:src|srcset)=\"(.*?)\"", readme.read_text("utf-8")):
        path = "".join(target)
        assert path.startswith("https://") or (readme.parent / path).exists(), path


def test_the_pairs_of_tables_are_what_a_kernel_printed() -> None:
    text = (ROOT / "docs/docsite/rst/model.rst").read_text("utf-8")
    pairs = re.findall(r"\* - ``(\d.*)``\n     - ``(.*)``\n", text)
    captured = json.loads((ROOT / "tests/unit/captured/linux-6.1.json").read_text("utf-8"))
    known = {
        tuple(
            table.partition("multipath ")[2].strip() for table in (loaded["given"], read["table"])
        )
        for case in captured["cases"]
        for loaded, read in itertools.pairwise(case["steps"])
        if "given" in loaded and "table" in read
    }
    assert len(pairs) > 3
    assert set(pairs) <= known


def test_the_path_grouping_policy_in_ten_lines_works(tmp_path: Path) -> None:
    (change,) = (block.text for block in guides.blocks("diff"))
    assert len(re.findall(r"^\+(?!\+)", change, re.MULTILINE)) <= 10
    collection = tmp_path / "ansible_collections/san/device_mapper"
    for name in ("plugins", "tests/unit"):
        shutil.copytree(ROOT / name, collection / name)
    subprocess.run(["git", "apply", "-"], cwd=collection, input=change, text=True, check=True)
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
    ]
    done = subprocess.run(
        [*argv, "tests/unit/plugins/module_utils/_plan/test_path_groups.py"],
        cwd=collection,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "group_by_hba" in (collection / "plugins/modules/multipath_map.py").read_text("utf-8")
