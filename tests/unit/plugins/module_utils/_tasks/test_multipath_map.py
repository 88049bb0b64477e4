# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from unit.memory_host import DEFAULTS as DEFAULTS_OF_ALL
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._plan.missing import Absent, Desired
from ansible_collections.san.device_mapper.plugins.module_utils._plan.stated import flat
from ansible_collections.san.device_mapper.plugins.module_utils._tasks.multipath_map import (
    operations,
    report,
    state,
)
from ansible_collections.san.device_mapper.plugins.module_utils._tasks.multipath_options import (
    parse,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map, UdevFlag
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    MultipathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    format_table,
    parse_table,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use

WWID, OTHER_WWID = "35525400000000001", "35525400000000002"
UUID = f"mpath-{WWID}"
DEFAULTS = DEFAULTS_OF_ALL["multipath_map"]
TABLE = parse_table("0 2048 multipath 0 0 1 1 service-time 0 2 2 8:0 1 1 8:16 1 1 ")


def disk(name: str, minor: int, address: str, wwid: str = WWID, **details: Any) -> BlockDevice:
    return BlockDevice(
        name,
        DeviceNumber(8, minor),
        **{"sectors": 2048, "wwid": wwid, "address": address, **details},
    )


SDA, SDB = disk("sda", 0, "2:0:0:0"), disk("sdb", 16, "3:0:0:0")
SDC = disk("sdc", 32, "2:0:0:1", OTHER_WWID)
HOST = whole(block_devices=(SDA, SDB, SDC), resolved={"/dev/sdb": SDB.device})


def desired(host: Host = HOST, **options: Any) -> Sequence[Desired | Absent]:
    return tuple(flat(state(parse({**DEFAULTS, **options}), host)))


def refusal(host: Host = HOST, **options: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        desired(host, **options)
    assert refused.value.way_out
    return refused.value


def text_of(stated: Sequence[Desired | Absent]) -> str:
    (only,) = stated
    assert isinstance(only, Desired)
    return format_table(only.table)


def test_all_disks_with_the_wwid_are_its_paths() -> None:
    assert desired(wwid=WWID, name="data") == (
        Desired(
            "data",
            UUID,
            parse_table("0 2048 multipath 0 0 2 1 service-time 0 1 0 8:0 service-time 0 1 0 8:16"),
        ),
    )


def test_without_a_name_the_map_is_named_by_its_wwid() -> None:
    (stated,) = desired(wwid=WWID)
    assert isinstance(stated, Desired)
    assert stated.name == WWID


@pytest.mark.parametrize("text", ["/dev/sdb", "3:0:0:0", "8:16", "sdb"])
def test_listed_paths_lead_to_the_wwid(text: str) -> None:
    (stated,) = desired(paths=[text], name="data")
    assert isinstance(stated, Desired)
    assert stated.uuid == UUID
    assert text_of((stated,)) == "0 2048 multipath 0 0 1 1 service-time 0 1 0 8:16"


def test_a_path_is_listed_by_its_place() -> None:
    placed = replace(SDB, links=("/dev/disk/by-path/pci-0000:00:03.0-scsi-0:0:0:0",))
    host = replace(HOST, block_devices=(SDA, placed))
    assert "8:16" in text_of(desired(host, paths=["pci-0000:00:03.0-scsi-0:0:0:0"]))


def test_stated_groups_are_used_in_their_order() -> None:
    sdd = disk("sdd", 48, "4:0:0:0", access_state="active/optimized")
    host = replace(HOST, block_devices=(SDA, SDB, SDC, sdd))
    stated = desired(host, path_groups=[["/dev/sdb", "4:0:0:0"], ["8:0"]])
    assert text_of(stated) == (
        "0 2048 multipath 0 0 2 1 service-time 0 2 0 8:16 8:48 service-time 0 1 0 8:0"
    )


def test_an_item_with_its_own_groups_does_not_inherit_the_policy() -> None:
    item = {"wwid": WWID, "path_groups": [["sdb"], ["sda"]]}
    stated = desired(maps=[{**dict.fromkeys(DEFAULTS), **item}], path_grouping_policy="multibus")
    assert "service-time 0 1 0 8:16 service-time 0 1 0 8:0" in text_of(stated)


def test_policies_selector_and_queueing_make_the_table() -> None:
    text = text_of(
        desired(
            wwid=WWID,
            path_grouping_policy="multibus",
            path_selector="queue-length",
            no_path_retry="queue",
        )
    )
    assert text == "0 2048 multipath 1 queue_if_no_path 0 1 1 queue-length 0 2 0 8:0 8:16"


def test_items_inherit_what_they_do_not_state() -> None:
    items = [
        {**DEFAULTS, "state": None, "wwid": WWID, "path_selector": None, "min_paths": None},
        {**DEFAULTS, "wwid": OTHER_WWID, "name": "log", "path_selector": "round-robin"},
    ]
    for item in items:
        item.update(path_grouping_policy=None, no_path_retry=None)
    stated = desired(
        maps=items,
        path_selector="queue-length",
        path_grouping_policy="multibus",
        no_path_retry="queue",
    )
    assert [format_table(each.table) for each in stated if isinstance(each, Desired)] == [
        "0 2048 multipath 1 queue_if_no_path 0 1 1 queue-length 0 2 0 8:0 8:16",
        "0 2048 multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 0 8:32",
    ]


def test_arguments_of_a_selector_are_inherited_with_it() -> None:
    throughput = {"relative_throughput": {"sda": 10}}
    own = {**dict.fromkeys(DEFAULTS), "wwid": WWID}
    inherits = desired(maps=[own], path_selector_arguments=throughput)
    assert "service-time 0 1 2 8:0 1 10 service-time 0 1 0 8:16" in text_of(inherits)
    item = {**own, "path_selector": "round-robin"}
    assert "round-robin 0 1 0 8:0" in text_of(
        desired(maps=[item], path_selector_arguments=throughput)
    )


@pytest.mark.parametrize(
    ("module", "option", "value"),
    [
        ("dm-multipath", "state", "present"),
        ("dm-io-affinity", "path_selector", "io-affinity"),
    ],
)
def test_what_the_kernel_has_no_module_for_is_refused(module: str, option: str, value: str) -> None:
    host = replace(HOST, missing_modules=frozenset({module}))
    masks = {"cpu_mask": {"sda": "1", "sdb": "1"}}
    options = {"path_selector": "io-affinity", "path_selector_arguments": masks}
    refused = refusal(host, wwid=WWID, **options)
    assert (refused.option, refused.value) == (option, value)
    assert f"no module {module}" in refused.found
    assert len(desired(HOST, wwid=WWID, **options)) == 1
    assert desired(host, wwid=WWID, state="absent") == ()


ATTACHED = replace(
    HOST,
    block_devices=(replace(SDA, hardware_handler="alua"), replace(SDB, hardware_handler="alua")),
)


@pytest.mark.parametrize(
    ("host", "stated", "expected"),
    [
        (HOST, "auto", "0 0 2 1"),
        (HOST, "none", "0 0 2 1"),
        (HOST, "emc", "0 1 emc 2 1"),
        (ATTACHED, "auto", "0 1 alua 2 1"),
        (ATTACHED, "none", "0 0 2 1"),
        (ATTACHED, "emc", "0 1 alua 2 1"),
        (ATTACHED, "alua", "0 1 alua 2 1"),
    ],
)
def test_the_hardware_handler(host: Host, stated: str, expected: str) -> None:
    text = text_of(desired(host, wwid=WWID, hardware_handler=stated))
    assert text.startswith(f"0 2048 multipath {expected} ")


def test_a_hardware_handler_that_cannot_be_is_refused() -> None:
    host = replace(HOST, missing_modules=frozenset({"scsi_dh_rdac"}))
    refused = refusal(host, wwid=WWID, hardware_handler="rdac")
    assert (refused.option, refused.value) == ("hardware_handler", "rdac")
    assert "no module scsi_dh_rdac" in refused.found
    no_scsi = replace(HOST, block_devices=(replace(SDA, address=""),))
    assert "sda is not a SCSI device" in refusal(no_scsi, wwid=WWID, hardware_handler="alua").found
    assert len(desired(no_scsi, wwid=WWID)) == 1


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"pg_init_retries": 50}, "2 pg_init_retries 50"),
        ({"pg_init_retries": 0, "queue_mode": None}, "0"),
        ({"pg_init_delay_msecs": 0}, "2 pg_init_delay_msecs 0"),
        (
            {"queue_mode": "bio", "pg_init_delay_msecs": 60000},
            "4 pg_init_delay_msecs 60000 queue_mode bio",
        ),
    ],
)
def test_features_are_device_mappers(features: dict[str, Any], expected: str) -> None:
    text = text_of(desired(wwid=WWID, features=features))
    assert text.startswith(f"0 2048 multipath {expected} 0 2 1 ")


