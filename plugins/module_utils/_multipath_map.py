# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`multipath_map`: from a task's options and a host to the maps that the task states."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from dataclasses import dataclass

from ._errors import Refused
from ._multipath import Features, Multipath, Path, PathGroup, PathSelector
from ._names import check_name, check_wwid, multipath_uuid, wwid_of
from ._observe import observe_paths
from ._path_groups import groups
from ._plan import Absent, Desired, plan
from ._result import map_result
from ._table import Segment, Table, devices

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._host import BlockDevice, Host, Map, Use
    from ._kernel import Kernel
    from ._steps import Plan

Options = Mapping[str, t.Any]

_SHARED = (
    "state",
    "path_grouping_policy",
    "path_selector",
    "no_path_retry",
    "min_paths",
)
"""The options whose value at the task's top holds for each item of `maps` without its own."""


@dataclass(frozen=True)
class Request:
    """One map as the task's options state it; an empty string or tuple is what is left out."""

    name: str
    wwid: str
    paths: tuple[str, ...]
    present: bool
    path_grouping_policy: str
    path_selector: str
    queue_if_no_path: bool
    min_paths: int


def parse(options: Options) -> tuple[Request, ...]:
    """Return the maps that `options` state; Refused names the option that is wrong."""
    shared = {option: options[option] for option in _SHARED}
    items = options["maps"]
    if items is None:
        return (_parse_item({**shared, **_stated(options, ("name", "wwid", "paths"))}),)
    requests = tuple(_parse_item({**shared, **_stated(item, item)}) for item in items)
    _refuse_twice("name", [request.name or request.wwid for request in requests])
    _refuse_twice("wwid", [request.wwid for request in requests])
    return requests


def operations(requests: Sequence[Request], host: Host) -> Plan:
    """Return what is missing on the host; Refused if it cannot be made so."""
    return plan(desire(requests, host), host.maps)


def desire(requests: Sequence[Request], host: Host) -> tuple[Desired | Absent, ...]:
    """Return the maps as they should be; Refused if the host is not fit for them."""
    stated: list[Desired | Absent] = []
    for request in requests:
        if request.present:
            stated.append(_desired(request, host))
        else:
            stated += _absent(request, host)
    _refuse_twice("wwid", [each.uuid for each in stated])
    return tuple(stated)


def observe(requests: Sequence[Request], kernel: Kernel, timeout: float) -> Host:
    """Return the host as these maps concern it."""
    named = [path for request in requests for path in request.paths]
    leaving = any(not request.present for request in requests)
    return observe_paths(kernel, named, timeout, leaving)


def report(requests: Sequence[Request], host: Host) -> dict[str, t.Any]:
    """Return the stated maps that are there."""
    found = [_found(request, host) for request in requests]
    return {"maps": [map_result(each, host) for each in found if each is not None]}


def _parse_item(options: Options) -> Request:
    for option, check in (("name", check_name), ("wwid", check_wwid)):
        if options.get(option) is not None:
            check(option, options[option])
    paths = tuple(options.get("paths") or ())
    present = options["state"] == "present"
    if options["min_paths"] < 1:
        raise Refused("min_paths", options["min_paths"], "a map needs a path", "State 1 or more")
    if present and not options.get("wwid") and not paths:
        raise Refused(
            "wwid", "", f"neither it nor paths is stated{_for(options.get('name'))}",
            "State the LUN's WWID (device_mapper_info lists them), or its paths",
        )  # fmt: skip
    if not present and not options.get("wwid") and not options.get("name"):
        raise Refused(
            "wwid", "", "neither it nor name is stated, so no map is meant", "State one of them"
        )
    _refuse_twice("paths", list(paths))
    return Request(
        name=options.get("name") or "",
        wwid=options.get("wwid") or "",
        paths=paths,
        present=present,
        path_grouping_policy=options["path_grouping_policy"],
        path_selector=options["path_selector"],
        queue_if_no_path=options["no_path_retry"] == "queue",
        min_paths=options["min_paths"],
    )


