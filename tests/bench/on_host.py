# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contenders on the host: each does the same work, in turn, and is checked before it counts.

`on_host.py install`, `load LUNS`, `make`, `idle`, `wwids`, `time multipath|partitions ROUNDS`,
`look` with the same arguments, and `unload`; `time` prints JSON: for each work and contender the
seconds of each round, and the peak memory of a process in KiB; `look` only where there is nothing
to do. `profile multipath|partitions` prints the seconds of each part of the module's work there.
The LUNs are scsi_debug's, with four paths each. Modules are started as a process each time,
compiled; each contender waits for udev, as the modules do.
"""

from __future__ import annotations

import glob
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

HERE = os.path.dirname(os.path.abspath(__file__))
PATHS = 4
SIZE = 8
"""Of each LUN, in MiB."""
PARTITIONS = ((1, 2048, 4096), (2, 6144, 8192))
"""Number, start and length (sectors) of the partitions of each LUN."""
CONFIGURATION = """
defaults {
    find_multipaths no
    path_grouping_policy multibus
    path_selector "service-time 0"
    no_path_retry fail
    user_friendly_names no
}
blacklist { device { vendor QEMU } }
"""

Work = Callable[[], None]
WORKS = ("create", "nothing to do", "remove")
Contenders = dict[str, dict[str, Work]]
"""By the contender's name and the work's; ping has nothing to create or to remove."""


class Peak:
    """The most memory that a process of the work took, in KiB."""

    kibibytes = 0


def run(*argv: str, input: str = "") -> str:
    """Run a command and return what it prints."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as given:
        given.write(input)
        given.flush()
        given.seek(0)
        process = subprocess.Popen(argv, stdin=given, stdout=output, stderr=subprocess.STDOUT)
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        Peak.kibibytes = max(Peak.kibibytes, usage.ru_maxrss)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(argv)}: {text[:2000]}")
    return text


def install() -> None:
    """Install kpartx and multipath without the daemon and without their udev rules."""
    run("systemctl", "--quiet", "mask", "multipathd.service", "multipathd.socket")
    packages = glob.glob("/opt/packages/*.deb")
    run("dpkg", "--no-triggers", "--force-unsafe-io", "--install", *packages)
    for package in ("multipath-tools", "kpartx"):
        for path in run("dpkg", "--listfiles", package).split():
            if path.endswith(".rules"):
                os.unlink(path)
    run("udevadm", "control", "--reload")
    with open("/etc/multipath.conf", "w", encoding="utf-8") as file:
        file.write(CONFIGURATION)


def load(luns: int) -> None:
    """Let the host find LUNs, all of them with the same two partitions: they share their store.

    The handler of ALUA is loaded before: it looks at paths as they come, and multipath would
    load it later. So it is in the tables of all contenders.
    """
    run("modprobe", "scsi_dh_alua")
    options = (f"max_luns={luns}", f"dev_size_mb={SIZE}", f"add_host={PATHS}")
    run("modprobe", "scsi_debug", "num_tgts=1", "vpd_use_hostno=0", "no_uld=0", *options)
    run("udevadm", "settle", "--timeout=600")
    found = wwids()
    assert len(found) == luns, found
    # Of three hosts of scsi_debug's one is in standby, where a path takes no I/O.
    path = next(each for each in next(iter(found.values())) if is_active(each))
    script = "".join(f"start={start},size={length}\n" for _number, start, length in PARTITIONS)
    run("sfdisk", "--quiet", f"/dev/{path}", input=f"label: gpt\n{script}")
    run("udevadm", "settle")


def is_active(path: str) -> bool:
    """Return whether the target port group of a path takes I/O, by what its handler knows."""
    with open(f"/sys/block/{path}/device/access_state", encoding="ascii") as file:
        return file.read().startswith("active/")


def unload() -> None:
    """Take the LUNs away."""
    # The handler of ALUA holds a path while it asks for its state.
    run("modprobe", "--remove", "--wait=60000", "scsi_debug")
    run("udevadm", "settle", "--timeout=600")


def wwids() -> dict[str, list[str]]:
    """Return the paths of each of scsi_debug's LUNs, by its WWID as udev and multipath know it."""
    found: dict[str, list[str]] = {}
    for device in run("udevadm", "info", "--export-db").split("\n\n"):
        lines = device.splitlines()
        known = dict(line[3:].split("=", 1) for line in lines if line.startswith("E: "))
        if known.get("ID_MODEL") == "scsi_debug" and known.get("DEVTYPE") == "disk":
            found.setdefault(known["ID_SERIAL"], []).append(os.path.basename(known["DEVNAME"]))
    return {wwid: sorted(paths, key=number) for wwid, paths in sorted(found.items())}


def number(disk: str) -> str:
    """Return the major:minor of a disk."""
    with open(f"/sys/class/block/{disk}/dev", encoding="ascii") as file:
        return file.read().strip()


Row = tuple[str, str, int, str, str]


