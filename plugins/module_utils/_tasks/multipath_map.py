# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`multipath_map`: from a task's options and a host to the maps that the task states."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import replace

from .._observe.maps import observe_paths
from .._plan.boot import is_persistent, map_files, recorded_uuid, with_records
from .._plan.missing import Absent, Desired, plan
from .._plan.multipathd import (
    Stated,
    by_multipathd,
    flat,
    forget,
    multipathd_plan,
    refuse_daemon_options,
    wwid_of_drop_in,
)
from .._plan.path_groups import Groups, groups
from .._plan.path_selector import selected
from .._plan.paths import found_paths, listed_paths, path_named, refuse_claimed, refuse_sizes
from .._plan.steps import UdevFlag
from .._report.result import map_result
from .._system.files import missing_programs, read_boot_files
from .._system.kernel_modules import missing_modules
from .._system.multipathd import read as read_multipathd
from .._values.errors import Refused, refuse_twice
from .._values.host import INACCESSIBLE
from .._values.linear import Linear
from .._values.multipath import Multipath, handler_in_use
from .._values.multipath_conf import drop_in_path
from .._values.names import check_name, multipath_uuid, wwid_of
from .._values.table import Segment, Table, devices

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._plan.steps import Plan
    from .._values.host import BlockDevice, Host, Map, Use
    from .._values.kernel import Kernel
    from .multipath_options import Request

_DOWN = ("offline", "transport-offline", "cancel", "deleted", "dead")
"""The states of SCSI and NVMe devices in which I/O fails at once."""


def operations(requests: Sequence[Request], host: Host) -> Plan:
    """Return what is missing on the host; Refused if it cannot be made so."""
    stated = state(requests, host)
    kernels = [each for each in stated if not by_multipathd(each, host)]
    daemons = [each for each in stated if by_multipathd(each, host)]
    refuse_daemon_options(kernels)
    steps = plan([*flat(kernels)], host.maps) if kernels else ()
    steps = (*steps, *forget(kernels, host))
    steps = (*steps, *multipathd_plan(daemons, host)) if daemons else steps
    return with_records(steps, host, dict(_records(stated, host)))


def desire(requests: Sequence[Request], host: Host) -> tuple[Desired | Absent, ...]:
    """Return the maps as they should be; Refused if the host is not fit for them."""
    return tuple(flat(state(requests, host)))


def state(requests: Sequence[Request], host: Host) -> tuple[Stated, ...]:
    """Return what each request states; Refused if the host is not fit for it."""
    stated = tuple(_stated(request, host) for request in requests)
    refuse_twice("wwid", [each.uuid for each in flat(stated)])
    return stated


def _stated(request: Request, host: Host) -> Stated:
    if request.present:
        desired = _desired(request, host)
        return Stated(request, wwid_of(desired.uuid), desired)
    absent = tuple(_absent(request, host))
    named = host.map_named(request.name)
    wwid = request.wwid or (wwid_of(named.uuid) if named else wwid_of_drop_in(request.name, host))
    return Stated(request, wwid, absent=absent)


def observe(requests: Sequence[Request], kernel: Kernel, timeout: float) -> Host:
    """Return the host as these maps concern it."""
    named = [path for request in requests for path in request.named]
    leaving = any(not request.present for request in requests)
    host = observe_paths(kernel, named, timeout, leaving)
    wwids = {request.wwid for request in requests if request.present and request.wwid}
    paths = frozenset(disk.device for disk in host.block_devices if disk.wwid in wwids)
    return replace(
        host,
        missing_modules=missing_modules(_modules(requests)),
        multipathd=read_multipathd(
            timeout, paths, any(each.manager == "multipathd" for each in requests)
        ),
        boot_files=read_boot_files(),
        missing_programs=missing_programs() if any(each.persistent for each in requests) else (),
    )


def _modules(requests: Sequence[Request]) -> Iterator[str]:
    """Yield the modules that the kernel loads for what is stated, if it has them."""
    for request in requests:
        if request.present:
            yield "dm-multipath"
            yield f"dm-{request.path_selector.name}"
            if request.hardware_handler not in ("auto", "none"):
                yield f"scsi_dh_{request.hardware_handler}"


def report(requests: Sequence[Request], host: Host) -> dict[str, t.Any]:
    """Return the stated maps that are there."""
    found = [_found(request, host) for request in requests]
    return {
        "maps": [
            {**map_result(each, host), "persistent": _outlives_boot(each, host)}
            for each in found
            if each is not None
        ]
    }


def _outlives_boot(each: Map, host: Host) -> bool:
    told = drop_in_path(wwid_of(each.uuid)) in host.multipathd.drop_ins
    return told or is_persistent(each.uuid, host)


