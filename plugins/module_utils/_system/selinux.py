# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SELinux: whether it may be what refuses a file; read, and never changed from here."""

from __future__ import annotations

import contextlib
import errno
import os
import typing as t

from .._values.errors import KernelError
from .attribute import line

if t.TYPE_CHECKING:
    from collections.abc import Iterator

_ENFORCES = "/sys/fs/selinux/enforce"
_OWN = "/proc/self/attr/current"


def refusal(path: str, refused: OSError) -> str:
    """Return why the host refused a file, in words; with the contexts where SELinux enforces.

    The kernel says no more than "permission denied", and root is refused by nothing else as often.
    """
    words = refused.strerror or str(refused)
    if refused.errno != errno.EACCES or line(_ENFORCES) != "1":
        return words
    for place in (path, os.path.dirname(path)):
        context = _context(place)
        if context:
            return (
                f"{words}. SELinux is enforcing: {place} has the context {context}, this task"
                f" {_plain(line(_OWN))}. `ausearch -m AVC -ts recent` shows whether it refused; if"
                f" `matchpathcon {place}` names another context, run `restorecon -RFv {place}`"
            )
    return words


@contextlib.contextmanager
def refused_by_host(request: str, path: str) -> Iterator[None]:
    """Let an OSError about a file end in a KernelError that says why."""
    try:
        yield
    except OSError as refused:
        number = refused.errno or 0
        raise KernelError(request, path, number, f"{path}: {refusal(path, refused)}") from refused


def _context(path: str) -> str:
    with contextlib.suppress(OSError):
        label = os.getxattr(path, "security.selinux", follow_symlinks=False)
        return _plain(label.decode("utf-8", "replace"))
    return ""


def _plain(context: str) -> str:
    return context.rstrip("\0")
