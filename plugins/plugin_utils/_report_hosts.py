# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a report shows: hosts, their LUNs, and all that is between a path and a mount, as values."""

from __future__ import annotations

import typing as t
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Result = Mapping[str, t.Any]

STATES = ("unknown", "dead", "queueing", "degraded", "healthy")
"""The states of maps, the worst first; `unknown` are hosts that could not be looked at."""

_WORDS = {
    "inactive_table": "a second table is loaded",
    "missing_link": "links are missing",
    "no_multipath_table": "the table is not a multipath table",
    "no_table": "no table",
    "no_usable_path": "no usable path",
    "not_as_drop_in": "not as its drop-in says",
    "not_at_boot": "not there after the next boot",
    "not_ready": "not ready for udev",
    "one_path_left": "one path is left",
    "partition_table_unreadable": "the partition table cannot be read",
    "path_down": "down",
    "path_failed": "failed",
    "path_gone": "gone",
    "path_in_transition": "in transition",
    "path_not_in_map": "not in the map",
    "path_not_registered": "not registered for the reservation",
    "path_of_other_lun": "of another LUN",
    "path_renamed": "with another name in udev",
    "path_size": "of another size",
    "stale_partition_map": "stale partition maps",
    "suspended": "suspended",
    "too_few_paths": "too few paths",
    "too_many_paths": "too many paths",
}
_NVME = "NVMe multipath device"
_ANA = {"optimized": 0, "non-optimized": 1}
_PATH_KINDS = tuple(kind for kind in _WORDS if kind.startswith("path_"))


@dataclass(frozen=True)
class PathRow:
    """A path; `state` is `active`, `down` (active, but its device is not), `failed` or `gone`."""

    name: str
    address: str
    state: str
    details: str


@dataclass(frozen=True)
class GroupRow:
    """A group of paths; number 0 is for the paths of a LUN that no map uses.

    Of an NVMe multipath device it is an ANA group, and `selector` the I/O policy.
    """

    number: int
    state: str
    selector: str
    paths: tuple[PathRow, ...]

    @property
    def words(self) -> str:
        """What stands above its paths; nothing above those of a LUN that no map uses."""
        if not self.number:
            return ""
        return ", ".join(filter(None, (f"group {self.number}", self.state, self.selector)))


@dataclass(frozen=True)
class Layer:
    """A map on top of another one, or a use of it (`size` is None), with what is on top of that."""

    kind: str
    name: str
    size: int | None = None
    above: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What is wrong, in words, and with what."""

    words: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class LunRow:
    """A LUN with its map, from its paths to its mounts; `state` is empty if it has no map.

    Or a namespace with its NVMe multipath device.
    """

    anchor: str
    wwid: str
    size: int | None
    name: str = ""
    device: str = ""
    state: str = ""
    active: int = 0
    paths: int = 0
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    groups: tuple[GroupRow, ...] = ()
    above: tuple[Layer, ...] = ()

    @property
    def is_nvme(self) -> bool:
        """Whether this is a namespace."""
        return _NVME in self.notes


@dataclass(frozen=True)
class HostRow:
    """A host; `problem` says why it could not be looked at."""

    anchor: str
    name: str
    luns: tuple[LunRow, ...] = ()
    problem: str = ""

    @property
    def state(self) -> str:
        """The worst of its maps' states."""
        if self.problem:
            return "unknown"
        found = {lun.state for lun in self.luns}
        return next((state for state in STATES if state in found), "")

    @property
    def counts(self) -> Sequence[tuple[str, int]]:
        """How many maps are in which state, the worst first."""
        counted = Counter(lun.state for lun in self.luns)
        return [(state, counted[state]) for state in STATES if counted[state]]


def rank(state: str) -> int:
    """Return how bad a state is; 0 is the worst."""
    return STATES.index(state) if state in STATES else len(STATES)


