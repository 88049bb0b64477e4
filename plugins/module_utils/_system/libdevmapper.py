# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The adapter on libdevmapper: the only file that knows that library.

Its `dm_task_*` calls take opaque pointers; the numbers below are its public header's.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import threading
import time
import typing as t

from .._values.device import DeviceNumber
from .._values.errors import DeviceMapperError, KernelError
from .._values.map import Map, UdevFlag
from .._values.multipath import Multipath, MultipathStatus
from .._values.table import Segment, Table
from .attribute import decoded, encoded, line
from .block_devices import device_number
from .files import write_whole
from .selinux import refusal

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_LIBRARIES = ("libdevmapper.so.1.02.1", "libdevmapper.so.1.02", "libdevmapper.so.1.03")

# libdevmapper.h: the task types.
_CREATE, _RELOAD, _REMOVE, _RESUME, _RENAME = 0, 1, 2, 5, 8
_INFO = 7
_VERSION, _STATUS, _TABLE, _LIST, _CLEAR, _TARGET_MSG = 9, 10, 11, 13, 14, 17

_SECONDS_BETWEEN_LOOKS = 0.1
_LINK = "a link"

_DISABLE_LIBRARY_FALLBACK = 0x0020
_NO_MANGLING = 0
_CONTROL = "/dev/mapper/control"

COOKIE_FILE = "/run/san.device_mapper.cookie"
"""Names the semaphore of the batch that runs. Whoever has the lock and finds it there follows a run
that was killed: semaphores outlive their process."""
_COOKIE_MAGIC = 0x0D4D  # libdm-common.c DM_COOKIE_MAGIC, the upper half of each key.

_LOG = ctypes.CFUNCTYPE(
    None, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.c_char_p
)


class _Info(ctypes.Structure):
    """`struct dm_info`, with room for what later versions append."""

    _fields_ = (
        ("exists", ctypes.c_int),
        ("suspended", ctypes.c_int),
        ("live_table", ctypes.c_int),
        ("inactive_table", ctypes.c_int),
        ("open_count", ctypes.c_int32),
        ("event_nr", ctypes.c_uint32),
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("read_only", ctypes.c_int),
        ("target_count", ctypes.c_int32),
        ("deferred_remove", ctypes.c_int),
        ("internal_suspend", ctypes.c_int),
        ("appended", ctypes.c_int * 8),
    )


