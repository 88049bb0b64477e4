# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own SCSI target (LIO) within the booted host: units, and the ports that show them.

A port is one of tcm_loop's, which has the host's own SCSI host behind it. The WWIDs, reservations
and sizes of its units are real ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .conftest import Host

CORE = "/sys/kernel/config/target/core/iblock_0"
PORTS = "/sys/kernel/config/target/loopback"
MIB = 1 << 20


def wwid(number: int) -> str:
    """Return the WWID of a unit: NAA 6, LIO's company, and digits of the unit's serial number."""
    return f"36001405{_serial(number)[:25]}"


def _serial(number: int) -> str:
    return f"{number:08x}" * 4


class Target:
    """The units and ports; numbers of both begin at 1."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.ports: list[int] = []
        self.units: list[int] = []

    def add_port(self, port: int) -> None:
        """Add a port of the storage, which is connected with a port of the host."""
        self.ports.append(port)
        self.host.shell(
            f"mkdir -p {_port(port)}; echo naa.500140500000001{port} > {_port(port)}/nexus"
        )

    def add_unit(self, number: int, mib: int) -> None:
        """Add a unit of this size, whose content is in the file that `content` names."""
        self.units.append(number)
        self.host.shell(
            f"truncate -s {mib}M {content(number)}; mkdir -p {CORE}/unit{number};"
            f" loop=$(losetup --find --show {content(number)});"
            f" cd {CORE}/unit{number};"
            " echo udev_path=$loop > control;"
            f" echo {_serial(number)} > wwn/vpd_unit_serial; echo 1 > enable"
        )

    def show(self, port: int, lun: int, number: int) -> None:
        """Let a port show a unit by a LUN number; the kernel has its disk then."""
        place = f"{_port(port)}/lun/lun_{lun}"
        self.host.shell(f"mkdir -p {place}; ln -s {CORE}/unit{number} {place}/unit")

    def hide(self, port: int, lun: int) -> None:
        """Let a LUN number of a port show nothing; the kernel removes its disk."""
        place = f"{_port(port)}/lun/lun_{lun}"
        self.host.shell(f"if [ -e {place}/unit ]; then rm {place}/unit; rmdir {place}; fi")

    def disks(self, number: int) -> list[str]:
        """Return the kernel's names of the paths of a unit, in the order of its ports."""
        luns = self.host.applied("device_mapper_info")["luns"]
        found = [lun["paths"] for lun in luns if lun["wwid"] == wwid(number)]
        paths = sorted(
            found[0] if found else [],
            key=lambda path: [int(each) for each in path["address"].split(":")],
        )
        return [path["name"] for path in paths]

    def remove(self) -> None:
        """Remove everything: nothing may use the disks any more."""
        self.host.shell(
            f"cd {PORTS}; rm -f naa.*/tpgt_1/lun/lun_*/unit;"
            " for each in naa.*/tpgt_1/lun/lun_* naa.*/tpgt_1 naa.*; do"
            " if [ -d $each ]; then rmdir $each; fi; done; cd /;"
            f" for each in {PORTS} {CORE}/unit* {CORE}; do"
            " if [ -d $each ]; then rmdir $each; fi; done;"
            f" for file in {content('*')}; do for loop in $(losetup --noheadings --output NAME"
            " --associated $file); do losetup --detach $loop; done; rm -f $file; done"
        )
        for module in ("tcm_loop", "target_core_iblock"):
            self.host.lab.unload(module)


def content(number: int | str) -> str:
    """Return the path of the file that has what is on a unit."""
    return f"/var/tmp/unit{number}.raw"


def _port(port: int) -> str:
    return f"{PORTS}/naa.600140500000000{port}/tpgt_1"


@contextlib.contextmanager
def target(host: Host, ports: int = 2) -> Iterator[Target]:
    """Give the host a target with ports and no units; all maps of the host go with it."""
    host.run("modprobe", "-a", "target_core_iblock", "tcm_loop")
    host.shell(
        "mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config;"
        # Where registrations go that are to outlive a power loss of the storage.
        " mkdir -p /var/target/pr /etc/target/pr"
    )
    made = Target(host)
    try:
        for port in range(1, ports + 1):
            made.add_port(port)
        yield made
    finally:
        host.clean()
        made.remove()
