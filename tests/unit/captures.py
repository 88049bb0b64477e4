# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What booted kernels answered to dmsetup, as the files in captured/ have it.

udevd was stopped meanwhile, so that nobody else read from the maps. In a file, a step names of the
map's state only what it changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber

DIRECTORY = Path(__file__).parent / "captured"


@dataclass(frozen=True)
class State:
    """A map as `dmsetup table`, `table --inactive`, `status` and `info` print it."""

    table: str = ""
    inactive: str = ""
    status: str = ""
    suspended: bool = False
    read_only: bool = False


@dataclass(frozen=True)
class Step:
    """What was done to a map, the table that was given with it, the error, the state after it."""

    do: str
    given: str
    error: str
    state: State


@dataclass(frozen=True)
class Case:
    """The life of one map."""

    capture: Capture
    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Request:
    """A dmsetup command on any map, its error, and what it printed."""

    do: str
    given: str
    error: str
    printed: str


@dataclass(frozen=True)
class Capture:
    """A kernel, its disks, and what it answered."""

    kernel: str
    data: dict[str, Any]

    def memory_kernel(self) -> MemoryKernel:
        """Return an in-memory kernel with the disks of the captured one."""
        return MemoryKernel(
            {
                DeviceNumber.parse(disk["device"]): Disk(disk["sectors"], disk["handler"])
                for disk in self.data["disks"]
            },
        )

    def cases(self) -> Iterator[Case]:
        """Yield the lives of single maps."""
        for case in self.data["cases"]:
            yield Case(self, case["name"], tuple(_steps(case["steps"])))

    def requests(self) -> Iterator[Request]:
        """Yield the commands of a session with several maps, in their order."""
        for request in self.data["requests"]:
            words = (request.get(word, "") for word in ("do", "given", "error", "printed"))
            yield Request(*words)


def captures() -> list[Capture]:
    """Return what is in captured/, a kernel each."""
    data = [json.loads(path.read_text("utf-8")) for path in sorted(DIRECTORY.glob("*.json"))]
    return [Capture(each["kernel"], each) for each in data]


def cases() -> list[Case]:
    """Return the lives of single maps, of all kernels."""
    return [case for capture in captures() for case in capture.cases()]


def _steps(data: list[dict[str, Any]]) -> Iterator[Step]:
    state = State()
    for step in data:
        changed = {name: value for name, value in step.items() if hasattr(state, name)}
        state = replace(state, **changed)
        yield Step(step["do"], step.get("given", ""), step.get("error", ""), state)
