# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The booted host, and its modules called without a controller, which takes a tenth of the time."""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
import subprocess
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import ansible
import pytest

from lab.host import Lab

HERE = Path(__file__).parent
REMOTE = "/opt/modules"  # There after a reboot, unlike /run.
SOCKET = "modules.sock"

WWIDS = ("35525400000000001", "35525400000000002")
UUIDS = tuple(f"mpath-{wwid}" for wwid in WWIDS)


class Host:
    """The booted host: a shell for what an administrator would do, and the modules."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def run(self, *argv: str, input: str | None = None, check: bool = True) -> str:
        """Run a command as root and return what it prints."""
        return self.lab.ssh(argv, input=input, check=check).stdout

    def shell(self, script: str, check: bool = True) -> str:
        """Run a script of an administrator's as root and return what it prints."""
        return self.run("sh", "-euc", script, check=check)

    def module(
        self,
        module: str,
        /,
        *,
        at: int = 0,
        disturb: t.Sequence[str] = (),
        check_mode: bool = False,
        diff: bool = False,
        **options: t.Any,
    ) -> dict[str, t.Any]:
        """Return the answer of a module.

        Before its request number `at` to change the kernel the command `disturb` runs; without a
        command the module is killed there, which is the answer.
        """
        arguments = {**options, "_ansible_check_mode": check_mode, "_ansible_diff": diff}
        request = {"module": module, "options": arguments, "at": at, "disturb": list(disturb)}
        with socket.socket(socket.AF_UNIX) as server:
            server.settimeout(120)
            server.connect(str(self.lab.directory / SOCKET))
            server.sendall(json.dumps(request).encode() + b"\n")
            with server.makefile("r", encoding="utf-8") as file:
                text = file.read()
        if not text and at and not disturb:
            return {"killed": True}
        return _answer(text)

    def module_under(
        self, module: str, /, *prefix: str, user: str = "root", **options: t.Any
    ) -> dict[str, t.Any]:
        """Return the answer of a module that runs as a process of its own, under a command."""
        done = self.lab.ssh(
            [*prefix, "python3", f"{REMOTE}/run_module.py", module],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
            check=False,
            user=user,
        )
        return _answer(done.stdout or done.stderr)

    def applied(self, module: str, /, **options: t.Any) -> dict[str, t.Any]:
        """Return the answer of a module that must not fail."""
        answer = self.module(module, **options)
        assert not answer.get("failed"), answer
        return answer

    def refused(self, module: str, /, **options: t.Any) -> str:
        """Return the message of a module that must fail, in check mode too, and change nothing."""
        before = self.state()
        checked = self.module(module, check_mode=True, **options)
        answer = self.module(module, **options)
        assert answer.get("failed"), answer
        assert checked.get("msg") == answer["msg"]
        assert self.state() == before
        message: str = answer["msg"]
        return message

    def table(self, *name: str) -> str:
        """Return the live tables of the host, or of one map."""
        return self.run("dmsetup", "table", *name)

    def state(self) -> str:
        """Return everything about maps that an operation would change."""
        return self.shell(
            "dmsetup table; dmsetup table --inactive;"
            " dmsetup info --columns --noheadings -o name,uuid,suspended,events"
        )

    def suspended(self) -> list[str]:
        """Return the maps that are suspended."""
        listed = self.run(
            "dmsetup", "info", "--columns", "--noheadings", "--separator= ", "-o", "name,suspended"
        )
        lines = [line.split() for line in listed.splitlines() if "No devices" not in line]
        return [name for name, state in lines if state != "Active"]

    def disks(self, lun: int) -> list[str]:
        """Return the kernel names of the LUN's paths, in the order of their addresses."""
        links = [f"/dev/disk/by-path/{path.by_path}" for path in self.lab.paths(lun)]
        return [Path(path).name for path in self.run("realpath", "-e", *links).split()]

    def number(self, disk: str) -> str:
        """Return the major:minor of a disk."""
        return self.run("cat", f"/sys/class/block/{disk}/dev").strip()

    def until(self, holds: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.state()

    @contextlib.contextmanager
    def opened(self, *nodes: str) -> Iterator[None]:
        """Have a process hold devices open, which is gone afterwards."""
        opened = " ".join(f"{number}< {node}" for number, node in enumerate(nodes, 3))
        # The shell has opened them once it has become sleep.
        self.shell(
            f"sleep 600 {opened} > /dev/null 2>&1 & echo $! > /run/opener;"
            " until readlink /proc/$!/exe | grep -q sleep; do sleep 0.1; done"
        )
        try:
            yield
        finally:
            self.end_opener()

    def end_opener(self) -> None:
        """End the process whose number is in /run/opener, and with it what it has open."""
        self.shell(
            "opener=$(cat /run/opener); kill $opener;"
            " while test -e /proc/$opener; do sleep 0.1; done"
        )

    @contextlib.contextmanager
    def debug_lun(self, *options: str) -> Iterator[dict[str, t.Any]]:
        """Give the host a LUN of scsi_debug's, with as many paths as SCSI hosts are added.

        It is returned as device_mapper_info shows it. All maps of the host go with it.
        """
        self.run("modprobe", "scsi_debug", "num_tgts=1", "vpd_use_hostno=0", *options)
        try:
            self.run("udevadm", "settle")
            luns = self.applied("device_mapper_info")["luns"]
            (lun,) = [each for each in luns if each["wwid"] not in WWIDS]
            yield lun
        finally:
            self.clean()
            # A path is held while the handler of ALUA asks for its state, and asks again after
            # two seconds if the answer is a unit attention (scsi_dh_alua.c alua_rtpg_work).
            self.lab.unload("scsi_debug")

    def clean(self) -> None:
        """Leave the host as it was booted, but for the contents of its LUNs."""
        self.run("python3", f"{REMOTE}/clean_up.py")


def _answer(text: str) -> dict[str, t.Any]:
    assert text.startswith("\n{") or text.startswith("{"), text
    answer: dict[str, t.Any] = json.loads(text)
    assert "Traceback" not in text, text
    if "warnings" in answer:
        # ansible-core since 2.19 sends its controller objects.
        answer["warnings"] = [
            each["event"]["msg"] if isinstance(each, dict) else each for each in answer["warnings"]
        ]
    return answer


def install(lab: Lab, folder: Path) -> None:
    """Put the modules on the host, compiled, and what runs them."""
    archive = folder / "modules.tar"
    programs = ("run_module.py", "kill_modules.py", "clean_up.py")
    subprocess.run(["tar", "-cf", archive, "-C", HERE, *programs], check=True)
    collection, library = HERE.parents[1], Path(ansible.__file__).parents[1]
    inside = "--transform=s,^plugins,ansible_collections/san/device_mapper/plugins,"
    for root, name in ((library, "ansible/module_utils"), (collection, "plugins")):
        options = ["--exclude=__pycache__", inside, f"--directory={root}"]
        subprocess.run(["tar", "-rf", archive, *options, name], check=True)
    lab.push(archive, "/opt/modules.tar")
    lab.ssh(["mkdir", "-p", REMOTE])
    lab.ssh(["tar", "-xf", "/opt/modules.tar", "-C", REMOTE])
    # As in what Ansible sends to a host: the package itself, without the controller's parts.
    lab.ssh(["tee", f"{REMOTE}/ansible/__init__.py"], input="")
    # Compiling takes longer than running, under software emulation.
    lab.ssh(["python3", "-m", "compileall", "-q", REMOTE], timeout=600)


@pytest.fixture(scope="session")
def _lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return the booted host with the modules on it."""
    lab = Lab.from_environment()
    install(lab, tmp_path_factory.mktemp("modules"))
    lab.ssh(
        ["modprobe", "-a", "dm-multipath", "dm-service-time", "dm-queue-length", "dm-round-robin"]
    )
    with serving(lab):
        Host(lab).clean()
        yield lab


@contextlib.contextmanager
def serving(lab: Lab) -> Iterator[None]:
    """Run what runs the modules, and let its socket be reached from here.

    The connection is one of its own: a shared one forwards no socket files.
    """
    remote, local = f"{REMOTE}/socket", lab.directory / SOCKET
    serve = [f"{REMOTE}/run_module.py", "--serve", remote]
    options = ["-S", "none", "-o", "ExitOnForwardFailure=yes", "-L", f"{local}:{remote}"]
    ssh = [*lab.ssh_argv()[:-1], *options, "lab", shlex.join(["python3", *serve])]
    with subprocess.Popen(ssh, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.terminate()
            local.unlink(missing_ok=True)


@pytest.fixture
def host(_lab: Lab) -> Iterator[Host]:
    """Return the booted host without maps, and leave it so."""
    there = Host(_lab)
    yield there
    there.clean()
