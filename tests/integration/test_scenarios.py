# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's scenarios do not pass where no host was met: Ansible itself would be content."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCENARIOS = Path(__file__).parents[2] / "extensions/molecule"
PLAYBOOKS = sorted(
    str(path.relative_to(SCENARIOS))
    for path in SCENARIOS.glob("*/*.yml")
    if path.name != "molecule.yml"
)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_stage_without_a_host_fails(playbook: str, tmp_path: Path) -> None:
    """The reason is said, and nothing else was done."""
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("san:\n  hosts: {}\n", "utf-8")
    argv = ["ansible-playbook", "-i", str(inventory), str(SCENARIOS / playbook)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stdout
    assert "no host of the group san was met" in done.stdout + done.stderr


def test_each_target_that_has_stages_has_its_scenario() -> None:
    """A scenario without task files would pass, too."""
    targets = Path(__file__).with_name("targets")
    staged = {path.parents[1].name for path in targets.glob("*/tasks/converge.yml")}
    named = {path.parent.name for path in SCENARIOS.glob("*/molecule.yml")}
    assert named == staged | {"default", "san_host"}
    for name in staged:
        assert {"verify.yml", "cleanup.yml"} <= {each.name for each in (targets / name).rglob("*")}
