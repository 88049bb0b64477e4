# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running lab host as tests see it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shlex
import socket
import subprocess
import time
import typing as t
from pathlib import Path

from . import qemu, storage
from .directories import is_abandoned
from .errors import LabError
from .qmp import Monitor
from .storage import ScsiPath

# Software emulation on a busy machine is slow; this only bounds a host that hangs.
BOOT_TIMEOUT = 600.0
CONSOLE_LINES_IN_ERROR = 25


@dataclasses.dataclass(frozen=True)
class Lab:
    """A running lab host."""

    directory: Path
    machine: qemu.Machine

    @classmethod
    def from_environment(cls) -> Lab:
        """Return the host that SAN_LAB names."""
        directory = os.environ.get("SAN_LAB")
        if not directory:
            raise LabError("SAN_LAB is not set: call this under `python3 tests/lab run -- ...`")
        return cls.from_directory(Path(directory))

    @classmethod
    def from_directory(cls, directory: Path) -> Lab:
        """Return the host that lives in the directory."""
        text = (directory / "machine.json").read_text(encoding="utf-8")
        kept: dict[str, t.Any] = json.loads(text)
        for key in ("luns", "groups"):
            kept[key] = tuple(kept[key])
        return cls(directory, qemu.Machine(**kept))

    # The guest.

    def ssh_argv(self, *argv: str, user: str = "root") -> list[str]:
        """Return the local command that runs argv in the guest, or a login shell."""
        config = str(self.directory / "ssh_config")
        remote = [shlex.join(argv)] if argv else []
        return ["ssh", "-F", config, "-l", user, "lab", *remote]

    def ssh(
        self,
        argv: t.Sequence[str],
        input: str | None = None,
        check: bool = True,
        timeout: float = 120.0,
        user: str = "root",
    ) -> subprocess.CompletedProcess[str]:
        """Run argv in the guest; with check, a status other than 0 is a LabError."""
        done = subprocess.run(
            self.ssh_argv(*argv, user=user),
            input="" if input is None else input,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            raise LabError(
                f"{shlex.join(argv)} ended with status {done.returncode} in the guest:\n"
                f"{done.stdout}{done.stderr}"
            )
        return done

    def push(self, local: Path, remote: str, user: str = "root") -> None:
        """Copy a local file or directory to the guest."""
        config = str(self.directory / "ssh_config")
        subprocess.run(
            ["scp", "-q", "-r", "-F", config, str(local), f"{user}@lab:{remote}"],
            check=True,
        )

    def wait_until_ready(self, timeout: float = BOOT_TIMEOUT) -> None:
        """Return once the administrator can log in and udev has seen every disk."""
        deadline = time.monotonic() + timeout
        # One command asks for everything: pam_nologin refuses users early in the
        # boot, sudo is what Ansible becomes root with, udev may still meet disks.
        ready = ("sudo", "-n", "udevadm", "settle", "--timeout=300")
        port = self.forwarded_port()
        while not (
            _sshd_answers(port)
            and self.ssh(ready, check=False, timeout=timeout, user="admin").returncode == 0
        ):
            if is_abandoned(self.directory):
                raise LabError(f"QEMU ended while the guest booted.\n{self._tail()}")
            if time.monotonic() > deadline:
                raise LabError(f"the guest was not ready within {timeout:.0f} s.\n{self._tail()}")
            time.sleep(0.1)

    def reset(self) -> None:
        """Reset the guest as its reset button would; return once it is back."""
        boot_id = ("cat", "/proc/sys/kernel/random/boot_id")
        before = self.ssh(boot_id).stdout
        self.qmp("system_reset")
        self.disconnect()
        self.wait_until_ready()
        if self.ssh(boot_id).stdout == before:
            raise LabError("the guest was reset but runs on")

    def disconnect(self) -> None:
        """End the shared ssh connections; the next command opens a new one."""
        for user in ("root", "admin"):
            subprocess.run(
                [*self.ssh_argv(user=user), "-O", "exit"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )

    def wait_for_nodes(self, *nodes: str, timeout: float = 60.0) -> None:
        """Return once udev has made the nodes, as `udevadm wait` of systemd 251 does."""
        script = 'for node; do until test -e "$node"; do sleep 0.1; done; done; udevadm settle'
        self._await(script, *nodes, timeout=timeout)

    def unload(self, *modules: str) -> None:
        """Unload kernel modules, also if something holds them for a moment.

        `modprobe --wait` would do it, but kmod has that only since version 30.
        """
        self._await('until modprobe --remove "$@" 2>/dev/null; do sleep 0.1; done', *modules)

    def _await(self, script: str, *arguments: str, timeout: float = 60.0) -> None:
        argv = ["timeout", f"{timeout:g}", "sh", "-euc", script, "sh", *arguments]
        self.ssh(argv, timeout=timeout + 60)

    # The machine and its SAN.

    def qmp(self, command: str, **arguments: t.Any) -> t.Any:
        """Return the answer of QEMU's monitor to the command."""
        with Monitor(self.directory / "qmp.sock") as monitor:
            return monitor.execute(command, **arguments)

    def paths(self, lun: int) -> tuple[ScsiPath, ...]:
        """Return the LUN's paths, plugged or not."""
        return storage.paths(lun, self.machine.hbas, self.machine.targets)

    def backing_file(self, lun: int) -> Path:
        """Return the local file that holds the LUN's data."""
        return qemu.backing_file(self.directory, lun)

    def unplug(self, path: ScsiPath) -> None:
        """Take the path away; return once QEMU has removed it."""
        with Monitor(self.directory / "qmp.sock") as monitor:
            monitor.execute("device_del", id=str(path))
            monitor.wait_for_event("DEVICE_DELETED", device=str(path))
            nodes = monitor.execute("query-named-block-nodes", flat=True)
            if storage.failing(path) in [node["node-name"] for node in nodes]:
                monitor.execute("blockdev-del", **{"node-name": storage.failing(path)})

    def plug(self, path: ScsiPath, failing: str = "") -> None:
        """Bring a path back that was taken away; each `failing` (write, read) through it fails."""
        with Monitor(self.directory / "qmp.sock") as monitor:
            if failing:
                monitor.execute("blockdev-add", **storage.failing_node(path, failing))
            monitor.execute("device_add", **storage.scsi_disk(path, bool(failing)))

    def add_lun(self, size: int) -> int:
        """Add a LUN of that size in bytes with all its paths; return its number."""
        lun = len(list((self.directory / "luns").iterdir()))
        qemu.create_backing_file(self.directory, lun, size)
        with Monitor(self.directory / "qmp.sock") as monitor:
            for path in self.paths(lun):
                node = storage.block_node(path, self.backing_file(lun))
                monitor.execute("blockdev-add", **node)
                monitor.execute("device_add", **storage.scsi_disk(path))
        return lun

    def grow_lun(self, lun: int, size: int) -> None:
        """Give the LUN a new size in bytes on all its paths."""
        os.truncate(self.backing_file(lun), size)
        with Monitor(self.directory / "qmp.sock") as monitor:
            for path in self.paths(lun):
                monitor.execute("block_resize", **{"node-name": str(path), "size": size})

    def forwarded_port(self) -> int:
        """Return the local port that leads to the guest's sshd."""
        answer = self.qmp("human-monitor-command", **{"command-line": "info usernet"})
        # TCP[HOST_FORWARD]  12       127.0.0.1 38121       10.0.2.15    22 ...
        found = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", answer)
        if found is None:
            raise LabError(f"QEMU does not say which port it forwards:\n{answer}")
        return int(found[1])

    def _tail(self) -> str:
        console = self.directory / "console.log"
        lines = console.read_text(encoding="utf-8", errors="replace").splitlines()
        tail = "\n".join(lines[-CONSOLE_LINES_IN_ERROR:])
        return f"The end of its console:\n{tail}"


def _sshd_answers(port: int) -> bool:
    """Return whether the guest's sshd greets.

    QEMU accepts connections long before the guest does, so a connection alone says
    nothing; and one that is too early only delays: ask briefly, and often.
    """
    with contextlib.suppress(OSError):
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            return connection.recv(4) == b"SSH-"
    return False
