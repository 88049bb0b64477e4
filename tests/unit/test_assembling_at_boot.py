# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that assembles maps at boot, run by the shell over a copy of sysfs.

It gets stand-ins for dmsetup, udevadm, systemctl and partx, which note what they are asked.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from unit.memory_host import DEFAULTS
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._plan.map_records import record
from ansible_collections.san.device_mapper.plugins.module_utils._plan.missing import Desired
from ansible_collections.san.device_mapper.plugins.module_utils._plan.path_groups import (
    POLICIES,
    SOURCES,
)
from ansible_collections.san.device_mapper.plugins.module_utils._plan.stated import flat
from ansible_collections.san.device_mapper.plugins.module_utils._tasks.multipath_map import state
from ansible_collections.san.device_mapper.plugins.module_utils._tasks.multipath_options import (
    parse,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.boot_files import STATIC
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.records import (
    CHECK,
    CHECK_INTERVAL,
    CHECK_UNIT,
    PROGRAM,
    RECORDS,
    RULES,
    UNIT,
    held_file,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import format_table

WWID = "35525400000000001"
STAND_INS = {
    "udevadm": "case $1 in info) cat ROOT/property ;; trigger) cat ROOT/paths ;; esac",
    "sleep": "[ ! -e ROOT/slept ] || kill $PPID; : >ROOT/slept",
    "timeout": """for word; do
        case $word in if=*) ! grep -qs "${word##*/}" ROOT/silent ;; esac || exit
    done""",
    "systemctl": """case $1 in
        is-system-running) cat ROOT/system; exit ;;
        is-enabled) exec cat ROOT/enabled ;;
        cat) exec cat ROOT/unit ;;
        esac
        exit 3""",
    "partx": "exec cat ROOT/partitions",
    "dmsetup": """case $1 in
        info) [ "$5" != uuid ] || exec cat ROOT/uuid; exec cat ROOT/maps/"$9" ;;
        status) exec cat ROOT/status ;;
        create | load)
            for path in $(cat ROOT/busy); do
                case "$* " in *" $path "*) exit 1 ;; esac
            done ;;
        remove) rm ROOT/maps/* ;;
        esac
        [ "$1" != create ] || printf 'L--w 252 %s %s\\n' 0 "$2" >ROOT/maps/"$4"
        printf '%s\\n' "$*" >>ROOT/log""",
}


@dataclass
class Root:
    """A host's files below one directory, and what was asked of its device-mapper."""

    path: Path

    def write(self, name: str, text: str | bytes) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def place(self, disk: BlockDevice) -> None:
        """Give a disk its files in sysfs, and its name in /dev/disk/by-path."""
        device = self.path / "sys/devices" / (disk.address or f"nvme-{disk.name}")
        self.write(f"sys/class/block/{disk.name}/dev", f"{disk.device}\n")
        self.write(f"sys/class/block/{disk.name}/size", f"{disk.sectors}\n")
        self.write(f"sys/class/block/{disk.name}/ro", f"{int(disk.read_only)}\n")
        (self.path / f"sys/class/block/{disk.name}/holders").mkdir()
        device.mkdir(parents=True)
        (self.path / f"sys/class/block/{disk.name}/device").symlink_to(device)
        number = self.path / f"sys/dev/block/{disk.device}"
        number.parent.mkdir(parents=True, exist_ok=True)
        number.symlink_to(self.path / f"sys/class/block/{disk.name}")
        for name, text in (
            ("access_state", disk.access_state),
            ("preferred_path", str(int(disk.preferred))),
            ("dh_state", disk.hardware_handler or "detached"),
            ("state", disk.state),
        ):
            self.write(f"sys/class/block/{disk.name}/device/{name}", f"{text}\n")
        for link in disk.links:
            self.write(f"dev/{disk.name}", "")
            path = self.path / link[1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(self.path / f"dev/{disk.name}")

    def place_map(self, state: str) -> None:
        """Give the host the map already, with sda in it."""
        self.write(f"maps/mpath-{WWID}", f"{state} 252 0 data\n")
        self.write("sys/class/block/dm-0/size", "2048\n")
        self.write("sys/class/block/dm-0/dm/uuid", f"mpath-{WWID}\n")
        number = self.path / "sys/dev/block/252:0"
        number.symlink_to(self.path / "sys/class/block/dm-0")
        self.write("sys/class/block/sda/holders/dm-0", "")

    def assemble(self, disk: str) -> subprocess.CompletedProcess[str]:
        """Run the program for a disk, with each path in it below this directory."""
        return self.run(PROGRAM, disk)

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        text = STATIC[program].replace("PATH=/usr/sbin", f"PATH={self.path}/bin:/usr/sbin")
        for place in ("/sys/", "/dev/disk/", "/run/", "/proc/", RECORDS):
            text = text.replace(place, f"{self.path}{place}")
        argv = ["sh", "-c", text, "sh", *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def check(self, *states: str, uptime: int = 1000) -> subprocess.CompletedProcess[str]:
        """Look once at the paths of the map, which are in these states; they have answered."""
        paths = " ".join(f"8:{16 * number} {state} 1" for number, state in enumerate(states))
        self.write("status", f"data: 0 2048 multipath 2 0 0 0 1 1 A 0 {len(states)} 0 {paths}\n")
        self.write("proc/uptime", f"{uptime}.50 1.00\n")
        (self.path / "slept").unlink(missing_ok=True)
        done = self.run(CHECK)
        return done

    @property
    def log(self) -> list[str]:
        log = self.path / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def root(tmp_path: Path) -> Root:
    there = Root(tmp_path)
    for name, script in STAND_INS.items():
        there.write(f"bin/{name}", f"#!/bin/sh\n{script.replace('ROOT', str(tmp_path))}\n")
        (tmp_path / f"bin/{name}").chmod(0o755)
    there.write("property", f"ID_SERIAL=x\nSAN_DEVICE_MAPPER_BOOT={WWID}\nZ=1\n")
    there.write("enabled", "disabled\nnot-found\n")
    there.write("unit", "[Unit]\n")
    there.write("system", "running\n")
    there.write("uuid", f"mpath-{WWID}\n")
    there.write("busy", "")
    (tmp_path / "maps").mkdir()
    (tmp_path / "run").mkdir()
    return there


def disk(number: int, **details: Any) -> BlockDevice:
    name = f"sd{chr(ord('a') + number)}"
    address = details.pop("address", f"{number}:0:0:0")
    links = (f"/dev/disk/by-path/pci-{number}-scsi-0:0:0:0",)
    return BlockDevice(
        name, DeviceNumber(8, 16 * number), 2048, WWID, address=address, links=links, **details
    )


def arrive(root: Root, disks: Sequence[BlockDevice], **options: Any) -> Desired:
    """Let a host boot with the record of a map of these disks; return what the module makes."""
    host = whole(block_devices=tuple(disks))
    (request,) = parse({**DEFAULTS["multipath_map"], "name": "data", "wwid": WWID, **options})
    (desired,) = flat(state((request,), host))
    assert isinstance(desired, Desired)
    root.write(f"{RECORDS[1:]}/mpath-{WWID}.map", record(request, desired, host))
    for each in disks:
        root.place(each)
    listed = "".join(f"/sys/devices/x/block/{each.name}\n" for each in disks)
    root.write("paths", listed)
    return desired


def created(desired: Desired) -> str:
    mode = "--readonly " if desired.read_only else ""
    return f"create data --uuid mpath-{WWID} {mode}--table {format_table(desired.table)}"


SERVICE_TIME = {"relative_throughput": {"sda": 10}}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"path_grouping_policy": "multibus", "no_path_retry": "queue", "read_only": True},
        {"path_grouping_policy": "group_by_prio", "path_selector": "queue-length"},
        {"path_grouping_policy": "group_by_serial"},
        {"path_grouping_policy": "group_by_tpg"},
        {"path_groups": [["sdc"], ["sda", "sdb"]]},
        {"paths": ["sdc", "sda"], "path_grouping_policy": "multibus"},
        {"path_selector_arguments": SERVICE_TIME, "path_grouping_policy": "multibus"},
        {
            "path_selector": "historical-service-time",
            "path_selector_arguments": {"base_weight": 900},
            "features": {"pg_init_retries": 5, "queue_mode": "bio"},
            "hardware_handler": "none",
        },
        {"hardware_handler": "none"},
        {"hardware_handler": "rdac"},
    ],
)
@pytest.mark.parametrize("handlers", [("", "", ""), ("alua", "", "emc")])
def test_the_table_is_what_the_module_makes(
    root: Root, options: dict[str, Any], handlers: Sequence[str]
) -> None:
    units = 2 if options.get("path_grouping_policy") == "group_by_serial" else 1
    disks = [
        disk(
            number,
            hardware_handler=handler,
            serial=f"S{number % units}",
            target_port_group=number % 2,
        )
        for number, handler in enumerate(handlers)
    ]
    desired = arrive(root, disks, **options)
    done = root.assemble("sda")
    assert (root.log, done.returncode) == ([created(desired)], 0), done.stderr


@pytest.mark.parametrize("seed", range(20))
def test_paths_in_any_state_form_the_groups_that_the_module_forms(root: Root, seed: int) -> None:
    rng = random.Random(seed)
    states = ["active/optimized", "active/non-optimized", "standby", "unavailable", "lba-dependent"]
    if seed % 3 == 0:
        states.append("")
    disks = [
        replace(
            disk(number, address=f"{rng.randrange(12)}:0:{rng.randrange(12)}:{number}"),
            access_state=rng.choice(states),
            preferred=rng.random() < 0.3,
        )
        for number in range(rng.randrange(1, 9))
    ]
    policy = rng.choice([each for each in POLICIES if each not in SOURCES])
    desired = arrive(root, disks, path_grouping_policy=policy)
    root.assemble(disks[0].name)
    assert root.log == [created(desired)]


def test_a_late_path_joins_by_a_second_table(root: Root) -> None:
    desired = arrive(root, [disk(0), disk(1)])
    root.place_map("L--w")
    root.assemble("sda")
    assert root.log == []
    root.assemble("sdb")
    table = format_table(desired.table)
    assert root.log == [f"load data --table {table}", "resume data --noflush --nolockfs"]


def test_a_path_in_transition_is_waited_for(root: Root) -> None:
    """And a map that is there keeps its groups if the array takes longer."""
    states = ("active/optimized", "active/optimized", "active/non-optimized")
    disks = [replace(disk(number), access_state=state) for number, state in enumerate(states)]
    desired = arrive(root, disks)
    state = root.path / f"sys/devices/{disks[0].address}/access_state"
    state.write_text("transitioning\n")
    root.write("bin/sleep", f'#!/bin/sh\necho "sleep $1" >>{root.path}/log\n')
    (root.path / "bin/sleep").chmod(0o755)
    root.place_map("L--w")
    done = root.assemble("sdb")
    assert root.log == ["sleep 1"] * 30
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "data: not changed: in transition: sda"
    root.write("bin/sleep", f"#!/bin/sh\necho active/optimized >{state}\n")
    assert root.assemble("sdb").returncode == 0
    table = format_table(desired.table)
    assert root.log[30:] == [f"load data --table {table}", "resume data --noflush --nolockfs"]


def test_a_late_path_leaves_those_in_the_map_that_udev_has_not_seen_since_it_is_stated(
    root: Root,
) -> None:
    """Until the next boot, only late paths have had an event by the rule."""
    desired = arrive(root, [disk(0), disk(1)])
    root.place_map("L--w")
    root.write("sys/class/block/dm-0/slaves/sda", "")
    root.write("paths", "/sys/devices/x/block/sdb\n")
    root.assemble("sdb")
    table = format_table(desired.table)
    assert root.log == [f"load data --table {table}", "resume data --noflush --nolockfs"]


def test_an_interrupted_change_is_completed(root: Root) -> None:
    arrive(root, [disk(0)])
    root.place_map("LIsw")
    root.assemble("sda")
    assert [line.split()[0] for line in root.log] == ["load", "resume"]


@pytest.mark.parametrize("unit", ["enabled\nnot-found\n", "disabled\nenabled-runtime\n"])
def test_maps_are_left_to_the_daemon(root: Root, unit: str) -> None:
    arrive(root, [disk(0)])
    root.write("enabled", unit)
    assert root.assemble("sda").returncode == 0
    assert root.log == []
    root.write("unit", "[Unit]\nConditionPathExists=/etc\nConditionPathExists=!/nowhere\n")
    root.assemble("sda")
    assert root.log == []
    root.write("unit", "[Unit]\nConditionPathExists=/etc\nConditionPathExists=/nowhere\n")
    root.assemble("sda")
    assert len(root.log) == 1


def test_a_path_that_something_uses_keeps_no_other_out(root: Root) -> None:
    """It joins later: the unit starts again by the status 75."""
    disks = [disk(0), disk(1), disk(2)]
    desired = arrive(root, disks)
    root.write("busy", "8:16\n")
    done = root.assemble("sda")
    assert done.returncode == 0
    assert "sdb: left out: it is in use, or cannot be opened" in done.stderr
    table = format_table(desired.table)
    fewer = f"--table {table.replace(' service-time 0 1 0 8:16', '').replace(' 3 1 ', ' 2 1 ')}"
    words = "--table 0 2048 multipath 0 0 1 1 service-time 0 1 0 "
    assert root.log == [
        f"create data --uuid mpath-{WWID} --notable",
        f"load data {words}8:0",
        f"load data {words}8:32",
        f"load data {fewer}",
        "resume data --noflush --nolockfs",
    ]
    root.place_map("L--w")
    root.write("sys/class/block/sdc/holders/dm-0", "")
    (root.path / "log").unlink()
    assert root.assemble("sdc").returncode == 0
    assert root.log == []
    # The map stays as it is while the path is in use.
    assert root.assemble("sdb").returncode == 75
    assert root.log == ["clear data", "resume data --noflush --nolockfs"]
    (root.path / "log").unlink()
    root.write("busy", "")
    assert root.assemble("sdb").returncode == 0
    assert root.log == [f"load data --table {table}", "resume data --noflush --nolockfs"]


def test_a_map_of_which_no_path_can_be_opened_is_not_made_yet(root: Root) -> None:
    arrive(root, [disk(0)])
    root.write("busy", "8:0\n")
    assert root.assemble("sda").returncode == 75
    assert root.log == [f"create data --uuid mpath-{WWID} --notable", "remove data"]
    # A path that is in use when the map is made leaves its own unit waiting.
    root.write("paths", "/sys/devices/x/block/sda\n/sys/devices/x/block/sdb\n")
    root.place(disk(1))
    assert root.assemble("sda").returncode == 75
    assert root.log[-1] == "resume data --noflush --nolockfs"


@pytest.mark.parametrize(
    ("wwid", "vendor", "designator", "status"),
    [
        ("1Linux_scsi_debug_2000", "Linux", b"Linux   scsi_debug      2000", 0),
        ("1Linux_scsi_debug_2000", "Linux", b"Linux   scsi_debug      4000", 1),
        ("1WD_disk_1", "ATA", b"ATA     disk            1", 0),
        (WWID, "Linux", b"naa.5525400000000001", 0),
        (WWID, "Linux", b"naa.5525400000000002", 1),
        ("SVENDOR_disk_1", "VENDOR", b"naa.5525400000000002", 0),
    ],
)
def test_a_name_that_is_text_is_compared_as_well(
    root: Root, wwid: str, vendor: str, designator: bytes, status: int
) -> None:
    arrive(root, [replace(disk(0), wwid=wwid)], wwid=wwid)
    (root.path / f"{RECORDS[1:]}/mpath-{WWID}.map").rename(
        root.path / f"{RECORDS[1:]}/mpath-{wwid}.map"
    )
    root.write("property", f"SAN_DEVICE_MAPPER_BOOT={wwid}\n")
    head = bytes((0, 0x83, 0, len(designator) + 4, 2, 1, 0, len(designator)))
    root.write("sys/class/block/sda/device/vpd_pg83", head + designator + bytes(4))
    root.write("sys/class/block/sda/device/vendor", f"{vendor:8}\n")
    assert root.assemble("sda").returncode == status
    assert bool(root.log) is not bool(status)


def test_a_path_that_names_another_lun_is_left_out(root: Root) -> None:
    arrive(root, [disk(0), disk(1)])
    page = bytes.fromhex("0083000c01030008")
    root.write("sys/class/block/sda/device/vpd_pg83", page + bytes.fromhex("5525400000000001"))
    root.write("sys/class/block/sdb/device/vpd_pg83", page + bytes.fromhex("5525400000000009"))
    refused = root.assemble("sdb")
    assert (root.log, refused.returncode) == ([], 1)
    assert f"sdb: left out: its SCSI page 0x83 does not name the LUN {WWID}" in refused.stderr
    root.assemble("sda")
    assert [line.endswith(" 1 1 service-time 0 1 0 8:0") for line in root.log] == [True]


def test_paths_that_somebody_else_uses_or_that_refuse_writes_are_left_out(root: Root) -> None:
    arrive(root, [disk(0), disk(1), replace(disk(2), read_only=True)], read_only=True)
    record_file = root.path / f"{RECORDS[1:]}/mpath-{WWID}.map"
    record_file.write_text(record_file.read_text().replace("read_only\n", ""))
    root.write("sys/class/block/sda/holders/md0", "")
    for name, words in (("sda", "md0 uses it"), ("sdc", "it refuses writes")):
        assert words in root.assemble(name).stderr
    assert root.log == []
    root.assemble("sdb")
    assert [line.endswith(" 1 1 service-time 0 1 0 8:16") for line in root.log] == [True]


def test_nothing_is_made_of_paths_of_two_sizes_or_that_are_down(root: Root) -> None:
    arrive(root, [disk(0), disk(1)])
    root.write("sys/class/block/sdb/size", "4096\n")
    assert "do not have one size: 2048 4096" in root.assemble("sda").stderr
    root.write("sys/class/block/sdb/size", "2048\n")
    for name in ("sda", "sdb"):
        root.write(f"sys/class/block/{name}/device/state", "offline\n")
    assert "it has no path that is up" in root.assemble("sda").stderr
    assert root.log == []


def test_a_path_that_is_down_is_left_out_unless_the_map_has_it(root: Root) -> None:
    """The kernel opens what a map does not have yet, and cannot open a disk that is offline."""
    desired = arrive(root, [disk(0), disk(1)])
    root.write("sys/class/block/sdb/device/state", "offline\n")
    assert "sdb: left out: it is down" in root.assemble("sda").stderr
    assert [line.endswith(" 1 1 service-time 0 1 0 8:0") for line in root.log] == [True]
    root.place_map("LIsw")
    root.write("sys/class/block/sdb/holders/dm-0", "")
    root.write("sys/class/block/dm-0/slaves/sdb", "")
    root.assemble("sda")
    assert f"load data --table {format_table(desired.table)}" in root.log


def test_a_path_of_another_size_does_not_join_a_map(root: Root) -> None:
    arrive(root, [disk(0), disk(1)])
    root.place_map("L--w")
    root.write("sys/class/block/sdb/size", "4096\n")
    assert root.assemble("sdb").returncode == 1
    assert root.log == []


def test_partition_maps_are_made_where_the_disk_says_and_named_as_stated(root: Root) -> None:
    arrive(root, [disk(0)])
    stated = (
        "# Managed\n1 data-part1\n2 datap2 read_only\n3 data-part3\n5 data-part5\n7 kept\n8 old\n"
    )
    root.write(f"{RECORDS[1:]}/mpath-{WWID}.partitions", stated)
    root.write("partitions", "1 2048 100 0x83\n2 4096 200\n3 8192 999 0xf\n10 1 1 0x83\n")
    root.write(f"maps/part7-mpath-{WWID}", "L--w 252 1 kept\n")
    root.write(f"maps/part8-mpath-{WWID}", "L--w 252 2 new\n")
    done = root.assemble("sda")
    assert root.log[1:] == [
        f"create data-part1 --uuid part1-mpath-{WWID} --table 0 100 linear 252:0 2048",
        f"create datap2 --uuid part2-mpath-{WWID} --readonly --table 0 200 linear 252:0 4096",
        f"create data-part3 --uuid part3-mpath-{WWID} --table 0 2 linear 252:0 8192",
        "rename new old",
    ]
    assert done.returncode == 1
    assert "data-part5: the partition table of data has no partition 5" in done.stderr


EVIL = "$(touch ROOT/evil)`touch ROOT/evil`;touch ROOT/evil;a[$(touch ROOT/evil)]' \" * ../.."


@pytest.mark.parametrize(
    "name",
    [
        *(f"sys/class/block/sda/{name}" for name in ("size", "dev", "ro")),
        *(
            f"sys/class/block/sda/device/{name}"
            for name in ("access_state", "preferred_path", "dh_state", "state", "vpd_pg83")
        ),
        "property",
        "paths",
        "partitions",
    ],
)
def test_nothing_that_a_device_says_is_evaluated(root: Root, name: str) -> None:
    """Whatever stands in a file of a device, nothing is run, and no word gets into a table."""
    arrive(root, [disk(0)])
    root.write(f"{RECORDS[1:]}/mpath-{WWID}.partitions", "1 data-part1\n")
    root.write("partitions", "1 2048 100 0x83\n")
    evil = EVIL.replace("ROOT", str(root.path))
    before = {
        "property": f"SAN_DEVICE_MAPPER_BOOT={evil}\n",
        "paths": f"/sys/block/{evil}\n/sys/block/sda\n/sys/x/.*\n",
        "partitions": f"1 {evil} {evil} {evil}\n",
    }
    root.write(name, before.get(name, f"{evil}\n"))
    root.assemble("sda")
    root.assemble(evil)
    assert not (root.path / "evil").exists()
    for line in root.log:
        assert "touch" not in line
        assert "*" not in line


@pytest.mark.parametrize(
    ("name", "wwid"),
    [
        ("naa.5525400000000001", WWID),
        ("eui.0123456789abcdef", "20123456789abcdef"),
        ("t10.ATA     QEMU", ""),
        ("", ""),
        ("naa.../../x", ""),
        ("naa.$(touch ROOT/evil)", ""),
        (EVIL, ""),
    ],
)
def test_the_rule_takes_the_wwid_of_a_silent_path_from_sysfs(
    root: Root, name: str, wwid: str
) -> None:
    root.write("sys/device/wwid", f"{name.replace('ROOT', str(root.path))}\n")
    (script,) = re.findall(r"""IMPORT\{program\}="/bin/sh -c '(.*?)'\"""", STATIC[RULES], re.DOTALL)
    # As udev reads it.
    script = script.replace("\\\n", "").replace("$$", "$").replace("%S%p", f"{root.path}/sys")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == (f".SAN_DEVICE_MAPPER_PATH={wwid}\n" if wwid else "")
    assert not (root.path / "evil").exists()


def test_a_path_that_answers_again_is_reinstated(root: Root) -> None:
    arrive(root, [disk(0), disk(1), disk(2)])
    root.write("silent", "sdb\n")
    done = root.check("F", "F", "A")
    assert root.log == ["message data 0 reinstate_path 8:0"]
    assert done.stderr == "data: reinstated sda, which answers again\n"
    # Nothing is read where all is well, or where the layer below says that the path is down.
    (root.path / "silent").unlink()
    assert root.check("A", "A", "A").stderr == ""
    root.write("sys/class/block/sdb/device/state", "offline\n")
    assert root.check("A", "F", "A").stderr == ""
    assert len(root.log) == 1


def test_a_path_that_a_task_has_failed_stays_failed(root: Root) -> None:
    """Also when another one joins, which loads a new table, with all paths active."""
    arrive(root, [disk(0), disk(1)])
    root.write(held_file(f"mpath-{WWID}", "8:0")[1:], "")
    root.write(f"maps/mpath-{WWID}", "L--w 252 0 data\n")
    gone = held_file("mpath-3700", "8:0")[1:]
    root.write(gone, "")
    root.check("F", "F")
    assert root.log == ["message data 0 reinstate_path 8:16"]
    assert not (root.path / gone).exists()
    root.place_map("L--w")
    root.write("sys/class/block/dm-0/slaves/sda", "")
    root.assemble("sdb")
    assert root.log[-1] == "message data 0 fail_path 8:0"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uuid", "mpath-3700\n"),
        ("uuid", "\n"),
        ("enabled", "enabled\n"),
        (f"{RECORDS[1:]}/mpath-{WWID}.map", "name data\ncheck_interval 0\n"),
        ("sys/class/block/sda/device/vpd_pg83", "\0\x83\0\x0c\1\3\0\x08naa.5525"),
    ],
)
def test_paths_that_are_not_the_checks_are_left_alone(root: Root, name: str, text: str) -> None:
    arrive(root, [disk(0)])
    root.write(name, text)
    root.check("F")
    assert root.log == []


