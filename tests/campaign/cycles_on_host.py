# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create, use, change and remove maps over and over, in one process, and print what has leaked.

`cycles_on_host.py SEED SECONDS CYCLES WWID…`, on the host with the modules. The maps of all WWIDs
go through a cycle at the same time, by the same tasks. Ends with a status other than 0 if anything
is left at the end that was not there after the first cycles.
"""

from __future__ import annotations

import contextlib
import glob
import importlib
import io
import json
import os
import random
import re
import subprocess
import sys
import time
import typing as t

run_module = importlib.import_module("run_module")  # It lies beside this file on the host.

IMAGE = "/var/tmp/cycles.raw"
TABLE = "label: gpt\n,16MiB\n,16MiB\n"
WARM = 3
"""The cycles after which everything is loaded that is loaded once."""
POLICIES = ("failover", "multibus", "auto")
SELECTORS = ("service-time", "round-robin", "queue-length")


def run(module: str, **options: t.Any) -> dict[str, t.Any]:
    """Return the answer of a module that must not fail."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        run_module.main(module, json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode())
    answer: dict[str, t.Any] = json.loads(output.getvalue())
    if answer.get("failed"):
        raise SystemExit(f"{module} {options}: {answer['msg']}")
    return answer


def command(*argv: str, input: str = "") -> str:
    """Run a program and return what it prints."""
    return subprocess.run(argv, input=input, capture_output=True, text=True, check=True).stdout


def use(path: str, chance: random.Random) -> None:
    """Write to a map, and read it back."""
    data, at = chance.randbytes(65536), 512 * chance.randrange(16384)
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.pwrite(descriptor, data, at)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if os.pread(descriptor, len(data), at) != data:
            raise SystemExit(f"{path}: other data than were written")
    finally:
        os.close(descriptor)


def cycle(number: int, wwids: t.Sequence[str], chance: random.Random) -> None:
    """Let the maps live and go."""
    names = [f"data{at}" for at in range(len(wwids))]
    maps = [{"name": names[at], "wwid": wwid} for at, wwid in enumerate(wwids)]
    archive = [{"name": f"archive{at}", "wwid": wwid} for at, wwid in enumerate(wwids)]
    policy = {"path_grouping_policy": chance.choice(POLICIES)}
    persistent = {"persistent": True} if number % 10 == 0 else {}
    run("multipath_map", maps=maps, **policy, **persistent)
    run("partition_maps", devices=names, delimiter="-part")
    for name in names:
        use(f"/dev/mapper/{name}-part1", chance)
    selector = chance.choice(SELECTORS)
    run("multipath_map", maps=maps, **policy, path_selector=selector, no_path_retry="queue")
    run("partition_maps", devices=names, delimiter="p")
    for name in names:
        use(f"/dev/mapper/{name}p2", chance)
    run("multipath_map", maps=archive, **policy)
    if number % 10 == 1:
        run("partition_maps", device=IMAGE)
        run("partition_maps", device=IMAGE, state="absent")
    run("device_mapper_info")
    run("multipath_map", maps=[{"wwid": wwid} for wwid in wwids], state="absent")


def there() -> dict[str, t.Any]:
    """Return what could leak."""
    command("udevadm", "settle")
    with open("/proc/sysvipc/sem", encoding="ascii") as file:
        semaphores = len(file.readlines()) - 1
    return {
        "file descriptors": len(os.listdir("/proc/self/fd")),
        "semaphores": semaphores,
        "cookies": command("dmsetup", "udevcookies").count("0x"),
        "loop devices": len(glob.glob("/sys/block/loop*/loop/backing_file")),
        "maps": command("dmsetup", "info", "--columns", "--noheadings", "-o", "name").split(),
        "nodes": sorted([*glob.glob("/dev/mapper/*"), *glob.glob("/dev/dm-*")]),
        # A loop device that comes back has a new number in by-diskseq, the former one's is gone.
        "links": sorted(re.sub("by-diskseq/.*", "", each) for each in glob.glob("/dev/disk/*/*")),
        "udev's records": sorted(glob.glob("/run/udev/data/b25[0-9]:*")),
        "files": command("find", "/etc", "/run", "-path", "*san*device*mapper*").split(),
        "threads and children": len(os.listdir("/proc/self/task")),
    }


def memory() -> int:
    """Return the process's memory in KiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 10


def main(seed: int, seconds: float, cycles: int, wwids: t.Sequence[str]) -> int:
    """Run cycles until one of both bounds, and compare."""
    end, chance = time.monotonic() + seconds, random.Random(seed)
    for wwid in wwids:
        run("multipath_map", name="data", wwid=wwid)
        quiet = ("--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never")
        command("sfdisk", *quiet, "/dev/mapper/data", input=TABLE)
        run("multipath_map", wwid=wwid, state="absent")
    with open(IMAGE, "wb") as file:
        file.truncate(64 << 20)
    command("sfdisk", "--quiet", IMAGE, input=TABLE)
    before: dict[str, t.Any] = {}
    memories: list[int] = []
    while len(memories) * len(wwids) < cycles + WARM and time.monotonic() < end:
        cycle(len(memories), wwids, chance)
        memories.append(memory())
        if len(memories) == WARM:
            before = there()
    after = there()
    leaked = {key: [before[key], after[key]] for key in after if after[key] != before.get(key)}
    half = len(memories) // 2
    grown = (memories[-1] - memories[half]) * 1024 // max(1, len(memories) - 1 - half)
    found = {
        "tasks' rounds": len(memories),
        "maps made, used, changed, removed": len(memories) * len(wwids),
        "leaks": len(leaked),
        "bytes of memory per round in the second half": grown,
    }
    print(json.dumps(found))
    if leaked:
        print(f"VIOLATION: {json.dumps(leaked)}")
    return 1 if leaked else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
