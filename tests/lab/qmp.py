# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of QEMU's machine protocol (QMP), one short connection per use.

QEMU serves one client of a monitor at a time and lets the others wait, so
several processes can share the monitor as long as each one disconnects soon.
"""

from __future__ import annotations

import json
import socket
import typing as t
from pathlib import Path

from .errors import LabError

ANSWER_TIMEOUT = 60.0


class Monitor:
    """An open connection to the monitor; a context manager."""

    def __init__(self, path: Path, timeout: float = ANSWER_TIMEOUT) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._events: list[dict[str, t.Any]] = []
        self._receive()  # the greeting
        self.execute("qmp_capabilities")

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def execute(self, command: str, **arguments: t.Any) -> t.Any:
        """Return the command's answer; a refused command is a LabError."""
        request = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode())
        while True:
            message = self._receive()
            if "event" in message:
                self._events.append(message)
            elif "error" in message:
                raise LabError(f"QEMU refused {command}: {message['error']['desc']}")
            else:
                return message["return"]

    def wait_for_event(self, name: str, **data: t.Any) -> None:
        """Return once an event of that name with these data has arrived."""
        while True:
            event = self._events.pop(0) if self._events else self._receive()
            if event.get("event") == name and data.items() <= event["data"].items():
                return

    def _receive(self) -> dict[str, t.Any]:
        try:
            line = self._lines.readline()
        except TimeoutError:
            silence = self._socket.gettimeout()
            raise LabError(f"QEMU's monitor was silent for {silence} s") from None
        if not line:
            raise LabError("QEMU closed its monitor")
        message: dict[str, t.Any] = json.loads(line)
        return message
