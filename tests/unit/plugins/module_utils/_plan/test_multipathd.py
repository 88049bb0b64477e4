# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    Interrupted,
    MultipathdError,
    Refused,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import (
    Configuration,
    Section,
    Setting,
    drop_in_path,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

SDA, SDB = DeviceNumber(8, 0), DeviceNumber(8, 16)
TASK: dict[str, Any] = {"name": "data", "wwid": "3600"}
FILE = drop_in_path("3600")
TABLE = "0 2048 multipath 0 0 2 1 service-time 0 1 2 8:0 1 1 service-time 0 1 2 8:16 1 1"


@pytest.fixture
def host() -> MemoryHost:
    """Return a host on which multipathd runs."""
    return running()


def running() -> MemoryHost:
    """Return a host on which multipathd runs."""
    disks = (
        BlockDevice("sda", SDA, 2048, "3600", address="2:0:0:0"),
        BlockDevice("sdb", SDB, 2048, "3600", address="3:0:0:0"),
    )
    found = MemoryHost(MemoryKernel({disk.device: Disk(disk.sectors) for disk in disks}), disks)
    found.kernel.daemon.runs = True
    return found


def refusal(host: MemoryHost, **options: Any) -> Refused:
    """Return why the task is refused, which changes nothing, and says so in check mode as well."""
    requests = host.kernel.requests
    with pytest.raises(Refused) as checked:
        host.run("multipath_map", check_mode=True, **{**TASK, **options})
    with pytest.raises(Refused) as refused:
        host.run("multipath_map", **{**TASK, **options})
    assert str(checked.value) == str(refused.value)
    assert host.kernel.requests == requests
    return refused.value


def test_the_daemon_is_told_of_the_map_and_makes_it(host: MemoryHost) -> None:
    result = host.run("multipath_map", **TASK)
    assert result["plan"][:3] == ["multipath -a 3600", f"write {FILE}", "multipathd reconfigure"]
    assert result["plan"][3].startswith("wait for data --table '0 2048 multipath")
    assert result["maps"][0]["table"][0]["parameters"] == TABLE.split("multipath ")[1]
    assert host.kernel.daemon.files[FILE].splitlines()[1:] == [
        "multipaths {",
        "\tmultipath {",
        '\t\twwid "3600"',
        '\t\talias "data"',
        "\t}",
        "}",
    ]
    assert f"{FILE}\n  # Written" in result["diff"]["after"]
    assert host.kernel.batches == []


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"failback": "immediate"}, 'failback "immediate"'),
        ({"failback": "30"}, 'failback "30"'),
        ({"no_path_retry": "12"}, 'no_path_retry "12"'),
        ({"prio": "const"}, 'prio "const"'),
        ({"skip_kpartx": True}, 'skip_kpartx "yes"'),
        ({"features": {"pg_init_retries": 5}}, 'features "2 pg_init_retries 5"'),
        ({"path_grouping_policy": "multibus"}, 'path_grouping_policy "multibus"'),
    ],
)
def test_what_a_task_states_is_said_to_the_daemon_once(
    host: MemoryHost, options: dict[str, Any], line: str
) -> None:
    host.run("multipath_map", **TASK)
    changed = host.run("multipath_map", **TASK, **options)
    assert changed["plan"][:2] == [f"write {FILE}", "multipathd reconfigure"]
    assert f"\t\t{line}\n" in host.kernel.daemon.files[FILE]
    requests = host.kernel.requests
    assert host.run("multipath_map", **TASK, **options)["plan"] == []
    assert host.kernel.requests == requests


def test_what_holds_for_the_storage_is_said_of_the_storage(host: MemoryHost) -> None:
    stated: dict[str, Any] = {
        "path_checker": "directio",
        "fast_io_fail_tmo": "5",
        "dev_loss_tmo": "infinity",
    }
    host.run("multipath_map", **TASK, **stated)
    assert host.kernel.daemon.files[FILE].splitlines()[7:] == [
        "devices {",
        "\tdevice {",
        '\t\tvendor "^ACME$"',
        '\t\tproduct "^disk\\+1$"',
        '\t\tdetect_checker "no"',
        '\t\tpath_checker "directio"',
        '\t\tfast_io_fail_tmo "5"',
        '\t\tdev_loss_tmo "infinity"',
        "\t}",
        "}",
    ]
    assert host.run("multipath_map", **TASK, **stated)["plan"] == []
    conf = "overrides {\n  path_checker tur\n}\n"
    host.kernel.daemon.files["/etc/multipath.conf"] = conf
    found = refusal(host, path_checker="directio").found
    assert "/etc/multipath.conf line 2 sets path_checker tur in the overrides" in found
    del host.kernel.daemon.files["/etc/multipath.conf"]
    later = 'devices {\n  device {\n  vendor "AC.E"\n  path_checker tur\n  }\n}\n'
    host.kernel.daemon.files[LATER] = later
    found = refusal(host, path_checker="directio").found
    assert f"{LATER} line 4 sets path_checker tur for this storage, and is read after" in found
    host.kernel.daemon.files[LATER] = later.replace("AC.E", "EMC")
    host.run("multipath_map", **TASK, path_checker="directio")


