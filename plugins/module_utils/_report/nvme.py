# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""NVMe subsystems as `device_mapper_info` returns them, how their devices are, and their tree."""

from __future__ import annotations

import typing as t

from .._values.device import SECTOR, size_words
from .._values.errors import visible
from .._values.nvme import OFF
from .health import Health, Reason, health_result
from .maps import use_result
from .tree import Node

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ...plugin_utils._types import Host, NvmeController, NvmeNamespace, NvmePath, NvmeSubsystem

Result = dict[str, t.Any]


def nvme_health(each: NvmeNamespace, expected: int | None = None) -> Health:
    """Return how an NVMe multipath device is, with paths `expected` at least."""
    usable = each.usable_paths
    reasons = [*_reasons(each)]
    # A disk in the host has one path, however many the LUNs of the SAN should have.
    if each.is_local:
        expected = None
    elif usable == 1 and expected is None:
        reasons.append(Reason("one_path_left", found=_usable(each)))
    if expected is not None and usable < expected:
        reasons.append(Reason("too_few_paths", found=str(usable), expected=str(expected)))
    if usable:
        state = "degraded" if reasons else "healthy"
    else:
        state = "queueing" if each.queues else "dead"
    return Health(state, tuple(reasons), len(each.paths), usable, expected)


def _reasons(each: NvmeNamespace) -> Iterator[Reason]:
    if not each.usable_paths:
        yield Reason("no_usable_path", found=_timeouts(each))
    for path in each.paths:
        if not path.controller.is_live:
            found = f"controller {path.controller.name} is {path.controller.state or 'gone'}"
            yield Reason("path_down", name=path.name, found=found)
        elif path.in_transition:
            yield Reason("path_in_transition", name=path.name, found=path.ana_state)
        elif not path.is_accessible:
            yield Reason("path_down", name=path.name, found=path.ana_state)
        if path.sectors != each.sectors:
            sizes = (str(path.sectors * SECTOR), str(each.sectors * SECTOR))
            yield Reason("path_size", name=path.name, found=sizes[0], expected=sizes[1])


def _usable(each: NvmeNamespace) -> str:
    return next(path.name for path in each.paths if each.carries_io(path))


def _timeouts(each: NvmeNamespace) -> str:
    """Return the time-outs that decide how long I/O waits, of all its controllers."""
    pairs = (
        f"ctrl_loss_tmo {_off(path.controller.ctrl_loss_tmo)},"
        f" fast_io_fail_tmo {_off(path.controller.fast_io_fail_tmo)}"
        for path in each.paths
        if path.controller.ctrl_loss_tmo is not None
    )
    return "; ".join(dict.fromkeys(pairs))


def _off(seconds: int | None) -> str:
    return "off" if seconds in (None, OFF) else str(seconds)


def nvme_result(each: NvmeSubsystem, states: Mapping[str, Health], host: Host) -> Result:
    """Return a subsystem; `states` are those of its namespaces, by their devices' names."""
    return {
        "name": each.name,
        "nqn": each.nqn,
        "model": each.model,
        "serial": each.serial,
        "firmware": each.firmware,
        "iopolicy": each.iopolicy,
        "controllers": [_controller_result(controller) for controller in each.controllers],
        "namespaces": [
            _namespace_result(namespace, states[namespace.name], host)
            for namespace in each.namespaces
        ],
    }


def _controller_result(each: NvmeController) -> Result:
    return {
        "name": each.name,
        "transport": each.transport,
        "address": each.address,
        "target_address": each.target_address,
        "target_service": each.part("trsvcid"),
        "host_address": each.part("host_traddr", "src_addr"),
        "host_interface": each.part("host_iface"),
        "host_nqn": each.host_nqn,
        "state": each.state,
        "ctrl_loss_tmo": each.ctrl_loss_tmo,
        "fast_io_fail_tmo": each.fast_io_fail_tmo,
        "reconnect_delay": each.reconnect_delay,
    }


def _namespace_result(each: NvmeNamespace, state: Health, host: Host) -> Result:
    uses = host.uses_of(each.device)
    return {
        "name": each.name,
        "path": f"/dev/{each.name}",
        "device": str(each.device),
        "wwid": each.wwid,
        "nsid": each.nsid,
        "uuid": each.uuid or None,
        "nguid": each.nguid or None,
        "eui64": each.eui64 or None,
        "size": each.sectors * SECTOR,
        "read_only": each.read_only,
        "delayed_removal_secs": each.delayed_removal,
        "paths": [_path_result(path, each) for path in each.paths],
        "health": health_result(state),
        "uses": [use.words() for use in uses],
        "users": [use_result(use) for use in uses],
    }


def _path_result(path: NvmePath, each: NvmeNamespace) -> Result:
    return {
        "name": path.name,
        "controller": path.controller.name,
        "state": path.controller.state,
        "ana_state": path.ana_state,
        "ana_group": path.ana_group,
        "size": path.sectors * SECTOR,
        "carries_io": each.carries_io(path),
    }


def nvme_nodes(subsystems: Sequence[NvmeSubsystem], host: Host) -> Iterator[Node]:
    """Yield the tree of each subsystem; of those on PCIe only where there is something to join."""
    for each in subsystems:
        if each.namespaces or not all(one.is_local for one in each.controllers):
            children = [
                Node(_words("controller", one.name, one.transport, one.address, one.state))
                for one in each.controllers
            ]
            children += [_namespace_node(one, host) for one in each.namespaces]
            words = _words("NVMe subsystem", visible(each.nqn), visible(each.model), each.iopolicy)
            yield Node(words, tuple(children))


def _namespace_node(each: NvmeNamespace, host: Host) -> Node:
    paths = tuple(
        Node(
            _words(
                "path",
                path.name,
                path.controller.name,
                path.controller.target_address,
                path.controller.state,
                path.ana_state,
                "active" if each.carries_io(path) else "NOT USABLE",
            )
        )
        for path in each.paths
    )
    uses = tuple(Node(use.words()) for use in host.uses_of(each.device))
    size = size_words(each.sectors * SECTOR)
    device = f"NVMe multipath device {each.name} {each.device}, {size}"
    return Node(_words("namespace", visible(each.wwid), size), (Node(device, (*paths, *uses)),))


def _words(*words: str) -> str:
    return " ".join(filter(None, words))
