"""Seeds 4, 10, 13, 14 and 15: one episode beside others, and how an episode ends, waits, or does not."""

from collections import Counter
from datetime import date
from typing import Any

import pytest

from persistence import models
from persistence.store import table
from persistence.verify import verify
from persistence.worklist import worklist
from scheduler.calendar_feed import calendar_feed
from scheduler.census import census
from scheduler.digest import digest
from scheduler.outbox import deliver
from tests.journeys.clinic import Clinic, clinic_with_store
from tests.journeys.people import (
    GUIDELINE,
    WHY,
    closed,
    decided,
    examined,
    fractured_again,
    happened,
    registered,
    scanned,
)
from tests.peers.house import (
    DAY,
    FOUR_WEEKS,
    HOUR,
    WRITES,
    agrees,
    beat,
    enrol,
    may_write,
    outbox,
    texts,
)
from tests.persistence.shelf import tell
from tests.scheduler.ward import rows, staff


def in_care(store) -> Clinic:
    """P1 on conservative care since the morning of 5 January 2026, on a real database, with staff to tell."""
    staff(store)
    clinic = clinic_with_store(store)
    return clinic.tell(registered(), examined(), scanned("2026-01-05"), decided("start_conservative"))


# ---------------------------------------------------------------- 4: names that begin alike

ALIKE = ("P10", "P11", "P100", "P1-1")


def about(store, patients: tuple[str, ...]) -> dict[str, list[Any]]:
    """Every row, by table, of these patients, of their first episodes and of the messages about those."""
    episodes = [f"{patient}-1" for patient in patients]
    found = {}
    for model in (models.Episode, models.Entry, models.Timer, models.Task, models.Alert, models.Reminder):
        name = "id" if model is models.Episode else "episode_id"
        found[str(model.__tablename__)] = rows(store, model, table(model).c[name].in_(episodes))
    found["patient"] = rows(store, models.Patient, table(models.Patient).c.id.in_(patients))
    return {name: sorted(map(tuple, rows_of), key=repr) for name, rows_of in found.items()}


@pytest.mark.parametrize(
    "ends",
    [happened("withdraw", **WHY), happened("death"), happened("transfer_out", **WHY)],
    ids=lambda step: step.kind,
)
def test_seed_04_the_end_of_one_episode_touches_no_other_whose_name_begins_alike(store, pigeon, ends):
    staff(store)
    enrol(store, "P1", *ALIKE)
    while store.settle(FOUR_WEEKS).episodes:
        pass
    before = about(store, ALIKE)
    assert len(before["patient"]) == len(before["episode"]) == len(ALIKE)
    tell(store, ends, at=FOUR_WEEKS + HOUR)
    assert about(store, ALIKE) == before
    deliver(store, [pigeon], FOUR_WEEKS + 2 * HOUR, limit=1000)
    outcomes = {patient: {row.outcome for row in outbox(store, patient_id=patient)} for patient in ("P1", *ALIKE)}
    assert outcomes == {"P1": {"suppressed"}, **dict.fromkeys(ALIKE, {"sent"})}
    assert verify(store).problems == []


# ---------------------------------------------------------------- 10: a further fracture


def test_seed_10_a_further_fracture_is_an_episode_of_its_own_with_clocks_of_its_own(store, pigeon):
    clinic = in_care(store).at("2026-02-16 10:00")
    before = clinic.episode
    clinic.tell(fractured_again("2026-02-14"))
    first, second = clinic.episodes()
    assert (first.timers, first.tasks, first.place) == (before.timers, before.tasks, before.place)
    assert (second.id, second.onset, second.state) == ("P1-2", date(2026, 2, 14), "ACUTE_ASSESSMENT")
    clinic.at("2026-03-10 10:00").tell(examined(), scanned(), decided("start_conservative"))
    second = clinic.episodes()[1]
    due = {timer.code: str(timer.due) for timer in second.timers}
    assert due == {"IMAGING_8W": "2026-04-11", "REASSESS": "2026-04-07", "FAILURE_REVIEW": "2026-06-10"}
    clinic.at("2026-04-07 10:00")
    beat(store, pigeon, clinic.calendar.now)
    told = {
        (row.episode_id, row.code)
        for row in outbox(store, kind="milestone")
        if row.fired_at > before.opened_at + 70 * DAY
    }
    assert told == {("P1-1", "FAILURE_REVIEW"), ("P1-2", "REASSESS")}
    assert verify(store).problems == []


def test_seed_10_two_episodes_share_what_a_patient_may_be_sent_in_a_week(store):
    """Three messages in one week, of two episodes; two may go out. Who has one episode gets the one message."""
    clinic = in_care(store)
    clinic.tell(registered(), examined(), scanned("2026-01-05"), decided("start_conservative"), patient="P2")
    may_write(store)
    agrees(store, "P1", "+441632960001")
    agrees(store, "P2", "+441632960002")
    clinic.at("2026-02-16 10:00").tell(fractured_again("2026-02-14"))
    clinic.at("2026-03-10 10:00").tell(examined(), scanned(), decided("start_conservative"))
    channel = texts()
    for day in ("2026-04-05", "2026-04-07", "2026-04-11"):
        clinic.at(f"{day} 10:00")
        beat(store, channel, clinic.calendar.now, site=WRITES)
    told = {(row.episode_id, row.key.split(":")[1]): row.outcome for row in outbox(store, role="patient")}
    assert told == {
        ("P1-1", "FAILURE_REVIEW"): "sent",
        ("P1-2", "REASSESS"): "sent",
        ("P1-2", "IMAGING_8W"): "suppressed",
        ("P2-1", "FAILURE_REVIEW"): "sent",
    }
    (held_back,) = [row for row in outbox(store, role="patient") if row.outcome == "suppressed"]
    assert held_back.because == "the patient has had 2 messages in seven days, and no more than 2 are sent"
    assert Counter(person for _, person in channel.sent) == {"+441632960001": 2, "+441632960002": 1}


