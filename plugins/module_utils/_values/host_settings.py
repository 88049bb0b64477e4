# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a whole host in multipath.conf's words: the one file that holds a task's."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .multipath_conf import DIRECTORY, parse_sections, section

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...plugin_utils._types import Configuration
    from .multipath_conf import Section, Setting

SETTINGS_FILE = f"{DIRECTORY}/50-san-device_mapper-config.conf"
"""Read after /etc/multipath.conf, and before the files of single maps (alphasort, config.c)."""

SETTINGS_MARK = (
    "# Written by the Ansible module san.device_mapper.multipath_config, which replaces all of it."
)
MAIN_FILE = "/etc/multipath.conf"
MINIMAL = (
    "# Made by the Ansible module san.device_mapper.multipath_config: without this file multipathd"
    f" does not start here.\n# The settings are in {DIRECTORY}.\n"
)

OPTIONS = {
    ("defaults",): "defaults",
    ("blacklist",): "blacklist",
    ("blacklist", "device"): "blacklist",
    ("blacklist_exceptions",): "blacklist_exceptions",
    ("blacklist_exceptions", "device"): "blacklist_exceptions",
    ("devices", "device"): "devices",
    ("overrides",): "overrides",
    ("overrides", "protocol"): "protocols",
}
"""The option of multipath_config for each section."""

IDENTITY: Mapping[tuple[str, ...], tuple[str, ...]] = {
    ("devices", "device"): ("vendor", "product", "revision"),
    ("overrides", "protocol"): ("type",),
}
_RULES = ("blacklist", "blacklist_exceptions")


@dataclass(frozen=True)
class Place:
    """What can be said once in a configuration: a keyword of a section, or a rule.

    `identity` tells sections of the same names apart; a rule is its own identity.
    """

    names: tuple[str, ...]
    identity: tuple[str, ...]
    keyword: str

    @property
    def option(self) -> str:
        """The option of multipath_config that sets it."""
        return OPTIONS.get(self.names, "/".join(self.names))

    def words(self) -> str:
        """Return in words what is set, without its value."""
        if self.names[0] in _RULES:
            return " ".join((self.keyword, *self.identity))
        of = " ".join(each for each in self.identity if each)
        return f"{self.keyword} ({of})" if of else self.keyword


def settings_text(
    defaults: Mapping[str, str],
    rules: Mapping[str, tuple[Sequence[Setting], Sequence[Mapping[str, str]]]],
    devices: Sequence[Mapping[str, str]],
    overrides: Mapping[str, str],
    protocols: Sequence[Mapping[str, str]],
) -> str:
    """Return the text of the file; `rules` are those of each blacklist, and its devices."""
    lines = [SETTINGS_MARK]
    if defaults:
        lines += section("defaults", defaults)
    for name, (own, of_devices) in rules.items():
        if own or of_devices:
            inside = [section("device", each) for each in of_devices]
            lines += section(name, {}, *inside, rules=own)
    if devices:
        lines += section("devices", {}, *(section("device", each) for each in devices))
    if overrides or protocols:
        inside = [section("protocol", each) for each in protocols]
        lines += section("overrides", overrides, *inside)
    return "".join(f"{line}\n" for line in lines)


def places(sections: Sequence[Section]) -> dict[Place, tuple[str, Section]]:
    """Return what `sections` say, and which of them last; of several values the last one counts."""
    found: dict[Place, tuple[str, Section]] = {}
    for each in sections:
        for place, value in _said(each):
            found[place] = (value, each)
    return found


def values(configuration: Configuration) -> dict[Place, str]:
    """Return what a configuration says."""
    return {place: value for place, (value, _section) in places(configuration.sections).items()}


def stated(text: str) -> dict[Place, tuple[str, Section]]:
    """Return what the text of the file says, with its sections."""
    return places(parse_sections(text, SETTINGS_FILE))


def _said(each: Section) -> Iterator[tuple[Place, str]]:
    if each.names[0] in _RULES and each.names[1:] == ("device",):
        patterns = tuple(f'{key} "{each.value(key)}"' for key in ("vendor", "product"))
        yield Place(each.names, patterns, "device"), ""
        return
    identity = tuple(each.value(key) for key in IDENTITY.get(each.names, ()))
    for setting in each.settings:
        if each.names[0] in _RULES:
            yield Place(each.names, (f'"{setting.value}"',), setting.keyword), setting.value
        else:
            yield Place(each.names, identity, setting.keyword), setting.value


_SYNONYMS = (
    frozenset(("yes", "on", "1")),
    frozenset(("no", "off", "0", "never")),
    frozenset(("yes", "unused")),
    frozenset(("0", "fail")),
)


def is_same(value: str, printed: str) -> bool:
    """Return whether multipath-tools print a `value` so: words for numbers, leading zeros."""
    if value == printed or {value, printed} <= {"0", "manual"}:
        return True
    if any(value in words and printed in words for words in _SYNONYMS):
        return True
    return _number(value) is not None and _number(value) == _number(printed)


def _number(value: str) -> int | None:
    try:
        return int(value, 16 if value.startswith("0x") else 10)
    except ValueError:
        return None
