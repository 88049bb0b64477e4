# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who uses maps beyond what /sys and /proc show: processes, and opens that nothing explains."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from .._values.use import Use

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...plugin_utils._types import DeviceNumber, Map, Readings, Uses

CLAIM = Use("claim")
_PATIENCE = 5.0
"""Seconds: as long as libdevmapper tries to remove a map that udev has open."""


def with_openers(
    uses: Mapping[DeviceNumber, Uses], maps: Sequence[Map], readings: Readings, timeout: float
) -> Mapping[DeviceNumber, Uses]:
    """Return `uses` with those of open `maps` that nothing in `uses` explains.

    Those are the processes that have them open; a claim without a process: a mount in another mount
    namespace, a target of the kernel's own (LIO); and opens that nothing explains (nvmet,
    io_uring). A map that others lie on is claimed by those.

    udev and its programs (blkid, multipath, kpartx) read a map and go: they are waited for,
    `timeout` seconds at most, but not where they wait for a map without a path, which its removal
    ends. An open without a process gets a few seconds: its process may have been about to end.
    """
    opened = {each.device: each for each in maps if each.open_count > _opens(each, uses)}
    if not opened:
        return uses
    openers = readings.openers(opened)
    passing = {
        each.uuid: _opens(each, uses)
        for number, each in opened.items()
        if each.uuid and _may_pass(each, uses, openers.get(number, ()))
    }
    if passing and timeout:
        by_udev = any(use.is_udev for found in openers.values() for use in found)
        counts = readings.open_counts(passing, timeout if by_udev else min(timeout, _PATIENCE))
        opened = {
            number: replace(each, open_count=counts.get(each.uuid, each.open_count))
            for number, each in opened.items()
            if counts.get(each.uuid, each.open_count) > _opens(each, uses)
        }
        openers = readings.openers(opened) if opened else {}
    merged = dict(uses)
    for number, each in opened.items():
        beyond = tuple(_beyond(each, uses, openers.get(number, ()), readings))
        if beyond:
            merged[number] = (*uses.get(number, ()), *beyond)
    return merged


def _opens(each: Map, uses: Mapping[DeviceNumber, Uses]) -> int:
    """Return how many opens of a map its known uses are; all mounts of a file system are one."""
    known = uses.get(each.device, ())
    mounted = any(use.kind == "mount" for use in known)
    return mounted + sum(use.kind != "mount" for use in known)


def _may_pass(each: Map, uses: Mapping[DeviceNumber, Uses], openers: Uses) -> bool:
    """Return whether a map may soon be unused: only maps lie on it, and only udev has it open."""
    known = uses.get(each.device, ())
    waits = each.queues_without_path and any(use.is_udev for use in openers)
    return not waits and all(use.kind == "map" for use in known) and _are_of_udev(openers)


def _beyond(
    each: Map, uses: Mapping[DeviceNumber, Uses], openers: Uses, readings: Readings
) -> Iterator[Use]:
    """Yield the uses of a map that are not known: what explains more opens comes first."""
    known = uses.get(each.device, ())
    hanging = each.queues_without_path and _are_of_udev(openers)
    yield from (use for use in openers if not (hanging and use.is_udev))
    if all(use.is_process for use in known) and readings.is_claimed(each.device):
        yield CLAIM
    elif not openers:
        yield Use("unexplained", opens=each.open_count - _opens(each, uses))


def _are_of_udev(openers: Uses) -> bool:
    return all(use.is_udev for use in openers)
