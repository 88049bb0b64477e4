# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run modules of the collection on the host that this lies on.

`run_module.py NAME` runs one, whose options come on standard input as Ansible gives them.
`run_module.py --serve SOCKET` waits for requests, and forks for each: a process that has compiled
and imported everything starts ten times faster under software emulation than a new one. A request
is a JSON object with `module` and `options`. With `at` the command `disturb` runs just before that
request of the module to change the kernel, counted from 1; without a command it dies there, as by
`kill -9`.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import typing as t

sys.dont_write_bytecode = True

from ansible.module_utils import basic  # noqa: E402 (no file is left on the host)

from ansible_collections.san.device_mapper.plugins.module_utils._system import (  # noqa: E402
    files,
    libdevmapper,
    loop,
    multipathd,
)

MODULES = (
    *("multipath_map", "multipath_path", "partition_maps", "lun_paths", "device_mapper_info"),
    *("multipath_config", "udev_info"),
)
CHANGES = ("create", "load", "clear", "resume", "rename", "message", "remove", "_wait")
REQUESTS = ("write_drop_in", "remove_drop_in", "add_wwid", "remove_wwid", "tell_multipathd")


def main(name: str, arguments: bytes) -> None:
    """Run the module `name`, which ends the process."""
    basic._ANSIBLE_ARGS = arguments
    basic._ANSIBLE_PROFILE = "legacy"
    package = "ansible_collections.san.device_mapper.plugins.modules"
    importlib.import_module(f"{package}.{name}").main()


def disturb_at(number: int, command: list[str]) -> None:
    """Let the module be disturbed at its `number`th request, or die there without a `command`."""
    left = [number]

    def disturbed(request: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*arguments: t.Any) -> t.Any:
            left[0] -= 1
            if left[0] == 0 and not command:
                os.kill(os.getpid(), signal.SIGKILL)
            if left[0] == 0:
                subprocess.run(command, check=False, capture_output=True)
            return request(*arguments)

        return call

    for owner, names in (
        (libdevmapper.LibDeviceMapper, CHANGES),
        (multipathd.MultipathDaemon, REQUESTS),
        (files.Files, ("write_file", "remove_file")),
        (loop.LoopDevices, ("attach", "detach")),
    ):
        for name in names:
            setattr(owner, name, disturbed(getattr(owner, name)))


def serve(path: str) -> None:
    """Answer requests for ever, each in a process of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    package = "ansible_collections.san.device_mapper.plugins.modules"
    for name in MODULES:
        importlib.import_module(f"{package}.{name}")
    with socket.socket(socket.AF_UNIX) as listening:
        if os.path.exists(path):
            os.unlink(path)
        listening.bind(path)
        listening.listen()
        print("ready", flush=True)
        while True:
            connection, _address = listening.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                answer(connection)
            connection.close()


def answer(connection: socket.socket) -> t.NoReturn:
    """Run the module that the connection asks for; its answer goes there."""
    with connection.makefile("rb") as file:
        request = json.loads(file.readline())
    os.dup2(connection.fileno(), 1)
    os.dup2(connection.fileno(), 2)
    if request.get("at"):
        disturb_at(request["at"], request.get("disturb") or [])
    main(request["module"], json.dumps({"ANSIBLE_MODULE_ARGS": request["options"]}).encode())
    sys.exit("the module has not ended")


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(sys.argv[2])
    else:
        main(sys.argv[1], sys.stdin.buffer.read())
