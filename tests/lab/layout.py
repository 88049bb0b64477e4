# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which a user says what SAN the lab host is to have.

All keys may be left out; `luns` has the size of each LUN, in bytes or with K, M, G or T, and
`memory` that of the host.

    suite = "bookworm"
    groups = ["san"]
    hbas = 2
    targets = 2
    luns = ["256M", "256M"]
    memory = "1G"
"""

from __future__ import annotations

import re
import tomllib
import typing as t
from pathlib import Path

from .errors import LabError
from .qemu import SUITES, Machine

SECTOR = 512
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SIZES = {"luns": (1 << 20, 16 << 40), "memory": (512 << 20, 64 << 30)}
"""The smallest and the largest, in bytes."""
# The HBAs have fixed PCI slots, of which there are 32. The rest is what an emulated host can bear:
# its udev takes half a second for each path.
MOST = {"hbas": 8, "targets": 8, "luns": 256}
MOST_PATHS = 1024
KEYS = ("suite", "groups", "hbas", "targets", "luns", "memory")


def read(path: Path) -> Machine:
    """Return the machine that the file describes; a mistake in it is a LabError that names it."""
    try:
        stated = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"{path}: this is not TOML: {error}") from None
    try:
        return _machine(stated)
    except LabError as error:
        raise LabError(f"{path}: {error}") from None


def _machine(stated: dict[str, t.Any]) -> Machine:
    if unknown := [key for key in stated if key not in KEYS]:
        raise LabError(f"{unknown[0]}: there is no such key; there are {', '.join(KEYS)}")
    plain = Machine()
    suite = stated.get("suite", plain.suite)
    if suite not in SUITES:
        raise LabError(f"suite: {suite!r} is none of {', '.join(SUITES)}")
    groups = stated.get("groups", list(plain.groups))
    if not isinstance(groups, list) or not groups or not all(map(_is_group, groups)):
        raise LabError(
            f"groups: {groups!r} is not a list of names of groups in an inventory, such as ['san']:"
            " letters, digits and underscores, no digit first"
        )
    if len(set(groups)) < len(groups):
        raise LabError(f"groups: {groups!r} has a name twice")
    hbas = _count("hbas", stated.get("hbas", plain.hbas))
    targets = _count("targets", stated.get("targets", plain.targets))
    sizes = stated.get("luns", list(plain.luns))
    if not isinstance(sizes, list) or not 0 < len(sizes) <= MOST["luns"]:
        raise LabError(
            f"luns: {sizes!r} is not a list of 1 to {MOST['luns']} sizes, such as ['256M', '1G']"
        )
    if (paths := hbas * targets * len(sizes)) > MOST_PATHS:
        raise LabError(
            f"luns: {len(sizes)} LUNs over {hbas} HBAs and {targets} targets have {paths} paths,"
            f" and {MOST_PATHS} are what the lab host can have"
        )
    return Machine(
        suite,
        tuple(size("luns", each) for each in sizes),
        hbas,
        targets,
        tuple(groups),
        size("memory", stated.get("memory", plain.memory)),
    )


def _is_group(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) is not None


def _count(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST[key]:
        raise LabError(f"{key}: {value!r} is not a number from 1 to {MOST[key]}")
    return value


def size(key: str, stated: object) -> int:
    """Return the size of a LUN or of the host's memory in bytes."""
    found = re.fullmatch(r"([0-9]+)([KMGT]?)", str(stated), re.ASCII)
    if found is None or isinstance(stated, bool):
        raise LabError(
            f"{key}: {stated!r} is not a size, such as 256M or 1G: K, M, G or T, or bytes"
        )
    number = int(found[1]) * UNITS[found[2]]
    smallest, largest = SIZES[key]
    if number % SECTOR or not smallest <= number <= largest:
        raise LabError(
            f"{key}: {stated!r} is not {_in_words(smallest)} to {_in_words(largest)}, in whole"
            f" sectors of {SECTOR} bytes"
        )
    return number


def _in_words(number: int) -> str:
    letter, unit = max(
        ((letter, unit) for letter, unit in UNITS.items() if number >= unit),
        key=lambda each: each[1],
    )
    return f"{number // unit}{letter}"
