# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random values for hypothesis: tables as anybody could write them, and as a kernel takes them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from unit.memory_multipath import SELECTORS

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath import (
    Features,
    Multipath,
    Path,
    PathGroup,
    PathSelector,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import (
    Linear,
    Other,
    Segment,
    Table,
    Target,
)

NUMBERS = st.integers(0, 2**64)
WORDS = st.text(st.characters(codec="ascii", exclude_categories=("C", "Z")), min_size=1)
DEVICE_NUMBERS = st.builds(DeviceNumber, st.integers(0, 4095), st.integers(0, 2**20 - 1))

LINEARS = st.builds(Linear, DEVICE_NUMBERS, NUMBERS)

OTHERS = st.builds(
    Other,
    WORDS.filter(lambda kind: kind not in (Linear.kind, Multipath.kind)),
    st.lists(WORDS).map(" ".join),
)

FEATURES = st.builds(
    Features,
    queue_if_no_path=st.booleans(),
    pg_init_retries=NUMBERS,
    pg_init_delay_msecs=st.none() | NUMBERS,
    retain_attached_hw_handler=st.booleans(),
    queue_mode=st.sampled_from(("rq", "bio", "mq")),
)

SELECTORS_OF_GROUPS = st.builds(
    PathSelector, st.sampled_from(sorted(SELECTORS)) | WORDS, st.lists(WORDS, max_size=3).map(tuple)
)


@st.composite
def path_groups(draw: st.DrawFn) -> PathGroup:
    """Return a group whose paths have the same number of arguments, as tables have to."""
    count = draw(st.integers(0, 3))
    arguments = st.lists(WORDS, min_size=count, max_size=count).map(tuple)
    paths = draw(st.lists(st.builds(Path, DEVICE_NUMBERS, arguments), max_size=4))
    return PathGroup(draw(SELECTORS_OF_GROUPS), tuple(paths))


MULTIPATHS = st.builds(
    Multipath,
    FEATURES,
    st.lists(WORDS, max_size=3).map(tuple),
    st.lists(path_groups(), max_size=4).map(tuple),
    NUMBERS,
)

TARGETS: SearchStrategy[Target] = st.one_of(LINEARS, MULTIPATHS, OTHERS)

TABLES: SearchStrategy[Table] = st.lists(st.builds(Segment, NUMBERS, NUMBERS, TARGETS)).map(tuple)


@st.composite
def loadable_groups(draw: st.DrawFn, devices: Sequence[DeviceNumber]) -> PathGroup:
    """Return a group that the kernel takes, with the paths `devices`."""
    name = draw(st.sampled_from(sorted(SELECTORS)))
    if name == "io-affinity":
        masked = tuple(Path(device, (f"{1 << cpu:x}",)) for cpu, device in enumerate(devices))
        return PathGroup(PathSelector(name), masked)
    count = draw(st.integers(0, SELECTORS[name][0]))
    # A repeat count and a relative throughput.
    arguments = st.tuples(st.integers(0, 1000), st.integers(0, 3)).map(
        lambda numbers: tuple(map(str, numbers[:count]))
    )
    paths = tuple(Path(device, draw(arguments)) for device in devices)
    own: tuple[str, ...] = ()
    if name == "historical-service-time":
        own = draw(st.sampled_from(((), ("972",), ("972", "0"), ("5",), ("972", "2"))))
    return PathGroup(PathSelector(name, own), paths)


@st.composite
def loadable_multipaths(
    draw: st.DrawFn, devices: Sequence[DeviceNumber], attached: str = ""
) -> Multipath:
    """Return a target that the kernel takes, over some of the paths `devices`, request-based.

    Its hardware handler is the one that it has once it is loaded, over paths with one `attached`.
    """
    chosen = draw(st.lists(st.sampled_from(devices), unique=True, min_size=1))
    groups, rest = [], chosen
    while rest:
        size = draw(st.integers(1, len(rest)))
        groups.append(draw(loadable_groups(rest[:size])))
        rest = rest[size:]
    features = Features(
        queue_if_no_path=draw(st.booleans()),
        pg_init_retries=draw(st.sampled_from((0, 1, 50))),
        pg_init_delay_msecs=draw(st.sampled_from((None, 0, 2000))),
        retain_attached_hw_handler=draw(st.booleans()),
        queue_mode=draw(st.sampled_from(("rq", "mq"))),
    )
    handler: tuple[str, ...] = ()
    if attached and (features.retain_attached_hw_handler or draw(st.booleans())):
        handler = (attached,)
    return Multipath(features, handler, tuple(groups), draw(st.integers(1, len(groups))))
