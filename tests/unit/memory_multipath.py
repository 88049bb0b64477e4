# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A multipath target in memory: what drivers/md/dm-mpath.c keeps, prints and refuses."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    Multipath,
    PathGroup,
)

# Arguments per path that each path selector prints in a table, and in a status.
SELECTORS = {
    "round-robin": (1, 0),
    "queue-length": (1, 1),
    "service-time": (2, 2),
    # Not in the captured kernels: from dm-ps-historical-service-time.c and dm-ps-io-affinity.c.
    "historical-service-time": (1, 3),
    "io-affinity": (1, 1),
}
HANDLERS = ("alua", "emc", "hp_sw", "rdac")


@dataclass
class Disk:
    """A block device that is no map; `handler` is the hardware handler attached to it."""

    sectors: int
    handler: str = ""


class LoadedPath:
    """A path in a group, with the arguments that the path selector has filled in."""

    def __init__(self, device: DeviceNumber, selector: str, arguments: tuple[str, ...]) -> None:
        self.arguments: tuple[object, ...]
        self.throughput = 1
        if selector == "io-affinity":
            _require(len(arguments) == 1)
            # As %*pb prints a mask for a host with up to 64 CPUs.
            mask = f"{int(arguments[0].replace(',', ''), 16):016x}"
            self.arguments = (f"{mask[:8]},{mask[8:]}",)
        else:
            self.arguments = self._counts(selector, arguments)
        self.device = device
        self.active = True
        self.fail_count = 0

    def _counts(self, selector: str, arguments: tuple[str, ...]) -> tuple[object, ...]:
        expected, _arguments = SELECTORS[selector]
        _require(len(arguments) <= expected and all(each.isdigit() for each in arguments))
        repeat_count, throughput = (int(each) for each in (*arguments, "1", "1")[:2])
        if len(arguments) < 2:
            throughput = 1
        _require(throughput <= 100)
        self.throughput = throughput
        if selector == "historical-service-time":
            return (0,)
        # Since 4.6 a repeat count is 1 at most, whatever was asked.
        return (min(repeat_count, 1), throughput)[:expected]

    def status(self, words: int) -> Iterator[object]:
        """Yield the words about the path in a status line, with those of its selector."""
        yield from (self.device, "A" if self.active else "F", self.fail_count)
        yield from (0, self.throughput, 0)[:words]


class LoadedGroup:
    """A path group; a disabled one is used only if no other has a path."""

    def __init__(self, group: PathGroup) -> None:
        _require(group.selector.name in SELECTORS and len(group.paths) > 0)
        self.selector = group.selector.name
        self.paths = [
            LoadedPath(path.device, self.selector, path.arguments) for path in group.paths
        ]
        self.arguments: tuple[str, ...] = ()
        if self.selector == "historical-service-time":
            stated = group.selector.arguments
            _require(len(stated) <= 2 and all(each.isdigit() for each in stated))
            self.arguments = (*stated, *("972", "0")[len(stated) :])
            _require(int(self.arguments[0]) < 1024)
        self.disabled = False

    def has_active_path(self) -> bool:
        """Return whether I/O can go through this group."""
        return any(path.active for path in self.paths)


