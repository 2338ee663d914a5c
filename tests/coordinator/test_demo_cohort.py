"""The demo's people: plainly made up, their histories the engine's own, every state of the pathway in sight."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from coordinator.cohort_file.cells import nhs_check_digit_fits
from coordinator.demo_cohort import build
from coordinator.demo_people import CLINICIANS, COORDINATORS, STORIES, cast
from pathway.checking import load_guideline
from pathway.engine import Engine
from pathway.episode import to_document
from pathway.errors import Outrun
from pathway.invariants import violations
from pathway.journal import Entry, Step
from persistence import models
from persistence.database import Database
from persistence.store import Person, Store, table
from persistence.verify import verify

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
SUNDAY_AFTER_THE_CLOCKS_CHANGED = datetime(2026, 10, 25, 6, 0, tzinfo=UTC)
EIGHTEEN_MONTHS = timedelta(days=548)
BY_PEOPLE = ("register", "observe", "decide", "task", "admin", "correct", "new_fracture")


def empty_store(engine: Engine | None = None) -> Store:
    database = Database("sqlite://")
    database.upgrade()
    return Store(database, engine or Engine(load_guideline()))


def built(patients: int, now: datetime = NOW, **asked) -> Store:
    store = empty_store()
    build(store, now=now, patients=patients, **asked)
    return store


@pytest.fixture(scope="module")
def demo() -> Store:
    return built(300)


@pytest.fixture(scope="module")
def sixty() -> Store:
    return built(60)


def journals(store: Store) -> dict[str, list[Entry]]:
    return {episode.id: store.journal(episode.id) for episode in store.episodes()}


def hashes(store: Store) -> list[tuple[str, int, str]]:
    lines = table(models.Entry)
    query = select(lines.c.episode_id, lines.c.seq, lines.c.hash).order_by(lines.c.episode_id, lines.c.seq)
    with store.database.reading() as connection:
        return [tuple(row) for row in connection.execute(query)]


def outbox(store: Store) -> set[tuple[str, datetime, str]]:
    told = table(models.Reminder)
    with store.database.reading() as connection:
        rows = connection.execute(select(told.c.key, told.c.fired_at, told.c.detail))
        return {tuple(row) for row in rows}


def broken(store: Store) -> list[str]:
    engine = store.engine
    episodes = store.episodes()
    return [
        found
        for episode in episodes
        for found in violations(episode, engine.guideline, engine.profile(episode.profile))
    ]


# The whole demo


def test_every_open_state_has_somebody_in_it(demo):
    guideline = demo.engine.guideline
    populated = {episode.path for episode in demo.episodes()}
    wanted = {path for path in guideline.paths() if not guideline.is_terminal(path.partition(".")[0])}
    # These two are always in one of their sub-states.
    assert wanted - populated <= {"AUGMENTATION_REFERRAL", "SURGICAL_REFERRAL"}


def test_every_ending_has_been_reached(demo):
    assert {"DISCHARGED", "TRANSFERRED_OUT", "WITHDRAWN", "DECEASED"} <= {e.state for e in demo.episodes()}


def test_every_journal_replays_to_what_is_stored(demo):
    replayed = {name: to_document(demo.engine.replay(lines)) for name, lines in journals(demo).items()}
    assert replayed == {episode.id: to_document(episode) for episode in demo.episodes()}


def test_the_store_agrees_with_itself(demo):
    assert verify(demo).problems == []


def test_no_invariant_is_broken(demo):
    assert broken(demo) == []


def test_history_fills_eighteen_months_and_nothing_lies_ahead(demo):
    lines = table(models.Entry)
    with demo.database.reading() as connection:
        first = connection.scalar(select(func.min(lines.c.recorded_at)))
        last = connection.scalar(select(func.max(lines.c.recorded_at)))
    assert NOW - EIGHTEEN_MONTHS <= first <= NOW - EIGHTEEN_MONTHS * 0.9
    assert NOW - timedelta(days=1) <= last <= NOW


def test_all_that_was_due_has_fired(demo):
    assert demo.next_wake() > NOW


def test_some_work_waits_and_some_is_late(demo):
    today = NOW.date()
    tasks = [task for episode in demo.episodes() for task in episode.tasks if task.status == "open"]
    late = [task for task in tasks if task.overdue_after < today]
    assert 20 < len(late) < len(tasks) / 2


# Who they are


def test_nobody_can_be_taken_for_a_real_person(demo):
    people = table(models.Patient)
    with demo.database.reading() as connection:
        rows = connection.execute(select(people)).all()
    assert len({row.id for row in rows}) == 300
    for row in rows:
        assert row.id.startswith("999") and len(row.id) == 10 and nhs_check_digit_fits(row.id)
        assert row.given.startswith("Demo ") and row.surname.isupper()
        assert row.birth_date is not None and row.sex in ("F", "M")


def test_names_are_not_shared(demo):
    people = table(models.Patient)
    with demo.database.reading() as connection:
        names = connection.execute(select(people.c.surname, people.c.given)).all()
    assert len(set(names)) == len(names)


def test_staff_say_that_they_are_made_up(demo):
    lines = [line for journal in journals(demo).values() for line in journal]
    names = {line.step.by for line in lines if line.kind in BY_PEOPLE}
    assert names == {*COORDINATORS, *CLINICIANS}
    assert all("demo" in name.casefold() for name in names)


def test_every_episode_has_an_owner(demo):
    assert {episode.owner for episode in demo.episodes()} <= set(COORDINATORS)


def test_every_kind_of_story_is_told_before_any_is_told_twice():
    names = [story.name for story in cast(len(STORIES))]
    assert sorted(names) == sorted(story.name for story in STORIES)


# How it is made


def test_sixty_patients_are_quick():
    started = time.perf_counter()
    built(60)
    assert time.perf_counter() - started < 8


def test_the_same_seed_and_now_make_the_same_journals(sixty):
    assert hashes(built(60)) == hashes(sixty)


def test_another_seed_makes_other_people(sixty):
    assert not set(built(60, seed=8).patients()) & set(sixty.patients())


def test_somewhere_else_on_a_sunday():
    store = built(45, SUNDAY_AFTER_THE_CLOCKS_CHANGED, zone="America/New_York", seed=3)
    assert broken(store) == []
    assert {episode.zone for episode in store.episodes()} == {"America/New_York"}


def test_progress_is_told_patient_by_patient():
    told = []
    build(empty_store(), now=NOW, patients=5, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(n, 5) for n in range(1, 6)]


def test_a_second_demo_in_the_same_store_is_refused_whole(sixty):
    before = hashes(sixty)
    with pytest.raises(Outrun):
        build(sixty, now=NOW, patients=60)
    assert hashes(sixty) == before


class Overheard(Engine):
    """The real engine, and what people said to it."""

    def __init__(self) -> None:
        super().__init__(load_guideline())
        self.said: list[tuple[datetime, str, int | None, Step]] = []

    def record(self, case, step, at, *, episode_n=None, catch_up=True):
        self.said.append((at, case.patient, episode_n, step))
        return super().record(case, step, at, episode_n=episode_n, catch_up=catch_up)


def test_the_store_and_its_scheduler_write_the_same_step_by_step():
    whole = empty_store(Overheard())
    build(whole, now=NOW, patients=len(STORIES))
    some = set(whole.patients()[::3])
    stepwise = empty_store()
    for at, patient, n, step in sorted(whole.engine.said, key=lambda said: said[:2]):
        if patient in some:
            _forward(stepwise, at, inclusive=False)
            stepwise.record(Person(patient, "Europe/London"), step, at, episode_n=n)
    _forward(stepwise, NOW, inclusive=True)
    assert hashes(stepwise) == [line for line in hashes(whole) if line[0].partition("-")[0] in some]
    assert outbox(stepwise) == {told for told in outbox(whole) if told[0].partition("-")[0] in some}


def _forward(store: Store, until: datetime, *, inclusive: bool) -> None:
    while (wake := store.next_wake()) is not None and (wake < until or (inclusive and wake == until)):
        store.settle(wake)
