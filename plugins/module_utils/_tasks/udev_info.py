# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`udev_info`: what udev shows of paths and maps, and what of it is not as it should be."""

from __future__ import annotations

import fnmatch
import os
import typing as t
from dataclasses import dataclass, replace

from .._observe.udev import observe_udev
from .._values.errors import Refused
from .._values.names import partition_number, partition_uuid, wwid_of
from .._values.table import Linear, devices
from .._values.udev_rules import ETC
from .task import Task
from .udev_options import ATTRIBUTE_OF, PATHS_ONLY, NvmeTuning, Request, Tuning, parse

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ...plugin_utils._types import (
        DeviceNumber,
        Host,
        Map,
        NvmeController,
        NvmeSubsystem,
        Readings,
        UdevDevice,
    )

_BY_ID = "/dev/disk/by-id"


@dataclass(frozen=True)
class Failure:
    """A property of a device, or of a file, that is not as it should be."""

    device: str
    property: str
    expected: str
    found: str


def observe(request: Request, readings: Readings, timeout: float) -> Host:
    """Return the host; Refused for owners that it does not know, and rules that it refuses."""
    for each in request.permissions:
        for option, name, exists in (
            ("owner", each.owner, readings.user_exists(each.owner)),
            ("group", each.group, readings.group_exists(each.group)),
        ):
            if not exists:
                raise Refused(
                    option=f"permissions: {option}",
                    value=name,
                    found=f"this host has no such {'user' if option == 'owner' else 'group'}",
                    way_out=(
                        "Create it first, or specify a number; at boot udev knows only local"
                        " users and groups"
                    ),
                )
    host = observe_udev(
        readings,
        request.rules,
        request.initramfs,
        timeout,
        verify=request.verify,
        partition_maps=request.partition_maps,
    )
    if host.udev.initramfs_needed and not host.udev.initramfs.generator:
        raise Refused(
            option="initramfs",
            value=request.initramfs,
            found="this host has neither dracut nor initramfs-tools",
            way_out="Set it to never, and build the initramfs yourself; nothing was changed",
        )
    return replace(host, nvme=readings.nvme_subsystems() if request.nvme else ())


def report(request: Request, host: Host) -> dict[str, t.Any]:
    """Return the facts, and what fails."""
    state = host.udev
    owned = (
        each
        for each in state.devices.values()
        if each.properties.get("SAN_DEVICE_MAPPER_PERMISSIONS")
    )
    return {
        "failures": [_result(each) for each in failures(request, host)],
        "summary": [_failure_words(each) for each in failures(request, host)],
        "pending": [_result(each) for each in pending(request, host)],
        "maps": [each.name for each in host.multipath_maps()],
        "paths": sorted(state.devices[each].name for each in state.partitions),
        "udev_version": state.version,
        "outdated": [each.name for each in state.rule_files if not each.current],
        "installed": list(state.installed),
        "restorable": sorted(f"/dev/{each.name}" for each in owned if _is_unstated(each, request)),
        "early_mounts": [
            {"place": each.place, "wwid": wwid_of(each.uuid)} for each in state.early_mounts
        ],
        "initramfs_needed": state.initramfs_needed,
        "initramfs_generator": state.initramfs.generator,
        "initramfs_told": state.initramfs.told,
        "multipath_rules": list(state.multipath_rules),
    }


def failures(request: Request, host: Host) -> tuple[Failure, ...]:
    """Return what is not as it should be: files, paths, maps, partitions, LVM, initramfs."""
    return (
        *_files(host),
        *(_paths(host) if request.hide_paths else ()),
        *_maps(request, host),
        *_partitions(host),
        *_tuned(request, host),
        *_nvme(request, host),
        *(_lvm(host) if request.verify else ()),
        *(_initramfs(host) if request.verify and host.udev.initramfs_needed else ()),
    )


def pending(request: Request, host: Host) -> tuple[Failure, ...]:
    """Return what holds from the next boot on: max_sectors_kb is not changed in use."""
    return tuple(
        _wrong_setting(each, name, value)
        for each, tuning in _tunings(request, host)
        for name, value in tuning.settings
        if name == "max_sectors_kb" and _differs(each, name, value)
    )


def _result(each: Failure) -> dict[str, str]:
    return {
        "device": each.device,
        "property": each.property,
        "expected": each.expected,
        "found": each.found,
    }


def _failure_words(each: Failure) -> str:
    found = each.found or "nothing"
    return f"{each.device}: {each.property}: expected {each.expected}, found {found}"


def _is_unstated(device: UdevDevice, request: Request) -> bool:
    uuids = (link.rpartition("dm-uuid-")[2] for link in device.links if "dm-uuid-" in link)
    wwids = {uuid.rpartition("mpath-")[2] for uuid in uuids}
    return not wwids.intersection(each.wwid for each in request.permissions)


