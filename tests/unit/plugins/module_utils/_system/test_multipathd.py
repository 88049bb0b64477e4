# Copyright (c) 2026 the san.device_mapper contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The socket's protocol and the daemon's files, with answers that a real 0.9.4 has given."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.san.device_mapper.plugins.module_utils._system import files, multipathd
from ansible_collections.san.device_mapper.plugins.module_utils._system.multipathd import (
    MultipathDaemon,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.device import DeviceNumber
from ansible_collections.san.device_mapper.plugins.module_utils._values.errors import (
    MultipathdError,
    Refused,
)
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipath_conf import MARK
from ansible_collections.san.device_mapper.plugins.module_utils._values.multipathd import (
    DaemonMap,
    DaemonPath,
)

ANSWERS = {
    "help": "help: not found\nmultipath-tools v0.9.4 (12/19, 2022)\nCLI commands reference:\n",
    "show daemon": "pid 566 idle\n",
    "show status": "path checker states:\nup                  8\n\npaths: 8\nbusy: False\n",
    'show maps raw format "%n|%w|%F"': "data|35525400000000001|immediate\n",
    'show paths raw format "%d|%D|%w|%T|%m|%s|%P|%p|%M"': (
        "sda|8:0|35525400000000001|ready|data|QEMU,QEMU HARDDISK|scsi:unspec|50|marginal\n"
        "sdb|8:16|35525400000000002|undef|[orphan]|QEMU,QEMU HARDDISK|scsi:unspec|-1|normal\n"
        "sdc|0:0|x\n"
    ),
    "show config": (
        "defaults {\n\tverbosity 2\n}\nmultipaths {\n\tmultipath {\n"
        '\t\twwid "35525400000000001"\n\t\talias "data"\n\t}\n}\n'
    ),
    "del map data": "fail\n",
    "reconfigure": "ok\n",
    "add map 1": "blacklisted\n",
}


class FakeDaemon:
    """Answers on a socket of the same protocol, for as long as it is not told to be silent."""

    def __init__(self, path: str) -> None:
        self.answers = dict(ANSWERS)
        self.asked: list[str] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Stop to listen."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._listening.accept()
                with connection:
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        (length,) = struct.unpack("@N", connection.recv(struct.calcsize("@N")))
        request = connection.recv(length).rstrip(b"\0").decode()
        self.asked.append(request)
        reply = self.answers.get(request, "")
        if reply:
            data = reply.encode() + b"\0"
            connection.sendall(struct.pack("@N", len(data)))
            for start in range(0, len(data), 7):
                connection.sendall(data[start : start + 7])


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeDaemon]:
    """Return a daemon whose files lie in a folder of the test's own."""
    directory = tmp_path / "conf.d"
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    monkeypatch.setattr(multipathd, "_is_running", lambda: True)
    monkeypatch.setattr(multipathd, "SOCKETS", ("/nowhere", str(tmp_path / "socket")))
    monkeypatch.setattr(multipathd, "DIRECTORY", str(directory))
    monkeypatch.setattr(multipathd, "_CONFIGURATION", str(tmp_path / "multipath.conf"))
    monkeypatch.setattr(multipathd, "_WWIDS", str(tmp_path / "wwids"))
    monkeypatch.setattr(multipathd, "_BINDINGS", str(tmp_path / "bindings"))
    monkeypatch.setattr(multipathd, "_TRY_AGAIN", 0.3)
    monkeypatch.setattr(multipathd, "_PATIENCE", 1.0)
    (tmp_path / "multipath").write_text(
        '#!/bin/sh\necho "$0 $*" >> ${0%/*}/ran\ncat ${0%/*}/says >&2\n'
    )
    (tmp_path / "multipath").chmod(0o755)
    (tmp_path / "says").touch()
    monkeypatch.setattr(multipathd, "_PATH", f"{tmp_path}:/usr/bin:/bin")
    there = FakeDaemon(str(tmp_path / "socket"))
    yield there
    there.close()


