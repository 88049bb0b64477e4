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
    "2.16": Core("ansible-core==2.16.19", ("3.10", "3.11", "3.12")),
    "2.17": Core("ansible-core==2.17.14", ("3.10", "3.11", "3.12")),
    "2.18": Core("ansible-core==2.18.19", ("3.11", "3.12", "3.13")),
    "2.19": Core("ansible-core==2.19.14", ("3.11", "3.12", "3.13")),
    "2.20": Core("ansible-core==2.20.10", ("3.12", "3.13")),
    "2.21": Core("ansible-core==2.21.5", ("3.12", "3.13")),
}

MANAGED = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
"""The Pythons of managed hosts."""


@dataclass(frozen=True)
class Debian:
    """A Debian that hosts are booted of: its name, and the versions of what the modules meet."""

    name: str
    kernel: str
    python: str


DEBIANS = {
    "bullseye": Debian("Debian 11 (bullseye)", "5.10", "3.9"),
    "bookworm": Debian("Debian 12 (bookworm)", "6.1", "3.11"),
    "trixie": Debian("Debian 13 (trixie)", "6.12", "3.13"),
    "sid": Debian("Debian sid", "7", "3.14"),
}
"""By their suites. What sid has moves, and each change of it has to be looked at."""


@dataclass(frozen=True)
class Tests:
    """Tests that have a booted host of their own, on each of the suites: all in the folder of their
    name, below `tests`, or what `paths` names there."""

    suites: tuple[str, ...]
    paths: tuple[str, ...] = ()


HOSTS = {
    "integration": Tests(("bookworm",)),
    "multipathd": Tests(("bookworm",)),
    "kernel": Tests(("bookworm",)),
    "reboot": Tests(("trixie",)),
    # What another kernel, udev, libdevmapper and Python can change, in few minutes: the tables that
    # the kernel prints back, and a module by Ansible.
    "smoke": Tests(
        ("bullseye", "sid"),
        ("kernel/test_tables.py", "integration/test_targets.py::test_target[device_mapper_info]"),
    ),
}
"""The tests of `make test` on booted hosts; those that take long first."""

OTHER_HOSTS = {"matrix": "bullseye", "fleet": "bookworm"}
"""The suites of the hosts that two more steps of `make test` boot. All controllers of the matrix
use one host, the oldest: what each of them sends has to work with its Python."""

APART = {"initramfs": Tests(("bookworm",))}
"""Likewise, but not of `make test`: what takes minutes, and concerns few changes."""

ARRANGED = {
    "LVM's devices file, as on RHEL 9": "kernel",
    "dracut's initramfs, as on RHEL and SLES": "initramfs",
    "multipathd's units, rules and settings as on RHEL 9": "multipathd",
}
"""What Debian 12 does not have by itself, and the tests that make it so and boot it."""

FIXTURES = (
    *("RHEL 8", "RHEL 9", "RHEL 10", "SLES 15 SP5", "Ubuntu 22.04", "Ubuntu 24.04"),
    *("Proxmox VE 8", "Proxmox VE 9"),
)
"""What is not booted: unit tests read trees that have its files, with the source of each fact."""


def table() -> Iterator[str]:
    """Yield the lines of the table, in Markdown."""
    yield "| What | Versions | Tried by |"
    yield "|---|---|---|"
    for version, core in CONTROLLERS.items():
        yield (
            f"| Controller, ansible-core {version} | Python {', '.join(core.pythons)} |"
            " `make matrix`: unit tests with each, `ansible-test sanity` with the oldest, a"
            " playbook with the artefact on a booted host with the newest |"
        )
    yield (
        f"| Managed host | Python {', '.join(MANAGED)} | `make matrix`: unit tests,"
        " and imports by `ansible-test sanity` |"
    )
    for suite, debian in DEBIANS.items():
        names = [name for name, tests in HOSTS.items() if suite in tests.suites]
        names += [name for name, its in OTHER_HOSTS.items() if its == suite]
        yield (
            f"| Managed host, {debian.name} | Linux {debian.kernel}, Python {debian.python} |"
            f" booted in CI: {', '.join(f'`make {name}`' for name in names)} |"
        )
    for what, name in ARRANGED.items():
        where = "booted in CI" if name in HOSTS else "booted"
        yield (
            f"| Managed host with {what} | {DEBIANS[(HOSTS | APART)[name].suites[0]].name} |"
            f" arranged like it and {where}: `make {name}` |"
        )
    yield (
        f"| Managed hosts {', '.join(FIXTURES)} | their rule files, programs, libraries, units and"
        " configuration, by name and place | fixtures only: `make unit` |"
    )
