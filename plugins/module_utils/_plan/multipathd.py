# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`multipath_map` where multipathd manages the maps: what is missing of its files, and of the maps.

The same tables are the target as where the kernel is loaded directly. What the task does
not specify, the daemon decides.
"""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._values.errors import Refused
from .._values.multipath_conf import (
    drop_in,
    drop_in_path,
    exactly,
    parse_sections,
)
from .._values.multipathd_versions import (
    POLICIES,
    detects_policy,
    renames_and_reloads,
    version_text,
)
from .._values.names import check_wwid, multipath_uuid
from .._values.table import devices, equivalent, sectors
from .managed import Managed
from .map_steps import CANCEL_DEFERRED_REMOVE, Message, Remove
from .missing import plan, refuse_conflicts
from .multipathd_refusals import (
    refuse_choice_of_paths,
    refuse_daemon_unfit,
    refuse_defeated,
    refuse_handler,
    refuse_no_daemon,
    refuse_overridden,
    refuse_renames,
    refuse_unmanaged_paths,
)
from .multipathd_steps import (
    AddWwid,
    AwaitMap,
    AwaitName,
    DeleteMap,
    RemoveDropIn,
    RemoveWwid,
    Tell,
    WriteDropIn,
    as_request,
)
from .stated import Gone, Present, flat

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ...plugin_utils._types import BlockDevice, Host, Multipathd, Plan, Step, Table
    from .stated import StatedMap

Alike = dict[tuple[tuple[str, str], ...], set[str]]
"""The LUNs for which a task states the same of their storage."""


def by_multipathd(stated: StatedMap, wwid: str, host: Host) -> bool:
    """Return whether the daemon manages the map.

    With `auto` also if it does not run, but was told of the map: it would come back one day.
    """
    if stated.manager == "auto":
        return host.multipathd.runs or drop_in_path(wwid) in host.multipathd.drop_ins
    return stated.manager == "multipathd"


def as_decided(stated: StatedMap, wwid: str, paths: Sequence[BlockDevice], host: Host) -> StatedMap:
    """Return what the task states, with what the daemon will make of the rest, as can be foreseen.

    By its files and its table of storage, and what it detects. Nothing of this is told to it, and
    nothing awaited.
    """
    daemon = host.multipathd
    storage = next((each.storage for each in daemon.paths_of_wwid(wwid)), ())

    def decided(keyword: str) -> str:
        return daemon.deciding.decided(keyword, wwid, storage)

    left = {*_DECIDED} - stated.stated_options
    changes: dict[str, t.Any] = {}
    if "name" in left and not stated.name:
        present = host.map_of_uuid(multipath_uuid(wwid))
        said = kept_alias(wwid, host) or decided("alias")
        changes["name"] = said or (present.name if present else wwid)
    if "path_grouping_policy" in left:
        changes["path_grouping_policy"] = _foreseen_policy(decided, paths, host)
    if "path_selector" in left:
        name = (decided("path_selector") or "service-time").split()[0]
        changes["path_selector"] = stated.path_selector._replace(name=name)
    if "no_path_retry" in left:
        retry = decided("no_path_retry")
        queues = retry == "queue" or (retry.isdigit() and retry != "0")
        if not retry:
            queues = "queue_if_no_path" in decided("features").split()
        changes["features"] = stated.features._replace(queue_if_no_path=queues)
    if "read_only" in left:
        changes["read_only"] = all(path.read_only for path in paths)
    return replace(stated, **changes)


_DECIDED = ("name", "path_grouping_policy", "path_selector", "no_path_retry", "read_only")


def _foreseen_policy(
    decided: Callable[[str], str], paths: Sequence[BlockDevice], host: Host
) -> str:
    detects = detects_policy(host.multipathd.version)
    if detects and decided("detect_pgpolicy") != "no" and all(each.access_state for each in paths):
        return "group_by_prio"
    policy = decided("path_grouping_policy")
    # What such a policy goes by may be unknown to the kernel, and no reason to refuse anything.
    return policy if policy in ("multibus", "group_by_prio") else "failover"


def kept_alias(wwid: str, host: Host) -> str:
    """Return the name that an earlier task has told the daemon; a task without one keeps it."""
    path = drop_in_path(wwid)
    said = host.multipathd.drop_ins.get(path, "")
    return next((each.value("alias") for each in parse_sections(said, path)[1:]), "")


def wwid_of_drop_in(name: str, host: Host) -> str:
    """Return the WWID of the map that this collection told the daemon to call `name`, or none."""
    for section in host.multipathd.files.aliased(name):
        if section.file in host.multipathd.drop_ins:
            return section.value("wwid")
    return ""


def forget(stated: Sequence[Present | Gone], host: Host) -> Plan:
    """Return what of these maps is to be taken from a daemon that does not run."""
    if host.multipathd.runs:
        return ()
    return tuple(step for each in stated for step in _forget_files(each.wwid, host.multipathd))


def refuse_daemon_options(items: Sequence[Present | Gone]) -> None:
    """Refuse for maps without a daemon what only a daemon does."""
    for each in items:
        options = each.stated.daemon_options if isinstance(each, Present) else ()
        for option, value in options:
            raise Refused(
                option=option,
                value=value,
                found="only multipathd has this setting, not the kernel",
                way_out=(
                    "Leave it out, or install and start multipathd and set manager: multipathd"
                ),
            )


def refuse_fight(steps: Plan, host: Host) -> None:
    """Refuse to change multipath maps under a running multipathd, which would undo it.

    A map with a uuid mpath-… belongs to it: it reloads the map with its own table, or removes it.
    A file from which the host makes the map at boot would do so beside the daemon.
    """
    fought = [step for step in steps if step.fights_multipathd]
    if host.multipathd.runs and fought:
        raise Refused(
            option="manager",
            value="kernel",
            found=(
                "multipathd runs on this host, and would replace or remove maps that this task"
                f" makes (the first operation was to be `{fought[0].words()}`)"
            ),
            way_out=(
                "Set manager: multipathd (or leave it out), or stop and disable"
                " multipathd.service and multipathd.socket; nothing was changed"
            ),
        )


def multipathd_plan(items: Sequence[Present | Gone], host: Host) -> Plan:
    """Return what is missing of maps that the daemon manages; Refused if it cannot be made so."""
    # What the kernel would refuse is refused here as well: names above all.
    refuse_conflicts([*flat(items)], host.maps)
    alike: Alike = {}
    for each in items:
        alike.setdefault(each.stated.device_options, set()).add(each.wwid)
    managed = [
        (each.stated, _managed(each, alike, host)) for each in items if isinstance(each, Present)
    ]
    gone = [each for each in items if isinstance(each, Gone)]
    removals: dict[str, list[Step]] = {}
    for step in plan([*flat(gone)], host.maps):
        removals.setdefault(step.uuid, []).append(step)
    # First of all: a removal could be the one that the kernel has been waiting for.
    steps: list[Step] = [*_staying(managed, host)]
    for each in gone:
        steps += _removal(each, removals, host)
    files = [step for _stated, wanted in managed for step in _files(wanted, host)]
    steps += files
    steps += _requests(managed, _unread(files, host), host)
    changed = {step.uuid for step in files}
    refuse_renames([wanted for _stated, wanted in managed], host)
    waiting = [pair for pair in managed if pair[1].uuid in changed or not _is_right(pair[1], host)]
    if host.multipathd.runs:
        steps += _waits(waiting, host)
    if steps:
        refuse_daemon_unfit(steps, host.multipathd)
    for stated, wanted in waiting:
        refuse_defeated(stated, wanted, host)
        refuse_unmanaged_paths(stated, wanted, host)
    return tuple(steps)


def _staying(managed: Sequence[tuple[StatedMap, Managed]], host: Host) -> Iterator[Step]:
    """Yield what takes deferred removals back: the daemon does so only with a path that it adds."""
    for _stated, wanted in managed:
        found = host.map_of_uuid(wanted.uuid)
        if found and found.deferred_remove:
            yield Message(found.name, found.uuid, CANCEL_DEFERRED_REMOVE)


def _unread(files: Sequence[Step], host: Host) -> bool:
    """Return whether one of these files says something else than before.

    A first file with nothing but the WWID does not: the daemon need not read it.
    """
    drop_ins = host.multipathd.drop_ins
    return any(
        isinstance(each, WriteDropIn)
        and drop_ins.get(each.path, drop_in({"wwid": each.wwid}, {})) != each.text
        for each in files
    )


def _files(wanted: Managed, host: Host) -> Iterator[Step]:
    """Yield what is missing of the daemon's files; the WWID first, so that no event comes between.

    A daemon that reads the drop-in and not yet the WWID would not make the map.
    """
    daemon = host.multipathd
    if wanted.wwid not in daemon.wwids:
        yield AddWwid(wanted.wwid)
    path = drop_in_path(wanted.wwid)
    text = drop_in(wanted.settings, wanted.device)
    if daemon.drop_ins.get(path) != text:
        yield WriteDropIn(wanted.wwid, path, text)


def _requests(
    waiting: Sequence[tuple[StatedMap, Managed]], changed: bool, host: Host
) -> Iterator[Step]:
    """Yield the smallest request that brings the maps about; nothing if they are there."""
    daemon, managed = host.multipathd, [wanted for _stated, wanted in waiting]
    timeout = max((stated.timeout for stated, _wanted in waiting), default=0)
    if not daemon.runs:
        for wanted in managed:
            refuse_no_daemon(wanted, host)
        return
    unread = changed or not all(each.is_known(daemon.known) for each in managed)
    wrong = [each for each in managed if not _is_right(each, host)]
    resized, missing, other = [], [], []
    for each in wrong:
        found = host.map_of_uuid(each.uuid)
        if found is None or not found.live:
            missing.append(each)
        elif found.suspended:
            yield Tell(f"resume map {found.name}", timeout, each.uuid)
        elif found.name != each.name:
            unread = True
        elif found.sectors != sectors(each.table):
            resized.append(each)
        else:
            other.append(each)
    if unread:
        yield Tell("reconfigure", timeout)
        return
    for each in missing:
        # Before 0.10.0 the daemon says `fail` to a WWID although it has made a map of another name.
        yield Tell(f"add map {each.name if each.named else each.wwid}", timeout, each.uuid)
    for each in resized:
        yield Tell(f"resize map {each.name}", timeout, each.uuid)
    for each in other:
        yield Tell(f"reload map {each.name}", timeout, each.uuid)


def _is_right(wanted: Managed, host: Host) -> bool:
    daemon = host.multipathd
    known = not daemon.runs or wanted.is_known(daemon.known)
    return known and wanted.is_met(
        host.map_of_uuid(wanted.uuid), lambda: daemon.paths_of_wwid(wanted.wwid)
    )


def _waits(waiting: Sequence[tuple[StatedMap, Managed]], host: Host) -> Iterator[Step]:
    """Yield the waits for what the daemon does.

    Where it gives a map another name or another table with one reading of its files, and not both,
    what has been renamed is looked at once more.
    """
    again = False
    daemon = host.multipathd
    at_once = renames_and_reloads(daemon.version, daemon.reloads_all)
    for stated, wanted in () if at_once else waiting:
        found = host.map_of_uuid(wanted.uuid)
        renamed = found is not None and found.live and found.name != wanted.name
        if found and renamed and not equivalent(_foreseen(wanted, host), found.live):
            yield AwaitName(wanted, stated.timeout)
            again = True
    if again:
        yield Tell("reconfigure", waiting[0][0].timeout)
    for stated, wanted in waiting:
        yield _wait(stated, wanted, host)


def _wait(stated: StatedMap, wanted: Managed, host: Host) -> AwaitMap:
    disks = tuple(host.disk(device) for device in devices(wanted.table))
    return AwaitMap(wanted, _foreseen(wanted, host), disks, stated.timeout)


def _foreseen(wanted: Managed, host: Host) -> Table:
    """Return the table that the daemon is going to make."""
    present = host.map_of_uuid(wanted.uuid)
    path = drop_in_path(wanted.wwid)
    said = parse_sections(host.multipathd.drop_ins.get(path, ""), path)
    keywords = {each.keyword for section in said for each in section.settings}
    # What an earlier task has stated goes: the daemon decides anew.
    released = keywords - {*wanted.settings}
    features = frozenset(_FEATURES) if "features" in released else frozenset()
    anew = replace(
        wanted,
        stated=wanted.stated | released,
        stated_features=wanted.stated_features | features,
    )
    return (
        anew.settled(present, lambda: host.multipathd.paths_of_wwid(wanted.wwid))
        if present
        else wanted.table
    )


def _removal(each: Gone, removals: Mapping[str, Sequence[Step]], host: Host) -> Iterator[Step]:
    """Yield the removal of a map with its partition maps, and of what the files say of it.

    `removals` are the steps by which the kernel would do so, by uuid.

    Its WWID goes just before it: the removal has udev tell the daemon of the paths, which would
    make the map again. It reads its files for no event.
    """
    uuid, timeout = multipath_uuid(each.wwid), each.stated.timeout
    files = tuple(_forget_files(each.wwid, host.multipathd))
    forgotten = tuple(step for step in files if isinstance(step, RemoveWwid))
    if not any(isinstance(step, Remove) for step in removals.get(uuid, ())):
        yield from forgotten
    for step in (step for absent in each.absent for step in removals.get(absent.uuid, ())):
        deferred = isinstance(step, Remove) and step.deferred
        if host.multipathd.runs and deferred:
            raise Refused(
                option="in_use",
                value="defer",
                found=(
                    f"multipathd manages the map {step.uuid}, and cancels a deferred removal when"
                    " a path comes back"
                ),
                way_out="End the use first, and set in_use: fail; nothing was changed",
            )
        if not host.multipathd.runs or step.uuid != uuid:
            yield step
            if isinstance(step, Remove) and step.uuid == uuid:
                yield from forgotten
        else:
            told = as_request(step, timeout)
            yield from (*(forgotten if isinstance(told, DeleteMap) else ()), told)
    yield from (step for step in files if not isinstance(step, RemoveWwid))


def _forget_files(wwid: str, daemon: Multipathd) -> Iterator[Step]:
    path = drop_in_path(wwid)
    # Once multipath-tools has been removed, there is no command for it, and nothing reads the file.
    known = wwid and wwid in daemon.wwids and daemon.installed
    if known and (daemon.runs or path in daemon.drop_ins):
        yield RemoveWwid(wwid)
    if path in daemon.drop_ins:
        yield RemoveDropIn(wwid, path)


def _managed(each: Present, alike: Alike, host: Host) -> Managed:
    """Return the map in the daemon's own terms; Refused where it has none."""
    stated, desired = each.stated, each.desired
    check_wwid("wwid", each.wwid)
    paths = [host.disk(device) for device in devices(desired.table)]
    refuse_choice_of_paths(stated, each.wwid, paths, host)
    selector = stated.path_selector
    if selector.arguments or selector.of_paths:
        raise Refused(
            option="path_selector_arguments",
            value=selector.name,
            found="multipathd cannot pass arguments to a path selector",
            way_out="Leave them out, or manage the map without the daemon (manager: kernel)",
        )
    read_only = stated.read_only if "read_only" in stated.stated_options else None
    if read_only not in (None, all(path.read_only for path in paths)):
        raise Refused(
            option="read_only",
            value=stated.read_only,
            found="multipathd makes a map read-only if, and only if, all of its paths are",
            way_out="Leave it out, or protect the LUN on the storage and rescan its paths",
        )
    refuse_handler(stated, paths)
    _refuse_unknown_policy(stated, host.multipathd)
    others = host.multipathd.others.multipath(each.wwid)
    said = {
        "alias": stated.name or kept_alias(each.wwid, host),
        "path_grouping_policy": stated.path_grouping_policy,
        "path_selector": f"{selector.name} 0",
        "prio": stated.prio,
        "failback": stated.failback,
        "no_path_retry": stated.no_path_retry,
        "features": _features(stated),
        "skip_kpartx": "yes" if stated.skip_kpartx else "no",
    }
    left = {*_LEFT} - stated.stated_options
    settings = {key: value for key, value in said.items() if value and key not in left}
    return Managed(
        name=desired.name,
        wwid=each.wwid,
        table=desired.table,
        read_only=read_only,
        settings={"wwid": each.wwid, **settings, **dict(stated.settings)},
        device=_device(stated, each.wwid, alike, host),
        stated=stated.stated_options,
        stated_features=stated.stated_features,
        policy=stated.path_grouping_policy,
        named="alias" in settings or any(section.value("alias") for section in others),
        elsewhere=frozenset(key.keyword for section in others for key in section.settings),
        retries=stated.no_path_retry not in ("fail", "queue"),
    )


