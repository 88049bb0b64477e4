# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of a fleet's day two, on two booted hosts at once, under fio with verification."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from check.supported import OTHER_HOSTS
from lab.host import Lab
from lab.playbook import run
from lab.storage import wwid

ROOT = Path(__file__).parents[2]
FIO = """
fio --name=verified --filename=/dev/mapper/data --size=16M --rw=write --bs=64k --direct=1
--rate=1m --time_based --runtime=1800 --verify=crc32c --verify_backlog=16 --verify_fatal=1
--output-format=json
"""
LOOKED = "Look at the paths that are out of use"
WORK = """
- name: Look at the paths that are out of use
  ansible.builtin.command: dmsetup status data
  changed_when: false
- name: Lose a path
  ansible.builtin.command:
    cmd: "tee /sys/block/{{ lose }}/device/state"
    stdin: offline
  changed_when: true
  when: lose is defined
"""


class Fleet:
    """Two hosts with a map each, over two paths by each of two HBAs; and playbooks about both."""

    def __init__(self, labs: dict[str, Lab], directory: Path) -> None:
        self.labs = labs
        self.directory = directory
        hosts = {}
        for name, lab in labs.items():
            inventory = yaml.safe_load((lab.directory / "inventory.yml").read_text("utf-8"))
            hosts[name] = inventory["san"]["hosts"]["lab"]
        # One that nobody answers for.
        hosts["gone"] = {"ansible_host": "127.0.0.1", "ansible_port": 1}
        self.inventory = directory / "inventory.yml"
        stated = {"san_maps": ["data"], "san_expected_paths": 4}
        group = {"hosts": hosts, "vars": stated}
        self.inventory.write_text(yaml.safe_dump({"san": group}), "utf-8")
        self._work = directory / "work.yml"
        self._work.write_text(WORK, "utf-8")

    def play(
        self, playbook: str, limit: str = "all:!gone", **variables: t.Any
    ) -> tuple[bool, list[dict[str, t.Any]]]:
        """Return whether a playbook of the collection went well, and its results."""
        stated = {
            "san_work": str(self._work),
            # As -e san_patience=5 has it.
            "san_patience": "5",
            "san_fabric": {"hosts": [0]},
            **variables,
        }
        path = ROOT / "playbooks" / f"{playbook}.yml"
        arguments = ("-e", json.dumps(stated), "--limit", limit)
        status, results = run(self.directory, self.inventory, path, *arguments, timeout=300)
        return status == 0, results[:-1]

    def status(self, name: str) -> dict[str, str]:
        """Return which path of a host's map is active (A) or failed (F), by number."""
        words = self.labs[name].ssh(["dmsetup", "status", "data"]).stdout.split()
        return {word: words[at + 1] for at, word in enumerate(words) if ":" in word}

    def message(self, name: str, text: str) -> None:
        """Send a message to a host's map, as the kernel does to itself."""
        self.labs[name].ssh(["dmsetup", "message", "data", "0", text])

    @contextlib.contextmanager
    def written(self) -> Iterator[None]:
        """Write to each host's map, and read back what was written, all the time."""
        started = {
            name: subprocess.Popen(
                lab.ssh_argv(*FIO.split()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name, lab in self.labs.items()
        }
        try:
            yield
            assert [each.poll() for each in started.values()] == [None] * len(started)
        finally:
            for name, process in started.items():
                self.labs[name].ssh(["pkill", "-INT", "-x", "fio"], check=False)
                output, errors = process.communicate(timeout=120)
                (job,) = json.loads(output[output.index("{") :])["jobs"]
                assert job["error"] == 0, errors
                assert min(job["read"]["io_bytes"], job["write"]["io_bytes"]) > 1 << 20, job


@contextlib.contextmanager
def booted(*names: str) -> Iterator[dict[str, Lab]]:
    """Boot hosts at the same time, for as long as they are needed."""
    suite = os.environ.get("SUITE") or OTHER_HOSTS["fleet"]
    argv = [sys.executable, str(ROOT / "tests/lab"), "run", f"--suite={suite}", "--luns=1", "--"]
    argv += ["sh", "-c", 'echo "$SAN_LAB"; read end || true']
    with contextlib.ExitStack() as stack:
        started = {
            name: stack.enter_context(
                subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for name in names
        }
        labs = {}
        for name, process in started.items():
            assert process.stdout
            directory = process.stdout.readline().strip()
            assert directory, "the host was not booted"
            labs[name] = Lab.from_directory(Path(directory))
        yield labs


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Return two hosts with a map over all paths of a LUN; each test leaves it as it was."""
    with booted("first", "second") as labs:
        there = Fleet(labs, tmp_path_factory.mktemp("fleet"))
        playbook = there.directory / "make.yml"
        stated = {"name": "data", "wwid": wwid(0), "path_grouping_policy": "multibus"}
        task = {"name": "Join the paths", "san.device_mapper.multipath_map": stated}
        head = {"hosts": "san", "become": True, "gather_facts": False}
        playbook.write_text(yaml.safe_dump([{**head, "tasks": [task]}]), "utf-8")
        assert run(there.directory, there.inventory, playbook, "--limit=!gone")[0] == 0
        yield there


def task(results: list[dict[str, t.Any]], name: str) -> dict[str, dict[str, t.Any]]:
    """Return what a task returned on each host that it was run on to its end."""
    return {
        each["host"]: each["result"]
        for each in results
        if each["task"] == name and not each["result"].get("skipped")
    }


def test_a_fabric_is_maintained_on_one_host_after_the_other(fleet: Fleet) -> None:
    """One HBA on both, then the other, and back."""
    before = {name: fleet.status(name) for name in fleet.labs}
    assert [*before["first"].values(), *before["second"].values()] == ["A"] * 8
    with fleet.written():
        for hba, hosts in ((0, ["first", "second"]), (1, ["second"])):
            fabric = {"hosts": [hba]}
            well, results = fleet.play("maintain_fabric", ",".join(hosts), san_fabric=fabric)
            assert well, results
            status = task(results, LOOKED)
            assert list(status) == hosts
            assert [each["stdout"].count(" F ") for each in status.values()] == [2] * len(hosts)
            order = [each["host"] for each in results]
            assert order == sorted(order), "not one host after the other"
        assert {name: fleet.status(name) for name in fleet.labs} == before


def test_what_would_be_an_outage_is_refused(fleet: Fleet) -> None:
    """A path that has failed by itself does not count; the other host is not begun with."""
    number = [*fleet.status("first")][-1]
    with fleet.written():
        fleet.message("first", f"fail_path {number}")
        states = fleet.status("first")
        well, results = fleet.play("maintain_fabric")
        assert not well
        assert "path failed" in str(results[-1]["result"]["msg"])
        accepted: dict[str, t.Any] = {"san_accepted": ["healthy", "degraded"], "san_min_active": 2}
        well, results = fleet.play("maintain_fabric", **accepted)
        assert not well
        assert "data 1 of 3 active paths" in results[-1]["result"]["msg"]
        well, results = fleet.play("maintain_fabric", san_accepted=["degraded"], san_fabric={})
        assert not well
        assert "one of the following is required: maps" in results[-1]["result"]["msg"]
        assert {each["host"] for each in results} == {"first"}
        assert fleet.status("first") == states
        fleet.message("first", f"reinstate_path {number}")


def test_a_host_that_is_not_as_it_was_is_the_last(fleet: Fleet) -> None:
    """Work that breaks a path ends the rollout; health and the report say the same of the hosts."""
    number = [*fleet.status("first")][-1]
    link = fleet.labs["first"].ssh(["readlink", f"/sys/dev/block/{number}"]).stdout
    disk = Path(link.strip()).name
    with fleet.written():
        well, results = fleet.play("maintain_fabric", lose=disk)
        assert not well
        assert {each["host"] for each in results} == {"first"}
        assert f"path down {disk}: offline" in str(results[-1]["result"]["msg"])

        well, results = fleet.play("health")
        assert not well
        (failed,) = (each for each in results if each["status"] == "failed")
        (line,) = failed["result"]["msg"]
        assert failed["host"] == "first"
        assert line.startswith("data: degraded, 3 of 4 paths active; path ")
        assert "too few paths: 3 instead of 4" in line, "as the inventory states"

        report = fleet.directory / "report.html"
        assert fleet.play("report", "all", san_report=str(report))[0]
        text = report.read_text("utf-8")
        for state in ("unknown", "degraded", "healthy"):
            assert f"<b>1</b> {state}" in text
        assert "unreachable: " in text
        fleet.labs["first"].ssh(["tee", f"/sys/block/{disk}/device/state"], input="running\n")
        fleet.message("first", f"reinstate_path {number}")
        assert fleet.play("health")[0]
