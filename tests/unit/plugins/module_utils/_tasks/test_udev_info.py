# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fails on a host is named by device, property, expected and found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._tasks.udev_info import (
    failures,
    pending,
    report,
)
from ansible_collections.san.device_mapper.plugins.module_utils._tasks.udev_options import (
    NvmeTuning,
    Permission,
    Request,
    Tuning,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.nvme import (
    NvmeController,
    NvmeSubsystem,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Parent,
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table
from ansible_collections.san.device_mapper.plugins.module_utils._values.udev import (
    EarlyMount,
    Initramfs,
    RuleFile,
    UdevDevice,
    UdevState,
)

SDA, SDB, SDB1 = DeviceNumber(8, 0), DeviceNumber(8, 16), DeviceNumber(8, 17)
DM0, DM1 = DeviceNumber(252, 0), DeviceNumber(252, 1)
BY_ID = "/dev/disk/by-id"
TABLE = parse_table("0 2048 multipath 0 0 1 1 service-time 0 2 0 8:0 8:16")
HIDDEN = {
    "DM_MULTIPATH_DEVICE_PATH": "1",
    "SYSTEMD_READY": "0",
    "ID_FS_TYPE": "mpath_member",
    "SAN_DEVICE_MAPPER_MAP": "dm-0",
}
QUEUE = {"queue/scheduler": "[none] mq-deadline", "queue/max_sectors_kb": "1280"}
LINKS = ("dm-name-data", "dm-uuid-mpath-3600", "scsi-3600", "wwn-0x600")
PART_LINKS = (
    "dm-name-data-part1",
    "dm-uuid-part1-mpath-3600",
    "scsi-3600-part1",
    "wwn-0x600-part1",
)
DEVICES = {
    SDA: UdevDevice("sda", SDA, HIDDEN, vendor="PURE", model="FlashArray", attributes=QUEUE),
    SDB: UdevDevice("sdb", SDB, HIDDEN, vendor="PURE", model="FlashArray", attributes=QUEUE),
    SDB1: UdevDevice("sdb1", SDB1, HIDDEN),
    DM0: UdevDevice(
        "dm-0",
        DM0,
        {"DM_UDEV_RULES_VSN": "2"},
        tuple(f"{BY_ID}/{each}" for each in LINKS),
        "oracle",
        "dba",
        0o660,
        attributes=QUEUE,
    ),
    DM1: UdevDevice(
        "dm-1", DM1, {}, tuple(f"{BY_ID}/{each}" for each in PART_LINKS), "oracle", "dba", 0o660
    ),
}
STATE = UdevState(
    devices=DEVICES,
    partitions={SDA: (), SDB: (SDB1,)},
    rule_files=(RuleFile("63-san-device-mapper-links.rules", True, True),),
    physical_volumes=frozenset({DM0}),
)
HOST = whole(
    maps=(
        Map("data", "mpath-3600", DM0, live=TABLE),
        Map("data-part1", "part1-mpath-3600", DM1, live=parse_table("0 8 linear 252:0 8")),
    ),
    resolved={link: number for number in (DM0, DM1) for link in DEVICES[number].links},
    udev=STATE,
)
STATED = Request(
    hide_paths=True,
    links=True,
    partition_maps=True,
    permissions=(Permission("3600", "oracle", "dba", "0660"),),
    tuning=(Tuning("PURE", "Flash*", (("scheduler", "none"),)),),
    nvme=(),
    rules=(),
    initramfs="never",
    verify=True,
)


def seen(number: DeviceNumber, **changes: Any) -> Host:
    """Return the host with one device that udev shows otherwise."""
    changed = {**DEVICES, number: replace(DEVICES[number], **changes)}
    return replace(HOST, udev=replace(STATE, devices=changed))


def state(**changes: Any) -> Host:
    return replace(HOST, udev=replace(STATE, **changes))


def found(host: Host, stated: Request = STATED) -> list[tuple[str, str, str, str]]:
    return [
        (each.device, each.property, each.expected, each.found) for each in failures(stated, host)
    ]


def test_nothing_fails_where_all_is_as_stated() -> None:
    assert found(HOST) == []
    assert report(STATED, HOST)["paths"] == ["sda", "sdb"]


@pytest.mark.parametrize(
    ("host", "failure"),
    [
        (
            seen(SDA, properties={**HIDDEN, "SYSTEMD_READY": ""}),
            ("sda", "SYSTEMD_READY", "0", ""),
        ),
        (
            seen(SDB1, properties={**HIDDEN, "DM_MULTIPATH_DEVICE_PATH": "0"}),
            ("sdb1", "DM_MULTIPATH_DEVICE_PATH", "1", "0"),
        ),
        (
            seen(SDB, properties={**HIDDEN, "ID_FS_TYPE": "xfs"}),
            ("sdb", "ID_FS_TYPE", "mpath_member", "xfs"),
        ),
        (
            seen(DM0, properties={}),
            ("data", "DM_UDEV_RULES_VSN", "set by the rules of device-mapper", ""),
        ),
        (
            seen(DM0, properties={"DM_UDEV_RULES_VSN": "2", "MPATH_DEVICE_READY": "0"}),
            ("data", "MPATH_DEVICE_READY", "1", "0"),
        ),
        (
            replace(HOST, resolved={**HOST.resolved, f"{BY_ID}/wwn-0x600": SDB}),
            ("data", f"{BY_ID}/wwn-0x600", "dm-0", "sdb"),
        ),
        (
            replace(
                HOST,
                resolved={
                    k: v
                    for k, v in HOST.resolved.items()
                    if "600-part1" not in k or "wwn" in k or "uuid" in k
                },
            ),
            ("data-part1", f"{BY_ID}/scsi-3600-part1", "dm-1", ""),
        ),
        (seen(DM1, owner="root"), ("data-part1", "owner", "oracle", "root")),
        (seen(DM0, mode=0o600), ("data", "mode", "0660", "0600")),
        (
            seen(SDA, attributes={**QUEUE, "queue/scheduler": "none [mq-deadline]"}),
            ("sda", "queue/scheduler", "none", "mq-deadline"),
        ),
        (seen(DM0, attributes={}), ("data", "queue/scheduler", "none", "")),
        (
            state(rule_files=(RuleFile("63-san-device-mapper-links.rules", False, False),)),
            (
                "/etc/udev/rules.d/63-san-device-mapper-links.rules",
                "rule file",
                "as the role installs it",
                "no such file",
            ),
        ),
        (
            state(shadowed={"/etc/udev/rules.d/55-dm.rules": "/lib/udev/rules.d/55-dm.rules"}),
            (
                "/lib/udev/rules.d/55-dm.rules",
                "rule file",
                "in effect",
                "hidden by /etc/udev/rules.d/55-dm.rules",
            ),
        ),
        (
            state(physical_volumes=frozenset({SDB1})),
            ("sdb1", "LVM", "not seen", "a physical volume"),
        ),
        (
            state(listed_by_lvm=frozenset({SDB, DeviceNumber(8, 99)})),
            ("data", "LVM devices file", "the map", "its paths"),
        ),
        (
            replace(
                state(physical_volumes=None),
                maps=(replace(HOST.maps[0], suspended=True), HOST.maps[1]),
            ),
            ("data", "LVM", "to be asked what it sees", "the map would not answer"),
        ),
        (
            state(
                initramfs_needed=True,
                multipath_rules=("/lib/60-multipath.rules", "/lib/60-kpartx.rules"),
                initramfs=Initramfs(
                    "initramfs-tools",
                    True,
                    "/boot/initrd.img",
                    frozenset({"60-multipath.rules", "63-san-device-mapper-links.rules"}),
                ),
            ),
            ("/boot/initrd.img", "udev/rules.d/60-kpartx.rules", "in the image", "missing"),
        ),
        (
            state(initramfs_needed=True, initramfs=Initramfs("dracut", True, "/boot/initrd.img")),
            ("/boot/initrd.img", "initramfs", "an image that can be listed", "none"),
        ),
    ],
)
def test_what_fails_is_named(host: Host, failure: tuple[str, str, str, str]) -> None:
    assert failure in found(host)
    assert len(found(host)) == (2 if host.maps[0].suspended else 1)


def partitioned(*partitions: Partition, problem: str = "") -> Host:
    """Return the host with what is found on the map; the map of partition 1 is 8 sectors from 8."""
    table = PartitionTable("dos", partitions, problem=problem)
    parent = Parent("data", "data", "mpath-3600", DM0, 2048, partition_table=table)
    return replace(HOST, parents=(parent,))


def test_each_partition_has_a_map_of_its_place() -> None:
    one, two = Partition(1, 8, 8), Partition(2, 16, 100, extended=True)
    assert found(partitioned(one)) == []
    assert found(partitioned(one, two)) == [
        ("data", "partition 2", "a map of 2 sectors from 16", "")
    ]
    for moved in (Partition(1, 16, 8), Partition(1, 8, 16)):
        ((_map, what, _expected, present),) = found(partitioned(moved))
        assert (what, present) == ("partition 1", "data-part1 with another table")
    unread = ("data", "partition table", "one that can be read", "it lies")
    assert found(partitioned(problem="it lies")) == [unread]


def test_what_multipath_tools_hides_may_keep_what_is_on_it() -> None:
    hidden = {**HIDDEN, "ID_FS_TYPE": "xfs"}
    del hidden["SAN_DEVICE_MAPPER_MAP"]
    assert found(seen(SDA, properties=hidden)) == []


def test_a_link_that_two_maps_claim_may_lead_to_either() -> None:
    """Two partitions named alike, or a file system and its snapshot; but to no path."""
    label = "/dev/disk/by-partlabel/primary"
    both = {
        number: replace(DEVICES[number], links=(*DEVICES[number].links, label))
        for number in (DM0, DM1, SDB1)
    }
    host = replace(HOST, udev=replace(STATE, devices={**DEVICES, **both}))
    for number in (DM0, DM1):
        assert found(replace(host, resolved={**HOST.resolved, label: number})) == []
    astray = replace(host, resolved={**HOST.resolved, label: SDB1})
    assert found(astray) == [
        ("data", label, "dm-0", "sdb1"),
        ("data-part1", label, "dm-1", "sdb1"),
    ]


def test_only_what_is_stated_is_expected() -> None:
    nothing = Request(False, False, False, (), (), (), (), "never", False)
    bare = {number: replace(each, properties={}, links=()) for number, each in DEVICES.items()}
    bare[DM0] = replace(bare[DM0], properties={"DM_UDEV_RULES_VSN": "2"})
    assert found(replace(HOST, resolved={}, udev=replace(STATE, devices=bare)), nothing) == []


def test_the_first_that_matches_counts_and_the_map_is_what_its_paths_are() -> None:
    both = (
        Tuning("PU*", "*", (("timeout", "60"),)),
        Tuning("PURE", "*", (("scheduler", "kyber"),)),
    )
    stated = replace(STATED, tuning=both)
    assert [each[:2] for each in found(HOST, stated)] == [
        ("sda", "device/timeout"),
        ("sdb", "device/timeout"),
    ]
    stated = replace(STATED, tuning=both[1:])
    assert [each[0] for each in found(HOST, stated)] == ["sda", "sdb", "data"]


def test_the_longest_request_does_not_fail_before_the_next_boot() -> None:
    stated = replace(STATED, tuning=(Tuning("PURE", "*", (("max_sectors_kb", "512"),)),))
    assert found(HOST, stated) == []
    assert [(each.device, each.expected, each.found) for each in pending(stated, HOST)] == [
        ("sda", "512", "1280"),
        ("sdb", "512", "1280"),
    ]


def test_nodes_whose_owner_is_stated_no_more_can_be_given_back() -> None:
    owned = {"DM_UDEV_RULES_VSN": "2", "SAN_DEVICE_MAPPER_PERMISSIONS": "1"}
    host = seen(DM0, properties=owned)
    assert report(STATED, host)["restorable"] == []
    assert report(replace(STATED, permissions=()), host)["restorable"] == ["/dev/dm-0"]


def test_early_mounts_are_reported_by_their_lun() -> None:
    answer = report(STATED, state(early_mounts=(EarlyMount("/", "mpath-3600"),)))
    assert answer["early_mounts"] == [{"place": "/", "wwid": "3600"}]


def controller(name: str, transport: str, loss: int | None, fail: int | None) -> NvmeController:
    return NvmeController(
        name, transport, ctrl_loss_tmo=loss, fast_io_fail_tmo=fail, reconnect_delay=7
    )


@pytest.mark.parametrize(
    ("tuning", "wrong"),
    [
        (NvmeTuning("nqn.other", "*", iopolicy="numa"), []),
        (NvmeTuning("*", "Arr*", iopolicy="round-robin"), []),
        (
            NvmeTuning("nqn.?", "*", iopolicy="numa"),
            [("nvme-subsys0", "iopolicy", "numa", "round-robin")],
        ),
        (NvmeTuning("*", "*", ctrl_loss_tmo=600), [("nvme1", "ctrl_loss_tmo", "600", "off")]),
        (NvmeTuning("*", "*", "tcp", ctrl_loss_tmo=600), []),
        (
            NvmeTuning("*", "*", "tcp", ctrl_loss_tmo=603),
            [("nvme0", "ctrl_loss_tmo", "603", "602")],
        ),
        (
            NvmeTuning("*", "*", fast_io_fail_tmo=-1),
            [("nvme0", "fast_io_fail_tmo", "off", "5")],
        ),
        (NvmeTuning("*", "*", "fc", fast_io_fail_tmo=-1), []),
    ],
)
def test_the_settings_of_nvme_are_verified(
    tuning: NvmeTuning, wrong: list[tuple[str, str, str, str]]
) -> None:
    subsystem = NvmeSubsystem(
        "nvme-subsys0",
        "nqn.x",
        "Array",
        iopolicy="round-robin",
        controllers=(
            controller("nvme0", "tcp", 602, 5),
            controller("nvme1", "fc", -1, -1),
            controller("nvme2", "pcie", None, None),
        ),
    )
    never = NvmeTuning("*", "*", iopolicy="queue-depth")
    request = replace(STATED, nvme=(tuning, *([never] if tuning.subsystem == "*" else [])))
    found = failures(request, replace(HOST, nvme=(subsystem,)))
    assert [tuple(vars(each).values()) for each in found] == wrong
