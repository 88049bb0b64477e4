# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVMe over TCP with native multipath, from the kernel's own target: two ports, two ANA groups."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import jinja2
import pytest

from .conftest import HERE, Host

TARGET = "/sys/kernel/config/nvmet"
NQN = "nqn.2026-11.com.example:array"
CONNECT = (
    f"transport=tcp,traddr=127.0.0.%s,trsvcid=4420,nqn={NQN},hostnqn=nqn.2026-11.com.example:host,"
    "hostid=00000000-0000-0000-0000-000000000001,nr_io_queues=1,reconnect_delay=1,ctrl_loss_tmo=60"
)
EXPORT = f"""\
modprobe nvme_core multipath=Y
modprobe -a nvmet nvmet-tcp nvme-tcp
cd {TARGET}
mkdir subsystems/{NQN}
cd subsystems/{NQN}
echo 1 > attr_allow_any_host
echo 'Test Array' > attr_model
echo SER1 > attr_serial
for number in 1 2; do
  truncate -s 64M /run/namespace$number
  mkdir namespaces/$number
  cd namespaces/$number
  printf %s "$(losetup --find --show /run/namespace$number)" > device_path
  echo 0000000$number-1111-2222-3333-444444444444 > device_uuid
  echo $number > ana_grpid
  echo 1 > enable
  cd ../..
done
for port in 1 2; do
  mkdir {TARGET}/ports/$port
  cd {TARGET}/ports/$port
  echo tcp > addr_trtype
  echo ipv4 > addr_adrfam
  echo 127.0.0.$((port + 1)) > addr_traddr
  echo 4420 > addr_trsvcid
  mkdir ana_groups/2
  echo optimized > ana_groups/2/ana_state
  ln -s {TARGET}/subsystems/{NQN} subsystems/{NQN}
  printf '{CONNECT}' $((port + 1)) > /dev/nvme-fabrics
done
udevadm settle
"""
WITHDRAW = f"""\
for each in /sys/class/nvme/nvme*/delete_controller; do test ! -e $each || echo 1 > $each; done
cd {TARGET}
for each in ports/*; do
  test ! -e $each || {{
    rm -f $each/subsystems/*
    test ! -e $each/ana_groups/2 || rmdir $each/ana_groups/2
    rmdir $each
  }}
done
for each in subsystems/{NQN}/namespaces/*; do
  test ! -e $each || {{ losetup --detach $(cat $each/device_path) || :; rmdir $each; }}
done
test ! -e subsystems/{NQN} || rmdir subsystems/{NQN}
rm -f /run/namespace*
udevadm settle
"""


