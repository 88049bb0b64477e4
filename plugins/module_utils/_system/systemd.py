# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd: the units that use devices now, and the files from which it makes them at boot."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import typing as t

from .._values.errors import DeviceMapperError, Refused
from .._values.records import MULTIPATHD_UNITS, NextBoot
from .._values.systemd import Unit, needed_files, parse_units
from .attribute import read_text
from .programs import run

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_RUNS = "/run/systemd/system"  # sd_booted(3)
_UNITS = ("*.mount", "*.swap", "*.automount")
_SEARCHED = "/usr/sbin:/usr/bin:/sbin:/bin"
_PROPERTIES = "Id,ActiveState,Where,BindsTo,StopPropagatedFrom,Triggers"


class Systemd:
    """The systemd of a host; one without it has no units."""

    fstab, crypttab, cmdline = "/etc/fstab", "/etc/crypttab", "/proc/cmdline"
    configuration: tuple[str, ...] = (
        "/etc/initramfs-tools/initramfs.conf",
        "/etc/initramfs-tools/conf.d/*",
        "/etc/dracut.conf",
        "/etc/dracut.conf.d/*.conf",
        "/etc/default/grub",
        "/etc/default/grub.d/*.cfg",
        "/etc/kernel/cmdline",
        "/boot/loader/entries/*.conf",
    )
    """What initramfs and kernel command line are made of, or what a boot loader reads."""

    def units(self, timeout: float) -> tuple[Unit, ...]:
        """Return the active mount, swap and automount units; an error if systemd does not say."""
        if not os.path.isdir(_RUNS):
            return ()
        try:
            # All: an automount that waits has its device from its mount unit, which is inactive.
            asked = ("show", "--all", f"--property={_PROPERTIES}")
            done = run("systemctl", *asked, *_UNITS, timeout=timeout)
        except FileNotFoundError:
            return ()
        except subprocess.TimeoutExpired as late:
            raise Refused(
                option="timeout",
                value=f"{timeout:g}",
                found="systemd does not say in that time which mounts end with a rename",
                way_out="See `systemctl show '*.mount'`, or raise the timeout; nothing was changed",
            ) from late
        if done.returncode:
            raise DeviceMapperError(
                "systemd does not say which mounts end with a rename (systemctl show '*.mount'):"
                f" {done.stderr.strip() or done.returncode}. See to it, or keep the name; nothing"
                " was changed"
            )
        return tuple(parse_units(done.stdout))

    def named_at_boot(self, paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return where `paths` are named, by path, for the next boot to look for them.

        In fstab, crypttab and the kernel's command line, and in what makes that and an initramfs.
        """
        files = sorted(file for pattern in self.configuration for file in glob.glob(pattern))
        texts = {file: read_text(file) for file in files if os.path.isfile(file)}
        found = {path: (*self._places(path), *_named_in(texts, path)) for path in paths}
        return {path: places for path, places in found.items() if places}

    def next_boot(self, programs: Iterable[str], timeout: float) -> NextBoot:
        """Return what would keep the next boot from making persistent maps."""
        runs = os.path.isdir(_RUNS)
        missing = [each for each in programs if not shutil.which(each, path=_SEARCHED)]
        return NextBoot(
            (*missing, *(() if runs else ("systemd",))),
            tuple(_daemon_units(timeout)) if runs else (),
            tuple(filter(_turns_off, read_text(self.cmdline).split())),
        )

    def _places(self, path: str) -> list[str]:
        places = []
        for file, field in ((self.fstab, 0), (self.crypttab, 1)):
            for number, line in enumerate(read_text(file).split("\n"), 1):
                words = line.split()
                stated = [] if line.lstrip().startswith("#") else words[field : field + 1]
                if path in map(_unescaped, stated):
                    places.append(f"{file}:{number}")
        values = (word.partition("=")[2] for word in read_text(self.cmdline).split())
        return [*places, *([self.cmdline] if path in values else [])]


def _named_in(texts: Mapping[str, str], path: str) -> Iterator[str]:
    """Yield file and line where a path stands in shell or plain text, comments aside."""
    whole = re.compile(rf"(?<![\w#+.:@/-]){re.escape(path)}(?![\w#+.:=@/-])", re.ASCII)
    for file, text in texts.items():
        for number, line in enumerate(text.split("\n"), 1):
            if whole.search(line) and not line.lstrip().startswith("#"):
                yield f"{file}:{number}"


def _daemon_units(timeout: float) -> Iterator[str]:
    """Yield the units of multipathd that the next boot starts; Refused if systemd is silent."""
    try:
        enabled = [
            unit
            for unit in MULTIPATHD_UNITS
            if run("systemctl", "is-enabled", unit, timeout=timeout).stdout.strip() == "enabled"
        ]
        unit = run("systemctl", "cat", MULTIPATHD_UNITS[0], timeout=timeout) if enabled else None
    except FileNotFoundError:
        return
    except subprocess.TimeoutExpired as late:
        raise Refused(
            option="timeout",
            value=f"{timeout:g}",
            found="systemd does not say in that time whether multipathd is enabled",
            way_out="See `systemctl is-enabled multipathd`, or raise the timeout",
        ) from late
    if unit is None or all(map(_is_met, needed_files(unit.stdout))):
        yield from enabled


def _is_met(condition: str) -> bool:
    """Return whether a ConditionPathExists is met."""
    return os.path.exists(condition.lstrip("!")) is not condition.startswith("!")


def _turns_off(word: str) -> bool:
    """Return whether udev's rules and the units take this word for multipath being off."""
    return word.partition("=")[0] == "nompath" or word == "multipath=off"


def _unescaped(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), word)
