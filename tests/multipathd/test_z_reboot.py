# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The booted host, booted again: the last of these tests, the modules are gone afterwards."""

from __future__ import annotations

from .conftest import DaemonHost


def test_the_map_is_there_again_after_a_boot(host: DaemonHost) -> None:
    """The daemon makes it by what it was told, with its name and its policies."""
    host.twice(path_grouping_policy="multibus", no_path_retry="queue")
    host.shell("systemctl --quiet enable multipathd.service; sync")
    before = host.shell("dmsetup table --concise data | sed 's/.*multipath//;s/8:[0-9]*//g'")
    host.lab.reset()
    host.until(lambda: "data" in host.table(), 60)
    assert (
        host.shell("dmsetup table --concise data | sed 's/.*multipath//;s/8:[0-9]*//g'") == before
    )
