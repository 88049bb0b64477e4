# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From AnsibleModule to the plan and back: the one file that knows it, and check mode."""

from __future__ import annotations

import contextlib
import functools
import typing as t
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule

from ._plan.apply import apply
from ._plan.boot import boot_diff
from ._plan.boot_steps import WriteFile
from ._plan.steps import foresee, is_by_kernel, uuids, words
from ._report.result import plan_diff
from ._system.disks import Disks
from ._system.files import Files
from ._system.libdevmapper import LibDeviceMapper
from ._system.lock import exclusive
from ._system.multipathd import MultipathDaemon
from ._values.errors import DeviceMapperError, Interrupted, Refused, shown
from ._values.kernel import Kernel, ReadOnlyKernel
from ._values.names import wwid_of

if t.TYPE_CHECKING:
    from ._plan.steps import Plan
    from ._values.host import Host

Options = Mapping[str, t.Any]
Result = dict[str, t.Any]
Request = t.TypeVar("Request")

_ATTEMPTS = 3


class RunningKernel(LibDeviceMapper, Disks, MultipathDaemon, Files):
    """The kernel of this host, the multipath daemon beside it, and what the host boots with."""


def _map_changes(_request: object, before: Host, after: Host, steps: Plan) -> Result:
    """Return the difference of the maps and files that `steps` are about; nothing without steps."""
    if not steps:
        return {}
    maps, files = plan_diff(before, after, uuids(steps)), boot_diff(before, after)
    return {"diff": {side: maps[side] + files[side] for side in maps}}


@dataclass(frozen=True)
class Task(t.Generic[Request]):
    """What a module adds to the one way through; only `observe` meets the host.

    A module that only reads states nothing: it has no `operations`, and so no plan.
    """

    parse: Callable[[Options], Request]
    observe: Callable[[Request, Kernel, float], Host]
    report: Callable[[Request, Host], Result]
    operations: Callable[[Request, Host], Plan] | None = None
    changes: Callable[[Request, Host, Host, Plan], Result] = _map_changes


def run(specification: Mapping[str, t.Any], task: Task[Request]) -> t.NoReturn:
    """Run a module: its `task` with the options that `specification` describes."""
    module = AnsibleModule(supports_check_mode=True, **specification)
    try:
        module.exit_json(**outcome(task, module.params, RunningKernel, module.check_mode))
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
    if task.operations is None:
        seen = task.observe(request, ReadOnlyKernel(kernel()), timeout)
        return {"changed": False, **task.report(request, seen)}
    there = ReadOnlyKernel(kernel()) if check_mode else kernel()
    with contextlib.nullcontext() if check_mode else exclusive(timeout):
        observe = functools.partial(task.observe, request, there, timeout)
        missing = functools.partial(task.operations, request)
        before = observe()
        steps = missing(before)
        _refuse_daemon(steps, before)
        if check_mode:
            after = foresee(steps, before)
        else:
            carry_out = functools.partial(apply, kernel=there, timeout=timeout)
            steps, after = _carry_out(steps, before, carry_out, observe, missing)
    return {
        "changed": bool(steps),
        "plan": list(words(steps)),
        **task.report(request, after),
        **task.changes(request, before, after, steps),
    }


def _carry_out(
    steps: Plan,
    host: Host,
    carry_out: Callable[[Plan], None],
    observe: Callable[[], Host],
    missing: Callable[[Host], Plan],
) -> tuple[Plan, Host]:
    """Carry out `steps`, and what is still missing then; return what was done, and the host.

    Others work on the same maps and paths, a udev rule's kpartx above all: what they did at the
    same moment is observed and planned for, a few times. A host that is no longer fit for the task
    is an error, though all was done: what was stated may not be so any more.
    """
    done: Plan = ()
    for _attempt in range(_ATTEMPTS):
        if not steps:
            return done, host
        interrupted = None
        try:
            carry_out(steps)
            done = (*done, *steps)
        except Interrupted as caught:
            interrupted = caught
            done = (*done, *steps[: len(caught.done)])
        try:
            host = observe()
            left = missing(host)
        except Refused as refused:
            if not interrupted:
                raise DeviceMapperError(
                    f"{refused.option}: {shown(refused.value)}: {refused.found}. That was found"
                    f" after the task had done: {'; '.join(words(done))}. See to it, then run the"
                    " task again"
                ) from refused
            left = steps
        if interrupted and left == steps:
            raise Interrupted(interrupted.cause, words(done), interrupted.left) from interrupted
        steps = left
    if steps:
        raise DeviceMapperError(
            "something else on this host changes the same maps or paths, udev's kpartx rule,"
            " multipathd or another tool; or a path that is still broken fails again with its first"
            f" I/O. Done: {'; '.join(words(done))}. Missing again:"
            f" {'; '.join(words(steps))}. Find it (`udevadm monitor`), then run the task again"
        )
    return done, host


def _refuse_daemon(steps: Plan, host: Host) -> None:
    """Refuse to change multipath maps under a running multipathd, which would undo it.

    A map with a uuid mpath-… belongs to it: it reloads the map with its own table, or removes it.
    A file from which the host makes the map at boot would do so beside the daemon, too.
    """
    fought = [
        step
        for step in steps
        if wwid_of(step.uuid) and (is_by_kernel(step) or isinstance(step, WriteFile))
    ]
    if host.multipathd.runs and fought:
        raise Refused(
            "manager", "kernel",
            "multipathd runs on this host, and would replace or remove maps that this task makes"
            f" (the first operation was to be `{fought[0].words()}`)",
            "State manager: multipathd (or leave it out), or stop and disable multipathd.service"
            " and multipathd.socket; nothing was changed",
        )  # fmt: skip
