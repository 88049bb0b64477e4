# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build, boot, use and stop a SAN host to test on: `python3 tests/lab --help`."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    # Run as a directory: import this package by its name all the same.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from lab.commands import main

if __name__ == "__main__":
    sys.exit(main())
