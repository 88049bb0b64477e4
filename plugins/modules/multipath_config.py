#!/usr/bin/python
# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

DOCUMENTATION = r"""
module: multipath_config
short_description: Set the host's part of multipath.conf, and know what it does before it is done
version_added: 1.1.0
author:
  - The san.device_mapper contributors (@san-device-mapper)
description:
  - Sets C(defaults), C(blacklist), C(blacklist_exceptions), C(devices) and C(overrides) of
    C(multipathd) in the words of C(multipath.conf). Use it on hosts where C(multipathd) makes the
    maps by general settings; M(san.device_mapper.multipath_map) specifies single maps.
  - The settings are in one file of the module, RV(path),
    which is replaced as a whole. C(/etc/multipath.conf) and other files are read and never changed,
    see O(bootstrap) for the one exception.
  - Before anything is written, multipath-tools' own parser on this host reads the new file together
    with all others, in a view of C(/etc) that only it sees. A keyword that this version does not
    know, a value that it does not take or silently ignores, and a setting that another file
    defeats are refused, with the line of that file.
  - Afterwards C(multipathd) must say in C(show config) what was set. Otherwise the old file is put
    back and read again, and the task fails with the reason.
  - Check mode and diff list what the settings do to the host, in RV(consequences). What would
    rename or release a map in use, or claim a disk in use, is refused unless it is in O(allow).
  - C(multipathd) is told to C(reconfigure) once, and only if something has changed. It is never
    restarted. If it does not run, the file is written and a warning says that nothing reads it yet.
  - A C(reconfigure) is refused while paths of any map of the host are failed by
    M(san.device_mapper.multipath_path), because C(multipathd) would use them again. Run the task
    after the maintenance, or reinstate the paths first.
  - Needs multipath-tools 0.8.4 or later.
extends_documentation_fragment:
  - san.device_mapper._attributes
attributes:
  diff_mode:
    description:
      - Returns the text of the file before and after the task when in diff mode, followed by what
        happens to maps and disks, as comments.
    support: full
options:
  state:
    description:
      - V(present) writes the file with exactly the settings of the task.
      - V(absent) removes it.
    type: str
    choices: [present, absent]
    default: present
  defaults:
    description:
      - The C(defaults) section, by keyword. Values are words, numbers or booleans, which become
        C(yes) and C(no).
      - A C(device) section of the storage, also one that is built in, precedes it.
    type: dict
  blacklist:
    description: The disks that C(multipathd) leaves alone.
    type: dict
    suboptions: &rules
      devnode:
        description: Regular expressions for the kernel's names of disks.
        type: list
        elements: str
      wwid:
        description: Regular expressions for WWIDs.
        type: list
        elements: str
      property:
        description: Regular expressions for the names of udev's properties.
        type: list
        elements: str
      protocol:
        description: Regular expressions for protocols such as C(scsi:fcp).
        type: list
        elements: str
      device:
        description: Regular expressions for the C(vendor) and the C(product) of the storage.
        type: list
        elements: dict
        suboptions:
          vendor:
            description: A regular expression for the vendor.
            type: str
            required: true
          product:
            description: A regular expression for the product.
            type: str
            required: true
  blacklist_exceptions:
    description: The disks that C(multipathd) takes although a rule of the kind leaves them out.
    type: dict
    suboptions: *rules
  devices:
    description:
      - The C(device) sections, a dictionary of keywords each, with C(vendor) and C(product) as
        regular expressions. They precede those that are built in, and O(defaults).
    type: list
    elements: dict
  overrides:
    description: The C(overrides) section, by keyword. It precedes O(devices) and O(defaults).
    type: dict
  protocols:
    description:
      - The C(protocol) sections in C(overrides), a dictionary of keywords each, with C(type), such
        as C(scsi:fcp).
      - Refused where multipath-tools do not know them, which is before 0.9.0 on most distributions.
    type: list
    elements: dict
  allow:
    description:
      - What may happen to maps and disks in use; what is not listed is refused, with the users.
      - V(renamed) for a map that gets another name, V(released) for a map that loses all of its
        paths, V(claimed) for a disk of which C(multipathd) tries to make a map.
    type: list
    elements: str
    choices: [renamed, released, claimed]
  bootstrap:
    description:
      - Makes a minimal C(/etc/multipath.conf), with nothing but comments, where there is none and
        the unit of C(multipathd) does not start without it, as on Red Hat's systems.
      - It is not removed with O(state=absent).
    type: bool
    default: false
  timeout:
    description:
      - How many seconds to wait until C(multipathd) answers, and until it uses the settings.
      - Another task of the collection on the same host is waited for as long.
    type: int
    default: 60
seealso:
  - module: san.device_mapper.multipath_map
  - module: san.device_mapper.device_mapper_info
"""

