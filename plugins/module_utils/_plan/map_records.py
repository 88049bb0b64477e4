# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of persistent multipath maps: what a host must know to make them again at boot."""

from __future__ import annotations

import re
import typing as t

from .._values.boot_files import STATIC
from .._values.errors import Refused
from .._values.names import wwid_of
from .._values.records import (
    CHECK_INTERVAL,
    ENDINGS,
    MANAGED,
    MULTIPATHD_UNITS,
    RECORDS,
    partitions_path,
    record_path,
    skip_kpartx_path,
    uuid_of,
)
from .._values.table import devices
from .boot import Announce, RemoveFile, is_persistent, partition_records, writes
from .map_steps import Remove
from .path_groups import SOURCES
from .steps import foresee

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...plugin_utils._types import BlockDevice, Host, Map, Multipath, NextBoot, Plan
    from .missing import Desired
    from .stated import StatedMap

_BY_PATH = "/dev/disk/by-path/"
_STABLE = re.compile(r"[0-9A-Za-z#+.:=@_,-]+", re.ASCII)


def recorded_uuid(name: str, host: Host) -> str:
    """Return the uuid of the map whose record states this name; empty if none does."""
    for path, text in host.boot_files.items():
        if path.endswith(".map") and f"name {name}" in text.splitlines():
            return uuid_of(path)
    return ""


def map_files(stated: StatedMap, desired: Desired, host: Host) -> dict[str, str]:
    """Return the files that state a map; Refused if it cannot be assembled at boot."""
    files = {record_path(desired.uuid): record(stated, desired, host)}
    if stated.skip_kpartx:
        files[skip_kpartx_path(desired.uuid)] = MANAGED
    return files


def record(stated: StatedMap, desired: Desired, host: Host) -> str:
    """Return the record of a map; Refused if it cannot be assembled at boot."""
    _refuse_unfit(stated, desired, host)
    target = t.cast("Multipath", desired.table[0].target)
    groups = target.groups
    selector = groups[0].selector
    features = target.features.words()
    handler = stated.hardware_handler
    if handler == "none" and target.features.queue_mode == "bio":
        handler = "auto"  # _multipath.handler_in_use
    policy = "stated" if stated.path_groups else stated.path_grouping_policy
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
    if stated.check_interval not in (None, CHECK_INTERVAL):
        lines.append(f"check_interval {stated.check_interval}")
    # What never changes of a path is not asked for at boot: its group is noted here.
    if stated.listed or stated.path_selector.of_paths or policy in SOURCES:
        _refuse_left_out(stated, desired, host)
        lines += _path_lines(stated, target, host)
    return MANAGED + "".join(f"{line}\n" for line in lines)


def _renamed(text: str, parent: Map, after: Host) -> str:
    """Return the record of partition maps with the names that they have with that of `parent`.

    Also where a run that was killed has renamed one of them and not written so.
    """
    for child in after.partition_maps(parent):
        tail = child.name[len(parent.name) :]
        if child.name == parent.name + tail:
            line = rf"(?m)^{child.partition[0]} .*{re.escape(tail)}(?=( read_only)?$)"
            name = f"{child.partition[0]} {child.name}"
            text = re.sub(line, name.replace("\\", r"\\"), text)
    return text


def with_records(steps: Plan, host: Host, records: Mapping[str, Mapping[str, str]]) -> Plan:
    """Return `steps` with what brings the host's boot files to the stated `records`.

    Those are the files that state maps, by the maps' uuids; none for a map that is not to be
    persistent. A record goes before its map does, so that no path that comes at that moment brings
    the map back.
    """
    wanted = dict(host.boot_files)
    after = foresee(steps, host) if any(records.values()) else host
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
                wanted.update(partition_records(uuid, after.partition_maps(present)))
            path, parent = partitions_path(uuid), after.map_of_uuid(uuid)
            if parent is not None and path in wanted:
                wanted[path] = _renamed(wanted[path], parent, after)
    if any(path.endswith(".map") for path in wanted):
        wanted.update(STATIC if any(records.values()) else {})
    else:
        wanted = {path: text for path, text in wanted.items() if path not in STATIC}
    going = sorted(path for path in host.boot_files if path not in wanted)
    freed = _freed(steps, going, host)
    return (
        *(RemoveFile(path) for path in going if path not in STATIC),
        *steps,
        *writes(wanted, host),
        *(RemoveFile(path) for path in going if path in STATIC),
        *(Announce(each.name) for each in freed),
    )


