# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`lun_paths`: from a task's options and a host to the paths that the task states."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._observe.luns import observe_detached, observe_luns
from .._plan.boot import Announce
from .._plan.detached import (
    WriteDetached,
    blacklisting,
    leaving_maps,
    listing,
    refuse_mapped_in_use,
    refuse_unblacklistable,
)
from .._plan.held_paths import refuse_reinstated
from .._plan.path_steps import AwaitGone, AwaitPaths, Delete, Rescan, Scan, Wanted
from .._plan.stale_disks import other_names, refuse_other_name, replaceable, stale_disks
from .._plan.steps import foresee
from .._report.luns import lun_lines, lun_result
from .._values.errors import Refused, check_max_paths, refuse_empty, refuse_too_many, refuse_twice
from .._values.names import check_wwid, controller_name, is_namespace, multipath_uuid
from .._values.use import words
from .task import Task

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plugin_utils._types import BlockDevice, Host, Plan, Readings, Step
    from .task import ModuleOptions

_SHARED = ("state", "min_paths", "max_paths", "hosts")
"""The options whose value at the task's top holds for each item of `luns` without its own."""


@dataclass(frozen=True)
class StatedLun:
    """One LUN as the task's options state it; without `controllers`, all of the host are meant."""

    wwid: str
    state: str
    min_paths: int
    max_paths: int
    controllers: tuple[str, ...]

    @property
    def present(self) -> bool:
        """Whether the LUN is to have paths."""
        return self.state == "present"

    @property
    def is_detached(self) -> bool:
        """Whether the host is to let go of the LUN, and not to take it back."""
        return self.state == "detached"

    @property
    def is_nvme(self) -> bool:
        """Whether this is a namespace of NVMe."""
        return is_namespace(self.wwid)

    def paths_in(self, host: Host) -> tuple[BlockDevice, ...]:
        """Return the paths of the LUN, in the order of their names.

        A disk that udev takes for one, and that is another LUN by page 0x83, is none.
        """
        disks = host.disks_of_wwid(self.wwid)
        return tuple(each for each in disks if not each.other_wwid(self.wwid))


@dataclass(frozen=True)
class Request:
    """The LUNs that a task states; waiting ends after `timeout` seconds."""

    luns: tuple[StatedLun, ...]
    timeout: float


def parse(options: ModuleOptions) -> Request:
    """Return the LUNs that `options` state; Refused names the option that is wrong."""
    shared = {option: options[option] for option in _SHARED}
    items = options["luns"]
    if items is None:
        items = ({"wwid": options["wwid"]},)
    luns = tuple(_parse_item({**shared, **_without_none(item)}) for item in items)
    refuse_twice("wwid", [lun.wwid for lun in luns])
    return Request(luns, float(options["timeout"]))


def observe(request: Request, readings: Readings, timeout: float) -> Host:
    """Return the host as these LUNs concern it."""
    present = {lun.wwid: lun.min_paths for lun in request.luns if lun.present}
    absent = {lun.wwid for lun in request.luns if not lun.present}
    host = observe_luns(readings, present, absent, timeout)
    going = {lun.wwid for lun in request.luns if lun.is_detached}
    return observe_detached(host, readings, going, timeout) if _lists(request, host) else host


def operations(request: Request, host: Host) -> Plan:
    """Return what is missing on the host; Refused if it cannot be made so.

    Scans come before deletions: they may bring more paths of a LUN that is to go. What holds a LUN
    detached is written before anything of it goes, and taken back once nothing of it is left.
    """
    present = [lun for lun in request.luns if lun.present]
    absent = [lun for lun in request.luns if not lun.present]
    for lun in request.luns:
        _refuse_joined(lun, host)
    for lun in absent:
        _refuse_used(lun, host)
    first, last = _listing(request, host) if _lists(request, host) else ((), ())
    steps = (
        *first,
        *_appearing(present, request.timeout, host),
        *_leaving(absent, request.timeout, host),
        *last,
    )
    if first or last:
        # Paths of a map that goes with the task do not matter.
        refuse_reinstated("state", request.luns[0].state, steps, foresee((*first, *last), host))
    return steps


