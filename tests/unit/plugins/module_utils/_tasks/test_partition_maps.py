# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from unit import memory_host
from unit.readings import whole

from ansible_collections.san.device_mapper.plugins.module_utils._plan.missing import Absent, Desired
from ansible_collections.san.device_mapper.plugins.module_utils._plan.steps import words
from ansible_collections.san.device_mapper.plugins.module_utils._tasks.partition_maps import (
    TASK,
    Request,
    delimiter_for,
    desire,
    operations,
    parse,
    report,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Parent,
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    format_table,
    parse_table,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.use import Use

UUID = "mpath-3600"
NUMBER = DeviceNumber(253, 1)
GPT = PartitionTable("gpt", (Partition(1, 2048, 1000), Partition(2, 4096, 500)))
PARENT = Parent("data", "data", UUID, NUMBER, 10_000, partition_table=GPT)
DEFAULTS = memory_host.DEFAULTS["partition_maps"]
MOUNTED = Use("mount", "/srv")


def partition_map(
    name: str, number: int = 1, table: str = "0 1000 linear 253:1 2048", parent: str = UUID
) -> Map:
    device = DeviceNumber(253, 20 + number)
    return Map(name, f"part{number}-{parent}", device, live=parse_table(table))


def desired(
    parent: Parent = PARENT,
    maps: Sequence[Map] = (),
    used: Sequence[Map] = (),
    kpartx: str | None = None,
    **options: Any,
) -> tuple[Desired | Absent, ...]:
    uses = {each.device: (MOUNTED,) for each in used}
    host = whole(maps=tuple(maps), uses=uses, parents=(parent,), kpartx_delimiter=kpartx)
    return desire(parse({**DEFAULTS, "device": "data", **options}), host)


def refusal(*arguments: Any, **options: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        desired(*arguments, **options)
    assert refused.value.way_out
    return refused.value


def names(stated: Sequence[Desired | Absent]) -> list[str]:
    return [each.name for each in stated if isinstance(each, Desired)]


def test_each_partition_gets_a_linear_map() -> None:
    one, two = parse_table("0 1000 linear 253:1 2048"), parse_table("0 500 linear 253:1 4096")
    assert desired(delimiter="-part") == (
        Desired("data-part1", "part1-mpath-3600", one),
        Desired("data-part2", "part2-mpath-3600", two),
    )


def test_a_read_only_device_has_read_only_maps() -> None:
    stated = desired(replace(PARENT, read_only=True))
    assert [each.read_only for each in stated if isinstance(each, Desired)] == [True, True]


def test_a_device_that_is_no_map_gives_its_number_to_the_uuids() -> None:
    parent = replace(PARENT, name="sda", uuid="devnode_8:0_Wh5pYvM")
    assert [each.uuid for each in desired(parent)] == [
        "part1-devnode_8:0_Wh5pYvM",
        "part2-devnode_8:0_Wh5pYvM",
    ]


def test_a_device_without_a_partition_table_has_no_maps() -> None:
    assert desired(replace(PARENT, partition_table=PartitionTable())) == ()


def test_maps_of_partitions_that_are_no_more_are_removed() -> None:
    stale = partition_map("data3", 3, "0 8 linear 253:1 9000")
    assert desired(maps=[stale])[0] == Absent("part3-mpath-3600")
    empty = replace(PARENT, partition_table=PartitionTable())
    assert desired(empty, [stale]) == (Absent("part3-mpath-3600"),)


def test_maps_that_another_reader_sees_are_not_removed_for_want_of_a_table() -> None:
    """And that is said; those that nobody sees are, and all of them where that is stated."""
    seen, stale = partition_map("data1"), partition_map("data3", 3, "0 8 linear 253:1 9000")
    for content in ("", "zfs_member"):
        nothing = PartitionTable(content=content, ignored=(Partition(1, 2048, 1000),))
        parent = replace(PARENT, partition_table=nothing)
        assert desired(parent, [seen, stale]) == (Absent(stale.uuid),)
        assert desired(parent, [replace(seen, live=parse_table("0 999 linear 253:1 2048"))])
        assert desired(parent, [seen], state="absent") == (Absent(seen.uuid),)
        host = whole(maps=(seen,), parents=(parent,))
        (warning,) = TASK.warnings(parse({**DEFAULTS, "device": "data"}), host, host)
        assert warning.startswith("data: kept data1: ")
        without = parse({**DEFAULTS, "device": "data", "purge": False})
        assert not [*TASK.warnings(without, host, host)]
        assert f"(it has: none){'; the whole device is a ' if content else ''}{content}" in (
            refusal(parent, partitions=[1]).found
        )


def test_only_the_stated_partitions_have_maps() -> None:
    assert names(desired(partitions=[2])) == ["data2"]
    assert desired(maps=[partition_map("data1")], partitions=[2])[0] == Absent("part1-mpath-3600")


def test_what_is_not_stated_stays_where_nothing_is_purged() -> None:
    stale = partition_map("data3", 3, "0 8 linear 253:1 9000")
    stated = desired(maps=[stale, partition_map("data1")], partitions=[2], purge=False)
    assert names(stated) == ["data2"]
    assert len(stated) == 1
    assert desired(maps=[stale], purge=False, state="absent") == (Absent(stale.uuid),)


def test_the_maps_are_read_only_where_stated() -> None:
    stated = desired(read_only=True)
    assert [each.read_only for each in stated if isinstance(each, Desired)] == [True, True]


def test_a_map_in_use_is_not_made_read_only() -> None:
    present = partition_map("data1")
    assert "would be made read-only, and is in use: mounted at /srv" in (
        refusal(maps=[present], used=[present], read_only=True).found
    )
    written = replace(present, read_only=True)
    assert names(desired(maps=[written], used=[written], read_only=True)) == ["data1", "data2"]
    assert names(desired(maps=[written], used=[written])) == ["data1", "data2"]


def test_the_container_of_logical_partitions_may_be_left_out() -> None:
    parent = with_table(
        Partition(1, 2048, 4000, extended=True), Partition(5, 2056, 100, logical=True)
    )
    assert names(desired(parent)) == ["data1", "data5"]
    assert names(desired(parent, extended="skip")) == ["data5"]
    container = partition_map("data1", 1, "0 2 linear 253:1 2048")
    assert desired(parent, [container], extended="skip")[0] == Absent(container.uuid)


def test_only_partitions_that_are_to_have_maps_have_to_be_sound() -> None:
    parent = with_table(
        Partition(1, 2048, 100), Partition(2, 2100, 100), Partition(3, 9_000, 2_000),
        Partition(4, 3000, 100), Partition(5, 4000, -190),
    )  # fmt: skip
    assert names(desired(parent, partitions=[4])) == ["data4"]
    for number, found in ((3, "has the sectors"), (5, "has the sectors")):
        assert found in refusal(parent, partitions=[number, 4]).found


def test_an_explicit_choice_may_overlap() -> None:
    """As in an installer image, whose first entry covers the second."""
    parent = with_table(Partition(1, 0, 9000, kind="0x0"), Partition(2, 164, 4000, kind="0xef"))
    assert "its partitions 1 and 2 overlap" in refusal(parent).found
    assert "list those to map in `partitions`" in refusal(parent).way_out
    assert names(desired(parent, partitions=[2])) == ["data2"]
    assert names(desired(parent, partitions=[1, 2])) == ["data1", "data2"]


@pytest.mark.parametrize("kind", ["bsd", "sun", "sgi"])
def test_slices_may_cover_others(kind: str) -> None:
    parent = with_table(Partition(1, 0, 10_000), Partition(2, 64, 100), kind=kind)
    assert len(desired(parent)) == 2


def test_a_partition_may_hold_slices_that_are_nested_in_it() -> None:
    parent = with_table(
        Partition(1, 2048, 1000), Partition(5, 2049, 500, logical=True, nested=True)
    )
    assert names(desired(parent)) == ["data1", "data5"]


IMAGE = replace(
    PARENT,
    stated="/srv/image",
    name="loop3",
    uuid="devnode_7:3_Wh5pYvM",
    device=DeviceNumber(7, 3),
    image="/srv/image",
    attached=False,
)
SHOWN = replace(IMAGE, attached=True)
ON_IMAGE = Map(
    "loop3p1", "part1-devnode_7:3_Wh5pYvM", DeviceNumber(253, 9),
    live=parse_table("0 1000 linear 7:3 2048"),
)  # fmt: skip
HELD = Use("map", "loop3p1", ON_IMAGE.device)


def image_words(parent: Parent, host: Host | None = None, **options: Any) -> list[str]:
    there = replace(host or whole(), parents=(parent,))
    return list(words(operations(parse({**DEFAULTS, "device": "/srv/image", **options}), there)))


def test_an_image_gets_a_loop_device_before_its_maps() -> None:
    plan = image_words(IMAGE, partitions=[1])
    assert plan[0] == "losetup /dev/loop3 /srv/image"
    assert plan[1] == "create loop3p1 --uuid part1-devnode_7:3_Wh5pYvM --notable"
    large = replace(IMAGE, logical_sector=4096)
    assert image_words(large)[0] == "losetup --sector-size 4096 /dev/loop3 /srv/image"
    assert image_words(IMAGE, read_only=True)[0] == "losetup --read-only /dev/loop3 /srv/image"
    assert image_words(replace(IMAGE, read_only=True))[0].startswith("losetup --read-only ")
    assert not any("losetup" in each for each in image_words(SHOWN))


def test_an_image_without_partitions_gets_no_loop_device() -> None:
    assert image_words(replace(IMAGE, partition_table=PartitionTable())) == []


def test_the_loop_device_of_an_image_goes_with_its_last_map() -> None:
    two = replace(ON_IMAGE, name="loop3p2", uuid="part2-devnode_7:3_Wh5pYvM")
    host = whole(maps=(ON_IMAGE, two), uses={SHOWN.device: (HELD,)})
    assert image_words(SHOWN, host, state="absent") == [
        "remove loop3p1", "remove loop3p2", "losetup --detach /dev/loop3",
    ]  # fmt: skip
    assert image_words(SHOWN, host, state="absent", partitions=[1]) == ["remove loop3p1"]
    assert image_words(SHOWN, state="absent") == ["losetup --detach /dev/loop3"]
    assert image_words(replace(SHOWN, autoclear=True), state="absent") == []
    assert image_words(IMAGE, state="absent") == []


def test_a_loop_device_with_other_users_is_not_detached() -> None:
    host = whole(maps=(ON_IMAGE,), uses={SHOWN.device: (HELD, MOUNTED)})
    with pytest.raises(Refused, match="loop3 would be detached, and is in use: mounted at /srv"):
        image_words(SHOWN, host, state="absent")


def test_all_maps_are_removed_or_those_of_the_stated_partitions() -> None:
    maps = [partition_map("data1"), partition_map("data2", 2, "0 500 linear 253:1 4096")]
    assert desired(maps=maps, state="absent") == (
        Absent("part1-mpath-3600"),
        Absent("part2-mpath-3600"),
    )
    assert desired(maps=maps, state="absent", partitions=[2, 9]) == (Absent("part2-mpath-3600"),)
    assert desired(state="absent") == ()


@pytest.mark.parametrize(
    ("name", "maps", "kpartx", "delimiter"),
    [
        # What the maps that are there use, if they agree.
        ("data", [("data-part1", 1)], "p", "-part"),
        ("data", [("data1", 1), ("data2", 2)], "-part", ""),
        ("mpath23", [("mpath23p10", 10)], "-part", "p"),
        ("mpath23", [("mpath2310", 10)], "-part", ""),
        # A map with a name of its own says nothing, maps that disagree neither.
        ("data", [("data-part1", 1), ("boot", 2)], None, "-part"),
        ("data", [("boot", 1)], "-part", "-part"),
        ("data", [("data-part1", 1), ("datap2", 2)], "_part", "_part"),
        # What the host's own udev rule uses.
        ("data", [], "-part", "-part"),
        ("data7", [], "", ""),
        # kpartx's own rule.
        ("data", [], None, ""),
        ("data7", [], None, "p"),
        ("3600a", [], None, ""),
    ],
)
def test_the_delimiter_is_found_in_three_stages(
    name: str, maps: list[tuple[str, int]], kpartx: str | None, delimiter: str
) -> None:
    table = PartitionTable("gpt", tuple(Partition(n, 64 * n, 64) for n in (1, 2, 10)))
    parent = replace(PARENT, name=name, partition_table=table)
    host = whole(
        maps=tuple(partition_map(*each) for each in maps),
        parents=(parent,),
        kpartx_delimiter=kpartx,
    )
    assert delimiter_for(Request((name,), True, "auto", ()), parent, host) == delimiter


def test_maps_that_are_to_go_do_not_decide_on_the_delimiter() -> None:
    going = partition_map("data-part3", 3, "0 8 linear 253:1 9000")
    assert names(desired(maps=[going])) == ["data1", "data2"]
    assert names(desired(maps=[going, partition_map("dataq1")])) == ["dataq1", "dataq2"]
    assert names(desired(maps=[partition_map("data-part1")], partitions=[2])) == ["data2"]


@pytest.mark.parametrize("delimiter", ["", "p", "-part", "_part"])
def test_a_stated_delimiter_renames(delimiter: str) -> None:
    stated = desired(maps=[partition_map("other1")], kpartx="x", delimiter=delimiter)
    assert names(stated) == [f"data{delimiter}1", f"data{delimiter}2"]


def test_lookalikes_do_not_decide_on_the_delimiter() -> None:
    lookalikes = [
        partition_map("data-part1", parent="mpath-36000"),
        partition_map("data-part1", parent="LVM-mpath-3600"),
        partition_map("data-part1", table="0 1000 linear 253:10 2048"),
    ]
    for each in lookalikes:
        host = whole(maps=(each,), parents=(PARENT,))
        assert delimiter_for(Request(("data",), True, "auto", ()), PARENT, host) == ""
        assert host.partition_maps(PARENT) == ()


@pytest.mark.parametrize(
    "lookalike",
    [
        partition_map("data10p3", 3, parent="mpath-36000"),
        partition_map("vg-lv", 3, "0 8 linear 253:1 0", parent="LVM-mpath-3600"),
        Map("lv", "LVM-x", live=parse_table("0 8 linear 253:1 0")),
        Map("snap", "", live=parse_table("0 8 linear 253:1 0")),
        partition_map("data3", 3, "0 8 linear 253:10 0"),
        partition_map("data3", 3, "0 8 linear 253:1 0\n8 8 linear 253:1 8"),
        partition_map("data3", 3, "0 8 striped 1 8 253:1 0"),
        partition_map("data3", 0, "0 8 linear 253:1 0"),
        partition_map("data3", 3, "0 8 error"),
    ],
)
def test_what_only_looks_like_a_stale_map_is_not_removed(lookalike: Map) -> None:
    assert whole(maps=(lookalike,)).partition_maps(PARENT) == ()
    assert not any(isinstance(each, Absent) for each in desired(maps=[lookalike]))
    assert desired(maps=[lookalike], state="absent") == ()


def test_device_numbers_are_not_taken_for_each_other() -> None:
    ten = Parent("dm-10", "dm-10", "devnode_253:10_Wh5pYvM", DeviceNumber(253, 10), 10_000)
    maps = (
        partition_map("dm-1p1", 1, "0 8 linear 253:1 0", "devnode_253:1_Wh5pYvM"),
        partition_map("dm-10p1", 1, "0 8 linear 253:10 0", "devnode_253:10_Wh5pYvM"),
    )
    assert whole(maps=maps).partition_maps(ten) == (maps[1],)


@pytest.mark.parametrize(
    "table",
    ["0 1000 linear 253:10 2048", "0 8 striped 1 8 253:1 0", "0 8 linear 253:1 0\n8 8 zero"],
)
def test_a_foreign_map_with_the_uuid_of_a_partition_is_not_taken_over(table: str) -> None:
    refused = refusal(maps=[partition_map("theirs", 1, table)])
    assert (refused.option, refused.value) == ("device", "data")
    assert "the map theirs has the uuid part1-mpath-3600" in refused.found


def test_an_empty_map_of_an_interrupted_run_is_owned() -> None:
    empty = Map("data1", "part1-mpath-3600")
    assert whole(maps=(empty,)).partition_maps(PARENT) == (empty,)


def test_owned_maps_are_in_the_order_of_their_numbers() -> None:
    maps = (partition_map("a", 10), partition_map("b", 9), partition_map("c", 1))
    assert [each.name for each in whole(maps=maps).partition_maps(PARENT)] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("table", "refuses"),
    [
        ("0 1000 linear 253:1 2048", False),
        ("0 999 linear 253:1 2048", False),
        ("0 1001 linear 253:1 2048", True),
        ("0 1000 linear 253:1 2049", True),
        ("0 1 linear 253:1 0", True),
    ],
)
def test_the_sectors_under_a_map_in_use_may_only_grow(table: str, refuses: bool) -> None:
    present = partition_map("data1", 1, table)
    if refuses:
        refused = refusal(maps=[present], used=[present])
        assert (refused.option, refused.value) == ("device", "data")
        assert refused.found == (
            "its partition map data1 would be moved or shrunk, and is in use: mounted at /srv"
        )
    else:
        assert names(desired(maps=[present], used=[present])) == ["data1", "data2"]
    assert names(desired(maps=[present])) == ["data1", "data2"]


@pytest.mark.parametrize("options", [{}, {"state": "absent"}, {"partitions": [1]}])
def test_a_map_in_use_is_not_removed(options: dict[str, Any]) -> None:
    stale = partition_map("data3", 3, "0 8 linear 253:1 9000")
    refused = refusal(maps=[stale], used=[stale], **options)
    assert (refused.option, refused.value) == ("device", "data")
    assert refused.found == (
        "its partition map data3 would be removed, and is in use: mounted at /srv"
    )


def with_table(*partitions: Partition, kind: str = "dos", logical_sector: int = 512) -> Parent:
    return replace(PARENT, partition_table=PartitionTable(kind, partitions, logical_sector))


@pytest.mark.parametrize(("logical_sector", "length"), [(512, 2), (4096, 8)])
def test_an_extended_container_is_mapped_for_boot_loaders_only(
    logical_sector: int, length: int
) -> None:
    parent = with_table(
        Partition(1, 2048, 1000),
        Partition(2, 4096, 4000, extended=True),
        Partition(5, 4104, 1000),
        Partition(6, 6000, 1000),
        logical_sector=logical_sector,
    )
    assert [format_table(each.table) for each in desired(parent) if isinstance(each, Desired)] == [
        "0 1000 linear 253:1 2048",
        f"0 {length} linear 253:1 4096",
        "0 1000 linear 253:1 4104",
        "0 1000 linear 253:1 6000",
    ]


@pytest.mark.parametrize(
    ("parent", "found"),
    [
        (with_table(kind="PMBR"), "the partition table is damaged"),
        (
            with_table(Partition(1, 9_000, 1_001)),
            "its partition 1 has the sectors 9000 to 10000, and the device has 10000 sectors",
        ),
        (
            with_table(Partition(1, 2048, 1000), Partition(2, 3047, 10)),
            "its partitions 1 and 2 overlap",
        ),
        (
            with_table(Partition(2, 2048, 1000), Partition(1, 2048, 1000)),
            "its partitions 2 and 1 overlap",
        ),
        (
            with_table(Partition(1, 100, 1), Partition(2, 10, 9000, extended=True),
                       Partition(5, 12, 100)),
            "its partitions 1 and 5 overlap",
        ),
    ],
)  # fmt: skip
def test_a_damaged_partition_table_is_refused(parent: Parent, found: str) -> None:
    refused = refusal(parent)
    assert (refused.option, refused.value) == ("device", "data")
    assert found in refused.found


@pytest.mark.parametrize(
    "parent",
    [
        with_table(Partition(1, 9_000, 1_000)),
        with_table(Partition(1, 2048, 1000), Partition(2, 3048, 10)),
        with_table(Partition(2, 3048, 10), Partition(1, 2048, 1000)),
    ],
)
def test_partitions_may_touch_each_other_and_the_end(parent: Parent) -> None:
    assert len(desired(parent)) == len(parent.partition_table.partitions)


def test_a_damaged_partition_table_does_not_keep_maps_from_being_removed() -> None:
    assert len(desired(with_table(kind="PMBR"), [partition_map("data1")], state="absent")) == 1


@pytest.mark.parametrize(
    ("options", "option", "value", "found"),
    [
        ({"device": ""}, "device", "", "must not be empty"),
        ({"devices": ["data", ""]}, "device", "", "must not be empty"),
        ({"devices": ["data", "data"]}, "devices", "data", "specified more than once"),
        ({"devices": []}, "devices", [], "the list is empty"),
        ({"device": "data", "partitions": []}, "partitions", [], "the list is empty"),
        ({"device": "data", "partitions": [], "state": "absent"}, "partitions", [], "is empty"),
        ({"device": "data", "partitions": [1, 0]}, "partitions", 0, "must be at least 1"),
        ({"device": "data", "partitions": [-1]}, "partitions", -1, "must be at least 1"),
        ({"device": "data", "delimiter": " "}, "delimiter", "x 1", "would be mangled"),
        ({"device": "data", "delimiter": "/"}, "delimiter", "x/1", "would be mangled"),
    ],
)
def test_bad_options_are_refused_before_the_host_is_read(
    options: dict[str, Any], option: str, value: object, found: str
) -> None:
    with pytest.raises(Refused) as refused:
        parse({**DEFAULTS, **options})
    assert (refused.value.option, refused.value.value) == (option, value)
    assert found in refused.value.found
    assert refused.value.way_out


def test_a_partition_that_is_not_in_the_table_is_refused() -> None:
    refused = refusal(partitions=[1, 7])
    assert (refused.option, refused.value) == ("partitions", 7)
    assert "the partition table of data has no such number (it has: 1, 2)" in refused.found
    empty = replace(PARENT, partition_table=PartitionTable())
    assert "(it has: none)" in refusal(empty, partitions=[1]).found


def test_two_names_of_one_device_are_refused() -> None:
    host = whole(parents=(PARENT, replace(PARENT, stated="/dev/mapper/data")))
    request = parse({**DEFAULTS, "devices": ["data", "/dev/mapper/data"]})
    with pytest.raises(Refused, match="it is the same device as data") as refused:
        desire(request, host)
    assert (refused.value.option, refused.value.value) == ("devices", "/dev/mapper/data")


def test_names_and_uuids_that_become_too_long_are_refused() -> None:
    long_name = replace(PARENT, name="x" * 127)
    assert refusal(long_name).option == "delimiter"
    long_uuid = replace(PARENT, uuid="u" * 123)
    refused = refusal(long_uuid)
    assert (refused.option, refused.value) == ("device", "data")
    assert "exceed 128 characters" in refused.found


def test_a_parent_whose_name_would_be_mangled_is_refused() -> None:
    assert "would be mangled" in refusal(replace(PARENT, name="a b")).found


def test_the_partition_maps_that_are_there_are_reported() -> None:
    host = whole(maps=(partition_map("data-part1"),), parents=(PARENT,))
    request = parse({**DEFAULTS, "device": "data"})
    (found,) = report(request, host)["maps"]
    assert (found["name"], found["number"], found["start"], found["size"]) == (
        "data-part1",
        1,
        2048 * 512,
        1000 * 512,
    )
    assert report(request, whole(parents=(PARENT,))) == {"maps": []}


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("0 2000 linear 253:1 2048", {}),
        ("0 1000 linear 253:1 4096", {}),
        ("0 1000 linear 253:1 2048", {"state": "absent"}),
    ],
)
def test_what_is_open_is_in_use_though_nobody_is_known(table: str, options: Any) -> None:
    """A target of the kernel's own has it open, or io_uring: no process, no device on top."""
    one = partition_map("data1", table=table)
    uses = {one.device: (Use("unexplained", opens=1),)}
    host = whole(maps=(one,), uses=uses, parents=(PARENT,))
    with pytest.raises(Refused, match="open 1 time by something that is not a process"):
        operations(parse({**DEFAULTS, "device": "data", **options}), host)
