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
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import func, select, update

from pathway.engine import Case, Change
from pathway.journal import Entry, Step
from persistence import models
from persistence.store import Person, Store, table
from persistence.verify import verify
from scheduler.census import census
from scheduler.channels import Message
from scheduler.clock import utcnow
from scheduler.deliveries import UNANSWERED
from scheduler.salt import salt_of
from scheduler.worker import TELLING, THREADS
from tests import postgres
from tests.scheduler.test_kill_nine import fired
from tests.scheduler.test_worker import HISTORY, QUICK, eventually, start_worker
from tests.scheduler.ward import CLEAR, FRACTURE, STABLE, ZONE, days, hire, mail_server, open_store, rows

FULL = os.environ.get("PATHWAY_ENDURANCE") == "full"
KILLS, WORKERS = (100 if FULL else 6), 3
# Patients with one timer due each; and patients of whom five messages go out each.
OF_TIMERS, OF_MESSAGES = (20_000, 4_400) if FULL else (600, 100)
REFUSES = 0.1
# Of the whole of a full run; a worker takes some seconds to start.
LONGEST = timedelta(minutes=80 if FULL else 4)
CHUNK = 500


def ward_of(patients: int) -> Store:
    """A database of its own with everybody enrolled; what was due before is told, the four-week check is owed."""
    store = open_store(postgres.fresh("endurance"))
    hire(store, "cora@example.org", "coordinator")
    hire(store, "clive@example.org", "clinician")
    now = utcnow()
    for start in range(0, patients, CHUNK):
        people, changes = {}, []
        for number in range(start, min(start + CHUNK, patients)):
            name = f"P{number:05}"
            people[name] = Person(name, ZONE)
            changes.append(enrolled(store, name, now))
        store.add_histories(people, changes)
    store.suppress_waiting(now, HISTORY, now)
    return store


@contextmanager
def enrolling(patients: int) -> Iterator[Store]:
    store = ward_of(patients)
    try:
        yield store
    finally:
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

    def __init__(self, store: Store, folder: Path, **settings: object) -> None:
        self.store, self.folder, self.chance = store, folder, random.Random(20261123)
        self.settings = {**QUICK, **settings}
        self.members: list[tuple[BaseProcess, Path]] = []
        self.kills = self.hired = 0

    def hire(self) -> None:
        while len(self.members) < WORKERS:
            output = self.folder / f"worker-{self.hired}.txt"
            self.members.append((start_worker(self.store.database.url, output, **self.settings), output))
            self.hired += 1

    def kill_one(self) -> None:
        """Somebody who is at work, after a random while."""
        worker, output = self.chance.choice(self.members)
        eventually(lambda: at_work(output), 60)
        time.sleep(self.chance.uniform(0, 0.5))
        assert worker.is_alive(), f"a worker ended by itself: {output.read_text()}"
        worker.kill()
        worker.join(30)
        self.members.remove((worker, output))
        self.kills += 1

    def dismiss(self) -> None:
        """As a system would that is shut down: they finish what is in hand."""
        for worker, output in self.members:
            eventually(lambda output=output: at_work(output), 60)
            worker.terminate()
        for worker, output in self.members:
            worker.join(60)
            assert worker.exitcode == 0, output.read_text()
        self.members = []

    def leave_nobody(self) -> None:
        for worker, _ in self.members:
            worker.kill()
            worker.join(30)


def at_work(output: Path) -> bool:
    return output.exists() and "at work" in output.read_text()


def due(store: Store) -> int:
    with store.database.reading() as connection:
        wakes = table(models.Episode).c.next_wake_at
        return connection.scalar(select(func.count()).where(wakes <= utcnow())) or 0


def waiting(store: Store, *, ready: bool = False) -> int:
    """Rows of the outbox without an outcome; with `ready`, those that may be sent now."""
    rows = table(models.Reminder)
    query = select(func.count()).where(rows.c.outcome == "waiting")
    with store.database.reading() as connection:
        return connection.scalar(query.where(rows.c.try_at <= utcnow()) if ready else query) or 0


def end_the_waiting(store: Store) -> None:
    """While nobody works: what the dead have in hand, and what the server put off, may be taken at once."""
    outbox = table(models.Reminder)
    with store.database.writing() as connection:
        connection.execute(update(outbox).where(outbox.c.outcome == "waiting").values(try_at=utcnow()))


def killing(crew: Crew) -> None:
    crew.hire()
    while crew.kills < KILLS:
        crew.kill_one()
        crew.hire()


def until_nothing(left: Callable[[], int], longest: datetime) -> None:
    while left():
        assert utcnow() < longest, f"{left()} things are left"
        time.sleep(0.2)


def test_each_timer_fires_once_under_all_the_kills(tmp_path):
    begun = utcnow()
    with enrolling(OF_TIMERS) as ward:
        crew = Crew(ward, tmp_path, batch=2)
        try:
            killing(crew)
            left = due(ward)
            until_nothing(lambda: due(ward), begun + LONGEST)
            crew.dismiss()
        finally:
            crew.leave_nobody()
        found = Counter(fired(ward).values())
        show(timers=sum(found.values()), kills=crew.kills, left_after_the_kills=left, begun=begun)
        assert found == Counter({1: OF_TIMERS}), "each once, none lost"
        milestones = rows(ward, models.Reminder, table(models.Reminder).c.kind == "milestone")
        assert len(milestones) == OF_TIMERS
        assert verify(ward).line() == f"all {OF_TIMERS} episodes agree"
        assert census(ward, utcnow()).adds_up


def test_each_message_arrives_and_only_what_was_under_way_is_repeated(tmp_path):
    begun = utcnow()
    with enrolling(OF_MESSAGES) as ward, mail_server() as (post, port):
        failing, crew = Failing(post), Crew(ward, tmp_path, smtp_host="127.0.0.1", smtp_port=port)
        try:
            killing(crew)
            left = waiting(ward)
            until_nothing(lambda: due(ward) + waiting(ward, ready=True), begun + LONGEST)
            crew.dismiss()
            while waiting(ward):
                end_the_waiting(ward)
                crew.hire()
                until_nothing(lambda: waiting(ward, ready=True), begun + LONGEST)
                crew.dismiss()
        finally:
            crew.leave_nobody()
        outbox = rows(ward, models.Reminder, table(models.Reminder).c.because != HISTORY)
        cut_off = len(rows(ward, models.Delivery, table(models.Delivery).c.answer == UNANSWERED))
        arrived = Counter(letter["X-Pathway-Reference"] for letter in post.letters)
        repeated = sum(arrived.values()) - len(arrived)
        counts = {"messages": len(outbox), "letters": len(post.letters), "refused_by_the_server": failing.refused}
        show(**counts, kills=crew.kills, cut_off=cut_off, repeated=repeated, left_after_the_kills=left, begun=begun)
        assert len(outbox) >= OF_MESSAGES
        assert {row.outcome for row in outbox} == {"sent"}
        salt = salt_of(ward, begun)
        ours = {Message(row.key, "", "", begun, salt=salt).reference for row in outbox}
        assert ours <= arrived.keys(), "each arrived"
        assert repeated <= cut_off <= crew.kills * THREADS[TELLING]
        assert failing.refused > 0
        assert Counter(fired(ward).values()) == Counter({1: OF_MESSAGES})
        assert verify(ward).line() == f"all {OF_MESSAGES} episodes agree"


def show(begun: datetime, **figures: int) -> None:
    """The figures of `make endurance`."""
    print(json.dumps({**figures, "seconds": round((utcnow() - begun).total_seconds())}))  # noqa: T201 for that command
