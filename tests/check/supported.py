# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is supported, and what tries it: the README's table, which a test holds to this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

WHOLE = ("lint", "typing", "unit", "docs", "browser", "build", "matrix", "hosts", "fleet")
"""What CI does, in this order: `make test`."""


@dataclass(frozen=True)
class Core:
    """A minor version of ansible-core: what pip installs, and the Pythons to run it with."""

    requirement: str
    pythons: tuple[str, ...]


CONTROLLERS = {
    "2.19": Core("ansible-core==2.19.14", ("3.11", "3.12", "3.13")),
    "2.20": Core("ansible-core==2.20.10", ("3.12", "3.13")),
    "2.21": Core("ansible-core==2.21.5", ("3.12", "3.13")),
}

MANAGED = ("3.9", "3.10", "3.11", "3.12", "3.13")
"""The Pythons of managed hosts."""


@dataclass(frozen=True)
class Debian:
    """A Debian that hosts are booted of: its number, and the versions of what the modules meet."""

    number: int
    kernel: str
    python: str


DEBIANS = {"bookworm": Debian(12, "6.1", "3.11"), "trixie": Debian(13, "6.12", "3.13")}

HOSTS = {
    "integration": "bookworm",
    "multipathd": "bookworm",
    "kernel": "bookworm",
    "reboot": "trixie",
}
"""The tests that have a booted host of their own, below `tests`, and the Debian suite of that host;
those that take long first."""

APART = {"initramfs": "bookworm"}
"""Likewise, but not of `make test`: what takes minutes, and concerns few changes."""


def table() -> Iterator[str]:
    """Yield the lines of the table, in Markdown."""
    yield "| What | Versions | Tried in CI by |"
    yield "|---|---|---|"
    for version, core in CONTROLLERS.items():
        yield (
            f"| Controller, ansible-core {version} | Python {', '.join(core.pythons)} |"
            " `make matrix`: unit tests, `ansible-test sanity`, a playbook with the artefact on"
            " a booted host |"
        )
    yield (
        f"| Managed host | Python {', '.join(MANAGED)} | `make matrix`: unit tests,"
        " and imports by `ansible-test sanity` |"
    )
    for suite, debian in DEBIANS.items():
        names = [f"`make {name}`" for name, its in HOSTS.items() if its == suite]
        yield (
            f"| Managed host, Debian {debian.number} ({suite}) | Linux {debian.kernel},"
            f" Python {debian.python} | {', '.join(names)} |"
        )
