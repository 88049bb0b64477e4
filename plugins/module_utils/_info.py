# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`device_mapper_info`: what a host's maps and LUNs are; it states nothing and changes nothing."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ._health import health
from ._observe import observe_paths
from ._result import health_result, lun_result, map_result
from ._tree import luns, tree

if t.TYPE_CHECKING:
    from ._host import Host
    from ._kernel import Kernel

Options = Mapping[str, t.Any]
Nothing = tuple[()]


def parse(_options: Options) -> Nothing:
    """Return nothing: the module asks for all there is."""
    return ()


def observe(_request: Nothing, kernel: Kernel, timeout: float) -> Host:
    """Return the host's maps and disks."""
    return observe_paths(kernel, (), timeout, leaving=False)


def report(_request: Nothing, host: Host) -> dict[str, t.Any]:
    """Return maps, LUNs and the tree."""
    return {
        "maps": [
            {**map_result(each, host), "health": health_result(health(each, host))}
            for each in host.maps
        ],
        "luns": [lun_result(wwid, paths, host) for wwid, paths in luns(host).items()],
        "tree": tree(host),
    }
