# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renames: what stands in the way of a new name, and what the loss of the old one ends."""

from __future__ import annotations

import typing as t

from .._values.errors import Refused
from .._values.systemd import device_unit, nodes
from .missing import Desired

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...plugin_utils._types import Host, Map, Unit
    from .missing import Absent


def losing(names: Mapping[str, str], host: Host) -> Iterator[Map]:
    """Yield the maps that lose their names, and the partition maps that go with them.

    `names` are those that maps are to have, by their uuids.
    """
    for uuid, name in names.items():
        present = host.map_of_uuid(uuid)
        if present is not None and present.name != name:
            yield present
            # multipathd and kpartx rename those of a map that they rename.
            children = host.partition_maps(present) if present.wwid else ()
            yield from (each for each in children if each.uuid not in names)


def refuse_stale_nodes(option: str, stated: Sequence[Desired | Absent], host: Host) -> None:
    """Refuse a name that leads to something else: the next task could write to another disk."""
    for each in stated:
        found = host.stale_nodes.get(each.name) if isinstance(each, Desired) else None
        if isinstance(each, Desired) and found:
            path = f"/dev/mapper/{each.name}"
            raise Refused(
                option=option,
                value=each.name,
                found=f"{path} is {found}, and does not lead to a map of this name",
                way_out=f"Find out what made it, and remove it (rm {path}), or choose another name",
            )


def refuse_unmounting(
    option: str, value: str, stated: Sequence[Desired | Absent], host: Host, allowed: bool
) -> None:
    """Refuse to take from systemd the device of a file system, which it would unmount.

    A mount unit stops with its device unit, and that is gone with the node of the old name.
    """
    names = {each.uuid: each.name for each in stated if isinstance(each, Desired)}
    for each in () if allowed else losing(names, host):
        for unit in ended(each, host):
            raise Refused(
                option=option,
                value=value,
                found=(
                    f"the map {each.name} would lose its name, and systemd stops {unit.words()}"
                    f" with {device_unit(nodes(each.name)[0])}"
                ),
                way_out=(
                    f"Stop it (systemctl stop {unit.name}), run this task again, write the new name"
                    " where the old one stands (/etc/fstab, then systemctl daemon-reload), and"
                    " start it; or set rename_mounted: true to let systemd stop it. Nothing was"
                    " changed"
                ),
            )


def ended(each: Map, host: Host) -> Iterator[Unit]:
    """Yield the active units that systemd stops when a map loses its name."""
    devices = {device_unit(path) for path in nodes(each.name)}
    yield from (unit for unit in host.units if unit.devices & devices)


def boot_warnings(before: Host, after: Host) -> Iterator[str]:
    """Yield what the next boot would miss: names of before that a map has no more.

    A partition map that goes with its map is named with that one's new name: what multipathd and
    kpartx make of the rest is theirs.
    """
    for each in before.maps:
        places = [
            (path, place)
            for path in nodes(each.name)
            for place in before.named_at_boot.get(path, ())
        ]
        old, new = _renamed(each, before, after) if places else ("", "")
        for path, place in places if new else ():
            yield (
                f"{place} names {path}, which the next boot will not find: the map {old} is renamed"
                f" to {new}. Write the new name {_where(place)}, or the file system's UUID"
            )


def _renamed(each: Map, before: Host, after: Host) -> tuple[str, str]:
    """Return the old and the new name of the map that a map goes with, or of this one.

    Both are empty if others have given the old name back.
    """
    above = (one for one in before.maps if one.wwid and each in before.partition_maps(one))
    for one in (*above, each):
        now = after.map_of_uuid(one.uuid)
        if now is not None and now.name != one.name:
            return one.name, now.name
    return "", ""


def _where(place: str) -> str:
    on_command_line = place == "/proc/cmdline"
    return "into the boot loader's configuration" if on_command_line else "there"