def test_a_path_that_is_down_is_in_no_map_of_the_daemons_either(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    number = DeviceNumber(8, 32)
    down = BlockDevice("sdc", number, 2048, "3600", address="4:0:0:0", state="offline")
    host.block_devices = (*host.block_devices, down)
    assert host.run("multipath_map", **TASK)["plan"] == []


def test_what_holds_for_other_luns_as_well_is_refused(host: MemoryHost) -> None:
    other = BlockDevice("sdc", DeviceNumber(8, 32), 2048, "3601")
    host.block_devices = (*host.block_devices, other)
    host.kernel.disks[other.device] = Disk(other.sectors)
    assert "other LUNs of it: 3601" in refusal(host, dev_loss_tmo="60").found
    maps = [TASK, {"name": "log", "wwid": "3601"}]
    assert host.run("multipath_map", maps=maps, dev_loss_tmo="60")["changed"]
    assert host.run("multipath_map", maps=maps, dev_loss_tmo="60")["plan"] == []


def test_the_smallest_request_is_made(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    host.kernel.tell_multipathd("del map data")
    requests = host.kernel.daemon.requests
    assert host.run("multipath_map", **TASK)["plan"][0] == "multipathd add map data"
    for device in (SDA, SDB):
        host.kernel.disks[device] = Disk(4096)
    host.block_devices = tuple(replace(each, sectors=4096) for each in host.block_devices)
    assert host.run("multipath_map", **TASK)["plan"][0] == "multipathd resize map data"
    assert requests[-2:] == ["add map data", "resize map data"]


def test_the_wait_for_a_map_reads_no_other(host: MemoryHost) -> None:
    other = BlockDevice("sdc", DeviceNumber(8, 32), 2048, "3601")
    host.block_devices = (*host.block_devices, other)
    host.kernel.disks[other.device] = Disk(other.sectors)
    host.run("multipath_map", maps=[TASK, {"name": "log", "wwid": "3601"}])
    assert (host.kernel.readings, host.kernel.lookups) == (2, 2)


def test_features_that_are_no_longer_stated_are_foreseen_to_go(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK, features={"pg_init_retries": 5})
    expected = host.run("multipath_map", check_mode=True, **TASK)
    changed = host.run("multipath_map", **TASK)
    assert changed["diff"] == expected["diff"]
    assert changed["maps"][0]["table"][0]["features"] == []


def test_names_are_not_passed_on_in_one_task(host: MemoryHost) -> None:
    other = BlockDevice("sdc", DeviceNumber(8, 32), 2048, "3601")
    host.block_devices = (*host.block_devices, other)
    host.kernel.disks[other.device] = Disk(other.sectors)
    log = {"name": "log", "wwid": "3601"}
    host.run("multipath_map", maps=[TASK, log])
    passed_on = [{**TASK, "name": "log"}, {**log, "name": "third"}]
    with pytest.raises(Refused, match="renames maps in no particular order"):
        host.run("multipath_map", maps=passed_on)


@pytest.mark.parametrize(
    ("version", "times"), [((0, 8, 5), 1), ((0, 9, 4), 2), ((0, 9, 5), 1), ((0, 15, 1), 1)]
)
def test_a_map_is_renamed_and_changed_in_place(
    host: MemoryHost, version: tuple[int, ...], times: int
) -> None:
    host.kernel.daemon.version = version
    host.run("multipath_map", **TASK)
    host.kernel.placed("mpath-3600").opened = 1
    changed = host.run("multipath_map", wwid="3600", name="other", path_grouping_policy="multibus")
    assert changed["plan"].count("multipathd reconfigure") == times
    assert changed["maps"][0]["name"] == "other"
    assert len(changed["maps"][0]["path_groups"]) == 1


@pytest.mark.parametrize("stated", [{"wwid": "3600"}, {"name": "data"}])
def test_what_is_absent_is_absent_from_the_files_too(
    host: MemoryHost, stated: dict[str, Any]
) -> None:
    host.run("multipath_map", **TASK)
    removed = host.run("multipath_map", **stated, state="absent")
    assert removed["plan"] == ["multipath -w 3600", "multipathd del map data", f"rm {FILE}"]
    assert (host.kernel.maps(), host.kernel.daemon.files) == ((), {})
    assert host.kernel.daemon.wwids == set()
    assert host.run("multipath_map", **stated, state="absent")["plan"] == []


def test_what_a_killed_removal_left_is_removed(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    host.kernel.tell_multipathd("del map data")
    removed = host.run("multipath_map", name="data", state="absent")
    assert removed["plan"] == ["multipath -w 3600", f"rm {FILE}"]


def test_partition_maps_go_first_and_what_is_in_use_stays(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    device = host.kernel.placed("mpath-3600").device
    host.kernel.place("data-part1", "part1-mpath-3600", parse_table(f"0 8 linear {device} 8"))
    host.kernel.placed("part1-mpath-3600").opened = 1
    assert "in use" in refusal(host, state="absent").found
    assert refusal(host, state="absent", in_use="defer").option == "in_use"
    host.kernel.placed("part1-mpath-3600").opened = 0
    removed = host.run("multipath_map", **TASK, state="absent")
    order = ["remove data-part1", "multipath -w 3600", "multipathd del map data"]
    assert removed["plan"][:3] == order


def test_queueing_ends_before_a_map_without_a_path_is_removed(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK, no_path_retry="queue")
    for device in (SDA, SDB):
        host.kernel.message("mpath-3600", f"fail_path {device}")
    removed = host.run("multipath_map", **TASK, state="absent")
    assert removed["plan"][0] == "multipathd disablequeueing map data"


@pytest.mark.parametrize("queues", [False, True])
def test_a_map_that_the_daemon_does_not_remove_keeps_its_wwid(
    host: MemoryHost, monkeypatch: pytest.MonkeyPatch, queues: bool
) -> None:
    """Without it, the next boot would not take the LUN; a map that queued queues again."""
    task = {**TASK, "no_path_retry": "queue"} if queues else TASK
    host.run("multipath_map", **task)
    for device in (SDA, SDB):
        host.kernel.message("mpath-3600", f"fail_path {device}")
    tell = host.kernel.tell_multipathd

    def refuses(request: str, timeout: float) -> None:
        if request == "del map data":
            raise MultipathdError(request, "it answers 'fail'")
        if request != "restorequeueing map data":
            tell(request, timeout)

    monkeypatch.setattr(host.kernel, "tell_multipathd", refuses)
    with pytest.raises(Interrupted) as error:
        host.run("multipath_map", **TASK, state="absent")
    assert error.value.done == ()
    assert host.kernel.daemon.wwids == {"3600"}


def test_what_the_daemon_does_and_does_not_confirm_is_a_change(
    host: MemoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.run("multipath_map", **TASK)
    tell = host.kernel.tell_multipathd

    def late(request: str, timeout: float) -> None:
        tell(request, timeout)
        raise MultipathdError(request, "no answer (timed out)")

    monkeypatch.setattr(host.kernel, "tell_multipathd", late)
    done = host.run("multipath_path", state="failed", maps=["data"], paths=["sda"])
    assert (done["changed"], done["plan"]) == (True, ["multipathd fail path sda"])


def test_paths_that_a_task_has_failed_keep_the_daemon_from_reading_its_files(
    host: MemoryHost,
) -> None:
    """It would use them again, of other maps as well; what needs no such request is done."""
    host.run("multipath_map", **TASK)
    third = BlockDevice("sdc", DeviceNumber(8, 32), 2048, "3601", address="2:0:0:1")
    host.kernel.disks[third.device] = Disk(third.sectors)
    host.block_devices = (*host.block_devices, third)
    failed: dict[str, Any] = {"maps": ["data"], "paths": ["sda"]}
    host.run("multipath_path", state="failed", **failed)
    for options in ({"name": "log", "wwid": "3601"}, {"path_grouping_policy": "multibus"}):
        refused = refusal(host, **options)
        assert (refused.option, refused.value) == ("manager", "multipathd")
        assert "`multipathd reconfigure` makes" in refused.found
        assert refused.found.endswith("multipath_path has failed: sda of data")
        assert "(multipath_path, state: active)" in refused.way_out
    assert host.run("multipath_map", **TASK)["plan"] == []
    unnamed = host.run("multipath_map", wwid="3601")
    assert "multipathd add map 3601" in unnamed["plan"]
    host.run("multipath_map", wwid="3601", state="absent")
    host.run("multipath_path", state="active", **failed)
    assert host.run("multipath_map", name="log", wwid="3601")["changed"]


def test_a_path_that_is_used_again_keeps_nobody_from_anything(host: MemoryHost) -> None:
    """By the daemon's own request, of which no note tells."""
    host.run("multipath_map", **TASK)
    host.run("multipath_path", state="failed", maps=["data"], paths=["sda"])
    host.kernel.message("mpath-3600", "reinstate_path 8:0")
    assert host.run("multipath_map", **TASK, path_grouping_policy="multibus")["changed"]


def test_a_map_that_somebody_suspended_is_resumed(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    host.kernel.placed("mpath-3600").suspend(flush=False)
    assert host.run("multipath_map", **TASK)["plan"][0] == "multipathd resume map data"


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"path_groups": [["sda"], ["sdb"]]}, "path_groups"),
        ({"paths": ["sda"]}, "paths"),
        ({"read_only": True}, "read_only"),
        ({"hardware_handler": "emc"}, "hardware_handler"),
        (
            {"path_selector_arguments": {"relative_throughput": {"sda": 5}}},
            "path_selector_arguments",
        ),
        ({"path_grouping_policy": "group_by_tpg"}, "path_grouping_policy"),
    ],
)
def test_what_the_daemon_cannot_be_told_is_refused(
    host: MemoryHost, options: dict[str, Any], option: str
) -> None:
    host.block_devices = tuple(replace(each, target_port_group=1) for each in host.block_devices)
    assert refusal(host, **options).option == option


@pytest.mark.parametrize(
    "options",
    [
        {"no_path_retry": "12"},
        {"failback": "manual"},
        {"prio": "alua"},
        {"path_checker": "tur"},
        {"dev_loss_tmo": "60"},
        {"fast_io_fail_tmo": "5"},
        {"adopt": True},
        {"settings": {"ghost_delay": 5}},
    ],
)
@pytest.mark.parametrize("manager", ["auto", "kernel"])
def test_without_a_daemon_its_options_are_refused(
    host: MemoryHost, manager: str, options: dict[str, Any]
) -> None:
    host.kernel.daemon.runs = False
    refused = refusal(host, manager=manager, **options)
    assert refused.option in options
    assert "only multipathd has this setting" in refused.found


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("no_path_retry", value) for value in ("0", "-1", "wait", "12 ", "")),
        *(("failback", value) for value in ("0", "soon", "-1")),
        *(("prio", value) for value in ('const"', "a b", "x{")),
        *(("path_checker", value) for value in ("tur\n", "A")),
        *(("dev_loss_tmo", value) for value in ("0", "off", "1.5")),
        *(("fast_io_fail_tmo", value) for value in ("0", "infinity", "-1")),
    ],
)
def test_values_that_no_daemon_takes_are_refused(host: MemoryHost, option: str, value: str) -> None:
    refused = refusal(host, **{option: value})
    assert (refused.option, refused.value) == (option, value)


