# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no rule of udev can hold is refused; what is accepted makes rules that udev understands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.san.device_mapper.plugins.module_utils._tasks.udev_options import (
    ATTRIBUTE_OF,
    parse,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import Refused
from ansible_collections.san.device_mapper.plugins.module_utils._values.udev import Rules
from ansible_collections.san.device_mapper.plugins.module_utils._values.udev_rules import (
    check_syntax,
)

TEMPLATES = Path(__file__).parents[5] / "roles/udev_rules/templates"
# As ansible.builtin.template has it.
RENDER = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, keep_trailing_newline=True
)
PERMISSION = {"wwid": "3600", "owner": "oracle", "group": "dba", "mode": "0660"}
TUNING = {"vendor": "PURE", "model": "FlashArray", "scheduler": "none"}
DEFAULTS: dict[str, Any] = {
    "hide_paths": True,
    "links": True,
    "partition_maps": False,
    "permissions": None,
    "tuning": None,
    "nvme": None,
    "rules": None,
    "initramfs": "never",
    "verify": True,
}


def rules(concern: str, **variables: Any) -> Rules:
    """Return a rule file of the role's."""
    name = f"{73 if concern == 'nvme' else 63}-san-device-mapper-{concern}.rules"
    return Rules(name, RENDER.get_template(f"{name}.j2").render(**variables))


def lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line and not line.startswith("#")]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("owner", ""),
        ("owner", 'root", RUN+="/bin/true'),
        ("owner", "root\n"),
        ("owner", "root,"),
        ("owner", "-1"),
        ("group", "$env{ID_SERIAL}"),
        ("group", "%k"),
        ("mode", "660"),
        ("mode", "432"),
        ("mode", "0888"),
        ("mode", "0660\n"),
        ("mode", "u=rw"),
        ("wwid", '3600"'),
        ("wwid", "3*"),
        ("wwid", ""),
    ],
)
def test_a_permission_that_no_rule_can_hold_is_refused(option: str, value: str) -> None:
    with pytest.raises(Refused) as refused:
        parse({**DEFAULTS, "permissions": [{**PERMISSION, option: value}]})
    assert refused.value.value == value
    assert refused.value.option == f"permissions: {option}"


def test_a_lun_is_stated_once() -> None:
    with pytest.raises(Refused, match="permissions: wwid: 3600: it is specified more than once"):
        parse({**DEFAULTS, "permissions": [PERMISSION, {**PERMISSION, "owner": "root"}]})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("vendor", ""),
        ("vendor", "   "),
        ("vendor", 'PURE"'),
        ("vendor", "PURE\n"),
        ("vendor", "PURE\\"),
        ("vendor", "A|B"),
        ("vendor", "[A]"),
        ("vendor", "NINECHARS"),
        ("model", "$attr{model}"),
        ("model", "{{ model }}"),
        ("model", "x" * 41),
        ("scheduler", ""),
        ("scheduler", "[none]"),
        ("scheduler", 'none"'),
        ("scheduler", "none\n"),
        ("nr_requests", 3),
        ("nr_requests", -1),
        ("timeout", 0),
        ("max_sectors_kb", 3),
    ],
)
def test_a_setting_that_no_rule_can_hold_is_refused(option: str, value: object) -> None:
    with pytest.raises(Refused) as refused:
        parse({**DEFAULTS, "tuning": [{**TUNING, option: value}]})
    assert refused.value.value == value
    assert refused.value.option == f"tuning: {option}"
    assert "\n" not in str(refused.value)


def test_a_storage_system_without_a_setting_is_refused() -> None:
    with pytest.raises(Refused, match="no setting is specified"):
        parse({**DEFAULTS, "tuning": [{**TUNING, "scheduler": None}]})


@given(st.fixed_dictionaries({key: st.text(max_size=12) for key in PERMISSION}))
def test_permissions_are_refused_or_make_one_line_of_udev(stated: dict[str, str]) -> None:
    try:
        parse({**DEFAULTS, "permissions": [stated]})
    except Refused:
        return
    made = rules("permissions", udev_rules_permissions=[stated])
    check_syntax([made])
    none = rules("permissions", udev_rules_permissions=[])
    assert len(lines(made.content)) == len(lines(none.content)) + 3
    assert f'OWNER="{stated["owner"]}", GROUP="{stated["group"]}"' in made.content


def test_the_rules_have_the_defaults_of_the_module() -> None:
    made = rules("permissions", udev_rules_permissions=[{"wwid": "3600"}])
    whole = {"wwid": "3600", "owner": "root", "group": "disk", "mode": "0660"}
    assert made == rules("permissions", udev_rules_permissions=[whole])


