# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module loads: each file costs every run of it, on each host."""

from __future__ import annotations

import subprocess
import sys

import pytest

PACKAGE = "ansible_collections.san.device_mapper.plugins"
DAEMON = {"_multipathd_map", "_multipathd_reasons", "_multipathd_refusals", "_multipathd_steps"}
UNNEEDED = {
    "partition_maps": {*DAEMON, "_health", "_multipath_map", "_path_selector", "_path_steps"},
    "lun_paths": {*DAEMON, "_health", "_multipath_map", "_path_selector"},
    "multipath_path": {*DAEMON, "_multipath_map", "_path_selector", "_path_steps"},
    "device_mapper_info": {*DAEMON, "_lun_paths", "_multipath_map", "_path_selector"},
    "udev_info": {*DAEMON, "_health", "_lun_paths", "_multipath_map", "_path_selector"},
    "multipath_map": {"_health", "_lun_paths", "_partition_maps", "_path_steps", "_udev_rules"},
}


@pytest.mark.parametrize("module", UNNEEDED)
def test_a_module_loads_only_what_it_needs(module: str) -> None:
    program = f"import sys, {PACKAGE}.modules.{module}; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    ours = {
        name.rpartition(".")[2] for name in loaded if name.startswith(f"{PACKAGE}.module_utils.")
    }
    assert "_run" in ours
    assert not ours & UNNEEDED[module]
