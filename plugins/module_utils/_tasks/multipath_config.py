# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`multipath_config`: the host's settings of multipathd, and what they do to its maps and disks."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from .._observe.paths import observe_paths
from .._plan.consequences import (
    Consequence,
    by_properties,
    consequences,
    refuse_consequences,
)
from .._plan.held_paths import refuse_reinstated
from .._plan.host_settings import contradictions, settings_plan
from .._values.errors import Refused, refuse_twice
from .._values.host_settings import (
    SETTINGS_FILE,
    Place,
    settings_text,
    stated,
    values,
)
from .._values.multipath_conf import Configuration, Setting, parse_sections
from .._values.multipathd import Multipathd, Proposed
from .._values.names import multipath_uuid
from .task import Task

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...plugin_utils._types import Host, Plan, Readings
    from .task import ModuleOptions

_SECTIONS = ("defaults", "blacklist", "blacklist_exceptions", "devices", "overrides", "protocols")
_RULES = ("devnode", "wwid", "property", "protocol")
_SYNONYMS = {"checker": "path_checker", "selector": "path_selector"}
_HARMLESS = re.compile(r"duplicate|deprecated(?!.*ignor)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """The file's text, empty for one that is not to be there; what may happen to what is in use."""

    present: bool
    text: str
    allowed: frozenset[str]
    bootstrap: bool
    timeout: float


def parse(options: ModuleOptions) -> Request:
    """Return what `options` state; Refused names the option that is wrong."""
    present = options["state"] == "present"
    allowed = options["allow"] or []
    refuse_twice("allow", allowed)
    text = _text(options)
    if present and not stated(text):
        raise Refused(
            option="state",
            value="present",
            found=f"none of {', '.join(_SECTIONS)} has a setting",
            way_out="Specify at least one, or set state: absent to remove the file",
        )
    return Request(
        present=present,
        text=text if present else "",
        allowed=frozenset(allowed),
        bootstrap=options["bootstrap"],
        timeout=float(options["timeout"]),
    )


def _text(options: ModuleOptions) -> str:
    rules = {
        name: (
            [*_rules(name, options[name] or {})],
            [
                _settings(name, each, ("vendor", "product"))
                for each in (options[name] or {}).get("device") or ()
            ],
        )
        for name in ("blacklist", "blacklist_exceptions")
    }
    devices = [
        _settings("devices", each, ("vendor", "product")) for each in options["devices"] or ()
    ]
    protocols = [_settings("protocols", each, ("type",)) for each in options["protocols"] or ()]
    refuse_twice(
        "devices",
        [" ".join(each.get(k, "") for k in ("vendor", "product", "revision")) for each in devices],
    )
    refuse_twice("protocols", [each["type"] for each in protocols])
    return settings_text(
        _settings("defaults", options["defaults"] or {}),
        rules,
        devices,
        _settings("overrides", options["overrides"] or {}),
        protocols,
    )


def _rules(name: str, given: Mapping[str, t.Any]) -> Iterator[Setting]:
    for keyword in _RULES:
        patterns = [_value(name, keyword, each) for each in given.get(keyword) or ()]
        refuse_twice(name, patterns)
        for pattern in patterns:
            yield Setting(keyword, pattern)


def _settings(
    option: str, given: Mapping[str, t.Any], needed: Sequence[str] = ()
) -> dict[str, str]:
    """Return keywords and values as multipath.conf has them, those that are `needed` first."""
    if not isinstance(given, dict):
        raise Refused(
            option=option,
            value=given,
            found="it is not a dictionary of keywords and values",
            way_out="Write each keyword with its value",
        )
    given = {key: value for key, value in given.items() if value is not None}
    for keyword in needed:
        if not given.get(keyword):
            raise Refused(
                option=option,
                value=", ".join(f"{key} {value}" for key, value in given.items()),
                found=f"the item has no {keyword}, and multipathd would drop it",
                way_out=f"Specify {keyword}",
            )
    found = {}
    for keyword in (*needed, *(key for key in given if key not in needed)):
        if not isinstance(keyword, str) or not re.fullmatch("[a-z][a-z0-9_]*", keyword, re.ASCII):
            raise Refused(
                option=option,
                value=keyword,
                found="it is not a keyword of multipath.conf: those have letters, digits and _",
                way_out="Use a keyword of multipath.conf(5)",
            )
        if keyword in _SYNONYMS:
            raise Refused(
                option=option,
                value=keyword,
                found="it is another word of multipath.conf for a keyword",
                way_out=f"Use {_SYNONYMS[keyword]}",
            )
        found[keyword] = _value(option, keyword, given[keyword])
    return found


def _value(option: str, keyword: str, value: t.Any) -> str:
    text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    if not isinstance(value, (str, int)) or not text or not text.isprintable():
        hint = ""
        if isinstance(value, dict) and keyword == "protocol":
            hint = " (the option protocols sets these)"
        raise Refused(
            option=option,
            value=f"{keyword} {value}",
            found=f"it is not a word, a number or a boolean on one line{hint}",
            way_out="Write the value as in multipath.conf",
        )
    return text


def observe(request: Request, readings: Readings, timeout: float) -> Host:
    """Return the host's maps, disks and users, its daemon, and what that makes of the file."""
    daemon = readings.multipathd(timeout, frozenset(), checked=True)
    changes = daemon.texts.get(SETTINGS_FILE, "") != request.text
    host = observe_paths(readings, timeout, leaving=_of_a_lun if changes else None)
    host = replace(host, multipathd=_with_proposed(request.text, daemon, readings))
    names = {each: readings.udev_property_names(each) for each in by_properties(host)}
    return replace(host, property_names=names, held_paths=readings.held_paths())


def _of_a_lun(each: t.Any) -> bool:
    return bool(each.wwid)


def _with_proposed(text: str, daemon: Multipathd, readings: Readings) -> Multipathd:
    own = Configuration(parse_sections(text, SETTINGS_FILE))
    files = {**daemon.texts, SETTINGS_FILE: text}
    together = readings.multipath_parsed(files) if daemon.installed else None
    hidden = dict.fromkeys(daemon.texts, "")
    alone = readings.multipath_parsed({**hidden, SETTINGS_FILE: text}) if together else None
    present = None if daemon.runs or not together else readings.multipath_parsed(daemon.texts)
    known = present.configuration if present else daemon.known
    if not together or not alone:
        # Its parser is asked once the file is there (write_drop_in), and the daemon itself.
        without = [each for each in known.sections if each.file != SETTINGS_FILE]
        both = Configuration((*without, *own.sections))
        return replace(daemon, proposed=Proposed(text, own, both, known))
    complaints = tuple(each for each in alone.complaints if not _HARMLESS.search(each))
    return replace(
        daemon,
        proposed=Proposed(text, alone.configuration, together.configuration, known, complaints),
    )


def operations(request: Request, host: Host) -> Plan:
    """Return what is missing on the host; Refused if it cannot be made so."""
    found = consequences(host)
    names = [
        (multipath_uuid(each.wwid), each.after)
        for each in found
        if each.kind == "renamed" and each.after
    ]
    steps = settings_plan(request.present, names, request.bootstrap, request.timeout, host)
    if steps:
        refuse_consequences(found, request.allowed)
    refuse_reinstated("state", "present" if request.present else "absent", steps, host)
    return steps


def report(request: Request, host: Host) -> dict[str, t.Any]:
    """Return what the daemon uses of the settings of the task."""
    daemon = host.multipathd
    goes_by = values(daemon.known if daemon.runs else daemon.proposed.together)
    return {
        "path": SETTINGS_FILE,
        "settings": [
            _setting_result(place, goes_by.get(place, ""))
            for place in stated(request.text)
            if place in goes_by
        ],
    }


def _setting_result(place: Place, value: str) -> dict[str, t.Any]:
    of = [each for each in place.identity if each]
    return {"option": place.option, "of": of, "keyword": place.keyword, "value": value}


def changes(request: Request, before: Host, after: Host, steps: Plan) -> dict[str, t.Any]:
    """Return what happens to maps and disks, and the file, before and after."""
    found = consequences(before) if steps else ()
    result: dict[str, t.Any] = {"consequences": [_consequence_result(each) for each in found]}
    if steps:
        old = before.multipathd.texts.get(SETTINGS_FILE, "")
        result["diff"] = {
            "before_header": SETTINGS_FILE,
            "after_header": SETTINGS_FILE,
            "before": old + _lines(found, "before"),
            "after": request.text + _lines(found, "after"),
        }
    return result


def _consequence_result(each: Consequence) -> dict[str, t.Any]:
    return {
        "kind": each.kind,
        "name": each.name,
        "wwid": each.wwid,
        "keyword": each.keyword,
        "before": each.before,
        "after": each.after,
        "uses": [use.words() for use in each.users],
        "words": each.words(),
    }


def _lines(found: Sequence[Consequence], when: str) -> str:
    """Return what the difference shows of maps and disks, beside the file's text."""
    lines = []
    for each in found:
        value = getattr(each, when)
        if each.kind == "changed":
            lines.append(f"# {each.name}: {each.keyword} {value or 'unset'}")
        elif each.kind == "claimed":
            lines.append(f"# {each.name}: {'a disk' if when == 'before' else 'a path of a map'}")
        elif each.kind == "renamed":
            lines.append(f"# map {value or 'with a user-friendly name'} ({each.wwid})")
        elif when == "before":
            of = f": path {each.before}" if each.kind == "loses" else ""
            lines.append(f"# map {each.name} ({each.wwid}){of}")
    return "".join(f"{line}\n" for line in lines)


def warnings(request: Request, before: Host, after: Host) -> Iterator[str]:
    """Yield what other files say otherwise, and that nothing reads the file yet."""
    if not request.present:
        return
    yield from contradictions(after.multipathd)
    if not after.multipathd.runs:
        yield f"multipathd does not run; it reads {SETTINGS_FILE} when it is started"


TASK = Task(parse, observe, report, operations, changes, warnings)
