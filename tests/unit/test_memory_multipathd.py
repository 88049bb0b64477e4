# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The in-memory daemon is held to what a real 0.9.4 did on a host with four paths.

What is said of paths that it leaves out, 0.11.1 and 0.15.1 have said.
"""

from __future__ import annotations

import pytest
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._plan.multipathd_reasons import (
    LOGGED,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import KernelError
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    equivalent,
    parse_table,
)

WWID = "35525400000000001"
UUID = f"mpath-{WWID}"
DISKS = tuple(
    BlockDevice(name, DeviceNumber(8, minor), 524288, WWID, address=f"{index // 2}:0:{index % 2}:0")
    for index, (name, minor) in enumerate((("sda", 0), ("sdc", 32), ("sde", 64), ("sdg", 96)))
)
CONF = "/etc/multipath/conf.d/x.conf"
UNSTATED = (
    "0 524288 multipath 0 0 4 1 service-time 0 1 2 8:0 1 1 service-time 0 1 2 8:32 1 1"
    " service-time 0 1 2 8:64 1 1 service-time 0 1 2 8:96 1 1"
)
MULTIBUS = (
    "0 524288 multipath 1 queue_if_no_path 0 1 1 service-time 0 4 2 8:0 1 1 8:32 1 1 8:64 1 1"
    " 8:96 1 1"
)


@pytest.fixture
def kernel() -> MemoryKernel:
    there = MemoryKernel({disk.device: Disk(disk.sectors) for disk in DISKS})
    there.daemon.runs, there.daemon.disks = True, DISKS
    return there


def section(*lines: str) -> str:
    """Return a file that states the map."""
    return "\n".join(("multipaths {", "multipath {", f"wwid {WWID}", *lines, "}", "}", ""))


def told(kernel: MemoryKernel, request: str) -> list[tuple[str, str]]:
    """Tell the daemon something, and return the names and uuids of the maps."""
    with kernel.udev_batch(1):
        kernel.tell_multipathd(request)
    return [(each.name, each.uuid) for each in kernel.maps()]


def has(kernel: MemoryKernel, table: str) -> bool:
    """Return whether the map has the table that the real one had."""
    return equivalent(kernel.maps()[0].live, parse_table(table))


def test_add_map_makes_what_no_file_states_and_notes_the_wwid(kernel: MemoryKernel) -> None:
    assert told(kernel, f"add map {WWID}") == [(WWID, UUID)]
    assert has(kernel, UNSTATED)
    assert kernel.daemon.wwids == {WWID}


def test_strict_takes_known_wwids_only(kernel: MemoryKernel) -> None:
    kernel.daemon.files[CONF] = section("alias data")
    assert told(kernel, "reconfigure") == []
    kernel.add_wwid(WWID)
    assert told(kernel, "reconfigure") == [("data", UUID)]


def test_a_file_is_read_when_the_daemon_is_told(kernel: MemoryKernel) -> None:
    kernel.add_wwid(WWID)
    lines = ("alias data", "path_grouping_policy multibus", "no_path_retry 12")
    kernel.daemon.files[CONF] = section(*lines)
    assert told(kernel, f"add map {WWID}") == [(WWID, UUID)]
    assert told(kernel, "reconfigure") == [("data", UUID)]
    assert has(kernel, UNSTATED), "a name, or a table, but not both"
    told(kernel, "reconfigure")
    assert has(kernel, MULTIBUS)


def test_newer_ones_do_both_at_once(kernel: MemoryKernel) -> None:
    kernel.daemon.version = (0, 11, 1)
    lines = ("alias data", "path_grouping_policy multibus", "no_path_retry 12")
    kernel.daemon.files[CONF] = section(*lines)
    assert told(kernel, f"add map {WWID}") == [(WWID, UUID)]
    assert told(kernel, "reconfigure") == [("data", UUID)]
    assert has(kernel, MULTIBUS)


def test_it_fails_for_maps_that_are_not_there_or_in_use(kernel: MemoryKernel) -> None:
    for request in ("del map nothing", "resize map nothing"):
        with pytest.raises(KernelError):
            told(kernel, request)
    told(kernel, f"add map {WWID}")
    kernel.placed(UUID).opened = 1
    with pytest.raises(KernelError):
        told(kernel, f"del map {WWID}")
    kernel.placed(UUID).opened = 0
    assert told(kernel, f"del map {WWID}") == []
    assert kernel.daemon.wwids == {WWID}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ('devnode "^sd[a-z]"', "sda: device node name blacklisted"),
        (f'wwid "{WWID}"', "sda: wwid 35525400000000001 blacklisted"),
        (
            'device {\nvendor ".*"\nproduct ".*"\n}',
            "sda: (QEMU:QEMU HARDDISK) vendor/product blacklisted",
        ),
        ('protocol "scsi:.*"', "sda: protocol scsi:unspec blacklisted"),
        ('property "ID_.*"', "sda: udev property ID_SERIAL blacklisted"),
    ],
)
def test_paths_are_left_out_with_the_next_reading(
    kernel: MemoryKernel, rule: str, words: str
) -> None:
    kernel.add_wwid(WWID)
    kernel.daemon.files["/etc/multipath.conf"] = f"blacklist {{\n{rule}\n}}\n"
    assert len(kernel.multipathd_now(frozenset()).paths) == 4
    assert told(kernel, "reconfigure") == []
    view = kernel.multipathd_now(frozenset())
    assert view.paths == ()
    said = view.left_out[DISKS[0].device]
    assert [kind for kind, of in LOGGED.items() if of in said] == [
        kind for kind, of in LOGGED.items() if of in words
    ]
