#!/usr/bin/python
# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: device_mapper_info
short_description: Show a host's LUNs, paths, maps and NVMe multipath devices
version_added: 1.0.0
author:
  - The san.device_mapper contributors (@san-device-mapper)
description:
  - Returns the maps that the kernel has, with their tables and live states, and the LUNs that the
    host sees, also those that no map uses yet. Opens no device unless O(partition_tables) or
    O(reservations) is set, so that it answers when no path is left.
  - Returns the NVMe subsystems, too, with the namespaces whose paths the kernel joins itself
    (native NVMe multipath, C(nvme_core.multipath=Y)). The device of such a namespace is called NVMe
    multipath device here; its health is judged as that of a map. With C(nvme_core.multipath=N)
    namespaces are paths of maps, as LUNs are, and only the subsystems' controllers are shown.
extends_documentation_fragment:
  - san.device_mapper._attributes
  - san.device_mapper._attributes.info
options:
  maps:
    description:
      - The names of the maps to return. The maps of its partitions go with each. No NVMe subsystem
        is returned then.
      - O(maps), O(wwids) and O(health) all have to fit, those that are stated. A value that nothing
        fits is no error; RV(problems) has it.
    type: list
    elements: str
  wwids:
    description:
      - The WWIDs of the LUNs to return, with their multipath maps and the maps of their partitions.
      - The WWID of a namespace, such as V(uuid.2f7cbd5a-51fa-4bfb-9f8f-ce44c40f1f5e), selects its
        NVMe multipath device (since 1.1.0).
    type: list
    elements: str
  health:
    description:
      - The states of health of the multipath maps to return, see RV(maps[].health), and of the NVMe
        multipath devices, see RV(nvme[].namespaces[].health).
    type: list
    elements: str
    choices: [healthy, degraded, queueing, dead]
  expected_paths:
    description:
      - The number of active paths that each multipath map, and each NVMe multipath device of a
        fabric, should have at least. One that has fewer has a reason to be V(degraded).
    type: int
  max_paths:
    description:
      - The number of paths that a multipath map should have at most. One that has more has a reason
        to be V(degraded), such as a zone that is too wide, or two LUNs that share a WWID.
    type: int
    version_added: 1.1.0
  partition_tables:
    description:
      - Whether to read the partition tables of multipath maps that have partition maps, and compare
        them. Maps that are suspended or have no active path are not read.
      - Without it, only what is wrong whatever the partition table says is found, such as a
        partition map that ends beyond its map.
    type: bool
    default: false
  reservations:
    description:
      - Whether to ask the paths of multipath maps for the persistent reservation of the LUN, with
        the SCSI command PERSISTENT RESERVE IN. It changes nothing. Eight paths are asked at the
        same time, for a minute at most; a path that is not running is not asked.
    type: bool
    default: false
    version_added: 1.1.0
  timeout:
    description:
      - The seconds to wait at most, each time, for udev, while it does not know a disk yet, and for
        a partition table to be read. C(multipathd) is given five seconds at most.
    type: int
    default: 60
seealso:
  - module: san.device_mapper.multipath_map
  - module: san.device_mapper.partition_maps
"""

EXAMPLES = r"""
- name: Look at the LUNs and maps
  san.device_mapper.device_mapper_info:
  register: san

- name: Show them as a tree
  ansible.builtin.debug:
    msg: "{{ san.tree.splitlines() }}"

- name: List the LUNs that no map uses
  ansible.builtin.debug:
    msg: "{{ san.luns | rejectattr('map') | map(attribute='wwid') }}"

- name: Stop at a host with maps that have less than two paths, or are not as they should be
  san.device_mapper.device_mapper_info:
    health: [degraded, queueing, dead]
    expected_paths: 2
    partition_tables: true
  register: unhealthy
  failed_when: unhealthy.problems | length > 0

- name: Show what was wrong in later tasks
  ansible.builtin.debug:
    msg: "{{ unhealthy.problems }}"
