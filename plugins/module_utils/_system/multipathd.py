# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The multipath daemon and its files: the only file that knows them."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import socket
import struct
import subprocess
import time
import typing as t
from dataclasses import replace

from .._values.device import DeviceNumber
from .._values.errors import MultipathdError, Refused
from .._values.multipath_conf import DIRECTORY, MARK, Configuration, parse_sections
from .._values.multipathd import DaemonMap, DaemonPath, Multipathd, Parsed
from .._values.multipathd_versions import (
    PATHS,
    SOCKETS,
    is_idle,
    parse_storage,
    parse_version,
    reloads_all,
)
from .attribute import line, listed, read_text
from .files import layered, write_whole
from .programs import run
from .selinux import refusal

if t.TYPE_CHECKING:
    from ...plugin_utils._types import Enough

_PID_FILE = "/run/multipathd.pid"
_CONFIGURATION = "/etc/multipath.conf"
_UNITS = tuple(
    f"{directory}/systemd/system/multipathd.service" for directory in ("/etc", "/usr/lib", "/lib")
)
_WWIDS = "/etc/multipath/wwids"
_BINDINGS = "/etc/multipath/bindings"
_LENGTH = struct.Struct("@N")  # libmpathcmd sends a size_t
_LONGEST_REPLY = 32 * 1024 * 1024
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_LOOK_AGAIN = 0.1  # Seconds
_PATIENCE = 5.0  # Seconds
_TRY_AGAIN = 5.0  # Seconds, as long as the kernel's own removals wait for udev's short opens
_FEW = 5  # Disks: enough to see why
_LINES = 50
_AGAINST = re.compile("blacklisted")
_COMPLAINT = re.compile(
    r"(?: line [0-9]+\b.*| on line [0-9]+ of .*| at line [0-9]+ of .*"
    r"|^multipath\.conf \+[0-9]+.*)$"
)
_HARMLESS = re.compile(r"ignoring|deprecated|duplicate|capping", re.IGNORECASE)


def _is_running() -> bool:
    """Return whether multipathd runs on this host.

    Its socket is not asked: where systemd listens on it, asking would start the daemon.
    """
    process = line(_PID_FILE)
    return process.isdigit() and line(f"/proc/{process}/comm") == "multipathd"


def _is_installed() -> bool:
    """Return whether multipath-tools is installed."""
    return shutil.which("multipath", path=_PATH) is not None


def _view(end: float) -> Multipathd:
    usage = _ask("help", end)
    version = parse_version(usage)
    return Multipathd(
        runs=True,
        installed=True,
        version=version,
        reloads_all=reloads_all(usage),
        complaints=(),
        maps=tuple(_maps(end)),
        paths=tuple(_paths(version, end)),
        drop_ins=_own_drop_ins(),
    )


def _stopped() -> Multipathd:
    """Return a daemon that does not run; its files may state maps all the same."""
    return Multipathd(
        runs=False,
        installed=_is_installed(),
        version=(),
        reloads_all=False,
        maps=(),
        paths=(),
        known=Configuration(),
        complaints=(),
        drop_ins=_own_drop_ins(),
    )


def _with_files(
    daemon: Multipathd, unknown: frozenset[DeviceNumber], checked: bool = True
) -> Multipathd:
    files = {path: read_text(path) for path in (_CONFIGURATION, *_drop_ins())}
    sections = (each for path, said in files.items() for each in parse_sections(said, path))
    return replace(
        daemon,
        files=Configuration(tuple(sections)),
        texts=files,
        bindings=_bindings(),
        complaints=_complaints() if daemon.installed and checked else (),
        drop_ins=_own_drop_ins(),
        wwids=frozenset(re.findall(r"^/(.*)/$", read_text(_WWIDS), re.MULTILINE)),
        read_only=_read_only(),
        awaited_file="" if daemon.runs else _awaited_file(),
        left_out={each: _said_against(each) for each in sorted(unknown)[:_FEW]},
    )


