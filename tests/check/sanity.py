# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that runs ansible-test sanity without containers."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from pathlib import Path

from .workspace import CACHE, PROGRAMS, Workspace, call

# What ansible-test may test modules with, from python_requires in tests/config.yml up.
MODULE_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

# ansible-test fetches pip from a site of its own unless it finds this file. pip comes from where
# all other packages come from instead. The name is ansible-core 2.19's, then that of 2.20 and 2.21.
GET_PIP_NAMES = ("get_pip_24_2.py", "get_pip_25_2.py")
GET_PIP = """\
import runpy
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
words = [word for word in sys.argv[1:] if not word.startswith("--no-")]
sys.argv = ["pip", "install", "--quiet", *words]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def sanity(workspace: Workspace) -> str:
    """Run ansible-test sanity without containers, with every Python that is here."""
    home = CACHE / "ansible-test"
    downloads = home / ".ansible/test/cache"
    downloads.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w", encoding="utf-8") as lock:
        # ansible-test keeps its virtual environments in its home, for one user of them at a time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in GET_PIP_NAMES:
            (downloads / name).write_text(GET_PIP, encoding="utf-8")
        pip_configuration(home)
        pythons = link_pythons(workspace.directory / "pythons")
        path = f"{PROGRAMS}:{workspace.directory / 'pythons'}:{os.defpath}:/usr/sbin:/sbin"
        argv = ("ansible-test", "sanity", "--color=no")
        # First what they install, so that the output of a failure is not about that.
        call(workspace, *argv, "--prime-venvs", HOME=str(home), PATH=path)
        call(workspace, *argv, HOME=str(home), PATH=path)
    return f"modules for Python {', '.join(pythons)}"


def pip_configuration(home: Path) -> None:
    """Let pip in ansible-test's home read what the user has set."""
    link = home / ".config/pip"
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pip")


def link_pythons(directory: Path) -> list[str]:
    """Make links to the Pythons that really run, for ansible-test dies of one that does not."""
    directory.mkdir()
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    places = [*os.get_exec_path(), *map(str, pyenv.glob("versions/*/bin"))]
    found = []
    for version in MODULE_PYTHONS:
        for place in places:
            python = Path(place) / f"python{version}"
            question = "import ensurepip, sys, venv; print(sys.executable)"
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                argv = [str(python), "-c", question]
                answer = subprocess.check_output(argv, text=True, stderr=subprocess.DEVNULL)
                (directory / python.name).symlink_to(answer.strip())
                found.append(version)
                break
    return found