class LoadedMultipath:
    """A multipath target as the kernel holds it; refuses with OSError what the kernel refuses."""

    def __init__(self, target: Multipath, disks: Mapping[DeviceNumber, Disk]) -> None:
        features = target.features
        _require(features.queue_mode in ("bio", "rq", "mq"))
        _require(0 <= features.pg_init_retries <= 50)
        _require(0 <= (features.pg_init_delay_msecs or 0) <= 60000)
        _require(bool(target.groups) == (target.current_group > 0))
        self.features = features
        self.bio = features.queue_mode == "bio"
        # dm-mpath.c: bio-based discovers an attached handler, it can do nothing else.
        self.retain = features.retain_attached_hw_handler or self.bio
        self.queueing = features.queue_if_no_path
        self.saved_queueing = False
        self.groups = [LoadedGroup(group) for group in target.groups]
        self.handler = self._attach(target.hardware_handler, disks)
        self.current: LoadedGroup | None = None
        self.next = self._group(target.current_group) if self.groups else None
        self.queue_io, self.pg_init_count = 1, 0

    def table(self) -> str:
        """Return the parameters that the kernel prints for the table."""
        words: list[object] = []
        if self.queueing:
            words.append("queue_if_no_path")
        if self.features.pg_init_retries:
            words += ["pg_init_retries", self.features.pg_init_retries]
        if self.features.pg_init_delay_msecs is not None:
            words += ["pg_init_delay_msecs", self.features.pg_init_delay_msecs]
        if self.retain:
            words.append("retain_attached_hw_handler")
        if self.bio:
            words += ["queue_mode", "bio"]
        handler = [1, self.handler] if self.handler else [0]
        words = [len(words), *words, *handler, len(self.groups), self._group_number()]
        for group in self.groups:
            arguments, _path_arguments = SELECTORS[group.selector]
            words += [group.selector, len(group.arguments), *group.arguments]
            words += [len(group.paths), arguments]
            for path in group.paths:
                words += [path.device, *path.arguments]
        return "".join(f"{word} " for word in words)

    def status(self) -> str:
        """Return the parameters that the kernel prints for the status."""
        words = [2, self.queue_io, self.pg_init_count, 0, len(self.groups), self._group_number()]
        line: list[object] = [*words]
        for group in self.groups:
            state = "D" if group.disabled else "A" if group is self.current else "E"
            _arguments, arguments = SELECTORS[group.selector]
            line += [state, len(group.arguments), *group.arguments, len(group.paths), arguments]
            line += [word for path in group.paths for word in path.status(arguments)]
        return "".join(f"{word} " for word in line)

    def suspend(self, flush: bool) -> None:
        """Stop queueing, and remember it, where the kernel does (multipath_presuspend)."""
        if flush or self.bio:
            self.saved_queueing, self.queueing = self.queueing, False

    def resume(self) -> None:
        """Queue again if the map did before (multipath_resume)."""
        self.queueing = self.queueing or self.saved_queueing
        self.saved_queueing = False

    def message(self, text: str) -> None:
        """Obey the messages that change the live state (multipath_message)."""
        verb, *argument = text.split()
        if verb in ("queue_if_no_path", "fail_if_no_path") and not argument:
            self.queueing = verb == "queue_if_no_path"
        elif verb in ("fail_path", "reinstate_path") and len(argument) == 1:
            self._set_active(argument[0], verb == "reinstate_path")
        elif verb in ("disable_group", "enable_group") and len(argument) == 1:
            self._numbered(argument[0]).disabled = verb == "disable_group"
            self.current = None
        elif verb == "switch_group" and len(argument) == 1:
            self.next, self.current = self._numbered(argument[0]), None
            for group in self.groups:
                group.disabled = False
        else:
            raise OSError(errno.EINVAL, "unknown message")

    def read(self) -> bool:
        """Send an I/O to a path (choose_pgpath); tell whether there is one."""
        self.queue_io = 0
        ordered = sorted(self.groups, key=lambda group: group.disabled)
        candidates = [group for group in (self.next, self.current, *ordered) if group]
        before = self.current
        self.next = None
        self.current = next((group for group in candidates if group.has_active_path()), None)
        if self.current is not before and self.current is not None and self.handler:
            self.pg_init_count = 1
        return self.current is not None

    def devices(self) -> set[DeviceNumber]:
        """Return the paths."""
        return {path.device for group in self.groups for path in group.paths}

    def _set_active(self, device: str, active: bool) -> None:
        paths = [
            path for group in self.groups for path in group.paths if str(path.device) == device
        ]
        _require(len(paths) > 0)
        for path in paths:
            path.fail_count += path.active and not active
            path.active = active

    def _group_number(self) -> int:
        group = self.next or self.current
        return self.groups.index(group) + 1 if group else min(1, len(self.groups))

    def _group(self, number: int) -> LoadedGroup | None:
        """Return the group to start with; a number beyond the last one is as good as none."""
        return self.groups[number - 1] if number <= len(self.groups) else None

    def _numbered(self, number: str) -> LoadedGroup:
        _require(number.isdigit() and 0 < int(number) <= len(self.groups))
        return self.groups[int(number) - 1]

    def _attach(self, wanted: tuple[str, ...], disks: Mapping[DeviceNumber, Disk]) -> str:
        """Return the handler that is in use in the end (setup_scsi_dh, for each path)."""
        name = wanted[0] if wanted else ""
        for group in self.groups:
            for path in group.paths:
                attached = disks[path.device].handler if path.device in disks else ""
                if attached and (self.retain or name in HANDLERS):
                    name = attached
                elif name:
                    raise OSError(errno.ENODEV if name in ("alua", "emc") else errno.EINVAL, name)
        return name


def _require(acceptable: bool) -> None:
    if not acceptable:
        raise OSError(errno.EINVAL, "refused")
