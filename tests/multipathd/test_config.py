# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's settings, as the real daemon takes them, and what they do to its maps."""

from __future__ import annotations

import typing as t

import guides
import yaml
from kernel.conftest import WWIDS

from ansible_collections.san.device_mapper.plugins.modules import multipath_config

from .conftest import DIRECTORY, TASK, DaemonHost

FILE = f"{DIRECTORY}/50-san-device_mapper-config.conf"
PLAN = [f"write {FILE}", "multipathd reconfigure"]
SETTINGS: dict[str, t.Any] = {
    "defaults": {"polling_interval": 7, "find_multipaths": "strict", "failback": "immediate"},
    "blacklist": {
        "devnode": ["^zram"],
        "wwid": ["^NONE"],
        "property": ["^ID_NONE$"],
        "protocol": ["scsi:usb"],
        "device": [{"vendor": "ACME", "product": "none.*"}],
    },
    "blacklist_exceptions": {"wwid": ["^SOME"]},
    "devices": [
        {"vendor": "QEMU", "product": "^QEMU HARDDISK", "no_path_retry": 12, "prio": "const"},
        {"vendor": "ACME", "product": "disk", "dev_loss_tmo": "infinity", "detect_prio": False},
    ],
    "overrides": {"fast_io_fail_tmo": 6, "user_friendly_names": False},
}


def quadruple(host: DaemonHost, **options: t.Any) -> dict[str, t.Any]:
    """Return what a task does: check mode foresees all of it, and nothing is left after it."""
    checked = host.module("multipath_config", check_mode=True, diff=True, **options)
    done = host.module("multipath_config", diff=True, **options)
    assert not done.get("failed"), done
    for key in ("changed", "plan", "diff", "consequences", "settings"):
        assert done.get(key) == checked.get(key), key
    for check_mode in (False, True):
        again = host.module("multipath_config", check_mode=check_mode, diff=True, **options)
        assert (again["changed"], again["plan"], again["consequences"]) == (False, [], [])
        assert again["settings"] == done["settings"]
    return done


def refused(host: DaemonHost, **options: t.Any) -> str:
    """Return the message of a task that must fail, and change neither maps nor files."""
    before = host.files()
    message = host.refused("multipath_config", **options)
    assert host.files() == before
    return message


def events(host: DaemonHost) -> str:
    return host.run("dmsetup", "info", "--columns", "--noheadings", "-o", "name,events")


def test_the_life_of_the_settings(host: DaemonHost) -> None:
    """Set, changed, and removed; what the daemon uses, and one request for each change."""
    host.applied("multipath_map", **TASK)
    made = quadruple(host, **SETTINGS)
    assert made["plan"] == PLAN
    assert host.run("stat", "--format=%a", FILE).strip() == "644"
    changed = {each["keyword"]: (each["before"], each["after"]) for each in made["consequences"]}
    assert changed["no_path_retry"] == ("", "12")
    assert "+# data: no_path_retry 12" not in made["diff"]["before"]
    assert "# data: no_path_retry 12" in made["diff"]["after"]
    shown = host.run("multipathd", "show", "config")
    assert "polling_interval 7" in shown
    assert host.run("multipathd", "show", "maps", "raw", "format", "%Q") == "12 chk\n"
    other = {**SETTINGS, "devices": None, "blacklist_exceptions": None}
    assert host.applied("multipath_config", **other)["plan"] == PLAN
    assert quadruple(host, state="absent")["plan"] == [f"rm {FILE}", PLAN[1]]
    assert "polling_interval 5" in host.run("multipathd", "show", "config")
    assert not host.applied("multipath_map", **TASK)["changed"]


def test_what_the_daemon_would_not_take(host: DaemonHost) -> None:
    """The host's own parser says so, before anything is written."""
    cases: tuple[tuple[dict[str, t.Any], str], ...] = (
        ({"defaults": {"polling_intervall": 5}}, "defaults: polling_intervall 5: this host's"),
        ({"devices": [{"vendor": "A", "product": "B", "alias": "x"}]}, "devices: alias x: this"),
        ({"overrides": {"no_path_retry": "maybe"}}, "overrides: no_path_retry maybe: this host's"),
        ({"blacklist": {"devnode": ["*"]}}, "blacklist: devnode"),
        ({"defaults": {"disable_changed_wwids": True}}, "changed_wwids yes: this host's"),
    )
    before = host.files()
    for options, found in cases:
        answer = host.module("multipath_config", **options)
        assert found in answer.get("msg", ""), answer
    assert host.files() == before
    protocols = {"protocols": [{"type": "scsi:fcp", "fast_io_fail_tmo": 3}]}
    if host.version() >= (0, 9, 0):
        assert host.applied("multipath_config", **protocols)["plan"] == PLAN
        assert not host.applied("multipath_config", **protocols)["changed"]
    else:
        # They would mean something else there.
        message = host.refused("multipath_config", **protocols)
        assert "protocols: protocol: this host's multipath-tools do not" in message


