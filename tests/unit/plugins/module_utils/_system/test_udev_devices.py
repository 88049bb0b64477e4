# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

from ansible_collections.san.device_mapper.plugins.module_utils._system.udev_devices import (
    UdevDevices,
)


def test_what_fstab_leaves_to_the_initramfs(tmp_path: Path) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text(
        "# /dev/sda /no ext4 x-initrd.mount 0 0\n"
        "/dev/sda / ext4 defaults 0 1\n"
        "/dev/sdb /early ext4 noatime,x-initrd.mount 0 2\n"
        "/dev/sdc /late ext4 x-initrd.mounted\n"
        "/dev/sdd /short\n\n",
        "utf-8",
    )
    assert UdevDevices().initramfs_mounts(str(fstab)) == {"/early"}
    assert UdevDevices().initramfs_mounts(str(tmp_path / "none")) == set()
