# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation site: a page for each module, filter and role, and the guides."""

from __future__ import annotations

import shutil
from pathlib import Path

from .workspace import Failed, Workspace, call, of_checkout

COLLECTION = "san.device_mapper"


def docs(workspace: Workspace) -> str:
    """Build the site, and keep it for whoever wants to read it."""
    built, site = build_site(workspace), of_checkout("site")
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(built, site)
    return f"{len([*site.rglob('*.html')])} pages: {site.as_uri()}/index.html"


def build_site(workspace: Workspace) -> Path:
    """Build the site from the collection, where each warning is an error; return its directory."""
    pages, built = workspace.directory / "pages", workspace.directory / "site"
    pages.mkdir(mode=0o700)
    options = ("--fail-on-error", "--no-indexes", "--squash-hierarchy", "--use-current")
    call(workspace, "antsibull-docs", "collection", *options, f"--dest-dir={pages}", COLLECTION)
    shutil.copy2(workspace.collection / "docs/index.rst", pages)
    settings = str(workspace.collection / "docs")
    strictly = ("-q", "-W", "--keep-going")
    call(workspace, "sphinx-build", *strictly, "-c", settings, str(pages), str(built))
    if not (built / "index.html").exists():
        raise Failed("the site has no first page")
    return built
