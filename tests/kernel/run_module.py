# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module of the collection on the host this lies on: `run_module.py NAME [KILL_AT]`.

Its options come on standard input, as Ansible gives them. With KILL_AT the module kills itself,
as `kill -9` would, just before that request to change the kernel.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import typing as t

sys.dont_write_bytecode = True

from ansible.module_utils import basic  # noqa: E402 (no file is left on the host)

from ansible_collections.san.device_mapper.plugins.module_utils import (  # noqa: E402
    _libdevmapper,
)

CHANGES = ("create", "load", "clear", "resume", "rename", "message", "remove", "_wait")


def kill_at(number: int) -> None:
    """Make the module die at its `number`th request, counted from 1."""
    left = [number]

    def mortal(request: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def call(*arguments: t.Any) -> t.Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return request(*arguments)

        return call

    for name in CHANGES:
        request = getattr(_libdevmapper.LibDeviceMapper, name)
        setattr(_libdevmapper.LibDeviceMapper, name, mortal(request))


if __name__ == "__main__":
    basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
    basic._ANSIBLE_PROFILE = "legacy"
    if len(sys.argv) > 2:
        kill_at(int(sys.argv[2]))
    runpy.run_module(
        f"ansible_collections.san.device_mapper.plugins.modules.{sys.argv[1]}", run_name="__main__"
    )
