# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a multipath map for each of so many LUNs with 8 paths, in memory: `planned.py LUNS`."""

from __future__ import annotations

import json
import resource
import sys
import time

from unit.test_growth import multipath_map, unmapped


def main(luns: int) -> None:
    """Print the seconds, and the most memory that the process took, as JSON."""
    host = unmapped(luns)
    started = time.perf_counter()
    multipath_map(luns, host)
    seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"seconds": seconds, "kibibytes": usage.ru_maxrss}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
