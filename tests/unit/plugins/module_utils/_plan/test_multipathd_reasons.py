# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a daemon that does not have a map as it was told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit import readings

from ansible_collections.san.device_mapper.plugins.module_utils._plan.managed import Managed
from ansible_collections.san.device_mapper.plugins.module_utils._plan.multipathd_reasons import (
    reasons,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import (
    Configuration,
    drop_in_path,
    parse_sections,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd import (
    DaemonPath,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

SDA, SDB = DeviceNumber(8, 0), DeviceNumber(8, 16)
DISKS = (BlockDevice("sda", SDA, 2048, "3600"), BlockDevice("sdb", SDB, 2048, "3600"))
PATHS = tuple(DaemonPath(each.name, each.device, "3600", "ready", "data") for each in DISKS)
MANAGED = Managed("data", "3600", (), settings={"wwid": "3600", "alias": "data"})
FILE = drop_in_path("3600")


def said(text: str, file: str = "x.conf") -> Configuration:
    """Return what a file says."""
    return Configuration(parse_sections(text, file))


KNOWN = (
    "defaults {\nfind_multipaths strict\n}\n"
    "multipaths {\nmultipath {\nwwid 3600\nalias data\n}\n}\n"
)
BLACKLIST = "blacklist {\nwwid 36\n}\n"
LEFT_OUT = {SDB: "wwid 3600 blacklisted"}


def found(
    disks: tuple[BlockDevice, ...] = DISKS, there: Map | None = None, **daemon: Any
) -> list[str]:
    """Return what is found against a daemon that is otherwise content."""
    content = {
        "installed": True,
        "runs": True,
        "paths": PATHS,
        "known": said(KNOWN, ""),
        "wwids": frozenset({"3600"}),
    }
    return [*reasons(MANAGED, disks, readings.daemon(**{**content, **daemon}), there)]


@pytest.mark.parametrize(
    ("daemon", "reason"),
    [
        ({}, []),
        ({"runs": False}, ["it no longer runs"]),
        ({"paths": PATHS[:1]}, ["it leaves the path sdb out: for its own reasons"]),
        (
            {"paths": PATHS[:1], "left_out": LEFT_OUT},
            ["it leaves the path sdb out: wwid 3600 blacklisted"],
        ),
        (
            {"paths": PATHS[:1], "left_out": LEFT_OUT, "files": said(BLACKLIST)},
            [
                "it leaves the path sdb out: wwid 3600 blacklisted;"
                ' x.conf line 2 (blacklist: wwid "36")'
            ],
        ),
        (
            {"paths": PATHS[:1], "known": said(KNOWN + BLACKLIST, "")},
            ['it leaves the path sdb out: multipathd\'s own (blacklist: wwid "36")'],
        ),
        (
            {"paths": (PATHS[0], DaemonPath("sdb", SDB, "QEMU", "ready", ""))},
            ["it has the WWID QEMU for the path sdb"],
        ),
        (
            {"paths": (PATHS[0], DaemonPath("sdb", SDB, "", "ready", ""))},
            ["it has the WWID (none) for the path sdb"],
        ),
        (
            {"wwids": frozenset()},
            ["find_multipaths is strict, and the WWID is not in /etc/multipath/wwids"],
        ),
        (
            {"wwids": frozenset(), "known": said(KNOWN.replace("strict", "yes"), "")},
            [],
        ),
        (
            {"known": said("", "")},
            [f"it has not read {FILE}"],
        ),
        (
            {"known": said(KNOWN.replace("alias data", "alias log"), "")},
            ["it uses alias log, not data"],
        ),
        (
            {"known": said(KNOWN.replace("alias data", ""), "")},
            ["it uses alias (its default), not data"],
        ),
        (
            {"log": ("reconfigure (operator)", "data: failed to load", "sda\x1b[2J", "sdx: lost")},
            ["its log: data: failed to load", "its log: 'sda\\x1b[2J'"],
        ),
        (
            {"log": tuple(f"3600: {number}" for number in range(9))},
            [f"its log: 3600: {number}" for number in range(4, 9)],
        ),
    ],
)
def test_what_keeps_the_daemon_from_a_map(daemon: dict[str, Any], reason: list[str]) -> None:
    assert found(**daemon) == reason


def test_one_path_alone_is_no_multipath_device_by_itself() -> None:
    wwids: frozenset[str] = frozenset()
    for mode, is_reason in (("yes", True), ("smart", True), ("greedy", False), ("no", False)):
        known = said(KNOWN.replace("strict", mode), "")
        reason = found(DISKS[:1], wwids=wwids, known=known)
        assert bool(reason) is is_reason


def test_only_the_rules_of_the_kind_that_the_daemon_names_are_told() -> None:
    rules = "blacklist {\nprotocol scsi:fcp\nproperty ID_X\ndevnode ^sd\n}\n"
    expected = {
        "sda: protocol scsi:fcp blacklisted": ("protocol",),
        "sda: udev property ID_X blacklisted": ("property",),
        "": ("protocol", "property", "devnode"),
    }
    for words, kinds in expected.items():
        (reason,) = found(DISKS[:1], paths=(), left_out={SDA: words}, files=said(rules))
        for kind in ("protocol", "property", "devnode"):
            assert (f"(blacklist: {kind}" in reason) is (kind in kinds)


@pytest.mark.parametrize(
    ("handler", "state", "detects", "is_reason"),
    [
        ("1 alua", "", "yes", True),
        ("1 alua", "standby", "yes", False),
        ("1 alua", "", "no", False),
        ("0", "", "yes", False),
    ],
)
def test_a_handler_that_was_not_loaded(
    handler: str, state: str, detects: str, is_reason: bool
) -> None:
    table = parse_table(f"0 2048 multipath 0 {handler} 1 1 service-time 0 1 2 8:0 1 1")
    there = Map("data", "mpath-3600", live=table)
    disks = (replace(DISKS[0], access_state=state),)
    known = said(KNOWN.replace("strict", f"strict\ndetect_pgpolicy {detects}"), "")
    reason = found(disks, there, known=known)
    assert bool(reason) is is_reason
    assert not is_reason or "(sda): scsi_dh_alua was not loaded before" in reason[0]
