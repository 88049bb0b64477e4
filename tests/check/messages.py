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

All messages of the modules: what was found, and the way out. A message that refuses a task begins
with the option and its value, and nothing has been changed then. Words in angle brackets stand for
what the message names. This page is made from the code (``make format``), and a test holds it to
that.
"""

PAGE = "docs/docsite/rst/messages.rst"

OTHERS = "Other errors"
SEVERAL = "Several options"
CALLED = ("filter", "join", "len", "map", "repr", "sorted", "str", "uuid", "words")
"""Names in an expression that do not say what its value is."""


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
    entries = sorted(messages, key=lambda each: (each.found, each.way_out))
    return f"\n{title}\n{'-' * len(title)}\n" + "".join(map(_entry, entries))


def _entry(message: Message) -> str:
    way_out = f"\n  {_escaped(message.way_out)}.\n" if message.way_out else ""
    return f"\n* {_escaped(message.found)}\n{way_out}"


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
        if isinstance(node, ast.ClassDef) and node.name in (
            "Interrupted",
            "KernelError",
            "MultipathdError",
        ):
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
                texts = [f"{text}<{_placeholder(part.value)}>" for text in texts]
            else:
                texts = [text + more for text in texts for more in _texts(part)]
        return texts
    return [f"<{_placeholder(node)}>"]


def _placeholder(node: ast.expr) -> str:
    """Return the last name in an expression, which says what the value is."""
    names = [
        each.attr if isinstance(each, ast.Attribute) else each.id
        for each in ast.walk(node)
        if isinstance(each, (ast.Attribute, ast.Name))
    ]
    telling = [name for name in names if name not in CALLED]
    return (telling[0] if telling else "value").strip("_").replace("_", " ").lower()