def test_a_map_may_refuse_writes() -> None:
    (stated,) = desired(wwid=WWID, read_only=True)
    assert isinstance(stated, Desired)
    assert stated.read_only


def test_a_new_path_that_refuses_writes_is_refused_for_a_map_that_takes_them() -> None:
    host = replace(HOST, block_devices=(SDA, replace(SDB, read_only=True)))
    refused = refusal(host, wwid=WWID)
    assert (refused.option, refused.value) == ("read_only", False)
    assert refused.found == "the path sdb refuses writes"
    assert len(desired(host, wwid=WWID, read_only=True)) == 1
    present = replace(host, maps=(Map("data", UUID, live=TABLE),))
    assert len(desired(present, wwid=WWID)) == 1


def test_a_path_that_lost_its_wwid_stays_in_the_map_that_has_it() -> None:
    failed = replace(SDB, wwid="", state="offline")
    host = replace(HOST, block_devices=(SDA, failed), maps=(Map("data", UUID, live=TABLE),))
    assert "8:16" in text_of(desired(host, wwid=WWID))
    assert "8:16" in text_of(desired(host, wwid=WWID, paths=["8:0", "8:16"]))


@pytest.mark.parametrize("state", ["offline", "transport-offline"])
def test_a_path_that_is_down_joins_no_map_that_does_not_have_it(state: str) -> None:
    """The kernel could not open it; it joins once it is up."""
    down = replace(SDB, state=state, sectors=0)
    host = replace(HOST, block_devices=(SDA, down))
    assert "8:16" not in text_of(desired(host, wwid=WWID))
    assert refusal(host, wwid=WWID, min_paths=2).found.startswith("1 paths are there (sda)")
    listed = refusal(host, paths=["8:0", "8:16"])
    assert listed.option == "paths"
    assert listed.found.startswith("these paths are down: sdb; ")
    both = replace(host, block_devices=(replace(SDA, state=state), down))
    assert refusal(both, wwid=WWID).found.startswith("these paths are down: sda, sdb; ")
    member = replace(host, block_devices=(SDA, replace(SDB, state=state)))
    loaded = replace(member, maps=(Map("data", UUID, live=TABLE),))
    assert "8:16" in text_of(desired(loaded, wwid=WWID))
    assert "8:16" in text_of(
        desired(replace(loaded, maps=(Map("x", UUID, inactive=TABLE),)), wwid=WWID)
    )


