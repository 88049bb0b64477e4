# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system.attribute import (
    content,
    decoded,
    encoded,
    line,
    place,
)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 9000])
def test_a_file_is_read_to_its_end(tmp_path: Path, size: int) -> None:
    (tmp_path / "page").write_bytes(b"x" * size)
    assert content(str(tmp_path / "page")) == b"x" * size


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"running\n", "running"), (b" 8:0 \nmore\n", "8:0"), (b"", ""), (b"\xff\n", "\ufffd")],
)
def test_the_first_line(tmp_path: Path, text: bytes, expected: str) -> None:
    (tmp_path / "state").write_bytes(text)
    assert line(str(tmp_path / "state")) == expected


def test_what_is_not_there_or_cannot_be_read_is_empty(tmp_path: Path) -> None:
    assert (content(str(tmp_path / "missing")), line(str(tmp_path))) == (b"", "")
    assert (place(str(tmp_path / "missing")), place(str(tmp_path))) == ("", "")


@pytest.mark.parametrize("name", [b"data", b"caf\xe9", "caf\u00e9".encode()])
def test_a_library_gets_back_the_bytes_that_it_gave(name: bytes) -> None:
    assert encoded(decoded(name)) == name


def test_a_link_leads_from_its_own_directory(tmp_path: Path) -> None:
    (tmp_path / "class").mkdir()
    (tmp_path / "class/sda").symlink_to("../devices/host0/block/sda")
    assert place(str(tmp_path / "class/sda")) == str(tmp_path / "devices/host0/block/sda")
