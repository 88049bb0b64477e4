# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent maps after real reboots of the lab host, each by its reset button.

The host has two LUNs of four paths, a map of each, a file system on a partition of each, and an
entry in fstab for each. The tests run in their order.
"""

from __future__ import annotations

import functools
import subprocess
import time
import typing as t
from collections.abc import Callable, Iterable, Iterator

import pytest
from kernel.conftest import UUIDS, WWIDS, Host, install, serving

from lab import storage
from lab.host import Lab
from lab.storage import ScsiPath

NAMES = ("data", "log")
DELIMITER = "_"
MAPS: tuple[dict[str, t.Any], ...] = (
    {"name": "data", "wwid": WWIDS[0], "no_path_retry": "queue"},
    {"name": "log", "wwid": WWIDS[1], "path_grouping_policy": "multibus"},
)
LOG_UUID = "5a4de71c-6f6c-4b0e-9f43-0a3c1d6e2b7f"
FSTAB = f"""
/dev/mapper/data_1 /srv/data ext4 x-systemd.device-timeout=300 0 2
UUID={LOG_UUID} /srv/log ext4 nofail,x-systemd.device-timeout=300 0 2
"""
"""The second one by what each of the single paths has, too."""
SILENT_RULES = "/etc/udev/rules.d/61-silent.rules"
SILENT = 'ENV{{ID_PATH}}=="{}", ENV{{ID_SERIAL}}=""\n'
KPARTX = """
systemctl --quiet mask multipathd.service multipathd.socket
dpkg --no-triggers --force-unsafe-io --install /opt/packages/*.deb >/dev/null 2>&1
"""
"""kpartx and multipath-tools with their rules, without the daemon."""
ENOUGH = 120.0
LOOKS = 5.0
"""Seconds within which udev and systemd have dealt with a path, under software emulation."""


@pytest.fixture(scope="module")
def booting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Return the host with its persistent maps mounted, and leave it without them."""
    lab = Lab.from_environment()
    install(lab, tmp_path_factory.mktemp("modules"))
    host = Host(lab)
    with serving(lab):
        host.clean()
        host.applied("multipath_map", persistent=True, maps=list(MAPS))
        for name in NAMES:
            # Linux 5.10 cannot tell sfdisk that nothing uses the map.
            sfdisk = ("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel")
            host.run(*sfdisk, f"/dev/mapper/{name}", input="label: gpt\n,64MiB\n")
        host.applied("partition_maps", devices=list(NAMES), delimiter=DELIMITER)
    host.shell(
        f"mkfs.ext4 -q /dev/mapper/data_1; mkfs.ext4 -q -U {LOG_UUID} /dev/mapper/log_1;"
        " mkdir -p /srv/data /srv/log; udevadm settle"
    )
    host.shell("cp /etc/fstab /etc/fstab.before")
    host.run("tee", "-a", "/etc/fstab", input=FSTAB)
    host.shell("systemctl daemon-reload; mount /srv/data; mount /srv/log")
    for name in NAMES:
        host.shell(f"head -c 8M /dev/urandom >/srv/{name}/file; sync --file-system /srv/{name}")
    yield host
    host.shell("umount /srv/data /srv/log; mv /etc/fstab.before /etc/fstab", check=False)
    with serving(lab):
        removed = host.applied("multipath_map", state="absent", maps=[*map(by_wwid, WWIDS)])
        assert removed["changed"]
        host.clean()
    left = "find /etc -path '*san*device*mapper*'; dmsetup table"
    assert host.shell(left) == "No devices found\n"


def by_wwid(wwid: str) -> dict[str, str]:
    return {"wwid": wwid}


def contents(host: Host, name: str) -> str:
    """Return the file system's uuid and the file's checksum."""
    return host.shell(f"blkid -o value -s UUID /dev/mapper/{name}_1; md5sum </srv/{name}/file")


def mounted(host: Host, name: str) -> str:
    """Return which device is mounted; empty if none is."""
    return host.run("findmnt", "-no", "SOURCE", f"/srv/{name}", check=False).strip()


def members(host: Host, name: str) -> set[str]:
    """Return the names of the map's paths."""
    listed = host.shell(f"ls /sys/block/$(basename $(realpath /dev/mapper/{name}))/slaves")
    return set(listed.split())


def await_paths(host: Host, name: str, disks: Callable[[], set[str]]) -> None:
    """Return once the map's paths are those that are expected."""
    end = time.monotonic() + ENOUGH
    while (found := members(host, name)) != disks():
        assert time.monotonic() < end, (name, found, disks(), journal(host))
        time.sleep(0.2)


def journal(host: Host, unit: str = "san-device-mapper@*") -> str:
    return host.run("journalctl", "--boot", "--no-pager", f"--unit={unit}")


def assert_quiet(host: Host, *stated: dict[str, t.Any]) -> None:
    """The same tasks as before the reboot have nothing left to do."""
    names = [each["name"] for each in stated]
    with serving(host.lab):
        for module, options in (
            ("multipath_map", {"persistent": True, "maps": list(stated)}),
            ("partition_maps", {"devices": names, "delimiter": DELIMITER}),
        ):
            answer = host.applied(module, **options)
            assert (answer["plan"], answer["changed"]) == ([], False), journal(host)
    assert "san-device-mapper" not in host.run("systemctl", "--failed", "--no-legend")
    assert host.suspended() == []


def unmount(host: Host) -> None:
    host.shell("umount /srv/data /srv/log; sync")


def plug(lab: Lab, path: ScsiPath, **changed: t.Any) -> None:
    """Bring a path back as another one."""
    lab.qmp("device_add", **{**storage.scsi_disk(path), **changed})


def present(host: Host, lun: int) -> set[str]:
    """Return the names of the LUN's disks, by what they say themselves."""
    link = f"wwn-{storage.naa(lun):#018x}"
    script = "grep -l $(echo $1 | cut -c7-) /sys/block/sd*/device/wwid | cut -d/ -f4"
    return set(host.run("sh", "-euc", script, "sh", link, check=False).split())


