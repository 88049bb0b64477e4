# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has a map open that nothing else explains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._observe.uses import with_openers
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use, Uses

MOUNT, CLAIM = Use("mount", "/srv"), Use("claim")
CHILD, LOOP = Use("map", "data1", uuid="part1-mpath-3600"), Use("loop", "loop0")
UDEV = Use("udev", "blkid", process=9)
CAT, LESS = Use("process", "cat", process=7), Use("process", "less", process=8)


class OpenHost(MemoryHost):
    """A host whose map is open in these processes, and perhaps claimed."""

    def __init__(
        self, count: int, processes: Uses, is_claimed: bool, table: str = "0 8 zero"
    ) -> None:
        super().__init__(MemoryKernel({DeviceNumber(8, 0): Disk(8)}))
        self.device = self.kernel.place("data", "mpath-3600", parse_table(table)).device
        self.kernel.placed("mpath-3600").opened = count
        self.kernel.claimed = {self.device} if is_claimed else set()
        self.processes = processes
        self.asked = False
        self.passing = False
        self.waited: float | None = None

    def open_counts(self, explained: Mapping[str, int], timeout: float) -> dict[str, int]:
        self.waited = timeout
        return dict(explained) if self.passing else super().open_counts(explained, timeout)

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
        # Bind mounts of one file system are one open.
        (1, (MOUNT, Use("mount", "/mnt")), (), False, (MOUNT, Use("mount", "/mnt"))),
        (2, (MOUNT, Use("mount", "/mnt")), (CAT,), False, (MOUNT, Use("mount", "/mnt"), CAT)),
        # What is neither a process nor a claim is somebody all the same.
        (2, (), (), False, (Use("unexplained", opens=2),)),
        (3, (CHILD,), (), False, (CHILD, Use("unexplained", opens=2))),
        (1, (LOOP,), (), False, (LOOP,)),
        (1, (), (UDEV,), False, (UDEV,)),
    ],
)
def test_the_opens_of_a_map_are_explained(
    count: int, known: Uses, processes: Uses, is_claimed: bool, found: Uses
) -> None:
    host = OpenHost(count, processes, is_claimed)
    uses = with_openers({host.device: known}, host.kernel.maps(), host, 60)
    assert uses.get(host.device, ()) == found
    assert host.asked == (found != known and count > 0)


@pytest.mark.parametrize(
    ("processes", "known", "timeout", "waits"),
    [
        ((UDEV,), (), 60, 60),
        ((UDEV,), (CHILD,), 60, 60),
        ((), (), 60, 5),
        ((), (), 2, 2),
        ((UDEV,), (), 0, None),
        ((CAT,), (), 60, None),
        ((CAT, UDEV), (), 60, None),
        ((), (MOUNT,), 60, None),
        ((), (LOOP,), 60, None),
    ],
)
def test_what_will_be_gone_soon_is_waited_for(
    processes: Uses, known: Uses, timeout: float, waits: float | None
) -> None:
    """Not where the map is used anyway, and not for long if no process of udev's is seen."""
    host = OpenHost(2, processes, is_claimed=False)
    with_openers({host.device: known}, host.kernel.maps(), host, timeout)
    assert host.waited == waits
    host.passing = True
    uses = with_openers({host.device: known}, host.kernel.maps(), host, timeout)
    assert (uses == {host.device: known}) == (waits is not None)


def test_udev_that_waits_for_a_path_is_no_use() -> None:
    """It ends with the map's removal, which lets I/O fail first."""
    table = "0 8 multipath 1 queue_if_no_path 0 1 1 service-time 0 1 0 8:0"
    host = OpenHost(1, (UDEV,), is_claimed=False, table=table)
    host.kernel.message("mpath-3600", "fail_path 8:0")
    assert with_openers({}, host.kernel.maps(), host, 60) == {}
    assert host.waited is None
