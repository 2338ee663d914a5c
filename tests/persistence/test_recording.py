"""One step, one transaction: all of it or nothing, in the order of the journal, whoever writes beside us."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from pathway.engine import Engine
from pathway.episode import to_document
from pathway.errors import ClockWentBack, NaiveTime, NoSuchPatient, Outrun, UnknownStep
from pathway.journal import Step
from persistence import models
from persistence.store import Person, Store
from persistence.verify import verify
from tests.journeys.people import (
    ENGINE,
    GUIDELINE,
    WHY,
    closed,
    decided,
    examined,
    fractured_again,
    happened,
    observed,
    pain,
    registered,
    scanned,
)
from tests.persistence.shelf import CARE, OPENED, ZONE, counts, documents, episode, in_care, rows, tell

TABLES = ("entry", "timer", "task", "referral", "alert", "reminder")
# One step that writes in all of them.
AGAIN = fractured_again("2026-01-05", mechanism="high_energy")
LATER = OPENED + timedelta(days=1)


ON_FIRE = {
    "sqlite": ("CREATE TRIGGER fire BEFORE INSERT ON {0} BEGIN SELECT RAISE(ABORT, 'disk on fire'); END",),
    "postgresql": (
        "CREATE FUNCTION burn() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'disk on fire' USING ERRCODE = 'check_violation'; END $$",
        "CREATE TRIGGER fire BEFORE INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION burn()",
    ),
}
PUT_OUT = {"sqlite": ("DROP TRIGGER fire",), "postgresql": ("DROP FUNCTION burn CASCADE",)}

# ---------------------------------------------------------------- one transaction


@contextmanager
def on_fire(database, name):
    """No row can be added to that table meanwhile."""
    kind = database.engine.dialect.name
    with database.writing() as connection:
        for statement in ON_FIRE[kind]:
            connection.execute(text(statement.format(name)))
    try:
        yield
    finally:
        with database.writing() as connection:
            for statement in PUT_OUT[kind]:
                connection.execute(text(statement))


@pytest.mark.parametrize("broken", TABLES)
def test_a_step_that_fails_half_way_leaves_nothing_behind(store, broken):
    tell(store, *CARE)
    before, stored = counts(store), documents(store, "P1")
    with on_fire(store.database, broken), pytest.raises(IntegrityError, match="disk on fire"):
        tell(store, AGAIN, at=LATER)
    assert (counts(store), documents(store, "P1")) == (before, stored)
    tell(store, AGAIN, at=LATER)
    assert episode(store).path == "SURGICAL_REFERRAL.pending_ack"


def test_what_the_journal_cannot_hold_is_not_half_taken(store):
    tell(store, *CARE)
    before = counts(store)
    with pytest.raises(TypeError, match="not JSON serializable"):
        tell(store, decided("resolved", because=object()), at=LATER)
    with pytest.raises(UnknownStep, match="dance"):
        tell(store, Step("dance"), at=LATER)
    assert counts(store) == before


def test_a_refused_step_is_one_line_and_nothing_else(store):
    tell(store, *CARE)
    before = counts(store)
    assert store.record("P1", decided("confirm_augmentation"), OPENED).refusal.code == "STATE"
    assert counts(store) == {**before, "entry": before["entry"] + 1}


def test_a_first_step_that_is_refused_is_kept_in_the_intake_journal(store):
    outcome = store.record(Person("P9", ZONE), registered("2026-01-06"), OPENED)
    assert outcome.refusal.code == "DATE_ORDER"
    (line,) = rows(store, models.Entry, episode_id="intake")
    assert (line.patient_id, line.refusal) == ("P9", "DATE_ORDER")
    with pytest.raises(NoSuchPatient):
        store.case("P9")


def test_nobody_is_made_up(store):
    with pytest.raises(NoSuchPatient, match="P9"):
        store.record("P9", pain(5), OPENED)
    assert set(counts(store).values()) == {0}


# ---------------------------------------------------------------- clocks


@pytest.mark.parametrize("back", [timedelta(seconds=6), timedelta(hours=1), timedelta(days=365)])
def test_a_clock_that_went_back_may_not_write(store, back):
    tell(store, *CARE)
    before = counts(store)
    with pytest.raises(ClockWentBack, match="nothing was done"):
        tell(store, pain(5), at=OPENED - back)
    assert counts(store) == before


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=365)])
def test_a_clock_that_went_back_fires_nothing(store, back):
    tell(store, *CARE)
    store.settle(OPENED + timedelta(days=40))
    before = counts(store)
    assert store.settle(OPENED + timedelta(days=40) - back).fired == 0
    assert counts(store) == before


def test_a_wall_time_is_refused(store):
    with pytest.raises(NaiveTime):
        tell(store, registered(), at=OPENED.replace(tzinfo=None))


# ---------------------------------------------------------------- two at once


def at_once(*work):
    """Run the pieces of work in threads that start together; what each returned, or the error it raised."""
    barrier = Barrier(len(work))

    def run(piece):
        barrier.wait(timeout=20)
        try:
            return piece()
        except Outrun as outrun:
            return outrun

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def test_two_people_write_on_one_episode_and_neither_is_lost(two_desks):
    one, other = two_desks
    tell(one, *CARE)
    known = episode(one).seq
    results = at_once(
        lambda: one.record("P1", observed("pulmonary", dysfunction=False), LATER),
        lambda: other.record("P1", observed("dxa", t_score=-2.0), LATER),
    )
    accepted = [result for result in results if not isinstance(result, Outrun)]
    assert accepted
    journal = one.journal("P1-1")
    told = {line.step.kind for line in journal[known:] if line.kind == "observe"}
    assert len(told) == len(accepted)
    assert [line.seq for line in journal] == list(range(1, len(journal) + 1))
    assert verify(one).problems == []


def test_two_decisions_on_one_episode_are_journalled_in_order_and_judged_one_after_the_other(two_desks):
    one, other = two_desks
    tell(one, *CARE, examined(motor_deficit=True))
    results = at_once(
        lambda: one.record("P1", decided("acknowledge_red_flag"), LATER),
        lambda: other.record("P1", decided("overrule_red_flag", **WHY), LATER),
    )
    answers = [r if isinstance(r, Outrun) else r.refusal for r in results]
    assert answers.count(None) == 1
    decisions = [line for line in one.journal("P1-1") if line.step.kind.endswith("_red_flag")]
    assert [line.refusal is None for line in decisions][0]
    assert episode(one).path in ("SURGICAL_REFERRAL.sent", "CONSERVATIVE_CARE")
    assert verify(one).problems == []


def test_ten_reports_at_once_are_ten_lines(two_desks):
    one, other = two_desks
    tell(one, *CARE)
    known = len(one.journal("P1-1"))
    reports = [
        lambda n=n: (one, other)[n % 2].record("P1", observed("function", scale=f"report {n}"), OPENED)
        for n in range(10)
    ]
    lost = [result for result in at_once(*reports) if isinstance(result, Outrun)]
    journal = one.journal("P1-1")[known:]
    assert len({line.step.data["scale"] for line in journal}) == 10 - len(lost)
    assert verify(one).problems == []


def test_one_message_by_two_ways_has_one_effect(two_desks):
    one, other = two_desks
    tell(one, *CARE)
    message = examined(motor_deficit=True, event_id="lab-1")
    at_once(lambda: one.record("P1", message, LATER), lambda: other.record("P1", message, LATER))
    assert [row.code for row in rows(one, models.Alert)] == ["RED_FLAG"]
    assert len(rows(one, models.Referral)) == 1


def test_two_desks_register_one_patient_once(two_desks):
    one, other = two_desks
    person = Person("P1", ZONE)
    at_once(lambda: one.record(person, registered(), OPENED), lambda: other.record(person, registered(), OPENED))
    assert len(one.case("P1").episodes) == 1
    assert verify(one).problems == []


def test_settling_beside_a_decision_fires_each_milestone_once(two_desks):
    one, other = two_desks
    tell(one, *CARE)
    due = OPENED + timedelta(days=28)
    at_once(
        lambda: one.settle(due),
        lambda: other.settle(due),
        lambda: one.record("P1", pain(5), due),
        lambda: other.settle(due),
    )
    told = [row.key for row in rows(one, models.Reminder) if row.kind == "milestone"]
    assert len(told) == len(set(told)) == 1
    assert verify(one).problems == []


def test_a_write_that_rests_on_an_older_reading_is_refused_whole(store):
    """Behind the locks stands the version: whoever wrote without them would find out here."""
    tell(store, *CARE)
    read = episode(store)
    change = ENGINE.settle(read, OPENED + timedelta(days=28))
    tell(store, pain(5), at=LATER)
    before = counts(store), documents(store, "P1")
    with pytest.raises(Outrun, match="P1-1"), store.database.writing() as connection:
        store.write_changes(connection, [change], {read.id: read})
    assert (counts(store), documents(store, "P1")) == before


def test_a_history_made_elsewhere_does_not_overwrite_one_that_is_known(store):
    change = in_care("P1")
    store.add_histories({"P1": Person("P1", ZONE)}, [change])
    before = documents(store, "P1")
    with pytest.raises((Outrun, IntegrityError)):
        store.add_histories({"P1": Person("P1", ZONE)}, [change])
    assert documents(store, "P1") == before


# ---------------------------------------------------------------- what is stored


def test_the_store_keeps_what_the_engine_made(store):
    change = in_care("P1")
    tell(store, *CARE)
    assert documents(store, "P1") == [to_document(change.episode)]
    (row,) = rows(store, models.Episode)
    assert (row.state, row.version, row.next_wake_at) == (
        "CONSERVATIVE_CARE",
        change.episode.seq,
        store.engine.next_wake(change.episode),
    )
    assert {(t.code, t.due) for t in rows(store, models.Timer)} == {(t.code, t.due) for t in change.episode.timers}


def test_every_announcement_is_a_row_of_the_outbox_with_a_key_of_its_own(store):
    tell(store, *CARE, examined(motor_deficit=True))
    store.settle(OPENED + timedelta(hours=5))
    told = rows(store, models.Reminder)
    assert sorted((row.kind, row.role) for row in told) == [("alert", "clinician"), ("escalation", "clinician")]
    assert {row.outcome for row in told} == {"waiting"}


def test_the_dead_are_silent_in_the_database_too(store):
    tell(store, *CARE)
    tell(store, happened("death"), at=LATER)
    assert store.next_wake() is None
    assert {row.status for row in rows(store, models.Task)} == {"closed"}
    assert {row.status for row in rows(store, models.Timer)} == {"cancelled"}


def test_a_task_closed_by_hand_keeps_who_and_why(store):
    tell(store, *CARE, closed("K-OPRX", "declined", reason="does not want tablets"))
    (row,) = rows(store, models.Task, code="K-OPRX")
    assert (row.status, row.closed_how, row.why) == ("closed", "declined", "does not want tablets")


class Stumbling(Engine):
    """An engine that cannot settle one patient."""

    def settle(self, episode, now, *, before=None):
        if episode.patient == "P2":
            raise ZeroDivisionError("cannot happen")
        return super().settle(episode, now, before=before)


def test_one_bad_patient_never_stops_the_others_and_is_tried_again_ever_later(store):
    for patient in ("P1", "P2", "P3"):
        tell(store, *CARE, patient=patient)
    stumbling, due = Store(store.database, Stumbling(GUIDELINE)), OPENED + timedelta(days=28)
    settled = stumbling.settle(due)
    assert settled.set_aside == {"P2-1": "ZeroDivisionError: cannot happen"}
    assert [episode(store, p).state for p in ("P1", "P2", "P3")] == [
        "REASSESSMENT",
        "CONSERVATIVE_CARE",
        "REASSESSMENT",
    ]
    waits = []
    for _ in range(4):
        (row,) = rows(store, models.Episode, id="P2-1")
        waits.append(row.retry_at - due)
        due = row.retry_at
        stumbling.settle(due)
    assert waits == [timedelta(minutes=m) for m in (1, 2, 4, 8)]
    (row,) = rows(store, models.Episode, id="P2-1")
    store.settle(row.retry_at)
    assert episode(store, "P2").state == "REASSESSMENT"


def test_a_scan_that_is_recorded_beside_another_patient_s_touches_only_its_own(store):
    for patient in ("P1", "P10", "P11", "P100"):
        tell(store, *CARE, patient=patient)
    before = {p: documents(store, p) for p in ("P10", "P11", "P100")}
    tell(store, scanned("2026-01-05"), happened("withdraw", **WHY), patient="P1")
    assert {p: documents(store, p) for p in before} == before
