# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths that a task fails, and that stay failed whatever another task does."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._values.errors import Refused
from .._values.records import held_file
from .steps import Step, Unmapped

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ...plugin_utils._types import DeviceNumber, Host, Kernel, Plan


@dataclass(frozen=True)
class Hold(Unmapped):
    """Note that a path stays failed; before it is failed, so that no check comes between."""

    map_uuid: str
    device: DeviceNumber

    def words(self) -> str:
        return f"touch {held_file(self.map_uuid, self.device)}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.hold_path(self.map_uuid, self.device)

    def foresee(self, host: Host) -> Host:
        return replace(host, held_paths=host.held_paths | {(self.map_uuid, self.device)})


@dataclass(frozen=True)
class Release(Unmapped):
    """Note that a path may come back."""

    map_uuid: str
    device: DeviceNumber

    def words(self) -> str:
        return f"rm {held_file(self.map_uuid, self.device)}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.release_path(self.map_uuid, self.device)

    def foresee(self, host: Host) -> Host:
        return replace(host, held_paths=host.held_paths - {(self.map_uuid, self.device)})


@dataclass(frozen=True)
class Held(Step):
    """Fail a path that stays failed, or reinstate one that was; the note is made first.

    `request` does it: a message to the map, or the same in the words of a daemon that runs.
    """

    request: Step
    device: DeviceNumber
    active: bool

    @property
    def uuid(self) -> str:
        return self.request.uuid

    def words(self) -> str:
        return self.request.words()

    def carry_out(self, kernel: Kernel) -> None:
        self._note.carry_out(kernel)
        self.request.carry_out(kernel)

    def recover(self, done: Plan, kernel: Kernel) -> int:
        return self.request.recover(done, kernel)

    def foresee(self, host: Host) -> Host:
        return self.request.foresee(self._note.foresee(host))

    @property
    def fights_multipathd(self) -> bool:
        return self.request.fights_multipathd

    @property
    def udev_is_awaited(self) -> bool:
        return self.request.udev_is_awaited

    @property
    def _note(self) -> Hold | Release:
        return (Release if self.active else Hold)(self.uuid, self.device)


def refuse_reinstated(option: str, value: str, steps: Plan, host: Host) -> None:
    """Refuse a request after which paths are used again that a task has failed.

    The task could fail them again after the request, but they would get I/O in between, while
    an administrator works on the fabric.
    """
    asking = [step for step in steps if step.reinstates_paths]
    found = [*_failed(host)] if asking else []
    if found:
        raise Refused(
            option=option,
            value=value,
            found=(
                f"`{asking[0].words()}` makes the daemon use all paths again that work, also those"
                f" that multipath_path has failed: {'; '.join(found)}"
            ),
            way_out=(
                "Run the task after the maintenance, or reinstate them before it (multipath_path,"
                " state: active) and fail them again after it; nothing was changed"
            ),
        )


def _failed(host: Host) -> Iterator[str]:
    """Yield in words which paths a task has failed, by map; not those that are in use again."""
    for each in host.multipath_maps():
        names = [
            disk.name if disk else str(device)
            for device, state in each.path_states.items()
            if (each.uuid, device) in host.held_paths and not state.active
            for disk in (host.disk_at(device),)
        ]
        if names:
            yield f"{', '.join(names)} of {each.name}"
