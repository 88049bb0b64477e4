# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system import systemd
from ansible_collections.san.device_mapper.plugins.module_utils._system.systemd import Systemd
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
    Refused,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.records import NextBoot
from ansible_collections.san.device_mapper.plugins.module_utils._values.systemd import Unit


def test_units_are_asked_for_in_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_RUNS", str(tmp_path))
    shown = "Id=srv.mount\nActiveState=active\nWhere=/srv\nBindsTo=dev-sda.device\n"

    def run(*argv: str, timeout: float) -> subprocess.CompletedProcess[str]:
        # All: an automount that waits ends with the device of a mount unit that is inactive.
        assert argv[:3] == ("systemctl", "show", "--all")
        assert timeout == 7
        return subprocess.CompletedProcess(argv, 0, shown, "")

    monkeypatch.setattr(systemd, "run", run)
    assert Systemd().units(7) == (Unit("srv.mount", "/srv", frozenset({"dev-sda.device"})),)


def test_a_host_without_systemd_has_no_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "_RUNS", str(tmp_path / "none"))
    assert Systemd().units(7) == ()
    monkeypatch.setattr(systemd, "_RUNS", str(tmp_path))

    def missing(*_argv: str, **_options: Any) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(systemd, "run", missing)
    assert Systemd().units(7) == ()


def test_a_systemd_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_RUNS", str(tmp_path))

    def hung(*argv: str, **_options: Any) -> None:
        raise subprocess.TimeoutExpired(argv, 7)

    monkeypatch.setattr(systemd, "run", hung)
    with pytest.raises(Refused, match="timeout: 7: systemd does not say in that time"):
        Systemd().units(7)


def test_a_systemd_that_answers_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer is not the answer that no mount ends."""
    monkeypatch.setattr(systemd, "_RUNS", str(tmp_path))

    def fails(*argv: str, **_options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(argv, 1, "", "Failed to connect to bus: No such file\n")

    monkeypatch.setattr(systemd, "run", fails)
    with pytest.raises(DeviceMapperError, match=r"No such file\. See to"):
        Systemd().units(7)


def test_names_that_the_next_boot_looks_for(tmp_path: Path) -> None:
    files = {
        "fstab": "# /dev/mapper/data /x ext4\n/dev/mapper/data /srv ext4 nofail 0 2\n",
        "crypttab": "secret /dev/mapper/da\\040ta none\n/dev/mapper/data UUID=1\n",
        "cmdline": "quiet root=/dev/mapper/root resume=UUID=2\n",
    }
    found = Systemd()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        setattr(found, name, str(tmp_path / name))
    paths = [f"/dev/mapper/{name}" for name in ("data", "da ta", "root", "other")]
    assert found.named_at_boot(paths) == {
        "/dev/mapper/data": (f"{tmp_path}/fstab:2",),
        "/dev/mapper/da ta": (f"{tmp_path}/crypttab:1",),
        "/dev/mapper/root": (f"{tmp_path}/cmdline",),
    }


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("RESUME=/dev/mapper/data\n", [1]),
        ('GRUB_CMDLINE_LINUX="quiet root=/dev/mapper/data rd.lvm=0"\n', [1]),
        ("# /dev/mapper/data\n\nadd_device+=' /dev/mapper/data '\n", [3]),
        ("kernel_cmdline=/dev/mapper/data-part1\n", []),
        ("RESUME=/dev/mapper/data.old\n/dev/mapper/database\nx/dev/mapper/data\n", []),
        ("options root=/dev/mapper/data\noptions resume=/dev/mapper/data", [1, 2]),
        ("", []),
    ],
)
def test_names_in_what_makes_an_initramfs_or_a_boot_entry(
    tmp_path: Path, text: str, lines: list[int]
) -> None:
    found = Systemd()
    file = tmp_path / "conf.d/resume"
    file.parent.mkdir()
    file.write_text(text)
    (tmp_path / "conf.d/directory").mkdir()
    found.fstab = found.crypttab = found.cmdline = str(tmp_path / "nothing")
    found.configuration = (f"{tmp_path}/conf.d/*", f"{tmp_path}/nothing")
    places = tuple(f"{file}:{number}" for number in lines)
    expected = {"/dev/mapper/data": places} if places else {}
    assert found.named_at_boot(["/dev/mapper/data"]) == expected


def told(answers: dict[tuple[str, ...], str]) -> Any:
    """Return what stands for running a program, with what it prints by its words."""

    def run(*argv: str, timeout: float) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(argv, 0, answers[argv], "")

    return run


SERVICE, SOCKET = (
    ("systemctl", "is-enabled", f"multipathd.{each}")
    for each in (
        "service",
        "socket",
    )
)


@pytest.mark.parametrize(
    ("states", "conditions", "found"),
    [
        (("disabled", ""), "", ()),
        (("masked", "enabled"), "", ("multipathd.socket",)),
        (("enabled", "enabled"), "", ("multipathd.service", "multipathd.socket")),
        (("enabled-runtime", "disabled"), "", ()),
        (("enabled", ""), "ConditionPathExists=/nowhere\n", ()),
        (("enabled", ""), "ConditionPathExists=!/nowhere\n", ("multipathd.service",)),
        (("enabled", ""), "ConditionPathExists=!/etc\n", ()),
        (
            ("enabled", ""),
            "ConditionPathExists=/\nConditionPathExists=\n",
            ("multipathd.service",),
        ),
    ],
)
def test_the_next_boot_may_leave_maps_to_the_daemon(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    states: tuple[str, str],
    conditions: str,
    found: tuple[str, ...],
) -> None:
    monkeypatch.setattr(systemd, "_RUNS", str(tmp_path))
    monkeypatch.setattr(systemd, "_SEARCHED", str(tmp_path))
    monkeypatch.setattr(Systemd, "cmdline", str(tmp_path / "cmdline"))
    (tmp_path / "flock").touch(mode=0o755)
    words = "root=/dev/vda nompath=1 multipath=on multipath=off quiet\n"
    (tmp_path / "cmdline").write_text(words, "utf-8")
    cat = ("systemctl", "cat", "multipathd.service")
    unit = f"# /usr/lib/systemd/system/multipathd.service\n[Unit]\n{conditions}[Service]\n"
    service, socket = (f"{state}\n" for state in states)
    monkeypatch.setattr(systemd, "run", told({SERVICE: service, SOCKET: socket, cat: unit}))
    boots = Systemd().next_boot(("dmsetup", "flock"), 7)
    assert boots == NextBoot(("dmsetup",), found, ("nompath=1", "multipath=off"))


def test_a_boot_without_systemd_makes_no_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "_RUNS", str(tmp_path / "none"))
    monkeypatch.setattr(Systemd, "cmdline", str(tmp_path / "none"))
    assert Systemd().next_boot((), 7) == NextBoot(("systemd",))


def test_a_systemd_that_does_not_say_what_is_enabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "_RUNS", str(tmp_path))

    def hung(*argv: str, **_options: Any) -> None:
        raise subprocess.TimeoutExpired(argv, 7)

    monkeypatch.setattr(systemd, "run", hung)
    with pytest.raises(Refused, match="whether multipathd is enabled"):
        Systemd().next_boot((), 7)
