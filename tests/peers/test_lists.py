"""Seeds 18, 19, 20, 24 and 25: who is on which list, and numbers that come out the same however they are made."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from pathway.calendar import fire_instant, local_date
from pathway.checking import faults
from pathway.engine import Change
from pathway.episode import Episode
from pathway.journal import Step
from persistence import models
from persistence.store import Person, table
from persistence.verify import verify
from persistence.worklist import WorkItem, worklist
from scheduler.calendar_feed import calendar_feed
from scheduler.census import census
from tests.journeys.histories import histories
from tests.journeys.people import BONE_TASKS, ENGINE, GUIDELINE, WHY, closed, corrected, happened, registered
from tests.machine.places import ACTIVE, PLACES
from tests.memory_world import MemoryWorld
from tests.peers.house import DAY, FOUR_WEEKS, HOUR, MINUTE, enrol, walk
from tests.persistence.shelf import OPENED, ZONE, in_care, rows, store_on, tell
from tests.scheduler.ward import change

BY_THEMSELVES = ("timer", "reminder")


@pytest.fixture(scope="module")
def shelf(new_url):
    """One store for all examples of a property: each has a patient of its own."""
    with store_on(new_url()) as found:
        yield found


NAMES = iter(f"N{number}" for number in range(10**6))


# ---------------------------------------------------------------- 18: every state on a list


def test_seed_18_every_state_that_is_no_end_is_on_a_worklist_and_the_check_refuses_one_that_is_not():
    assert [state for state in GUIDELINE.active_states if not GUIDELINE.states[state].worklist] == []
    for name in GUIDELINE.active_states:
        hidden = replace(GUIDELINE.states[name], worklist="")
        spoilt = replace(GUIDELINE, states={**GUIDELINE.states, name: hidden})
        assert faults(spoilt) == [f"state {name}: not an end and on no worklist, so a patient there would be lost"]


def retold(store, patient: str, clinic) -> None:
    """The story of P1 of that clinic, told again of another patient on a real database."""
    for line in clinic.world.journals["P1-1"]:
        if line.kind not in BY_THEMSELVES:
            store.record(Person(patient, ZONE), line.step, line.recorded_at)
    store.settle(clinic.calendar.now)


def test_seed_18_whoever_is_on_the_pathway_is_on_the_list_of_their_state_whatever_else_is_done(store):
    """In each place, with all bone work done: what is left is the work or the milestones of the place itself."""
    stories = sorted(((PLACES[place](), place) for place in PLACES), key=lambda story: story[0].calendar.now)
    for clinic, place in stories:
        patient, now = f"in {place}", clinic.calendar.now
        retold(store, patient, clinic)
        for code in BONE_TASKS:
            store.record(patient, closed(code, "declined", **WHY), now)
        store.record(patient, happened("assign", owner=patient), now)
        (episode,) = store.case(patient).episodes
        assert episode.path == place
        listed = GUIDELINE.states[episode.state].worklist or "ended"
        feed = calendar_feed(store, now, owner=patient, worklist=listed)
        assert (b"BEGIN:VEVENT" in feed) == (place in ACTIVE)
        assert census(store, now).without_next_date == ()
    assert census(store, now).enrolled == len(PLACES)


# ---------------------------------------------------------------- 19: one meaning of overdue


Listed = set[tuple[int, str, int]]


def of_the_engine(world: MemoryWorld, at: datetime) -> Listed:
    """Each open task by episode, code and days overdue, as the episodes of a world without a database have it."""
    return {
        (episode.n, task.code, max(0, (local_date(at, episode.zone) - task.overdue_after).days))
        for episode in world.episodes("P1")
        for task in episode.tasks
        if task.status == "open"
    }


def of_the_list(store, patient: str, at: datetime, as_of: datetime | None = None) -> Listed:
    found = worklist(store, at, as_of=as_of)
    return {(item.n, item.code, item.days_overdue) for item in found if item.patient == patient}


@settings(max_examples=settings().max_examples // 2)
@given(history=histories(longest=6), days=st.integers(0, 500), data=st.data())
def test_seed_19_engine_list_and_history_agree_on_what_is_overdue_at_every_moment(shelf, history, days, data):
    patient, world, then = next(NAMES), MemoryWorld(ENGINE, history.zone, history.profile), {}
    person = Person(patient, history.zone, history.profile)
    for told in history.told:
        world.record("P1", told.step, told.at, episode_n=told.n, catch_up=told.up)
        shelf.record(person, under_the_name(patient, told.step), told.at, episode_n=told.n, catch_up=told.up)
        then[told.at] = of_the_engine(world, told.at)
        assert of_the_list(shelf, patient, told.at) == then[told.at]
    later = history.told[-1].at + timedelta(days=days)
    world.settle(later)
    while shelf.settle(later).episodes:
        pass
    then[later] = of_the_engine(world, later)
    assert of_the_list(shelf, patient, later) == then[later]
    look = data.draw(st.sampled_from(sorted(then)))
    assert of_the_list(shelf, patient, later, as_of=look) == then[look]
    assert reminded_of_overdue(world, later) == late_since_this_morning(world, then[later], later)


def under_the_name(patient: str, step: Step) -> Step:
    """The same step of another patient: a finding that a step takes back is named after its episode."""
    found = str(step.data.get("obs_id", ""))
    return step if not found else replace(step, data={**step.data, "obs_id": found.replace("P1-", f"{patient}-")})


def reminded_of_overdue(world: MemoryWorld, at: datetime) -> set[tuple[int, str]]:
    """The open tasks of which staff have been told that they are overdue, a red flag's ladder apart."""
    return {
        (episode.n, task.code)
        for episode in awake(world, at)
        for task in episode.tasks
        if task.status == "open" and task.reminded_on and task.reminded_on > task.overdue_after
    }


