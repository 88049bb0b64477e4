# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values' types, for annotations in module_utils, where they are imported for type checks only.

To a host, Ansible sends whatever a module imports, below `if TYPE_CHECKING` as well; imports from
plugin_utils it does not follow. So an annotation costs no host a file that the module never loads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..module_utils._plan.steps import Plan, Step
from ..module_utils._values.device import DeviceNumber
from ..module_utils._values.disk import BlockDevice, Transport
from ..module_utils._values.host import Host
from ..module_utils._values.kernel import Kernel, Readings
from ..module_utils._values.map import Map, UdevFlag
from ..module_utils._values.multipath import Multipath, MultipathStatus
from ..module_utils._values.multipath_conf import Configuration
from ..module_utils._values.multipathd import DaemonPath, Multipathd, Parsed
from ..module_utils._values.nvme import NvmeController, NvmeNamespace, NvmePath, NvmeSubsystem
from ..module_utils._values.partitions import (
    ImageFile,
    LoopDevice,
    Parent,
    Partition,
    PartitionTable,
)
from ..module_utils._values.records import NextBoot
from ..module_utils._values.reservation import Reservation
from ..module_utils._values.systemd import Unit
from ..module_utils._values.table import Segment, Table
from ..module_utils._values.udev import Initramfs, RuleFile, Rules, UdevDevice, UdevState
from ..module_utils._values.use import Use, Uses

Enough = Callable[[Configuration, Callable[[], Sequence[DaemonPath]]], bool]
"""Whether what the daemon has read, and its paths if they are asked for, is what is waited for."""

__all__ = (
    "BlockDevice",
    "Configuration",
    "DaemonPath",
    "DeviceNumber",
    "Enough",
    "Host",
    "ImageFile",
    "Initramfs",
    "Kernel",
    "LoopDevice",
    "Map",
    "Multipath",
    "MultipathStatus",
    "Multipathd",
    "NextBoot",
    "NvmeController",
    "NvmeNamespace",
    "NvmePath",
    "NvmeSubsystem",
    "Parent",
    "Parsed",
    "Partition",
    "PartitionTable",
    "Plan",
    "Readings",
    "Reservation",
    "RuleFile",
    "Rules",
    "Segment",
    "Step",
    "Table",
    "Transport",
    "UdevDevice",
    "UdevFlag",
    "UdevState",
    "Unit",
    "Use",
    "Uses",
)
