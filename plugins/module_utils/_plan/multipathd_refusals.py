# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeps multipathd from making a map as a task states it, found before any change."""

from __future__ import annotations

import typing as t

from .._values.errors import Refused
from .._values.multipath import handler_in_use
from .._values.multipath_conf import drop_in_path, matches
from .._values.multipathd_versions import detects_policy, obstacles
from .._values.table import devices, format_table
from .multipathd_reasons import left_out, to_be_left_out
from .multipathd_steps import AddWwid, RemoveDropIn, RemoveWwid, WriteDropIn
from .path_groups import groups

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plugin_utils._types import BlockDevice, Host, Map, Multipathd, Step
    from .managed import Managed
    from .stated import Present, StatedMap

_ALUA_PRIORITIES = ("alua", "sysfs")


def refuse_daemon_unfit(steps: Sequence[Step], daemon: Multipathd) -> None:
    """Refuse to change a host whose daemon, or whose files, are not fit for it."""
    writes = any(
        isinstance(each, (WriteDropIn, RemoveDropIn, AddWwid, RemoveWwid)) for each in steps
    )
    for found, way_out in obstacles(daemon, writes=writes):
        raise Refused(
            option="manager",
            value="multipathd",
            found=found,
            way_out=(
                f"{way_out}; or stop and disable multipathd and set manager: kernel. Nothing was"
                " changed"
            ),
        )


def refuse_not_ready(present: Present, host: Host) -> None:
    """Refuse a map without a daemon that the rules of multipath-tools keep udev from using.

    They ask `multipath -U` about each map, which leaves out the paths that are blacklisted, whether
    the daemon runs or not. A map without any other path gets MPATH_DEVICE_READY=0.
    """
    paths = [host.disk(device) for device in devices(present.desired.table)]
    rules = [to_be_left_out(path, present.wwid, host.multipathd) for path in paths]
    if host.multipathd.installed and rules and all(rules):
        raise Refused(
            option=present.stated.source,
            value=present.wwid,
            found=(
                f"the blacklist of multipath-tools matches all of its paths, {paths[0].name} by"
                f" {rules[0]}: even without multipathd, their udev rules would give the map"
                f" {present.desired.name} no link by UUID or label (MPATH_DEVICE_READY=0)"
            ),
            way_out=(
                "Remove the rule, or add an exception (blacklist_exceptions); nothing was changed"
            ),
        )


def refuse_no_daemon(wanted: Managed, host: Host) -> None:
    """Refuse a map that only a running daemon would make."""
    daemon = host.multipathd
    if not daemon.installed:
        raise Refused(
            option="manager",
            value="multipathd",
            found="multipath-tools is not installed",
            way_out=(
                "Install it (Debian: multipath-tools, Red Hat: device-mapper-multipath), or set"
                " manager: kernel"
            ),
        )
    found = host.map_of_uuid(wanted.uuid)
    if not wanted.is_met(found, lambda: daemon.paths_of_wwid(wanted.wwid)):
        raise Refused(
            option="manager",
            value="multipathd",
            found=f"multipathd does not run, and {_difference(wanted, found)}",
            way_out=_start(daemon) + ", or set manager: kernel to take the map from it",
        )


def _difference(wanted: Managed, found: Map | None) -> str:
    """Return in words how the map differs from what the daemon would make."""
    if found is None:
        return f"there is no map of {wanted.wwid} yet"
    if wanted.named and found.name != wanted.name:
        return f"its map is named {found.name}, not {wanted.name}"
    if found.suspended:
        return f"the map {found.name} is suspended"
    if wanted.read_only not in (None, found.read_only):
        return f"the map {found.name} is {'read-only' if found.read_only else 'not read-only'}"
    return (
        f"the map {found.name} has the table '{format_table(found.live)}', not"
        f" '{format_table(wanted.table)}'"
    )


def _start(daemon: Multipathd) -> str:
    start = "tart it (systemctl start multipathd)"
    if daemon.awaited_file:
        return (
            f"Create {daemon.awaited_file}, without which systemd does not start it (Red Hat:"
            f" mpathconf --enable), and s{start}"
        )
    return f"S{start}"


