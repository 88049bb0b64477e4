# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that run what checks the collection, each returning a word about what it covered."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import yaml
from browser.chromium import program

from .supported import APART, HOSTS
from .workspace import Failed, NotRun, Workspace, at_once, call, module_names


def lint(workspace: Workspace) -> str:
    """Format, style, documentation, changelog, licences."""
    call(workspace, "ruff", "format", "--check", ".")
    call(workspace, "ruff", "check", ".")
    call(workspace, "yamllint", "--strict", ".")
    call(workspace, "ansible-lint")
    call(workspace, "antsibull-docs", "lint-collection-docs", "--plugin-docs", ".")
    call(workspace, "antsibull-changelog", "lint")
    call(workspace, "reuse", "lint")
    action_group(workspace)
    return ""


def action_group(workspace: Workspace) -> None:
    """Refuse an action group that is not the collection's modules."""
    runtime = yaml.safe_load((workspace.collection / "meta/runtime.yml").read_text("utf-8"))
    group = runtime["action_groups"]["device_mapper"]
    if group != module_names(workspace):
        raise Failed(f"meta/runtime.yml: the action group should be {module_names(workspace)}")


def typing(workspace: Workspace) -> str:
    """Check types for the Python of the managed host, and the tests for the controller's."""
    call(workspace, "mypy", "--python-version=3.9", "plugins")
    call(workspace, "mypy", "--python-version=3.11", "tests")
    return ""


def unit(workspace: Workspace) -> str:
    """Run the tests that need no host."""
    return passed(workspace, "tests/unit")


def browser(workspace: Workspace) -> str:
    """Look at the report in Chromium, which not every distribution has as a package."""
    if not program():
        raise NotRun("there is no Chromium here")
    return passed(workspace, "tests/browser")


AT_ONCE = 2
"""Each booted host keeps a processor busy, not more, and the tests are for two."""


def hosts(workspace: Workspace) -> str:
    """Run the tests of all booted hosts."""
    return booted(workspace, list(HOSTS))


def booted(workspace: Workspace, names: Sequence[str]) -> str:
    """Run tests on booted hosts of their own, all of the Debian suite SUITE if that is set."""
    stated = os.environ.get("SUITE")
    runs = [
        (name, suite)
        for name in names
        for suite in ([stated] if stated else (HOSTS | APART)[name].suites)
    ]
    jobs = [functools.partial(_on_host, workspace, name, suite) for name, suite in runs]
    outputs = at_once(AT_ONCE, jobs)
    if failures := [str(each) for each in outputs if isinstance(each, Failed)]:
        raise Failed("\n".join(failures))
    return "; ".join(
        f"{name} on {suite}: {output}" for (name, suite), output in zip(runs, outputs, strict=True)
    )


def _on_host(workspace: Workspace, name: str, suite: str) -> str:
    """Boot a host of the suite, and run the tests of that name on it."""
    paths = [f"tests/{path}" for path in (HOSTS | APART)[name].paths or (name,)]
    results = workspace.directory / f"{name}-{suite}.xml"
    command = [*lab_run("--suite", suite), *pytest(results, *paths, "tests/host")]
    output = call(workspace, *command)
    require_passed(results, *paths)
    return output.splitlines()[-1]


def fleet(workspace: Workspace) -> str:
    """Run the playbooks for many hosts on two booted ones."""
    return passed(workspace, "tests/fleet")


def molecule(workspace: Workspace) -> str:
    """Run Molecule's scenarios, one after the other, on a booted host."""
    suite = os.environ.get("SUITE", "bookworm")
    command = (*lab_run("--suite", suite), "molecule", "test", "--all", "--report")
    place = workspace.directory / "molecule"
    output = call(workspace, *command, MOLECULE_EPHEMERAL_DIRECTORY=str(place))
    names = [
        path.parent.name for path in workspace.collection.glob("extensions/molecule/*/molecule.yml")
    ]
    for name in names:
        if not re.search(rf"^{name} +: .*successful=[1-9].* failed=0", output, re.MULTILINE):
            raise Failed(f"{output}\nthe scenario {name} has not run")
    return f"{', '.join(sorted(names))} on {suite}"


def lab_run(*options: str) -> list[str]:
    """Return the command that boots a host for the command that follows."""
    return [sys.executable, "tests/lab", "run", *options, "--"]


def passed(workspace: Workspace, path: str) -> str:
    """Run the tests below `path`; return pytest's last line."""
    results = workspace.directory / "results.xml"
    output = call(workspace, *pytest(results, path))
    require_passed(results, path)
    return output.splitlines()[-1]


def pytest(results: Path, *paths: str) -> list[str]:
    """Return the command that runs the tests in `paths`, and writes what came of each."""
    return ["pytest", "-q", f"--junitxml={results}", *paths]


def require_passed(results: Path, *paths: str) -> None:
    """Refuse a path none of whose tests passed: pytest is content with skipped or no tests."""
    names = [
        f"{case.get('classname', '')}."
        for case in ElementTree.parse(results).iter("testcase")
        if case.find("skipped") is None
    ]
    for path in paths:
        module = path.partition("::")[0].removesuffix(".py").replace("/", ".")
        if not any(name.startswith(f"{module}.") for name in names):
            raise Failed(f"no test in {path} has passed")
