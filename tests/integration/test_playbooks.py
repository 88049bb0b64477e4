# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A LUN's whole life by the playbooks, each run twice, while fio writes and verifies.

With SAN_LUNS in the environment it is the life of so many LUNs at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.host import Lab
from lab.storage import ScsiPath, wwid

from .test_targets import play

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
SIZE = 64 << 20
COUNT = int(os.environ.get("SAN_LUNS", "1"))
NAMES = [f"new{number}" for number in range(COUNT)]
FIO = """
fio --name=verified --filename=/srv/new0/written --size=16M --rw=write --bs=64k --direct=1
--rate=1m --time_based --runtime=1800 --verify=crc32c --verify_backlog=16 --verify_fatal=1
--output-format=json
"""


class San:
    """The lab host with new LUNs, and the playbooks that are about those."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.luns = [lab.add_lun(SIZE) for _name in NAMES]
        self.paths = [path for lun in self.luns for path in lab.paths(lun)]
        self._directory = directory
        self._runs = 0

    def twice(self, playbook: str, **variables: t.Any) -> list[str]:
        """Run a playbook twice, and return what the first run changed; the second must not."""
        luns = [
            {"name": name, "wwid": wwid(lun)} for name, lun in zip(NAMES, self.luns, strict=True)
        ]
        about = "san_retired" if playbook == "retire_luns" else "san_luns"
        stated = json.dumps({about: luns, **variables})
        self._runs += 1
        directory = self._directory / str(self._runs)
        directory.mkdir()
        path = PLAYBOOKS / f"{playbook}.yml"
        changed: list[list[str]] = [[]]
        for each in play(directory, path, str(path), "-e", stated, timeout=600 * COUNT):
            if "stats" in each:
                changed.append([])
            elif each["result"].get("changed"):
                changed[-1].append(each["task"])
        first, second, _end = changed
        assert second == []
        return first

    def shell(self, script: str) -> str:
        """Run a script as root on the host and return what it prints."""
        return self.lab.ssh(["sh", "-euc", script]).stdout

    def comes_back(self) -> bool:
        """Return whether the first LUN's map is one that the host assembles at boot."""
        record = f"/etc/san.device_mapper/mpath-{wwid(self.luns[0])}.map"
        return self.lab.ssh(["test", "-f", record], check=False).returncode == 0

    def delete(self, paths: t.Sequence[ScsiPath]) -> None:
        """Delete paths as somebody else would."""
        links = [f"/dev/disk/by-path/{path.by_path}" for path in paths]
        self.lab.wait_for_nodes(*links, timeout=100)
        nodes = self.lab.ssh(["realpath", "-e", *links]).stdout.split()
        files = [f"/sys/block/{Path(node).name}/device/delete" for node in nodes]
        self.lab.ssh(["tee", *files], input="1")
        self.lab.ssh(["udevadm", "settle"])

    @contextlib.contextmanager
    def written(self) -> Iterator[None]:
        """Write to the LUN's file system, and read back what was written, all the time."""
        process = subprocess.Popen(
            self.lab.ssh_argv(*FIO.split()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield
            assert process.poll() is None, process.communicate()
        finally:
            self.lab.ssh(["pkill", "-INT", "-x", "fio"], check=False)
            output, errors = process.communicate(timeout=120)
        (job,) = json.loads(output[output.index("{") :])["jobs"]
        assert job["error"] == 0, errors
        assert min(job["read"]["io_bytes"], job["write"]["io_bytes"]) > SIZE // 4, job


@pytest.fixture
def san(tmp_path: Path) -> Iterator[San]:
    """Return the host with new LUNs that its kernel does not know, and take them away again."""
    lab = Lab.from_environment()
    there = San(lab, tmp_path)
    # QEMU has announced it; an array would not, and the scan is for the playbook to do.
    there.delete(there.paths)
    yield there
    # Nothing of this is left, unless the test has failed.
    for name in NAMES if "new0" in there.shell("dmsetup ls") else ():
        there.shell(f"umount /srv/{name} || true; dmsetup remove --retry {name}-part1 {name}")
    there.shell("sed -i '/[/]srv[/]new/d' /etc/fstab")
    for path in there.paths:
        lab.unplug(path)


def test_the_life_of_a_lun(san: San) -> None:
    """New, with paths lost and found, under another policy, larger, and gone."""
    before = san.shell("dmsetup ls; ls /sys/block /dev/disk/*")
    changed = san.twice("new_luns")
    assert changed == [
        "Find the paths of the LUNs",
        "Join the paths of each LUN",
        "Partition each LUN",
        "Make the device nodes of the partitions",
        "Make the file systems",
        "Mount the file systems",
    ]
    assert san.comes_back()
    with san.written():
        san.delete(san.paths[:2])
        policy = {"san_policy": "failover", "san_selector": "queue-length"}
        changed = san.twice("maintain_paths", **policy)
        assert changed == ["Find the paths of the LUNs", "Join the paths of each LUN"]
        for policy in (
            {"san_policy": "multibus", "san_selector": "service-time"},
            {"san_policy": "group_by_prio", "san_selector": "round-robin"},
        ):
            assert san.twice("maintain_paths", **policy) == ["Join the paths of each LUN"]
        # A path that was down for a moment: without the check of persistent maps, nobody takes it
        # back by itself.
        check = "san-device-mapper-check.service"
        path = san.shell("dmsetup table new0 | grep -o '[0-9]*:[0-9]*' | tail -1").strip()
        san.shell(f"systemctl stop {check}; dmsetup message new0 0 fail_path {path}")
        assert san.twice("maintain_paths", **policy) == ["Take the paths back into use"]
        san.shell(f"systemctl start {check}")
        for lun in san.luns:
            san.lab.grow_lun(lun, 2 * SIZE)
        assert san.twice("grow_luns", **policy) == [
            "Learn the new sizes on all paths",
            "Grow the maps",
            "Grow the partition of each LUN to its end",
            "Grow the device nodes of the partitions",
            "Grow the file systems",
        ]
    blocks = int(san.shell("stat --file-system --format=%b /srv/new0"))
    assert blocks * int(san.shell("stat --file-system --format=%S /srv/new0")) > 1.7 * SIZE
    assert san.comes_back()
    assert len(san.twice("retire_luns")) == 2
    assert san.shell("udevadm trigger --settle; dmsetup ls").split() == ["No", "devices", "found"]
    assert len(san.twice("retire_luns", san_unmapped=True)) == 1
    assert not san.comes_back()
    assert san.shell("dmsetup ls; ls /sys/block /dev/disk/*") == before
