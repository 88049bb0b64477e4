# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The in-memory kernel answers as the captured ones did, or the laws would prove nothing."""

from __future__ import annotations

import errno
import os

import pytest
from unit.captures import Capture, Case, Request, State, captures, cases
from unit.memory_kernel import Killed, MemoryKernel

from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import KernelError
from ansible_collections.san.device_mapper.plugins.module_utils._values.map import Map, UdevFlag
from ansible_collections.san.device_mapper.plugins.module_utils._values.table import parse_table

UUID = "mpath-case"
LINEAR = parse_table("0 8 linear 8:0 0")


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.capture.kernel}: {case.name}")
def test_a_map_lives_as_it_did_in_the_captured_kernel(case: Case) -> None:
    kernel = case.capture.memory_kernel()
    kernel.place("case", UUID)
    for step in case.steps:
        assert _do(kernel, UUID, step.do, step.given) == step.error, step
        assert _state(kernel) == step.state, step


@pytest.mark.parametrize("capture", captures(), ids=lambda capture: capture.kernel)
def test_requests_are_answered_as_by_the_captured_kernel(capture: Capture) -> None:
    kernel = capture.memory_kernel()
    for number, request in enumerate(capture.requests()):
        assert _ask(kernel, request) == (request.error, request.printed), (number, request)


def test_a_request_can_fail() -> None:
    kernel = capture_with_a_map()
    kernel.fail_at = 1
    kernel.load("u", LINEAR, False)
    with pytest.raises(KernelError) as refused:
        kernel.clear("u")
    assert refused.value.errno == errno.ENOMEM
    assert kernel.maps()[0].inactive == LINEAR


def test_a_resume_fails_in_its_middle() -> None:
    kernel = capture_with_a_map()
    kernel.load("u", LINEAR, False)
    kernel.fail_at = 1
    with kernel.udev_batch(1), pytest.raises(KernelError):
        kernel.resume("u", False, UdevFlag.NONE)
    (found,) = kernel.maps()
    assert found.suspended
    assert found.inactive == found.live == ()


def test_a_process_can_be_killed_before_a_request() -> None:
    kernel = capture_with_a_map()
    kernel.kill_at = 1
    kernel.load("u", LINEAR, False)
    with pytest.raises(Killed):
        kernel.clear("u")
    assert kernel.maps()[0].inactive == LINEAR


def test_what_udev_must_know_needs_a_batch() -> None:
    kernel = capture_with_a_map()
    with pytest.raises(RuntimeError):
        kernel.remove("u", False)


def capture_with_a_map() -> MemoryKernel:
    kernel = captures()[0].memory_kernel()
    kernel.disks[DeviceNumber(8, 0)] = next(iter(kernel.disks.values()))
    kernel.place("a", "u")
    return kernel


def _do(kernel: MemoryKernel, uuid: str, do: str, given: str) -> str:
    """Do what a dmsetup command would do to the map; return the error, empty if there was none."""
    verb, *words = do.split()
    options = [word for word in words if word.startswith("--")]
    try:
        with kernel.udev_batch(1):
            if verb == "load":
                kernel.load(uuid, parse_table(given), "--readonly" in options)
            elif verb == "resume":
                kernel.resume(uuid, "--noflush" not in options, UdevFlag.NONE)
            elif verb == "suspend":
                kernel.placed(uuid).suspend("--noflush" not in options)
            elif verb == "message":
                kernel.message(uuid, " ".join(words[1:]))
            elif verb == "clear":
                kernel.clear(uuid)
            elif verb == "remove":
                kernel.remove(uuid, "--deferred" in options)
            elif verb == "read":
                return _read(kernel, uuid)
            else:
                raise NotImplementedError(do)
    except KernelError as refused:
        return refused.words
    return ""


def _read(kernel: MemoryKernel, uuid: str) -> str:
    live = kernel.placed(uuid).live
    if live is None:
        raise NotImplementedError("reading from a map without a table")
    answered = live.multipath is None or live.multipath.read()
    return "" if answered else os.strerror(errno.EIO)


def _state(kernel: MemoryKernel) -> State:
    placed = kernel.placed(UUID)
    return State(
        table=placed.live.text() if placed.live else "",
        inactive=placed.inactive.text() if placed.inactive else "",
        status=placed.status(),
        suspended=placed.suspended,
        read_only=placed.read_only,
    )


def _ask(kernel: MemoryKernel, request: Request) -> tuple[str, str]:
    """Do what a dmsetup command would do; return the error and what is printed.

    The in-memory kernel knows maps by their uuids; one without gets its name for one.
    """
    verb, *words = request.do.split()
    uuids = {each.name: each.uuid for each in kernel.maps()}
    if verb in ("mount", "umount"):
        device = {DeviceNumber.parse(words[0])}
        kernel.claimed = kernel.claimed | device if verb == "mount" else kernel.claimed - device
        return "", ""
    if verb in ("create", "rename"):
        return _name(kernel, verb, words, uuids), ""
    if verb == "info":
        return "", "\n".join(
            f"{each.name}:{each.open_count}:{_attributes(each)}" for each in kernel.maps()
        )
    if verb == "ls":
        return "", "\n".join(f"{each.name} ({each.device})" for each in kernel.maps())
    if verb == "table":
        placed = kernel.placed(uuids[words[-1]])
        table = placed.inactive if "--inactive" in words else placed.live
        return "", table.text().strip() if table else ""
    return _do(kernel, uuids.get(words[0], ""), " ".join([verb, *words[1:]]), request.given), ""


def _name(kernel: MemoryKernel, verb: str, words: list[str], uuids: dict[str, str]) -> str:
    try:
        with kernel.udev_batch(1):
            if verb == "create":
                kernel.create(words[0], words[2] if "--uuid" in words else words[0])
            else:
                kernel.rename(uuids.get(words[0], ""), words[1], UdevFlag.NONE)
    except KernelError as refused:
        return refused.words
    return ""


def _attributes(each: Map) -> str:
    return "".join(
        (
            "L" if each.live else "-",
            "I" if each.inactive else "-",
            "s" if each.suspended else "-",
            "r" if each.read_only else "w",
        )
    )
