# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operations on what a host boots with, in the form that all steps have."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._system.disks import announce_request

if t.TYPE_CHECKING:
    from .._values.host import Host
    from .._values.kernel import Kernel


@dataclass(frozen=True)
class WriteFile:
    """Write a whole file; `uuid` is that of the map which it is about, empty for no one map."""

    path: str
    text: str
    uuid: str = ""

    def words(self) -> str:
        return f"write {self.path}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.write_file(self.path, self.text)

    def foresee(self, host: Host) -> Host:
        return replace(host, boot_files={**host.boot_files, self.path: self.text})


@dataclass(frozen=True)
class RemoveFile:
    """Remove a file; also beside a multipath daemon, so that it is of no one map."""

    path: str
    uuid: t.ClassVar[str] = ""

    def words(self) -> str:
        return f"rm {self.path}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.remove_file(self.path)

    def foresee(self, host: Host) -> Host:
        left = {path: text for path, text in host.boot_files.items() if path != self.path}
        return replace(host, boot_files=left)


@dataclass(frozen=True)
class Announce:
    """Let udev look again at a disk that is no path any more, and at its partitions."""

    name: str
    uuid: t.ClassVar[str] = ""

    def words(self) -> str:
        text, path = announce_request(self.name)
        return f"echo {text} > {path}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.announce(self.name)

    def foresee(self, host: Host) -> Host:
        return host