"""

RETURN = r"""
maps:
  description:
    - The device-mapper maps of the host, each as M(san.device_mapper.multipath_map) returns it, but
      for its C(persistent).
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The name of the map.
      type: str
      sample: data
    uuid:
      description: The uuid of the map.
      type: str
      sample: mpath-35525400000000001
    wwid:
      description: The WWID of the LUN; empty for a map that is no multipath map.
      type: str
      sample: "35525400000000001"
    path:
      description: The device node.
      type: str
      sample: /dev/mapper/data
    device:
      description: The device number.
      type: str
      sample: "253:0"
    size:
      description: The size in bytes.
      type: int
      sample: 268435456
    open_count:
      description: How often the map is open.
      type: int
      sample: 1
    read_only:
      description: Whether the map refuses writes.
      type: bool
      sample: false
    deferred_remove:
      description: Whether the kernel removes the map once it is closed.
      type: bool
      sample: false
    suspended:
      description: Whether the map is suspended, so that I/O to it waits.
      type: bool
      sample: false
    has_inactive_table:
      description: Whether a second table is loaded that is not in use.
      type: bool
      sample: false
    table:
      description:
        - The live table, a segment each; C(start), C(length) and C(offset) in sectors of 512
          bytes.
      type: list
      elements: dict
    path_groups:
      description:
        - The groups of paths of a multipath map with their live states, as
          M(san.device_mapper.multipath_map) returns them.
      type: list
      elements: dict
    partition_maps:
      description: The names of the maps of its partitions.
      type: list
      elements: str
      sample: [data-part1]
    health:
      description:
        - How a multipath map is; V(none) for another map. Only what the kernel and udev know is
          looked at; no I/O is sent.
      type: dict
      contains:
        state:
          description:
            - V(healthy); V(degraded), where I/O goes on, but there are reasons to look;
              V(queueing), where I/O waits, since the map is suspended, or queues and has no usable
              path; V(dead), where I/O fails.
          type: str
          sample: degraded
        reasons:
          description:
            - What is not as it should be. For the whole map, C(kind) is V(no_table),
              V(no_multipath_table), V(no_usable_path), V(suspended) or V(inactive_table).
            - V(path_failed) - the kernel no longer uses the path. V(path_gone) - the path is in the
              table, but its device is gone. V(path_down) - its device is not running, or its ALUA
              state does not allow I/O.
            - V(path_of_other_lun) - SCSI page 0x83 of the path, or without that page its WWID,
              names the LUN C(found), so that what is written to the map may go there.
            - V(path_renamed) - udev has the name C(found) for the path, such as one made of page
              0x80, while page 0x83 names the LUN of the map. The path is as good as the others.
              Added in 1.1.0.
            - V(path_in_transition) - the array changes the path's ALUA state, as in a takeover.
              Added in 1.1.0.
            - V(path_size) - the size of the path in bytes is not that of the map.
              V(path_not_in_map) - the path has the WWID, but the table does not have it.
              V(too_few_paths) - fewer paths are active than O(expected_paths).
            - V(not_ready) - a path is usable, but the udev rules of multipath-tools take the map
              for not ready, in most cases because C(multipath.conf) blacklists its paths. The map
              has no link by UUID or label, and LVM does not see it. Added in 1.1.0.
            - V(missing_link) - the link C(expected) does not lead to the map, or to the partition
              map C(name).
            - V(stale_partition_map) - the partition map C(name) does not show its partition.
              V(partition_table_unreadable) - C(found) says why.
            - V(not_as_drop_in) - the map differs from the file that
              M(san.device_mapper.multipath_map) wrote for multipathd.
            - V(too_many_paths) - the table has more paths than O(max_paths). Added in 1.1.0.
            - V(path_not_registered) - with O(reservations), the LUN has a persistent reservation of
              the type C(found), and the path's key is missing. The storage rejects writes through
              the path, and for types with V(exclusive_access) also reads. Added in 1.1.0.
            - V(not_at_boot) - the map is persistent, and will not be there after the next boot.
              C(found) says why, such as C(multipathd.service is enabled). Added in 1.1.0.
            - C(path) is the number of the path and C(name) its name, if one is concerned;
              C(found) and C(expected) say more where there is more to say.
          type: list
          elements: dict
          sample:
            - kind: path_failed
              path: "8:0"
              name: sda
        path_count:
          description: The number of paths in the live table.
          type: int
          sample: 4
        active_paths:
          description:
            - How many of them are active, and not known to be down by the layer below.
          type: int
          sample: 3
        expected_paths:
          description: The value of O(expected_paths).
          type: int
          sample: 4
        max_paths:
          description: The value of O(max_paths).
          type: int
          sample: 4
          version_added: 1.1.0
    reservation:
      description:
        - What the paths of a multipath map say of the persistent reservation of its LUN; V(none)
          without O(reservations), or if no path says anything, as with NVMe, C(virtio-blk), and
          storage that does not know the command.
      type: dict
      version_added: 1.1.0
      contains:
        type:
          description:
            - V(write_exclusive), V(exclusive_access), either of them with C(_registrants_only) or
              C(_all_registrants) behind it, or V(none) if the LUN is not reserved.
          type: str
          sample: write_exclusive_registrants_only
        key:
          description:
            - The key of the reservation; V(0x0) if all registrants hold it, V(none) if the LUN is
              not reserved.
          type: str
          sample: "0xabc123"
        registered_keys:
          description:
            - The keys that are registered, one for each way from a port of a host to a port of the
              storage.
          type: list
          elements: str
          sample: ["0xabc123", "0xabc123"]
        paths:
          description:
            - The paths that answered, of the map or with the WWID of its LUN.
            - C(registered) is V(none) if that cannot be told, since the storage does not list which
              ports have registered (READ FULL STATUS), or sysfs has no name of the host's port, as
              for transports other than Fibre Channel, iSCSI and SAS. It is V(false) for all of them
              where nothing has registered at the port of the storage that the path leads to.
          type: list
          elements: dict
          sample:
            - name: sda
              device: "8:0"
              registered: true
    uses:
      description: Who uses the map.
      type: list
      elements: str
      sample: [held by the map data-part1 (uuid part1-mpath-35525400000000001)]
    users:
      description:
        - The uses of the map as data, in the order of RV(maps[].uses). The C(kind) is V(mount),
          V(swap), V(map), V(lvm), V(md), V(loop) or V(device) for what lies on top. Processes that
          have the map open are not looked for, so that C(process) and C(opens) are V(none).
      version_added: 1.1.0
      type: list
      elements: dict
      sample:
        - kind: mount
          name: /srv/data
          device: null
          uuid: null
          process: null
          partition: null
          opens: null
