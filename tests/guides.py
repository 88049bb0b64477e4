# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides and READMEs tell a reader to type: their blocks of YAML, and their commands."""

from __future__ import annotations

import argparse
import itertools
import json
import re
import shlex
import typing as t
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from ansible.cli import CLI
from ansible.cli.adhoc import AdHocCLI
from ansible.parsing.splitter import parse_kv
from antsibull_docutils.rst_code_finder import find_code_blocks

ROOT = Path(__file__).parents[1]
GUIDES = tuple(
    path.relative_to(ROOT)
    for pattern in ("README.md", "CONTRIBUTING.md", "docs/**/*.rst", "roles/*/README.md")
    for path in sorted(ROOT.glob(pattern))
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# A task, or a play, as YAML has it.
Item = dict[str, t.Any]


@dataclass(frozen=True)
class Block:
    """A block of code of a guide: the guide below the collection, the language, the text."""

    guide: Path
    language: str
    text: str

    @property
    def is_playbook(self) -> bool:
        """Whether it shows one of the collection's playbooks, whole."""
        shown = self.text.strip()
        return any(
            path.read_text("utf-8").partition("\n\n")[2].strip() == shown
            for path in ROOT.glob("playbooks/*.yml")
        )

    def items(self) -> list[Item]:
        """Return the tasks or plays of a block of YAML; ValueError if it is neither."""
        items = yaml.safe_load(self.text)
        if isinstance(items, list) and all(isinstance(each, dict) for each in items):
            return items
        raise ValueError(f"{self.guide}: neither tasks nor plays: {self.text}")


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of all guides, in their order, those of some languages only if named."""
    found = [block for guide in GUIDES for block in _blocks(guide)]
    return [block for block in found if not languages or block.language in languages]


def examples() -> Iterator[Item]:
    """Yield the tasks and plays for a host of one's own, in their order; ad-hoc commands as tasks.

    Without the playbooks of the collection, the READMEs of roles, and plays for other hosts.
    """
    for block in blocks("yaml", "console"):
        if block.guide.parts[0] == "roles" or block.is_playbook:
            continue
        if block.language == "yaml":
            yield from (item for item in block.items() if item.get("hosts", "san") == "san")
        else:
            yield from (ad_hoc(words) for words in commands(block) if words[0] == "ansible")


def _blocks(guide: Path) -> Iterator[Block]:
    text = (ROOT / guide).read_text("utf-8")
    if guide.suffix == ".md":
        for language, content in FENCED.findall(text):
            yield Block(guide, language, content)
    else:
        with warnings.catch_warnings():
            # It calls docutils in a way that will end with docutils 2.0.
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            found = list(find_code_blocks(text))
        yield from (Block(guide, each.language or "", each.content) for each in found)


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the words of each command after a prompt, without assignments before it."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            split = shlex.shlex(line[2:], posix=True, punctuation_chars=True)
            split.whitespace_split = True
            for is_between, words in itertools.groupby(split, ("|", "&&", ";").__contains__):
                command = list(itertools.dropwhile(re.compile(r"\w+=").match, words))
                if command and not is_between:
                    yield command


def ad_hoc(words: list[str]) -> Item:
    """Return the task that an `ansible` command states; SystemExit if it takes no such options."""
    stated = parsed(AdHocCLI(words))
    text = stated.module_args or ""
    arguments = json.loads(text) if text.startswith("{") else parse_kv(text)
    name = f"{stated.module_name} {text}".strip()
    return {"name": name, stated.module_name: arguments, "check_mode": stated.check}


def parsed(program: CLI) -> argparse.Namespace:
    """Return what a program of Ansible's takes from its command line; SystemExit if it does not."""
    program.init_parser()
    assert program.parser
    stated: argparse.Namespace = program.parser.parse_args(program.args[1:])
    return stated