def test_a_daemon_that_is_not_fit_is_refused(host: MemoryHost) -> None:
    daemon = host.kernel.daemon
    daemon.version = (0, 8, 4)
    assert host.run("multipath_map", check_mode=True, **TASK)["changed"]
    daemon.version = (0, 8, 3)
    assert "0.8.3, older than 0.8.4" in refusal(host).found
    daemon.version = ()
    assert "does not report its version" in refusal(host).found
    daemon.version = (0, 9, 4)
    daemon.complaints = ("/etc/multipath.conf line 3, invalid keyword: foo",)
    assert "/etc/multipath.conf line 3" in refusal(host).found
    daemon.complaints = ()
    daemon.read_only = "/etc/multipath"
    assert "/etc/multipath is not writable" in refusal(host).found


@pytest.mark.parametrize(
    ("keyword", "usual"),
    [("wwids_file", "/etc/multipath/wwids"), ("config_dir", "/etc/multipath/conf.d")],
)
def test_files_of_the_daemon_that_are_elsewhere_are_refused(
    host: MemoryHost, keyword: str, usual: str
) -> None:
    """Old versions follow them: what is written here would be read by nobody."""
    usually, elsewhere = (
        Configuration((Section("", 1, ("defaults",), (Setting(keyword, value),)),))
        for value in (usual, "/srv")
    )
    host.kernel.daemon.known = usually
    assert host.run("multipath_map", check_mode=True, **TASK)["changed"]
    host.kernel.daemon.known = elsewhere
    assert f"multipathd has {keyword} /srv, not {usual}" in refusal(host).found