def _files(host: Host) -> Iterator[Failure]:
    for each in host.udev.rule_files:
        if not each.current:
            found = "another content, owner or mode" if each.found else "no such file"
            yield Failure(f"{ETC}/{each.name}", "rule file", "as the role installs it", found)
    for path, hidden in host.udev.shadowed.items():
        yield Failure(hidden, "rule file", "in effect", f"hidden by {path}")


def _paths(host: Host) -> Iterator[Failure]:
    """Yield what lets a path, or a partition on one, be taken for a disk of its own.

    Where multipath-tools hides a path, 60-persistent-storage.rules may have set ID_FS_TYPE after
    it; the two other properties are those that count.
    """
    for path, inside in host.udev.partitions.items():
        for number in (path, *inside):
            each = host.udev.devices[number]
            expected = {"DM_MULTIPATH_DEVICE_PATH": "1", "SYSTEMD_READY": "0"}
            if each.properties.get("SAN_DEVICE_MAPPER_MAP"):
                expected["ID_FS_TYPE"] = "mpath_member"
            for name, value in expected.items():
                found = each.properties.get(name, "")
                if found != value:
                    yield Failure(each.name, name, value, found)


def _maps(request: Request, host: Host) -> Iterator[Failure]:
    for each in host.multipath_maps():
        seen = host.udev.devices[each.device]
        if each.suspended:
            yield Failure(each.name, "suspended", "no", "yes")
        if not seen.properties.get("DM_UDEV_RULES_VSN"):
            yield Failure(each.name, "DM_UDEV_RULES_VSN", "set by the rules of device-mapper", "")
        if seen.properties.get("MPATH_DEVICE_READY", "1") != "1":
            found = seen.properties["MPATH_DEVICE_READY"]
            yield Failure(each.name, "MPATH_DEVICE_READY", "1", found)
        wwid = each.wwid
        for child in (each, *host.partition_maps(each)):
            number = partition_number(child.uuid, each.uuid)
            if request.links:
                yield from _links(child, wwid, f"-part{number}" if number else "", host)
            yield from _permissions(child, wwid, request, host)


def _partitions(host: Host) -> Iterator[Failure]:
    """Yield the partitions that have no map, whatever its name, or one of another place."""
    for parent in host.parents:
        table = parent.partition_table
        if table.problem:
            yield Failure(parent.name, "partition table", "one that can be read", table.problem)
        maps = {each.uuid: each for each in host.partition_maps(parent)}
        for each in table.partitions:
            expected = Linear(parent.device, each.start)
            length = table.mapped_sectors(each)
            present = maps.get(partition_uuid(each.number, parent.uuid))
            found = present.live[0] if present and present.live else None
            if found is None or (found.target, found.length) != (expected, length):
                yield Failure(
                    parent.name,
                    f"partition {each.number}",
                    f"a map of {length} sectors from {each.start}",
                    f"{present.name} with another table" if present else "",
                )


def _links(each: Map, wwid: str, part: str, host: Host) -> Iterator[Failure]:
    """Yield the links that are not there, or lead elsewhere: to a path, most likely.

    Labels need not be unique: a link that another map claims as well may lead to either.
    """
    names = {f"dm-name-{each.name}", f"dm-uuid-{each.uuid}"}
    if wwid[:1].isdigit() or wwid.startswith("S"):
        names.add(f"scsi-{wwid}{part}")
    if wwid.startswith("3"):
        names.add(f"wwn-0x{wwid[1:]}{part}")
    if wwid.startswith(("eui.", "nvme.", "uuid.")):
        names.add(f"nvme-{wwid}{part}")
    own = host.udev.devices[each.device]
    identity = {f"{_BY_ID}/{name}" for name in names}
    for link in sorted({*identity, *own.links}):
        found = host.resolved.get(link)
        other = host.udev.devices.get(found) if found and host.map_at(found) else None
        either = link not in identity and other is not None and link in other.links
        if found != each.device and not either:
            yield Failure(each.name, link, own.name, _name(found, host))


def _name(number: DeviceNumber | None, host: Host) -> str:
    if number is None:
        return ""
    named = (disk.name for disk in host.block_devices if disk.device == number)
    seen = host.udev.devices.get(number)
    return seen.name if seen else next(named, str(number))


def _permissions(each: Map, wwid: str, request: Request, host: Host) -> Iterator[Failure]:
    seen = host.udev.devices[each.device]
    for stated in request.permissions:
        if stated.wwid == wwid:
            for name, expected, found in (
                ("owner", stated.owner, seen.owner),
                ("group", stated.group, seen.group),
                ("mode", stated.mode, f"{seen.mode:04o}"),
            ):
                if expected != found:
                    yield Failure(each.name, name, expected, found)


