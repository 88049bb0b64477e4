# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The picture of a host as text: LUN, map, path groups, paths, partition maps, uses."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._values.device import SECTOR, size_words
from .._values.errors import visible

if t.TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from ...plugin_utils._types import BlockDevice, Host, Map


@dataclass(frozen=True)
class Node:
    """A line of the picture, and what stands below it."""

    text: str
    children: tuple[Node, ...] = ()


def tree(host: Host, wwids: Container[str] | None = None, others: Iterable[Node] = ()) -> str:
    """Return the host's LUNs, only `wwids` if stated, and their maps, a line for each thing.

    `others` are the trees that stand below those of the LUNs.
    """
    nodes = (*_luns(host, wwids), *others)
    return "\n".join(line for node in nodes for line in _lines(node))


def _luns(host: Host, wwids: Container[str] | None) -> Iterator[Node]:
    found = host.luns()
    mapped = {each.wwid: each for each in host.maps if each.wwid}
    for wwid in sorted(each for each in {*found, *mapped} if wwids is None or each in wwids):
        disks = found.get(wwid, ())
        size = size_words(disks[0].sectors * SECTOR) if disks else "no path"
        each = mapped.get(wwid)
        unmapped = tuple(Node(_disk_text(disk)) for disk in disks)
        children = (_map_node(each, host),) if each else unmapped
        yield Node(f"LUN {visible(wwid)} {size}", children)


def _map_node(each: Map, host: Host) -> Node:
    words = [f"map {each.name} {each.device}", size_words(each.sectors * SECTOR)]
    if each.queues:
        words.append("queue_if_no_path")
    if each.suspended:
        words.append("SUSPENDED")
    children = [*_group_nodes(each, host), *_partition_nodes(each, host)]
    partitions = [child.device for child in host.maps_of_partitions(each.uuid)]
    children += [
        Node(use.words()) for use in host.uses_of(each.device) if use.device not in partitions
    ]
    return Node(", ".join(words), tuple(children))


def _group_nodes(each: Map, host: Host) -> Iterator[Node]:
    if each.multipath is None or each.status is None:
        return
    for group, status in zip(each.multipath.groups, each.status.groups):
        paths = []
        for path in status.paths:
            disk = host.disk_at(path.device)
            text = _disk_text(disk) if disk else str(path.device)
            paths.append(Node(f"{text} {'active' if path.active else 'FAILED'}"))
        yield Node(f"path group {group.selector.name} {status.state}", tuple(paths))


def _partition_nodes(each: Map, host: Host) -> Iterator[Node]:
    for child in host.maps_of_partitions(each.uuid):
        uses = tuple(Node(use.words()) for use in host.uses_of(child.device))
        yield Node(
            f"partition map {child.name} {child.device}, {size_words(child.sectors * SECTOR)}", uses
        )


def _disk_text(disk: BlockDevice) -> str:
    words = (f"path {disk.name}", str(disk.device), disk.address, disk.state, disk.access_state)
    return " ".join(word for word in words if word)


def _lines(node: Node) -> Iterator[str]:
    yield node.text
    yield from _branches(node.children, "")


def _branches(nodes: Sequence[Node], indent: str) -> Iterator[str]:
    for index, node in enumerate(nodes):
        last = index == len(nodes) - 1
        yield f"{indent}{'└─ ' if last else '├─ '}{node.text}"
        yield from _branches(node.children, indent + ("   " if last else "│  "))
