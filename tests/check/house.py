# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of the house: the files of plugins/module_utils on floors, none of which looks up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PICTURE = "docs/docsite/rst/house.svg"


@dataclass(frozen=True)
class Floor:
    """A floor: its name, what it is for, and its files, without underscore and suffix."""

    name: str
    purpose: str
    files: str


FLOORS = (
    Floor("Run", "alone knows Ansible, and check mode", "run"),
    Floor(
        "Tasks",
        "what is stated; bad input ends here",
        "multipath_map multipathd_map multipathd_refusals partition_maps lun_paths multipath_path"
        " info udev_info multipath_options udev_options paths path_groups path_selector boot",
    ),
    Floor("Plan", "what is missing", "plan"),
    Floor("Apply", "carries a plan out", "apply libdevmapper kernel lock"),
    Floor(
        "Steps",
        "what a plan is made of",
        "steps path_steps boot_steps multipathd_steps multipathd_reasons",
    ),
    Floor("Observe", "one reading of the host", "observe observe_udev"),
    Floor("Report", "what is returned", "result tree health multipathd_view"),
    Floor(
        "Host",
        "a file for each library, daemon, program",
        "disks sysfs attribute scsi libblkid libudev multipathd udev_rules loop lvm initramfs"
        " modules files programs",
    ),
    Floor(
        "Values",
        "what knows nothing of a host",
        "host table linear multipath device names multipath_conf multipath_blacklist"
        " multipathd_versions udev_state boot_files errors",
    ),
)
"""From the top to the bottom: a file imports from its own floor, and from those below."""

WIDTH = 960
LEFT = 370
LINE = 26
GAP = 8
CHARACTER = 7.3
"""The width of a character of a file's name."""

STYLE = """
text { font: 14px system-ui, sans-serif; fill: #222; }
.purpose { font-size: 12px; fill: #666; }
.name { font-weight: bold; }
.file { font: 12px ui-monospace, monospace; }
.floor { fill: #f4f6f8; stroke: #c8ccd0; }
.room { fill: #fff; stroke: #c8ccd0; }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd; }
  .purpose { fill: #aaa; }
  .floor { fill: #1c1e20; stroke: #444; }
  .room { fill: #2a2d30; stroke: #444; }
}
"""


def imports(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield each pair of files, the first of which imports from the other when it runs."""
    for path in sorted(directory.glob("_*.py")):
        module = ast.parse(path.read_text("utf-8"))
        for node in module.body:  # What is imported for types only is below an `if`.
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
                yield path.stem.removeprefix("_"), node.module.removeprefix("_")


def picture() -> str:
    """Return the picture, as SVG."""
    parts, top = [], 1
    for floor in FLOORS:
        rows = _rows(floor.files.split())
        height = LINE * len(rows) + 2 * GAP
        parts.append(f'<rect class="floor" x="1" y="{top}" width="{WIDTH - 2}" height="{height}"/>')
        middle = top + height // 2 + 5
        parts.append(f'<text class="name" x="12" y="{middle}">{floor.name}</text>')
        parts.append(f'<text class="purpose" x="88" y="{middle}">{floor.purpose}</text>')
        for number, row in enumerate(rows):
            parts += _rooms(row, top + GAP + LINE * number)
        top += height
    size = f'width="{WIDTH}" height="{top + 1}" viewBox="0 0 {WIDTH} {top + 1}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}</style>\n'
    return head + "\n".join(parts) + "\n</svg>\n"


def _rows(files: list[str]) -> list[list[str]]:
    rows: list[list[str]] = [[]]
    for name in files:
        if LEFT + sum(_width(each) + GAP for each in [*rows[-1], name]) > WIDTH:
            rows.append([])
        rows[-1].append(name)
    return rows


def _rooms(names: list[str], top: int) -> Iterator[str]:
    left = float(LEFT)
    for name in names:
        place = f'x="{left:.0f}" y="{top + 2}" width="{_width(name):.0f}" height="{LINE - 4}"'
        yield f'<rect class="room" rx="3" {place}/>'
        yield f'<text class="file" x="{left + 7:.0f}" y="{top + 17}">_{name}</text>'
        left += _width(name) + GAP


def _width(name: str) -> float:
    return CHARACTER * (len(name) + 1) + 14
