#!/usr/bin/python
# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: udev_info
short_description: Show what udev makes of multipath maps and their paths
version_added: 1.0.0
author:
  - The san.device_mapper contributors (@san-device-mapper)
description:
  - Compares what udev shows of multipath maps, their partition maps and their paths with what
    should hold, and names each difference. The role P(san.device_mapper.udev_rules#role) verifies
    with it; it also works without the role's rules.
  - Refuses, before anything else, what no rule of udev can hold.
extends_documentation_fragment:
  - san.device_mapper._attributes
  - san.device_mapper._attributes.info
options:
  hide_paths:
    description: Whether paths, and the partitions on them, should be hidden.
    type: bool
    default: true
  links:
    description:
      - Whether the links C(dm-name-NAME), C(dm-uuid-mpath-WWID), C(scsi-WWID), C(wwn-0x…) and
        C(nvme-WWID) in C(/dev/disk/by-id) should lead to the maps, with C(-partN) to those of
        partitions.
    type: bool
    default: true
  partition_maps:
    description:
      - Whether each partition of a multipath map should have its map, as udev makes them; asked
        where O(verify) is. Of a map that would not answer, or that udev was told to make no
        partition maps of (O(san.device_mapper.multipath_map#module:skip_kpartx), or partition maps
        that come back after a reboot as they are stated), nothing is expected.
    type: bool
    default: false
  permissions:
    description: Who owns the device nodes of maps and of their partition maps.
    type: list
    elements: dict
    suboptions:
      wwid:
        description: The WWID of the LUN.
        type: str
        required: true
      owner:
        description: The name or number of a user. The host has to know it.
        type: str
        default: root
      group:
        description: The name or number of a group. The host has to know it.
        type: str
        default: disk
      mode:
        description: The mode in four octal digits.
        type: str
        default: "0660"
  tuning:
    description:
      - Settings of the paths and maps of storage systems. The first entry that matches a device
        counts.
    type: list
    elements: dict
    suboptions:
      vendor:
        description: The vendor, as C(/sys/block/sda/device/vendor) shows it; C(*) and C(?) match.
        type: str
        required: true
      model:
        description: The model, as C(/sys/block/sda/device/model) shows it; C(*) and C(?) match.
        type: str
        required: true
      scheduler:
        description: The I/O scheduler of paths and maps.
        type: str
      nr_requests:
        description: The length of the queue of paths and maps, in requests.
        type: int
      rq_affinity:
        description: Where requests of paths and maps are completed; V(2) is the CPU they came from.
        type: int
        choices: [0, 1, 2]
      add_random:
        description: Whether paths and maps add to the kernel's entropy.
        type: bool
      timeout:
        description: The seconds until a SCSI command to a path has timed out.
        type: int
      max_sectors_kb:
        description:
          - The longest request to a path, in KiB. RV(pending) and not RV(failures) has it, for it
            can be set only before a map uses the path.
        type: int
  nvme:
    description:
      - Settings of NVMe subsystems, and of the controllers that lead to them, where the kernel
        joins paths itself. The first entry that matches a subsystem counts.
    type: list
    elements: dict
    version_added: 1.1.0
    suboptions:
      subsystem:
        description:
          - The NVMe qualified name of the subsystem, as C(subsysnqn) in
            C(/sys/class/nvme-subsystem/nvme-subsys0) shows it; C(*) and C(?) match.
        type: str
      model:
        description: The model, as C(model) there shows it; C(*) and C(?) match.
        type: str
      transport:
        description:
          - The transport of the controllers whose time-outs are set. The default is all.
        type: str
        choices: [tcp, rdma, fc]
      iopolicy:
        description:
          - How the kernel chooses between the paths of its namespaces. V(round-robin)
            is in Linux 5.1 and later, V(queue-depth) in 6.11 and later.
        type: str
        choices: [numa, round-robin, queue-depth]
      ctrl_loss_tmo:
        description:
          - The seconds after which the kernel gives up a controller whose connection is lost,
            rounded up to a multiple of its C(reconnect_delay); V(-1) is forever.
        type: int
      fast_io_fail_tmo:
        description:
          - The seconds after which I/O to a controller that is lost fails if there is no other
            path, instead of waiting for it; V(-1) is off.
        type: int
  rules:
    description: The rule files that should be in C(/etc/udev/rules.d).
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name, C(63-san-device-mapper-….rules), for NVMe C(73-san-device-mapper-….rules).
        type: str
        required: true
      content:
        description:
          - The content. It is verified by C(udevadm verify) where there is systemd 254 or later.
            Elsewhere, and before that, each line has to be a list of keys, operators and quoted
            values.
        type: str
        required: true
  initramfs:
    description:
      - Whether the rule files, and those of multipath-tools and kpartx by the names that they have
        on this host, should be in the initramfs of the running kernel. V(auto) means that they
        should if the initramfs makes mounts of multipath maps.
    type: str
    choices: [auto, always, never]
    default: auto
  verify:
    description:
      - Whether to ask LVM if it sees a path, or has one in its devices file instead of the map; to
        read partition tables; and to look into the initramfs, which can take seconds. LVM is not
        asked what it sees while a map would not answer.
    type: bool
    default: true
  timeout:
    description:
      - The seconds to wait at most for udev, and for LVM and the listing of the initramfs each.
    type: int
    default: 60
seealso:
  - module: san.device_mapper.device_mapper_info
"""

EXAMPLES = r"""
- name: Ask what udev shows of maps and paths
  san.device_mapper.udev_info:
    permissions:
      - wwid: "35525400000000001"
        group: disk
  register: udev

- name: Show what is not as it should be
  ansible.builtin.debug:
    msg: "{{ udev.failures }}"
"""

RETURN = r"""
failures:
  description: What is not as it should be.
  type: list
  elements: dict
  returned: success
  contains:
    device:
      description: The path, partition, map, NVMe subsystem, its controller, or file.
      type: str
      sample: sda
    property:
      description: Its property in udev's words, its link, or its attribute in sysfs.
      type: str
      sample: DM_MULTIPATH_DEVICE_PATH
    expected:
      description: What should hold.
      type: str
      sample: "1"
    found:
      description: What holds; empty where nothing is set.
      type: str
      sample: ""
summary:
  description: The same in words, one for each.
  type: list
  elements: str
  returned: success
  sample: ["sda: DM_MULTIPATH_DEVICE_PATH: expected 1, found nothing"]
pending:
  description: Likewise, what will hold from the next boot on.
  type: list
  elements: dict
  returned: success
maps:
  description: The names of the multipath maps that were looked at.
  type: list
  elements: str
  returned: success
  sample: [data]
paths:
  description: The names of their paths.
  type: list
  elements: str
  returned: success
  sample: [sda, sdc]
udev_version:
  description: The version of udev; V(0) if the host has no C(udevadm).
  type: int
  returned: success
  sample: 252
outdated:
  description: The names of those O(rules) that are not installed, or not as stated.
  type: list
  elements: str
  returned: success
installed:
  description: The names of the collection's rule files that are installed.
  type: list
  elements: str
  returned: success
  sample: [63-san-device-mapper-paths.rules]
restorable:
  description:
    - The device nodes of maps that got an owner from the collection's rules, and are not in
      O(permissions).
  type: list
  elements: str
  returned: success
early_mounts:
  description: The mounts that the initramfs makes of multipath maps.
  type: list
  elements: dict
  returned: success
  contains:
    place:
      description: Where it is mounted.
      type: str
      sample: /
    wwid:
      description: The WWID of the LUN.
      type: str
      sample: "35525400000000001"
initramfs_needed:
  description: Whether the rule files should be in the initramfs.
  type: bool
  returned: success
initramfs_told:
  description: Whether what builds the initramfs has been told of the collection's rule files.
  type: bool
  returned: success
multipath_rules:
  description: The rule files of multipath-tools and kpartx, by the names that this host has.
  type: list
  elements: str
  returned: success
  sample: [/usr/lib/udev/rules.d/60-multipath.rules]
initramfs_generator:
  description: What builds the host's initramfs; empty if neither of both is there.
  type: str
  returned: success
  sample: initramfs-tools
"""

from ..module_utils._python import refuse_old_python

refuse_old_python()

from ..module_utils._run import run
from ..module_utils._system.block_devices import BlockDevices
from ..module_utils._system.disks import Disks
from ..module_utils._system.initramfs import InitramfsImage
from ..module_utils._system.libblkid import LibBlkid
from ..module_utils._system.libdevmapper import LibDeviceMapper
from ..module_utils._system.lvm import Lvm
from ..module_utils._system.nvme import Nvme
from ..module_utils._system.udev_devices import UdevDevices
from ..module_utils._system.udev_rules import UdevRules
from ..module_utils._tasks.udev_info import TASK

_TEXT = {"type": "str", "required": True}

_PERMISSION = {
    "wwid": _TEXT,
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "disk"},
    "mode": {"type": "str", "default": "0660"},
}
_TUNING = {
    "vendor": _TEXT,
    "model": _TEXT,
    "scheduler": {"type": "str"},
    "nr_requests": {"type": "int"},
    "rq_affinity": {"type": "int", "choices": [0, 1, 2]},
    "add_random": {"type": "bool"},
    "timeout": {"type": "int"},
    "max_sectors_kb": {"type": "int"},
}
_NVME = {
    "subsystem": {"type": "str"},
    "model": {"type": "str"},
    "transport": {"type": "str", "choices": ["tcp", "rdma", "fc"]},
    "iopolicy": {"type": "str", "choices": ["numa", "round-robin", "queue-depth"]},
    "ctrl_loss_tmo": {"type": "int"},
    "fast_io_fail_tmo": {"type": "int"},
}

SPECIFICATION = {
    "argument_spec": {
        "hide_paths": {"type": "bool", "default": True},
        "links": {"type": "bool", "default": True},
        "partition_maps": {"type": "bool", "default": False},
        "permissions": {"type": "list", "elements": "dict", "options": _PERMISSION},
        "tuning": {"type": "list", "elements": "dict", "options": _TUNING},
        "nvme": {"type": "list", "elements": "dict", "options": _NVME},
        "rules": {
            "type": "list",
            "elements": "dict",
            "options": {"name": _TEXT, "content": _TEXT},
        },
        "initramfs": {
            "type": "str",
            "choices": ["auto", "always", "never"],
            "default": "auto",
        },
        "verify": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 60},
    }
}

PARTS = (
    BlockDevices,
    Disks,
    InitramfsImage,
    LibBlkid,
    LibDeviceMapper,
    Lvm,
    Nvme,
    UdevDevices,
    UdevRules,
)
"""The parts of the system that the task needs."""


def main() -> None:
    """Run the module."""
    run(SPECIFICATION, TASK, *PARTS)


if __name__ == "__main__":
    main()
