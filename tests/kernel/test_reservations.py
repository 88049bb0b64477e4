# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent reservations on the booted host, whose own target implements them."""

from __future__ import annotations

import typing as t
from pathlib import Path

from .conftest import WWIDS, Host
from .target import fibre_channel, target, wwid

SCRIPT = "/run/persistent_reserve.py"
KIND = "write_exclusive_registrants_only"
LUN = wwid(1)


def reserve(host: Host, disk: str, action: str, key: str, new: str = "0") -> None:
    host.run("python3", SCRIPT, disk, action, key, new, "5")


def looked_at(host: Host) -> tuple[dict[str, t.Any], list[tuple[str, str]]]:
    """Return what the paths say of the reservation, and what is wrong with which path."""
    (found,) = host.applied("device_mapper_info", maps=["data"], reservations=True)["maps"]
    reasons = [(each["kind"], each.get("name", "")) for each in found["health"]["reasons"]]
    reservation: dict[str, t.Any] = found["reservation"]
    return reservation, reasons


def registered(host: Host) -> dict[str, bool | None]:
    """Return which paths are registered; nothing where the LUN is not reserved."""
    reservation = looked_at(host)[0]
    return {
        each["name"]: each["registered"] for each in reservation["paths"] if reservation["type"]
    }


def write(host: Host) -> None:
    host.shell("dd if=/dev/zero of=/dev/mapper/data bs=4k count=64 oflag=direct 2> /dev/null")


def test_a_path_that_is_not_registered_does_not_join_a_map_in_use(host: Host) -> None:
    host.run("tee", SCRIPT, input=(Path(__file__).parent / "persistent_reserve.py").read_text())
    with target(host) as array:
        array.add_unit(1, 16)
        for port in (1, 2):
            array.show(port, 0, 1)
        host.run("udevadm", "settle")
        first, second = array.disks(1)
        stated = {"name": "data", "wwid": LUN, "path_grouping_policy": "multibus"}
        host.applied("multipath_map", **stated, paths=[first])
        reserve(host, first, "register", "0", "abc")
        reserve(host, first, "reserve", "abc")

        # The storage has nothing registered at the port of the second path; whether what it has at
        # that of the first is this host, sysfs does not say for this transport.
        reservation, reasons = looked_at(host)
        assert (reservation["type"], reservation["key"], reservation["registered_keys"]) == (
            KIND,
            "0xabc",
            ["0xabc"],
        )
        registered = {each["name"]: each["registered"] for each in reservation["paths"]}
        assert registered == {first: None, second: False}
        assert reasons == [("path_not_in_map", second), ("path_not_registered", second)]
        for check_mode in (True, False):
            done = host.applied("multipath_map", **stated, check_mode=check_mode)
            assert not done["changed"]
            (warning,) = done["warnings"]
            assert f"The path {second} (" in warning
            assert f"reserved ({KIND}) and the path is not registered" in warning
        message = host.refused("multipath_map", **stated, paths=[first, second])
        assert f"paths: {second}: the LUN is reserved" in message
        write(host)

        # Registered, which cannot be told; the task says so by listing it.
        reserve(host, second, "register", "0", "abd")
        (warning,) = host.applied("multipath_map", **stated)["warnings"]
        assert "cannot be told" in warning
        done = host.applied("multipath_map", **stated, paths=[first, second])
        assert done["changed"]
        assert looked_at(host)[1] == []
        write(host)

        # Another host takes the first one's registration away.
        reserve(host, second, "preempt", "abd", "abc")
        assert looked_at(host)[1] == [("path_not_registered", first)]
        reserve(host, second, "clear", "abd")
        reservation, reasons = looked_at(host)
        assert (reservation["type"], reservation["registered_keys"], reasons) == (None, [], [])
        write(host)


def test_a_nexus_with_names_is_known_to_be_registered(host: Host) -> None:
    """By Fibre Channel, whose ports have names in sysfs and in what the storage answers."""
    host.run("tee", SCRIPT, input=(Path(__file__).parent / "persistent_reserve.py").read_text())
    with fibre_channel(host) as array:
        array.add_unit(1, 16)
        for port in (1, 2):
            array.show(port, 0, 1)
        array.connect(1)
        first, second = array.disks(1)
        stated = {"name": "data", "wwid": LUN, "path_grouping_policy": "multibus"}
        host.applied("multipath_map", **stated, paths=[first])
        assert registered(host) == {}
        reserve(host, first, "register", "0", "abc")
        reserve(host, first, "reserve", "abc")
        assert registered(host) == {first: True, second: False}
        done = host.applied("multipath_map", **stated)
        assert not done["changed"]
        assert "the path is not registered" in done["warnings"][0]
        write(host)

        # Both are: it joins without being listed, and nothing is left to warn of.
        reserve(host, second, "register", "0", "abd")
        assert registered(host) == {first: True, second: True}
        done = host.applied("multipath_map", **stated)
        assert done["changed"]
        assert "warnings" not in done
        assert looked_at(host)[1] == []
        write(host)

        # Another host takes the first one's registration away.
        reserve(host, second, "preempt", "abd", "abc")
        assert registered(host) == {first: False, second: True}
        assert looked_at(host)[1] == [("path_not_registered", first)]


def test_storage_that_has_no_reservations_is_not_told(host: Host) -> None:
    """Its paths join as ever."""
    first, _second, *_others = host.disks(0)
    host.applied("multipath_map", name="data", wwid=WWIDS[0], paths=[first])
    assert looked_at(host)[0] is None
    done = host.applied("multipath_map", name="data", wwid=WWIDS[0])
    assert done["changed"]
    assert "warnings" not in done
