# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What device_mapper_info says of maps whose links and partitions are not right, on the host."""

from __future__ import annotations

import typing as t

from .conftest import WWIDS, Host
from .test_multipath_tools import partition


def health(host: Host, **options: t.Any) -> tuple[str, list[dict[str, t.Any]]]:
    """Return the state of the map `data` and its reasons."""
    found = host.applied("device_mapper_info", maps=["data"], **options)
    state = found["maps"][0]["health"]
    return state["state"], state["reasons"]


def test_links_and_partition_maps_that_are_not_right_are_reasons(host: Host) -> None:
    """A link is lost and comes back; a partition is made smaller behind its map's back."""
    host.applied("multipath_map", name="data", wwid=WWIDS[0])
    host.applied("multipath_map", name="log", wwid=WWIDS[1])
    partition(host, "label: gpt\n,64MiB\n,64MiB\n")
    host.applied("partition_maps", device="data", delimiter="-part")
    assert health(host, expected_paths=4, partition_tables=True) == ("healthy", [])

    link = f"/dev/disk/by-id/dm-uuid-part1-mpath-{WWIDS[0]}"
    host.run("rm", link)
    few = {"kind": "too_few_paths", "found": "4", "expected": "5"}
    lost = {"kind": "missing_link", "name": "data-part1", "expected": link}
    assert health(host, expected_paths=5) == ("degraded", [few, lost])
    host.shell("udevadm trigger --settle /dev/mapper/data-part1")
    assert health(host) == ("healthy", [])

    partition(host, "label: gpt\n,32MiB\n")
    assert health(host) == ("healthy", [])
    state, reasons = health(host, partition_tables=True)
    assert state == "degraded"
    assert reasons == [
        {
            "kind": "stale_partition_map",
            "name": "data-part1",
            "found": "sectors 2048 to 133119",
            "expected": "sectors 2048 to 67583",
        },
        {
            "kind": "stale_partition_map",
            "name": "data-part2",
            "found": "sectors 133120 to 264191",
            "expected": "no partition",
        },
    ]
    host.run("dmsetup", "remove", "--retry", "data-part1", "data-part2")
