# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._values.systemd import (
    Unit,
    device_unit,
    parse_units,
)

SHOWN = r"""
Id=srv-data.mount
ActiveState=active
Where=/srv/data
BindsTo=dev-sdb.device
StopPropagatedFrom=dev-mapper-data\x5cx2dpart1.device

Id=srv-auto\x2d1.mount
ActiveState=inactive
Where=/srv/auto
StopPropagatedFrom=dev-mapper-auto.device

Where=/srv/auto
Id=srv-auto.automount
ActiveState=active
Triggers=srv-auto\x5cx2d1.mount

Id=-.mount
ActiveState=active
Where=/
BindsTo=

Id=dev-mapper-swap.swap
ActiveState=active
BindsTo=dev-mapper-swap.device
"""


def test_active_units_end_with_their_device_units() -> None:
    """An automount that waits ends with the mount that it would start."""
    assert [*parse_units(SHOWN)] == [
        Unit(
            "srv-data.mount",
            "/srv/data",
            frozenset({"dev-sdb.device", r"dev-mapper-data\x2dpart1.device"}),
        ),
        Unit("srv-auto.automount", "/srv/auto", frozenset({"dev-mapper-auto.device"})),
        Unit("-.mount", "/", frozenset()),
        Unit("dev-mapper-swap.swap", "", frozenset({"dev-mapper-swap.device"})),
    ]
    assert [*parse_units("")] == []


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/dev/mapper/data", "dev-mapper-data.device"),
        ("/dev/mapper/data-part1", r"dev-mapper-data\x2dpart1.device"),
        ("/dev/disk/by-id/dm-name-data", r"dev-disk-by\x2did-dm\x2dname\x2ddata.device"),
        ("/dev/mapper/ö a", r"dev-mapper-\xc3\xb6\x20a.device"),
    ],
)
def test_device_units_are_escaped(path: str, unit: str) -> None:
    """As systemd-escape --path does."""
    assert device_unit(path) == unit


@pytest.mark.parametrize(
    "listed", [r"dev-a\x2db.device", r"dev-a\x5cx2db.device", r'"dev-a\\x2db.device"']
)
def test_lists_are_escaped_in_more_than_one_way(listed: str) -> None:
    (unit,) = parse_units(f"Id=srv.mount\nActiveState=active\nBindsTo={listed} dev-c.device\n")
    assert unit.devices == {r"dev-a\x2db.device", "dev-c.device"}
