# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's commands."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from . import connection, directories, layout, qemu
from .errors import LabError
from .host import Lab
from .image import image

TERMINATE_TIMEOUT = 10.0


class Stopped(BaseException):
    """A signal asks us to stop."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def main() -> int:
    """Run the command that the command line names; return the exit status."""
    options = _parser().parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        return t.cast(int, options.command(options))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except Stopped as stopped:
        return 128 + stopped.signal_number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="A SAN host to test on.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    plain = qemu.Machine()
    machine = argparse.ArgumentParser(add_help=False)
    machine.add_argument("--luns", type=int, help=f"default: {len(plain.luns)}")
    machine.add_argument("--hbas", type=int, help=f"default: {plain.hbas}")
    machine.add_argument("--targets", type=int, help=f"default: {plain.targets}")
    machine.add_argument("--lun-size", help="of each LUN, such as 1G; default: 256M")
    machine.add_argument("--memory", help="of the host; default: 1G")
    machine.add_argument("--layout", type=Path, help="a file that says all that, and more")
    suite = argparse.ArgumentParser(add_help=False)
    suite.add_argument("--suite", choices=qemu.SUITES, help=f"default: {plain.suite}")

    command = commands.add_parser("image", parents=[suite], help="build the image")
    command.set_defaults(command=_image)
    command = commands.add_parser("start", parents=[suite, machine], help="leave a host running")
    command.set_defaults(command=_start)
    command = commands.add_parser("stop", help="end the host that start left running")
    command.set_defaults(command=_stop_running)
    command = commands.add_parser(
        "run", parents=[suite, machine], help="boot a host for one command"
    )
    command.add_argument("argv", nargs="+", metavar="COMMAND")
    command.set_defaults(command=_run)
    command = commands.add_parser("ssh", help="log in to the host, or run a command")
    command.add_argument("--user", default="admin", help="default: %(default)s")
    command.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND")
    command.set_defaults(command=_ssh)
    return parser


def _machine(options: argparse.Namespace) -> qemu.Machine:
    """Return what the layout describes, with what the command line says otherwise."""
    machine = layout.read(options.layout) if options.layout else qemu.Machine()
    stated = {key: getattr(options, key) for key in ("suite", "hbas", "targets")}
    machine = dataclasses.replace(machine, **{key: each for key, each in stated.items() if each})
    if options.luns or options.lun_size:
        size = layout.size("luns", options.lun_size) if options.lun_size else machine.luns[0]
        machine = dataclasses.replace(machine, luns=(size,) * (options.luns or len(machine.luns)))
    if options.memory:
        machine = dataclasses.replace(machine, memory=layout.size("memory", options.memory))
    return machine


def _image(options: argparse.Namespace) -> int:
    print(image(options.suite or qemu.Machine().suite))
    return 0


def _start(options: argparse.Namespace) -> int:
    machine = _machine(options)
    directory = directories.checkout_directory()
    if directories.is_abandoned(directory):
        _boot(machine, directory, dies_with_us=False)
    elif Lab.from_directory(directory).machine == machine:
        print("The lab host of this checkout runs already.")
    else:
        raise LabError("a lab host of another layout runs already: end it by `make lab-stop`")
    print(_how_to_reach(directory))
    return 0


def _how_to_reach(directory: Path) -> str:
    config = shlex.quote(str(directory / "ssh_config"))
    return f"  ssh -F {config} lab\n  python3 tests/lab stop"


def _stop_running(_arguments: argparse.Namespace) -> int:
    directory = directories.checkout_directory()
    if directories.is_abandoned(directory):
        print("No lab host of this checkout is running.")
    else:
        qemu.end(directory)
        print("The lab host has been stopped.")
    return 0


def _run(options: argparse.Namespace) -> int:
    lab = _boot(_machine(options), None, dies_with_us=True)
    try:
        return _run_command(options.argv, lab)
    finally:
        _end(lab.directory)


def _run_command(argv: list[str], lab: Lab) -> int:
    # A command without its host is pointless: it ends when we are killed.
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "--", *argv],
        env={**os.environ, "SAN_LAB": str(lab.directory)},
    )
    try:
        status = process.wait()
    except Stopped:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(TERMINATE_TIMEOUT)
        process.kill()
        raise
    return status if status >= 0 else 128 - status


def _ssh(options: argparse.Namespace) -> int:
    named = os.environ.get("SAN_LAB")
    directory = Path(named) if named else directories.checkout_directory()
    if directories.is_abandoned(directory):
        raise LabError("no lab host is running: start one by `python3 tests/lab start`")
    lab = Lab.from_directory(directory)
    argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
    argv = lab.ssh_argv(*argv, user=options.user)
    os.execvp(argv[0], argv)


def _boot(machine: qemu.Machine, directory: Path | None, *, dies_with_us: bool) -> Lab:
    """Boot a host; end it if anything fails until it is ready."""
    root = image(machine.suite)
    directory, lock = directories.create(directory)
    try:
        started = time.monotonic()
        print("lab: booting the host ...", file=sys.stderr, flush=True)
        try:
            text = json.dumps(dataclasses.asdict(machine))
            (directory / "machine.json").write_text(text, encoding="utf-8")
            qemu.launch(machine, root, directory, lock, dies_with_us=dies_with_us)
        finally:
            os.close(lock)
        lab = Lab(directory, machine)
        connection.write(directory, root, lab.forwarded_port(), machine.groups, len(machine.luns))
        lab.wait_until_ready()
    except BaseException:
        _end(directory)
        raise
    seconds = time.monotonic() - started
    print(f"lab: host ready after {seconds:.0f} s", file=sys.stderr, flush=True)
    return lab


def _end(directory: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    qemu.end(directory)


def _stop(signal_number: int, _frame: object) -> None:
    raise Stopped(signal_number)