EXAMPLES = r"""
- name: Set how this host treats its storage
  san.device_mapper.multipath_config:
    defaults:
      find_multipaths: strict
    blacklist:
      devnode: ["^sda$"]
    devices:
      - vendor: ACME
        product: "^Array"
        path_grouping_policy: group_by_prio
        prio: alua
        failback: immediate
        no_path_retry: queue

- name: Let I/O fail over quickly on Fibre Channel
  san.device_mapper.multipath_config:
    overrides:
      dev_loss_tmo: infinity
    protocols:
      - type: scsi:fcp
        fast_io_fail_tmo: 5

- name: Give maps user-friendly names, those in use as well
  san.device_mapper.multipath_config:
    defaults:
      user_friendly_names: true
    allow: [renamed]

- name: Remove the settings
  san.device_mapper.multipath_config:
    state: absent
"""

RETURN = r"""
plan:
  description:
    - The operations that were missing. In check mode the same, not carried out.
  type: list
  elements: str
  returned: success
  sample:
    - write /etc/multipath/conf.d/50-san-device_mapper-config.conf
    - multipathd reconfigure
done:
  description:
    - What a task that failed had done before it failed, as in RV(plan). RV(ignore:changed) is true
      if there is any.
  type: list
  elements: str
  returned: failure after the task had begun to change the host
left:
  description:
    - What was left to do, as in RV(plan), where the task failed; null if the host is no longer fit
      for the task, so that it cannot be known.
  type: list
  elements: str
  returned: failure after the task had begun to change the host
path:
  description: The file of the module.
  type: str
  returned: success
  sample: /etc/multipath/conf.d/50-san-device_mapper-config.conf
settings:
  description:
    - The value that C(multipathd) uses for each setting of the task, in its words. If it does not
      run, what its parser makes of the files.
  type: list
  elements: dict
  returned: success
  contains:
    option:
      description: The option of the task.
      type: str
      sample: devices
    of:
      description: The vendor and the product, the type of a protocol, or the regular expressions.
      type: list
      elements: str
      sample: [ACME, ^Array]
    keyword:
      description: The keyword.
      type: str
      sample: no_path_retry
    value:
      description: The value.
      type: str
      sample: queue
consequences:
  description:
    - What the change does to maps and disks; empty if nothing changes.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description:
        - V(renamed) for a map that gets another name; V(released) for one that loses all of its
          paths, which C(multipathd) removes if nothing uses it; V(loses) for one that loses a
          path; V(changed) for one for which another setting holds; V(claimed) for a disk of which
          C(multipathd) makes a map.
      type: str
      sample: changed
    name:
      description: The name of the map, or of the disk.
      type: str
      sample: data
    wwid:
      description: The WWID of the LUN.
      type: str
      sample: "35525400000000001"
    keyword:
      description: The keyword of a setting that is V(changed); otherwise empty.
      type: str
      sample: no_path_retry
    before:
      description: The name, the path or the value before.
      type: str
      sample: fail
    after:
      description: The name or the value afterwards; empty for a name that is not known yet.
      type: str
      sample: queue
    uses:
      description: Who uses the map or the disk.
      type: list
      elements: str
      sample: [mounted at /srv/data]
    words:
      description: The same as a sentence.
      type: str
      sample: "data: no_path_retry fail becomes queue"
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
from ..module_utils._tasks.multipath_config import TASK

_RULES = {
    **{
        keyword: {"type": "list", "elements": "str"}
        for keyword in ("devnode", "wwid", "property", "protocol")
    },
    "device": {
        "type": "list",
        "elements": "dict",
        "options": {
            "vendor": {"type": "str", "required": True},
            "product": {"type": "str", "required": True},
        },
    },
}
SPECIFICATION = {
    "argument_spec": {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "defaults": {"type": "dict"},
        "blacklist": {"type": "dict", "options": _RULES},
        "blacklist_exceptions": {"type": "dict", "options": _RULES},
        "devices": {"type": "list", "elements": "dict"},
        "overrides": {"type": "dict"},
        "protocols": {"type": "list", "elements": "dict"},
        "allow": {
            "type": "list",
            "elements": "str",
            "choices": ["renamed", "released", "claimed"],
        },
        "bootstrap": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 60},
    },
}

PARTS = (BlockDevices, Disks, HeldPaths, LibDeviceMapper, Lock, MultipathDaemon)
"""The parts of the system that the task needs."""


def main() -> None:
    """Run the module."""
    run(SPECIFICATION, TASK, *PARTS)


if __name__ == "__main__":
    main()
