# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`multipath_path`: from a task's options and a host to paths that are active, or failed."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, fields, replace

from .._observe.paths import observe_paths
from .._plan.held_paths import Held, Hold, Release
from .._plan.map_steps import Message
from .._plan.multipathd_steps import Tell
from .._plan.paths import refuse_other_lun
from .._plan.steps import foresee, uuids
from .._report.path_states import path_states_lines, path_states_result
from .._values.disk import identified
from .._values.errors import Refused
from .._values.multipathd import Multipathd
from .._values.names import controller_name, refuse_joined
from .._values.use import words
from .task import Task

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ...plugin_utils._types import (
        BlockDevice,
        DeviceNumber,
        Host,
        Map,
        MultipathStatus,
        Plan,
        Readings,
        Step,
    )
    from .task import ModuleOptions

_WORLD_WIDE_NAME = re.compile(r"(?:0x)?((?:[0-9a-f]{2}[:-]?){7}[0-9a-f]{2})", re.ASCII)
_NVME_CONTROLLER = re.compile(r"(nvme[0-9]+)n[0-9]+", re.ASCII)


@dataclass(frozen=True)
class PathFilters:
    """What paths have in common that a task chooses; an empty tuple leaves them the choice."""

    maps: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    target_ports: tuple[str, ...] = ()
    initiator_ports: tuple[str, ...] = ()
    fabrics: tuple[str, ...] = ()

    @property
    def by_transport(self) -> bool:
        """Whether the names that a transport gives to ports have to be known."""
        return bool(self.target_ports or self.initiator_ports or self.fabrics)


@dataclass(frozen=True)
class Request:
    """The state of the chosen paths; or, with a `path_group`, the current group of maps."""

    filters: PathFilters
    active: bool = False
    path_group: int = 0
    min_active: int = 1
    timeout: float = 0.0


@dataclass(frozen=True)
class Chosen:
    """A map, and those of its paths that a task means."""

    map: Map
    status: MultipathStatus
    paths: tuple[DeviceNumber, ...]


def parse(options: ModuleOptions) -> Request:
    """Return what `options` state; Refused names the option that is wrong."""
    stated: dict[str, tuple[str, ...]] = {}
    for option in (each.name for each in fields(PathFilters)):
        if options[option] is None:
            continue
        if not all(options[option] or ("",)):
            raise Refused(
                option=option,
                value=options[option],
                found="the list is empty, or has an empty item",
                way_out="Specify at least one item, or leave the option out",
            )
        stated[option] = tuple(options[option])
    if "hosts" in stated:
        stated["hosts"] = tuple(map(controller_name, stated["hosts"]))
    path_group = options["path_group"]
    if path_group is not None and path_group < 1:
        raise Refused(
            option="path_group",
            value=path_group,
            found="must be at least 1, the number of the first path group",
            way_out="Specify the number of a path group, as device_mapper_info lists them",
        )
    if options["min_active"] < 0:
        raise Refused(
            option="min_active",
            value=options["min_active"],
            found="must be at least 0",
            way_out="Increase it, or leave it out for the default",
        )
    return Request(
        PathFilters(**stated),
        active=options["state"] == "active",
        path_group=path_group or 0,
        min_active=options["min_active"],
        timeout=float(options["timeout"]),
    )


def observe(request: Request, readings: Readings, timeout: float) -> Host:
    """Return the host as these paths concern it."""
    filters = request.filters
    host = observe_paths(readings, timeout, named=filters.paths, leaving=_is_of_lun)
    host = replace(host, native_nvme_multipath=readings.has_native_nvme_multipath())
    disks = host.block_devices if filters.by_transport else ()
    runs = readings.multipathd_runs()
    switches = request.path_group and runs
    # What is reinstated gets I/O: it has to say now which LUN it is.
    failed = {
        device
        for each in _maps(filters, host)
        for device, state in each.path_states.items()
        if request.active and not state.active
    }
    asked = [disk for disk in host.block_devices if disk.device in failed]
    pages = readings.reported_wwids(asked) if asked else {}
    return replace(
        host,
        block_devices=identified(host.block_devices, pages),
        controllers=readings.controllers(),
        transports=readings.transports(disks),
        held_paths=readings.held_paths(),
        multipathd=readings.multipathd_view(timeout) if switches else Multipathd(runs),
    )


