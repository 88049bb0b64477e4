# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may write into the file about the lab's SAN, and what is said about anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tomllib", reason="the lab is the controller's, which has Python 3.11")

from lab import layout
from lab.connection import write
from lab.errors import LabError
from lab.qemu import Machine
from lab.storage import wwid

MIB = 1 << 20


def read(tmp_path: Path, text: str) -> Machine:
    """Return the machine of a file with that text."""
    path = tmp_path / "san.toml"
    path.write_text(text, "utf-8")
    return layout.read(path)


def test_an_empty_file_is_the_usual_lab(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Machine("bookworm", (256 * MIB,) * 2, 2, 2, ("san",), 1024 * MIB)


def test_all_can_be_stated(tmp_path: Path) -> None:
    text = """
        suite = "trixie"
        groups = ["database", "san"]
        hbas = 1
        targets = 4
        luns = ["1G", "2048K", 1048576, "2T"]
        memory = "3G"
    """
    sizes = (1024 * MIB, 2 * MIB, MIB, 2 * MIB * MIB)
    assert read(tmp_path, text) == Machine("trixie", sizes, 1, 4, ("database", "san"), 3072 * MIB)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "lun = 3",
            "lun: there is no such key; there are suite, groups, hbas, targets, luns, memory",
        ),
        ("hbas = ", "this is not TOML"),
        ("suite = 'buster'", "suite: 'buster' is none of bullseye, bookworm, trixie, sid"),
        ("suite = ['sid']", "suite: ['sid'] is none of"),
        ("groups = 'san'", "groups: 'san' is not a list"),
        ("groups = []", "groups: [] is not a list"),
        ("groups = ['a b']", "groups: ['a b'] is not a list of names"),
        ("groups = ['san', 'san']", "has a name twice"),
        ("hbas = 0", "hbas: 0 is not a number from 1 to 8"),
        ("hbas = true", "hbas: True is not a number"),
        ("targets = '2'", "targets: '2' is not a number from 1 to 8"),
        ("luns = 3", "luns: 3 is not a list of 1 to 256 sizes"),
        ("luns = []", "luns: [] is not a list"),
        ("luns = ['1G', '1 GB']", "luns: '1 GB' is not a size"),
        ("luns = [1.5]", "luns: 1.5 is not a size"),
        ("luns = [true]", "luns: True is not a size"),
        ("luns = ['512K']", "luns: '512K' is not 1M to 16T"),
        ("luns = ['17T']", "luns: '17T' is not 1M to 16T"),
        ("luns = [1048577]", "luns: 1048577 is not 1M to 16T, in whole sectors"),
        ("memory = '128M'", "memory: '128M' is not 512M to 64G"),
        ("memory = 'plenty'", "memory: 'plenty' is not a size"),
        (f"hbas = 8\ntargets = 8\nluns = {['1M'] * 17}", "have 1088 paths, and 1024 are"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LabError) as raised:
        read(tmp_path, text)
    assert str(raised.value).startswith(f"{tmp_path}/san.toml: ")
    assert message in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"none\.toml: No such file"):
        layout.read(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("luns", "names"), [(1, ["data"]), (2, ["data", "log"]), (4, ["data", "log", "lun2", "lun3"])]
)
def test_the_inventory_has_groups_and_luns(tmp_path: Path, luns: int, names: list[str]) -> None:
    yaml = pytest.importorskip("yaml")
    (tmp_path / "id_ed25519").touch()
    (tmp_path / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAA", "utf-8")
    place = tmp_path / "host"
    place.mkdir()
    write(place, tmp_path, 2222, ("san", "database"), luns)
    inventory = yaml.safe_load((place / "inventory.yml").read_text("utf-8"))
    assert list(inventory) == ["san", "database"]
    assert inventory["san"]["hosts"]["lab"]["ansible_port"] == 2222
    assert list(inventory["database"]["hosts"]) == ["lab"]
    stated = inventory["san"]["vars"]["san_luns"]
    assert [each["name"] for each in stated] == names
    assert [each["wwid"] for each in stated] == [wwid(lun) for lun in range(luns)]
