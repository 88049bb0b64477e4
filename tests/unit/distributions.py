# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What distributions install that the modules read or run, as trees of files.

Nothing of this is booted. Each fact has its source beside it; "common knowledge" is what has not
been read in a package. The texts are the shortest that say the same as the distribution's own.

Sources, by the letters used below:
  EL    github.com/openela-main/{device-mapper-multipath,lvm2,mdadm}, branches el-8.9 and el-9.3
  FED   github.com/r0x0d/fedora-rpm-specs, specs/{device-mapper-multipath,lvm2,mdadm}.spec: the
        multipath-tools 0.10.0 of which RHEL 10 has a neighbour; RHEL 10's own could not be read
  SUSE  github.com/openSUSE/multipath-tools, branch sles15-sp5; github.com/bmwiedemann/openSUSE,
        packages/{m/multipath-tools,l/lvm2,m/mdadm}/*.spec
  DEB   the packages of Debian 12 and 13; debian/patches/0004 and debian/*.install of 0.9.9-1
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import pkgutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils import _system

RELEASE = os.uname().release

# systemd's own, on all of them (DEB: package udev; elsewhere common knowledge), and md's upstream.
_SYSTEMD = "50-udev-default 60-block 60-persistent-storage 64-btrfs 99-systemd"
_MD = "63-md-raid-arrays 64-md-raid-assembly"
# EL: %files of device-mapper-multipath, kpartx, lvm2; mdadm: its own additions to upstream's.
_EL = (
    "10-dm 11-dm-lvm 11-dm-mpath 11-dm-parts 13-dm-disk 62-multipath 66-kpartx 68-del-part-nodes"
    f" 65-md-incremental 95-dm-notify {_SYSTEMD} {_MD}"
)
# DEB: the packages multipath-tools, kpartx, dmsetup, lvm2, mdadm, btrfs-progs.
_DEBIAN = (
    "55-dm 56-dm-mpath 56-dm-parts 56-lvm 60-kpartx 60-multipath 60-persistent-storage-dm"
    f" 64-btrfs-dm 68-del-part-nodes 95-dm-notify {_SYSTEMD} {_MD}"
)

_UPSTREAM_UNIT = "[Unit]\nConditionVirtualization=!container\n"
# EL, patch "RH: don't start without a config file".
_EL_UNIT = f"{_UPSTREAM_UNIT}ConditionPathExists=/etc/multipath.conf\n"
_EL_KPARTX = "/sbin/kpartx -un /dev/$name"  # EL, patch "RH: fixup udev rules for redhat"
_KPARTX = "/sbin/kpartx -un -p -part /dev/$name"  # upstream's kpartx/kpartx.rules

_USR = "/usr/lib/udev/rules.d"
_LIB = "/lib/udev/rules.d"
_MERGED = ("bin", "sbin", "lib", "lib64")


@dataclass(frozen=True)
class Distribution:
    """What a distribution installs: names of rule files without ending, and where things lie.

    `merged` are the folders of the root directory that are links into /usr. `named` is how kpartx'
    own rule names the first partitions of the maps mpatha and data1, `delimiter` what the rule says
    of it, `tools` the rule files of multipath-tools and kpartx that maps and their partitions need.
    """

    rules: str
    rules_in: str
    kpartx: str
    delimiter: str | None
    named: tuple[str, str]
    tools: str
    unit: str
    programs: tuple[str, ...]
    library: str
    generator: str
    image: str
    module: str
    merged: tuple[str, ...] = _MERGED

    @property
    def rule_names(self) -> frozenset[str]:
        """The names of all its rule files that concern disks and maps."""
        return frozenset(f"{name}.rules" for name in self.rules.split())

    def plant(self, root: Path) -> None:
        """Put its files below `root`."""
        for folder in self.merged:
            (root / "usr" / folder).mkdir(parents=True)
            (root / folder).symlink_to(f"usr/{folder}")
        for name in self.rule_names:
            text = f'RUN+="{self.kpartx}"\n' if name.endswith("-kpartx.rules") else "# shortened\n"
            _write(root, f"{self.rules_in}/{name}", text)
        systemd = self.rules_in.partition("/udev")[0]
        _write(
            root,
            f"{systemd}/systemd/system/multipathd.service",
            self.unit.replace("=/", f"={root}/"),
        )
        for path in self.programs:
            _write(root, path, "#!/bin/sh\n").chmod(0o755)
        _write(root, self.image.format(RELEASE), "")
        modules = f"/lib/modules/{RELEASE}"
        _write(root, f"{modules}/modules.dep", self.module.format("dm-multipath") + ":\n")
        _write(root, f"{modules}/modules.builtin", "kernel/drivers/md/dm-mod.ko\n")
        # The same everywhere: libmultipath/wwids.c and alias.c.
        _write(
            root, "/etc/multipath/wwids", "# Multipath wwids, Version : 1.0\n/3600a09/\n/eui.1/\n"
        )
        _write(root, "/etc/multipath/bindings", "mpatha 3600a09\n")


def _write(root: Path, path: str, text: str) -> Path:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, "utf-8")
    return place


def look_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all parts of the system find below `root` what they find on a host.

    Every path of the host that _system names is a constant of a module or of a class.
    """
    for holder, name, value in _paths():
        monkeypatch.setattr(holder, name, _below(root, value))


@functools.cache
def _paths() -> tuple[tuple[object, str, object], ...]:
    found: list[tuple[object, str, object]] = []
    for each in pkgutil.iter_modules(_system.__path__):
        module = importlib.import_module(f"{_system.__name__}.{each.name}")
        values = list(vars(module).values())
        own = [cls for cls in values if getattr(cls, "__module__", "") == module.__name__]
        for holder in (module, *filter(inspect.isclass, own)):
            found += [
                (holder, name, value)
                for name, value in vars(holder).items()
                if name == "root" or _below(Path("/x"), value) != value
            ]
    return tuple(found)


def _below(root: Path, value: object) -> object:
    if value == "":
        return str(root)
    if isinstance(value, str) and value.startswith("/"):
        return ":".join(f"{root}{each}" for each in value.split(":"))
    if isinstance(value, tuple):
        return tuple(_below(root, each) for each in value)
    return value


# EL: bindir of the patch is /usr/sbin; partx, flock, systemctl, udevadm: common knowledge.
_EL_PROGRAMS = (
    *("/usr/sbin/multipath", "/usr/sbin/multipathd", "/usr/sbin/kpartx", "/usr/sbin/dmsetup"),
    *("/usr/sbin/partx", "/usr/sbin/udevadm", "/usr/bin/flock", "/usr/bin/systemctl"),
    *("/usr/bin/dracut", "/usr/bin/lsinitrd"),
)
_DEB_PROGRAMS = (
    *("/sbin/multipath", "/sbin/multipathd", "/sbin/kpartx", "/sbin/dmsetup"),
    *("/usr/bin/partx", "/usr/bin/flock", "/bin/systemctl", "/bin/udevadm"),
    *("/usr/sbin/mkinitramfs", "/usr/bin/lsinitramfs"),
)


def _red_hat(lvm: str, late: str = "") -> Distribution:
    return Distribution(
        rules=f"{_EL} {lvm} {late}",
        rules_in=_USR,
        kpartx=_EL_KPARTX,
        delimiter=None,
        named=("mpatha1", "data1p1"),
        tools=f"11-dm-mpath 11-dm-parts 62-multipath 66-kpartx {late}",
        unit=_EL_UNIT,
        programs=_EL_PROGRAMS,
        library="libdevmapper.so.1.02",
        generator="dracut",
        image="/boot/initramfs-{}.img",
        module="kernel/drivers/md/{}.ko.xz",
    )


def _debian(lvm: str, ending: str, rules_in: str = _LIB, late: str = "") -> Distribution:
    return Distribution(
        rules=f"{_DEBIAN} {lvm} {late}",
        rules_in=rules_in,
        kpartx=_KPARTX,
        delimiter="-part",
        named=("mpatha-part1", "data1-part1"),
        tools=f"56-dm-mpath 56-dm-parts 60-kpartx 60-multipath {late}",
        unit=_UPSTREAM_UNIT,
        programs=_DEB_PROGRAMS,
        library="libdevmapper.so.1.02.1",
        generator="initramfs-tools",
        image="/boot/initrd.img-{}",
        module="kernel/drivers/md/{}" + ending,
    )


_LATE = "99-z-dm-mpath-late"

DISTRIBUTIONS = {
    # EL: lvm2 2.03.14 of el-8.9 has the older name.
    "RHEL 8": _red_hat("69-dm-lvm-metad"),
    "RHEL 9": _red_hat("69-dm-lvm"),
    "RHEL 10": _red_hat("69-dm-lvm", _LATE),  # FED
    # SUSE: /usr is not merged (the spec's suse_version < 1550); kpartx keeps the paths' partitions.
    "SLES 15 SP5": Distribution(
        rules=(
            "00-dont-del-part-nodes 10-dm 11-dm-lvm 11-dm-mpath 11-dm-parts 13-dm-disk 56-multipath"
            " 66-kpartx 68-del-part-nodes 69-dm-lvm 69-md-clustered-confirm-device 95-dm-notify"
            f" {_LATE} {_SYSTEMD} {_MD}"
        ),
        rules_in=_USR,
        kpartx=_KPARTX,
        delimiter="-part",
        named=("mpatha-part1", "data1-part1"),
        tools=(f"11-dm-mpath 11-dm-parts 56-multipath 66-kpartx {_LATE}"),
        unit=_UPSTREAM_UNIT,
        programs=(
            *("/sbin/multipath", "/sbin/multipathd", "/sbin/kpartx", "/usr/sbin/dmsetup"),
            *("/usr/sbin/partx", "/usr/bin/flock", "/usr/bin/systemctl", "/usr/bin/udevadm"),
            *("/usr/bin/dracut", "/usr/bin/lsinitrd"),
        ),
        library="libdevmapper.so.1.03",
        generator="dracut",
        image="/boot/initrd-{}",
        module="kernel/drivers/md/{}.ko.zst",
        merged=(),
    ),
    # Debian's packaging at 0.8.8 and 0.9.4; the name of lvm2 2.03.11: common knowledge.
    "Ubuntu 22.04": _debian("69-lvm-metad", ".ko"),
    "Ubuntu 24.04": _debian("69-lvm", ".ko.zst"),
    # Debian 12 and 13 with another kernel, and ZFS' rules (common knowledge).
    "Proxmox VE 8": _debian("69-lvm 60-zvol 69-vdev 90-zfs", ".ko"),
    "Proxmox VE 9": _debian("69-lvm 60-zvol 69-vdev 90-zfs", ".ko", _USR, _LATE),
}
