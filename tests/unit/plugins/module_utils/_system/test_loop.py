# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file is that a loop device would show."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest
from unit.partition_tables import ODD, SOUND

from ansible_collections.san.device_mapper.plugins.module_utils._system.loop import LoopDevices


@pytest.mark.parametrize(
    ("start", "packed"),
    [
        (b"QFI\xfb\0\0\0\x03", "qcow2"),
        (b"KDMV\x01\0\0\0", "vmdk"),
        (b"# Disk DescriptorFile\nversion=1\n", "vmdk"),
        (
            b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0") + b"\x7f\x10\xda\xbe",
            "vdi",
        ),
        (lzma.compress(bytes(512)), "xz"),
        (gzip.compress(bytes(512)), "gzip"),
        (bytes(512), ""),
        (b"", ""),
    ],
)
def test_an_image_that_is_not_the_disk_itself_is_known_by_its_magic(
    tmp_path: Path, start: bytes, packed: str
) -> None:
    image = tmp_path / "image"
    image.write_bytes(start)
    found = LoopDevices().image_file(str(image))
    assert found
    assert (found.path, found.packed) == (str(image), packed)


@pytest.mark.parametrize("name", [name for name, each in SOUND.items() if not each.commands])
def test_a_raw_image_is_the_disk_itself(tmp_path: Path, name: str) -> None:
    image = tmp_path / "image"
    SOUND[name].write(str(image))
    found = LoopDevices().image_file(str(image))
    assert found
    assert (found.packed, found.sectors, found.read_only) == ("", SOUND[name].size // 512, False)


@pytest.mark.parametrize(
    ("name", "sector"), [("gpt-of-4096", 4096), ("gpt-grown", 512), ("overlap", 0)]
)
def test_the_size_of_sectors_is_found_out_where_the_table_shows_it(
    tmp_path: Path, name: str, sector: int
) -> None:
    image = tmp_path / "image"
    ODD[name].write(str(image))
    found = LoopDevices().image_file(str(image))
    assert found
    assert found.sector == sector


def test_what_is_no_file_is_no_image(tmp_path: Path) -> None:
    assert LoopDevices().image_file(str(tmp_path)) is None
    assert LoopDevices().image_file(str(tmp_path / "nosuch")) is None