def _lists(request: Request, host: Host) -> bool:
    """Return whether the task concerns the list of the LUNs that the host holds detached."""
    return any(lun.is_detached or lun.wwid in host.detached for lun in request.luns)


def _listing(request: Request, host: Host) -> tuple[Plan, Plan]:
    """Return the steps that change the list, to be taken before and after all others."""
    detached = [lun.wwid for lun in request.luns if lun.is_detached]
    for lun in request.luns:
        if lun.is_detached:
            _refuse_unknown(lun, host)
            refuse_unblacklistable(lun.wwid, host)
            refuse_mapped_in_use(lun.wwid, host)
    released = host.detached & {lun.wwid for lun in request.luns if lun.present}
    kept = (host.detached | {*detached}) - released
    written, read = blacklisting(kept, released, host, request.timeout)
    before, after = leaving_maps(detached, host, request.timeout)
    first = (
        *listing(host.detached | kept, host),
        *(*written, *before, *read, *after),
        # Last, so that a run that was killed before multipathd was told tells it again.
        *((WriteDetached(kept),) if released else ()),
        *(Announce(path.name) for wwid in sorted(released) for path in host.disks_of_wwid(wwid)),
    )
    left = kept - {lun.wwid for lun in request.luns if lun.state == "absent"}
    if left == kept:
        return first, ()
    host = foresee(first, host)
    written, read = blacklisting(left, kept - left, host, request.timeout)
    return first, (*written, *read, WriteDetached(left))


def _refuse_unknown(lun: StatedLun, host: Host) -> None:
    """Refuse to hold a LUN of which the host has nothing, and never had."""
    known = lun.wwid in host.detached or host.map_of_uuid(multipath_uuid(lun.wwid))
    if not known and not lun.paths_in(host):
        wwids = sorted({each.wwid for each in host.block_devices if each.wwid})
        raise Refused(
            option="wwid",
            value=lun.wwid,
            found=(
                "this host has neither a map nor a path of it (it has disks of:"
                f" {', '.join(wwids) or 'none'})"
            ),
            way_out=(
                "Correct it; or, if the array does not map it any more, there is nothing to detach:"
                " set state: absent"
            ),
        )


def report(request: Request, host: Host) -> dict[str, t.Any]:
    """Return the stated LUNs that have paths."""
    found = [(lun, lun.paths_in(host)) for lun in request.luns]
    return {
        "luns": [
            lun_result(lun.wwid, paths, _map_name(lun, host), host.detached)
            for lun, paths in found
            if paths
        ],
        "detached": [lun.wwid for lun in request.luns if lun.wwid in host.detached],
    }


def _map_name(lun: StatedLun, host: Host) -> str | None:
    """Return the name of the LUN's map, which its paths are held by; None if there is none."""
    uuid = multipath_uuid(lun.wwid)
    for path in lun.paths_in(host):
        for use in host.uses_of(path.device):
            if use.uuid == uuid:
                return use.name
    return None


def changes(request: Request, before: Host, after: Host, steps: Plan) -> dict[str, t.Any]:
    """Return which paths came and went, and the difference as text if anything was to be done."""
    old, new = _names_and_addresses(request, before), _names_and_addresses(request, after)
    result: dict[str, t.Any] = {
        "added": [
            path.name for path in after.block_devices if (path.name, path.address) in new - old
        ],
        "removed": [
            path.name for path in before.block_devices if (path.name, path.address) in old - new
        ],
    }
    if steps:
        result["diff"] = {
            "before": _luns_text(request, before),
            "after": _luns_text(request, after),
        }
    return result


