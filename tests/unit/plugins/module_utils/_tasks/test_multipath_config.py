# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a host in memory: what is written, refused, and foreseen."""

from __future__ import annotations

from typing import Any

import pytest
from unit.memory_host import MemoryHost
from unit.memory_kernel import MemoryKernel
from unit.memory_multipath import Disk

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.disk import BlockDevice
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    Refused,
    Unfinished,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.host_settings import (
    MAIN_FILE,
    SETTINGS_FILE,
    SETTINGS_MARK,
    is_same,
)

WWID = "35525400000000001"
SDA, SDB = DeviceNumber(8, 0), DeviceNumber(8, 16)
PLAN = [f"write {SETTINGS_FILE}", "multipathd reconfigure"]


@pytest.fixture
def host() -> MemoryHost:
    """Return a host with a running daemon, a map of one path that is mounted, and a local disk."""
    kernel = MemoryKernel({SDA: Disk(4096), SDB: Disk(4096)})
    disks = (
        BlockDevice("sda", SDA, 4096, wwid=WWID, address="0:0:0:0"),
        BlockDevice("sdb", SDB, 4096, wwid="3local", address="1:0:0:0"),
    )
    found = MemoryHost(kernel, disks)
    kernel.daemon.disks = disks
    kernel.daemon.runs = True
    found.run("multipath_map", wwid=WWID)
    found.mounted[kernel.placed(f"mpath-{WWID}").device] = "/srv"
    kernel.placed(f"mpath-{WWID}").opened = 1
    kernel.requests = 0
    return found


def refusal(host: MemoryHost, **options: Any) -> str:
    """Return the message of a refusal, which is that of check mode, and changes nothing."""
    before = dict(host.kernel.daemon.files)
    messages = set()
    for check_mode in (True, False):
        with pytest.raises(Refused) as refused:
            host.run("multipath_config", check_mode, **options)
        messages.add(str(refused.value))
    (message,) = messages
    assert host.kernel.daemon.files == before
    assert host.kernel.requests == 0
    return message


def test_the_file_is_in_the_words_of_multipath_conf(host: MemoryHost) -> None:
    host.run(
        "multipath_config",
        defaults={"polling_interval": 5, "queue_without_daemon": False},
        blacklist={"wwid": ["^a"], "device": [{"vendor": "A", "product": 'say "B"'}]},
        devices=[{"product": "B", "vendor": "A", "no_path_retry": "queue"}],
        overrides={"dev_loss_tmo": "infinity"},
        protocols=[{"fast_io_fail_tmo": 5, "type": "scsi:fcp"}],
    )
    assert host.kernel.daemon.files[SETTINGS_FILE].splitlines() == [
        SETTINGS_MARK,
        "defaults {",
        '\tpolling_interval "5"',
        '\tqueue_without_daemon "no"',
        "}",
        "blacklist {",
        '\twwid "^a"',
        "\tdevice {",
        '\t\tvendor "A"',
        '\t\tproduct "say ""B"""',
        "\t}",
        "}",
        "devices {",
        "\tdevice {",
        '\t\tvendor "A"',
        '\t\tproduct "B"',
        '\t\tno_path_retry "queue"',
        "\t}",
        "}",
        "overrides {",
        '\tdev_loss_tmo "infinity"',
        "\tprotocol {",
        '\t\ttype "scsi:fcp"',
        '\t\tfast_io_fail_tmo "5"',
        "\t}",
        "}",
    ]


