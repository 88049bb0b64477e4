# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The step that builds and installs the artefact."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

from .workspace import Failed, Workspace, call, module_names

GALAXY = ("ansible-galaxy", "collection")

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
    """Build the artefact from a tree with litter in it, install it and read its documentation."""
    files = {str(path) for path in collection_files(workspace.collection)}
    littered = workspace.directory / "littered"
    shutil.copytree(workspace.collection, littered, symlinks=True)
    for name in LITTER:
        path = littered / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("litter\n", encoding="utf-8")
    artefacts = workspace.directory / "artefacts"
    call(workspace, *GALAXY, "build", str(littered), f"--output-path={artefacts}")
    (artefact,) = artefacts.iterdir()
    with tarfile.open(artefact) as archive:
        packed = {member.name for member in archive if not member.isdir()}
    if extra := packed - files - {"FILES.json", "MANIFEST.json"}:
        raise Failed(f"the artefact contains what is not the collection's: {sorted(extra)}")
    content = {name for name in files if name.startswith(("plugins/", "roles/"))}
    if missing := content - packed:
        raise Failed(f"the artefact lacks {sorted(missing)}")
    install(workspace, artefact)
    return f"{artefact.name}, {len(packed)} files"


def install(workspace: Workspace, artefact: Path) -> None:
    """Install the artefact and ask for the documentation of its modules."""
    place = str(workspace.directory / "installed")
    argv = (*GALAXY, "install", str(artefact), f"--collections-path={place}")
    call(workspace, *argv, ANSIBLE_COLLECTIONS_PATH=place)
    names = [f"san.device_mapper.{name}" for name in module_names(workspace)]
    output = call(
        workspace, "ansible-doc", "--type=module", "--json", *names, ANSIBLE_COLLECTIONS_PATH=place
    )
    if not names or set(json.loads(output)) != set(names):
        raise Failed(f"ansible-doc does not find {names} in the artefact: {output}")


def collection_files(collection: Path) -> list[Path]:
    """Return the files of the collection, relative to it, without what Python leaves there."""
    paths = (path for path in collection.rglob("*") if "__pycache__" not in path.parts)
    return [path.relative_to(collection) for path in paths if path.is_symlink() or path.is_file()]
