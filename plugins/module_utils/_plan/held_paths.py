# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths that a task fails, and that the host's own check of paths leaves failed."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._values.records import held_file
from .map_steps import Message
from .steps import Unmapped

if t.TYPE_CHECKING:
    from ...plugin_utils._types import DeviceNumber, Host, Kernel


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
class HeldMessage(Message):
    """Fail a path that stays failed, or reinstate one that was; the note is made first."""

    device: DeviceNumber
    active: bool

    def carry_out(self, kernel: Kernel) -> None:
        self._note.carry_out(kernel)
        super().carry_out(kernel)

    def foresee(self, host: Host) -> Host:
        return super().foresee(self._note.foresee(host))

    @property
    def _note(self) -> Hold | Release:
        return (Release if self.active else Hold)(self.uuid, self.device)
