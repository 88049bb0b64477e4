# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a table is the daemon's to decide, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._plan.managed import Managed
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

STATED = "0 2048 multipath 0 0 2 1 service-time 0 2 0 8:0 8:16 service-time 0 1 0 8:32"
ALL = frozenset({"path_grouping_policy", "path_selector", "no_path_retry"})
DOWN = MultipathStatus.parse("2 0 0 0 2 1 E 0 2 2 8:0 F 1 0 1 8:16 F 1 0 1 E 0 1 2 8:32 F 1 0 1")


def is_met(found: str, changes: dict[str, Any] | None = None, **stated: Any) -> bool:
    """Return whether a map with the table `found` is what the task means."""
    live = parse_table(f"0 2048 multipath {found}")
    options = {"read_only": False, "stated": ALL, "policy": "multibus", **stated}
    managed = Managed("data", "3600", parse_table(STATED), **options)
    fields = {"name": "data", "uuid": "mpath-3600", "live": live, **(changes or {})}
    return managed.is_met(Map(device=DeviceNumber(253, 0), **fields))


GROUPS = "2 1 service-time 0 2 2 8:16 1 1 8:0 1 1 service-time 0 1 2 8:32 1 1"
TURNED = "2 2 service-time 0 1 2 8:32 1 1 service-time 0 2 2 8:0 1 1 8:16 1 1"


@pytest.mark.parametrize(
    "found",
    [
        f"0 0 {GROUPS}",
        f"0 0 {TURNED}",
        f"0 1 alua {GROUPS}",
        f"2 pg_init_retries 50 0 {GROUPS}",
        f"1 retain_attached_hw_handler 0 {TURNED}",
    ],
)
def test_what_the_daemon_decides_counts_as_it_comes(found: str) -> None:
    assert is_met(found)


@pytest.mark.parametrize(
    "found",
    [
        f"1 queue_if_no_path 0 {GROUPS}",
        "0 0 1 1 service-time 0 3 2 8:0 1 1 8:16 1 1 8:32 1 1",
        "0 0 2 1 service-time 0 2 2 8:0 1 1 8:32 1 1 service-time 0 1 2 8:16 1 1",
        "0 0 2 1 queue-length 0 2 1 8:0 1 8:16 1 queue-length 0 1 1 8:32 1",
        "0 0 2 1 service-time 0 1 2 8:0 1 1 service-time 0 1 2 8:32 1 1",
    ],
)
def test_what_the_task_states_does_not(found: str) -> None:
    assert not is_met(found)


def test_stated_features_and_handlers_count() -> None:
    retries = frozenset({"pg_init_retries"})
    assert not is_met(f"2 pg_init_retries 50 0 {GROUPS}", stated_features=retries)
    assert is_met(f"2 pg_init_delay_msecs 9 0 {GROUPS}", stated_features=retries)
    assert not is_met(f"0 1 alua {GROUPS}", stated=frozenset({"hardware_handler"}))


def test_queueing_counts_unless_retries_are_used_up() -> None:
    queueing = f"1 queue_if_no_path 0 {GROUPS}"
    assert not is_met(queueing, {"status": DOWN})
    assert is_met(queueing, {"status": DOWN}, retries=True)
    assert not is_met(queueing, {"status": DOWN.with_path("8:0", True)}, retries=True)


@pytest.mark.parametrize(
    "changes", [{"name": "other"}, {"read_only": True}, {"suspended": True}, {"live": ()}]
)
def test_a_map_that_is_otherwise_not_as_stated(changes: dict[str, Any]) -> None:
    assert not is_met(f"0 0 {GROUPS}", changes)
