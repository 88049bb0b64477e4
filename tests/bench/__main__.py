# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of the modules and of what people use instead, side by side, in one run: `make bench`.

Where the time of a module that finds nothing to do goes, apart from Ansible's own part of it:

- Fixed: imports, and of those the frozen dataclasses, each of which compiles six functions: 0.6 ms
  natively, a named tuple 0.2. multipath_map has 33 of the one and 20 of the other.
- For each path: udev's record of it, by libudev, and twelve requests to sysfs. One enumeration
  instead of a look-up for each device saves nothing: libudev's enumeration gives paths, of which
  each is opened as by its number.
- Python's search for cycles costs nothing that can be measured (gc.disable: 0 to 5% of planning).
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import ansible
import yaml
from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader, module_loader
from ansible.template import Templar

if not __package__:
    # Run as a directory: import this package by its name all the same.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from kernel.conftest import REMOTE, install

from lab import playbook
from lab.host import Lab

HERE = Path(__file__).parent
LUNS = int(os.environ.get("LUNS", "64"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SIZES = tuple(map(int, os.environ.get("SIZES", "16 256").split()))
"""Numbers of LUNs besides LUNS with which it is measured what doing nothing costs."""
LOOPED = 8
"""LUNs of the loops of tasks, which take seconds for each."""
MODULES = ("multipath_map", "partition_maps", "lun_paths", "device_mapper_info")
PLANNED = (250, 500, 1000, 2000)

Measured = dict[str, dict[str, list[tuple[float, int]]]]


def main() -> None:
    """Print the tables."""
    planned()
    payloads()
    lab = Lab.from_environment()
    with tempfile.TemporaryDirectory() as name:
        install(lab, Path(name))
        ping = Path(ansible.__file__).parent / "modules" / "ping.py"
        for path in (HERE / "on_host.py", HERE / "floor.py", ping):
            lab.push(path, f"{REMOTE}/{path.name}")
        on_host(lab, "install")
        kernel = lab.ssh(["uname", "-r"]).stdout.strip()
        print(f"On Linux {kernel}, {os.cpu_count()} processors below it; medians (least to most).")
        bare: dict[int, dict[str, Measured]] = {}
        parts: dict[int, dict[str, dict[str, float]]] = {}
        for luns in (LUNS, *SIZES):
            on_host(lab, "load", str(luns))
            command = "time" if luns == LUNS else "look"
            bare[luns] = {"multipath": timed(lab, command, "multipath")}
            parts[luns] = {"multipath_map": json.loads(on_host(lab, "profile", "multipath"))}
            on_host(lab, "make")
            bare[luns]["partitions"] = timed(lab, command, "partitions")
            parts[luns]["partition_maps"] = json.loads(on_host(lab, "profile", "partitions"))
            print_work(bare[luns], luns, ROUNDS)
            if luns == LUNS:
                tasks(lab, Path(name), luns)
            on_host(lab, "unload")
        print_growth(bare)
        print_parts(parts)


def on_host(lab: Lab, *arguments: str) -> str:
    """Run the contenders' program on the host."""
    return lab.ssh(["python3", f"{REMOTE}/on_host.py", *arguments], timeout=3600).stdout


def timed(lab: Lab, command: str, subject: str) -> Measured:
    """Return what the contenders took."""
    measured: Measured = json.loads(on_host(lab, command, subject, str(ROUNDS)))
    return measured


def described(seconds: t.Sequence[float]) -> str:
    """Return the median and the spread."""
    spread = f"({min(seconds):.2f} to {max(seconds):.2f})"
    return f"{statistics.median(seconds):7.2f} {spread:18}"


def print_work(works: dict[str, Measured], luns: int, rounds: int) -> None:
    """Print seconds, peak memory and ratios to the module, of each contender for each work."""
    print(f"\n{luns} LUNs with 4 paths and 2 partitions each; seconds of {rounds} rounds in turn,")
    print("peak memory of one process in MiB, seconds in relation to the module's")
    for measured in works.values():
        for work, contenders in measured.items():
            ours = statistics.median(
                seconds for seconds, _memory in next(iter(contenders.values()))
            )
            for name, rows in contenders.items():
                seconds = [each for each, _memory in rows]
                memory = max(memory for _seconds, memory in rows) / 1024
                ratio = statistics.median(seconds) / ours
                print(
                    f"{work:14} {name:16} {described(seconds)} {memory:5.0f} {ratio:6.2f}",
                    flush=True,
                )


def print_growth(bare: dict[int, dict[str, Measured]]) -> None:
    """Print what doing nothing costs at each number of maps: a fixed part, and one for each map."""
    print("\nnothing to do, seconds; per map: between the fewest and the most, in milliseconds")
    sizes = sorted(bare)
    for subject in ("multipath", "partitions"):
        for name in bare[sizes[0]][subject]["nothing to do"]:
            medians = {
                luns: statistics.median(
                    seconds for seconds, _memory in bare[luns][subject]["nothing to do"][name]
                )
                for luns in sizes
            }
            first, last = sizes[0], sizes[-1]
            slope = (medians[last] - medians[first]) / (last - first)
            fixed = medians[first] - slope * first
            each = "  ".join(f"{luns}: {seconds:6.2f}" for luns, seconds in medians.items())
            print(f"{name:16} {each}  fixed {fixed:5.2f}  per LUN {slope * 1000:7.2f}")


def print_parts(parts: dict[int, dict[str, dict[str, float]]]) -> None:
    """Print what a module's time goes to at each number of LUNs, of one run under the profiler."""
    print("\nnothing to do, under cProfile, which makes all of it slower: seconds, once")
    sizes = sorted(parts)
    print(f"{'LUNs':43}", *(f"{luns:6}" for luns in sizes))
    for name in parts[sizes[0]]:
        for words in parts[sizes[0]][name]:
            seconds = [parts[luns][name][words] for luns in sizes]
            if any(seconds):
                print(f"{name:15} {words:27}", *(f"{each:6.2f}" for each in seconds))


def tasks(lab: Lab, folder: Path, luns: int) -> None:
    """Print what Ansible's tasks with nothing to do take, as the controller sees them."""
    wwids = json.loads(on_host(lab, "wwids"))
    module = "san.device_mapper"
    partitions = {"devices": wwids, "delimiter": "-part"}
    maps = {"maps": [{"wwid": wwid} for wwid in wwids], "path_grouping_policy": "multibus"}
    loop = {"cmd": "kpartx -u -s -p -part /dev/mapper/{{ item }}"}
    turn: list[dict[str, t.Any]] = [
        {"name": "ping", "ansible.builtin.ping": {}},
        {"name": "partition_maps", f"{module}.partition_maps": partitions},
        {"name": "multipath_map", f"{module}.multipath_map": maps},
    ]
    looped = {
        "name": f"command: kpartx, {LOOPED} LUNs",
        "ansible.builtin.command": loop,
        "loop": wwids[:LOOPED],
    }
    alone = {
        "name": f"multipath_map, {LOOPED} tasks",
        f"{module}.multipath_map": {"wwid": "{{ item }}", "path_grouping_policy": "multibus"},
        "loop": wwids[:LOOPED],
    }
    # What is missing is made first, and not counted.
    played(lab, folder, turn)
    on_host(lab, "idle")
    results = played(lab, folder, [*(turn * ROUNDS), looped, alone])
    found: dict[str, list[float]] = {}
    for line in results:
        if "task" in line:
            is_ours = line["task"].startswith(("multipath_map", "partition_maps"))
            assert not (is_ours and line["result"].get("changed")), line
            found.setdefault(line["task"], []).append(line["seconds"])
    ping = statistics.median(found["ping"])
    print(f"\nas tasks of Ansible, {luns} LUNs, nothing to do: seconds, in relation to ping")
    for name, seconds in found.items():
        print(f"{name:32} {described(seconds)} {statistics.median(seconds) / ping:6.2f}")
    lab.ssh(
        ["python3", f"{REMOTE}/run_module.py", "partition_maps"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {**partitions, "state": "absent"}}),
    )


def played(lab: Lab, folder: Path, listed: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Run tasks on the host, all of which must succeed, and return what they said."""
    book = [{"hosts": "san", "gather_facts": False, "become": True, "tasks": listed}]
    path = folder / "bench.yml"
    path.write_text(yaml.safe_dump(book), encoding="utf-8")
    status, results = playbook.run(folder, lab.directory / "inventory.yml", path, timeout=3600)
    assert status == 0, results[-2:]
    return results


def payloads() -> None:
    """Print how much Ansible sends to the host for a task, in KiB."""
    init_plugin_loader()
    print("what Ansible sends for a task, in KiB")
    for name in ("ansible.builtin.ping", *(f"san.device_mapper.{each}" for each in MODULES)):
        found = module_loader.find_plugin_with_context(name)
        built = modify_module(
            module_name=name,
            module_path=found.plugin_resolved_path,
            module_args={},
            templar=Templar(DataLoader()),
            task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
            module_compression="ZIP_DEFLATED",
        )
        print(f"{name:36} {len(built.b_module_data) / 1024:5.0f}")


def planned() -> None:
    """Print what planning takes on the in-memory kernel, each number in a process of its own."""
    print("planned only, in memory, 8 paths for each LUN: seconds, peak memory in MiB")
    medians = {}
    for luns in PLANNED:
        rows = [
            json.loads(
                subprocess.check_output([sys.executable, str(HERE / "planned.py"), str(luns)])
            )
            for _round in range(ROUNDS)
        ]
        seconds = [row["seconds"] for row in rows]
        medians[luns] = statistics.median(seconds)
        memory = max(row["kibibytes"] for row in rows) / 1024
        print(f"{luns:5} LUNs {described(seconds)} {memory:5.0f}")
    slope = statistics.linear_regression(
        [math.log(luns) for luns in medians], [math.log(each) for each in medians.values()]
    ).slope
    print(f"growth: seconds ~ LUNs ^ {slope:.2f}\n")


if __name__ == "__main__":
    main()
