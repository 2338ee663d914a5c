"""The morning line, and every way in which it must refuse to add up."""

from datetime import date

import pytest
from sqlalchemy import delete, update

from persistence import models
from persistence.store import table
from scheduler.census import Census, census
from scheduler.jobs import nightly_census, run_census
from scheduler.outbox import deliver
from scheduler.settle import settle_all
from tests.scheduler.ward import LATE, REASSESS_DUE, ZONE, change, days, die, enrol, register, rows, staff

EPISODES = table(models.Episode)


@pytest.fixture
def ward(store):
    for patient in ("P1", "P2", "P3", "P4"):
        enrol(store, patient)
    register(store, "P5")
    die(store, "P4", REASSESS_DUE - days(1))
    return store


def alerts(store):
    return rows(store, models.Reminder, table(models.Reminder).c.code == "CENSUS")


def test_the_line_reads_as_agreed():
    found = Census(LATE, 412, 371, 18, 23)
    assert found.line() == "412 enrolled = 371 active + 18 held + 23 closed; unowned 0; without next date 0"
    assert found.adds_up


def test_everybody_is_counted_once(ward):
    # The eight-week question of a patient who is still being assessed is held until care has begun.
    settle_all(ward, LATE + days(30))
    found = census(ward, LATE + days(30))
    assert found.line() == "5 enrolled = 3 active + 1 held + 1 closed; unowned 0; without next date 0"
    assert (found.adds_up, found.problems) == (True, [])


def test_an_empty_service_adds_up(store):
    assert census(store, LATE).line().startswith("0 enrolled = 0 active + 0 held + 0 closed")


@pytest.mark.parametrize("owner", [None, ""])
def test_an_episode_without_owner_is_named(ward, owner):
    change(ward, update(EPISODES).where(EPISODES.c.id == "P2-1").values(owner=owner))
    found = census(ward, LATE)
    assert (found.adds_up, found.problems) == (False, ["unowned: P2-1"])
    assert "unowned 1" in found.line()


def test_a_closed_episode_needs_no_owner(ward):
    change(ward, update(EPISODES).where(EPISODES.c.id == "P4-1").values(owner=None))
    assert census(ward, LATE).adds_up


def test_an_episode_without_task_and_timer_is_named(ward):
    tasks, timers = table(models.Task), table(models.Timer)
    change(ward, update(tasks).where(tasks.c.episode_id == "P1-1").values(status="closed"))
    assert census(ward, LATE).adds_up
    change(ward, delete(timers).where(timers.c.episode_id == "P1-1"))
    found = census(ward, LATE)
    assert (found.adds_up, found.problems) == (False, ["without next date: P1-1"])


def test_a_state_that_the_guideline_does_not_know_is_named(ward):
    change(ward, update(EPISODES).where(EPISODES.c.id == "P3-1").values(state="LIMBO"))
    found = census(ward, LATE)
    assert not found.adds_up
    assert found.problems == ["in a state that the guideline does not know: P3-1"]


def test_the_census_of_an_earlier_day_comes_from_the_journals(ward):
    settle_all(ward, LATE + days(30))
    then = census(ward, LATE + days(30), as_of=REASSESS_DUE - days(2))
    assert then.line() == "5 enrolled = 5 active + 0 held + 0 closed; unowned 0; without next date 0"
    now = census(ward, LATE + days(30), as_of=LATE + days(30))
    assert now.line() == census(ward, LATE + days(30)).line()
    assert now.as_json()["adds_up"] is True


def test_a_census_that_does_not_add_up_alerts_once_a_day(ward, pigeon):
    staff(ward)
    change(ward, update(EPISODES).where(EPISODES.c.id == "P2-1").values(owner=None))
    for _ in range(3):
        assert not run_census(ward, LATE, zone=ZONE).adds_up
    (alert,) = alerts(ward)
    assert (alert.key, alert.episode_id) == ("census:2026-02-18", None)
    deliver(ward, [pigeon], LATE)
    assert "unowned: P2-1" in pigeon.letters[0].body
    run_census(ward, LATE + days(1), zone=ZONE)
    assert len(alerts(ward)) == 2


def test_work_that_is_not_what_the_journals_add_up_to_is_named(ward):
    """Added up from the lines alone: a list from which work has gone is found without running a rule again."""
    settle_all(ward, LATE)
    assert run_census(ward, LATE, zone=ZONE).other_work == ()
    tasks, timers = table(models.Task), table(models.Timer)
    change(ward, update(tasks).where(tasks.c.episode_id == "P1-1", tasks.c.code == "K-DXA").values(status="closed"))
    change(ward, update(timers).where(timers.c.episode_id == "P2-1").values(status="cancelled"))
    change(ward, update(tasks).where(tasks.c.episode_id == "P3-1").values(due=date(2031, 1, 1)))
    found = run_census(ward, LATE, zone=ZONE)
    assert found.other_work == ("P1-1", "P2-1", "P3-1")
    assert not found.adds_up
    assert found.problems == ["with other open work than their journals tell of: P1-1, P2-1, P3-1"]


def test_a_census_that_did_not_look_into_the_journals_does_not_say_that_they_agree(ward):
    assert census(ward, LATE).as_json()["other_work"] is None


def test_the_nightly_census_happens_once_a_local_day(ward):
    assert nightly_census(ward, LATE, zone=ZONE) is not None
    assert nightly_census(ward, LATE, zone=ZONE) is None
    assert nightly_census(ward, LATE + days(1), zone=ZONE) is not None
    assert not alerts(ward)
