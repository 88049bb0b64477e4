# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill modules at their system calls, on the host that this lies on.

`kill_modules.py SEED SECONDS KILLS WWID…`, where two WWIDs are enough. Each plan is made and taken
back in turn. A run is traced from the moment at which it begins to carry out its plan; what it did
before was reading. It dies by `kill -9` before one of its system calls: first before and after
those that change something, in random order, then at the others. fio writes and verifies all the
time. Afterwards nothing may be suspended, I/O goes on, the maps of others are as they were, the
next run converges, the one after is quiet, and /dev/mapper shows what there is. Ends with a status
other than 0 for a violation.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import typing as t
from collections import Counter
from dataclasses import dataclass, field

run_module = importlib.import_module("run_module")  # It lies beside this file on the host.

from ansible_collections.san.device_mapper.plugins.module_utils import _run  # noqa: E402

# ptrace(2), for x86-64.
TRACEME, SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
TRACESYSGOOD, TRACECLONE, EXITKILL = 0x1, 0x8, 0x100000
ALL_THREADS = 0x40000000
CALLS = {
    **{1: "write", 16: "ioctl", 18: "pwrite64", 44: "sendto", 46: "sendmsg", 56: "clone"},
    **{58: "vfork", 64: "semget", 65: "semop", 66: "semctl", 73: "flock", 74: "fsync"},
    **{76: "truncate", 77: "ftruncate", 82: "rename", 83: "mkdir", 84: "rmdir", 87: "unlink"},
    **{88: "symlink", 90: "chmod", 91: "fchmod", 133: "mknod", 220: "semtimedop", 231: "exit"},
    **{257: "openat", 258: "mkdirat", 259: "mknodat", 263: "unlinkat", 264: "renameat"},
    **{266: "symlinkat", 316: "renameat2", 435: "clone3"},
}
"""The system calls that change something, by their numbers."""
DEVICE_MAPPER = 0xFD
REQUESTS = {
    **{3: "DEV_CREATE", 4: "DEV_REMOVE", 5: "DEV_RENAME", 6: "DEV_SUSPEND", 9: "TABLE_LOAD"},
    **{10: "TABLE_CLEAR", 14: "TARGET_MSG"},
}
"""dm-ioctl.h: the requests that change something; DEV_SUSPEND resumes, too."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT

IMAGE = "/var/tmp/campaign.raw"
FOREIGN_IMAGE = "/var/tmp/campaign-foreign.raw"
UNIT = "campaign-io"
FIO = (
    "fio --name=io --filename={device} --size=48M --rw=randwrite --bs=4k --direct=1 --rate_iops=10"
    " --time_based --runtime=86400 --verify=crc32c --verify_backlog=64 --verify_fatal=1 --thread"
)
ENOUGH = 30.0
"""Seconds within which I/O goes on and udev has made the nodes, under software emulation."""

Call = tuple[str, dict[str, t.Any]]


class Violation(Exception):
    """A promise that was not kept."""


class SystemCall(ctypes.Structure):
    """`struct ptrace_syscall_info` of a call that is about to be made."""

    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("number", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
        ("appended", ctypes.c_uint64 * 4),
    )


LIBRARY = ctypes.CDLL(None, use_errno=True)
LIBRARY.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
LIBRARY.ptrace.restype = ctypes.c_long


def ptrace(request: int, process: int, address: int = 0, data: int = 0) -> None:
    if LIBRARY.ptrace(request, process, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def changing(process: int) -> str:
    """Return the name of the call that is about to be made; empty if it only reads."""
    call = SystemCall()
    ptrace(GET_SYSCALL_INFO, process, ctypes.sizeof(call), ctypes.addressof(call))
    name = CALLS.get(call.number, "")
    if name == "openat":
        return name if call.arguments[2] & WRITING else ""
    if name == "ioctl":
        is_ours = call.arguments[1] >> 8 & 0xFF == DEVICE_MAPPER
        return REQUESTS.get(call.arguments[1] & 0xFF, "") if is_ours else ""
    return name


def output(process_main: t.Callable[[], None]) -> tuple[int, int]:
    """Start a process of its own; return its number and the file that it prints to."""
    file = os.memfd_create("answer")
    process = os.fork()
    if process == 0:
        os.dup2(file, 1)
        os.dup2(file, 2)
        try:
            process_main()
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        except BaseException as error:
            os.write(2, repr(error).encode())
        os._exit(1)
    return process, file


def printed(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    with os.fdopen(file, "rb") as opened:
        return opened.read().decode(errors="replace")


def run(call: Call) -> dict[str, t.Any]:
    """Return the answer of a module that nobody disturbs."""
    module, options = call
    process, file = output(lambda: start(module, options))
    os.waitpid(process, 0)
    text = printed(file)
    if "Traceback" in text or "{" not in text:
        raise Violation(f"{module}: {text[-2000:]}")
    answer: dict[str, t.Any] = json.loads(text[text.index("{") :])
    return answer


def start(module: str, options: dict[str, t.Any]) -> None:
    # The journal's entry about each run takes longer than what is of interest here.
    arguments = {**options, "_ansible_no_log": True}
    run_module.main(module, json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())


def killed(call: Call, at: int) -> tuple[list[str], str]:
    """Kill a module before its system call number `at` since it has a plan, counted from 1.

    Return the names of the calls that change something, empty for others, if `at` is 0, and what
    it printed; empty if it was killed.
    """

    def until_stopped() -> None:
        apply = vars(_run)["apply"]

        traced: list[bool] = []

        def stopped(*arguments: t.Any, **options: t.Any) -> None:
            # What is left undone is carried out a second time.
            if not traced:
                traced.append(True)
                ptrace(TRACEME, 0)
                os.kill(os.getpid(), signal.SIGSTOP)
            apply(*arguments, **options)

        vars(_run)["apply"] = stopped
        start(*call)

    process, file = output(until_stopped)
    calls: list[str] = []
    count = 0
    entered: set[int] = set()
    known: set[int] = set()
    while True:
        thread, status = os.waitpid(-1, ALL_THREADS)
        if not os.WIFSTOPPED(status):
            if thread == process:
                text = printed(file)
                return calls, "" if os.WIFSIGNALED(status) else text
            continue
        stop, deliver = os.WSTOPSIG(status), 0
        if thread == process and not known:
            ptrace(SETOPTIONS, process, 0, TRACESYSGOOD | TRACECLONE | EXITKILL)
        elif stop == signal.SIGTRAP | 0x80:
            if thread in entered:
                entered.remove(thread)
            else:
                entered.add(thread)
                count += 1
                if not at:
                    calls.append(changing(thread))
                if count == at:
                    os.kill(process, signal.SIGKILL)
                    continue
        elif stop != signal.SIGTRAP and thread in known:
            deliver = stop
        known.add(thread)
        with contextlib.suppress(ProcessLookupError):
            ptrace(SYSCALL, thread, 0, deliver)


def command(*argv: str, input: str = "", check: bool = True) -> str:
    """Run a program and return what it prints."""
    done = subprocess.run(argv, input=input, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise Violation(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class State:
    """What dmsetup tells about the host's maps, which takes a tenth of a second each time."""

    uuids: t.Mapping[str, str]
    """By name."""
    suspended: t.AbstractSet[str]
    foreign: t.Sequence[str]
    """The lines about the maps of others."""


