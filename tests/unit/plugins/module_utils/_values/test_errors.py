# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    Interrupted,
    KernelError,
    Refused,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("data", "data"), (0, "0"), ("", "''"), ("a\nb", "'a\\nb'"), ("\x1b[31m", "'\\x1b[31m'")],
)
def test_a_refusal_shows_option_value_finding_and_way_out(value: object, shown: str) -> None:
    refused = Refused(option="name", value=value, found="it is taken", way_out="Choose another one")
    assert str(refused) == f"name: {shown}: it is taken. Choose another one"


def test_what_a_terminal_would_act_on_is_shown() -> None:
    """A mount point is chosen by whoever mounts; the message names it in the way out, too."""
    refused = Refused(
        option="name",
        value="data",
        found="mounted at /srv/\x1b[2J\udcff\u202e",
        way_out="Unmount /srv/\n",
    )
    message = r"name: data: mounted at /srv/\x1b[2J\udcff\u202e. Unmount /srv/\n"
    assert str(refused) == message


def test_an_interruption_tells_what_was_done_and_what_was_not() -> None:
    cause = KernelError("resume", "data", 22, "Invalid argument")
    error = Interrupted(cause, done=("create data",), left=("load data", "resume data"))
    message = str(error)
    assert message.startswith("the kernel refused `load data`: Invalid argument.")
    assert "Done before it: create data." in message
    assert "Not done: load data; resume data." in message


def test_an_interruption_of_the_first_step_has_done_nothing() -> None:
    cause = KernelError("remove", "data", 16, "Device or resource busy")
    assert "Done before it: nothing." in str(Interrupted(cause, done=(), left=("remove data",)))


def test_a_kernel_error_names_the_request_and_the_map() -> None:
    error = KernelError("rename", "data", 16, "Device or resource busy")
    assert str(error) == "the kernel did not rename data: Device or resource busy"
