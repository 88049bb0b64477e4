# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take everything off the lab host's LUNs again: mounts, swap, LVM, md, maps, failed paths."""

from __future__ import annotations

import glob
import pathlib
import subprocess


def run(*argv: str) -> str:
    """Run a command, whether it succeeds or not; return what it prints."""
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


for state in glob.glob("/sys/class/scsi_device/*/device/state"):
    if pathlib.Path(state).read_text(encoding="ascii") != "running\n":
        pathlib.Path(state).write_text("running\n", encoding="ascii")
run("systemctl", "start", "systemd-udevd.service")
names = run("dmsetup", "info", "--columns", "--noheadings", "-o", "name").split("\n")
for name in names:
    run("dmsetup", "message", name, "0", "fail_if_no_path")
    run("dmsetup", "resume", name)
    run("fuser", "--silent", "--kill", f"/dev/mapper/{name}")
run("umount", "--all-targets", "--recursive", "/mnt/test")
run("swapoff", "--all")
if "LVM-" in run("dmsetup", "info", "--columns", "--noheadings", "-o", "uuid"):
    run("vgchange", "--activate", "n")
if "active" in pathlib.Path("/proc/mdstat").read_text(encoding="ascii"):
    run("mdadm", "--stop", "--scan")
run("losetup", "--detach-all")
run("rm", "-rf", "/run/san.device_mapper/failed")
run("rm", "-f", "/etc/udev/rules.d/62-san-device-mapper-detached.rules")
for _layer in range(4):
    if "No devices found" not in run("dmsetup", "table"):
        run("dmsetup", "remove_all", "--retry")
run("udevadm", "settle")
for disk in glob.glob("/dev/disk/by-id/wwn-0x5525400????????[!-]"):
    with open(disk, "r+b", buffering=0) as file:
        # Partitions start at 1 MiB: what is on the first of them goes, too.
        if any(file.read(1 << 16)) or (file.seek(1 << 20) and any(file.read(1 << 16))):
            file.seek(0)
            file.write(bytes(2 << 20))
run("udevadm", "settle")
left = run("dmsetup", "table")
if "No devices found" not in left:
    raise SystemExit(f"still there: {left}")
