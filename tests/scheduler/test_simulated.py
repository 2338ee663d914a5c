"""Time that people let pass: forward only, and everything due on the way happens at its own moment."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from pathway.errors import ClockWentBack
from persistence import models
from persistence.store import table
from scheduler.jobs import run_settle
from scheduler.outage import outages
from scheduler.simulated import SimulatedClock, let_time_pass
from tests.scheduler.ward import CARE, LATE, REASSESS_DUE, enrol


@pytest.fixture
def clock():
    return SimulatedClock(lambda: CARE)


def fired(store):
    timers = table(models.Timer)
    with store.database.reading() as connection:
        query = select(timers.c.code, timers.c.fired_at).where(timers.c.fired_at.is_not(None))
        return {row.code: row.fired_at for row in connection.execute(query)}


def test_what_falls_due_on_the_way_fires_at_its_own_moment(store, clock):
    enrol(store)
    passed = let_time_pass(store, clock, LATE)
    assert clock() == LATE
    assert fired(store)["REASSESS"] == REASSESS_DUE
    assert passed.fired > 1


def test_many_small_steps_tell_the_same_story_as_one_leap(store, clock):
    enrol(store)
    for _ in range(50):
        let_time_pass(store, clock, min(LATE, clock() + timedelta(days=1)))
    assert fired(store)["REASSESS"] == REASSESS_DUE


def test_the_engine_was_at_work_all_the_while(store, clock):
    run_settle(store, clock())
    let_time_pass(store, clock, CARE + timedelta(days=2))
    with store.database.reading() as connection:
        assert outages(connection) == []


def test_time_never_goes_back(clock):
    with pytest.raises(ClockWentBack):
        clock.move_to(CARE - timedelta(minutes=1))


def test_a_clock_that_runs_on_keeps_what_it_was_moved_by():
    now = [CARE]
    clock = SimulatedClock(lambda: now[0])
    clock.move_to(CARE + timedelta(days=1))
    now[0] += timedelta(minutes=5)
    assert clock() == CARE + timedelta(days=1, minutes=5)


def test_it_begins_no_earlier_than_the_last_line(store):
    assert SimulatedClock(lambda: CARE, CARE + timedelta(days=3))() == CARE + timedelta(days=3)
    assert SimulatedClock(lambda: CARE, CARE - timedelta(days=3))() == CARE
