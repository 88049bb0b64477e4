# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A LUN that the host lets go of and does not take back, although the array still maps it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import UUIDS, WWIDS, Host

RULES = "/etc/udev/rules.d/62-san-device-mapper-detached.rules"
SCAN = "for host in /sys/class/scsi_host/host*/scan; do echo '- - -' > $host; done"
DETACHED = {"wwid": WWIDS[0], "state": "detached"}


@pytest.fixture
def san(host: Host) -> Iterator[Host]:
    """Return the booted host, and bring back all its paths afterwards."""
    yield host
    host.applied("lun_paths", luns=[{"wwid": wwid} for wwid in WWIDS], min_paths=4)
    host.shell(f"test ! -e {RULES}")


def links(host: Host, disk: str) -> list[str]:
    """Return the links that udev has of a disk."""
    return host.run("udevadm", "info", "--query=symlink", f"--name=/dev/{disk}").split()


def properties(host: Host, disk: str) -> dict[str, str]:
    """Return the properties that udev has of a disk."""
    said = host.run("udevadm", "info", "--query=property", f"--name=/dev/{disk}")
    return dict(line.split("=", 1) for line in said.splitlines())


def test_a_lun_goes_is_kept_out_of_use_and_comes_back(san: Host) -> None:
    """Scans and udev bring back disks that nothing takes; `present` makes them paths again."""
    disk = san.disks(0)[0]
    script = (
        f"printf ',8M\\n,\\n' | sfdisk -q /dev/{disk}; udevadm settle; mkfs.ext4 -q -L kept"
        f" /dev/{disk}1; pvcreate -q --config devices/use_devicesfile=0 /dev/{disk}2"
    )
    san.shell(script)
    san.applied("multipath_map", name="data", wwid=WWIDS[0])
    san.applied("partition_maps", device="data")
    checked = san.applied("lun_paths", check_mode=True, diff=True, **DETACHED)
    assert len(san.table().splitlines()) == 3
    done = san.applied("lun_paths", diff=True, **DETACHED)
    assert [checked[key] for key in ("plan", "diff")] == [done[key] for key in ("plan", "diff")]
    assert done["plan"][0] == f"write {RULES}"
    assert (len(done["removed"]), done["detached"]) == (4, [WWIDS[0]])
    assert "No devices found" in san.table()
    assert not san.applied("lun_paths", **DETACHED)["changed"]
    san.shell(f"{SCAN}; udevadm settle; udevadm trigger --settle --subsystem-match=block")
    (disk, *others) = san.disks(0)
    assert len(others) == 3
    for name in (disk, f"{disk}1", f"{disk}2"):
        found = properties(san, name)
        assert found["SAN_DEVICE_MAPPER_DETACHED"] == WWIDS[0]
        assert (found["SYSTEMD_READY"], found["ID_FS_TYPE"]) == ("0", "mpath_member")
        assert "ID_FS_UUID" not in found
        (link,) = links(san, name)
        assert link.startswith("disk/by-path/")
    assert "kept" not in san.shell("ls /dev/disk/by-label")
    for options in ({"wwid": WWIDS[0]}, {"paths": [f"/dev/{disk}", f"/dev/{others[0]}"]}):
        assert "held detached by lun_paths" in san.refused("multipath_map", name="data", **options)
    shown = san.applied("device_mapper_info")
    assert shown["detached"] == [WWIDS[0]]
    assert [lun["detached"] for lun in shown["luns"]] == [True, False]
    again = san.applied("lun_paths", **DETACHED)
    assert len(again["removed"]) == 4
    back = {"wwid": WWIDS[0], "min_paths": 4}
    checked = san.applied("lun_paths", check_mode=True, **back)
    done = san.applied("lun_paths", **back)
    assert checked["plan"] == done["plan"]
    assert (len(done["added"]), done["detached"]) == (4, [])
    assert not san.applied("lun_paths", **back)["changed"]
    assert "wwn-0x" in " ".join(links(san, san.disks(0)[0]))
    san.applied("multipath_map", name="data", wwid=WWIDS[0])
    assert "multipath" in san.table("data")


def test_disks_that_are_hidden_are_seen_again_once_the_hold_is_lifted(san: Host) -> None:
    """They need no scan, but an event, for udev to make what it had left out."""
    san.applied("lun_paths", **DETACHED)
    san.shell(f"{SCAN}; udevadm settle")
    disks = san.disks(0)
    assert [len(links(san, disk)) for disk in disks] == [1] * 4
    done = san.applied("lun_paths", wwid=WWIDS[0], min_paths=4)
    assert (done["added"], len(done["plan"])) == ([], 5)
    san.run("udevadm", "settle")
    for disk in disks:
        assert "SAN_DEVICE_MAPPER_DETACHED" not in properties(san, disk)
        assert len(links(san, disk)) > 1


def test_absent_removes_the_hold_with_what_is_left(san: Host) -> None:
    """The other LUN stays held meanwhile, and gives the file its reason to be there."""
    both = [{"wwid": wwid} for wwid in WWIDS]
    san.applied("lun_paths", luns=both, state="detached")
    san.shell(f"{SCAN}; udevadm settle")
    done = san.applied("lun_paths", wwid=WWIDS[0], state="absent")
    assert (len(done["removed"]), done["plan"][-1]) == (4, f"write {RULES}")
    assert WWIDS[0] not in san.run("cat", RULES)
    done = san.applied("lun_paths", wwid=WWIDS[1], state="absent")
    assert done["plan"][-1] == f"rm {RULES}"


def test_a_lun_in_use_is_not_detached(san: Host) -> None:
    """Its user is named, and neither file nor map nor path is touched."""
    san.applied("multipath_map", name="data", wwid=WWIDS[0])
    disks = san.disks(0)
    with san.opened("/dev/mapper/data"):
        message = san.refused("lun_paths", **DETACHED)
        assert message.startswith(f"wwid: {WWIDS[0]}: its map data is in use: open in process")
    assert "neither a map nor a path of it" in san.refused(
        "lun_paths", wwid="3600", state="detached"
    )
    assert san.disks(0) == disks
    assert UUIDS[0] in san.state()
    san.shell(f"test ! -e {RULES}")