def test_a_path_comes_before_the_first_reboot(booting: Host) -> None:
    """It joins those in the map, of which udev's rule has seen none yet."""
    host, lab = booting, booting.lab
    *_others, path = lab.paths(0)
    lab.unplug(path)
    lab.plug(path)
    await_paths(host, "data", functools.partial(present, host, 0))
    assert len(members(host, "data")) == 4
    assert_quiet(host, *MAPS)


def test_paths_come_late(booting: Host) -> None:
    """The host boots from half of the paths of one LUN, and with nofail without the other LUN."""
    host, lab = booting, booting.lab
    before = [contents(host, name) for name in NAMES]
    late = (*lab.paths(0)[2:], *lab.paths(1))
    unmount(host)
    for path in late:
        lab.unplug(path)
    # Nothing at boot is to need it.
    host.shell("chmod a-x $(realpath /usr/bin/python3); sync")
    lab.reset()
    host.shell("test ! -x $(realpath /usr/bin/python3)")
    host.shell("chmod a+x $(realpath /usr/bin/python3)")
    assert [mounted(host, name) for name in NAMES] == ["/dev/mapper/data_1", ""]
    assert len(members(host, "data")) == 2
    assert UUIDS[1] not in host.run("dmsetup", "info", "-c", "-o", "uuid")
    for path in late:
        lab.plug(path)
    for lun, name in enumerate(NAMES):
        await_paths(host, name, functools.partial(present, host, lun))
    assert [len(members(host, name)) for name in NAMES] == [4, 4]
    # systemd still waits for the device, as long as fstab says.
    lab.wait_for_nodes("/dev/mapper/log_1")
    host.run("systemctl", "start", "srv-log.mount")
    assert [contents(host, name) for name in NAMES] == before
    assert_quiet(host, *MAPS)
    # The single paths have been hidden from their first event on.
    for disk in present(host, 0):
        properties = host.run("udevadm", "info", "-q", "property", f"/dev/{disk}1")
        assert {"SYSTEMD_READY=0", "DM_MULTIPATH_DEVICE_PATH=1"} <= set(properties.splitlines())


HELD = """
import os, sys, time
os.open(sys.argv[1], os.O_RDWR | os.O_EXCL)
print(flush=True)
time.sleep(600)
"""
SOON = "/etc/systemd/system/san-device-mapper@.service.d"


