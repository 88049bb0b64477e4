# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NVMe subsystems in sysfs: no command is sent, so that it answers when no path is left."""

from __future__ import annotations

import contextlib
import re
import typing as t

from .._values.device import DeviceNumber
from .._values.nvme import DISCOVERY, OFF, NvmeController, NvmeNamespace, NvmePath, NvmeSubsystem
from .attribute import line, listed

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUBSYSTEMS = "/sys/class/nvme-subsystem"

_CONTROLLER = re.compile(r"nvme[0-9]+", re.ASCII)
_DEVICE = re.compile(r"nvme[0-9]+n[0-9]+", re.ASCII)
_PATH = re.compile(r"(nvme[0-9]+)c[0-9]+(n[0-9]+)", re.ASCII)
"""Subsystem, controller, namespace (multipath.c nvme_mpath_set_disk_name)."""


class Nvme:
    """The NVMe subsystems of the running kernel."""

    def nvme_subsystems(self) -> tuple[NvmeSubsystem, ...]:
        """Return the NVMe subsystems in the order of their numbers, but for those of discovery."""
        found = (_subsystem(name) for name in _ordered(listed(SUBSYSTEMS)) if not _discovers(name))
        return tuple(found)


def _discovers(name: str) -> bool:
    """Return whether a subsystem has no namespaces, and says what others there are."""
    kind = line(f"{SUBSYSTEMS}/{name}/subsystype")  # Since Linux 5.17.
    return kind == "discovery" or line(f"{SUBSYSTEMS}/{name}/subsysnqn") == DISCOVERY


def _subsystem(name: str) -> NvmeSubsystem:
    directory = f"{SUBSYSTEMS}/{name}"
    inside = _ordered(listed(directory))
    controllers = [
        _controller(each, f"{directory}/{each}") for each in inside if _CONTROLLER.fullmatch(each)
    ]
    paths: dict[str, list[NvmePath]] = {}
    for controller in controllers:
        for device, path in _paths(controller, f"{directory}/{controller.name}"):
            paths.setdefault(device, []).append(path)
    devices = [each for each in inside if _DEVICE.fullmatch(each)]
    found = [_namespace(each, f"{directory}/{each}", paths.get(each, ())) for each in devices]
    return NvmeSubsystem(
        name=name,
        nqn=line(f"{directory}/subsysnqn"),
        model=line(f"{directory}/model"),
        serial=line(f"{directory}/serial"),
        firmware=line(f"{directory}/firmware_rev"),
        iopolicy=line(f"{directory}/iopolicy"),
        controllers=tuple(controllers),
        namespaces=tuple(each for each in found if each),
    )


def _controller(name: str, directory: str) -> NvmeController:
    return NvmeController(
        name=name,
        transport=line(f"{directory}/transport"),
        address=line(f"{directory}/address"),
        state=line(f"{directory}/state"),
        host_nqn=line(f"{directory}/hostnqn"),
        ctrl_loss_tmo=_seconds(f"{directory}/ctrl_loss_tmo"),
        fast_io_fail_tmo=_seconds(f"{directory}/fast_io_fail_tmo"),
        reconnect_delay=_seconds(f"{directory}/reconnect_delay"),
    )


def _paths(controller: NvmeController, directory: str) -> Iterator[tuple[str, NvmePath]]:
    """Yield the paths through a controller, each with the name of the device that it is of."""
    for name in _ordered(listed(directory)):
        match = _PATH.fullmatch(name)
        if match:
            yield (
                "".join(match.groups()),
                NvmePath(
                    name=name,
                    controller=controller,
                    sectors=_number(f"{directory}/{name}/size") or 0,
                    ana_state=line(f"{directory}/{name}/ana_state"),
                    ana_group=_number(f"{directory}/{name}/ana_grpid"),
                ),
            )


def _namespace(name: str, directory: str, paths: Sequence[NvmePath]) -> NvmeNamespace | None:
    """Return a namespace; None if it has just gone."""
    number = line(f"{directory}/dev")
    if not number:
        return None
    return NvmeNamespace(
        name=name,
        device=DeviceNumber.parse(number),
        sectors=_number(f"{directory}/size") or 0,
        wwid=line(f"{directory}/wwid"),
        nsid=_number(f"{directory}/nsid") or 0,
        uuid=line(f"{directory}/uuid"),
        nguid=line(f"{directory}/nguid"),
        eui64=line(f"{directory}/eui").replace(" ", ""),
        read_only=line(f"{directory}/ro") == "1",
        delayed_removal=_number(f"{directory}/delayed_removal_secs") or 0,
        paths=tuple(paths),
    )


def _seconds(path: str) -> int | None:
    return OFF if line(path) == "off" else _number(path)


def _number(path: str) -> int | None:
    with contextlib.suppress(ValueError):
        return int(line(path))
    return None


def _ordered(names: Sequence[str]) -> list[str]:
    return sorted(names, key=lambda name: [*map(int, re.findall("[0-9]+", name))])
