# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""multipath.conf's blacklist: the rules that keep a path from the daemon (blacklist.c)."""

from __future__ import annotations

import typing as t

from .multipath_conf import matches

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
        said = " ".join(f'{each.keyword} "{each.value}"' for each in self.patterns)
        place = f"{self.file} line {self.line}" if self.file else "multipathd's own"
        return f"{place} (blacklist: {said if self.kind != 'device' else f'device {said}'})"

    def is_for(self, known: Mapping[str, str]) -> bool | None:
        """Return whether the rule is for the path of which this is `known`; None if unknown."""
        verdicts = [
            matches(each.value, known[each.keyword]) if each.keyword in known else None
            for each in self.patterns
        ]
        return False if False in verdicts else None if None in verdicts else True


def rules_against(
    known: Mapping[str, str], configuration: Configuration
) -> Iterator[tuple[Rule, bool]]:
    """Yield the rules that keep a path out, and whether that is certain.

    `known` is what is known of the path: `devnode`, `wwid`, `protocol`, `vendor`, `product`. Which
    properties it has in udev only the daemon knows. An exception is one for its own kind of rules.
    """
    exceptions = [*_rules(configuration, "blacklist_exceptions")]
    for rule in _rules(configuration, "blacklist"):
        verdict = rule.is_for(known)
        excepted = any(each.kind == rule.kind and each.is_for(known) for each in exceptions)
        if verdict is not False and not excepted:
            yield rule, verdict is True


def _rules(configuration: Configuration, outermost: str) -> Iterator[Rule]:
    for section in configuration.within(outermost):
        if section.names == (outermost, "device"):
            patterns = tuple(s for s in section.settings if s.keyword in ("vendor", "product"))
            if patterns:
                yield Rule("device", patterns, section.file, section.line)
        for each in section.settings:
            if section.names == (outermost,) and each.keyword in _KEYWORDS:
                yield Rule(each.keyword, (each,), section.file, each.line)
