# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is supported, and what tries it: the README's table, which a test holds to this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Debian:
    """A Debian that hosts are booted of: its number, and the versions of what the modules meet."""

    number: int
    kernel: str
    python: str


DEBIANS = {"bookworm": Debian(12, "6.1", "3.11"), "trixie": Debian(13, "6.12", "3.13")}

HOSTS = {
    "kernel": "bookworm",
    "integration": "bookworm",
    "reboot": "trixie",
    "multipathd": "bookworm",
}
"""The tests that have a booted host of their own, below `tests`, and the Debian suite of that host;
those that take long first."""

APART = {"initramfs": "bookworm"}
"""Likewise, but not of `make test`: what takes minutes, and concerns few changes."""


def table() -> Iterator[str]:
    """Yield the lines of the table, in Markdown."""
    yield "| What | Versions | Tried in CI by |"
    yield "|---|---|---|"
    for suite, debian in DEBIANS.items():
        names = [f"`make {name}`" for name, its in HOSTS.items() if its == suite]
        yield (
            f"| Managed host, Debian {debian.number} ({suite}) | Linux {debian.kernel},"
            f" Python {debian.python} | {', '.join(names)} |"
        )
