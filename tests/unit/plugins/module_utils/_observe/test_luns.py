# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of the paths of LUNs, and which users of them are looked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._observe.luns import observe_luns
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use, Uses

SDA = BlockDevice("sda", DeviceNumber(8, 0), 8, "3600", state="running", reported_sectors=16)
SDB = BlockDevice("sdb", DeviceNumber(8, 16), 8, "3601", state="running", reported_sectors=32)
SDA1 = DeviceNumber(8, 1)
MOUNT, CLAIM, CAT = Use("mount", "/srv"), Use("claim"), Use("process", "cat", process=7)


class LunHost(MemoryHost):
    """A host whose first disk has a partition, and processes by what they have open."""

    def __init__(self, processes: dict[DeviceNumber, Uses]) -> None:
        super().__init__(MemoryKernel({SDA.device: Disk(8), SDB.device: Disk(8)}), (SDA, SDB))
        self.processes = processes

    def partitions_of(self, device: DeviceNumber) -> tuple[DeviceNumber, ...]:
        return (SDA1,) if device == SDA.device else ()

    def openers(self, devices: Iterable[DeviceNumber]) -> dict[DeviceNumber, Uses]:
        return {each: self.processes[each] for each in devices if each in self.processes}


def test_the_paths_of_luns_that_are_to_be_there_are_asked_for_their_size() -> None:
    host = observe_luns(LunHost({}), {"3600": 1}, set(), 1)
    assert [each.reported_sectors for each in host.block_devices] == [16, 0]
    assert host.controllers == ("host0", "host1", "host2", "host3")
    assert host.native_nvme_multipath is False
    assert host.uses == {}


def test_all_users_are_found_of_the_paths_of_luns_that_are_to_go() -> None:
    host = LunHost({SDA1: (CAT,), SDB.device: (CAT,)})
    host.used = {SDA.device: (MOUNT,), SDB.device: (MOUNT,)}
    found = observe_luns(host, {}, {"3600"}, 1)
    assert found.uses == {SDA.device: (MOUNT, CAT), SDB.device: (MOUNT,)}


@pytest.mark.parametrize(("state", "found"), [("running", (CLAIM,)), ("offline", ())])
def test_a_claim_that_nothing_explains_is_a_use(state: str, found: Uses) -> None:
    """A device that is down is not opened: that could hang."""
    host = LunHost({})
    host.block_devices = (replace(SDA, state=state), SDB)
    host.kernel.claimed = {SDA.device, SDB.device}
    assert observe_luns(host, {}, {"3600"}, 1).uses == {SDA.device: found}
