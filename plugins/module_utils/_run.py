# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From AnsibleModule to the plan and back: the one file that knows it, and check mode."""

from __future__ import annotations

import contextlib
import functools
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ._plan.steps import apply, foresee, words
from ._values.errors import (
    DeviceMapperError,
    Interrupted,
    MultipathdError,
    MultipathdLate,
    Refused,
    Unfinished,
    visible,
)
from ._values.kernel import ReadingsOnly

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..plugin_utils._types import Host, Kernel, Plan
    from ._tasks.task import ModuleOptions, Request, Result, Task

_ATTEMPTS = 3


def run(specification: Mapping[str, t.Any], task: Task[Request], *parts: type) -> t.NoReturn:
    """Run a module: its `task` with the options that `specification` describes.

    `parts` are those of the system that the task needs, each a class of _system.
    """
    module = AnsibleModule(supports_check_mode=True, **specification)
    try:
        result = outcome(task, module.params, functools.partial(system, parts), module.check_mode)
        for warning in result.pop("warnings"):
            module.warn(visible(warning))
        module.exit_json(**readable(result))
    except Unfinished as failed:
        left = None if failed.left is None else list(failed.left)
        result = {"changed": bool(failed.done), "done": list(failed.done), "left": left}
        module.fail_json(msg=str(failed), **readable(result))
    except DeviceMapperError as failed:
        module.fail_json(msg=str(failed), changed=False)


def system(parts: tuple[type, ...]) -> Kernel:
    """Return this host, put together from the parts of the system that a task needs."""
    kernel: Kernel = type("System", parts, {})()
    return kernel


def readable(value: t.Any) -> t.Any:
    """Return a result whose text Ansible can read: what is not UTF-8 is escaped, as in messages.

    Mount points, labels and names of processes may be any bytes.
    """
    if isinstance(value, str):
        return value if value.isascii() or _is_unicode(value) else visible(value)
    if isinstance(value, dict):
        return {readable(key): readable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [readable(each) for each in value]
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def outcome(
    task: Task[Request], options: ModuleOptions, kernel: Callable[[], Kernel], check_mode: bool
) -> Result:
    """Return what the module returns; the only place that knows check mode."""
    request = task.parse(options)
    timeout = float(options["timeout"])
    if timeout <= 0:
        raise Refused(
            option="timeout",
            value=options["timeout"],
            found="must be at least 1 second",
            way_out="Increase it, or leave it out for the default",
        )
    host = kernel()
    readings = ReadingsOnly(host)
    observe = functools.partial(task.observe, request, t.cast("Kernel", readings), timeout)
    if task.operations is None:
        return {"changed": False, **task.report(request, observe()), "warnings": []}
    missing = functools.partial(task.operations, request)
    with contextlib.nullcontext() if check_mode else host.exclusive(timeout):
        before = observe()
        steps = missing(before)
        if check_mode:
            after = foresee(steps, before)
        else:
            carry_out = functools.partial(apply, kernel=host, timeout=timeout)
            steps, after = _carry_out(steps, before, carry_out, observe, missing)
    return {
        "changed": bool(steps),
        "plan": list(words(steps)),
        **task.report(request, after),
        **task.changes(request, before, after, steps),
        "warnings": [*task.warnings(request, before, after)],
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
    for attempt in range(1, _ATTEMPTS + 1):
        if not steps:
            return done, host
        interrupted = None
        try:
            carry_out(steps)
            done = (*done, *steps)
        except Interrupted as caught:
            interrupted = caught
            done = (*done, *steps[: len(caught.done)])
        except Unfinished as failed:
            failed.done = (*words(done), *failed.done)
            raise
        try:
            host = observe()
            left = missing(host)
        except DeviceMapperError as unfit:
            if not interrupted:
                raise Unfinished(
                    f"{unfit}. That was found after the task had done: {'; '.join(words(done))}."
                    " Once that is seen to, run the task again",
                    done=words(done),
                    left=None,
                ) from unfit
            left = steps
        late = interrupted is not None and isinstance(interrupted.cause, MultipathdLate)
        if interrupted and not late and isinstance(interrupted.cause, MultipathdError):
            # What the daemon answers too late, or badly, it may have done all the same.
            refused = steps[len(steps) - len(interrupted.left or ())]
            done = done if refused in left else (*done, refused)
        if interrupted and left and (late or left == steps or attempt == _ATTEMPTS):
            cause, not_done = interrupted.cause, interrupted.left
            raise Interrupted(cause, done=words(done), left=not_done or ()) from interrupted
        steps = left
    if steps:
        raise Unfinished(
            "something else on this host changes the same maps or paths, udev's kpartx rule,"
            " multipathd or another tool; or a path that is still broken fails again with its first"
            f" I/O. Done: {'; '.join(words(done))}. Missing again:"
            f" {'; '.join(words(steps))}. Find it (`udevadm monitor`), then run the task again",
            done=words(done),
            left=words(steps),
        )
    return done, host
