# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The settings of a host's multipathd: the steps, and what keeps them from holding."""

from __future__ import annotations

import contextlib
import typing as t
from dataclasses import dataclass, replace

from .._values.errors import KernelError, MultipathdLate, Refused
from .._values.host_settings import (
    IDENTITY,
    MAIN_FILE,
    MINIMAL,
    SETTINGS_FILE,
    SETTINGS_MARK,
    is_same,
    stated,
    values,
)
from .._values.multipathd_versions import SET_BY_MULTIPATH, obstacles
from .steps import Unmapped

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ...plugin_utils._types import Configuration, DaemonPath, Host, Kernel, Multipathd, Plan
    from .._values.host_settings import Place
    from .._values.multipath_conf import Section

_READ = "reconfigure"


@dataclass(frozen=True)
class WriteSettings(Unmapped):
    """Write the file of the host's settings, or the main file without which nothing starts."""

    path: str
    text: str

    def words(self) -> str:
        return f"write {self.path}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.write_drop_in(self.path, self.text)

    def foresee(self, host: Host) -> Host:
        daemon = host.multipathd
        awaited = "" if self.path == MAIN_FILE else daemon.awaited_file
        texts = {**daemon.texts, self.path: self.text}
        return replace(host, multipathd=replace(daemon, texts=texts, awaited_file=awaited))


@dataclass(frozen=True)
class RemoveSettings(Unmapped):
    """Remove the file of the host's settings."""

    path: str

    def words(self) -> str:
        return f"rm {self.path}"

    def carry_out(self, kernel: Kernel) -> None:
        kernel.remove_drop_in(self.path)

    def foresee(self, host: Host) -> Host:
        daemon = host.multipathd
        texts = {path: text for path, text in daemon.texts.items() if path != self.path}
        return replace(host, multipathd=replace(daemon, texts=texts))


@dataclass(frozen=True)
class ReadSettings(Unmapped):
    """Have the daemon read its files, and wait until it uses them.

    `expected` is what it should say then, in place of `before`, the file's text; `names` are those
    that maps should have, by their uuids. What does not come about in `timeout` seconds is undone.
    """

    expected: tuple[tuple[Place, str], ...]
    absent: tuple[Place, ...]
    names: tuple[tuple[str, str], ...]
    before: str
    foreseen: Configuration
    timeout: float

    def words(self) -> str:
        return f"multipathd {_READ}"

    def carry_out(self, kernel: Kernel) -> None:
        found: list[Configuration] = []

        def is_done(known: Configuration, _paths: Callable[[], Sequence[DaemonPath]]) -> bool:
            found[:] = [known]
            return not [*self.unmet(known)] and not [*self._other_names(kernel)]

        kernel.tell_multipathd(_READ, self.timeout)
        if not kernel.multipathd_once(is_done, self.timeout):
            reasons = [*(self.unmet(found[0]) if found else ()), *self._other_names(kernel)]
            words = "; ".join(reasons) or "it does not get idle"
            raise MultipathdLate(
                self.words(),
                f"after {self.timeout:g} seconds, {words}. Its file is as it was before the task;"
                " more is in multipathd's log (journalctl -u multipathd)",
            )

    @property
    def reinstates_paths(self) -> bool:
        return True

    def unmet(self, known: Configuration) -> Iterator[str]:
        """Yield in words what the daemon uses instead."""
        said = values(known)
        for place, value in self.expected:
            if place not in said or not is_same(value, said[place]):
                instead = said.get(place)
                yield (
                    f"in {place.option} it uses {place.words()}"
                    f" {'of its own' if instead is None else instead}, not {value}"
                )
        for place in self.absent:
            if place in said:
                yield f"in {place.option} it still has {place.words()}"

    def _other_names(self, kernel: Kernel) -> Iterator[str]:
        for uuid, name in self.names:
            found = kernel.map_of_uuid(uuid)
            if found and found.name != name:
                yield f"the map {uuid} is called {found.name}, not {name}"

    def recover(self, done: Plan, kernel: Kernel) -> int:
        """Put the file back that was there before, and have it read."""
        if not done or not isinstance(done[-1], (WriteSettings, RemoveSettings)):
            return 0
        if self.before:
            kernel.write_drop_in(SETTINGS_FILE, self.before)
        else:
            kernel.remove_drop_in(SETTINGS_FILE)
        with contextlib.suppress(KernelError):
            kernel.tell_multipathd(_READ, self.timeout)
        return 1

    def foresee(self, host: Host) -> Host:
        return replace(host, multipathd=replace(host.multipathd, known=self.foreseen))


