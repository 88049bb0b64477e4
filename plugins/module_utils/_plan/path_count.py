# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many paths a LUN may have at most, as a task states it."""

from __future__ import annotations

import typing as t

from .._values.errors import Refused

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plugin_utils._types import BlockDevice


def refuse_too_many(option: str, wwid: str, paths: Sequence[BlockDevice], most: int) -> None:
    """Refuse more paths than `most`; 0 stands for no bound."""
    if most and len(paths) > most:
        raise Refused(
            option=option,
            value=wwid,
            found=(
                f"{len(paths)} paths are there ({', '.join(path.name for path in paths)}), more"
                f" than max_paths ({most})"
            ),
            way_out=(
                "Check the zoning and that only one LUN has this WWID, or raise max_paths; nothing"
                " was changed"
            ),
        )


def check_max_paths(least: int, most: int | None) -> int:
    """Return the highest number of paths that a task allows, 0 for any; Refused below `least`."""
    if most is not None and most < least:
        raise Refused(
            option="max_paths",
            value=most,
            found=f"must be at least min_paths ({least})",
            way_out="Raise it, or leave it out",
        )
    return most or 0