class Array:
    """The array, whose ports are there as controllers of the host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def ana(self, port: int, group: int, state: str) -> None:
        """Set the ANA state of a group at a port."""
        self.host.shell(f"echo {state} > {TARGET}/ports/{port}/ana_groups/{group}/ana_state")

    def unplug(self, port: int) -> None:
        """Let a port lead to nothing."""
        self.host.run("rm", f"{TARGET}/ports/{port}/subsystems/{NQN}")

    def plug(self, port: int) -> None:
        """Let a port lead to the subsystem."""
        link = f"{TARGET}/ports/{port}/subsystems/{NQN}"
        self.host.run("ln", "-s", f"{TARGET}/subsystems/{NQN}", link)

    def grow(self, namespace: int) -> None:
        """Enlarge a namespace to 96 MiB."""
        inside = f"{TARGET}/subsystems/{NQN}/namespaces/{namespace}"
        self.host.shell(
            f"truncate -s 96M /run/namespace{namespace}; losetup -c $(cat {inside}/device_path);"
            f" echo 1 > {inside}/revalidate_size"
        )

    def info(self, **options: t.Any) -> dict[str, t.Any]:
        """Return what device_mapper_info says."""
        return self.host.applied("device_mapper_info", **options)

    def namespaces(self, **options: t.Any) -> list[dict[str, t.Any]]:
        """Return the namespaces as device_mapper_info shows them."""
        return [one for each in self.info(**options)["nvme"] for one in each["namespaces"]]

    def reasons(self, state: str) -> list[tuple[str, str, str]]:
        """Return what is wrong with the first namespace, once it is in this state."""
        found: list[dict[str, t.Any]] = []

        def holds() -> bool:
            found[:] = self.namespaces()
            return bool(found[0]["health"]["state"] == state)

        self.host.until(holds, 20)
        return [
            (each["kind"], each.get("name", ""), each.get("found", ""))
            for each in found[0]["health"]["reasons"]
        ]


@pytest.fixture(scope="module")
def _target(_lab: t.Any) -> Iterator[Host]:
    there = Host(_lab)
    there.shell(WITHDRAW.replace(f"cd {TARGET}\n", f"cd {TARGET} 2>/dev/null || exit 0\n"))
    there.shell(EXPORT)
    yield there
    there.shell(WITHDRAW)
    # Other tests load the last one with another parameter.
    there.lab.unload("nvme-tcp", "nvmet-tcp", "nvmet", "nvme-fabrics", "nvme-core")


@pytest.fixture
def array(_target: Host) -> Array:
    """Return the array, with all ports plugged in and optimized."""
    return Array(_target)


def test_the_subsystem_is_shown_with_controllers_namespaces_and_paths(array: Array) -> None:
    (subsystem,) = array.info()["nvme"]
    assert (subsystem["nqn"], subsystem["model"], subsystem["serial"], subsystem["iopolicy"]) == (
        NQN,
        "Test Array",
        "SER1",
        "numa",
    )
    first, second = subsystem["controllers"]
    assert (first["transport"], first["target_address"], first["target_service"]) == (
        "tcp",
        "127.0.0.2",
        "4420",
    )
    assert (second["state"], second["ctrl_loss_tmo"], second["fast_io_fail_tmo"]) == (
        "live",
        60,
        -1,
    )
    one, two = subsystem["namespaces"]
    assert one["wwid"] == "uuid.00000001-1111-2222-3333-444444444444"
    assert (one["size"], one["health"]["state"], len(one["paths"])) == (64 << 20, "healthy", 2)
    assert {path["ana_state"] for path in two["paths"]} == {"optimized"}
    assert one["device"] == array.host.number(one["name"])


def test_what_is_the_kernels_is_refused(array: Array) -> None:
    """Neither its paths nor its partitions are device-mapper's; each message says what instead."""
    one = array.namespaces()[0]
    refused = array.host.refused
    array.host.run("mkswap", one["path"])
    array.host.run("swapon", one["path"])
    try:
        assert f"Use {one['path']} as it is" in refused("lun_paths", wwid=one["wwid"])
        message = refused("lun_paths", wwid=one["wwid"], state="absent")
        assert (
            f"this one is {one['name']}, with 2 of 2 paths active, and in use: in use as" in message
        )
        for stated in ({"wwid": one["wwid"]}, {"paths": [one["path"]]}):
            message = refused("multipath_map", name="data", **stated)
            assert "so that there are no paths for a map to join" in message
        message = refused("partition_maps", device=one["path"])
        assert f"{one['path']}p1 is the first" in message
        message = refused("multipath_path", hosts=["nvme0"], state="failed")
        assert "nvme disconnect --device=nvme0" in message
        assert "nvme_core.multipath is Y" in refused(
            "multipath_path", maps=[one["wwid"]], state="failed"
        )
    finally:
        array.host.run("swapoff", one["path"])


def test_ana_states_are_judged(array: Array) -> None:
    array.ana(1, 1, "non-optimized")
    array.ana(2, 1, "inaccessible")
    one, two = array.namespaces()
    left, lost = (path["name"] for path in one["paths"])
    assert array.reasons("degraded") == [
        ("path_down", lost, "inaccessible"),
        ("one_path_left", "", left),
    ]
    assert two["health"]["state"] == "healthy"
    array.ana(1, 1, "change")
    array.ana(2, 1, "persistent-loss")
    assert array.reasons("queueing") == [
        ("no_usable_path", "", "ctrl_loss_tmo 60, fast_io_fail_tmo off"),
        ("path_in_transition", left, "change"),
        ("path_down", lost, "persistent-loss"),
    ]
    array.ana(1, 1, "optimized")
    array.ana(2, 1, "optimized")
    assert array.reasons("healthy") == []