@pytest.mark.parametrize("beforehand", [True, False])
def test_check_apply_again(host: MemoryHost, beforehand: bool) -> None:
    """With a parser that can be asked beforehand, and without."""
    host.kernel.daemon.parses_beforehand = beforehand
    options: dict[str, Any] = {
        "overrides": {"no_path_retry": "queue"},
        "defaults": {"polling_interval": 5},
    }
    checked = host.run("multipath_config", check_mode=True, **options)
    assert host.kernel.requests == 0
    done = host.run("multipath_config", **options)
    assert done == checked
    assert done["plan"] == PLAN
    assert [each["words"] for each in done["consequences"]] == [
        f"{WWID}: no_path_retry unset becomes queue"
    ]
    assert f"# {WWID}: no_path_retry queue" in done["diff"]["after"]
    for check_mode in (True, False):
        again = host.run("multipath_config", check_mode, **options)
        assert (again["changed"], again["plan"], again["consequences"]) == (False, [], [])
    gone = host.run("multipath_config", state="absent")
    assert gone["plan"] == [f"rm {SETTINGS_FILE}", PLAN[1]]
    assert not host.run("multipath_config", state="absent")["changed"]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, "state: present: none of defaults"),
        ({"defaults": {}}, "state: present: none of defaults"),
        ({"defaults": {"Polling": 5}}, "defaults: Polling: it is not a keyword"),
        ({"defaults": {"prio": "a\nb"}}, "defaults: 'prio a\\nb': it is not a word"),
        ({"defaults": {"prio": ["a"]}}, "defaults: prio ['a']: it is not a word"),
        ({"overrides": {"protocol": {"type": "x"}}}, "the option protocols sets these"),
        ({"devices": [{"vendor": "A"}]}, "devices: vendor A: the item has no product"),
        ({"protocols": [{"dev_loss_tmo": 5}]}, "protocols: dev_loss_tmo 5: the item has no type"),
        ({"devices": [{"vendor": "A", "product": "B"}] * 2}, "devices: A B : it is specified more"),
        ({"defaults": {"checker": "tur"}}, "Use path_checker"),
        ({"blacklist": {"wwid": ["a", "a"]}}, "blacklist: a: it is specified more than once"),
        ({"defaults": {"polling_intervall": 5}}, "defaults: polling_intervall 5: this host's"),
    ],
)
def test_bad_input(host: MemoryHost, options: dict[str, Any], found: str) -> None:
    assert found in refusal(host, **options)


def test_what_happens_to_what_is_in_use(host: MemoryHost) -> None:
    used = "(in use: mounted at /srv)"
    out = refusal(host, blacklist={"wwid": [WWID]})
    assert f"the map {WWID} loses all of its paths {used}, by blacklist: wwid" in out
    assert "allow: [released]" in out
    host.properties = {"ID_SERIAL": "1", "ID_WWN": "2"}
    assert "by blacklist: property" in refusal(host, blacklist={"property": ["SERIAL"]})
    assert host.run(
        "multipath_config",
        True,
        blacklist={"property": ["^ID_"]},
        blacklist_exceptions={"property": ["^ID_SERIAL$"]},
    )["changed"]
    friendly = {"defaults": {"user_friendly_names": True}}
    assert f"{WWID} is renamed to a user-friendly name {used}" in refusal(host, **friendly)
    host.kernel.daemon.bindings[WWID] = "mpathc"
    assert "is renamed to mpathc" in refusal(host, **friendly)
    host.mounted[SDB] = "/local"
    claims = refusal(host, defaults={"find_multipaths": "greedy"})
    assert "makes a map of the disk sdb (3local) (in use: mounted at /local)" in claims
    allowed = host.run(
        "multipath_config", True, defaults={"find_multipaths": "greedy"}, allow=["claimed"]
    )
    assert [(each["kind"], each["name"]) for each in allowed["consequences"]] == [
        ("claimed", "sdb")
    ]


def test_a_map_of_a_stated_name_keeps_it(host: MemoryHost) -> None:
    host.mounted.clear()
    host.kernel.placed(f"mpath-{WWID}").opened = 0
    host.run("multipath_map", wwid=WWID, name="data")
    done = host.run("multipath_config", defaults={"user_friendly_names": True})
    assert done["consequences"] == []


