# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths of a reserved LUN join a map that is in use."""

from __future__ import annotations

from typing import Any

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.reservation import (
    Nexus,
    Registration,
    Reservation,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

WWID = "35525400000000001"
SDA = BlockDevice("sda", DeviceNumber(8, 0), 2048, WWID, address="0:0:0:0")
SDB = BlockDevice("sdb", DeviceNumber(8, 16), 2048, WWID, address="1:0:0:0")
KIND = "write_exclusive_registrants_only"


def told(
    path: BlockDevice, *initiators: str, kind: int = 5, listed: bool = True, name: str = ""
) -> Reservation:
    """Return what a path says where these initiators are registered; its own is its name."""
    registrations = tuple(
        Registration("0x1", index == 0, each, 1) for index, each in enumerate(initiators)
    )
    keys = ("0x1",) * len(initiators)
    own = Nexus(name or path.name, 1)
    return Reservation(own, kind, "0x1" if kind else "", keys, registrations if listed else None)


def host(*reservations: Reservation, live: bool = True) -> MemoryHost:
    """Return a host with the map of sda, whose paths say this."""
    kernel = MemoryKernel({SDA.device: Disk(2048), SDB.device: Disk(2048)})
    if live:
        table = parse_table("0 2048 multipath 0 0 1 1 service-time 0 1 0 8:0")
        kernel.place("data", f"mpath-{WWID}", table)
    found = MemoryHost(kernel, (SDA, SDB))
    found.reserved = dict(zip((SDA.device, SDB.device), reservations))
    return found


def joined(found: MemoryHost, **options: Any) -> tuple[list[str], list[str]]:
    """Return the paths of the map after a task, and its warnings; check mode says the same."""
    stated = {"wwid": WWID, "name": "data", **options}
    checked = found.run("multipath_map", check_mode=True, **stated)
    done = found.run("multipath_map", **stated)
    assert checked.get("warnings") == done.get("warnings")
    (each,) = done["maps"]
    paths = [path["name"] for group in each["path_groups"] for path in group["paths"]]
    again = found.run("multipath_map", **stated)
    assert not again["changed"]
    return paths, done.get("warnings", [])


BOTH, ONE = ["sda", "sdb"], ["sda"]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # Registered, not registered, and not to be told.
        (told(SDA, "sda", "sdb"), told(SDB, "sda", "sdb"), BOTH),
        (told(SDA, "sda"), told(SDB, "sda"), ONE),
        (told(SDA, "sda", listed=False), told(SDB, "sda", listed=False), ONE),
        # All registrants; of the holder alone.
        (told(SDA, "sda", kind=8), told(SDB, "sda", kind=8), ONE),
        (told(SDA, "sda", "sdb", kind=1), told(SDB, "sda", "sdb", kind=1), ONE),
        # Keys, but no reservation; no keys.
        (told(SDA, "sda", kind=0), told(SDB, "sda", kind=0), BOTH),
        (told(SDA, kind=0), told(SDB, kind=0), BOTH),
        # Another host's reservation: no path of the map may write, so none is lost.
        (told(SDA, "other"), told(SDB, "other"), BOTH),
    ],
)
def test_a_path_joins_if_the_storage_lets_it_write(
    first: Reservation, second: Reservation, expected: list[str]
) -> None:
    paths, warnings = joined(host(first, second))
    assert paths == expected
    assert len(warnings) == 2 - len(expected)
    assert joined(host(first, second, live=False))[0] == BOTH


def test_the_path_that_is_left_out_is_named() -> None:
    (warning,) = joined(host(told(SDA, "sda"), told(SDB, "sda")))[1]
    assert warning.startswith(
        f"The path sdb (8:16) does not join the map of {WWID}: the LUN is reserved ({KIND}) and the"
        " path is not registered"
    )
    assert "list it in paths" not in warning
    unknown = [told(each, "x", listed=False) for each in (SDA, SDB)]
    (warning,) = joined(host(*unknown))[1]
    assert f"reserved ({KIND}), and whether the path is registered cannot be told" in warning
    assert "or list it in paths if you know that it is registered" in warning


def test_a_path_that_says_nothing_is_not_told() -> None:
    """It matters where another path says that the LUN is reserved; NVMe and others say nothing."""
    assert joined(host(told(SDA, "sda")))[0] == ONE
    assert joined(host(told(SDA, "sda", kind=0)))[0] == BOTH
    assert joined(host())[0] == BOTH


def test_a_path_that_is_listed_joins_unless_it_is_known_not_to_be_registered() -> None:
    unknown = [told(each, "x", listed=False) for each in (SDA, SDB)]
    assert joined(host(*unknown), paths=BOTH) == (BOTH, [])
    assert joined(host(told(SDA, "sda")), paths=BOTH) == (BOTH, [])
    with pytest.raises(Refused) as refused:
        joined(host(told(SDA, "sda"), told(SDB, "sda")), paths=BOTH)
    assert (refused.value.option, refused.value.value) == ("paths", "sdb")
    assert "the path is not registered" in refused.value.found


def test_too_few_paths_that_are_registered_are_refused() -> None:
    with pytest.raises(Refused, match="not known to be registered for the LUN's reservation: sdb"):
        joined(host(told(SDA, "sda"), told(SDB, "sda")), min_paths=2)


def test_a_map_that_only_reads_takes_paths_that_may_read() -> None:
    found = host(told(SDA, "sda"), told(SDB, "sda"))
    assert joined(found, read_only=True)[0] == BOTH
    exclusive = host(told(SDA, "sda", kind=6), told(SDB, "sda", kind=6))
    assert joined(exclusive, read_only=True)[0] == ONE