CONF = "/etc/multipath.conf"
LATER = "/etc/multipath/conf.d/z.conf"


@pytest.mark.parametrize(
    ("path", "text", "options", "found"),
    [
        (CONF, "multipaths {\nmultipath {\nwwid 3600\n}\n}\n", {}, f"adopt: False: {CONF} line 2"),
        (
            FILE,
            "multipaths {\nmultipath {\nwwid 3600\n}\n}\n",
            {"adopt": True},
            f"adopt: True: {FILE} line 2",
        ),
        (
            LATER,
            'multipaths {\nmultipath {\nwwid "3600"\nno_path_retry queue\n}\n}\n',
            {"adopt": True},
            f"adopt: True: {LATER} line 4 sets no_path_retry queue",
        ),
        (
            CONF,
            "multipaths {\nmultipath {\nwwid 3601\nalias data\n}\n}\n",
            {},
            f"name: data: {CONF} line 4 gives this name to 3601",
        ),
        (CONF, "blacklist {\n  wwid 36\n}\n", {}, f'{CONF} line 2 (blacklist: wwid "36")'),
        (
            CONF,
            'blacklist {\n  devnode "^sdb$"\n}\n',
            {},
            f"sdb: device node name blacklisted; {CONF} line 2",
        ),
    ],
)
def test_what_defeats_the_task_is_named(
    host: MemoryHost, path: str, text: str, options: dict[str, Any], found: str
) -> None:
    host.kernel.daemon.files[path] = text
    host.kernel.daemon.known = host.kernel.daemon.said()
    refused = refusal(host, **{"no_path_retry": "fail", **options})
    assert found in str(refused)
    assert host.kernel.daemon.files[path] == text


