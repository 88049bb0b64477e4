# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that runs ansible-test sanity without containers."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .pythons import found
from .workspace import CACHE, PROGRAMS, Workspace, call

# What ansible-test may test modules with, from python_requires in tests/config.yml up.
MODULE_PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

# ansible-test fetches pip from a site of its own unless it finds this file. pip comes from where
# all other packages come from instead. The names are those of ansible-core 2.16 and 2.17, of 2.18
# and 2.19, and of 2.20 and 2.21.
GET_PIP_NAMES = ("get_pip_23_1_2.py", "get_pip_24_2.py", "get_pip_25_2.py")
GET_PIP = """\
import runpy
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
words = [word for word in sys.argv[1:] if not word.startswith("--no-")]
sys.argv = ["pip", "install", "--quiet", *words]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def sanity(workspace: Workspace, programs: Path = PROGRAMS, options: Sequence[str] = ()) -> str:
    """Run ansible-test sanity without containers, with every Python that is here.

    `programs` is the directory of the ansible-test to run, which gets the options.
    """
    home = CACHE / "ansible-test"
    downloads = home / ".ansible/test/cache"
    downloads.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w", encoding="utf-8") as lock:
        # ansible-test keeps its virtual environments in its home, for one user of them at a time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in GET_PIP_NAMES:
            (downloads / name).write_text(GET_PIP, encoding="utf-8")
        pip_configuration(home)
        links = Path(tempfile.mkdtemp(prefix="pythons-", dir=workspace.directory))
        pythons = link_pythons(links)
        path = f"{programs}:{links}:{os.defpath}:/usr/sbin:/sbin"
        argv = ("ansible-test", "sanity", "--color=no")
        # First what they install, so that the output of a failure is not about that.
        call(workspace, *argv, "--prime-venvs", HOME=str(home), PATH=path)
        call(workspace, *argv, *options, HOME=str(home), PATH=path)
    return f"modules for Python {', '.join(pythons)}"


def pip_configuration(home: Path) -> None:
    """Let pip in ansible-test's home read what the user has set."""
    link = home / ".config/pip"
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pip")


def link_pythons(directory: Path) -> list[str]:
    """Make links to the Pythons that really run, for ansible-test dies of one that does not."""
    pythons = found(MODULE_PYTHONS)
    for version, python in pythons.items():
        (directory / f"python{version}").symlink_to(python)
    return list(pythons)
