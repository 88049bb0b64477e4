# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from unit.memory_kernel import MemoryKernel

from ansible_collections.san.device_mapper.plugins.module_utils._values.kernel import (
    Kernel,
    ReadOnlyKernel,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table


def test_a_kernel_that_is_only_observed_shows_its_maps() -> None:
    kernel = MemoryKernel({})
    kernel.place("data", "mpath-1", parse_table("0 8 zero"))
    assert ReadOnlyKernel(kernel).maps() == kernel.maps()


REQUESTS = sorted(name for name in vars(Kernel) if name[0] != "_" and name != "maps")


@pytest.mark.parametrize("request_name", REQUESTS)
def test_a_kernel_that_is_only_observed_refuses_every_request(request_name: str) -> None:
    with pytest.raises(PermissionError, match=f"check mode: {request_name} was asked"):
        getattr(ReadOnlyKernel(MemoryKernel({})), request_name)


def test_there_are_requests_to_refuse() -> None:
    assert {"create", "load", "resume", "remove", "udev_batch"} <= set(REQUESTS)
