#!/usr/bin/python
# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: multipath_path
short_description: Fail paths of multipath maps for maintenance, and reinstate them
version_added: 1.0.0
author:
  - The san.device_mapper contributors (@san-device-mapper)
description:
  - Fails or reinstates paths of multipath maps, so that a fabric, an HBA or a controller can be
    taken out of use, and back. Or sets which group of paths a map uses.
  - The paths are chosen by O(maps), O(paths), O(hosts), O(target_ports), O(initiator_ports) and
    O(fabrics). A path has to match each of these options that is set; in one option, one of its
    values is enough. Only paths of multipath maps count, those whose uuid begins with C(mpath-).
    A value that this host does not have is refused. Values that no path fits all at once are not;
    RV(maps) is empty then.
  - Nothing is failed unless each map in use keeps O(min_active) active paths. That is decided for
    all maps together, from the states that the kernel reports, before any change.
  - Only live state is changed, by messages of device-mapper to the map; I/O goes on, and no table
    is loaded. Without multipathd, which checks paths, a failed path stays failed until it is
    reinstated or another table is loaded. A reinstated path that is still broken fails again with
    the first I/O that it gets.
  - A path whose device is gone, but which is still in a map's table, fits O(maps), and O(paths) by
    its number only.
  - While C(multipathd) runs, it is told to fail or reinstate the path, so that its checker leaves a
    failed path alone. That also holds for a path that has already failed by itself.
  - C(/run/san.device_mapper/failed) says until the next boot which paths a task has failed. The
    host's own check of the paths of persistent maps, see
    O(san.device_mapper.multipath_map#module:check_interval), leaves them failed, and
    M(san.device_mapper.multipath_map) and M(san.device_mapper.multipath_config) refuse what would
    have C(multipathd) reinstate them. RV(plan) shows a C(touch) or C(rm) there only where nothing
    else changes.
  - The paths of NVMe multipath devices, which the kernel joins itself, are not changed, nor counted
    by O(min_active), because the kernel has no request to take one out of use. Before a fabric goes
    that they share with LUNs, look at their health (M(san.device_mapper.device_mapper_info)).
extends_documentation_fragment:
  - san.device_mapper._attributes
attributes:
  diff_mode:
    description: Returns the states of the maps' paths before and after the task when in diff mode.
    support: full
options:
  state:
    description:
      - V(failed) lets the kernel send no more I/O to the chosen paths.
      - V(active) lets it use them again. It does not switch back to a group of paths
        with a higher priority; O(path_group) does.
    type: str
    choices: [active, failed]
  path_group:
    description:
      - The number of the group of paths, counted from 1 in the table's order, which the maps in
        O(maps) are to use. The next I/O goes there; groups that were disabled are enabled.
      - Refused for a group that has no active path, and where multipathd has C(failback immediate)
        for the map, so that it would switch back at its next check.
    type: int
  maps:
    description:
      - The maps, by name or WWID.
    type: list
    elements: str
  paths:
    description:
      - The paths, as V(sda), V(/dev/sda), SCSI address (V(0:0:0:0)), major:minor number (V(8:0)),
        or link in C(/dev/disk/by-path).
    type: list
    elements: str
  hosts:
    description:
      - The SCSI hosts that the paths begin at, by number or name, such as V(0) or V(host0); for
        NVMe the controllers, such as V(nvme0), where the kernel does not join their paths itself
        (C(nvme_core.multipath=N)). Otherwise such a controller is refused.
    type: list
    elements: str
  target_ports:
    description:
      - The ports of the storage that the paths end at. For Fibre Channel the WWPN, for iSCSI the
        target's name, its portal (V(192.0.2.1:3260), V([2001:db8::1]:3260)) or the portal's
        address, for SAS the address of the port.
      - For any transport also the kernel's name of the target, such as V(target0:0:1); it is
        another one on each host.
    type: list
    elements: str
  initiator_ports:
    description:
      - The ports of this host that the paths begin at. For Fibre Channel the WWPN of the HBA's
        port, for iSCSI the address of the connection's own end or the initiator's name, for SAS the
        address of the HBA.
    type: list
    elements: str
  fabrics:
    description:
      - The names of the Fibre Channel fabrics that the HBA's ports are logged in to
        (C(/sys/class/fc_host/host*/fabric_name)). One name holds for all hosts of a fabric.
    type: list
    elements: str
  min_active:
    description:
      - The number of active paths that each map in use has to keep, or O(state=failed) is refused.
        A map is in use while it, or a map on top of it, is open. Paths that have failed do not
        count as active, nor do those whose device is gone, offline or blocked, or whose
        ALUA state is V(unavailable) or V(offline).
      - A map that is not in use may lose all its paths, but for one that queues then
        (C(queue_if_no_path)); udev would read it and hang.
      - With V(0) maps in use may lose all their paths. Their I/O fails then, or waits if they
        queue.
    type: int
    default: 1
  timeout:
    description:
      - The number of seconds to wait at most, each time, for another task on the same host, for
        udev and for C(multipathd) to answer. Each of these waits has this limit, so that a task can
        take several times as long.
    type: int
    default: 60
seealso:
  - module: san.device_mapper.multipath_map
  - module: san.device_mapper.device_mapper_info
"""

EXAMPLES = r"""
- name: Take all paths of an HBA out of use, but leave each map in use two others
  san.device_mapper.multipath_path:
    hosts: [0]
    state: failed
    min_active: 2

- name: Take them back into use after its maintenance
  san.device_mapper.multipath_path:
    hosts: [0]
    state: active

- name: Fail the paths of one map to one port of the storage
  san.device_mapper.multipath_path:
    maps: [data]
    target_ports: [target0:0:1]
    state: failed

- name: Use the first group of paths again
  san.device_mapper.multipath_path:
    maps: [data]
    path_group: 1
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
    - message data 0 fail_path 8:0
    - message data 0 fail_path 8:32
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
  description: The maps that have chosen paths. In check mode RV(maps[].active_after) is foreseen.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The name of the map.
      type: str
      sample: data
    wwid:
      description: The WWID of its LUN.
      type: str
      sample: "35525400000000001"
    path:
      description: The device node.
      type: str
      sample: /dev/mapper/data
    path_count:
      description: The number of all its paths.
      type: int
      sample: 4
    active_before:
      description: The number of its paths that were active before the task.
      type: int
      sample: 4
    active_after:
      description: The number of its paths that are active after it.
      type: int
      sample: 2
    path_group_before:
      description: The number of the group of paths in use, or to be used next, before the task.
      type: int
      sample: 1
    path_group_after:
      description: The same after the task.
      type: int
      sample: 1
    in_use:
      description: Whether the map, or a map of its partitions, was open before the task.
      type: bool
      sample: true
    paths:
      description:
        - The chosen paths, as M(san.device_mapper.device_mapper_info) returns the paths of a LUN,
          and C(active), whether the kernel would send I/O to it.
      type: list
      elements: dict
      sample:
        - name: sda
          path: /dev/sda
          device: "8:0"
          address: "0:0:0:0"
          state: running
          active: false
"""

from ..module_utils._python import refuse_old_python

refuse_old_python()

from ..module_utils._run import run
from ..module_utils._system.block_devices import BlockDevices
from ..module_utils._system.disks import Disks
from ..module_utils._system.held_paths import HeldPaths
from ..module_utils._system.libdevmapper import LibDeviceMapper
from ..module_utils._system.lock import Lock
from ..module_utils._system.multipathd import MultipathDaemon
from ..module_utils._tasks.multipath_path import TASK

_FILTERS = ("maps", "paths", "hosts", "target_ports", "initiator_ports", "fabrics")

SPECIFICATION = {
    "argument_spec": {
        "state": {"type": "str", "choices": ["active", "failed"]},
        "path_group": {"type": "int"},
        **{name: {"type": "list", "elements": "str"} for name in _FILTERS},
        "min_active": {"type": "int", "default": 1},
        "timeout": {"type": "int", "default": 60},
    },
    "mutually_exclusive": [
        ("path_group", "state"),
        *(("path_group", name) for name in _FILTERS if name != "maps"),
    ],
    "required_one_of": [("state", "path_group"), _FILTERS],
    "required_by": {"path_group": "maps"},
}

PARTS = (BlockDevices, Disks, HeldPaths, LibDeviceMapper, Lock, MultipathDaemon)
"""The parts of the system that the task needs."""


def main() -> None:
    """Run the module."""
    run(SPECIFICATION, TASK, *PARTS)


if __name__ == "__main__":
    main()
