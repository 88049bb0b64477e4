# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task changes of maps and files, as text for --diff."""

from __future__ import annotations

import typing as t

from .._values.multipath import Multipath
from .._values.records import uuid_of
from .._values.table import canonical

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plugin_utils._types import Host, Map
    from .._values.multipath import Path


def difference(
    before: Host, after: Host, uuids: t.Container[str], drop_ins: Sequence[str] = ()
) -> dict[str, str]:
    """Return the maps with these uuids, and the files about them, before and after.

    `drop_ins` are the paths of the multipath daemon's files that are concerned. Paths have the
    names that they had before.
    """
    return {
        "before": _maps_text(before, uuids, drop_ins, before) + _boot_text(before, after),
        "after": _maps_text(after, uuids, drop_ins, before) + _boot_text(after, before),
    }


def _maps_text(host: Host, uuids: t.Container[str], drop_ins: Sequence[str], named: Host) -> str:
    lines = [line for each in host.maps if each.uuid in uuids for line in _map_lines(each, named)]
    for path in drop_ins:
        text = host.multipathd.drop_ins.get(path)
        if text is not None:
            lines += [path, *(f"  {line}" for line in text.splitlines())]
    return "".join(f"{line}\n" for line in lines)


def _boot_text(host: Host, other: Host) -> str:
    """Return the boot files that differ; of those that are always the same the size."""
    lines = []
    for path, text in sorted(host.boot_files.items()):
        if other.boot_files.get(path) == text:
            continue
        if uuid_of(path):
            lines += [path, *(f"  {line}" for line in text.splitlines())]
        else:
            lines.append(f"{path}, {len(text)} characters")
    return "".join(f"{line}\n" for line in lines)


def _map_lines(each: Map, host: Host) -> list[str]:
    states = [
        word
        for word, holds in (
            ("read-only", each.read_only),
            ("suspended", each.suspended),
            ("to be removed once it is closed", each.deferred_remove),
            ("with an inactive table", each.inactive),
            ("without a table", not each.live),
        )
        if holds
    ]
    lines = [" ".join([f"{each.name} ({each.uuid})", *states])]
    for segment in canonical(each.live):
        target = segment.target
        if isinstance(target, Multipath):
            features = " ".join(target.features.words()) or "no features"
            handler = "".join(f", hardware handler {name}" for name in target.hardware_handler)
            lines.append(f"  {segment.start} {segment.length} multipath, {features}{handler}")
            for number, group in enumerate(target.groups, 1):
                selector = " ".join((group.selector.name, *group.selector.arguments))
                lines.append(f"    group {number} {selector}")
                lines += [f"      {_path_text(path, host)}" for path in group.paths]
        else:
            lines.append(f"  {segment}")
    return lines


def _path_text(path: Path, host: Host) -> str:
    """Return the path with its names, and with the selector's arguments unless they are usual."""
    arguments = () if set(path.arguments) <= {"1"} else path.arguments
    disk = host.disk(path.device)
    words = (disk.name, str(disk.device), disk.address, *arguments)
    return " ".join(filter(None, words))
