# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a multipath map is: whether its I/O goes on, and what is not as it should be."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._values.multipath_conf import Configuration, drop_in_path, parse_sections
from .._values.names import partition_number
from .._values.records import record_path
from .._values.table import Linear, devices

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ...plugin_utils._types import BlockDevice, Host, Map, PartitionTable

_WORDS = {"not_at_boot": "will not be there after the next boot"}
"""The kinds of reasons that a line says in other words."""

STATES = ("healthy", "degraded", "queueing", "dead")


@dataclass(frozen=True)
class Reason:
    """One thing that is not as it should be.

    `path` is the major:minor of the path concerned and `name` its disk's, both empty where the map
    itself is; of one of its partition maps there is the `name`. `found` is what was found instead
    of `expected`, empty where the kind says all.
    """

    kind: str
    path: str = ""
    name: str = ""
    found: str = ""
    expected: str = ""


@dataclass(frozen=True)
class Health:
    """`healthy`; `degraded`, where I/O goes on; `queueing`, where it waits; `dead`: it fails.

    Of its `paths`, those are `usable` that are active in the kernel and would carry I/O.
    """

    state: str
    reasons: tuple[Reason, ...] = ()
    paths: int = 0
    usable: int = 0
    expected: int | None = None
    most: int | None = None


def health(
    each: Map, host: Host, expected: int | None = None, most: int | None = None
) -> Health | None:
    """Return how a multipath map is; None for another map.

    It should have `expected` active paths at least, and `most` paths in all.
    """
    if not each.wwid:
        return None
    usable = host.usable_paths(each)
    reasons = [*_map_reasons(each, usable), *_path_reasons(each, host)]
    if expected is not None and usable < expected:
        reasons.append(Reason("too_few_paths", found=str(usable), expected=str(expected)))
    paths = len({*devices(each.live)}) if each.multipath else 0
    if most is not None and paths > most:
        reasons.append(Reason("too_many_paths", found=str(paths), expected=str(most)))
    if usable and each.device in host.not_ready:
        reasons.append(Reason("not_ready", found="MPATH_DEVICE_READY=0"))
    reasons += _link_reasons(each, host)
    reasons += _partition_reasons(each, host)
    reasons += _drop_in_reasons(each, host)
    reasons += _boot_reasons(each, host)
    state = _state(each, usable, degraded=bool(reasons))
    return Health(state, tuple(reasons), paths, usable, expected, most)


def _state(each: Map, usable: int, *, degraded: bool) -> str:
    if not each.live:
        return "dead"
    if each.suspended:
        return "queueing"
    if not usable:
        return "queueing" if each.queues else "dead"
    return "degraded" if degraded else "healthy"


def _map_reasons(each: Map, usable: int) -> Iterator[Reason]:
    if not each.live:
        yield Reason("no_table")
    elif each.multipath is None:
        yield Reason("no_multipath_table", found=each.live[0].target.kind, expected="multipath")
    elif not usable:
        yield Reason("no_usable_path")
    if each.suspended:
        yield Reason("suspended")
    if each.inactive:
        yield Reason("inactive_table")


def _path_reasons(each: Map, host: Host) -> Iterator[Reason]:
    """Yield what is wrong with the paths of the table, then those that it does not have."""
    wwid = each.wwid
    members = dict.fromkeys(devices(each.live) if each.multipath else ())
    for device in members:
        disk, number = host.disk_at(device), str(device)
        state = each.path_states.get(device)
        if state and not state.active:
            yield Reason("path_failed", number, disk.name if disk else "")
        if disk is None:
            yield Reason("path_gone", number)
            continue
        if not disk.carries_io:
            found = disk.access_state if disk.answers else disk.state
            yield Reason("path_down", number, disk.name, found)
        if disk.in_transition:
            yield Reason("path_in_transition", number, disk.name, disk.access_state)
        other = disk.other_wwid(wwid)
        if other:
            yield Reason("path_of_other_lun", number, disk.name, other, wwid)
        elif disk.wwid not in ("", wwid):
            yield Reason("path_renamed", number, disk.name, disk.wwid, wwid)
        if disk.sectors != each.sectors:
            yield Reason(
                "path_size", number, disk.name, str(disk.sectors * 512), str(each.sectors * 512)
            )
        yield from _reservation_reasons(disk, host)
    for disk in host.disks_of_wwid(wwid):
        if disk.device not in members and not disk.other_wwid(wwid):
            yield Reason("path_not_in_map", str(disk.device), disk.name)
            yield from _reservation_reasons(disk, host)


def _reservation_reasons(disk: BlockDevice, host: Host) -> Iterator[Reason]:
    """Yield that the storage rejects writes through the path, as far as it has been asked."""
    told = host.reservations.get(disk.device)
    if told and told.shuts_out:
        yield Reason("path_not_registered", str(disk.device), disk.name, told.type)


