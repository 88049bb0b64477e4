# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One reading of what udev shows of paths and maps; nothing here changes anything."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import grp
import os
import pwd
import stat
import typing as t
from dataclasses import replace

from .._system import lvm, udev_rules
from .._system.initramfs import initramfs as read_initramfs
from .._system.libudev import Udev
from .._system.sysfs import (
    attribute,
    device_number,
    kernel_name,
    layers_below,
    mounts,
    with_partitions,
)
from .._values.names import wwid_of
from .._values.table import devices
from .._values.udev import EarlyMount, UdevDevice, UdevState
from .maps import observe_paths, readable_parents

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .._system.udev_rules import Rules
    from .._values.device import DeviceNumber
    from .._values.host import Host, Map
    from .._values.kernel import Kernel

PROPERTIES = (
    *("DM_MULTIPATH_DEVICE_PATH", "SYSTEMD_READY", "ID_FS_TYPE", "DM_UDEV_RULES_VSN"),
    *("MPATH_DEVICE_READY", "SAN_DEVICE_MAPPER_MAP", "SAN_DEVICE_MAPPER_PERMISSIONS"),
    *("DM_SUBSYSTEM_UDEV_FLAG1", "ID_PART_TABLE_TYPE"),
)
ATTRIBUTES = (
    *("queue/scheduler", "queue/nr_requests", "queue/rq_affinity", "queue/add_random"),
    *("queue/max_sectors_kb", "device/timeout"),
)
_BY_ID = "/dev/disk/by-id"


def observe_udev(
    kernel: Kernel,
    rules: Sequence[Rules],
    initramfs: str,
    timeout: float,
    *,
    verify: bool,
    partition_maps: bool,
) -> Host:
    """Return the host's maps and disks with what udev shows of them.

    `rules` are those that should be installed, `initramfs` says whether also there: always, never,
    or auto, if it makes mounts of multipath maps. To `verify`, LVM is asked what it sees, the image
    is looked into, and, if udev is to make `partition_maps`, the partition tables are read of which
    it makes some. Raises Refused for rules that this host's udev refuses.
    """
    udev = Udev()
    udev.settle(timeout)
    host = observe_paths(kernel, (), timeout, leaving=False)
    version = udev_rules.version()
    udev_rules.verify(rules, version)
    maps = multipath_maps(host)
    paths = {number for each in maps for number in devices(each.live) if kernel_name(number)}
    partitions = {each: with_partitions(kernel_name(each))[1:] for each in paths}
    children = [child for each in maps for child in host.partition_maps(each.uuid, each.device)]
    numbers = {
        *paths,
        *(number for each in partitions.values() for number in each),
        *(each.device for each in (*maps, *children)),
    }
    seen = {number: _device(number, udev) for number in numbers}
    early = early_mounts(
        {each.device: each.uuid for each in maps}, mounts(), layers_below, marked_in_fstab()
    )
    needed = initramfs == "always" or (initramfs == "auto" and bool(early))
    state = UdevState(
        version=version,
        devices=seen,
        partitions=partitions,
        rule_files=udev_rules.rule_files(rules),
        installed=udev_rules.installed(),
        shadowed=udev_rules.shadowed(),
        multipath_rules=udev_rules.multipath_rules(),
        physical_volumes=_physical_volumes(host, timeout) if verify else None,
        early_mounts=early,
        initramfs_needed=needed,
        initramfs=read_initramfs(needed and verify, timeout),
    )
    links = {*glob.glob(f"{_BY_ID}/*"), *(link for each in seen.values() for link in each.links)}
    mapped = [each for each in maps if partition_maps and verify and _has_maps(seen[each.device])]
    return replace(
        host, udev=state, resolved=_resolved(links), parents=readable_parents(mapped, timeout)
    )


def _has_maps(device: UdevDevice) -> bool:
    """Tell whether udev makes the partition maps of a map: there are any, and nobody said no."""
    properties = device.properties
    forbidden = properties.get("DM_SUBSYSTEM_UDEV_FLAG1") == "1"
    return bool(properties.get("ID_PART_TABLE_TYPE")) and not forbidden


def multipath_maps(host: Host) -> tuple[Map, ...]:
    """Return the multipath maps."""
    return tuple(each for each in host.maps if wwid_of(each.uuid) and each.multipath)


def early_mounts(
    uuids: Mapping[DeviceNumber, str],
    mounted: Mapping[DeviceNumber, Sequence[str]],
    below: Callable[[DeviceNumber], Iterable[DeviceNumber]],
    marked: Iterable[str],
) -> tuple[EarlyMount, ...]:
    """Return the mounts of multipath maps that are made before the root's own udev runs.

    Those are the root, /usr (systemd's initrd-fstab, initramfs-tools' mountfs), and the `marked`.
    `uuids` are those of the maps, `below` tells all that a device lies on.
    """
    places = {"/", "/usr", *marked}
    return tuple(
        EarlyMount(place, uuids[layer])
        for number, found in mounted.items()
        for layer in sorted({number, *below(number)}.intersection(uuids), key=str)
        for place in sorted(places.intersection(found))
    )


def user_exists(name: str) -> bool:
    """Tell whether the host knows a user by this name or number."""
    with contextlib.suppress(KeyError):
        return name.isdigit() or bool(pwd.getpwnam(name))
    return False


def group_exists(name: str) -> bool:
    """Tell whether the host knows a group by this name or number."""
    with contextlib.suppress(KeyError):
        return name.isdigit() or bool(grp.getgrnam(name))
    return False


def _device(number: DeviceNumber, udev: Udev) -> UdevDevice:
    name = kernel_name(number)
    _known, values, links = udev.read(number, PROPERTIES)
    owner, group, mode = _permissions(f"/dev/{name}")
    attributes = {each: attribute(name, each) for each in ATTRIBUTES}
    return UdevDevice(
        name=name,
        device=number,
        properties={key: value for key, value in zip(PROPERTIES, values) if value},
        links=links,
        owner=owner,
        group=group,
        mode=mode,
        vendor=attribute(name, "device/vendor"),
        model=attribute(name, "device/model"),
        attributes={key: value for key, value in attributes.items() if value},
    )


def _permissions(path: str) -> tuple[str, str, int]:
    try:
        status = os.stat(path)
    except OSError:
        return "", "", 0
    owner, group = str(status.st_uid), str(status.st_gid)
    with contextlib.suppress(KeyError):
        owner = pwd.getpwuid(status.st_uid).pw_name
    with contextlib.suppress(KeyError):
        group = grp.getgrgid(status.st_gid).gr_name
    return owner, group, stat.S_IMODE(status.st_mode)


def _resolved(links: Iterable[str]) -> dict[str, DeviceNumber]:
    found = {each: device_number(each) for each in links}
    return {each: number for each, number in found.items() if number is not None}


def _physical_volumes(host: Host, timeout: float) -> frozenset[DeviceNumber] | None:
    """Return what LVM sees; None while a map would not answer its read."""
    if any(each.suspended or each.queues_without_path for each in host.maps):
        return None
    names = lvm.physical_volumes(timeout)
    if names is None:
        return None
    return frozenset(filter(None, map(device_number, names)))


def marked_in_fstab(path: str = "/etc/fstab") -> set[str]:
    """Return the mount points that fstab leaves to the initramfs (systemd-fstab-generator(8))."""
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        words = [line.split() for line in file if not line.lstrip().startswith("#")]
        return {
            each[1]
            for each in words
            if len(each) > 3 and fnmatch.fnmatchcase(f",{each[3]},", "*,x-initrd.mount,*")
        }
    return set()
