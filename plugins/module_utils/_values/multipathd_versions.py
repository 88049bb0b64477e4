# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where versions of multipath-tools differ in what this collection needs: here, and nowhere else.

Tried with 0.8.5, 0.9.4, 0.11.1 and 0.15.1. A version is a tuple of numbers. Distributions port
changes back: what the daemon can be asked is asked, and is not concluded from its version.
"""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...plugin_utils._types import Multipathd

OLDEST = (0, 8, 4)
"""What RHEL 8 has. Older ones lack wildcards by which paths are asked for."""

POLICIES = {"group_by_tpg": (0, 9, 6)}
"""The path grouping policies that not all versions know, and those that do."""

SOCKETS = ("/run/multipathd.socket", "\0/org/kernel/linux/storage/multipathd")
"""The file since 0.12; before, and besides, the abstract name (libmpathcmd/mpath_cmd.c)."""

NOT_OF_A_MAP = {
    **dict.fromkeys(
        (
            *("uid_attribute", "path_checker", "checker", "alias_prefix", "detect_prio"),
            *("fast_io_fail_tmo", "dev_loss_tmo", "eh_deadline", "retain_attached_hw_handler"),
            *("detect_checker", "detect_pgpolicy", "detect_pgpolicy_use_tpg", "all_tg_pt"),
            *("recheck_wwid", "vpd_vendor", "vendor", "product", "revision"),
            *("product_blacklist", "hardware_handler"),
        ),
        "devices",
    ),
    **dict.fromkeys(
        (
            *("verbosity", "polling_interval", "max_polling_interval", "reassign_maps"),
            *("uid_attrs", "max_fds", "queue_without_daemon", "checker_timeout", "force_sync"),
            *("log_checker_err", "strict_timing", "partition_delimiter", "find_multipaths"),
            *("find_multipaths_timeout", "uxsock_timeout", "retrigger_tries", "auto_resize"),
            *("retrigger_delay", "missing_uev_wait_timeout", "remove_retries", "max_retries"),
            *("enable_foreign", "marginal_pathgroups", "allow_usb_devices", "config_dir"),
            *("multipath_dir", "bindings_file", "wwids_file", "prkeys_file"),
            *("disable_changed_wwids", "force_reconfigure"),
        ),
        "defaults",
    ),
}
"""Keywords that no version knows in a `multipath` section, and a section for them.

What one version knows and another does not is its own parser's to say.
"""

SET_BY_MULTIPATH = frozenset(("force_sync", "retrigger_tries", "verbosity"))
"""Keywords of the defaults section of which `multipath -t` shows multipath's own value, not
that of the files (multipath/main.c). The daemon uses that of the files."""

_REVISION = (0, 9, 9)
_RENAMED_AND_RELOADED = (0, 9, 5)
_DETECTED_POLICY = (0, 9, 6)


def parse_version(usage: str) -> tuple[int, ...]:
    """Return the version from the daemon's answer to a question that it does not know."""
    match = re.search(r"multipath-tools v([0-9.]+)", usage)
    return tuple(int(each) for each in match.group(1).split(".") if each) if match else ()


def version_text(version: Sequence[int]) -> str:
    """Return the version as multipath-tools write it."""
    return ".".join(map(str, version))


def detects_policy(version: tuple[int, ...]) -> bool:
    """Return whether the daemon groups paths by ALUA whatever the policy, but `detect_pgpolicy`.

    It does since 0.9.6 (NEWS.md; libmultipath/propsel.c select_pgpolicy).
    """
    return version >= _DETECTED_POLICY


def reloads_all(usage: str) -> bool:
    """Return whether `reconfigure` reloads each map of the host, by the daemon's list of commands.

    Since 0.8.8 that is what `reconfigure all` is for, and `reconfigure` reloads what has changed
    (NEWS.md). Patches of distributions know neither version nor NEWS.
    """
    return re.search(r"\breconfigure all\b", usage) is None


def renames_and_reloads(version: tuple[int, ...], all_maps: bool) -> bool:
    """Return whether one reading of its files gives a map another name and another table as well.

    A daemon that reloads all maps does (libmultipath/configure.c ACT_FORCERENAME). Others renamed
    it only, before 0.9.5 (NEWS.md; libmultipath/configure.c select_action).
    """
    return all_maps or version >= _RENAMED_AND_RELOADED


def is_idle(daemon: str, status: str) -> bool:
    """Return whether the daemon is done, by its answers to `show daemon` and `show status`.

    `running`, while it checks paths, does not say so (multipathd/main.c): before 0.8.8 it can
    precede `configure` though the daemon is about to read its files (set_config_state), from 0.8.8
    on a `reconfigure` waits then for the check to end (schedule_reconfigure), which only 0.10.0 and
    later add in words. Between two checks it is idle for a second, or what is left of one.
    """
    return daemon.split()[-1:] == ["idle"] and "busy: False" in status


PATHS = "%d|%D|%w|%T|%m|%s|%P|%p|%M"
"""The wildcards of `show paths format` that all versions know."""


def parse_storage(text: str, version: tuple[int, ...]) -> tuple[str, ...]:
    """Return the vendor and the product of a path from what the wildcard `%s` stands for.

    The product's revision follows them since 0.9.9 (NEWS.md).
    """
    vendor, comma, rest = text.partition(",")
    if version >= _REVISION:
        rest = rest.rpartition(",")[0]
    return (vendor, rest) if comma else (vendor,)


_PLACES = {"wwids_file": "/etc/multipath/wwids", "config_dir": "/etc/multipath/conf.d"}
"""What old versions let multipath.conf change, and later ones do not."""


def obstacles(daemon: Multipathd, *, writes: bool) -> Iterator[tuple[str, str]]:
    """Yield what keeps a task from changing anything here, and the way out of it.

    `writes` says that the daemon's files are to be changed.
    """
    if daemon.runs and daemon.version < OLDEST:
        oldest = version_text(OLDEST)
        known = version_text(daemon.version)
        found = f"multipathd is {known}, older than {oldest}"
        yield (
            found if known else "multipathd does not report its version",
            f"Upgrade multipath-tools to {oldest} or later",
        )
    if daemon.complaints:
        found = f"multipathd's parser reports errors: {'; '.join(daemon.complaints)}"
        yield found, "Correct the file first"
    for keyword, place in _PLACES.items():
        for section in daemon.known.saying(keyword):
            if section.value(keyword) != place:
                yield (
                    f"multipathd has {keyword} {section.value(keyword)}, not {place}",
                    f"Take {keyword} out of multipath.conf, which later versions ignore, and"
                    " move the files",
                )
    if writes and daemon.read_only:
        found = f"{daemon.read_only} is not writable, and multipathd has its files there"
        yield found, "Make it writable"
