"""What every fault of the house is measured by: what is said of it, what is lost or doubled, and what is refused."""

import json
import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import update

from persistence import models
from persistence.database import PerhapsSaved
from persistence.store import Store, table
from persistence.verify import verify
from scheduler.census import census
from scheduler.clock import utcnow
from scheduler.deliveries import UNANSWERED
from scheduler.heartbeat import Heartbeat
from scheduler.round import PERHAPS
from tests.scheduler.test_heartbeat import RHYTHM, ROOT, wait_for, waiting
from tests.scheduler.test_kill_nine import fired
from tests.scheduler.test_worker import QUICK, environment
from tests.scheduler.ward import CARE, CLEAR, REASSESS_DUE, change, days, open_store, rows

# Knocks as fast as they can be done, batches of one, and no digest on the way.
BRISK = replace(RHYTHM, settle_seconds=0.05, deliver_seconds=0.05, batch=1, digest_time="23:59", nightly_time="23:59")
BEFORE = REASSESS_DUE - days(1)
PATIENTS = tuple(f"P{number}" for number in range(4))
# A process of ours may take half a minute to start on a busy machine, and a message that must wait waits for one.
WAIT = 180.0
EXAM = ("observe", "P1", "neuro_exam", "complete=yes", *(f"{sign}=no" for sign in CLEAR), "--as", "clinician")
AWAY, FULL = "The database cannot be reached: ", "The disk of the database is full or faulty: "
LOCKED, ONLY_READ = "Another program holds the database: ", "The database can only be read: "


@contextmanager
def beating(ward, channel, clock) -> Iterator[Heartbeat]:
    """The daemon with its threads."""
    heart = Heartbeat(ward, [channel], BRISK, clock, clock.passed)
    heart.start()
    try:
        yield heart
    finally:
        heart.stop()


def complaints(caplog) -> list[str]:
    """What the log says of trouble: from the heartbeat alone, a sentence each, without a trace."""
    found = [record for record in caplog.records if record.levelno >= logging.ERROR]
    said = [record.getMessage() for record in found]
    assert {record.name for record in found} <= {"scheduler.heartbeat"}, said
    assert [record.exc_info for record in found if record.exc_info] == []
    assert [line for line in said if "\n" in line or not line.startswith("a beat must wait: ")] == []
    return said


def is_complained_of(caplog, sentence: str) -> None:
    """By at least two knocks from now on, and nothing else meanwhile, but for commits of which nobody knows."""
    before = len(complaints(caplog))
    wait_for(lambda: len(complaints(caplog)) >= before + 2, WAIT)
    other = {f"a beat must wait: {start}" for start in (sentence, PerhapsSaved.__doc__[:30])}
    assert [line for line in complaints(caplog)[before:] if not line.startswith(tuple(other))] == []


def contents(store) -> list[list]:
    return [rows(store, model) for model in (models.Episode, models.Entry, models.Timer, models.Reminder)]


def all_told(store, patients=PATIENTS) -> bool:
    return len(fired(store)) == len(patients) and not waiting(store)


def nothing_lost_or_doubled(store, sent: list[tuple[str, str]], patients=PATIENTS) -> None:
    """Each timer once, each message once; once more only where its channel's answer could not be written down."""
    assert verify(store).line() == f"all {len(patients)} episodes agree"
    assert {episode for episode, _, _ in fired(store)} == {f"{patient}-1" for patient in patients}
    assert set(fired(store).values()) == {1}
    outbox, out = rows(store, models.Reminder), {key for key, _ in sent}
    noted = {row.key for row in outbox if row.outcome == "sent"}
    assert noted <= out
    assert out - noted <= {row.key for row in outbox if PERHAPS in row.because}
    unanswered = rows(store, models.Delivery, table(models.Delivery).c.answer == UNANSWERED)
    assert (Counter(sent) - Counter(set(sent))).total() <= len(unanswered)
    assert census(store, utcnow()).adds_up


def end_leases(store) -> None:
    """As if a quarter of an hour had passed: what was in hand when the database went may be tried again."""
    change(
        store, update(table(models.Reminder)).where(table(models.Reminder).c.outcome == "waiting").values(try_at=CARE)
    )


@contextmanager
def seen(url: str) -> Iterator[Store]:
    """The same database as somebody else sees it."""
    found = open_store(url)
    try:
        yield found
    finally:
        found.database.close()


class Program:
    """`pathway run` as a process of its own, knocking each second, at all hours of all days."""

    def __init__(self, url: str, folder: Path, *, under: tuple[str, ...] = ()) -> None:
        self.output, self.outbox = folder / "program.txt", folder / "outbox.log"
        own = environment(url, {**QUICK, "batch": 1, "outbox_log": self.outbox})
        command = [*under, sys.executable, "-m", "coordinator", "run"]
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own}, stdout=out, stderr=out)

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()

    def said(self, sentence: str) -> int:
        """How many lines of its log say that a beat must wait, and that for this reason."""
        lines = [line for line in self.output.read_text().splitlines() if "a beat must wait" in line]
        return sum(sentence.removesuffix(": ") in line for line in lines)

    def is_complaining(self, sentence: str) -> None:
        """At two knocks from now on."""
        before = self.said(sentence)
        wait_for(lambda: self.said(sentence) >= before + 2, WAIT)

    def sent(self) -> list[tuple[str, str]]:
        lines = self.outbox.read_text().splitlines() if self.outbox.exists() else []
        return [(letter["key"], letter["to"]) for letter in map(json.loads, lines)]

    def ends(self) -> None:
        """In seconds and with code 0, when the system asks; it has shown no trace of its insides."""
        self.process.terminate()
        assert self.process.wait(WAIT) == 0
        assert "Traceback" not in self.output.read_text()
