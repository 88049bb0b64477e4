# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""multipath.conf's blacklist: the rules that keep a path from the daemon (blacklist.c)."""

from __future__ import annotations

import typing as t

from .multipath_conf import matches

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .multipath_conf import Configuration, Setting

_KEYWORDS = ("devnode", "wwid", "protocol", "property")


class Rule(t.NamedTuple):
    """A rule of one kind, `device` or a keyword; it is for the paths that match all `patterns`."""

    kind: str
    patterns: tuple[Setting, ...]
    file: str
    line: int

    def words(self) -> str:
        """Return in words where the rule is, and what it says."""
        place = f"{self.file} line {self.line}" if self.file else "multipathd's own"
        return f"{place} ({self.said()})"

    def said(self) -> str:
        """Return in words what the rule says."""
        said = " ".join(f'{each.keyword} "{each.value}"' for each in self.patterns)
        return f"blacklist: {said if self.kind != 'device' else f'device {said}'}"

    def is_for(self, known: Mapping[str, str]) -> bool | None:
        """Return whether the rule is for the path of which this is `known`; None if unknown."""
        verdicts = [
            matches(each.value, known[each.keyword]) if each.keyword in known else None
            for each in self.patterns
        ]
        return False if False in verdicts else None if None in verdicts else True


def rules_against(
    known: Mapping[str, str], configuration: Configuration, properties: Sequence[str] | None = None
) -> Iterator[tuple[Rule, bool]]:
    """Yield the rules that keep a path out, and whether that is certain.

    `known` is what is known of the path: `devnode`, `wwid`, `protocol`, `vendor`, `product`. The
    names of its `properties` in udev are in libudev's order; None if they are not known. An
    exception is one for its own kind of rules.
    """
    exceptions = [*_rules(configuration, "blacklist_exceptions")]
    rules = [*_rules(configuration, "blacklist")]
    if properties is not None:
        yield from _by_properties(properties, rules, exceptions)
        rules = [each for each in rules if each.kind != "property"]
    for rule in rules:
        verdict = rule.is_for(known)
        excepted = any(each.kind == rule.kind and each.is_for(known) for each in exceptions)
        if verdict is not False and not excepted:
            yield rule, verdict is True


def _by_properties(
    properties: Sequence[str], rules: Sequence[Rule], exceptions: Sequence[Rule]
) -> Iterator[tuple[Rule, bool]]:
    """Yield the rule that decides by udev's properties (blacklist.c filter_property).

    The first property that a rule or an exception is for decides.
    """
    for name in properties:
        known = {"property": name}
        if any(each.kind == "property" and each.is_for(known) for each in exceptions):
            return
        for rule in rules:
            if rule.kind == "property" and rule.is_for(known) is not False:
                yield rule, rule.is_for(known) is True
                return


def named_rules(configuration: Configuration) -> Iterator[tuple[str, Rule]]:
    """Yield all rules with the names of their sections."""
    for name in ("blacklist", "blacklist_exceptions"):
        for each in _rules(configuration, name):
            yield name, each


def _rules(configuration: Configuration, outermost: str) -> Iterator[Rule]:
    for section in configuration.within(outermost):
        if section.names == (outermost, "device"):
            patterns = tuple(s for s in section.settings if s.keyword in ("vendor", "product"))
            if patterns:
                yield Rule("device", patterns, section.file, section.line)
        for each in section.settings:
            if section.names == (outermost,) and each.keyword in _KEYWORDS:
                yield Rule(each.keyword, (each,), section.file, each.line)