def test_a_lost_port_is_judged_and_comes_back(array: Array) -> None:
    controller = array.namespaces()[0]["paths"][1]["controller"]
    array.unplug(2)
    reasons = array.reasons("degraded")
    assert [each[0] for each in reasons] == ["path_down", "one_path_left"]
    assert reasons[0][2] == f"controller {controller} is connecting"
    answer = array.info(expected_paths=2)
    assert len(answer["problems"]) == 2
    assert "1 of 2 paths active" in answer["problems"][0]
    assert "too few paths: 1 instead of 2" in answer["problems"][0]
    assert "NOT USABLE" in answer["tree"]
    # Both ports: I/O waits, unless fast_io_fail_tmo ends that.
    array.unplug(1)
    assert array.reasons("queueing")[0][0] == "no_usable_path"
    array.host.shell("for each in /sys/class/nvme/*/fast_io_fail_tmo; do echo 1 > $each; done")
    assert array.reasons("dead")[0][2] == "ctrl_loss_tmo 60, fast_io_fail_tmo 1"
    array.host.shell("for each in /sys/class/nvme/*/fast_io_fail_tmo; do echo -1 > $each; done")
    array.plug(1)
    array.plug(2)
    assert array.reasons("healthy") == []


RULES = "73-san-device-mapper-nvme.rules"
TEMPLATES = HERE.parents[1] / "roles/udev_rules/templates"


def test_settings_are_made_by_the_rules_and_verified(array: Array) -> None:
    """On what is there by an event, and on a controller that connects later by its own."""
    host = array.host
    stated: list[dict[str, t.Any]] = [
        {"model": "Test*", "iopolicy": "round-robin", "ctrl_loss_tmo": 77, "fast_io_fail_tmo": 7}
    ]
    jinja = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True)
    content = jinja.get_template(f"{RULES}.j2").render(__udev_rules_nvme=stated)
    rules = [{"name": RULES, "content": f"{content}\n"}]

    def summary() -> list[str]:
        host.run("udevadm", "settle")
        answer = host.applied("udev_info", nvme=stated, rules=rules, links=False, hide_paths=False)
        return sorted(answer["summary"])

    first = sorted(each["name"] for each in array.info()["nvme"][0]["controllers"])[0]
    wrong = summary()
    assert f"{first}: ctrl_loss_tmo: expected 77, found 60" in wrong
    assert f"{first}: fast_io_fail_tmo: expected 7, found off" in wrong
    assert any("iopolicy: expected round-robin, found numa" in each for each in wrong)
    assert any(f"{RULES}: rule file" in each for each in wrong)
    trigger = "udevadm trigger --action=change --subsystem-match=nvme --subsystem-match"
    try:
        host.run("tee", f"/etc/udev/rules.d/{RULES}", input=f"{content}\n")
        host.shell(f"udevadm control --reload; {trigger}=nvme-subsystem --settle")
        assert summary() == []
        host.shell(
            f"echo 1 > /sys/class/nvme/{first}/delete_controller;"
            f" printf '{CONNECT}' 2 > /dev/nvme-fabrics"
        )
        # The kernel says that it has connected; before Linux 5.18 it does not.
        if host.run("uname", "-r").startswith("5."):
            host.shell(f"{trigger}=nvme-subsystem --settle")
        assert summary() == []
        assert len(array.info()["nvme"][0]["controllers"]) == 2
    finally:
        host.shell(f"rm -f /etc/udev/rules.d/{RULES}; udevadm control --reload")
        host.shell(
            "echo numa > $(echo /sys/class/nvme-subsystem/*/iopolicy);"
            " for each in /sys/class/nvme/*; do"
            " echo 60 > $each/ctrl_loss_tmo; echo -1 > $each/fast_io_fail_tmo; done"
        )


def test_users_and_a_new_size_are_shown(array: Array) -> None:
    one, two = array.namespaces()
    array.host.shell(f"mkfs.ext4 -q {one['path']}; mkdir -p /run/mounted")
    array.host.run("mount", one["path"], "/run/mounted")
    try:
        array.grow(1)
        array.host.until(lambda: array.namespaces()[0]["size"] == 96 << 20, 20)
        answer = array.info(wwids=[one["wwid"]])
        (found,) = (each for subsystem in answer["nvme"] for each in subsystem["namespaces"])
        assert found["uses"] == ["mounted at /run/mounted"]
        assert found["health"]["state"] == "healthy"
        assert answer["problems"] == []
        assert two["name"] not in answer["tree"]
    finally:
        array.host.run("umount", "/run/mounted")
