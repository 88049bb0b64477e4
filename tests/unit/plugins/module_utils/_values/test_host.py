# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import (
    NOT_READ,
    Host,
    NotReadError,
)

SDA = BlockDevice("sda", DeviceNumber(8, 0), 2048, "3601")
SDB = BlockDevice("sdb", DeviceNumber(8, 16), 2048, "3601")
SDC = BlockDevice("sdc", DeviceNumber(8, 32), 2048, "3600")
SDD = BlockDevice("sdd", DeviceNumber(8, 48), 2048)


def test_luns_are_by_wwid_and_a_disk_without_one_is_none() -> None:
    host = Host(block_devices=(SDA, SDB, SDC, SDD))
    assert host.luns() == {"3600": (SDC,), "3601": (SDA, SDB)}
    assert list(host.luns()) == ["3600", "3601"]


@pytest.mark.parametrize(
    "look",
    [
        bool,
        len,
        list,
        hash,
        lambda each: 1 in each,
        lambda each: each[0],
        lambda each: each == (),
        lambda each: each != (),
        lambda each: each.values(),
    ],
)
def test_what_was_not_read_is_not_looked_at(look: Callable[[Any], object]) -> None:
    with pytest.raises(NotReadError):
        look(Host().maps)


def test_a_host_of_which_little_was_read_can_be_copied_and_compared() -> None:
    host = Host(maps=())
    assert copy.copy(host) == host
    assert host.boot_files is NOT_READ
    assert host.ordered() == host