def _link_reasons(each: Map, host: Host) -> Iterator[Reason]:
    """Yield the links that udev should have made to the map and to its partition maps."""
    for link in host.missing_links.get(each.device, ()):
        yield Reason("missing_link", expected=link)
    for child in host.maps_of_partitions(each.uuid):
        for link in host.missing_links.get(child.device, ()):
            yield Reason("missing_link", name=child.name, expected=link)


def _partition_reasons(each: Map, host: Host) -> Iterator[Reason]:
    """Yield the partition maps that do not show their partition any more.

    Without the partition table, these are those without a table, elsewhere, or beyond the end.
    """
    parent = next((parent for parent in host.parents if parent.uuid == each.uuid), None)
    table = parent.partition_table if parent else None
    if table and table.problem:
        yield Reason("partition_table_unreadable", found=table.problem)
        table = None
    for child in host.maps_of_partitions(each.uuid):
        found, expected = _shown(child, each), _expected(child, each, table)
        if found != expected:
            yield Reason("stale_partition_map", name=child.name, found=found, expected=expected)


def _drop_in_reasons(each: Map, host: Host) -> Iterator[Reason]:
    """Yield where a map is not what its drop-in for multipathd says, as far as a table shows it."""
    wwid = each.wwid
    path = drop_in_path(wwid)
    text = host.multipathd.drop_ins.get(path, "")
    for section in Configuration(parse_sections(text, path)).multipath(wwid):
        for setting in section.settings:
            found = _differing(setting.keyword, setting.value, each)
            if found:
                said = f"{setting.keyword} {setting.value}"
                yield Reason("not_as_drop_in", found=f"{setting.keyword} {found}", expected=said)


def _boot_reasons(each: Map, host: Host) -> Iterator[Reason]:
    """Yield what keeps the next boot from making a map that it should make."""
    if record_path(each.uuid) in host.boot_files and not host.multipathd.runs:
        for found in host.next_boot.obstacles():
            yield Reason("not_at_boot", found=found)


def _differing(keyword: str, said: str, each: Map) -> str:
    """Return what the map has instead of what multipath.conf says; empty if the two may agree.

    Groups that follow from priorities, and retries that the daemon counts, no table shows.
    """
    groups = each.multipath.groups if each.multipath else ()
    if keyword == "alias" and said != each.name:
        return each.name
    if keyword == "path_selector" and groups and said != f"{groups[0].selector.name} 0":
        return f"{groups[0].selector.name} 0"
    if keyword == "path_grouping_policy" and (
        (said == "multibus" and len(groups) > 1)
        or (said == "failover" and any(len(group.paths) > 1 for group in groups))
    ):
        return f"with {len(groups)} groups"
    # The daemon ends the queueing when its retries are counted; the kernel hides it of a map that
    # is suspended.
    telling = each.status and each.status.active_paths() and not each.suspended
    if keyword == "no_path_retry" and telling and each.queues == (said == "fail"):
        return "queue" if each.queues else "fail"
    return ""


def _expected(child: Map, each: Map, table: PartitionTable | None) -> str:
    """Return what a partition map should show; if no table says so, whatever is on the device."""
    if table is None:
        shown = _shown(child, each)
        inside = child.lies_on(each.device) and _end(child) <= each.sectors
        return shown if inside else f"no sector beyond {each.sectors - 1}"
    number = partition_number(child.uuid, each.uuid)
    for entry in table.partitions:
        if entry.number == number:
            return _sectors(entry.start, table.mapped_sectors(entry))
    return "no partition"


def _shown(child: Map, each: Map) -> str:
    """Return what a partition map shows of its parent."""
    target = child.live[0].target if child.live else None
    if not isinstance(target, Linear) or not child.lies_on(each.device):
        return "another device" if child.live else "no table"
    return _sectors(target.offset, child.sectors)


def _end(child: Map) -> int:
    """Return the first sector of its parent that a partition map does not show."""
    target = child.live[0].target
    return child.sectors + (target.offset if isinstance(target, Linear) else 0)


def _sectors(start: int, length: int) -> str:
    return f"sectors {start} to {start + length - 1}"


def health_result(health: Health | None) -> dict[str, t.Any] | None:
    """Return how a map is, with each reason's words that say something."""
    if health is None:
        return None
    reasons = [
        {key: value for key, value in vars(reason).items() if value} for reason in health.reasons
    ]
    return {
        "state": health.state,
        "reasons": reasons,
        "path_count": health.paths,
        "active_paths": health.usable,
        "expected_paths": health.expected,
        "max_paths": health.most,
    }


def problem_line(name: str, health: Health) -> str:
    """Return what is wrong with a multipath map in a line."""
    words = [f"{health.state}, {health.usable} of {health.paths} paths active"]
    for reason in health.reasons:
        kind = _WORDS.get(reason.kind, reason.kind.replace("_", " "))
        what = " ".join(filter(None, (kind, reason.name or reason.path)))
        found = " instead of ".join(filter(None, (reason.found, reason.expected)))
        words.append(": ".join(filter(None, (what, found))))
    return f"{name}: {'; '.join(words)}"
