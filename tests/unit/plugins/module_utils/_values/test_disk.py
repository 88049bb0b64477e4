# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which LUN a disk is a path of, by udev and by page 0x83."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice

ONE, TWO = "3600140512345678000112233445566aa", "3600140587654321000112233445566aa"
T10, LOCAL = "1Linux_scsi_debug_2000", "333333330000007d0"
SERIAL = "SLIO-ORG_one_51234567"


def disk(wwid: str, *page: str) -> BlockDevice:
    return BlockDevice("sda", DeviceNumber(8, 0), 8, wwid, page_wwids=page)


@pytest.mark.parametrize(
    ("found", "wwid", "other"),
    [
        (disk(ONE), ONE, ""),
        (disk(""), ONE, ""),
        (disk(TWO), ONE, TWO),
        (disk(ONE, ONE, "1LIO-ORG_one"), ONE, ""),
        # The array has given the LUN number away: udev has had no event, or the kernel no rescan.
        (disk(ONE, TWO), ONE, TWO),
        (disk(TWO, ONE), ONE, TWO),
        (disk(TWO, TWO), ONE, TWO),
        (disk("", TWO), ONE, TWO),
        # udev has fallen back to page 0x80, or takes another designator of the same page.
        (disk(SERIAL, ONE), ONE, ""),
        (disk("0LIO-ORG_one", ONE), ONE, ""),
        (disk(SERIAL, TWO), ONE, TWO),
        (disk(T10, LOCAL, T10), T10, ""),
        (disk(LOCAL, LOCAL, T10), T10, ""),
        (disk(T10, LOCAL, "1Linux_scsi_debug_4000"), T10, "1Linux_scsi_debug_4000"),
        # Programs pad text differently.
        (disk(T10, "1Linux__scsi_debug_2000_"), T10, ""),
        # A name that no designator could give cannot be compared with one.
        (disk(SERIAL, ONE), SERIAL, ""),
        (disk("WDC_WD10", ONE), "WDC_WD10", ""),
    ],
)
def test_the_lun_of_a_path(found: BlockDevice, wwid: str, other: str) -> None:
    assert found.other_wwid(wwid) == other


@given(*(st.sampled_from((ONE, TWO, T10, LOCAL, SERIAL)) for _each in range(3)))
def test_a_path_that_page_and_udev_agree_on_is_of_one_lun(udev: str, page: str, wwid: str) -> None:
    """Where nothing keeps it from joining two LUNs, these are one by all that is known."""
    found = disk(udev, page)
    if not found.other_wwid(wwid) and wwid != SERIAL:
        assert page == wwid
        assert udev in (wwid, SERIAL)
