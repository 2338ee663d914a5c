"""A SQLite file at fault: held by another program, on a full disk, read only or gone, each for real.

What the daemon and a command make of it is told in test_faults.py.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from persistence import models
from scheduler.round import LEASE
from tests.scheduler.faults import (
    AWAY,
    BEFORE,
    EXAM,
    FULL,
    LOCKED,
    ONLY_READ,
    PATIENTS,
    WAIT,
    Program,
    all_told,
    beating,
    contents,
    is_complained_of,
    nothing_lost_or_doubled,
)
from tests.scheduler.test_heartbeat import ROOT, Clock, wait_for, ward_on
from tests.scheduler.test_kill_nine import fired
from tests.scheduler.test_worker import enrol_lately
from tests.scheduler.ward import LATE, open_store, rows, staff

HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def clock():
    return Clock(LATE)


# A file that another program holds


@contextmanager
def held(file: Path) -> Iterator[subprocess.Popen]:
    """Another process is writing to the file, and does not come to an end."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(file)], **pipes) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_a_file_that_another_program_holds_is_read_meanwhile_and_worked_on_when_it_is_free(
    file, pigeon, clock, pathway, refused, caplog
):
    url = f"sqlite:///{file}?timeout=0.1"
    with ward_on(url, *PATIENTS) as ward:
        before = contents(ward)
        with held(file) as other, beating(ward, pigeon, clock):
            is_complained_of(caplog, LOCKED)
            refused(url, LOCKED)
            assert pathway(url, "worklist")[0] == 0
            assert (contents(ward), pigeon.sent) == (before, [])
            other.kill()
            wait_for(lambda: all_told(ward), WAIT)
        nothing_lost_or_doubled(ward, pigeon.sent)


def test_a_file_that_is_held_for_a_moment_is_waited_for_without_a_word(file, pigeon, clock, caplog):
    with ward_on(f"sqlite:///{file}", *PATIENTS) as ward:
        with held(file) as other, beating(ward, pigeon, clock):
            assert fired(ward) == {}
            other.kill()
            wait_for(lambda: all_told(ward), WAIT)
        nothing_lost_or_doubled(ward, pigeon.sent)
    assert [record for record in caplog.records if record.name == "scheduler.heartbeat"] == []


# A full disk


class Disk:
    """A small one of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ballast = folder, folder / "ballast"

    def fill(self) -> None:
        """To the last byte."""
        try:
            with self.ballast.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
        except OSError as error:
            assert "No space left" in str(error)

    def clear(self) -> None:
        self.ballast.unlink()


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "pathway-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a full disk needs a small one of its own, and only a superuser may mount one")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def nothing_in_the_log_of_sqlite(store) -> bool:
    """Else it would write for a while into the space that its log has already."""
    with store.database.engine.connect() as connection:
        busy, *_ = connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()
    return busy == 0


def test_a_disk_that_fills_up_loses_nothing_and_the_work_goes_on_when_there_is_space(
    disk, file, pigeon, clock, pathway, refused, caplog
):
    url = f"sqlite:///{shutil.copy(file, disk.folder)}"
    clock.now = BEFORE
    with ward_on(url, *PATIENTS) as ward, beating(ward, pigeon, clock):
        wait_for(lambda: rows(ward, models.JobRun), WAIT)
        wait_for(lambda: nothing_in_the_log_of_sqlite(ward), WAIT)
        disk.fill()
        clock.now = LATE
        is_complained_of(caplog, FULL)
        before = contents(ward)
        refused(url, FULL)
        assert pathway(url, "worklist")[0] == 0
        assert (contents(ward), fired(ward)) == (before, {})
        disk.clear()
        wait_for(lambda: len(fired(ward)) == len(PATIENTS), WAIT)
        # What was in hand when it happened is taken up again when its lease is over.
        clock.now += LEASE
        wait_for(lambda: all_told(ward), WAIT)
        nothing_lost_or_doubled(ward, pigeon.sent)


# A file that is gone


def test_a_file_that_is_gone_is_not_made_anew_and_is_worked_on_when_it_is_back(file, pigeon, clock, refused, caplog):
    url, elsewhere = f"sqlite:///{file}", file.with_name("elsewhere.db")
    clock.now = BEFORE
    with ward_on(url, *PATIENTS) as ward, beating(ward, pigeon, clock):
        wait_for(lambda: rows(ward, models.JobRun), WAIT)
        file.rename(elsewhere)
        clock.now = LATE
        is_complained_of(caplog, AWAY)
        refused(url, AWAY)
        assert not file.exists()
        elsewhere.rename(file)
        wait_for(lambda: len(fired(ward)) == len(PATIENTS), WAIT)
        # What was in hand when it happened is taken up again when its lease is over.
        clock.now += LEASE
        wait_for(lambda: all_told(ward), WAIT)
        nothing_lost_or_doubled(ward, pigeon.sent)


# A file that may only be read


@pytest.fixture
def under() -> tuple[str, ...]:
    """What to put before a command so that the permissions of files hold for it, whoever runs the tests."""
    if os.geteuid() != 0:
        return ()
    found = ("setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override")
    if shutil.which("setpriv") is None or subprocess.run([*found, "true"], check=False).returncode != 0:
        pytest.skip("a superuser may write every file, and setpriv (util-linux) cannot take that away here")
    return found


def test_a_file_that_may_only_be_read_is_worked_on_by_the_same_process_when_it_may_be_written(file, tmp_path, under):
    url = f"sqlite:///{file}"
    store = open_store(url)
    staff(store)
    for patient in PATIENTS:
        enrol_lately(store, patient)
    before = contents(store)
    store.database.close()
    file.chmod(0o444)
    with Program(url, tmp_path, under=under) as program:
        program.is_complaining(ONLY_READ)
        for words in (("settle",), EXAM):
            command = [*under, sys.executable, "-m", "coordinator", "--database", url, *words]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.startswith(f"pathway: {ONLY_READ}")
            assert done.stderr.count("\n") == 1
        assert program.sent() == []
        file.chmod(0o644)
        store = open_store(url)
        wait_for(lambda: all_told(store), WAIT)
        program.ends()
    assert [row for row in before[1] if row not in rows(store, models.Entry)] == []
    nothing_lost_or_doubled(store, program.sent())
    store.database.close()
