# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans: steps that say of themselves all that is asked of them, foreseen or carried out.

`apply` is the one side effect of the collection.
"""

from __future__ import annotations

import contextlib
import typing as t

from .._values.errors import DeviceMapperError, Interrupted, KernelError, Unfinished

if t.TYPE_CHECKING:
    from ...plugin_utils._types import Host, Kernel


class Step:
    """One operation; it says of itself what a plan, check mode and `apply` need to know.

    `uuid` is that of the map that it is about; empty if it is about no one map.
    """

    if t.TYPE_CHECKING:

        @property
        def uuid(self) -> str:
            raise NotImplementedError

    def words(self) -> str:
        """Return it as an admin knows it, from dmsetup or the shell."""
        raise NotImplementedError

    def carry_out(self, kernel: Kernel) -> None:
        """Do it; a KernelError if that is refused."""
        raise NotImplementedError

    def foresee(self, host: Host) -> Host:
        """Return what it makes of the host that was observed; the same where nothing shows it."""
        return host

    @property
    def fights_multipathd(self) -> bool:
        """Whether a multipathd that runs would undo it, or be surprised by it."""
        return False

    @property
    def reinstates_paths(self) -> bool:
        """Whether paths of any map are used again that a task has failed."""
        return False

    @property
    def udev_is_awaited(self) -> bool:
        """Whether it belongs into a batch, at whose end udev is waited for."""
        return False

    def recover(self, done: Plan, kernel: Kernel) -> int:
        """Leave things whole after this step was refused; return how many steps are undone.

        Those are the last ones of `done`, the plan before this step.
        """
        return 0


class Unmapped(Step):
    """A step that is about no one map."""

    uuid: t.ClassVar[str] = ""


Plan = tuple[Step, ...]


def foresee(plan: Plan, host: Host) -> Host:
    """Return the host as it will be once `plan` is carried out."""
    for step in plan:
        host = step.foresee(host)
    return host.ordered()


def words(plan: Plan) -> tuple[str, ...]:
    """Return the plan in words, an operation each."""
    return tuple(step.words() for step in plan)


def uuids(plan: Plan) -> set[str]:
    """Return the uuids of the maps that `plan` changes."""
    return {step.uuid for step in plan if step.uuid}


def apply(plan: Plan, kernel: Kernel, timeout: float) -> None:
    """Carry out `plan`; udev is waited for `timeout` seconds at most.

    Raises Unfinished when something failed: Interrupted when the kernel refused a step, after the
    map concerned has been brought back to what it was.
    """
    done: Plan = ()
    try:
        awaited = any(step.udev_is_awaited for step in plan)
        with kernel.udev_batch(timeout) if awaited else contextlib.nullcontext():
            for step in plan:
                _carry_out(step, done, plan[len(done) :], kernel)
                done = (*done, step)
    except Unfinished:
        raise
    except DeviceMapperError as late:
        raise Unfinished(str(late), done=words(done), left=words(plan[len(done) :])) from late


def _carry_out(step: Step, done: Plan, left: Plan, kernel: Kernel) -> None:
    try:
        step.carry_out(kernel)
    except DeviceMapperError as cause:
        try:
            undone = step.recover(done, kernel)
        except DeviceMapperError as stuck:
            raise Unfinished(str(stuck), done=words(done), left=words(left)) from cause
        done = done[: len(done) - undone]
        if isinstance(cause, KernelError):
            raise Interrupted(cause, done=words(done), left=words(left)) from cause
        raise Unfinished(str(cause), done=words(done), left=words(left)) from cause
