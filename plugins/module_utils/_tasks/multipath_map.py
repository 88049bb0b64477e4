# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`multipath_map`: from a task's options and a host to the maps that the task states."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import replace

from .._observe.names import observe_names
from .._observe.paths import observe_paths, with_settled_states
from .._plan.boot import is_persistent
from .._plan.held_paths import refuse_reinstated
from .._plan.map_records import map_files, recorded_uuid, with_records
from .._plan.map_steps import Load, Message, Resume
from .._plan.missing import Absent, Desired, plan
from .._plan.multipathd import (
    as_decided,
    by_multipathd,
    forget,
    multipathd_plan,
    refuse_daemon_options,
    refuse_fight,
    wwid_of_drop_in,
)
from .._plan.multipathd_refusals import refuse_not_ready
from .._plan.path_groups import Groups, kept_groups
from .._plan.path_selector import selected
from .._plan.paths import (
    found_paths,
    listed_paths,
    one_size,
    refuse_claimed,
    refuse_serials,
    refuse_short,
)
from .._plan.renames import boot_warnings, refuse_stale_nodes, refuse_unmounting
from .._plan.reserved_paths import (
    asked_for_reservations,
    left_out,
    refuse_shut_out,
    reservation_warnings,
)
from .._plan.stated import Gone, Present, flat, maps_of
from .._plan.steps import uuids
from .._report.difference import difference
from .._report.maps import map_result
from .._values.boot_files import STATIC
from .._values.disk import identified
from .._values.errors import Refused, refuse_too_many, refuse_twice
from .._values.map import UdevFlag
from .._values.multipath import Multipath, handler_in_use
from .._values.multipath_conf import drop_in_path, wwid_of_path
from .._values.names import check_name, multipath_uuid, wwid_of
from .._values.records import PROGRAMS, NextBoot, refuse_detached
from .._values.table import Linear, Segment, Table, devices
from .._values.use import words
from .multipath_options import parse
from .task import Task

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...plugin_utils._types import BlockDevice, Host, Map, Plan, Readings, Step, Uses
    from .._plan.stated import StatedMap

Stated = tuple["StatedMap", ...]


def operations(request: Stated, host: Host) -> Plan:
    """Return what is missing on the host; Refused if it cannot be made so."""
    items = state(request, host)
    daemons = [each for each in items if by_multipathd(each.stated, each.wwid, host)]
    kernels = [each for each in items if not by_multipathd(each.stated, each.wwid, host)]
    refuse_daemon_options(kernels)
    _refuse_names(items, host)
    steps = (*_holding(plan([*flat(kernels)], host.maps), host),) if kernels else ()
    concerned = uuids(steps)
    for each in kernels:
        if isinstance(each, Present) and each.desired.uuid in concerned:
            refuse_not_ready(each, host)
    refuse_short(steps, host)
    steps = (*steps, *forget(kernels, host))
    steps = (*steps, *multipathd_plan(daemons, host)) if daemons else steps
    steps = with_records(steps, host, dict(_records(items, host)))
    refuse_fight(steps, host)
    refuse_reinstated("manager", "multipathd", steps, host)
    return steps


def _holding(steps: Plan, host: Host) -> Iterator[Step]:
    """Yield `steps`, and fail those paths of a new table again that a task has failed.

    The kernel takes each path of a new table for active.
    """
    loaded: dict[str, Load] = {}
    for step in steps:
        yield step
        if isinstance(step, Load):
            loaded[step.uuid] = step
        elif isinstance(step, Resume) and step.uuid in loaded:
            for device in dict.fromkeys(devices(loaded[step.uuid].table)):
                if (step.uuid, device) in host.held_paths:
                    yield Message(step.name, step.uuid, f"fail_path {device}")


def state(request: Stated, host: Host) -> tuple[Present | Gone, ...]:
    """Return what each item states; Refused if the host is not fit for it."""
    items = tuple(_item(stated, host) for stated in request)
    refuse_twice("wwid", [each.uuid for each in flat(items)])
    return items


