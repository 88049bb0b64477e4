# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has a map open that nothing else explains."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel

from ansible_collections.san.device_mapper.plugins.module_utils._observe.uses import with_openers
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use, Uses

MOUNT, CLAIM = Use("mount", "/srv"), Use("claim")
CAT, LESS = Use("process", "cat", process=7), Use("process", "less", process=8)


class OpenHost(MemoryHost):
    """A host whose map is open in these processes, and perhaps claimed."""

    def __init__(self, count: int, processes: Uses, is_claimed: bool) -> None:
        super().__init__(MemoryKernel({}))
        self.device = self.kernel.place("data", "mpath-3600", parse_table("0 8 zero")).device
        self.kernel.placed("mpath-3600").opened = count
        self.kernel.claimed = {self.device} if is_claimed else set()
        self.processes = processes
        self.asked = False

    def openers(self, devices: Iterable[DeviceNumber]) -> dict[DeviceNumber, Uses]:
        self.asked = True
        return {each: self.processes for each in devices if self.processes}


@pytest.mark.parametrize(
    ("count", "known", "processes", "is_claimed", "found"),
    [
        (0, (), (CAT,), True, ()),
        (1, (MOUNT,), (CAT,), True, (MOUNT,)),
        (1, (), (CAT,), False, (CAT,)),
        (2, (MOUNT,), (CAT, LESS), False, (MOUNT, CAT, LESS)),
        (1, (), (), True, (CLAIM,)),
        (2, (), (CAT,), True, (CAT, CLAIM)),
        # What is mounted is claimed by that.
        (2, (MOUNT,), (CAT,), True, (MOUNT, CAT)),
        (2, (), (), False, ()),
    ],
)
def test_the_opens_of_a_map_are_explained(
    count: int, known: Uses, processes: Uses, is_claimed: bool, found: Uses
) -> None:
    host = OpenHost(count, processes, is_claimed)
    uses = with_openers({host.device: known}, host.kernel.maps(), host)
    assert uses.get(host.device, ()) == found
    assert host.asked == (count > len(known))
