# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`multipath_path`: from a task's options and a host to paths that are active, or failed."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping
from dataclasses import dataclass, fields

from .._observe.maps import observe_path_states
from .._plan.paths import path_named
from .._plan.steps import Message, foresee, uuids
from .._report.result import path_states_lines, path_states_result
from .._values.errors import Refused
from .._values.host import Transport
from .._values.names import controller_name, wwid_of

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._plan.steps import Plan
    from .._values.device import DeviceNumber
    from .._values.host import BlockDevice, Host, Map
    from .._values.kernel import Kernel
    from .._values.multipath import MultipathStatus

Options = Mapping[str, t.Any]

_WORLD_WIDE_NAME = re.compile(r"(?:0x)?((?:[0-9a-f]{2}[:-]?){7}[0-9a-f]{2})", re.ASCII)
_NVME_CONTROLLER = re.compile(r"(nvme[0-9]+)n[0-9]+", re.ASCII)


@dataclass(frozen=True)
class Selection:
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

    selection: Selection
    active: bool = False
    path_group: int = 0
    min_active: int = 1


@dataclass(frozen=True)
class Chosen:
    """A map, and those of its paths that a task means."""

    map: Map
    status: MultipathStatus
    paths: tuple[DeviceNumber, ...]


def parse(options: Options) -> Request:
    """Return what `options` state; Refused names the option that is wrong."""
    stated: dict[str, tuple[str, ...]] = {}
    for option in (each.name for each in fields(Selection)):
        if options[option] is None:
            continue
        if not all(options[option] or ("",)):
            raise Refused(
                option, options[option], "it is empty, or names nothing",
                "State what is meant, or leave the option out: the others choose then",
            )  # fmt: skip
        stated[option] = tuple(options[option])
    if "hosts" in stated:
        stated["hosts"] = tuple(map(controller_name, stated["hosts"]))
    path_group = options["path_group"]
    if path_group is not None and path_group < 1:
        raise Refused("path_group", path_group, "path groups count from 1", "State 1 or more")
    if options["min_active"] < 0:
        raise Refused(
            "min_active", options["min_active"], "it is no number of paths", "State 0 or more"
        )
    return Request(
        Selection(**stated),
        active=options["state"] == "active",
        path_group=path_group or 0,
        min_active=options["min_active"],
    )


def observe(request: Request, kernel: Kernel, timeout: float) -> Host:
    """Return the host as these paths concern it."""
    selection = request.selection
    return observe_path_states(kernel, selection.paths, timeout, selection.by_transport)


def operations(request: Request, host: Host) -> Plan:
    """Return what is missing on the host; Refused if it cannot be made so."""
    found = chosen(request.selection, host)
    if request.path_group:
        return tuple(step for each in found for step in _switch(request.path_group, each, host))
    plan = tuple(step for each in found for step in _messages(request.active, each, host))
    if not request.active:
        _refuse_too_few(request.min_active, found, plan, host)
    return plan


def report(_request: Request, _host: Host) -> dict[str, t.Any]:
    """Return nothing: what matters of a path is what it was and what it is, see `changes`."""
    return {}


def changes(request: Request, before: Host, after: Host, steps: Plan) -> dict[str, t.Any]:
    """Return the maps with chosen paths, before and after, and the difference if there is any."""
    found = chosen(request.selection, before)
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
            "before": _text([each.map for each, _now in there], before),
            "after": _text([now for _each, now in there], before),
        }
    return result


def chosen(selection: Selection, host: Host) -> tuple[Chosen, ...]:
    """Return the maps that have paths which fit the whole of `selection`, with these paths."""
    maps = _maps(selection, host)
    fitting = tuple(_fitting(selection, host))
    found = []
    for each in maps:
        members = dict.fromkeys(each.multipath.devices() if each.multipath else ())
        paths = tuple(device for device in members if all(device in fit for fit in fitting))
        if paths or not fitting:
            found.append(Chosen(each, _status(each), paths))
    return tuple(found)


