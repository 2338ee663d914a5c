"""Seeds 5 to 8: facts that come late, twice, in another order, are taken back or dated anew."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.telling import tell as told_in_words
from pathway.journal import Step
from persistence.store import Person
from persistence.verify import verify
from persistence.worklist import worklist
from scheduler.channels import ChannelDown
from tests.journeys.clinic import Clinic, clinic_with_store
from tests.journeys.people import (
    ENGINE,
    GUIDELINE,
    corrected,
    decided,
    examined,
    observed,
    pain,
    registered,
    scanned,
)
from tests.journeys.walks import story_so_far
from tests.memory_world import MemoryWorld
from tests.peers.house import DAY, HOUR, attempts, beat, outbox
from tests.persistence.shelf import CARE, OPENED, ZONE, store_on
from tests.scheduler.ward import staff

CONTINUE = decided("complete_reassessment", outcome="continue")
IMAGING_CONTINUE = decided("review_imaging", outcome="continue")


def in_care(store, fracture: str = "2026-01-02") -> Clinic:
    """P1 on conservative care since the morning of 5 January 2026, on a real database, with staff to tell."""
    staff(store)
    clinic = clinic_with_store(store)
    return clinic.tell(registered(fracture), examined(), scanned("2026-01-05"), decided("start_conservative"))


def seen_after_four_weeks(store) -> Clinic:
    """Reassessed on 2 February; pain lasts, so that the eight-week question moves to imaging on the 27th."""
    clinic = in_care(store).at("2026-02-02 10:00").tell(pain(5), CONTINUE)
    return clinic.at("2026-02-25 10:00").tell(pain(5))


def overdue(store, clinic: Clinic) -> set[str]:
    return {item.code for item in worklist(store, clinic.calendar.now) if item.days_overdue}


# ---------------------------------------------------------------- 5: done in time, entered late


def test_seed_05_a_scan_made_in_time_and_entered_weeks_later_answers_the_milestone_by_its_own_date(store, pigeon):
    clinic = seen_after_four_weeks(store).at("2026-02-27 10:00")
    beat(store, pigeon, clinic.calendar.now)
    assert clinic.place == "IMAGING_REVIEW"
    clinic.at("2026-03-18 10:00")
    beat(store, pigeon, clinic.calendar.now)
    sent = [*pigeon.sent]
    assert "K-IMGREV" in overdue(store, clinic)

    clinic.tell(scanned("2026-02-20"))
    episode = clinic.episode
    assert (episode.satisfied["IMAGING_8W"], episode.owed("IMAGING_8W")) == ("imaging", None)
    assert episode.latest("imaging").effective <= clinic.timer("IMAGING_8W").due
    line = store.journal("P1-1")[-1]
    assert (clinic.shown(line.occurred_at), clinic.shown(line.recorded_at)) == ("2026-02-20 08:00", "2026-03-18 10:00")
    assert {said.late for said in told_in_words([line], GUIDELINE)} == {True}
    # The image has still to be judged; then nothing is left of the breach but its story.
    clinic.tell(pain(5), IMAGING_CONTINUE)
    assert clinic.place == "CONSERVATIVE_CARE"
    assert overdue(store, clinic) == {"K-CAVITD", "K-OPRX", "K-DXA", "K-BONEREF"}
    clinic.at("2026-04-01 10:00")
    beat(store, pigeon, clinic.calendar.now)
    later = Counter(key.split(":")[1] for key, _ in pigeon.sent[len(sent) :])
    assert {"K-IMGREV", "IMAGING_8W"}.isdisjoint(later)
    assert {row.outcome for row in outbox(store, code="IMAGING_8W")} == {"sent"}
    assert verify(store).problems == []


def test_seed_05_bone_work_done_in_time_and_entered_late_leaves_the_list_and_nobody_is_reminded(store, pigeon):
    clinic = in_care(store).at("2026-02-17 10:00")
    assert "K-DXA" in overdue(store, clinic)
    clinic.tell(observed("dxa", t_score=-2.0, date="2026-01-30"))
    assert "K-DXA" not in overdue(store, clinic)
    beat(store, pigeon, clinic.calendar.now)
    (late,) = outbox(store, code="K-DXA", kind="overdue")
    assert (late.outcome, late.because) == ("suppressed", "the task is closed: data")
    assert attempts(store, late.key) == []
    assert clinic.episode.latest("dxa").effective == date(2026, 1, 30)


def test_seed_05_a_reassessment_counts_from_the_day_on_which_it_is_recorded_and_only_with_a_fresh_status(store):
    """What a decision rests on must be known when it is made: a visit of day 27 that is entered on day 75 is a fact
    of day 27, and no reassessment."""
    clinic = in_care(store).at("2026-03-21 10:00").tell(pain(2, "improving", effective="2026-02-01"))
    assert clinic.refused(CONTINUE) == "SYMPTOMS_STALE"
    assert store.journal("P1-1")[-1].refusal.missing == ("symptoms",)
    assert "REASSESS" not in clinic.episode.satisfied
    clinic.tell(pain(2, "improving"), CONTINUE)
    assert clinic.episode.satisfied["REASSESS"] == "reassessment completed"
    assert clinic.shown(store.journal("P1-1")[-1].occurred_at) == "2026-03-21 10:00"


@pytest.mark.parametrize(("day", "asked_again"), [("2026-02-01", True), ("2026-02-02", False)])
def test_seed_05_a_reassessment_before_the_twenty_eighth_day_is_none_of_the_fourth_week(
    store, pigeon, day, asked_again
):
    clinic = in_care(store).at("2026-01-20 10:00").tell(observed("pulmonary", dysfunction=True))
    clinic.at(f"{day} 10:00").tell(pain(5), CONTINUE)
    clinic.at("2026-02-03 10:00")
    assert clinic.place == ("REASSESSMENT" if asked_again else "CONSERVATIVE_CARE")
    beat(store, pigeon, clinic.calendar.now)
    assert [row.outcome for row in outbox(store, code="REASSESS")] == ["sent" if asked_again else "suppressed"]


# ---------------------------------------------------------------- 6: twice, and in whatever order

REPORTS = (
    pain(8, effective="2026-01-10"),
    pain(5, effective="2026-01-12"),
    pain(2, "improving", effective="2026-01-14"),
    observed("dxa", t_score=-2.0, date="2026-01-11"),
    observed("supplements", calcium_mg=1000, vitamin_d_iu=800, effective="2026-01-13"),
    observed("bone_referral", service="endocrinology", date="2026-01-09"),
    observed("calcitonin", action="start", date="2026-01-08"),
    scanned("2026-01-12"),
    examined(effective="2026-01-12"),
)
FLAG = examined(motor_deficit=True, effective="2026-01-13")
ENTERED = OPENED + 10 * DAY
LOOKED_AT = OPENED + 40 * DAY


def told_all(world: Any, patient: str, reports: list[Step]) -> None:
    """The world has the patient in care, and hears the reports one minute after the other, each under its name."""
    for step in CARE:
        assert world.record(patient, step, OPENED, episode_n=None, catch_up=True) is None
    for minutes, step in enumerate(reports):
        world.record(patient, step, ENTERED + timedelta(minutes=minutes), episode_n=None, catch_up=True)
    world.settle(LOOKED_AT)


class Shelf:
    """A store as told_all needs it."""

    def __init__(self, store) -> None:
        self.store = store

    def record(self, patient: str, step: Step, at, **how):
        return self.store.record(Person(patient, ZONE), step, at, **how).refusal

    def settle(self, at) -> None:
        while self.store.settle(at).episodes:
            pass


def came_to(episode) -> dict[str, Any]:
    """What the story came to: everything that staff can see, and the newest answer to every question."""
    newest = {kind: episode.latest(kind).effective for kind in {o.kind for o in episode.observations}}
    facts = {kind: dict(episode.latest(kind).data) for kind in newest}
    return {**story_so_far(episode), "newest": newest, "facts": facts}


@pytest.fixture(scope="module")
def shelf(new_url):
    """One store for all examples: each has a patient of its own."""
    with store_on(new_url()) as found:
        yield found


PATIENTS = iter(f"N{number}" for number in range(10**6))
FLAGGED = len(REPORTS)


@cache
def told_straight(*, flagged: bool) -> dict[str, Any]:
    """What everything told once, in the order of its dates, comes to; in memory, without a store."""
    world = MemoryWorld(ENGINE, ZONE, "default")
    told_all(world, "P1", [*REPORTS, FLAG] if flagged else [*REPORTS])
    return came_to(world.episodes("P1")[-1])


PLACES = st.integers(0, len(REPORTS))


@settings(max_examples=settings().max_examples // 2)
@given(
    order=st.permutations(range(len(REPORTS))),
    flag_at=st.none() | PLACES,
    again=st.lists(st.tuples(PLACES, PLACES), max_size=3),
    named=st.booleans(),
)
def test_seed_06_reports_twice_and_in_any_order_come_to_the_same(shelf, order, flag_at, again, named):
    numbers = [*order]
    if flag_at is not None:
        numbers.insert(flag_at, FLAGGED)
    for number, place in again:
        numbers.insert(place, numbers[number % len(numbers)])
    steps = [replace((*REPORTS, FLAG)[n], event_id=f"m{n}" if named else None) for n in numbers]
    patient = next(PATIENTS)
    told_all(Shelf(shelf), patient, steps)
    (episode,) = shelf.case(patient).episodes
    assert came_to(episode) == told_straight(flagged=flag_at is not None)
    keys = [row.key for row in outbox(shelf, patient_id=patient)]
    milestones = [key for key in keys if ":milestone:" in key]
    assert milestones == ([] if flag_at is not None else [f"{patient}-1:REASSESS:milestone:2026-02-02"])


def test_seed_06_what_came_backwards_and_twice_agrees_with_its_journal(store):
    backwards = [replace(step, event_id=f"m{n}") for n, step in enumerate((*REPORTS, FLAG))][::-1]
    told_all(Shelf(store), "P1", [*backwards, *backwards])
    assert came_to(store.case("P1").episodes[0]) == told_straight(flagged=True)
    assert verify(store).problems == []


# ---------------------------------------------------------------- 7: taken back


def test_seed_07_taking_back_the_scan_that_answered_the_milestone_owes_it_again_and_tells_of_it_once(store, pigeon):
    clinic = in_care(store).at("2026-02-02 10:00").tell(pain(5), CONTINUE)
    clinic.at("2026-02-20 10:00").tell(scanned("2026-02-20", obs_id="mri"))
    clinic.at("2026-02-25 10:00").tell(pain(5)).at("2026-02-28 10:00")
    beat(store, pigeon, clinic.calendar.now)
    (milestone,) = outbox(store, code="IMAGING_8W")
    assert (milestone.outcome, milestone.because) == ("suppressed", "the milestone is satisfied: imaging")

    clinic.at("2026-03-02 10:00").tell(corrected("observation", obs_id="mri", reason="another patient's"))
    assert (clinic.place, clinic.timer("IMAGING_8W").status) == ("IMAGING_REVIEW", "fired")
    assert clinic.episode.owed("IMAGING_8W") is not None
    assert "K-IMGREV" in {item.code for item in worklist(store, clinic.calendar.now)}
    for day in ("2026-03-09 10:00", "2026-03-17 10:00", "2026-03-24 10:00"):
        clinic.at(day)
        beat(store, pigeon, clinic.calendar.now)
    assert [row.key for row in outbox(store, code="IMAGING_8W")] == [milestone.key]
    told = Counter(key for key, _ in pigeon.sent if ":K-IMGREV:" in key)
    days = {"due": "2026-03-09", "overdue": "2026-03-17", "repeat": "2026-03-24"}
    assert told == {f"P1-1:K-IMGREV:1:{kind}:{day}": 1 for kind, day in days.items()}
    # The scan of this patient answers it anew.
    clinic.tell(scanned("2026-03-20"))
    assert clinic.episode.satisfied["IMAGING_8W"] == "imaging"
    assert verify(store).problems == []


def test_seed_07_work_whose_result_is_taken_back_is_on_the_list_again_and_goes_on_in_its_own_calendar(store, pigeon):
    clinic = in_care(store).at("2026-02-02 10:00")
    beat(store, pigeon, clinic.calendar.now)
    clinic.at("2026-02-10 10:00").tell(observed("dxa", t_score=-2.0, obs_id="dxa"))
    clinic.at("2026-02-20 10:00")
    beat(store, pigeon, clinic.calendar.now)
    assert "K-DXA" not in {item.code for item in worklist(store, clinic.calendar.now)}
    clinic.tell(corrected("observation", obs_id="dxa", reason="another patient's"))
    assert "K-DXA" in overdue(store, clinic)
    clinic.at("2026-03-03 10:00")
    beat(store, pigeon, clinic.calendar.now)
    told = [row.key.removeprefix("P1-1:K-DXA:1:") for row in outbox(store, code="K-DXA")]
    assert told == ["due:2026-02-02", "overdue:2026-02-17", "repeat:2026-02-24", "repeat:2026-03-03"]
    assert set(Counter(key for key, _ in pigeon.sent).values()) == {1}
    assert verify(store).problems == []


def test_seed_07_a_message_that_was_withdrawn_meanwhile_is_followed_by_the_next_of_its_calendar(store, pigeon):
    """Withdrawn because the work was done; that was a mistake; the list shows it at once, a message in a week."""
    clinic = in_care(store).at("2026-02-02 10:00")
    beat(store, pigeon, clinic.calendar.now)
    pigeon.trouble = ChannelDown("connection refused")
    clinic.at("2026-02-17 08:00")
    beat(store, pigeon, clinic.calendar.now)
    pigeon.trouble = None
    clinic.tell(observed("dxa", t_score=-2.0, obs_id="dxa"))
    beat(store, pigeon, clinic.calendar.now + HOUR)
    clinic.at("2026-02-17 10:00").tell(corrected("observation", obs_id="dxa"))
    assert "K-DXA" in overdue(store, clinic)
    clinic.at("2026-02-24 10:00")
    beat(store, pigeon, clinic.calendar.now)
    told = {row.kind: row.outcome for row in outbox(store, code="K-DXA")}
    assert told == {"due": "sent", "overdue": "suppressed", "repeat": "sent"}


# ---------------------------------------------------------------- 8: dated anew

# Fractured on 5 December, in care since 5 January: the eight weeks end on 30 January, the four on 2 February.
# The day of the correction, what is dated thirty days off, and the clocks that move.
MOVED = [
    ("2026-01-20", "fracture_date", "2025-11-05", {"IMAGING_8W": "2025-12-31"}),
    ("2026-01-20", "fracture_date", "2026-01-04", {"IMAGING_8W": "2026-03-01"}),
    ("2026-01-20", "care_start", "2025-12-06", {"REASSESS": "2026-01-03", "FAILURE_REVIEW": "2026-03-06"}),
    ("2026-02-05", "fracture_date", "2025-11-05", {}),
    ("2026-02-05", "fracture_date", "2026-01-04", {"IMAGING_8W": "2026-03-01"}),
    ("2026-02-05", "care_start", "2025-12-06", {"FAILURE_REVIEW": "2026-03-06"}),
    ("2026-02-05", "care_start", "2026-02-04", {"REASSESS": "2026-03-04", "FAILURE_REVIEW": "2026-05-04"}),
]


@pytest.mark.parametrize(
    ("on", "anchor", "value", "moved"), MOVED, ids=[f"{row[1]} {row[2]} on {row[0]}" for row in MOVED]
)
def test_seed_08_an_anchor_thirty_days_off_moves_its_clocks_and_what_was_told_stays_told(
    store, pigeon, on, anchor, value, moved
):
    clinic = in_care(store, "2025-12-05").at(f"{on} 10:00")
    beat(store, pigeon, clinic.calendar.now)
    already = {key for key, _ in pigeon.sent if ":milestone:" in key}
    before = clocks(clinic)
    clinic.tell(corrected(anchor, value))
    line = next(line for line in reversed(store.journal("P1-1")) if line.kind == "correct")
    assert {effect["code"] for effect in line.effects if effect["event"] == "timer_set"} == set(moved)
    assert clocks(clinic) == {**before, **moved}
    for day in ("2026-03-05", "2026-05-05"):
        clinic.leap(f"{day} 10:00")
        beat(store, pigeon, clinic.calendar.now, rounds=2)
    fired = {f"P1-1:{code}:milestone:{day}" for code, day in clocks(clinic).items()}
    assert {row.key for row in outbox(store, kind="milestone")} == already | fired
    assert set(Counter(pigeon.sent).values()) == {1}
    assert verify(store).problems == []


def clocks(clinic: Clinic) -> dict[str, str]:
    """The day of each clock that still counts."""
    return {t.code: str(t.due) for t in clinic.episode.timers if t.status in ("pending", "held", "fired")}