@given(
    st.fixed_dictionaries(
        {"vendor": st.text(max_size=8), "model": st.text(max_size=16)},
        optional={
            "scheduler": st.text(max_size=8),
            "nr_requests": st.integers(),
            "timeout": st.integers(),
            "rq_affinity": st.integers(0, 2),
            "add_random": st.booleans(),
            "max_sectors_kb": st.integers(),
        },
    )
)
def test_settings_are_refused_or_make_lines_of_udev(stated: dict[str, Any]) -> None:
    try:
        (tuning,) = parse({**DEFAULTS, "tuning": [stated]}).tuning
    except Refused:
        return
    made = rules("tuning", __udev_rules_tuning=[stated])
    check_syntax([made])
    assert f'ATTRS{{vendor}}=="{tuning.vendor}"' in made.content
    for name, value in tuning.settings:
        assert f'ATTR{{{ATTRIBUTE_OF[name]}}}="{value}"' in made.content


def test_the_longest_request_is_set_only_as_long_as_no_map_has_the_path() -> None:
    made = rules("tuning", __udev_rules_tuning=[{**TUNING, "max_sectors_kb": 512}])
    (line,) = (
        line
        for line in made.content.replace("\\\n", "").split("\n")
        if re.search(r'max_sectors_kb}="', line)
    )
    assert line.startswith('ACTION=="add", TEST!="holders/*/dm/uuid", ')


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.rules.j2")))
def test_the_rules_of_the_role_are_understood(template: Path) -> None:
    entries = [TUNING, {**TUNING, "nr_requests": 8, "timeout": 1, "max_sectors_kb": 64}]
    concern = template.name.split("mapper-")[1].split(".")[0]
    made = rules(concern, udev_rules_permissions=[PERMISSION], __udev_rules_tuning=entries)
    check_syntax([made])
    labels = re.findall(r'LABEL="(\w+)"', made.content)
    assert sorted(labels) == sorted({*re.findall(r'GOTO="(\w+)"', made.content), *labels})
    assert len(labels) == len(set(labels))


NVME: dict[str, Any] = {"model": "Test Array", "iopolicy": "round-robin"}


@pytest.mark.parametrize(
    ("stated", "option"),
    [
        ({"iopolicy": "numa"}, "nvme"),
        ({"model": "x", "transport": "tcp"}, "nvme"),
        ({**NVME, "model": 'x"'}, "nvme: model"),
        ({**NVME, "model": ""}, "nvme: model"),
        ({**NVME, "model": "x" * 41}, "nvme: model"),
        ({**NVME, "subsystem": "nqn\n"}, "nvme: subsystem"),
        ({**NVME, "subsystem": "x" * 224}, "nvme: subsystem"),
        ({**NVME, "ctrl_loss_tmo": -2}, "nvme: ctrl_loss_tmo"),
        ({**NVME, "fast_io_fail_tmo": -9}, "nvme: fast_io_fail_tmo"),
        ({**NVME, "ctrl_loss_tmo": 60, "fast_io_fail_tmo": 61}, "nvme: fast_io_fail_tmo"),
    ],
)
def test_what_no_nvme_subsystem_can_have_is_refused(stated: dict[str, Any], option: str) -> None:
    with pytest.raises(Refused) as refused:
        parse({**DEFAULTS, "nvme": [stated]})
    assert refused.value.option == option
    assert "\n" not in str(refused.value)


def test_the_rules_for_nvme_set_what_is_stated_and_nothing_else() -> None:
    stated = [
        {**NVME, "transport": "tcp", "ctrl_loss_tmo": -1, "fast_io_fail_tmo": 5, "subsystem": None},
        {"subsystem": "nqn.2026-11.*", "model": " Other ", "fast_io_fail_tmo": 0},
    ]
    parse({**DEFAULTS, "nvme": stated})
    made = rules("nvme", __udev_rules_nvme=stated)
    check_syntax((made,))
    text = re.sub(r"\\\\\n\s*", "", made.content)
    prefix = "san_device_mapper_nvme"
    for line in (
        f'ATTR{{model}}=="Test Array", GOTO="{prefix}_subsystem_1"',
        f'ATTR{{subsysnqn}}=="nqn.2026-11.*", ATTR{{model}}=="Other", GOTO="{prefix}_controller_2"',
        'ATTR{iopolicy}!="round-robin", ATTR{iopolicy}="round-robin"',
        f'ATTR{{transport}}!="tcp", GOTO="{prefix}_end"',
        'TEST=="ctrl_loss_tmo", ATTR{ctrl_loss_tmo}!="off", ATTR{ctrl_loss_tmo}="-1"',
        'TEST=="fast_io_fail_tmo", ATTR{fast_io_fail_tmo}!="5", ATTR{fast_io_fail_tmo}="5"',
        'TEST=="fast_io_fail_tmo", ATTR{fast_io_fail_tmo}!="0", ATTR{fast_io_fail_tmo}="0"',
    ):
        assert text.count(f"{line}\n") == 1, text
    assert text.count("iopolicy") == 2
    assert text.count("ctrl_loss_tmo") == 3
    labels = re.findall('LABEL="(.*)"', text)
    assert len(labels) == len(set(labels))
    assert set(re.findall('GOTO="(.*)"', text)) == set(labels)