def refuse_defeated(stated: StatedMap, wanted: Managed, host: Host) -> None:
    """Refuse where the host's own files state otherwise, and name them.

    A `multipath` section precedes overrides, devices and defaults; of two for one LUN the later
    one does, multipath.conf being read before the directory (multipath.conf(5)).
    """
    daemon, path = host.multipathd, drop_in_path(wanted.wwid)
    for section in daemon.files.multipath(wanted.wwid):
        if section.file == path and path in daemon.drop_ins:
            continue
        if section.file == path or not stated.adopt:
            raise Refused(
                option="adopt",
                value=stated.adopt,
                found=f"{section.place()} already has a multipath section for {wanted.wwid}",
                way_out=(
                    "Remove it there, or set adopt: true, so that a file read after it overrides"
                    " it; that section is never changed"
                    if section.file != path
                    else "This module did not write that file: move it away; nothing was changed"
                ),
            )
        for keyword, value in wanted.settings.items():
            said = section.value(keyword)
            if section.file > path and said and said != value:
                raise Refused(
                    option="adopt",
                    value=True,
                    found=(
                        f"{section.place(keyword)} sets {keyword} {said} for {wanted.wwid}, and is"
                        f" read after {path}"
                    ),
                    way_out=f"Remove it there, or set the same value here ({keyword} {said})",
                )
    for section in daemon.others.aliased(wanted.name) if wanted.named else ():
        if section.value("wwid") != wanted.wwid:
            raise Refused(
                option="name",
                value=wanted.name,
                found=f"{section.place('alias')} gives this name to {section.value('wwid')}",
                way_out="Choose another name, or remove it there; nothing was changed",
            )
    _refuse_detected(stated, wanted, host)


def _refuse_detected(stated: StatedMap, wanted: Managed, host: Host) -> None:
    """Refuse what the daemon's own detection precedes (propsel.c select_prio, select_pgpolicy)."""
    paths = [host.disk(device) for device in devices(wanted.table)]
    where = _detecting("detect_prio", paths, host)
    if where and stated.prio not in ("", *_ALUA_PRIORITIES):
        raise Refused(
            option="prio",
            value=stated.prio,
            found=f"detect_prio is yes ({where}), and all paths have ALUA, which multipathd uses",
            way_out=(
                "Leave it out, or set detect_prio no in the overrides or devices section of"
                " /etc/multipath.conf"
            ),
        )
    if not where and stated.prio not in _ALUA_PRIORITIES:
        return
    if "path_grouping_policy" not in stated.stated_options:
        return
    where = _detecting("detect_pgpolicy", paths, host)
    by_port = _says_yes("detect_pgpolicy_use_tpg", host)
    detected, policy = "group_by_tpg" if by_port else "group_by_prio", stated.path_grouping_policy
    if where and detects_policy(host.multipathd.version) and policy != detected:
        if _sets(paths, policy) == _sets(paths, detected):
            return
        raise Refused(
            option="path_grouping_policy",
            value=policy,
            found=(
                f"detect_pgpolicy is yes ({where}), and all paths have ALUA: multipathd uses"
                f" {detected}, which makes other groups"
            ),
            way_out=(
                "Leave it out, or set detect_pgpolicy no in the overrides or devices section of"
                " /etc/multipath.conf"
            ),
        )


def _detecting(keyword: str, paths: Sequence[BlockDevice], host: Host) -> str:
    """Return where it is said that the daemon goes by ALUA; empty if it does not, for these paths.

    Its default is to do so.
    """
    said = host.multipathd.others.saying(keyword)
    if not all(path.access_state for path in paths) or any(
        each.value(keyword) in ("no", "off") for each in said
    ):
        return ""
    return said[-1].place(keyword) if said else "multipathd's default"


def _says_yes(keyword: str, host: Host) -> bool:
    said = host.multipathd.files.saying(keyword)
    return any(each.value(keyword) in ("yes", "on") for each in said)


def _sets(paths: Sequence[BlockDevice], policy: str) -> set[frozenset[str]]:
    return {frozenset(path.name for path in group) for group in groups(paths, policy)}


