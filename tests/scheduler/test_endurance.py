"""Three `pathway worker` processes, killed at random over and over, on one PostgreSQL and one failing mail server.

`make test` runs it small; `make endurance` with the full numbers: 20 000 due timers, 20 000 messages, 100 kills.

The one window that mail leaves open: a worker dies after the server has accepted a letter and before the answer is
written down. The letter then goes out again with the same Message-ID, once its lease is over. So there are at most
as many repetitions as attempts that were cut off, and at most as many of those as letters were under way at the
kills: one for each thread of a killed worker that was delivering.
"""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from pathway.engine import Case, Change
from pathway.journal import Entry, Step
from persistence import models
from persistence.store import Person, Store, table
from persistence.verify import verify
from scheduler.census import census
from scheduler.clock import utcnow
from scheduler.deliveries import UNANSWERED
from scheduler.worker import THREADS
from tests import postgres
from tests.scheduler.test_kill_nine import fired
from tests.scheduler.test_worker import HISTORY, QUICK, eventually, start_worker
from tests.scheduler.ward import CLEAR, FRACTURE, STABLE, ZONE, days, hire, mail_server, open_store, reference, rows

FULL = os.environ.get("PATHWAY_ENDURANCE") == "full"
PATIENTS, KILLS, WORKERS = (20_000, 100, 3) if FULL else (300, 6, 3)
REFUSES = 0.1
# Of the whole of a full run; a worker takes some seconds to start.
LONGEST = timedelta(minutes=80 if FULL else 4)
CHUNK = 500


@pytest.fixture(scope="module")
def ward():
    """A database of its own with everybody enrolled; what was due before is told, the four-week check is owed."""
    store = open_store(postgres.fresh("endurance"))
    hire(store, "cora@example.org", "coordinator")
    hire(store, "clive@example.org", "clinician")
    now = utcnow()
    for start in range(0, PATIENTS, CHUNK):
        people, changes = {}, []
        for number in range(start, min(start + CHUNK, PATIENTS)):
            name = f"P{number:05}"
            people[name] = Person(name, ZONE)
            changes.append(enrolled(store, name, now))
        store.add_histories(people, changes)
    store.suppress_waiting(now, HISTORY, now)
    yield store
    store.database.close()


def enrolled(store: Store, patient: str, now: datetime) -> Change:
    """In care for 29 days, with all told that was due until yesterday evening but the four-week check owed."""
    start = (now - days(29)).replace(hour=16, minute=0, second=0, microsecond=0)
    fracture = {**FRACTURE, "fracture_date": f"{start - days(3):%Y-%m-%d}"}
    imaging = {**STABLE, "performed": f"{start - days(1):%Y-%m-%d}"}
    told = (
        (Step("register", data=fracture), start - timedelta(hours=3)),
        (Step("admin", "assign", {"owner": "Desk"}), start - timedelta(hours=3)),
        (Step("observe", "neuro_exam", {"complete": True, **CLEAR}, actor="clinician"), start - timedelta(hours=2)),
        (Step("observe", "imaging", imaging), start - timedelta(hours=1)),
        (Step("decide", "start_conservative", actor="clinician"), start),
    )
    case, lines = Case(patient, ZONE), list[Entry]()
    for step, at in told:
        (change,) = store.engine.record(case, step, at).changes
        case.episodes = [change.episode]
        lines += change.entries
    before = store.engine.settle(case.episodes[0], eve_of_the_check(start))
    if before is not None:
        case.episodes, lines = [before.episode], [*lines, *before.entries]
    return Change(case.episodes[0], tuple(lines))


def eve_of_the_check(start: datetime) -> datetime:
    return datetime.combine(start.date() + timedelta(days=28), datetime.min.time(), UTC)


class Failing:
    """What a mail server answers that has one bad moment in ten: sometimes to a recipient, sometimes to a letter."""

    def __init__(self, post) -> None:
        self.post, self.chance, self.refused = post, random.Random(11), 0
        self.takes = post.handle_DATA
        post.handle_DATA = self.handle_DATA

    async def handle_DATA(self, server, session, envelope) -> str:
        if self.chance.random() < REFUSES:
            self.refused += 1
            return "451 4.3.0 try again later"
        return await self.takes(server, session, envelope)


