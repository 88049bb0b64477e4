# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each ansible-core that SAN_CONTROLLERS names installs the artefact and uses it on a booted host.

SAN_ARTEFACT names that file.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from lab.host import Lab
from lab.playbook import run

CONTROLLERS: dict[str, str] = json.loads(os.environ.get("SAN_CONTROLLERS", "{}"))
"""The directories of their programs, by the versions of ansible-core and Python: `2.19-3.11`."""
PLAYBOOK = Path(__file__).with_name("playbook.yml")


@pytest.mark.parametrize("name", CONTROLLERS)
def test_controller(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules, the role and the filter do there what they do elsewhere."""
    monkeypatch.setenv("PATH", CONTROLLERS[name], prepend=os.pathsep)
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path))
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path / "collections"))
    # The collection that is tested elsewhere would be found by it, before the installed one.
    monkeypatch.delenv("PYTHONPATH")
    artefact = os.environ["SAN_ARTEFACT"]
    subprocess.run(
        ["ansible-galaxy", "collection", "install", artefact, f"-p={tmp_path}/collections"],
        check=True,
    )
    inventory = Lab.from_environment().directory / "inventory.yml"
    status, results = run(tmp_path, inventory, PLAYBOOK)
    assert status == 0, [each for each in results if each.get("status") != "ok"]
    assert results[-1]["stats"]["lab"]["ok"] > 0, "no host was met"
    named = [each for each in results if each.get("task") == "Name the controller"]
    (controller,) = (each["result"]["msg"] for each in named)
    core, python = name.split("-")
    assert controller.startswith(f"{core} on {CONTROLLERS[name]}"), controller
    assert python in os.path.realpath(f"{CONTROLLERS[name]}/python")
