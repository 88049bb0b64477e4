# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's table of what is supported has rows for what CI tries, and for nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from unit.distributions import DISTRIBUTIONS

from check.supported import (
    APART,
    CONTROLLERS,
    DEBIANS,
    FIXTURES,
    HOSTS,
    MANAGED,
    OTHER_HOSTS,
    WHOLE,
    table,
)
from lab.qemu import SUITES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_the_table_is_what_is_tried() -> None:
    section = README.partition("\n## Supported and tested\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert rows == list(table())


def test_ci_tries_it() -> None:
    assert (ROOT / ".ci/run").read_text("utf-8").splitlines()[-1] == "exec make test"
    named = set(re.findall("`make ([a-z]+)", "".join(table())))
    assert named == {*HOSTS, *OTHER_HOSTS, *APART, "unit"}
    assert {"hosts", "unit", *OTHER_HOSTS} <= set(WHOLE)
    by_hand = [row for row in table() if any(f"`make {name}`" in row for name in APART)]
    assert len(by_hand) == len(APART)
    assert not any("in CI" in row for row in by_hand)


def test_the_distributions_that_are_not_booted_have_fixtures() -> None:
    assert tuple(DISTRIBUTIONS) == FIXTURES


def test_the_requirements_are_those_of_the_table() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text("utf-8"))
    assert runtime["requires_ansible"] == f">={min(CONTROLLERS)}.0"
    config = yaml.safe_load((ROOT / "tests/config.yml").read_text("utf-8"))
    assert config["modules"]["python_requires"] == f">={MANAGED[0]}"


def test_each_debian_of_the_table_is_booted() -> None:
    assert {suite for tests in HOSTS.values() for suite in tests.suites} == set(DEBIANS)
    assert tuple(DEBIANS) == SUITES
