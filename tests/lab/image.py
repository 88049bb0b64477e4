# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab host's disk image, built once per recipe and suite and then cached."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .errors import LabError

RECIPE = Path(__file__).with_name("recipe")
LOG_LINES_IN_ERROR = 15


def image(suite: str) -> Path:
    """Return the directory that holds the suite's image, building it when missing."""
    cache = _cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(suite.encode() + RECIPE.read_bytes()).hexdigest()[:12]
    finished = cache / f"image-{suite}-{key}"
    if finished.exists():
        return finished
    with open(f"{finished}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            _build(suite, finished)
    return finished


def _cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "san-device-mapper"


def _build(suite: str, finished: Path) -> None:
    started = time.monotonic()
    _say(f"building the {suite} image, once for this recipe (1 to 4 minutes) ...")
    partial, log = finished.with_suffix(".partial"), finished.with_suffix(".log")
    partial.mkdir(mode=0o700, exist_ok=True)
    try:
        for key in ("id_ed25519", "ssh_host_ed25519_key"):
            _generate_key(partial / key)
        _follow_recipe(suite, partial, log)
        # The guest has its own copy; known_hosts needs the public half only.
        (partial / "ssh_host_ed25519_key").unlink()
        partial.rename(finished)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    log.unlink()
    _say(f"image built in {time.monotonic() - started:.0f} s: {finished}")


def _follow_recipe(suite: str, directory: Path, log: Path) -> None:
    as_root = [] if os.geteuid() == 0 else ["sudo", "--"]
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [*as_root, str(RECIPE), suite, str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            status = process.wait()
        except BaseException:
            subprocess.run([*as_root, "kill", str(process.pid)], check=False)
            process.wait()
            raise
    if status != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        tail = "\n".join(lines[-LOG_LINES_IN_ERROR:])
        raise LabError(
            f"building the {suite} image failed with status {status}.\n{tail}\nThe whole log: {log}"
        )


def _generate_key(path: Path) -> None:
    path.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(path)],
        check=True,
    )


def _say(text: str) -> None:
    print(f"lab: {text}", file=sys.stderr, flush=True)
