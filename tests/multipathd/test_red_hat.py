# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real daemon, arranged as on RHEL 9: its conditions, rules, delimiter and multipath.conf."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernel.conftest import WWIDS

from .conftest import DaemonHost

UNITS = ("multipathd.service", "multipathd.socket")
ENABLED = """\
defaults {
\tuser_friendly_names yes
\tfind_multipaths yes
}

blacklist {
}
"""
"""What `mpathconf --enable` makes of a host without multipath.conf."""
ARRANGE = """
cd /usr/lib/udev/rules.d || cd /lib/udev/rules.d
ln -s /dev/null /etc/udev/rules.d/60-multipath.rules
cp 60-multipath.rules /etc/udev/rules.d/62-multipath.rules
ln -s /dev/null /etc/udev/rules.d/60-kpartx.rules
sed 's/ -p -part / /' 60-kpartx.rules > /etc/udev/rules.d/66-kpartx.rules
grep -q 'kpartx -un /dev' /etc/udev/rules.d/66-kpartx.rules
for unit in multipathd.service multipathd.socket; do
    sed '/^\\[Unit\\]/a ConditionPathExists=/etc/multipath.conf' \
        /lib/systemd/system/$unit > /etc/systemd/system/$unit
done
systemctl daemon-reload
udevadm control --reload
"""
AS_BEFORE = """
rm -f /etc/udev/rules.d/6?-multipath.rules /etc/udev/rules.d/6?-kpartx.rules
rm -f /etc/systemd/system/multipathd.service /etc/systemd/system/multipathd.socket
systemctl daemon-reload
udevadm control --reload
"""


@pytest.fixture
def red_hat(host: DaemonHost) -> Iterator[DaemonHost]:
    """Return the host as RHEL 9 has it after the installation: without multipath.conf."""
    host.run("systemctl", "stop", *UNITS, check=False)
    host.shell(ARRANGE)
    yield host
    host.run("systemctl", "stop", *UNITS, check=False)
    host.shell(AS_BEFORE)


def test_a_host_of_red_hat(red_hat: DaemonHost) -> None:
    """From no multipath.conf to a named map with partitions, which kpartx names by number alone."""
    host = red_hat
    host.systemctl("start")
    message = host.message(manager="multipathd")
    assert "Create /etc/multipath.conf, without which systemd does not start it" in message
    assert "mpathconf --enable" in message
    host.run("tee", "/etc/multipath.conf", input=ENABLED)
    host.systemctl("start")
    host.until(lambda: "mpatha" in host.table() and "mpathb" in host.table())
    name = host.shell(f"dmsetup info -c --noheadings -o name --uuid mpath-{WWIDS[0]}").strip()
    host.until(lambda: f"/dev/mapper/{name}" in host.shell("ls /dev/mapper/*"))
    table = "label: gpt\n,8MiB\n,8MiB\n"
    host.run("sfdisk", "--quiet", "--wipe=never", f"/dev/mapper/{name}", input=table)
    host.until(lambda: f"{name}1: " in host.table())
    host.twice()
    host.until(lambda: "data1: " in host.table() and "data2: " in host.table())
    answer = host.applied("partition_maps", device="data")
    assert (answer["changed"], [each["name"] for each in answer["maps"]]) == (
        False,
        ["data1", "data2"],
    )
    assert not host.applied("multipath_map", wwid=WWIDS[0])["changed"]
    assert host.applied("multipath_map", wwid=WWIDS[0], state="absent")["changed"]
    assert "data" not in host.table()
    assert "mpath" in host.run("cat", "/etc/multipath/bindings")