def _item(stated: StatedMap, host: Host) -> Present | Gone:
    if stated.present:
        desired = _desired(stated, host)
        present = Present(stated, wwid_of(desired.uuid), desired)
        if by_multipathd(stated, present.wwid, host):
            return present
        children = _renamed_children(desired.uuid, desired.name, host)
        return replace(present, children=tuple(children))
    named = host.map_named(stated.name)
    wwid = stated.wwid or (named.wwid if named else wwid_of_drop_in(stated.name, host))
    return Gone(stated, wwid, tuple(_absent(stated, host)))


def observe(request: Stated, readings: Readings, timeout: float) -> Host:
    """Return the host as these maps concern it."""
    named = [path for stated in request for path in stated.named]
    gone = [stated for stated in request if not stated.present]
    # A use may be deferred to: then nothing waits for it.
    patience = timeout if any(not stated.defers for stated in gone) else 0
    names = {stated.name for stated in gone if not stated.wwid}
    protected = [stated for stated in request if stated.present and stated.read_only]
    of_luns = {stated.wwid for stated in (*gone, *protected) if stated.wwid}

    def leaving(each: Map) -> bool:
        return each.name in names or each.wwid in of_luns

    host = observe_paths(readings, timeout, named=named, leaving=leaving, patience=patience)
    wwids = {stated.wwid for stated in request if stated.present and stated.wwid}
    listed = [host.path_named(text) for each in request if each.present for text in each.listed]
    host = with_settled_states(
        host, wwids | {path.wwid for path in listed if path}, readings, timeout
    )
    host = _with_pages_of_new_paths(host, wwids, [each for each in listed if each], readings)
    paths = frozenset(disk.device for disk in host.block_devices if disk.wwid in wwids)
    checked = any(each.manager == "multipathd" for each in request)
    persistent = any(each.persistent for each in request)
    host = replace(
        host,
        missing_modules=readings.missing_modules(_modules(request)),
        multipathd=readings.multipathd(timeout, paths, checked=checked),
        boot_files=readings.boot_files(STATIC),
        held_paths=readings.held_paths(),
        detached=readings.detached(),
        next_boot=readings.next_boot(PROGRAMS, timeout) if persistent else NextBoot(),
        native_nvme_multipath=readings.has_native_nvme_multipath(),
    )
    asked = asked_for_reservations(_by_kernel(request, host), host)
    host = replace(host, reservations=readings.reservations(asked))
    return observe_names(host, dict(_names(request, host)), readings, timeout)


def _names(request: Stated, host: Host) -> Iterator[tuple[str, str]]:
    """Yield the uuids of the maps that should be there, whether they can be or not, and names."""
    for stated in request:
        listed = filter(None, map(host.path_named, stated.listed))
        wwid = stated.wwid or next((path.wwid for path in listed), "")
        if not (stated.present and wwid):
            continue
        name, uuid = stated.name or wwid, multipath_uuid(wwid)
        yield uuid, name
        if not by_multipathd(stated, wwid, host):
            yield from ((each.uuid, each.name) for each in _renamed_children(uuid, name, host))


def _by_kernel(request: Stated, host: Host) -> Iterator[StatedMap]:
    """Yield the maps that are stated to be there, and are not the daemon's."""
    for stated in request:
        if stated.present and not by_multipathd(stated, stated.wwid, host):
            yield stated


def _with_pages_of_new_paths(
    host: Host, wwids: set[str], listed: Sequence[BlockDevice], readings: Readings
) -> Host:
    """Return the host with what those paths say of themselves now that a map does not have yet."""
    chosen = {path.device for path in listed}
    chosen |= {disk.device for disk in host.block_devices if disk.wwid in wwids}
    members = {device for each in host.multipath_maps() for device in devices(each.live)}
    asked = [disk for disk in host.block_devices if disk.device in chosen - members]
    pages = readings.reported_wwids(asked) if asked else {}
    return replace(host, block_devices=identified(host.block_devices, pages))


