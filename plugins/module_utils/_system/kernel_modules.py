# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's modules; read, and never loaded from here.

The kernel itself loads what a table names: a target and a path selector (dm-target.c,
dm-path-selector.c: `dm-NAME`), a hardware handler (scsi_dh.c: `scsi_dh_NAME`).
"""

from __future__ import annotations

import contextlib
import os
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable


def missing_modules(names: Iterable[str], root: str = "") -> frozenset[str]:
    """Return those of `names` that are neither loaded, nor built in, nor installed.

    Empty where it cannot be known: in a container, or where the running kernel's modules are gone.
    """
    sought = {name for name in names if not os.path.exists(f"{root}/sys/module/{_plain(name)}")}
    if not sought:
        return frozenset()
    directory = f"{root}/lib/modules/{os.uname().release}"
    known = {_plain(path) for path in _listed(f"{directory}/modules.dep")}
    if not known:
        return frozenset()
    known |= {_plain(path) for path in _listed(f"{directory}/modules.builtin")}
    return frozenset(name for name in sought if _plain(name) not in known)


def _listed(path: str) -> Iterable[str]:
    """Yield the modules that a list of them names, a line each (modules.dep(5))."""
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            yield line.partition(":")[0].strip()


def _plain(path: str) -> str:
    """Return a module's name as the kernel has it: without folder, `.ko` and hyphens."""
    return os.path.basename(path).partition(".ko")[0].replace("-", "_")
