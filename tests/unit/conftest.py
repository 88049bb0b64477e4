# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How hypothesis works here: without a deadline; in CI the same examples each time.

`pytest --hypothesis-profile=thorough` takes some minutes; `brief`, a few seconds,
is for what does not depend on examples, such as another Python.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.register_profile("thorough", settings.get_profile("here"), max_examples=2000)
settings.register_profile("brief", settings.get_profile("here"), derandomize=True, max_examples=10)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "here")
