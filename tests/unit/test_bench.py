# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark times, and that nothing counts that was not looked at."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest
from bench import floor, on_host

from ansible_collections.san.device_mapper.plugins.module_utils._system import libdevmapper

TURN = """
idle: module creates; there
idle: module looks; there
idle: module removes; gone
idle: floor creates; there
idle: floor looks; there
idle: floor removes; gone
floor creates; there
idle: ping looks; there
floor removes; gone
"""


def test_the_floor_asks_for_what_the_adapter_asks_for() -> None:
    expected = (libdevmapper._CREATE, libdevmapper._REMOVE, libdevmapper._TABLE)
    assert expected == (floor.CREATE, floor.REMOVE, floor.TABLE)


OURS = [(file, name) for _words, file, name in on_host.PARTS if file[0] == "_"]


@pytest.mark.parametrize(("file", "name"), OURS)
def test_what_a_modules_time_goes_to_is_there(file: str, name: str) -> None:
    path = Path(libdevmapper.__file__).parents[1] / file
    found = ast.walk(ast.parse(path.read_text("utf-8")))
    assert name in [each.name for each in found if isinstance(each, ast.FunctionDef)]


def test_contenders_take_turns_from_an_idle_host_and_each_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    did: list[str] = []

    def works(name: str, *verbs: str) -> dict[str, on_host.Work]:
        named = {"create": "creates", "nothing to do": "looks", "remove": "removes"}
        return {
            work: functools.partial(did.append, f"{name} {verb}; ")
            for work, verb in named.items()
            if verb in verbs
        }

    every = ("creates", "looks", "removes")
    contenders = {
        "module": works("module", *every),
        "floor": works("floor", *every),
        "ping": works("ping", "looks"),
    }
    monkeypatch.setattr(on_host, "CONTENDERS", {"maps": lambda: ([], contenders)})
    monkeypatch.setattr(on_host, "be_idle", lambda: did.append("idle: "))
    monkeypatch.setattr(
        on_host, "check", lambda _rows, there: did.append("there\n" if there else "gone\n")
    )
    measured = on_host.measure("maps", 2)
    assert "".join(did) == 2 * TURN.lstrip()
    counted = {
        work: {name: len(rows) for name, rows in of.items()} for work, of in measured.items()
    }
    assert counted == {
        "create": {"module": 2, "floor": 2},
        "nothing to do": {"module": 2, "floor": 2, "ping": 2},
        "remove": {"module": 2, "floor": 2},
    }