class MultipathDaemon:
    """What changes the daemon's files, and what it is told."""

    def write_drop_in(self, path: str, text: str) -> None:
        """Put a whole file into the daemon's directory, at once, unless its parser complains."""
        before = read_text(path)
        try:
            write_whole(path, text)
        except OSError as refused:
            raise MultipathdError(f"take {path}", refusal(path, refused), "the host") from refused
        complaints = [each for each in _complaints() if path in each]
        if complaints:
            with contextlib.suppress(OSError):
                write_whole(path, before) if before else os.unlink(path)
            raise MultipathdError(f"take {path}", "; ".join(complaints))

    def remove_drop_in(self, path: str) -> None:
        """Remove a file from the daemon's directory; one that is not there is no error."""
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        except OSError as refused:
            raise MultipathdError(f"remove {path}", refusal(path, refused), "the host") from refused

    def add_wwid(self, wwid: str) -> None:
        """Add a WWID to those that are taken for multipath devices."""
        _multipath("-a", wwid)

    def remove_wwid(self, wwid: str) -> None:
        """Remove a WWID from those that are taken for multipath devices."""
        _multipath("-w", wwid)

    _told: float = 0.0

    def tell_multipathd(self, request: str, timeout: float) -> None:
        """Tell the daemon something; MultipathdError if it does not do it.

        It answers once it has done so, with udev, which is waited for `timeout` seconds at most. It
        is told again for a few seconds: it refuses what udev still works on, or has open; and as
        long as the wait is where it still reads its files for another `reconfigure`.
        """
        self._told = time.time()
        started = time.monotonic()
        end = started + timeout
        again = end if request == "reconfigure" else started + min(timeout, _TRY_AGAIN)
        while True:
            reply = _ask(request, end)
            if reply == "ok":
                return
            if time.monotonic() >= again or reply == "blacklisted":
                raise MultipathdError(request, f"it answers {reply!r}")
            time.sleep(_LOOK_AGAIN)

    def multipathd_once(self, enough: Enough, timeout: float) -> bool:
        """Return whether the daemon gets idle, and what it has read is `enough`.

        Its paths are asked for only if that is called. Waits `timeout` seconds at most.
        """
        end = time.monotonic() + timeout

        def paths() -> tuple[DaemonPath, ...]:
            return tuple(_paths(parse_version(_ask("help", end)), end))

        while True:
            with contextlib.suppress(MultipathdError):
                if _is_running() and _is_idle(end) and enough(_known(end), paths):
                    return True
            if time.monotonic() >= end:
                return False
            time.sleep(_LOOK_AGAIN)

    def multipathd_runs(self) -> bool:
        """Return whether the daemon runs; its socket is not asked, for that could start it."""
        return _is_running()

    def multipathd_view(self, timeout: float) -> Multipathd:
        """Return the maps and paths as the daemon sees them; Refused if it does not answer.

        Waits `timeout` seconds at most. Without the daemon there may be drop-ins as well.
        """
        if not _is_running():
            return _stopped()
        try:
            return _view(time.monotonic() + timeout)
        except MultipathdError as silent:
            raise _unanswered(silent, timeout) from silent

    def multipathd(
        self, timeout: float, disks: frozenset[DeviceNumber], *, checked: bool
    ) -> Multipathd:
        """Return the daemon once it is idle, with its files; Refused if it does not answer.

        It is given some seconds more to know all of `disks`: it is told of a new one by udev, as
        everybody is.
        """
        if not _is_running():
            return _with_files(_stopped(), frozenset(), checked=checked)
        end = time.monotonic() + timeout
        patience = time.monotonic() + min(timeout, _PATIENCE)
        try:
            while True:
                idle = _is_idle(end)
                view = _view(end)
                unknown = disks - {each.device for each in view.paths}
                if idle and (not unknown or time.monotonic() >= patience):
                    return _with_files(replace(view, known=_known(end)), unknown)
                if time.monotonic() >= end:
                    raise MultipathdError("show status", "it is busy all the time")
                time.sleep(_LOOK_AGAIN)
        except MultipathdError as silent:
            raise _unanswered(silent, timeout) from silent

    def multipathd_now(self, disks: frozenset[DeviceNumber]) -> Multipathd:
        """Return the daemon as it is, what it has against `disks`, and what it has logged.

        It logs from the moment on at which it was told something.
        """
        end = time.monotonic() + _PATIENCE
        log = _logged(self._told)
        if not _is_running():
            return replace(_with_files(_stopped(), frozenset()), log=log)
        view = replace(_view(end), known=_known(end), log=log)
        return _with_files(view, disks - {each.device for each in view.paths})

    def multipath_parsed(self, files: t.Mapping[str, str]) -> Parsed | None:
        """Return what multipath-tools' parser makes of `files` in the place of the host's.

        It reads them below a view of /etc that is its own, in which nothing can be written. None
        where the kernel does not make one.
        """
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = layered(files, "multipath", "-t")
            if not done.returncode and done.stdout:
                lines = (each.split(" | ", 1)[-1].strip() for each in done.stderr.splitlines())
                complaints = tuple(each for each in lines if _COMPLAINT.search(each))
                return Parsed(Configuration(parse_sections(done.stdout, "")), complaints)
        return None


