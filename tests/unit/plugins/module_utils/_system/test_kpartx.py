# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system.kpartx import KpartxRule


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
    rules = KpartxRule()
    rules.directories = (str(local), str(distribution))
    assert rules.kpartx_delimiter() == delimiter
    (local / "60-kpartx.rules").write_text("# masked\n", "utf-8")
    assert rules.kpartx_delimiter() is None
