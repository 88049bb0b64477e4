# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""multipath.conf: its text as sections of settings, and the drop-in that states one map."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DIRECTORY = "/etc/multipath/conf.d"
MARK = "# Written by the Ansible module san.device_mapper.multipath_map, which replaces all of it."

_WORD = re.compile(r'"((?:[^"]|"")*)"?|([{}])|([^\s"{}#!]+)|[#!].*', re.ASCII)
_OPEN, _CLOSE = "{\n", "}\n"  # What no word of a line is: a quoted brace is a value.


@dataclass(frozen=True)
class Setting:
    """One line of a section: a keyword and its value, without quotes."""

    keyword: str
    value: str
    line: int = 0


@dataclass(frozen=True)
class Section:
    """A section of a file, with its own settings only; `names` are it and those around it."""

    file: str
    line: int
    names: tuple[str, ...]
    settings: tuple[Setting, ...] = ()

    def value(self, keyword: str) -> str:
        """Return what the section says for `keyword`, empty if nothing; the last one counts."""
        return next((s.value for s in reversed(self.settings) if s.keyword == keyword), "")

    def place(self, keyword: str = "") -> str:
        """Return in words where the section is, or what it says for `keyword`."""
        lines = [each.line for each in self.settings if each.keyword == keyword]
        return f"{self.file} line {lines[-1] if lines else self.line}"


def parse_sections(text: str, file: str) -> tuple[Section, ...]:
    """Return the sections of `text`, in the order in which they begin.

    Total, as the daemon's own parser, which goes by lines (libmultipath/parser.c): what it would
    complain of is left out.
    """
    found: list[Section] = []
    settings: list[list[Setting]] = []
    open_sections: list[int] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = _words(line)
        if words[:1] == [_CLOSE]:
            del open_sections[-1:]
        elif words[1:2] == [_OPEN]:
            around = found[open_sections[-1]].names if open_sections else ()
            open_sections.append(len(found))
            found.append(Section(file, number, (*around, words[0])))
            settings.append([])
        elif len(words) > 1 and open_sections:
            settings[open_sections[-1]].append(Setting(words[0], words[1], number))
    return tuple(
        Section(each.file, each.line, each.names, tuple(own)) for each, own in zip(found, settings)
    )


def _words(line: str) -> list[str]:
    words = []
    for match in _WORD.finditer(line):
        quoted, brace, plain = match.groups()
        if quoted is not None:
            words.append(quoted.replace('""', '"'))
        elif brace:
            words.append(_OPEN if brace == "{" else _CLOSE)
        elif plain:
            words.append(plain)
    return words


def multipath_sections(sections: Sequence[Section], wwid: str) -> tuple[Section, ...]:
    """Return the `multipath` sections of the LUN `wwid`."""
    return tuple(
        each
        for each in sections
        if each.names == ("multipaths", "multipath") and each.value("wwid") == wwid
    )


def device_section(sections: Sequence[Section], device: Mapping[str, str]) -> Section | None:
    """Return the last `device` section for the storage that `device` names."""
    for each in reversed(sections):
        if each.names == ("devices", "device") and all(
            each.value(key) == device.get(key) for key in ("vendor", "product")
        ):
            return each
    return None


def says(known: Sequence[Section], settings: Mapping[str, str], device: Mapping[str, str]) -> bool:
    """Tell whether a configuration says `settings` of a map, and `device` of its storage."""
    found = [*multipath_sections(known, settings["wwid"])[-1:]]
    storage = device_section(known, device) if device else None
    return (
        bool(found)
        and all(each.value(key) == settings[key] for each in found for key in settings)
        and (not device or (storage is not None))
        and all(storage.value(key) == device[key] for key in device if storage)
    )


def exactly(text: str) -> str:
    """Return the POSIX pattern that matches `text`, and nothing else."""
    return "^" + re.sub(r"([][^$.*+?(){}|\\])", r"\\\1", text) + "$"


def drop_in_path(wwid: str) -> str:
    """Return the file that states the map of the LUN `wwid`, and nothing else."""
    return f"{DIRECTORY}/san.device_mapper.{wwid}.conf"


def wwid_of_path(path: str) -> str:
    """Return the LUN whose map the file states; the inverse of `drop_in_path`."""
    return path[len(drop_in_path("")) - len(".conf") : -len(".conf")]


def drop_in(settings: Mapping[str, str], device: Mapping[str, str]) -> str:
    """Return the text of the file that says `settings` of a map, and `device` of its storage."""
    lines = [MARK, "multipaths {", "\tmultipath {"]
    lines += [f"\t\t{keyword} {_quoted(value)}" for keyword, value in settings.items()]
    lines += ["\t}", "}"]
    if device:
        lines += ["devices {", "\tdevice {"]
        lines += [f"\t\t{keyword} {_quoted(value)}" for keyword, value in device.items()]
        lines += ["\t}", "}"]
    return "".join(f"{line}\n" for line in lines)


def _quoted(value: str) -> str:
    doubled = value.replace('"', '""')
    return f'"{doubled}"'


def blacklisting(sections: Sequence[Section], devnode: str, wwid: str) -> Iterator[str]:
    """Yield in words the rules of the host's files that keep a path from the daemon.

    A rule for a device, protocol or property is one that may: only the daemon knows.
    """
    for section in sections:
        if section.names[:1] != ("blacklist",):
            continue
        for each in section.settings:
            subject = {"devnode": devnode, "wwid": wwid}.get(each.keyword)
            if subject is None or _matches(each.value, subject):
                yield f'{section.file} line {each.line} (blacklist: {each.keyword} "{each.value}")'


def _matches(pattern: str, subject: str) -> bool:
    """Tell whether a POSIX pattern matches; a leading `!` says that it must not (blacklist.c)."""
    inverted = pattern.startswith("!")
    try:
        found = re.search(pattern[inverted:], subject) is not None
    except re.error:
        return True
    return found != inverted
