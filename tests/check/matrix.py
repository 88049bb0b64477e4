# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that tries each ansible-core and Python of the README's table, and prints what passed.

What could not be tried, for want of an interpreter, is in the printed table as "not run".
ansible-test runs once for each ansible-core: it tries all Pythons by itself.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from .artefact import built
from .pythons import environment, found
from .sanity import sanity
from .steps import AT_ONCE, lab_run, pytest
from .supported import CONTROLLERS, MANAGED, OTHER_HOSTS
from .workspace import Failed, NotRun, Workspace, at_once, call

REQUIREMENTS = "--requirement=tests/requirements-matrix.txt"

COLUMNS = ("unit tests", "ansible-test sanity", "on a booted host")
UNIT, SANITY, BOOTED = COLUMNS
PASSED, FAILED, NOT_RUN = "passed", "FAILED", "not run"
OF_CONTROLLERS = (
    "tests/unit/plugins/modules",
    "tests/unit/plugins/plugin_utils",
    "tests/unit/plugins/module_utils/test__run.py",
)
"""The unit tests in which ansible-core, or what comes with it, takes part. The others are the same
with each ansible-core, and are tried with each Python: as a managed host's."""
OF_MANAGED_HOSTS = (
    "tests/unit",
    "--ignore=tests/unit/plugins/plugin_utils",
    # What the guides say, and how work grows with a host, is the same everywhere.
    "--ignore=tests/unit/test_documentation.py",
    "--ignore=tests/unit/test_growth.py",
    "--ignore=tests/unit/test_guides.py",
)
SHIPPED = ("--exclude=tests/",)
"""For ansible-test of an ansible-core that the tests do not run with: older ones have rules about
Python that is formatted otherwise today."""
BEFORE_THE_TESTS = ("2.16", "2.17", "2.18")


