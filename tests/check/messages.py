# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of all messages, made from the code that has them, so that the two cannot differ."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HEAD = """\
..
  Copyright (c) 2026 the san.device_mapper contributors
  GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

.. _ansible_collections.san.device_mapper.docsite.messages:

Messages
========

All messages of the modules: what was found, and the way out. Words in angle brackets stand for what
the message names. A task that is refused says first which option and value it is about, and has
changed nothing:

.. code-block:: text

   min_paths: 0: a map needs a path. State 1 or more

This page is made from the code, and a test holds it to that.
"""

PAGE = "docs/docsite/rst/messages.rst"

OTHERS = "Other errors"
SEVERAL = "Several options"
INTRODUCTIONS = {
    SEVERAL: "The message names the option; these are said of more than one.",
    OTHERS: "About no option: what the host, its kernel, a daemon or a program did not do. Where\n"
    "no way out is named, the kernel's log (``dmesg``) says more.",
}
CALLED = ("_listed", "filter", "join", "len", "map", "repr", "sorted", "str", "uuid", "words")
"""What is called in an expression and does not say what its value is."""
PLACEHOLDERS = {
    "attribute of": "the settings",
    "by": "kernel or program",
    "by path": "/dev/disk/by-path",
    "control": "/dev/mapper/control",
    "controllers": "names",
    "each": "uuid",
    "for": "",
    "fought": "step",
    "get": "least",
    "group": "character",
    "holder": "uuid",
    "is nvme": "SCSI host or NVMe controller",
    "known": "those that are known",
    "libblkid version": "version",
    "longest name": "number",
    "longest uuid": "number",
    "lost": "seconds",
    "min paths": "min_paths",
    "others": "names",
    "own": "names",
    "owner": "uuid",
    "paths": "number",
    "paths in": "number",
    "present": "uuid",
    "read only": "directory",
    "record path": "file",
    "release": "version",
    "scanned": "",
    "seen": "another",
    "short": "maps",
    "silent": "error",
    "sources": "what it goes by",
    "strerror": "error",
    "takes": "names",
    "there": "names",
    "twin": "uuid",
    "version text": "version",
    "where": "place",
    "word": "infinity or off",
    "words": "details",
    "wwid of": "wwid",
}
"""What a reader is told where a name in the code says less; "" where it may be left out."""


@dataclass(frozen=True)
class Message:
    """A message: the option it is about, empty if it is about none; what was found; the way out."""

    option: str
    found: str
    way_out: str = ""


def page(plugins: Path) -> str:
    """Return the page, in reStructuredText."""
    messages: dict[str, set[Message]] = {}
    for path in sorted(plugins.rglob("*.py")):
        for message in _messages(ast.parse(path.read_text("utf-8"))):
            messages.setdefault(message.option or OTHERS, set()).add(message)
    sections = [_section(option, messages[option]) for option in sorted(messages, key=_last)]
    return HEAD + "".join(sections)


def _last(option: str) -> tuple[bool, bool, str]:
    return option == OTHERS, option == SEVERAL, option


def _section(option: str, messages: set[Message]) -> str:
    title = f"``{option}``" if option.replace("_", "").islower() else option
    introduction = f"\n{INTRODUCTIONS[option]}\n" if option in INTRODUCTIONS else ""
    entries = sorted(messages, key=lambda each: (each.found, each.way_out))
    return f"\n{title}\n{'-' * len(title)}\n{introduction}" + "".join(map(_entry, entries))


def _entry(message: Message) -> str:
    if not message.way_out:
        return f"\n* {_escaped(message.found)}\n"
    return f"\n{_escaped(message.found)}\n  {_escaped(message.way_out)}.\n"


def _escaped(text: str) -> str:
    words = text.split("`")
    for at in range(0, len(words), 2):
        for character in "\\*|_":
            words[at] = words[at].replace(character, f"\\{character}")
    return "``".join(words)


def _messages(tree: ast.Module) -> Iterator[Message]:
    """Yield the messages of a file, one for each way that a conditional expression can go."""
    names = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in ("Interrupted", "KernelError"):
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                    yield from (Message("", found) for found in _texts(call.args[0]))
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id == "Refused":
            option = node.args[0]
            if isinstance(option, ast.Name) and option.id in names:
                option = ast.Constant(names[option.id])
            for found in _texts(node.args[2]):
                for way_out in _texts(node.args[3]):
                    yield Message(_option(option), found, way_out)
        elif node.func.id == "DeviceMapperError":
            for found in _texts(node.args[0]):
                yield Message("", found)


def _option(node: ast.expr) -> str:
    """Return the option's name; which one of several it is, only the running code knows."""
    return str(node.value) if isinstance(node, ast.Constant) else SEVERAL


def _texts(node: ast.expr) -> list[str]:
    """Return the texts that an expression can have, with placeholders for what varies."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body), *_texts(node.orelse)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [one + other for one in _texts(node.left) for other in _texts(node.right)]
    if isinstance(node, ast.JoinedStr):
        texts = [""]
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                texts = [text + _placeholder(part.value) for text in texts]
            else:
                texts = [text + more for text in texts for more in _texts(part)]
        return texts
    return [_placeholder(node)]


def _placeholder(node: ast.expr) -> str:
    """Return what stands for an expression: its outermost name that says what the value is."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        return "<number>"
    called = {each.func for each in ast.walk(node) if isinstance(each, ast.Call)}
    names = [
        _name(each)
        for each in ast.walk(node)
        if isinstance(each, (ast.Attribute, ast.Name))
        and not (each in called and _name(each) in CALLED)
    ]
    found = (names[0] if names else "value").strip("_").replace("_", " ").lower()
    shown = PLACEHOLDERS.get(found, found)
    return shown and f"<{shown}>"


def _name(node: ast.Attribute | ast.Name) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id
