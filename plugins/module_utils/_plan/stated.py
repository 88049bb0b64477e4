# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A multipath map as a task states it, before the host is looked at, and as it should be there."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._values.multipath import Features
    from .missing import Absent, Desired
    from .path_selector import StatedPathSelector


@dataclass(frozen=True)
class StatedMap:
    """One map as the task's options state it; an empty string or tuple is what is left out.

    `max_paths` is 0 where it is not bounded. What a task may leave to the daemon has the value that
    counts without a daemon; `stated_options` are those of them that the task does state.
    """

    name: str
    wwid: str
    paths: tuple[str, ...]
    path_groups: tuple[tuple[str, ...], ...]
    present: bool
    path_grouping_policy: str
    path_selector: StatedPathSelector
    hardware_handler: str
    features: Features
    read_only: bool
    allow_shrink: bool
    rename_mounted: bool
    skip_kpartx: bool
    defers: bool
    min_paths: int
    max_paths: int
    manager: str
    no_path_retry: str
    failback: str
    prio: str
    device_options: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    adopt: bool
    stated_features: frozenset[str]
    stated_options: frozenset[str]
    timeout: float
    persistent: bool | None
    check_interval: int | None

    @property
    def listed(self) -> tuple[str, ...]:
        """The paths that the task names, in whichever option."""
        return self.paths or tuple(path for group in self.path_groups for path in group)

    @property
    def daemon_options(self) -> tuple[tuple[str, object], ...]:
        """The stated options that only multipathd knows, with their values."""
        counted = "" if self.no_path_retry in ("fail", "queue") else self.no_path_retry
        options = {
            "no_path_retry": counted,
            "failback": self.failback,
            "prio": self.prio,
            **dict(self.device_options),
            "settings": ", ".join(keyword for keyword, _value in self.settings),
            "adopt": self.adopt,
        }
        return tuple((option, value) for option, value in options.items() if value)

    @property
    def source(self) -> str:
        """The option that the paths follow from."""
        return "path_groups" if self.path_groups else "paths" if self.paths else "wwid"

    @property
    def named(self) -> tuple[str, ...]:
        """All names of paths, to be resolved where they are paths below /dev."""
        return (*self.listed, *(path for path, _argument in self.path_selector.of_paths))


@dataclass(frozen=True)
class Present:
    """A map that a task states to be there, and what it should be on this host.

    `children` are its partition maps, if they get other names with it.
    """

    stated: StatedMap
    wwid: str
    desired: Desired
    children: tuple[Desired, ...] = ()


class Gone(t.NamedTuple):
    """A map that a task states not to be, with its partition maps; the WWID may be unknown."""

    stated: StatedMap
    wwid: str
    absent: tuple[Absent, ...]


def maps_of(each: Present | Gone) -> tuple[Desired | Absent, ...]:
    """Return the maps that one item of a task is about."""
    # kpartx' rule looks at a map that is renamed: then its partition maps have their names already.
    return (*each.children, each.desired) if isinstance(each, Present) else each.absent


def flat(items: Sequence[Present | Gone]) -> Iterator[Desired | Absent]:
    """Yield all maps that a task is about, in its order."""
    for each in items:
        yield from maps_of(each)
