# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that run what checks the collection, each returning a word about what it covered."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import yaml
from browser.chromium import program

from .workspace import Failed, NotRun, Workspace, call, call_in_turn, module_names


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
    output = call(workspace, *pytest(workspace, "tests/unit"))
    require_passed(workspace, "tests/unit")
    return output.splitlines()[-1]


def browser(workspace: Workspace) -> str:
    """Look at the report in Chromium, which not every distribution has as a package."""
    if not program():
        raise NotRun("there is no Chromium here")
    output = call(workspace, *pytest(workspace, "tests/browser"))
    require_passed(workspace, "tests/browser")
    return output.splitlines()[-1]


HOSTS = ("kernel", "integration", "reboot", "multipathd")
"""The tests that have a booted host of their own, below `tests`; those that take long first."""
APART = ("initramfs",)
"""Likewise, but not of `make test`: what takes minutes, and concerns few changes."""
AT_ONCE = 2
"""Each booted host keeps a processor busy, not more, and the tests are for two."""


def hosts(workspace: Workspace) -> str:
    """Run the tests of all booted hosts."""
    return booted(workspace, HOSTS)


def booted(workspace: Workspace, names: Sequence[str]) -> str:
    """Run tests on booted hosts of their own, of the Debian suite that SUITE names."""
    suite = os.environ.get("SUITE", "bookworm")
    paths = [f"tests/{name}" for name in names]
    commands = [[*lab_run("--suite", suite), *pytest(workspace, path)] for path in paths]
    outputs = call_in_turn(workspace, commands, AT_ONCE)
    for path in paths:
        require_passed(workspace, path)
    lines = [output.splitlines()[-1] for output in outputs]
    return f"on {suite}: " + "; ".join(map(": ".join, zip(names, lines, strict=True)))


def fleet(workspace: Workspace) -> str:
    """Run the playbooks for many hosts on two booted ones."""
    output = call(workspace, *pytest(workspace, "tests/fleet"))
    require_passed(workspace, "tests/fleet")
    return output.splitlines()[-1]


def lab_run(*options: str) -> list[str]:
    """Return the command that boots a host for the command that follows."""
    return [sys.executable, "tests/lab", "run", *options, "--"]


def pytest(workspace: Workspace, path: str) -> list[str]:
    """Return the command that runs the tests below `path` and reports on them in the workspace."""
    return ["pytest", "-q", f"--junitxml={_report(workspace, path)}", path]


def require_passed(workspace: Workspace, path: str) -> None:
    """Refuse a path none of whose tests passed: pytest is content with skipped or no tests."""
    passed = [
        case.get("classname", "")
        for case in ElementTree.parse(_report(workspace, path)).iter("testcase")
        if case.find("skipped") is None
    ]
    if not any(name.startswith(path.replace("/", ".") + ".") for name in passed):
        raise Failed(f"no test in {path} has passed")


def _report(workspace: Workspace, path: str) -> Path:
    return workspace.directory / f"{path.replace('/', '-')}.xml"