def _text(maps: Iterable[Map], host: Host) -> str:
    lines = [line for each in maps for line in path_states_lines(each, host)]
    return "".join(f"{line}\n" for line in lines)


def _maps(selection: Selection, host: Host) -> tuple[Map, ...]:
    """Return the maps that are stated, or all multipath maps; Refused for another one."""
    eligible = tuple(each for each in host.maps if wwid_of(each.uuid) and each.multipath)
    if not selection.maps:
        return eligible
    stated = [_map_stated(text, eligible, host) for text in selection.maps]
    return tuple(each for each in eligible if each in stated)


def _map_stated(text: str, eligible: tuple[Map, ...], host: Host) -> Map:
    for each in eligible:
        if wwid_of(each.uuid) == text:
            return each
    for each in eligible:
        if each.name == text:
            return each
    present = host.map_named(text)
    if present is not None:
        raise Refused(
            "maps", text,
            f"it has no multipath table, or is none of a LUN (its uuid is {present.uuid or 'empty'}"
            ", not mpath-WWID)",
            "It was not touched; state a map that multipath_map has made",
        )  # fmt: skip
    raise Refused(
        "maps", text,
        "this host has no multipath map of this name or WWID (there are:"
        f" {', '.join(each.name for each in eligible) or 'none'})",
        "Correct it; nothing was changed",
    )  # fmt: skip


def _status(each: Map) -> MultipathStatus:
    if each.status is None:
        raise Refused(
            "maps", each.name, "the kernel reports its state in words that are not known here",
            "Look at `dmsetup status`, and report it; nothing was changed",
        )  # fmt: skip
    return each.status


def _fitting(selection: Selection, host: Host) -> Iterator[set[DeviceNumber]]:
    """Yield the paths that fit, for each option that is stated; Refused for what is not there."""
    if selection.paths:
        members = {
            str(device): device
            for each in host.maps
            if each.multipath and wwid_of(each.uuid)
            for device in each.multipath.devices()
        }
        yield {_path_stated(text, members, host) for text in selection.paths}
    for option, stated in (
        ("hosts", selection.hosts),
        ("target_ports", selection.target_ports),
        ("initiator_ports", selection.initiator_ports),
        ("fabrics", selection.fabrics),
    ):
        if stated:
            yield _fitting_names(option, stated, host)


def _fitting_names(option: str, stated: tuple[str, ...], host: Host) -> set[DeviceNumber]:
    """Return the disks to which one of the `stated` names belongs."""
    names = {disk.device: {*_names(option, disk, host)} for disk in host.block_devices}
    there = set(host.controllers if option == "hosts" else ()).union(*names.values())
    for text in stated:
        if _plain(text) not in there:
            raise Refused(
                option, text,
                "this host reaches no disk by it (there are:"
                f" {', '.join(sorted(there)) or 'none'})",
                "Correct it, or leave this host out; nothing was changed",
            )  # fmt: skip
    wanted = {*map(_plain, stated)}
    return {device for device, found in names.items() if found & wanted}


def _names(option: str, disk: BlockDevice, host: Host) -> Iterator[str]:
    """Yield the names by which `option` chooses the disk."""
    if option == "hosts":
        namespace = _NVME_CONTROLLER.fullmatch(disk.name)
        if namespace:
            yield namespace.group(1)
        elif disk.address:
            yield f"host{disk.address.partition(':')[0]}"
        return
    transport = host.transports.get(disk.device, Transport())
    if option == "target_ports":
        yield from map(_plain, transport.target_ports)
    elif option == "initiator_ports":
        yield from map(_plain, transport.initiator_ports)
    elif transport.fabric:
        yield _plain(transport.fabric)


def _path_stated(text: str, members: Mapping[str, DeviceNumber], host: Host) -> DeviceNumber:
    """Return the path that `text` names; one whose disk is gone has only its number."""
    disk = path_named(text, host)
    member = members.get(str(disk.device) if disk else text)
    if member is not None:
        return member
    raise Refused(
        "paths", text,
        "no multipath map has it as a path" if disk else "no block device of this host has this"
        " name or address",
        "Correct it (device_mapper_info lists the paths of each map); nothing was changed",
    )  # fmt: skip


