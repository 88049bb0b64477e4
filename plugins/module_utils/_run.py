# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From AnsibleModule to the plan and back: the one file that knows it, and check mode."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible.module_utils.basic import AnsibleModule

from ._apply import apply
from ._errors import DeviceMapperError, Refused
from ._kernel import Kernel, ReadOnlyKernel
from ._libdevmapper import LibDeviceMapper
from ._lock import exclusive
from ._names import wwid_of
from ._plan import Absent, Desired, plan
from ._result import diff
from ._steps import foresee, words

if t.TYPE_CHECKING:
    from ._host import Host, Map
    from ._steps import Plan

Options = Mapping[str, t.Any]
Result = dict[str, t.Any]
Request = t.TypeVar("Request")


@dataclass(frozen=True)
class Task(t.Generic[Request]):
    """What a module adds to the one way through; only `observe` meets the host.

    A module that only reads states no maps: it has no `desire`, and so no plan.
    """

    parse: Callable[[Options], Request]
    observe: Callable[[Request, Kernel, float], Host]
    report: Callable[[Request, Host], Result]
    desire: Callable[[Request, Host], Sequence[Desired | Absent]] | None = None


def run(specification: Mapping[str, t.Any], task: Task[Request]) -> t.NoReturn:
    """Run a module: its `task` with the options that `specification` describes."""
    module = AnsibleModule(supports_check_mode=True, **specification)
    try:
        module.exit_json(**outcome(task, module.params, LibDeviceMapper, module.check_mode))
    except DeviceMapperError as error:
        module.fail_json(msg=str(error))


def outcome(
    task: Task[Request], options: Options, kernel: Callable[[], Kernel], check_mode: bool
) -> Result:
    """Return what the module returns; the only place that knows check mode."""
    request = task.parse(options)
    timeout = float(options["timeout"])
    if timeout <= 0:
        raise Refused("timeout", options["timeout"], "it is no time to wait", "State 1 or more")
    if task.desire is None:
        seen = task.observe(request, ReadOnlyKernel(kernel()), timeout)
        return {"changed": False, **task.report(request, seen)}
    there = ReadOnlyKernel(kernel()) if check_mode else kernel()
    with contextlib.nullcontext() if check_mode else exclusive(timeout):
        before = task.observe(request, there, timeout)
        stated = task.desire(request, before)
        steps = plan(stated, before.maps)
        _refuse_daemon(steps, before)
        if check_mode:
            after = replace(before, maps=foresee(steps, before.maps))
        elif steps:
            apply(steps, there, timeout)
            after = task.observe(request, there, timeout)
        else:
            after = before
    result = {"changed": bool(steps), "plan": list(words(steps)), **task.report(request, after)}
    concerned = {each.uuid for each in (*stated, *steps)}
    if concerned:
        result["diff"] = diff(_only(before, concerned), _only(after, concerned), before)
    return result


def _only(host: Host, uuids: set[str]) -> list[Map]:
    return [each for each in host.maps if each.uuid in uuids]


def _refuse_daemon(steps: Plan, host: Host) -> None:
    """Refuse to change multipath maps under a running multipathd, which would undo it.

    A map with a uuid mpath-… belongs to it: it reloads the map with its own table, or removes it.
    """
    fought = [step for step in steps if wwid_of(step.uuid)]
    if host.multipathd_runs and fought:
        raise Refused(
            "manager", "kernel",
            "multipathd runs on this host, and would replace or remove maps that this task makes"
            f" (the first operation was to be `{fought[0].words()}`)",
            "Let the daemon manage them (multipath.conf), or stop and disable multipathd.service"
            " and multipathd.socket; nothing was changed",
        )  # fmt: skip
