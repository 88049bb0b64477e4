# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd_versions import (
    detects_policy,
    is_idle,
    parse_storage,
    parse_version,
    reloads_all,
    renames_and_reloads,
    version_text,
)


@pytest.mark.parametrize(
    ("usage", "version"),
    [
        ("help: not found\nmultipath-tools v0.9.4 (12/19, 2022)\nCLI commands", (0, 9, 4)),
        ("multipath-tools v0.11.1 (2025/02)\n", (0, 11, 1)),
        ("multipath-tools v0.15.1.\n", (0, 15, 1)),
        ("fail\n", ()),
    ],
)
def test_a_version_as_the_daemon_tells_it(usage: str, version: tuple[int, ...]) -> None:
    assert parse_version(usage) == version
    assert parse_version(f"multipath-tools v{version_text(version)} (x)") == version


@pytest.mark.parametrize(
    ("text", "version", "storage"),
    [
        ("QEMU,QEMU HARDDISK", (0, 9, 4), ("QEMU", "QEMU HARDDISK")),
        ("QEMU,QEMU HARDDISK,2.5+", (0, 9, 9), ("QEMU", "QEMU HARDDISK")),
        ("QEMU,QEMU HARDDISK,2.5+", (0, 11, 1), ("QEMU", "QEMU HARDDISK")),
        ("NVME,Linux, fast,6.12", (0, 15, 1), ("NVME", "Linux, fast")),
        ("NVME,Linux, fast", (0, 9, 4), ("NVME", "Linux, fast")),
        ("##", (0, 15, 1), ("##",)),
    ],
)
def test_the_storage_is_a_vendor_and_a_product_in_all_versions(
    text: str, version: tuple[int, ...], storage: tuple[str, ...]
) -> None:
    assert parse_storage(text, version) == storage


def test_since_when_the_daemon_groups_by_alua_by_itself() -> None:
    assert [detects_policy(each) for each in ((), (0, 9, 5), (0, 9, 6), (0, 15, 1))] == [
        *(False, False, True, True)
    ]


def test_since_when_the_daemon_renames_and_reloads_at_once() -> None:
    versions = ((), (0, 9, 4), (0, 9, 5), (0, 15, 1))
    assert [renames_and_reloads(each, False) for each in versions] == [False, False, True, True]
    assert renames_and_reloads((0, 8, 5), True)


def test_a_daemon_without_reconfigure_all_reloads_all_maps() -> None:
    commands = "CLI commands reference:\n list|show daemon\n reconfigure\n suspend map $map\n"
    assert reloads_all(commands)
    assert not reloads_all(commands.replace("reconfigure", "reconfigure\n reconfigure all"))


@pytest.mark.parametrize(
    ("said", "busy", "idle"),
    [
        ("pid 566 idle\n", "False", True),
        ("pid 566 idle\n", "True", False),
        # All versions, in daemon_status and its callers.
        ("pid 566 init\n", "False", False),
        ("pid 566 startup\n", "False", False),
        ("pid 566 configure\n", "False", False),
        ("pid 566 shutdown\n", "False", False),
        # A `reconfigure` may wait for the check of the paths to end.
        ("pid 566 running\n", "False", False),
        # 0.10.0 and later.
        ("pid 566 running (pending reconfigure)\n", "False", False),
        ("pid 566 idle (pending reconfigure)\n", "False", False),
        ("", "False", False),
    ],
)
def test_a_daemon_that_is_idle_says_so_in_one_word(said: str, busy: str, idle: bool) -> None:
    assert is_idle(said, f"path checker states:\nup 8\n\npaths: 8\nbusy: {busy}\n") is idle