def _plain(name: str) -> str:
    """Return a port's name as it is compared: a world wide name by its digits only."""
    lower = name.lower()
    match = _WORLD_WIDE_NAME.fullmatch(lower)
    return "0x" + re.sub("[:-]", "", match.group(1)) if match else lower


def _messages(active: bool, each: Chosen, host: Host) -> Iterator[Message]:
    """Yield a message for each chosen path that is not as stated."""
    states = {path.device: path.active for path in each.status.paths()}
    verb = "reinstate_path" if active else "fail_path"
    for device in each.paths:
        if states.get(device) is not active:
            _refuse_suspended(each.map)
            # The daemon's own checker leaves a path alone that the daemon was told to fail.
            told = f"{verb.replace('_', ' ')} {_disk_name(device, host)}"
            yield Message(
                each.map.name, each.map.uuid, f"{verb} {device}", told * host.multipathd.runs
            )


def _switch(number: int, each: Chosen, host: Host) -> Iterator[Message]:
    """Yield the message that makes the group `number` the current one, if it is not.

    The kernel leaves a group without an active path with the next I/O (dm-mpath.c choose_pgpath).
    """
    groups = each.status.groups
    if number > len(groups):
        raise Refused(
            "path_group", number, f"the map {each.map.name} has {len(groups)} groups of paths",
            "State one that it has; nothing was changed",
        )  # fmt: skip
    if not any(path.active for path in groups[number - 1].paths):
        raise Refused(
            "path_group", number, f"this group of the map {each.map.name} has no active path",
            "Reinstate one first (state: active); nothing was changed",
        )  # fmt: skip
    current = each.map.multipath.current_group if each.map.multipath else 0
    # With no group in use the kernel states the first, though it avoids one that is disabled.
    if current != number or groups[number - 1].state == "disabled":
        _refuse_suspended(each.map)
        told = f"switch map {each.map.name} group {number}"
        yield Message(
            each.map.name, each.map.uuid, f"switch_group {number}", told * host.multipathd.runs
        )


def _disk_name(device: DeviceNumber, host: Host) -> str:
    """Return the kernel's name of a path, which is the daemon's; its number if the disk is gone."""
    disk = host.disk_at(device)
    return disk.name if disk else str(device)


def _refuse_suspended(each: Map) -> None:
    """Refuse what the kernel would (dm-mpath.c multipath_message: EBUSY)."""
    if each.suspended:
        raise Refused(
            "maps", each.name, "it is suspended, and takes no message",
            f"Find out who suspended it; `dmsetup resume {each.name}` lets I/O go on",
        )  # fmt: skip


def _refuse_too_few(min_active: int, found: tuple[Chosen, ...], plan: Plan, host: Host) -> None:
    """Refuse to leave maps short of paths, all of them in one message."""
    changed, foreseen = uuids(plan), foresee(plan, host)
    short = []
    for each in found:
        after = foreseen.map_of_uuid(each.map.uuid)
        left = host.usable_paths(after) if after else 0
        reason = _reason(each.map, host)
        if each.map.uuid in changed and left < min_active and reason:
            before = host.usable_paths(each.map)
            short.append(f"{each.map.name} {left} of {before} active paths ({reason})")
    if short:
        raise Refused(
            "min_active", min_active, f"too few paths would be left: {'; '.join(short)}",
            "Choose fewer paths, bring others back first, or lower min_active; nothing was changed",
        )  # fmt: skip


def _reason(each: Map, host: Host) -> str:
    """Return why the map has to keep paths; empty if it does not have to.

    A map that queues is read by udev after each event, and would hang it without a path.
    """
    uses = host.uses_beyond_partition_maps(each)
    if uses:
        return "; ".join(use.words for use in uses)
    if host.opens_beyond_partition_maps(each) > 0:
        return "open"
    queues = each.multipath is not None and each.multipath.features.queue_if_no_path
    return "unused, and it queues: whoever reads it would hang" if queues else ""