def test_a_path_that_fails_again_and_again_is_left_alone_for_a_while(root: Root) -> None:
    arrive(root, [disk(0)])
    times = (1000, 1020, 1040, 1060, 1080, 1100, 1379, 1380)
    said = [root.check("F", uptime=uptime).stderr.splitlines() for uptime in times]
    assert [len(lines) for lines in said] == [1, 1, 1, 1, 2, 0, 0, 1]
    assert "sda was reinstated five times in 300 seconds" in said[4][1]
    assert len(root.log) == 6


def test_queueing_ends_with_the_host(root: Root) -> None:
    """At its end, after the mounts have; and a minute after its begin of a map without paths."""
    arrive(root, [disk(0)])
    root.write(f"maps/mpath-{WWID}", "L--w 252 0 data\n")
    root.write("silent", "sda\n")
    root.check("F")
    root.run(CHECK, "stop")
    assert root.log == []
    root.write("system", "stopping\n")
    for uptime in (1020, 1079):
        root.check("F", uptime=uptime)
    assert root.log == []
    root.check("F", "A", uptime=1090)
    assert root.log == []
    assert "queueing ends" in root.check("F", uptime=1080).stderr
    root.run(CHECK, "stop")
    assert root.log == ["message data 0 fail_if_no_path"] * 2
    assert "Before=local-fs-pre.target remote-fs-pre.target" in STATIC[CHECK_UNIT]
    assert f"default_interval={CHECK_INTERVAL}\n" in STATIC[CHECK]


def test_a_disk_without_a_record_is_nobodys_path(root: Root) -> None:
    root.write("property", "ID_SERIAL=x\n")
    assert root.assemble("sda").returncode == 0
    root.write("property", "SAN_DEVICE_MAPPER_BOOT=3600\n")
    assert root.assemble("sda").returncode == 0
    assert root.log == []


def test_what_turns_multipathd_off_for_a_boot_turns_off_the_rules_and_the_unit() -> None:
    """The conditions of multipathd.service."""
    rules = STATIC[RULES]
    assert 'IMPORT{cmdline}="nompath"\nENV{nompath}=="?*", GOTO=' in rules
    assert 'IMPORT{cmdline}="multipath"\nENV{multipath}=="off", GOTO=' in rules
    for condition in ("nompath", "multipath=off"):
        assert f"\nConditionKernelCommandLine=!{condition}\n" in STATIC[UNIT]


@pytest.mark.parametrize("shell", [["dash"], ["bash", "--posix"]])
def test_the_programs_are_plain_shell(shell: Sequence[str]) -> None:
    for program in (PROGRAM, CHECK):
        subprocess.run([*shell, "-n", "-c", STATIC[program]], check=True)