def loops() -> list[str]:
    """Return the files that loop devices show."""
    found = []
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
            found.append(file.read().strip())
    return sorted(found)


def state() -> State:
    columns = "name,uuid,suspended,events,readonly"
    options = ("--columns", "--noheadings", "--separator=|", "-o", columns)
    lines = [line.split("|") for line in command("dmsetup", "info", *options).splitlines()]
    lines = [line for line in lines if len(line) > 1]
    return State(
        {name: uuid for name, uuid, *_more in lines},
        {name for name, _uuid, suspended, *_more in lines if suspended != "Active"},
        ["|".join(line) for line in lines if line[0].startswith("foreign")],
    )


def foreign_tables() -> list[str]:
    tables = command("dmsetup", "table").splitlines()
    return [line for line in tables if line.startswith("foreign")]


@dataclass
class Work:
    """A plan to be killed, its opposite, and what others do before each of both."""

    name: str
    ways: tuple[Call, Call]
    before: tuple[str | Call, str | Call] = ("", "")
    """A script, or a module's run."""
    first: tuple[Call, ...] = ()
    """What has to be there."""
    last: tuple[Call, ...] = ()
    calls: list[list[str]] = field(default_factory=list)
    after: list[State] = field(default_factory=list)
    loops: list[list[str]] = field(default_factory=list)
    left: list[list[int]] = field(default_factory=list)