def refuse_overridden(
    options: Sequence[tuple[str, str]], storage: tuple[str, ...], path: str, host: Host
) -> None:
    """Refuse for the vendor and product of a `storage` what something precedes that `path` says.

    That is the overrides section, and what is read later (multipath.conf(5)).
    """
    for option, value in options:
        for section in host.multipathd.others.saying(option):
            said = section.value(option)
            if section.names[:1] == ("overrides",) and said != value:
                raise Refused(
                    option=option,
                    value=value,
                    found=(
                        f"{section.place(option)} sets {option} {said} in the overrides section,"
                        " which takes precedence"
                    ),
                    way_out="Remove it there, or set the same value here; nothing was changed",
                )
            names = (section.value("vendor"), section.value("product"))
            is_later = section.names[:1] == ("devices",) and section.file > path
            of_this = all(matches(name, of) is not False for name, of in zip(names, storage))
            if is_later and of_this and said != value:
                raise Refused(
                    option=option,
                    value=value,
                    found=(
                        f"{section.place(option)} sets {option} {said} for this storage, and is"
                        f" read after {path}"
                    ),
                    way_out="Remove it there, or set the same value here; nothing was changed",
                )


def refuse_unmanaged_paths(stated: StatedMap, wanted: Managed, host: Host) -> None:
    """Refuse paths that the daemon does not have, or takes for another LUN's."""
    if not host.multipathd.runs:
        return
    for device in devices(wanted.table):
        found, path = host.disk(device), host.multipathd.path_at(device)
        if path is None:
            reason = left_out(found, wanted.wwid, host.multipathd)
            raise Refused(
                option=stated.source,
                value=wanted.wwid,
                found=f"multipathd leaves the path {found.name} out: {reason}",
                way_out=(
                    "Add an exception (blacklist_exceptions), or remove the rule; see `multipathd"
                    " show blacklist` and `multipathd show devices`"
                ),
            )
        if path.wwid != wanted.wwid:
            raise Refused(
                option=stated.source,
                value=wanted.wwid,
                found=f"multipathd has the WWID {path.wwid or '(none)'} for the path {found.name}",
                way_out=(
                    "See uid_attribute and uid_attrs in `multipathd show config`, and the path's"
                    " properties in udev"
                ),
            )
        rules = to_be_left_out(found, wanted.wwid, host.multipathd)
        if rules:
            raise Refused(
                option=stated.source,
                value=wanted.wwid,
                found=(
                    f"multipathd will leave the path {found.name} out once it reads its files:"
                    f" {rules}"
                ),
                way_out=(
                    "Add an exception (blacklist_exceptions), or remove the rule; nothing was"
                    " changed"
                ),
            )


def refuse_renames(managed: Sequence[Managed], host: Host) -> None:
    """Refuse a name that another map of the task has until it gets its own new one.

    The daemon gives all of them at once, in an order of its own.
    """
    wanted = {each.uuid for each in managed}
    for each in managed:
        holder = host.map_named(each.name)
        if holder and holder.uuid != each.uuid and holder.uuid in wanted:
            raise Refused(
                option="name",
                value=each.name,
                found=(
                    f"the map that has this name now ({holder.uuid}) is renamed in the same task,"
                    " and multipathd renames maps in no particular order"
                ),
                way_out="Rename that map in a task before this one",
            )


def refuse_choice_of_paths(
    stated: StatedMap, wwid: str, paths: Sequence[BlockDevice], host: Host
) -> None:
    if stated.path_groups:
        raise Refused(
            option="path_groups",
            value="; ".join(", ".join(group) for group in stated.path_groups),
            found="multipathd forms the groups itself, by a policy and by priorities",
            way_out=(
                "Set path_grouping_policy, or manage the map without the daemon (manager: kernel)"
            ),
        )
    left = {each.name for each in host.disks_of_wwid(wwid)}
    left -= {path.name for path in paths}
    # Where none are listed, what is left is down, and in no table.
    if left and stated.listed:
        raise Refused(
            option="paths",
            value=", ".join(path.name for path in paths),
            found=f"multipathd uses all paths of a LUN, also {', '.join(sorted(left))}",
            way_out="Specify wwid instead, or manage the map without the daemon (manager: kernel)",
        )


def refuse_handler(stated: StatedMap, paths: Sequence[BlockDevice]) -> None:
    attached = [path.hardware_handler for path in paths]
    mode = stated.features.queue_mode
    if handler_in_use(stated.hardware_handler, attached, mode) != handler_in_use(
        "auto", attached, mode
    ):
        raise Refused(
            option="hardware_handler",
            value=stated.hardware_handler,
            found=(
                "multipathd uses the handler that is attached to the paths, or that of its devices"
                " section"
            ),
            way_out=(
                "Set it to auto, or set hardware_handler in the devices section of"
                " /etc/multipath.conf"
            ),
        )