detached:
  description:
    - The WWIDs of the LUNs that M(san.device_mapper.lun_paths) holds detached, whether the host
      sees them or not.
  version_added: 1.1.0
  type: list
  elements: str
  returned: success
  sample: []
luns:
  description: The LUNs that the host sees, by WWID; with O(maps) or O(health), those of such maps.
  type: list
  elements: dict
  returned: success
  contains:
    wwid:
      description: The WWID of the LUN.
      type: str
      sample: "35525400000000001"
    size:
      description: The size in bytes; V(none) if the paths do not agree on it.
      type: int
      sample: 268435456
    map:
      description: The name of its multipath map; V(none) if there is none.
      type: str
      sample: data
    detached:
      description: Whether the host holds the LUN detached, see RV(detached).
      version_added: 1.1.0
      type: bool
      sample: false
    paths:
      description:
        - The paths; C(size) in bytes, C(state) and C(access_state) in the kernel's words.
          C(carries_io), added in 1.1.0, is whether the layer below multipath would carry I/O.
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
          hardware_handler: ""
          serial: ""
          target_node_name: ""
          target_port_group: null
          read_only: false
          links: [/dev/disk/by-path/pci-0000:00:03.0-scsi-0:0:0:0]
nvme:
  description:
    - The NVMe subsystems of the host, mostly storage arrays, with their controllers, and the
      namespaces whose paths the kernel joins; with O(wwids) or O(health), those of such namespaces.
      With O(maps), none.
    - All of it is read from sysfs; no command is sent.
  type: list
  elements: dict
  returned: success
  version_added: 1.1.0
  contains:
    name:
      description: The kernel's name of the subsystem.
      type: str
      sample: nvme-subsys0
    nqn:
      description: The NVMe qualified name of the subsystem.
      type: str
      sample: nqn.2010-06.com.purestorage:flasharray.4d0b8e2e1f3c
    model:
      description: The model.
      type: str
      sample: Pure Storage FlashArray
    serial:
      description: The serial number.
      type: str
      sample: 4D0B8E2E1F3C
    firmware:
      description: The revision of the firmware.
      type: str
      sample: 6.4.10
    iopolicy:
      description:
        - How the kernel chooses between paths, such as V(numa), V(round-robin) or V(queue-depth);
          empty on kernels that have no choice.
      type: str
      sample: round-robin
    controllers:
      description:
        - The controllers of the subsystem, each of which is a connection of the host to a port of
          the storage, or a device on PCIe.
        - C(address) is the kernel's text; C(target_address), C(target_service), C(host_address) and
          C(host_interface) are its parts, empty where it does not have them.
        - C(state) is V(live), V(new), V(connecting) (the connection is lost, the host tries
          again), V(resetting), V(deleting), V(deleting (no IO\)) or V(dead).
        - C(ctrl_loss_tmo), C(fast_io_fail_tmo) and C(reconnect_delay) are seconds; V(-1) is off,
          which means forever, and V(none) that the transport has none.
      type: list
      elements: dict
      sample:
        - name: nvme0
          transport: tcp
          address: traddr=192.0.2.1,trsvcid=4420,src_addr=192.0.2.100
          target_address: 192.0.2.1
          target_service: "4420"
          host_address: 192.0.2.100
          host_interface: ""
          host_nqn: nqn.2014-08.org.nvmexpress:uuid:9b2e4f2a-4f8c-4d6b-9ce2-2b1f0a3a7d11
          state: live
          ctrl_loss_tmo: 600
          fast_io_fail_tmo: -1
          reconnect_delay: 10
    namespaces:
      description: The namespaces whose paths the kernel joins to an NVMe multipath device.
      type: list
      elements: dict
      contains:
        name:
          description: The kernel's name of the NVMe multipath device.
          type: str
          sample: nvme0n1
        path:
          description: The device node.
          type: str
          sample: /dev/nvme0n1
        device:
          description: The device number.
          type: str
          sample: "259:1"
        wwid:
          description:
            - The identity of the namespace in the kernel's words, which udev has as C(ID_WWN). It
              is made of the first of UUID, NGUID and EUI-64 that the namespace has.
          type: str
          sample: uuid.2f7cbd5a-51fa-4bfb-9f8f-ce44c40f1f5e
        nsid:
          description: The number of the namespace in its subsystem.
          type: int
          sample: 1
        uuid:
          description: The UUID; the NGUID where the namespace has none. V(none) without both.
          type: str
          sample: 2f7cbd5a-51fa-4bfb-9f8f-ce44c40f1f5e
        nguid:
          description: The NGUID; V(none) if there is none.
          type: str
          sample: null
        eui64:
          description: The EUI-64; V(none) if there is none.
          type: str
          sample: null
        size:
          description: The size in bytes.
          type: int
          sample: 107374182400
        read_only:
          description: Whether the device refuses writes.
          type: bool
          sample: false
        delayed_removal_secs:
          description:
            - The seconds for which the device stays, and I/O to it waits, once its last path is
              gone; V(0) on kernels that do not have the setting.
          type: int
          sample: 0
        paths:
          description:
            - The paths, one for each controller that has the namespace. C(state) is that of the
              controller, C(ana_state) that of the namespace through this controller (V(optimized),
              V(non-optimized), V(inaccessible), V(persistent-loss), V(change)), empty where the
              storage reports none. C(carries_io) is whether the kernel uses the path.
          type: list
          elements: dict
          sample:
            - name: nvme0c0n1
              controller: nvme0
              state: live
              ana_state: optimized
              ana_group: 1
              size: 107374182400
              carries_io: true
        health:
          description:
            - How the NVMe multipath device is, in the form of RV(maps[].health).
            - The C(state) is V(queueing) where no path is usable and I/O
              waits for a controller, and V(dead) where it fails. I/O waits while a controller is
              live (its ANA state does not allow I/O), resetting, or connecting without
              C(fast_io_fail_tmo). Where that is set, I/O fails those seconds after the loss, and
              the state is V(dead) from the beginning, since the kernel does not show whether they
              are over.
            - C(kind) of a reason is V(no_usable_path) (C(found) has the time-outs of its
              controllers), V(path_down) (the controller is not live, or the ANA state does not
              allow I/O), V(path_in_transition) (the ANA state is V(change)), V(path_size) (the
              kernel does not use a path of another size), V(one_path_left) (of a fabric, one path
              alone carries I/O; not with O(expected_paths)) or V(too_few_paths). The latter two are
              not for a disk on PCIe, which has one path.
          type: dict
        uses:
          description: Who uses the device, in words.
          type: list
          elements: str
          sample: [mounted at /srv/data]
        users:
          description: The same as data, in the form of RV(maps[].users).
          type: list
          elements: dict
