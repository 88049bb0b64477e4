# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._report.difference import (
    difference,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import (
    DeviceNumber,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import (
    BlockDevice,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import (
    Host,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import (
    Map,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd import (
    Multipathd,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    parse_table,
)

SDA = BlockDevice("sda", DeviceNumber(8, 0), 2048, "3600", address="2:0:0:0", state="running")
DATA = Map(
    "data",
    "mpath-3600",
    DeviceNumber(253, 0),
    live=parse_table(
        "0 2048 multipath 1 queue_if_no_path 1 alua 2 1"
        " service-time 0 1 2 8:0 1 1 queue-length 0 1 1 8:16 1 "
    ),
)
PART1 = Map(
    "data-part1",
    "part1-mpath-3600",
    DeviceNumber(253, 1),
    live=parse_table("0 1000 linear 253:0 64"),
)
HOST = Host(block_devices=(SDA,), boot_files={})


def shown(before: list[Map], after: list[Map]) -> dict[str, str]:
    """Return what --diff shows of maps on the host."""
    uuids = {each.uuid for each in (*before, *after)}
    hosts = (replace(HOST, maps=tuple(before)), replace(HOST, maps=tuple(after)))
    return difference(*hosts, uuids)


@pytest.mark.parametrize(
    ("each", "line"),
    [
        (Map("data", "u"), "data (u) without a table"),
        (Map("data", "u", live=PART1.live, suspended=True), "data (u) suspended"),
        (
            Map("data", "u", live=PART1.live, deferred_remove=True),
            "data (u) to be removed once it is closed",
        ),
        (
            Map("data", "u", live=PART1.live, inactive=PART1.live, read_only=True),
            "data (u) read-only with an inactive table",
        ),
    ],
)
def test_a_difference_names_what_is_unusual(each: Map, line: str) -> None:
    assert shown([each], [])["before"].splitlines()[0] == line
    assert shown([each], [])["after"] == ""


def test_two_tables_that_mean_the_same_make_no_difference() -> None:
    loaded = Map(
        "data",
        "mpath-3600",
        live=parse_table(
            "0 2048 multipath 1 queue_if_no_path 1 alua 2 1"
            " service-time 0 1 0 8:0 queue-length 0 1 0 8:16"
        ),
    )
    found = shown([DATA], [loaded])
    assert found["before"] == found["after"]


def test_another_hardware_handler_is_a_difference() -> None:
    texts = [f"0 8 multipath 0 {handler} 1 1 round-robin 0 1 0 8:0" for handler in ("0", "2 emc 1")]
    before, after = (replace(DATA, live=parse_table(text)) for text in texts)
    found = shown([before], [after])
    assert "multipath, no features\n" in found["before"]
    assert "multipath, no features, hardware handler emc\n" in found["after"]


def test_a_throughput_is_not_hidden_in_the_difference() -> None:
    weighted = replace(DATA, live=parse_table("0 8 multipath 0 0 1 1 service-time 0 1 2 8:0 1 20"))
    even = replace(DATA, live=parse_table("0 8 multipath 0 0 1 1 service-time 0 1 2 8:0 1 1"))
    found = shown([weighted], [even])
    assert found["before"] != found["after"]


def test_paths_have_their_names_and_those_that_have_gone_their_numbers() -> None:
    assert shown([DATA], [])["before"].splitlines() == [
        "data (mpath-3600)",
        "  0 2048 multipath, queue_if_no_path, hardware handler alua",
        "    group 1 service-time",
        "      sda 8:0 2:0:0:0",
        "    group 2 queue-length",
        "      8:16",
    ]


def test_files_about_the_maps_are_shown_where_they_differ() -> None:
    record, program = "/etc/san.device_mapper/mpath-3600.map", "/usr/local/lib/assemble"
    texts = {record: "a\nb\n", program: "12345", "/same": "x"}
    before = replace(HOST, maps=(), boot_files=texts)
    after = replace(before, boot_files={"/same": "x"})
    expected = f"{record}\n  a\n  b\n{program}, 5 characters\n"
    assert difference(before, after, ()) == {"before": expected, "after": ""}


def test_the_daemons_files_that_are_concerned_are_shown() -> None:
    path = "/etc/multipath/conf.d/x.conf"
    daemon = Multipathd(runs=False, drop_ins={path: "a {\n}\n", "/other": "b"})
    before = replace(HOST, maps=(), multipathd=daemon)
    after = replace(before, multipathd=Multipathd(runs=False, drop_ins={}))
    expected = f"{path}\n  a {{\n  }}\n"
    assert difference(before, after, (), [path]) == {"before": expected, "after": ""}