class LibDeviceMapper:
    """Device-mapper of the running kernel, through libdevmapper."""

    def __init__(self) -> None:
        super().__init__()
        self._library = _load_library()
        # Keeping the callback alive: ctypes frees it with its last reference.
        self._silence = _LOG(_discard)
        self._library.dm_log_with_errno_init(self._silence)
        self._library.dm_set_name_mangling_mode(_NO_MANGLING)
        self._cookie: ctypes.c_uint32 | None = None
        self._touched: list[str] = []
        self._require_kernel()

    def maps(self) -> tuple[Map, ...]:
        """Return all maps of the host in the order of their names; opens no device."""
        found = (self._map(device) for device in self._device_numbers())
        return tuple(sorted((each for each in found if each.name), key=lambda each: each.name))

    def map_of_uuid(self, uuid: str) -> Map | None:
        """Return the map with this uuid, if there is one; reads no other."""
        with self._task(_TABLE, "read", uuid) as task:
            task.set_uuid(uuid.encode())
            task.no_flush()
            if not task.run_if_there():
                return None
            info = task.info()
        found = self._map(DeviceNumber(info.major, info.minor)) if info.exists else None
        return found if found and found.uuid == uuid else None

    def open_counts(self, explained: Mapping[str, int], timeout: float) -> dict[str, int]:
        """Return how often maps are open, by uuid, once none is so more often than `explained`."""
        end = time.monotonic() + timeout
        while True:
            found = {uuid: self._open_count(uuid) for uuid in explained}
            opened = any(found[uuid] > count for uuid, count in explained.items())
            if not opened or time.monotonic() >= end:
                return found
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _open_count(self, uuid: str) -> int:
        with self._task(_INFO, "read", uuid) as task:
            task.set_uuid(uuid.encode())
            if not task.run_if_there():
                return 0
            info = task.info()
            return info.open_count if info.exists else 0

    def has_node(self, present: Map) -> bool:
        """Return whether /dev/mapper leads to the map; udev makes the link, if it runs."""
        if not self._udev_runs():
            return True
        return device_number(f"/dev/mapper/{present.name}") == present.device

    def stale_nodes(self, names: Sequence[str], timeout: float) -> dict[str, str]:
        """Return what /dev/mapper has by these names that does not lead to the map of the name."""
        end = time.monotonic() + timeout
        while True:
            found = {name: self._stale_node(name) for name in names}
            linked = any(each.startswith(_LINK) for each in found.values())
            if not linked or time.monotonic() >= end:
                return {name: each for name, each in found.items() if each}
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _stale_node(self, name: str) -> str:
        path = f"/dev/mapper/{name}"
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            return ""
        number = device_number(path)
        if number and line(f"/sys/dev/block/{number}/dm/name") == name:
            return ""
        if stat.S_ISLNK(mode):
            return f"{_LINK} to {os.readlink(path)}"
        if stat.S_ISBLK(mode):
            # Without udev, the library replaces it.
            return f"a block device node ({number})" if self._udev_runs() else ""
        return "a file" if stat.S_ISREG(mode) else "neither a link nor a block device node"

    def create(self, name: str, uuid: str) -> None:
        """Make an empty map."""
        with self._task(_CREATE, "create", name) as task:
            task.set_name(name.encode())
            task.set_uuid(uuid.encode())
            task.run()

    def load(self, uuid: str, table: Table, read_only: bool) -> None:
        """Put `table` into the inactive slot."""
        with self._task(_RELOAD, "load a table into", uuid) as task:
            task.set_uuid(uuid.encode())
            for segment in table:
                kind, parameters = segment.target.kind.encode(), str(segment.target).encode()
                task.add_target(
                    ctypes.c_uint64(segment.start),
                    ctypes.c_uint64(segment.length),
                    kind,
                    parameters,
                )
            if read_only:
                task.set_ro()
            task.run()

    def clear(self, uuid: str) -> None:
        """Empty the inactive slot."""
        with self._task(_CLEAR, "clear the inactive table of", uuid) as task:
            task.set_uuid(uuid.encode())
            task.run()

    def resume(self, uuid: str, flush: bool, udev: UdevFlag) -> None:
        """Swap the inactive table in, if there is one, and let I/O go on."""
        with self._task(_RESUME, "resume", uuid) as task:
            task.set_uuid(uuid.encode())
            # A freeze would write all that is dirty while the target queues no more (dm.c
            # __dm_suspend); multipath-tools never asks for one.
            task.skip_lockfs()
            if not flush:
                task.no_flush()
            self._announce(task, udev)
            task.run()
            self._touched.append(task.name())

    def rename(self, uuid: str, new_name: str, udev: UdevFlag) -> None:
        """Change the name."""
        old_name = self._name_of(uuid)
        with self._task(_RENAME, "rename", uuid) as task:
            # The kernel finds the map of a rename by its name only (dm-ioctl.c dm_hash_rename).
            task.set_name(encoded(old_name))
            task.set_newname(new_name.encode())
            self._announce(task, udev)
            task.run()
        self._touched += (old_name, new_name)

    def message(self, uuid: str, text: str) -> None:
        """Send `text` to the target at sector 0."""
        with self._task(_TARGET_MSG, f"send the message {text} to", uuid) as task:
            task.set_uuid(uuid.encode())
            task.set_sector(ctypes.c_uint64(0))
            task.set_message(text.encode())
            task.run()

    def remove(self, uuid: str, deferred: bool) -> None:
        """Remove the map; libdevmapper tries for five seconds while udev has it open.

        With `deferred`, the kernel removes it once it is closed.
        """
        name = self._name_of(uuid)
        with self._task(_REMOVE, "remove", uuid) as task:
            task.set_uuid(uuid.encode())
            if deferred:
                task.deferred_remove()
            else:
                task.retry_remove()
            self._announce(task, UdevFlag.NONE)
            task.run()
        self._touched.append(name)

    @contextlib.contextmanager
    def udev_batch(self, timeout: float) -> Iterator[None]:
        """Wait at the end, `timeout` seconds at most, until udev is done with all changes.

        One cookie (a semaphore) for the whole batch: each change adds to it, udev's last rule
        takes away. Where no udevd runs, libdevmapper makes the nodes under /dev/mapper itself.
        """
        self._cookie = ctypes.c_uint32(0)
        self._touched = []
        try:
            if self._udev_runs():
                self._create_cookie(self._cookie)
            try:
                yield
            except BaseException:
                # What has gone wrong before says more than that udev is late.
                with contextlib.suppress(DeviceMapperError):
                    self._wait(timeout)
                raise
            self._wait(timeout)
        finally:
            self._cookie = None
            with contextlib.suppress(OSError):
                os.unlink(COOKIE_FILE)

    def _create_cookie(self, cookie: ctypes.c_uint32) -> None:
        """Create the batch's semaphore, and note which one it is; one of a killed run goes."""
        remove_noted_semaphore()
        if not self._library.dm_udev_create_cookie(ctypes.byref(cookie)):
            raise DeviceMapperError(
                "udev: no semaphore is left to wait with (`dmsetup udevcookies` lists those in"
                " use, `sysctl kernel.sem` shows the limit)"
            )
        with contextlib.suppress(OSError):
            write_whole(COOKIE_FILE, f"{cookie.value:#010x}\n")

    def _announce(self, task: _Task, udev: UdevFlag) -> None:
        """Attach the batch's cookie, so that udev's rules know a genuine event and are awaited."""
        if self._cookie is None:
            raise RuntimeError("a change outside of udev_batch")
        fallback = _DISABLE_LIBRARY_FALLBACK if self._udev_runs() else 0
        task.set_cookie(ctypes.byref(self._cookie), ctypes.c_uint16(udev.value | fallback))

    def _udev_runs(self) -> bool:
        return bool(self._library.dm_udev_get_sync_support())

    def _wait(self, timeout: float) -> None:
        cookie = self._cookie
        if cookie is None or not cookie.value:
            for name in self._touched:
                self._library.dm_mknodes(encoded(name))
            self._library.dm_task_update_nodes()  # The library only notes what is to be done.
            return
        waiter = threading.Thread(target=self._library.dm_udev_wait, args=(cookie,), daemon=True)
        waiter.start()
        waiter.join(timeout)
        if waiter.is_alive():
            # The library's wait has no bound; taking its semaphore away ends it.
            _remove_semaphore(cookie.value)
            waiter.join(1)
            raise DeviceMapperError(
                f"timeout: udev has not finished with the changes within {timeout:g} seconds."
                " The maps are in place, their links may not be; see `udevadm settle` and"
                " `systemctl status systemd-udevd`, or raise the timeout"
            )

    def _device_numbers(self) -> list[DeviceNumber]:
        with self._task(_LIST, "list", "its maps") as task:
            task.run()
            return list(task.device_numbers())

    def _map(self, device: DeviceNumber) -> Map:
        """Return the map at `device`; without a name if it has vanished since it was listed."""
        live, described = self._read(_TABLE, device)
        if described is None:
            return Map("", "")
        name, uuid, info = described
        status = None
        table = tuple(Segment.read(*line) for line in live)
        if len(table) == 1 and isinstance(table[0].target, Multipath):
            lines, _described = self._read(_STATUS, device)
            status = MultipathStatus.read(lines[0][3]) if lines else None
        inactive: Table = ()
        if info.inactive_table:
            lines, _described = self._read(_TABLE, device, inactive=True)
            inactive = tuple(Segment.read(*line) for line in lines)
        kinds = {segment.target.kind for segment in (*table, *inactive)}
        return Map(
            name=name,
            uuid=uuid,
            device=device,
            live=table,
            inactive=inactive,
            suspended=bool(info.suspended),
            read_only=bool(info.read_only),
            deferred_remove=bool(info.deferred_remove),
            open_count=info.open_count,
            status=status,
            request_based=_is_request_based(device) if kinds == {"error"} else None,
        )

    def _read(
        self, kind: int, device: DeviceNumber, inactive: bool = False
    ) -> tuple[list[tuple[int, int, str, str]], tuple[str, str, _Info] | None]:
        with self._task(kind, "read", str(device)) as task:
            task.set_major(device.major)
            task.set_minor(device.minor)
            # A status that flushed would wait for I/O that a map without a path never ends.
            task.no_flush()
            if inactive:
                task.query_inactive_table()
            if not task.run_if_there():
                return [], None
            info = task.info()
            if not info.exists:
                return [], None
            return list(task.targets()), (task.name(), task.uuid(), info)

    def _name_of(self, uuid: str) -> str:
        with self._task(_TABLE, "read", uuid) as task:
            task.set_uuid(uuid.encode())
            task.no_flush()
            task.run()
            return task.name()

    def _require_kernel(self) -> None:
        """Raise what is missing: device-mapper in the kernel, or the right to use it."""
        if os.geteuid() != 0:
            raise DeviceMapperError(
                "device-mapper needs root; run the task with become: true (ansible -b)"
            )
        has_control = False
        try:
            os.close(os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC))
            has_control = True
        except PermissionError as refused:
            raise DeviceMapperError(
                f"{_CONTROL}: {refusal(_CONTROL, refused)}; device-mapper needs CAP_SYS_ADMIN,"
                " and in a container the device 10:236"
            ) from refused
        except OSError:
            pass  # Not made yet, perhaps: the library makes the node where the kernel has one.
        # The library asks the kernel for its version before it makes any task.
        task = self._library.dm_task_create(_VERSION)
        if task:
            self._library.dm_task_destroy(ctypes.c_void_p(task))
        elif has_control:
            raise DeviceMapperError(
                "device-mapper refuses this process: it needs CAP_SYS_ADMIN (dm-ioctl.c), which"
                " this user or container does not have"
            )
        else:
            raise DeviceMapperError(
                "this host's kernel has no device-mapper: load it with `modprobe dm_mod`, or boot"
                " a kernel that has it"
            )

    @contextlib.contextmanager
    def _task(self, kind: int, request: str, name: str) -> Iterator[_Task]:
        pointer = self._library.dm_task_create(kind)
        if not pointer:
            raise KernelError(request, name, 0, "libdevmapper made no task for it")
        try:
            yield _Task(self._library, pointer, request, name)
        finally:
            self._library.dm_task_destroy(ctypes.c_void_p(pointer))


