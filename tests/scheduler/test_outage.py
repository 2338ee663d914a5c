"""A week without engine and mail, and one without mail: what fell due, what became of it, and a report that adds up."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from pathway.journal import Step
from persistence import models
from persistence.store import Person, table
from persistence.verify import verify
from scheduler.channels import ChannelDown
from scheduler.jobs import run_deliver, run_settle
from scheduler.outage import SILENCE, latest, note_silence, outage_report, outages
from scheduler.outbox import deliver
from scheduler.settle import settle_all
from scheduler.site import Site
from tests.scheduler.ward import CLEAR, FRACTURE, STABLE, ZONE, accepted, change, days, die, enrol, rows, staff

OUTBOX, TASKS = table(models.Reminder), table(models.Task)
PAGE = Path(__file__).parents[2] / "docs" / "reminders.md"
OFFICE = Site(ZONE, "20:00", "07:00", frozenset(range(5)), daily_cap=40)
# Monday morning; the last beats came a minute before eight, when the milestones of the day fall due.
DOWN = datetime(2026, 2, 2, 7, 59, tzinfo=UTC)
BACK = datetime(2026, 2, 9, 8, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def beat(store, pigeon, now):
    """What a machine does every minute: fire what is due, tell people."""
    run_settle(store, now)
    return run_deliver(store, [pigeon], now, limit=500, site=OFFICE)


def enrol_on_sunday(store, patient):
    """On conservative care since Monday, 5 January, so that the four weeks end on Monday, 2 February."""
    sunday = datetime(2026, 1, 4, 9, tzinfo=UTC)
    scan = {**STABLE, "performed": "2026-01-05"}
    accepted(store, Person(patient, ZONE), Step("register", data=FRACTURE), sunday)
    exam = Step("observe", "neuro_exam", {"complete": True, **CLEAR}, actor="clinician")
    accepted(store, patient, exam, sunday + timedelta(minutes=30))
    accepted(store, patient, Step("observe", "imaging", scan), sunday + timedelta(hours=30))
    accepted(store, patient, Step("decide", "start_conservative", actor="clinician"), sunday + timedelta(hours=31))


def close(store, patient, code, at):
    accepted(store, patient, Step("task", code, {"code": code, "how": "done"}, actor="clinician"), at)


def reassess(store, patient, at):
    symptoms = {"nrs": 5, "trend": "unchanged", "changed": False, "resolved": False}
    accepted(store, patient, Step("observe", "symptoms", symptoms), at)
    accepted(store, patient, Step("decide", "complete_reassessment", {"outcome": "continue"}, actor="clinician"), at)


def became(store, patient):
    """What fell due for a patient while all was down, by what has become of it."""
    within = (OUTBOX.c.due_at > DOWN) & (OUTBOX.c.due_at <= BACK) & (OUTBOX.c.patient_id == patient)
    return Counter(row.outcome for row in rows(store, models.Reminder, within))


def reach(store):
    return sorted(task.episode_id for task in rows(store, models.Task, TASKS.c.code == "K-REACH"))


@pytest.fixture
def monday(store, pigeon):
    """Six patients; everything up to Monday, one minute before eight, has been told."""
    staff(store)
    for patient in ("STAYS", "DONE", "DIES", "SEEN"):
        enrol_on_sunday(store, patient)
    for patient in ("BONES", "SCANNED"):
        enrol(store, patient)
    for day in range(28):
        settle_all(store, datetime(2026, 1, 5, 17, tzinfo=UTC) + days(day))
        deliver(store, [pigeon], datetime(2026, 1, 5, 17, tzinfo=UTC) + days(day), limit=500)
    beat(store, pigeon, DOWN)
    assert not rows(store, models.Reminder, OUTBOX.c.outcome == "waiting")
    pigeon.sent.clear()
    return store


def the_week(store):
    """No machine runs; staff go on at the command line."""
    reassess(store, "SEEN", datetime(2026, 2, 3, 10, tzinfo=UTC))
    for code in ("K-CAVITD", "K-OPRX"):
        close(store, "DONE", code, datetime(2026, 2, 4, 10, tzinfo=UTC))
    close(store, "SCANNED", "K-DXA", datetime(2026, 2, 5, 10, tzinfo=UTC))
    die(store, "DIES", datetime(2026, 2, 5, 11, tzinfo=UTC))


def test_the_monday_on_which_engine_and_mail_went_down_for_a_week(monday, pigeon):
    the_week(monday)
    first = beat(monday, pigeon, BACK)
    beat(monday, pigeon, BACK + 20 * MINUTE)
    # Its milestone and two reminders, each of which stands for that of the week before as well.
    assert became(monday, "STAYS") == {"sent": 3}
    # The work behind both reminders was done on Wednesday; the milestone is still owed.
    assert became(monday, "DONE") == {"suppressed": 2, "sent": 1}
    assert became(monday, "DIES") == {"suppressed": 3}
    # Reassessed on Tuesday: no milestone; of each of two tasks the reminder of this Monday, not that of the last.
    assert became(monday, "SEEN") == {"suppressed": 3, "sent": 2}
    # Two things were due on Monday at eight, of use for 168 hours: ten minutes too long. The rest came on Tuesday.
    assert became(monday, "BONES") == {"too_late": 2, "sent": 3}
    assert became(monday, "SCANNED") == {"too_late": 1, "suppressed": 1, "sent": 3}
    assert reach(monday) == ["BONES-1", "SCANNED-1"]

    report = outage_report(monday, DOWN, BACK)
    assert report.adds_up
    assert (report.due, report.sent, report.not_needed, report.tasks) == (24, 12, 9, 3)
    assert (report.failed, report.waiting, report.folded) == (0, 0, 2)
    assert report.text(ZONE) == (
        "engine was down from 02-Feb-2026 07:59 to 09-Feb-2026 08:10: nothing was settled\n"
        "24 due while down: 12 sent, 9 no longer needed, 3 became tasks"
        " (2 earlier moments of the same tasks are told with them)"
    )
    assert report.text(ZONE) in PAGE.read_text(encoding="utf-8")
    assert first.sent + first.suppressed + first.too_late + first.waiting == 24
    assert verify(monday).problems == []


def test_after_the_week_each_letter_is_sent_once_and_none_to_the_dead_or_about_what_is_done(monday, pigeon):
    the_week(monday)
    for minutes in range(0, 60, 5):
        beat(monday, pigeon, BACK + minutes * MINUTE)
    assert len(pigeon.sent) == len(set(pigeon.sent)) == 12
    patients = Counter(key.partition("-")[0] for key, _ in pigeon.sent)
    assert patients == {"STAYS": 3, "DONE": 1, "SEEN": 2, "BONES": 3, "SCANNED": 3}
    told = {tuple(key.split(":")[1:]) for key, _ in pigeon.sent if key.startswith("SEEN")}
    assert told == {("K-CAVITD", "1", "repeat", "2026-02-09"), ("K-OPRX", "1", "repeat", "2026-02-09")}


def test_back_at_night_nothing_is_sent_before_the_morning_and_the_report_says_so(monday, pigeon):
    night = datetime(2026, 2, 8, 23, tzinfo=UTC)
    the_week(monday)
    beat(monday, pigeon, night)
    report = outage_report(monday, DOWN, night)
    assert (report.due, report.waiting, report.adds_up) == (22, 22, True)
    assert "22 due while down: 0 sent, 0 no longer needed, 0 became tasks, 22 still waiting" in report.text(ZONE)
    for minutes in (0, 10):
        beat(monday, pigeon, datetime(2026, 2, 9, 7, tzinfo=UTC) + minutes * MINUTE)
    report = outage_report(monday, DOWN, night)
    assert (report.due, report.sent, report.not_needed, report.tasks, report.waiting) == (22, 15, 7, 0, 0)
    assert len(pigeon.sent) == len(set(pigeon.sent)) == 15


def test_a_week_without_mail_while_the_engine_runs(monday, pigeon):
    """A round every hour. The outage is noted when the mail is back; the tasks were there before."""
    pigeon.trouble = ChannelDown("connection refused")
    done = {8: lambda at: reassess(monday, "SEEN", at), 50: lambda at: close(monday, "DONE", "K-OPRX", at)}
    began = DOWN + MINUTE
    for hour in range(24 * 7 + 1):
        now = began + timedelta(hours=hour)
        if hour in done:
            done[hour](now)
        if hour == 75:
            die(monday, "DIES", now)
        beat(monday, pigeon, now)
    assert reach(monday) == []
    for minutes in range(5, 30, 5):
        beat(monday, pigeon, now + minutes * MINUTE)
    # Of use for a week: the reminders of last Monday. They are with a person while the mail is still down.
    assert reach(monday) == ["BONES-1", "DONE-1", "SCANNED-1", "SEEN-1", "STAYS-1"]
    assert pigeon.sent == []
    (breaker,) = rows(monday, models.Breaker)
    assert (breaker.channel, breaker.since) == ("pigeon", began)
    attempts = rows(monday, models.Delivery, table(models.Delivery).c.attempted_at >= began)
    assert breaker.failures == len(attempts) <= 24 * 7 + 6, "one attempt a round, whatever waits"
    with monday.database.reading() as connection:
        assert outages(connection) == []

    pigeon.trouble = None
    back = now + 40 * MINUTE
    for minutes in (0, 20, 40):
        beat(monday, pigeon, back + minutes * MINUTE)
    assert rows(monday, models.Breaker) == []
    with monday.database.reading() as connection:
        (outage,) = outages(connection)
    assert (outage.what, outage.since, outage.until, outage.because) == ("pigeon", began, back, "connection refused")
    # Of the reminders of last Monday those of open work are tasks; the milestones and those of this Monday go out.
    assert became(monday, "STAYS") == {"too_late": 2, "sent": 3}
    assert became(monday, "DONE") == {"too_late": 1, "suppressed": 1, "sent": 2}
    assert became(monday, "DIES") == {"suppressed": 3}
    assert became(monday, "SEEN") == {"too_late": 2, "suppressed": 1, "sent": 2}
    assert became(monday, "BONES") == became(monday, "SCANNED") == {"too_late": 2, "sent": 3}
    report = outage_report(monday, DOWN, back)
    assert report.adds_up
    assert (report.due, report.sent, report.not_needed, report.tasks) == (27, 13, 5, 9)
    assert (report.failed, report.waiting, report.folded) == (0, 0, 0)
    assert len(pigeon.sent) == len(set(pigeon.sent)) == 13
    assert verify(monday).problems == []


# ---------------------------------------------------------------- the report


def put(store, key, due, outcome, *, episode=None, folded=0):
    row = {
        **{"key": key, "kind": "alert", "code": "CENSUS", "role": "clinician", "because": "", "outcome": outcome},
        **{"due_at": due, "fired_at": due, "try_at": due, "attempts": 0, "episode_id": episode},
        "detail": f'{{"folded": {folded}}}' if folded else "{}",
    }
    change(store, insert(OUTBOX).values(**row))


def test_each_outcome_is_counted_under_one_name(store):
    enrol(store)
    at = datetime(2027, 2, 1, 9, tzinfo=UTC)
    for number, outcome in enumerate(["sent", "delivered", "suppressed", "too_late", "failed", "waiting"]):
        for copy in range(number + 1):
            put(store, f"{outcome}-{copy}", at, outcome, episode="P1-1", folded=copy)
    put(store, "house", at, "failed")
    report = outage_report(store, at - days(1), at)
    counts = (report.due, report.sent, report.not_needed, report.tasks, report.failed, report.waiting, report.folded)
    assert counts == (22, 1 + 2, 3, 4 + 5, 1, 6, 35)
    assert report.adds_up
    assert report.line() == (
        "22 due while down: 3 sent, 3 no longer needed, 9 became tasks, 1 failed, 6 still waiting"
        " (35 earlier moments of the same tasks are told with them)"
    )
    said = report.as_json()
    assert (said["adds_up"], said["due"], said["line"]) == (True, 22, report.line())
    put(store, "odd", at, "mislaid")
    assert not outage_report(store, at - days(1), at).adds_up


def test_the_report_counts_what_fell_due_after_the_beginning_and_up_to_the_end(store):
    staff(store)
    at = datetime(2027, 2, 1, 9, tzinfo=UTC)
    for number in range(4):
        put(store, str(number), at + number * MINUTE, "sent")
    assert outage_report(store, at, at + 2 * MINUTE).due == 2
    assert outage_report(store, at + days(1), at + days(2)).line() == (
        "0 due while down: 0 sent, 0 no longer needed, 0 became tasks"
    )


# ---------------------------------------------------------------- what is an outage


def test_an_hour_without_a_beat_is_none_and_a_minute_more_is_one(store, pigeon):
    start = datetime(2026, 2, 2, 9, tzinfo=UTC)
    for at in (start, start + SILENCE, start + 2 * SILENCE + MINUTE):
        beat(store, pigeon, at)
    with store.database.reading() as connection:
        (found,) = outages(connection)
    assert (found.what, found.since, found.until) == ("engine", start + SILENCE, start + 2 * SILENCE + MINUTE)


def test_the_first_beat_of_a_house_ends_no_outage(store, pigeon):
    beat(store, pigeon, DOWN)
    with store.database.writing() as connection:
        note_silence(connection, None, DOWN)
        assert outages(connection) == []


def note(store, what, since, until):
    row = {"job": f"outage:{what}", "slot": since.isoformat(), "started_at": since, "finished_at": until}
    change(store, insert(table(models.JobRun)).values(**row, report='{"because": "test"}'))


def test_the_latest_outage_with_those_that_overlap_it(store):
    assert latest(store) is None
    hour = timedelta(hours=1)
    note(store, "engine", DOWN - days(9), DOWN - days(8))
    assert latest(store) == (DOWN - days(9), DOWN - days(8))
    note(store, "smtp", DOWN, DOWN + 5 * hour)
    assert latest(store) == (DOWN, DOWN + 5 * hour)
    note(store, "engine", DOWN + 2 * hour, DOWN + 9 * hour)
    note(store, "sms", DOWN + 9 * hour, DOWN + 10 * hour)
    assert latest(store) == (DOWN, DOWN + 10 * hour)
    note(store, "ward", DOWN + 10 * hour + MINUTE, DOWN + 11 * hour)
    assert latest(store) == (DOWN + 10 * hour + MINUTE, DOWN + 11 * hour)


def test_a_long_outage_around_a_short_one_counts_whole(store):
    note(store, "smtp", DOWN, DOWN + days(7))
    note(store, "sms", DOWN + days(2), DOWN + days(3))
    assert latest(store) == (DOWN, DOWN + days(7))
    report = outage_report(store, *latest(store))
    assert [outage.what for outage in report.outages] == ["smtp", "sms"]
    assert [o["what"] for o in outage_report(store, DOWN + days(4), DOWN + days(5)).as_json()["outages"]] == ["smtp"]
