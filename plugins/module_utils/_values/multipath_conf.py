# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""multipath.conf: its text as sections of settings, and the drop-in that states one map."""

from __future__ import annotations

import functools
import re
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

DIRECTORY = "/etc/multipath/conf.d"
MARK = "# Written by the Ansible module san.device_mapper.multipath_map, which replaces all of it."

_WORD = re.compile(r'"((?:[^"]|"")*)"?|([{}])|([^\s"{}#!]+)|[#!].*', re.ASCII)
_OPEN, _CLOSE = "{\n", "}\n"  # What no word of a line is: a quoted brace is a value.


class Setting(t.NamedTuple):
    """One line of a section: a keyword and its value, without quotes."""

    keyword: str
    value: str
    line: int = 0


class Section(t.NamedTuple):
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


@dataclass(frozen=True)
class Configuration:
    """What the daemon's files say, in the order in which it reads them, or what it has read.

    A host has a section for each of its maps, and each map asks for its own: each question is one
    look.
    """

    sections: tuple[Section, ...] = ()

    def multipath(self, wwid: str) -> tuple[Section, ...]:
        """Return the `multipath` sections of the LUN `wwid`."""
        return self._by_wwid.get(wwid, ())

    def aliased(self, name: str) -> tuple[Section, ...]:
        """Return the `multipath` sections that call their map `name`."""
        return self._by_alias.get(name, ())

    def without_maps(self) -> tuple[Section, ...]:
        """Return all sections but those of single maps."""
        return tuple(each for each in self.sections if each.names[:1] != ("multipaths",))

    def within(self, name: str) -> tuple[Section, ...]:
        """Return the outermost sections `name`, and those in them."""
        return self._by_outermost.get(name, ())

    def saying(self, keyword: str) -> tuple[Section, ...]:
        """Return the sections that have a value for `keyword`."""
        return self._by_keyword.get(keyword, ())

    def device(self, device: Mapping[str, str]) -> Section | None:
        """Return the last `device` section for the storage that `device` names."""
        return self._by_storage.get((device["vendor"], device["product"]))

    def says(
        self,
        settings: Mapping[str, str],
        device: Mapping[str, str],
        elsewhere: frozenset[str] = frozenset(),
    ) -> bool:
        """Return whether it says `settings` of a map, and `device` of its storage.

        And nothing else of the map, except for the keywords that are said `elsewhere`. A section
        that would say nothing but the WWID need not be there.
        """
        found = self.multipath(settings["wwid"])[-1:]
        storage = self.device(device) if device else None
        said = {each.keyword for section in found for each in section.settings}
        return (
            (bool(found) or len(settings) == 1)
            and said <= {*settings, *elsewhere}
            and all(each.value(key) == settings[key] for each in found for key in settings)
            and (not device or (storage is not None))
            and all(storage.value(key) == device[key] for key in device if storage)
        )

    def decided(self, keyword: str, wwid: str, storage: Sequence[str]) -> str:
        """Return what holds for a LUN of this `storage` by these sections; empty if none says.

        A `multipath` section precedes overrides, then devices, then defaults; of several the last
        one counts (libmultipath/propsel.c).
        """
        own = [each.value(keyword) for each in self.multipath(wwid)]
        said = [each for each in reversed(own) if each]
        said += self._last(("overrides",), keyword)
        for each in reversed(self._by_place.get((("devices", "device"), keyword), ())):
            if _is_for(each, storage):
                said.append(each.value(keyword))
        said += self._last(("defaults",), keyword)
        return said[0] if said else ""

    def _last(self, names: tuple[str, ...], keyword: str) -> list[str]:
        return [each.value(keyword) for each in self._by_place.get((names, keyword), ())[-1:]]

    @functools.cached_property
    def _by_place(self) -> Mapping[tuple[tuple[str, ...], str], tuple[Section, ...]]:
        found: dict[tuple[tuple[str, ...], str], list[Section]] = {}
        for section in self.sections:
            for keyword in {each.keyword: None for each in section.settings if each.value}:
                found.setdefault((section.names, keyword), []).append(section)
        return {place: tuple(each) for place, each in found.items()}

    @functools.cached_property
    def _multipath(self) -> tuple[Section, ...]:
        return tuple(each for each in self.sections if each.names == ("multipaths", "multipath"))

    @functools.cached_property
    def _by_wwid(self) -> Mapping[str, tuple[Section, ...]]:
        return _indexed(self._multipath, lambda each: (each.value("wwid"),))

    @functools.cached_property
    def _by_alias(self) -> Mapping[str, tuple[Section, ...]]:
        return _indexed(self._multipath, lambda each: (each.value("alias"),))

    @functools.cached_property
    def _by_outermost(self) -> Mapping[str, tuple[Section, ...]]:
        return _indexed(self.sections, lambda each: each.names[:1])

    @functools.cached_property
    def _by_keyword(self) -> Mapping[str, tuple[Section, ...]]:
        return _indexed(
            self.sections, lambda each: {s.keyword: None for s in each.settings if s.value}
        )

    @functools.cached_property
    def _by_storage(self) -> Mapping[tuple[str, str], Section]:
        return {
            (each.value("vendor"), each.value("product")): each
            for each in self.sections
            if each.names == ("devices", "device")
        }


