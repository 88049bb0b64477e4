# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.names import (
    check_name,
    check_uuid,
    check_wwid,
    multipath_uuid,
    partition_number,
    partition_uuid,
    wwid_of,
)


@pytest.mark.parametrize("name", ["a", "mpatha", "data-part1", "3600:a.b=c@d#e+f_g", "x" * 127])
def test_these_names_are_taken(name: str) -> None:
    check_name("name", name)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("", "it is empty"),
        ("a b", "the character ' ' would be mangled"),
        ("a/b", "the character '/' would be mangled"),
        ("a\\x20", "the character '\\\\' would be mangled"),
        ("a\n", "the character '\\n' would be mangled"),
        ("a\0", "the character '\\x00' would be mangled"),
        ("dätä", "the character 'ä' would be mangled"),
        ("data*", "the character '*' would be mangled"),
        ("x" * 128, "128 characters, and device-mapper allows 127"),
        (".", "reserved"),
        ("..", "reserved"),
        ("control", "reserved"),
        ("-f", "would read it as an option"),
    ],
)
def test_these_names_are_refused(name: str, found: str) -> None:
    with pytest.raises(Refused) as refused:
        check_name("name", name)
    assert refused.value.option == "name"
    assert refused.value.value == name
    assert found in refused.value.found
    assert refused.value.way_out


@pytest.mark.parametrize("wwid", ["35525400000000001", "nvme.1af4-44", "eui.0025", "x" * 122])
def test_these_wwids_are_taken(wwid: str) -> None:
    check_wwid("wwid", wwid)


@pytest.mark.parametrize("wwid", ["", "SATA DISK", "3600\n", "x" * 123, "é", "-3600"])
def test_these_wwids_are_refused(wwid: str) -> None:
    with pytest.raises(Refused) as refused:
        check_wwid("wwid", wwid)
    assert (refused.value.option, refused.value.value) == ("wwid", wwid)


def test_a_uuid_may_be_as_long_as_the_kernel_takes_it() -> None:
    check_uuid("device", "data", "u" * 128)
    with pytest.raises(Refused) as refused:
        check_uuid("device", "data", "u" * 129)
    assert (refused.value.option, refused.value.value) == ("device", "data")


def test_a_multipath_uuid_has_its_wwid() -> None:
    assert multipath_uuid("3600") == "mpath-3600"
    assert wwid_of("mpath-3600") == "3600"


@pytest.mark.parametrize("uuid", ["", "mpath", "part1-mpath-3600", "LVM-mpath-3600", "MPATH-3600"])
def test_other_uuids_have_no_wwid(uuid: str) -> None:
    assert wwid_of(uuid) == ""


def test_a_partition_uuid_has_its_number() -> None:
    assert partition_uuid(12, "mpath-3600") == "part12-mpath-3600"
    assert partition_number("part12-mpath-3600", "mpath-3600") == 12
    inner = partition_uuid(1, partition_uuid(2, "mpath-3600"))
    assert partition_number(inner, "part2-mpath-3600") == 1
    assert partition_number(inner, "mpath-3600") == 0


@pytest.mark.parametrize(
    "uuid",
    [
        "",
        "mpath-3600",
        "part-mpath-3600",
        "part0-mpath-3600",
        "part01-mpath-3600",
        "part1-mpath-36000",
        "part1-mpath-360",
        "part1-mpath-3600 ",
        "part1-mpath-3600\n",
        "part1_mpath-3600",
        "xpart1-mpath-3600",
        "LVM-part1-mpath-3600",
        "part\u0661-mpath-3600",
    ],
)
def test_lookalikes_are_no_partitions(uuid: str) -> None:
    assert partition_number(uuid, "mpath-3600") == 0


def test_device_numbers_in_uuids_are_not_taken_for_each_other() -> None:
    one, ten = "devnode_253:1_Wh5pYvM", "devnode_253:10_Wh5pYvM"
    assert partition_number(partition_uuid(1, ten), one) == 0
    assert partition_number(partition_uuid(1, one), one) == 1