def settings_plan(
    present: bool, names: Sequence[tuple[str, str]], bootstrap: bool, timeout: float, host: Host
) -> Plan:
    """Return what is missing of the host's settings; Refused if they would not hold."""
    daemon, wanted = host.multipathd, host.multipathd.proposed.text
    if not present and SETTINGS_FILE not in daemon.texts:
        return ()
    _refuse_not_installed(daemon)
    before = daemon.texts.get(SETTINGS_FILE, "")
    if before and not before.startswith(SETTINGS_MARK):
        raise Refused(
            option="state",
            value="present" if present else "absent",
            found=f"{SETTINGS_FILE} was not written by this module",
            way_out="Move it to another name; nothing was changed",
        )
    if present:
        _refuse_misread(daemon)
        refuse_contradicted(daemon)
    steps: list[WriteSettings | RemoveSettings | ReadSettings] = []
    if present and daemon.awaited_file:
        _refuse_awaited(daemon, bootstrap)
        steps.append(WriteSettings(MAIN_FILE, MINIMAL))
    if before != wanted:
        if present:
            steps.append(WriteSettings(SETTINGS_FILE, wanted))
        else:
            steps.append(RemoveSettings(SETTINGS_FILE))
    if daemon.runs:
        reading = _reading(wanted, before, names, timeout, daemon)
        if before != wanted or [*reading.unmet(daemon.known)]:
            steps.append(reading)
    for found, way_out in obstacles(daemon, writes=True) if steps else ():
        raise Refused(
            option="state",
            value="present" if present else "absent",
            found=found,
            way_out=f"{way_out}; nothing was changed",
        )
    return tuple(steps)


def _reading(
    wanted: str,
    before: str,
    names: Sequence[tuple[str, str]],
    timeout: float,
    daemon: Multipathd,
) -> ReadSettings:
    together = values(daemon.proposed.together)
    concerned = [
        *stated(wanted),
        *(each for each in stated(before) if each.keyword not in SET_BY_MULTIPATH),
    ]
    gone = [place for place in stated(before) if place not in together]
    new = {place: value for place, (value, _section) in stated(wanted).items()}
    together.update({place: new[place] for place in new if place.keyword in SET_BY_MULTIPATH})
    return ReadSettings(
        tuple((place, together[place]) for place in dict.fromkeys(concerned) if place in together),
        tuple(gone),
        tuple(names),
        before,
        daemon.proposed.together,
        timeout,
    )


def _refuse_not_installed(daemon: Multipathd) -> None:
    if not daemon.installed:
        raise Refused(
            option="state",
            value="present",
            found="multipath-tools is not installed",
            way_out="Install it (Debian: multipath-tools, Red Hat: device-mapper-multipath)",
        )


def _refuse_awaited(daemon: Multipathd, bootstrap: bool) -> None:
    if not bootstrap:
        raise Refused(
            option="bootstrap",
            value=False,
            found=f"{daemon.awaited_file} is missing, without which systemd does not start it",
            way_out="Set bootstrap: true to make a minimal one, or run mpathconf --enable",
        )


