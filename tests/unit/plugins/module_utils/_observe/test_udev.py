# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mounts the initramfs makes of multipath maps."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._observe.udev import (
    early_mounts,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.udev import EarlyMount

DISK, MAP, PART, VOLUME = (
    DeviceNumber(8, 0),
    DeviceNumber(252, 0),
    DeviceNumber(252, 1),
    DeviceNumber(252, 2),
)
BELOW = {PART: (MAP, DISK), VOLUME: (PART, MAP, DISK), MAP: (DISK,)}


@pytest.mark.parametrize(
    ("mounted", "found"),
    [
        ({DISK: ["/", "/usr"]}, []),
        ({DISK: ["/"], PART: ["/srv"]}, []),
        ({MAP: ["/"]}, ["/"]),
        ({PART: ["/", "/srv"]}, ["/"]),
        ({VOLUME: ["/usr"], DISK: ["/"]}, ["/usr"]),
        ({VOLUME: ["/"], PART: ["/boot", "/early"]}, ["/", "/early"]),
    ],
)
def test_root_usr_and_what_fstab_marks_are_early(
    mounted: dict[DeviceNumber, Sequence[str]], found: list[str]
) -> None:
    answer = early_mounts(
        {MAP: "mpath-3600"}, mounted, lambda each: BELOW.get(each, ()), ["/early"]
    )
    assert answer == tuple(EarlyMount(place, "mpath-3600") for place in found)
