# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before a device is read, lest the read hang; no device is opened here."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.memory_kernel import MAJOR, MemoryKernel
from unit.memory_map import MemoryMap
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._observe.maps import (
    kpartx_delimiter,
    observe_partitions,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    Refused,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

QUEUEING = parse_table("0 2048 multipath 1 queue_if_no_path 0 1 1 round-robin 0 1 0 8:0")
ON_TOP = parse_table(f"0 8 linear {MAJOR}:0 0")


@pytest.fixture
def kernel() -> MemoryKernel:
    return MemoryKernel({DeviceNumber(8, 0): Disk(2048)})


@pytest.fixture
def data(kernel: MemoryKernel) -> MemoryMap:
    return kernel.place("data", "mpath-3600", QUEUEING)


def without_a_path(placed: MemoryMap) -> None:
    assert placed.live
    assert placed.live.multipath
    placed.live.multipath.message("fail_path 8:0")


def refusal(kernel: MemoryKernel, stated: str = "data") -> Refused:
    with pytest.raises(Refused) as refused:
        observe_partitions(kernel, [stated], reading=True, timeout=1)
    assert (refused.value.option, refused.value.value) == ("device", stated)
    assert refused.value.way_out
    return refused.value


@pytest.mark.parametrize("stated", ["nosuch", "/dev/mapper/nosuch", "/dev/nosuch", "/dev/null", ""])
def test_a_device_that_is_not_there_is_refused(kernel: MemoryKernel, stated: str) -> None:
    assert "no such map, block device or image file" in refusal(kernel, stated).found


@pytest.mark.parametrize("stated", ["data", "/dev/mapper/data"])
def test_a_map_that_queues_without_a_path_is_refused(
    kernel: MemoryKernel, data: MemoryMap, stated: str
) -> None:
    without_a_path(data)
    assert "queues and has no active path" in refusal(kernel, stated).found


@pytest.mark.usefixtures("data")
def test_a_map_on_top_of_one_that_would_hang_is_refused(kernel: MemoryKernel) -> None:
    kernel.place("lv", "LVM-x", ON_TOP)
    without_a_path(kernel.placed("mpath-3600"))
    assert "the map data queues and has no active path" in refusal(kernel, "lv").found


def test_a_suspended_map_is_refused(kernel: MemoryKernel, data: MemoryMap) -> None:
    data.suspend(flush=False)
    assert "the map data is suspended" in refusal(kernel).found


def test_a_map_without_a_table_is_refused(kernel: MemoryKernel) -> None:
    kernel.place("data", "mpath-3600")
    assert "the map data has no table" in refusal(kernel).found


@pytest.mark.usefixtures("data")
def test_a_map_with_a_path_would_be_read(kernel: MemoryKernel) -> None:
    with pytest.raises(DeviceMapperError, match=r"^/dev/mapper/data: "):
        observe_partitions(kernel, ["data"], reading=True, timeout=1)


def test_to_remove_its_maps_nothing_is_read(kernel: MemoryKernel, data: MemoryMap) -> None:
    without_a_path(data)
    host = observe_partitions(kernel, ["/dev/mapper/data", "nosuch"], reading=False, timeout=1)
    (parent,) = host.parents
    assert (parent.name, parent.uuid, parent.device) == ("data", "mpath-3600", data.device)


def test_a_map_without_a_uuid_gives_its_number(kernel: MemoryKernel) -> None:
    kernel.place("plain", "", parse_table("0 8 linear 8:0 0"))
    (parent,) = observe_partitions(kernel, ["plain"], reading=False, timeout=1).parents
    assert parent.uuid == f"devnode_{MAJOR}:0_Wh5pYvM"


@pytest.mark.parametrize(
    ("rule", "delimiter"),
    [
        ('RUN+="/sbin/kpartx -un -p -part /dev/$name"', "-part"),
        ('RUN+="/sbin/kpartx -u -p -part /dev/$name -p other"', "-part"),
        ('RUN+="/usr/sbin/kpartx -p p -u /dev/$name"', "p"),
        ('RUN+="/usr/sbin/kpartx -u -p_part /dev/$name"', "_part"),
        ('ENV{SAN_DEVICE_MAPPER_DELIMITER}="-part"', "-part"),
        ('ENV{SAN_DEVICE_MAPPER_DELIMITER}=="?*", GOTO="end"', None),
        ('RUN+="/sbin/kpartx -u /dev/$name"', None),
        ('RUN+="/sbin/kpartx_id %M %m $env{DM_UUID}", ENV{X}="a -p b"', None),
        ("", None),
    ],
)
def test_the_delimiter_of_the_rule_that_runs_kpartx(
    tmp_path: Path, rule: str, delimiter: str | None
) -> None:
    local, distribution = tmp_path / "etc", tmp_path / "lib"
    for directory in (local, distribution):
        directory.mkdir()
    (distribution / "60-kpartx.rules").write_text(f'ACTION!="remove"\n{rule}\n', "utf-8")
    directories = [str(local), str(distribution)]
    assert kpartx_delimiter(directories) == delimiter
    (local / "60-kpartx.rules").write_text("# masked\n", "utf-8")
    assert kpartx_delimiter(directories) is None
