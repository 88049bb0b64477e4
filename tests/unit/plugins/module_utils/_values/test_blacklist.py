# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._values.blacklist import (
    rules_against,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import (
    Configuration,
    parse_sections,
)

PATH = {
    "devnode": "sda",
    "wwid": "3600",
    "protocol": "scsi:fcp",
    "vendor": "ACME",
    "product": "disk 1",
}


def found(rules: str, exceptions: str = "", **known: str) -> list[tuple[str, bool]]:
    """Return what is found against a path by these rules and exceptions."""
    text = f"blacklist {{\n{rules}\n}}\nblacklist_exceptions {{\n{exceptions}\n}}\n"
    configuration = Configuration(parse_sections(text, "x"))
    return [
        (rule.words(), certain) for rule, certain in rules_against(known or PATH, configuration)
    ]


def device(vendor: str = "", product: str = "") -> str:
    """Return a rule for storage."""
    lines = [f'vendor "{vendor}"'] * bool(vendor) + [f'product "{product}"'] * bool(product)
    return "\n".join(("device {", *lines, "}"))


@pytest.mark.parametrize(
    ("rule", "keeps_out"),
    [
        ('devnode "^sd[b-z]"', []),
        ('devnode "^sd[a-c]$"', [True]),
        ('devnode "!^(sd[a-z])"', []),
        ('devnode "!^nvme"', [True]),
        ("wwid 36", [True]),
        ("wwid ^6", []),
        ('protocol "scsi:fcp"', [True]),
        ('protocol "scsi:iscsi"', []),
        (device("ACME", "disk"), [True]),
        (device("ACME"), [True]),
        (device("ACME", "tape"), []),
        (device("", "!disk"), []),
        (device(), []),
        ('property "ID_WWN"', [False]),
        ("wwid (", [False]),
        ('devnode "sd[[:alpha:]]"', [False]),
        ("nonsense 36", []),
    ],
)
def test_rules_that_keep_a_path_out(rule: str, keeps_out: list[bool]) -> None:
    assert [certain for _words, certain in found(rule)] == keeps_out


@pytest.mark.parametrize(
    ("rule", "exception", "keeps_out"),
    [
        ('wwid ".*"', "wwid 3600", False),
        ('wwid ".*"', "wwid 3601", True),
        ('wwid ".*"', "devnode sda", True),
        ('devnode ".*"', "devnode ^sd", False),
        (device(".*"), device("ACME", "disk"), False),
        (device(".*"), device("ACME", "tape"), True),
        ('property "ID_.*"', "wwid 3600", True),
    ],
)
def test_an_exception_is_for_its_own_kind_of_rules(
    rule: str, exception: str, keeps_out: bool
) -> None:
    assert bool(found(rule, exception)) is keeps_out


@pytest.mark.parametrize(
    "rule", ['protocol "scsi:fcp"', device("ACME"), device("ACME", "disk"), 'property "ID_WWN"']
)
def test_what_is_not_known_of_a_path_may_decide(rule: str) -> None:
    assert [certain for _words, certain in found(rule, devnode="sda", wwid="3600")] == [False]
    assert found(device("EMC", ".*"), vendor="ACME") == []


def test_rules_are_told_with_their_places() -> None:
    rules = f'devnode "^sda$"\n\n{device("A.ME", "disk")}'
    assert found(rules) == [
        ('x line 2 (blacklist: devnode "^sda$")', True),
        ('x line 4 (blacklist: device vendor "A.ME" product "disk")', True),
    ]
    own = Configuration(parse_sections('blacklist {\ndevnode "!^nvme"\n}\n', ""))
    ((rule, _certain),) = rules_against(PATH, own)
    assert rule.words() == """multipathd's own (blacklist: devnode "!^nvme")"""
