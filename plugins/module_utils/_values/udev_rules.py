# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's own udev rule files: their names, and what can be said of their text."""

from __future__ import annotations

import fnmatch
import re
import typing as t

from .errors import Refused

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from ...plugin_utils._types import Rules

ETC = "/etc/udev/rules.d"
OWN = "[67]3-san-device-mapper-*.rules"
"""The collection's own files. 73 is for NVMe, after the rules of nvme-cli (71-nvmf-*)."""

_ITEM = r'\s*[A-Z_]+(?:\{[^}"]+\})?\s*(?:==|!=|\+=|-=|:=|=)\s*[ie]?"(?:[^"\\]|\\.)*"\s*'
_LINE = re.compile(rf"{_ITEM}(?:,{_ITEM})*,?\s*", re.ASCII)


def check_syntax(rules: Sequence[Rules]) -> None:
    """Raise Refused for a line that is no list of keys, operators and quoted values (udev(7)).

    All that can be said of rules where udev has no command that verifies them.
    """
    for each in rules:
        if not fnmatch.fnmatchcase(each.name, OWN) or "/" in each.name:
            raise Refused(
                option="rules",
                value=each.name,
                found=(
                    "the collection's own rule files are named 63-san-device-mapper-*.rules, or"
                    " 73-san-device-mapper-*.rules for NVMe"
                ),
                way_out="Put your own rules into other files",
            )
        joined = re.sub(r"\\\n\s*", "", each.content)
        for line in joined.split("\n"):
            if line.strip() and not line.lstrip().startswith("#") and not _LINE.fullmatch(line):
                raise Refused(
                    option="rules",
                    value=line.strip(),
                    found=f"udev could not read this line of {each.name}",
                    way_out="Look for a quotation mark or a line break in the values of the line",
                )
