# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Campaigns of random input and random faults: `make campaign`; the seed repeats what it did.

The first two read damaged and hostile input here; each of the others boots a host of its own.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

if not __package__:
    # Run as a directory: import this package by its name all the same.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from campaign import (
    alua,
    company,
    cycles,
    daemon,
    fabric,
    flap,
    fuzzed_tables,
    fuzzed_words,
    identity,
    kills,
    resets,
    states,
    users,
)
from kernel.conftest import Host, install, serving

from lab.host import Lab

TESTS = Path(__file__).parents[1]
READERS: dict[str, Callable[[Path, int, int], Counter[str]]] = {
    "tables": fuzzed_tables.run,
    "words": fuzzed_words.run,
}
ON_HOST: dict[str, tuple[Callable[[Host, int, int, Counter[str]], None], tuple[str, ...]]] = {
    "kills": (kills.run, ("--luns=3", "--targets=1")),
    "states": (states.run, ("--targets=1",)),
    "fabric": (fabric.run, ("--luns=1",)),
    "flap": (flap.run, ("--luns=1",)),
    "alua": (alua.run, ("--luns=1",)),
    "identity": (identity.run, ("--luns=1", "--targets=1")),
    "users": (users.run, ("--targets=1",)),
    "company": (company.run, ("--targets=1",)),
    "cycles": (cycles.run, ("--luns=8", "--targets=1")),
    "daemon": (daemon.run, (f"--luns={daemon.LUNS}", "--targets=1")),
    "resets": (resets.run, ("--targets=1",)),
}
"""What runs, and the lab's options for the host that it runs on."""


def main() -> int:
    """Run each campaign and print its figures; return the exit status."""
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join([*READERS, *ON_HOST])}")
    parser.add_argument("--cases", type=int, default=100_000, help="of tables and words each")
    parser.add_argument("--seconds", type=int, default=600, help="of each of the others")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    names = options.names or [*READERS, *ON_HOST]
    if unknown := {*names} - {*READERS, *ON_HOST}:
        parser.error(f"no such campaign: {', '.join(sorted(unknown))}")
    return max([run(name, options) for name in names])


def run(name: str, options: argparse.Namespace) -> int:
    """Run a campaign, on a host that is booted for it unless one is running; 1 for a violation."""
    if name in READERS:
        print(f"{name}: {options.cases} cases, seed {options.seed}", flush=True)
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            return held(lambda: READERS[name](Path(folder), options.cases, options.seed))
    if "SAN_LAB" in os.environ:
        return on_host(name, options)
    suite = os.environ.get("SUITE", "bookworm")
    argv = [sys.executable, str(TESTS / "lab"), "run", "--suite", suite, *ON_HOST[name][1], "--"]
    again = [name, "--seconds", str(options.seconds), "--seed", str(options.seed)]
    return subprocess.call([*argv, sys.executable, str(TESTS / "campaign"), *again])


def on_host(name: str, options: argparse.Namespace) -> int:
    """Run a campaign on the running host."""
    host = Host(Lab.from_environment())
    with tempfile.TemporaryDirectory() as folder:
        install(host.lab, Path(folder))
    host.clean()
    resets.modprobe(host)
    kernel = host.run("uname", "-r").strip()
    print(f"{name}: {options.seconds} s, seed {options.seed}, Linux {kernel}", flush=True)
    found: Counter[str] = Counter()

    def campaign() -> Counter[str]:
        ON_HOST[name][0](host, options.seconds, options.seed, found)
        return found

    # It resets the host, and with it what runs the modules.
    if name == "resets":
        return held(campaign, found)
    with serving(host.lab):
        return held(campaign, found)


def held(campaign: Callable[[], Counter[str]], found: Counter[str] | None = None) -> int:
    """Run a campaign and print what it found, before a violation, too."""
    started, status = time.monotonic(), 0
    found = found if found is not None else Counter()
    try:
        found |= campaign()
    except (Exception, ExceptionGroup):
        traceback.print_exc()
        status = 1
    figures = ", ".join(f"{words} {count}" for words, count in sorted(found.items()))
    outcome = "VIOLATION" if status else "no violation"
    print(f"  {figures}; {outcome} ({time.monotonic() - started:.0f} s)", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
