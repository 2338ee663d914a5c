"""A service of made-up patients: eighteen months of history, made by the real engine in virtual time.

Each patient is lived through in memory, time stopping at every moment at which something falls due, and the
finished journals are written in one transaction. No journal line is invented: what people do goes to the engine,
which takes or refuses it, and the rest follows.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

from coordinator import demo_people as people
from pathway import assessments
from pathway.calendar import local_date, zone_named
from pathway.engine import Case, Change, Engine, Outcome
from pathway.episode import Episode
from pathway.guards import BONE_AND_SAFETY
from pathway.journal import Entry, Step, plain
from pathway.turn import offset_by
from persistence.store import Person, Store

OPENS, CLOSES, SATURDAY = 9, 17, 5
BONE_TASKS = BONE_AND_SAFETY[:4]
CALLED_BEFORE = ("IMAGING_8W", "FAILURE_REVIEW")
Key = tuple[str, str, int | date]


def build(
    store: Store,
    *,
    now: datetime,
    seed: int = 7,
    patients: int = 300,
    zone: str = "Europe/London",
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Fill a store that does not hold the demo yet. The same seed and now give the same journals."""
    names = people.identities(Random(f"{seed}"), patients)
    lives = []
    for number, (story, identity) in enumerate(zip(people.cast(patients), names, strict=True), 1):
        life = Life(store.engine, story, identity, Random(f"{seed}:{number}"), zone, now)
        live(life)
        lives.append(life)
        if on_progress:
            on_progress(number, patients)
    _keep(store, lives)


def _keep(store: Store, lives: "list[Life]") -> None:
    with store.database.writing() as connection:
        for life in lives:
            first = life.case.episodes[0]
            store._add_person(connection, life.person, first.opened_at, first.birth_date, first.sex)
        store._write(connection, [change for life in lives for change in life.changes()], {})


class Life:
    """One patient from arrival to now: the case, its journals, and what is still to come."""

    def __init__(
        self, engine: Engine, story: people.Story, identity: people.Identity, rng: Random, zone: str, now: datetime
    ) -> None:
        self.engine, self.story, self.identity, self.rng = engine, story, identity, rng
        self.zone, self.now = zone, now
        self.person = Person(identity.number, zone, surname=identity.surname, given=identity.given)
        self.case = Case(identity.number, zone)
        self.journals: dict[str, list[Entry]] = {}
        self.owner, self.clinician = rng.choice(people.COORDINATORS), rng.choice(people.CLINICIANS)
        self.answers = dict(story.answers)
        newest, oldest = story.came
        came = now - timedelta(days=newest + (oldest - newest) * rng.random() ** 1.4)
        self.clock = self.arrival = min(self.working(came), now)
        self.planned = [(self._planned_for(low, high), name) for name, low, high in story.plan]
        self.appointments: dict[Key, datetime] = {}
        self.courses: dict[tuple[str, bool], people.Pain] = {}
        self.spines: dict[str, people.Spine] = {}

    def changes(self) -> Iterator[Change]:
        for episode in self.case.episodes:
            yield Change(episode, tuple(self.journals[episode.id]))

    # ---------------------------------------------------------------- the engine

    def record(self, step: Step, at: datetime, n: int | None) -> bool:
        while (wake := self.next_wake()) is not None and wake < at:
            self.settle(wake)
        outcome = self.engine.record(self.case, step, at, episode_n=n)
        for change in outcome.changes:
            self._take(change)
        self.clock = at
        return outcome.refusal is None

    def settle(self, at: datetime) -> None:
        for episode in self.case.episodes:
            change = self.engine.settle(episode, at)
            if change is not None:
                self._take(change)
        self.clock = at

    def next_wake(self) -> datetime | None:
        wakes = (self.engine.next_wake(episode) for episode in self.case.episodes)
        return min((wake for wake in wakes if wake is not None), default=None)

    def _take(self, change: Change) -> None:
        others = [episode for episode in self.case.episodes if episode.id != change.episode.id]
        self.case.episodes = sorted([*others, change.episode], key=lambda episode: episode.n)
        self.journals.setdefault(change.episode.id, []).extend(change.entries)

    # ---------------------------------------------------------------- when people act

    def working(self, at: datetime) -> datetime:
        """That moment, or a moment of the next working day where nobody is at work."""
        wall = at.astimezone(zone_named(self.zone))
        day = wall.date()
        if wall.weekday() < SATURDAY and OPENS <= wall.hour < CLOSES:
            return at
        if wall.hour >= OPENS or wall.weekday() >= SATURDAY:
            day += timedelta(days=1)
        while day.weekday() >= SATURDAY:
            day += timedelta(days=1)
        opening = datetime.combine(day, time(OPENS), wall.tzinfo).astimezone(at.tzinfo)
        return opening + timedelta(minutes=self.rng.randint(0, 450))

    def in_days(self, at: datetime, low: float, high: float) -> datetime:
        return self._unless_silent(self.working(at + timedelta(days=self.rng.uniform(low, high))))

    def _unless_silent(self, at: datetime) -> datetime:
        if self.story.silence is None:
            return at
        start, end = self.story.silence
        until = self.now + timedelta(days=1) if end is None else self.arrival + timedelta(days=end)
        silent = self.arrival + timedelta(days=start) <= at < until
        return self.working(until) if silent else at

    def _planned_for(self, low: float, high: float) -> datetime:
        days = timedelta(days=self.rng.uniform(low, high))
        return self.now + days if high < 0 else self.working(self.arrival + days)

    def appointment(self, key: Key, opened: datetime, low: float, high: float) -> datetime:
        """When somebody turns to this; fixed when it is first asked, and again if work went on without it."""
        pace = self.story.pace
        if key not in self.appointments:
            on_call = key[1] == "K-SURG-ACK"
            hours = opened + timedelta(days=self.rng.uniform(low, high))
            self.appointments[key] = hours if on_call else self.in_days(opened, low * pace, high * pace)
        if self.appointments[key] < self.clock:
            self.appointments[key] = self.clock + timedelta(minutes=self.rng.randint(20, 200))
        return self.appointments[key]

    def diary(self) -> Iterator[tuple[datetime, int, Key, "Act"]]:
        """What is to be done: plans, open tasks, and calls before a review falls due."""
        last = len(self.case.episodes)
        for at, name in self.planned:
            yield max(at, self.clock), last, ("plan", name, 0), HAPPENINGS[name]
        for episode in self.case.episodes:
            for task in episode.tasks:
                if task.status == "open" and task.code not in self.story.leaves:
                    act, low, high = WORK[task.code]
                    key = (episode.id, task.code, task.n)
                    yield self.appointment(key, task.opened_at, low, high), episode.n, key, act
            if self.story.calls and episode.state == "CONSERVATIVE_CARE":
                yield from self._calls(episode)

    def _calls(self, episode: Episode) -> Iterator[tuple[datetime, int, Key, "Act"]]:
        for code in CALLED_BEFORE:
            timer = episode.waiting_timer(code)
            key = (episode.id, code, timer.due if timer else 0)
            if timer is not None and self.appointments.get(key, self.now) >= self.clock:
                due = datetime.combine(timer.due, time(OPENS), zone_named(self.zone))
                yield self.appointment(key, due.astimezone(self.now.tzinfo), -8, -2), episode.n, key, call
