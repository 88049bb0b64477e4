# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random input in great numbers: `make campaign`; a failure prints the seed that repeats it."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

if not __package__:
    # Run as a directory: import this package by its name all the same.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from campaign import fuzzed_tables, fuzzed_words

CAMPAIGNS: dict[str, Callable[[Path, int, int], Counter[str]]] = {
    "partition tables": fuzzed_tables.run,
    "tables, statuses, options": fuzzed_words.run,
}


def main() -> None:
    """Run each campaign and print its figures; the first violation ends it with its traceback."""
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="of each campaign")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    for name, run in CAMPAIGNS.items():
        print(f"{name}: {options.cases} cases, seed {options.seed}", flush=True)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            found = run(Path(folder), options.cases, options.seed)
        figures = ", ".join(f"{words} {count}" for words, count in sorted(found.items()))
        print(f"  {figures}; no violation ({time.monotonic() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
