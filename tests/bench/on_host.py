# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the module and a loop of kpartx do the same work in turn, and print the seconds as JSON.

`on_host.py ROUNDS`, on the host with the modules. The module is started as a process each time,
compiled; kpartx waits for udev, as the module does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

DEVICES = 32
NAMES = [f"bench-{number}" for number in range(DEVICES)]
HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = "/var/tmp/kpartx/sbin:/var/tmp/kpartx/usr/sbin"


def run(*argv: str, input: str = "") -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(argv, input=input, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


def module(state: str, changed: bool) -> None:
    """Run the module for all devices."""
    options = {"devices": NAMES, "delimiter": "-part", "state": state}
    argv = ("python3", f"{HERE}/run_module.py", "partition_maps")
    answer = json.loads(run(*argv, input=json.dumps({"ANSIBLE_MODULE_ARGS": options})))
    assert answer["changed"] is changed, answer


def kpartx(option: str) -> None:
    """Run kpartx for each device."""
    for name in NAMES:
        run("kpartx", option, "-s", "-p", "-part", f"/dev/mapper/{name}")


def timed(work: Callable[[], None]) -> float:
    """Return the seconds that the work takes, from an idle udev on."""
    run("udevadm", "settle")
    started = time.monotonic()
    work()
    return time.monotonic() - started


def main() -> None:
    """Do the work as often as the command line says."""
    os.environ["PATH"] = f"{PROGRAMS}:{os.environ['PATH']}"
    run("sh", "-euc", "dpkg-deb -x /opt/packages/kpartx_*.deb /var/tmp/kpartx; modprobe loop")
    maps = []
    for name in NAMES:
        path = f"/var/tmp/{name}"
        with open(path, "wb") as file:
            file.truncate(16 << 20)
        run("sfdisk", "--quiet", path, input="label: gpt\n,4MiB\n,\n")
        loop = run("losetup", "--find", "--show", path).strip()
        maps.append(f"{name},BENCH-{name},,rw,0 32768 linear {loop} 0")
    run("dmsetup", "create", "--concise", ";".join(maps))
    contenders: dict[str, dict[str, Callable[[], None]]] = {
        "create": {
            "partition_maps": lambda: module("present", True),
            "kpartx -a": lambda: kpartx("-a"),
        },
        "nothing to do": {
            "partition_maps": lambda: module("present", False),
            "kpartx -u": lambda: kpartx("-u"),
        },
        "remove": {
            "partition_maps": lambda: module("absent", True),
            "kpartx -d": lambda: kpartx("-d"),
        },
    }
    seconds: dict[str, dict[str, list[float]]] = {
        work: {name: [] for name in each} for work, each in contenders.items()
    }
    for _round in range(int(sys.argv[1])):
        for index in range(2):
            for work, each in contenders.items():
                name = list(each)[index]
                seconds[work][name].append(timed(each[name]))
    run("dmsetup", "remove", *NAMES)
    run("losetup", "--detach-all")
    for name in NAMES:
        os.unlink(f"/var/tmp/{name}")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