def _is_of_lun(each: Map) -> bool:
    return bool(each.wwid)


def operations(request: Request, host: Host) -> Plan:
    """Return what is missing on the host; Refused if it cannot be made so."""
    found = chosen(request.filters, host)
    if request.path_group:
        return tuple(step for each in found for step in _switch(request, each, host))
    plan = tuple(step for each in found for step in _messages(request, each, host))
    if not request.active:
        _refuse_too_few(request.min_active, found, plan, host)
    return plan


def report(_request: Request, _host: Host) -> dict[str, t.Any]:
    """Return nothing: what matters of a path is what it was and what it is, see `changes`."""
    return {}


def changes(request: Request, before: Host, after: Host, steps: Plan) -> dict[str, t.Any]:
    """Return the maps with chosen paths, before and after, and the difference if there is any."""
    found = chosen(request.filters, before)
    pairs = [(each, after.map_of_uuid(each.map.uuid)) for each in found]
    there = [(each, now) for each, now in pairs if now is not None]
    result: dict[str, t.Any] = {
        "maps": [
            # In use before: udev, told of a failed path, has the map open for a moment after.
            path_states_result(
                each.map,
                now,
                each.paths,
                after,
                in_use=before.opens_beyond_partition_maps(each.map) > 0,
            )
            for each, now in there
        ]
    }
    if steps:
        result["diff"] = {
            "before": _states_text([each.map for each, _now in there], before),
            "after": _states_text([now for _each, now in there], before),
        }
    return result


def chosen(filters: PathFilters, host: Host) -> tuple[Chosen, ...]:
    """Return the maps that have paths which fit the whole of `filters`, with these paths."""
    maps = _maps(filters, host)
    fitting = tuple(_fitting(filters, host))
    found = []
    for each in maps:
        members = dict.fromkeys(each.multipath.devices() if each.multipath else ())
        paths = tuple(device for device in members if all(device in fit for fit in fitting))
        if paths or not fitting:
            found.append(Chosen(each, _status(each), paths))
    return tuple(found)


def _states_text(maps: Iterable[Map], host: Host) -> str:
    lines = [line for each in maps for line in path_states_lines(each, host)]
    return "".join(f"{line}\n" for line in lines)


def _maps(filters: PathFilters, host: Host) -> tuple[Map, ...]:
    """Return the maps that are stated, or all multipath maps; Refused for another one."""
    eligible = host.multipath_maps()
    if not filters.maps:
        return eligible
    stated = [_map_stated(text, eligible, host) for text in filters.maps]
    return tuple(each for each in eligible if each in stated)


def _map_stated(text: str, eligible: tuple[Map, ...], host: Host) -> Map:
    for each in eligible:
        if each.wwid == text:
            return each
    for each in eligible:
        if each.name == text:
            return each
    present = host.map_named(text)
    if present is not None:
        raise Refused(
            option="maps",
            value=text,
            found=(
                "not a multipath map of a LUN (wrong table type, or wrong uuid:"
                f" {present.uuid or 'empty'}, not mpath-WWID)"
            ),
            way_out="Specify a map that multipath_map has made; nothing was changed",
        )
    refuse_joined("maps", text, native=host.native_nvme_multipath)
    raise Refused(
        option="maps",
        value=text,
        found=(
            "this host has no multipath map of this name or WWID (there are:"
            f" {', '.join(each.name for each in eligible) or 'none'})"
        ),
        way_out="Correct it; nothing was changed",
    )


def _status(each: Map) -> MultipathStatus:
    if each.status is None:
        raise Refused(
            option="maps",
            value=each.name,
            found="the kernel reports its status in a form that this module does not know",
            way_out="Report it with the output of `dmsetup status`; nothing was changed",
        )
    return each.status


def _fitting(filters: PathFilters, host: Host) -> Iterator[set[DeviceNumber]]:
    """Yield the paths that fit, for each option that is stated; Refused for what is not there."""
    if filters.paths:
        members = {
            str(device): device
            for each in host.multipath_maps()
            for device in (each.multipath.devices() if each.multipath else ())
        }
        yield {_path_stated(text, members, host) for text in filters.paths}
    for option, stated in (
        ("hosts", filters.hosts),
        ("target_ports", filters.target_ports),
        ("initiator_ports", filters.initiator_ports),
        ("fabrics", filters.fabrics),
    ):
        if stated:
            yield _fitting_names(option, stated, host)


