# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provision a lab host as an administrator would, take paths away while it writes, and reset it.

Run under the lab: `python3 tests/lab run -- python3 tests/demo.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from lab.errors import LabError
from lab.host import Lab
from lab.storage import ScsiPath

PLAYBOOK = Path(__file__).resolve().parents[1] / "playbooks/provision.yml"
# The playbook's names of the LUNs, in their order.
NAMES = ("data", "log")
HBA = 1
SECTOR = 512

FIO = ("fio", "--rw=write", "--bs=64k", "--direct=1", "--verify=crc32c", "--verify_state_save=0")
# Slow enough to still be writing at the end, on a LUN of 256 MiB and a host that is emulated.
RATE = 1 << 19
MOST = 200 << 20
# So much is written before the paths go, and again without them.
STEP = 2 << 20
TIMEOUT = 120.0

# What Ansible's callback prints: a JSON object for each event.
Event = dict[str, t.Any]


class DemoFailed(Exception):
    """The host did not do what the demonstration shows."""


def main() -> int:
    """Run the demonstration; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        demonstrate(Lab.from_environment())
    except (DemoFailed, LabError, subprocess.SubprocessError) as failed:
        print(f"demo: FAILED: {failed}", file=sys.stderr)
        return 1
    return 0


def demonstrate(lab: Lab) -> None:
    """Show it all; raise DemoFailed at the first thing that is not as it should be."""
    count = len(lab.paths(0))
    say(
        f"a SAN host with {lab.machine.hbas} HBAs and {len(lab.machine.luns)} LUNs of {count} paths"
    )
    say(f"ansible-playbook {PLAYBOOK.parent.name}/{PLAYBOOK.name}")
    require(provision(lab) > 0, "the playbook changed nothing")
    say("the same again")
    require(provision(lab) == 0, "the second run of the playbook changed something")
    with writer(lab) as writing:
        wait_for_writes(lab, writing)
        say("fio writes to both file systems, a checksum in each block")
        take_paths_away(lab)
        wait_for_writes(lab, writing)
        left = count - lab.machine.targets
        require_paths(host_information(lab), left)
        say(f"HBA {HBA} has lost its paths: {left} of {count} are left, the writing goes on")
        bring_paths_back(lab)
        wait_for_paths(lab, count)
        say("they are back under other names, and have joined their maps by themselves")
        written = stop(lab, writing)
    read_back(lab, written)
    lab.reset()
    wait_for_mounts(lab)
    say("reset: the maps are there again, and mounted; the same playbook again")
    require(provision(lab) == 0, "the playbook changed something after the boot")
    information = host_information(lab)
    require_paths(information, count)
    print(information["tree"], flush=True)


def say(text: str) -> None:
    """Print a line of progress."""
    print(f"demo: {text}", flush=True)


def require(condition: bool, otherwise: str) -> None:
    """Raise DemoFailed with these words unless the condition holds."""
    if not condition:
        raise DemoFailed(otherwise)


# What an administrator does.


def provision(lab: Lab) -> int:
    """Run the playbook, say which tasks changed something, and return how many those were."""
    started = time.monotonic()
    recap: Event = {}
    for event in ansible(lab, "ansible-playbook", str(PLAYBOOK)):
        if event["_event"] == "v2_runner_on_ok" and event["hosts"]["lab"]["changed"]:
            say(f"  changed: {event['task']['name']}")
        if event["_event"] == "v2_playbook_on_stats":
            recap = event["stats"]
    require("lab" in recap, "the playbook met no host")
    counts: dict[str, int] = {name: recap["lab"][name] for name in ("ok", "changed")}
    words = " ".join(f"{name}={number}" for name, number in counts.items())
    say(f"  {words} ({time.monotonic() - started:.0f} s)")
    return counts["changed"]


def host_information(lab: Lab) -> Event:
    """Return what the module device_mapper_info says."""
    module = "san.device_mapper.device_mapper_info"
    for event in ansible(lab, "ansible", "san", "--become", f"--module-name={module}"):
        if event["_event"] == "v2_runner_on_ok":
            return t.cast(Event, event["hosts"]["lab"])
    raise DemoFailed(f"{module} has returned nothing")


def ansible(lab: Lab, *argv: str) -> t.Iterator[Event]:
    """Run an Ansible command against the host and yield its events."""
    callback = {
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl",
    }
    failures = []
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            tied(*argv, f"--inventory={lab.directory / 'inventory.yml'}"),
            env={**os.environ, **callback},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            event = json.loads(line)
            if event["_event"] in ("v2_runner_on_failed", "v2_runner_on_unreachable"):
                failures += [*messages(event)]
            yield event
        if process.wait():
            errors.seek(0)
            raise DemoFailed("\n".join([*failures, errors.read()]))


def messages(event: Event) -> t.Iterator[str]:
    """Yield what the task says about its failure, for each item that failed."""
    result = event["hosts"]["lab"]
    for item in result.get("results", [result]):
        if item.get("failed") or item.get("unreachable"):
            yield f"{event['task']['name']}: {item['msg']}"


def tied(*argv: str) -> list[str]:
    """Return a command that ends when this process does."""
    return ["setpriv", "--pdeathsig", "TERM", "--", *argv]


# The writing.


@contextlib.contextmanager
def writer(lab: Lab) -> t.Iterator[subprocess.Popen[str]]:
    """Write to both file systems for as long as the block takes."""
    options = ("--thread", "--output-format=json", "--fallocate=none", "--do_verify=0")
    argv = [*FIO, *options, f"--rate={RATE}", *jobs(dict.fromkeys(NAMES, MOST))]
    process = subprocess.Popen(
        tied(*lab.ssh_argv(*argv)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()


def jobs(sizes: dict[str, int]) -> t.Iterator[str]:
    """Yield fio's options for a file of that size in each file system."""
    for name, size in sizes.items():
        yield from (f"--name={name}", f"--filename={file(name)}", f"--size={size}")


def file(name: str) -> str:
    """Return the file that is written for that LUN."""
    return f"/srv/{name}/written"


def wait_for_writes(lab: Lab, writing: subprocess.Popen[str]) -> None:
    """Return once each file has grown by STEP."""
    enough = {name: size + STEP for name, size in sizes(lab).items()}
    deadline = time.monotonic() + TIMEOUT
    while any(size < enough[name] for name, size in sizes(lab).items()):
        if writing.poll() is not None:
            raise DemoFailed(f"fio has ended: {writing.communicate()[1]}")
        require(time.monotonic() < deadline, f"nothing is written any more: {sizes(lab)}")
        time.sleep(0.5)


def sizes(lab: Lab) -> dict[str, int]:
    """Return how much has been written for each LUN."""
    answer = lab.ssh(["stat", "--format=%n %s", *map(file, NAMES)], check=False).stdout
    found = dict(line.split() for line in answer.splitlines())
    return {name: int(found.get(file(name), 0)) for name in NAMES}


def stop(lab: Lab, writing: subprocess.Popen[str]) -> dict[str, int]:
    """End the writing; return how many bytes fio has written to each file."""
    lab.ssh(["pkill", "-INT", "-x", "fio"], check=False)
    output, errors = writing.communicate()
    # 128: ended by a signal.
    require(writing.returncode in (0, 128), f"fio has failed: {errors}")
    report = json.loads(output[output.index("{") :])
    require(all(job["error"] == 0 for job in report["jobs"]), f"fio has met an error: {errors}")
    return {job["jobname"]: job["write"]["io_bytes"] for job in report["jobs"]}


def read_back(lab: Lab, written: dict[str, int]) -> None:
    """Verify what has been written, on the host and in the LUNs' backing files."""
    lab.ssh([*FIO, "--verify_only", *jobs(written)])
    tables = {each["name"]: each["table"] for each in host_information(lab)["maps"]}
    for lun, name in enumerate(NAMES):
        # Frozen, a file system is on its LUN as it is.
        lab.ssh(["fsfreeze", "--freeze", f"/srv/{name}"])
        on_host = lab.ssh(["sha256sum", file(name)]).stdout.split()[0]
        offset = tables[f"{name}-part1"][0]["offset"] * SECTOR
        stored = in_backing_file(lab.backing_file(lun), offset)
        lab.ssh(["fsfreeze", "--unfreeze", f"/srv/{name}"])
        require(len(stored) == written[name], f"{name}: {len(stored)} of {written[name]} bytes")
        require(hashlib.sha256(stored).hexdigest() == on_host, f"{name}: the backing file differs")
    total = sum(written.values()) >> 20
    say(f"{total} MiB written, read back equal on the host and from the LUNs' backing files")


def in_backing_file(backing_file: Path, offset: int) -> bytes:
    """Return what the file system at that offset has in its file."""
    search = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    argv = ["debugfs", "-R", "cat /written", f"{backing_file}?offset={offset}"]
    return subprocess.run(
        argv, env={**os.environ, "PATH": search}, capture_output=True, check=True
    ).stdout


# The SAN.


def take_paths_away(lab: Lab) -> None:
    """Let one HBA lose all its paths.

    First each path fails: as long as QEMU has the target, it answers commands to a LUN that is
    gone by an error of the target's, for which the kernel tries no other path.
    """
    paths, links = paths_of_hba(lab)
    nodes = lab.ssh(["readlink", "--canonicalize-existing", *links]).stdout.split()
    states = [f"/sys/block/{Path(node).name}/device/state" for node in nodes]
    lab.ssh(["tee", *states], input="offline\n")
    for path in paths:
        lab.unplug(path)


def bring_paths_back(lab: Lab) -> None:
    """Plug in what was taken away; return once the host knows it."""
    paths, links = paths_of_hba(lab)
    for path in paths:
        lab.plug(path)
    lab.wait_for_nodes(*links, timeout=100)


def wait_for_paths(lab: Lab, count: int) -> None:
    """Return once each map has so many paths."""
    await_output(lab, count * len(NAMES), "sh", "-c", "ls -d /sys/block/dm-*/slaves/sd*")


def wait_for_mounts(lab: Lab) -> None:
    """Return once what is on the maps is mounted."""
    await_output(lab, len(NAMES), "grep", " /srv/", "/proc/mounts")


def await_output(lab: Lab, lines: int, *argv: str) -> None:
    """Return once a command on the host prints so many lines."""
    deadline = time.monotonic() + TIMEOUT
    while len(printed := lab.ssh(argv, check=False).stdout.splitlines()) != lines:
        require(time.monotonic() < deadline, f"it stays at {printed}")
        time.sleep(0.5)


def paths_of_hba(lab: Lab) -> tuple[list[ScsiPath], list[str]]:
    """Return the HBA's paths to all LUNs, and their links on the host."""
    paths = [path for lun in range(len(NAMES)) for path in lab.paths(lun) if path.hba == HBA]
    return paths, [f"/dev/disk/by-path/{path.by_path}" for path in paths]


def require_paths(information: Event, count: int) -> None:
    """Raise DemoFailed unless each map has so many active paths."""
    active = {
        each["name"]: [path["active"] for group in each["path_groups"] for path in group["paths"]]
        for each in information["maps"]
        if each["wwid"]
    }
    require(
        all(sum(active.get(name, ())) == count for name in NAMES),
        f"there should be {count} active paths to each LUN: {active}",
    )


if __name__ == "__main__":
    sys.exit(main())
