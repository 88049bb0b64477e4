# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible starts them: arguments in, JSON out, an in-memory kernel below."""

from __future__ import annotations

import json
from typing import Any

import pytest
from unit.memory_host import MemoryHost, Parts
from unit.memory_host import arguments as module_arguments
from unit.memory_kernel import MemoryKernel

from ansible_collections.san.device_mapper.plugins.module_utils import _run
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    DeviceMapperError,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table
from ansible_collections.san.device_mapper.plugins.module_utils._values.udev import (
    Initramfs,
    UdevDevice,
)
from ansible_collections.san.device_mapper.plugins.modules import (
    device_mapper_info,
    lun_paths,
    multipath_config,
    multipath_map,
    multipath_path,
    partition_maps,
    udev_info,
)

MODULES = {
    "device_mapper_info": device_mapper_info,
    "lun_paths": lun_paths,
    "multipath_config": multipath_config,
    "multipath_map": multipath_map,
    "multipath_path": multipath_path,
    "partition_maps": partition_maps,
    "udev_info": udev_info,
}
CHECK = {"_ansible_check_mode": True}


class Udevless(MemoryHost):
    """A host on which no udev runs, and that boots without an initramfs."""

    def udev_version(self) -> int:
        return 0

    def verify_rules(self, _rules: object, _version: int) -> None:
        pass

    def udev_device(self, device: DeviceNumber) -> UdevDevice:
        return UdevDevice(f"dm-{device.minor}", device)

    def rule_files(self, _rules: object) -> tuple[()]:
        return ()

    def installed_rules(self) -> tuple[()]:
        return ()

    def multipath_rules(self) -> tuple[()]:
        return ()

    def shadowed_rules(self) -> dict[str, str]:
        return {}

    def initramfs_mounts(self) -> frozenset[str]:
        return frozenset()

    def links_in(self, _directory: str) -> dict[str, DeviceNumber]:
        return {}

    def initramfs(self, _looking: bool, _timeout: float) -> Initramfs:
        return Initramfs()

    def user_exists(self, name: str) -> bool:
        return name in ("root", "disk")

    group_exists = user_exists


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> MemoryKernel:
    """Put an in-memory host with one map where the modules put theirs together."""
    kernel = MemoryKernel({})
    kernel.place("stale", "mpath-3600", parse_table("0 8 multipath 0 0 0 0"))
    monkeypatch.setattr(_run, "system", lambda parts: Parts(Udevless(kernel), parts))
    return kernel


