# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a listing of an initramfs says, in the formats of both tools."""

from __future__ import annotations

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system.initramfs import _files


@pytest.mark.parametrize(
    "line",
    [
        "usr/lib/udev/rules.d/60-multipath.rules",
        "-rw-r--r--   1 root root  4012 Nov 23 05:08 usr/lib/udev/rules.d/60-multipath.rules",
        "lrwxrwxrwx   1 root     root   9 Nov 23 05:08 etc/60-multipath.rules -> /dev/null",
    ],
)
def test_the_names_of_the_files_are_found(line: str) -> None:
    names = _files(["printf", "%s\n", "etc", line, ""], 10)
    assert names is not None
    assert {"etc", "60-multipath.rules"} <= names


def test_an_image_that_cannot_be_listed_has_no_names() -> None:
    assert _files(["false"], 10) is None
    assert _files(["no-such-command"], 10) is None