def late_since_this_morning(world: MemoryWorld, listed: Listed, at: datetime) -> set[tuple[int, str]]:
    there = {episode.n for episode in awake(world, at)}
    by_date = {code for code, rule in GUIDELINE.tasks.items() if not rule.ladder_parameter}
    return {(n, code) for n, code, overdue in listed if overdue and code in by_date and n in there}


def awake(world: MemoryWorld, at: datetime) -> list[Episode]:
    """The episodes at whose site it is eight o'clock or later."""
    return [e for e in world.episodes("P1") if fire_instant(local_date(at, e.zone), "08:00", e.zone) <= at]


# ---------------------------------------------------------------- 20: the days on either side of a bound


@pytest.mark.parametrize(
    ("code", "last_day"),
    [("K-REASSESS", "2026-02-16"), ("K-3M-DECISION", "2026-04-19"), ("K-DXA", "2026-02-16"), ("K-OPRX", "2026-01-12")],
)
def test_seed_20_work_counts_as_overdue_from_the_first_minute_after_its_last_day(store, code, last_day):
    enrol(store, "P1")
    midnight = fire_instant(date.fromisoformat(last_day) + timedelta(days=1), "00:00", ZONE)
    walk(store, midnight - MINUTE)
    counted = {
        at: [item.days_overdue for item in worklist(store, at) if item.code == code]
        for at in (midnight - MINUTE, midnight, midnight + DAY)
    }
    assert list(counted.values()) == [[0], [1], [2]]


def test_seed_20_a_date_that_is_missing_has_a_stand_in_that_says_so(store):
    tell(store, registered(None, identification_date="2026-01-04"), patient="NO DATE")
    tell(store, registered("2025-12-01", fracture_date_precision="month"), patient="MONTH ONLY")
    anchors = {patient: store.case(patient).episodes[0].anchors() for patient in store.patients()}
    assert {name: (str(found["onset"]), found["onset_source"]) for name, found in anchors.items()} == {
        "NO DATE": ("2026-01-04", "identification_fallback"),
        "MONTH ONLY": ("2025-12-01", "month_earliest"),
    }
    due = {row.episode_id: str(row.due) for row in rows(store, models.Timer, code="IMAGING_8W")}
    assert due == {"NO DATE-1": "2026-03-01", "MONTH ONLY-1": "2026-01-26"}