def test_the_view_of_a_daemon(daemon: FakeDaemon) -> None:
    view = MultipathDaemon().multipathd_view(5)
    assert view.fails_back_at_once("35525400000000001")
    assert not view.fails_back_at_once("35525400000000002")
    assert (view.installed, view.runs, view.version) == (True, True, (0, 9, 4))
    assert view.maps == (DaemonMap("data", "35525400000000001", "immediate"),)
    storage, protocol = ("QEMU", "QEMU HARDDISK"), "scsi:unspec"
    first, second = DeviceNumber(8, 0), DeviceNumber(8, 16)
    lun, other = "35525400000000001", "35525400000000002"
    assert view.paths == (
        DaemonPath("sda", first, lun, "ready", "data", storage, protocol, 50, marginal=True),
        DaemonPath("sdb", second, other, "undef", "[orphan]", storage, protocol),
    )


def test_storage_is_told_with_its_revision_since_0_9_9(daemon: FakeDaemon) -> None:
    daemon.answers["help"] = "help: not found\nmultipath-tools v0.11.1 (01/29, 2025)\n"
    request = 'show paths raw format "%d|%D|%w|%T|%m|%s|%P|%p|%M"'
    daemon.answers[request] = (
        "sda|8:0|3600|ready|data|QEMU,QEMU HARDDISK,2.5+|scsi:unspec|1|normal\n"
    )
    (path,) = MultipathDaemon().multipathd_view(5).paths
    assert path.storage == ("QEMU", "QEMU HARDDISK")


def test_a_daemon_without_maps_says_ok(daemon: FakeDaemon) -> None:
    daemon.answers['show maps raw format "%n|%w|%F"'] = "ok\n"
    assert MultipathDaemon().multipathd_view(5).maps == ()


def test_what_a_task_needs_of_a_daemon_and_its_files(daemon: FakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "b.conf").write_text(f"{MARK}\nmultipaths {{\n}}\n")
    (tmp_path / "conf.d" / "a.conf").write_text("devices {\n}\n")
    (tmp_path / "conf.d" / "c.txt").write_text("defaults {\n}\n")
    (tmp_path / "multipath.conf").write_text("overrides {\n}\n")
    (tmp_path / "wwids").write_text("# Valid WWIDs:\n/3600/\n#3601/\n")
    (tmp_path / "says").write_text(
        "148.150686 | /etc/multipath.conf line 3, invalid keyword: foo\n"
        '148.2 | /etc/multipath.conf line 4: ignoring deprecated option "config_dir"\n'
        "148.3 | sda: something else\n"
    )
    found = MultipathDaemon().multipathd(5, frozenset({DeviceNumber(8, 0)}), checked=False)
    assert [each.names for each in found.files.sections] == [
        ("overrides",),
        ("devices",),
        ("multipaths",),
    ]
    assert list(found.drop_ins) == [str(tmp_path / "conf.d" / "b.conf")]
    assert found.wwids == {"3600"}
    assert found.complaints == ("/etc/multipath.conf line 3, invalid keyword: foo",)
    assert found.known.sections[-1].value("alias") == "data"
    assert found.read_only == ""


def test_files_of_the_daemon_end_in_conf(daemon: FakeDaemon, tmp_path: Path) -> None:
    """As libmultipath/config.c process_config_dir has it since 0.8.4."""
    (tmp_path / "conf.d").mkdir()
    for name in ("a.conf", ".hidden.conf", ".conf", "a.conf.rpmsave", "a.conf~", "aconf", "b.d"):
        (tmp_path / "conf.d" / name).write_text(f"{MARK}\n")
    found = MultipathDaemon().multipathd(5, frozenset(), checked=False)
    assert [os.path.basename(path) for path in found.drop_ins] == [
        ".conf", ".hidden.conf", "a.conf",
    ]  # fmt: skip


def test_a_file_that_cannot_be_read_is_a_complaint(daemon: FakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "multipath.conf").mkdir()
    (complaint,) = MultipathDaemon().multipathd(5, frozenset(), checked=False).complaints
    assert complaint == f"{tmp_path}/multipath.conf: Is a directory"


def test_no_process_is_started_for_a_daemon_that_is_not_needed(
    daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "multipath.conf").mkdir()
    monkeypatch.setattr(multipathd, "_is_running", lambda: False)
    assert MultipathDaemon().multipathd(5, frozenset(), checked=False).complaints == ()
    assert MultipathDaemon().multipathd(5, frozenset(), checked=True).complaints != ()


