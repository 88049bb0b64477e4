# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a browser: what is shown, sorted, found, and what is not run."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.report_hosts import fleet, hostile, large

from ansible_collections.san.device_mapper.plugins.plugin_utils._report import render

from .chromium import Browser

ROWS = "[...document.querySelectorAll('tbody tr')].map(row => row.innerText.replace(/\\s+/g, ' '))"
LUNS = "[...document.querySelectorAll('article')].filter(each => each.checkVisibility())"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return a browser for all tests of this file."""
    with Browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """Return what opens reports; they must ask for nothing, and run nothing but their script."""
    browser.events.clear()
    there = Page(browser, tmp_path / "report.html")
    yield there
    assert set(browser.requests()) == {there.path.as_uri()}
    assert browser.complaints() == []


class Page:
    """A report that is open in the browser."""

    def __init__(self, browser: Browser, path: Path) -> None:
        self.browser, self.path = browser, path

    def open(self, results: dict[str, dict[str, t.Any]]) -> float:
        """Open a report of hosts, and return the seconds that it takes."""
        self.path.write_text(render(results, "SAN report", "today"), "utf-8")
        return self.browser.open(self.path)

    def run(self, script: str) -> t.Any:
        """Return the value of an expression in the page."""
        return self.browser.run(script)

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element, and let go of it."""
        self.run(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        middle = (
            f"(box => [box.x + box.width / 2, box.y + box.height / 2])"
            f"(document.querySelector({selector!r}).getBoundingClientRect())"
        )
        x, y = self.run(middle)
        for kind in ("mousePressed", "mouseReleased"):
            where = {"x": x, "y": y, "button": "left", "clickCount": 1}
            self.browser.call("Input.dispatchMouseEvent", type=kind, **where)

    def search(self, words: str) -> None:
        """Type into the search field."""
        self.run("document.querySelector('nav input').select()")
        self.run("document.querySelector('nav input').focus()")
        self.browser.call("Input.insertText", text=words)

    def names(self) -> list[str]:
        """Return the names of the maps that are shown, empty for a LUN without one."""
        found = self.run(f"{LUNS}.map(each => each.querySelector('h3')?.textContent ?? '')")
        return t.cast("list[str]", found)


def test_what_is_wrong_is_listed_sorted_and_found(page: Page) -> None:
    page.open(fleet())
    worst = page.run(ROWS)
    assert [row.split()[0] for row in worst] == [
        "unknown", "dead", "queueing", "degraded", "degraded",
    ]  # fmt: skip
    assert "unreachable: Connection timed out" in worst[0]
    assert "vm1.example.com scratch 0 of 4 no usable path 4 paths failed: sde, sdf" in worst[1]
    assert page.names() == ["scratch", "iso", "guests", "backup", "pgdata", "pgwal", ""]

    page.click("th:nth-child(3) button")
    assert [row.split()[2] for row in page.run(ROWS)[1:]] == ["backup", "iso", "pgdata", "scratch"]
    page.click("th:nth-child(3) button")
    assert page.run("document.querySelector('th:nth-child(3)').ariaSort") == "descending"
    assert page.run(ROWS)[0].split()[2] == "scratch"
    page.click("th:nth-child(1) button")
    assert page.run(ROWS)[0].split()[0] == "unknown"

    page.click("summary")
    page.click("button.dead")
    assert page.names() == ["scratch"]
    page.click("button.queueing")
    assert page.names() == ["scratch", "backup"]
    page.click("button.dead")
    page.click("button.queueing")
    assert len(page.names()) == 7
    # It is found in a host that was folded up.
    page.search("db2 /SRV/pgwal")
    assert page.names() == ["pgwal"]
    assert page.run("document.querySelector('output').innerText") == "1 of 9 LUNs"


def test_a_link_leads_to_the_lun_and_unfolds_its_host(page: Page) -> None:
    page.open(fleet())
    page.run("for (const each of document.querySelectorAll('details')) each.open = false")
    assert page.names() == []
    page.click("tbody tr:nth-child(3) a")
    assert page.run("location.hash") != ""
    page.run("new Promise(requestAnimationFrame)")
    assert "backup" in page.names()
    assert page.run("document.querySelector(':target h3').innerText") == "backup"


def test_states_differ_without_colours(page: Page) -> None:
    """Each mark has a shape of its own, each path that is not active a word and another border."""
    page.open(fleet())
    shape = "['clipPath', 'borderRadius', 'borderTopStyle'].map(key => getComputedStyle(each)[key])"
    marks = f"[...document.querySelectorAll('nav .mark')].map(each => {shape}.join())"
    assert len(set(page.run(marks))) == 5
    paths = "[...document.querySelectorAll('.path')]"
    words = f"{paths}.map(each => each.querySelector('em')?.textContent ?? '')"
    border = f"{paths}.map(each => getComputedStyle(each).borderTopStyle)"
    for word, style in zip(page.run(words), page.run(border), strict=True):
        assert (word in ("failed", "down", "gone")) == (style == "dashed")
        assert (word == "") == (style == "solid")


@pytest.mark.parametrize(("scheme", "is_light"), [("light", True), ("dark", False)])
def test_it_is_light_or_dark_as_the_reader_is(page: Page, scheme: str, is_light: bool) -> None:
    page.browser.scheme(scheme)
    page.open(fleet())
    colours = page.run(
        "['backgroundColor', 'color'].map(key => getComputedStyle(document.body)[key])"
    )
    ground, ink = (sum(map(int, each[4:-1].split(","))) for each in colours)
    assert (ground > ink) == is_light
    assert abs(ground - ink) > 400


@pytest.mark.parametrize("words", [
    "<script>window.owned = 1</script>",
    "</script><script>window.owned = 1</script>",
    "</style><img src=x onerror='window.owned = 1'>",
    "\"'><svg onload='window.owned = 1'>",
])  # fmt: skip
def test_hostile_words_are_words(page: Page, words: str) -> None:
    page.open(hostile(words))
    assert page.run("window.owned") is None
    assert page.run("document.querySelectorAll('img, svg, script').length") == 1
    assert page.run("document.querySelector('article h3').innerText") == words
    assert page.run("document.querySelector('summary h2').innerText").startswith(words)


def test_what_gets_in_all_the_same_is_not_run(browser: Browser, tmp_path: Path) -> None:
    """The page's own policy forbids other scripts, and the network."""
    path = tmp_path / "report.html"
    text = render(fleet(), "SAN report", "today")
    added = "<script>window.owned = 1</script><img src='http://192.0.2.1/x'>"
    path.write_text(text.replace("<main>", f"<main>{added}"), "utf-8")
    browser.events.clear()
    browser.open(path)
    assert browser.run("window.owned") is None
    assert len([each for each in browser.complaints() if "Content Security Policy" in each]) == 2


def test_thousands_of_paths_can_be_used(page: Page) -> None:
    """They are there within seconds, and so is what is looked for."""
    assert page.open(large(1250)) < 10
    assert page.run("document.querySelectorAll('.path').length") == 5000
    assert page.run("document.querySelectorAll('tbody tr').length") == 137
    seconds = page.run(
        "(() => { const input = document.querySelector('nav input');"
        " const started = performance.now(); input.value = 'data0777';"
        " input.dispatchEvent(new Event('input')); document.body.getBoundingClientRect();"
        " return (performance.now() - started) / 1000 })()"
    )
    assert seconds < 5
    assert page.names() == ["data0777"]
