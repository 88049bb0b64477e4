# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system import libdevmapper
from ansible_collections.san.device_mapper.plugins.module_utils._system.libdevmapper import (
    LibDeviceMapper,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    KernelError,
)


def has_library() -> bool:
    try:
        ctypes.CDLL("libdevmapper.so.1.02.1")
    except OSError:
        return False
    return True


with_library = pytest.mark.skipif(not has_library(), reason="this machine has no libdevmapper")


def complaint() -> str:
    with pytest.raises(DeviceMapperError) as error:
        LibDeviceMapper()
    return str(error.value)


def test_a_host_without_the_library_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    message = complaint()
    assert "this host has no libdevmapper (libdevmapper.so.1.02.1" in message
    for package in ("libdevmapper1.02.1", "device-mapper-libs", "libdevmapper1_03"):
        assert package in message


class OldLibrary:
    """A libdevmapper whose calls all succeed, from before there were deferred removals."""

    def __init__(self, _name: str) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., object]:
        if name == "dm_task_deferred_remove":
            raise AttributeError(name)
        return lambda *_arguments: b"data" if name == "dm_task_get_name" else 1


def test_a_library_that_is_too_old_for_a_request_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real_open = os.open
    monkeypatch.setattr(ctypes, "CDLL", OldLibrary)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "open", lambda *_arguments: real_open(os.devnull, os.O_RDONLY))
    library = LibDeviceMapper()
    with pytest.raises(KernelError) as error:
        library.remove("mpath-3600", deferred=True)
    assert "too old for it: it has no dm_task_deferred_remove" in error.value.words
    assert error.value.name == "mpath-3600"


class RefusingLibrary(OldLibrary):
    """A libdevmapper to which the kernel answers with an errno."""

    errno = errno.ENXIO
    refuses = False

    def __getattr__(self, name: str) -> Callable[..., object]:
        if name == "dm_task_run" and self.refuses:
            return lambda *_arguments: 0
        if name == "dm_task_get_errno":
            return lambda *_arguments: self.errno
        return super().__getattr__(name)


def test_a_map_that_cannot_be_read_is_not_one_that_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real_open = os.open
    monkeypatch.setattr(ctypes, "CDLL", RefusingLibrary)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "open", lambda *_arguments: real_open(os.devnull, os.O_RDONLY))
    library = LibDeviceMapper()
    monkeypatch.setattr(RefusingLibrary, "refuses", True)
    assert library.map_of_uuid("mpath-3600") is None
    assert library.open_counts({"mpath-3600": 0}, 0) == {"mpath-3600": 0}
    assert library._map(DeviceNumber(253, 0)).name == ""
    for number in (errno.ENOMEM, errno.EPERM, 0):
        monkeypatch.setattr(RefusingLibrary, "errno", number)
        for look in (
            lambda: library.map_of_uuid("mpath-3600"),
            lambda: library.open_counts({"mpath-3600": 0}, 0),
            lambda: library._map(DeviceNumber(253, 0)),
        ):
            with pytest.raises(KernelError, match="did not read") as error:
                look()
            assert error.value.errno == number


def test_what_went_wrong_in_a_batch_says_more_than_a_late_udev(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_self: object, timeout: float) -> None:
        raise DeviceMapperError(f"timeout: udev has not finished within {timeout}")

    real_open = os.open
    monkeypatch.setattr(ctypes, "CDLL", OldLibrary)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "open", lambda *_arguments: real_open(os.devnull, os.O_RDONLY))
    monkeypatch.setattr(libdevmapper, "COOKIE_FILE", str(tmp_path / "cookie"))
    monkeypatch.setattr(LibDeviceMapper, "_wait", late)
    library = LibDeviceMapper()
    monkeypatch.undo()
    monkeypatch.setattr(libdevmapper, "COOKIE_FILE", str(tmp_path / "cookie"))
    monkeypatch.setattr(LibDeviceMapper, "_wait", late)
    with pytest.raises(KernelError), library.udev_batch(1):
        raise KernelError("load", "data", 16, "busy")
    with pytest.raises(DeviceMapperError, match="timeout"), library.udev_batch(1):
        pass


def semaphore(key: int, create: bool = False) -> int:
    """Return the identifier of a SysV semaphore; -1 if there is none."""
    library = ctypes.CDLL(None)
    return int(library.semget(ctypes.c_int(key), 1, 0o1600 if create else 0))


@pytest.mark.parametrize(
    ("noted", "is_left"),
    [("0x0d4dfedc\n", False), ("0x1234fedc", True), ("", True), ("nonsense\n", True)],
)
def test_the_semaphore_of_a_killed_run_is_removed(
    noted: str, is_left: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else than udev cookies of device-mapper."""
    monkeypatch.setattr(libdevmapper, "COOKIE_FILE", str(tmp_path / "cookie"))
    keys = (0x0D4DFEDC, 0x1234FEDC)
    assert all(semaphore(key, create=True) >= 0 for key in keys)
    try:
        libdevmapper.remove_noted_semaphore()
        (tmp_path / "cookie").write_text(noted, "ascii")
        libdevmapper.remove_noted_semaphore()
        assert [semaphore(key) >= 0 for key in keys] == [is_left, True]
    finally:
        for key in keys:
            libdevmapper._remove_semaphore(key)


@with_library
def test_somebody_else_than_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert complaint() == "device-mapper needs root; run the task with become: true (ansible -b)"


@with_library
def test_root_without_its_rights_is_told_which_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    real_open = os.open

    def refused(path: Any, *arguments: Any, **options: Any) -> int:
        if path == "/dev/mapper/control":
            raise PermissionError(1, "Operation not permitted", path)
        return real_open(path, *arguments, **options)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "open", refused)
    message = complaint()
    assert message.startswith("/dev/mapper/control: Operation not permitted; ")
    assert "CAP_SYS_ADMIN" in message


@with_library
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gets as far as the kernel")
@pytest.mark.skipif(
    "device-mapper" in Path("/proc/misc").read_text("ascii"),
    reason="this machine's kernel has device-mapper: the booted host's tests are about it",
)
def test_a_kernel_without_device_mapper_is_named() -> None:
    assert "this host's kernel has no device-mapper: load it with `modprobe dm_mod`" in complaint()