problems:
  description:
    - A line for each map in RV(maps) and each NVMe multipath device in RV(nvme) that is not
      healthy, with its reasons, and one for each of O(maps) and O(wwids) that has no map or device.
  type: list
  elements: str
  returned: success
  sample:
    - "data: degraded, 3 of 4 paths active; path failed sda"
tree:
  description:
    - The same as a picture, LUN, map, path groups, paths, partition maps, uses; below it the NVMe
      subsystems with controllers, namespaces, NVMe multipath devices, paths, uses.
  type: str
  returned: success
multipathd:
  description: The multipath daemon's view of maps and paths, beside the kernel's.
  type: dict
  returned: success
  contains:
    installed:
      description: Whether multipath-tools is installed.
      type: bool
      sample: true
    running:
      description: Whether the daemon runs.
      type: bool
      sample: true
    version:
      description: The version of the daemon that runs; empty if none does.
      type: str
      sample: 0.9.4
    maps:
      description: The maps that it manages.
      type: list
      elements: dict
      contains:
        name:
          description: The name of the map.
          type: str
          sample: data
        wwid:
          description: The WWID of the LUN.
          type: str
          sample: "35525400000000001"
        paths:
          description: The paths of the map, with the states that the daemon's checker has found.
          type: list
          elements: dict
          sample:
            - name: sda
              state: ready
    differences:
      description:
        - In words, where the daemon and the kernel do not see the same, which may be for a moment
          only; or that the daemon does not answer.
      type: list
      elements: str
      sample:
        - "data: sda is failed for the kernel, ready for multipathd"