# ---------------------------------------------------------------- 13 and 14: nobody acts


@pytest.fixture
def neglected(store, pigeon) -> Clinic:
    """Nobody has acted for 455 days; the machine has worked once in five weeks."""
    clinic = in_care(store)
    for _ in range(13):
        clinic.calendar.now = clinic.calendar.later(days=35)
        beat(store, pigeon, clinic.calendar.now)
        assert clinic.state in GUIDELINE.active_states
    return clinic


def test_seed_13_when_the_last_milestone_goes_by_undone_the_episode_is_open_until_a_person_ends_it(store, neglected):
    episode = neglected.episode
    assert (episode.satisfied, {timer.status for timer in episode.timers}) == ({}, {"fired"})
    overdue = {item.code for item in worklist(store, neglected.calendar.now) if item.days_overdue}
    assert {"K-REASSESS", "K-3M-DECISION"} <= overdue
    by_itself = (
        decided("discharge", actor="system", **WHY),
        decided("complete_reassessment", actor="system", outcome="resolved"),
        happened("withdraw", actor="system", **WHY),
        closed("K-REASSESS", actor="system"),
    )
    assert [neglected.refused(step) for step in by_itself] == ["ROLE"] * len(by_itself)
    assert neglected.episode.place == episode.place
    neglected.tell(happened("withdraw", actor="coordinator", **WHY))
    assert neglected.state == "WITHDRAWN"
    assert worklist(store, neglected.calendar.now) == []


def test_seed_13_no_rule_of_the_guideline_lets_the_engine_end_an_episode():
    ends = [rule for rule in GUIDELINE.transitions if rule.to in GUIDELINE.states and GUIDELINE.is_terminal(rule.to)]
    assert {rule.to for rule in ends} == set(GUIDELINE.states) - set(GUIDELINE.active_states)
    assert {rule.actor for rule in ends} == {"coordinator", "clinician"}
    assert {rule.trigger for rule in ends}.isdisjoint(GUIDELINE.timers)


def test_seed_14_what_is_overdue_for_more_than_four_hundred_days_is_still_listed_and_still_told(
    store, pigeon, neglected
):
    now = neglected.calendar.now
    late = {item.code: item.days_overdue for item in worklist(store, now)}
    assert late["K-OPRX"] == late["K-CAVITD"] == 448
    assert late["K-REASSESS"] == 413
    assert {item.code for item in digest(store, now, "clinician").items} == {"K-REASSESS", "K-3M-DECISION"}
    assert calendar_feed(store, now, role="clinician").count(b"(overdue)") == 2
    assert census(store, now).active == 1
    last = max(row.due_at for row in outbox(store, code="K-REASSESS", outcome="sent"))
    assert now - last < 7 * DAY
    # Ten years on, and nobody has been at work in between.
    neglected.calendar.now = now + 3650 * DAY
    beat(store, pigeon, neglected.calendar.now)
    assert {item.code: item.days_overdue for item in worklist(store, neglected.calendar.now)} == {
        code: days + 3650 for code, days in late.items()
    }


# ---------------------------------------------------------------- 15: held


def test_seed_15_what_fell_due_while_it_was_held_comes_when_the_hold_ends_once_and_with_its_own_date(store, pigeon):
    """For thirty days a red flag stands over the end of the fourth week, and a clinician then overrules it."""
    clinic = in_care(store).at("2026-01-20 10:00").tell(examined(motor_deficit=True))
    for day in ("2026-01-21", "2026-02-02", "2026-02-10", "2026-02-19"):
        clinic.at(f"{day} 09:00")
        beat(store, pigeon, clinic.calendar.now)
    assert clinic.timer("REASSESS").status == "held"
    assert outbox(store, code="REASSESS") == []
    assert census(store, clinic.calendar.now).held == 1
    assert clinic.task("K-SURG-ACK").status == "open"

    clinic.tell(decided("overrule_red_flag", **WHY))
    now = clinic.calendar.now
    assert (clinic.place, census(store, now).held) == ("REASSESSMENT", 0)
    (item,) = [item for item in worklist(store, now) if item.code == "K-REASSESS"]
    assert (item.due, item.days_overdue) == (date(2026, 2, 2), 3)
    beat(store, pigeon, now)
    (milestone,) = outbox(store, code="REASSESS")
    assert (milestone.due_at, milestone.outcome) == (now, "sent")
    clinic.forward(days=30)
    beat(store, pigeon, clinic.calendar.now, rounds=2)
    assert len(outbox(store, code="REASSESS")) == 1
    assert set(Counter(pigeon.sent).values()) == {1}
    assert verify(store).problems == []


def test_seed_15_work_that_rested_during_the_hold_is_on_the_list_again_with_its_dates(store):
    clinic = in_care(store).at("2026-02-02 10:00")
    before = clinic.task("K-REASSESS")
    clinic.tell(examined(motor_deficit=True)).at("2026-03-04 10:00")
    assert "K-REASSESS" not in {item.code for item in worklist(store, clinic.calendar.now)}
    clinic.tell(decided("overrule_red_flag", **WHY))
    after = clinic.task("K-REASSESS")
    assert (after.status, after.n, after.due, after.overdue_after) == ("open", 1, before.due, before.overdue_after)
    assert {item.code: item.days_overdue for item in worklist(store, clinic.calendar.now)}["K-REASSESS"] == 16
