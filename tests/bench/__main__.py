# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of the module and of kpartx on the booted host, side by side, in one run: `make bench`."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

if not __package__:
    # Run as a directory: import this package by its name all the same.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from kernel.conftest import HERE, REMOTE, install

from lab.host import Lab

ROUNDS = 5


def main() -> None:
    """Print a table: medians, the spread, and the ratios of the medians."""
    lab = Lab.from_environment()
    with tempfile.TemporaryDirectory() as folder:
        install(lab, Path(folder))
    lab.push(HERE.parent / "bench/on_host.py", f"{REMOTE}/on_host.py")
    host = lab.ssh(["sh", "-c", "uname -r; nproc"]).stdout.split()
    text = lab.ssh(["python3", f"{REMOTE}/on_host.py", str(ROUNDS)], timeout=3600).stdout
    measured: dict[str, dict[str, list[float]]] = json.loads(text)
    print(f"partition maps of 32 devices with 2 partitions each, Linux {host[0]}, {host[1]} CPUs,")
    print(f"seconds: median (least to most) of {ROUNDS} rounds, in turn")
    for work, contenders in measured.items():
        ours = statistics.median(contenders["partition_maps"])
        for name, seconds in contenders.items():
            median = statistics.median(seconds)
            spread = f"({min(seconds):.2f} to {max(seconds):.2f})"
            print(f"{work:14} {name:16} {median:6.2f} {spread:18} {median / ours:5.1f}")


if __name__ == "__main__":
    main()