def _parse_item(options: ModuleOptions) -> StatedLun:
    check_wwid("wwid", options.get("wwid") or "")
    refuse_empty("hosts", options["hosts"])
    if options["min_paths"] < 1:
        raise Refused(
            option="min_paths",
            value=options["min_paths"],
            found="must be at least 1",
            way_out="Increase it, or set state: absent to delete the paths",
        )
    return StatedLun(
        wwid=options["wwid"],
        state=options["state"],
        min_paths=options["min_paths"],
        max_paths=check_max_paths(options["min_paths"], options.get("max_paths")),
        controllers=tuple(controller_name(text) for text in options["hosts"] or ()),
    )


def _appearing(luns: Sequence[StatedLun], timeout: float, host: Host) -> Plan:
    """Return what brings missing paths, and makes stale sizes right."""
    scanned: list[str] = []
    rescans: list[Step] = []
    replaced: dict[str, BlockDevice] = {}
    stale, others = stale_disks(host), other_names(host)
    wanted: list[Wanted] = []
    for lun in luns:
        paths = lun.paths_in(host)
        refuse_too_many("wwid", lun.wwid, paths, lun.max_paths)
        eligible = _controllers(lun, host)
        missing = len(paths) < lun.min_paths
        for disk in replaceable(lun.wwid, stale, host):
            replaced[disk.name] = disk
            scanned.append(f"host{disk.address.partition(':')[0]}")
        if missing:
            _refuse_unscannable(lun, eligible, host)
            refuse_other_name(lun.wwid, others.get(lun.wwid))
            scanned += eligible
        grown, guessed = _stale_sizes(paths)
        rescans += [Rescan(path.name, path.device, path.reported_sectors) for path in grown]
        if missing or guessed:
            wanted.append(Wanted(lun.wwid, lun.min_paths, lun.max_paths, guessed))
    scans = tuple(each for each in host.controllers if each in scanned)
    gone = tuple(replaced.values())
    deletions = (*map(Delete, gone), AwaitGone(gone, timeout)) if gone else ()
    plan: Plan = (*deletions, *(Scan(each) for each in scans), *rescans)
    return (*plan, AwaitPaths(tuple(wanted), scans, timeout)) if wanted else plan


def _stale_sizes(paths: Sequence[BlockDevice]) -> tuple[tuple[BlockDevice, ...], bool]:
    """Return the paths whose size the kernel does not know rightly; and whether that is a guess.

    A SCSI disk says how large it is. One that cannot be asked (NVMe) is taken for stale if the
    paths of its LUN do not agree.
    """
    able = [path for path in paths if path.answers]
    silent = tuple(path for path in able if not path.reported_sectors)
    stale = tuple(path for path in able if path.reported_sectors not in (0, path.sectors))
    guessed = bool(silent) and len({path.reported_sectors or path.sectors for path in able}) > 1
    return (*stale, *silent) if guessed else stale, guessed


def _controllers(lun: StatedLun, host: Host) -> tuple[str, ...]:
    """Return what is to be scanned for the LUN; Refused for what is stated, but not there."""
    kind = "nvme" if lun.is_nvme else "host"
    there = tuple(each for each in host.san_controllers if each.startswith(kind))
    for each in lun.controllers:
        if each not in host.controllers:
            raise Refused(
                option="hosts",
                value=each,
                found=(
                    "this host has no such SCSI host or NVMe controller (it has:"
                    f" {', '.join(host.controllers) or 'none'})"
                ),
                way_out="Correct it, or leave hosts out to use all of them",
            )
    return lun.controllers or there