def test_a_path_that_is_down_and_named_is_refused() -> None:
    host = replace(HOST, block_devices=(SDA, replace(SDB, state="offline")))
    arguments = {"relative_throughput": {"sdb": 10}}
    assert "sdb" in refusal(host, wwid=WWID, path_selector_arguments=arguments).found
    short = refusal(host, wwid=WWID, min_paths=2)
    assert short.found.endswith("; down, and in no map: sdb")


def test_a_map_opens_no_path_anew_that_is_down() -> None:
    host = replace(HOST, block_devices=(SDA, replace(SDB, state="offline")))
    present = replace(host, maps=(Map("data", UUID, live=TABLE),))
    refused = refusal(present, wwid=WWID, read_only=True)
    assert (refused.option, refused.found.endswith("these are down: sdb")) == ("read_only", True)


def test_a_map_of_bios_attaches_no_handler() -> None:
    options: dict[str, Any] = {"wwid": WWID, "features": {"queue_mode": "bio"}}
    options["hardware_handler"] = "alua"
    assert refusal(**options).option == "hardware_handler"
    disks = [replace(each, hardware_handler="alua") for each in (SDA, SDB)]
    host = replace(HOST, block_devices=tuple(disks))
    assert " 1 alua " in text_of(desired(host, **options))


