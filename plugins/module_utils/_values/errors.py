# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, as data; the message is made from it in one place."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...plugin_utils._types import BlockDevice


def visible(text: str) -> str:
    """Return `text` with each character escaped that would not be printed as it is.

    Mount points, labels and names of processes are hostile input, and need not be UTF-8: what
    cannot be decoded is a surrogate here, and escaped as well.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def shown(value: object) -> str:
    """Return a value as messages name it; in quotes if nothing of it would be seen otherwise."""
    text = str(value)
    return text if text.isprintable() and text else repr(text)


class DeviceMapperError(Exception):
    """Any expected failure; its text is the message that the user reads.

    What the text names may be hostile, be it a mount point or a serial number: what a terminal
    would act on is shown, and not sent to it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


class Refused(DeviceMapperError):
    """A task that ends before any change: option, value, what was found, the way out."""

    def __init__(self, *, option: str, value: object, found: str, way_out: str) -> None:
        super().__init__(f"{option}: {shown(value)}: {found}. {way_out}")
        self.option = option
        self.value = value
        self.found = found
        self.way_out = way_out


class KernelError(DeviceMapperError):
    """A request that the kernel turned down."""

    by = "the kernel"

    def __init__(self, request: str, name: str, errno: int, words: str) -> None:
        super().__init__(f"{self.by} did not {request} {name}: {words}")
        self.request = request
        self.name = name
        self.errno = errno
        self.words = words


class MultipathdError(KernelError):
    """A request that the multipath daemon, or what belongs to it, turned down."""

    def __init__(self, request: str, words: str, by: str = "multipathd") -> None:
        self.by = by
        super().__init__(request, "", 0, words)


class MultipathdLate(MultipathdError):
    """What was waited for as long as the task may wait: to wait once more would be too long."""


class Unfinished(DeviceMapperError):
    """A task that failed after it had changed something: what was done, and what is left, in words.

    `left` is None where the host is no longer fit for the task: what is left is not known then.
    """

    def __init__(
        self, message: str, *, done: tuple[str, ...], left: tuple[str, ...] | None
    ) -> None:
        super().__init__(message)
        self.done = done
        self.left = left


class Interrupted(Unfinished):
    """A plan that could not be carried out to its end."""

    def __init__(self, cause: KernelError, *, done: tuple[str, ...], left: tuple[str, ...]) -> None:
        super().__init__(
            f"{cause.by} refused `{left[0]}`: {cause.words}. Done before it: {_joined(done)}."
            f" Not done: {_joined(left)}. No map was left suspended or with a second table."
            " Correct the cause and run the task again; it continues from here",
            done=done,
            left=left,
        )
        self.cause = cause


def _joined(words: tuple[str, ...]) -> str:
    return "; ".join(words) or "nothing"


def refuse_twice(option: str, values: Iterable[str]) -> None:
    """Refuse what is stated more than once; "" stands for what is not stated."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise Refused(
                option=option,
                value=value,
                found="it is specified more than once",
                way_out="Specify it once",
            )
        if value:
            seen.add(value)


def refuse_empty(option: str, stated: Sequence[object] | None) -> None:
    """Refuse an empty list: left out, the option means everything, and a template may be empty."""
    if stated is not None and not stated:
        raise Refused(
            option=option,
            value=stated,
            found="the list is empty",
            way_out="List at least one item, or leave the option out to include everything",
        )


def refuse_too_many(option: str, wwid: str, paths: Sequence[BlockDevice], most: int) -> None:
    """Refuse more paths than `most`; 0 stands for no bound."""
    if most and len(paths) > most:
        raise Refused(
            option=option,
            value=wwid,
            found=(
                f"{len(paths)} paths are there ({', '.join(path.name for path in paths)}), more"
                f" than max_paths ({most})"
            ),
            way_out=(
                "Check the zoning and that only one LUN has this WWID, or raise max_paths; nothing"
                " was changed"
            ),
        )


def check_max_paths(least: int, most: int | None) -> int:
    """Return the highest number of paths that a task allows, 0 for any; Refused below `least`."""
    if most is not None and most < least:
        raise Refused(
            option="max_paths",
            value=most,
            found=f"must be at least min_paths ({least})",
            way_out="Raise it, or leave it out",
        )
    return most or 0