def read_host(number: int, name: str, result: Result) -> HostRow:
    """Return a host as the module returned it; what cannot be its result is the host's problem."""
    anchor = f"h{number}"
    try:
        if "maps" not in result:
            problem = "unreachable" if result.get("unreachable") else "failed"
            return HostRow(anchor, name, problem=f"{problem}: {result['msg']}".strip())
        rows = (*_luns(anchor, result), *_namespaces(anchor, result))
        return HostRow(anchor, name, tuple(sorted(rows, key=lambda row: rank(row.state))))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        problem = f"its answer is not a result of device_mapper_info ({error!r})"
        return HostRow(anchor, name, problem=problem)


def _luns(anchor: str, result: Result) -> Iterator[LunRow]:
    """Yield the LUNs of a host, the worst first, then by the names of their maps."""
    above = _above(result["maps"])
    seen = {lun["wwid"]: lun for lun in result["luns"]}
    mapped = {each["wwid"]: each for each in result["maps"] if each["wwid"]}
    wwids = sorted({*seen, *mapped}, key=lambda wwid: _order(wwid, mapped.get(wwid)))
    for number, wwid in enumerate(wwids):
        lun, each = seen.get(wwid), mapped.get(wwid)
        where = f"{anchor}-{number}"
        size = _size(lun["size"]) if lun else 0
        if each is None:
            paths = tuple(_path(path) for path in lun["paths"]) if lun else ()
            yield LunRow(where, wwid, size, groups=(GroupRow(0, "", "", paths),))
        else:
            yield _mapped(where, size, each, above)


def _order(wwid: str, each: Result | None) -> tuple[int, str, str]:
    if each is None:
        return len(STATES), "", wwid
    return rank(each["health"]["state"]), each["name"], wwid


def _mapped(anchor: str, size: int | None, each: Result, above: _Above) -> LunRow:
    health = each["health"]
    features = each["table"][0].get("features", ()) if each["table"] else ()
    notes = {
        "queues without paths": "queue_if_no_path" in features,
        "read-only": each["read_only"],
        "removed once it is closed": each["deferred_remove"],
    }
    return LunRow(
        anchor=anchor,
        wwid=each["wwid"],
        size=size,
        name=each["name"],
        device=each["device"] or "",
        state=health["state"] if health["state"] in STATES else "unknown",
        active=int(health["active_paths"]),
        paths=int(health["path_count"]),
        notes=tuple(note for note, holds in notes.items() if holds),
        findings=tuple(_findings(health["reasons"])),
        groups=tuple(
            GroupRow(
                number,
                group["state"],
                group["path_selector"],
                tuple(_path(path) for path in group["paths"]),
            )
            for number, group in enumerate(each["path_groups"], 1)
        ),
        above=above(each),
    )


def _namespaces(anchor: str, result: Result) -> Iterator[LunRow]:
    """Yield the namespaces of a host with their NVMe multipath devices."""
    above = _above(result["maps"])
    # An older version of the module has returned none.
    pairs = [(each, one) for each in result.get("nvme", ()) for one in each["namespaces"]]
    for number, (subsystem, each) in enumerate(pairs):
        health = each["health"]
        addresses = {one["name"]: one["target_address"] for one in subsystem["controllers"]}
        notes = {_NVME: True, "read-only": each["read_only"]}
        yield LunRow(
            anchor=f"{anchor}-nvme{number}",
            wwid=each["wwid"],
            size=_size(each["size"]),
            name=each["name"],
            device=each["device"],
            state=health["state"] if health["state"] in STATES else "unknown",
            active=int(health["active_paths"]),
            paths=int(health["path_count"]),
            notes=tuple(note for note, holds in notes.items() if holds),
            findings=tuple(_findings(health["reasons"])),
            groups=tuple(_ana_groups(each["paths"], addresses, subsystem["iopolicy"])),
            above=above({"table": (), **each}),
        )


