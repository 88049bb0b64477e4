# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a rule file, without a udev that would say so."""

from __future__ import annotations

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.udev import Rules
from ansible_collections.san.device_mapper.plugins.module_utils._values.udev_rules import (
    check_syntax,
)

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
    check_syntax([Rules(NAME, content)])


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
    with pytest.raises(Refused, match="udev could not read this line") as refused:
        check_syntax([Rules(NAME, f'KERNEL=="a"\n{line}\n')])
    assert refused.value.value == line


@pytest.mark.parametrize("name", ["60-multipath.rules", "../63-san-device-mapper-x.rules", ""])
def test_a_rule_file_of_somebody_else_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="named 63-san-device-mapper"):
        check_syntax([Rules(name, "")])
