# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Table and status lines with other words than the kernel's, options and devices with hostile text.

A line is read, and then means what it says, or it is turned down; a task ends with one printable
message, or makes maps whose names device-mapper takes as they are.
"""

from __future__ import annotations

import json
import random
import re
import string
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from unit.captures import captures
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._plan.path_groups import POLICIES
from ansible_collections.san.device_mapper.plugins.module_utils._system import scsi
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    canonical,
    equivalent,
    format_table,
    parse_table,
)

WWID = "36001"
HOSTILE = (
    *(
        "",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "a/b",
        "%s%n",
        "$(reboot)",
        "`reboot`",
        ";reboot",
    ),
    *("a\nb", "a\0b", "a b", "\\x2f", "\x1b[2J", "-rf", "--", "é", "\u202eatad", "😀", "a" * 127),
    *(
        "a" * 128,
        "a" * 4096,
        "control",
        ".",
        "data",
        "log",
        "'",
        '"',
        "|",
        "*",
        "0",
        "-1",
        "1" * 40,
    ),
)
ODD_WORDS = ("-1", "0", "1", "4294967295", "18446744073709551616", "x", "8:0", "8:", ":", "1 1", "")
OPTIONS = (
    ("multipath_map", "name", str),
    ("multipath_map", "wwid", str),
    ("multipath_map", "paths", list),
    ("partition_maps", "delimiter", str),
    ("multipath_path", "maps", list),
    ("multipath_path", "paths", list),
    ("multipath_path", "hosts", list),
    ("multipath_path", "target_ports", list),
    ("multipath_path", "fabrics", list),
)
NEEDED = {
    "multipath_map": {"wwid": WWID},
    "partition_maps": {"device": "data"},
    "multipath_path": {"state": "failed"},
}
SHOWN = ("serial", "target_node_name", "access_state", "state", "address", "hardware_handler")
"""What a disk or its transport says of itself."""
ATTRIBUTES = ("vpd_pg80", "vpd_pg83", "dh_state", "serial", "sas_address")
PLAIN = re.compile(r"[A-Za-z0-9#+\-.:=@_]{1,127}", re.ASCII)


def lines() -> tuple[list[str], list[str]]:
    """Return the tables and the multipath statuses that kernels have printed."""
    states = [
        step.state for capture in captures() for case in capture.cases() for step in case.steps
    ]
    tables = {state.table for state in states if state.table}
    statuses = {" ".join(state.status.split()[3:]) for state in states if state.status}
    return sorted(tables), sorted(statuses)


def changed(line: str, chance: random.Random) -> str:
    """Return a line with other words."""
    words = line.split(" ")
    for _change in range(chance.randint(1, 4)):
        at = chance.randrange(len(words))
        kind = chance.randrange(5)
        if kind == 0:
            words[at] = chance.choice(ODD_WORDS)
        elif kind == 1:
            words.insert(at, chance.choice(words))
        elif kind == 2:
            words[at] = text(chance)
        elif kind == 3 and len(words) > 1:
            del words[at]
        else:
            other = chance.randrange(len(words))
            words[at], words[other] = words[other], words[at]
    return " ".join(words)


def text(chance: random.Random) -> str:
    """Return a hostile text."""
    if chance.random() < 0.7:
        return chance.choice(HOSTILE)
    characters = string.printable + "äß€😀\u2028\x7f"
    return "".join(chance.choices(characters, k=chance.randint(0, 20)))


def table_line(line: str) -> str:
    """Return the outcome of reading a table."""
    try:
        table = parse_table(line)
    except ValueError:
        return "table turned down"
    assert parse_table(format_table(table)) == table
    assert canonical(canonical(table)) == canonical(table)
    assert equivalent(table, table)
    return "table read"


def status_line(line: str) -> str:
    """Return the outcome of reading a multipath status; nothing raises."""
    status = MultipathStatus.read(line)
    if status is None:
        return "status turned down"
    assert 0 <= status.active_paths() <= len(status.paths())
    return "status read"


def task(chance: random.Random) -> str:
    """Return the outcome of a task with a hostile text in one option, and more on the host."""
    device = DeviceNumber(8, 0)
    kernel = MemoryKernel({device: Disk(1 << 21)})
    disk = BlockDevice("sda", device, 1 << 21, wwid=WWID, address="0:0:0:0", state="running")
    host = MemoryHost(kernel, (disk,))
    host.run("multipath_map", name="data", wwid=WWID)
    shown: dict[str, Any] = {field: text(chance) for field in SHOWN if chance.random() < 0.2}
    host.block_devices = (replace(disk, **shown, links=(f"/dev/disk/by-path/{text(chance)}",)),)
    if chance.random() < 0.5:
        host.mounted[kernel.maps()[0].device] = f"/srv/{text(chance)}"
    host.partition_tables["data"] = PartitionTable(
        "gpt", (Partition(1, 2048, 2048, name=text(chance)),)
    )
    module, option, kind = chance.choice(OPTIONS)
    stated = text(chance)
    options: dict[str, Any] = {option: [stated] if kind is list else stated}
    for needed, value in NEEDED[module].items():
        options.setdefault(needed, value)
    if module == "multipath_map":
        options["path_grouping_policy"] = chance.choice(POLICIES)
        options["state"] = chance.choice(("present", "present", "absent"))
    try:
        json.dumps(host.run(module, **options))
    except DeviceMapperError as refused:
        message = str(refused)
    else:
        message = ""
    assert message.isprintable(), repr(message)
    for each in kernel.maps():
        assert PLAIN.fullmatch(each.name), repr(each.name)
    return "task refused" if message else "task done"


def sysfs(folder: Path, chance: random.Random) -> str:
    """Return the outcome of reading the directory of a SCSI device with random contents."""
    for name in ATTRIBUTES:
        length = chance.choice((0, 1, 3, 4, 5, 8, 20, 255, 4096))
        content = bytearray(chance.randbytes(length))
        if length > 4 and chance.random() < 0.7:
            content[2:4] = chance.choice((length - 4, length, 0, 65535)).to_bytes(2, "big")
        if length > 8 and chance.random() < 0.7:
            # A designator of a target port group, of any length.
            content[5] = 0x95
            content[7] = chance.randrange(8)
        (folder / name).write_bytes(content)
    page = scsi.identification(str(folder))
    group = scsi.target_port_group(page)
    assert group is None or 0 <= group < 1 << 16
    for wwid in scsi.page_wwids(page, str(folder)):
        assert wwid.isprintable(), repr(wwid)
    words = (scsi.serial(str(folder)), scsi.hardware_handler(str(folder)))
    json.dumps([*words, scsi.target_node_name(str(folder))])
    scsi.transport(str(folder))
    return "attributes without a target port group" if group is None else "attributes with one"


def run(folder: Path, cases: int, seed: int) -> Counter[str]:
    """Return how often each outcome came."""
    chance = random.Random(seed)
    tables, statuses = lines()
    found: Counter[str] = Counter()
    for _case in range(cases):
        found[table_line(changed(chance.choice(tables), chance))] += 1
        found[status_line(changed(chance.choice(statuses), chance))] += 1
    for _case in range(cases // 10):
        found[task(chance)] += 1
        found[sysfs(folder, chance)] += 1
    return found
