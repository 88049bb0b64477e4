# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""udev's rule files: which are there, and which are hidden."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system import udev_rules
from ansible_collections.san.device_mapper.plugins.module_utils._system.udev_rules import UdevRules
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.udev import Rules

NAME = "63-san-device-mapper-links.rules"


def rules_in(etc: Path, *packages: Path) -> UdevRules:
    """Return the rule files of these directories."""
    found = UdevRules()
    found.etc, found.packages = str(etc), tuple(map(str, packages))
    return found


def test_a_rule_file_is_current_with_its_content_and_mode(tmp_path: Path) -> None:
    stated = (Rules(NAME, "# one\n"),)
    path = tmp_path / NAME
    seen = [rules_in(tmp_path).rule_files(stated)]
    for content, mode in (("# two\n", 0o644), ("# one\n", 0o666)):
        path.write_text(content, "utf-8")
        path.chmod(mode)
        seen.append(rules_in(tmp_path).rule_files(stated))
    assert [(each.found, each.current) for (each,) in seen] == [
        (False, False),
        (True, False),
        (True, False),
    ]
    path.chmod(0o644)
    (last,) = rules_in(tmp_path).rule_files(stated)
    assert last.current == (os.getuid() == 0)
    assert rules_in(tmp_path).installed_rules() == (NAME,)


def test_packages_rule_files_about_maps_and_disks_may_be_hidden(tmp_path: Path) -> None:
    etc, usr = tmp_path / "etc", tmp_path / "usr"
    for folder, names in (
        (etc, ["60-multipath.rules", "70-net.rules", "99-own.rules", NAME]),
        (usr, ["60-multipath.rules", "70-net.rules", "60-kpartx.rules", NAME]),
    ):
        folder.mkdir()
        for name in names:
            (folder / name).touch()
    (usr / "55-dm.rules").touch()
    (etc / "55-dm.rules").symlink_to("/dev/null")
    assert rules_in(etc, usr).shadowed_rules() == {
        f"{etc}/55-dm.rules": f"{usr}/55-dm.rules",
        f"{etc}/60-multipath.rules": f"{usr}/60-multipath.rules",
    }
    for folder in (etc, usr):
        (folder / "56-dm-mpath.rules").symlink_to("/dev/null")
    assert rules_in(etc, usr).multipath_rules() == (
        f"{usr}/60-kpartx.rules",
        f"{etc}/60-multipath.rules",
    )


def test_udevadm_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*argv: str, timeout: float | None = None) -> t.NoReturn:
        assert timeout
        raise subprocess.TimeoutExpired(argv, timeout)

    monkeypatch.setattr(udev_rules, "run", run)
    with pytest.raises(DeviceMapperError, match="`udevadm --version` has not ended within 60 sec"):
        UdevRules().udev_version()
    with pytest.raises(DeviceMapperError, match="`udevadm verify` has not ended within 60 seconds"):
        UdevRules().verify_rules((Rules(NAME, "# one\n"),), 257)
