# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel and kpartx make of the tables in unit/partition_tables.py, on this host.

Writes each into a file that a loop device shows, with a map of the whole device on top, and leaves
those. Prints JSON: by the table's name, `kernel` and, for the sound ones, `kpartx`, each a list of
the partitions' numbers, first sectors and lengths (512 bytes each), kpartx' with the name and the
uuid of the map.
"""

from __future__ import annotations

import glob
import json
import os
import subprocess
import typing as t

from unit.partition_tables import DEVICE, ODD, SOUND, Image

IMAGES = "/var/tmp/partition_tables"


def run(*argv: str, input: str = "", check: bool = True) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(argv, input=input, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(argv)}: {done.stderr}")
    return done.stdout


def attach(path: str, image: Image, *options: str) -> str:
    """Return the loop device that now shows the file."""
    sector = f"--sector-size={image.logical_sector}"
    return run("losetup", "--find", "--show", sector, *options, path).strip()


def kernel(loop: str) -> list[list[int]]:
    """Return the partitions that the kernel has found on the loop device."""
    found = []
    for directory in glob.glob(f"/sys/class/block/{os.path.basename(loop)}p*"):
        words = []
        for attribute in ("partition", "start", "size"):
            with open(f"{directory}/{attribute}", encoding="ascii") as file:
                words.append(int(file.read()))
        found.append(words)
    return sorted(found)


def kpartx(names: list[str]) -> dict[str, list[list[int | str]]]:
    """Return the maps that kpartx makes of the partitions of the maps `names`, and remove them."""
    for name in names:
        run("kpartx", "-a", "-s", "-p", "-part", f"/dev/mapper/{name}", check=False)
    uuids = {}
    listed = run("dmsetup", "info", "-c", "--noheadings", "--separator=|", "-o", "name,uuid")
    for line in listed.splitlines():
        each, _separator, uuid = line.partition("|")
        uuids[each] = uuid
    found: dict[str, list[list[int | str]]] = {name: [] for name in names}
    made = []
    for line in run("dmsetup", "table").splitlines():
        each, _separator, table = line.partition(": ")
        name, part, number = each.rpartition("-part")
        if part and name in found:
            _zero, length, _linear, _device, start = table.split()
            found[name].append([int(number), int(start), int(length), each, uuids[each]])
            made.append(each)
    run("dmsetup", "remove", *made)
    return {name: sorted(maps) for name, maps in found.items()}


def main() -> None:
    """Print what is made of each table."""
    # Nobody waits for udev here, and dmsetup and kpartx make the nodes themselves.
    os.environ["DM_DISABLE_UDEV"] = "1"
    os.makedirs(IMAGES, exist_ok=True)
    loops = {}
    for name, image in {**SOUND, **ODD}.items():
        path = f"{IMAGES}/{name}"
        image.write(path)
        if image.commands:
            loop = attach(path, image)
            for argv, text in image.commands:
                run(*(loop if word == DEVICE else word for word in argv), input=text)
            run("losetup", "--detach", loop)
        loops[name] = attach(path, image, "--partscan")
    maps = [
        f"{name},TABLE-{name},,rw,0 {os.stat(f'{IMAGES}/{name}').st_size // 512} linear {loop} 0"
        for name, loop in loops.items()
    ]
    run("dmsetup", "create", "--concise", ";".join(maps))
    answer: dict[str, dict[str, t.Any]] = {
        name: {"kernel": kernel(loop)} for name, loop in loops.items()
    }
    for name, made in kpartx(list(SOUND)).items():
        answer[name]["kpartx"] = made
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
