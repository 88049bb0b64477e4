# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oldest Python that the modules run with.

Written for Python 3.6, as the modules' own files are: an older Python than the collection's reads
these, says what to do, and ends before it reads any other.
"""

import json
import os
import sys

MINIMUM = (3, 9)
_FOLDERS = ("/usr/bin", "/usr/local/bin")
_MINORS = range(MINIMUM[1], 30)


def refuse_old_python() -> None:
    """End the module with a message if this Python is too old for the collection."""
    found = tuple(sys.version_info)[:3]
    if found >= MINIMUM:
        return
    names = (f"{folder}/python3.{minor}" for folder in _FOLDERS for minor in _MINORS)
    others = [name for name in names if os.path.exists(name)]
    way_out = (
        f"This host has {' and '.join(others)}: set ansible_python_interpreter to it"
        if others
        else "Install one (RHEL 8: the package python3.11; SLES 15: python311) and set"
        " ansible_python_interpreter to it, such as /usr/bin/python3.11"
    )
    version, minimum = (".".join(map(str, each)) for each in (found, MINIMUM))
    message = (
        f"ansible_python_interpreter: {sys.executable}: this is Python {version}; the modules of"
        f" san.device_mapper need Python {minimum} or later. {way_out}"
    )
    # AnsibleModule would want the module's own options first.
    sys.stdout.write(json.dumps({"failed": True, "changed": False, "msg": message}))
    raise SystemExit(1)