def test_a_disk_without_a_wwid_is_nobodys_path() -> None:
    host = replace(HOST, block_devices=(SDA, replace(SDB, wwid="")))
    assert "8:16" not in text_of(desired(host, wwid=WWID))


def test_a_disk_that_the_tasks_own_map_holds_is_free() -> None:
    number = DeviceNumber(253, 0)
    held = {SDA.device: (Use("map", "data", number),)}
    host = replace(HOST, maps=(Map("data", UUID, number, live=TABLE),), uses=held)
    assert "8:0" in text_of(desired(host, wwid=WWID))


def test_an_unknown_wwid_is_refused_with_those_that_there_are() -> None:
    refused = refusal(wwid="36000")
    assert (refused.option, refused.value) == ("wwid", "36000")
    assert f"there are: {WWID}, {OTHER_WWID}" in refused.found


def test_a_host_without_any_wwid_says_so() -> None:
    assert "there are: none" in refusal(whole(), wwid=WWID).found


def test_fewer_paths_than_min_paths_are_refused() -> None:
    refused = refusal(wwid=WWID, min_paths=3)
    assert (refused.option, refused.value) == ("wwid", WWID)
    found = "2 paths are there (sda, sdb), fewer than min_paths (3); down, and in no map: none"
    assert refused.found == found


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("wwid", "eui.00000001"),
        ("paths", ["nvme0n1"]),
        ("paths", ["sda", "/dev/nvme0n1"]),
        ("paths", ["/dev/disk/by-id/nvme-uuid.1"]),
    ],
)
def test_a_namespace_whose_paths_the_kernel_joins_is_refused(option: str, value: Any) -> None:
    host = replace(HOST, native_nvme_multipath=True)
    refused = refusal(host, **{option: value})
    assert refused.option == option
    assert "so that there are no paths for a map to join" in refused.found
    assert "nvme_core.multipath=N" in refused.way_out
    assert "no block device" in refusal(HOST, **{option: value}).found
    assert "no block device" in refusal(host, paths=["sdz"]).found


@pytest.mark.parametrize("text", ["/dev/sdz", "9:9:9:9", "8:240", "sdz", "pci-0000", ""])
def test_a_listed_path_that_is_not_there_is_refused(text: str) -> None:
    refused = refusal(paths=["sda", text])
    assert (refused.option, refused.value) == ("paths", text)
    assert "no block device of this host" in refused.found
    refused = refusal(path_groups=[["sda"], [text]])
    assert (refused.option, refused.value) == ("path_groups", text)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"paths": ["sda", "sdc"]}, f"its WWID is {OTHER_WWID}, not {WWID}"),
        ({"wwid": WWID, "paths": ["sdc"]}, f"its WWID is {OTHER_WWID}, not {WWID}"),
    ],
)
def test_a_listed_path_of_another_lun_is_refused(options: dict[str, Any], found: str) -> None:
    refused = refusal(**options)
    assert (refused.option, refused.value, refused.found) == ("paths", "sdc", found)


def test_a_listed_path_without_a_wwid_is_refused() -> None:
    host = replace(HOST, block_devices=(replace(SDA, wwid=""), SDB))
    refused = refusal(host, paths=["sda"])
    assert (refused.option, refused.value) == ("paths", "sda")
    assert "unknown" in refused.found
    assert "unknown, not" in refusal(host, wwid=WWID, paths=["sda"]).found


