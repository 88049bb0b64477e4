# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host boots with: files as steps, and what is missing of the records of partitions.

And the look that udev takes at a disk that such a file has hidden.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._values.disk import announce_request
from .._values.names import partition_number, wwid_of
from .._values.records import MANAGED, STATIC_PATHS, partitions_path, record_path, uuid_of
from .steps import Step, Unmapped, foresee

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ...plugin_utils._types import Host, Kernel, Map, Plan


@dataclass(frozen=True)
class WriteFile(Step):
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

    @property
    def fights_multipathd(self) -> bool:
        # The host would make the map at boot, beside the daemon.
        return bool(wwid_of(self.uuid))


@dataclass(frozen=True)
class RemoveFile(Unmapped):
    """Remove a file, for which a daemon that runs is no obstacle."""

    path: str

    def words(self) -> str:
        return f"rm {self.path}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.remove_file(self.path)

    def foresee(self, host: Host) -> Host:
        left = {path: text for path, text in host.boot_files.items() if path != self.path}
        return replace(host, boot_files=left)


@dataclass(frozen=True)
class Announce(Unmapped):
    """Let udev look again at a disk that is no path any more, and at its partitions."""

    name: str

    def words(self) -> str:
        text, path = announce_request(self.name)
        return f"echo {text} > {path}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.announce(self.name)


def forgotten(uuids: Iterable[str], host: Host) -> Iterator[RemoveFile]:
    """Yield what is to be removed so that the host boots without the maps with these uuids."""
    going = {path for path in host.boot_files if uuid_of(path) in {*uuids}}
    yield from map(RemoveFile, sorted(going))
    if going and not any(path.endswith(".map") for path in {*host.boot_files} - going):
        yield from (RemoveFile(path) for path in STATIC_PATHS if path in host.boot_files)


def is_persistent(uuid: str, host: Host) -> bool:
    """Return whether the map with this uuid has a record."""
    return record_path(uuid) in host.boot_files


def with_partition_records(steps: Plan, host: Host, uuids: Sequence[str]) -> Plan:
    """Return `steps` with what states the partition maps of persistent maps, those of `uuids`."""
    after = foresee(steps, host)
    added: list[Step] = []
    for uuid in uuids:
        parent = host.map_of_uuid(uuid)
        if parent is None or not is_persistent(uuid, host):
            continue
        wanted = partition_records(uuid, after.partition_maps(parent))
        if not wanted and partitions_path(uuid) in host.boot_files:
            # None are stated, which keeps kpartx' rule from making all of them at boot.
            wanted = {partitions_path(uuid): MANAGED}
        added += writes(wanted, host)
    return (*steps, *added)


def writes(wanted: Mapping[str, str], host: Host) -> Iterator[WriteFile]:
    """Yield what has to be written; what assembles maps comes before what states them."""
    for path in sorted(wanted, key=lambda path: (bool(uuid_of(path)), path.endswith(".map"), path)):
        if host.boot_files.get(path) != wanted[path]:
            yield WriteFile(path, wanted[path], uuid_of(path))


def partition_records(uuid: str, children: Sequence[Map]) -> dict[str, str]:
    """Return the file that states the partition maps `children`; none if there are none."""
    lines = [
        f"{partition_number(each.uuid, uuid)} {each.name}{' read_only' if each.read_only else ''}\n"
        for each in children
        if each.live
    ]
    return {partitions_path(uuid): MANAGED + "".join(lines)} if lines else {}
