"""Several desks and sweeps at one patient at one moment: no broken chain, nothing lost, Outrun the only refusal."""

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from threading import Barrier

import pytest

from pathway.engine import Engine
from pathway.errors import Outrun
from persistence import models
from persistence.store import Person, Store
from persistence.verify import verify
from tests.journeys.people import ENGINE, GUIDELINE, fractured_again, happened, observed, registered
from tests.persistence.shelf import CARE, OPENED, ZONE, in_care, rows, store_on, tell

LATER = OPENED + timedelta(days=1)
# How long a desk waits for the other: it must be held up, so this is how long the test takes.
MEANWHILE = 0.3
DESKS, SWEEPS, REPORTS, WEEKS = 4, 2, 3, 8


@pytest.fixture
def open_desk(url):
    """Opens further stores on the database, as further processes would."""
    with ExitStack() as stack:
        yield lambda engine=ENGINE: stack.enter_context(store_on(url, engine))


def in_threads(*work):
    """Run the pieces of work in threads that start together; what each returned. An error ends the test."""
    barrier = Barrier(len(work))

    def run(piece):
        barrier.wait(timeout=20)
        return piece()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


# ---------------------------------------------------------------- many on one patient


def test_desks_and_sweeps_on_one_patient_lose_nothing_and_fire_nothing_twice(open_desk):
    first = open_desk()
    tell(first, *CARE)
    desks, sweeps = [open_desk() for _ in range(DESKS)], [open_desk() for _ in range(SWEEPS)]
    taken: list[str] = []
    for week in range(1, WEEKS + 1):
        reports = [partial(reported, desk, f"{week}-{n}", instants(week, n)) for n, desk in enumerate(desks)]
        settling = [partial(sweep.settle, instants(week, DESKS + n)[0]) for n, sweep in enumerate(sweeps)]
        for found in in_threads(*reports, *settling)[:DESKS]:
            taken += found
    told = Counter(line.step.data["scale"] for line in first.journal("P1-1") if line.step.kind == "function")
    assert told == dict.fromkeys(taken, 1)
    fired = [(line.step.kind, line.step.data["due"]) for line in first.journal("P1-1") if line.kind == "timer"]
    assert len(fired) == len(set(fired)) > 1
    assert verify(first).problems == []


def instants(week, desk):
    """Of one moment, no two alike: the clocks of several machines differ a little."""
    return [OPENED + timedelta(weeks=week, microseconds=desk + 10 * n) for n in range(REPORTS)]


def reported(desk, name, times):
    """Those of the reports that the store took; the others were outrun, which is told and not lost."""
    taken = []
    for number, at in enumerate(times):
        try:
            desk.record("P1", observed("function", scale=f"{name}-{number}"), at)
        except Outrun:
            continue
        taken.append(f"{name}-{number}")
    return taken


def test_desks_that_only_record_wait_for_each_other(open_desk):
    """Nobody is sent away because a colleague was quicker by a moment."""
    first = open_desk()
    tell(first, *CARE)
    desks = [open_desk() for _ in range(DESKS)]
    taken = in_threads(*(partial(reported, desk, f"desk {n}", instants(1, n)) for n, desk in enumerate(desks)))
    assert [len(found) for found in taken] == [REPORTS] * DESKS
    assert verify(first).problems == []


def test_two_desks_register_one_patient_and_the_second_is_told_so(open_desk):
    desks = [open_desk() for _ in range(DESKS)]
    steps = [registered(event_id="letter-1")] * 2 + [registered()] * 2
    work = [partial(d.record, Person("P1", ZONE), s, OPENED) for d, s in zip(desks, steps, strict=True)]
    answers = in_threads(*work)
    assert len(desks[0].case("P1").episodes) == 1
    assert len([a for a in answers if a.refusal is None and not a.duplicate]) == 1
    assert verify(desks[0]).problems == []