def _known(end: float) -> Configuration:
    """Return the daemon's configuration; `show config local` has not all of the maps in it."""
    return _parsed(_shown("show config", end))


@functools.lru_cache(maxsize=1)
def _parsed(text: str) -> Configuration:
    """Return a configuration, without parsing again what has not changed since: it is long."""
    return Configuration(parse_sections(text, ""))


def _is_idle(end: float) -> bool:
    """Return whether the daemon neither configures itself nor has an event to handle."""
    return is_idle(_shown("show daemon", end), _shown("show status", end))


def _maps(end: float) -> t.Iterator[DaemonMap]:
    for name, wwid, failback in _rows('show maps raw format "%n|%w|%F"', 3, end):
        yield DaemonMap(name, wwid, failback)


def _paths(version: tuple[int, ...], end: float) -> t.Iterator[DaemonPath]:
    for row in _rows(f'show paths raw format "{PATHS}"', PATHS.count("|") + 1, end):
        name, device, wwid, state, holder, storage, protocol, priority, marginal = row
        with contextlib.suppress(ValueError):
            number = DeviceNumber.parse(device)
            known = parse_storage(storage, version)
            yield DaemonPath(
                *(name, number, wwid, state, holder, known, protocol),
                priority=int(priority) if priority.isdigit() else None,
                marginal=marginal == "marginal",
            )


def _rows(request: str, columns: int, end: float) -> t.Iterator[list[str]]:
    """Yield the rows of an answer in columns; one without rows is `ok`."""
    for row in _shown(request, end).splitlines():
        fields = [field.strip() for field in row.split("|")]
        if len(fields) == columns:
            yield fields


def _ask(request: str, end: float) -> str:
    """Return the daemon's answer, without the last newline; MultipathdError if there is none.

    `timeout` is its own word for a lock that is held: it is asked again. So is a daemon that has
    just been started: it has its PID file before it listens.
    """
    while True:
        try:
            reply = _asked(request, max(0.1, end - time.monotonic()))
        except OSError as failed:
            starts = isinstance(failed, (ConnectionRefusedError, FileNotFoundError))
            if starts and time.monotonic() < end and _is_running():
                time.sleep(_LOOK_AGAIN)
                continue
            file = SOCKETS[0] if os.path.exists(SOCKETS[0]) else ""
            raise MultipathdError(request, f"no answer ({refusal(file, failed)})") from failed
        # Since 0.9.8 it says "fail" before that word.
        if reply.rpartition("\n")[2] != "timeout" or time.monotonic() >= end:
            return reply


def _shown(request: str, end: float) -> str:
    """Return what the daemon shows; MultipathdError where it shows nothing."""
    reply = _ask(request, end)
    if reply.partition("\n")[0] in ("fail", "timeout"):
        raise MultipathdError(request, f"it answers {reply!r}")
    return reply


def _asked(request: str, timeout: float) -> str:
    message = request.encode() + b"\0"
    with _connected(timeout) as connection:
        connection.sendall(_LENGTH.pack(len(message)) + message)
        (length,) = _LENGTH.unpack(_received(connection, _LENGTH.size))
        if length > _LONGEST_REPLY:
            raise OSError(f"an answer of {length} bytes")
        return _received(connection, length).rstrip(b"\0").decode(errors="replace").rstrip("\n")


def _connected(timeout: float) -> socket.socket:
    for address in SOCKETS:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(address)
            return connection
        except OSError:
            connection.close()
            if address == SOCKETS[-1]:
                raise
    raise OSError("no socket")


