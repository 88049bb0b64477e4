# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.san.device_mapper.plugins.module_utils._report.partitions import (
    partition_result,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import (
    DeviceNumber,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import (
    Map,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Parent,
    Partition,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    parse_table,
)

PART1 = Map(
    "data-part1",
    "part1-mpath-3600",
    DeviceNumber(253, 1),
    live=parse_table("0 1000 linear 253:0 64"),
)


def test_a_partition_is_returned_in_bytes() -> None:
    partition = Partition(1, 64, 1000, "0x83", "label", "5d1ba0bc-01")
    parent = Parent("/dev/mapper/data", "data", "mpath-3600", DeviceNumber(253, 0), 2048)
    assert partition_result(partition, PART1, parent) == {
        "name": "data-part1",
        "uuid": "part1-mpath-3600",
        "path": "/dev/mapper/data-part1",
        "device": "253:1",
        "parent": "data",
        "number": 1,
        "start": 32768,
        "size": 512000,
        "type": "0x83",
        "partition_name": "label",
        "partuuid": "5d1ba0bc-01",
        "extended": False,
        "read_only": False,
    }