def test_a_path_that_a_process_has_open_keeps_no_other_out(booting: Host) -> None:
    """It joins once the process has ended."""
    host = booting
    unmount(host)
    # Sooner than the default.
    host.shell(f"mkdir {SOON}; printf '[Service]\nRestartSec=2\n' >{SOON}/soon.conf")
    host.shell("systemctl daemon-reload; dmsetup remove data_1; dmsetup remove data")
    first, *_others = disks = sorted(present(host, 0))
    argv = host.lab.ssh_argv("python3", "-c", HELD, f"/dev/{first}")
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        host.run("udevadm", "trigger", "--settle", "--action=add", *(f"/dev/{x}" for x in disks))
        host.lab.wait_for_nodes("/dev/mapper/data_1")
        assert members(host, "data") == {*disks} - {first}
        unit = f"san-device-mapper@{first}.service"
        asked = ("systemctl", "show", "--property=SubState", "--value", unit)
        end = time.monotonic() + ENOUGH
        while (state := host.run(*asked).strip()) != "auto-restart":
            assert time.monotonic() < end, (state, journal(host))
        host.run("pkill", "-f", HELD.splitlines()[1])
        holder.wait()
    await_paths(host, "data", lambda: {*disks})
    host.shell(f"rm -r {SOON}; systemctl daemon-reload; mount /srv/data; mount /srv/log")
    assert_quiet(host, *MAPS)


def states(host: Host) -> dict[str, str]:
    """Return which path of the first map is active (A) or failed (F), by number."""
    words = host.run("dmsetup", "status", "--noflush", "data").split()
    return {word: words[at + 1] for at, word in enumerate(words) if ":" in word[1:-1]}


def await_states(host: Host, expected: dict[str, str]) -> None:
    end = time.monotonic() + ENOUGH
    while (found := states(host)) != expected:
        assert time.monotonic() < end, (found, expected, journal(host, "san-device-mapper-check"))
        time.sleep(0.2)


def set_state(host: Host, disks: Iterable[str], state: str) -> None:
    host.shell("".join(f"echo {state} >/sys/block/{disk}/device/state\n" for disk in disks))


def test_a_path_that_works_again_comes_back_by_itself(booting: Host) -> None:
    """But for one that a task has failed, until a task takes it back."""
    host = booting
    with serving(host.lab):
        host.applied("multipath_map", **{**MAPS[0], "persistent": True, "check_interval": 2})
        kept, lost, *_others = disks = sorted(present(host, 0))
        numbers = [host.number(disk) for disk in disks]
        active = dict.fromkeys(numbers, "A")
        failed = {**active, numbers[0]: "F"}
        host.applied("multipath_path", state="failed", maps=["data"], paths=[kept])
        set_state(host, [lost], "offline")
        host.run("dmsetup", "message", "data", "0", f"fail_path {numbers[1]}")
        # Two looks and more: nothing shows that one has left a path alone.
        time.sleep(LOOKS)
        assert states(host) == {**failed, numbers[1]: "F"}
        set_state(host, [lost], "running")
        await_states(host, failed)
        time.sleep(LOOKS)
        assert states(host) == failed
        again = host.applied("multipath_path", state="failed", maps=["data"], paths=[kept])
        assert (again["changed"], again["plan"]) == (False, [])
        host.applied("multipath_path", state="active", maps=["data"], paths=[kept])
        assert states(host) == active
    said = journal(host, "san-device-mapper-check")
    assert f"data: reinstated {lost}, which answers again" in said
    assert f"reinstated {kept}" not in said