def test_a_path_that_is_listed_under_two_names_is_refused() -> None:
    refused = refusal(paths=["sdb", "8:16"])
    assert (refused.option, refused.value) == ("paths", "8:16")
    assert refused.found == "it is the same path as sdb"


@pytest.mark.parametrize("sectors", [0, 4096])
def test_paths_of_several_sizes_are_refused(sectors: int) -> None:
    host = replace(HOST, block_devices=(SDA, replace(SDB, sectors=sectors)))
    refused = refusal(host, wwid=WWID)
    assert (refused.option, refused.value) == ("wwid", WWID)
    assert f"sda has 2048 sectors, sdb has {sectors} sectors" in refused.found
    assert refusal(host, paths=["sda", "sdb"]).option == "paths"


@pytest.mark.parametrize("state", ["offline", "blocked"])
@pytest.mark.parametrize("size", [0, 1024, 4096])
def test_a_path_that_does_not_answer_has_no_say_on_the_size(state: str, size: int) -> None:
    down = replace(SDB, state=state, sectors=size)
    host = replace(
        HOST, block_devices=(SDA, down), maps=(Map("data", UUID, DeviceNumber(253, 1), live=TABLE),)
    )
    task = {"wwid": WWID, "name": "data", "path_grouping_policy": "multibus"}
    assert operations(parse({**DEFAULTS, **task}), host) == ()
    both = replace(host, block_devices=(replace(SDA, state=state, sectors=size), down))
    assert operations(parse({**DEFAULTS, **task}), both) == ()
    # It would be in the table of another policy, too, which the kernel takes if it is long enough.
    other = parse({**DEFAULTS, "wwid": WWID, "name": "data"})
    if size == 1024:
        with pytest.raises(Refused, match="shorter: sdb has 1024") as refused:
            operations(other, host)
        assert refused.value.value == WWID
    else:
        assert len(operations(other, host)) == 2


@pytest.mark.parametrize(
    "use",
    [
        Use("mount", "/srv"),
        Use("swap"),
        Use("mount", "/boot", partition="sda1"),
        Use("lvm", "vg-root", DeviceNumber(253, 9)),
        Use("md", "md0", DeviceNumber(9, 0)),
        Use("map", "data10", DeviceNumber(253, 8)),
    ],
)
def test_a_path_that_somebody_else_uses_is_refused(use: Use) -> None:
    maps = (
        Map("data10", f"{UUID}0", DeviceNumber(253, 8), live=TABLE),
        Map("vg-root", "LVM-x", DeviceNumber(253, 9)),
    )
    refused = refusal(replace(HOST, maps=maps, uses={SDA.device: (use,)}), wwid=WWID)
    assert (refused.option, refused.value) == ("wwid", WWID)
    assert refused.found == f"the path sda (8:0) is in use: {use.words()}"


def test_a_map_does_not_shrink() -> None:
    present = Map("data", UUID, live=parse_table("0 4096 multipath 0 0 0 0"))
    refused = refusal(replace(HOST, maps=(present,)), wwid=WWID)
    assert (refused.option, refused.value) == ("wwid", WWID)
    assert "its paths have 2048 sectors now, the map data has 4096" in refused.found


def test_a_path_whose_place_another_lun_has_taken_leaves_the_map() -> None:
    """The storage has given the LUN's number to another one; the map must not write to that."""
    number = DeviceNumber(253, 0)
    taken = replace(SDA, wwid=OTHER_WWID)
    held = {each.device: (Use("map", "data", number),) for each in (SDA, SDB)}
    maps = (Map("data", UUID, number, live=TABLE),)
    host = replace(HOST, block_devices=(taken, SDB), maps=maps, uses=held)
    assert text_of(desired(host, wwid=WWID)) == "0 2048 multipath 0 0 1 1 service-time 0 1 0 8:16"
    assert f"its WWID is {OTHER_WWID}" in refusal(host, wwid=WWID, paths=["sda", "sdb"]).found
    assert "sda (8:0) is in use: held by the map data" in refusal(host, wwid=OTHER_WWID).found
    both = replace(host, block_devices=(taken, replace(SDB, wwid=OTHER_WWID)))
    assert "no block device of this host has this WWID" in refusal(both, wwid=WWID).found


