# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from unit.sysfs import Sysfs

from ansible_collections.san.device_mapper.plugins.module_utils._system import nvme
from ansible_collections.san.device_mapper.plugins.module_utils._system.nvme import Nvme
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.nvme import NvmeController

CAPTURED = sorted(each.name for each in (Path(__file__).parents[3] / "captured/nvme").iterdir())
SUBSYSTEM = "devices/virtual/nvme-subsystem/nvme-subsys0"
FABRICS = "devices/virtual/nvme-fabrics/ctl"


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sysfs:
    monkeypatch.setattr(nvme, "SUBSYSTEMS", str(tmp_path / "class/nvme-subsystem"))
    return Sysfs(tmp_path)


@pytest.mark.parametrize("captured", CAPTURED)
def test_a_subsystem_of_two_ports_is_read_as_each_kernel_shows_it(
    sysfs: Sysfs, captured: str
) -> None:
    sysfs.place(captured)
    (found,) = Nvme().nvme_subsystems()
    assert (found.name, found.nqn, found.model, found.serial, found.iopolicy) == (
        "nvme-subsys0",
        "nqn.t",
        "Test Array",
        "SER1",
        "numa",
    )
    first, second = found.controllers
    assert first == NvmeController(
        "nvme0",
        "tcp",
        "traddr=127.0.0.2,trsvcid=4420,src_addr=127.0.0.1",
        "live",
        "nqn.host",
        ctrl_loss_tmo=60,
        fast_io_fail_tmo=-1,
        reconnect_delay=1,
    )
    assert (second.name, second.target_address) == ("nvme1", "127.0.0.3")
    one, two = found.namespaces
    assert (one.name, one.device, one.sectors, one.nsid) == (
        "nvme0n1",
        DeviceNumber(259, 1),
        131072,
        1,
    )
    assert one.wwid == f"uuid.{one.uuid}"
    assert one.nguid == "00000001-1111-2222-3333-444444444444"
    shown = [
        (path.name, path.controller.name, path.ana_state, path.ana_group) for path in two.paths
    ]
    assert shown == [
        ("nvme0c0n2", "nvme0", "non-optimized", 2),
        ("nvme0c1n2", "nvme1", "non-optimized", 2),
    ]
    assert (one.usable_paths, two.usable_paths) == (2, 2)


def test_without_native_multipath_only_controllers_are_shown(sysfs: Sysfs) -> None:
    sysfs.place(CAPTURED[0])
    for each in ("nvme0n1", "nvme0n2"):
        (sysfs.root / SUBSYSTEM / each).rename(sysfs.root / FABRICS / "nvme0" / each)
    (found,) = Nvme().nvme_subsystems()
    assert [each.name for each in found.controllers] == ["nvme0", "nvme1"]
    assert found.namespaces == ()


def test_what_goes_meanwhile_is_left_out(sysfs: Sysfs) -> None:
    sysfs.place(CAPTURED[0])
    (sysfs.root / SUBSYSTEM / "nvme0n1/dev").unlink()
    for each in ("state", "ctrl_loss_tmo", "address"):
        (sysfs.root / FABRICS / "nvme1" / each).unlink()
    (found,) = Nvme().nvme_subsystems()
    (left,) = found.namespaces
    assert (left.name, left.usable_paths) == ("nvme0n2", 1)
    assert found.controllers[1].ctrl_loss_tmo is None


@pytest.mark.parametrize(
    ("name", "text"),
    [("subsystype", "discovery"), ("subsysnqn", "nqn.2014-08.org.nvmexpress.discovery")],
)
def test_a_subsystem_of_discovery_is_left_out(sysfs: Sysfs, name: str, text: str) -> None:
    sysfs.place(CAPTURED[0])
    (sysfs.root / SUBSYSTEM / name).write_text(f"{text}\n")
    assert Nvme().nvme_subsystems() == ()


def test_a_host_without_nvme_has_no_subsystem(sysfs: Sysfs) -> None:
    assert Nvme().nvme_subsystems() == ()