@pytest.mark.parametrize(
    "rule",
    [
        'devnode "^sdb$"',
        "wwid 36",
        'protocol "scsi:fcp"',
        'device {\nvendor ACME\nproduct "disk.*"\n}',
    ],
)
def test_a_rule_that_the_daemon_is_about_to_read_is_named(host: MemoryHost, rule: str) -> None:
    host.kernel.daemon.files[CONF] = f"blacklist {{\n{rule}\n}}\n"
    refused = refusal(host)
    assert "out once it reads its files: /etc/multipath.conf line 2 (blacklist: " in refused.found
    host.kernel.daemon.files[CONF] += f"blacklist_exceptions {{\n{rule}\n}}\n"
    assert host.run("multipath_map", **TASK)["changed"]


def test_a_rule_that_only_the_daemon_can_judge_is_told_after_the_wait(host: MemoryHost) -> None:
    host.kernel.daemon.files[CONF] = "blacklist {\nproperty ID_WWN\n}\n"
    with pytest.raises(Interrupted) as interrupted:
        host.run("multipath_map", **TASK, timeout=5)
    message = str(interrupted.value)
    assert "after 5 seconds there is no map" in message
    assert (
        "it leaves the path sda out: sda: udev property blacklisted;"
        ' /etc/multipath.conf line 2 (blacklist: property "ID_WWN")'
    ) in message


def test_an_admins_section_is_adopted_and_never_rewritten(host: MemoryHost) -> None:
    text = "multipaths {\nmultipath {\nwwid 3600\nalias old\n}\n}\n"
    host.kernel.daemon.files["/etc/multipath.conf"] = text
    assert host.run("multipath_map", **TASK, adopt=True)["changed"]
    assert host.kernel.daemon.files["/etc/multipath.conf"] == text


def test_a_priority_that_the_daemon_finds_itself_is_refused(host: MemoryHost) -> None:
    host.block_devices = tuple(
        replace(each, access_state="active/optimized") for each in host.block_devices
    )
    assert "detect_prio is yes (multipathd's default)" in refusal(host, prio="const").found
    host.run("multipath_map", **TASK, prio="alua")


def test_a_policy_that_the_daemon_finds_itself_is_refused(host: MemoryHost) -> None:
    daemon, states = host.kernel.daemon, ("active/optimized", "active/non-optimized")
    host.block_devices = tuple(
        replace(each, access_state=state, target_port_group=1)
        for each, state in zip(host.block_devices, states)
    )
    daemon.version = (0, 9, 6)
    refused = refusal(host, path_grouping_policy="multibus")
    assert refused.option == "path_grouping_policy"
    assert "detect_pgpolicy is yes (multipathd's default)" in refused.found
    assert "uses group_by_prio, which makes other groups" in refused.found
    daemon.files[CONF] = "defaults {\ndetect_pgpolicy_use_tpg yes\ndetect_pgpolicy yes\n}\n"
    refused = refusal(host, path_grouping_policy="failover")
    assert f"({CONF} line 3)" in refused.found
    assert "uses group_by_tpg, which makes other groups" in refused.found
    for alike in ("multibus", "group_by_tpg"):
        host.run("multipath_map", **TASK, check_mode=True, path_grouping_policy=alike)
    daemon.files[CONF] = "overrides {\ndetect_pgpolicy no\n}\n"
    assert host.run("multipath_map", **TASK, path_grouping_policy="failover")["changed"]


@pytest.mark.parametrize("reason", ["an older daemon", "no ALUA", "another priority"])
def test_a_policy_that_the_daemon_takes(host: MemoryHost, reason: str) -> None:
    if reason != "no ALUA":
        host.block_devices = tuple(
            replace(each, access_state="standby") for each in host.block_devices
        )
    options: dict[str, Any] = {"path_grouping_policy": "failover"}
    host.kernel.daemon.version = (0, 9, 5) if reason == "an older daemon" else (0, 15, 1)
    if reason == "another priority":
        host.kernel.daemon.files[CONF] = "defaults {\ndetect_prio no\n}\n"
        options["prio"] = "const"
    assert host.run("multipath_map", **TASK, **options)["changed"]


