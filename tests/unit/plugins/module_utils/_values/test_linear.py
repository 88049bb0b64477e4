# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from unit.strategies import LINEARS

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import Linear


@given(LINEARS)
def test_parse_is_the_inverse_of_str(linear: Linear) -> None:
    assert Linear.parse(str(linear)) == linear


def test_a_linear_target_opens_its_device() -> None:
    assert Linear.parse("253:1 2048").devices() == (DeviceNumber(253, 1),)


@pytest.mark.parametrize("text", ["", "8:0", "8:0 1 2", "8:0 -1", "8:0 x", "sda 0", "8:0,0"])
def test_other_parameters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Linear.parse(text)
