# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import (
    Configuration,
    Section,
    Setting,
    drop_in,
    drop_in_path,
    parse_sections,
    wwid_of_path,
)

# As multipathd 0.9.4 answers `show config local`.
KNOWN = """
blacklist {
\tdevnode "!^(sd[a-z]|dasd[a-z]|nvme[0-9])"
\tdevice {
\t\tvendor "SGI"
\t\tproduct "Universal Xport"
\t}
}
overrides {
}
multipaths {
\tmultipath {
\t\twwid "35525400000000001"
\t\talias "data"
\t\tfailback 15
\t\tno_path_retry 12
\t\t# alias "data"
\t}
}
"""


def test_the_daemons_own_configuration() -> None:
    sections = parse_sections(KNOWN, "x")
    assert [each.names for each in sections] == [
        ("blacklist",),
        ("blacklist", "device"),
        ("overrides",),
        ("multipaths",),
        ("multipaths", "multipath"),
    ]
    (found,) = Configuration(sections).multipath("35525400000000001")
    assert [(each.keyword, each.value) for each in found.settings] == [
        ("wwid", "35525400000000001"),
        ("alias", "data"),
        ("failback", "15"),
        ("no_path_retry", "12"),
    ]
    assert found.place("failback") == "x line 15"
    assert (found.place(), found.value("nothing")) == ("x line 12", "")


@pytest.mark.parametrize(
    ("line", "setting"),
    [
        ("features 0", Setting("features", "0", 2)),
        (
            '  path_selector  "service-time 0" # usual',
            Setting("path_selector", "service-time 0", 2),
        ),
        ('product "3"" disk"', Setting("product", '3" disk', 2)),
        ("alias a!b", Setting("alias", "a", 2)),
        ('alias ""', Setting("alias", "", 2)),
    ],
)
def test_lines_as_the_daemon_reads_them(line: str, setting: Setting) -> None:
    (section,) = parse_sections(f"defaults {{\n{line}\n}}\n", "x")
    assert section == Section("x", 1, ("defaults",), (setting,))


@given(st.text(alphabet='ab {}"#!\n'))
def test_any_text_is_read(text: str) -> None:
    parse_sections(text, "x")


@given(st.dictionaries(st.sampled_from(("alias", "prio", "features")), st.text('ab 0"#!{}')))
def test_what_is_written_is_what_is_read(settings: dict[str, str]) -> None:
    text = drop_in({"wwid": "36", **settings}, {})
    (found,) = Configuration(parse_sections(text, "x")).multipath("36")
    assert {each.keyword: each.value for each in found.settings} == {"wwid": "36", **settings}


def test_the_file_of_a_lun() -> None:
    path = drop_in_path("36")
    assert path == "/etc/multipath/conf.d/san.device_mapper.36.conf"
    assert wwid_of_path(path) == "36"


PLACES: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = (
    (("multipaths", "multipath"), {"wwid": "3600"}),
    (("overrides",), {}),
    (("devices", "device"), {"vendor": "ACME", "product": "disk"}),
    (("defaults",), {}),
)
"""By precedence (multipath.conf(5); libmultipath/propsel.c)."""


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))], ids=str)
def test_which_section_decides_for_a_lun(order: tuple[int, ...]) -> None:
    """Wherever they stand; of the same place the later one counts, others' say nothing."""
    stated = [(at, _section(at, f"{at}{time}")) for at in order for time in ("early", "late")]
    for first in range(4):
        known = Configuration(tuple(each for at, each in stated if at >= first))
        assert known.decided("failback", "3600", ("ACME", "disk")) == f"{first}late"
    known = Configuration(tuple(each for at, each in stated if at != 1))
    assert known.decided("failback", "3601", ("ACME", "tape")) == "3late"
    assert known.decided("no_path_retry", "3600", ("ACME", "disk")) == ""


def _section(place: int, value: str) -> Section:
    names, known = PLACES[place]
    settings = {**known, "failback": value}
    return Section("x", place, names, tuple(Setting(each, settings[each]) for each in settings))
