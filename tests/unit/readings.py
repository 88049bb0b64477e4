# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of which everything has been read, so that tests state only what they are about."""

from __future__ import annotations

from typing import Any

from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import (
    Configuration,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd import Multipathd
from ansible_collections.san.device_mapper.plugins.module_utils._values.records import NextBoot
from ansible_collections.san.device_mapper.plugins.module_utils._values.udev import UdevState


def daemon(**parts: Any) -> Multipathd:
    """Return a multipath daemon, which does not run and has nothing but these `parts`."""
    nothing: dict[str, Any] = {
        "runs": False,
        "installed": False,
        "version": (),
        "reloads_all": False,
        "maps": (),
        "paths": (),
        "known": Configuration(),
        "files": Configuration(),
        "complaints": (),
        "drop_ins": {},
        "wwids": frozenset(),
        "read_only": "",
        "awaited_file": "",
        "left_out": {},
        "log": (),
        "texts": {},
        "bindings": {},
    }
    return Multipathd(**{**nothing, **parts})


def whole(**parts: Any) -> Host:
    """Return a host that has nothing but these `parts`."""
    nothing: dict[str, Any] = {
        "maps": (),
        "block_devices": (),
        "uses": {},
        "resolved": {},
        "parents": (),
        "kpartx_delimiter": None,
        "multipathd": daemon(),
        "missing_modules": frozenset(),
        "controllers": (),
        "san_controllers": (),
        "native_nvme_multipath": False,
        "transports": {},
        "missing_links": {},
        "udev": UdevState(),
        "boot_files": {},
        "detached": frozenset(),
        "next_boot": NextBoot(),
        "held_paths": frozenset(),
        "not_ready": frozenset(),
        "stale_nodes": {},
        "units": (),
        "named_at_boot": {},
        "nvme": (),
        "reservations": {},
        "property_names": {},
    }
    return Host(**{**nothing, **parts})