def _desired(request: Request, host: Host) -> Desired:
    paths = tuple(_listed_paths(request, host)) or _found_paths(request, host)
    wwid = request.wwid or paths[0].wwid
    uuid = multipath_uuid(wwid)
    option = "paths" if request.paths else "wwid"
    if len(paths) < request.min_paths:
        raise Refused(
            option, wwid,
            f"{len(paths)} paths are there ({_names(paths)}), fewer than min_paths"
            f" ({request.min_paths})",
            "Bring the missing paths up and rescan, or lower min_paths",
        )  # fmt: skip
    _refuse_sizes(option, wwid, paths)
    for path in paths:
        _refuse_claimed(option, wwid, path, uuid, host)
    name = request.name or wwid
    check_name("name", name)
    table = _table(request, paths)
    present = host.map_of_uuid(uuid)
    if present is not None and present.live:
        _refuse_resize(request, present, table)
    return Desired(name, uuid, table)


def _found(request: Request, host: Host) -> Map | None:
    """Return the map that `request` means, if it is there."""
    if request.wwid:
        return host.map_of_uuid(multipath_uuid(request.wwid))
    for text in request.paths:
        path = _path_named(text, host)
        return host.map_of_uuid(multipath_uuid(path.wwid)) if path else None
    return host.map_named(request.name)


def _table(request: Request, paths: Sequence[BlockDevice]) -> Table:
    selector = PathSelector(request.path_selector)
    path_groups = tuple(
        PathGroup(selector, tuple(Path(path.device) for path in group))
        for group in groups(paths, request.path_grouping_policy)
    )
    features = Features(queue_if_no_path=request.queue_if_no_path)
    return (Segment(0, paths[0].sectors, Multipath(features, (), path_groups, 1)),)


def _found_paths(request: Request, host: Host) -> tuple[BlockDevice, ...]:
    """Return every disk with the stated WWID.

    A path of the map that has become unreadable stays: udev may have lost its WWID with it.
    """
    present = host.map_of_uuid(multipath_uuid(request.wwid))
    members = devices(present.live) if present else ()
    paths = tuple(
        each
        for each in host.block_devices
        if each.wwid == request.wwid or (not each.wwid and each.device in members)
    )
    if not paths:
        known = sorted({each.wwid for each in host.block_devices if each.wwid})
        raise Refused(
            "wwid", request.wwid,
            f"no block device of this host has this WWID (there are: {', '.join(known) or 'none'})",
            "Map the LUN to this host and rescan its SCSI hosts, or correct the WWID",
        )  # fmt: skip
    return paths


def _listed_paths(request: Request, host: Host) -> Iterator[BlockDevice]:
    """Yield the disks that the task lists, each with the right WWID."""
    wwid = request.wwid
    seen: dict[str, str] = {}
    for text in request.paths:
        path = _path_named(text, host)
        if path is None:
            raise Refused(
                "paths", text, "no block device of this host has this name or address",
                "Correct it, or rescan the SCSI hosts if the path should be there",
            )  # fmt: skip
        present = host.map_of_uuid(multipath_uuid(wwid)) if wwid else None
        kept = not path.wwid and present is not None and path.device in devices(present.live)
        wwid = wwid or path.wwid
        if path.wwid != wwid and not kept:
            raise Refused(
                "paths", text, f"its WWID is {path.wwid or 'unknown'}, not {wwid or 'known'}",
                "List only paths of the LUN; one map joins the paths of one LUN",
            )  # fmt: skip
        if not wwid:
            raise Refused(
                "paths", text, "its WWID is unknown to udev and sysfs",
                "Only a LUN with a WWID can have a map; see `udevadm info` for ID_SERIAL",
            )  # fmt: skip
        if path.name in seen:
            raise Refused(
                "paths", text, f"it is the same path as {seen[path.name]}", "List each path once"
            )
        seen[path.name] = text
        yield path