def multipath_rows() -> list[Row]:
    """Return what the maps of the LUNs should be: name, uuid, sectors, type and parameters."""
    rows = []
    for wwid, paths in wwids().items():
        each = " ".join(f"{number(path)} 1" for path in paths)
        table = f"0 1 alua 1 1 service-time 0 {len(paths)} 1 {each}"
        rows.append((wwid, f"mpath-{wwid}", SIZE * 2048, "multipath", table))
    return rows


def partition_rows() -> list[Row]:
    """Return what the partition maps should be, of the multipath maps that are there."""
    return [
        (
            f"{wwid}-part{at}",
            f"part{at}-mpath-{wwid}",
            length,
            "linear",
            f"{number(os.path.basename(os.path.realpath(f'/dev/mapper/{wwid}')))} {start}",
        )
        for wwid in wwids()
        for at, start, length in PARTITIONS
    ]


def check(rows: Sequence[Row], there: bool) -> None:
    """Refuse a contender that has not done the work."""
    listed = run("dmsetup", "info", "--columns", "--noheadings", "-o", "name,uuid").split()
    found = {line for line in listed if ":" in line}
    expected = {f"{name}:{uuid}" for name, uuid, *_rest in rows}
    if there != (expected <= found) or (not there and expected & found):
        raise SystemExit(f"not done: {sorted(expected - found)[:3]}")
    if not there:
        return
    tables = dict(
        line.split(": ", 1) for line in run("dmsetup", "table").splitlines() if ": " in line
    )
    for name, _uuid, sectors, target, parameters in rows:
        table = tables[name].split()
        numbers = {word for word in table if ":" in word}
        assert table[:3] == ["0", str(sectors), target], (name, table)
        assert numbers == {word for word in parameters.split() if ":" in word}, (name, table)
        assert os.path.exists(f"/dev/mapper/{name}"), name


def module(name: str, options: Mapping[str, object], changed: bool) -> None:
    """Run a module of the collection."""
    argv = ("python3", f"{HERE}/run_module.py", name)
    answer = json.loads(run(*argv, input=json.dumps({"ANSIBLE_MODULE_ARGS": options})))
    assert answer.get("changed") is changed, answer.get("msg", answer.get("plan"))


PARTS = (
    ("imports", "importlib._bootstrap>", "_find_and_load"),
    ("maps from the kernel", "_system/libdevmapper.py", "maps"),
    ("disks from sysfs and udev", "_system/disks.py", "disks"),
    ("uses", "_system/block_devices.py", "uses"),
    ("partition tables", "_system/libblkid.py", "partition_table"),
    ("plan", "_tasks/multipath_map.py", "operations"),
    ("plan", "_tasks/partition_maps.py", "operations"),
    ("result and its JSON", "_tasks/multipath_map.py", "report"),
    ("result and its JSON", "_tasks/partition_maps.py", "report"),
    ("result and its JSON", "basic.py", "exit_json"),
)
"""What the time of a module goes to: words, a function's file, and its name."""


def ping() -> None:
    """Run what a module of Ansible's takes that does nothing."""
    argv = ("python3", f"{HERE}/ping.py")
    assert json.loads(run(*argv, input='{"ANSIBLE_MODULE_ARGS": {}}'))["ping"] == "pong"


def floor(work: str, rows: Sequence[Row]) -> None:
    """Run the bare calls."""
    run("python3", f"{HERE}/floor.py", work, input=json.dumps(rows))


def loop(rows: Iterable[Row], *argv: str) -> None:
    """Run a command for each of the maps."""
    for row in rows:
        run(*(word.format(*row) for word in argv))


def multipath_options() -> dict[str, object]:
    """Return what a task states that wants a map of each LUN."""
    maps = [{"wwid": wwid} for wwid in wwids()]
    return {"maps": maps, "path_grouping_policy": "multibus"}


def partition_options() -> dict[str, object]:
    """Return what a task states that wants the partition maps of each LUN's map."""
    return {"devices": list(wwids()), "delimiter": "-part"}


def multipath_contenders() -> tuple[list[Row], Contenders]:
    """Return the maps, and how each contender makes, looks at and removes them."""
    rows = multipath_rows()
    stated = multipath_options()
    create = ("dmsetup", "create", "{0}", "--uuid", "{1}", "--table", "0 {2} {3} {4}")
    return rows, {
        "multipath_map": {
            "create": lambda: module("multipath_map", stated, True),
            "nothing to do": lambda: module("multipath_map", stated, False),
            "remove": lambda: module(
                "multipath_map", {"maps": stated["maps"], "state": "absent"}, True
            ),
        },
        "dmsetup, a loop": {
            "create": lambda: loop(rows, *create),
            "nothing to do": lambda: loop(rows, "dmsetup", "table", "{0}"),
            "remove": lambda: loop(rows, "dmsetup", "remove", "{0}"),
        },
        "multipath": {
            "create": lambda: void(run("multipath", "-v0")),
            "nothing to do": lambda: void(run("multipath", "-v0")),
            "remove": lambda: void(run("multipath", "-v0", "-F")),
        },
        **bare(rows),
    }


