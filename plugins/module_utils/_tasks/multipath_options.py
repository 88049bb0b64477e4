# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`multipath_map`: from a task's options to what they state; bad input ends here."""

from __future__ import annotations

import re
import typing as t

from .._plan.path_selector import parse_path_selector
from .._plan.stated import StatedMap
from .._values.errors import Refused, check_max_paths, refuse_empty, refuse_twice
from .._values.multipath import Features
from .._values.multipathd_versions import NOT_OF_A_MAP
from .._values.names import check_name, check_wwid

if t.TYPE_CHECKING:
    from .task import ModuleOptions

_OWN = ("name", "wwid", "paths", "path_groups")
"""The options of one map; the others, at the task's top, hold for each item without its own."""

_LEFT_TO_THE_DAEMON = (
    "path_grouping_policy",
    "path_selector",
    "hardware_handler",
    "no_path_retry",
    "read_only",
    "skip_kpartx",
)
"""The options that multipathd decides where a task does not."""


def parse(options: ModuleOptions) -> tuple[StatedMap, ...]:
    """Return the maps that `options` state; Refused names the option that is wrong."""
    shared = {name: value for name, value in options.items() if name not in _OWN}
    items = options["maps"]
    if items is None:
        single = _without_none(options, _OWN)
        # The policy's default cannot be told from a policy that is stated and is the same.
        policy = "" if options["path_grouping_policy"] == "auto" else "path_grouping_policy"
        _refuse_both([*single, policy])
        return (_parse_item({**shared, **single}),)
    for item in items:
        _refuse_both(_without_none(item, item))
    maps = tuple(_parse_item(_inherited(shared, item)) for item in items)
    refuse_twice("name", [each.name or each.wwid for each in maps])
    refuse_twice("wwid", [each.wwid for each in maps])
    return maps


def _parse_item(options: ModuleOptions) -> StatedMap:
    for option, check in (("name", check_name), ("wwid", check_wwid)):
        if options.get(option) is not None:
            check(option, options[option])
    for option in ("paths", "path_groups"):
        refuse_empty(option, options.get(option))
    paths = tuple(options.get("paths") or ())
    path_groups = tuple(tuple(map(str, group)) for group in options.get("path_groups") or ())
    if not all(path_groups):
        raise Refused(
            option="path_groups",
            value=options["path_groups"],
            found="a group has no path",
            way_out="Leave the group out",
        )
    present = options["state"] == "present"
    if options["min_paths"] < 1:
        raise Refused(
            option="min_paths",
            value=options["min_paths"],
            found="must be at least 1",
            way_out="Increase it, or leave it out",
        )
    if present and not options.get("wwid") and not paths and not path_groups:
        raise Refused(
            option="wwid",
            value="",
            found=f"neither wwid nor paths is specified{_for(options.get('name'))}",
            way_out="Specify the LUN's WWID (device_mapper_info lists them), or its paths",
        )
    if not present and not options.get("wwid") and not options.get("name"):
        raise Refused(
            option="wwid",
            value="",
            found="neither wwid nor name is specified",
            way_out="Specify the map to remove by one of them",
        )
    features = options["features"] or {}
    refuse_twice("paths", list(paths))
    refuse_twice("path_groups", [path for group in path_groups for path in group])
    return StatedMap(
        name=options.get("name") or "",
        wwid=options.get("wwid") or "",
        paths=paths,
        path_groups=path_groups,
        present=present,
        path_grouping_policy=options["path_grouping_policy"],
        path_selector=parse_path_selector(
            options["path_selector"] or "service-time", options.get("path_selector_arguments")
        ),
        hardware_handler=options["hardware_handler"],
        features=_parse_features(options),
        read_only=bool(options["read_only"]),
        allow_shrink=options["allow_shrink"],
        rename_mounted=options["rename_mounted"],
        skip_kpartx=bool(options["skip_kpartx"]),
        defers=options["in_use"] == "defer",
        min_paths=options["min_paths"],
        max_paths=check_max_paths(options["min_paths"], options.get("max_paths")),
        manager=options["manager"],
        no_path_retry=_retry(options["no_path_retry"]),
        stated_options=frozenset(
            name for name in _LEFT_TO_THE_DAEMON if options[name] not in (None, "auto")
        ),
        failback=_failback(options["failback"] or ""),
        prio=_word("prio", options["prio"] or ""),
        device_options=tuple(_device_options(options)),
        settings=tuple(_settings(options["settings"] or {})),
        adopt=options["adopt"],
        stated_features=frozenset(_without_none(features, features)),
        timeout=float(options["timeout"]),
        persistent=options.get("persistent"),
        check_interval=_check_interval(options.get("check_interval")),
    )


def _retry(stated: str | None) -> str:
    if stated is None:
        return "fail"
    if stated not in ("fail", "queue") and not re.fullmatch("[1-9][0-9]{0,8}", stated, re.ASCII):
        raise Refused(
            option="no_path_retry",
            value=stated,
            found="must be fail, queue or a number of retries",
            way_out="Set it to one of these; multipathd retries after each polling_interval",
        )
    return stated


