# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The place that the steps work in, and how they run commands there."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "san-device-mapper"
PROGRAMS = Path(sys.executable).parent

# Long enough for the lab to end its host and for ansible-test to end its children.
TERMINATE_TIMEOUT = 60

_running: set[subprocess.Popen[str]] = set()
"""The commands that run now, for who has to end them."""


class Failed(Exception):
    """A step did not pass."""


class NotRun(Exception):
    """A step could not run here, for want of something that the distribution does not have."""


@dataclasses.dataclass(frozen=True)
class Workspace:
    """The temporary directory, and the collection in it."""

    directory: Path
    collection: Path


@contextlib.contextmanager
def laid_out() -> t.Iterator[Workspace]:
    """Lay the collection out where Ansible and Python find it, for as long as it is used.

    Nothing is written into the tree, and two checkouts do not meet.
    """
    with tempfile.TemporaryDirectory(prefix="san-device-mapper-") as name:
        collection = Path(name).resolve() / "ansible_collections/san/device_mapper"
        for path in listed_files():
            (collection / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, collection / path, follow_symlinks=False)
        (Path(name) / "ansible.cfg").touch()
        yield Workspace(Path(name).resolve(), collection)


def of_checkout(name: str) -> Path:
    """Return where this checkout, and no other one, keeps what is called so."""
    return CACHE / f"{name}-{hashlib.sha256(bytes(ROOT)).hexdigest()[:12]}"


def listed_files() -> list[str]:
    """Return the files of the checkout, those too that are not yet in git.

    What git does not know, as a workspace, is taken whole.
    """
    if not (ROOT / ".git").exists():
        return [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if not path.is_dir()]
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(argv, cwd=ROOT, text=True).split("\0")
    return [name for name in names if name and os.path.lexists(ROOT / name)]


def module_names(workspace: Workspace) -> list[str]:
    """Return the names of the collection's modules, sorted."""
    return sorted(path.stem for path in workspace.collection.glob("plugins/modules/*.py"))


def call(workspace: Workspace, *argv: str, shown: bool = False, **variables: str) -> str:
    """Run a command in the collection and return what it printed, unless that is shown."""
    return run(list(argv), workspace.collection, environment(workspace) | variables, shown=shown)


def environment(workspace: Workspace) -> dict[str, str]:
    """Return an environment in which the collection is found and nothing is left in the tree."""
    # A user's own settings of Ansible would make the result another one.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return kept | {
        "ANSIBLE_COLLECTIONS_PATH": str(workspace.directory),
        "ANSIBLE_CONFIG": str(workspace.directory / "ansible.cfg"),
        "ANSIBLE_HOME": str(workspace.directory / "ansible"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis"),
        # Ansible refuses to run without UTF-8.
        "LC_ALL": "C.UTF-8",
        "MYPY_CACHE_DIR": os.devnull,
        "MYPYPATH": f"{workspace.directory}:{workspace.collection / 'tests'}",
        "NO_COLOR": "1",
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{workspace.directory}:{workspace.collection / 'tests'}",
        "RUFF_NO_CACHE": "true",
    }


def at_once(count: int, jobs: t.Sequence[t.Callable[[], str]]) -> list[str | Failed]:
    """Do the jobs, so many at once; return what each returned, or how it failed.

    All of them are done, also after one has failed. Interrupted, this ends their commands.
    """

    def done(job: t.Callable[[], str]) -> str | Failed:
        try:
            return job()
        except Failed as failed:
            return failed

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        try:
            return list(pool.map(done, jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in tuple(_running):
                end(process, group=True)
            raise


def run(argv: list[str], directory: Path, variables: dict[str, str], *, shown: bool) -> str:
    """Run a command that does not outlive this process; raise what it printed if it fails."""
    process = _start(argv, directory, variables, shown=shown)
    _running.add(process)
    try:
        output = process.communicate()[0]
    except BaseException:
        end(process, group=not shown)
        raise
    finally:
        _running.discard(process)
    if process.returncode:
        command = " ".join(argv)
        raise Failed(f"{output or ''}failed with status {process.returncode}: {command}")
    return output or ""


def _start(
    argv: list[str], directory: Path, variables: dict[str, str], *, shown: bool = False
) -> subprocess.Popen[str]:
    # What is captured has a process group of its own, to be ended as a whole. What is shown may
    # ask for a password, and must be in the terminal's.
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "--", *argv],
        cwd=directory,
        env=variables,
        text=True,
        stdin=None if shown else subprocess.DEVNULL,
        stdout=None if shown else subprocess.PIPE,
        stderr=None if shown else subprocess.STDOUT,
        process_group=None if shown else 0,
    )


def end(process: subprocess.Popen[str], *, group: bool) -> None:
    """End a command, by force if it does not end by itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            if group:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            process.wait(TERMINATE_TIMEOUT)
            return
