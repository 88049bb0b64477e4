# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that is exchanged with libraries and the kernel is laid out for x86-64 alone.

s390x (big endian) and arm64 are untried; this is what can be said of them without such a host.
"""

from __future__ import annotations

import ast
import ctypes
import struct
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system import (
    libdevmapper,
    multipathd,
    scsi_generic,
)

SYSTEM = Path(__file__).parents[2] / "plugins/module_utils/_system"
# As the C compiler of this machine lays out: scsi/sg.h sg_io_hdr, libdevmapper.h dm_info.
LAYOUTS = {
    scsi_generic._Command: "@ i i B B H I P P P I I i P B B B B H H i I I 0P",
    libdevmapper._Info: "@ i i i i i I I I i i i 9i",
}
UNPACKING = {"Struct", "calcsize", "iter_unpack", "pack", "unpack", "unpack_from"}


@pytest.mark.parametrize("structure", LAYOUTS, ids=lambda each: each.__name__)
def test_a_structure_is_as_large_as_in_c(structure: type[ctypes.Structure]) -> None:
    layout = LAYOUTS[structure]
    assert ctypes.sizeof(structure) == struct.calcsize(layout)


def test_what_is_received_has_a_stated_byte_order() -> None:
    for path in sorted(SYSTEM.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            words = [ast.unparse(each) for each in node.args]
            if ast.unparse(node.func.value) == "struct" and node.func.attr in UNPACKING:
                assert words[0][1] in "<>@", f"{path.name}, line {node.lineno}"
            elif node.func.attr in ("from_bytes", "to_bytes"):
                assert words[-1] == "'big'", f"{path.name}, line {node.lineno}"


def test_the_daemons_length_is_a_size_t() -> None:
    assert multipathd._LENGTH.size == ctypes.sizeof(ctypes.c_size_t)


def test_the_only_ioctl_is_the_same_number_everywhere() -> None:
    """It is a plain number in scsi/sg.h, of none of the macros that differ by architecture."""
    callers = [path.stem for path in SYSTEM.glob("*.py") if ".ioctl(" in path.read_text("utf-8")]
    assert callers == ["scsi_generic"]
    assert scsi_generic._SG_IO == 0x2285
