# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the pictures of the report in docs: `PYTHONPATH=tests python -m browser`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from unit.report_hosts import fleet

from ansible_collections.san.device_mapper.plugins.plugin_utils._report import render

from .chromium import Browser

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Write the pictures."""
    with tempfile.TemporaryDirectory() as name:
        page = Path(name) / "report.html"
        page.write_text(render(fleet(), "SAN report", "2026-11-23 06:00 UTC"), "utf-8")
        with Browser(Path(name) / "profile") as browser:
            for scheme in ("light", "dark"):
                browser.scheme(scheme)
                browser.open(page, width=1400, height=1290)
                browser.picture(DOCS / f"report-{scheme}.png")


if __name__ == "__main__":
    main()
