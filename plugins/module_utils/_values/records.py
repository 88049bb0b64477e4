# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of persistent maps: the files from which a host makes them again at boot.

`mpath-WWID.map` states what the program that assembles a map must know beyond what the paths say
themselves at boot. `mpath-WWID.partitions` beside it states the partition maps, by number and name;
where a partition begins and ends is read from the disk. `mpath-WWID.skip_kpartx` says by being
there that udev is to make none.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from .errors import Refused

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator

RECORDS = "/etc/san.device_mapper"

PROGRAM = f"{RECORDS}/assemble"
RULES = "/etc/udev/rules.d/62-san-device-mapper-boot.rules"
KPARTX_RULES = "/etc/udev/rules.d/58-san-device-mapper-boot.rules"
UNIT = "/etc/systemd/system/san-device-mapper@.service"
"""What assembles the maps: the program, udev's rules, and the unit that runs the program."""

CHECK = f"{RECORDS}/check"
CHECK_UNIT = "/etc/systemd/system/san-device-mapper-check.service"
"""The program that looks after persistent maps, and the unit that runs it."""

STATIC_PATHS = (PROGRAM, CHECK, CHECK_UNIT, KPARTX_RULES, RULES, UNIT)
"""The files that are there as long as any record is."""

ENDINGS = (".map", ".partitions", ".skip_kpartx")
"""Of the names of the files in RECORDS that state something of one map, after its uuid."""

MANAGED = "# Managed by the Ansible collection san.device_mapper: changes made here are lost.\n"

PROGRAMS = ("dmsetup", "flock", "partx", "systemctl", "udevadm")
"""What the program that assembles maps calls that a host may not have."""

MULTIPATHD_UNITS = ("multipathd.service", "multipathd.socket")


@dataclass(frozen=True)
class NextBoot:
    """What would keep the next boot from making persistent maps; empty where nothing would.

    The programs that it would not find, the units of multipathd that are enabled and would start,
    and the words of the kernel's command line that turn multipath off.
    """

    missing_programs: tuple[str, ...] = ()
    daemon_units: tuple[str, ...] = ()
    command_line: tuple[str, ...] = ()

    def obstacles(self) -> Iterator[str]:
        """Yield each of them in words."""
        yield from (f"no {each}" for each in self.missing_programs)
        yield from (f"{each} is enabled" for each in self.daemon_units)
        yield from (f"{each} on the kernel's command line" for each in self.command_line)


CHECK_INTERVAL = 20
"""Seconds between two looks at failed paths, where no record says otherwise."""

HELD = "/run/san.device_mapper/failed"
"""Where multipath_path notes the paths that it has failed."""


DETACHED_RULES = "/etc/udev/rules.d/62-san-device-mapper-detached.rules"
"""The list of the LUNs that lun_paths holds detached, as rules of udev that hide their disks."""

_DETACHED = re.compile(r'^ENV\{\.SAN_DEVICE_MAPPER_WWID\}=="([^"]+)", \\$', re.MULTILINE)


def listed_as_detached(text: str) -> frozenset[str]:
    """Return the LUNs that the text of DETACHED_RULES lists; the inverse of detached_rules."""
    return frozenset(_DETACHED.findall(text))


def refuse_detached(option: str, wwid: str, detached: Collection[str]) -> None:
    """Refuse to make a map of a LUN that the host holds detached."""
    if wwid in detached:
        raise Refused(
            option=option,
            value=wwid,
            found=f"the LUN is held detached by lun_paths ({DETACHED_RULES})",
            way_out=(
                "If this host is to use it again, run lun_paths with state: present for it, which"
                " releases it and scans for its paths; nothing was changed"
            ),
        )


def held_file(uuid: str, device: object) -> str:
    """Return the file that says that this path of a map stays failed."""
    return f"{HELD}/{uuid}@{device}"


def record_path(uuid: str) -> str:
    """Return where the record of the map with this uuid is."""
    return f"{RECORDS}/{uuid}.map"


def partitions_path(uuid: str) -> str:
    """Return where the partition maps of the map with this uuid are stated."""
    return f"{RECORDS}/{uuid}.partitions"


def skip_kpartx_path(uuid: str) -> str:
    """Return the file that keeps udev from making partition maps of the map with this uuid."""
    return f"{RECORDS}/{uuid}.skip_kpartx"


def uuid_of(path: str) -> str:
    """Return the uuid of the map that a file states something of; empty for another file."""
    name = path[len(RECORDS) + 1 :] if path.startswith(f"{RECORDS}/") else ""
    return name.rpartition(".")[0] if name.endswith(ENDINGS) else ""
