# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the system on trees arranged as distributions are; none of them is booted."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from unit.distributions import DISTRIBUTIONS, Distribution, look_at
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._system import libdevmapper
from ansible_collections.san.device_mapper.plugins.module_utils._system.initramfs import (
    InitramfsImage,
)
from ansible_collections.san.device_mapper.plugins.module_utils._system.kernel_modules import (
    KernelModules,
)
from ansible_collections.san.device_mapper.plugins.module_utils._system.kpartx import KpartxRule
from ansible_collections.san.device_mapper.plugins.module_utils._system.multipathd import (
    MultipathDaemon,
)
from ansible_collections.san.device_mapper.plugins.module_utils._system.systemd import Systemd
from ansible_collections.san.device_mapper.plugins.module_utils._system.udev_rules import UdevRules
from ansible_collections.san.device_mapper.plugins.module_utils._tasks.partition_maps import (
    Request,
    delimiter_for,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import Parent
from ansible_collections.san.device_mapper.plugins.module_utils._values.records import (
    KPARTX_RULES,
    PROGRAMS,
    RULES,
)

ROLE = Path(__file__).parents[2] / "roles/udev_rules"
CONCERNS = ("links", "partitions", "paths", "permissions", "tuning")
OF_ROLE = {
    **{each: f"63-san-device-mapper-{each}.rules" for each in CONCERNS},
    "nvme": "73-san-device-mapper-nvme.rules",
}
OWN = {
    **OF_ROLE,
    "boot": Path(RULES).name,
    "kpartx at boot": Path(KPARTX_RULES).name,
}

DM, DM_DISK = ("10-dm.rules", "55-dm.rules"), ("13-dm-disk.rules", "60-persistent-storage-dm.rules")
MPATH, KPARTX = ("*-multipath.rules",), ("*-kpartx.rules",)
FLAGS = ("*-dm-mpath.rules", "*-dm-parts.rules")  # they read the flags of a change
WWID = ("60-persistent-storage.rules",)
# What takes a disk for its own: LVM, md, btrfs, systemd.
TAKERS = ("64-btrfs*", "64-md-raid-assembly*", "65-md-incremental*", "69-*lvm*", "99-systemd*")
ORDER = {
    "paths": ((*MPATH, *WWID, *DM), TAKERS),
    "boot": (WWID, TAKERS),
    "kpartx at boot": ((*DM, *FLAGS), KPARTX),
    "links": ((*DM, *DM_DISK, *FLAGS), ("99-systemd*",)),
    "permissions": (("50-udev-default.rules", *DM), ("99-systemd*",)),
    "partitions": ((*DM, *DM_DISK, *FLAGS), ("99-systemd*",)),
    "tuning": (("60-block.rules", *WWID), ("99-systemd*",)),
    # After those of nvme-cli (71-nvmf-*), which not each host has.
    "nvme": (WWID, ("99-systemd*",)),
}
"""After which rule files each of the collection's own has to come, and before which."""


@pytest.fixture(params=DISTRIBUTIONS)
def distribution(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Distribution:
    """Return a distribution, whose files the parts of the system find."""
    found = DISTRIBUTIONS[request.param]
    found.plant(tmp_path)
    look_at(tmp_path, monkeypatch)
    return found


def test_partition_maps_get_the_names_of_the_distribution(distribution: Distribution) -> None:
    delimiter = KpartxRule().kpartx_delimiter()
    assert delimiter == distribution.delimiter
    host = whole(kpartx_delimiter=delimiter)
    parents = [
        Parent(name, name, f"mpath-{name}", DeviceNumber(253, 1), 2048)
        for name in ("mpatha", "data1")
    ]
    auto = Request(("mpatha", "data1"), present=True)
    named = tuple(f"{each.name}{delimiter_for(auto, each, host)}1" for each in parents)
    assert named == distribution.named


def test_the_rules_of_multipath_tools_are_found_in_their_order(
    distribution: Distribution, tmp_path: Path
) -> None:
    found = UdevRules().multipath_rules()
    assert [Path(each).stem for each in found] == sorted(distribution.tools.split())
    assert all(each.startswith(str(tmp_path)) for each in found)
    assert UdevRules().installed_rules() == ()
    assert UdevRules().shadowed_rules() == {}


def test_the_daemons_files_are_read(distribution: Distribution, tmp_path: Path) -> None:
    """What a fresh host has of them; Red Hat's unit waits for a file that no package installs."""
    daemon = MultipathDaemon().multipathd(1, frozenset(), checked=True)
    assert (daemon.installed, daemon.runs, daemon.complaints) == (True, False, ())
    assert daemon.wwids == {"3600a09", "eui.1"}
    waits = "ConditionPathExists" in distribution.unit
    awaited = f"{tmp_path}/etc/multipath.conf"
    assert daemon.awaited_file == (awaited if waits else "")
    # As `mpathconf --enable` writes it (EL: SOURCES/multipath.conf).
    text = "defaults {\n\tuser_friendly_names yes\n\tfind_multipaths yes\n}\n"
    Path(awaited).write_text(text, "utf-8")
    daemon = MultipathDaemon().multipathd(1, frozenset(), checked=True)
    assert daemon.awaited_file == ""
    assert daemon.files.decided("find_multipaths", "3600a09", ()) == "yes"


def test_what_builds_the_initramfs_is_known(distribution: Distribution, tmp_path: Path) -> None:
    found = InitramfsImage().initramfs(looking=False, timeout=1)
    assert found.generator == distribution.generator
    assert found.image.startswith(str(tmp_path / "boot"))


def test_programs_and_modules_are_where_they_are_looked_for(distribution: Distribution) -> None:
    # Whether systemd runs is not the tree's to say.
    assert set(Systemd().next_boot([*PROGRAMS, "kpartx"], 1).missing_programs) <= {"systemd"}
    missing = KernelModules().missing_modules(["dm-multipath", "dm_mod", "dm-io-affinity"])
    assert missing == {"dm-io-affinity"}
    assert distribution.library in libdevmapper._LIBRARIES


def test_a_rule_that_tests_for_kpartx_finds_it(distribution: Distribution, tmp_path: Path) -> None:
    text = (ROLE / f"templates/{OWN['partitions']}.j2").read_text("utf-8")
    tested = re.findall('^TEST=="(/[a-z/]+)"', text, re.MULTILINE)
    assert any((tmp_path / path.lstrip("/")).exists() for path in tested)
    assert distribution.kpartx.split()[0] in tested


def test_the_collections_rules_collide_with_none(distribution: Distribution) -> None:
    assert distribution.rule_names.isdisjoint(OWN.values())


@pytest.mark.parametrize("own", OWN)
def test_the_collections_rules_are_in_order(distribution: Distribution, own: str) -> None:
    """Udev reads all rule files in the order of the bytes of their names (udev(7))."""
    after, before = ORDER[own]
    names = distribution.rule_names
    earlier, later = list(_matching(names, after)), list(_matching(names, before))
    assert earlier
    assert later
    assert max(earlier) < OWN[own] < min(later)


def test_the_files_whose_order_is_tested_are_all_that_there_are() -> None:
    variables = yaml.safe_load((ROLE / "vars/main.yml").read_text("utf-8"))
    named = re.findall(r"'([a-z]+)': _*udev_rules", variables["__udev_rules_concerns"])
    assert sorted(named) == sorted(CONCERNS)
    templates = {path.name.removesuffix(".j2") for path in ROLE.glob("templates/*.rules.j2")}
    assert templates == {*OF_ROLE.values()}
    assert set(ORDER) == set(OWN)


def _matching(names: Iterable[str], patterns: Iterable[str]) -> Iterable[str]:
    return (n for n in names for each in patterns if fnmatch.fnmatchcase(n, each))
