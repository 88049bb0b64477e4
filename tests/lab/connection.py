# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files by which ssh and Ansible reach a lab host."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

from .storage import wwid

SSH_CONFIG = """\
Host lab 127.0.0.1
  HostName 127.0.0.1
  Port {port}
Host *
  User admin
  IdentityFile "{directory}/id_ed25519"
  IdentitiesOnly yes
  BatchMode yes
  UserKnownHostsFile "{directory}/known_hosts"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  # A new connection costs a second under software emulation: share one per user.
  ControlMaster auto
  ControlPath "{directory}/ssh-%r"
  ControlPersist 600
  ConnectTimeout 5
  LogLevel ERROR
"""

INVENTORY = """\
{group}:
  hosts:
    lab:
      ansible_host: 127.0.0.1
      ansible_port: {port}
      ansible_user: admin
      # Instead of Ansible's own arguments: ssh_config has a shared connection already.
      ansible_ssh_args: -F "{directory}/ssh_config"
      ansible_pipelining: true
      # With a terminal the output of a raw command may begin with an empty line: Ansible takes the
      # word that sudo has succeeded away, not its line end, if that comes a moment later.
      ansible_ssh_use_tty: false
      ansible_python_interpreter: /usr/bin/python3
  vars:
    # What the collection's playbooks are about.
    san_luns:
"""
LUN = """\
      - name: {name}
        wwid: "{wwid}"
"""
NAMES = ("data", "log")
"""Of the first LUNs; the others are named by their number."""
ANOTHER_GROUP = """\
{group}:
  hosts:
    lab:
"""


def write(directory: Path, image: Path, port: int, groups: t.Sequence[str], luns: int) -> None:
    """Write ssh_config, known_hosts, the private key and inventory.yml.

    The inventory has the host in `groups`, and `luns` LUNs, which are numbered from 0.
    """
    shutil.copy(image / "id_ed25519", directory / "id_ed25519")
    key_type, key = (image / "ssh_host_ed25519_key.pub").read_text().split()[:2]
    names = (*NAMES, *(f"lun{lun}" for lun in range(len(NAMES), luns)))[:luns]
    texts = {
        "known_hosts": f"[127.0.0.1]:{port} {key_type} {key}\n",
        "ssh_config": SSH_CONFIG.format(directory=directory, port=port),
        "inventory.yml": "".join(
            [
                INVENTORY.format(directory=directory, port=port, group=groups[0]),
                *(LUN.format(name=name, wwid=wwid(lun)) for lun, name in enumerate(names)),
                *(ANOTHER_GROUP.format(group=group) for group in groups[1:]),
            ]
        ),
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
