# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own SCSI target (LIO) within the booted host: units, and the ports that show them.

A port is one of tcm_loop's, which has the host's own SCSI host behind it, or one of tcm_fc's, which
is connected with a port of the host by FCoE over a pair of veth devices. The WWIDs, reservations
and sizes of its units are real ones.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .conftest import Host

CORE = "/sys/kernel/config/target/core/iblock_0"
LOOPBACK = "/sys/kernel/config/target/loopback"
FIBRE_CHANNEL = "/sys/kernel/config/target/fc"
MIB = 1 << 20


def wwid(number: int) -> str:
    """Return the WWID of a unit: NAA 6, LIO's company, and digits of the unit's serial number."""
    return f"36001405{_serial(number)[:25]}"


def _serial(number: int) -> str:
    return f"{number:08x}" * 4


class Target:
    """The units and ports; numbers of both begin at 1."""

    ports_directory = LOOPBACK
    modules: tuple[str, ...] = ("tcm_loop",)

    def __init__(self, host: Host) -> None:
        self.host = host
        self.ports: list[int] = []
        self.units: list[int] = []

    def add_port(self, port: int) -> None:
        """Add a port of the storage, which is connected with a port of the host."""
        self.ports.append(port)
        place = self.port(port)
        self.host.shell(f"mkdir -p {place}; echo naa.500140500000001{port} > {place}/nexus")

    def port(self, port: int) -> str:
        """Return the directory of a port."""
        return f"{self.ports_directory}/naa.600140500000000{port}/tpgt_1"

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
        place = f"{self.port(port)}/lun/lun_{lun}"
        self.host.shell(f"mkdir -p {place}; ln -s {CORE}/unit{number} {place}/unit")

    def hide(self, port: int, lun: int) -> None:
        """Let a LUN number of a port show nothing; the kernel removes its disk."""
        place = f"{self.port(port)}/lun/lun_{lun}"
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
        ports = self.ports_directory
        self.host.shell(
            f"cd {ports}; rm -f */tpgt_1/acls/*/lun_*/lun */tpgt_1/lun/lun_*/unit;"
            " for each in */tpgt_1/acls/*/lun_* */tpgt_1/acls/* */tpgt_1/lun/lun_* */tpgt_1"
            " naa.* 20:*; do if [ -d $each ]; then rmdir $each; fi; done; cd /;"
            f" for each in {ports} {CORE}/unit* {CORE}; do"
            " if [ -d $each ]; then rmdir $each; fi; done;"
            f" for file in {content('*')}; do for loop in $(losetup --noheadings --output NAME"
            " --associated $file); do losetup --detach $loop; done; rm -f $file; done"
        )
        for module in (*self.modules, "target_core_iblock"):
            self.host.lab.unload(module)


class FibreChannelTarget(Target):
    """A target whose ports, and those of the host, have names in sysfs; `connect` comes last."""

    ports_directory = FIBRE_CHANNEL
    modules = ("tcm_fc", "fcoe")

    def add_port(self, port: int) -> None:
        """Add a port of the storage, and the pair of veth devices to the host's own."""
        self.ports.append(port)
        ours, theirs = self.devices(port)
        self.host.shell(
            f"ip link add {ours} address {_mac(port, 1)} type veth peer name {theirs}"
            f" address {_mac(port, 2)}; ip link set {ours} mtu 2500 up;"
            f" ip link set {theirs} mtu 2500 up; mkdir -p {self._nexus(port)}"
        )

    def port(self, port: int) -> str:
        """Return the directory of a port: its name is made of the address (libfcoe)."""
        return f"{self.ports_directory}/20:00:{_mac(port, 2)}/tpgt_1"

    def show(self, port: int, lun: int, number: int) -> None:
        """Let a port show a unit to the host by a LUN number."""
        super().show(port, lun, number)
        place = f"{self._nexus(port)}/lun_{lun}"
        self.host.shell(f"mkdir {place}; ln -s {self.port(port)}/lun/lun_{lun} {place}/lun")

    def connect(self, number: int) -> None:
        """Connect the ports, and wait until the host has a path to the unit by each."""
        for port in self.ports:
            for device in reversed(self.devices(port)):
                # The storage's port comes first: it is there when the host's looks for others.
                self.host.shell(
                    f"echo {device} > /sys/bus/fcoe/ctlr_create; cd /sys/class/net/{device}/ctlr_*;"
                    " echo vn2vn > mode; echo 1 > enabled;"
                    " until grep -q Online host*/fc_host/host*/port_state; do sleep 0.1; done"
                )
        self.host.until(lambda: len(self.disks(number)) == len(self.ports), 120)
        self.host.run("udevadm", "settle")

    def remove(self) -> None:
        """Remove everything, the connections first."""
        for port in self.ports:
            for device in self.devices(port):
                self.host.shell(f"echo {device} > /sys/bus/fcoe/ctlr_destroy", check=False)
        super().remove()
        for port in self.ports:
            self.host.run("ip", "link", "delete", self.devices(port)[0])

    def devices(self, port: int) -> tuple[str, str]:
        """Return the names of the host's end and of the storage's."""
        return f"fc{port}host", f"fc{port}unit"

    def _nexus(self, port: int) -> str:
        return f"{self.port(port)}/acls/20:00:{_mac(port, 1)}"


def _mac(port: int, end: int) -> str:
    return f"52:54:00:fc:0{port}:0{end}"


def content(number: int | str) -> str:
    """Return the path of the file that has what is on a unit."""
    return f"/var/tmp/unit{number}.raw"


@contextlib.contextmanager
def target(host: Host, ports: int = 2) -> Iterator[Target]:
    """Give the host a target with ports and no units; all maps of the host go with it."""
    with _made(Target(host), ports) as made:
        yield made


@contextlib.contextmanager
def fibre_channel(host: Host, ports: int = 2) -> Iterator[FibreChannelTarget]:
    """Give the host a target with ports of Fibre Channel, which are to be connected."""
    made = FibreChannelTarget(host)
    with _made(made, ports):
        yield made


@contextlib.contextmanager
def _made(made: Target, ports: int) -> Iterator[Target]:
    host = made.host
    host.run("modprobe", "-a", "target_core_iblock", *made.modules)
    host.shell(
        "mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config;"
        # Where registrations go that are to outlive a power loss of the storage.
        " mkdir -p /var/target/pr /etc/target/pr"
    )
    try:
        for port in range(1, ports + 1):
            made.add_port(port)
        yield made
    finally:
        host.clean()
        made.remove()