class Crew:
    """Three workers, of which one is killed at random and replaced, again and again."""

    def __init__(self, store: Store, port: int, folder: Path) -> None:
        self.store, self.folder, self.chance = store, folder, random.Random(20261123)
        self.settings = {**QUICK, "batch": 20, "smtp_host": "127.0.0.1", "smtp_port": port}
        self.members: list[tuple[subprocess.Popen, Path]] = []
        self.kills = self.hired = 0

    def hire(self) -> None:
        while len(self.members) < WORKERS:
            output = self.folder / f"worker-{self.hired}.txt"
            self.members.append((start_worker(self.store.database.url, output, **self.settings), output))
            self.hired += 1

    def kill_one(self) -> None:
        """Somebody who is at work, after a random while."""
        worker, output = self.members.pop(self.chance.randrange(len(self.members)))
        eventually(lambda: "at work" in output.read_text(), 60)
        time.sleep(self.chance.uniform(0, 1))
        assert worker.poll() is None, f"a worker ended by itself: {output.read_text()}"
        worker.kill()
        worker.wait(30)
        self.kills += 1

    def dismiss(self) -> None:
        """As a system would that is shut down: they finish what is in hand."""
        for worker, output in self.members:
            eventually(lambda output=output: "at work" in output.read_text(), 60)
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(60) for worker, _ in self.members] == [0] * len(self.members)
        self.members = []

    def leave_nobody(self) -> None:
        for worker, _ in self.members:
            worker.kill()
            worker.wait(30)


def work_left(store: Store, *, ready: bool = False) -> int:
    """Things that are due, or wait in the outbox; with `ready`, only what may be sent now."""
    due = select(func.count()).where(table(models.Episode).c.next_wake_at <= utcnow())
    waits = select(func.count()).where(table(models.Reminder).c.outcome == "waiting")
    if ready:
        waits = waits.where(table(models.Reminder).c.try_at <= utcnow())
    with store.database.reading() as connection:
        return (connection.scalar(due) or 0) + (connection.scalar(waits) or 0)


def end_the_waiting(store: Store) -> None:
    """While nobody works: what the dead have in hand, and what the server put off, may be taken at once."""
    outbox = table(models.Reminder)
    with store.database.writing() as connection:
        connection.execute(update(outbox).where(outbox.c.outcome == "waiting").values(try_at=utcnow()))


def work_through(store: Store, crew: Crew, longest: datetime) -> None:
    """Under all the kills, and then until nothing is left."""
    crew.hire()
    while crew.kills < KILLS:
        crew.kill_one()
        crew.hire()
    while True:
        while work_left(store, ready=True):
            assert utcnow() < longest, f"{work_left(store)} things are left"
            time.sleep(0.2)
        crew.dismiss()
        if not work_left(store):
            return
        end_the_waiting(store)
        crew.hire()


def test_kills_lose_nothing_fire_nothing_twice_and_repeat_only_what_was_under_way(ward, tmp_path):
    begun = utcnow()
    with mail_server() as (post, port):
        failing, crew = Failing(post), Crew(ward, port, tmp_path)
        try:
            work_through(ward, crew, begun + LONGEST)
        finally:
            crew.leave_nobody()
    count = Counter(fired(ward).values())
    outbox = rows(ward, models.Reminder, table(models.Reminder).c.because != HISTORY)
    cut_off = len(rows(ward, models.Delivery, table(models.Delivery).c.answer == UNANSWERED))
    arrived = Counter(letter["X-Pathway-Reference"] for letter in post.letters)
    repeated = sum(arrived.values()) - len(arrived)
    report = {
        "timers": sum(count.values()),
        "messages": len(outbox),
        "letters": len(post.letters),
        "refused by the server": failing.refused,
        "kills": crew.kills,
        "cut off": cut_off,
        "repeated": repeated,
        "seconds": round((utcnow() - begun).total_seconds()),
    }
    print(json.dumps(report))  # noqa: T201 the figures of `make endurance`
    milestones = [row for row in outbox if row.kind == "milestone"]
    assert count == Counter({1: PATIENTS}), "each timer once, none lost"
    assert len(milestones) == PATIENTS
    assert {row.outcome for row in outbox} == {"sent"}
    digests = {key for key in arrived if key not in {reference(ward, row.key) for row in outbox}}
    assert len(arrived) - len(digests) == len(outbox), "each message arrived"
    assert repeated <= cut_off <= crew.kills * THREADS
    assert failing.refused > 0
    assert verify(ward).line() == f"all {PATIENTS} episodes agree"
    assert census(ward, utcnow()).adds_up
