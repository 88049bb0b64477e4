# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a message says of a file that the host refuses, with SELinux and without it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system import files, selinux
from ansible_collections.san.device_mapper.plugins.module_utils._system.files import Files
from ansible_collections.san.device_mapper.plugins.module_utils._system.multipathd import (
    MultipathDaemon,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    KernelError,
    MultipathdError,
)

CONTEXTS = {
    "/etc/multipath/conf.d": "system_u:object_r:etc_t:s0",
    "/etc/multipath/conf.d/a.conf": "system_u:object_r:shadow_t:s0",
}
OF_DIRECTORY = (
    "Permission denied. SELinux is enforcing: /etc/multipath/conf.d has the context"
    " system_u:object_r:etc_t:s0, this task staff_u:staff_r:staff_t:s0. `ausearch -m AVC -ts"
    " recent` shows whether it refused; if `matchpathcon /etc/multipath/conf.d` names another"
    " context, run `restorecon -RFv /etc/multipath/conf.d`"
)


@pytest.fixture
def enforcing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let SELinux enforce, with the contexts above; return the file that says so."""
    (tmp_path / "enforce").write_text("1")
    (tmp_path / "own").write_bytes(b"staff_u:staff_r:staff_t:s0\0")
    monkeypatch.setattr(selinux, "_ENFORCES", str(tmp_path / "enforce"))
    monkeypatch.setattr(selinux, "_OWN", str(tmp_path / "own"))

    def label(path: str, _name: str, *, follow_symlinks: bool) -> bytes:
        assert not follow_symlinks
        if path not in CONTEXTS:
            raise OSError(errno.ENODATA, "No data available")
        return CONTEXTS[path].encode() + b"\0"

    monkeypatch.setattr(os, "getxattr", label)
    return tmp_path / "enforce"


def denied(number: int = errno.EACCES) -> OSError:
    return OSError(number, os.strerror(number))


def test_the_context_of_the_file_or_of_its_directory_is_named(enforcing: Path) -> None:
    assert selinux.refusal("/etc/multipath/conf.d/b.conf", denied()) == OF_DIRECTORY
    words = selinux.refusal("/etc/multipath/conf.d/a.conf", denied())
    assert "/etc/multipath/conf.d/a.conf has the context system_u:object_r:shadow_t:s0" in words


def test_nothing_is_said_of_selinux_where_it_does_not_refuse(enforcing: Path) -> None:
    path = "/etc/multipath/conf.d/a.conf"
    assert selinux.refusal(path, denied(errno.EROFS)) == "Read-only file system"
    assert selinux.refusal("/nowhere/x", denied()) == "Permission denied"
    for said in ("0", ""):
        enforcing.write_text(said)
        assert selinux.refusal(path, denied()) == "Permission denied"


def test_the_messages_of_refused_writes_name_it(
    enforcing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> int:
        raise denied()

    monkeypatch.setattr(files, "_directory", refuse)
    path = "/etc/multipath/conf.d/b.conf"
    with pytest.raises(KernelError) as of_file:
        Files().write_file(path, "")
    assert of_file.value.words == f"{path}: {OF_DIRECTORY}"
    with pytest.raises(MultipathdError) as of_daemon:
        MultipathDaemon().write_drop_in(path, "")
    assert of_daemon.value.words == OF_DIRECTORY
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(MultipathdError) as of_removal:
        MultipathDaemon().remove_drop_in(path)
    assert of_removal.value.words == OF_DIRECTORY