def test_a_host_without_any_path_shuts_down(booting: Host) -> None:
    """A map that queues is mounted, with data that no path can take."""
    host, lab = booting, booting.lab
    boot_id = ("cat", "/proc/sys/kernel/random/boot_id")
    before = host.run(*boot_id)
    # Sooner than after the minute; the looks are two seconds apart.
    host.shell(
        "sed -i 's/^mercy=60/mercy=6/' /etc/san.device_mapper/check;"
        " systemctl restart san-device-mapper-check; sync"
    )
    set_state(host, present(host, 0), "offline")
    # To open the file may wait for the journal of the file system: the shell that does has none of
    # the connection's files.
    write = "head -c 4M /dev/urandom >/srv/data/dirty"
    host.shell(f"setsid sh -c '{write}' >/dev/null 2>&1 </dev/null &")
    started = time.monotonic()
    host.run("systemctl", "--no-block", "reboot")
    lab.disconnect()
    lab.wait_until_ready()
    while host.run(*boot_id, check=False) in ("", before):
        assert time.monotonic() < started + ENOUGH, "the host hangs"
        time.sleep(1)
    lab.wait_until_ready()
    lab.wait_for_nodes("/dev/mapper/log_1")
    host.run("systemctl", "start", "srv-log.mount")
    for lun, name in enumerate(NAMES):
        await_paths(host, name, functools.partial(present, host, lun))
    with serving(lab):
        host.applied("multipath_map", persistent=True, maps=list(MAPS))
    assert_quiet(host, *MAPS)


def test_the_rules_are_sound_for_udev(booting: Host) -> None:
    """Where it can tell: `udevadm verify` came with systemd 254."""
    rules = "/etc/udev/rules.d/62-san-device-mapper-boot.rules"
    if int(booting.run("udevadm", "--version")) >= 254:
        booting.run("udevadm", "verify", "--no-style", rules)


def test_nothing_is_assembled_where_the_daemon_is_enabled(booting: Host) -> None:
    """A unit of its name stands for the daemon: here it is about what systemd says of it."""
    host = booting
    unit = "[Service]\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n"
    host.run("tee", "/etc/systemd/system/multipathd.service", input=unit)
    host.run("systemctl", "enable", "--quiet", "multipathd.service")
    disk = min(present(host, 0))
    try:
        started = host.lab.ssh(["sh", "/etc/san.device_mapper/assemble", disk])
    finally:
        host.run("systemctl", "disable", "--quiet", "multipathd.service")
        host.run("rm", "/etc/systemd/system/multipathd.service")
    assert started.stdout == f"{disk}: left to multipathd, which is enabled or runs on this host\n"


def test_paths_have_changed_places_and_one_leads_to_another_lun(booting: Host) -> None:
    """The first disk is a path of the other LUN now; one path leads to a LUN that nobody states.

    And one is silent when udev asks for its WWID, and kpartx is there with its rule, which names
    partition maps in its own way. It comes last, for the paths stay where they are.
    """
    host, lab = booting, booting.lab
    before = [contents(host, name) for name in NAMES]
    names = present(host, 0)
    foreign, *kept = lab.paths(0)
    silent = lab.paths(1)[-1]  # Where the last one of the first LUN will be.
    host.run("tee", SILENT_RULES, input=SILENT.format(silent.by_path))
    host.shell(KPARTX)
    unmount(host)
    for path in (*lab.paths(0), *lab.paths(1)):
        lab.unplug(path)
    plug(lab, foreign, lun=1, wwn=storage.naa(7))
    for path in (*kept, *lab.paths(1)):
        plug(lab, path, lun=1 - path.lun)
    lab.reset()
    lab.wait_for_nodes("/dev/mapper/log_1")
    host.run("systemctl", "start", "srv-log.mount")
    assert [mounted(host, name) for name in NAMES] == ["/dev/mapper/data_1", "/dev/mapper/log_1"]
    assert sorted(host.run("dmsetup", "ls").split()[::2]) == ["data", "data_1", "log", "log_1"]
    asked = host.run("udevadm", "info", "-q", "property", f"/dev/disk/by-path/{silent.by_path}")
    assert "ID_SERIAL=" not in asked
    assert f"SAN_DEVICE_MAPPER_BOOT={WWIDS[0]}\n" in asked
    assert [contents(host, name) for name in NAMES] == before
    assert present(host, 0) != names
    for lun, name in enumerate(NAMES):
        await_paths(host, name, functools.partial(present, host, lun))
    assert [len(members(host, name)) for name in NAMES] == [3, 4]
    (stranger,) = present(host, 7)
    assert host.run("ls", f"/sys/block/{stranger}/holders") == ""
    assert_quiet(host, *MAPS)
