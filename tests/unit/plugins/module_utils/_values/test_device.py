# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from unit.strategies import DEVICE_NUMBERS

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import (
    DeviceNumber,
    number,
)


@given(DEVICE_NUMBERS)
def test_parse_is_the_inverse_of_str(device: DeviceNumber) -> None:
    assert DeviceNumber.parse(str(device)) == device


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8",
        "8:",
        ":0",
        "8:0 ",
        " 8:0",
        "8:0\n",
        "8:-1",
        "+8:0",
        "8:0:0",
        "sda",
        "8:0x1",
        "\u0668:\u0660",
    ],
)
def test_anything_else_is_no_device_number(text: str) -> None:
    with pytest.raises(ValueError, match="is no major:minor"):
        DeviceNumber.parse(text)


def test_device_numbers_are_in_their_natural_order() -> None:
    texts = ["253:10", "8:16", "253:1", "8:0"]
    assert sorted(map(DeviceNumber.parse, texts)) == [
        DeviceNumber(8, 0),
        DeviceNumber(8, 16),
        DeviceNumber(253, 1),
        DeviceNumber(253, 10),
    ]


@pytest.mark.parametrize("text", ["", "-1", "+1", "1_0", "1.0", "0x1", " 1", "\u0661", "\u00b2"])
def test_a_number_is_what_the_kernel_prints(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        number(text)
    assert number("18446744073709551615") == 2**64 - 1