def _freed(steps: Plan, going: Sequence[str], host: Host) -> list[BlockDevice]:
    """Return the disks that were hidden as paths of persistent maps, and are paths no more.

    Not those of a map that stays: rules of other origin may set max_sectors_kb upon each event,
    which fails I/O on the paths of a map in use (multipath.conf(5), max_sectors_kb).
    """
    removed = {step.uuid for step in steps if isinstance(step, Remove) and not step.deferred}
    present = {each.uuid for each in host.maps}
    uuids = {uuid_of(path) for path in going if path.endswith(".map")}
    wwids = {wwid_of(uuid) for uuid in uuids if uuid in removed or uuid not in present}
    return [each for each in host.block_devices if each.wwid in wwids]


def _path_lines(stated: StatedMap, target: Multipath, host: Host) -> Iterator[str]:
    spelt_out = any(path.arguments for group in target.groups for path in group.paths)
    for number, group in enumerate(target.groups, 1):
        for path in group.paths:
            disk = host.disk(path.device)
            links = [each for each in disk.links if each.startswith(_BY_PATH)]
            names = [each[len(_BY_PATH) :] for each in links]
            stable = next((each for each in names if _STABLE.fullmatch(each)), None)
            if stable is None:
                raise Refused(
                    option="persistent",
                    value=True,
                    found=(f"the path {disk.name} has no link in {_BY_PATH} to find it by at boot"),
                    way_out=(
                        f"Leave out {stated.source if stated.listed else 'paths'} and arguments of"
                        " paths, and set another path_grouping_policy, or set persistent: false"
                    ),
                )
            # Paths may form other groups at boot, and each path of a group has as many arguments.
            arguments = path.arguments or (("1", "1") if spelt_out else ())
            yield " ".join(("path", stable, str(number), *arguments))


def _refuse_left_out(stated: StatedMap, desired: Desired, host: Host) -> None:
    """Refuse a record of the paths that lacks one which is only down: it would never join."""
    paths = devices(desired.table)
    disks = () if stated.listed else host.disks_of_wwid(wwid_of(desired.uuid))
    left = [disk.name for disk in disks if disk.device not in paths]
    if left:
        raise Refused(
            option="persistent",
            value=True,
            found=(
                f"the record of {desired.name} for the next boot lists its paths, and these are"
                f" down and in no map: {', '.join(left)}"
            ),
            way_out="Bring them up first, or delete them (lun_paths finds them again)",
        )


def _refuse_next_boot(next_boot: NextBoot) -> None:
    """Refuse to promise a map that the next boot would not make."""
    found = "; ".join(next_boot.obstacles())
    if next_boot.missing_programs:
        found = f"this host lacks what assembles maps at boot ({found})"
        way_out = "Install it"
    elif next_boot.daemon_units:
        found = f"the next boot leaves the map to multipathd ({found})"
        way_out = (
            f"`systemctl mask {' '.join(MULTIPATHD_UNITS)}` if the host is to do without it, or"
            " start it and leave out manager, so that it manages the map"
        )
    elif next_boot.command_line:
        found = f"the next boot makes no multipath map ({found})"
        way_out = "Take it out of the boot loader's configuration and boot without it"
    else:
        return
    raise Refused(
        option="persistent",
        value=True,
        found=found,
        way_out=f"{way_out}; or set persistent: false, and make the map after each boot",
    )


def _refuse_unfit(stated: StatedMap, desired: Desired, host: Host) -> None:
    _refuse_next_boot(host.next_boot)
    other = recorded_uuid(desired.name, host)
    if other not in ("", desired.uuid):
        raise Refused(
            option="name",
            value=desired.name,
            found=f"the map {other} has this name after a reboot ({record_path(other)})",
            way_out=(
                f"Choose another name, or remove that map (wwid: {wwid_of(other)}, state: absent)"
            ),
        )
