# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a host to say how its maps are, and what is not, lest it hang."""

from __future__ import annotations

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MAJOR, MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._observe.health import (
    observe_health,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    Refused,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd import Multipathd
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.reservation import (
    Nexus,
    Reservation,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

TABLE = PartitionTable("gpt", (Partition(1, 64, 100),))
LINKS = ("/dev/mapper/data", "/dev/disk/by-id/dm-uuid-mpath-3600")
DATA = DeviceNumber(MAJOR, 0)


@pytest.fixture
def host() -> MemoryHost:
    """Return a host with a multipath map and its partition map."""
    kernel = MemoryKernel({DeviceNumber(8, 0): Disk(2048)})
    live = parse_table("0 2048 multipath 0 0 1 1 round-robin 0 1 0 8:0")
    kernel.place("data", "mpath-3600", live)
    kernel.place("data-part1", "part1-mpath-3600", parse_table(f"0 100 linear {MAJOR}:0 64"))
    return MemoryHost(kernel, partition_tables={"data": TABLE})


def observed(host: MemoryHost, *, reading: bool = True, chosen: bool = True) -> Host:
    """Return what is observed of the host."""
    return observe_health(host, lambda _each: chosen, 60, reading=reading)


def test_partition_tables_are_read_where_that_is_asked_for(host: MemoryHost) -> None:
    (parent,) = observed(host).parents
    assert (parent.uuid, parent.device, parent.sectors) == ("mpath-3600", DATA, 2048)
    assert parent.partition_table == TABLE
    assert observed(host, reading=False).parents == ()
    assert observed(host, chosen=False).parents == ()


def test_a_map_that_would_not_answer_or_has_no_partition_maps_is_not_read(host: MemoryHost) -> None:
    placed = host.kernel.placed("mpath-3600")
    placed.suspend(flush=False)
    assert observed(host).parents == ()
    placed.end_suspension()
    assert len(observed(host).parents) == 1
    host.kernel.message("mpath-3600", "fail_path 8:0")
    assert observed(host).parents == ()
    host.kernel.message("mpath-3600", "reinstate_path 8:0")
    with host.kernel.udev_batch(1):
        host.kernel.remove("part1-mpath-3600", deferred=False)
    assert observed(host).parents == ()


def test_a_table_that_cannot_be_read_is_a_problem_and_ends_nothing(
    host: MemoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: object) -> None:
        raise DeviceMapperError("no such luck")

    monkeypatch.setattr(host, "partition_table", refused)
    (parent,) = observed(host).parents
    assert parent.partition_table == PartitionTable(problem="no such luck")


def test_links_that_do_not_lead_to_their_map_are_missing(
    host: MemoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link by uuid is expected of a map that udev knows: its rules have run."""
    assert observed(host).missing_links == {}
    monkeypatch.setattr(host, "device_at", lambda _path: None)
    assert observed(host).missing_links[DATA] == LINKS[:1]
    host.properties = {"DM_UDEV_RULES_VSN": "2"}
    assert observed(host).missing_links[DATA] == LINKS
    host.kernel.placed("mpath-3600").suspend(flush=False)
    assert DATA not in observed(host).missing_links


def test_a_daemon_that_hangs_keeps_nobody_from_looking(
    host: MemoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = []

    def hangs(timeout: float) -> Multipathd:
        waited.append(timeout)
        raise Refused(option="manager", value="multipathd", found="it hangs", way_out="Wait")

    monkeypatch.setattr(host, "multipathd_view", hangs)
    found = observed(host).multipathd
    assert (found.runs, found.maps, found.complaints) == (True, (), ("it hangs",))
    assert waited == [5.0]


def test_a_multipath_map_may_be_not_ready_for_udev(host: MemoryHost) -> None:
    assert observed(host).not_ready == frozenset()
    host.properties = {"MPATH_DEVICE_READY": "0"}
    assert observed(host).not_ready == {DATA}


def test_paths_are_asked_for_reservations_where_that_is_asked_for(host: MemoryHost) -> None:
    """Those of the chosen maps, and what has the WWID of one."""
    path, other, alone = (DeviceNumber(8, minor) for minor in (0, 16, 32))
    wwids = {path: "3600", other: "3600", alone: "3601"}
    host.block_devices = tuple(
        BlockDevice(f"sd{number.minor}", number, 2048, wwid) for number, wwid in wwids.items()
    )
    host.reserved = {number: Reservation(Nexus()) for number in wwids}
    assert observed(host).reservations == {}

    def asked(*, chosen: bool) -> Host:
        return observe_health(host, lambda _each: chosen, 60, reading=False, asking=True)

    assert {*asked(chosen=True).reservations} == {path, other}
    assert asked(chosen=False).reservations == {}
