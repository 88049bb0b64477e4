# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The adapter on libudev: the only file that knows that library."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import time
import typing as t

from .attribute import decoded

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...plugin_utils._types import DeviceNumber


class LibUdev:
    """udev's database of block devices; empty where the host has no libudev or no udevd."""

    def __init__(self) -> None:
        super().__init__()
        self._udev = _load_library()
        self._context = self._udev.udev_new() if self._udev else None

    def read(
        self, device: DeviceNumber, names: t.Sequence[str]
    ) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
        """Return whether udev's rules have run for `device`, its properties `names`, its links.

        A property that is not set is empty; the links are sorted.
        """
        with self._device(device) as pointer:
            if not pointer:
                return False, ("",) * len(names), ()
            library = self._udev
            get = library.udev_device_get_property_value
            values = tuple(decoded(get(pointer, name.encode())) for name in names)
            entry = library.udev_device_get_devlinks_list_entry(pointer)
            links = []
            while entry:
                links.append(decoded(library.udev_list_entry_get_name(entry)))
                entry = library.udev_list_entry_get_next(entry)
            known = bool(library.udev_device_get_is_initialized(pointer))
            return known, values, tuple(sorted(links))

    def udev_properties(self, device: DeviceNumber, names: t.Sequence[str]) -> tuple[str, ...]:
        """Return udev's properties `names` of a block device, empty where one is not set."""
        _known, values, _links = self.read(device, names)
        return values

    def udev_property_names(self, device: DeviceNumber) -> tuple[str, ...]:
        """Return the names of udev's properties of a block device, in libudev's order."""
        found = []
        with self._device(device) as pointer:
            library = self._udev
            entry = library.udev_device_get_properties_list_entry(pointer) if pointer else None
            while entry:
                found.append(decoded(library.udev_list_entry_get_name(entry)))
                entry = library.udev_list_entry_get_next(entry)
        return tuple(found)

    def knows(self, device: DeviceNumber) -> bool:
        """Return whether udev's rules have run for `device`."""
        with self._device(device) as pointer:
            return bool(pointer and self._udev.udev_device_get_is_initialized(pointer))

    _waited_in_vain = False

    def settle(self, timeout: float) -> None:
        """Wait until udev's queue is empty, `timeout` seconds at most.

        Once for each task: an event that hangs keeps the queue from being empty.
        """
        if self._waited_in_vain or not self.udev_runs():
            return
        queue = ctypes.c_void_p(self._udev.udev_queue_new(self._context))
        try:
            emptied = select.poll()
            descriptor = self._udev.udev_queue_get_fd(queue)
            if descriptor < 0:
                return
            emptied.register(descriptor, select.POLLIN)
            end = time.monotonic() + timeout
            while not self._udev.udev_queue_get_queue_is_empty(queue):
                left = end - time.monotonic()
                if left <= 0 or not emptied.poll(left * 1000):
                    self._waited_in_vain = timeout > 0
                    return
                self._udev.udev_queue_flush(queue)
        finally:
            self._udev.udev_queue_unref(queue)

    @contextlib.contextmanager
    def block_events(self) -> Iterator[Callable[[float], None]]:
        """Give a function that waits for udev to finish with a block device, or some seconds.

        An event between the beginning and the call is not missed. Without udevd only time ends
        the wait.
        """
        if not self.udev_runs():
            yield time.sleep
            return
        library = self._udev
        monitor = ctypes.c_void_p(library.udev_monitor_new_from_netlink(self._context, b"udev"))
        try:
            library.udev_monitor_filter_add_match_subsystem_devtype(monitor, b"block", None)
            library.udev_monitor_enable_receiving(monitor)
            arrived = select.poll()
            arrived.register(library.udev_monitor_get_fd(monitor), select.POLLIN)

            def wait(seconds: float) -> None:
                while arrived.poll(seconds * 1000):
                    device = library.udev_monitor_receive_device(monitor)
                    if device:
                        library.udev_device_unref(device)
                    seconds = 0

            yield wait
        finally:
            library.udev_monitor_unref(monitor)

    def udev_runs(self) -> bool:
        """Return whether there is a udevd whose work can be waited for."""
        return bool(self._udev) and os.path.exists("/run/udev/control")

    @contextlib.contextmanager
    def _device(self, device: DeviceNumber) -> Iterator[ctypes.c_void_p | None]:
        if not self._udev:
            yield None
            return
        number = ctypes.c_uint64(os.makedev(device.major, device.minor))
        pointer = self._udev.udev_device_new_from_devnum(self._context, b"b", number)
        try:
            yield pointer
        finally:
            if pointer:
                self._udev.udev_device_unref(pointer)


def _load_library() -> t.Any:
    """Return libudev, None where the host has none; pointers are declared, the rest is int."""
    try:
        library = ctypes.CDLL("libudev.so.1")
    except OSError:
        return None
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("udev_new", pointer, []),
        ("udev_device_new_from_devnum", pointer, [pointer, ctypes.c_char, ctypes.c_uint64]),
        ("udev_device_unref", pointer, [pointer]),
        ("udev_device_get_property_value", text, [pointer, text]),
        ("udev_device_get_is_initialized", ctypes.c_int, [pointer]),
        ("udev_device_get_devlinks_list_entry", pointer, [pointer]),
        ("udev_device_get_properties_list_entry", pointer, [pointer]),
        ("udev_list_entry_get_name", text, [pointer]),
        ("udev_list_entry_get_next", pointer, [pointer]),
        ("udev_monitor_new_from_netlink", pointer, [pointer, text]),
        (
            "udev_monitor_filter_add_match_subsystem_devtype",
            ctypes.c_int,
            [pointer, text, text],
        ),
        ("udev_monitor_enable_receiving", ctypes.c_int, [pointer]),
        ("udev_monitor_get_fd", ctypes.c_int, [pointer]),
        ("udev_monitor_receive_device", pointer, [pointer]),
        ("udev_monitor_unref", pointer, [pointer]),
        ("udev_queue_new", pointer, [pointer]),
        ("udev_queue_unref", pointer, [pointer]),
        ("udev_queue_get_fd", ctypes.c_int, [pointer]),
        ("udev_queue_flush", ctypes.c_int, [pointer]),
        ("udev_queue_get_queue_is_empty", ctypes.c_int, [pointer]),
    ):
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
