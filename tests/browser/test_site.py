# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation site in a browser: each page fits the window, and each link leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from check.site import build_site
from check.workspace import ROOT, laid_out

from .chromium import Browser

LINKS = "[...document.querySelectorAll('a[href]')].map(each => each.href)"
ANCHORS = "[...document.querySelectorAll('[id]')].map(each => each.id)"
WIDER = "document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(scope="module")
def site() -> Iterator[Path]:
    """Return the directory of the site."""
    with laid_out() as workspace:
        yield build_site(workspace)


def test_each_page_fits_and_each_link_leads_somewhere(site: Path, tmp_path: Path) -> None:
    links: dict[str, set[str]] = {}
    anchors: dict[str, set[str]] = {}
    with Browser(tmp_path / "profile") as browser:
        for page in sorted(site.rglob("*.html")):
            for width in (420, 1440):
                browser.open(page, width=width)
                assert browser.run(WIDER) <= 0, f"{page.name} is wider than {width}"
            links[page.as_uri()] = set(browser.run(LINKS))
            anchors[page.as_uri()] = set(browser.run(ANCHORS))
        assert browser.complaints() == []
        # What a page shows is on the site: it needs no network.
        assert {urlsplit(url).scheme for url in browser.requests()} <= {"file", "data"}
    assert len(links) > len([*(ROOT / "docs/docsite/rst").glob("*.rst")])
    for page_uri, target in ((uri, each) for uri, targets in links.items() for each in targets):
        uri, _hash, anchor = target.partition("#")
        if uri.startswith("file:") and uri not in anchors:
            assert Path(unquote(urlsplit(uri).path)).is_file(), f"{page_uri} leads to {target}"
        elif uri.startswith("file:") and anchor:
            assert unquote(anchor) in anchors[uri], f"{page_uri} leads to {target}"
