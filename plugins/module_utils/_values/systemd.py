# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units of systemd that use devices, and the names that it gives to devices."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK_OF_PROPERTIES = re.compile(r"\n\n+")


class Unit(t.NamedTuple):
    """An active mount, swap or automount unit, with the device units that it ends with.

    `where` is the mount point; empty for swap.
    """

    name: str
    where: str
    devices: frozenset[str]

    def words(self) -> str:
        """Return the unit as a message names it."""
        return f"{self.name} ({self.where})" if self.where else self.name


def nodes(name: str) -> tuple[str, ...]:
    """Return the paths below /dev that a map has by its name."""
    return (f"/dev/mapper/{name}", f"/dev/disk/by-id/dm-name-{name}")


def device_unit(path: str) -> str:
    """Return the device unit of a path (systemd.unit(5), unit_name_path_escape)."""
    escaped = "".join(map(_escaped, path.strip("/").encode("utf-8", "surrogateescape")))
    return f"{escaped}.device"


def _escaped(byte: int) -> str:
    each = chr(byte)
    if each == "/":
        return "-"
    return each if each.isascii() and (each.isalnum() or each in ":_.") else f"\\x{byte:02x}"


def parse_units(text: str) -> Iterator[Unit]:
    """Yield the active units of what `systemctl show` prints; an automount ends with its mount."""
    shown = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in _BLOCK_OF_PROPERTIES.split(text.strip())
    ]
    devices = {each.get("Id", ""): frozenset(_devices(each)) for each in shown}
    for each in shown:
        name = each.get("Id", "")
        ends_with = devices[name].union(
            *(devices.get(mount, frozenset()) for mount in _listed(each, "Triggers"))
        )
        if name and each.get("ActiveState") not in ("inactive", "failed"):
            yield Unit(name, each.get("Where", ""), ends_with)


def needed_files(text: str) -> list[str]:
    """Return the values of ConditionPathExists in the files of a unit, in `systemctl cat`'s words.

    An empty one clears those before it. RHEL's multipathd.service needs /etc/multipath.conf.
    """
    found: list[str] = []
    for line in text.splitlines():
        keyword, _equals, value = line.partition("=")
        if keyword == "ConditionPathExists":
            found = [*found, value.strip()] if value.strip() else []
    return found


def _devices(shown: dict[str, str]) -> Iterable[str]:
    # BindsTo before systemd 249, which knows no StopPropagatedFrom.
    for tie in ("StopPropagatedFrom", "BindsTo"):
        yield from (each for each in _listed(shown, tie) if each.endswith(".device"))


def _listed(shown: dict[str, str], name: str) -> Iterable[str]:
    # systemctl escapes the backslashes of lists: as \x5c, or doubled and in quotes. A unit's
    # name has neither quotes nor blanks, and no other backslash than that of an escape.
    for word in shown.get(name, "").split():
        yield word.lstrip("$").strip("\"'").replace(r"\x5c", "\\").replace("\\\\", "\\")