def test_refusals_that_belong_to_no_episode_make_one_chain(open_desk):
    desks = [open_desk() for _ in range(DESKS)]
    wrong = registered("2026-01-06")
    work = [
        lambda desk=desk, n=n: [desk.record(Person(f"P{n}{m}", ZONE), wrong, OPENED) for m in range(REPORTS)]
        for n, desk in enumerate(desks)
    ]
    for refused in in_threads(*work):
        assert {answer.refusal.code for answer in refused} == {"DATE_ORDER"}
    lines = rows(desks[0], models.Entry, episode_id="intake")
    assert sorted(line.seq for line in lines) == list(range(1, DESKS * REPORTS + 1))
    assert verify(desks[0]).problems == []


# ---------------------------------------------------------------- one in the middle of the other


class Interrupted(Engine):
    """Judges a step, and lets something else happen before the answer is stored."""

    def __init__(self, other) -> None:
        super().__init__(GUIDELINE)
        self.other, self.pool = other, ThreadPoolExecutor(1)
        self.answer: Future | None = None

    def record(self, case, step, at, **options):
        outcome = super().record(case, step, at, **options)
        self.answer = self.pool.submit(self.other)
        wait([self.answer], timeout=MEANWHILE)
        return outcome


DEATH, FRACTURE = happened("death"), fractured_again("2026-01-05")


@pytest.mark.parametrize(("first", "second"), [(DEATH, FRACTURE), (FRACTURE, DEATH)], ids=["death", "fracture"])
def test_a_death_beside_a_second_fracture_leaves_no_episode_open(open_desk, first, second):
    """Each alone writes rows that the other does not touch, so no version tells; they must take turns."""
    other = open_desk()
    tell(other, *CARE)
    engine = Interrupted(lambda: other.record("P1", second, LATER))
    assert open_desk(engine).record("P1", first, LATER).refusal is None
    refused = engine.answer.result(timeout=20).refusal
    engine.pool.shutdown()
    assert (refused and refused.code) == ("TERMINAL" if second is FRACTURE else None)
    assert {episode.state for episode in other.case("P1").episodes} == {"DECEASED"}
    assert verify(other).problems == []


def test_one_message_that_comes_by_two_ways_at_one_moment_is_spent_once(open_desk):
    other = open_desk()
    tell(other, *CARE)
    message = observed("function", scale="once", event_id="lab-1")
    engine = Interrupted(lambda: other.record("P1", message, LATER))
    open_desk(engine).record("P1", message, LATER)
    assert engine.answer.result(timeout=20).duplicate
    engine.pool.shutdown()
    assert verify(other).problems == []


def test_a_sweep_in_the_middle_of_a_step_waits_or_leaves_it_alone(open_desk):
    other, due = open_desk(), OPENED + timedelta(days=28)
    tell(other, *CARE)
    engine = Interrupted(lambda: other.settle(due + timedelta(seconds=1)))
    open_desk(engine).record("P1", observed("function", scale="x"), due)
    engine.answer.result(timeout=20)
    engine.pool.shutdown()
    other.settle(due + timedelta(seconds=2))
    fired = [line.step.kind for line in other.journal("P1-1") if line.kind == "timer"]
    assert fired == ["REASSESS"]
    assert verify(other).problems == []


def test_a_sweep_does_not_wait_for_a_patient_who_is_being_written(open_desk):
    """On SQLite it waits for the one writer; then there is nothing left to settle but the others."""
    other, due = open_desk(), OPENED + timedelta(days=28)
    for patient in ("P1", "P2"):
        tell(other, *CARE, patient=patient)
    engine = Interrupted(lambda: Store(other.database, ENGINE).settle(due))
    open_desk(engine).record("P1", observed("function", scale="x"), due)
    engine.answer.result(timeout=20)
    engine.pool.shutdown()
    assert {row.state for row in rows(other, models.Episode)} == {"REASSESSMENT"}
    assert verify(other).problems == []


# ---------------------------------------------------------------- many people at once


def test_two_imports_of_the_same_people_in_another_order_do_not_wait_for_each_other_for_ever(open_desk):
    one, other = open_desk(), open_desk()
    people = {f"P{n}": Person(f"P{n}", ZONE) for n in range(200)}
    changes = [in_care(name) for name in people]

    def add(desk, made):
        try:
            desk.add_histories(people, made)
        except Outrun:
            return False
        return True

    assert sorted(in_threads(lambda: add(one, changes), lambda: add(other, changes[::-1]))) == [False, True]
    assert verify(one).line() == "all 200 episodes agree"
