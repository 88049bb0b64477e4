# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each task of a playbook returned, as one line of JSON each in the file SAN_RESULTS.

ansible-core has no callback for machines: the one named json is in another collection.
"""

from __future__ import annotations

import json
import os
import time
import typing as t

from ansible.executor.stats import AggregateStats
from ansible.inventory.host import Host
from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase

if t.TYPE_CHECKING:
    from ansible.executor.task_result import CallbackTaskResult

DOCUMENTATION = r"""
name: results
type: notification
short_description: Write what each task returned to a file
description:
  - Writes a line of JSON for each result, and one with the numbers per host at the end.
"""


PARTS = ("task", "host", "result")
"""What is written of each result."""


class CallbackModule(CallbackBase):
    """Write results as they come."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "results"

    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, float] = {}

    def v2_runner_on_start(self, host: Host, task: Task) -> None:
        """Note when the task starts."""
        self._started[host.get_name()] = time.monotonic()

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        """Write the result of a task that went well."""
        self._write("ok", result)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Write the result of a task that failed."""
        self._write("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Write that the host could not be reached."""
        self._write("unreachable", result)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        """Write the numbers of the recap."""
        self._append({"stats": {host: stats.summarize(host) for host in stats.processed}})

    def _write(self, status: str, result: CallbackTaskResult) -> None:
        # ansible-core 2.18 and older name them with an underscore, and have only these names.
        prefix = "" if hasattr(result, "task") else "_"
        task, host, returned = (getattr(result, prefix + name) for name in PARTS)
        self._append(
            {
                "status": status,
                "task": task.get_name(),
                "host": host.get_name(),
                "result": returned,
                "seconds": time.monotonic() - self._started[host.get_name()],
            }
        )

    def _append(self, line: dict[str, t.Any]) -> None:
        with open(os.environ["SAN_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
