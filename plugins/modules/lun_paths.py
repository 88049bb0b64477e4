#!/usr/bin/python
# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: lun_paths
short_description: Find the paths of a LUN, learn its size, detach it, or delete its paths
version_added: 1.0.0
author:
  - The san.device_mapper contributors (@san-device-mapper)
description:
  - Makes sure that a LUN has at least O(min_paths) paths on this host, and that the kernel knows
    their size; or that the LUN has no path any more; or that the host lets go of it and does not
    take it back while the array still maps it (O(state=detached)). The layer below
    M(san.device_mapper.multipath_map), for iSCSI, FC, SAS and virtio-scsi alike, since it finds and
    deletes paths through sysfs alone.
  - SCSI hosts are scanned only if paths are missing. Paths whose size is stale are rescanned; a
    size is stale if the disk itself reports another one (READ CAPACITY, which changes nothing), or,
    where it cannot be asked so, if the paths of the LUN do not agree.
  - The paths of a LUN that is to be present are asked who they are (INQUIRY, SCSI page 0x83); where
    paths are missing, all disks of the SAN are. A disk that is another LUN now than udev remembers,
    because the array has given its LUN number to another one, is deleted and scanned back if
    nothing uses it. If something does, the task is refused, and names the disk and its user.
  - No I/O is sent to a path that is not running, be it offline, blocked or in error recovery.
  - Namespaces of NVMe count as paths where the kernel does not join them itself
    (C(nvme_core.multipath=N)). Their controllers are rescanned instead of SCSI hosts. They cannot
    be deleted through sysfs, so that O(state=absent) and O(state=detached) are refused while they
    are there.
  - Where the kernel joins their paths itself (native NVMe multipath, the default), all states are
    refused for a namespace, with what to do instead. M(san.device_mapper.device_mapper_info) shows
    such namespaces. One that this host does not have is V(absent) already.
extends_documentation_fragment:
  - san.device_mapper._attributes
attributes:
  check_mode:
    details:
      - It neither scans nor writes; what a scan would find cannot be foreseen, so that RV(luns)
        and RV(added) do not show it.
  diff_mode:
    description: Returns the paths of the LUNs before and after the task when in diff mode.
    support: full
options:
  wwid:
    description:
      - The WWID of the LUN, as udev knows it (C(ID_SERIAL), for NVMe C(ID_WWN)) and
        M(san.device_mapper.device_mapper_info) lists it.
    type: str
  state:
    description:
      - V(present) scans until the LUN has O(min_paths) paths, and makes stale sizes right. It
        releases a LUN that is held detached.
      - V(detached), added in 1.1.0, removes the map of the LUN, its partition maps, its record for
        the next boot, and its paths, and holds the LUN detached. Use it before the array unmaps the
        LUN. Refused with the users named while the map, a partition map or a path is in use, and
        for a WWID of which the host has neither a map nor a path.
      - As long as a LUN is held, disks that a scan, an event or a reboot brings back are hidden.
        They get no links but those in C(/dev/disk/by-path); systemd, LVM, md, btrfs and udisks
        leave them alone. M(san.device_mapper.multipath_map) refuses to make a map. What opens
        C(/dev/sda) by that name is not stopped. The hold is one file,
        C(/etc/udev/rules.d/62-san-device-mapper-detached.rules), which lists the WWIDs.
      - Where multipath-tools is installed, the LUN is blacklisted as well, by its WWID, in
        C(/etc/multipath/conf.d/san-device_mapper-detached.conf), and is no longer in
        C(/etc/multipath/wwids). A C(multipathd) that runs is told C(reconfigure) before the map
        goes; while M(san.device_mapper.multipath_path) has failed paths of other maps, the task is
        refused, because C(multipathd) would use them again. What an initramfs has of C(multipathd)
        and udev is not changed; build it anew if LUNs are assembled in there.
      - A task with V(detached) that finds disks of a LUN that is held already deletes them again.
      - V(absent) deletes all paths of the LUN, and waits until they are gone. Refused while a map,
        a mount, swap, LVM, md or a process uses one of them, or a partition of one.
      - After V(absent), a LUN that is still mapped to the host comes back with the next scan, and
        with multipathd its map. Use V(detached), unmap it at the array, and then use V(absent),
        which also removes the hold.
    type: str
    choices: [present, detached, absent]
    default: present
  min_paths:
    description:
      - The number of paths that have to be there. All paths that the kernel knows count, including
        failed ones.
    type: int
    default: 1
  max_paths:
    description:
      - The number of paths of a LUN above which the task fails. By default there is no such number.
    type: int
    version_added: 1.1.0
  hosts:
    description:
      - The SCSI hosts to scan, by number or name, such as V(0) or V(host0); for NVMe the
        controllers, such as V(nvme0). The default is all of them, except SCSI hosts of ATA, USB and
        FireWire, because a scan of an ATA host resets its links.
    type: list
    elements: str
  timeout:
    description:
      - The number of seconds to wait at most, each time, for another task on the same host, for
        paths to come or go, and for udev. Each of these waits has this limit, so that a task can
        take several times as long.
    type: int
    default: 60
  luns:
    description:
      - The LUNs, for many in one task. They share one scan.
      - O(state), O(min_paths), O(max_paths) and O(hosts) of the task hold for each LUN that does
        not state its own. Nothing is written before all of them have been checked.
    type: list
    elements: dict
    suboptions:
      wwid:
        description: See O(wwid).
        type: str
        required: true
      state:
        description: See O(state).
        type: str
        choices: [present, detached, absent]
      min_paths:
        description: See O(min_paths).
        type: int
      max_paths:
        description: See O(max_paths).
        type: int
        version_added: 1.1.0
      hosts:
        description: See O(hosts).
        type: list
        elements: str
