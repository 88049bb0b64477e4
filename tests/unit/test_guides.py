# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides tell a reader to type exists, and takes what they give it."""

from __future__ import annotations

import difflib
import functools
import importlib
import json
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import guides
import pytest
import yaml
from ansible.cli.doc import DocCLI
from ansible.cli.galaxy import GalaxyCLI
from ansible.cli.playbook import PlaybookCLI
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.splitter import parse_kv
from ansible.playbook.play import Play
from ansible.playbook.role.include import RoleInclude
from ansible.playbook.task import Task
from guides import ROOT, Block, Item
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice

OURS = "san.device_mapper."
PLAY_LISTS = ("pre_tasks", "tasks", "handlers", "post_tasks")
BLOCK_LISTS = ("block", "rescue", "always")
LANGUAGES = {"console", "diff", "text", "yaml", "toml"}
PROGRAMS = {
    # Which are not ours, and whose arguments nothing here can know.
    "$EDITOR", "awk", "blkid", "cat", "cd", "cp", "dmsetup", "echo", "export", "git", "journalctl",
    "kpartx", "ls", "lvm", "mount", "multipath", "multipathd", "sed", "ssh", "systemctl",
    "udevadm", "vgchange",
}  # fmt: skip


def ids(block: Block) -> str:
    return f"{block.guide}: {block.text.splitlines()[0][:50]}"


@pytest.mark.parametrize("block", guides.blocks(), ids=ids)
def test_each_block_says_what_it_is(block: Block) -> None:
    assert block.language in LANGUAGES


@pytest.mark.parametrize("block", guides.blocks("yaml"), ids=ids)
def test_each_task_and_play_can_be_run(block: Block) -> None:
    for task in tasks(block.items()):
        check_task(task)


@pytest.mark.parametrize("block", guides.blocks("console"), ids=ids)
def test_each_command_can_be_run(block: Block) -> None:
    for words in guides.commands(block):
        check = COMMANDS.get(words[0])
        assert check or words[0] in PROGRAMS, f"nothing is known of {words[0]}"
        if check:
            check(words)


@pytest.mark.parametrize(
    "wrong",
    [
        "- san.device_mapper.multipath_map: {wwid: '3600', naem: data}",
        "- san.device_mapper.multipath_map: {wwid: '3600', state: gone}",
        "- san.device_mapper.multipath_map: {wwid: '3600', min_paths: 0}",
        "- san.device_mapper.multipath_map: {maps: '{{ luns }}', path_selectr: queue-length}",
        "- san.device_mapper.multipath_maps: {wwid: '3600'}",
        "- multipath_map: {wwid: '3600'}",
        "- ansible.posix.mount: {path: /srv, stat: mounted}",
        "- ansible.builtin.include_role: {name: san.device_mapper.udev_rule}",
        "- {ansible.builtin.debug: {msg: there}, wen: false}",
        "- {hosts: san, task: []}",
        "- {hosts: san, roles: [{role: san.device_mapper.udev_rules, udev_rules_link: true}]}",
        "{}",
    ],
)
def test_wrong_yaml_is_found(wrong: str) -> None:
    with pytest.raises(Exception, match=r"\w"):
        test_each_task_and_play_can_be_run(Block(Path("guide"), "yaml", wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        "ansible san -m san.device_mapper.multipath_map -a 'wwid=3600 naem=data'",
        "ansible san --modul san.device_mapper.multipath_map",
        "ansible-playbook san.device_mapper.new_lun",
        "ansible-playbook san.device_mapper.new_luns -e san_path=4",
        "ansible-playbook --chekc san.device_mapper.new_luns",
        "ansible-doc san.device_mapper.multipath_maps",
        "make demonstration",
        "pytest tests/unti",
        "multipat -ll",
    ],
)
def test_a_wrong_command_is_found(wrong: str) -> None:
    with pytest.raises((AssertionError, SystemExit)):
        test_each_command_can_be_run(Block(Path("guide"), "console", f"$ {wrong}"))


def test_the_model_shows_what_its_task_returns() -> None:
    model = [block for block in guides.blocks() if block.guide.stem == "model"]
    stated = next(each for each in model if each.language == "yaml").items()[0]
    options = stated["san.device_mapper.multipath_map"]
    addresses = {"sda": "0:0:0:0", "sdc": "0:0:1:0", "sde": "1:0:0:0", "sdg": "1:0:1:0"}
    paths = tuple(
        BlockDevice(name, DeviceNumber(8, 32 * number), 524288, options["wwid"], address=address)
        for number, (name, address) in enumerate(addresses.items())
    )
    host = MemoryHost(MemoryKernel({path.device: Disk(path.sectors) for path in paths}), paths)
    host.run("multipath_map", **{**options, "path_grouping_policy": "multibus"})
    result = host.run("multipath_map", **options)
    before, after = (result["diff"][side].splitlines() for side in ("before", "after"))
    shown = [block.text.strip().splitlines() for block in model if block.language == "text"]
    assert [f"- {step}" for step in result["plan"]] in shown
    assert [*difflib.unified_diff(before, after, "before", "after", lineterm="")] in shown


def tasks(items: list[Item]) -> Iterator[Item]:
    """Yield the tasks of plays, blocks and lists of tasks, having checked what is around them."""
    for item in items:
        if "hosts" in item:
            unknown = set(item) - set(Play.fattributes)
            assert not unknown, f"a play has no {unknown}"
            for role in item.get("roles", ()):
                check_role(role["role"], set(role) - set(RoleInclude.fattributes))
        lists = PLAY_LISTS if "hosts" in item else BLOCK_LISTS
        for each in lists:
            yield from tasks(item.get(each, []))
        if not {"hosts", "block"} & set(item):
            yield item


