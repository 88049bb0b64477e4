# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disks below the maps: the only file that writes to sysfs."""

from __future__ import annotations

import errno
import os
import re
import time
import typing as t

from .._values.disk import (
    BlockDevice,
    Transport,
    announce_request,
    delete_request,
    rescan_request,
    scan_request,
)
from .._values.errors import KernelError
from . import scsi_generic
from .attribute import line, listed, place
from .block_devices import (
    BLOCK,
    is_read_only,
    number_in,
    number_of,
    partition_names,
    size_in_sectors,
)
from .libudev import LibUdev
from .scsi import (
    hardware_handler,
    identification,
    page_wwids,
    serial,
    target_node_name,
    target_port_group,
    transport,
)
from .selinux import refusal

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent import futures

    from ...plugin_utils._types import DeviceNumber

DISKS = "/sys/block"
"""Whole disks, without their partitions (Documentation/ABI/stable/sysfs-block)."""
_ADDRESS = re.compile(r"[0-9]+:[0-9]+:[0-9]+:[0-9]+", re.ASCII)
_VIRTUAL = ("dm-", "loop", "md", "ram", "zram", "sr", "fd", "nbd", "drbd")
Found = t.TypeVar("Found")

_LOCAL = re.compile(r"(?:ata|usb|fw)[0-9]+", re.ASCII)
_AT_ONCE = 8
"""Disks that are asked something at the same time."""
_ASKING = 60.0
"""Seconds after which no more disks are asked; a command may take half of it until it fails."""
_LOOK_AGAIN = 1.0  # Seconds; what udev has no event for is looked for as often.