def _refuse_misread(daemon: Multipathd) -> None:
    """Refuse what the installed parser rejects, or reads differently from what the task says."""
    proposed = daemon.proposed
    wanted = stated(proposed.text)
    for complaint in proposed.complaints:
        option, value = _at_line(complaint, wanted)
        raise Refused(
            option=option,
            value=value,
            found=f"this host's multipath-tools do not take it: {_without_place(complaint)}",
            way_out=(
                "Use the keywords and values of multipath.conf(5) on this host; nothing was changed"
            ),
        )
    taken = values(proposed.alone)
    for place, (value, _section) in wanted.items():
        if place not in taken:
            raise Refused(
                option=place.option,
                value=f"{place.words()} {value}".rstrip(),
                found="this host's multipath-tools ignore it, without a word",
                way_out="Remove it, or see multipath.conf(5) on this host; nothing was changed",
            )
        if place.keyword not in SET_BY_MULTIPATH and not is_same(value, taken[place]):
            raise Refused(
                option=place.option,
                value=f"{place.words()} {value}",
                found=f"this host's multipath-tools read it as {taken[place]}",
                way_out="Write a value of multipath.conf(5) on this host; nothing was changed",
            )


def _at_line(complaint: str, wanted: Mapping[Place, tuple[str, Section]]) -> tuple[str, str]:
    """Return the option and the setting that a complaint is about, by its line."""
    words = (word.strip("+,:") for word in complaint.split())
    numbers = {int(word) for word in words if word.isdigit()}
    for place, (value, found) in wanted.items():
        lines = {each.line for each in found.settings if each.keyword == place.keyword}
        if numbers & lines:
            return place.option, f"{place.keyword} {value}"
    for place, (_value, found) in wanted.items():
        if found.line in numbers:
            return place.option, found.names[-1]
    return "state", "present"


def _without_place(complaint: str) -> str:
    """Return the complaint without the name of a file that is not there."""
    for words in (f"{SETTINGS_FILE} ", f"of {SETTINGS_FILE}"):
        complaint = complaint.replace(words, "")
    return complaint.strip()


def refuse_contradicted(daemon: Multipathd) -> None:
    """Refuse what another file of the host says otherwise, and what that precedes."""
    proposed = daemon.proposed
    together, alone = values(proposed.together), values(proposed.alone)
    for place, (value, _section) in stated(proposed.text).items():
        found = [each for each in daemon.others.sections if each.file != SETTINGS_FILE]
        if together.get(place) != alone.get(place):
            later = [each for each in found if _contradicts(place, value, each)]
            where = later[-1].place(place.keyword) if later else "another file"
            raise Refused(
                option=place.option,
                value=f"{place.words()} {value}",
                found=f"{where} says {together.get(place, 'otherwise')}, which multipathd uses",
                way_out="Remove it there, or set the same here; nothing was changed",
            )
        if place.names in (("defaults",), ("devices", "device")):
            for each in found:
                other = each.value(place.keyword)
                if each.names == ("overrides",) and other and not is_same(value, other):
                    raise Refused(
                        option=place.option,
                        value=f"{place.words()} {value}",
                        found=(
                            f"{each.place(place.keyword)} says {place.keyword} {other} in the"
                            " overrides section, which precedes it"
                        ),
                        way_out="Remove it there, or set the same here; nothing was changed",
                    )


def _contradicts(place: Place, value: str, section: Section) -> bool:
    said = section.value(place.keyword)
    return section.names == place.names and bool(said) and not is_same(value, said)


def contradictions(daemon: Multipathd) -> Iterator[str]:
    """Yield in words what other files say otherwise, and what holds of both."""
    for place, (value, _section) in stated(daemon.proposed.text).items():
        for each in daemon.others.sections:
            if each.file == SETTINGS_FILE or place.names[0].startswith("blacklist"):
                continue
            said = each.value(place.keyword)
            if not said or is_same(value, said):
                continue
            same = each.names == place.names and all(
                each.value(key) == of for key, of in _identity(place)
            )
            if same:
                yield (
                    f"{each.place(place.keyword)} says {place.keyword} {said} in the"
                    f" {place.names[-1]} section; {SETTINGS_FILE} is read later and says {value}"
                )
            elif place.names == ("defaults",) and each.names[0] in ("devices", "multipaths"):
                yield (
                    f"{each.place(place.keyword)} says {place.keyword} {said}, which precedes"
                    f" {value} in defaults for what that section is about"
                )


def _identity(place: Place) -> Iterator[tuple[str, str]]:
    yield from zip(IDENTITY.get(place.names, ()), place.identity)
