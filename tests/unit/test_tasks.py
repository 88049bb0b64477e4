# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laws again for whole tasks: from random options on random hosts to what a module returns."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.memory_host import MemoryHost
from unit.memory_kernel import Killed, MemoryKernel
from unit.memory_multipath import Disk
from unit.worlds import HANDLERS, LUNS, NAMES, PARENT, PARTITIONS, SECTORS, worlds

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import (
    drop_in,
    drop_in_path,
    parse_sections,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.partitions import (
    Partition,
    PartitionTable,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.reservation import (
    Nexus,
    Registration,
    Reservation,
)

FORESEEN = (
    "name",
    "uuid",
    "size",
    "read_only",
    "suspended",
    "deferred_remove",
    "has_inactive_table",
    "active_before",
    "active_after",
    "path_group_before",
    "path_group_after",
    "paths",
)


@dataclass
class Scene:
    """A host, and a task."""

    host: MemoryHost
    module: str
    options: dict[str, Any]
    owned: frozenset[str]
    followers: frozenset[str] = frozenset()
    """Maps of which the task may only change the name, with that of the map below them."""

    def again(self) -> Scene:
        """Return the same scene, to go another way."""
        return replace(self, host=copy.deepcopy(self.host))

    def run(self, check_mode: bool = False) -> dict[str, Any] | str:
        """Return what the module returns, or the refusal."""
        try:
            return self.host.run(self.module, check_mode, **self.options)
        except Refused as refused:
            return str(refused)

    def foreign(self) -> list[Map]:
        """Return the maps that the task does not own, without their open counts."""
        return [
            replace(each, open_count=0, name="" if each.uuid in self.followers else each.name)
            for each in self.host.kernel.maps()
            if each.uuid not in self.owned
        ]


@st.composite
def disks(draw: st.DrawFn) -> tuple[BlockDevice, ...]:
    """Return the paths of all LUNs; some have lost their WWID, some have ALUA states."""
    states = ("", "active/optimized", "active/non-optimized", "standby")
    return tuple(
        BlockDevice(
            name=f"sd{uuid[-1]}{index}",
            device=device,
            sectors=SECTORS,
            wwid=draw(st.sampled_from((uuid[-1],) * 5 + ("",))),
            address=f"{index}:0:0:{uuid[-1]}",
            access_state=draw(st.sampled_from(states)),
            hardware_handler=HANDLERS[uuid],
        )
        for uuid, devices in LUNS.items()
        for index, device in enumerate(devices)
    )


@st.composite
def reservations(
    draw: st.DrawFn, devices: tuple[DeviceNumber, ...]
) -> dict[DeviceNumber, Reservation]:
    """Return what the paths of a LUN say of its reservation; some say nothing."""
    kind = draw(st.sampled_from((0, 1, 5, 6)))
    registered = draw(st.sets(st.sampled_from(range(len(devices)))))
    told = tuple(Registration("0x1", index == 0, f"hba{index}", 1) for index in sorted(registered))
    holder = "0x1" if kind else ""
    listed = draw(st.sampled_from((told, told, None)))
    return {
        device: Reservation(Nexus(f"hba{index}", 1), kind, holder, ("0x1",) * len(told), listed)
        for index, device in enumerate(devices)
        if draw(st.integers(0, 5))
    }


@st.composite
def multipath_scenes(draw: st.DrawFn) -> Scene:
    """Return a task about some of the LUNs."""
    world = draw(worlds())
    host = MemoryHost(world.kernel, draw(disks()))
    for uuid in LUNS:
        if draw(st.integers(0, 9)) == 0 and any(each.uuid == uuid for each in world.kernel.maps()):
            host.mounted[world.kernel.placed(uuid).device] = "/srv"
            world.kernel.placed(uuid).opened = 1
        if draw(st.integers(0, 2)) == 0:
            host.reserved.update(draw(reservations(LUNS[uuid])))
    names = list(draw(st.permutations(NAMES)))
    items = [
        {
            "name": draw(st.sampled_from((names.pop(), None))),
            "wwid": uuid[-1],
            "paths": None,
            "state": draw(st.sampled_from(("present", "present", "absent", None, None))),
            "path_grouping_policy": draw(
                st.sampled_from(("auto", "failover", "multibus", "group_by_prio"))
            ),
            "path_selector": draw(
                st.sampled_from(("service-time", "queue-length", "historical-service-time", None))
            ),
            "hardware_handler": draw(st.sampled_from(("none", None, None))),
            "features": draw(st.sampled_from(({"pg_init_retries": 1}, None, None))),
            "no_path_retry": draw(st.sampled_from(("fail", "queue", None))),
            "read_only": draw(st.sampled_from((True, False, None, None))),
            "in_use": draw(st.sampled_from(("fail", "defer", None))),
            "min_paths": draw(st.sampled_from((1, 2, None))),
        }
        for uuid in LUNS
        if draw(st.integers(0, 3))
    ]
    owned = {f"mpath-{item['wwid']}" for item in items}
    absent = {f"mpath-{item['wwid']}" for item in items if item["state"] == "absent"}
    owned |= set(PARTITIONS) if PARENT in absent else set()
    followers = frozenset(PARTITIONS if PARENT in owned else ())
    return Scene(host, "multipath_map", {"maps": items}, frozenset(owned), followers)


@st.composite
def partition_tables(draw: st.DrawFn) -> PartitionTable:
    """Return a table of partitions that neither overlap nor end beyond the first LUN."""
    edges = draw(st.lists(st.integers(1, SECTORS // 2), unique=True, min_size=6, max_size=6))
    edges.sort()
    numbers = draw(st.permutations(range(1, 4)))
    partitions = [
        Partition(number, start, end - start, extended=draw(st.integers(0, 5)) == 0)
        for number, start, end in zip(numbers, edges[::2], edges[1::2])
    ]
    return PartitionTable("dos", tuple(partitions[: draw(st.integers(0, 3))]))


@st.composite
def partition_scenes(draw: st.DrawFn) -> Scene:
    """Return a task about the partitions of a map."""
    world = draw(worlds().filter(lambda world: any(e.uuid == PARENT for e in world.kernel.maps())))
    parent = world.kernel.placed(PARENT)
    parent.suspended = False
    host = MemoryHost(world.kernel, partition_tables={parent.name: draw(partition_tables())})
    for uuid in PARTITIONS:
        if draw(st.integers(0, 5)) == 0 and any(e.uuid == uuid for e in world.kernel.maps()):
            host.mounted[world.kernel.placed(uuid).device] = "/srv"
            world.kernel.placed(uuid).opened = 1
    options = {
        "device": parent.name,
        "state": draw(st.sampled_from(("present", "present", "absent"))),
        "delimiter": draw(st.sampled_from(("auto", "", "-part", "q"))),
        "partitions": draw(st.none() | st.lists(st.integers(1, 3), unique=True)),
    }
    owned = {f"part{number}-{PARENT}" for number in range(1, 4)}
    return Scene(host, "partition_maps", options, frozenset(owned))


@st.composite
def path_scenes(draw: st.DrawFn) -> Scene:
    """Return a task about some of the paths, or the groups, of the LUNs' maps."""
    world = draw(worlds())
    host = MemoryHost(world.kernel, draw(disks()))
    there = [each for each in world.kernel.maps() if each.uuid in LUNS and each.multipath]
    for each in there:
        if draw(st.integers(0, 2)) == 0:
            host.mounted[each.device] = "/srv"
            world.kernel.placed(each.uuid).opened = 1
    names = [each.name for each in there]
    wwids = [each.uuid[-1] for each in there if each.uuid[-1] not in names]
    options: dict[str, Any] = {"maps": None}
    if draw(st.booleans()) and there:
        options["maps"] = draw(st.lists(st.sampled_from(names + wwids), min_size=1, unique=True))
    if options["maps"] and draw(st.integers(0, 3)) == 0:
        options["path_group"] = draw(st.integers(1, 3))
    else:
        options["state"] = draw(st.sampled_from(("active", "failed", "failed")))
        options["hosts"] = draw(
            st.sampled_from((["0"], ["host1", "2"], ["3"], None if options["maps"] else ["1"]))
        )
        options["min_active"] = draw(st.sampled_from((0, 1, 1, 2)))
    return Scene(host, "multipath_path", options, frozenset(LUNS))


@st.composite
def daemon_scenes(draw: st.DrawFn) -> Scene:
    """Return a task about some of the LUNs on a host where multipathd runs, or does not run.

    It has read its files, has made the maps that it was told of, and has nothing left to do.
    """
    kernel = MemoryKernel(
        {device: Disk(SECTORS, HANDLERS[uuid]) for uuid in LUNS for device in LUNS[uuid]}
    )
    host = MemoryHost(kernel, draw(disks().filter(lambda found: all(d.wwid for d in found))))
    kernel.daemon.disks = host.block_devices
    known = [uuid for uuid in LUNS if draw(st.booleans())]
    for uuid, name in zip(known, draw(st.permutations(("data", "log", "other")))):
        kernel.daemon.wwids.add(uuid[-1])
        kernel.daemon.files[drop_in_path(uuid[-1])] = drop_in(
            {"wwid": uuid[-1], "alias": name, **draw(st.sampled_from(SAID))}, {}
        )
    with kernel.udev_batch(1):
        kernel.tell_multipathd("reconfigure")
    kernel.requests = 0
    kernel.daemon.runs = draw(st.booleans()) or draw(st.booleans())
    items = [
        {
            "name": draw(st.sampled_from((name, name, None))),
            "wwid": uuid[-1],
            "state": draw(st.sampled_from(("present", "present", "absent", None))),
            "path_grouping_policy": draw(st.sampled_from(("auto", "failover", "multibus", None))),
            "path_selector": draw(st.sampled_from(("queue-length", None))),
            "features": draw(st.sampled_from(({"pg_init_retries": 1}, None, None))),
            "no_path_retry": draw(st.sampled_from(("fail", "queue", "5", None))),
            "failback": draw(st.sampled_from(("immediate", "9", None, None))),
            "skip_kpartx": draw(st.sampled_from((True, None))),
            "persistent": draw(st.sampled_from((True, False, None))),
        }
        for uuid, name in zip(LUNS, draw(st.permutations(("data", "log", "third"))))
        if draw(st.integers(0, 3))
    ]
    manager = draw(st.sampled_from(("auto", "auto", "multipathd", "kernel")))
    owned = frozenset(f"mpath-{item['wwid']}" for item in items)
    return Scene(host, "multipath_map", {"maps": items, "manager": manager}, owned)


SAID: tuple[dict[str, str], ...] = (
    {"path_grouping_policy": "multibus"},
    {"no_path_retry": "queue", "path_selector": "queue-length 0"},
    {"path_grouping_policy": "failover", "failback": "manual"},
    {
        "path_grouping_policy": "failover",
        "path_selector": "service-time 0",
        "no_path_retry": "fail",
    },
)


def scenes() -> st.SearchStrategy[Scene]:
    return st.one_of(multipath_scenes(), partition_scenes(), path_scenes(), daemon_scenes())


@given(scenes())
def test_check_mode_says_what_a_run_does(scene: Scene) -> None:
    checked = scene.again()
    expected = checked.run(check_mode=True)
    assert checked.host.kernel.maps() == scene.host.kernel.maps()
    assert checked.host.kernel.requests == 0
    done = scene.run()
    if isinstance(expected, str) or isinstance(done, str):
        assert done == expected
        return
    for key in ("changed", "plan", "diff"):
        assert done.get(key) == expected.get(key)
    assert [[each.get(key) for key in FORESEEN] for each in done["maps"]] == [
        [each.get(key) for key in FORESEEN] for each in expected["maps"]
    ]


@given(scenes())
def test_a_second_run_has_nothing_to_do(scene: Scene) -> None:
    first = scene.run()
    requests = scene.host.kernel.requests
    for check_mode in (True, False):
        second = scene.run(check_mode)
        if isinstance(first, str) or isinstance(second, str):
            assert second == first
        else:
            assert (second["changed"], second["plan"]) == (False, [])
            if "diff" in second:
                assert second["diff"]["before"] == second["diff"]["after"]
    assert scene.host.kernel.requests == requests


@given(scenes())
def test_a_refused_task_changes_nothing_and_no_task_touches_what_is_not_its_own(
    scene: Scene,
) -> None:
    before, foreign = scene.host.kernel.maps(), scene.foreign()
    if isinstance(scene.run(), str):
        assert scene.host.kernel.maps() == before
        assert scene.host.kernel.requests == 0
    assert scene.foreign() == foreign


@given(multipath_scenes())
def test_no_path_joins_a_live_map_whose_writes_the_storage_would_turn_down(scene: Scene) -> None:
    """Unless none of its paths may write: then nothing is lost."""
    told = scene.host.reserved
    before = {each.uuid: each for each in scene.host.kernel.maps()}
    scene.run()
    for each in scene.host.kernel.maps():
        was = before.get(each.uuid)
        if was is None or not was.live or each.read_only or each.uuid not in scene.owned:
            continue
        joined = {*each.opened()} - {*was.opened()}
        writes = [told[path].shuts_out for path in was.opened() if path in told]
        if False in writes:
            assert not any(told[path].shuts_out for path in joined if path in told)


SMALLEST = "reconfigure|(add|reload|resize|del|resume|disablequeueing) map [^ ]+"


@given(daemon_scenes())
def test_the_daemon_is_told_nothing_that_would_reload_other_maps(scene: Scene) -> None:
    daemon = scene.host.kernel.daemon
    texts = {f"/etc/multipath/conf.d/{name}": "# an admin's\n" for name in ("a.conf", "z.conf")}
    daemon.files.update(texts)
    scene.run()
    assert [each for each in daemon.requests if not re.fullmatch(SMALLEST, each)] == []
    assert {path: daemon.files[path] for path in texts} == texts
    own = {drop_in_path(uuid[-1]) for uuid in LUNS}
    assert {*daemon.files} - {*texts} <= own


KEYWORDS = ("path_grouping_policy", "path_selector", "features", "no_path_retry", "failback")


@given(daemon_scenes())
def test_an_option_that_is_not_stated_is_in_no_file_of_the_daemons(scene: Scene) -> None:
    daemon = scene.host.kernel.daemon
    before = dict(daemon.files)
    done = scene.run()
    if isinstance(done, str) or scene.options["manager"] == "kernel":
        return
    told = daemon.runs or scene.options["manager"] == "multipathd"
    for item in scene.options["maps"]:
        path = drop_in_path(item["wwid"])
        sections = parse_sections(daemon.files.get(path, ""), path)
        if item["state"] == "absent" or not (told or path in before):
            assert sections == ()
            continue
        said = {each.keyword for section in sections for each in section.settings}
        named = item["name"] or '\t\talias "' in before.get(path, "")
        stated = {each for each in KEYWORDS if item[each] not in (None, "auto")}
        stated |= {"skip_kpartx"} if item["skip_kpartx"] else set()
        assert said == {"wwid", *stated, *(["alias"] if named else [])}


@given(scenes())
def test_a_task_that_is_killed_is_continued_by_the_next(scene: Scene) -> None:
    undisturbed = scene.again()
    result = undisturbed.run()
    steps = [] if isinstance(result, str) else result["plan"]
    for kill_at in range(len(steps)):
        killed = scene.again()
        killed.host.kernel.kill_at = kill_at
        with pytest.raises(Killed):
            killed.run()
        killed.host.kernel.kill_at = None
        continued = killed.run()
        assert not isinstance(continued, str)
        assert continued["plan"] == [] or continued["changed"]
        assert killed.run(check_mode=True) == undisturbed.run(check_mode=True)
