# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from unit.report_hosts import San, fleet, hostile

from ansible_collections.san.device_mapper.plugins.filter.report import FilterModule
from ansible_collections.san.device_mapper.plugins.plugin_utils._report import (
    printable,
    render,
    size,
)


class Page(HTMLParser):
    """What a browser would make of a page: its elements, attributes and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts += [data.strip()] if data.strip() else []


def text_of(results: dict[str, Any]) -> str:
    """Return the words of a page, but for its style and script."""
    page = re.sub("<(style|script)>.*?</\\1>", "", render(results, "title", "made"), flags=re.S)
    return " ".join(" ".join(Page(page).texts).split())


def test_what_is_wrong_comes_first_and_the_worst_before_the_rest() -> None:
    text = text_of(fleet())
    wrong, hosts = text.split("web7.example.com unreachable: Connection timed out", 1)
    assert "unknown" in wrong
    rows = ["dead vm1", "queueing db1", "degraded db1", "degraded vm1"]
    found = [hosts.index(f"{row}.example.com") for row in rows]
    assert found[:2] == sorted(found[:2])
    assert max(found[:2]) < min(found[2:])
    assert "0 of 4 no usable path 4 paths failed: sde , sdf , sdg , sdh" in hosts
    assert "1 path down: sdj: offline 1 path gone: 8:176" in hosts
    order = [hosts.rindex(f"{name}.example.com") for name in ("vm1", "db1", "db2")]
    assert order == sorted(order)


def test_each_layer_is_shown() -> None:
    text = text_of({"host": San().lun("data", "AFAA", mounts=("/srv/a b", "vg-lv")).result()})
    for words in (
        "3600a0980383143520000000000000000 100 GiB",
        "group 1, active, service-time sda 1:0:0:0 sdb 2:0:0:0 failed",
        "group 2, enabled, service-time sdc 1:0:1:0 sdd 2:0:1:0",
        "data degraded 3 of 4 paths, 253:0 1 path failed: sdb",
        "partition data-part1 50 GiB mount /srv/a b",
        "partition data-part2 50 GiB LVM vg-lv 50 GiB mount /var/lib/vg-lv",
    ):
        assert words in text
    assert "held by" not in text


def test_a_lun_without_a_map_and_a_map_without_a_lun_are_shown() -> None:
    text = text_of({"host": San().lun("").lun("data", gone=(0, 1, 2, 3), queues=True).result()})
    assert "100 GiB sda 1:0:0:0 sdb 2:0:0:0 sdc 1:0:1:0 sdd 2:0:1:0 no map" in text
    assert "no path is seen" in text
    assert "data queueing 0 of 4 paths, 253:0, queues without paths" in text


def test_nothing_is_wrong_with_healthy_hosts_and_none_with_no_hosts() -> None:
    text = text_of({"host": San().lun("data").result()})
    assert "Nothing. 1 maps are healthy." in text
    assert "It sees no LUN." in text_of({"host": San().result()})
    assert "0 hosts" in text_of({}).replace("hosts 0", "0 hosts")


@pytest.mark.parametrize(
    "words",
    [
        "<script>owned = 1</script>",
        "</script><script>owned = 1</script>",
        "</style><img src=x onerror='owned = 1'>",
        '"><svg onload=owned=1>',
        "' onmouseover=owned=1 '",
        "{{ 7 * 7 }}{% raw %}",
        "--><b>",
        "&lt;b&gt;",
    ],
)
def test_hostile_words_are_shown_as_they_are_and_nothing_more(words: str) -> None:
    plain, page = (Page(render(hostile(each), each, each)) for each in ("plain", words))
    assert page.elements == plain.elements
    assert [name for name, _value in page.attributes] == [name for name, _value in plain.attributes]
    assert len(page.texts) == len(plain.texts)
    assert sum(words in text for text in page.texts) == sum("plain" in text for text in plain.texts)


@pytest.mark.parametrize("words", ["a\x1b[2Jb", "a\u202eb", "a\nb", "a\x00b"])
def test_characters_that_cannot_be_seen_are_shown_by_their_numbers(words: str) -> None:
    page = render(hostile(words), words, words)
    assert words not in page
    assert printable(words) == repr(words)[1:-1]
    assert printable(words) in page


def test_the_page_needs_nothing_but_itself() -> None:
    page = render(fleet(), "title", "made")
    assert not re.search("https?:|url\\(|@import|<link|<img|src=", page)
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "sizes differ"), (512, "512 B"), (3 << 40, "3 TiB"), (5 << 50, "5120 TiB")],
)
def test_sizes_are_in_the_largest_unit_that_they_reach(value: int | None, words: str) -> None:
    assert size(value) == words


@pytest.mark.parametrize(
    "result",
    [{}, {"maps": []}, {"maps": [{}], "luns": []}, {"maps": 1, "luns": 1}, [], "x", None],
)
def test_a_host_that_returned_something_else_spoils_no_report(result: Any) -> None:
    text = text_of({"strange": result, "host": San().lun("data").result()})
    assert "strange its answer is not a result of device_mapper_info" in text
    assert "data healthy" in text


def test_words_instead_of_numbers_and_states_spoil_no_report() -> None:
    result = San().lun("data", mounts=("/srv",)).result()
    result["maps"][0]["health"]["state"] = "splendid"
    assert "unknown host data" in text_of({"host": result})
    for key in ("maps", "luns"):
        strange = {**result, key: [{**each, "size": "<b>"} for each in result[key]]}
        assert "not a result of device_mapper_info" in text_of({"host": strange})


def test_what_is_no_result_by_hosts_is_refused() -> None:
    with pytest.raises(TypeError, match="by the names of hosts"):
        FilterModule().filters()["report"](["host"])


def test_a_reason_that_is_new_is_shown_in_its_own_words() -> None:
    result = San().lun("data", "AAAF").result()
    result["maps"][0]["health"]["reasons"].append({"kind": "drift_from_file", "found": "x"})
    assert "drift from file: x" in text_of({"host": result})


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"report": render}


def test_namespaces_are_shown_beside_luns() -> None:
    san = San().lun("data").namespace("ANL", mounts=("/srv/a b",)).namespace("II")
    text = text_of({"host": san.result()})
    for words in (
        "LUNs and namespaces 3 ",
        "uuid.2f7cbd5a-51fa-4bfb-9f8f-000000000000 100 GiB",
        "group 1, optimized, numa nvme0c0n1 192.0.2.1 nvme0c2n1 192.0.2.3 down",
        "group 2, non-optimized, numa nvme0c1n1 192.0.2.2",
        "nvme0n1 degraded 2 of 3 paths, 259:0, NVMe multipath device",
        "1 path down: nvme0c2n1: controller nvme2 is connecting",
        "mount /srv/a b",
        "nvme1n1 queueing 0 of 2 paths, 259:1, NVMe multipath device",
        "no usable path: ctrl_loss_tmo 600, fast_io_fail_tmo off",
    ):
        assert words in text
    fine = text_of({"host": San().lun("data").namespace().result()})
    assert "Nothing. 2 maps and NVMe multipath devices are healthy." in fine


def test_results_of_a_version_without_nvme_are_shown() -> None:
    result = San().lun("data").result()
    del result["nvme"]
    assert "Nothing. 1 maps are healthy." in text_of({"host": result})
