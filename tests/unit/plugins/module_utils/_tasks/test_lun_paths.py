# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.memory_host import DEFAULTS, MemoryHost
from unit.memory_kernel import MemoryKernel

from ansible_collections.san.device_mapper.plugins.module_utils._tasks import lun_paths
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    Refused,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.kernel import (
    Kernel,
    Readings,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.nvme import (
    NvmeController,
    NvmeNamespace,
    NvmePath,
    NvmeSubsystem,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use

WWID, OTHER, NAMESPACE = "3600", "3601", "uuid.1"
SCAN = "echo '- - -' > /sys/class/scsi_host/{}/scan"


def path(name: str, minor: int, address: str, wwid: str = WWID, **more: Any) -> BlockDevice:
    given = {"sectors": 2048, "state": "running", **more}
    return BlockDevice(name, DeviceNumber(8, minor), wwid=wwid, address=address, **given)


SDA = path("sda", 0, "0:0:0:0", reported_sectors=2048)
SDB = path("sdb", 16, "1:0:0:0", reported_sectors=2048)
SDC = path("sdc", 32, "0:0:0:1", OTHER, reported_sectors=2048)
LOCAL = path("sdz", 48, "2:0:0:0", "35000", reported_sectors=2048)
NVME0 = path("nvme0n1", 64, "", NAMESPACE, state="live")
NVME1 = path("nvme1n1", 80, "", NAMESPACE, state="live")


class San(MemoryHost):
    """A host, on which tasks run."""

    def __init__(
        self,
        kernel: MemoryKernel,
        scsi_hosts: tuple[str, ...] = ("host0", "host1", "host10"),
        native_nvme_multipath: bool = False,
    ) -> None:
        super().__init__(kernel, scsi_hosts=scsi_hosts, native_nvme_multipath=native_nvme_multipath)

    def task(self, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        """Return what a task returns."""
        return self.run("lun_paths", check_mode, **options)


def san(*known: BlockDevice, **unscanned: tuple[BlockDevice, ...]) -> San:
    kernel = MemoryKernel({})
    kernel.known, kernel.unscanned = known, unscanned
    return San(kernel)


def names(result: dict[str, Any]) -> list[list[str]]:
    return [[each["name"] for each in lun["paths"]] for lun in result["luns"]]


def test_paths_that_are_there_are_not_scanned_for() -> None:
    host = san(SDA, SDB, LOCAL, host0=(SDC,))
    result = host.task(wwid=WWID, min_paths=2)
    assert (result["changed"], result["plan"], host.kernel.writes) == (False, [], ())
    assert (result["added"], result["removed"], names(result)) == ([], [], [["sda", "sdb"]])
    assert "diff" not in result


def test_missing_paths_are_scanned_for_and_waited_for() -> None:
    host = san(SDA, LOCAL, host1=(SDB,))
    result = host.task(wwid=WWID, min_paths=2, timeout=7)
    scans = [SCAN.format(each) for each in ("host0", "host1", "host10")]
    assert result["plan"] == [*scans, "wait for 2 paths of 3600"]
    assert host.kernel.writes == ("scan host0", "scan host1", "scan host10")
    assert host.kernel.waits == (7.0,)
    assert (result["added"], names(result)) == (["sdb"], [["sda", "sdb"]])
    assert result["diff"] == {
        "before": "3600\n  sda 8:0 0:0:0:0 running, 2048 sectors\n",
        "after": (
            "3600\n  sda 8:0 0:0:0:0 running, 2048 sectors\n"
            "  sdb 8:16 1:0:0:0 running, 2048 sectors\n"
        ),
    }
    assert host.task(wwid=WWID, min_paths=2)["changed"] is False


def test_check_mode_says_what_would_be_scanned_and_writes_nothing() -> None:
    host = san(SDA, host1=(SDB,))
    checked = host.task(check_mode=True, wwid=WWID, min_paths=2)
    assert (host.kernel.writes, host.kernel.waits) == ((), ())
    assert (checked["changed"], checked["added"]) == (True, [])
    assert checked["plan"] == host.task(wwid=WWID, min_paths=2)["plan"]


@pytest.mark.parametrize(
    ("stated", "scanned"),
    [
        (["host1"], ["host1"]),
        (["10", "0"], ["host0", "host10"]),
        (["01"], ["host1"]),
        (None, ["host0", "host1", "host10"]),
    ],
)
def test_only_the_hosts_that_are_stated_are_scanned(
    stated: list[str] | None, scanned: list[str]
) -> None:
    host = san(host0=(SDA,), host1=(SDA,), host10=(SDA,))
    host.task(wwid=WWID, hosts=stated)
    assert host.kernel.writes == tuple(f"scan {each}" for each in scanned)


def test_many_luns_share_a_scan_and_each_may_have_its_own_options() -> None:
    host = san(SDC, host0=(SDA,), host1=(SDB,))
    result = host.task(
        min_paths=2,
        luns=[{"wwid": WWID, "hosts": None}, {"wwid": OTHER, "min_paths": 1}],
    )
    assert host.kernel.writes == ("scan host0", "scan host1", "scan host10")
    assert result["plan"][-1] == "wait for 2 paths of 3600"
    assert names(result) == [["sda", "sdb"], ["sdc"]]


def test_paths_that_do_not_come_are_a_failure_that_says_what_was_done() -> None:
    host = san(SDC, host1=(SDB,))
    with pytest.raises(DeviceMapperError) as failed:
        host.task(luns=[{"wwid": WWID, "min_paths": 2}, {"wwid": OTHER, "min_paths": 3}], timeout=5)
    message = str(failed.value)
    for words in (
        "wwid: 3600: 1 path is there (sdb of 2048 sectors), fewer than min_paths (2)",
        "wwid: 3601: 1 path is there (sdc of 2048 sectors), fewer than min_paths (3)",
        "after 5 seconds and a scan of host0, host1, host10",
        "lower min_paths",
    ):
        assert words in message
    assert host.kernel.writes == ("scan host0", "scan host1", "scan host10")


@pytest.mark.parametrize(
    ("options", "option", "value", "found"),
    [
        ({"wwid": WWID, "min_paths": 0}, "min_paths", 0, "must be at least 1"),
        ({"wwid": ""}, "wwid", "", "it is empty"),
        ({"wwid": "a b"}, "wwid", "a b", "mangled"),
        ({"wwid": WWID, "hosts": []}, "hosts", [], "the list is empty"),
        ({"wwid": WWID, "hosts": ["sda"]}, "hosts", "sda", "not the name of a SCSI host"),
        ({"wwid": WWID, "hosts": ["-1"]}, "hosts", "-1", "not the name of a SCSI host"),
        ({"wwid": WWID, "hosts": ["7"]}, "hosts", "host7", "host0, host1, host10"),
        ({"luns": [{"wwid": WWID}, {"wwid": WWID}]}, "wwid", WWID, "more than once"),
        ({"wwid": NAMESPACE}, "wwid", NAMESPACE, "no NVMe controller to scan"),
    ],
)
def test_bad_options_are_refused(
    options: dict[str, Any], option: str, value: object, found: str
) -> None:
    host = san(LOCAL)
    for check_mode in (True, False):
        with pytest.raises(Refused) as refused:
            host.task(check_mode, **options)
        assert (refused.value.option, refused.value.value) == (option, value)
        assert found in refused.value.found
        assert refused.value.way_out
    assert host.kernel.writes == ()


def test_a_host_without_scsi_cannot_be_scanned() -> None:
    host = San(MemoryKernel({}), scsi_hosts=())
    with pytest.raises(Refused, match="has no SCSI host of a SAN to scan"):
        host.task(wwid=WWID)


def test_a_stale_size_is_made_right_and_only_that() -> None:
    grown = replace(SDB, reported_sectors=4096)
    host = san(SDA, grown, LOCAL)
    checked = host.task(check_mode=True, wwid=WWID)
    done = host.task(wwid=WWID)
    assert done["plan"] == ["echo 1 > /sys/class/block/sdb/device/rescan"]
    assert (checked["plan"], checked["diff"]) == (done["plan"], done["diff"])
    assert "sdb 8:16 1:0:0:0 running, 4096 sectors" in done["diff"]["after"]
    assert host.kernel.writes == ("rescan sdb",)
    assert host.task(wwid=WWID)["changed"] is False


@pytest.mark.parametrize("state", ["offline", "transport-offline", "blocked"])
def test_a_path_that_cannot_answer_is_left_alone(state: str) -> None:
    dead = replace(SDB, state=state, reported_sectors=0, sectors=1024)
    host = san(SDA, dead)
    assert host.task(wwid=WWID, min_paths=2)["plan"] == []


def test_sizes_that_nobody_can_be_asked_for_are_learnt_where_paths_differ() -> None:
    host = San(MemoryKernel({}), scsi_hosts=("host0", "nvme0", "nvme1"))
    host.kernel.known = (NVME0, replace(NVME1, sectors=4096))
    host.kernel.arriving_sizes = {"nvme0n1": 4096, "nvme1n1": 4096}
    result = host.task(wwid=NAMESPACE)
    assert result["plan"] == [
        "echo 1 > /sys/class/block/nvme0n1/device/rescan_controller",
        "echo 1 > /sys/class/block/nvme1n1/device/rescan_controller",
        "wait for 1 path of uuid.1",
    ]
    assert host.task(wwid=NAMESPACE)["changed"] is False


def test_paths_that_go_on_to_differ_are_a_failure() -> None:
    host = San(MemoryKernel({}), scsi_hosts=("nvme0", "nvme1"))
    host.kernel.known = (NVME0, replace(NVME1, sectors=4096))
    host.kernel.arriving_sizes = {"nvme0n1": 2048, "nvme1n1": 4096}
    with pytest.raises(DeviceMapperError, match="nvme1n1 of 4096 sectors") as failed:
        host.task(wwid=NAMESPACE)
    assert "if sizes differ, check the LUN at the array" in str(failed.value)


def test_missing_paths_of_a_namespace_are_looked_for_by_nvme_controllers() -> None:
    host = San(MemoryKernel({}), scsi_hosts=("host0", "nvme0", "nvme1"))
    host.kernel.known, host.kernel.unscanned = (NVME0,), {"nvme1": (NVME1,)}
    result = host.task(wwid=NAMESPACE, min_paths=2)
    assert result["plan"][1] == "echo 1 > /sys/class/nvme/nvme1/rescan_controller"
    assert host.kernel.writes == ("scan nvme0", "scan nvme1")


def test_a_namespace_whose_paths_the_kernel_joins_is_refused() -> None:
    host = San(MemoryKernel({}), ("nvme0",), native_nvme_multipath=True)
    with pytest.raises(Refused, match=r"nvme_core.multipath is Y") as refused:
        host.task(wwid=NAMESPACE)
    assert "no NVMe multipath device of this host has this WWID" in str(refused.value)
    assert "nvme connect-all" in str(refused.value)
    assert host.task(wwid=NAMESPACE, state="absent")["changed"] is False
    controller = NvmeController("nvme0", "tcp", "traddr=192.0.2.1", "live")
    path = NvmePath("nvme0c0n1", controller, 2048)
    joined = NvmeNamespace("nvme0n1", DeviceNumber(259, 1), 2048, NAMESPACE, paths=(path,))
    host.nvme = (NvmeSubsystem("nvme-subsys0", "nqn", namespaces=(joined,)),)
    with pytest.raises(Refused, match="this one is nvme0n1, with 1 of 1 paths active") as refused:
        host.task(wwid=NAMESPACE)
    assert "Use /dev/nvme0n1 as it is" in str(refused.value)
    with pytest.raises(Refused, match="sysfs can delete no namespace"):
        host.task(wwid=NAMESPACE, state="absent")
    host.used[joined.device] = (Use("mount", "/srv"),)
    with pytest.raises(Refused, match="and in use: mounted at /srv"):
        host.task(wwid=NAMESPACE, state="absent")


def test_unused_paths_are_deleted_and_waited_for() -> None:
    host = san(SDA, SDB, SDC, LOCAL)
    checked = host.task(check_mode=True, wwid=WWID, state="absent")
    done = host.task(wwid=WWID, state="absent", timeout=9)
    assert done["plan"] == [
        "echo 1 > /sys/class/block/sda/device/delete",
        "echo 1 > /sys/class/block/sdb/device/delete",
        "wait until udev has forgotten sda, sdb",
    ]
    for key in ("plan", "diff", "luns", "added", "removed"):
        assert checked[key] == done[key]
    assert (done["removed"], done["luns"], done["diff"]["after"]) == (["sda", "sdb"], [], "")
    assert (host.kernel.known, host.kernel.waits) == ((SDC, LOCAL), (9.0,))
    assert host.task(wwid=WWID, state="absent")["changed"] is False


def test_paths_that_stay_are_a_failure() -> None:
    host = san(SDA, SDB)
    host.kernel.stuck = frozenset({"sdb"})
    with pytest.raises(DeviceMapperError, match="sdb: deleted, but still there after 60 seconds"):
        host.task(wwid=WWID, state="absent")


def test_paths_in_use_are_refused_before_anything_is_written() -> None:
    host = san(SDA, SDB, SDC, host0=(SDA,))
    held = Use("map", "data", DeviceNumber(252, 0), "mpath-3600")
    host.used = {SDA.device: (held,), SDB.device: (held, Use("mount", "/srv"))}
    for check_mode in (True, False):
        with pytest.raises(Refused) as refused:
            host.task(
                check_mode,
                luns=[
                    {"wwid": OTHER, "state": "absent"},
                    {"wwid": "3602"},
                    {"wwid": WWID, "state": "absent"},
                ],
            )
        assert refused.value.found == (
            "its paths are in use: sda, sdb held by the map data (uuid mpath-3600);"
            " sdb mounted at /srv"
        )
        assert "multipath_map" in refused.value.way_out
    assert host.kernel.writes == ()


def test_a_path_that_sysfs_cannot_delete_is_refused() -> None:
    host = san(NVME0)
    with pytest.raises(Refused, match="nvme0n1 is not a SCSI disk"):
        host.task(wwid=NAMESPACE, state="absent")
    assert san(LOCAL).task(wwid=NAMESPACE, state="absent")["changed"] is False


POOL = tuple(
    path(f"sd{index}", index, f"{index % 2}:0:{index}:0", (WWID, OTHER, "3602")[index % 3])
    for index in range(9)
)


@given(
    st.lists(st.sampled_from(POOL), unique=True),
    st.lists(
        st.fixed_dictionaries(
            {
                "wwid": st.sampled_from((WWID, OTHER, "3602")),
                "state": st.sampled_from(("present", "absent")),
                "min_paths": st.integers(1, 3),
            }
        ),
        unique_by=lambda lun: str(lun["wwid"]),
        min_size=1,
    ),
    st.data(),
)
def test_laws(known: list[BlockDevice], luns: list[dict[str, Any]], data: st.DataObject) -> None:
    """A second run is quiet, what is not stated is not touched, and check mode foresees."""
    sizes = data.draw(st.lists(st.sampled_from((0, 4096)), min_size=9, max_size=9))
    disks = [replace(each, reported_sectors=size) for each, size in zip(POOL, sizes)]
    stated = {str(lun["wwid"]) for lun in luns}
    kernel = MemoryKernel({})
    kernel.known = tuple(disks[POOL.index(each)] for each in known)
    kernel.arriving_sizes = {each.name: 4096 for each in POOL}
    kernel.unscanned = {
        f"host{number}": tuple(each for each in disks if each.address[0] == str(number))
        for number in range(2)
    }
    host = San(kernel, ("host0", "host1"))
    left = [each for each in kernel.known if each.wwid not in stated]
    request = lun_paths.parse({**DEFAULTS["lun_paths"], "timeout": 60, "luns": luns})

    def run() -> tuple[str, ...]:
        plan = lun_paths.operations(request, lun_paths.observe(request, cast(Readings, host), 60))
        for step in plan:
            step.carry_out(cast(Kernel, kernel))
        return tuple(step.words() for step in plan)

    first = run()
    run()  # Scans may have found paths of LUNs that are to go, or whose size is stale.
    assert run() == ()
    assert {*left} <= {*kernel.known}
    assert first == () or kernel.writes
    assert all(
        each.wwid not in {str(lun["wwid"]) for lun in luns if lun["state"] == "absent"}
        for each in kernel.known
    )


def test_more_paths_than_max_paths_are_refused() -> None:
    assert not san(SDA, SDB).task(wwid=WWID, max_paths=2)["changed"]
    with pytest.raises(Refused, match="more than max_paths"):
        san(SDA, SDB).task(wwid=WWID, max_paths=1)
    with pytest.raises(Refused, match=r"must be at least min_paths \(3\)"):
        san(SDA, SDB).task(wwid=WWID, min_paths=3, max_paths=2)
    found = {"host0": (SDA, SDB, replace(SDC, wwid=WWID))}
    with pytest.raises(DeviceMapperError, match="more than max_paths"):
        san(**found).task(wwid=WWID, min_paths=2, max_paths=2)


LUN, OTHER_LUN = "3600140512345678000112233445566aa", "3600140587654321000112233445566aa"
OLD = replace(SDA, wwid=OTHER_LUN, page_wwids=(OTHER_LUN,))
NEW = replace(SDA, wwid=LUN, page_wwids=(LUN,))
REPLACED = [
    "echo 1 > /sys/class/block/sda/device/delete",
    "wait until udev has forgotten sda",
    SCAN.format("host0"),
]


@pytest.mark.parametrize(
    "known", [OLD, replace(OLD, page_wwids=(LUN,)), replace(NEW, wwid=OTHER_LUN)]
)
def test_a_lun_behind_the_number_of_another_one_is_found(known: BlockDevice) -> None:
    """The kernel has a disk there, so that no scan finds it; the disk itself says who it is."""
    host = san(known, host0=(NEW,))
    host.scsi_hosts = ("host0",)
    host.pages = {SDA.device: (LUN,)}
    checked = host.task(check_mode=True, wwid=LUN)
    done = host.task(wwid=LUN)
    assert done["plan"] == checked["plan"] == [*REPLACED, f"wait for 1 path of {LUN}"]
    assert names(done) == [["sda"]]
    assert not host.task(wwid=LUN)["changed"]


def test_a_path_that_is_another_lun_now_neither_grows_nor_counts() -> None:
    """It may be larger; the map of the LUN must not become so."""
    grown = replace(NEW, reported_sectors=4096)
    host = san(grown, replace(SDB, wwid=LUN), host0=(replace(OLD, reported_sectors=4096),))
    host.pages = {SDA.device: (OTHER_LUN,)}
    done = host.task(wwid=LUN)
    assert done["plan"] == REPLACED
    assert names(done) == [["sdb"]]


@pytest.mark.parametrize("known", [OLD, NEW])
def test_a_disk_that_is_another_lun_now_is_named_while_it_is_used(known: BlockDevice) -> None:
    host = san(known)
    host.pages = {SDA.device: (LUN if known is OLD else OTHER_LUN,)}
    host.used = {SDA.device: (Use("mount", "/srv"),)}
    with pytest.raises(Refused) as refused:
        host.task(wwid=LUN)
    found = refused.value.found
    assert found.startswith(f"udev takes sda (0:0:0:0) for {known.wwid}, but its SCSI page 0x83")
    assert found.endswith("and it is in use: mounted at /srv")
    assert not host.kernel.writes


def test_a_lun_that_udev_has_another_name_for_is_not_waited_for() -> None:
    host = san(replace(NEW, wwid="1VENDOR_disk_1", page_wwids=(LUN, "1VENDOR_disk_1")))
    with pytest.raises(Refused, match=r"sda .* is a path of it, but udev calls it 1VENDOR_disk_1"):
        host.task(wwid=LUN)


def test_local_hosts_are_scanned_only_if_they_are_stated() -> None:
    """To scan an ATA port resets its link."""
    host = san(host0=(SDA,), host1=(SDB,))
    host.local_hosts = frozenset({"host0", "host10"})
    assert host.task(wwid=WWID)["plan"][:-1] == [SCAN.format("host1")]
    host = san(host0=(SDA,), host1=(SDB,))
    host.local_hosts = frozenset({"host0", "host10"})
    assert host.task(wwid=WWID, hosts=["host0"])["plan"][:-1] == [SCAN.format("host0")]
