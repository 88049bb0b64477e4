# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The attributes that the collection's modules have in common."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description:
      - Can run in C(check_mode) and return what the real run would return, without changing
        anything.
    support: full
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same options, the second run
        changes nothing.
    support: full
  platform:
    description: Target OS families that can be operated against.
    platforms: posix
    support: full
    details:
      - Linux with device-mapper in its kernel, and with the libraries libdevmapper, libblkid and
        libudev.
  action_group:
    description:
      - Use C(group/san.device_mapper.device_mapper) in C(module_defaults) to set defaults for this
        module.
    support: full
    membership:
      - san.device_mapper.device_mapper
"""

    # In addition, for a module that changes maps.
    DIFF = r"""
options: {}
attributes:
  diff_mode:
    description: Returns the tables before and after the task when in diff mode.
    support: full
"""

    # In addition, for a module that only reads.
    INFO = r"""
options: {}
attributes:
  diff_mode:
    description: Returns the tables before and after the task when in diff mode.
    support: N/A
    details:
      - This module does not change anything.
"""