def test_a_daemon_that_does_nothing_ends_the_task_with_both_tables(host: MemoryHost) -> None:
    host.kernel.daemon.deaf = True
    with pytest.raises(Interrupted) as interrupted:
        host.run("multipath_map", **TASK, timeout=5)
    message = str(interrupted.value)
    assert "multipathd refused `wait for data" in message
    assert "after 5 seconds there is no map, instead of data '0 2048 multipath" in message
    assert f". The daemon: it has not read {FILE}; more is in" in message
    host.kernel.daemon.deaf = False
    assert host.run("multipath_map", **TASK)["plan"][0] == "multipathd reconfigure"


def test_the_node_of_the_map_is_waited_for_and_fails_no_task(host: MemoryHost) -> None:
    host.kernel.nodeless = True
    done = host.run("multipath_map", **TASK, timeout=5)
    assert (done["plan"][-1], done["maps"][0]["name"]) == ("multipathd reconfigure", "data")
    assert not host.run("multipath_map", **TASK)["changed"]


def test_a_map_in_use_is_handed_over_and_back(host: MemoryHost) -> None:
    daemon = host.kernel.daemon
    daemon.runs = False
    host.run("multipath_map", **TASK)
    host.kernel.placed("mpath-3600").opened = 1
    prepared = host.run("multipath_map", **TASK, manager="multipathd")
    assert prepared["plan"] == ["multipath -a 3600", f"write {FILE}"]
    daemon.runs, daemon.known = True, daemon.said()
    assert host.run("multipath_map", **TASK)["plan"] == []
    daemon.runs = False
    assert host.run("multipath_map", **TASK)["plan"] == []
    back = host.run("multipath_map", **TASK, manager="kernel")
    assert back["plan"] == ["multipath -w 3600", f"rm {FILE}"]


@pytest.mark.parametrize("runs", [True, False])
def test_a_deferred_removal_is_taken_back(host: MemoryHost, runs: bool) -> None:
    host.run("multipath_map", **TASK)
    host.kernel.daemon.runs = runs
    kept = host.kernel.placed("mpath-3600")
    kept.opened, kept.deferred_remove = 1, True
    plan = ["message data 0 @cancel_deferred_remove"]
    assert host.run("multipath_map", check_mode=True, **TASK)["plan"] == plan
    assert host.run("multipath_map", **TASK)["plan"] == plan
    assert not kept.deferred_remove
    assert host.run("multipath_map", **TASK)["plan"] == []


@pytest.mark.parametrize(
    ("options", "plan"),
    [
        ({"manager": "kernel"}, [f"rm {FILE}"]),
        ({"state": "absent"}, ["remove data", f"rm {FILE}"]),
    ],
)
def test_a_map_is_taken_back_from_multipath_tools_that_were_removed(
    host: MemoryHost, options: dict[str, Any], plan: list[str]
) -> None:
    """Without its command; nothing reads the file of WWIDs any more."""
    host.run("multipath_map", **TASK)
    host.kernel.daemon.runs = host.kernel.daemon.installed = False
    assert "set manager: kernel" in refusal(host).way_out
    assert host.run("multipath_map", **TASK, **options)["plan"] == plan
    assert host.run("multipath_map", **TASK, **options)["plan"] == []


