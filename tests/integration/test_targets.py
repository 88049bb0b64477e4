# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The integration targets, and the examples of the documentation, on the booted host."""

from __future__ import annotations

import importlib
import itertools
import json
import typing as t
from pathlib import Path

import guides
import pytest
import yaml

from lab.host import Lab
from lab.playbook import run
from lab.storage import wwid

HERE = Path(__file__).parent
TARGETS = sorted(path.name for path in (HERE / "targets").iterdir())
OF_THE_DAEMON = "multipath_config"
"""The module that needs multipathd: its examples run where that does, in tests/multipathd."""
MODULES = sorted(path.stem for path in (HERE.parents[1] / "plugins/modules").glob("*.py"))
MODULES.remove(OF_THE_DAEMON)
PACKAGE = "ansible_collections.san.device_mapper.plugins.modules"


def play(
    directory: Path, playbook: Path, *arguments: str, timeout: float = 1800
) -> list[dict[str, t.Any]]:
    """Run a playbook against the lab host and return its results; fail if no host was met."""
    inventory = Lab.from_environment().directory / "inventory.yml"
    status, results = run(directory, inventory, playbook, *arguments, timeout=timeout)
    failed = [
        f"{each['task']}: {each['result'].get('msg', each['result'])}"
        for each in results
        if each.get("status") in ("failed", "unreachable")
    ]
    assert not failed, failed
    assert status == 0
    assert results[-1]["stats"].get("lab", {}).get("ok", 0) > 0, "no host was met"
    return results


@pytest.mark.parametrize("target", TARGETS)
def test_target(target: str, tmp_path: Path) -> None:
    """Each folder of targets/ runs to its end on the lab host."""
    play(tmp_path, HERE / "run.yml", "-e", f"target={target}")


def test_the_role_ends_with_what_no_rule_can_hold(tmp_path: Path) -> None:
    """Before the first change, with the option and the value."""
    lab = Lab.from_environment()
    unknown = {"wwid": wwid(0), "owner": "no-such-user"}
    role = {"role": "san.device_mapper.udev_rules", "udev_rules_permissions": [unknown]}
    playbook = tmp_path / "playbook.yml"
    head = {"hosts": "san", "become": True, "gather_facts": False}
    playbook.write_text(json.dumps([{**head, "roles": [role]}]), "utf-8")
    status, results = run(tmp_path, lab.directory / "inventory.yml", playbook)
    last = results[-2]
    assert (status != 0, last["status"]) == (True, "failed")
    assert "no-such-user" in last["result"]["msg"]
    assert not any(each["result"].get("changed") for each in results[:-1])
    assert "san-device-mapper" not in lab.ssh(["ls", "/etc/udev/rules.d"]).stdout


@pytest.mark.parametrize("module", MODULES)
def test_examples_run_as_they_are_documented(module: str, tmp_path: Path) -> None:
    """The tasks in the module's EXAMPLES run in their order, between a set-up and a clean-up."""
    examples = yaml.safe_load(importlib.import_module(f"{PACKAGE}.{module}").EXAMPLES)
    assert examples
    run_examples(tmp_path, examples)


def test_guides_can_be_followed(tmp_path: Path) -> None:
    """The guides' tasks, plays and ad-hoc commands run as they are shown, in their order.

    The playbooks that they show whole have tests of their own, and so has the role.
    """
    elsewhere = {"ansible.builtin.include_role", f"san.device_mapper.{OF_THE_DAEMON}"}
    examples = [each for each in guides.examples() if not elsewhere & {*each}]
    # Settings are the daemon's, which does not run here.
    of_maps = "san.device_mapper.multipath_map"
    examples = [each for each in examples if "settings" not in each.get(of_maps, {})]
    assert examples
    run_examples(tmp_path, examples)


def run_examples(directory: Path, examples: list[guides.Item]) -> None:
    """Run tasks and plays on the lab host, between a set-up and a clean-up."""
    around = yaml.safe_load((HERE / "examples.yml").read_text("utf-8"))
    items = [*around["before"], *examples, *around["after"]]
    head = {"hosts": "san", "become": True, "gather_facts": False}
    plays: list[guides.Item] = []
    for are_plays, group in itertools.groupby(items, lambda item: "hosts" in item):
        together = list(group)
        plays += together if are_plays else [{**head, "tasks": together}]
    playbook = directory / "examples.yml"
    playbook.write_text(json.dumps(plays), "utf-8")
    ran = {each.get("task") for each in play(directory, playbook) if each.get("status") == "ok"}
    assert {task["name"] for each in plays for task in each["tasks"]} <= ran