"""

from ..module_utils._python import refuse_old_python

refuse_old_python()

from ..module_utils._report.health import STATES
from ..module_utils._run import run
from ..module_utils._system.block_devices import BlockDevices
from ..module_utils._system.disks import Disks
from ..module_utils._system.files import Files
from ..module_utils._system.libblkid import LibBlkid
from ..module_utils._system.libdevmapper import LibDeviceMapper
from ..module_utils._system.multipathd import MultipathDaemon
from ..module_utils._system.nvme import Nvme
from ..module_utils._system.reservations import Reservations
from ..module_utils._system.systemd import Systemd
from ..module_utils._tasks.device_mapper_info import TASK

SPECIFICATION = {
    "argument_spec": {
        "maps": {"type": "list", "elements": "str"},
        "wwids": {"type": "list", "elements": "str"},
        "health": {"type": "list", "elements": "str", "choices": list(STATES)},
        "expected_paths": {"type": "int"},
        "max_paths": {"type": "int"},
        "partition_tables": {"type": "bool", "default": False},
        "reservations": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 60},
    }
}

PARTS = (
    *(BlockDevices, Disks, Files, LibBlkid, LibDeviceMapper, MultipathDaemon, Nvme),
    *(Reservations, Systemd),
)
"""The parts of the system that the task needs."""


def main() -> None:
    """Run the module."""
    run(SPECIFICATION, TASK, *PARTS)


if __name__ == "__main__":
    main()