def works(wwids: t.Sequence[str]) -> list[Work]:
    data, *others = wwids
    logs = [{"name": f"log{number}", "wwid": wwid} for number, wwid in enumerate(others)]
    ours = {"name": "data", "wwid": data}

    def maps(**options: t.Any) -> Call:
        return "multipath_map", {"maps": logs, **options}

    def one(**options: t.Any) -> Call:
        return "multipath_map", {**ours, **options}

    def partitions(**options: t.Any) -> Call:
        return "partition_maps", {"device": "data", "delimiter": "-part", **options}

    def image(**options: t.Any) -> Call:
        return "partition_maps", {"device": IMAGE, **options}

    shrink = (
        "set -- $(dmsetup table {name}); length=$2; shift 2;"
        ' dmsetup load {name} --table "0 $((length - 2048)) $*"; dmsetup resume {name}'
    )
    return [
        Work("create, remove", (maps(), maps(state="absent"))),
        Work(
            "reload paths",
            (one(path_grouping_policy="multibus", path_selector="round-robin"), one()),
        ),
        Work("queueing", (one(no_path_retry="queue"), one())),
        Work("rename", (one(name="archive"), one())),
        Work("grow", (one(), one()), (shrink.format(name="data"),) * 2),
        Work("rename partitions", (partitions(delimiter="p"), partitions())),
        Work("grow a partition", (partitions(),) * 2, (shrink.format(name="data-part1"),) * 2),
        Work(
            "create, remove many partitions",
            (
                ("partition_maps", {"device": "log0", "delimiter": "-part"}),
                ("partition_maps", {"device": "log0", "state": "absent"}),
            ),
            first=(maps(),),
            last=(maps(state="absent"),),
        ),
        Work("image", (image(), image(state="absent"))),
        Work("persistent", (one(persistent=True), one(persistent=False))),
        Work(
            "remove with partitions, create",
            (maps(state="absent"), maps()),
            (("partition_maps", {"device": "log0", "delimiter": "-part"}), ""),
            first=(maps(),),
            last=(maps(state="absent"),),
        ),
    ]


def set_up(wwids: t.Sequence[str]) -> str:
    """Make what the works start from, maps of others, and I/O; return the device that it is on."""
    run_or_fail(("multipath_map", {"name": "data", "wwid": wwids[0]}))
    run_or_fail(("multipath_map", {"name": "log0", "wwid": wwids[1]}))
    quiet = ("--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never")
    command("sfdisk", *quiet, "/dev/mapper/data", input="label: gpt\n,64MiB\n,64MiB\n")
    many = "label: dos\n" + ",8MiB\n" * 3 + ",,E\n" + ",4MiB\n" * 8
    command("sfdisk", *quiet, "/dev/mapper/log0", input=many)
    run_or_fail(("multipath_map", {"name": "log0", "state": "absent"}))
    run_or_fail(("partition_maps", {"device": "data", "delimiter": "-part"}))
    for path, size in ((IMAGE, 64 << 20), (FOREIGN_IMAGE, 8 << 20)):
        with open(path, "wb") as file:
            file.truncate(size)
    command("sfdisk", "--quiet", IMAGE, input="label: gpt\n,16MiB\n,\n")
    loop = command("losetup", "--find", "--show", FOREIGN_IMAGE).strip()
    number = command("cat", f"/sys/class/block/{os.path.basename(loop)}/dev").strip()
    for name, uuid, table in (
        ("foreign-root", "LVM-data", f"0 1024 linear {number} 0"),
        ("foreign-data", "", f"0 1024 linear {number} 1024"),
        ("foreign-part1", "part1-mpath-00", f"0 8 linear {number} 2048"),
        ("foreign-mpath", "mpath-00", f"0 16384 multipath 0 0 1 1 round-robin 0 1 0 {number}"),
        ("foreign-suspended", "LVM-suspended", "0 8 zero"),
    ):
        identity = ("--uuid", uuid) if uuid else ()
        command("dmsetup", "create", name, *identity, "--table", table)
    command("dmsetup", "suspend", "foreign-suspended")
    command("udevadm", "settle")
    device = os.path.realpath("/dev/mapper/data-part1")
    fio = FIO.format(device=device).split()
    command("systemd-run", "--quiet", "--collect", f"--unit={UNIT}", *fio)
    return os.path.basename(device)


