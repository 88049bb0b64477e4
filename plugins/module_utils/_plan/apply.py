# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one side effect: a plan carried out on a kernel, with one wait for udev at its end."""

from __future__ import annotations

import contextlib
import typing as t

from .._values.errors import DeviceMapperError, Interrupted, KernelError
from .steps import (
    FAIL_IF_NO_PATH,
    ON_MAPS,
    QUEUE_IF_NO_PATH,
    Create,
    Message,
    Remove,
    UdevFlag,
    words,
)

if t.TYPE_CHECKING:
    from .._values.host import Map
    from .._values.kernel import Kernel
    from .steps import Plan, Step


def apply(plan: Plan, kernel: Kernel, timeout: float) -> None:
    """Carry out `plan`; udev is waited for `timeout` seconds at most.

    Raises Interrupted when the kernel refuses a step, after the map concerned has been brought
    back to what it was.
    """
    with kernel.udev_batch(timeout):
        for index, step in enumerate(plan):
            try:
                step.carry_out(kernel)
            except KernelError as cause:
                undone = _queue_again(plan[:index], plan[index:], kernel)
                _tidy(step, plan[:index], kernel)
                done = plan[: index - len(undone)]
                raise Interrupted(cause, words(done), words(plan[index:])) from cause


def _queue_again(done: Plan, left: Plan, kernel: Kernel) -> Plan:
    """Let a map queue again that was to be removed, and told to fail I/O just before that.

    Returns the step that is undone by that, which is the last one of `done`.
    """
    staying = {step.uuid for step in left if isinstance(step, Remove)}
    for step in done[-1:]:
        if isinstance(step, Message) and step.text == FAIL_IF_NO_PATH and step.uuid in staying:
            # The map may have gone, or be suspended: then it shows in what is left.
            with contextlib.suppress(KernelError):
                kernel.message(step.uuid, QUEUE_IF_NO_PATH)
                return (step,)
    return ()


def _tidy(failed: Step, done: Plan, kernel: Kernel) -> None:
    """Leave the map of the `failed` step neither suspended, nor half-loaded, nor newly empty.

    A resume whose swap fails leaves the map suspended with its old table (dm-ioctl.c do_resume);
    a second resume lets I/O go on. Without an old table it cannot be resumed, only removed.
    """
    if not isinstance(failed, ON_MAPS):
        return  # Nothing was done; a map that is there by now is somebody else's, in the making.
    created = any(isinstance(step, Create) and step.uuid == failed.uuid for step in done)
    for present in _maps_of(failed, kernel):
        # What fails here shows in what is left.
        with contextlib.suppress(KernelError):
            if present.inactive:
                kernel.clear(present.uuid)
        with contextlib.suppress(KernelError):
            if not present.live and (created or present.suspended):
                kernel.remove(present.uuid, False)
            elif present.suspended:
                kernel.resume(present.uuid, False, UdevFlag.NONE)
    for present in _maps_of(failed, kernel):
        if present.suspended:
            raise DeviceMapperError(
                f"the map {present.name} is suspended and could not be resumed: I/O to it waits."
                f" `dmsetup resume {present.name}` lets it go on"
            )
        if present.inactive:
            raise DeviceMapperError(
                f"the map {present.name} has a second table, which could not be cleared: whoever"
                f" resumes it would swap that in. `dmsetup clear {present.name}` throws it away"
            )


def _maps_of(step: Step, kernel: Kernel) -> tuple[Map, ...]:
    return tuple(each for each in kernel.maps() if each.uuid == step.uuid)