def test_what_other_files_say(host: MemoryHost) -> None:
    files = host.kernel.daemon.files
    files[MAIN_FILE] = "defaults {\nfailback manual\n}\n"
    done = host.run("multipath_config", defaults={"failback": "immediate"})
    assert done["warnings"] == [
        f"{MAIN_FILE} line 2 says failback manual in the defaults section; {SETTINGS_FILE} is read"
        " later and says immediate"
    ]
    files[MAIN_FILE] = "overrides {\nfailback manual\n}\n"
    host.kernel.requests = 0
    assert f"{MAIN_FILE} line 2 says failback manual in the overrides section" in refusal(
        host, defaults={"failback": "immediate"}
    )
    files["/etc/multipath/conf.d/z.conf"] = "defaults {\nprio const\n}\n"
    message = refusal(host, defaults={"prio": "alua"})
    assert "/etc/multipath/conf.d/z.conf line 2 says const, which multipathd uses" in message


def test_a_file_that_is_not_the_modules(host: MemoryHost) -> None:
    host.kernel.daemon.files[SETTINGS_FILE] = "# mine\n"
    for options in ({"state": "absent"}, {"defaults": {"prio": "alua"}}):
        assert "was not written by this module" in refusal(host, **options)


def test_a_daemon_that_does_not_go_by_it(host: MemoryHost) -> None:
    """The old file comes back, and the task has done nothing."""
    host.run("multipath_config", defaults={"prio": "alua"})
    before = dict(host.kernel.daemon.files)
    host.kernel.daemon.deaf = True
    with pytest.raises(Unfinished) as failed:
        host.run("multipath_config", defaults={"prio": "const"})
    assert "in defaults it uses prio alua, not const" in str(failed.value)
    assert failed.value.done == ()
    assert host.kernel.daemon.files == before


def test_paths_that_a_task_has_failed(host: MemoryHost) -> None:
    """A daemon that reads its files would use them again; one that does not run reads none."""
    failed: dict[str, Any] = {"maps": [WWID], "paths": ["sda"]}
    host.run("multipath_path", state="failed", min_active=0, **failed)
    host.kernel.requests = 0
    options: dict[str, Any] = {"defaults": {"polling_interval": 7}}
    message = refusal(host, **options)
    assert message.startswith("state: present: `multipathd reconfigure` makes")
    assert f"multipath_path has failed: sda of {WWID}" in message
    host.run("multipath_path", state="active", **failed)
    assert host.run("multipath_config", **options)["plan"] == PLAN
    host.run("multipath_path", state="failed", min_active=0, **failed)
    host.kernel.requests = 0
    assert "state: absent: `multipathd reconfigure`" in refusal(host, state="absent")
    host.kernel.daemon.runs = False
    assert host.run("multipath_config", state="absent")["plan"] == [f"rm {SETTINGS_FILE}"]


def test_a_daemon_that_does_not_run(host: MemoryHost) -> None:
    daemon = host.kernel.daemon
    daemon.runs, daemon.awaited_file = False, MAIN_FILE
    settings: dict[str, Any] = {"defaults": {"prio": "alua"}}
    assert "Set bootstrap: true" in refusal(host, **settings)
    done = host.run("multipath_config", bootstrap=True, **settings)
    assert done["plan"] == [f"write {MAIN_FILE}", f"write {SETTINGS_FILE}"]
    assert done["warnings"] == [
        f"multipathd does not run; it reads {SETTINGS_FILE} when it is started"
    ]
    daemon.installed = False
    host.kernel.requests = 0
    assert "multipath-tools is not installed" in refusal(host, **settings)


@pytest.mark.parametrize(
    ("value", "printed", "same"),
    [
        ("yes", "on", True),
        ("no", "off", True),
        ("0x1f", "0x1F", True),
        ("0640", "640", True),
        ("0", "fail", True),
        ("5", "6", False),
        ("alua", "const", False),
        ("yes", "no", False),
    ],
)
def test_words_for_one_value(value: str, printed: str, same: bool) -> None:
    assert is_same(value, printed) is same
