# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The maps that a host has again after a reboot: what states them there, as values and as a plan.

A persistent map has a record, `mpath-WWID.map`, which states what the program that assembles it
must know beyond what the paths say themselves at boot. `mpath-WWID.partitions` beside it states the
partition maps, by number and name; where a partition begins and ends is read from the disk.
`mpath-WWID.skip_kpartx` says by being there that udev is to make none.
"""

from __future__ import annotations

import re
import typing as t

from .._values.boot_files import ENDINGS, MANAGED, RECORDS, STATIC
from .._values.errors import Refused
from .._values.names import partition_number, wwid_of
from .._values.table import devices
from .boot_steps import Announce, RemoveFile, WriteFile
from .path_groups import SOURCES
from .steps import Remove, foresee

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .._tasks.multipath_options import Request
    from .._values.host import BlockDevice, Host, Map
    from .._values.multipath import Multipath
    from .missing import Desired
    from .steps import Plan, Step

_BY_PATH = "/dev/disk/by-path/"
_STABLE = re.compile(r"[0-9A-Za-z#+.:=@_,-]+", re.ASCII)


def record_path(uuid: str) -> str:
    """Return where the record of the map with this uuid is."""
    return f"{RECORDS}/{uuid}.map"


def partitions_path(uuid: str) -> str:
    """Return where the partition maps of the map with this uuid are stated."""
    return f"{RECORDS}/{uuid}.partitions"


def skip_kpartx_path(uuid: str) -> str:
    """Return the file that keeps udev from making partition maps of the map with this uuid."""
    return f"{RECORDS}/{uuid}.skip_kpartx"


def is_persistent(uuid: str, host: Host) -> bool:
    """Tell whether the map with this uuid has a record."""
    return record_path(uuid) in host.boot_files


def recorded_uuid(name: str, host: Host) -> str:
    """Return the uuid of the map whose record states this name; empty if none does."""
    for path, text in host.boot_files.items():
        if path.endswith(".map") and f"name {name}" in text.splitlines():
            return path[len(RECORDS) + 1 : -len(".map")]
    return ""


def map_files(request: Request, desired: Desired, host: Host) -> dict[str, str]:
    """Return the files that state a map; Refused if it cannot be assembled at boot."""
    files = {record_path(desired.uuid): record(request, desired, host)}
    if request.skip_kpartx:
        files[skip_kpartx_path(desired.uuid)] = MANAGED
    return files


def record(request: Request, desired: Desired, host: Host) -> str:
    """Return the record of a map; Refused if it cannot be assembled at boot."""
    _refuse_unfit(request, desired, host)
    target = t.cast("Multipath", desired.table[0].target)
    groups = target.groups
    selector = groups[0].selector
    features = target.features.words()
    handler = request.hardware_handler
    if handler == "none" and target.features.queue_mode == "bio":
        handler = "auto"  # _multipath.handler_in_use
    policy = "stated" if request.path_groups else request.path_grouping_policy
    lines = [
        f"name {desired.name}",
        f"path_grouping_policy {policy}",
        " ".join(
            ("path_selector", selector.name, str(len(selector.arguments)), *selector.arguments)
        ),
        " ".join(("features", str(len(features)), *features)),
        f"hardware_handler {handler}",
    ]
    if desired.read_only:
        lines.append("read_only")
    # What never changes of a path is not asked for at boot: its group is noted here.
    if request.listed or request.path_selector.of_paths or policy in SOURCES:
        _refuse_left_out(request, desired, host)
        lines += _path_lines(request, target, host)
    return MANAGED + "".join(f"{line}\n" for line in lines)


def with_records(steps: Plan, host: Host, records: Mapping[str, Mapping[str, str]]) -> Plan:
    """Return `steps` with what brings the host's boot files to the stated `records`.

    Those are the files that state maps, by the maps' uuids; none for a map that is not to be
    persistent. A record goes before its map does, so that no path that comes at that moment brings
    the map back.
    """
    wanted = dict(host.boot_files)
    for uuid, files in records.items():
        for path in (f"{RECORDS}/{uuid}{ending}" for ending in ENDINGS):
            # With the map, its partition maps are partition_maps' to state.
            if not (files and path == partitions_path(uuid)):
                wanted.pop(path, None)
        wanted.update(files)
        if files:
            present = host.map_of_uuid(uuid)
            if present is not None and not is_persistent(uuid, host):
                # From now on they come back with it; later on partition_maps states them.
                children = host.partition_maps(uuid, present.device)
                wanted.update(_partitions(uuid, children))
    if any(path.endswith(".map") for path in wanted):
        wanted.update(STATIC if any(records.values()) else {})
    else:
        wanted = {path: text for path, text in wanted.items() if path not in STATIC}
    going = sorted(path for path in host.boot_files if path not in wanted)
    freed = _freed(steps, going, host)
    return (
        *(RemoveFile(path) for path in going if path not in STATIC),
        *steps,
        *_writes(wanted, host),
        *(RemoveFile(path) for path in going if path in STATIC),
        *(Announce(each.name) for each in freed),
    )


def with_partition_records(steps: Plan, host: Host, uuids: Sequence[str]) -> Plan:
    """Return `steps` with what states the partition maps of persistent maps, those of `uuids`."""
    after = foresee(steps, host)
    added: list[Step] = []
    for uuid in uuids:
        parent = host.map_of_uuid(uuid)
        if parent is None or not is_persistent(uuid, host):
            continue
        wanted = _partitions(uuid, after.partition_maps(uuid, parent.device))
        if not wanted and partitions_path(uuid) in host.boot_files:
            # None are stated, which keeps kpartx' rule from making all of them at boot.
            wanted = {partitions_path(uuid): MANAGED}
        added += _writes(wanted, host)
    return (*steps, *added)


def boot_diff(before: Host, after: Host) -> dict[str, str]:
    """Return the boot files that differ for --diff; of those that are always the same the size."""
    return {"before": _differing(before, after), "after": _differing(after, before)}


def _differing(host: Host, other: Host) -> str:
    lines = []
    for path, text in sorted(host.boot_files.items()):
        if other.boot_files.get(path) == text:
            continue
        if path in STATIC:
            lines.append(f"{path}, {len(text)} characters")
        else:
            lines += [path, *(f"  {line}" for line in text.splitlines())]
    return "".join(f"{line}\n" for line in lines)


def _writes(wanted: Mapping[str, str], host: Host) -> Iterator[WriteFile]:
    """Yield what has to be written; what assembles maps comes before what states them."""
    for path in sorted(wanted, key=lambda path: (path not in STATIC, path.endswith(".map"), path)):
        if host.boot_files.get(path) != wanted[path]:
            yield WriteFile(path, wanted[path], _uuid(path))


def _uuid(path: str) -> str:
    return "" if path in STATIC else path[len(RECORDS) + 1 :].rpartition(".")[0]


def _partitions(uuid: str, children: Sequence[Map]) -> dict[str, str]:
    """Return the file that states the partition maps `children`; none if there are none."""
    lines = [
        f"{partition_number(each.uuid, uuid)} {each.name}{' read_only' if each.read_only else ''}\n"
        for each in children
        if each.live
    ]
    return {partitions_path(uuid): MANAGED + "".join(lines)} if lines else {}


def _freed(steps: Plan, going: Sequence[str], host: Host) -> list[BlockDevice]:
    """Return the disks that were hidden as paths of persistent maps, and are paths no more.

    Not those of a map that stays: rules of other origin may set max_sectors_kb upon each event,
    which fails I/O on the paths of a map in use (multipath.conf(5), max_sectors_kb).
    """
    removed = {step.uuid for step in steps if isinstance(step, Remove) and not step.deferred}
    present = {each.uuid for each in host.maps}
    uuids = {_uuid(path) for path in going if path.endswith(".map")}
    wwids = {wwid_of(uuid) for uuid in uuids if uuid in removed or uuid not in present}
    return [each for each in host.block_devices if each.wwid in wwids]


def _path_lines(request: Request, target: Multipath, host: Host) -> Iterator[str]:
    disks = {each.device: each for each in host.block_devices}
    spelt_out = any(path.arguments for group in target.groups for path in group.paths)
    for number, group in enumerate(target.groups, 1):
        for path in group.paths:
            disk = disks[path.device]
            links = [each for each in disk.links if each.startswith(_BY_PATH)]
            names = [each[len(_BY_PATH) :] for each in links]
            stable = next((each for each in names if _STABLE.fullmatch(each)), None)
            if stable is None:
                raise Refused(
                    "persistent", True,
                    f"the path {disk.name} has no name in {_BY_PATH} by which to know it again",
                    f"State the WWID without {request.source if request.listed else 'paths'} and"
                    " arguments of paths, by a policy of priorities, or persistent: false",
                )  # fmt: skip
            # Paths may form other groups at boot, and each path of a group has as many arguments.
            arguments = path.arguments or (("1", "1") if spelt_out else ())
            yield " ".join(("path", stable, str(number), *arguments))


def _refuse_left_out(request: Request, desired: Desired, host: Host) -> None:
    """Refuse a record of the paths that lacks one which is only down: it would never join."""
    paths = devices(desired.table)
    disks = () if request.listed else host.disks_of_wwid(wwid_of(desired.uuid))
    left = [disk.name for disk in disks if disk.device not in paths]
    if left:
        raise Refused(
            "persistent", True,
            f"what is recorded of {desired.name} names its paths, and these are down, in no map:"
            f" {', '.join(left)}",
            "Bring them up first, or delete them (lun_paths finds them again)",
        )  # fmt: skip


def _refuse_unfit(request: Request, desired: Desired, host: Host) -> None:
    if host.missing_programs:
        raise Refused(
            "persistent", True,
            f"this host has no {', '.join(host.missing_programs)}, by which maps are assembled at"
            " boot",
            "Install it, or state persistent: false and see to the map after each boot",
        )  # fmt: skip
    other = recorded_uuid(desired.name, host)
    if other not in ("", desired.uuid):
        raise Refused(
            "name", desired.name,
            f"the map {other} has this name after a reboot ({record_path(other)})",
            f"Choose another name, or remove that map (wwid: {wwid_of(other)}, state: absent)",
        )  # fmt: skip
