# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel

from ansible_collections.san.device_mapper.plugins.module_utils._values.kernel import (
    Kernel,
    Readings,
    ReadingsOnly,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table


def names(protocol: type) -> list[str]:
    """Return what a protocol itself names."""
    return sorted(name for name in vars(protocol) if name[0] != "_")


class Named:
    """A system that has every name, and answers with it."""

    def __getattr__(self, name: str) -> Any:
        return name


READINGS, REQUESTS = names(Readings), names(Kernel)


def test_a_kernel_that_is_only_observed_shows_its_maps() -> None:
    kernel = MemoryKernel({})
    kernel.place("data", "mpath-1", parse_table("0 8 zero"))
    assert ReadingsOnly(MemoryHost(kernel)).maps() == kernel.maps()


@pytest.mark.parametrize("reading", READINGS)
def test_every_reading_is_the_systems_own(reading: str) -> None:
    assert getattr(ReadingsOnly(Named()), reading) == reading


@pytest.mark.parametrize("request_name", REQUESTS)
def test_a_kernel_that_is_only_observed_refuses_every_request(request_name: str) -> None:
    with pytest.raises(PermissionError, match=f"check mode: {request_name} was asked"):
        getattr(ReadingsOnly(Named()), request_name)


@pytest.mark.parametrize("name", ["run", "kernel", "_write", "__enter__", "_is_protocol"])
def test_what_no_protocol_names_is_refused(name: str) -> None:
    with pytest.raises(PermissionError, match=f"check mode: {name} was asked"):
        getattr(ReadingsOnly(Named()), name)


def test_there_are_readings_and_requests_to_tell_apart() -> None:
    assert {"create", "load", "resume", "remove", "udev_batch", "exclusive"} <= {*REQUESTS}
    assert {"maps", "disks", "uses", "partition_table", "multipathd", "settle"} <= {*READINGS}
    assert not {*READINGS} & {*REQUESTS}