def run_or_fail(call: Call) -> dict[str, t.Any]:
    answer = run(call)
    if answer.get("failed"):
        raise Violation(f"{call}: {answer['msg']}")
    return answer


def requests(device: str) -> int:
    """Return how many reads and writes the device has completed."""
    with open(f"/sys/block/{device}/stat", encoding="ascii") as file:
        words = file.read().split()
    return int(words[0]) + int(words[4])


def until(holds: t.Callable[[], bool], words: str) -> None:
    end = time.monotonic() + ENOUGH
    while not holds():
        if time.monotonic() > end:
            raise Violation(words)
        time.sleep(0.02)


def check_converged(work: Work, way: int) -> bool:
    """Return whether the next run had something to do."""
    call, expected = work.ways[way], work.after[way]
    converged = run_or_fail(call)
    again = run_or_fail(call)
    if again["changed"] or again["plan"]:
        raise Violation(f"not quiet: {again['plan']}, after {converged['plan']}")
    now = state()
    if now != expected:
        raise Violation(f"not as after a run that nobody killed: {now}, not {expected}")
    check_nodes(now)
    until(lambda: loops() == work.loops[way], f"loop devices show {loops()}")
    return bool(converged["changed"])


def check_nodes(now: State) -> None:
    def shown() -> bool:
        return {*os.listdir("/dev/mapper")} - {"control"} == {*now.uuids}

    until(shown, f"/dev/mapper has {os.listdir('/dev/mapper')}, the maps are {now}")


def profile(work: Work, chance: random.Random) -> None:
    """Go both ways once, and plan the kills: those at calls that change something come first."""
    for way, call in enumerate(work.ways):
        prepare(work, way)
        calls, text = killed(call, 0)
        answer = json.loads(text[text.index("{") :])
        if answer.get("failed") or not answer["changed"]:
            raise Violation(f"{call}: {answer}")
        now = state()
        check_nodes(now)
        changing_calls = [at for at, name in enumerate(calls, 1) if name]
        important = sorted({near for at in changing_calls for near in (at, at + 1)})
        rest = [*{*range(1, len(calls) + 1)} - {*important}]
        chance.shuffle(important)
        chance.shuffle(rest)
        work.calls.append(calls)
        work.after.append(now)
        work.loops.append(loops())
        # The last is taken first.
        work.left.append([*rest, *important])


def prepare(work: Work, way: int) -> None:
    before = work.before[way]
    if isinstance(before, tuple):
        run_or_fail(before)
    elif before:
        command("sh", "-euc", before)


