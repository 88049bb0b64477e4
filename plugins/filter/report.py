# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: report
short_description: Make an HTML report of hosts' LUNs, paths and maps
version_added: 1.0.0
author:
  - The san.device_mapper contributors (@san-device-mapper)
description:
  - Makes one HTML file of what M(san.device_mapper.device_mapper_info) returned for one or many
    hosts. First what is wrong, the worst first; then for each host its LUNs, from the path groups
    and paths to the map, its partitions and mounts.
  - The file needs no network and no other file, and forbids the browser to load any. It is light or
    dark as the reader's browser is, and can be read without colours and without its script, which
    only sorts and searches.
  - Whatever comes from the hosts, such as names of maps and mount points, is escaped.
positional: title, made
options:
  _input:
    description:
      - The results of the module by the names of the hosts. A host that failed or could not be
        reached, so that its result has a message and no maps, is shown with that.
    type: dict
    required: true
  title:
    description: The title of the report.
    type: str
    default: SAN report
  made:
    description: When the report was made, or another line below the title.
    type: str
    default: ""
seealso:
  - plugin: san.device_mapper.device_mapper_info
    plugin_type: module
"""

EXAMPLES = r"""
- name: Look at the LUNs and maps
  san.device_mapper.device_mapper_info:
  register: san

- name: Write a report
  ansible.builtin.copy:
    content: "{{ {inventory_hostname: san} | san.device_mapper.report }}"
    dest: /var/tmp/san-report.html
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The HTML file's text.
  type: str
"""

import typing as t

from ..plugin_utils._report import render

if t.TYPE_CHECKING:
    from collections.abc import Callable


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., t.Any]]:
        """Return them by name."""
        return {"report": render}