def _records(stated: Sequence[Stated], host: Host) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what the host is to boot with: uuids of maps with the files that state each."""
    for each in stated:
        request, uuid = each.request, multipath_uuid(each.wwid)
        if each.desired is None:
            yield uuid if each.wwid else recorded_uuid(request.name, host), {}
        elif by_multipathd(each, host):
            _refuse_forgetting(request)
            yield uuid, {}
        else:
            wanted = request.persistent
            if wanted is None:
                wanted = is_persistent(uuid, host)
            yield uuid, map_files(request, each.desired, host) if wanted else {}


def _refuse_forgetting(request: Request) -> None:
    """Refuse to keep a map from coming back that the daemon brings back."""
    if request.persistent is False:
        raise Refused(
            "persistent", False, "multipathd manages the map, and makes it again at each boot",
            "Leave it out, or manage the map without the daemon (manager: kernel)",
        )  # fmt: skip


def _desired(request: Request, host: Host) -> Desired:
    _refuse_missing("state", "present", "dm-multipath", host)
    selector = request.path_selector.name
    _refuse_missing("path_selector", selector, f"dm-{selector}", host)
    option = request.source
    paths = tuple(listed_paths(option, request.listed, request.wwid, host))
    paths = paths or found_paths(request.wwid, host)
    wwid = request.wwid or paths[0].wwid
    uuid = multipath_uuid(wwid)
    present = host.map_of_uuid(uuid)
    fit = _openable(request, wwid, paths, host)
    down, paths = [path for path in paths if path not in fit], fit
    if len(paths) < request.min_paths:
        raise Refused(
            option, wwid,
            f"{len(paths)} paths are there ({_names(paths)}), fewer than min_paths"
            f" ({request.min_paths}); down, and in no map: {_names(down) or 'none'}",
            "Bring the missing paths up and rescan (lun_paths does so), or lower min_paths",
        )  # fmt: skip
    refuse_sizes(option, wwid, paths)
    for path in paths:
        refuse_claimed(option, wwid, path, uuid, host)
    _refuse_read_only(request, paths, present)
    name = request.name or wwid
    check_name("name", name)
    table = _table(request, paths, host)
    if present is not None and present.live:
        _refuse_resize(request, present, table, host)
    return Desired(name, uuid, table, request.read_only, _udev_flags(request, paths))


def _openable(
    request: Request, wwid: str, paths: tuple[BlockDevice, ...], host: Host
) -> tuple[BlockDevice, ...]:
    """Return the paths that a table can have: those of the map, and others that are not down.

    The kernel opens the paths that a map does not have yet, and no SCSI disk that is offline can be
    opened (sd.c sd_open: ENXIO). It joins the map by a later run. Refused if the task names it.
    """
    present = host.map_of_uuid(multipath_uuid(wwid))
    members = {*devices(present.live), *devices(present.inactive)} if present else set()
    shut = [path for path in paths if path.state in _DOWN and path.device not in members]
    named = [path_named(text, host) for text in request.named]
    if shut and (any(path in named for path in shut) or len(shut) == len(paths)):
        raise Refused(
            request.source, wwid,
            f"these paths are down: {_names(shut)}; the kernel opens none of them for a map that"
            " does not have it yet",
            "Bring them up first, or leave them out",
        )  # fmt: skip
    return tuple(path for path in paths if path not in shut)


def _found(request: Request, host: Host) -> Map | None:
    """Return the map that `request` means, if it is there."""
    if request.wwid:
        return host.map_of_uuid(multipath_uuid(request.wwid))
    for text in request.listed:
        path = path_named(text, host)
        return host.map_of_uuid(multipath_uuid(path.wwid)) if path else None
    return host.map_named(request.name)


def _table(request: Request, paths: Sequence[BlockDevice], host: Host) -> Table:
    arranged = _arranged(request, paths)
    path_groups = selected(request.path_selector, arranged, host)
    handler = _handler(request, [path for group in arranged for path in group], host)
    target = Multipath(request.features, handler, path_groups, 1)
    return (Segment(0, paths[0].sectors, target),)


def _handler(request: Request, paths: Sequence[BlockDevice], host: Host) -> tuple[str, ...]:
    """Return the hardware handler that the table has once it is loaded; Refused if it cannot be."""
    stated = request.hardware_handler
    handler = handler_in_use(
        stated, [path.hardware_handler for path in paths], request.features.queue_mode
    )
    if stated not in ("auto", "none") and not handler:
        raise Refused(
            "hardware_handler", stated,
            "none is attached to the paths, and a map with queue_mode bio attaches none",
            "State auto, or another queue_mode",
        )  # fmt: skip
    if handler == (stated,):
        _refuse_missing("hardware_handler", stated, f"scsi_dh_{stated}", host)
        for path in paths:
            if not path.address:
                raise Refused(
                    "hardware_handler", stated,
                    f"the path {path.name} is no SCSI device, and only those have one",
                    "State auto or none",
                )  # fmt: skip
    return handler


def _arranged(request: Request, paths: Sequence[BlockDevice]) -> Groups:
    """Return the paths in groups, as the task or its policy says."""
    if not request.path_groups:
        return groups(paths, request.path_grouping_policy)
    rest = iter(paths)
    return tuple(tuple(itertools.islice(rest, len(group))) for group in request.path_groups)


def _refuse_missing(option: str, value: str, module: str, host: Host) -> None:
    if module in host.missing_modules:
        raise Refused(
            option, value, f"the running kernel has no module {module}",
            "Install it (the modules of the distribution's full kernel, not of one for clouds), or"
            " do without",
        )  # fmt: skip


def _udev_flags(request: Request, paths: Sequence[BlockDevice]) -> UdevFlag:
    """Return what the map's events tell udev (libmultipath/devmapper.c build_udev_flags).

    A path counts unless its device is down, or its array lets no I/O through it: one that the
    kernel has failed is tried again with the next table.
    """
    flags = UdevFlag.NO_KPARTX if request.skip_kpartx else UdevFlag.NONE
    down = all(path.state in _DOWN or path.access_state in INACCESSIBLE for path in paths)
    return flags | UdevFlag.NO_PATHS if down else flags


def _refuse_read_only(request: Request, paths: Sequence[BlockDevice], present: Map | None) -> None:
    """Refuse to write through a path that its storage has protected (sd.c sd_open: EROFS).

    And to open a path that is down anew, which a map does to change this (dm.c find_table_device).
    """
    members = devices(present.live) if present else ()
    if present and present.live and present.read_only != request.read_only:
        down = [path for path in paths if path.state in _DOWN]
        if down:
            raise Refused(
                "read_only", request.read_only,
                f"the map {present.name} would have to open its paths anew, and these are down:"
                f" {_names(down)}",
                "Bring them up first, or leave it as it is",
            )  # fmt: skip
    for path in paths:
        if path.read_only and not request.read_only and path.device not in members:
            raise Refused(
                "read_only", False, f"the path {path.name} refuses writes",
                "State read_only: true, or let the storage allow writes and rescan the path",
            )  # fmt: skip


def _refuse_resize(request: Request, present: Map, table: Table, host: Host) -> None:
    length = table[0].length
    wwid = request.wwid or present.uuid
    if length < present.sectors and not request.allow_shrink:
        raise Refused(
            "wwid", wwid,
            f"its paths have {length} sectors now, the map {present.name} has {present.sectors}:"
            " it would shrink",
            "Make sure that this is the same LUN; what lies beyond the end would be lost. State"
            " allow_shrink: true if that is meant",
        )  # fmt: skip
    for child in host.partition_maps(present.uuid, present.device):
        end = max((start + child.sectors for start in _offsets(child)), default=0)
        if length < end <= present.sectors:
            raise Refused(
                "allow_shrink", True,
                f"the partition map {child.name} ends at sector {end}, beyond the new end {length}",
                "Make the partition smaller, or remove it and its map first",
            )  # fmt: skip
    if length != present.sectors and present.queues_without_path:
        raise Refused(
            "wwid", wwid,
            f"the map {present.name} queues and has no active path, so it cannot be resized now",
            "Bring a path back first",
        )  # fmt: skip


def _offsets(each: Map) -> Iterator[int]:
    """Yield where a partition map starts on its parent, in sectors."""
    for segment in each.live:
        if isinstance(segment.target, Linear):
            yield segment.target.offset


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
    if not request.defers:
        _refuse_used(option, value, present, host.uses_beyond_partition_maps(present))
    open_children = 0
    for child in children:
        waits = request.defers and child.open_count > 0
        open_children += waits
        yield Absent(child.uuid, waits)
    # Each partition map with a table has its parent open, until it is removed.
    opened = present.open_count - sum(bool(child.live) for child in children)
    deferred = request.defers and (open_children > 0 or opened > 0)
    # A process that waits gets its error; a file system that gets one may be lost.
    uses = host.uses_beyond_partition_maps(present)
    mounted = any(not use.is_process for use in uses)
    yield Absent(present.uuid, deferred, keeps_queueing=deferred and mounted)


def _refuse_used(option: str, value: str, present: Map, uses: Sequence[Use]) -> None:
    if uses:
        raise Refused(
            option, value,
            f"the map {present.name} is in use: {'; '.join(use.words for use in uses)}",
            "End that use first (unmount, swapoff, vgchange, mdadm --stop), or state in_use: defer;"
            " nothing was changed",
        )  # fmt: skip


def _names(paths: Sequence[BlockDevice]) -> str:
    return ", ".join(path.name for path in paths)
