# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report: what device_mapper_info returned for hosts, as one HTML file without a network.

Names, labels and mount points are what others have written. All of it is escaped by Jinja, in one
place; and the page allows a browser nothing but its own style and its one script.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import typing as t
from collections import Counter
from collections.abc import Mapping

import jinja2
from markupsafe import Markup

from ..module_utils._values.device import size_words
from ..module_utils._values.errors import visible
from ._report_hosts import STATES, rank, read_host

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._report_hosts import HostRow, LunRow, Result


def render(results: Mapping[str, Result], title: str = "SAN report", made: str = "") -> str:
    """Return the HTML report; TypeError if these are no results by the names of hosts."""
    if not isinstance(results, Mapping):
        raise TypeError("the input should be results of device_mapper_info by the names of hosts")
    hosts = [read_host(number, *each) for number, each in enumerate(sorted(results.items()))]
    hosts.sort(key=lambda host: (rank(host.state), host.name))
    luns = [lun for host in hosts for lun in host.luns]
    counted = Counter(lun.state for lun in luns)
    counted["unknown"] += sum(bool(host.problem) for host in hosts)
    script = _source("_report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _template().render(
        title=title,
        made=made,
        hosts=hosts,
        luns=luns,
        joined=any(lun.is_nvme for lun in luns),
        counts=[(state, counted[state]) for state in STATES],
        wrong=_wrong(hosts),
        active=sum(lun.active for lun in luns),
        paths=sum(lun.paths for lun in luns),
        style=Markup(_source("_report.css")),
        script=Markup(script),
        digest=digest,
    )


def size(value: int | None) -> str:
    """Return a size in bytes in words; None where the paths of a LUN differ."""
    return "sizes differ" if value is None else size_words(value)


def printable(value: t.Any) -> t.Any:
    """Return text that shows control characters, and those that turn the writing direction."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _wrong(hosts: Sequence[HostRow]) -> Iterator[tuple[HostRow, LunRow | None]]:
    """Yield what is wrong, the worst first: hosts that were not looked at, then maps."""
    yield from ((host, None) for host in hosts if host.problem)
    found = [(host, lun) for host in hosts for lun in host.luns if lun.state not in ("", "healthy")]
    yield from sorted(found, key=lambda pair: rank(pair[1].state))


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        finalize=printable,
        loader=jinja2.FileSystemLoader(os.path.dirname(__file__)),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["size"] = size
    return environment.get_template("_report.html.j2")


@functools.cache
def _source(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
        return file.read()
