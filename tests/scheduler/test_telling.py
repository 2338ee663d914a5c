"""The outbox: each message once, while it is still true, to people who exist."""

import json
import threading
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import update

from pathway.journal import Step
from persistence import models
from persistence.store import table
from persistence.verify import verify
from scheduler.backoff import LONGEST
from scheduler.channels import ChannelDown, ChannelError
from scheduler.channels.logfile import LogFile
from scheduler.outbox import deliver
from scheduler.round import LEASE, NOBODY
from scheduler.rows import tell_staff
from scheduler.settle import settle_all
from tests.scheduler.ward import (
    LATE,
    REASSESS_DUE,
    Pigeon,
    accepted,
    days,
    die,
    enrol,
    hire,
    red_flag,
    rows,
    staff,
)

OUTBOX = table(models.Reminder)


@pytest.fixture
def due(store):
    """One patient whose four-week reassessment is overdue since today, and two colleagues."""
    staff(store)
    enrol(store)
    settle_all(store, LATE)
    return store


def outbox(store, *conditions):
    return rows(store, models.Reminder, *conditions)


def of_code(store, code):
    return outbox(store, OUTBOX.c.code == code)


def open_tasks(store):
    tasks = table(models.Task)
    return Counter(task.code for task in rows(store, models.Task, tasks.c.status == "open"))


def waiting(store):
    return outbox(store, OUTBOX.c.outcome == "waiting")


def test_a_reminder_is_sent_once(due, pigeon):
    first = deliver(due, [pigeon], LATE)
    again = deliver(due, [pigeon], LATE + days(1))
    assert first.sent == len(pigeon.sent) == len(set(pigeon.sent)) > 0
    assert (first.waiting, again.sent) == (0, 0)
    assert {row.outcome for row in outbox(due)} == {"sent"}


def test_everybody_active_in_the_role_is_told(due, pigeon):
    hire(due, "carl@example.org", "clinician")
    hire(due, "gone@example.org", "clinician", active=False)
    deliver(due, [pigeon], LATE)
    (key,) = [row.key for row in of_code(due, "K-REASSESS")]
    assert [person for sent, person in pigeon.sent if sent == key] == ["carl@example.org", "clive@example.org"]


def test_alerts_go_first_then_escalations_then_the_oldest(store, pigeon):
    staff(store)
    for number in (1, 2):
        enrol(store, f"P{number}")
    settle_all(store, LATE - days(10))
    red_flag(store, "P2", LATE - days(10))
    settle_all(store, LATE - days(9))
    deliver(store, [pigeon], LATE - days(9), limit=500)
    kinds = {row.key: row.kind for row in outbox(store)}
    order = [kinds[key] for key, _ in pigeon.sent]
    assert order[:2] == ["alert", "escalation"]
    assert "due" in order[2:] or "overdue" in order[2:]
    assert order == sorted(order, key=lambda kind: {"alert": 0, "escalation": 1}.get(kind, 2))


def test_a_reminder_is_suppressed_when_its_task_was_closed_before_sending(due, pigeon):
    done = Step("decide", "complete_reassessment", {"outcome": "continue"}, actor="clinician")
    symptoms = {"nrs": 5, "trend": "unchanged", "changed": False, "resolved": False}
    accepted(due, "P1", Step("observe", "symptoms", symptoms), LATE + timedelta(hours=1))
    accepted(due, "P1", done, LATE + timedelta(hours=2))
    (task,) = rows(due, models.Task, table(models.Task).c.code == "K-REASSESS")
    assert task.status == "closed"
    deliver(due, [pigeon], LATE + timedelta(hours=3))
    (reminder,) = of_code(due, "K-REASSESS")
    assert (reminder.outcome, reminder.because) == ("suppressed", f"the task is closed: {task.closed_how}")
    (milestone,) = of_code(due, "REASSESS")
    assert (milestone.outcome, milestone.because[:26]) == ("suppressed", "the milestone is satisfied")


def test_a_suspended_task_reminds_nobody(due, pigeon):
    red_flag(due, "P1", LATE + timedelta(hours=1))
    deliver(due, [pigeon], LATE + timedelta(hours=1))
    (reminder,) = of_code(due, "K-REASSESS")
    assert (reminder.outcome, reminder.because) == ("suppressed", "the task is suspended")


