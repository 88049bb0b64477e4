# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The udev rule of a host that has kpartx make partition maps."""

from __future__ import annotations

import re

from .attribute import content, listed

ETC = "/etc/udev/rules.d"
PACKAGES = (
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
)

# Of a rule that runs kpartx, and of the one that the role udev_rules installs instead.
_KPARTX = re.compile(
    rb"""(?:kpartx[^"']*?\s-p\s*|\{SAN_DEVICE_MAPPER_DELIMITER\}=")(?P<delimiter>[^\s"']+)"""
)


class KpartxRule:
    """The rule, in /etc or in the packages' `directories`; those that come first count."""

    directories: tuple[str, ...] = (ETC, *PACKAGES)

    def kpartx_delimiter(self) -> str | None:
        """Return the delimiter that the host's kpartx rule states; None without such a rule.

        As with udev, a file hides those of the same name in the directories after its own.
        """
        files: dict[str, str] = {}
        for directory in self.directories:
            for name in listed(directory):
                files.setdefault(name, f"{directory}/{name}")
        for name, path in sorted(files.items()):
            match = _KPARTX.search(content(path)) if name.endswith(".rules") else None
            if match:
                return match.group("delimiter").decode("utf-8", "replace")
        return None
