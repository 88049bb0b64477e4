# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs no disk: the rest is tested on a booted host."""

from __future__ import annotations

import errno
import time

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system.disks import (
    Disks,
    is_claimed,
    reported_sectors,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import KernelError
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import BlockDevice

# No host has these.
GONE = BlockDevice("sdzzzz", DeviceNumber(8, 0), 2048, state="running", address="4095:0:0:0")


@pytest.mark.parametrize(
    ("request_name", "name", "path"),
    [
        ("scan", "host4095", "/sys/class/scsi_host/host4095/scan"),
        ("scan", "nvme4095", "/sys/class/nvme/nvme4095/rescan_controller"),
        ("rescan", "sdzzzz", "/sys/class/block/sdzzzz/device/rescan"),
        ("rescan", "nvme4095n1", "/sys/class/block/nvme4095n1/device/rescan_controller"),
    ],
)
def test_a_write_that_fails_says_where(request_name: str, name: str, path: str) -> None:
    with pytest.raises(KernelError) as refused:
        getattr(Disks(), request_name)(name)
    assert (refused.value.request, refused.value.name) == (request_name, name)
    assert refused.value.words == f"{path}: No such file or directory"
    assert refused.value.errno == errno.ENOENT


def test_to_delete_what_somebody_else_has_deleted_is_no_error() -> None:
    Disks().delete(GONE)
    assert Disks().left_of([GONE], 60) == ()


def test_what_is_gone_or_does_not_run_is_asked_nothing() -> None:
    assert (
        reported_sectors([GONE, BlockDevice("sda", DeviceNumber(8, 0), 8, state="offline")]) == {}
    )
    assert not is_claimed(GONE.name, GONE.device)


def test_a_wait_ends_with_what_is_there() -> None:
    seen: list[int] = []

    def enough(disks: object) -> bool:
        seen.append(1)
        return len(seen) == 2

    Disks().disks_once(enough, 60)
    assert len(seen) == 2
    started = time.monotonic()
    Disks().disks_once(lambda _disks: False, 0.01)
    assert time.monotonic() - started < 10