def test_a_path_that_is_unknown_is_waited_for(daemon: FakeDaemon) -> None:
    MultipathDaemon().multipathd(5, frozenset({DeviceNumber(8, 99)}), checked=False)
    assert daemon.asked.count("show daemon") > 1


@pytest.mark.parametrize("silent", ["show daemon", "help", "show config"])
def test_a_daemon_that_hangs_is_not_waited_for_long(daemon: FakeDaemon, silent: str) -> None:
    daemon.answers[silent] = ""
    with pytest.raises(Refused, match=f"does not answer `{silent}` within 2 seconds"):
        MultipathDaemon().multipathd(2, frozenset(), checked=False)


def test_a_daemon_that_is_always_busy(daemon: FakeDaemon) -> None:
    daemon.answers["show daemon"] = "pid 1 configure\n"
    with pytest.raises(Refused, match="busy all the time"):
        MultipathDaemon().multipathd(2, frozenset(), checked=False)


def test_a_lock_that_somebody_holds_is_no_answer(daemon: FakeDaemon) -> None:
    daemon.answers["help"] = "timeout\n"
    threading.Timer(0.3, lambda: daemon.answers.update(ANSWERS)).start()
    assert MultipathDaemon().multipathd_view(5).version == (0, 9, 4)


def test_a_daemon_that_does_not_listen_yet_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, daemon: FakeDaemon, tmp_path: Path
) -> None:
    addresses = ("/nowhere", str(tmp_path / "socket"))
    monkeypatch.setattr(multipathd, "SOCKETS", (str(tmp_path / "later"),))
    started = threading.Timer(0.3, monkeypatch.setattr, (multipathd, "SOCKETS", addresses))
    started.start()
    assert MultipathDaemon().multipathd_view(5).version == (0, 9, 4)
    started.join()


def test_a_daemon_that_ends_before_it_listens_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, daemon: FakeDaemon, tmp_path: Path
) -> None:
    monkeypatch.setattr(multipathd, "SOCKETS", (str(tmp_path / "later"),))
    ran = iter([True])
    monkeypatch.setattr(multipathd, "_is_running", lambda: next(ran, False))
    with pytest.raises(Refused, match="No such file"):
        MultipathDaemon().multipathd_view(600)


def test_requests_are_repeated_unless_that_is_in_vain(daemon: FakeDaemon) -> None:
    changes = MultipathDaemon()
    changes.tell_multipathd("reconfigure", 5)
    with pytest.raises(MultipathdError, match="blacklisted"):
        changes.tell_multipathd("add map 1", 5)
    assert daemon.asked == ["reconfigure", "add map 1"]
    with pytest.raises(MultipathdError, match="it answers 'fail'"):
        changes.tell_multipathd("del map data", 5)
    assert daemon.asked.count("del map data") > 1


@pytest.mark.parametrize("held", ["timeout\n", "fail\ntimeout\n", "fail\n"])
@pytest.mark.parametrize("request_", [each for each in ANSWERS if each.startswith("show")])
def test_a_lock_that_is_held_is_not_an_empty_answer(
    daemon: FakeDaemon, held: str, request_: str
) -> None:
    """Since 0.9.8 the daemon says "fail" before "timeout"."""
    daemon.answers[request_] = held
    with pytest.raises(Refused, match=r"does not answer|answers"):
        MultipathDaemon().multipathd(0.3, frozenset(), checked=False)

    def let_go() -> None:
        daemon.answers[request_] = ANSWERS[request_]

    if "timeout" in held:
        threading.Timer(0.2, let_go).start()
        assert MultipathDaemon().multipathd(30, frozenset(), checked=False).maps


def test_an_answer_is_waited_for_as_long_as_the_task_may_wait(daemon: FakeDaemon) -> None:
    """Udev may be busy for longer than a request is repeated; so may a first reading of files."""
    daemon.answers["reconfigure"] = "fail\n"

    def let_go() -> None:
        daemon.answers["reconfigure"] = "ok\n"

    threading.Timer(0.6, let_go).start()
    MultipathDaemon().tell_multipathd("reconfigure", 30)


