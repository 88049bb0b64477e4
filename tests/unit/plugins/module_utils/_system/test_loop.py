# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file is that a loop device would show."""

from __future__ import annotations

import gzip
import lzma
import os
import subprocess
import threading
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.partition_tables import ODD, SOUND

from ansible_collections.san.device_mapper.plugins.module_utils._system import block_devices, loop
from ansible_collections.san.device_mapper.plugins.module_utils._system.block_devices import (
    BlockDevices,
)
from ansible_collections.san.device_mapper.plugins.module_utils._system.loop import LoopDevices
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    KernelError,
)


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


@pytest.mark.parametrize(
    "look",
    [LoopDevices().image_file, LoopDevices().loop_devices, BlockDevices().device_at],
    ids=["file", "loops", "device"],
)
def test_a_file_on_a_server_that_is_dead_stops_no_task(
    monkeypatch: pytest.MonkeyPatch, look: Callable[[str], object]
) -> None:
    """Its system calls never return; the task says which file it is."""
    answers = threading.Event()

    def asking(real: Callable[..., object]) -> Callable[..., object]:
        def asked(path: object, *arguments: t.Any, **options: t.Any) -> object:
            if str(path) == "/nosuch":
                answers.wait()
            return real(path, *arguments, **options)

        return asked

    for call in ("lstat", "stat"):
        monkeypatch.setattr(os, call, asking(getattr(os, call)))
    monkeypatch.setattr(block_devices, "_SECONDS", 0.1)
    try:
        with pytest.raises(DeviceMapperError, match="/nosuch: its file system has not answered"):
            look("/nosuch")
    finally:
        answers.set()


@pytest.mark.parametrize(
    "ask",
    [lambda loops, device: loops.attach(device, "/srv/image", False, 512), LoopDevices.detach],
    ids=["attach", "detach"],
)
def test_losetup_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[LoopDevices, DeviceNumber], None]
) -> None:
    def run(*argv: str, timeout: float | None = None) -> t.NoReturn:
        assert argv[0] == "losetup"
        assert timeout
        raise subprocess.TimeoutExpired(argv, timeout)

    monkeypatch.setattr(loop, "run", run)
    loops, device = LoopDevices(), DeviceNumber(7, 3)
    with pytest.raises(KernelError, match="loop3: losetup has not ended within 30 seconds"):
        ask(loops, device)