def run(capsys: pytest.CaptureFixture[str], name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what the module `name` says to Ansible."""
    with module_arguments(arguments), pytest.raises(SystemExit) as ended:
        MODULES[name].main()
    result = json.loads(capsys.readouterr().out)
    assert isinstance(result, dict)
    assert ended.value.code == (1 if "msg" in result else 0)
    return result


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "multipath_map",
            {},
            "one of the following is required: name, wwid, paths, path_groups, maps",
        ),
        (
            "multipath_map",
            {"maps": [{"wwid": "3600"}], "name": "data"},
            "parameters are mutually exclusive: maps|name",
        ),
        (
            "multipath_map",
            {"maps": [{"wwid": "3600"}], "wwid": "3600"},
            "parameters are mutually exclusive: maps|wwid",
        ),
        (
            "multipath_map",
            {"maps": [{"wwid": "3600"}], "paths": ["sda"]},
            "parameters are mutually exclusive: maps|paths",
        ),
        (
            "multipath_map",
            {"wwid": "3600", "state": "gone"},
            "must be one of: present, absent",
        ),
        ("multipath_map", {"wwid": "3600", "min_paths": "two"}, "min_paths"),
        (
            "multipath_map",
            {"wwid": "3600", "no_path_retry": "x"},
            "must be fail, queue or a number",
        ),
        ("multipath_map", {"wwid": "3600", "size": 1}, "Unsupported parameters"),
        ("multipath_map", {"maps": [{"wwid": "3600", "timeout": 1}]}, "Unsupported parameters"),
        ("multipath_map", {"maps": [{"path_selector": "x"}]}, "path_selector must be one of"),
        ("lun_paths", {}, "one of the following is required: luns, wwid"),
        ("lun_paths", {"luns": [{"min_paths": 2}]}, "missing required arguments: wwid"),
        (
            "lun_paths",
            {"luns": [{"wwid": "3600"}], "wwid": "3600"},
            "parameters are mutually exclusive: luns|wwid",
        ),
        ("lun_paths", {"wwid": "3600", "min_paths": "two"}, "min_paths"),
        ("multipath_path", {"maps": ["a"]}, "one of the following is required: state, path_group"),
        (
            "multipath_path",
            {"state": "failed"},
            "one of the following is required: maps, paths, hosts, target_ports, initiator_ports,"
            " fabrics",
        ),
        (
            "multipath_path",
            {"state": "failed", "path_group": 1, "maps": ["a"]},
            "parameters are mutually exclusive: path_group|state",
        ),
        (
            "multipath_path",
            {"path_group": 1, "maps": ["a"], "hosts": ["0"]},
            "parameters are mutually exclusive: path_group|hosts",
        ),
        ("multipath_path", {"path_group": 1, "hosts": ["0"]}, "path_group|hosts"),
        ("multipath_path", {"maps": ["a"], "state": "up"}, "must be one of: active, failed"),
        ("partition_maps", {}, "one of the following is required: device, devices"),
        (
            "partition_maps",
            {"device": "a", "devices": ["b"]},
            "parameters are mutually exclusive: device|devices",
        ),
        ("partition_maps", {"device": "a", "partitions": ["x"]}, "partitions"),
        ("device_mapper_info", {"timeout": "soon"}, "timeout"),
        ("device_mapper_info", {"health": ["ill"]}, "must be one or more of: healthy, degraded"),
        ("udev_info", {"tuning": [{"model": "x"}]}, "missing required arguments: vendor"),
        ("udev_info", {"permissions": [{}]}, "missing required arguments: wwid"),
    ],
)
def test_arguments_that_are_not_the_modules_are_refused(
    capsys: pytest.CaptureFixture[str], name: str, arguments: dict[str, Any], message: str
) -> None:
    result = run(capsys, name, arguments)
    assert result["failed"] is True
    assert message in result["msg"]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("multipath_map", {"wwid": "no such"}, "wwid: no such: the character ' ' would be mangled"),
        ("multipath_map", {"wwid": "3600-0"}, "wwid: 3600-0: no block device of this host has"),
        ("multipath_map", {"name": "data"}, "wwid: '': neither wwid nor paths is specified"),
        ("multipath_map", {"wwid": "3600", "timeout": 0}, "timeout: 0: must be at least 1 second"),
        ("lun_paths", {"wwid": "no such"}, "wwid: no such: the character ' ' would be mangled"),
        ("lun_paths", {"wwid": "3600", "min_paths": 0}, "min_paths: 0: must be at least 1"),
        (
            "lun_paths",
            {"wwid": "3600", "hosts": ["host99"]},
            "hosts: host99: this host has no such SCSI host",
        ),
        ("lun_paths", {"wwid": "3600", "timeout": 0}, "timeout: 0: must be at least 1 second"),
        (
            "multipath_path",
            {"maps": ["nosuch"], "state": "failed"},
            "maps: nosuch: this host has no multipath map",
        ),
        (
            "multipath_path",
            {"maps": ["stale"], "path_group": 1},
            "path_group: 1: the map stale has 0 path groups",
        ),
        (
            "multipath_path",
            {"target_ports": ["target99:9:9"], "state": "active"},
            "target_ports: target99:9:9: this host reaches no disk",
        ),
        ("partition_maps", {"device": "nosuch"}, "device: nosuch: this host has no map"),
        ("partition_maps", {"devices": []}, "devices: []: the list is empty"),
        ("device_mapper_info", {"timeout": 0}, "timeout: 0: must be at least 1 second"),
        ("device_mapper_info", {"maps": []}, "maps: []: the list is empty"),
        ("device_mapper_info", {"expected_paths": 0}, "expected_paths: 0: must be at least 1"),
        ("udev_info", {"timeout": 0}, "timeout: 0: must be at least 1 second"),
        (
            "udev_info",
            {"permissions": [{"wwid": "3600", "owner": "no-such-user"}]},
            "permissions: owner: no-such-user: this host has no such user",
        ),
    ],
)
def test_a_refusal_is_the_message_and_nothing_is_changed(
    kernel: MemoryKernel,
    capsys: pytest.CaptureFixture[str],
    name: str,
    arguments: dict[str, Any],
    message: str,
) -> None:
    before = kernel.maps()
    for mode in (CHECK, {}):
        result = run(capsys, name, {**arguments, **mode})
        assert result["failed"] is True
        assert result["msg"].startswith(message)
    assert (kernel.maps(), kernel.requests) == (before, 0)


@pytest.mark.parametrize("arguments", [{"wwid": "3600"}, {"name": "stale"}, {"maps": None}])
def test_a_map_is_removed_first_in_check_mode_then_really(
    kernel: MemoryKernel, capsys: pytest.CaptureFixture[str], arguments: dict[str, Any]
) -> None:
    if "maps" in arguments:
        arguments = {"maps": [{"wwid": "3600", "state": "absent"}]}
    else:
        arguments = {**arguments, "state": "absent"}
    plan = ["remove stale"]
    for mode, changed, left in (
        (CHECK, True, 1),
        ({}, True, 0),
        ({}, False, 0),
        (CHECK, False, 0),
    ):
        result = run(capsys, "multipath_map", {**arguments, **mode})
        assert (result["changed"], result["plan"]) == (changed, plan if changed else [])
        assert len(kernel.maps()) == left


@pytest.mark.usefixtures("kernel")
def test_absent_partition_maps_of_a_device_that_is_gone_are_no_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = run(capsys, "partition_maps", {"device": "/dev/mapper/gone", "state": "absent"})
    assert (result["changed"], result["plan"], result["maps"]) == (False, [], [])


@pytest.mark.usefixtures("kernel")
def test_the_maps_of_the_host_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, "device_mapper_info", {})
    assert result["changed"] is False
    assert [each["name"] for each in result["maps"]] == ["stale"]
    assert "map stale 252:0" in result["tree"]


@pytest.mark.usefixtures("kernel")
def test_what_udev_shows_of_maps_without_paths_is_no_failure_of_a_path(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = run(capsys, "udev_info", {"links": False, "verify": False})
    assert (result["changed"], result["maps"], result["paths"]) == (False, ["stale"], [])
    assert {each["device"] for each in result["failures"]} <= {"stale"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_host_without_device_mapper_is_a_failure_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    def missing(_parts: object) -> MemoryKernel:
        raise DeviceMapperError("this host's kernel has no device-mapper")

    monkeypatch.setattr(_run, "system", missing)
    arguments: dict[str, dict[str, Any]] = {
        "lun_paths": {"wwid": "3600"},
        "multipath_config": {"state": "absent"},
        "multipath_map": {"wwid": "3600"},
        "multipath_path": {"state": "active", "maps": ["data"]},
        "partition_maps": {"device": "a"},
    }
    result = run(capsys, name, arguments.get(name, {}))
    assert (result["failed"], result["msg"]) == (True, "this host's kernel has no device-mapper")