def test_a_drop_in_is_written_whole(daemon: FakeDaemon, tmp_path: Path) -> None:
    path = tmp_path / "conf.d" / "x.conf"
    changes = MultipathDaemon()
    changes.write_drop_in(str(path), "multipaths {\n}\n")
    assert path.read_text() == "multipaths {\n}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(path.parent) == ["x.conf"]
    (tmp_path / "says").write_text(f"1.5 | {path} line 2, invalid keyword: x\n")
    with pytest.raises(MultipathdError, match="line 2, invalid keyword: x"):
        changes.write_drop_in(str(path), "x\n")
    assert path.read_text() == "multipaths {\n}\n"
    path.unlink()
    with pytest.raises(MultipathdError, match="line 2"):
        changes.write_drop_in(str(path), "x\n")
    assert not path.exists()
    changes.remove_drop_in(str(path))


def test_wwids_are_changed_by_the_daemons_own_command(daemon: FakeDaemon, tmp_path: Path) -> None:
    changes = MultipathDaemon()
    changes.add_wwid("3600")
    changes.remove_wwid("3601")
    command = tmp_path / "multipath"
    assert (tmp_path / "ran").read_text() == f"{command} -a 3600\n{command} -w 3601\n"
    command.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    with pytest.raises(MultipathdError, match="multipath did not multipath -a 3600 : no"):
        changes.add_wwid("3600")
    command.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(MultipathdError, match="exit status 1 without a message"):
        changes.add_wwid("3600")
    command.unlink()
    with pytest.raises(MultipathdError, match="No such file"):
        changes.add_wwid("3600")


def test_reading_asks_and_tells_nothing(daemon: FakeDaemon, tmp_path: Path) -> None:
    MultipathDaemon().multipathd(5, frozenset({DeviceNumber(8, 99)}), checked=False)
    MultipathDaemon().multipathd_view(5)
    assert {each.split(maxsplit=1)[0] for each in daemon.asked} == {"help", "show"}
    assert {*(tmp_path / "ran").read_text().split()} == {str(tmp_path / "multipath"), "-t"}


@pytest.mark.parametrize("busy", ["show daemon", "show status"])
def test_a_wait_is_for_an_idle_daemon(daemon: FakeDaemon, busy: str) -> None:
    daemon.answers[busy] = {"show daemon": "pid 1 configure\n", "show status": "busy: True\n"}[busy]
    changes = MultipathDaemon()
    assert not changes.multipathd_once(lambda _known, _paths: True, 0.3)
    daemon.answers.update(ANSWERS)
    assert changes.multipathd_once(lambda _known, _paths: True, 5)


def test_whether_the_daemon_runs_and_is_there_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running = tmp_path / "pid"
    monkeypatch.setattr(multipathd, "_PID_FILE", str(running))
    for text in ("", "x\n", "4194305\n", f"{os.getpid()}\n"):
        running.write_text(text)
        assert not MultipathDaemon().multipathd_runs()
    monkeypatch.setattr(multipathd, "_PATH", str(tmp_path))
    monkeypatch.setattr(multipathd, "DIRECTORY", str(tmp_path))
    assert not MultipathDaemon().multipathd_view(5).installed
    there = tmp_path / "multipath"
    there.touch(mode=0o755)
    assert MultipathDaemon().multipathd_view(5).installed


def test_a_wait_ends_when_it_is_enough_or_late(daemon: FakeDaemon) -> None:
    changes = MultipathDaemon()
    assert changes.multipathd_once(lambda known, _paths: bool(known.aliased("data")), 5)
    assert not changes.multipathd_once(lambda _known, _paths: False, 0.3)