LUN, OTHER_LUN = "3600140512345678000112233445566aa", "3600140587654321000112233445566aa"


def host_with(*paths: BlockDevice, live: Any = ()) -> Host:
    """Return a host with these paths, and a map of LUN with the paths of `live`."""
    number = DeviceNumber(253, 0)
    maps = (Map("data", f"mpath-{LUN}", number, live=live),) if live else ()
    held = (Use("map", "data", number),) if live else ()
    return replace(HOST, block_devices=paths, maps=maps, uses={each.device: held for each in paths})


@pytest.mark.parametrize("live", [(), TABLE])
@pytest.mark.parametrize(("udev", "page"), [(LUN, OTHER_LUN), (OTHER_LUN, LUN)])
def test_a_path_on_which_udev_and_page_83_differ_neither_joins_nor_stays(
    live: Any, udev: str, page: str
) -> None:
    """The array has given its LUN number to another LUN of the same size."""
    good = replace(SDA, wwid=LUN, page_wwids=(LUN,))
    host = host_with(good, replace(SDB, wwid=udev, page_wwids=(page,)), live=live)
    if live or udev == LUN:
        found = refusal(host, wwid=LUN)
        assert f"takes the path sdb (8:16) for {udev}, but its SCSI page 0x83 says {page}" in str(
            found
        )
    if udev == LUN:
        assert page in refusal(host, wwid=LUN, paths=["sda", "sdb"]).found


@pytest.mark.parametrize("udev", ["SVENDOR_disk_1", "1VENDOR_disk_1", ""])
def test_a_path_that_udev_has_renamed_stays_in_its_map(udev: str) -> None:
    good = replace(SDA, wwid=LUN, page_wwids=(LUN, "1VENDOR_disk_1"))
    host = host_with(good, replace(good, name="sdb", device=SDB.device, wwid=udev), live=TABLE)
    assert text_of(desired(host, wwid=LUN)).endswith("8:0 service-time 0 1 0 8:16")
    assert text_of(desired(host, wwid=LUN, paths=["sda", "sdb"])).endswith(
        "8:0 service-time 0 1 0 8:16"
    )
    (listed, *_rest) = desired(replace(host, maps=(), uses={}), wwid=LUN)
    assert text_of([listed]).endswith("8:0")


def test_a_map_shrinks_if_that_is_allowed() -> None:
    present = Map("data", UUID, DeviceNumber(253, 0), live=parse_table("0 4096 multipath 0 0 0 0"))
    host = replace(HOST, maps=(present,))
    assert "0 2048 multipath" in text_of(desired(host, wwid=WWID, allow_shrink=True))
    for start, length, fits in ((1024, 1024, True), (1024, 1025, False), (3000, 8, False)):
        live = parse_table(f"0 {length} linear 253:0 {start}")
        child = Map("data-part1", f"part1-{UUID}", DeviceNumber(253, 1), live=live)
        with_child = replace(host, maps=(present, child))
        if fits:
            assert desired(with_child, wwid=WWID, allow_shrink=True)
        else:
            refused = refusal(with_child, wwid=WWID, allow_shrink=True)
            assert (refused.option, refused.value) == ("allow_shrink", True)
            assert f"data-part1 ends at sector {start + length}" in refused.found