def _refuse_joined(lun: StatedLun, host: Host) -> None:
    """Refuse a namespace whose paths the kernel joins, or would join; one that is gone may go."""
    if lun.paths_in(host) or not (lun.is_nvme and host.native_nvme_multipath):
        return
    joins = "the kernel itself joins the paths of NVMe namespaces (nvme_core.multipath is Y)"
    each = host.namespace_of_wwid(lun.wwid)
    if each is None and lun.present:
        raise Refused(
            option="wwid",
            value=lun.wwid,
            found=f"{joins}, and no NVMe multipath device of this host has this WWID",
            way_out=(
                "Map the namespace to this host at the array, and connect to it (nvme connect-all);"
                " the kernel makes its device. Or boot with nvme_core.multipath=N"
            ),
        )
    if each is None:
        return
    found = (
        f"{joins}: this one is {each.name}, with {each.usable_paths} of {len(each.paths)} paths"
        " active"
    )
    if lun.present:
        raise Refused(
            option="wwid",
            value=lun.wwid,
            found=f"{found}, and device-mapper has none of them",
            way_out=(
                f"Use /dev/{each.name} as it is (device_mapper_info shows its paths and health), or"
                " boot with nvme_core.multipath=N"
            ),
        )
    used = words(host.uses_of(each.device))
    raise Refused(
        option="wwid",
        value=lun.wwid,
        found=f"{found}{f', and in use: {used}' if used else ''}; sysfs can delete no namespace",
        way_out=(
            f"{'End that use, then unmap' if used else 'Unmap'} it at the array, and the kernel"
            " removes its device; or disconnect its controllers, with all of their namespaces (nvme"
            " disconnect); nothing was changed"
        ),
    )


def _refuse_unscannable(lun: StatedLun, eligible: Sequence[str], host: Host) -> None:
    if not eligible:
        raise Refused(
            option="wwid",
            value=lun.wwid,
            found=(
                f"{len(lun.paths_in(host))} paths are there, fewer than min_paths"
                f" ({lun.min_paths}), and this host has no"
                f" {'NVMe controller' if lun.is_nvme else 'SCSI host of a SAN'} to scan for more"
            ),
            way_out=(
                "Load the HBA's driver, log in to the iSCSI target, or connect the NVMe controller"
            ),
        )


def _leaving(luns: Sequence[StatedLun], timeout: float, host: Host) -> Plan:
    paths = tuple(path for lun in luns for path in lun.paths_in(host))
    deletions = tuple(Delete(path) for path in paths)
    return (*deletions, AwaitGone(paths, timeout)) if deletions else ()


def _refuse_used(lun: StatedLun, host: Host) -> None:
    """Refuse paths that are in use, and what sysfs cannot delete alone.

    A LUN that is to be detached may have a map, and multipathd, which lets go of paths that it
    blacklists.
    """
    paths = lun.paths_in(host)
    users: dict[str, list[str]] = {}
    for path in paths:
        for use in host.uses_of(path.device):
            leaves = use.uuid == multipath_uuid(lun.wwid) or use.is_multipathd
            if not (lun.is_detached and leaves):
                users.setdefault(use.words(), []).append(path.name)
    if users:
        words = "; ".join(f"{', '.join(names)} {use}" for use, names in users.items())
        raise Refused(
            option="wwid",
            value=lun.wwid,
            found=f"its paths are in use: {words}",
            way_out=(
                "End that use first (multipath_map with state: absent, unmount, swapoff, vgchange,"
                " mdadm --stop); nothing was changed"
            ),
        )
    for path in paths:
        if not path.address:
            raise Refused(
                option="wwid",
                value=lun.wwid,
                found=f"its path {path.name} is not a SCSI disk; sysfs can delete only those",
                way_out=(
                    "Detach it where it comes from: an NVMe namespace goes when the array unmaps"
                    " it, or with its whole controller (nvme disconnect)"
                ),
            )


def _names_and_addresses(request: Request, host: Host) -> set[tuple[str, str]]:
    return {(path.name, path.address) for lun in request.luns for path in lun.paths_in(host)}


def _luns_text(request: Request, host: Host) -> str:
    found = [lun_lines(lun.wwid, lun.paths_in(host), host.detached) for lun in request.luns]
    lines = [line for each in found for line in each]
    return "".join(f"{line}\n" for line in lines)


def _without_none(options: ModuleOptions) -> ModuleOptions:
    return {name: value for name, value in options.items() if value is not None}


TASK = Task(parse, observe, report, operations, changes)