class _Task:
    """One `struct dm_task`: set up by its attributes' names without `dm_task_`, run, then read."""

    def __init__(self, library: ctypes.CDLL, pointer: int, request: str, name: str) -> None:
        self._library = library
        self._pointer = ctypes.c_void_p(pointer)
        self._request = request
        self._name = name

    def __getattr__(self, attribute: str) -> Callable[..., None]:
        try:
            function = getattr(self._library, f"dm_task_{attribute}")
        except AttributeError:
            raise KernelError(
                self._request,
                self._name,
                0,
                f"this host's libdevmapper is too old for it: it has no dm_task_{attribute}",
            ) from None

        def call(*arguments: object) -> None:
            if not function(self._pointer, *arguments):
                raise KernelError(
                    self._request, self._name, 0, f"libdevmapper refused dm_task_{attribute}"
                )

        return call

    def run(self) -> None:
        """Send the request to the kernel."""
        with _KernelLog() as log:
            if not self._is_done():
                raise self._refused(log.device_mapper_lines())

    def run_if_there(self) -> bool:
        """Send the request; return whether there is such a map.

        One that has gone since it was listed is ENXIO (dm-ioctl.c find_device). Whatever else
        fails is raised: a map that cannot be read is there.
        """
        if self._is_done():
            return True
        refused = self._refused("")
        if refused.errno == errno.ENXIO:
            return False
        raise refused

    def _is_done(self) -> bool:
        return bool(self._library.dm_task_run(self._pointer))

    def _refused(self, said: str) -> KernelError:
        """Return why the kernel did not do it; `said` is what it has logged."""
        number = self._library.dm_task_get_errno(self._pointer)
        meaning = os.strerror(number) if number else "no reason was given"
        if number == errno.EBUSY:
            meaning += " (something has the map, or a device that the table names, in use)"
        words = f"{meaning}; the kernel's log says: {said}" if said else meaning
        return KernelError(self._request, self._name, number, words)

    def info(self) -> _Info:
        """Return the state of the map that was asked about."""
        info = _Info()
        self._library.dm_task_get_info(self._pointer, ctypes.byref(info))
        return info

    def name(self) -> str:
        """Return the map's name."""
        return decoded(self._library.dm_task_get_name(self._pointer))

    def uuid(self) -> str:
        """Return the map's uuid, empty if it has none."""
        return decoded(self._library.dm_task_get_uuid(self._pointer))

    def targets(self) -> Iterator[tuple[int, int, str, str]]:
        """Yield start, length (sectors), type and parameters of each line of the answer."""
        start, length = ctypes.c_uint64(), ctypes.c_uint64()
        kind, parameters = ctypes.c_char_p(), ctypes.c_char_p()
        position = None
        while True:
            position = self._library.dm_get_next_target(
                self._pointer,
                ctypes.c_void_p(position),
                ctypes.byref(start),
                ctypes.byref(length),
                ctypes.byref(kind),
                ctypes.byref(parameters),
            )
            target = decoded(kind.value)
            if target:
                yield start.value, length.value, target, decoded(parameters.value)
            if not position:
                return

    def device_numbers(self) -> Iterator[DeviceNumber]:
        """Yield the device numbers in the answer to a list (`struct dm_names`)."""
        address = self._library.dm_task_get_names(self._pointer)
        while address:
            number = ctypes.c_uint64.from_address(address).value
            following = ctypes.c_uint32.from_address(address + 8).value
            if number:
                yield DeviceNumber(os.major(number), os.minor(number))
            address = address + following if following else 0