@dataclass
class Campaign:
    """What is left to be done, what has been found, and the device that fio writes to."""

    chance: random.Random
    device: str
    end: float
    kills: int
    found: Counter[str] = field(default_factory=Counter)
    before: State = field(default_factory=state)
    tables: list[str] = field(default_factory=foreign_tables)
    """What the maps of others are like before the first kill."""

    def kill_once(self, work: Work, way: int, at: int) -> None:
        """Kill a run before its call number `at`, and see what becomes of it."""
        prepare(work, way)
        _calls, text = killed(work.ways[way], at)
        self.found["kills" if not text else "ended before"] += 1
        self.check_after_kill()
        had_to = check_converged(work, way)
        self.found["converged by the next run" if had_to else "already done"] += 1

    def check_after_kill(self) -> None:
        """Nothing is suspended, I/O goes on, the maps of others are the same."""
        now = state()
        if now.suspended != self.before.suspended:
            raise Violation(f"suspended: {sorted(now.suspended)}")
        foreign, tables = now.foreign, foreign_tables()
        if foreign != self.before.foreign or tables != self.tables:
            raise Violation(f"the maps of others are {foreign} {tables}, not as {self.before}")
        done = requests(self.device)
        until(lambda: requests(self.device) > done, "I/O does not go on")

    def kill_all(self, work: Work, end: float, kills: int) -> None:
        """Kill in turn in both directions, until `end`, or `kills` of them are done."""
        for call in work.first:
            run_or_fail(call)
        profile(work, self.chance)
        for number in range(kills):
            way = number % 2
            if time.monotonic() > end or not work.left[way]:
                break
            at = work.left[way].pop()
            names = [*work.calls[way], "its end"]
            try:
                self.kill_once(work, way, at)
            except Violation as violation:
                self.found["violations"] += 1
                case = f"{work.name}, way {way}, before call {at} ({names[at - 1] or 'reads'})"
                print(f"VIOLATION: {case}: {violation}", flush=True)
                run(work.ways[way])
            self.found["semaphores left by killed runs"] += cookies()
        run_or_fail(work.ways[1])
        for call in work.last:
            run_or_fail(call)

    def run(self, works: list[Work]) -> None:
        """Share kills and time equally among the works."""
        self.chance.shuffle(works)
        for number, work in enumerate(works):
            seconds = self.end - time.monotonic()
            left = len(works) - number
            before = self.found["kills"]
            each = -(-(self.kills - before) // left)
            if seconds <= 0 or each <= 0:
                break
            try:
                self.kill_all(work, time.monotonic() + seconds / left, each)
            except Violation as violation:
                self.found["violations"] += 1
                print(f"VIOLATION: {work.name}, without a kill: {violation}", flush=True)
                break
            calls = " and ".join(str(len(calls)) for calls in work.calls)
            changing_calls = " and ".join(str(sum(map(bool, calls))) for calls in work.calls)
            print(
                f"  {work.name}: {self.found['kills'] - before} kills at {calls} calls,"
                f" {changing_calls} of which change something",
                flush=True,
            )
            if command("systemctl", "is-active", UNIT, check=False).strip() != "active":
                self.found["violations"] += 1
                print(f"VIOLATION: fio: {command('journalctl', '-u', UNIT, '-o', 'cat')}")
                break


def cookies() -> int:
    """Return how many udev cookies there are, and remove them."""
    with open("/proc/sysvipc/sem", encoding="ascii") as file:
        semaphores = len(file.readlines()) - 1
    if not semaphores:
        return 0
    count = command("dmsetup", "udevcookies").count("0x")
    command("dmsetup", "udevcomplete_all", "--yes")
    return count


def main(seed: int, seconds: float, kills: int, wwids: t.Sequence[str]) -> int:
    """Set up, kill, print the figures."""
    package = "ansible_collections.san.device_mapper.plugins.modules"
    for name in ("multipath_map", "partition_maps"):
        importlib.import_module(f"{package}.{name}")
    end = time.monotonic() + seconds
    campaign = Campaign(random.Random(seed), set_up(wwids), end, kills)
    campaign.found["violations"] = 0
    campaign.run(works(wwids))
    command("systemctl", "kill", "--signal=INT", UNIT, check=False)
    command("dmsetup", "resume", "foreign-suspended")
    print(json.dumps(campaign.found), flush=True)
    return 1 if campaign.found["violations"] else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
