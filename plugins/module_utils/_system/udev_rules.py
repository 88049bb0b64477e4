# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""udev's rule files and `udevadm`: the only file that knows them; it installs nothing."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import stat
import subprocess
import tempfile
import typing as t

from .._values.errors import DeviceMapperError, Refused
from .._values.udev import RuleFile, Rules
from .._values.udev_rules import ETC, OWN
from .kpartx import PACKAGES
from .programs import run

if t.TYPE_CHECKING:
    from collections.abc import Sequence

_ABOUT_MAPS = (
    *("*dm*", "*multipath*", "*mpath*", "*kpartx*", "*lvm*", "*persistent-storage*"),
    *("*del-part-nodes*", "99-systemd*"),
)
_MULTIPATH = ("*multipath*", "*kpartx*", "*dm-mpath*", "*dm-parts*")
_SECONDS = 60.0
"""How long udevadm is given, which asks only files."""
_VERIFY = 254  # the systemd that brought `udevadm verify` (its NEWS)


class UdevRules:
    """The rule files of this host, in /etc and in the packages' `directories`."""

    etc = ETC
    packages: tuple[str, ...] = PACKAGES

    def udev_version(self) -> int:
        """Return the version of udev, which is systemd's; 0 where there is none."""
        words = _udevadm("--version")[1].split()
        return int(words[0]) if words and words[0].isdigit() else 0

    def verify_rules(self, rules: Sequence[Rules], version: int) -> None:
        """Raise Refused for rules that the host's udev, of this version, finds errors in."""
        if version < _VERIFY or not rules:
            return
        with tempfile.TemporaryDirectory(prefix="san-device-mapper-") as directory:
            paths = []
            for each in rules:
                paths.append(os.path.join(directory, each.name))
                with open(paths[-1], "w", encoding="utf-8") as file:
                    file.write(each.content)
            status, words = _udevadm("verify", "--no-style", *paths)
        if status:
            found = "; ".join(words.replace(f"{directory}/", "").split("\n"))
            raise Refused(
                option="rules",
                value=", ".join(each.name for each in rules),
                found=f"`udevadm verify` finds errors: {found}",
                way_out="Correct what they are made from; nothing was changed",
            )

    def rule_files(self, rules: Sequence[Rules]) -> tuple[RuleFile, ...]:
        """Return which of the `rules` are installed, owned by root and for it alone to write."""
        return tuple(_rule_file(each, os.path.join(self.etc, each.name)) for each in rules)

    def installed_rules(self) -> tuple[str, ...]:
        """Return the names of the collection's own rule files that are installed."""
        return tuple(sorted(os.path.basename(path) for path in glob.glob(f"{self.etc}/{OWN}")))

    def shadowed_rules(self) -> dict[str, str]:
        """Return packages' rule files about maps and disks, by the path in /etc that hides each."""
        found: dict[str, str] = {}
        for name in _rule_names(self.etc, _ABOUT_MAPS):
            for hidden in (os.path.join(each, name) for each in self.packages):
                if os.path.lexists(hidden):
                    found.setdefault(os.path.join(self.etc, name), hidden)
        return found

    def multipath_rules(self) -> tuple[str, ...]:
        """Return the paths that the rule files of multipath-tools and kpartx have on this host.

        Each in the first of the directories that has its name, which is the one that counts;
        without those that are masked there, by a link to /dev/null.
        """
        found: dict[str, str] = {}
        for directory in (self.etc, *self.packages):
            for name in _rule_names(directory, _MULTIPATH):
                found.setdefault(name, os.path.join(directory, name))
        return tuple(path for _name, path in sorted(found.items()) if os.path.isfile(path))


def _rule_names(directory: str, patterns: Sequence[str]) -> list[str]:
    names = sorted(os.path.basename(path) for path in glob.glob(f"{directory}/*.rules"))
    return [
        name
        for name in names
        if any(fnmatch.fnmatchcase(name, each) for each in patterns)
        and not fnmatch.fnmatchcase(name, OWN)
    ]


def _rule_file(rules: Rules, path: str) -> RuleFile:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        status = os.fstat(file.fileno())
        safe = (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 0, 0o644)
        return RuleFile(rules.name, True, safe and file.read() == rules.content)
    return RuleFile(rules.name, False, False)


def _udevadm(*arguments: str) -> tuple[int, str]:
    """Return the exit status of udevadm and what it prints; 0 and nothing where there is none."""
    try:
        done = run("udevadm", *arguments, timeout=_SECONDS)
    except FileNotFoundError:
        return 0, ""
    except subprocess.TimeoutExpired as late:
        raise DeviceMapperError(
            f"`udevadm {arguments[0]}` has not ended within {_SECONDS:g} seconds: run it by hand to"
            " see why, then run the task again"
        ) from late
    return done.returncode, (done.stdout + done.stderr).strip()
