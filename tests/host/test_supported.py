# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host that the tests beside this one run on is what the README's table says."""

from __future__ import annotations

from check.supported import DEBIANS
from lab.host import Lab


def test_the_host_is_what_the_table_says() -> None:
    """Kernel and Python are of the minor versions that the table has for this Debian."""
    lab = Lab.from_environment()
    stated = DEBIANS[lab.machine.suite]
    kernel = lab.ssh(["uname", "-r"]).stdout
    python = lab.ssh(["python3", "--version"]).stdout
    assert kernel.startswith(f"{stated.kernel}.")
    assert python.startswith(f"Python {stated.python}.")