_LEFT = ("path_grouping_policy", "path_selector", "no_path_retry", "skip_kpartx")
_FEATURES = ("pg_init_retries", "pg_init_delay_msecs", "queue_mode")


def _features(stated: StatedMap) -> str:
    if not stated.stated_features:
        return ""
    words = [word for word in stated.features.words() if word != "queue_if_no_path"]
    return " ".join((str(len(words)), *words))


def _device(stated: StatedMap, wwid: str, alike: Alike, host: Host) -> dict[str, str]:
    """Return what the daemon is told of the LUN's storage; it knows this of a whole product only.

    Refused if other LUNs of the same product would have to follow.
    """
    if not stated.device_options:
        return {}
    option, value = stated.device_options[0]
    storage = {path.storage for path in host.multipathd.paths_of_wwid(wwid)}
    if len(storage) != 1 or not all(len(each) == 2 for each in storage):
        raise Refused(
            option=option,
            value=value,
            found="multipathd does not report the vendor and product of this LUN",
            way_out="Start multipathd first; `multipathd show paths format %s` shows both",
        )
    (product,) = storage
    luns = host.multipathd.wwids_of_storage(product)
    others = sorted(luns - alike[stated.device_options])
    if others:
        raise Refused(
            option=option,
            value=value,
            found=(
                f"multipathd applies it to all LUNs of one product ({' '.join(product)}), and this"
                f" host has other LUNs of it: {', '.join(others)}"
            ),
            way_out=(
                "Set it for all of them in one task, or in a devices section of /etc/multipath.conf"
            ),
        )
    refuse_overridden(stated.device_options, product, drop_in_path(wwid), host)
    told = dict(stated.device_options)
    return {
        "vendor": exactly(product[0]),
        "product": exactly(product[1]),
        # What it detects would precede (libmultipath/propsel.c select_checker).
        **({"detect_checker": "no"} if "path_checker" in told else {}),
        **told,
    }


def _refuse_unknown_policy(stated: StatedMap, daemon: Multipathd) -> None:
    policy = stated.path_grouping_policy
    needed = POLICIES.get(policy, ())
    if daemon.runs and daemon.version < needed:
        raise Refused(
            option="path_grouping_policy",
            value=policy,
            found=(
                f"it needs multipath-tools {version_text(needed)} or later, and multipathd is"
                f" {version_text(daemon.version)}"
            ),
            way_out=(
                "Set group_by_prio or another policy that it knows, or upgrade multipath-tools"
            ),
        )
