# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's modules; read, and never loaded from here.

The kernel itself loads what a table names: a target and a path selector (dm-target.c,
dm-path-selector.c: `dm-NAME`), a hardware handler (scsi_dh.c: `scsi_dh_NAME`).
"""

from __future__ import annotations

import os
import typing as t

from .attribute import read_text

if t.TYPE_CHECKING:
    from collections.abc import Iterable


class KernelModules:
    """The modules of the running kernel, below `root`."""

    root = ""

    def missing_modules(self, names: Iterable[str]) -> frozenset[str]:
        """Return those of `names` that are neither loaded, nor built in, nor installed.

        Empty where it cannot be known: in a container, or where the modules of the running kernel
        are gone.
        """
        sought = {
            name for name in names if not os.path.exists(f"{self.root}/sys/module/{_plain(name)}")
        }
        if not sought:
            return frozenset()
        directory = f"{self.root}/lib/modules/{os.uname().release}"
        known = {_plain(path) for path in _modules_in(f"{directory}/modules.dep")}
        if not known:
            return frozenset()
        known |= {_plain(path) for path in _modules_in(f"{directory}/modules.builtin")}
        return frozenset(name for name in sought if _plain(name) not in known)


def _modules_in(path: str) -> Iterable[str]:
    """Return the modules that a list of them names, a line each (modules.dep(5))."""
    return (line.partition(":")[0].strip() for line in read_text(path).split("\n") if line)


def _plain(path: str) -> str:
    """Return a module's name as the kernel has it: without folder, `.ko` and hyphens."""
    return os.path.basename(path).partition(".ko")[0].replace("-", "_")
