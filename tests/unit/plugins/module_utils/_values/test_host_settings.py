# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a host's settings says what was stated, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.san.device_mapper.plugins.module_utils._values.host_settings import (
    Place,
    settings_text,
    stated,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import (
    Setting,
)

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=9)
KEYWORDS = st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)
SETTINGS = st.dictionaries(KEYWORDS, TEXTS, max_size=4)


@given(
    SETTINGS, st.lists(TEXTS, unique=True, max_size=3), SETTINGS, SETTINGS, st.tuples(TEXTS, TEXTS)
)
def test_what_is_written_is_what_is_stated(
    defaults: dict[str, str],
    wwids: list[str],
    device: dict[str, str],
    overrides: dict[str, str],
    storage: tuple[str, str],
) -> None:
    vendor, product = storage
    own = {"vendor": vendor, "product": product}
    device = {**{key: value for key, value in device.items() if key != "revision"}, **own}
    rules = {"blacklist": ([Setting("wwid", each) for each in wwids], [own])}
    text = settings_text(defaults, rules, [device], overrides, [{"type": vendor, "a": product}])
    said = {place: value for place, (value, _section) in stated(text).items()}
    assert said == {
        **{Place(("defaults",), (), key): value for key, value in defaults.items()},
        **{Place(("blacklist",), (f'"{each}"',), "wwid"): each for each in wwids},
        Place(
            ("blacklist", "device"), (f'vendor "{vendor}"', f'product "{product}"'), "device"
        ): "",
        **{
            Place(("devices", "device"), (vendor, product, ""), key): value
            for key, value in device.items()
        },
        **{Place(("overrides",), (), key): value for key, value in overrides.items()},
        Place(("overrides", "protocol"), (vendor,), "type"): vendor,
        Place(("overrides", "protocol"), (vendor,), "a"): product,
    }
