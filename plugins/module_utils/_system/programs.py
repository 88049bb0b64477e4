# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs of the host, for what no library offers; without a shell, each in one way."""

from __future__ import annotations

import os
import subprocess

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin"


def run(
    *argv: str, timeout: float | None = None, path: str = PATH
) -> subprocess.CompletedProcess[str]:
    """Run a program, and return its exit status and what it prints, in English.

    OSError if it is not there, subprocess.TimeoutExpired after `timeout` seconds.
    """
    # Ansible's run_command waits forever, and only _run knows Ansible.
    process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
        argv,
        env={"PATH": path, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        # One that waits for a device in the kernel is not ended by a signal, nor waited for.
        process.kill()
        raise
    return subprocess.CompletedProcess(argv, process.returncode, output, errors)