@dataclass(frozen=True)
class Row:
    """A line of the table: an ansible-core's version, empty for a managed host, and a Python's."""

    core: str
    python: str

    def __str__(self) -> str:
        """Return its first words in the table."""
        what = f"controller with ansible-core {self.core}" if self.core else "managed host"
        return f"{what}, Python {self.python}"

    @property
    def name(self) -> str:
        """Return its name among the tests on a booted host."""
        return f"{self.core}-{self.python}"

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip is to install."""
        return (REQUIREMENTS, CONTROLLERS[self.core].requirement) if self.core else (REQUIREMENTS,)


ROWS = (
    *(Row(version, each) for version, core in CONTROLLERS.items() for each in core.pythons),
    *(Row("", python) for python in MANAGED),
)
Cell = tuple[Row, str]
"""A place in the table: its line and the name of its column."""


def matrix(workspace: Workspace) -> str:
    """Fill in the table and return it; fail where a check failed."""
    pythons = found(sorted({row.python for row in ROWS}))
    if not pythons:
        raise NotRun(f"there is none of Python {', '.join(MANAGED)} here")
    programs = {
        row: environment(workspace, pythons[row.python], *row.requirements)
        for row in ROWS
        if row.python in pythons
    }
    outcomes = _outcomes(workspace, programs)
    failures = {cell: each for cell, each in outcomes.items() if isinstance(each, Failed)}
    cells = dict.fromkeys(_cells(programs), NOT_RUN) | dict.fromkeys(outcomes, PASSED)
    cells |= dict.fromkeys(failures, FAILED)
    table = "\n".join(_lines(cells))
    if failures:
        reasons = dict.fromkeys(map(str, failures.values()))
        raise Failed("\n".join([*reasons, table]))
    return table


def _cells(programs: Mapping[Row, Path]) -> Iterator[Cell]:
    """Yield the cells to fill in, those that take long first.

    Each ansible-core meets the booted host with the newest Python, and sanity with the oldest.
    """
    of_cores = [[row for row in ROWS if row.core == core] for core in CONTROLLERS]
    found_here = [[row for row in rows if row in programs] or rows for rows in of_cores]
    for rows in found_here:
        yield rows[-1], BOOTED
    for rows in found_here:
        yield rows[0], SANITY
    for row in ROWS:
        yield row, UNIT


def _outcomes(workspace: Workspace, programs: Mapping[Row, Path]) -> dict[Cell, str | Failed]:
    """Do what there are programs for; return what each printed, or how it failed."""
    controllers = {
        row: programs[row]
        for row, column in _cells(programs)
        if row in programs and column == BOOTED
    }
    of_managed = _ansible_of_the_managed_host(workspace)
    jobs = {
        (row, column): functools.partial(
            sanity, workspace, programs[row], SHIPPED if row.core in BEFORE_THE_TESTS else ()
        )
        if column == SANITY
        else functools.partial(_unit, workspace, row, programs[row], of_managed)
        for row, column in _cells(programs)
        if row in programs and column != BOOTED
    }
    # One host for all controllers.
    on_host = functools.partial(_booted, workspace, controllers)
    booted, *others = at_once(AT_ONCE, [on_host, *jobs.values()])
    passed = _passed_on_host(workspace)
    if isinstance(booted, Failed) and all(row.name in passed for row in controllers):
        passed = set()  # What failed is the host's, or after its last test.
    return dict(zip(jobs, others, strict=True)) | {
        (row, BOOTED): "" if row.name in passed else Failed(str(booted)) for row in controllers
    }


def _lines(cells: Mapping[Cell, str]) -> Iterator[str]:
    yield ", ".join(
        f"{list(cells.values()).count(each)} {each}" for each in (PASSED, FAILED, NOT_RUN)
    )
    for first, columns in [
        ("", list(COLUMNS)),
        *((str(row), [cells.get((row, column), "") for column in COLUMNS]) for row in ROWS),
    ]:
        yield "  {:48}{:14}{:23}{}".format(first, *columns).rstrip()


def _unit(workspace: Workspace, row: Row, programs: Path, of_managed: Path) -> str:
    # Another Python finds its mistakes in the same few examples: `make unit` looks at many.
    argv = (str(programs / "python"), "-m", "pytest", "-q", "--hypothesis-profile=brief")
    search = f"{programs}:{os.environ['PATH']}"
    if row.core:
        return call(workspace, *argv, *OF_CONTROLLERS, PATH=search)
    path = f"{workspace.directory}:{workspace.collection / 'tests'}:{of_managed}"
    return call(workspace, *argv, *OF_MANAGED_HOSTS, PATH=search, PYTHONPATH=path)


def _ansible_of_the_managed_host(workspace: Workspace) -> Path:
    """Return where Python finds `ansible`, and nothing else that is installed beside it.

    Of Ansible, a managed host has ansible.module_utils, which needs nothing installed.
    """
    place = workspace.directory / "of-the-managed-host"
    place.mkdir()
    specification = importlib.util.find_spec("ansible")
    if not specification or not specification.origin:
        raise Failed("there is no ansible-core beside these checks")
    (place / "ansible").symlink_to(Path(specification.origin).parent)
    return place


def _booted(workspace: Workspace, controllers: Mapping[Row, Path]) -> str:
    """Let each controller install the artefact and use it on one host."""
    if not controllers:
        return ""
    places = json.dumps({row.name: str(place) for row, place in controllers.items()})
    suite = os.environ.get("SUITE") or OTHER_HOSTS["matrix"]
    argv = (*lab_run("--suite", suite), *pytest(_results(workspace), "tests/controllers"))
    return call(workspace, *argv, SAN_CONTROLLERS=places, SAN_ARTEFACT=str(built(workspace)))


def _results(workspace: Workspace) -> Path:
    return workspace.directory / "controllers.xml"


def _passed_on_host(workspace: Workspace) -> set[str]:
    """Return the names of the controllers that did what they should on the booted host."""
    path = _results(workspace)
    cases = ElementTree.parse(path).iter("testcase") if path.exists() else ()
    bad = ("skipped", "failure", "error")
    return {
        case.get("name", "").partition("[")[2].rstrip("]")
        for case in cases
        if all(case.find(each) is None for each in bad)
    }