seealso:
  - module: san.device_mapper.multipath_map
  - module: san.device_mapper.device_mapper_info
"""

EXAMPLES = r"""
- name: Find the paths of a LUN that the array has mapped, or has grown
  san.device_mapper.lun_paths:
    wwid: "35525400000000001"
    min_paths: 4

- name: Find those of two LUNs, in one scan of two SCSI hosts
  san.device_mapper.lun_paths:
    hosts: [0, 1]
    min_paths: 2
    luns:
      - wwid: "35525400000000001"
      - wwid: "35525400000000002"
        min_paths: 4

- name: Let go of a LUN, and keep the host from taking it back
  san.device_mapper.lun_paths:
    wwid: "35525400000000002"
    state: detached

- name: Forget it, once the array has unmapped it
  san.device_mapper.lun_paths:
    wwid: "35525400000000002"
    state: absent

- name: Scan it back
  san.device_mapper.lun_paths:
    wwid: "35525400000000002"
    min_paths: 4
"""

RETURN = r"""
plan:
  description:
    - The operations that were missing, in the words of a shell. In check mode the same, not carried
      out.
  type: list
  elements: str
  returned: success
  sample:
    - echo '- - -' > /sys/class/scsi_host/host0/scan
    - echo '- - -' > /sys/class/scsi_host/host1/scan
    - wait for 4 paths of 35525400000000001
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
added:
  description: The paths that came, by their names.
  type: list
  elements: str
  returned: success
  sample: [sda, sdb, sdc, sdd]
removed:
  description: The paths that were deleted, by their names.
  type: list
  elements: str
  returned: success
  sample: []
detached:
  description: The WWIDs of those LUNs of the task that the host holds detached after it.
  version_added: 1.1.0
  type: list
  elements: str
  returned: success
  sample: []
luns:
  description: The LUNs of the task that have paths after it.
  type: list
  elements: dict
  returned: success
  contains:
    wwid:
      description: The WWID of the LUN.
      type: str
      sample: "35525400000000001"
    size:
      description: The size in bytes; V(none) if its paths do not have one size.
      type: int
      sample: 268435456
    map:
      description: The name of the LUN's multipath map; V(none) if there is none.
      type: str
      sample: data
    detached:
      description: Whether the host holds the LUN detached.
      version_added: 1.1.0
      type: bool
      sample: false
    paths:
      description:
        - The paths of the LUN, with the kernel's name and state of each. C(carries_io), added in
          1.1.0, is whether the layer below multipath would carry I/O.
      type: list
      elements: dict
      sample:
        - name: sda
          path: /dev/sda
          device: "8:0"
          address: "2:0:0:0"
          size: 268435456
          state: running
          access_state: ""
          carries_io: true
          links: [/dev/disk/by-path/pci-0000:00:03.0-scsi-0:0:0:0]
"""

from ..module_utils._python import refuse_old_python

refuse_old_python()

from ..module_utils._run import run
from ..module_utils._system.block_devices import BlockDevices
from ..module_utils._system.disks import Disks
from ..module_utils._system.files import Files
from ..module_utils._system.held_paths import HeldPaths
from ..module_utils._system.libdevmapper import LibDeviceMapper
from ..module_utils._system.lock import Lock
from ..module_utils._system.multipathd import MultipathDaemon
from ..module_utils._system.nvme import Nvme
from ..module_utils._tasks.lun_paths import TASK

_ITEM: dict[str, dict[str, object]] = {
    "state": {"type": "str", "choices": ["present", "detached", "absent"]},
    "min_paths": {"type": "int"},
    "max_paths": {"type": "int"},
    "hosts": {"type": "list", "elements": "str"},
}
_DEFAULTS = {"state": "present", "min_paths": 1}

SPECIFICATION = {
    "argument_spec": {
        "wwid": {"type": "str"},
        **{name: {**option, "default": _DEFAULTS.get(name)} for name, option in _ITEM.items()},
        "timeout": {"type": "int", "default": 60},
        "luns": {
            "type": "list",
            "elements": "dict",
            "options": {"wwid": {"type": "str", "required": True}, **_ITEM},
        },
    },
    "mutually_exclusive": [("luns", "wwid")],
    "required_one_of": [("luns", "wwid")],
}

PARTS = (BlockDevices, Disks, Files, HeldPaths, LibDeviceMapper, Lock, MultipathDaemon, Nvme)
"""The parts of the system that the task needs."""


def main() -> None:
    """Run the module."""
    run(SPECIFICATION, TASK, *PARTS)


if __name__ == "__main__":
    main()
