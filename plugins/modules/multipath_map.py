#!/usr/bin/python
# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: multipath_map
short_description: Join the paths of a LUN into one multipath map
version_added: 1.0.0
author:
  - The san.device_mapper contributors (@san-device-mapper)
description:
  - Makes, changes or removes the multipath map of a LUN. The table in the kernel is read, compared
    by its meaning and changed only where it differs, in one step that never leaves the map
    suspended.
  - A map's identity is its uuid C(mpath-WWID). A map with this uuid and another name is renamed in
    place. A map of the same name with another uuid is never touched.
  - The module loads tables itself, or has C(multipathd) make the map, see O(manager). The options
    that a task specifies have the same meaning either way. For those that it leaves out, the module
    has defaults, but C(multipathd) uses its own configuration.
extends_documentation_fragment:
  - san.device_mapper._attributes
  - san.device_mapper._attributes.diff
options:
  name:
    description:
      - The name of the map, below C(/dev/mapper). Without C(multipathd) the default is the WWID, as
        multipath names a map without an alias. If C(multipathd) manages the map, it keeps the
        name that it has, and C(multipathd) names a new one.
      - Letters, digits and C(#+-.:=@_), 127 characters at most.
    type: str
  wwid:
    description:
      - The WWID of the LUN, as udev knows it (C(ID_SERIAL), for NVMe C(ID_WWN)) and
        M(san.device_mapper.device_mapper_info) lists it.
      - Follows from O(paths) or O(path_groups) if left out.
      - SCSI page 0x83 decides which LUN a path belongs to. A path on which it contradicts udev is
        refused, because the array may have given its LUN number to another LUN.
      - Paths with different unit serial numbers (SCSI page 0x80) are refused, unless
        O(path_grouping_policy=group_by_serial).
    type: str
  state:
    description:
      - V(present) makes the map, or changes it to what the task specifies.
      - V(absent) removes its unused partition maps and the map. What happens while something uses
        them is said by O(in_use).
    type: str
    choices: [present, absent]
    default: present
  paths:
    description:
      - The paths of the map, each as C(/dev/…), as a name below C(/dev/disk/by-path), as
        C(host:channel:target:lun) or as C(major:minor).
      - The default is every block device of the host with this WWID.
      - A path that is offline stays in a map that has it. One that the map does not have yet is
        left out by the default, and refused in this list, because the kernel cannot open it; it
        joins by the first task after it is up.
      - A path that is to join a map in use is asked for a persistent reservation of the LUN, unless
        C(multipathd) manages the map. If the storage would reject what is written through the
        path, since it is not registered, or if that cannot be told, it is left out by the default,
        with a warning. In this list, a path that is not registered is refused, and one of which it
        cannot be told joins. See the
        R(guide about maintenance,ansible_collections.san.device_mapper.docsite.day_two).
    type: list
    elements: str
  path_groups:
    description:
      - The groups of paths, the one to use first at the front, instead of O(paths) and
        O(path_grouping_policy). A path is named as in O(paths).
    type: list
    elements: list
  path_grouping_policy:
    description:
      - The way in which the paths form groups, with the meaning that C(multipath.conf) gives it.
      - V(failover) makes a group of each path, V(multibus) one group of all.
      - V(group_by_prio) makes a group of the paths with one priority, the highest first. The
        priority follows from the ALUA access state that the kernel shows.
      - V(group_by_serial), V(group_by_node_name) and V(group_by_tpg) make a group of the paths with
        one serial number of the unit, one node name of the target, or one target port group; the
        group with the highest average priority goes first. Refused where that is not known.
      - With V(auto), C(multipathd) decides, by its table of storage and what it detects. Without
        it, V(auto) is V(group_by_prio) if every path has an ALUA access state, otherwise
        V(failover).
      - C(multipathd) may split the groups of a policy further, for paths that it has found to be
        marginal, and goes by the priorities of its own prioritizer. Such groups are accepted.
    type: str
    choices: &policies
      - auto
      - failover
      - multibus
      - group_by_prio
      - group_by_serial
      - group_by_node_name
      - group_by_tpg
    default: auto
  path_selector:
    description:
      - The way in which the kernel spreads I/O over the paths of a group.
      - The kernel loads the module that it is in. Refused where the kernel has no such module; many
        distributions' kernels do not have V(historical-service-time) and V(io-affinity).
      - If not specified, C(multipathd) decides. Without it, the default is V(service-time).
    type: str
    choices: &selectors
      - service-time
      - queue-length
      - round-robin
      - historical-service-time
      - io-affinity
  path_selector_arguments:
    description:
      - The arguments of the O(path_selector), where it takes any. A path is named as in O(paths).
    type: dict
    suboptions: &arguments
      relative_throughput:
        description:
          - For V(service-time), the throughput of paths against each other, by path. V(1) for a
            path that is not named, V(100) at most. A path with V(0) is used if no other is left.
        type: dict
      base_weight:
        description:
          - For V(historical-service-time), the weight of the past, below V(1024). The default is
            the kernel's, V(972).
        type: int
      threshold_multiplier:
        description:
          - For V(historical-service-time), how many times slower a path must be to be taken for
            another one. The default is the kernel's, V(0), for which any difference is enough.
        type: int
      cpu_mask:
        description:
          - For V(io-affinity), the CPUs whose I/O goes through each path, by path, in hexadecimal
            digits. Each path needs one, and a CPU is in one of a group only.
        type: dict
  hardware_handler:
    description:
      - The kernel's driver for the way in which the storage fails over from one controller to
        another, activated when a path group comes into use.
      - V(auto) is the handler that is attached to the paths, if one is, as C(multipath) does it.
        V(none) loads the table without one. Another one is attached to the paths that have none;
        the kernel keeps one that is attached already.
    type: str
    choices: &handlers
      - auto
      - none
      - alua
      - rdac
      - emc
      - hp_sw
    default: auto
  features:
    description:
      - Features of the map besides O(no_path_retry), with device-mapper's names.
    type: dict
    suboptions: &features
      pg_init_retries:
        description:
          - How often the hardware handler's activation of a path group is tried again, V(50) at
            most. The default is V(0), for which it is the handler that decides.
        type: int
      pg_init_delay_msecs:
        description:
          - The milliseconds before it is tried again, V(60000) at most. The default is the
            kernel's, V(2000).
        type: int
      queue_mode:
        description:
          - Whether the map is made of requests (V(rq), and V(mq), which means the same since Linux
            4.20) or of bios (V(bio)). It cannot change while the map exists.
        type: str
        choices: [rq, bio, mq]
  no_path_retry:
    description:
      - What becomes of I/O while no path is left. V(fail) returns an error, V(queue) waits for a
        path. With a number, C(multipathd) waits for so many of its checks, and fails then.
      - If not specified, C(multipathd) decides, by its table of storage. Without it, the default is
        V(fail).
    type: str
  manager:
    description:
      - Who makes the map, and keeps it.
      - With V(kernel) the module loads the table itself. Refused while C(multipathd) runs, which
        would replace or remove the map. What an earlier task has told the daemon of the map is
        taken back.
      - With V(multipathd) the module tells the daemon, in its own terms, and waits until the
        kernel has the table. One file in C(/etc/multipath/conf.d) is for one map, and the
        WWID goes to those that the daemon takes for multipath devices; the host's other files are
        never changed. The file holds the options that the task specifies and no others; everything
        else, and the order of groups, is left to the daemon.
      - The daemon has to be that of multipath-tools 0.8.4 or later.
      - What needs a C(multipathd reconfigure), such as another name or policy, is refused while
        paths of any map of the host are failed by M(san.device_mapper.multipath_path). The daemon
        would use them again. Run the task after the maintenance, or reinstate the paths first.
      - While the daemon does not run, V(multipathd) only writes its files, for a map that is there
        already as it is stated. So a map in use is handed over before the daemon starts.
      - V(auto) is V(multipathd) while it runs, and for a map that it was told of; else V(kernel).
    type: str
    choices: [auto, kernel, multipathd]
    default: auto
  failback:
    description:
      - When C(multipathd) goes back to the group of paths with the highest priority. V(immediate),
        V(manual), V(followover), or the number of seconds to wait.
      - The default is the daemon's, for this storage.
    type: str
  prio:
    description:
      - The daemon's prioritizer, as C(multipath.conf) names it. The default is the daemon's, for
        this storage; for paths with ALUA it is detected.
    type: str
  path_checker:
    description:
      - The way in which C(multipathd) checks paths, as C(multipath.conf) names it, for example
        V(tur) or V(directio). The daemon is told to detect none (C(detect_checker no)).
      - The daemon knows it of a whole product of storage. Refused if the host has other LUNs of the
        same vendor and product that the task does not state as well.
    type: str
  fast_io_fail_tmo:
    description:
      - The seconds after which I/O to a lost port of the storage fails, or V(off). For a whole
        product of storage, as O(path_checker).
    type: str
  dev_loss_tmo:
    description:
      - The seconds after which a lost port of the storage is given up with its paths, or
        V(infinity). For a whole product of storage, as O(path_checker).
    type: str
  settings:
    description:
      - Further settings of the map for C(multipathd), by the keywords that C(multipath.conf) has in
        a C(multipath) section, for example C(reservation_key), C(flush_on_last_del) or
        C(marginal_path_err_sample_time).
      - Write a value as C(multipathd show config) prints it. The task fails if the daemon has
        something else after it has read the file.
      - Quote hexadecimal values, such as C(reservation_key) V("0x123abc"), because YAML makes a
        decimal number of them otherwise.
      - A keyword that the parser of the installed version does not accept fails the task, with the
        parser's own message, and the file is restored. The same holds for a value from
        multipath-tools 0.8.8 on; earlier versions do not check values, except those of RHEL 8 and
        9.
      - A keyword that another option of this module sets is refused, and so is one that
        C(multipath.conf) has only in the C(devices) or the C(defaults) section.
    type: dict
    version_added: 1.1.0
  adopt:
    description:
      - Whether the map may be stated to C(multipathd) although another of its files has a
        C(multipath) section for this LUN. That file is never changed; of the two the one that is
        read later counts, and the task is refused if that is the other one.
    type: bool
    default: false
  read_only:
    description:
      - Whether the map refuses writes. Refused while it is V(false) and a new path refuses them.
      - If not specified, C(multipathd) makes the map read-only if all of its paths are. Without it,
        the default is V(false).
    type: bool
  allow_shrink:
    description:
      - Whether the map may become smaller, when its paths have. Never below the end of one of its
        partition maps.
    type: bool
    default: false
  skip_kpartx:
    description:
      - Whether udev is told to make no partition maps of this map, with the meaning that
        C(multipath.conf) gives it. It goes with the events that the task causes, and udev remembers
        it until the next boot; setting it alone changes nothing. For a map that is O(persistent), a
        file says so from then on.
      - If not specified, C(multipathd) decides. Without it, the default is V(false).
    type: bool
  rename_mounted:
    description:
      - Whether to rename a map on which, itself or a partition map of it, systemd manages a file
        system, swap or automount, for example because C(/etc/fstab) names it. systemd stops such a
        unit when the node of the old name goes, which B(unmounts) the file system, unless a process
        uses it. By default the task is refused, with the name of the unit. File systems that were
        mounted with C(mount) and are not in C(/etc/fstab) stay mounted in any case.
      - The partition maps of a map keep what follows its name, and are renamed with it.
      - The module warns about names that the next boot would not find - in C(/etc/fstab),
        C(/etc/crypttab), the kernel's command line, and the configuration of initramfs-tools,
        dracut, GRUB and C(/boot/loader/entries).
    type: bool
    default: false
    version_added: 1.1.0
  in_use:
    description:
      - What O(state=absent) does with a map that is in use, itself or one of its partition maps.
        V(fail) refuses. V(defer) has the kernel remove each of them once it is closed; until
        then it is there, with RV(maps[].deferred_remove). O(state=present) takes that
        back.
      - A map that queues and has no path left is told to fail I/O with V(defer), so that a process
        which waits for it ends; not where a file system, swap or another device is on it.
    type: str
    choices: [fail, defer]
    default: fail
  min_paths:
    description:
      - The number of paths below which the task is refused.
    type: int
    default: 1
  max_paths:
    description:
      - The number of paths above which the task is refused, such as a zone that is too wide, or two
        LUNs that share a WWID. By default there is no such number.
    type: int
    version_added: 1.1.0
  persistent:
    description:
      - Whether the host has the map again after a reboot, with the partition maps that
        M(san.device_mapper.partition_maps) states on it, before local file systems are mounted.
        Paths join it as they come. See the
        R(guide about reboots,ansible_collections.san.device_mapper.docsite.reboot).
      - V(true) writes C(/etc/san.device_mapper/mpath-WWID.map), and with the first such map two
        udev rule files, a systemd unit and a program for C(/bin/sh). V(false) and O(state=absent)
        remove the file, and with the last one the others.
      - If not specified, a map that is persistent stays so, with what the task states, and
        another one does not become so. There is no other default, because a task that does not
        speak of the next boot should neither install something for it nor take away what another
        task has set, which would only be noticed at that boot.
      - V(true) is refused where the next boot would not make the map, because C(multipathd.service)
        or C(multipathd.socket) is enabled, even if it does not run now, because C(nompath) or
        C(multipath=off) is on the kernel's command line, or because a program is missing. While
        C(multipathd) runs, maps are the daemon's, and V(false) is refused for them.
    type: bool
  check_interval:
    description:
      - For a map that is O(persistent), the seconds between two looks at its failed paths, V(0) for
        none. A path that answers again is reinstated, as C(multipathd) does it for its maps. See
        the R(guide about reboots,ansible_collections.san.device_mapper.docsite.reboot).
      - A path that M(san.device_mapper.multipath_path) has failed stays failed until that module
        makes it active.
      - If not specified, it is 20 seconds.
    type: int
    version_added: 1.1.0
  timeout:
    description:
      - The number of seconds to wait at most, each time, for another task on the same host, for
        udev, for paths in transition, for C(multipathd) to answer and to make the map, and for
        systemd to list its mounts. Each of these waits has this limit, so that a task can take
        several times as long.
    type: int
    default: 60
  maps:
    description:
      - The maps, for many LUNs in one task.
      - O(name), O(wwid), O(paths) and O(path_groups) are each map's own. What else the task states
        holds for each map that does not state it.
    type: list
    elements: dict
    suboptions:
      name:
        description: See O(name).
        type: str
      wwid:
        description: See O(wwid).
        type: str
      state:
        description: See O(state).
        type: str
        choices: [present, absent]
      paths:
        description: See O(paths).
        type: list
        elements: str
      path_groups:
        description: See O(path_groups).
        type: list
        elements: list
      path_grouping_policy:
        description: See O(path_grouping_policy).
        type: str
        choices: *policies
      path_selector:
        description: See O(path_selector).
        type: str
        choices: *selectors
      path_selector_arguments:
        description:
          - See O(path_selector_arguments). Those of the task do not hold for a map that states its
            own O(maps[].path_selector).
        type: dict
        suboptions: *arguments
      hardware_handler:
        description: See O(hardware_handler).
        type: str
        choices: *handlers
      features:
        description: See O(features).
        type: dict
        suboptions: *features
      no_path_retry:
        description: See O(no_path_retry).
        type: str
      failback:
        description: See O(failback).
        type: str
      prio:
        description: See O(prio).
        type: str
      path_checker:
        description: See O(path_checker).
        type: str
      fast_io_fail_tmo:
        description: See O(fast_io_fail_tmo).
        type: str
      dev_loss_tmo:
        description: See O(dev_loss_tmo).
        type: str
      settings:
        description: See O(settings).
        type: dict
        version_added: 1.1.0
      adopt:
        description: See O(adopt).
        type: bool
      read_only:
        description: See O(read_only).
        type: bool
      allow_shrink:
        description: See O(allow_shrink).
        type: bool
      skip_kpartx:
        description: See O(skip_kpartx).
        type: bool
      rename_mounted:
        description: See O(rename_mounted).
        type: bool
        version_added: 1.1.0
      in_use:
        description: See O(in_use).
        type: str
        choices: [fail, defer]
      min_paths:
        description: See O(min_paths).
        type: int
      max_paths:
        description: See O(max_paths).
        type: int
        version_added: 1.1.0
      persistent:
        description: See O(persistent).
        type: bool
      check_interval:
        description: See O(check_interval).
        type: int
        version_added: 1.1.0
seealso:
  - module: san.device_mapper.partition_maps
  - module: san.device_mapper.device_mapper_info
"""

EXAMPLES = r"""
- name: Join the paths of a LUN
  san.device_mapper.multipath_map:
    name: data
    wwid: "35525400000000001"
    min_paths: 2

- name: Join the paths of two LUNs, and wait for a path rather than fail
  san.device_mapper.multipath_map:
    path_grouping_policy: multibus
    no_path_retry: queue
    maps:
      - name: data
        wwid: "35525400000000001"
      - name: log
        wwid: "35525400000000002"
        path_selector: queue-length

- name: Have the map again after a reboot
  san.device_mapper.multipath_map:
    name: data
    wwid: "35525400000000001"
    path_grouping_policy: multibus
    no_path_retry: queue
    persistent: true

- name: Use only two of the paths
  san.device_mapper.multipath_map:
    name: log
    paths:
      - "0:0:0:1"
      - "1:0:0:1"

- name: Set which paths are used first
  san.device_mapper.multipath_map:
    name: log
    path_groups:
      - ["1:0:0:1"]
      - ["0:0:0:1"]

- name: Send ten times as much I/O through one path as through the other
  san.device_mapper.multipath_map:
    wwid: "35525400000000001"
    name: data
    paths:
      - "0:0:0:0"
      - "1:0:0:0"
    path_grouping_policy: multibus
    path_selector: service-time
    path_selector_arguments:
      relative_throughput:
        "0:0:0:0": 10

- name: Remove a map
  san.device_mapper.multipath_map:
    wwid: "35525400000000001"
    state: absent
"""

RETURN = r"""
plan:
  description:
    - The operations that were missing, in the words of C(dmsetup), C(multipath) and C(multipathd).
      In check mode the same, not carried out.
  type: list
  elements: str
  returned: success
  sample:
    - create data --uuid mpath-35525400000000001 --notable
    - "load data --table '0 524288 multipath 0 0 1 1 service-time 0 2 0 8:0 8:16'"
    - resume data --noflush --nolockfs
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
  description: The maps of the task that are there after it.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The name of the map.
      type: str
      sample: data
    uuid:
      description: The uuid of the map, its identity.
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
      description: The device number; V(none) in check mode for a map that is not there yet.
      type: str
      sample: "253:0"
    size:
      description: The size in bytes.
      type: int
      sample: 268435456
    open_count:
      description: How often the map is open.
      type: int
      sample: 0
    read_only:
      description: Whether the map refuses writes.
      type: bool
      sample: false
    suspended:
      description: Whether the map is suspended, so that I/O to it waits.
      type: bool
      sample: false
    deferred_remove:
      description: Whether the kernel removes the map once it is closed.
      type: bool
      sample: false
    persistent:
      description: Whether the host has the map again after a reboot.
      type: bool
      sample: true
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
      sample:
        - start: 0
          length: 524288
          target: multipath
          parameters: 0 0 1 1 service-time 0 2 2 8:0 1 1 8:16 1 1
          features: []
          hardware_handler: ""
    path_groups:
      description: The groups of paths, the one to use first at the front, with their live states.
      type: list
      elements: dict
      contains:
        state:
          description:
            - V(active) for the group in use, V(enabled) for one that may be, V(disabled) for one
              that is used if no other is left; V(unknown) for a map that is not there yet.
          type: str
          sample: active
        path_selector:
          description: The path selector.
          type: str
          sample: service-time
        path_selector_arguments:
          description: The path selector's own arguments, as the kernel prints them.
          type: list
          elements: str
          sample: []
        paths:
          description: The paths of the group.
          type: list
          elements: dict
          contains:
            name:
              description: The kernel's name of the path; empty if its device is gone.
              type: str
              sample: sda
            path:
              description: The device node.
              type: str
              sample: /dev/sda
            device:
              description: The device number.
              type: str
              sample: "8:0"
            address:
              description: C(host:channel:target:lun) of a SCSI device, else empty.
              type: str
              sample: "2:0:0:0"
            size:
              description: The size in bytes.
              type: int
              sample: 268435456
            state:
              description: The state of the SCSI device in the kernel's words.
              type: str
              sample: running
            access_state:
              description: The ALUA access state in the kernel's words; empty without one.
              type: str
              sample: active/optimized
            carries_io:
              description: Whether the layer below multipath would carry I/O on the path.
              version_added: 1.1.0
              type: bool
              sample: true
            hardware_handler:
              description: The hardware handler that is attached; empty without one.
              type: str
              sample: alua
            serial:
              description: The unit's serial number; empty if unknown.
              type: str
              sample: ABC123
            target_node_name:
              description: The node name of the target; empty if unknown.
              type: str
              sample: iqn.2026-11.com.example:array
            target_port_group:
              description: The target port group; V(none) if unknown.
              type: int
              sample: 1
            read_only:
              description: Whether the path refuses writes.
              type: bool
              sample: false
            links:
              description: The names in C(/dev/disk/by-path).
              type: list
              elements: str
              sample: [/dev/disk/by-path/pci-0000:00:03.0-scsi-0:0:0:0]
            path_selector_arguments:
              description: The path selector's arguments for this path, as the kernel prints them.
              type: list
              elements: str
              sample: ["1", "1"]
            active:
              description:
                - Whether the kernel would use the path; V(false) once I/O through it has failed.
                  V(none) for a path that is not in the map yet.
              type: bool
              sample: true
            fail_count:
              description: How often the path has failed since it was loaded; V(none) as above.
              type: int
              sample: 0
    partition_maps:
      description: The names of the maps of its partitions.
      type: list
      elements: str
      sample: [data-part1]
    uses:
      description: Who uses the map.
      type: list
      elements: str
      sample: [mounted at /srv/data]
    users:
      description:
        - The uses of the map as data, in the order of RV(maps[].uses). The C(kind) is V(mount),
          V(swap), V(map), V(lvm), V(md), V(loop) or V(device) for what lies on top.
        - Maps that the task removes with O(in_use=defer) also have V(process) for a process that
          has the map open, V(udev) for one of udev's, V(multipathd) for the daemon, V(claim) for an
          exclusive use that nothing explains, and V(unexplained) for C(opens) by something that is
          not a process.
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
"""

from ..module_utils._python import refuse_old_python

refuse_old_python()

from ..module_utils._plan.path_groups import POLICIES
from ..module_utils._run import run
from ..module_utils._system.block_devices import BlockDevices
from ..module_utils._system.disks import Disks
from ..module_utils._system.files import Files
from ..module_utils._system.held_paths import HeldPaths
from ..module_utils._system.kernel_modules import KernelModules
from ..module_utils._system.libdevmapper import LibDeviceMapper
from ..module_utils._system.lock import Lock
from ..module_utils._system.multipathd import MultipathDaemon
from ..module_utils._system.reservations import Reservations
from ..module_utils._system.systemd import Systemd
from ..module_utils._tasks.multipath_map import TASK

_ITEM: dict[str, dict[str, object]] = {
    "name": {"type": "str"},
    "wwid": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"]},
    "paths": {"type": "list", "elements": "str"},
    "path_groups": {"type": "list", "elements": "list"},
    "path_grouping_policy": {
        "type": "str",
        "choices": list(POLICIES),
    },
    "path_selector": {
        "type": "str",
        "choices": [
            "service-time",
            "queue-length",
            "round-robin",
            "historical-service-time",
            "io-affinity",
        ],
    },
    "path_selector_arguments": {
        "type": "dict",
        "options": {
            "relative_throughput": {"type": "dict"},
            "base_weight": {"type": "int"},
            "threshold_multiplier": {"type": "int"},
            "cpu_mask": {"type": "dict"},
        },
    },
    "hardware_handler": {
        "type": "str",
        "choices": ["auto", "none", "alua", "rdac", "emc", "hp_sw"],
    },
    "features": {
        "type": "dict",
        "options": {
            "pg_init_retries": {"type": "int"},
            "pg_init_delay_msecs": {"type": "int"},
            "queue_mode": {"type": "str", "choices": ["rq", "bio", "mq"]},
        },
    },
    "no_path_retry": {"type": "str"},
    "failback": {"type": "str"},
    "prio": {"type": "str"},
    "path_checker": {"type": "str"},
    "fast_io_fail_tmo": {"type": "str"},
    "dev_loss_tmo": {"type": "str"},
    "settings": {"type": "dict"},
    "adopt": {"type": "bool"},
    "read_only": {"type": "bool"},
    "allow_shrink": {"type": "bool"},
    "skip_kpartx": {"type": "bool"},
    "rename_mounted": {"type": "bool"},
    "in_use": {"type": "str", "choices": ["fail", "defer"]},
    "min_paths": {"type": "int"},
    "max_paths": {"type": "int"},
    "persistent": {"type": "bool"},
    "check_interval": {"type": "int"},
}
_DEFAULTS = {
    "state": "present",
    "path_grouping_policy": "auto",
    "hardware_handler": "auto",
    "adopt": False,
    "allow_shrink": False,
    "rename_mounted": False,
    "in_use": "fail",
    "min_paths": 1,
}

_OPTIONS = {name: {**option, "default": _DEFAULTS.get(name)} for name, option in _ITEM.items()}
SPECIFICATION = {
    "argument_spec": {
        **_OPTIONS,
        "manager": {
            "type": "str",
            "choices": ["auto", "kernel", "multipathd"],
            "default": "auto",
        },
        "timeout": {"type": "int", "default": 60},
        "maps": {"type": "list", "elements": "dict", "options": _ITEM},
    },
    "mutually_exclusive": [("maps", each) for each in ("name", "wwid", "paths", "path_groups")],
    "required_one_of": [("name", "wwid", "paths", "path_groups", "maps")],
}

PARTS = (
    *(BlockDevices, Disks, Files, HeldPaths, KernelModules, LibDeviceMapper, Lock),
    *(MultipathDaemon, Reservations, Systemd),
)
"""The parts of the system that the task needs."""


def main() -> None:
    """Run the module."""
    run(SPECIFICATION, TASK, *PARTS)


if __name__ == "__main__":
    main()