def test_a_daemon_that_has_died_is_not_replaced_unasked(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    host.kernel.daemon.runs = False
    refused = refusal(host, path_grouping_policy="multibus")
    assert "does not run, and the map data has the table " in refused.found
    removed = host.run("multipath_map", **TASK, state="absent")
    assert removed["plan"] == ["remove data", "multipath -w 3600", f"rm {FILE}"]


def test_a_daemon_that_is_not_there_is_refused(host: MemoryHost) -> None:
    host.kernel.daemon.runs = False
    assert "does not run" in refusal(host, manager="multipathd").found
    host.kernel.daemon.installed = False
    assert "not installed" in refusal(host, manager="multipathd").found


@pytest.mark.parametrize(
    ("rules", "is_refused"),
    [
        ('blacklist {\ndevnode ".*"\n}\n', True),
        ('blacklist {\nwwid "3600"\n}\n', True),
        ('blacklist {\ndevnode "sda$"\n}\n', False),
        ('blacklist {\ndevnode ".*"\n}\nblacklist_exceptions {\ndevnode "sd.*"\n}\n', False),
        ('blacklist {\nwwid "3601"\n}\n', False),
    ],
)
def test_a_blacklist_counts_without_the_daemon(
    host: MemoryHost, rules: str, is_refused: bool
) -> None:
    """Its udev rules ask multipath-tools all the same; another path keeps the map ready."""
    daemon = host.kernel.daemon
    daemon.runs = False
    daemon.files[CONF] = rules
    if is_refused:
        found = refusal(host).found
        assert f"matches all of its paths, sda by {CONF} line 2 (blacklist: " in found
        assert "MPATH_DEVICE_READY=0" in found
    else:
        assert host.run("multipath_map", **TASK)["changed"]
    daemon.installed = False
    host.run("multipath_map", **TASK)
    # What is there stays, and is removed.
    daemon.installed = True
    assert not host.run("multipath_map", **TASK)["changed"]
    assert host.run("multipath_map", **TASK, state="absent")["changed"]


VENDOR = (
    'devices {\ndevice {\nvendor "ACME"\nproduct ".*"\npath_grouping_policy multibus\n'
    'path_selector "queue-length 0"\nno_path_retry queue\n}\n}\n'
)


def test_what_a_task_does_not_state_is_the_daemons(host: MemoryHost) -> None:
    host.kernel.daemon.files[CONF] = VENDOR
    host.kernel.daemon.known = host.kernel.daemon.said()
    expected = host.run("multipath_map", check_mode=True, **TASK)
    made = host.run("multipath_map", **TASK)
    table = made["maps"][0]["table"][0]["parameters"]
    assert table.startswith("1 queue_if_no_path 0 1 1 queue-length 0 2 1")
    assert made["diff"] == expected["diff"]
    assert len(host.kernel.daemon.files[FILE].splitlines()) == 7
    failing = host.run("multipath_map", **TASK, no_path_retry="fail")
    assert failing["maps"][0]["table"][0]["parameters"].startswith("0 0 1 1 queue-length 0 2 1")
    back = host.run("multipath_map", **TASK)
    assert back["plan"][:2] == [f"write {FILE}", "multipathd reconfigure"]
    assert back["maps"][0]["table"][0]["parameters"] == table


_OPTIONS: dict[str, tuple[Any, str]] = {
    "failback": ("manual", "failback"),
    "features": ({"pg_init_retries": 5}, "features"),
    "no_path_retry": ("queue", "no_path_retry"),
    "path_grouping_policy": ("multibus", "path_grouping_policy"),
    "path_selector": ("round-robin", "path_selector"),
    "prio": ("const", "prio"),
    "skip_kpartx": (False, "skip_kpartx"),
    "settings": ({"ghost_delay": 5}, "ghost_delay"),
    # The daemon is not told these: only what it makes is compared.
    "read_only": (False, ""),
    "min_paths": (1, ""),
    "adopt": (False, ""),
    "hardware_handler": ("none", ""),
}
"""A value for each option, and the keyword that it becomes, if any."""


@given(stated=st.sets(st.sampled_from(sorted({*_OPTIONS, "name"}))))
def test_law_7_silence(stated: set[str]) -> None:
    """The file has the WWID and what is stated, and nothing else, whatever that is."""
    found = running()
    values: dict[str, Any] = {each: _OPTIONS[each][0] for each in stated if each != "name"}
    if "name" in stated:
        values["name"] = "data"
    found.run("multipath_map", wwid="3600", **values)
    said = {line.split()[0] for line in found.kernel.daemon.files[FILE].splitlines()[3:-2]}
    keywords = {_OPTIONS[each][1] for each in stated if each != "name"} - {""}
    assert said == {"wwid"} | keywords | ({"alias"} if "name" in stated else set())


def test_the_file_of_the_readmes_first_example_has_three_lines() -> None:
    text = (Path(__file__).parents[5] / "README.md").read_text("utf-8")
    (play,) = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    task = play["tasks"][0]["san.device_mapper.multipath_map"]
    disks = tuple(
        BlockDevice(f"sd{'abcd'[number]}", DeviceNumber(8, 16 * number), 2048, wwid)
        for number, wwid in enumerate(each["wwid"] for each in task["maps"] * 2)
    )
    host = MemoryHost(MemoryKernel({disk.device: Disk(disk.sectors) for disk in disks}), disks)
    host.kernel.daemon.runs = True
    host.run("multipath_map", **task)
    for each in task["maps"]:
        assert host.kernel.daemon.files[drop_in_path(each["wwid"])].splitlines()[1:] == [
            "multipaths {",
            "\tmultipath {",
            f'\t\twwid "{each["wwid"]}"',
            f'\t\talias "{each["name"]}"',
            '\t\tpath_grouping_policy "multibus"',
            "\t}",
            "}",
        ]


def test_the_daemons_defaults_are_foreseen(host: MemoryHost) -> None:
    """As a daemon prints them: features are counted words."""
    host.kernel.daemon.files[CONF] = 'defaults {\nfeatures "0"\npath_selector "service-time 0"\n}\n'
    host.kernel.daemon.known = host.kernel.daemon.said()
    expected = host.run("multipath_map", check_mode=True, **TASK)
    assert "no features" in expected["diff"]["after"]
    assert host.run("multipath_map", **TASK)["diff"] == expected["diff"]


def test_a_task_that_states_only_a_wwid_has_nothing_read_and_keeps_the_name(
    host: MemoryHost,
) -> None:
    made = host.run("multipath_map", wwid="3600")
    assert made["plan"][:3] == [*("multipath -a 3600", f"write {FILE}", "multipathd add map 3600")]
    assert host.run("multipath_map", wwid="3600")["plan"] == []
    host.run("multipath_map", **TASK)
    assert host.run("multipath_map", wwid="3600")["plan"] == []
    assert host.kernel.maps()[0].name == "data"


def test_a_file_of_1_0_0_says_less_once_its_task_does(host: MemoryHost) -> None:
    host.run("multipath_map", **TASK)
    stated = '\t\tno_path_retry "fail"\n\t}\n'
    host.kernel.daemon.files[FILE] = host.kernel.daemon.files[FILE].replace("\t}\n", stated)
    host.kernel.tell_multipathd("reconfigure")
    changed = host.run("multipath_map", **TASK)
    assert changed["plan"][:2] == [f"write {FILE}", "multipathd reconfigure"]
    assert "no_path_retry" not in host.kernel.daemon.files[FILE]


def test_groups_that_follow_from_what_the_daemon_knows_are_right(host: MemoryHost) -> None:
    daemon = host.kernel.daemon
    daemon.priorities = {"sda": 60, "sdb": 10}
    stated: dict[str, Any] = {**TASK, "path_grouping_policy": "group_by_prio"}
    assert len(host.run("multipath_map", **stated)["maps"][0]["path_groups"]) == 2
    assert host.run("multipath_map", **stated)["plan"] == []
    daemon.priorities = {}
    stated["path_grouping_policy"] = "multibus"
    host.run("multipath_map", **stated)
    daemon.marginal = {"sdb"}
    host.kernel.tell_multipathd("reload map data")
    assert host.run("multipath_map", **stated)["plan"] == []
    daemon.marginal = set()
    assert host.run("multipath_map", **stated)["plan"][0] == "multipathd reload map data"


def test_further_settings_are_told_as_they_are_stated(host: MemoryHost) -> None:
    settings = {"reservation_key": "0x1a", "ghost_delay": 5, "deferred_remove": True}
    host.run("multipath_map", **TASK, settings=settings)
    assert host.kernel.daemon.files[FILE].splitlines()[5:8] == [
        '\t\tdeferred_remove "yes"',
        '\t\tghost_delay "5"',
        '\t\treservation_key "0x1a"',
    ]
    assert host.run("multipath_map", **TASK, settings=settings)["plan"] == []
    less = host.run("multipath_map", **TASK, settings={"ghost_delay": 5})
    assert less["plan"][:2] == [f"write {FILE}", "multipathd reconfigure"]


@pytest.mark.parametrize(
    ("keyword", "value", "found"),
    [
        ("no_path_retry", "queue", "the option no_path_retry sets it"),
        ("alias", "log", "the option name sets it"),
        ("detect_prio", "no", "in the devices section"),
        ("polling_interval", 5, "in the defaults section"),
        ("Mode", "0600", "not a keyword"),
        ("a b", "1", "not a keyword"),
        ("ghost_delay", ["5"], "must be a word"),
        ("ghost_delay", "5\n}", "must be a word"),
        ("ghost_delay", "", "must be a word"),
    ],
)
def test_settings_that_no_multipath_section_has_are_refused(
    host: MemoryHost, keyword: str, value: Any, found: str
) -> None:
    refused = refusal(host, settings={keyword: value})
    assert refused.option == "settings"
    assert found in refused.found


def test_a_daemon_that_waits_for_its_configuration_is_told_of(host: MemoryHost) -> None:
    host.kernel.daemon.runs = False
    assert "Start it (systemctl start" in refusal(host, manager="multipathd").way_out
    host.kernel.daemon.awaited_file = CONF
    assert f"Create {CONF}, without which" in refusal(host, manager="multipathd").way_out


def test_a_file_that_the_parser_does_not_take_leaves_nothing_behind(
    host: MemoryHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: str, _text: str) -> None:
        raise MultipathdError(f"take {path}", f"{path} line 6, invalid keyword: no_such")

    monkeypatch.setattr(host.kernel, "write_drop_in", refused)
    with pytest.raises(Interrupted) as interrupted:
        host.run("multipath_map", **TASK, settings={"no_such": 1})
    assert "line 6, invalid keyword: no_such" in str(interrupted.value)
    assert interrupted.value.done == ()
    assert (host.kernel.daemon.wwids, host.kernel.daemon.files) == (set(), {})
