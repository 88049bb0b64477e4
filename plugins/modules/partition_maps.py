#!/usr/bin/python
# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: partition_maps
short_description: Make the device nodes of a map's partitions
version_added: 1.0.0
author:
  - The san.device_mapper contributors (@san-device-mapper)
description:
  - Makes the linear maps of a device's partitions exactly those of its partition table, or of the
    partitions in O(partitions). What kpartx does, without reloading a map that is right already.
  - Partition tables are read with libblkid. R(The guide,
    ansible_collections.san.device_mapper.docsite.partition_tables) says which partitions get maps
    where the kernel, kpartx and libblkid disagree. The partition tables of DASDs need libblkid 2.43
    or later.
  - A partition map's identity is its uuid, C(partN-) and the uuid of its device, as kpartx gives
    it. A map with this uuid and another name is renamed in place (but see O(rename_mounted)). Maps
    of this device that the table no longer has are removed; anything else is never touched.
  - The partition maps of a multipath map that is persistent
    (O(san.device_mapper.multipath_map#module:persistent)) are there again after a reboot as well.
extends_documentation_fragment:
  - san.device_mapper._attributes
  - san.device_mapper._attributes.diff
options:
  device:
    description:
      - The name of a map, the path of a block device, or that of a disk image. An image gets a
        loop device while its partitions have maps; V(absent) in O(state) detaches it.
      - An NVMe multipath device, such as V(/dev/nvme0n1) where the kernel joins the paths, is
        refused for V(present), since its partitions are the kernel's own.
    type: str
  devices:
    description:
      - The same for many devices in one task.
    type: list
    elements: str
  state:
    description:
      - V(present) makes the maps of the partitions, and removes those of partitions that are no
        more.
      - V(absent) removes all maps of the partitions, or those in O(partitions). Refused while
        something uses them.
    type: str
    choices: [present, absent]
    default: present
  delimiter:
    description:
      - What stands between the name of the device and the number of the partition in the maps'
        names, such as V(-part), V(p), or nothing.
      - V(auto) keeps what the maps of these partitions already use, if it is the same for all of
        them. After the device has been renamed, only common delimiters are recognized, V(p) after a
        digit, and V(part) or V(p) with one of C(-_.) before them.
      - Otherwise V(auto) is what the host's udev rule gives to kpartx, and without such a rule what
        kpartx uses, V(p) after a digit and nothing after another character.
    type: str
    default: auto
  partitions:
    description:
      - The numbers of the partitions. The default is all of them.
      - Partitions that are listed may overlap, as in an installer image, where they are mapped as
        the kernel does it. Without the list, partitions of an MBR or a GPT that overlap are
        refused.
    type: list
    elements: int
  purge:
    description:
      - Whether to remove the other maps of this device, those of partitions that are
        no more or that O(partitions) does not name. Refused while something uses one.
    type: bool
    default: true
  extended:
    description:
      - Whether the container of the logical partitions of an MBR gets a map, V(map), which is as
        small as kpartx and the kernel make it (1024 bytes, or one sector of 4096), or none,
        V(skip).
    type: str
    choices: [map, skip]
    default: map
  rename_mounted:
    description:
      - Whether to rename a map whose file system, swap or automount systemd manages, for example
        because C(/etc/fstab) names it. systemd stops such a unit when the node of the old name
        goes, which B(unmounts) the file system, unless a process uses it. By default the task is
        refused, with the name of the unit. File systems that were mounted with C(mount) and are not
        in C(/etc/fstab) stay mounted in any case.
      - The module warns about names that the next boot would not find - in C(/etc/fstab),
        C(/etc/crypttab), the kernel's command line, and the configuration of initramfs-tools,
        dracut, GRUB and C(/boot/loader/entries).
    type: bool
    default: false
    version_added: 1.1.0
  read_only:
    description:
      - Whether the maps refuse writes. Those of a device that refuses them do in any case.
    type: bool
    default: false
  sector_size:
    description:
      - The size in bytes of the sectors of the disk that an image holds, which its loop device is
        to have. The default is what its GPT shows, and otherwise 512. It has no effect on other
        devices, which know theirs.
    type: int
    choices: [512, 1024, 2048, 4096]
    version_added: 1.1.0
  timeout:
    description:
      - The number of seconds to wait at most, each time, for another task on the same host, for
        udev, for a partition table to be read, and for systemd to list its mounts. Each of these
        waits has this limit, so that a task can take several times as long.
    type: int
    default: 60
seealso:
  - module: san.device_mapper.multipath_map
  - module: san.device_mapper.device_mapper_info
"""

EXAMPLES = r"""
- name: Make the device nodes of a map's partitions
  san.device_mapper.partition_maps:
    device: data
    delimiter: -part

- name: Do so for two maps
  san.device_mapper.partition_maps:
    devices:
      - data
      - /dev/mapper/log

- name: Make the first partition's only
  san.device_mapper.partition_maps:
    device: data
    partitions: [1]

- name: Make them read-only, without the container of logical partitions
  san.device_mapper.partition_maps:
    device: log
    extended: skip
    read_only: true

- name: Make those of a disk image
  san.device_mapper.partition_maps:
    device: /var/tmp/image.raw

- name: Remove the image's, and its loop device
  san.device_mapper.partition_maps:
    device: /var/tmp/image.raw
    state: absent

- name: Remove them
  san.device_mapper.partition_maps:
    device: data
    state: absent
"""

RETURN = r"""
plan:
  description:
    - The device-mapper operations that were missing, in the words of C(dmsetup). In check mode the
      same, not carried out.
  type: list
  elements: str
  returned: success
  sample:
    - create data-part1 --uuid part1-mpath-35525400000000001 --notable
    - "load data-part1 --table '0 522207 linear 253:0 2048'"
    - resume data-part1 --noflush --nolockfs
done:
  description:
    - What a task that failed had done before it failed, as in RV(plan). RV(ignore:changed) is true
      if there is any.
  version_added: 1.1.0
  type: list
  elements: str
  returned: failure after the task had begun to change the host
left:
  description:
    - What was left to do, as in RV(plan), where the task failed; null if the host is no longer fit
      for the task, so that it cannot be known.
  version_added: 1.1.0
  type: list
  elements: str
  returned: failure after the task had begun to change the host
maps:
  description: The partition maps of the task that are there after it.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The name of the map.
      type: str
      sample: data-part1
    uuid:
      description: The uuid of the map, its identity.
      type: str
      sample: part1-mpath-35525400000000001
    path:
      description: The device node.
      type: str
      sample: /dev/mapper/data-part1
    device:
      description: The device number; V(none) in check mode for a map that is not there yet.
      type: str
      sample: "253:1"
    parent:
      description: The name of the device that the partition is on.
      type: str
      sample: data
    number:
      description: The number of the partition.
      type: int
      sample: 1
    start:
      description: Where the partition starts, in bytes.
      type: int
      sample: 1048576
    size:
      description: The size of the map in bytes.
      type: int
      sample: 267369984
    type:
      description: The type of the partition, as the table has it.
      type: str
      sample: 0fc63daf-8483-4772-8e79-3d69d8477de4
    partition_name:
      description: The name that a GPT gives to the partition.
      type: str
      sample: data
    partuuid:
      description: The UUID of the partition.
      type: str
      sample: 5d1ba0bc-01
    extended:
      description: Whether this is the container of logical partitions.
      type: bool
      sample: false
    read_only:
      description: Whether the map refuses writes.
      type: bool
      sample: false
"""

from ..module_utils._python import refuse_old_python

refuse_old_python()

from ..module_utils._run import run
from ..module_utils._system.block_devices import BlockDevices
from ..module_utils._system.files import Files
from ..module_utils._system.kpartx import KpartxRule
from ..module_utils._system.libblkid import LibBlkid
from ..module_utils._system.libdevmapper import LibDeviceMapper
from ..module_utils._system.libudev import LibUdev
from ..module_utils._system.lock import Lock
from ..module_utils._system.loop import LoopDevices
from ..module_utils._system.systemd import Systemd
from ..module_utils._tasks.partition_maps import TASK

SPECIFICATION = {
    "argument_spec": {
        "device": {"type": "str"},
        "devices": {"type": "list", "elements": "str"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "delimiter": {"type": "str", "default": "auto"},
        "partitions": {"type": "list", "elements": "int"},
        "purge": {"type": "bool", "default": True},
        "extended": {"type": "str", "choices": ["map", "skip"], "default": "map"},
        "rename_mounted": {"type": "bool", "default": False},
        "read_only": {"type": "bool", "default": False},
        "sector_size": {"type": "int", "choices": [512, 1024, 2048, 4096]},
        "timeout": {"type": "int", "default": 60},
    },
    "mutually_exclusive": [("device", "devices")],
    "required_one_of": [("device", "devices")],
}

PARTS = (
    *(BlockDevices, Files, LibBlkid, LibDeviceMapper, LibUdev, Lock, LoopDevices, KpartxRule),
    Systemd,
)
"""The parts of the system that the task needs."""


def main() -> None:
    """Run the module."""
    run(SPECIFICATION, TASK, *PARTS)


if __name__ == "__main__":
    main()
