# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that builds the artefact, the same bytes each time, and installs it."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from .pythons import environment
from .workspace import ROOT, Failed, Workspace, call, module_names

GALAXY = ("ansible-galaxy", "collection")
IMPORTER = "--requirement=tests/requirements-importer.txt"

# What a user has a use for. The linter's settings are for Galaxy, which lints what it imports.
CONTENT = (
    ".ansible-lint",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "COPYING",
    "FILES.json",
    "LICENSES/",
    "MANIFEST.json",
    "README.md",
    "SECURITY.md",
    "changelogs/changelog.yaml",
    "docs/docsite/",
    "docs/report-",
    "execution-environment.yml",
    "meta/",
    "playbooks/",
    "plugins/",
    "roles/",
)

# What tools leave in a tree when they are called by hand: no artefact may contain it.
LITTER = (
    ".ansible/litter",
    ".hypothesis/litter",
    ".mypy_cache/litter",
    ".pytest_cache/litter",
    ".ruff_cache/litter",
    "plugins/modules/__pycache__/litter.cpython-311.pyc",
    "san-device_mapper-0.0.1.tar.gz",
    "tests/integration/inventory",
    "tests/output/litter",
)


def build(workspace: Workspace) -> str:
    """Build the artefact twice, look at it as Galaxy does, install it and use what is there."""
    tarball = built(workspace)
    with tarfile.open(tarball) as archive:
        packed = {member.name for member in archive if not member.isdir()}
    if extra := {name for name in packed if not name.startswith(CONTENT)}:
        raise Failed(f"the artefact contains what no user needs: {sorted(extra)}")
    files = {str(path) for path in collection_files(workspace.collection)}
    if missing := {name for name in files if name.startswith(CONTENT)} - packed:
        raise Failed(f"the artefact lacks {sorted(missing)}")
    again = _build(workspace, _littered(workspace), "again")
    if tarball.read_bytes() != again.read_bytes():
        raise Failed("the artefact is another one when it is built again")
    import_as_galaxy_does(workspace)
    install(workspace, tarball)
    return f"{tarball.name}, {len(packed)} files, sha256 {_sha256(tarball.read_bytes())}"


def keep(workspace: Workspace) -> str:
    """Build the artefact as `build` does, and leave it in the checkout."""
    covered = build(workspace)
    shutil.copy(built(workspace), ROOT)
    if not os.environ.get("REPOSITORY"):
        covered += "; for Galaxy, build it with REPOSITORY=URL, which it asks for"
    return covered


def built(workspace: Workspace) -> Path:
    """Return the artefact, built when it is not there yet."""
    there = list((workspace.directory / "artefacts").glob("*.tar.gz"))
    return there[0] if there else _build(workspace, workspace.collection, "artefacts")


def _build(workspace: Workspace, collection: Path, place: str) -> Path:
    """Build the artefact of that tree into a directory of the workspace.

    SOURCE_DATE_EPOCH, in seconds, else the last commit's time, becomes the time of all files.
    """
    output = workspace.directory / place
    call(workspace, *GALAXY, "build", str(collection), f"--output-path={output}")
    (tarball,) = output.iterdir()
    last_commit = subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True)
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or last_commit)
    _normalise(tarball, seconds, os.environ.get("REPOSITORY"))
    return tarball


def _normalise(tarball: Path, seconds: int, repository: str | None) -> None:
    """Write the artefact anew, so that equal files make equal bytes.

    ansible-galaxy takes the files in the file system's order, with their times and the clock's.
    """
    content: dict[str, bytes] = {}
    members: dict[str, tarfile.TarInfo] = {}
    with tarfile.open(tarball) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            content[member.name] = file.read() if file else b""
            members[member.name] = member
    listed = json.loads(content["FILES.json"])
    listed["files"].sort(key=lambda file: file["name"])
    content["FILES.json"] = _json(listed)
    manifest = json.loads(content["MANIFEST.json"])
    manifest["file_manifest_file"]["chksum_sha256"] = _sha256(content["FILES.json"])
    if repository:
        manifest["collection_info"]["repository"] = repository
    content["MANIFEST.json"] = _json(manifest)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in sorted(members):
            member = members[name]
            member.mtime, member.size, member.pax_headers = seconds, len(content[name]), {}
            archive.addfile(member, io.BytesIO(content[name]))
    with open(tarball, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, seconds) as packed:
        packed.write(buffer.getvalue())


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _littered(workspace: Workspace) -> Path:
    """Return another copy of the collection: with litter, its files made in another order."""
    littered = workspace.directory / "littered"
    for path in sorted(collection_files(workspace.collection), reverse=True):
        (littered / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(workspace.collection / path, littered / path, follow_symlinks=False)
        if not (littered / path).is_symlink():
            shutil.copymode(workspace.collection / path, littered / path)
    for name in LITTER:
        path = littered / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("litter\n", encoding="utf-8")
    return littered


def import_as_galaxy_does(workspace: Workspace) -> None:
    """Refuse an artefact at which Galaxy's importer has something to say."""
    programs = environment(workspace, Path(sys.executable), IMPORTER)
    tarball = workspace.directory / "imported" / built(workspace).name
    tarball.parent.mkdir()
    shutil.copy(built(workspace), tarball)
    # There is no public repository to name yet, and Galaxy takes nothing without one.
    _normalise(tarball, 0, os.environ.get("REPOSITORY") or "https://example.com/repository")
    argv = (str(programs / "python"), "-m", "galaxy_importer.main", str(tarball))
    place = workspace.directory / "importer"
    place.mkdir()
    path = f"{programs}:{os.environ['PATH']}"
    output = call(
        workspace, *argv, PATH=path, GALAXY_IMPORTER_TMP_ROOT_DIR=str(place), PYTHONPATH=""
    )
    if "WARNING" in output or "ERROR" in output or "completed successfully" not in output:
        raise Failed(f"{output}\nGalaxy's importer is not content")
    definition = "--file=execution-environment.yml"
    context = f"--context={workspace.directory / 'execution-environment'}"
    call(workspace, str(programs / "ansible-builder"), "create", definition, context)


def install(workspace: Workspace, tarball: Path) -> None:
    """Install the artefact, ask for its modules' documentation, let its filter make a report."""
    place = str(workspace.directory / "installed")
    # Ansible would find the tree's collection by PYTHONPATH, before the one that is installed.
    there = functools.partial(call, workspace, ANSIBLE_COLLECTIONS_PATH=place, PYTHONPATH="")
    there(*GALAXY, "install", str(tarball), f"--collections-path={place}")
    there(*GALAXY, "verify", "--offline", "san.device_mapper")
    names = [f"san.device_mapper.{name}" for name in module_names(workspace)]
    output = there("ansible-doc", "--type=module", "--json", *names)
    if not names or set(json.loads(output)) != set(names):
        raise Failed(f"ansible-doc does not find {names} in the artefact: {output}")
    report = "{{ {'lab': {'msg': 'unreachable'}} | san.device_mapper.report('A title') }}"
    debug = ("ansible", "localhost", "-m", "ansible.builtin.debug", "-a")
    if "A title" not in there(*debug, json.dumps({"msg": report})):
        raise Failed("the filter in the artefact makes no report")


def collection_files(collection: Path) -> list[Path]:
    """Return the files of the collection, relative to it, without what Python leaves there."""
    paths = (path for path in collection.rglob("*") if "__pycache__" not in path.parts)
    return [path.relative_to(collection) for path in paths if path.is_symlink() or path.is_file()]
