# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run what the Makefile names: `python tests/check COMMAND`."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import signal
import sys
import time
import typing as t
from pathlib import Path

if not __package__:
    # Run as a directory: import this package by its name all the same.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from check.artefact import build, keep
from check.matrix import matrix
from check.sanity import sanity
from check.site import docs
from check.steps import booted, browser, fleet, hosts, lab_run, lint, molecule, typing, unit
from check.supported import APART, HOSTS, WHOLE
from check.workspace import (
    PROGRAMS,
    ROOT,
    Failed,
    NotRun,
    Workspace,
    call,
    laid_out,
    of_checkout,
    run,
)
from lab.directories import checkout_directory
from lab.storage import wwid

STEPS: dict[str, t.Callable[[Workspace], str]] = {
    "lint": lint,
    "typing": typing,
    "unit": unit,
    "docs": docs,
    "browser": browser,
    "sanity": sanity,
    "build": build,
    "hosts": hosts,
    **{name: functools.partial(booted, names=[name]) for name in (*HOSTS, *APART)},
    "fleet": fleet,
    "matrix": matrix,
    "molecule": molecule,
    "artefact": keep,
}


def main() -> int:
    """Run the step that the command line names; return the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit)
    commands: dict[str, t.Callable[[], None]] = {
        "bench": bench,
        "campaign": campaign,
        "demo": demo,
        "format": format_in_place,
        "lab": lab,
        "lab-stop": lab_stop,
        "play": play,
        "test": functools.partial(check, *WHOLE),
    }
    commands |= {step: functools.partial(check, step) for step in STEPS}
    commands["build"] = functools.partial(check, "artefact")
    try:
        commands[sys.argv[1]]()
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


def _exit(number: int, _frame: object) -> t.NoReturn:
    sys.exit(128 + number)


def check(*names: str) -> None:
    """Run steps up to the first that fails, with one line for each.

    Fails at the end where a step could not run, so that nobody takes it for passed.
    """
    started, not_run = time.monotonic(), []
    with laid_out() as workspace:
        for name in names:
            print(f"{name} ... ", end="", flush=True)
            step_started = time.monotonic()
            try:
                covered = STEPS[name](workspace)
            except NotRun as missing:
                print(f"NOT RUN: {missing}", flush=True)
                not_run.append(name)
                continue
            except Failed:
                print(f"FAILED after {time.monotonic() - step_started:.0f} s", flush=True)
                raise
            seconds = f"({time.monotonic() - step_started:.0f} s)"
            print("ok", seconds, covered, flush=True)
    if not_run:
        raise Failed(f"{', '.join(not_run)}: NOT RUN; all other steps passed")
    print(f"{', '.join(names)}: all passed ({time.monotonic() - started:.0f} s)")


def demo() -> None:
    """Run the demonstration on a booted host."""
    with laid_out() as workspace:
        call(workspace, *lab_run(), sys.executable, "tests/demo.py", shown=True)
    print("demo: the host has been stopped")


def bench() -> None:
    """Time the modules and what people use instead, on a booted host."""
    with laid_out() as workspace:
        # 256 LUNs are 1,024 disks, which fill the gigabyte that a lab host has otherwise.
        call(workspace, *lab_run("--memory=3G"), sys.executable, "tests/bench", shown=True)


def campaign() -> None:
    """Let random input and random faults meet the readers here, and the modules on hosts."""
    with laid_out() as workspace:
        call(workspace, sys.executable, "tests/campaign", *sys.argv[2:], shown=True)


def lab() -> None:
    """Leave a host running, with this checkout as the collection that Ansible finds."""
    link = checkout_collections() / "ansible_collections/san/device_mapper"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(ROOT)
    run([sys.executable, "tests/lab", "start", *layout()], ROOT, dict(os.environ), shown=True)
    collections = shlex.quote(str(checkout_collections()))
    print(
        "Ansible with this checkout as its collection, and single tests, in a shell:\n"
        f"  export PATH={shlex.quote(str(PROGRAMS))}:$PATH\n"
        f"  export ANSIBLE_COLLECTIONS_PATH={collections} PYTHONPATH={collections}\n"
        f"  export SAN_LAB={shlex.quote(str(checkout_directory()))}\n"
        "  ansible san -i $SAN_LAB/inventory.yml -b -m san.device_mapper.device_mapper_info\n"
        "  ansible san -i $SAN_LAB/inventory.yml -b -m san.device_mapper.multipath_map"
        f' -a "name=data wwid={wwid(0)}"\n'
        "  ansible-playbook -i $SAN_LAB/inventory.yml playbooks/provision.yml\n"
        "  pytest tests/integration -k partition_maps"
    )


def play() -> None:
    """Run a user's playbook twice on a booted host of the layout that the user wants."""
    playbook = Path(os.environ.get("PLAYBOOK") or "")
    if not playbook.is_file():
        raise Failed("make play PLAYBOOK=FILE: name the playbook to run on the lab host")
    argv = [sys.executable, "tests/play.py", str(playbook.resolve())]
    arguments = shlex.split(os.environ.get("ARGUMENTS", ""))
    with laid_out() as workspace:
        call(workspace, *lab_run(*layout()), *argv, *arguments, shown=True)


def layout() -> list[str]:
    """Return the options of the lab for the layout and the Debian suite that the user names."""
    options = {"--layout": os.environ.get("LAYOUT"), "--suite": os.environ.get("SUITE")}
    if options["--layout"]:
        options["--layout"] = str(Path(options["--layout"]).resolve())
    return [f"{name}={value}" for name, value in options.items() if value]


def lab_stop() -> None:
    """End the host that `lab` left running."""
    run([sys.executable, "tests/lab", "stop"], ROOT, dict(os.environ), shown=True)
    shutil.rmtree(checkout_collections(), ignore_errors=True)


def checkout_collections() -> Path:
    """Return where Ansible finds this checkout as a collection."""
    return of_checkout("collections")


def format_in_place() -> None:
    """Format the checkout's Python files, and sort their imports."""
    for words in (["check", "--select=I", "--fix"], ["format"]):
        argv = [str(PROGRAMS / "ruff"), *words, "--no-cache", "."]
        run(argv, ROOT, dict(os.environ), shown=True)


if __name__ == "__main__":
    sys.exit(main())