def test_a_milestone_of_a_closed_episode_is_suppressed(due, pigeon):
    accepted(due, "P1", Step("admin", "withdraw", {"reason": "moved away"}), LATE + days(1))
    deliver(due, [pigeon], LATE + days(1))
    (milestone,) = of_code(due, "REASSESS")
    assert (milestone.outcome, milestone.because) == ("suppressed", "the episode is closed: Withdrawn")


def test_about_the_deceased_staff_are_told_only_to_call_off_the_referral(due, pigeon):
    red_flag(due, "P1", LATE + timedelta(hours=1))
    die(due, "P1", LATE + timedelta(hours=2))
    done = deliver(due, [pigeon], LATE + timedelta(hours=3), limit=500)
    assert [key.split(":")[1] for key, _ in pigeon.sent] == ["notice"]
    assert done.suppressed == len(outbox(due)) - 1
    silenced = [row for row in outbox(due) if row.outcome == "suppressed"]
    assert {row.because for row in silenced} == {"the patient has died"}


def test_a_red_flag_alert_goes_out_although_a_clinician_has_answered_it(due, pigeon):
    red_flag(due, "P1", LATE + timedelta(hours=1))
    accepted(due, "P1", Step("decide", "acknowledge_red_flag", actor="clinician"), LATE + timedelta(hours=2))
    deliver(due, [pigeon], LATE + timedelta(hours=2))
    (alert,) = of_code(due, "RED_FLAG")
    assert alert.outcome == "sent"


def test_a_late_red_flag_of_a_closed_episode_goes_on_reminding(due, pigeon):
    accepted(due, "P1", Step("admin", "withdraw", {"reason": "own wish"}), LATE + timedelta(hours=1))
    red_flag(due, "P1", LATE + timedelta(hours=2))
    settle_all(due, LATE + days(3))
    deliver(due, [pigeon], LATE + days(3))
    assert {row.outcome for row in of_code(due, "K-LATE-RESULT")} == {"sent"}


def test_with_nobody_in_the_role_the_lead_is_told(store, pigeon):
    hire(store, "lea@example.org", "lead")
    enrol(store)
    settle_all(store, LATE)
    deliver(store, [pigeon], LATE)
    assert {person for _, person in pigeon.sent} == {"lea@example.org"}
    assert not waiting(store)


def test_with_nobody_at_all_it_waits_and_says_so(store, pigeon):
    enrol(store)
    settle_all(store, LATE)
    done = deliver(store, [pigeon], LATE)
    assert (done.sent, done.waiting, sum(done.nobody.values())) == (0, len(outbox(store)), len(outbox(store)))
    assert f"{NOBODY}: clinician" in done.line() or f"{NOBODY}: coordinator" in done.line()
    assert {row.outcome for row in outbox(store)} == {"waiting"}


def test_what_waited_for_somebody_goes_out_as_soon_as_there_is_one(store, pigeon):
    enrol(store)
    settle_all(store, REASSESS_DUE)
    deliver(store, [pigeon], REASSESS_DUE)
    staff(store)
    done = deliver(store, [pigeon], REASSESS_DUE + timedelta(seconds=1))
    assert (done.sent, done.waiting) == (len(outbox(store)), 0)
    assert {row.because for row in outbox(store)} == {""}


def test_where_others_work_but_nobody_for_a_role_no_stranger_is_told_and_a_person_gets_the_work(store, pigeon):
    hire(store, "clive@example.org", "clinician")
    enrol(store)
    settle_all(store, REASSESS_DUE)
    done = deliver(store, [pigeon], REASSESS_DUE, limit=500)
    (milestone,) = of_code(store, "REASSESS")
    assert (milestone.outcome, milestone.because) == ("failed", NOBODY)
    assert not [key for key, _ in pigeon.sent if key == milestone.key]
    assert done.failed >= 1
    assert open_tasks(store)["K-REACH"] == 1
    deliver(store, [pigeon], REASSESS_DUE + timedelta(hours=1), limit=500)
    assert open_tasks(store)["K-REACH"] == 1
    assert verify(store).problems == []


def test_two_threads_on_one_outbox_send_each_message_once(store):
    staff(store)
    for number in range(8):
        enrol(store, f"P{number}")
    settle_all(store, LATE)
    pigeon, gate = Pigeon(), threading.Barrier(2)

    def work():
        gate.wait()
        deliver(store, [pigeon], LATE, limit=500)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pigeon.sent) == len(set(pigeon.sent)) == len(outbox(store))
    assert not waiting(store)