def _received(connection: socket.socket, length: int) -> bytes:
    parts = []
    while length:
        part = connection.recv(min(length, 1 << 16))
        if not part:
            raise OSError("the connection ended")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _unanswered(silent: MultipathdError, timeout: float) -> Refused:
    return Refused(
        option="manager",
        value="multipathd",
        found=(
            f"multipathd runs but does not answer `{silent.request}` within {timeout:g} seconds:"
            f" {silent.words}"
        ),
        way_out=(
            "See its log (journalctl -u multipathd), restart it, or raise the timeout; nothing was"
            " changed"
        ),
    )


def _drop_ins() -> list[str]:
    """Return the daemon's files, in the order in which it reads them (config.c).

    Since 0.8.4 it reads those whose last extension is .conf, hidden ones as well
    (process_config_dir).
    """
    return [f"{DIRECTORY}/{name}" for name in listed(DIRECTORY) if name.endswith(".conf")]


def _bindings() -> dict[str, str]:
    """Return the user-friendly names by WWID; the first line of each counts (alias.c)."""
    found = re.findall(r"^([^#\s]\S*)\s+(\S+)", read_text(_BINDINGS), re.MULTILINE)
    return {wwid: alias for alias, wwid in reversed(found)}


def _own_drop_ins() -> dict[str, str]:
    texts = {path: read_text(path) for path in _drop_ins()}
    return {path: text for path, text in texts.items() if text.startswith(MARK)}


def _awaited_file() -> str:
    """Return the configuration if the daemon's unit does not start without it, and it is not there.

    Red Hat's unit has the condition; upstream's and Debian's do not.
    """
    unit = next((text for text in map(read_text, _UNITS) if text), "")
    conditions = re.findall(r"^ConditionPathExists=(.+)$", unit, re.MULTILINE)
    return (
        _CONFIGURATION
        if _CONFIGURATION in conditions and not os.path.exists(_CONFIGURATION)
        else ""
    )


def _read_only() -> str:
    """Return what of the daemon's directories cannot be written to; empty if all can."""
    for path in (DIRECTORY, os.path.dirname(DIRECTORY), "/etc"):
        if os.path.exists(path):
            return "" if os.path.isdir(path) and os.access(path, os.W_OK) else path
    return "/etc"


def _complaints() -> tuple[str, ...]:
    """Return what the daemon's own parser says against the host's files, with file and line."""
    unreadable = []
    for path in (_CONFIGURATION, *_drop_ins()):
        try:
            with open(path, "rb") as file:
                file.read(1)
        except FileNotFoundError:
            pass
        except OSError as refused:
            unreadable.append(f"{path}: {refusal(path, refused)}")
    found = [line.split(" | ", 1)[-1].strip() for line in _run("-t").stderr.splitlines()]
    harmful = [line for line in found if _COMPLAINT.search(line) and not _HARMLESS.search(line)]
    return (*unreadable, *harmful)


def _said_against(device: DeviceNumber) -> str:
    """Return what multipath-tools have against a disk, in their own words; empty if nothing.

    They go by the same files as the daemon (libmultipath/valid.c). They make the file of WWIDs if
    it is not there, so that then they are not asked.
    """
    if not os.path.exists(_WWIDS):
        return ""
    name = os.path.basename(os.path.realpath(f"/sys/dev/block/{device}"))
    with contextlib.suppress(MultipathdError):
        done = _run("-v4", "-c", f"/dev/{name}")
        lines = (line.split(" | ", 1)[-1].strip() for line in done.stderr.splitlines())
        return "; ".join(line for line in lines if _AGAINST.search(line))
    return ""


def _logged(since: float) -> tuple[str, ...]:
    """Return the last lines of the daemon's log since then; none where there is no journal."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        journal = run(
            "journalctl",
            "--quiet",
            "--unit=multipathd.service",
            f"--since=@{since:.3f}",
            f"--lines={_LINES}",
            "--output=cat",
            timeout=_PATIENCE,
            path=_PATH,
        )
        return tuple(journal.stdout.splitlines())
    return ()


def _multipath(*arguments: str) -> None:
    done = _run(*arguments)
    if done.returncode:
        said = "; ".join((done.stderr or done.stdout).strip().splitlines())
        words = said or f"exit status {done.returncode} without a message"
        raise MultipathdError(f"multipath {' '.join(arguments)}", words, "multipath")


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return run("multipath", *arguments, timeout=60, path=_PATH)
    except (OSError, subprocess.TimeoutExpired) as failed:
        request = f"multipath {' '.join(arguments)}"
        raise MultipathdError(request, str(failed), "multipath") from failed