@pytest.mark.parametrize(
    ("states", "skip_kpartx", "expected"),
    [
        (("running", "running"), False, UdevFlag.NONE),
        (("running", "running"), True, UdevFlag.NO_KPARTX),
        (("offline", "transport-offline"), False, UdevFlag.NO_PATHS),
        (("offline", "running"), False, UdevFlag.NONE),
        (("blocked", "offline"), False, UdevFlag.NONE),
        (("live", ""), False, UdevFlag.NONE),
        (("offline", "offline"), True, UdevFlag.NO_PATHS | UdevFlag.NO_KPARTX),
    ],
)
def test_udev_is_told_of_kpartx_and_of_missing_paths(
    states: tuple[str, str], skip_kpartx: bool, expected: UdevFlag
) -> None:
    disks = (replace(SDA, state=states[0]), replace(SDB, state=states[1]))
    host = replace(HOST, block_devices=disks, maps=(Map("data", UUID, live=TABLE),))
    (stated,) = desired(host, wwid=WWID, skip_kpartx=skip_kpartx)
    assert isinstance(stated, Desired)
    assert stated.udev == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("unavailable", "unavailable"), UdevFlag.NO_PATHS),
        (("unavailable", "standby"), UdevFlag.NONE),
        (("active/optimized", "unavailable"), UdevFlag.NONE),
    ],
)
def test_a_path_without_access_by_alua_is_no_path(
    states: tuple[str, str], expected: UdevFlag
) -> None:
    disks = (replace(SDA, access_state=states[0]), replace(SDB, access_state=states[1]))
    (stated,) = desired(replace(HOST, block_devices=disks), wwid=WWID)
    assert isinstance(stated, Desired)
    assert stated.udev == expected


@pytest.mark.parametrize(
    ("feature", "letter", "refuses"),
    [
        ("1 queue_if_no_path", "F", True),
        ("1 queue_if_no_path", "A", False),
        ("0", "F", False),
    ],
)
def test_a_map_that_would_hang_is_not_resized(feature: str, letter: str, refuses: bool) -> None:
    live = parse_table(f"0 1024 multipath {feature} 0 1 1 round-robin 0 1 1 8:0 1")
    status = MultipathStatus.parse(f"2 0 0 0 1 1 E 0 1 0 8:0 {letter} 1")
    host = replace(HOST, maps=(Map("data", UUID, live=live, status=status),))
    if refuses:
        assert "queues and has no active path" in refusal(host, wwid=WWID).found
    else:
        assert len(desired(host, wwid=WWID)) == 1


def test_two_items_that_lead_to_one_lun_are_refused() -> None:
    items = [{**DEFAULTS, "wwid": WWID, "name": "a"}, {**DEFAULTS, "paths": ["sdb"], "name": "b"}]
    refused = refusal(maps=items)
    assert refused.option == "wwid"
    assert WWID in str(refused.value)


DATA = Map("data", UUID, DeviceNumber(253, 0), live=TABLE)
PART1 = Map(
    "data-part1",
    f"part1-{UUID}",
    DeviceNumber(253, 1),
    live=parse_table("0 8 linear 253:0 0"),
)
PRESENT = replace(
    HOST, maps=(DATA, PART1), uses={DATA.device: (Use("map", "data-part1", PART1.device),)}
)


@pytest.mark.parametrize("options", [{"wwid": WWID}, {"name": "data"}, {"wwid": WWID, "name": "x"}])
def test_a_map_is_removed_after_its_partition_maps(options: dict[str, Any]) -> None:
    assert desired(PRESENT, state="absent", **options) == (Absent(f"part1-{UUID}"), Absent(UUID))


@pytest.mark.parametrize("options", [{"wwid": OTHER_WWID}, {"name": "log"}])
def test_what_is_not_there_need_not_be_removed(options: dict[str, Any]) -> None:
    assert desired(PRESENT, state="absent", **options) == ()


def test_an_empty_partition_map_of_an_interrupted_run_is_removed_too() -> None:
    host = replace(PRESENT, maps=(DATA, replace(PART1, live=())))
    assert desired(host, state="absent", wwid=WWID) == (Absent(f"part1-{UUID}"), Absent(UUID))


@pytest.mark.parametrize(
    "lookalike",
    [
        replace(PART1, uuid=f"part1-{UUID}0"),
        replace(PART1, uuid=f"LVM-part1-{UUID}"),
        replace(PART1, live=parse_table("0 8 linear 253:10 0")),
        replace(PART1, live=parse_table("0 8 linear 8:32 0")),
    ],
)
def test_a_lookalike_of_a_partition_map_is_not_removed(lookalike: Map) -> None:
    host = replace(HOST, maps=(DATA, lookalike))
    assert desired(host, state="absent", wwid=WWID) == (Absent(UUID),)


