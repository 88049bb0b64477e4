# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's process: starting the lab host's machine and ending it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import time
import typing as t
from pathlib import Path

from . import directories, storage
from .errors import LabError
from .qmp import Monitor

QUIT_TIMEOUT = 15.0
SUITES = ("bullseye", "bookworm", "trixie", "sid")
"""Debian's, the oldest first."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """What the lab host is made of: `luns` are the sizes of the LUNs in bytes, `targets` the target
    ports that each HBA reaches, `groups` those of the inventory that the host is in, `memory` its
    own memory in bytes."""

    suite: str = "bookworm"
    luns: tuple[int, ...] = (256 << 20, 256 << 20)
    hbas: int = 2
    targets: int = 2
    groups: tuple[str, ...] = ("san",)
    memory: int = 1 << 30


def launch(
    machine: Machine, image: Path, directory: Path, lock: int, *, dies_with_us: bool
) -> None:
    """Start QEMU in the directory; return once its monitor answers."""
    program = shutil.which("qemu-system-x86_64")
    if program is None:
        raise LabError("qemu-system-x86_64 is not installed")
    (directory / "luns").mkdir()
    for lun, size in enumerate(machine.luns):
        create_backing_file(directory, lun, size)
    # The kernel ends QEMU when this process dies, however it dies.
    tied = ["setpriv", "--pdeathsig", "KILL", "--"] if dies_with_us else []
    with open(directory / "qemu.log", "wb") as log:
        process = subprocess.Popen(
            [*tied, program, *_arguments(machine, image, directory)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],
            # An interrupt from the terminal is for the command that uses the host.
            start_new_session=True,
        )
    (directory / "pid").write_text(f"{process.pid}\n", encoding="ascii")
    while process.poll() is None:
        with contextlib.suppress(OSError), Monitor(directory / "qmp.sock"):
            return
        time.sleep(0.05)
    log_text = (directory / "qemu.log").read_text(encoding="utf-8", errors="replace")
    raise LabError(f"QEMU ended with status {process.returncode}.\n{log_text}")


def end(directory: Path) -> None:
    """End the directory's QEMU, at the latest by a kill, and remove the directory."""
    deadline = time.monotonic() + QUIT_TIMEOUT
    with (
        contextlib.suppress(OSError, LabError),
        Monitor(directory / "qmp.sock", QUIT_TIMEOUT) as monitor,
    ):
        monitor.execute("quit")
    while not directories.is_abandoned(directory):
        if time.monotonic() > deadline:
            # The lock is held, so this is QEMU still and not a later process.
            pid = int((directory / "pid").read_text(encoding="ascii"))
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    directories.remove(directory)


def backing_file(directory: Path, lun: int) -> Path:
    """Return the file that holds the LUN's data."""
    return directory / "luns" / f"lun{lun}.img"


def create_backing_file(directory: Path, lun: int, size: int) -> None:
    """Create the LUN's file, sparse, of that size in bytes."""
    with open(backing_file(directory, lun), "xb") as file:
        file.truncate(size)


def _arguments(machine: Machine, image: Path, directory: Path) -> t.Iterator[str]:
    yield from ("-name", "san.device_mapper-lab", "-nodefaults", "-no-user-config")
    # Emulated, page walks of five levels and byte-wise string copies cost a tenth of all time.
    yield from ("-M", "q35", "-cpu", "max,-la57,-erms", "-smp", "1", "-m", f"{machine.memory}B")
    yield from ("-accel", _accelerator(), "-display", "none")
    yield from ("-qmp", f"unix:{_escaped(directory / 'qmp.sock')},server=on,wait=off")
    yield from ("-serial", f"file:{directory / 'console.log'}")
    yield from ("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img"))
    yield from ("-append", "root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 mitigations=off")
    root = f"file={_escaped(image / 'root.img')},format=raw,snapshot=on,cache=unsafe"
    yield from ("-drive", f"if=none,id=root,{root}")
    yield from ("-device", "virtio-blk-pci,drive=root")
    yield from ("-device", "virtio-rng-pci")
    # Port 0: the system picks a free one, and `info usernet` tells which.
    yield from ("-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22")
    yield from ("-device", "virtio-net-pci,netdev=net,romfile=")
    for hba in range(machine.hbas):
        yield from ("-device", json.dumps(storage.host_bus_adapter(hba)))
    for lun in range(len(machine.luns)):
        for path in storage.paths(lun, machine.hbas, machine.targets):
            node = storage.block_node(path, backing_file(directory, lun))
            yield from ("-blockdev", json.dumps(node))
            yield from ("-device", json.dumps(storage.scsi_disk(path)))


def _accelerator() -> str:
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    if {"vmx", "svm"} & set(flags) and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "kvm"
    return "tcg,thread=multi"


def _escaped(path: Path) -> str:
    """Return the path as a value in one of QEMU's comma-separated options."""
    return str(path).replace(",", ",,")