def test_a_passing_failure_waits_longer_each_time_and_then_goes_out(due, pigeon):
    pigeon.bad = {"clive@example.org": ChannelError("451 try later"), "cora@example.org": ChannelError("451")}
    now, pauses = LATE, []
    key = of_code(due, "K-REASSESS")[0].key
    for _ in range(6):
        deliver(due, [pigeon], now, limit=500)
        (row,) = outbox(due, OUTBOX.c.key == key)
        pauses.append(row.try_at - now)
        assert (row.outcome, row.because) == ("waiting", "451 try later")
        now = row.try_at
    for wait, minutes in zip(pauses, (1, 2, 4, 8, 15, 15), strict=True):
        assert abs(wait / timedelta(minutes=minutes) - 1) <= 0.25
    assert len({wait / LONGEST for wait in pauses[4:]}) == 2, "no two waits of one length: nothing comes in waves"
    pigeon.bad = {}
    deliver(due, [pigeon], now, limit=500)
    attempts = rows(due, models.Delivery, table(models.Delivery).c.reminder_key == key)
    assert [(attempt.ok, attempt.answer) for attempt in attempts] == [(False, "451 try later")] * 6 + [
        (True, "accepted")
    ]


def test_a_permanent_refusal_is_final_and_says_why(due, pigeon):
    pigeon.bad["clive@example.org"] = ChannelError("550 no such mailbox", permanent=True)
    done = deliver(due, [pigeon], LATE, limit=500)
    (row,) = of_code(due, "K-REASSESS")
    assert (row.outcome, "550 no such mailbox" in row.because, done.failed) == ("failed", True, 1)
    deliver(due, [pigeon], LATE + days(1), limit=500)
    assert len(rows(due, models.Delivery, table(models.Delivery).c.reminder_key == row.key)) == 1


def test_one_bad_address_keeps_nobody_else_from_being_told(due, pigeon):
    hire(due, "carl@example.org", "clinician")
    pigeon.bad["carl@example.org"] = ChannelError("550 no such mailbox", permanent=True)
    deliver(due, [pigeon], LATE, limit=500)
    (row,) = of_code(due, "K-REASSESS")
    assert (row.outcome, "carl@example.org" in row.because) == ("sent", True)
    assert (row.key, "clive@example.org") in pigeon.sent


def test_who_has_been_told_is_not_told_again_while_another_waits(due, pigeon):
    hire(due, "carl@example.org", "clinician")
    pigeon.bad["clive@example.org"] = ChannelError("451 try later")
    deliver(due, [pigeon], LATE, limit=500)
    pigeon.bad = {}
    deliver(due, [pigeon], LATE + days(1), limit=500)
    (row,) = of_code(due, "K-REASSESS")
    assert row.outcome == "sent"
    assert sorted(person for key, person in pigeon.sent if key == row.key) == [
        "carl@example.org",
        "clive@example.org",
    ]


def test_a_channel_that_is_down_is_asked_once_a_run_and_costs_the_others_no_attempt(due, pigeon):
    pigeon.trouble = ChannelDown("connection refused")
    done = deliver(due, [pigeon], LATE, limit=500)
    assert len(rows(due, models.Delivery)) == 1
    assert (done.sent, done.waiting) == (0, len(outbox(due)))
    assert sorted(row.attempts for row in outbox(due))[-2:] == [0, 1]


def test_an_attempt_that_a_channel_going_down_prevented_is_not_mistaken_for_a_crash(due, pigeon):
    hire(due, "carl@example.org", "clinician")
    pigeon.bad["carl@example.org"] = ChannelDown("connection lost")
    red_flag(due, "P1", LATE)
    deliver(due, [pigeon], LATE)
    assert [attempt.answer for attempt in rows(due, models.Delivery)] == [
        "connection lost",
        "not tried: the channel is down",
    ]


def test_one_channel_down_does_not_keep_the_other_from_telling(due, pigeon):
    down = Pigeon("down")
    down.trouble = ChannelDown("connection refused")
    deliver(due, [down, pigeon], LATE, limit=500)
    assert len(pigeon.sent) == len(outbox(due)) == len(waiting(due))
    down.trouble = None
    deliver(due, [down, pigeon], LATE + days(1), limit=500)
    assert not waiting(due)
    assert {row.outcome for row in outbox(due)} == {"sent"}
    (milestone,) = of_code(due, "REASSESS")
    assert milestone.because.startswith("some were not told: too late")
    assert len(pigeon.sent) == len(down.sent) + 1 == len(outbox(due))