def _check_interval(stated: int | None) -> int | None:
    if stated is not None and not 0 <= stated <= 3600:
        raise Refused(
            option="check_interval",
            value=stated,
            found="must be 0 for no checks, or 1 to 3600 seconds",
            way_out="Correct it, or leave it out for the default of 20 seconds",
        )
    return stated


def _failback(stated: str) -> str:
    known = ("", "immediate", "manual", "followover")
    if stated not in known and not re.fullmatch("[1-9][0-9]{0,8}", stated, re.ASCII):
        raise Refused(
            option="failback",
            value=stated,
            found="must be immediate, manual, followover or a number of seconds",
            way_out="Set it to one of these",
        )
    return stated


def _device_options(options: ModuleOptions) -> t.Iterator[tuple[str, str]]:
    """Yield what the daemon knows of the storage of a LUN rather than of its map."""
    checker = _word("path_checker", options["path_checker"] or "")
    if checker:
        yield "path_checker", checker
    for option, word in (("fast_io_fail_tmo", "off"), ("dev_loss_tmo", "infinity")):
        stated = options[option] or ""
        if stated and stated != word and not re.fullmatch("[1-9][0-9]{0,8}", stated, re.ASCII):
            raise Refused(
                option=option,
                value=stated,
                found=f"must be {word} or a number of seconds",
                way_out="Set it to one of these",
            )
        if stated:
            yield option, stated
    fails, lost = options["fast_io_fail_tmo"] or "off", options["dev_loss_tmo"] or "infinity"
    if fails.isdigit() and lost.isdigit() and int(fails) >= int(lost):
        raise Refused(
            option="fast_io_fail_tmo",
            value=fails,
            found=f"must be less than dev_loss_tmo ({lost})",
            way_out="Lower it, or raise dev_loss_tmo",
        )


def _settings(stated: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, str]]:
    """Yield further keywords of a `multipath` section, with the values as that has them.

    Which of them there are is for the installed version's parser to say.
    """
    for keyword, value in sorted(stated.items()):
        section = NOT_OF_A_MAP.get(keyword, "")
        option = _KEYWORDS.get(keyword, keyword if keyword in _OPTIONS else "")
        if option or section:
            raise Refused(
                option="settings",
                value=keyword,
                found=f"the option {option} sets it"
                if option
                else f"multipath.conf has it in the {section} section, not for a single map",
                way_out=f"Use {option} instead"
                if option
                else f"Set it in the {section} section of /etc/multipath.conf",
            )
        if not re.fullmatch("[a-z][a-z0-9_]*", keyword, re.ASCII):
            raise Refused(
                option="settings",
                value=keyword,
                found="it is not a keyword of multipath.conf: those have letters, digits and _",
                way_out="Use a keyword of the multipath section in multipath.conf(5)",
            )
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        if not isinstance(value, (str, int)) or not text or not text.isprintable():
            raise Refused(
                option="settings",
                value=f"{keyword} {value}",
                found="must be a word, a number or a boolean, on one line",
                way_out="Write the value as in multipath.conf",
            )
        yield keyword, text


_KEYWORDS = {"alias": "name", "checker": "path_checker"}
_OPTIONS = (
    *("wwid", "path_grouping_policy", "path_selector", "prio", "failback", "no_path_retry"),
    *("features", "skip_kpartx", "hardware_handler", "path_checker"),
    *("fast_io_fail_tmo", "dev_loss_tmo"),
)
"""The options that are named as a keyword of multipath.conf."""


def _word(option: str, stated: str) -> str:
    if stated and not re.fullmatch("[0-9a-z_]+", stated, re.ASCII):
        raise Refused(
            option=option,
            value=stated,
            found="names in multipath.conf have only a-z, 0-9 and _",
            way_out="Use a name that multipath.conf(5) lists",
        )
    return stated


def _parse_features(options: ModuleOptions) -> Features:
    stated = _without_none(options["features"] or {}, options["features"] or {})
    # dm-mpath.c parse_features.
    for feature, highest in (("pg_init_retries", 50), ("pg_init_delay_msecs", 60000)):
        if not 0 <= stated.get(feature, 0) <= highest:
            raise Refused(
                option="features",
                value=f"{feature} {stated[feature]}",
                found=f"must be a number from 0 to {highest}",
                way_out="Set it to a number in this range, or leave it out",
            )
    queues = options["no_path_retry"] not in (None, "fail")
    return Features(queue_if_no_path=queues, **stated)


def _inherited(shared: ModuleOptions, item: ModuleOptions) -> ModuleOptions:
    """Return the item with the task's options for those that it does not state."""
    stated = _without_none(item, item)
    if "path_selector" in stated:
        # Arguments are those of one path selector.
        shared = {**shared, "path_selector_arguments": None}
    return {**shared, **stated}


def _without_none(options: ModuleOptions, names: t.Iterable[str]) -> ModuleOptions:
    return {name: options[name] for name in names if options[name] is not None}


def _refuse_both(stated: t.Iterable[str]) -> None:
    for other in ("paths", "path_grouping_policy"):
        if {"path_groups", other} <= set(stated):
            raise Refused(
                option="path_groups",
                value=other,
                found="both are specified, and each defines the path groups",
                way_out="Specify only one of them",
            )


def _for(name: str | None) -> str:
    return f" for the map {name}" if name else ""
