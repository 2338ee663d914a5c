"""kill -9 at any moment loses nothing, fires nothing twice, and sends twice only where mail itself leaves no choice.

Real processes settle and deliver one database to a real mail server and are killed fifty times, at seeded
random moments. The one window that remains: a worker dies after the server has accepted a letter and before the
answer is written down. The letter then goes out again with the same Message-ID. A worker has one letter under way
at a time, so there can be at most one such repetition for each kill.
"""

import json
import multiprocessing
import random
from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import func, select

from persistence import models
from persistence.store import table
from persistence.verify import verify
from scheduler.census import census
from scheduler.channels.smtp import Smtp
from scheduler.deliveries import UNANSWERED
from scheduler.outbox import deliver
from scheduler.settle import settle_all
from tests.scheduler.ward import REASSESS_DUE, days, enrol, mail_server, open_store, reference, rows, staff

EPISODES, WORKERS = 60, 2
# Days after the four-week date on which the workers stand, and how many of them are killed there.
SHIFTS = {0: 17, 24: 17, 63: 16}
KILLS = sum(SHIFTS.values())
SENDER = "pathway@hospital.example"


def work(url: str, port: int, now: datetime, ready) -> None:
    """A worker: settles a batch, delivers a slice, and begins again, until it is killed."""
    store, smtp = open_store(url), Smtp("127.0.0.1", port, sender=SENDER)
    ready.set()
    while True:
        settle_once(store, now)
        deliver(store, [smtp], now, limit=10)


def settle_once(store, now: datetime) -> None:
    batches: list = []
    settle_all(store, now, batch=5, on_batch=batches.append, stop=lambda: bool(batches))


class Crew:
    """Workers that are killed and replaced."""

    def __init__(self, url: str, port: int, seed: int) -> None:
        self.url, self.port, self.chance = url, port, random.Random(seed)
        self.processes = multiprocessing.get_context("forkserver")
        self.processes.set_forkserver_preload(["tests.scheduler.test_kill_nine"])
        self.kills = 0

    def hire(self, now: datetime):
        ready = self.processes.Event()
        worker = self.processes.Process(target=work, args=(self.url, self.port, now, ready))
        worker.start()
        assert ready.wait(timeout=30)
        return worker

    def shift(self, now: datetime, kills: int) -> None:
        """Work at one instant under several kills; whoever is left at the end is killed as well."""
        crew = [self.hire(now) for _ in range(WORKERS)]
        for remaining in range(kills, 0, -1):
            victim = crew.pop(self.chance.randrange(len(crew)))
            victim.join(timeout=self.chance.uniform(0, 0.4))
            assert victim.is_alive(), "a worker ended by itself"
            victim.kill()
            victim.join()
            self.kills += 1
            if remaining > WORKERS:
                crew.append(self.hire(now))
        assert not crew


def fired(store) -> Counter:
    """How often the journals say that each timer fired."""
    entries = table(models.Entry)
    found: Counter = Counter()
    for row in rows(store, models.Entry, entries.c.kind == "timer"):
        for effect in json.loads(row.effects)["effects"]:
            if effect["event"] == "timer_fired":
                found[row.episode_id, effect["code"], effect["due"]] += 1
    return found


def waiting(store) -> int:
    outbox = table(models.Reminder)
    with store.database.reading() as connection:
        return connection.scalar(select(func.count()).where(outbox.c.outcome == "waiting"))


def test_fifty_kills_lose_nothing_and_repeat_only_what_was_under_way(store, url):
    staff(store)
    for number in range(EPISODES):
        enrol(store, f"P{number:03}")
    with mail_server() as (post, port):
        crew = Crew(url, port, seed=20260203)
        for day, kills in SHIFTS.items():
            crew.shift(REASSESS_DUE + days(day), kills)
        assert crew.kills == KILLS == 50
        cut_off = rows(store, models.Delivery, table(models.Delivery).c.answer == UNANSWERED)
        end, smtp = REASSESS_DUE + days(64), Smtp("127.0.0.1", port, sender=SENDER)
        settle_all(store, end)
        while deliver(store, [smtp], end, limit=500).waiting:
            end += timedelta(minutes=1)

    assert fired(store) == dict.fromkeys(expected_timers(store), 1)
    assert verify(store).problems == []
    assert verify(store).line() == f"all {EPISODES} episodes agree"
    assert census(store, end).adds_up
    outbox = {reference(store, row.key): row for row in rows(store, models.Reminder)}
    assert {row.outcome for row in outbox.values()} <= {"sent", "suppressed", "too_late"}
    sent = {reference for reference, row in outbox.items() if row.outcome == "sent"}
    arrived = Counter(letter["X-Pathway-Reference"] for letter in post.letters)
    assert sent <= arrived.keys() <= outbox.keys()
    assert len(sent) > len(outbox) / 4
    # What a kill cut off may have arrived, and be no longer true when its lease is over.
    untold = {outbox[reference].key for reference in arrived.keys() - sent}
    assert untold <= {row.reminder_key for row in cut_off}
    late = {row.episode_id for row in outbox.values() if row.outcome == "too_late"}
    reach = table(models.Task).c.code == "K-REACH"
    assert late == {task.episode_id for task in rows(store, models.Task, reach)}
    repeated = len(post.letters) - len(set(post.ids()))
    assert repeated <= len(cut_off) <= KILLS


def expected_timers(store) -> list[tuple[str, str, str]]:
    """By the calendar: four weeks, eight weeks and three months, for every patient."""
    dues = {"REASSESS": "2026-02-03", "IMAGING_8W": "2026-02-27", "FAILURE_REVIEW": "2026-04-06"}
    return [(row.id, code, due) for row in rows(store, models.Episode) for code, due in dues.items()]
