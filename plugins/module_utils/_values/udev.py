# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What udev shows of a host's paths and maps, and what its rules lie in: values only."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from .device import DeviceNumber


@dataclass(frozen=True)
class UdevDevice:
    """A path, a partition on one, a multipath map or a partition map, as udev shows it.

    `owner` and `group` are names, or numbers that have none; `mode` is that of the node.
    `attributes` are those of sysfs that can be tuned, without those that the device does not have.
    """

    name: str
    device: DeviceNumber
    properties: Mapping[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    owner: str = ""
    group: str = ""
    mode: int = 0
    vendor: str = ""
    model: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """The text of a rule file, by the name that it is to have in /etc/udev/rules.d."""

    name: str
    content: str


@dataclass(frozen=True)
class RuleFile:
    """A rule file that should be installed; `current` if its content, mode and owner are right."""

    name: str
    found: bool
    current: bool


@dataclass(frozen=True)
class EarlyMount:
    """A mount that the initramfs makes, and the uuid of the multipath map that it lies on."""

    place: str
    uuid: str


@dataclass(frozen=True)
class Initramfs:
    """The initramfs of the running kernel: what builds it, and the names of the files inside.

    `generator` is `dracut` or `initramfs-tools`, empty where the host has neither; `told` says that
    it has been told of the collection's rules. `files` is None if it could not be read.
    """

    generator: str = ""
    told: bool = False
    image: str = ""
    files: frozenset[str] | None = None


@dataclass(frozen=True)
class UdevState:
    """One reading of it. `partitions` are the kernel's own on each path, `version` is systemd's.

    `shadowed` are rule files of packages, by the path of the file in /etc that hides each.
    `multipath_rules` are the paths of multipath-tools' and kpartx' own.
    `physical_volumes` is what LVM sees, None where it was not asked, or has nothing to ask;
    `listed_by_lvm` are the paths that its devices file lists.
    `initramfs_needed` says that the rules should also be in the initramfs.
    """

    version: int = 0
    devices: Mapping[DeviceNumber, UdevDevice] = field(default_factory=dict)
    partitions: Mapping[DeviceNumber, tuple[DeviceNumber, ...]] = field(default_factory=dict)
    rule_files: tuple[RuleFile, ...] = ()
    installed: tuple[str, ...] = ()
    shadowed: Mapping[str, str] = field(default_factory=dict)
    multipath_rules: tuple[str, ...] = ()
    physical_volumes: frozenset[DeviceNumber] | None = None
    listed_by_lvm: frozenset[DeviceNumber] = frozenset()
    early_mounts: tuple[EarlyMount, ...] = ()
    initramfs_needed: bool = False
    initramfs: Initramfs = Initramfs()