def _ana_groups(
    paths: Sequence[Result], addresses: Mapping[str, str], policy: str
) -> Iterator[GroupRow]:
    """Yield the paths by their ANA states, those that the kernel prefers first."""
    states = sorted(
        dict.fromkeys(path["ana_state"] for path in paths), key=lambda state: _ANA.get(state, 2)
    )
    for number, state in enumerate(states, 1):
        rows = tuple(
            PathRow(
                name=path["name"],
                address=addresses.get(path["controller"], ""),
                state="active" if path["carries_io"] else "down",
                details=", ".join(
                    f"{key} {value}"
                    for key, value in (
                        ("controller", path["controller"]),
                        ("state", path["state"]),
                        ("ANA", path["ana_state"]),
                        ("ANA group", path["ana_group"]),
                    )
                    if value
                ),
            )
            for path in paths
            if path["ana_state"] == state
        )
        yield GroupRow(number, state, policy, rows)


def _size(size: t.Any) -> int | None:
    return None if size is None else int(size)


def _path(path: Result) -> PathRow:
    words = {
        "": path["device"],
        "address": path["address"],
        "state": path["state"],
        "ALUA": path["access_state"],
        "port group": path["target_port_group"],
        "target": path["target_node_name"],
        "failures": path.get("fail_count"),
    }
    return PathRow(
        name=path["name"] or path["device"],
        address=path["address"],
        state=_path_state(path),
        details=", ".join(f"{key} {value}".strip() for key, value in words.items() if value),
    )


def _path_state(path: Result) -> str:
    """Return what is worst: a device that is gone, a path that failed, a device that is down."""
    if not path["name"]:
        return "gone"
    if path.get("active", True) is not True:  # A LUN without a map has only devices.
        return "failed"
    return "active" if path["carries_io"] else "down"


def _findings(reasons: Sequence[Result]) -> Iterator[Finding]:
    """Yield what is wrong, once for each kind."""
    kinds = dict.fromkeys(reason["kind"] for reason in reasons)
    for kind in kinds:
        details = tuple(
            filter(None, (_detail(reason) for reason in reasons if reason["kind"] == kind))
        )
        words = _WORDS.get(kind, kind.replace("_", " "))
        if kind in _PATH_KINDS:
            words = f"{len(details)} {'path' if len(details) == 1 else 'paths'} {words}"
        yield Finding(words, details)


def _detail(reason: Result) -> str:
    name = reason.get("name") or reason.get("path", "")
    found, expected = reason.get("found", ""), reason.get("expected", "")
    said = " instead of ".join(filter(None, (found, expected)))
    return ": ".join(filter(None, (name, said)))


_Above = t.Callable[[Result], tuple[Layer, ...]]


def _above(maps: Sequence[Result]) -> _Above:
    """Return what tells the layers on top of a map: the maps that lie on it, and its other uses."""
    on: dict[str, list[Result]] = {}
    for each in maps:
        for device in dict.fromkeys(row.get("device") for row in each["table"]):
            if device:
                on.setdefault(device, []).append(each)

    def layers(each: Result, below: tuple[str, ...] = ()) -> tuple[Layer, ...]:
        children = on.get(each["device"] or "", ())
        shown = {child["device"] for child in children}
        found = [
            Layer(
                _kind(child),
                child["name"],
                _size(child["size"]),
                layers(child, (*below, each["name"])),
            )
            for child in sorted(children, key=lambda child: (len(child["name"]), child["name"]))
            if child["name"] not in below
        ]
        found += [
            Layer("mount", user["name"]) if user["kind"] == "mount" else Layer("use", words)
            for words, user in zip(each["uses"], each["users"])
            if user["device"] is None or user["device"] not in shown
        ]
        return tuple(found)

    return layers


def _kind(child: Result) -> str:
    uuid = child["uuid"]
    return "partition" if uuid.startswith("part") else "LVM" if uuid.startswith("LVM-") else "map"
