# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A booted host of its own on which the real multipathd runs, as its distribution has it."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Iterator

import pytest
from kernel.conftest import WWIDS, Host, install, serving

from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd_versions import (
    parse_version,
)
from lab.host import Lab

DIRECTORY = "/etc/multipath/conf.d"
TASK: dict[str, t.Any] = {"name": "data", "wwid": WWIDS[0]}


def drop_in(wwid: str) -> str:
    """Return the file that states the map of a LUN to the daemon."""
    return f"{DIRECTORY}/san.device_mapper.{wwid}.conf"


class DaemonHost(Host):
    """The booted host with the daemon."""

    def systemctl(self, verb: str) -> None:
        """Start, stop or restart the daemon, as often as the test likes."""
        self.shell(
            f"systemctl reset-failed multipathd.service; systemctl {verb} multipathd.service"
        )

    def fresh(self) -> None:
        """Leave the host as after the installation, with the daemon running."""
        self.run("systemctl", "stop", "multipathd.service", "multipathd.socket", check=False)
        self.clean()
        self.shell(
            "umount --quiet /etc/multipath || true; rm -rf /etc/multipath /etc/multipath.conf"
        )
        self.systemctl("start")

    def twice(self, **options: t.Any) -> dict[str, t.Any]:
        """Return what a task does: check mode has foreseen it, a second run has nothing to do."""
        stated: dict[str, t.Any] = {**TASK, **options}
        checked = self.module("multipath_map", check_mode=True, diff=True, **stated)
        done = self.module("multipath_map", diff=True, **stated)
        assert not done.get("failed"), done
        for key in ("changed", "plan"):
            assert done[key] == checked[key]
        assert _texts(done) == _texts(checked)
        again = self.applied("multipath_map", **stated)
        assert (again["changed"], again["plan"]) == (False, [])
        return done

    def message(self, **options: t.Any) -> str:
        """Return the message of a task that must fail, and change neither maps nor files."""
        before = self.files()
        message = self.refused("multipath_map", **{**TASK, **options})
        assert self.files() == before
        return message

    def files(self) -> str:
        """Return the daemon's files."""
        return self.shell(
            "tail -n +1 /etc/multipath.conf /etc/multipath/* 2>&1; ls -R /etc/multipath",
            check=False,
        )

    def configure(self, text: str) -> None:
        """Write the host's own configuration, and have the daemon read it."""
        self.run("tee", "/etc/multipath.conf", input=text)
        self.shell("multipathd reconfigure")
        self.until(lambda: "idle" in self.shell("multipathd show daemon"))

    def until(self, holds: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.shell("journalctl -u multipathd -n 40 -o cat")

    def version(self) -> tuple[int, ...]:
        """Return the version of multipath-tools, whether the daemon runs or not."""
        return parse_version(self.shell("multipath -h 2>&1", check=False))

    def path_states(self, wwid: str) -> list[str]:
        """Return what the daemon's checker says of each path of a LUN."""
        shown = self.run("multipathd", "show", "paths", "raw", "format", "%w %T")
        return [line.split()[1] for line in shown.splitlines() if line.split()[0] == wwid]

    def paths_of(self, name: str = "data") -> int:
        """Return how many paths a map has."""
        return self.table(name).count(" 8:")


def _texts(answer: dict[str, t.Any]) -> dict[str, list[str]]:
    """Return the difference without the order of the daemon's groups."""
    difference: dict[str, str] = answer.get("diff", {})
    return {key: sorted(text.splitlines()) for key, text in difference.items()}


@pytest.fixture(scope="session")
def _daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return the booted host with the modules, multipath-tools and the daemon."""
    lab = Lab.from_environment()
    install(lab, tmp_path_factory.mktemp("modules"))
    with_daemon(lab)
    with serving(lab):
        yield lab


def with_daemon(lab: Lab) -> None:
    """Install multipath-tools, without what the packages' triggers do.

    Building an initramfs takes minutes.
    """
    script = (
        "modprobe -a dm-multipath dm-service-time dm-queue-length dm-round-robin;"
        " dpkg --no-triggers --force-unsafe-io --install /opt/packages/*.deb > /dev/null 2>&1;"
        " udevadm control --reload"
    )
    lab.ssh(["sh", "-euc", script], timeout=600)


@pytest.fixture
def host(_daemon: Lab) -> DaemonHost:
    """Return the host with the daemon running, and without maps."""
    there = DaemonHost(_daemon)
    there.fresh()
    return there
