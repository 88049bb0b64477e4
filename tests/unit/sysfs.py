# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A /sys of a test's own."""

from __future__ import annotations

import json
from pathlib import Path


class Sysfs:
    """A made-up /sys, linked as the kernel links it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "class/block").mkdir(parents=True)
        (root / "block").mkdir()

    def add(self, place: str, number: str, device: str = "", **attributes: str) -> Path:
        """Add a block device; `device` is where its link of that name leads to."""
        directory = self.root / "devices" / place
        (directory / "holders").mkdir(parents=True)
        (directory / "dev").write_text(f"{number}\n")
        for name, value in attributes.items():
            (directory / name).write_text(f"{value}\n")
        if device:
            (directory / "device").symlink_to(device)
        up = "../../devices"
        (self.root / "class/block" / directory.name).symlink_to(f"{up}/{place}")
        if "partition" not in attributes:
            (self.root / "block" / directory.name).symlink_to(f"../devices/{place}")
        return directory

    def place(self, captured: str) -> None:
        """Place what a booted kernel showed, as the files captured/nvme/* have it.

        They have files and links by their paths below /sys.
        """
        texts = json.loads((Path(__file__).parent / "captured/nvme" / captured).read_text("utf-8"))
        for name, text in texts.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("-> "):
                path.symlink_to(text[3:])
            else:
                path.write_text(f"{text}\n")

    def disk(self, name: str, number: str, address: str, **attributes: str) -> Path:
        """Add a SCSI disk."""
        place = f"pci0/host0/target0:0:0/{address}/block/{name}"
        directory = self.add(place, number, "../../../" + address, size="2048", ro="0")
        for key, value in attributes.items():
            (directory.parents[1] / key).write_text(f"{value}\n")
        return directory