def _path_named(text: str, host: Host) -> BlockDevice | None:
    """Return the disk that `text` names: a /dev path, by-path, H:C:T:L or major:minor."""
    number = host.resolved.get(text)
    for each in host.block_devices:
        if each.device == number or text in (each.name, each.address, str(each.device)):
            return each
        if f"/dev/disk/by-path/{text}" in each.links:
            return each
    return None


def _refuse_sizes(option: str, wwid: str, paths: Sequence[BlockDevice]) -> None:
    sizes = {path.sectors for path in paths}
    if len(sizes) == 1 and 0 not in sizes:
        return
    found = ", ".join(f"{path.name} has {path.sectors} sectors" for path in paths)
    raise Refused(
        option, wwid, f"its paths do not have one size: {found}",
        "Rescan the paths whose size is stale (echo 1 > /sys/block/NAME/device/rescan); if they"
        " still differ, they are not one LUN",
    )  # fmt: skip


def _refuse_claimed(option: str, wwid: str, path: BlockDevice, uuid: str, host: Host) -> None:
    """Refuse a path that somebody else than the task's own map uses."""
    for use in host.uses_of(path.device):
        holder = host.map_at(use.holder) if use.holder else None
        if holder is None or holder.uuid != uuid:
            raise Refused(
                option, wwid, f"the path {path.name} ({path.device}) is in use: {use.words}",
                "Free it first (unmount, swapoff, deactivate or remove what holds it)",
            )  # fmt: skip


def _refuse_resize(request: Request, present: Map, table: Table) -> None:
    length = table[0].length
    if length < present.sectors:
        raise Refused(
            "wwid", request.wwid or present.uuid,
            f"its paths have {length} sectors now, the map {present.name} has {present.sectors}:"
            " it would shrink",
            "Make sure that this is the same LUN; what lies beyond the end would be lost",
        )  # fmt: skip
    if length > present.sectors and present.queues_without_path:
        raise Refused(
            "wwid", request.wwid or present.uuid,
            f"the map {present.name} queues and has no active path, so it cannot be resized now",
            "Bring a path back first",
        )  # fmt: skip


def _absent(request: Request, host: Host) -> Iterator[Absent]:
    """Yield the map's unused partition maps, then the map; nothing if there is none."""
    present = host.map_of_uuid(multipath_uuid(request.wwid)) if request.wwid else None
    if not request.wwid:
        present = host.map_named(request.name)
        if present is not None and not wwid_of(present.uuid):
            raise Refused(
                "name", request.name,
                f"the map of this name is no multipath map (its uuid is {present.uuid or 'empty'})",
                "It was not touched; state the WWID of the map that is meant",
            )  # fmt: skip
    if present is None:
        return
    option, value = ("wwid", request.wwid) if request.wwid else ("name", request.name)
    children = host.partition_maps(present.uuid, present.device)
    numbers = [each.device for each in children]
    uses = [use for use in host.uses_of(present.device) if use.holder not in numbers]
    uses += [use for child in children for use in host.uses_of(child.device)]
    _refuse_used(option, value, present, uses)
    for child in children:
        yield Absent(child.uuid)
    yield Absent(present.uuid)


def _refuse_used(option: str, value: str, present: Map, uses: Sequence[Use]) -> None:
    if uses:
        raise Refused(
            option, value,
            f"the map {present.name} is in use: {'; '.join(use.words for use in uses)}",
            "End that use first (unmount, swapoff, vgchange, mdadm --stop); nothing was changed",
        )  # fmt: skip


def _refuse_twice(option: str, values: Sequence[str]) -> None:
    for value in values:
        if value and values.count(value) > 1:
            raise Refused(option, value, "it is stated more than once", "State it once")


def _stated(options: Options, names: t.Iterable[str]) -> Options:
    return {name: options[name] for name in names if options[name] is not None}


def _names(paths: Sequence[BlockDevice]) -> str:
    return ", ".join(path.name for path in paths)


def _for(name: str | None) -> str:
    return f" for the map {name}" if name else ""
