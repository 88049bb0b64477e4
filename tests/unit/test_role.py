# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's variables: documented as they are, and as the module has them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLE = Path(__file__).parents[2] / "roles/udev_rules"
PREFIX = "udev_rules_"


def read(path: str) -> Any:
    return yaml.safe_load((ROLE / path).read_text("utf-8"))


def test_the_documented_defaults_are_the_defaults() -> None:
    for entry in read("meta/argument_specs.yml")["argument_specs"].values():
        documented = {name: each["default"] for name, each in entry["options"].items()}
        assert documented == read("defaults/main.yml")


def test_the_role_of_the_daemon_hands_its_variables_on() -> None:
    """Each is documented with its default, and an option of the module but for the package."""
    role = ROLE.with_name("multipathd")
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text("utf-8"))
    specified = yaml.safe_load((role / "meta/argument_specs.yml").read_text("utf-8"))
    for entry in specified["argument_specs"].values():
        assert {name: each["default"] for name, each in entry["options"].items()} == defaults
    tasks = (role / "tasks/main.yml").read_text("utf-8")
    for name in {*defaults} - {"multipathd_package"}:
        assert f'{name.removeprefix("multipathd_")}: "{{{{ {name} }}}}"' in tasks


@pytest.mark.parametrize("name", ["permissions", "tuning", "nvme"])
def test_the_role_takes_what_the_module_takes(name: str) -> None:
    module = importlib.import_module(
        "ansible_collections.san.device_mapper.plugins.modules.udev_info"
    )
    of_module = yaml.safe_load(module.DOCUMENTATION)["options"][name]["suboptions"]
    of_role = read("meta/argument_specs.yml")["argument_specs"]["main"]["options"][PREFIX + name]
    for each in (of_module, of_role["options"]):
        for option in each.values():
            option.pop("description")
    assert of_module == of_role["options"]


def test_each_preset_is_documented_and_can_be_stated() -> None:
    presets = read("vars/main.yml")["__udev_rules_presets"]
    options = read("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert list(presets) == options["udev_rules_tuning_presets"]["choices"]
    stated = set(options["udev_rules_tuning"]["options"])
    assert all(set(each) <= stated for each in presets.values())


def test_each_preset_for_nvme_is_documented_and_names_its_source() -> None:
    presets = read("vars/main.yml")["__udev_rules_nvme_presets_known"]
    options = read("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert list(presets) == options["udev_rules_nvme_presets"]["choices"]
    stated = set(options["udev_rules_nvme"]["options"])
    assert all(set(each) <= stated for each in presets.values())
    text = (ROLE / "vars/main.yml").read_text("utf-8")
    block = text.split("__udev_rules_nvme_presets_known:")[1].split("\n\n")[0]
    assert block.count("# https://github.com/linux-nvme/nvme-cli/") == len(presets)


def test_each_preset_names_its_source() -> None:
    text = (ROLE / "vars/main.yml").read_text("utf-8")
    before, *names = text.split("__udev_rules_presets:")[1].split("\n\n")[0].split("    vendor:")
    for block in (before, *names)[: len(names)]:
        assert "# https://" in block


def test_the_role_looks_and_refuses_before_it_changes_anything() -> None:
    first, *others = read("tasks/main.yml")
    asked, _expected = read("tasks/verify.yml")
    stated = {key: f"{{{{ __udev_rules_stated.{key} }}}}" for key in read_stated()}
    assert first["san.device_mapper.udev_info"] == {**stated, "verify": False}
    assert asked["san.device_mapper.udev_info"] == stated
    assert "when" not in first
    assert not any("san.device_mapper.udev_info" in each for each in others)


def read_stated() -> dict[str, str]:
    stated: dict[str, str] = read("vars/main.yml")["__udev_rules_stated"]
    return stated
