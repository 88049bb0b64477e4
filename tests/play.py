# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a user's playbook twice on the lab host: it has to go well, and then to change nothing.

Run under the lab: `python3 tests/lab run -- python3 tests/play.py PLAYBOOK ARGUMENTS...`.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

from lab.errors import LabError
from lab.host import Lab
from lab.playbook import run


class PlayFailed(Exception):
    """The playbook did not do what it should."""


def main() -> int:
    """Run the playbook that the command line names; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        play(Lab.from_environment(), Path(sys.argv[1]), sys.argv[2:])
    except (PlayFailed, LabError) as failed:
        print(f"play: FAILED: {failed}", file=sys.stderr)
        return 1
    print("play: passed; the second run changed nothing")
    return 0


def play(lab: Lab, playbook: Path, arguments: list[str]) -> None:
    """Run the playbook twice where its user would run it, with the settings that are there."""
    os.chdir(playbook.parent)
    if (playbook.parent / "ansible.cfg").exists():
        os.environ["ANSIBLE_CONFIG"] = str(playbook.parent / "ansible.cfg")
    with tempfile.TemporaryDirectory() as directory:
        for number in ("first", "second"):
            print(f"play: the {number} run of {playbook}", flush=True)
            status, results = run(
                Path(directory),
                lab.directory / "inventory.yml",
                playbook,
                *arguments,
                timeout=None,
                shown=True,
            )
            if status:
                raise PlayFailed(f"the {number} run ended with status {status}")
            if not results[-1]["stats"].get("lab", {}).get("ok", 0):
                raise PlayFailed(
                    "no task ran on the lab host, which is in the groups"
                    f" {', '.join(lab.machine.groups)}: the layout's `groups` can name others"
                )
            changed = [each["task"] for each in results[:-1] if each["result"].get("changed")]
    if changed:
        raise PlayFailed(f"the second run changed something: {'; '.join(changed)}")


if __name__ == "__main__":
    sys.exit(main())
