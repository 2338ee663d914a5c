"""The daemon: it catches up at once, works alone, refuses a clock that went back, and stops when asked."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pathway.errors import AlreadyRunning, ClockWentBack
from persistence import models, reckonings
from persistence.board import house_board
from persistence.database import Database
from persistence.store import table
from persistence.verify import verify
from scheduler.channels import ChannelError
from scheduler.chores import Rhythm
from scheduler.clock import utcnow
from scheduler.heartbeat import Heartbeat
from scheduler.job_runs import note_beat
from scheduler.one_process import alone_on
from tests import postgres
from tests.scheduler.test_settling import break_profile
from tests.scheduler.ward import LATE, REASSESS_DUE, ZONE, Pigeon, days, enrol, open_store, rows, staff

ROOT = Path(__file__).resolve().parents[2]
RHYTHM = Rhythm(settle_seconds=3600, deliver_seconds=3600, zone=ZONE)
# A process of ours may take half a minute to start on a busy machine.
PATIENCE = 180
DAEMON = """
    import sys
    from pathlib import Path
    from scheduler.channels.logfile import LogFile
    from scheduler.chores import Rhythm
    from scheduler.heartbeat import Heartbeat
    from tests.scheduler.ward import open_store

    class Announcing(LogFile):
        def send(self, message, recipient):
            super().send(message, recipient)
            print("sent", message.key, flush=True)

    url, log = sys.argv[1:]
    # One settling each, so that two are two daemons at work; what must wait is looked at again at once.
    rhythm = Rhythm(settle_seconds=3600, deliver_seconds=1)
    try:
        Heartbeat(open_store(url), [Announcing(Path(log))], rhythm).run()
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print("stopped", flush=True)
"""


@pytest.fixture
def daemon(tmp_path):
    """Starts the daemon on a database; whatever happens to the test, none outlives it, and none runs for long."""
    with ExitStack() as stack:
        yield lambda url: stack.enter_context(_running(url, tmp_path / "outbox.log"))


@contextmanager
def _running(url, log):
    command = [sys.executable, "-c", textwrap.dedent(DAEMON), url, str(log)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TZ": "UTC"}, **pipes) as process:
        limit = threading.Timer(2 * PATIENCE, process.kill)
        limit.start()
        try:
            yield process
        finally:
            limit.cancel()
            process.kill()


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def passed(self) -> timedelta:
        """Time that truly passed: all of it, as long as nobody sets this clock."""
        return self.now - LATE


@pytest.fixture
def ward(store):
    staff(store)
    enrol(store)
    return store


@contextmanager
def ward_on(url, *patients):
    opened = open_store(url)
    try:
        staff(opened)
        for patient in patients or ("P1",):
            enrol(opened, patient)
        yield opened
    finally:
        opened.database.close()


@pytest.fixture
def clock():
    return Clock(LATE)


@pytest.fixture
def heart(ward, pigeon, clock):
    return Heartbeat(ward, [pigeon], RHYTHM, clock, clock.passed)


def jobs(store):
    return sorted((row.job, row.slot) for row in rows(store, models.JobRun) if len(row.slot) == 10)


# Beats


def test_a_beat_settles_and_a_beat_delivers(ward, heart, pigeon):
    heart.settle_beat()
    assert [row.state for row in rows(ward, models.Episode)] == ["REASSESSMENT"]
    heart.deliver_beat()
    assert len(pigeon.sent) == len(rows(ward, models.Reminder)) > 0


def test_what_a_beat_did_is_on_record_for_two_days(ward, heart, clock):
    kept = []
    for wait in (0, 1, 1.5):
        clock.now += days(wait)
        heart.settle_beat()
        kept.append([row.slot[:10] for row in rows(ward, models.JobRun) if row.job == "settle"])
    assert kept == [["2026-02-18"], ["2026-02-18", "2026-02-19"], ["2026-02-19", "2026-02-20"]]


def test_the_digest_waits_for_its_time_and_is_sent_once(ward, heart, pigeon, clock):
    clock.now = LATE.replace(hour=7, minute=14)
    heart.digest_beat()
    assert pigeon.sent == []
    clock.now = LATE.replace(hour=7, minute=15)
    heart.digest_beat()
    heart.digest_beat()
    assert [key for key, _ in pigeon.sent] == [
        "digest:clive@example.org:2026-02-18",
        "digest:cora@example.org:2026-02-18",
    ]


def test_a_late_start_makes_up_for_the_digest_and_the_nightly_checks_of_today(ward, heart, clock):
    clock.now = LATE.replace(hour=19)
    heart.nightly_beat()
    heart.digest_beat()
    assert [job for job, _ in jobs(ward)] == [
        "digest:clive@example.org",
        "digest:cora@example.org",
        "nightly:census",
        "nightly:verify",
    ]
    assert {slot for _, slot in jobs(ward)} == {"2026-02-18"}


def test_a_digest_that_failed_is_tried_again_at_the_next_beat(ward, heart, pigeon, caplog):
    pigeon.trouble = ChannelError("451 try later")
    heart.digest_beat()
    assert "a beat must wait" in caplog.text
    pigeon.trouble = None
    heart.digest_beat()
    assert len(pigeon.sent) == 2


def test_a_beat_reckons_anew_the_figures_that_a_large_house_keeps(ward, heart, clock, monkeypatch):
    monkeypatch.setattr(reckonings, "LARGE", 0)
    monkeypatch.setattr(reckonings, "WORTH_KEEPING", 0)
    house_board(ward, clock.now - timedelta(minutes=2))
    heart.figures_beat()
    assert house_board(ward, clock.now).at == clock.now


def test_a_clock_that_goes_back_stops_the_work_until_it_is_right(ward, heart, pigeon, clock, caplog):
    clock.now = LATE
    heart.settle_beat()
    told = [*pigeon.sent]
    for back in (timedelta(seconds=6), timedelta(hours=1), days(365)):
        clock.now = LATE - back
        for beat in (heart.settle_beat, heart.deliver_beat, heart.digest_beat, heart.nightly_beat):
            beat()
    assert (pigeon.sent, jobs(ward)) == (told, [])
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 12
    assert "clock is behind" in errors[0]
    clock.now = LATE
    heart.digest_beat()
    assert len(pigeon.sent) == len(told) + 2


def test_a_clock_a_few_seconds_behind_goes_on(heart, clock):
    heart.settle_beat()
    clock.now -= timedelta(seconds=4)
    heart.settle_beat()


def test_a_clock_behind_the_last_finished_job_is_refused_at_the_start(ward, heart, clock):
    note_beat(ward, "settle", LATE + days(1), {})
    with pytest.raises(ClockWentBack):
        heart.start()


def test_a_clock_that_was_set_forward_while_the_daemon_ran_stops_the_work(ward, pigeon, clock, caplog):
    heart = Heartbeat(ward, [pigeon], RHYTHM, clock, lambda: timedelta(0))
    clock.now += timedelta(hours=23)
    heart.settle_beat()
    clock.now += timedelta(hours=2)
    before = len(rows(ward, models.Entry))
    heart.settle_beat()
    heart.deliver_beat()
    assert (len(rows(ward, models.Entry)), pigeon.sent) == (before, [])
    assert "clock jumped forward" in caplog.text


def test_a_clock_ahead_of_the_database_fires_nothing_early(url, pigeon, caplog):
    """On SQLite the database has no clock of its own, so there is nothing to compare."""
    with ward_on(url) as ward:
        theirs = ward.database.clock() or utcnow()
        ahead = Clock(theirs + timedelta(minutes=1))
        heart = Heartbeat(ward, [pigeon], RHYTHM, ahead, ahead.passed)
        heart.settle_beat()
        fired = bool(rows(ward, models.JobRun))
        assert fired == (ward.database.clock() is None)
        assert ("clock is ahead of the database's" in caplog.text) == (not fired)


def test_on_one_file_only_one_may_work(file):
    """SQLite only: the lock lies beside the file."""
    database = Database(f"sqlite:///{file}")
    held = pytest.raises(AlreadyRunning, match=f"process {os.getpid()} holds")
    with alone_on(database), held, alone_on(database):
        pass
    with alone_on(database):
        pass


# The scheduler around the beats


def wait_for(happened, seconds: float = PATIENCE):
    """Poll a thread of the scheduler, for a bounded time."""
    until, pause = utcnow() + timedelta(seconds=seconds), threading.Event()
    while not happened():
        assert utcnow() < until, "it did not happen"
        # Leave the processor to those who are to make it happen.
        pause.wait(0.02)


def test_it_beats_at_once_when_it_starts_and_delivers_what_it_fired(ward, heart, pigeon):
    heart.start()
    try:
        wait_for(lambda: rows(ward, models.Reminder) and not waiting(ward))
        wait_for(lambda: any(key.startswith("digest:") for key, _ in pigeon.sent))
    finally:
        heart.stop()
    assert {row.state for row in rows(ward, models.Episode)} == {"REASSESSMENT"}


def test_a_channel_that_hangs_holds_up_nothing_that_is_due(ward, clock):
    """It hangs until the end of the test; meanwhile the clock of every patient comes and is settled."""
    hanging, release = threading.Event(), threading.Event()

    class Hanging(Pigeon):
        def send(self, message, recipient):
            hanging.set()
            release.wait(PATIENCE)
            return False

    enrol(ward, "P2")
    clock.now = REASSESS_DUE - days(1)
    brisk = replace(RHYTHM, settle_seconds=0.05, deliver_seconds=0.05)
    heart = Heartbeat(ward, [Hanging()], brisk, clock, clock.passed)
    heart.start()
    try:
        assert hanging.wait(PATIENCE)
        assert {row.state for row in rows(ward, models.Episode)} == {"CONSERVATIVE_CARE"}
        clock.now = LATE
        wait_for(lambda: {row.state for row in rows(ward, models.Episode)} == {"REASSESSMENT"})
        assert not release.is_set()
    finally:
        release.set()
        heart.stop()


def waiting(store):
    return rows(store, models.Reminder, table(models.Reminder).c.outcome == "waiting")


def test_a_job_that_fails_is_logged_with_its_trace_and_tried_at_the_next_beat(ward, pigeon, caplog):
    class Failing(Heartbeat):
        attempts = 0

        def settle_beat(self):
            self.attempts += 1
            if self.attempts == 1:
                raise RuntimeError("the disk is full")
            super().settle_beat()

    heart = Failing(ward, [pigeon], Rhythm(settle_seconds=0.05, deliver_seconds=3600, zone=ZONE))
    heart.start()
    try:
        wait_for(lambda: heart.attempts > 1 and rows(ward, models.Reminder))
    finally:
        heart.stop()
    assert "the disk is full" in caplog.text
    assert "Traceback" in caplog.text


# The daemon as a process


def test_it_stops_cleanly_when_the_system_asks(ward, url, daemon):
    ward.database.close()
    process = daemon(url)
    assert process.stdout.readline().startswith("sent ")
    process.send_signal(signal.SIGTERM)
    output, complaint = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output.splitlines()[-1]) == (0, "stopped"), complaint


def test_it_stops_cleanly_at_control_c(ward, url, daemon):
    process = daemon(url)
    assert process.stdout.readline().startswith("sent ")
    process.send_signal(signal.SIGINT)
    output, complaint = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output.splitlines()[-1]) == (0, "stopped"), complaint


def test_a_second_daemon_on_one_file_is_refused_in_one_sentence(file, daemon):
    """SQLite only: the lock lies beside the file."""
    url = f"sqlite:///{file}"
    with ward_on(url):
        first = daemon(url)
        assert first.stdout.readline().startswith("sent ")
        second = daemon(url)
    output, complaint = second.communicate(timeout=PATIENCE)
    assert (second.returncode, output) == (1, "")
    assert complaint.startswith("AlreadyRunning: Another `pathway run` already works on this database")
    assert f"process {first.pid} holds" in complaint
    assert len(complaint.splitlines()) == 1


def test_on_postgresql_several_daemons_share_the_work_and_tell_each_thing_once(daemon):
    """PostgreSQL only: a file has one daemon."""
    url = postgres.cleared(postgres.shared())
    with ward_on(url, *(f"P{number}" for number in range(5))) as ward:
        crew = [daemon(url) for _ in range(2)]
        settled = table(models.JobRun).c.job == "settle"
        wait_for(lambda: len(rows(ward, models.JobRun, settled)) >= len(crew) and not waiting(ward))
        for process in crew:
            process.send_signal(signal.SIGTERM)
        output = [process.communicate(timeout=PATIENCE) for process in crew]
        assert [process.returncode for process in crew] == [0, 0], output
        sent = [line.removeprefix("sent ") for said, _ in output for line in said.splitlines()[:-1]]
        told = Counter(key for key in sent if not key.startswith("digest:"))
        sent_rows = rows(ward, models.Reminder, table(models.Reminder).c.outcome == "sent")
        assert told == dict.fromkeys((row.key for row in sent_rows), 1)
        assert len(told) > 0
        assert len(sent) == len(set(sent))
        assert verify(ward).problems == []


def test_a_daemon_whose_clock_is_wrong_is_refused_in_one_sentence(ward, url, daemon):
    note_beat(ward, "settle", utcnow() + days(400), {})
    process = daemon(url)
    output, complaint = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (1, "")
    assert complaint.startswith("ClockWentBack: The machine's clock is behind the last recorded work")
    assert len(complaint.splitlines()) == 1


def test_a_broken_patient_does_not_keep_the_daemon_from_the_others(ward, url, daemon):
    enrol(ward, "P2")
    break_profile(ward, "P1-1")
    process = daemon(url)
    (broken,) = rows(ward, models.Episode, table(models.Episode).c.patient_id == "P1")
    awaited = {f"sent P1-1:set-aside:{broken.version}", "sent P2-1:K-"}
    while awaited:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        awaited = {start for start in awaited if not line.startswith(start)}
    process.send_signal(signal.SIGTERM)
    _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, complaint
    assert {row.patient_id: row.state for row in rows(ward, models.Episode)} == {
        "P1": "CONSERVATIVE_CARE",
        "P2": "REASSESSMENT",
    }


def test_one_big_jump_and_many_small_beats_tell_the_same_story(ward, new_url, clock):
    other = open_store(new_url())
    enrol(other)
    staff(other)
    steps = Clock(REASSESS_DUE - days(1))
    small = Heartbeat(other, [Pigeon()], RHYTHM, steps, steps.passed)
    while steps.now <= LATE + days(40):
        small.settle_beat()
        steps.now += timedelta(hours=6)
    clock.now = LATE + days(40)
    Heartbeat(ward, [Pigeon()], RHYTHM, clock, clock.passed).settle_beat()
    timers = [
        sorted((row.code, row.due, row.status, row.outcome) for row in rows(store, models.Timer))
        for store in (ward, other)
    ]
    assert timers[0] == timers[1]
    other.database.close()