class _KernelLog:
    """What the kernel logs while a request runs: there, and only there, it gives its reasons."""

    def __enter__(self) -> _KernelLog:
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self._descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._descriptor, 0, os.SEEK_END)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def device_mapper_lines(self) -> str:
        """Return what device-mapper has logged since, joined."""
        lines = []
        with contextlib.suppress(OSError):
            while self._descriptor >= 0:
                record = os.read(self._descriptor, 8192).decode(errors="replace")
                text = record.split(";", 1)[-1].splitlines()[0]
                if "device-mapper" in text:
                    lines.append(text)
        return "; ".join(lines)


def _load_library() -> ctypes.CDLL:
    for name in _LIBRARIES:
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(name)
            library.dm_task_create.restype = ctypes.c_void_p
            library.dm_task_get_names.restype = ctypes.c_void_p
            library.dm_get_next_target.restype = ctypes.c_void_p
            library.dm_task_get_name.restype = ctypes.c_char_p
            library.dm_task_get_uuid.restype = ctypes.c_char_p
            return library
    raise DeviceMapperError(
        f"this host has no libdevmapper ({' or '.join(_LIBRARIES)}): install the package"
        " libdevmapper1.02.1 (Debian, Ubuntu), device-mapper-libs (Fedora, RHEL) or"
        " libdevmapper1_03 (SUSE)"
    )


def remove_noted_semaphore() -> None:
    """Remove the semaphore that a run which was killed has left; nothing else waits for it."""
    with contextlib.suppress(OSError, ValueError), open(COOKIE_FILE, encoding="ascii") as file:
        key = int(file.read(16), 16)
        if key >> 16 == _COOKIE_MAGIC:
            _remove_semaphore(key)


def _remove_semaphore(key: int) -> None:
    library = ctypes.CDLL(None)
    identifier = library.semget(ctypes.c_int(key), 1, 0)
    if identifier >= 0:
        remove = 0  # IPC_RMID
        library.semctl(identifier, 0, remove)


def _is_request_based(number: DeviceNumber) -> bool:
    """Return whether a map has blk-mq queues: only one whose first table was request-based has.

    (dm.c dm_setup_md_queue.)
    """
    return os.path.isdir(f"/sys/dev/block/{number}/mq")


def _discard(_level: int, _file: bytes, _line: int, _errno: int, _text: bytes) -> None:
    """Ignore the library's log: it would mix with the module's answer on its way to Ansible."""