def _is_for(section: Section, storage: Sequence[str]) -> bool:
    patterns = (section.value("vendor"), section.value("product"))
    return len(storage) == 2 and all(
        matches(pattern, text) is True for pattern, text in zip(patterns, storage)
    )


def _indexed(
    sections: Iterable[Section], keys: Callable[[Section], Iterable[str]]
) -> Mapping[str, tuple[Section, ...]]:
    found: dict[str, list[Section]] = {}
    for section in sections:
        for key in keys(section):
            found.setdefault(key, []).append(section)
    return {key: tuple(each) for key, each in found.items()}


def exactly(text: str) -> str:
    """Return the POSIX pattern that matches `text`, and nothing else."""
    return "^" + re.sub(r"([][^$.*+?(){}|\\])", r"\\\1", text) + "$"


def matches(pattern: str, subject: str) -> bool | None:
    """Return whether a POSIX pattern matches; a leading `!` says that it must not.

    None for a pattern that is not the same one in Python.
    """
    if "[[" in pattern or "[:" in pattern:
        return None
    inverted = pattern.startswith("!")
    try:
        return (re.search(pattern[inverted:], subject) is not None) != inverted
    except re.error:
        return None


def drop_in_path(wwid: str) -> str:
    """Return the file that states the map of the LUN `wwid`, and nothing else."""
    return f"{DIRECTORY}/san.device_mapper.{wwid}.conf"


def wwid_of_path(path: str) -> str:
    """Return the LUN whose map the file states; the inverse of `drop_in_path`."""
    return path[len(drop_in_path("")) - len(".conf") : -len(".conf")]


def drop_in(settings: Mapping[str, str], device: Mapping[str, str]) -> str:
    """Return the text of the file that says `settings` of a map, and `device` of its storage."""
    lines = [MARK, *section("multipaths", {}, section("multipath", settings))]
    if device:
        lines += section("devices", {}, section("device", device))
    return "".join(f"{line}\n" for line in lines)


def section(
    name: str, settings: Mapping[str, str], *inside: Sequence[str], rules: Sequence[Setting] = ()
) -> list[str]:
    """Return the lines of a section with its settings or `rules`, and the sections in it."""
    own = [f"{keyword} {_quoted(value)}" for keyword, value in settings.items()]
    own += [f"{each.keyword} {_quoted(each.value)}" for each in rules]
    lines = [*own, *(line for lines in inside for line in lines)]
    return [f"{name} {{", *(f"\t{line}" for line in lines), "}"]


def _quoted(value: str) -> str:
    doubled = value.replace('"', '""')
    return f'"{doubled}"'
