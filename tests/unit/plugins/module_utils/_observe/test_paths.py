# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task about maps and their paths reads of a host."""

from __future__ import annotations

from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel

from ansible_collections.san.device_mapper.plugins.module_utils._observe.paths import observe_paths
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import NOT_READ
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use

SDA = BlockDevice("sda", DeviceNumber(8, 0), 8)


def test_paths_that_are_named_by_their_nodes_are_resolved() -> None:
    host = MemoryHost(MemoryKernel({}), (SDA,))
    found = observe_paths(host, 1, named=["/dev/sda", "/dev/nosuch", "sda", "8:0"])
    assert found.resolved == {"/dev/sda": SDA.device}
    assert found.block_devices == (SDA,)
    assert found.multipathd is NOT_READ


def test_processes_are_looked_for_where_maps_are_to_go() -> None:
    host = MemoryHost(MemoryKernel({}))
    placed = host.kernel.place("data", "mpath-3600", parse_table("0 8 zero"))
    placed.opened = 1
    assert observe_paths(host, 1).uses == {}
    found = observe_paths(host, 1, leaving=lambda each: bool(each.wwid)).uses
    assert found == {placed.device: (Use("process", "cat", process=7),)}