def test_what_the_daemon_has_against_disks_and_has_logged(
    daemon: FakeDaemon, tmp_path: Path
) -> None:
    (tmp_path / "says").write_text(
        "148.1 | sdc: udev property ID_WWN whitelisted\n"
        "148.2 | sdc: (QEMU:QEMU HARDDISK) vendor/product blacklisted\n"
    )
    journal = tmp_path / "journalctl"
    journal.write_text('#!/bin/sh\necho "$*" >> ${0%/*}/ran\necho "data: failed to load map"\n')
    journal.chmod(0o755)
    changes = MultipathDaemon()
    changes.tell_multipathd("reconfigure", 5)
    disks = frozenset({DeviceNumber(8, 0), DeviceNumber(8, 99)})
    assert changes.multipathd_now(disks).left_out == {DeviceNumber(8, 99): ""}
    (tmp_path / "wwids").touch()
    found = changes.multipathd_now(disks)
    assert found.left_out == {
        DeviceNumber(8, 99): "sdc: (QEMU:QEMU HARDDISK) vendor/product blacklisted"
    }
    assert found.log == ("data: failed to load map",)
    assert found.known.aliased("data")
    asked = (tmp_path / "ran").read_text()
    assert "multipath -v4 -c /dev/" in asked
    (since,) = re.findall(r"--since=@([0-9.]+) --lines=50", asked)[-1:]
    assert 0 <= time.time() - float(since) < 60
    journal.unlink()
    assert changes.multipathd_now(frozenset()).log == ()


def test_files_are_parsed_before_they_are_there(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By multipath-tools themselves; where the kernel gives them no view of their own, not."""
    seen: dict[str, str] = {}
    done = subprocess.CompletedProcess(
        (),
        0,
        "defaults {\n\tverbosity 2\n}\n",
        "1.2 | /etc/a.conf line 3, invalid keyword: x\nnoise\n"
        "Nov 30 | multipath.conf +23, parsing failed: y\n",
    )

    def ran(*argv: str, **_how: object) -> subprocess.CompletedProcess[str]:
        layer = Path(argv[5])
        seen.update({str(each): each.read_text() for each in layer.rglob("*.conf")})
        assert argv[:3] == ("unshare", "--mount", "sh")
        seen["argv"] = " ".join(argv[6:])
        return done

    monkeypatch.setattr(files, "run", ran)
    found = MultipathDaemon().multipath_parsed({"/etc/multipath/conf.d/a.conf": "text"})
    assert found is not None
    assert found.configuration.sections[0].value("verbosity") == "2"
    assert found.complaints == (
        "/etc/a.conf line 3, invalid keyword: x",
        "multipath.conf +23, parsing failed: y",
    )
    assert seen.pop("argv") == "multipath -t"
    path = next(iter(seen))
    assert len(seen) == 1
    assert path.endswith("/multipath/conf.d/a.conf")
    assert seen[path] == "text"
    assert not Path(path).exists()
    done.returncode = 32
    assert MultipathDaemon().multipath_parsed({}) is None


def test_user_friendly_names(daemon: FakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "bindings").write_text("# Format:\nmpatha 3600\nmpathb 3600\nmpathc 3601\n")
    found = MultipathDaemon().multipathd(5, frozenset(), checked=False)
    assert found.bindings == {"3600": "mpatha", "3601": "mpathc"}


def test_a_configuration_that_has_not_changed_is_not_parsed_again(daemon: FakeDaemon) -> None:
    changes = MultipathDaemon()
    read = [changes.multipathd_now(frozenset()).known for _time in range(2)]
    assert read[0] is read[1]


@pytest.mark.parametrize("condition", ["ConditionPathExists=", "ConditionPathExists=!", "# "])
def test_a_unit_that_waits_for_the_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, condition: str
) -> None:
    conf, unit = str(tmp_path / "multipath.conf"), tmp_path / "multipathd.service"
    unit.write_text(f"[Unit]\n{condition}{conf}\n")
    monkeypatch.setattr(multipathd, "_CONFIGURATION", conf)
    monkeypatch.setattr(multipathd, "_UNITS", (str(tmp_path / "none"), str(unit)))
    monkeypatch.setattr(multipathd, "_is_running", lambda: False)
    there = MultipathDaemon().multipathd(5, frozenset(), checked=False)
    assert there.awaited_file == (conf if condition == "ConditionPathExists=" else "")
    (tmp_path / "multipath.conf").write_text("")
    assert MultipathDaemon().multipathd(5, frozenset(), checked=False).awaited_file == ""