def _tunings(request: Request, host: Host) -> Iterator[tuple[UdevDevice, Tuning]]:
    """Yield the paths and maps that settings are stated for; a map is what its paths are."""
    for each in host.multipath_maps():
        paths = [host.udev.devices[p] for p in devices(each.live) if p in host.udev.partitions]
        for device in paths:
            tuning = _tuning_of(device, request)
            if tuning:
                yield device, tuning
        tuning = _tuning_of(paths[0], request) if paths else None
        if tuning:
            shared = tuple(pair for pair in tuning.settings if pair[0] not in PATHS_ONLY)
            named = replace(host.udev.devices[each.device], name=each.name)
            yield named, Tuning(tuning.vendor, tuning.model, shared)


def _tuning_of(device: UdevDevice, request: Request) -> Tuning | None:
    matching = (
        each
        for each in request.tuning
        if fnmatch.fnmatchcase(device.vendor, each.vendor)
        and fnmatch.fnmatchcase(device.model, each.model)
    )
    return next(matching, None)


def _tuned(request: Request, host: Host) -> Iterator[Failure]:
    for each, tuning in _tunings(request, host):
        for name, value in tuning.settings:
            if name != "max_sectors_kb" and _differs(each, name, value):
                yield _wrong_setting(each, name, value)


def _differs(device: UdevDevice, name: str, value: str) -> bool:
    return _found(device, name) != value


def _found(device: UdevDevice, name: str) -> str:
    """Return a setting's value; of the schedulers that there are, the one in brackets."""
    found = device.attributes.get(ATTRIBUTE_OF[name], "")
    return found.partition("[")[2].partition("]")[0] if "[" in found else found


def _wrong_setting(device: UdevDevice, name: str, value: str) -> Failure:
    return Failure(device.name, ATTRIBUTE_OF[name], value, _found(device, name))


def _nvme(request: Request, host: Host) -> Iterator[Failure]:
    """Yield the settings of NVMe subsystems and controllers that are not as stated."""
    for each in host.nvme:
        tuning = _nvme_tuning_of(each, request)
        if tuning is None:
            continue
        if tuning.iopolicy and tuning.iopolicy != each.iopolicy:
            yield Failure(each.name, "iopolicy", tuning.iopolicy, each.iopolicy)
        for controller in each.controllers:
            if tuning.transport in ("", controller.transport):
                yield from _timeouts(controller, tuning)


def _nvme_tuning_of(each: NvmeSubsystem, request: Request) -> NvmeTuning | None:
    matching = (
        tuning
        for tuning in request.nvme
        if fnmatch.fnmatchcase(each.nqn, tuning.subsystem)
        and fnmatch.fnmatchcase(each.model, tuning.model)
    )
    return next(matching, None)


def _timeouts(each: NvmeController, tuning: NvmeTuning) -> Iterator[Failure]:
    """Yield the time-outs of a controller that are not as stated; one on PCIe has none.

    The kernel counts attempts to reconnect: it rounds ctrl_loss_tmo up (nvme_ctrl_loss_tmo_store).
    """
    for name, stated, found in (
        ("ctrl_loss_tmo", tuning.ctrl_loss_tmo, each.ctrl_loss_tmo),
        ("fast_io_fail_tmo", tuning.fast_io_fail_tmo, each.fast_io_fail_tmo),
    ):
        if stated is None or found is None:
            continue
        delay = each.reconnect_delay or 1
        rounded = -(-stated // delay) * delay if name == "ctrl_loss_tmo" and stated > 0 else stated
        if found not in (stated, rounded):
            yield Failure(each.name, name, *("off" if s < 0 else str(s) for s in (stated, found)))


def _lvm(host: Host) -> Iterator[Failure]:
    """Yield the paths that LVM takes for physical volumes, and that it could not be asked.

    A path that its devices file lists is none that LVM sees while a map holds it: what is on the
    LUN is not found then, unless the map is listed.
    """
    state = host.udev
    seen = state.physical_volumes
    for each in host.maps if seen is None else ():
        if each.suspended or each.queues_without_path:
            yield Failure(each.name, "LVM", "to be asked what it sees", "the map would not answer")
    for path, inside in state.partitions.items():
        for number in (path, *inside):
            if number in (seen or ()):
                name = state.devices[number].name
                yield Failure(name, "LVM", "not seen", "a physical volume")
    for each in host.multipath_maps():
        if state.listed_by_lvm.intersection(devices(each.live)):
            yield Failure(each.name, "LVM devices file", "the map", "its paths")


def _initramfs(host: Host) -> Iterator[Failure]:
    """Yield the rule files that the image does not have, by the names that this host has."""
    state = host.udev
    image = state.initramfs.image or "/boot"
    if state.initramfs.files is None:
        yield Failure(image, "initramfs", "an image that can be listed", "none")
        return
    names = {
        *(each.name for each in state.rule_files),
        *(os.path.basename(path) for path in state.multipath_rules),
    }
    for name in sorted(names - state.initramfs.files):
        yield Failure(image, os.path.join("udev/rules.d", name), "in the image", "missing")


TASK = Task(parse, observe, report)