def _modules(request: Stated) -> Iterator[str]:
    """Yield the modules that the kernel loads for what is stated, if it has them."""
    for stated in request:
        if stated.present:
            yield "dm-multipath"
            yield f"dm-{stated.path_selector.name}"
            if stated.hardware_handler not in ("auto", "none"):
                yield f"scsi_dh_{stated.hardware_handler}"


def report(request: Stated, host: Host) -> dict[str, t.Any]:
    """Return the stated maps that are there."""
    found = [_found(stated, host) for stated in request]
    return {
        "maps": [
            {**map_result(each, host), "persistent": _outlives_boot(each, host)}
            for each in found
            if each is not None
        ]
    }


def changes(_request: Stated, before: Host, after: Host, steps: Plan) -> dict[str, t.Any]:
    """Return the difference of the maps and files that `steps` are about; nothing without steps."""
    if not steps:
        return {}
    concerned = uuids(steps)
    known = {*before.multipathd.drop_ins, *after.multipathd.drop_ins}
    drop_ins = sorted(path for path in known if multipath_uuid(wwid_of_path(path)) in concerned)
    return {"diff": difference(before, after, concerned, drop_ins)}


def warnings(request: Stated, before: Host, after: Host) -> Iterator[str]:
    """Yield which paths do not join their maps, and what the next boot would miss."""
    yield from reservation_warnings(_by_kernel(request, before), before)
    yield from boot_warnings(before, after)


def _refuse_names(items: Sequence[Present | Gone], host: Host) -> None:
    for each in items:
        refuse_stale_nodes("name", maps_of(each), host)
        refuse_unmounting("name", each.stated.name, maps_of(each), host, each.stated.rename_mounted)


def _renamed_children(uuid: str, new_name: str, host: Host) -> Iterator[Desired]:
    """Yield the partition maps of a map that is renamed; they keep what follows its name."""
    present = host.map_of_uuid(uuid)
    if present is None or present.name == new_name:
        return
    for child in host.partition_maps(present):
        if child.live and child.name.startswith(present.name):
            name = f"{new_name}{child.name[len(present.name) :]}"
            check_name("name", name)
            yield Desired(name, child.uuid, child.live, child.read_only)


def _outlives_boot(each: Map, host: Host) -> bool:
    told = drop_in_path(each.wwid) in host.multipathd.drop_ins
    return told or is_persistent(each.uuid, host)