def _fitting_names(option: str, stated: tuple[str, ...], host: Host) -> set[DeviceNumber]:
    """Return the disks to which one of the `stated` names belongs."""
    for text in stated if option == "hosts" and host.native_nvme_multipath else ():
        _refuse_joined(text, host)
    names = {disk.device: {*_chosen_by(option, disk, host)} for disk in host.block_devices}
    there = set(host.controllers if option == "hosts" else ()).union(*names.values())
    for text in stated:
        if _plain(text) not in there:
            raise Refused(
                option=option,
                value=text,
                found=(
                    "this host reaches no disk through it (it has:"
                    f" {', '.join(sorted(there)) or 'none'})"
                ),
                way_out="Correct it, or leave this host out; nothing was changed",
            )
    wanted = {*map(_plain, stated)}
    return {device for device, found in names.items() if found & wanted}


def _refuse_joined(controller: str, host: Host) -> None:
    """Refuse a controller whose paths the kernel joins itself: it fails none on request."""
    if controller.startswith("nvme") and controller in host.controllers:
        raise Refused(
            option="hosts",
            value=controller,
            found=(
                "the kernel joins the paths of this NVMe controller itself (nvme_core.multipath is"
                " Y), and has no request to take one out of use"
            ),
            way_out=(
                "Make sure that each of its namespaces has another active path (device_mapper_info"
                f" shows them in nvme), then disconnect it (nvme disconnect --device={controller});"
                " nothing was changed"
            ),
        )


def _chosen_by(option: str, disk: BlockDevice, host: Host) -> Iterator[str]:
    """Yield the names by which `option` chooses the disk."""
    if option == "hosts":
        namespace = _NVME_CONTROLLER.fullmatch(disk.name)
        if namespace:
            yield namespace.group(1)
        elif disk.address:
            yield f"host{disk.address.partition(':')[0]}"
        return
    transport = host.transports[disk.device]
    if option == "target_ports":
        yield from map(_plain, transport.target_ports)
    elif option == "initiator_ports":
        yield from map(_plain, transport.initiator_ports)
    elif transport.fabric:
        yield _plain(transport.fabric)


def _path_stated(text: str, members: Mapping[str, DeviceNumber], host: Host) -> DeviceNumber:
    """Return the path that `text` names; one whose disk is gone has only its number."""
    disk = host.path_named(text)
    member = members.get(str(disk.device) if disk else text)
    if member is not None:
        return member
    raise Refused(
        option="paths",
        value=text,
        found=(
            "no multipath map has it as a path"
            if disk
            else "no block device of this host has this name or address"
        ),
        way_out="Correct it (device_mapper_info lists the paths of each map); nothing was changed",
    )


def _plain(name: str) -> str:
    """Return a port's name as it is compared: a world wide name by its digits only."""
    lower = name.lower()
    match = _WORLD_WIDE_NAME.fullmatch(lower)
    return "0x" + re.sub("[:-]", "", match.group(1)) if match else lower


def _messages(request: Request, each: Chosen, host: Host) -> Iterator[Step]:
    """Yield what brings each chosen path that is not as stated to its state."""
    states, active = each.map.path_states, request.active
    verb = "reinstate_path" if active else "fail_path"
    for device in each.paths:
        noted_otherwise = active is ((each.map.uuid, device) in host.held_paths)
        # The daemon's own checker leaves a path alone that the daemon was told to fail.
        is_to_be_told = noted_otherwise and host.multipathd.runs and host.disk_at(device)
        if device not in states or states[device].active is not active or is_to_be_told:
            _refuse_suspended(each.map)
            if active:
                _refuse_other_lun(device, each.map, host)
            told = f"{verb.replace('_', ' ')} {_disk_name(device, host)}"
            step = Message(each.map.name, each.map.uuid, f"{verb} {device}")
            yield Held(_asked(request, step, told, host), device, active)
        elif noted_otherwise:
            yield (Release if active else Hold)(each.map.uuid, device)


def _asked(request: Request, step: Message, told: str, host: Host) -> Step:
    """Return the message to the map, or the same request in the words of a daemon that runs."""
    return Tell(told, request.timeout, step.uuid, step) if host.multipathd.runs else step


