# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module adds to the one way of all tasks."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from ...plugin_utils._types import Host, Plan, Readings

ModuleOptions = Mapping[str, t.Any]
"""A module's options as Ansible gives them: checked against its specification, with defaults."""

Result = dict[str, t.Any]
Request = t.TypeVar("Request")


def _no_changes(_request: object, _before: Host, _after: Host, _steps: Plan) -> Result:
    return {}


def _no_warnings(_request: object, _before: Host, _after: Host) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True)
class Task(t.Generic[Request]):
    """The parts of a task; only `observe` meets the host, through readings.

    A module that only reads states nothing: it has no `operations`, and so no plan. `changes` is
    what it returns of the host before and after, `diff` above all; `warnings` what of the change
    will matter later.
    """

    parse: Callable[[ModuleOptions], Request]
    observe: Callable[[Request, Readings, float], Host]
    report: Callable[[Request, Host], Result]
    operations: Callable[[Request, Host], Plan] | None = None
    changes: Callable[[Request, Host, Host, Plan], Result] = _no_changes
    warnings: Callable[[Request, Host, Host], Iterable[str]] = _no_warnings
