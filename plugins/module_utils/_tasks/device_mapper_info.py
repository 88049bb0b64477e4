# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`device_mapper_info`: what a host's maps and LUNs are; it states nothing and changes nothing."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._observe.health import observe_health
from .._report.health import health, health_result, problem_line
from .._report.luns import lun_result
from .._report.maps import map_result
from .._report.multipathd import differences, multipathd_result
from .._report.nvme import nvme_health, nvme_nodes, nvme_result
from .._report.reservations import reservation_result
from .._report.tree import tree
from .._values.errors import Refused
from .task import Task

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...plugin_utils._types import Host, Map, NvmeSubsystem, Readings
    from .._report.health import Health
    from .task import ModuleOptions


_LEAST = "must be at least 1"


@dataclass(frozen=True)
class Request:
    """What a task asks for; each filter that is None lets everything through.

    `expected_paths` is the number of usable paths that each multipath map should have, `max_paths`
    the number of paths that none should exceed.
    """

    maps: tuple[str, ...] | None = None
    wwids: tuple[str, ...] | None = None
    health: tuple[str, ...] | None = None
    expected_paths: int | None = None
    max_paths: int | None = None
    partition_tables: bool = False
    reservations: bool = False

    @property
    def filters(self) -> bool:
        """Whether anything is left out."""
        return (self.maps, self.wwids, self.health) != (None, None, None)

    def names(self, each: Map) -> bool:
        """Return whether a map fits the filters that need no look at its health."""
        named = self.maps is None or each.name in self.maps
        return named and (self.wwids is None or each.wwid in self.wwids)


def parse(options: ModuleOptions) -> Request:
    """Return what `options` ask for; Refused names the option that is wrong."""
    filters: dict[str, tuple[str, ...]] = {}
    for option in ("maps", "wwids", "health"):
        if options[option] is None:
            continue
        if not all(options[option] or ("",)):
            raise Refused(
                option=option,
                value=options[option],
                found="the list is empty, or has an empty item",
                way_out="Specify at least one item, or leave the option out to include everything",
            )
        filters[option] = tuple(options[option])
    expected = options["expected_paths"]
    if expected is not None and expected < 1:
        raise Refused(
            option="expected_paths",
            value=expected,
            found=_LEAST,
            way_out="Increase it, or leave it out",
        )
    most = options["max_paths"]
    if most is not None and most < (expected or 1):
        raise Refused(
            option="max_paths",
            value=most,
            found=f"must be at least expected_paths ({expected})" if expected else _LEAST,
            way_out="Increase it, or leave it out",
        )
    return Request(
        **filters,
        expected_paths=expected,
        max_paths=most,
        partition_tables=options["partition_tables"],
        reservations=options["reservations"],
    )


def observe(request: Request, readings: Readings, timeout: float) -> Host:
    """Return the host's maps, disks and NVMe subsystems, and the daemon's view."""
    return observe_health(
        readings,
        request.names,
        timeout,
        reading=request.partition_tables,
        asking=request.reservations,
    )


def report(request: Request, host: Host) -> dict[str, t.Any]:
    """Return maps, LUNs, NVMe subsystems and the tree, those that are asked for."""
    states = {each.name: _health(each, host, request) for each in host.maps}
    chosen = _chosen(request, host, states)
    of_devices = {
        one.name: nvme_health(one, request.expected_paths)
        for each in host.nvme
        for one in each.namespaces
    }
    subsystems = [*_chosen_nvme(request, host, of_devices)]
    names = {each.wwid: each.name for each in host.maps if each.wwid}
    wwids = {each.wwid for each in chosen}
    if request.maps is None and request.health is None:
        wwids.update(host.luns() if request.wwids is None else request.wwids)
    return {
        "maps": [
            {
                **map_result(each, host),
                "health": health_result(states[each.name]),
                "reservation": reservation_result(each, host),
            }
            for each in chosen
        ],
        "luns": [
            lun_result(wwid, paths, names.get(wwid), host.detached)
            for wwid, paths in host.luns().items()
            if wwid in wwids
        ],
        "detached": sorted(host.detached),
        "nvme": [nvme_result(each, of_devices, host) for each in subsystems],
        "tree": tree(host, wwids, nvme_nodes(subsystems, host)),
        "problems": [
            *_map_problems(chosen, states),
            *_nvme_problems(subsystems, of_devices),
            *_in_vain(request, host),
        ],
        "multipathd": multipathd_result(host.multipathd, list(differences(host))),
    }


def _health(each: Map, host: Host, request: Request) -> Health | None:
    return health(each, host, request.expected_paths, request.max_paths)


def _chosen(request: Request, host: Host, states: Mapping[str, Health | None]) -> Sequence[Map]:
    """Return the maps that fit all filters; the partition maps of a map go with it."""
    if not request.filters:
        return host.maps
    fitting = [
        each
        for each in host.maps
        if request.names(each) and _is_one_of(states[each.name], request.health)
    ]
    names = {each.name for each in fitting}
    names.update(child.name for each in fitting for child in host.maps_of_partitions(each.uuid))
    return [each for each in host.maps if each.name in names]


def _chosen_nvme(
    request: Request, host: Host, states: Mapping[str, Health]
) -> Iterator[NvmeSubsystem]:
    """Yield the NVMe subsystems with those namespaces that fit all filters; names are of maps."""
    for each in host.nvme if request.maps is None else ():
        fitting = tuple(
            one
            for one in each.namespaces
            if _is_one_of(states[one.name], request.health)
            and (request.wwids is None or one.wwid in request.wwids)
        )
        if fitting or not request.filters:
            yield replace(each, namespaces=fitting)


def _map_problems(chosen: Sequence[Map], states: Mapping[str, Health | None]) -> Iterator[str]:
    """Yield a line for each chosen map that is not healthy."""
    for each in chosen:
        state = states[each.name]
        if state and state.state != "healthy":
            yield problem_line(each.name, state)


def _nvme_problems(chosen: Sequence[NvmeSubsystem], states: Mapping[str, Health]) -> Iterator[str]:
    """Yield a line for each chosen NVMe multipath device that is not healthy."""
    for each in (one for subsystem in chosen for one in subsystem.namespaces):
        if states[each.name].state != "healthy":
            yield problem_line(each.name, states[each.name])


def _in_vain(request: Request, host: Host) -> Iterator[str]:
    """Yield a line for each name and WWID that is asked for in vain."""
    wwids = {each.wwid for each in host.maps}
    wwids.update(one.wwid for each in host.nvme for one in each.namespaces)
    yield from (
        f"{name}: no map has this name" for name in request.maps or () if not host.map_named(name)
    )
    yield from (
        f"{wwid}: no map has this WWID" for wwid in request.wwids or () if wwid not in wwids
    )


def _is_one_of(found: Health | None, states: tuple[str, ...] | None) -> bool:
    return states is None or (found is not None and found.state in states)


TASK = Task(parse, observe, report)