@pytest.mark.parametrize("device", [DATA.device, PART1.device])
@pytest.mark.parametrize(
    "use", [Use("mount", "/srv/data"), Use("lvm", "vg-lv", DeviceNumber(253, 7))]
)
def test_a_map_in_use_is_not_removed(device: DeviceNumber, use: Use) -> None:
    uses = {**PRESENT.uses, device: (*PRESENT.uses.get(device, ()), use)}
    refused = refusal(replace(PRESENT, uses=uses), state="absent", name="data")
    assert (refused.option, refused.value) == ("name", "data")
    assert refused.found == f"the map data is in use: {use.words()}"


@pytest.mark.parametrize(
    ("opened", "child_opened", "deferred", "child_deferred"),
    [(1, 0, False, False), (2, 0, True, False), (1, 1, True, True)],
)
@pytest.mark.parametrize("is_process", [False, True])
def test_the_removal_of_a_map_in_use_may_be_deferred(
    opened: int, child_opened: int, deferred: bool, child_deferred: bool, is_process: bool
) -> None:
    use = Use("process", "cat") if is_process else Use("mount", "/srv/data")
    uses = {PART1.device: (use,) * child_opened, **PRESENT.uses}
    maps = (replace(DATA, open_count=opened), replace(PART1, open_count=child_opened))
    host = replace(PRESENT, uses=uses, maps=maps)
    assert desired(host, state="absent", wwid=WWID, in_use="defer") == (
        Absent(f"part1-{UUID}", child_deferred),
        Absent(UUID, deferred, keeps_queueing=child_opened > 0 and not is_process),
    )


@pytest.mark.parametrize("uuid", ["LVM-x", "", f"part1-{UUID}"])
def test_a_map_that_is_no_multipath_map_is_not_removed_by_its_name(uuid: str) -> None:
    host = replace(HOST, maps=(Map("data", uuid),))
    refused = refusal(host, state="absent", name="data")
    assert (refused.option, refused.value) == ("name", "data")
    assert f"its uuid is {uuid or 'empty'}" in refused.found


@pytest.mark.parametrize("options", [{"wwid": WWID}, {"paths": ["sda"]}, {"name": "data"}])
def test_the_maps_that_are_there_are_reported(options: dict[str, Any]) -> None:
    state = {"state": "absent"} if "name" in options else {}
    request = parse({**DEFAULTS, **options, **state})
    (found,) = report(request, PRESENT)["maps"]
    assert found["name"] == "data"
    assert report(request, HOST) == {"maps": []}


def test_a_map_whose_path_is_gone_is_not_reported() -> None:
    assert report(parse({**DEFAULTS, "paths": ["sdz"]}), PRESENT) == {"maps": []}


def test_units_with_one_wwid_and_different_serial_numbers_are_refused() -> None:
    """Of two arrays, or copies; NVMe shows the serial number of the controller instead."""
    host = replace(HOST, block_devices=(replace(SDA, serial="A"), replace(SDB, serial="B"), SDC))
    found = refusal(host, wwid=WWID).found
    assert found.endswith("different unit serial numbers (SCSI page 0x80): sda: A; sdb: B")
    assert desired(host, wwid=WWID, path_grouping_policy="group_by_serial")
    nvme = tuple(replace(each, address="") for each in host.block_devices)
    assert desired(replace(host, block_devices=nvme), wwid=WWID)
    assert desired(replace(host, block_devices=(replace(SDA, serial="A"), SDB)), wwid=WWID)


def test_more_paths_than_max_paths_are_refused() -> None:
    assert desired(wwid=WWID, max_paths=2)
    found = refusal(wwid=WWID, max_paths=1).found
    assert found == "2 paths are there (sda, sdb), more than max_paths (1)"
    assert refusal(wwid=WWID, min_paths=3, max_paths=2).option == "max_paths"
