# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make play` says of a playbook's two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import play
import pytest

from lab.host import Lab
from lab.qemu import Machine

MET = {"stats": {"lab": {"ok": 2, "changed": 1}}}
OTHER = {"stats": {"elsewhere": {"ok": 2}}}


def task(changed: bool) -> dict[str, Any]:
    """Return the result of a task."""
    return {"task": "Join the paths", "status": "ok", "result": {"changed": changed}}


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([(0, [task(True), MET]), (0, [task(False), MET])], None),
        ([(2, [task(True), MET])], "the first run ended with status 2"),
        ([(0, [task(True), MET]), (4, [MET])], "the second run ended with status 4"),
        ([(0, [OTHER])], "no task ran on the lab host, which is in the groups san, database"),
        ([(0, [{"stats": {}}])], "no task ran on the lab host"),
        ([(0, [MET]), (0, [task(True), MET])], "the second run changed something: Join the paths"),
    ],
)
def test_what_is_said_of_two_runs(
    runs: list[Any], message: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "run", lambda *_, **__: runs.pop(0))
    monkeypatch.chdir(tmp_path)
    lab = Lab(tmp_path, Machine(groups=("san", "database")))
    if message is None:
        play.play(lab, tmp_path / "site.yml", [])
    else:
        with pytest.raises(play.PlayFailed, match=message):
            play.play(lab, tmp_path / "site.yml", [])
    assert runs == []
