# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait for udev's queue, where one of its events hangs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system.libudev import LibUdev


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Return the queues that are asked for; an event that hangs is in each."""
    asked: list[int] = []
    never, kept = os.pipe()

    def new(_context: object) -> int:
        asked.append(1)
        return 1

    def nothing(_queue: object) -> int:
        return 0

    library = SimpleNamespace(
        udev_new=lambda: None,
        udev_queue_new=new,
        udev_queue_get_fd=lambda _queue: never,
        udev_queue_get_queue_is_empty=nothing,
        udev_queue_flush=nothing,
        udev_queue_unref=nothing,
    )
    name = "ansible_collections.san.device_mapper.plugins.module_utils._system.libudev"
    monkeypatch.setattr(f"{name}._load_library", lambda: library)
    monkeypatch.setattr(LibUdev, "udev_runs", lambda _self: True)
    yield asked
    os.close(never)
    os.close(kept)


def test_a_task_waits_once_in_vain(queue: list[int]) -> None:
    udev = LibUdev()
    udev.settle(0)
    udev.settle(0.01)
    udev.settle(600)
    assert len(queue) == 2
    LibUdev().settle(0.01)
    assert len(queue) == 3
