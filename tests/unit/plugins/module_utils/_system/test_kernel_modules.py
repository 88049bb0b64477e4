# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system.kernel_modules import (
    KernelModules,
)

INSTALLED = "kernel/drivers/md/dm-queue-length.ko.xz: kernel/drivers/md/dm-multipath.ko.xz\n"
BUILT_IN = "kernel/drivers/md/dm-multipath.ko\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a host's root with one module installed, one built in and one loaded."""
    directory = tmp_path / "lib/modules" / os.uname().release
    directory.mkdir(parents=True)
    (directory / "modules.dep").write_text(INSTALLED)
    (directory / "modules.builtin").write_text(BUILT_IN)
    (tmp_path / "sys/module/dm_round_robin").mkdir(parents=True)
    return tmp_path


def missing(root: Path, *names: str) -> frozenset[str]:
    """Return which modules the host with this root does not have."""
    modules = KernelModules()
    modules.root = str(root)
    return modules.missing_modules(names)


@pytest.mark.parametrize(
    ("name", "is_missing"),
    [
        ("dm-queue-length", False),
        ("dm_queue_length", False),
        ("dm-multipath", False),
        ("dm-round-robin", False),
        ("dm-io-affinity", True),
        ("dm-queue", True),
    ],
)
def test_a_module_is_loaded_or_built_in_or_installed(
    root: Path, name: str, is_missing: bool
) -> None:
    assert missing(root, name) == (frozenset({name}) if is_missing else frozenset())


@pytest.mark.parametrize("listed", ["", None])
def test_without_a_list_of_modules_none_is_known_to_be_missing(
    root: Path, listed: str | None
) -> None:
    for path in (root / "lib/modules").rglob("modules.*"):
        path.unlink()
        if listed is not None:
            path.write_text(listed)
    assert missing(root, "dm-io-affinity") == frozenset()