def check_role(name: str, variables: Collection[str]) -> None:
    """Refuse a role that is not there, and variables that it does not have."""
    path = ROOT / "roles" / name.removeprefix(OURS) / "meta/argument_specs.yml"
    known = yaml.safe_load(path.read_text("utf-8"))["argument_specs"]["main"]["options"]
    assert set(variables) <= set(known), f"{name} has no {set(variables) - set(known)}"


def check_task(task: Item) -> None:
    """Refuse a task whose module, option or keyword is unknown, or the value, where it is known."""
    (action,) = set(task) - set(Task.fattributes)
    arguments = task[action] or {}
    assert action in documented(), f"there is no module {action}"
    if action == "ansible.builtin.include_role":
        check_role(arguments["name"], task.get("vars", ()))
    if isinstance(arguments, str):  # Free form, as `command` takes it.
        arguments = {"_raw_params": arguments}
    if action != "ansible.builtin.set_fact":
        check_names(action, documented()[action], arguments)
    if action.startswith(OURS) and "{{" not in json.dumps(arguments):
        specification, parse = ours(action)
        result = ArgumentSpecValidator(**specification).validate(arguments)
        assert not result.error_messages, f"{action}: {result.error_messages}"
        parse(result.validated_parameters)


def check_names(action: str, options: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Refuse options that a module does not document, and choices that it does not have."""
    known = dict(options)
    known |= {alias: each for each in options.values() for alias in each.get("aliases", ())}
    for name, value in arguments.items():
        if name == "_raw_params":
            continue
        assert name in known, f"{action}: there is no option {name}"
        below = value if isinstance(value, list) else [value]
        for each in below:
            if isinstance(each, dict) and "suboptions" in known[name]:
                check_names(action, known[name]["suboptions"], each)
            elif "choices" in known[name] and "{{" not in str(each):
                assert each in known[name]["choices"], f"{action}: {name} is never {each}"


@functools.cache
def documented() -> Mapping[str, Mapping[str, Any]]:
    """Return the options that the modules in guides document, by the names of the modules."""
    text = "\n".join(block.text for block in guides.blocks("yaml", "console"))
    names = sorted(set(re.findall(r"[a-z]+\.[a-z_]+\.[a-z_]+", text)))
    argv = ["ansible-doc", "--type=module", "--json", *names]
    printed = subprocess.run(argv, capture_output=True, check=True, text=True).stdout
    return {name: each["doc"].get("options", {}) for name, each in json.loads(printed).items()}


@functools.cache
def ours(action: str) -> tuple[dict[str, Any], Any]:
    """Return the specification of a module's arguments, and what parses them."""
    package = "ansible_collections.san.device_mapper.plugins.modules"
    module = importlib.import_module(f"{package}.{action.removeprefix(OURS)}")
    return module.SPECIFICATION, module.TASK.parse


def check_ansible(words: list[str]) -> None:
    """Refuse an ad-hoc command that Ansible or the module does not take."""
    check_task(guides.ad_hoc(words))


def check_playbook(words: list[str]) -> None:
    """Refuse a playbook that is not there, and variables that it does not have."""
    stated = guides.parsed(PlaybookCLI(words))
    for name in stated.args:
        text = playbook(name)
        for extra in stated.extra_vars or ():
            given = json.loads(extra) if extra.startswith("{") else parse_kv(extra)
            for variable in given:
                assert re.search(rf"\b{variable}\b", text), f"{name} has no {variable}"


def playbook(name: str) -> str:
    """Return the text of the playbook that a command names."""
    path = ROOT / "playbooks" / f"{name.removeprefix(OURS)}.yml" if OURS in name else ROOT / name
    # The reader's own file, in which a guide's play is.
    shown = {"hosts.yml": "README.md"}
    assert path.exists() or name in shown, f"there is no playbook {name}"
    return (path if path.exists() else ROOT / shown[name]).read_text("utf-8")


def check_doc(words: list[str]) -> None:
    """Refuse the name of a plugin that does not exist."""
    stated = guides.parsed(DocCLI(words))
    kinds = {
        "module": "plugins/modules/{}.py",
        "role": "roles/{}",
        "filter": "plugins/filter/{}.py",
    }
    for name in stated.args:
        path = kinds[stated.type].format(name.removeprefix(OURS))
        assert (ROOT / path).exists(), f"there is no {stated.type} {name}"


def check_galaxy(words: list[str]) -> None:
    """Refuse what ansible-galaxy does not take."""
    guides.parsed(GalaxyCLI(words))


def check_make(words: list[str]) -> None:
    """Refuse a target that the Makefile does not have."""
    text = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    steps = re.search("^steps := (.*)$", text, re.MULTILINE)
    assert steps
    for word in words[1:]:
        assert "=" in word or word in steps[1].split(), f"there is no `make {word}`"


def check_pytest(words: list[str]) -> None:
    """Refuse a file or folder of tests that is not there."""
    for word in words[1:]:
        assert not word.startswith("tests") or (ROOT / word).exists(), f"there is no {word}"


COMMANDS = {
    "ansible": check_ansible,
    "ansible-doc": check_doc,
    "ansible-galaxy": check_galaxy,
    "ansible-playbook": check_playbook,
    "make": check_make,
    "pytest": check_pytest,
}
