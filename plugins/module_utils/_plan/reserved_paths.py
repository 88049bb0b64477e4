# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paths that a persistent reservation keeps out of a map that is in use through others.

The kernel takes a reservation conflict for an error of the I/O, not of the path (dm-mpath.c,
blk_path_error): what is written through such a path is lost, while other paths would take it.
"""

from __future__ import annotations

import typing as t

from .._values.errors import Refused
from .._values.names import multipath_uuid

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ...plugin_utils._types import BlockDevice, Host
    from .stated import StatedMap


def asked_for_reservations(maps: Iterable[StatedMap], host: Host) -> Iterator[BlockDevice]:
    """Yield the disks to be asked: all paths of those maps that others are to join."""
    for stated in maps:
        wwid = _wwid(stated, host)
        paths = host.disks_of_wwid(wwid)
        if _joining(wwid, paths, host):
            yield from paths


def refuse_shut_out(stated: StatedMap, wwid: str, host: Host) -> None:
    """Refuse a path that the task lists, and that the storage would turn writes down on."""
    listed = [host.path_named(text) for text in stated.listed]
    for path in _kept_out(stated, wwid, [path for path in listed if path], host):
        if _is_told(path, host):
            raise Refused(
                option=stated.source,
                value=path.name,
                found=_found(path, wwid, host),
                way_out=f"{_REGISTER}, or leave it out; nothing was changed",
            )


def left_out(
    stated: StatedMap, wwid: str, paths: Sequence[BlockDevice], host: Host
) -> tuple[BlockDevice, ...]:
    """Return those of the `paths` that do not join the map now; none of those that a task lists."""
    return () if stated.listed else tuple(_kept_out(stated, wwid, paths, host))


def reservation_warnings(maps: Iterable[StatedMap], host: Host) -> Iterator[str]:
    """Yield which paths are left out, and why."""
    for stated in maps:
        wwid = stated.wwid
        for path in left_out(stated, wwid, host.disks_of_wwid(wwid), host):
            listing = ""
            if not _is_told(path, host):
                listing = ", or list it in paths if you know that it is registered"
            yield (
                f"The path {path.name} ({path.device}) does not join the map of {wwid}:"
                f" {_found(path, wwid, host)}. {_REGISTER}{listing}, and run the task again"
            )


_REGISTER = (
    "Register it with what has made the reservation (a cluster's fence agent, mpathpersist,"
    " sg_persist)"
)


def _kept_out(
    stated: StatedMap, wwid: str, paths: Sequence[BlockDevice], host: Host
) -> Iterator[BlockDevice]:
    """Yield the paths that are shut out, or may be, from a map through which I/O may go on.

    If all paths of the map are shut out, others take nothing from it: registering comes later.
    """
    joining = _joining(wwid, paths, host)
    present = host.map_of_uuid(multipath_uuid(wwid))
    members = [*map(host.disk, present.opened())] if joining and present else []
    if all(_shuts_out(stated, path, wwid, host) for path in members):
        return
    yield from (each for each in joining if _shuts_out(stated, each, wwid, host) is not False)


def _joining(wwid: str, paths: Sequence[BlockDevice], host: Host) -> list[BlockDevice]:
    """Return which of the `paths` a map with a table does not have yet."""
    present = host.map_of_uuid(multipath_uuid(wwid)) if wwid else None
    members = present.opened() if present and present.live else ()
    return [each for each in paths if each.device not in members] if members else []


def _shuts_out(stated: StatedMap, path: BlockDevice, wwid: str, host: Host) -> bool | None:
    """Return whether the storage would reject I/O of the map; None if that cannot be told."""
    told = host.reservations.get(path.device)
    if told is None:
        others = (host.reservations.get(each.device) for each in host.disks_of_wwid(wwid))
        return None if any(each and each.kind for each in others) else False
    return False if stated.read_only and told.lets_read else told.shuts_out


def _is_told(path: BlockDevice, host: Host) -> bool:
    """Return whether it is known that the path is shut out."""
    told = host.reservations.get(path.device)
    return bool(told and told.shuts_out)


def _found(path: BlockDevice, wwid: str, host: Host) -> str:
    others = (host.reservations.get(each.device) for each in host.disks_of_wwid(wwid))
    kind = next(each.type for each in others if each and each.kind)
    if _is_told(path, host):
        return (
            f"the LUN is reserved ({kind}) and the path is not registered, so that the storage"
            " would reject writes through it"
        )
    return f"the LUN is reserved ({kind}), and whether the path is registered cannot be told"


def _wwid(stated: StatedMap, host: Host) -> str:
    paths = (host.path_named(text) for text in stated.listed)
    first = next((path for path in paths if path), None)
    return stated.wwid or (first.wwid if first else "")
