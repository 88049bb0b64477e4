# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._report.nvme import nvme_health
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import device_mapper_info
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.nvme import (
    NvmeController,
    NvmeNamespace,
    NvmePath,
    NvmeSubsystem,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use

DEVICE = DeviceNumber(259, 1)


def controller(number: int, state: str = "live", **parts: Any) -> NvmeController:
    address = f"traddr=192.0.2.{number},trsvcid=4420,host_traddr=none,src_addr=192.0.2.9"
    settings = {"ctrl_loss_tmo": 600, "fast_io_fail_tmo": -1, **parts}
    return NvmeController(f"nvme{number}", "tcp", address, state, **settings)


def namespace(*paths: NvmePath, **parts: Any) -> NvmeNamespace:
    return NvmeNamespace("nvme0n1", DEVICE, 2048, "uuid.1", 1, paths=paths, **parts)


def path(number: int, ana: str = "optimized", state: str = "live", **parts: Any) -> NvmePath:
    return NvmePath(f"nvme0c{number}n1", controller(number, state, **parts), 2048, ana, 1)


@pytest.mark.parametrize(
    ("paths", "state", "reasons"),
    [
        ((path(0), path(1, "non-optimized")), "healthy", []),
        ((path(0, ""), path(1, "")), "healthy", []),
        (
            (path(0), path(1, state="connecting"), path(2)),
            "degraded",
            [("path_down", "nvme0c1n1", "controller nvme1 is connecting")],
        ),
        (
            (path(0), path(1), path(2, state="deleting"), path(3, state="")),
            "degraded",
            [
                ("path_down", "nvme0c2n1", "controller nvme2 is deleting"),
                ("path_down", "nvme0c3n1", "controller nvme3 is gone"),
            ],
        ),
        (
            (path(0), path(1, "inaccessible")),
            "degraded",
            [("path_down", "nvme0c1n1", "inaccessible"), ("one_path_left", "", "nvme0c0n1")],
        ),
        ((path(0),), "degraded", [("one_path_left", "", "nvme0c0n1")]),
        (
            (path(0, "persistent-loss"), path(1, "change")),
            "queueing",
            [
                ("no_usable_path", "", "ctrl_loss_tmo 600, fast_io_fail_tmo off"),
                ("path_down", "nvme0c0n1", "persistent-loss"),
                ("path_in_transition", "nvme0c1n1", "change"),
            ],
        ),
        (
            (path(0, state="connecting", ctrl_loss_tmo=-1, fast_io_fail_tmo=5),),
            "dead",
            [
                ("no_usable_path", "", "ctrl_loss_tmo off, fast_io_fail_tmo 5"),
                ("path_down", "nvme0c0n1", "controller nvme0 is connecting"),
            ],
        ),
        (
            (path(0, state="dead"),),
            "dead",
            [
                ("no_usable_path", "", "ctrl_loss_tmo 600, fast_io_fail_tmo off"),
                ("path_down", "nvme0c0n1", "controller nvme0 is dead"),
            ],
        ),
        ((), "dead", [("no_usable_path", "", "")]),
    ],
)
def test_how_a_device_is_and_why(
    paths: tuple[NvmePath, ...], state: str, reasons: list[tuple[str, str, str]]
) -> None:
    found = nvme_health(namespace(*paths))
    assert found.state == state
    assert [(each.kind, each.name, each.found) for each in found.reasons] == reasons
    assert found.paths == len(paths)


@pytest.mark.parametrize("state", ["connecting", "resetting", "live"])
def test_io_waits_while_a_controller_may_come_back(state: str) -> None:
    assert nvme_health(namespace(path(0, "inaccessible", state))).state == "queueing"


def test_io_waits_for_the_delay_of_the_removal_when_all_paths_are_gone() -> None:
    assert nvme_health(namespace(delayed_removal=30)).state == "queueing"


def test_a_path_of_another_size_is_not_used() -> None:
    found = nvme_health(namespace(path(0), replace(path(1), sectors=4096), path(2)))
    assert (found.state, found.usable) == ("degraded", 2)
    assert vars(found.reasons[0]) == {
        "kind": "path_size",
        "path": "",
        "name": "nvme0c1n1",
        "found": str(4096 * 512),
        "expected": str(2048 * 512),
    }


def test_one_path_of_a_disk_on_pcie_is_all_that_there_can_be() -> None:
    local = NvmePath("nvme0c0n1", NvmeController("nvme0", "pcie", "0000:01:00.0", "live"), 2048)
    assert nvme_health(namespace(local)).state == "healthy"
    assert nvme_health(namespace(local), 2).state == "healthy"
    assert local.controller.target_address == "0000:01:00.0"


def test_expected_paths_say_how_many_are_enough() -> None:
    assert nvme_health(namespace(path(0)), 1).state == "healthy"
    (reason,) = nvme_health(namespace(path(0)), 2).reasons
    assert (reason.kind, reason.found, reason.expected) == ("too_few_paths", "1", "2")


LOST = path(1, state="connecting")
ARRAY = NvmeSubsystem(
    "nvme-subsys0",
    "nqn.array",
    "Array",
    iopolicy="numa",
    controllers=(controller(0), LOST.controller),
    namespaces=(
        namespace(path(0), LOST),
        NvmeNamespace("nvme0n2", DeviceNumber(259, 3), 2048, "uuid.2", 2, paths=(path(0), path(3))),
    ),
)
LOCAL = NvmeSubsystem(
    "nvme-subsys1", "nqn.disk", controllers=(NvmeController("nvme2", "pcie", "0000:01:00.0"),)
)
LV = Map("vg-lv", "LVM-x", DeviceNumber(253, 0), live=parse_table("0 8 linear 259:1 0"))
HOST = whole(
    maps=(LV,),
    nvme=(ARRAY, LOCAL),
    uses={DEVICE: (Use("lvm", "vg-lv", LV.device, "LVM-x"),)},
)
OPTIONS: dict[str, Any] = {
    "maps": None,
    "wwids": None,
    "health": None,
    "expected_paths": None,
    "max_paths": None,
    "partition_tables": False,
    "reservations": False,
}
TREE = """\
NVMe subsystem nqn.array Array numa
├─ controller nvme0 tcp traddr=192.0.2.0,trsvcid=4420,host_traddr=none,src_addr=192.0.2.9 live
├─ controller nvme1 tcp traddr=192.0.2.1,trsvcid=4420,host_traddr=none,src_addr=192.0.2.9 connecting
├─ namespace uuid.1 1 MiB
│  └─ NVMe multipath device nvme0n1 259:1, 1 MiB
│     ├─ path nvme0c0n1 nvme0 192.0.2.0 live optimized active
│     ├─ path nvme0c1n1 nvme1 192.0.2.1 connecting optimized NOT USABLE
│     └─ held by the LVM volume vg-lv
└─ namespace uuid.2 1 MiB
   └─ NVMe multipath device nvme0n2 259:3, 1 MiB
      ├─ path nvme0c0n1 nvme0 192.0.2.0 live optimized active
      └─ path nvme0c3n1 nvme3 192.0.2.3 live optimized active"""


def test_subsystems_are_shown_down_to_what_is_on_their_devices() -> None:
    result = device_mapper_info.report(device_mapper_info.parse(OPTIONS), HOST)
    assert result["tree"] == TREE
    array, local = result["nvme"]
    first, second = array["controllers"]
    assert (first["target_address"], first["target_service"]) == ("192.0.2.0", "4420")
    assert (first["host_address"], first["host_interface"]) == ("192.0.2.9", "")
    assert (second["state"], second["ctrl_loss_tmo"]) == ("connecting", 600)
    joined = array["namespaces"][0]
    assert (joined["path"], joined["device"], joined["size"]) == ("/dev/nvme0n1", "259:1", 1 << 20)
    assert [each["carries_io"] for each in joined["paths"]] == [True, False]
    assert joined["users"][0]["kind"] == "lvm"
    assert joined["health"]["state"] == "degraded"
    assert (local["controllers"][0]["target_address"], local["namespaces"]) == ("0000:01:00.0", [])


@pytest.mark.parametrize(
    ("options", "shown", "problems"),
    [
        (
            {},
            ["nvme0n1", "nvme0n2"],
            [
                "nvme0n1: degraded, 1 of 2 paths active; path down nvme0c1n1: controller nvme1 is"
                " connecting; one path left: nvme0c0n1"
            ],
        ),
        ({"health": ["healthy"]}, ["nvme0n2"], []),
        ({"wwids": ["uuid.2"]}, ["nvme0n2"], []),
        ({"wwids": ["uuid.3"]}, [], ["uuid.3: no map has this WWID"]),
        ({"maps": ["vg-lv"]}, [], []),
    ],
)
def test_what_fits_all_filters_is_returned(
    options: dict[str, Any], shown: list[str], problems: list[str]
) -> None:
    result = device_mapper_info.report(device_mapper_info.parse({**OPTIONS, **options}), HOST)
    assert [one["name"] for each in result["nvme"] for one in each["namespaces"]] == shown
    assert result["problems"] == problems
    assert ("nvme0n2" in result["tree"]) == ("nvme0n2" in shown)
