# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The LUNs that a host holds detached: the file of udev rules that lists them.

The file is both the list and what keeps their disks from being used, so that the two cannot differ.
"""

from __future__ import annotations

import typing as t

from .records import MANAGED

if t.TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = r"""#
# LUNs that the module lun_paths holds detached (state: detached). Their disks may be there, as long
# as the array maps them: they get no links but those by path, and are hidden from LVM, md, btrfs,
# mount, udisks and systemd. multipath_map makes no map of them.
#
# The number: after 60-persistent-storage.rules, which ask the device for its WWID and make the
# links, and 60- or 62-multipath.rules; before those that make use of a disk (64-btrfs.rules,
# 64-md-raid-assembly.rules, 69-lvm.rules).

SUBSYSTEM!="block", GOTO="san_device_mapper_detached_end"
ACTION=="remove", GOTO="san_device_mapper_detached_end"
KERNEL=="dm-*|loop*|md*|ram*|zram*|sr*|fd*|nbd*|drbd*", GOTO="san_device_mapper_detached_end"

# Two lines: an import that finds nothing ends its line.
ENV{DEVTYPE}=="partition", IMPORT{parent}="SAN_DEVICE_MAPPER_DETACHED"
ENV{DEVTYPE}=="partition", GOTO="san_device_mapper_detached_hide"

ENV{SAN_DEVICE_MAPPER_DETACHED}=""
ENV{.SAN_DEVICE_MAPPER_WWID}="$env{ID_SERIAL}"
KERNEL=="nvme*", ENV{.SAN_DEVICE_MAPPER_WWID}="$env{ID_WWN}"
KERNEL=="dasd*", ENV{.SAN_DEVICE_MAPPER_WWID}="$env{ID_UID}"
# A disk that does not answer does not say its WWID: it is still what it was.
ENV{.SAN_DEVICE_MAPPER_WWID}!="?*", IMPORT{db}="SAN_DEVICE_MAPPER_DETACHED"

"""

_TAIL = r"""
LABEL="san_device_mapper_detached_hide"
ENV{SAN_DEVICE_MAPPER_DETACHED}!="?*", GOTO="san_device_mapper_detached_end"
ENV{DM_MULTIPATH_DEVICE_PATH}="1", ENV{SYSTEMD_READY}="0", ENV{UDISKS_IGNORE}="1", \
  ENV{ID_FS_TYPE}="mpath_member", ENV{ID_FS_UUID}="", ENV{ID_FS_UUID_ENC}="", \
  ENV{ID_FS_LABEL}="", ENV{ID_FS_LABEL_ENC}="", SYMLINK=""
ENV{ID_PATH}=="?*", ENV{DEVTYPE}=="disk", SYMLINK+="disk/by-path/$env{ID_PATH}"
ENV{ID_PATH}=="?*", ENV{DEVTYPE}=="partition", SYMLINK+="disk/by-path/$env{ID_PATH}-part%n"

LABEL="san_device_mapper_detached_end"
"""


def detached_rules(wwids: Iterable[str]) -> str:
    """Return the file that holds these LUNs detached; records.listed_as_detached is its inverse."""
    lines = (
        f'ENV{{.SAN_DEVICE_MAPPER_WWID}}=="{wwid}", \\\n'
        '  ENV{SAN_DEVICE_MAPPER_DETACHED}="$env{.SAN_DEVICE_MAPPER_WWID}"\n'
        for wwid in sorted(wwids)
    )
    return "".join((MANAGED, _HEAD, *lines, _TAIL))
