# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of a task grows with its maps and their paths, and no faster.

It is counted in Python's operations, not timed: the count is the same on each machine, each time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest
from unit.memory_host import DEFAULTS
from unit.readings import daemon, whole

from ansible_collections.san.device_mapper.plugins.module_utils._plan.steps import foresee
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import (
    device_mapper_info as info_task,
)
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import lun_paths as lun_task
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import (
    multipath_config as config_task,
)
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import (
    multipath_map as map_task,
)
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import multipath_options
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import (
    multipath_path as path_task,
)
from ansible_collections.san.device_mapper.plugins.module_utils._tasks import (
    partition_maps as partition_task,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.host import Host
from ansible_collections.san.device_mapper.plugins.module_utils._values.host_settings import (
    SETTINGS_FILE,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    GroupStatus,
    MultipathStatus,
    PathStatus,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import (
    Configuration,
    parse_sections,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd import (
    DaemonPath,
    Proposed,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Parent,
    Partition,
    PartitionTable,
)

PATHS = 8
FEW, MANY = 25, 100


def wwid(lun: int) -> str:
    """Return the WWID of a LUN."""
    return f"36000{lun:012}"


def unmapped(luns: int) -> Host:
    """Return a host with the paths of so many LUNs, and no map."""
    disks = [
        BlockDevice(
            f"sd{lun}-{path}",
            DeviceNumber(8, lun * PATHS + path),
            1 << 21,
            wwid=wwid(lun),
            address=f"{path}:0:0:{lun}",
            state="running",
        )
        for lun in range(luns)
        for path in range(PATHS)
    ]
    return whole(block_devices=tuple(disks))


def multipath_map(luns: int, host: Host, state: str = "present", **options: Any) -> Host:
    """Return the host after a task with a multipath map for each LUN."""
    maps = [{"name": f"data{lun}", "wwid": wwid(lun)} for lun in range(luns)]
    options = {**DEFAULTS["multipath_map"], "maps": maps, "state": state, **options}
    requests = multipath_options.parse(options)
    after = foresee(map_task.operations(requests, host), host)
    map_task.report(requests, after)
    return after


def mapped(luns: int) -> Host:
    """Return a host with a multipath map for each LUN, as the kernel would show it."""
    host = multipath_map(luns, unmapped(luns))
    return replace(host, maps=tuple(live(each, at) for at, each in enumerate(host.maps)))


def managed(luns: int) -> Host:
    """Return the host with a running multipathd that has none of the maps yet."""
    host = unmapped(luns)
    paths = [
        DaemonPath(disk.name, disk.device, disk.wwid, "ready", "", ("ACME", "disk"))
        for disk in host.block_devices
    ]
    multipathd = daemon(installed=True, runs=True, version=(0, 9, 4), paths=tuple(paths))
    return replace(host, multipathd=multipathd)


def known(luns: int) -> Host:
    """Return the host with a running multipathd that has read of all maps, and has made them.

    An administrator has stated as many other maps, some storage, and what to leave out.
    """
    host = multipath_map(luns, managed(luns))
    others = [
        f"multipaths {{\nmultipath {{\nwwid 1{lun}\nalias other{lun}\n}}\n}}\n"
        f"devices {{\ndevice {{\nvendor V{lun}\nproduct P\ndetect_prio no\n}}\n}}\n"
        for lun in range(luns)
    ]
    texts = {**host.multipathd.drop_ins, "/etc/multipath.conf": "".join(others)}
    sections = [each for path, text in texts.items() for each in parse_sections(text, path)]
    said = Configuration(tuple(sections))
    maps = tuple(live(each, at) for at, each in enumerate(host.maps))
    return replace(host, maps=maps, multipathd=replace(host.multipathd, known=said, files=said))


def forgotten(luns: int, host: Host) -> Host:
    """Return the host, whose daemon does not run any more, after a task that removes each map."""
    host = replace(host, maps=(), multipathd=replace(host.multipathd, runs=False))
    maps = [{"name": f"data{lun}"} for lun in range(luns)]
    requests = multipath_options.parse(
        {**DEFAULTS["multipath_map"], "maps": maps, "state": "absent"}
    )
    return foresee(map_task.operations(requests, host), host)


def changed(luns: int, host: Host) -> Host:
    """Return the host after a task with other policies for each map."""
    return multipath_map(
        luns, host, path_grouping_policy="multibus", prio="const", path_checker="directio"
    )


def live(each: Map, minor: int) -> Map:
    """Return a map with its number and the state of its paths."""
    groups = [
        GroupStatus("active", tuple(PathStatus(path.device, True, 0) for path in group.paths))
        for group in (each.multipath.groups if each.multipath else ())
    ]
    status = MultipathStatus(tuple(groups))
    return replace(each, device=DeviceNumber(253, minor), status=status)


def partitioned(luns: int) -> Host:
    """Return a host with a multipath map for each LUN, and their partition tables."""
    host = mapped(luns)
    table = PartitionTable("gpt", (Partition(1, 2048, 2048), Partition(2, 4096, 2048)))
    parents = [
        Parent(each.name, each.name, each.uuid, each.device, each.sectors, partition_table=table)
        for each in host.maps
    ]
    return replace(host, parents=tuple(parents))


def partition_maps(luns: int, host: Host) -> Host:
    """Return the host after a task with the partition maps of each multipath map."""
    devices = [f"data{lun}" for lun in range(luns)]
    request = partition_task.parse({**DEFAULTS["partition_maps"], "devices": devices})
    after = foresee(partition_task.operations(request, host), host)
    partition_task.report(request, after)
    return after


def multipath_path(luns: int, host: Host) -> Host:
    """Return the host after a task with a path of each map."""
    paths = [f"sd{lun}-0" for lun in range(luns)]
    options = {**DEFAULTS["multipath_path"], "paths": paths, "state": "failed"}
    request = path_task.parse(options)
    steps = path_task.operations(request, host)
    after = foresee(steps, host)
    path_task.changes(request, host, after, steps)
    return after


def multipath_config(_luns: int, host: Host) -> Host:
    """Return the host after a task with another default, a rule, and other names of maps."""
    settings = {"no_path_retry": "queue", "user_friendly_names": True}
    options = {**DEFAULTS["multipath_config"], "defaults": settings, "blacklist": {"wwid": ["^9"]}}
    request = config_task.parse(options)
    own = parse_sections(request.text, SETTINGS_FILE)
    both = Configuration((*host.multipathd.known.sections, *own))
    alone = Configuration(own)
    proposed = Proposed(request.text, alone, both, host.multipathd.known)
    host = replace(host, multipathd=replace(host.multipathd, proposed=proposed))
    steps = config_task.operations(request, host)
    after = foresee(steps, host)
    config_task.changes(request, host, after, steps)
    list(config_task.warnings(request, host, after))
    return after


def lun_paths(luns: int, host: Host, present: bool = True) -> Host:
    """Return the host after a task with the paths of each LUN."""
    options = {
        **DEFAULTS["lun_paths"],
        "luns": [{"wwid": wwid(lun)} for lun in range(luns)],
        "state": "present" if present else "absent",
        "min_paths": PATHS,
    }
    request = lun_task.parse(options)
    steps = lun_task.operations(request, host)
    after = foresee(steps, host)
    lun_task.report(request, after)
    lun_task.changes(request, host, after, steps)
    return after


def device_mapper_info(_luns: int, host: Host) -> Host:
    """Return the host that is looked at."""
    request = info_task.Request(health=("healthy", "degraded"))
    info_task.report(request, host)
    return host


def holders(_luns: int, host: Host) -> Host:
    """Return the host after it was asked for each map which maps open it."""
    for number in [each.device for each in host.maps]:
        host.holders(number)
    return host


TASKS: Mapping[str, tuple[Callable[[int], Host], Callable[[int, Host], Host]]] = {
    "multipath maps are made": (unmapped, multipath_map),
    "multipath maps are there": (mapped, multipath_map),
    "multipath maps go": (mapped, lambda luns, host: multipath_map(luns, host, "absent")),
    "multipathd is told of maps": (managed, multipath_map),
    "multipathd has maps": (known, multipath_map),
    "multipathd is told of other policies": (known, changed),
    "multipathd forgets maps": (known, lambda luns, host: multipath_map(luns, host, "absent")),
    "multipathd forgets maps by their names": (known, forgotten),
    "partition maps are made": (partitioned, partition_maps),
    "partition maps are there": (
        lambda luns: partition_maps(luns, partitioned(luns)),
        partition_maps,
    ),
    "multipathd gets other settings": (known, multipath_config),
    "a path of each map is failed": (mapped, multipath_path),
    "paths are there": (mapped, lun_paths),
    "paths go": (unmapped, lambda luns, host: lun_paths(luns, host, False)),
    "devices are asked for the maps on them": (
        lambda luns: partition_maps(luns, partitioned(luns)),
        holders,
    ),
    "a host is looked at": (
        lambda luns: partition_maps(luns, partitioned(luns)),
        device_mapper_info,
    ),
}


PER_LUN = {
    "multipath maps are there": 22_000,
    "multipathd has maps": 37_000,
    "partition maps are there": 7_000,
    "paths are there": 7_000,
    "a host is looked at": 20_000,
}
"""Operations for each LUN, of tasks with nothing to do: half more than they took in 2026."""


def operations(work: Callable[[], object]) -> int:
    """Return how many operations Python carries out for `work`."""
    count = 0

    def counted(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return counted

    before = sys.gettrace()
    sys.settrace(counted)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("task", TASKS)
def test_work_grows_with_the_maps(task: str) -> None:
    """Four times the LUNs, little more than four times the work; squared it would be sixteen."""
    prepare, run = TASKS[task]
    few, many = prepare(FEW), prepare(MANY)
    more, less = operations(lambda: run(MANY, many)), operations(lambda: run(FEW, few))
    assert more / less < 5
    assert (more - less) / (MANY - FEW) < PER_LUN.get(task, 50_000)
