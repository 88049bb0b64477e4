# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""udev's rule files and `udevadm`: the only file that knows them; it installs nothing."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import re
import stat
import tempfile
import typing as t

from .._values.errors import Refused
from .._values.udev import RuleFile
from .programs import run

if t.TYPE_CHECKING:
    from collections.abc import Sequence

ETC = "/etc/udev/rules.d"
PACKAGES = ("/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d",
            "/lib/udev/rules.d")  # fmt: skip
OWN = "63-san-device-mapper-*.rules"
_ABOUT_MAPS = ("*dm*", "*multipath*", "*mpath*", "*kpartx*", "*lvm*", "*persistent-storage*",
               "*del-part-nodes*", "99-systemd*")  # fmt: skip
_MULTIPATH = ("*multipath*", "*kpartx*", "*dm-mpath*", "*dm-parts*")
_VERIFY = 254  # the systemd that brought `udevadm verify` (its NEWS)

_ITEM = r'\s*[A-Z_]+(?:\{[^}"]+\})?\s*(?:==|!=|\+=|-=|:=|=)\s*[ie]?"(?:[^"\\]|\\.)*"\s*'
_LINE = re.compile(rf"{_ITEM}(?:,{_ITEM})*,?\s*", re.ASCII)


class Rules(t.NamedTuple):
    """The text of a rule file, by the name that it is to have in /etc/udev/rules.d."""

    name: str
    content: str


def check_syntax(rules: Sequence[Rules]) -> None:
    """Raise Refused for a line that is no list of keys, operators and quoted values (udev(7)).

    All that can be said of rules where udev has no command that verifies them.
    """
    for each in rules:
        if not fnmatch.fnmatchcase(each.name, OWN) or "/" in each.name:
            raise Refused(
                "rules", each.name, f"the collection's own rule files are named {OWN}",
                "Put rules of your own into files of your own",
            )  # fmt: skip
        joined = re.sub(r"\\\n\s*", "", each.content)
        for line in joined.split("\n"):
            if line.strip() and not line.lstrip().startswith("#") and not _LINE.fullmatch(line):
                raise Refused(
                    "rules", line.strip(), f"udev would not understand this line of {each.name}",
                    "Look for a quotation mark or a line break in what it is made from",
                )  # fmt: skip


def version() -> int:
    """Return the version of udev, which is systemd's; 0 where there is none."""
    words = _udevadm("--version")[1].split()
    return int(words[0]) if words and words[0].isdigit() else 0


def verify(rules: Sequence[Rules], of: int) -> None:
    """Raise Refused for rules that the host's udev, of version `of`, finds errors in."""
    if of < _VERIFY or not rules:
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
            "rules", ", ".join(each.name for each in rules),
            f"`udevadm verify` finds errors: {found}",
            "Correct what they are made from; nothing was changed",
        )  # fmt: skip


def rule_files(rules: Sequence[Rules], directory: str = ETC) -> tuple[RuleFile, ...]:
    """Return which of the `rules` are installed, owned by root and with nobody else's to write."""
    return tuple(_rule_file(each, os.path.join(directory, each.name)) for each in rules)


def installed(directory: str = ETC) -> tuple[str, ...]:
    """Return the names of the collection's own rule files that are installed."""
    return tuple(sorted(os.path.basename(path) for path in glob.glob(f"{directory}/{OWN}")))


def shadowed(directory: str = ETC, packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return packages' rule files about maps and disks, by the path in /etc that hides each."""
    found: dict[str, str] = {}
    for name in _names(directory, _ABOUT_MAPS):
        for hidden in (os.path.join(each, name) for each in packages):
            if os.path.lexists(hidden):
                found.setdefault(os.path.join(directory, name), hidden)
    return found


def multipath_rules(directories: Sequence[str] = (ETC, *PACKAGES)) -> tuple[str, ...]:
    """Return the paths that the rule files of multipath-tools and kpartx have on this host.

    Each in the first of the directories that has its name, which is the one that counts; without
    those that are masked there, by a link to /dev/null.
    """
    found: dict[str, str] = {}
    for directory in directories:
        for name in _names(directory, _MULTIPATH):
            found.setdefault(name, os.path.join(directory, name))
    return tuple(path for _name, path in sorted(found.items()) if os.path.isfile(path))


def _names(directory: str, patterns: Sequence[str]) -> list[str]:
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
        done = run("udevadm", *arguments)
    except FileNotFoundError:
        return 0, ""
    return done.returncode, (done.stdout + done.stderr).strip()