def test_a_message_that_cannot_be_written_keeps_no_other_from_going_out(due, pigeon):
    with due.database.writing() as connection:
        connection.execute(update(OUTBOX).where(OUTBOX.c.code == "K-REASSESS").values(detail="{"))
    done = deliver(due, [pigeon], LATE, limit=500)
    (row,) = of_code(due, "K-REASSESS")
    assert (row.outcome, row.attempts, "cannot be written" in row.because) == ("waiting", 1, True)
    assert done.sent == len(outbox(due)) - 1


def test_a_channel_with_a_bug_concerns_its_own_sendings_only(due, pigeon):
    class Buggy(Pigeon):
        def send(self, message, recipient):
            raise ZeroDivisionError("oops")

    deliver(due, [Buggy("buggy"), pigeon], LATE, limit=500)
    assert len(pigeon.sent) == len(waiting(due)) == len(outbox(due))
    assert {row.because for row in outbox(due)} == {"ZeroDivisionError: oops"}


def test_a_row_in_the_hands_of_a_dead_process_is_taken_over_after_its_lease(due, pigeon):
    class Killed(BaseException):
        pass

    class Dying(Pigeon):
        def send(self, message, recipient):
            raise Killed

    with pytest.raises(Killed):
        deliver(due, [Dying()], LATE)
    (attempt,) = rows(due, models.Delivery)
    assert (attempt.ok, attempt.answer) == (False, "unanswered")
    deliver(due, [pigeon], LATE + LEASE / 2, limit=500)
    assert [row.key for row in waiting(due)] == [attempt.reminder_key]
    deliver(due, [pigeon], LATE + LEASE, limit=500)
    assert not waiting(due)


def test_a_message_of_the_house_concerns_no_episode(store, pigeon):
    staff(store)
    with store.database.writing() as connection:
        assert tell_staff(connection, "census:2026-02-03", "CENSUS", "1 enrolled = 0", LATE)
        assert not tell_staff(connection, "census:2026-02-03", "CENSUS", "1 enrolled = 0", LATE)
    assert deliver(store, [pigeon], LATE).sent == 1
    (letter,) = pigeon.letters
    assert (letter.subject, "1 enrolled = 0" in letter.body) == ("[pathway] alert: census", True)


@pytest.mark.parametrize(("down", "milestone"), [(1, "sent"), (3, "sent"), (8, "sent"), (40, "too_late")])
def test_after_an_outage_each_due_reminder_has_exactly_one_outcome(store, pigeon, down, milestone):
    staff(store)
    for patient in ("P1", "P2", "P3"):
        enrol(store, patient)
    before, back = REASSESS_DUE - timedelta(minutes=1), REASSESS_DUE + days(down)
    settle_all(store, before)
    deliver(store, [pigeon], before, limit=500)
    die(store, "P3", before)
    settle_all(store, back)
    deliver(store, [pigeon], back, limit=500)
    assert [row.outcome for row in of_code(store, "REASSESS")] == [milestone] * 2
    assert open_tasks(store)["K-REACH"] == (2 if milestone == "too_late" else 0)
    assert len(pigeon.sent) == len(set(pigeon.sent)) == sum(row.outcome == "sent" for row in outbox(store))
    told = [row for row in outbox(store) if row.settled_at == back and row.outcome == "sent"]
    useful = store.engine.guideline.reminders
    assert all(back - row.due_at <= timedelta(hours=useful[row.kind].useful_hours) for row in told)
    settle_all(store, back)
    assert deliver(store, [pigeon], back + days(1)).sent == 0
    assert not waiting(store)
    assert verify(store).problems == []


def test_the_log_file_has_one_line_a_message(due, tmp_path):
    file = tmp_path / "outbox.log"
    done = deliver(due, [LogFile(file)], LATE, limit=500)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == len({line["id"] for line in lines}) == done.sent
    assert set(lines[0]) == {"at", "id", "key", "to", "subject", "body"}


def test_a_log_file_that_cannot_be_written_is_a_channel_that_is_down(due, tmp_path):
    done = deliver(due, [LogFile(tmp_path / "no" / "such" / "folder.log")], LATE)
    assert (done.sent, done.failed, done.waiting) == (0, 0, len(outbox(due)))
