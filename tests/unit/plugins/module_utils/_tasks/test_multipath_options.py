# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from unit.memory_host import DEFAULTS as DEFAULTS_OF_ALL

from ansible_collections.san.device_mapper.plugins.module_utils._tasks.multipath_options import (
    parse,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused

WWID, OTHER_WWID = "35525400000000001", "35525400000000002"
DEFAULTS = DEFAULTS_OF_ALL["multipath_map"]


@pytest.mark.parametrize(
    ("options", "option", "value", "found"),
    [
        ({}, "wwid", "", "neither wwid nor paths is specified"),
        ({"name": "data"}, "wwid", "", "neither wwid nor paths is specified for the map data"),
        ({"state": "absent"}, "wwid", "", "neither wwid nor name is specified"),
        ({"wwid": WWID, "min_paths": 0}, "min_paths", 0, "must be at least 1"),
        ({"wwid": WWID, "min_paths": -1}, "min_paths", -1, "must be at least 1"),
        ({"wwid": WWID, "name": "a b"}, "name", "a b", "would be mangled"),
        ({"wwid": WWID, "name": ""}, "name", "", "it is empty"),
        ({"wwid": WWID, "name": "x" * 128}, "name", "x" * 128, "allows 127"),
        ({"wwid": "SATA DISK"}, "wwid", "SATA DISK", "would be mangled"),
        ({"wwid": "3" * 123}, "wwid", "3" * 123, "too many for a map's uuid"),
        ({"paths": ["sda", "sda"]}, "paths", "sda", "specified more than once"),
        (
            {"wwid": WWID, "features": {"pg_init_retries": 51}},
            "features",
            "pg_init_retries 51",
            "0 to 50",
        ),
        (
            {"wwid": WWID, "features": {"pg_init_delay_msecs": -1}},
            "features",
            "pg_init_delay_msecs -1",
            "0 to 60000",
        ),
        ({"path_groups": [["sda"], ["sda"]]}, "path_groups", "sda", "specified more than once"),
        ({"path_groups": [["sda"], []]}, "path_groups", [["sda"], []], "a group has no path"),
        ({"wwid": WWID, "paths": []}, "paths", [], "the list is empty"),
        ({"wwid": WWID, "path_groups": []}, "path_groups", [], "the list is empty"),
        (
            {"maps": [{**dict.fromkeys(DEFAULTS), "wwid": WWID, "paths": []}]},
            "paths",
            [],
            "the list is empty",
        ),
        (
            {"path_groups": [["sda"]], "paths": ["sda"]},
            "path_groups",
            "paths",
            "each defines the path groups",
        ),
        (
            {"path_groups": [["sda"]], "path_grouping_policy": "multibus"},
            "path_groups",
            "path_grouping_policy",
            "each defines the path groups",
        ),
        (
            {
                "maps": [
                    {
                        **dict.fromkeys(DEFAULTS),
                        "path_groups": [["sda"]],
                        "path_grouping_policy": "auto",
                    }
                ]
            },
            "path_groups",
            "path_grouping_policy",
            "each defines the path groups",
        ),
        (
            {"maps": [{**DEFAULTS, "wwid": WWID}, {**DEFAULTS, "wwid": WWID, "name": "b"}]},
            "wwid",
            WWID,
            "specified more than once",
        ),
        (
            {
                "maps": [
                    {**DEFAULTS, "wwid": WWID, "name": "a"},
                    {**DEFAULTS, "wwid": OTHER_WWID, "name": "a"},
                ]
            },
            "name",
            "a",
            "specified more than once",
        ),
    ],
)
def test_bad_options_are_refused_before_the_host_is_read(
    options: dict[str, Any], option: str, value: object, found: str
) -> None:
    with pytest.raises(Refused) as refused:
        parse({**DEFAULTS, **options})
    assert (refused.value.option, refused.value.value) == (option, value)
    assert found in refused.value.found
    assert refused.value.way_out


@pytest.mark.parametrize(
    ("options", "named", "source"),
    [
        ({"wwid": WWID}, (), "wwid"),
        ({"paths": ["/dev/sda", "sdb"]}, ("/dev/sda", "sdb"), "paths"),
        (
            {"path_groups": [["sda", "sdb"], ["/dev/sdc"]]},
            ("sda", "sdb", "/dev/sdc"),
            "path_groups",
        ),
        (
            {
                "wwid": WWID,
                "path_selector_arguments": {"relative_throughput": {"/dev/sda": 1, "sdb": 2}},
            },
            ("/dev/sda", "sdb"),
            "wwid",
        ),
    ],
)
def test_all_paths_that_are_named_anywhere_are_known(
    options: dict[str, Any], named: tuple[str, ...], source: str
) -> None:
    (request,) = parse({**DEFAULTS, **options})
    assert (request.named, request.source) == (named, source)