class Disks(LibUdev):
    """The SCSI and NVMe layers of the running kernel, and what udev knows of them."""

    def disks(self, timeout: float) -> tuple[BlockDevice, ...]:
        """Return the disks that could be paths of a map, in the order of their names."""
        found = list(self._disks())
        if not all(known for _disk, known in found):
            self.settle(timeout)
            found = list(self._disks())
        return tuple(disk for disk, _known in found)

    def _disks(self) -> Iterator[tuple[BlockDevice, bool]]:
        """Yield the disks, and whether udev's rules have run for each."""
        for name in sorted(os.listdir(DISKS)):
            if name.startswith(_VIRTUAL):
                continue
            directory = place(f"{DISKS}/{name}")
            # What the kernel has made of NVMe paths is no path.
            is_path = bool(directory) and "/nvme-subsystem/" not in directory
            device = place(f"{directory}/device") if is_path else ""
            number = number_in(directory) if device else None
            if number is not None:
                known, (wwid,), links = self.read(number, (_wwid_property(name),))
                yield _block_device(directory, number, device, wwid, links), known

    def reported_sectors(self, disks: Iterable[BlockDevice]) -> dict[DeviceNumber, int]:
        """Return the sizes that SCSI disks state themselves, in sectors of 512 bytes.

        The kernel's own size is that of the disk's last scan. READ CAPACITY changes nothing; a
        rescan, the other way to learn the size, may change it. Only disks that are running are
        asked: what is offline, blocked, or in error recovery, would let the question wait. A disk
        that does not answer is left out.
        """
        return answers(scsi_generic.reported_sectors, disks)

    def reported_wwids(self, disks: Iterable[BlockDevice]) -> dict[DeviceNumber, tuple[str, ...]]:
        """Return the WWIDs by the page 0x83 that SCSI disks state now; it is asked as their size.

        The kernel's own page is that of the disk's last scan.
        """
        return answers(scsi_generic.reported_wwids, disks)

    def transports(self, disks: Iterable[BlockDevice]) -> dict[DeviceNumber, Transport]:
        """Return what the transports of `disks` call their ports."""
        return {each.device: transport(_device(each.name)) for each in disks}

    def controllers(self) -> tuple[str, ...]:
        """Return the SCSI hosts (host0) and NVMe controllers (nvme0) in their numbers' order."""
        found = [*listed("/sys/class/scsi_host"), *listed("/sys/class/nvme")]
        return tuple(sorted(found, key=lambda name: (name.rstrip("0123456789"), len(name), name)))

    def san_controllers(self) -> tuple[str, ...]:
        """Return those of the controllers that may lead to a SAN: not ATA, USB or FireWire.

        A scan of all targets resets the links of an ATA port (libata-scsi.c ata_scsi_user_scan).
        The hosts of an ATA port lie below it in sysfs (libata-scsi.c ata_scsi_add_hosts), those of
        a USB or FireWire device below their bus.
        """
        return tuple(
            each
            for each in self.controllers()
            if not any(map(_LOCAL.fullmatch, place(f"/sys/class/scsi_host/{each}").split("/")))
        )

    def has_native_nvme_multipath(self) -> bool:
        """Return whether the kernel joins the paths of NVMe namespaces itself."""
        return line("/sys/module/nvme_core/parameters/multipath") == "Y"

    def scan(self, controller: str) -> None:
        """Let a SCSI host or NVMe controller look for disks that the kernel does not know yet."""
        _write("scan", controller, *scan_request(controller))

    def rescan(self, disk: str) -> None:
        """Let the kernel ask a disk for its size again."""
        _write("rescan", disk, *rescan_request(disk))

    def delete(self, path: BlockDevice) -> None:
        """Make the kernel forget a SCSI disk; one that has gone is no error.

        Its name, and its address, may be another LUN's by now, after a scan: that one is left.

        Nothing has to be flushed first: the last close of a disk writes its buffers
        (block/bdev.c), and the kernel sends SYNCHRONIZE CACHE itself (sd.c sd_shutdown).
        """
        if not _is_still(path):
            return
        try:
            _write("delete", path.name, *delete_request(path.name))
        except KernelError as refused:
            # Another tool deletes it at the same moment (scsi_sysfs.c sdev_store_delete).
            if refused.errno not in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
                raise

    def announce(self, disk: str) -> None:
        """Let udev look again at a disk and its partitions; one that has gone is no error."""
        for name in (disk, *partition_names(disk)):
            try:
                _write("announce", name, *announce_request(name))
            except KernelError as refused:
                if refused.errno not in (errno.ENOENT, errno.ENODEV):
                    raise

    def disks_once(
        self, enough: Callable[[Sequence[BlockDevice]], bool], timeout: float
    ) -> tuple[BlockDevice, ...]:
        """Return the disks that udev knows, once they are `enough`, or after `timeout` seconds."""

        def known() -> tuple[BlockDevice, ...]:
            found = self.disks(0)
            return tuple(each for each in found if not self.udev_runs() or self.knows(each.device))

        return _once(enough, known, timeout, self)

    def left_of(self, disks: Sequence[BlockDevice], timeout: float) -> tuple[BlockDevice, ...]:
        """Return those of `disks` that kernel or udev still have after `timeout` seconds at most.

        None as soon as all are gone.
        """

        def left() -> tuple[BlockDevice, ...]:
            return tuple(
                each
                for each in disks
                if _is_still(each) or (self.udev_runs() and _has_dead_link(each))
            )

        return _once(lambda found: not found, left, timeout, self)


def answers(
    question: Callable[[BlockDevice], Found | None], disks: Iterable[BlockDevice]
) -> dict[DeviceNumber, Found]:
    """Return what running disks answer, few at a time, within a bounded time; nothing is none."""
    asked = [each for each in disks if each.state == "running" and not _is_recovering(each.address)]
    if not asked:
        return {}
    from concurrent import futures  # noqa: PLC0415 (few tasks ask a disk, and it takes its time)

    # A path that has just died answers late; all of one fabric may do so.
    pool = futures.ThreadPoolExecutor(max_workers=_AT_ONCE)
    try:
        waiting = {each.device: pool.submit(question, each) for each in asked}
        futures.wait(waiting.values(), timeout=_ASKING)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    found = {number: each.result() for number, each in waiting.items() if _has_answered(each)}
    return {number: answer for number, answer in found.items() if answer}


