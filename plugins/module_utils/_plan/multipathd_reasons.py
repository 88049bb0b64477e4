# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why multipathd does not have a map as a task states it, in words, as far as it shows."""

from __future__ import annotations

import typing as t

from .._values.blacklist import rules_against
from .._values.errors import shown
from .._values.multipath_conf import drop_in_path

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...plugin_utils._types import BlockDevice, Map, Multipathd
    from .managed import Managed

_TAKES_ALL = ("off", "no", "greedy")
"""The values of find_multipaths with which the daemon makes a map of any path."""

_FEW = 5  # Lines of a log

LOGGED = {
    "devnode": "device node name",
    "wwid": "wwid",
    "device": "vendor/product",
    "protocol": "protocol",
    "property": "udev property",
}
"""What the daemon calls the kinds of its rules (blacklist.c log_filter)."""


def reasons(
    managed: Managed, disks: Sequence[BlockDevice], daemon: Multipathd, found: Map | None
) -> Iterator[str]:
    """Yield what keeps the daemon from having the map; what tells most comes first.

    `found` is the map that there is instead.
    """
    if daemon.runs:
        for disk in disks:
            yield from _against_path(disk, managed.wwid, daemon)
        yield from _against_wwid(managed.wwid, disks, daemon)
        yield from _against_reading(managed, daemon)
        yield from _against_groups(disks, daemon, found)
    else:
        yield "it no longer runs"
    about = (managed.name, managed.wwid, *(disk.name for disk in disks))
    lines = [line for line in daemon.log if any(word in line for word in about)]
    yield from (f"its log: {shown(line)}" for line in lines[-_FEW:])


def left_out(disk: BlockDevice, wwid: str, daemon: Multipathd) -> str:
    """Return why the daemon has no such path: in its own words, and by which rules."""
    said = daemon.left_out.get(disk.device, "")
    known = {"devnode": disk.name, "wwid": wwid}
    rules = [*rules_against(known, daemon.files)] or [*rules_against(known, daemon.known)]
    told = [rule for rule, _certain in rules if LOGGED[rule.kind] in said]
    words = [each.words() for each in told or [rule for rule, _certain in rules]]
    return "; ".join((*([shown(said)] if said else []), *words)) or "for its own reasons"


def to_be_left_out(disk: BlockDevice, wwid: str, daemon: Multipathd) -> str:
    """Return the rules for which the daemon will have no such path once it reads its files."""
    known = {"devnode": disk.name, "wwid": wwid}
    path = daemon.path_at(disk.device)
    if path and path.protocol:
        known["protocol"] = path.protocol
    if path and len(path.storage) == 2:
        known["vendor"], known["product"] = path.storage
    rules = rules_against(known, daemon.files)
    return "; ".join(rule.words() for rule, certain in rules if certain)


def _against_path(disk: BlockDevice, wwid: str, daemon: Multipathd) -> Iterator[str]:
    path = daemon.path_at(disk.device)
    if path is None:
        yield f"it leaves the path {disk.name} out: {left_out(disk, wwid, daemon)}"
    elif path.wwid != wwid:
        yield f"it has the WWID {path.wwid or '(none)'} for the path {disk.name}"


def _against_wwid(wwid: str, disks: Sequence[BlockDevice], daemon: Multipathd) -> Iterator[str]:
    """Yield how find_multipaths keeps the daemon from the LUN (libmultipath/wwids.c)."""
    (stated, *_others) = [*reversed(daemon.known.saying("find_multipaths")), None]
    mode = stated.value("find_multipaths") if stated else "strict"
    alone = len(disks) == 1
    if wwid not in daemon.wwids and mode not in _TAKES_ALL and (mode == "strict" or alone):
        yield f"find_multipaths is {mode}, and the WWID is not in /etc/multipath/wwids"


def _against_reading(managed: Managed, daemon: Multipathd) -> Iterator[str]:
    """Yield what the daemon uses instead of what it was told."""
    sections = daemon.known.multipath(managed.wwid)
    if not sections and len(managed.settings) > 1:
        yield f"it has not read {drop_in_path(managed.wwid)}"
    for section in sections[-1:]:
        for keyword, value in managed.settings.items():
            if section.value(keyword) != value:
                yield f"it uses {keyword} {section.value(keyword) or '(its default)'}, not {value}"


def _against_groups(
    disks: Sequence[BlockDevice], daemon: Multipathd, found: Map | None
) -> Iterator[str]:
    """Yield that the daemon asks the storage for ALUA states, and the kernel's handler does not.

    It does once the daemon has made the map, which loads the handler (dm-mpath.c).
    """
    unknown = [disk.name for disk in disks if not disk.access_state]
    detects = any(
        each.value("detect_pgpolicy") == "yes" for each in daemon.known.saying("detect_pgpolicy")
    )
    there = found.multipath if found else None
    if there and there.hardware_handler == ("alua",) and unknown and detects:
        yield (
            f"it groups the paths by ALUA (detect_pgpolicy), of which the kernel has shown nothing"
            f" ({', '.join(unknown)}): scsi_dh_alua was not loaded before"
        )