def _switch(request: Request, each: Chosen, host: Host) -> Iterator[Step]:
    """Yield the request that makes the stated path group the current one, if it is not.

    The kernel leaves a group without an active path with the next I/O (dm-mpath.c choose_pgpath).
    """
    groups, number = each.status.groups, request.path_group
    if number > len(groups):
        raise Refused(
            option="path_group",
            value=number,
            found=f"the map {each.map.name} has {len(groups)} path groups",
            way_out="Specify one of them; nothing was changed",
        )
    if not any(path.active for path in groups[number - 1].paths):
        raise Refused(
            option="path_group",
            value=number,
            found=f"this path group of the map {each.map.name} has no active path",
            way_out="Reinstate one first (state: active); nothing was changed",
        )
    current = each.map.multipath.current_group if each.map.multipath else 0
    # With no group in use the kernel states the first, though it avoids one that is disabled.
    if current != number or groups[number - 1].state == "disabled":
        _refuse_suspended(each.map)
        _refuse_failback(number, each.map, host)
        for path in groups[number - 1].paths:
            _refuse_other_lun(path.device, each.map, host)
        told = f"switch map {each.map.name} group {number}"
        step = Message(each.map.name, each.map.uuid, f"switch_group {number}")
        yield _asked(request, step, told, host)


def _refuse_failback(number: int, each: Map, host: Host) -> None:
    """Refuse what the daemon undoes at its next check (multipathd/main.c, FAILBACK_IMMEDIATE)."""
    if host.multipathd.runs and host.multipathd.fails_back_at_once(each.wwid):
        raise Refused(
            option="path_group",
            value=number,
            found=(
                f"multipathd has failback immediate for the map {each.name}, and switches back to"
                " the group with the highest priority at its next check"
            ),
            way_out=(
                "Set failback: manual for the map first (multipath_map), or fail the paths of the"
                " other groups (state: failed); nothing was changed"
            ),
        )


def _disk_name(device: DeviceNumber, host: Host) -> str:
    """Return the kernel's name of a path, which is the daemon's; its number if the disk is gone."""
    disk = host.disk_at(device)
    return disk.name if disk else str(device)


def _refuse_other_lun(device: DeviceNumber, each: Map, host: Host) -> None:
    """Refuse to send I/O of the map down a path of another LUN."""
    disk = host.disk_at(device)
    if disk:
        way_out = "Keep it failed, and run multipath_map for this map, which leaves the path out"
        refuse_other_lun("maps", each.name, disk, each.wwid, way_out)


def _refuse_suspended(each: Map) -> None:
    """Refuse what the kernel would (dm-mpath.c multipath_message: EBUSY)."""
    if each.suspended:
        raise Refused(
            option="maps",
            value=each.name,
            found="it is suspended, and the kernel refuses messages to it",
            way_out=f"Find out what suspended it; `dmsetup resume {each.name}` resumes it",
        )


def _refuse_too_few(min_active: int, found: tuple[Chosen, ...], plan: Plan, host: Host) -> None:
    """Refuse to leave maps short of paths, all of them in one message."""
    changed, foreseen = uuids(plan), foresee(plan, host)
    short = []
    for each in found:
        after = foreseen.map_of_uuid(each.map.uuid)
        left = host.usable_paths(after) if after else 0
        reason, before = _reason(each.map, host), host.usable_paths(each.map)
        if each.map.uuid in changed and left < min(min_active, before) and reason:
            short.append(f"{each.map.name} {left} of {before} active paths ({reason})")
    if short:
        raise Refused(
            option="min_active",
            value=min_active,
            found=f"too few paths would be left: {'; '.join(short)}",
            way_out=(
                "Choose fewer paths, bring others back first, or lower min_active; nothing was"
                " changed"
            ),
        )


def _reason(each: Map, host: Host) -> str:
    """Return why the map has to keep paths; empty if it does not have to.

    A map that queues is read by udev after each event, and would hang it without a path.
    """
    uses = host.uses_beyond_partition_maps(each)
    if uses:
        return words(uses)
    if host.opens_beyond_partition_maps(each) > 0:
        return "open"
    return "unused, but it queues: a process that reads it would hang" if each.queues else ""


TASK = Task(parse, observe, report, operations, changes)
