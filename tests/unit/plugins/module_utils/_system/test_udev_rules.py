# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""udev's rule files: what is wrong with one, which are there, and which are hidden."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system import udev_rules
from ansible_collections.san.device_mapper.plugins.module_utils._system.udev_rules import Rules
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused

NAME = "63-san-device-mapper-links.rules"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "# a comment\n\n",
        'KERNEL=="sda"\n',
        'KERNEL=="sda", ATTR{queue/scheduler}="none"\n',
        'ENV{A}!="?*", IMPORT{program}="/bin/sh -c \' \\\n  echo A=$$B; \\\n  done\'"\n',
        'SYMLINK+="a b", TAG-="x", MODE:="0600"\n',
        'KERNEL==e"sd\\"a"\n',
        'KERNEL=="sda", \n',  # a comma at the end is none to udev
    ],
)
def test_lines_of_keys_operators_and_values_are_understood(content: str) -> None:
    udev_rules.check_syntax([Rules(NAME, content)])


@pytest.mark.parametrize(
    "line",
    [
        'KERNEL=="sda',
        'KERNEL=="sda" ATTR{x}="y"',
        "KERNEL==sda",
        'KERNEL="sda"", RUN+="x"',
        "sda",
        'kernel=="sda"',
        'ENV{A"}=="x"',
    ],
)
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(Refused, match="udev would not understand this line") as refused:
        udev_rules.check_syntax([Rules(NAME, f'KERNEL=="a"\n{line}\n')])
    assert refused.value.value == line


@pytest.mark.parametrize("name", ["60-multipath.rules", "../63-san-device-mapper-x.rules", ""])
def test_a_rule_file_of_somebody_else_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="named 63-san-device-mapper"):
        udev_rules.check_syntax([Rules(name, "")])


def test_a_rule_file_is_current_with_its_content_and_mode(tmp_path: Path) -> None:
    stated = (Rules(NAME, "# one\n"),)
    path = tmp_path / NAME
    seen = [udev_rules.rule_files(stated, str(tmp_path))]
    for content, mode in (("# two\n", 0o644), ("# one\n", 0o666)):
        path.write_text(content, "utf-8")
        path.chmod(mode)
        seen.append(udev_rules.rule_files(stated, str(tmp_path)))
    assert [(each.found, each.current) for (each,) in seen] == [
        (False, False),
        (True, False),
        (True, False),
    ]
    path.chmod(0o644)
    (last,) = udev_rules.rule_files(stated, str(tmp_path))
    assert last.current == (os.getuid() == 0)
    assert udev_rules.installed(str(tmp_path)) == (NAME,)


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
    assert udev_rules.shadowed(str(etc), [str(usr)]) == {
        f"{etc}/55-dm.rules": f"{usr}/55-dm.rules",
        f"{etc}/60-multipath.rules": f"{usr}/60-multipath.rules",
    }
    for folder in (etc, usr):
        (folder / "56-dm-mpath.rules").symlink_to("/dev/null")
    assert udev_rules.multipath_rules([str(etc), str(usr)]) == (
        f"{usr}/60-kpartx.rules",
        f"{etc}/60-multipath.rules",
    )