def _has_answered(each: futures.Future[Found]) -> bool:
    return each.done() and not each.cancelled()


def _once(
    enough: Callable[[Found], bool], look: Callable[[], Found], timeout: float, udev: LibUdev
) -> Found:
    """Return what `look` finds once it is `enough`, or after `timeout` seconds."""
    end = time.monotonic() + timeout
    with udev.block_events() as wait:
        while True:
            found = look()
            left = end - time.monotonic()
            if enough(found) or left <= 0:
                return found
            wait(min(left, _LOOK_AGAIN))


def _write(request: str, name: str, text: str, path: str) -> None:
    try:
        # Without O_CREAT: of an attribute that has gone, it would say that it may not be made.
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode("ascii"))
        finally:
            os.close(descriptor)
    except OSError as refused:
        number = refused.errno or 0
        raise KernelError(request, name, number, f"{path}: {refusal(path, refused)}") from refused


def _has_dead_link(disk: BlockDevice) -> bool:
    """Return whether a link is left that udev's rules would have taken away."""
    return any(os.path.islink(link) and not os.path.exists(link) for link in disk.links)


def _is_still(disk: BlockDevice) -> bool:
    """Return whether a SCSI disk's name is still that of the same unit at the same address.

    A unit without a serial number, or one that is just going, is told by its address alone.
    """
    directory = _device(disk.name)
    same_place = bool(disk.address) and _address(directory) == disk.address
    same_unit = serial(directory) in ("", disk.serial)
    return same_place and same_unit and number_of(disk.name) in (None, disk.device)


def _is_recovering(address: str) -> bool:
    """Return whether the SCSI host of an address does error recovery: commands wait then."""
    host = address.partition(":")[0]
    return line(f"/sys/class/scsi_host/host{host}/state") != "running"


def _device(name: str) -> str:
    """Return the directory of the device that has the disk `name`; empty if it has gone."""
    return place(f"{place(f'{BLOCK}/{name}')}/device")


def _address(device: str) -> str:
    """Return host:channel:target:lun of a SCSI device by its directory; empty for another."""
    address = os.path.basename(device)
    return address if _ADDRESS.fullmatch(address) else ""


def _block_device(
    directory: str, number: DeviceNumber, device: str, wwid: str, links: tuple[str, ...]
) -> BlockDevice:
    """Return the disk at `directory`, whose device is at `device`; `wwid`, `links` are udev's."""
    page = identification(device)
    access_state = line(f"{device}/access_state")
    return BlockDevice(
        name=os.path.basename(directory),
        device=number,
        sectors=size_in_sectors(directory),
        wwid=wwid or _wwid(device),
        read_only=is_read_only(directory),
        address=_address(device),
        state=line(f"{device}/state"),
        access_state=access_state,
        # The kernel shows both, or none of them (scsi_sysfs.c scsi_sdev_attr_is_visible).
        preferred=bool(access_state) and line(f"{device}/preferred_path") == "1",
        links=links,
        hardware_handler=hardware_handler(device),
        serial=serial(device),
        target_node_name=target_node_name(device),
        target_port_group=target_port_group(page),
        page_wwids=page_wwids(page, device),
    )


def _wwid_property(name: str) -> str:
    """Return the property of udev's that multipath takes as WWID (its default uid_attrs)."""
    return {"dasd": "ID_UID", "nvme": "ID_WWN"}.get(name.rstrip("0123456789np")[:4], "ID_SERIAL")


def _wwid(device: str) -> str:
    """Return the WWID by sysfs, for a disk of which udev knows none; empty if it has none there.

    An NAA or EUI name is the same WWID in other letters (a digit for the type of the designator,
    then its hexadecimal digits).
    """
    kind, _dot, digits = line(f"{device}/wwid").partition(".")
    return {"naa": "3", "eui": "2"}[kind] + digits if kind in ("naa", "eui") else ""