def partition_contenders() -> tuple[list[Row], Contenders]:
    """Return the partition maps, and how each contender makes, looks at and removes them."""
    rows = partition_rows()
    devices = list(wwids())
    parents = [(f"/dev/mapper/{wwid}", "", 0, "", "") for wwid in devices]
    stated = partition_options()

    def kpartx(option: str) -> Work:
        return lambda: loop(parents, "kpartx", option, "-s", "-p", "-part", "{0}")

    return rows, {
        "partition_maps": {
            "create": lambda: module("partition_maps", stated, True),
            "nothing to do": lambda: module("partition_maps", stated, False),
            "remove": lambda: module("partition_maps", {**stated, "state": "absent"}, True),
        },
        "kpartx, a loop": {
            "create": kpartx("-a"),
            "nothing to do": kpartx("-u"),
            "remove": kpartx("-d"),
        },
        **bare(rows),
    }


def bare(rows: Sequence[Row]) -> Contenders:
    """Return what shows how much a contender could save at most."""
    return {
        "floor": {
            "create": lambda: floor("create", rows),
            "nothing to do": lambda: floor("read", rows),
            "remove": lambda: floor("remove", rows),
        },
        "ansible's ping": {"nothing to do": ping},
    }


def void(_text: str) -> None:
    """Take what a command printed."""


def be_idle() -> None:
    """Wait until udev is done and the processor idle, for 90% of half a second.

    systemd and its bus go on with what udev told them for seconds after udev itself, and that
    would be counted against whoever comes next.
    """
    run("udevadm", "settle", "--timeout=600")
    end = time.monotonic() + 600
    while time.monotonic() < end:
        before = processor()
        time.sleep(0.5)
        spent, idle = (now - then for now, then in zip(processor(), before, strict=True))
        if idle >= 0.9 * spent:
            return
    raise SystemExit("the host is still busy after 600 s")


def processor() -> tuple[int, int]:
    """Return the processor's ticks since the boot: all, and the idle ones (proc(5))."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def timed(work: Work) -> tuple[float, int]:
    """Return the seconds that the work takes from an idle host on, and its peak memory in KiB."""
    be_idle()
    Peak.kibibytes = 0
    started = time.monotonic()
    work()
    return time.monotonic() - started, Peak.kibibytes


CONTENDERS = {"multipath": multipath_contenders, "partitions": partition_contenders}

Measured = dict[str, dict[str, list[tuple[float, int]]]]


def look(subject: str, rounds: int) -> Measured:
    """Let the contenders find, in turn, that there is nothing to do."""
    rows, contenders = CONTENDERS[subject]()
    floor("create", rows)
    measured: dict[str, list[tuple[float, int]]] = {name: [] for name in contenders}
    for _round in range(rounds):
        for name, works in contenders.items():
            measured[name].append(timed(works["nothing to do"]))
            check(rows, True)
    floor("remove", rows)
    return {"nothing to do": measured}


def measure(subject: str, rounds: int) -> Measured:
    """Let the contenders do their works in turn; for one that lacks a work, the floor does it."""
    rows, contenders = CONTENDERS[subject]()
    measured: Measured = {work: {} for work in WORKS}
    for _round in range(rounds):
        for name, works in contenders.items():
            for work in WORKS:
                if work in works:
                    measured[work].setdefault(name, []).append(timed(works[work]))
                else:
                    contenders["floor"][work]()
                check(rows, work != "remove")
    return measured


def profile(subject: str) -> dict[str, float]:
    """Return the seconds of each part of a module's work with nothing to do, and of all of it."""
    rows, _contenders = CONTENDERS[subject]()
    name, options = {
        "multipath": ("multipath_map", multipath_options()),
        "partitions": ("partition_maps", partition_options()),
    }[subject]
    floor("create", rows)
    be_idle()
    with tempfile.NamedTemporaryFile() as file:
        argv = ("python3", "-m", "cProfile", "-o", file.name, f"{HERE}/run_module.py", name)
        answer = json.loads(run(*argv, input=json.dumps({"ANSIBLE_MODULE_ARGS": options})))
        assert answer.get("changed") is False, answer.get("msg", answer.get("plan"))
        stats = vars(pstats.Stats(file.name))
    floor("remove", rows)
    found = dict.fromkeys((words for words, _file, _name in PARTS), 0.0)
    for (path, _line, function), (_calls, _all_calls, _alone, seconds, _by) in stats[
        "stats"
    ].items():
        for words, file_name, wanted in PARTS:
            if function == wanted and path.endswith(file_name):
                found[words] += seconds
    return {**found, "all": stats["total_tt"]}


def main() -> None:
    """Do what the command line says."""
    command, *arguments = sys.argv[1:]
    if command == "install":
        install()
    elif command == "load":
        load(int(arguments[0]))
    elif command == "wwids":
        print(json.dumps(list(wwids())))
    elif command == "idle":
        be_idle()
    elif command == "make":
        floor("create", multipath_rows())
    elif command == "profile":
        print(json.dumps(profile(arguments[0])))
    elif command == "unload":
        floor("remove", multipath_rows())
        unload()
    else:
        print(json.dumps({"time": measure, "look": look}[command](arguments[0], int(arguments[1]))))


if __name__ == "__main__":
    main()