def test_seed_20_dates_in_an_impossible_order_are_refused_and_counted_nowhere(store):
    enrol(store, "P1")
    before = census(store, FOUR_WEEKS).line(), worklist(store, FOUR_WEEKS)
    wrong = {
        "NEW1": registered("2026-01-04", identification_date="2026-01-03"),
        "NEW2": registered("2026-01-06"),
        "P1": corrected("care_start", "2026-01-01"),
    }
    refused = {name: store.record(Person(name, ZONE), step, OPENED + HOUR).refusal for name, step in wrong.items()}
    assert {name: refusal.code for name, refusal in refused.items()} == dict.fromkeys(wrong, "DATE_ORDER")
    assert (census(store, FOUR_WEEKS).line(), worklist(store, FOUR_WEEKS)) == before
    assert store.patients() == ["P1"]


# ---------------------------------------------------------------- 24: the turn of a month

SITES = ("Pacific/Auckland", "Europe/London", "America/New_York")


def counts(store, at: datetime, as_of: datetime | None = None) -> tuple[dict[str, int], list[WorkItem]]:
    found = census(store, at, as_of=as_of)
    numbers = {"enrolled": found.enrolled, "active": found.active, "held": found.held, "closed": found.closed}
    return numbers, worklist(store, at, as_of=as_of)


def test_seed_24_at_the_turn_of_a_month_numbers_change_at_each_site_s_own_midnight_and_stay_what_they_were(store):
    """Registered on 20 December at three sites; densitometry is overdue from 1 February on."""
    for zone in SITES:
        begun = fire_instant(date(2025, 12, 20), "09:00", zone)
        assert store.record(Person(zone, zone), registered("2025-12-20"), begun).refusal is None
    seen = {}
    turns = sorted(fire_instant(date(2026, 2, 1), "00:00", zone) for zone in SITES)
    for passed, midnight in enumerate(turns, 1):
        for at, late in ((midnight - MINUTE, passed - 1), (midnight, passed)):
            store.settle(at)
            seen[at] = counts(store, at)
            overdue = [item.patient for item in seen[at][1] if item.code == "K-DXA" and item.days_overdue]
            assert sorted(overdue) == sorted(SITES[:late])
            assert counts(store, at, as_of=at) == seen[at]
    # Half a year on, after a death and much work, each of those moments is counted again from the journals.
    last = turns[-1] + 180 * DAY
    assert store.record("Europe/London", happened("death"), turns[-1] + DAY).refusal is None
    while store.settle(last).episodes:
        pass
    assert {at: counts(store, last, as_of=at) for at in seen} == seen
    assert counts(store, last) != seen[turns[-1]]


# ---------------------------------------------------------------- 25: everything made again

COHORT = 150


@cache
def cohort() -> tuple[Change, ...]:
    return tuple(in_care(f"N{number:04d}") for number in range(COHORT))


def test_seed_25_a_cohort_made_again_from_its_journals_is_the_cohort_that_is_stored(store):
    store.add_histories({made.episode.patient: Person(made.episode.patient, ZONE) for made in cohort()}, cohort())
    for day in (28, 60, 95):
        while store.settle(OPENED + day * DAY, limit=COHORT).episodes:
            pass
    found = verify(store)
    assert (found.line(), found.problems) == (f"all {COHORT} episodes agree", [])
    assert found.lines == len(rows(store, models.Entry)) > 10 * COHORT
    spoilt = table(models.Task)
    change(store, update(spoilt).where(spoilt.c.episode_id == "N0123-1", spoilt.c.code == "K-DXA").values(n=7))
    assert [problem.split()[0] for problem in verify(store).problems] == ["N0123-1"]
