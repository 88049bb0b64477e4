# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's reset button, pressed before a module's requests while it provisions.

After the boot no map is suspended and no file is half-written; the same tasks as before converge,
and then are quiet, after another reset too.
"""

from __future__ import annotations

import contextlib
import random
import time
import typing as t
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from kernel.conftest import WWIDS, Host, serving

MAPS = [{"name": name, "wwid": wwid} for name, wwid in zip(("data", "log"), WWIDS, strict=True)]
PROVISION: tuple[tuple[str, dict[str, t.Any]], ...] = (
    ("multipath_map", {"maps": MAPS, "persistent": True}),
    ("partition_maps", {"devices": ["data", "log"], "delimiter": "-part"}),
)
TABLE = "label: gpt\n,16MiB\n,16MiB\n"
REACHED = "/run/reached"
REQUESTS = 14
"""About as many as each of the tasks has; after the last one it is reset at its end."""


def modprobe(host: Host) -> None:
    names = ("dm-multipath", "dm-service-time", "dm-queue-length", "dm-round-robin", "loop")
    host.run("modprobe", "-a", *names)


def provisioned(host: Host) -> None:
    """Run all tasks to their end, twice."""
    for module, options in PROVISION:
        host.applied(module, **options)
        again = host.applied(module, **options)
        assert (again["changed"], again["plan"]) == (False, []), again["plan"]


def cleared(host: Host) -> None:
    """Take away what was provisioned."""
    maps = [{"wwid": wwid} for wwid in WWIDS]
    host.applied("multipath_map", maps=maps, state="absent")
    left = host.shell("find /etc -path '*san*device*mapper*'; dmsetup table")
    assert left == "No devices found\n", left
    # What is to be there after the reset has to be on the disk; a reset syncs nothing.
    host.run("sync")


def reset_during(host: Host, task: int, at: int) -> str:
    """Press the reset button before request `at` of a task; return what had happened."""
    module, options = PROVISION[task]
    disturb = ["sh", "-c", f"touch {REACHED}; sleep 600"]
    with ThreadPoolExecutor(1) as pool:
        with serving(host.lab):
            for earlier, stated in PROVISION[:task]:
                host.applied(earlier, **stated)
            run = pool.submit(host.module, module, at=at, disturb=disturb, **options)
            while not run.done() and not host.shell(f"test -e {REACHED} && echo yes || true"):
                time.sleep(0.2)
            ended = run.done()
            host.lab.reset()
        # The connection of a host that is gone ends with what runs the modules, not before.
        with contextlib.suppress(AssertionError, OSError):
            run.result()
    return "after the last request" if ended else "before a request"


def run(host: Host, seconds: int, seed: int, found: Counter[str]) -> None:
    """Reset the host at random points of provisioning until the time is over."""
    chance = random.Random(seed)
    with serving(host.lab):
        host.applied("multipath_map", maps=MAPS)
        for each in MAPS:
            quiet = ("--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never")
            host.run("sfdisk", *quiet, f"/dev/mapper/{each['name']}", input=TABLE)
        cleared(host)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        task, at = chance.randrange(len(PROVISION)), chance.randint(1, REQUESTS)
        case = f"task {task}, request {at}"
        try:
            found[f"resets {reset_during(host, task, at)}"] += 1
            assert host.suspended() == []
            failed = host.run("systemctl", "--failed", "--no-legend", "--plain")
            assert "san-device-mapper" not in failed, failed
            modprobe(host)
            with serving(host.lab):
                found["maps there after the boot"] += len(host.table().split("multipath")) - 1
                provisioned(host)
                cleared(host)
        except BaseException as error:
            error.add_note(case)
            raise