def test_a_map_in_use(host: DaemonHost) -> None:
    """It is neither renamed nor left without paths, unless that is allowed."""
    node = f"/dev/mapper/{WWIDS[0]}"
    host.shell(
        f"multipath -a {WWIDS[0]}; multipathd reconfigure;"
        # Paths that 0.8.5 has not checked yet are failed ones.
        f" until dd if={node} of=/dev/null count=1 iflag=direct; do sleep 0.2; done 2>&1;"
        f" mkfs.ext4 -q {node}; mkdir -p /mnt/test; mount {node} /mnt/test"
    )
    used = "mounted at /mnt/test"
    for rule in (
        {"wwid": [WWIDS[0]]},
        {"property": ["ID_SERIAL"]},
        {"device": [{"vendor": "QEMU", "product": ".*"}]},
    ):
        message = host.module("multipath_config", blacklist=rule)["msg"]
        assert f"the map {WWIDS[0]} loses all of its paths (in use: {used})" in message
        assert next(iter(rule)) in message
    friendly = {"defaults": {"user_friendly_names": True}}
    assert f"the map {WWIDS[0]} is renamed" in refused(host, **friendly)
    before = events(host)
    host.shell("date > /mnt/test/now; sync")
    assert before == events(host)
    renamed = host.applied("multipath_config", **friendly, allow=["renamed"])
    assert [each["kind"] for each in renamed["consequences"]][:1] == ["renamed"]
    assert "mpatha" in host.table()
    assert not host.applied("multipath_config", **friendly)["changed"]
    host.shell("umount /mnt/test")
    gone = host.applied("multipath_config", blacklist={"wwid": [WWIDS[0]]})
    assert [each["kind"] for each in gone["consequences"]] == ["released"]
    assert "No devices found" in host.table()


def test_what_other_files_say(host: DaemonHost) -> None:
    """It is named with file and line: refused where it defeats the task, a warning elsewhere."""
    host.configure("defaults {\n  polling_interval 6\n}\noverrides {\n  failback manual\n}\n")
    message = refused(host, defaults={"failback": "immediate"})
    assert "/etc/multipath.conf line 5 says failback manual in the overrides section" in message
    done = host.applied("multipath_config", defaults={"polling_interval": 7})
    assert "/etc/multipath.conf line 2 says polling_interval 6" in done["warnings"][0]
    host.run("tee", f"{DIRECTORY}/z.conf", input="defaults {\n polling_interval 8\n}\n")
    message = refused(host, defaults={"polling_interval": 7})
    assert f"{DIRECTORY}/z.conf line 2 says 8, which multipathd uses" in message
    host.run("tee", f"{DIRECTORY}/z.conf", input="defaults {\n polling_interval\n}\n")
    assert "z.conf" in refused(host, defaults={"polling_interval": 9})
    host.run("rm", f"{DIRECTORY}/z.conf")
    host.run("tee", FILE, input="# mine\n")
    assert "was not written by this module" in refused(host, **SETTINGS)


def test_the_old_file_comes_back(host: DaemonHost) -> None:
    """Something else tells the daemon otherwise meanwhile: the task fails, and has done nothing."""
    host.applied("multipath_config", defaults={"polling_interval": 7})
    before = host.files()
    later = f"printf 'defaults {{\n polling_interval 9\n}}\n' > {DIRECTORY}/z.conf"
    failed = host.module(
        "multipath_config",
        defaults={"polling_interval": 8},
        timeout=5,
        at=2,
        disturb=["sh", "-c", later],
    )
    assert "in defaults it uses polling_interval 9, not 8" in failed["msg"]
    assert (failed["changed"], failed["done"]) == (False, [])
    host.run("rm", f"{DIRECTORY}/z.conf")
    assert host.files() == before


def test_the_examples_and_the_guide(host: DaemonHost) -> None:
    """The tasks of the documentation do what they say."""
    module = "san.device_mapper.multipath_config"
    shown = [*yaml.safe_load(multipath_config.EXAMPLES), *guides.examples()]
    tasks = [each[module] for each in shown if module in each]
    assert len(tasks) > 4
    for task in tasks:
        if host.version() >= (0, 9, 0) or "protocols" not in task:
            host.applied("multipath_config", **task)
    host.applied("multipath_config", state="absent")


def test_a_daemon_that_does_not_run(host: DaemonHost) -> None:
    """The file is written all the same, checked, and read when the daemon starts."""
    host.systemctl("stop")
    assert "polling_intervall" in refused(host, defaults={"polling_intervall": 5})
    done = quadruple(host, defaults={"polling_interval": 7})
    assert done["plan"] == PLAN[:1]
    assert "does not run" in done["warnings"][0]
    host.systemctl("start")
    host.until(lambda: "polling_interval 7" in host.run("multipathd", "show", "config"))
    assert not host.applied("multipath_config", defaults={"polling_interval": 7})["changed"]
