# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A browser to look at pages with: Chromium without a window, told what to do through a pipe."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import time
import typing as t
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
TIMEOUT = 60.0


def program() -> str | None:
    """Return the path of a Chromium; None if none is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page in a browser that no network is needed for.

    The pipe speaks the DevTools protocol, messages of JSON with a NUL after each
    (https://chromedevtools.github.io/devtools-protocol/), which any Chromium understands.
    """

    def __init__(self, profile: Path) -> None:
        to_browser, requests = os.pipe()
        answers, from_browser = os.pipe()
        argv = [
            program() or NAMES[0], "--headless", "--no-sandbox", "--disable-gpu",
            "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        ]  # fmt: skip
        # It reads descriptor 3 and writes 4, neither of which may be overwritten on the way there.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (to_browser, from_browser)]
        actions = [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate(ends, 3)]
        silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
        environment = {**os.environ, "HOME": str(profile)}
        self._process = os.posix_spawn(argv[0], argv, environment, file_actions=[*actions, *silent])
        for end in (to_browser, from_browser, *ends):
            os.close(end)
        self._requests = os.fdopen(requests, "wb", buffering=0)
        self._answers = os.fdopen(answers, "rb", buffering=0)
        self._read_ahead = bytearray()
        self._number = 0
        self._session = ""
        self.events: list[dict[str, t.Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_error: object) -> None:
        self._requests.close()  # It ends with its pipe, and its children before it.
        while self._answers.read(1 << 20):
            pass
        self._answers.close()
        os.waitpid(self._process, 0)

    def call(self, method: str, **parameters: t.Any) -> dict[str, t.Any]:
        """Return the answer to a command; what else happens meanwhile is kept as events."""
        self._number += 1
        request = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        self._requests.write(json.dumps(request).encode() + b"\0")
        while True:
            message = self._read()
            if message.get("id") == self._number:
                assert "error" not in message, message
                return t.cast("dict[str, t.Any]", message["result"])
            self.events.append(message)

    def _read(self) -> dict[str, t.Any]:
        while b"\0" not in self._read_ahead:
            received = self._answers.read(1 << 20)
            assert received, "the browser has ended"
            self._read_ahead += received
        text, _end, self._read_ahead = self._read_ahead.partition(b"\0")
        return t.cast("dict[str, t.Any]", json.loads(text))

    def open(self, page: Path, *, width: int = 1440, height: int = 900, scale: float = 1) -> float:
        """Open a file in a window of that size; return the seconds until it is laid out."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        started = time.monotonic()
        self.call("Page.navigate", url=page.as_uri())
        while self.run("document.readyState") != "complete" and self._waits(started):
            time.sleep(0.02)
        self.run("document.body.getBoundingClientRect().height")
        return time.monotonic() - started

    def run(self, script: str) -> t.Any:
        """Return the value of an expression, or of its promise; AssertionError if it throws."""
        options = {"returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def scheme(self, name: str) -> None:
        """Let the reader prefer `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def picture(self, path: Path, **clip: float) -> None:
        """Write what the window shows, or a part of the page, as a PNG."""
        options: dict[str, t.Any] = {"clip": {**clip, "scale": 1}} if clip else {}
        answer = self.call("Page.captureScreenshot", format="png", **options)
        path.write_bytes(base64.b64decode(answer["data"]))

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the beginning."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """Return what the browser has written to its console, and the scripts' exceptions."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [json.dumps(event) for event in self.events if event.get("method") in kinds]

    def _waits(self, started: float) -> bool:
        assert time.monotonic() - started < TIMEOUT, "the page is not complete"
        return True