def _records(items: Sequence[Present | Gone], host: Host) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what the host is to boot with: uuids of maps with the files that state each."""
    for each in items:
        stated, uuid = each.stated, multipath_uuid(each.wwid)
        if isinstance(each, Gone):
            yield uuid if each.wwid else recorded_uuid(stated.name, host), {}
        elif by_multipathd(stated, each.wwid, host):
            _refuse_forgetting(stated)
            _refuse_check(stated, "multipathd manages the map, and checks its paths itself")
            yield uuid, {}
        else:
            wanted = stated.persistent
            if wanted is None:
                wanted = is_persistent(uuid, host)
            if not wanted:
                _refuse_check(stated, "the map is not persistent, and only those are checked")
            yield uuid, map_files(stated, each.desired, host) if wanted else {}


def _refuse_forgetting(stated: StatedMap) -> None:
    """Refuse to keep a map from coming back that the daemon brings back."""
    if stated.persistent is False:
        raise Refused(
            option="persistent",
            value=False,
            found="multipathd manages the map, and makes it again at each boot",
            way_out="Leave it out, or manage the map without the daemon (manager: kernel)",
        )


def _refuse_check(stated: StatedMap, found: str) -> None:
    if stated.check_interval is not None:
        raise Refused(
            option="check_interval",
            value=stated.check_interval,
            found=found,
            way_out="Leave it out, or set persistent: true for a map without multipathd",
        )


def _desired(stated: StatedMap, host: Host) -> Desired:
    _refuse_missing("state", "present", "dm-multipath", host)
    option = stated.source
    refuse_detached("wwid", stated.wwid, host.detached)
    paths = tuple(listed_paths(option, stated.listed, stated.wwid, host))
    paths = paths or found_paths(stated.wwid, host)
    wwid = stated.wwid or paths[0].wwid
    refuse_detached(option, wwid, host.detached)
    by_daemon = by_multipathd(stated, wwid, host)
    if not by_daemon or "path_selector" in stated.stated_options:
        selector = stated.path_selector.name
        _refuse_missing("path_selector", selector, f"dm-{selector}", host)
    uuid = multipath_uuid(wwid)
    present = host.map_of_uuid(uuid)
    fit = _openable(stated, wwid, paths, host)
    numbers = {path.device for path in fit}
    down, paths = [path for path in paths if path.device not in numbers], fit
    reserved: tuple[BlockDevice, ...] = ()
    if not by_daemon:
        refuse_shut_out(stated, wwid, host)
        reserved = left_out(stated, wwid, paths, host)
        paths = tuple(path for path in paths if path not in reserved)
    if len(paths) < stated.min_paths:
        raise Refused(
            option=option,
            value=wwid,
            found=(
                f"{len(paths)} paths are there ({_path_names(paths)}), fewer than min_paths"
                f" ({stated.min_paths}); down, and in no map: {_path_names(down) or 'none'}"
                f"{_reserved_words(reserved)}"
            ),
            way_out="Bring the missing paths up and rescan (lun_paths does so), or lower min_paths",
        )
    refuse_too_many(option, wwid, (*paths, *down, *reserved), stated.max_paths)
    length = one_size(option, wwid, paths, present)
    if stated.path_grouping_policy != "group_by_serial":
        refuse_serials(option, wwid, paths)
    for path in paths:
        refuse_claimed(option, wwid, path, uuid, host)
    stated = as_decided(stated, wwid, paths, host) if by_daemon else stated
    _refuse_read_only(stated, paths, present, host)
    name = stated.name or wwid
    check_name("name", name)
    table = _table_for(stated, paths, length, present, host)
    if present is not None and present.live:
        _refuse_resize(stated, present, table, host)
    return Desired(name, uuid, table, stated.read_only, _udev_flags(stated, paths))


def _openable(
    stated: StatedMap, wwid: str, paths: tuple[BlockDevice, ...], host: Host
) -> tuple[BlockDevice, ...]:
    """Return the paths that a table can have: those of the map, and others that are not down.

    The kernel opens the paths that a map does not have yet, and no SCSI disk that is offline can be
    opened (sd.c sd_open: ENXIO). It joins the map by a later run. Refused if the task names it.
    """
    present = host.map_of_uuid(multipath_uuid(wwid))
    members = {*present.opened()} if present else set()
    shut = [path for path in paths if path.is_down and path.device not in members]
    named = [host.path_named(text) for text in stated.named]
    if shut and (any(path in named for path in shut) or len(shut) == len(paths)):
        raise Refused(
            option=stated.source,
            value=wwid,
            found=(
                f"these paths are down: {_path_names(shut)}; the kernel cannot open them, so they"
                " cannot join the map"
            ),
            way_out="Bring them up first, or leave them out",
        )
    return tuple(path for path in paths if path not in shut)


def _found(stated: StatedMap, host: Host) -> Map | None:
    """Return the map that `stated` means, if it is there."""
    if stated.wwid:
        return host.map_of_uuid(multipath_uuid(stated.wwid))
    for text in stated.listed:
        path = host.path_named(text)
        return host.map_of_uuid(multipath_uuid(path.wwid)) if path else None
    return host.map_named(stated.name)


def _table_for(
    stated: StatedMap, paths: Sequence[BlockDevice], length: int, present: Map | None, host: Host
) -> Table:
    arranged = _arranged(stated, paths, present)
    path_groups = selected(stated.path_selector, arranged, host)
    handler = _handler(stated, [path for group in arranged for path in group], host)
    target = Multipath(stated.features, handler, path_groups, 1)
    return (Segment(0, length, target),)


def _handler(stated: StatedMap, paths: Sequence[BlockDevice], host: Host) -> tuple[str, ...]:
    """Return the hardware handler that the table has once it is loaded; Refused if it cannot be."""
    name = stated.hardware_handler
    handler = handler_in_use(
        name, [path.hardware_handler for path in paths], stated.features.queue_mode
    )
    if name not in ("auto", "none") and not handler:
        raise Refused(
            option="hardware_handler",
            value=name,
            found="none is attached to the paths, and with queue_mode bio none can be attached",
            way_out="Set hardware_handler: auto, or another queue_mode",
        )
    if handler == (name,):
        _refuse_missing("hardware_handler", name, f"scsi_dh_{name}", host)
        for path in paths:
            if not path.address:
                raise Refused(
                    option="hardware_handler",
                    value=name,
                    found=f"the path {path.name} is not a SCSI device, and only those have one",
                    way_out="Set it to auto or none",
                )
    return handler


def _arranged(stated: StatedMap, paths: Sequence[BlockDevice], present: Map | None) -> Groups:
    """Return the paths in groups, as the task or its policy says."""
    if not stated.path_groups:
        return kept_groups(paths, stated.path_grouping_policy, present)
    rest = iter(paths)
    return tuple(tuple(itertools.islice(rest, len(group))) for group in stated.path_groups)


def _refuse_missing(option: str, value: str, module: str, host: Host) -> None:
    if module in host.missing_modules:
        raise Refused(
            option=option,
            value=value,
            found=f"the running kernel has no module {module}",
            way_out=(
                "Install it (kernel packages for clouds may not have it), or choose another value"
            ),
        )


def _udev_flags(stated: StatedMap, paths: Sequence[BlockDevice]) -> UdevFlag:
    """Return what the map's events tell udev (libmultipath/devmapper.c build_udev_flags).

    A path counts unless its device is down, or its array lets no I/O through it: one that the
    kernel has failed is tried again with the next table.
    """
    flags = UdevFlag.NO_KPARTX if stated.skip_kpartx else UdevFlag.NONE
    down = all(path.is_down or path.is_inaccessible for path in paths)
    return flags | UdevFlag.NO_PATHS if down else flags


def _refuse_read_only(
    stated: StatedMap, paths: Sequence[BlockDevice], present: Map | None, host: Host
) -> None:
    """Refuse to protect what is in use, and to write a protected path (sd.c sd_open: EROFS).

    And to open a path that is down anew, which a map does to change this (dm.c find_table_device).
    """
    members = devices(present.live) if present else ()
    if present and present.live and stated.read_only and not present.read_only:
        uses = host.uses_beyond_partition_maps(present)
        if uses:
            raise Refused(
                option="read_only",
                value=True,
                found=f"the map {present.name} can be written to, and is in use: {words(uses)}",
                way_out="End that use first (unmount, swapoff, vgchange -an); nothing was changed",
            )
    if present and present.live and present.read_only != stated.read_only:
        down = [path for path in paths if path.is_down]
        if down:
            raise Refused(
                option="read_only",
                value=stated.read_only,
                found=(
                    f"the map {present.name} would have to reopen its paths, and these are down:"
                    f" {_path_names(down)}"
                ),
                way_out="Bring them up first, or leave it as it is",
            )
    for path in paths:
        if path.read_only and not stated.read_only and path.device not in members:
            raise Refused(
                option="read_only",
                value=False,
                found=f"the path {path.name} refuses writes",
                way_out=(
                    "Set read_only: true, or let the storage allow writes and rescan the path"
                ),
            )


def _refuse_resize(stated: StatedMap, present: Map, table: Table, host: Host) -> None:
    length = table[0].length
    wwid = stated.wwid or present.uuid
    if length < present.sectors and not stated.allow_shrink:
        raise Refused(
            option="wwid",
            value=wwid,
            found=(
                f"its paths have {length} sectors now, the map {present.name} has"
                f" {present.sectors}: it would shrink"
            ),
            way_out=(
                "Make sure that this is the same LUN: data beyond the new end would be lost. To"
                " shrink the map, set allow_shrink: true"
            ),
        )
    for child in host.partition_maps(present):
        end = max((start + child.sectors for start in _offsets(child)), default=0)
        if length < end <= present.sectors:
            raise Refused(
                option="allow_shrink",
                value=True,
                found=(
                    f"the partition map {child.name} ends at sector {end}, beyond the new end"
                    f" {length}"
                ),
                way_out="Make the partition smaller, or remove it and its map first",
            )
    if length != present.sectors and present.queues_without_path:
        raise Refused(
            option="wwid",
            value=wwid,
            found=(
                f"the map {present.name} queues and has no active path, so it cannot be resized now"
            ),
            way_out="Bring a path back first",
        )


def _offsets(each: Map) -> Iterator[int]:
    """Yield where a partition map starts on its parent, in sectors."""
    for segment in each.live:
        if isinstance(segment.target, Linear):
            yield segment.target.offset


def _absent(stated: StatedMap, host: Host) -> Iterator[Absent]:
    """Yield the map's unused partition maps, then the map; nothing if there is none."""
    present = host.map_of_uuid(multipath_uuid(stated.wwid)) if stated.wwid else None
    if not stated.wwid:
        present = host.map_named(stated.name)
        if present is not None and not present.wwid:
            raise Refused(
                option="name",
                value=stated.name,
                found=(
                    "the map of this name is not a multipath map (its uuid is"
                    f" {present.uuid or 'empty'})"
                ),
                way_out="Specify the wwid of the map instead; nothing was changed",
            )
    if present is None:
        return
    option, value = ("wwid", stated.wwid) if stated.wwid else ("name", stated.name)
    children = host.partition_maps(present)
    if not stated.defers:
        _refuse_used(option, value, present, host.uses_beyond_partition_maps(present))
    open_children = 0
    for child in children:
        waits = stated.defers and child.open_count > 0
        open_children += waits
        yield Absent(child.uuid, waits)
    # Each partition map with a table has its parent open, until it is removed.
    opened = present.open_count - sum(bool(child.live) for child in children)
    deferred = stated.defers and (open_children > 0 or opened > 0)
    # A process that waits gets its error; a file system that gets one may be lost.
    uses = host.uses_beyond_partition_maps(present)
    mounted = any(not use.is_process for use in uses)
    yield Absent(present.uuid, deferred, keeps_queueing=deferred and mounted)


def _refuse_used(option: str, value: str, present: Map, uses: Uses) -> None:
    if uses:
        raise Refused(
            option=option,
            value=value,
            found=f"the map {present.name} is in use: {words(uses)}",
            way_out=(
                "End that use first (unmount, swapoff, vgchange, mdadm --stop), or set in_use:"
                " defer; nothing was changed"
            ),
        )


def _reserved_words(paths: Sequence[BlockDevice]) -> str:
    """Return which paths a persistent reservation keeps out; empty for none."""
    if not paths:
        return ""
    return f"; not known to be registered for the LUN's reservation: {_path_names(paths)}"


def _path_names(paths: Sequence[BlockDevice]) -> str:
    return ", ".join(path.name for path in paths)


TASK = Task(parse, observe, report, operations, changes, warnings)
