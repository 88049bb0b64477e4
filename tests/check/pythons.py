# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of this machine, and virtual environments of them, which are kept."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import typing as t
from collections.abc import Sequence
from pathlib import Path

from .workspace import CACHE, Workspace, call


def found(versions: Sequence[str]) -> dict[str, Path]:
    """Return those of the Pythons, named as `3.11`, that run here and can make environments.

    They are the interpreters themselves: what PATH holds may be a shim.
    """
    question = "import ensurepip, os, sys, venv; print(os.path.realpath(sys.executable))"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    places = [*os.get_exec_path(), *map(str, pyenv.glob("versions/*/bin"))]
    pythons = {}
    for version in versions:
        for place in places:
            argv = [f"{place}/python{version}", "-c", question]
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                answer = subprocess.check_output(argv, text=True, stderr=subprocess.DEVNULL)
                pythons[version] = Path(answer.strip())
                break
    return pythons


def environment(workspace: Workspace, python: Path, *requirements: str) -> Path:
    """Return the programs of an environment that has what pip installs by these words."""
    with _locked(CACHE / "environments.lock"):
        key = hashlib.sha256(
            "\n".join([os.fspath(python), *_texts(workspace, requirements)]).encode()
        )
        place = CACHE / f"environment-{key.hexdigest()[:16]}"
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            call(workspace, str(python), "-m", "venv", str(place))
            pip = (str(place / "bin/pip"), "install", "--quiet", "--disable-pip-version-check")
            call(workspace, *pip, *requirements)
            # Written last: without it an environment is incomplete.
            (place / "complete").touch()
    return place / "bin"


def _texts(workspace: Workspace, requirements: Sequence[str]) -> t.Iterator[str]:
    """Yield the words, and what the files hold that they name."""
    for word in requirements:
        path = workspace.collection / word.removeprefix("--requirement=")
        yield path.read_text("utf-8") if path.is_file() else word


@contextlib.contextmanager
def _locked(path: Path) -> t.Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
