# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An array whose target port groups change their states, below a file system that fio verifies.

The array is the kernel's own target (LIO), within the booted host: a LUN with a path to each of two
groups. A group becomes optimized, non-optimized, standby or unavailable; modules follow. I/O goes
on while a group can be used, waits while none can, and goes on when one can again.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable

from kernel.conftest import Host

from .fabric import SLACK, TIMEOUT, outcome
from .mounted import SELECTORS, Mounted

CORE = "/sys/kernel/config/target/core/fileio_0/array"
ARRAY = "36001405"
"""What WWIDs of LIO begin with: NAA 6, and its IEEE company identifier."""
STATES = ("active/optimized", "active/non-optimized", "standby", "unavailable")
"""In the words of the SCSI device's access_state, each at its number in SPC."""
USABLE = STATES[:2]
GROUPS = (1, 2)
POLICIES = ("auto", "group_by_prio", "group_by_tpg", "multibus", "failover")
MAKE = f"""
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
test ! -e {CORE} || exit 0
truncate -s 256M /var/tmp/array.raw
mkdir -p {CORE}
echo fd_dev_name=/var/tmp/array.raw,fd_dev_size=$((256 << 20)) > {CORE}/control
echo 5d4a2f60-11aa-4c7e-9f55-0123456789ab > {CORE}/wwn/vpd_unit_serial
echo 1 > {CORE}/enable
for group in 1 2; do
    mkdir {CORE}/alua/group$group
    echo $group > {CORE}/alua/group$group/tg_pt_gp_id
    # Only the array changes states, as with most arrays; the host is told.
    echo 1 > {CORE}/alua/group$group/alua_access_type
    port=/sys/kernel/config/target/loopback/naa.500140500000000$group/tpgt_1
    mkdir -p $port
    echo naa.500140500000001$group > $port/nexus
    mkdir $port/lun/lun_0
    ln -s {CORE} $port/lun/lun_0/array
    echo group$group > $port/lun/lun_0/alua_tg_pt_gp
done
# The disks came before their ports were in these groups.
for disk in $(grep -l LIO-ORG /sys/block/sd*/device/vendor); do
    echo 1 > $(dirname $disk)/delete
done
for host in $(grep -l -i -E 'tcm_loop|tcm loop' /sys/class/scsi_host/*/proc_name); do
    echo '- - -' > $(dirname $host)/scan
done
udevadm settle
"""


class Array(Mounted):
    """The array's LUN, and what becomes of its target port groups."""

    def __init__(self, host: Host, chance: random.Random, found: Counter[str]) -> None:
        super().__init__(host, found, {"name": "data", "no_path_retry": "queue"})
        self.chance = chance
        self.disks: dict[int, str] = {}

    def make(self) -> None:
        """Make the array, and find the LUN and the disk of each group."""
        self.host.run("modprobe", "-a", "scsi_dh_alua", "target_core_file", "tcm_loop")
        self.host.shell(MAKE)
        luns = self.host.applied("device_mapper_info")["luns"]
        (lun,) = [each for each in luns if each["wwid"].startswith(ARRAY)]
        self.stated["wwid"] = lun["wwid"]
        self.disks = {path["target_port_group"]: path["name"] for path in lun["paths"]}
        assert sorted(self.disks) == [*GROUPS], lun

    def shown(self, group: int) -> str:
        """Return the state of a group as the kernel knows it."""
        disk = self.disks[group]
        return self.host.run("cat", f"/sys/block/{disk}/device/access_state").strip()

    def become(self, group: int, state: str) -> None:
        """Let a group have a state; return once the kernel knows."""
        number = STATES.index(state)
        if state == "unavailable" and self.shown(group) not in USABLE:
            # The kernel sends no request then by which it would learn of the new state
            # (scsi_dh_alua.c alua_prep_fn).
            self.become(group, USABLE[-1])
        self.host.shell(f"echo {number} > {CORE}/alua/group{group}/alua_access_state")
        self.found[f"became {state}"] += 1

        disk = self.disks[group]
        # A request lets the kernel ask for the states again. A rescan passes where others are
        # turned down, but of what is unavailable the kernel would take the size for zero.
        request = f"echo 1 > /sys/block/{disk}/device/rescan"
        if state == "unavailable":
            request = f"dd if=/dev/{disk} of=/dev/null count=1 iflag=direct 2> /dev/null || true"

        def is_known() -> bool:
            self.host.shell(request)
            return self.shown(group) == state

        self.until(is_known, f"group {group} is {state}, the kernel shows {self.shown(group)}")

    def reinstated(self, groups: Iterable[int]) -> None:
        disks = [self.disks[group] for group in groups]
        self.host.applied("multipath_path", state="active", maps=["data"], paths=disks)

    def usable(self) -> list[int]:
        return [group for group in GROUPS if self.shown(group) in USABLE]

    def all_back(self) -> None:
        for group in GROUPS:
            self.become(group, STATES[0])
        self.reinstated(GROUPS)

    # What happens.

    def change(self) -> None:
        """A group has another state; the other one can be used."""
        group = self.chance.choice(GROUPS)
        (other,) = {*GROUPS} - {group}
        if other not in self.usable():
            self.become(other, self.chance.choice(USABLE))
        self.reinstated([other])
        self.become(group, self.chance.choice(STATES))

    def follow(self) -> None:
        """A task states a policy, and the map follows the states; the second run is quiet."""
        policy, selector = self.chance.choice(POLICIES), self.chance.choice(SELECTORS)
        self.reload(path_grouping_policy=policy, path_selector=selector)
        self.reinstated(self.usable())

    def none_left(self) -> None:
        """No group can be used for a while; I/O waits, and no task does."""
        for group in GROUPS:
            self.become(group, self.chance.choice(STATES[2:]))
        for _task in range(2):
            stated = {**self.stated, "path_selector": self.chance.choice(SELECTORS)}
            started = time.monotonic()
            # A group in standby may be one that the kernel can activate: the table is loaded.
            answer = self.host.module("multipath_map", **{**stated, "timeout": TIMEOUT})
            seconds = time.monotonic() - started
            assert seconds < TIMEOUT + SLACK, f"it took {seconds:.0f} s: {answer}"
            self.found[f"multipath_map {outcome(answer)} without groups"] += 1
        group = self.chance.choice(GROUPS)
        self.become(group, self.chance.choice(USABLE))
        self.reinstated([group])

    def happen(self) -> None:
        """Let something happen; I/O goes on."""
        event = self.chance.choice((self.change, self.change, self.follow, self.none_left))
        self.found[event.__name__] += 1
        try:
            event()
            self.await_io()
        except AssertionError as error:
            shown = [self.shown(group) for group in GROUPS]
            error.add_note(f"in {event.__name__}, after {self.found}; {self.states()}, {shown}")
            raise


def run(host: Host, seconds: int, seed: int, found: Counter[str]) -> None:
    """Let it happen until the time is over; the first violation ends it."""
    array = Array(host, random.Random(seed), found)
    array.make()
    end = time.monotonic() + seconds
    with array.mounted():
        while time.monotonic() < end:
            array.happen()
