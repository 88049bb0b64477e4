# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system import files
from ansible_collections.san.device_mapper.plugins.module_utils._system.files import Files
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import KernelError


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Put the records into a directory that is not there yet."""
    directory = tmp_path / "records"
    monkeypatch.setattr(files, "RECORDS", str(directory))
    return directory


def texts(records: Path) -> dict[str, str]:
    """Return what is read of the records and of the program beside them."""
    return Files().boot_files([f"{records}/assemble"])


def test_files_are_written_whole_read_and_removed(records: Path) -> None:
    path = str(records / "mpath-3600.map")
    before = os.umask(0o077)
    try:
        Files().write_file(path, "first, and longer\n")
        Files().write_file(path, "second\n")
    finally:
        os.umask(before)
    assert texts(records) == {path: "second\n"}
    assert [os.stat(each).st_mode & 0o777 for each in (records, path)] == [0o755, 0o644]
    assert os.listdir(records) == ["mpath-3600.map"]
    Files().remove_file(path)
    assert not records.exists()


def test_udevd_and_systemd_read_what_has_changed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(files, "run", lambda *argv, timeout: told.append(argv))
    for name in ("a.rules", "a.service"):
        Files().write_file(str(tmp_path / name), "")
        Files().remove_file(str(tmp_path / name))
    udev, systemd = ("udevadm", "control", "--reload"), ("systemctl", "daemon-reload")
    assert told == [udev, udev, systemd, systemd]


def test_what_checks_paths_runs_as_its_files_are(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends before its program goes."""
    told = []
    program = str(records / "check")
    monkeypatch.setattr(files, "run", lambda *argv, timeout: told.append(argv[1]))
    monkeypatch.setattr(files, "CHECK", program)
    Files().write_file(program, "")
    Files().remove_file(program)
    assert told == ["restart", "stop"]


def test_what_is_not_ours_in_the_directory_stays(records: Path) -> None:
    path = str(records / "mpath-3600.map")
    Files().write_file(path, "")
    (records / "README").touch()
    Files().remove_file(path)
    assert os.listdir(records) == ["README"]
    assert texts(records) == {}
    Files().remove_file(path)


def test_what_a_killed_run_left_is_no_hindrance(records: Path) -> None:
    path = records / "mpath-3600.map"
    records.mkdir()
    (records / files._NEW).write_text("half", "utf-8")
    Files().write_file(str(path), "whole\n")
    assert path.read_text("utf-8") == "whole\n"


def test_a_link_is_replaced_and_not_followed(records: Path, tmp_path: Path) -> None:
    target, path = tmp_path / "target", records / "mpath-3600.map"
    target.write_text("theirs", "utf-8")
    records.mkdir()
    for link in (path, records / files._NEW):
        link.symlink_to(target)
    assert texts(records) == {str(path): ""}
    Files().write_file(str(path), "ours\n")
    assert not path.is_symlink()
    assert (target.read_text("utf-8"), path.read_text("utf-8")) == ("theirs", "ours\n")


def test_what_a_killed_run_has_left_goes_with_the_last_file(records: Path) -> None:
    path = records / "mpath-3600.map"
    Files().write_file(str(path), "ours\n")
    (records / files._NEW).write_text("ou", "utf-8")
    Files().remove_file(str(path))
    assert not records.exists()


def test_a_directory_that_is_a_link_is_refused(records: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    records.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KernelError, match="did not write"):
        Files().write_file(str(records / "mpath-3600.map"), "")
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_file_that_is_none_is_read_as_empty(records: Path) -> None:
    records.mkdir()
    os.mkfifo(records / "mpath-1.map")
    (records / "mpath-2.map").mkdir()
    (records / "mpath-3.map").write_bytes(b"\xff")
    assert [*texts(records).values()] == ["", "", "\N{REPLACEMENT CHARACTER}"]


def test_the_programs_are_read_where_they_are(records: Path) -> None:
    records.mkdir()
    (records / "assemble").write_text("#!/bin/sh\n", "utf-8")
    (records / "other").touch()
    assert texts(records) == {f"{records}/assemble": "#!/bin/sh\n"}
    assert Files().boot_files(()) == {}
