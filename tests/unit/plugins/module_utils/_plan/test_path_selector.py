# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._plan.path_selector import (
    parse_path_selector,
    selected,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import Multipath

SDA, SDB, SDC, SDD = (
    BlockDevice(f"sd{'abcd'[number]}", DeviceNumber(8, 16 * number), 8, address=f"{number}:0:0:0")
    for number in range(4)
)
HOST = whole(block_devices=(SDA, SDB, SDC, SDD))
GROUPS = ((SDA, SDB), (SDC,))


def text(name: str, **arguments: Any) -> str:
    groups = selected(parse_path_selector(name, arguments), GROUPS, HOST)
    target = Multipath.parse("0 0 0 0")
    return str(Multipath(target.features, (), groups, 1)).removeprefix("0 0 2 1 ")


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("round-robin", {}, "round-robin 0 2 0 8:0 8:16 round-robin 0 1 0 8:32"),
        ("queue-length", {}, "queue-length 0 2 0 8:0 8:16 queue-length 0 1 0 8:32"),
        ("service-time", {}, "service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32"),
        (
            "service-time",
            {"relative_throughput": {"1:0:0:0": 10}},
            "service-time 0 2 2 8:0 1 1 8:16 1 10 service-time 0 1 0 8:32",
        ),
        (
            "service-time",
            {"relative_throughput": {"sda": "0", "8:16": 100, "sdc": 7}},
            "service-time 0 2 2 8:0 1 0 8:16 1 100 service-time 0 1 2 8:32 1 7",
        ),
        (
            "historical-service-time",
            {},
            "historical-service-time 0 2 0 8:0 8:16 historical-service-time 0 1 0 8:32",
        ),
        (
            "historical-service-time",
            {"base_weight": 0},
            "historical-service-time 2 0 0 2 0 8:0 8:16 historical-service-time 2 0 0 1 0 8:32",
        ),
        (
            "historical-service-time",
            {"threshold_multiplier": 2, "base_weight": None},
            "historical-service-time 2 972 2 2 0 8:0 8:16 historical-service-time 2 972 2 1 0 8:32",
        ),
        (
            "io-affinity",
            {"cpu_mask": {"sda": "3", "sdb": "C", "sdc": "ff,00000000"}},
            "io-affinity 0 2 1 8:0 3 8:16 c io-affinity 0 1 1 8:32 ff,00000000",
        ),
    ],
)
def test_a_selector_has_its_arguments(name: str, arguments: dict[str, Any], expected: str) -> None:
    assert text(name, **arguments) == expected


@pytest.mark.parametrize(
    ("name", "arguments", "value", "found"),
    [
        ("round-robin", {"base_weight": 1}, "base_weight", "has: none"),
        (
            "queue-length",
            {"relative_throughput": {"sda": 1}},
            "relative_throughput",
            "no such argument",
        ),
        ("service-time", {"cpu_mask": {}}, "cpu_mask", "has: relative_throughput"),
        ("io-affinity", {"threshold_multiplier": 1}, "threshold_multiplier", "has: cpu_mask"),
        ("service-time", {"relative_throughput": {"sda": 101}}, "relative_throughput", "to 100"),
        ("service-time", {"relative_throughput": {"sda": "fast"}}, "relative_throughput", "fast"),
        (
            "service-time",
            {"relative_throughput": {"sda": -1}},
            "relative_throughput",
            "-1 must be a whole number",
        ),
        ("service-time", {"relative_throughput": {"sda": None}}, "relative_throughput", "None"),
        ("service-time", {"relative_throughput": {"sdd": 1}}, "sdd", "paths are sda, sdb, sdc"),
        ("service-time", {"relative_throughput": {"sdz": 1}}, "sdz", "not a path of this map"),
        ("service-time", {"relative_throughput": {"sda": 1, "8:0": 1}}, "8:0", "named twice"),
        ("historical-service-time", {"base_weight": 1024}, "base_weight", "0 to 1023"),
        (
            "historical-service-time",
            {"base_weight": -1},
            "base_weight",
            "-1 must be a whole number",
        ),
        ("historical-service-time", {"threshold_multiplier": 2**32}, "threshold_multiplier", "0"),
        ("io-affinity", {}, "cpu_mask", "the path sda has none"),
        ("io-affinity", {"cpu_mask": {"sda": 1, "sdb": 2}}, "cpu_mask", "the path sdc has none"),
        ("io-affinity", {"cpu_mask": {"sda": "0"}}, "cpu_mask", "'0' is not a mask"),
        ("io-affinity", {"cpu_mask": {"sda": "0x1"}}, "cpu_mask", "'0x1' is not a mask"),
        ("io-affinity", {"cpu_mask": {"sda": "0-3"}}, "cpu_mask", "'0-3' is not a mask"),
        (
            "io-affinity",
            {"cpu_mask": {"sda": "3", "sdb": "2", "sdc": "1"}},
            "cpu_mask",
            "2, of the path sdb, contains a CPU of another path",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    name: str, arguments: dict[str, Any], value: str, found: str
) -> None:
    with pytest.raises(Refused) as refused:
        text(name, **arguments)
    assert (refused.value.option, refused.value.value) == ("path_selector_arguments", value)
    assert found in refused.value.found
    assert refused.value.way_out
