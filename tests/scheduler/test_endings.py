"""How a message ends: given to a person, confirmed, come back, replaced by a later one, told to some only."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from pathway.errors import ClockWentBack, StoreError
from pathway.journal import Step
from persistence import models
from persistence.store import table
from persistence.verify import verify
from scheduler.backoff import LONGEST
from scheduler.channels import ChannelDown, ChannelError
from scheduler.channels.logfile import LogFile
from scheduler.handover import hand_over
from scheduler.outbox import deliver
from scheduler.reasons import matter_of
from scheduler.receipts import NoSuchMessage, keep_receipt
from scheduler.round import LEASE
from scheduler.rows import tell_staff
from scheduler.settle import settle_all
from tests.scheduler.ward import LATE, Pigeon, accepted, change, days, die, enrol, hire, red_flag, rows, staff

OUTBOX, TASKS, ATTEMPTS = table(models.Reminder), table(models.Task), table(models.Delivery)
CLIVE, CARL, CORA = "clive@example.org", "carl@example.org", "cora@example.org"
HOUR = timedelta(hours=1)
GONE = ChannelError("550 no such mailbox", permanent=True)


@pytest.fixture
def due(store):
    """P1's reassessment is overdue since this morning, so a clinician is to be reminded."""
    staff(store)
    enrol(store)
    settle_all(store, LATE)
    return store


def reminder(store, **columns):
    columns = columns or {"code": "K-REASSESS", "kind": "overdue"}
    (row,) = rows(store, models.Reminder, *(OUTBOX.c[name] == value for name, value in columns.items()))
    return row


def reach(store):
    """Each task to telephone, in order: its patient's episode and whether it is open."""
    found = rows(store, models.Task, TASKS.c.code == "K-REACH")
    return [(task.episode_id, task.status) for task in sorted(found, key=lambda task: (task.episode_id, task.n))]


def message_id(store, key, recipient=CLIVE, channel="pigeon"):
    mine = (ATTEMPTS.c.reminder_key == key) & (ATTEMPTS.c.recipient == recipient) & (ATTEMPTS.c.channel == channel)
    return rows(store, models.Delivery, mine)[-1].message_id


def lines(store, kind, episode="P1-1"):
    return [entry for entry in store.journal(episode) if entry.kind == "admin" and entry.step.kind == kind]


def sent(store, pigeon, now=LATE):
    deliver(store, [pigeon], now, limit=500)
    return reminder(store)


# ---------------------------------------------------------------- given to a person


def test_what_is_refused_for_good_becomes_a_task_that_says_what_and_why(due, pigeon):
    pigeon.bad[CLIVE] = GONE
    row = sent(due, pigeon)
    assert (row.outcome, row.because) == ("failed", f"{CLIVE}: refused for good: 550 no such mailbox")
    (task,) = rows(due, models.Task, TASKS.c.code == "K-REACH")
    assert (task.status, task.role, task.opened_at) == ("open", "coordinator", LATE)
    (line,) = lines(due, "unreached")
    assert line.step.data["message"] == "overdue K-REASSESS for the clinician"
    assert line.step.data["because"] == row.because
    assert line.actor == "system"
    assert verify(due).problems == []


def test_a_second_message_of_the_same_patient_opens_no_second_task_while_one_is_open(due, pigeon):
    pigeon.bad = {CLIVE: GONE, CORA: GONE}
    deliver(due, [pigeon], LATE, limit=500)
    failed = rows(due, models.Reminder, OUTBOX.c.outcome == "failed")
    assert len(lines(due, "unreached")) == len(failed) > 1
    assert reach(due) == [("P1-1", "open")]


def test_each_patient_has_a_task_of_their_own(store, pigeon):
    staff(store)
    for patient in ("P1", "P2"):
        enrol(store, patient)
    settle_all(store, LATE)
    pigeon.bad[CLIVE] = GONE
    deliver(store, [pigeon], LATE, limit=500)
    assert reach(store) == [("P1-1", "open"), ("P2-1", "open")]


def test_a_person_closes_the_task_and_the_next_message_that_fails_opens_another(due, pigeon):
    pigeon.bad[CLIVE] = GONE
    deliver(due, [pigeon], LATE, limit=500)
    done = {"code": "K-REACH", "how": "done"}
    accepted(due, "P1", Step("task", "K-REACH", done, actor="coordinator"), LATE + HOUR)
    assert reach(due) == [("P1-1", "closed")]
    settle_all(due, LATE + days(7))
    deliver(due, [pigeon], LATE + days(7), limit=500)
    assert reach(due) == [("P1-1", "closed"), ("P1-1", "open")]
    assert verify(due).problems == []


def test_a_crash_between_the_task_and_the_closing_of_the_row_makes_one_task(due, pigeon):
    """The work is handed over first and the row closed second, so a program killed in between does both again."""
    row = reminder(due)
    with due.database.reading() as connection:
        episode = matter_of(connection, row).episode
    assert hand_over(due, row, episode, "too late: for a test", LATE + HOUR) == ""
    assert reach(due) == [("P1-1", "open")]
    assert reminder(due).outcome == "waiting"
    for minutes in (0, 20):
        deliver(due, [pigeon], LATE + days(8) + timedelta(minutes=minutes), limit=500)
    assert reminder(due).outcome == "too_late"
    assert reach(due) == [("P1-1", "open")]
    mine = [line for line in lines(due, "unreached") if line.step.event_id == f"unreached:{row.key}"]
    assert [line.recorded_at for line in mine] == [LATE + HOUR]
    assert verify(due).problems == []


def test_handing_over_twice_does_not_open_again_what_a_person_has_closed(due):
    row = reminder(due)
    with due.database.reading() as connection:
        episode = matter_of(connection, row).episode
    hand_over(due, row, episode, "too late: for a test", LATE)
    done = {"code": "K-REACH", "how": "done"}
    accepted(due, "P1", Step("task", "K-REACH", done, actor="coordinator"), LATE + HOUR)
    assert hand_over(due, row, episode, "too late: for a test", LATE + 2 * HOUR) == ""
    assert reach(due) == [("P1-1", "closed")]


def test_while_the_task_cannot_be_opened_the_message_waits_and_says_so(due, pigeon):
    """Somebody wrote to this patient at a later time than that of the round."""
    accepted(due, "P1", Step("admin", "assign", {"owner": "Night desk"}), LATE + HOUR)
    pigeon.bad[CLIVE] = GONE
    row = sent(due, pigeon, LATE)
    assert row.outcome == "waiting"
    assert row.because.endswith(f"and the task for a person could not be opened: {ClockWentBack.__name__}")
    assert reach(due) == []
    row = sent(due, pigeon, LATE + HOUR)
    assert row.outcome == "failed"
    assert reach(due) == [("P1-1", "open")]


def test_an_episode_that_the_engine_cannot_read_keeps_no_other_from_being_told(store, pigeon):
    """Its message is too late and its journal cannot be continued: it waits, and the round goes on."""
    staff(store)
    for patient in ("P1", "P2"):
        enrol(store, patient)
    settle_all(store, LATE)
    episodes = table(models.Episode)
    change(store, update(episodes).where(episodes.c.id == "P1-1").values(document='{"not": "an episode"}'))
    deliver(store, [pigeon], LATE + days(8), limit=500)
    row = reminder_of(store, "P1-1")
    assert (row.outcome, "could not be opened" in row.because) == ("waiting", True)
    assert "too_late" in {row.outcome for row in rows(store, models.Reminder, OUTBOX.c.episode_id == "P2-1")}
    assert reach(store) == [("P2-1", "open")]


def reminder_of(store, episode):
    return reminder(store, episode_id=episode, code="K-REASSESS", kind="overdue")


def test_a_house_message_that_fails_has_no_patient_and_so_no_task(store, pigeon):
    staff(store)
    with store.database.writing() as connection:
        tell_staff(connection, "census:1", "CENSUS", "1 enrolled = 0", LATE)
    pigeon.bad[CORA] = GONE
    done = deliver(store, [pigeon], LATE)
    assert (done.failed, reminder(store, key="census:1").outcome) == (1, "failed")


def test_an_address_that_takes_nothing_is_told_of_once_a_day(due, pigeon):
    hire(due, CARL, "clinician")
    pigeon.bad[CARL] = GONE
    for number in range(3):
        enrol(due, f"Q{number}")
    settle_all(due, LATE)
    deliver(due, [pigeon], LATE, limit=500)
    told = rows(due, models.Reminder, OUTBOX.c.code == "ADDRESS_REFUSED")
    assert [row.key for row in told] == [f"address:{CARL}:2026-02-18"]
    deliver(due, [pigeon], LATE + HOUR)
    (letter,) = [letter for letter in pigeon.letters if letter.key == told[0].key]
    assert CARL in letter.body
    settle_all(due, LATE + days(7))
    deliver(due, [pigeon], LATE + days(7), limit=500)
    assert len(rows(due, models.Reminder, OUTBOX.c.code == "ADDRESS_REFUSED")) == 2


# ---------------------------------------------------------------- receipts


def test_delivered_once_everybody_who_was_told_has_it(due, pigeon):
    hire(due, CARL, "clinician")
    key = sent(due, pigeon).key
    assert keep_receipt(due, message_id(due, key, CARL), LATE + HOUR) == "sent"
    assert keep_receipt(due, message_id(due, key, CLIVE), LATE + HOUR) == "delivered"
    assert reminder(due).outcome == "delivered"
    assert {attempt.answer for attempt in rows(due, models.Delivery, ATTEMPTS.c.reminder_key == key)} == {"delivered"}
    assert reach(due) == []


@pytest.mark.parametrize("form", ["{}", "<{}@hospital.example>", " <{}@localhost> ", "{}@hospital.example"])
def test_the_id_is_read_as_a_mail_program_shows_it(due, pigeon, form):
    key = sent(due, pigeon).key
    assert keep_receipt(due, form.format(message_id(due, key)), LATE + HOUR) == "delivered"


def test_when_the_only_one_told_never_got_it_a_person_gets_the_work_once(due, pigeon):
    key = sent(due, pigeon).key
    for hour in (1, 2):
        outcome = keep_receipt(due, message_id(due, key), LATE + hour * HOUR, refused="550 mailbox full")
        assert outcome == "failed"
    row = reminder(due)
    assert (row.outcome, row.because) == ("failed", "refused for good: 550 mailbox full")
    assert reach(due) == [("P1-1", "open")]
    assert len(lines(due, "unreached")) == 1
    assert verify(due).problems == []
    deliver(due, [pigeon], LATE + days(1), limit=500)
    assert [key for sent_key, _ in pigeon.sent if sent_key == key] == [key], "it is not sent again"


def test_when_one_of_two_never_got_it_it_stays_sent_and_the_address_is_told_of(due, pigeon):
    hire(due, CARL, "clinician")
    key = sent(due, pigeon).key
    assert keep_receipt(due, message_id(due, key, CARL), LATE + HOUR, refused="550 no such user") == "sent"
    assert reach(due) == []
    (alert,) = rows(due, models.Reminder, OUTBOX.c.code == "ADDRESS_REFUSED")
    assert f"{CARL}: refused for good: 550 no such user" in alert.detail
    assert keep_receipt(due, message_id(due, key, CLIVE), LATE + HOUR) == "delivered"
    keep_receipt(due, message_id(due, key, CARL), LATE + 2 * HOUR, refused="550 no such user")
    assert len(rows(due, models.Reminder, OUTBOX.c.code == "ADDRESS_REFUSED")) == 1


def test_a_delivered_message_may_still_come_back(due, pigeon):
    key = sent(due, pigeon).key
    keep_receipt(due, message_id(due, key), LATE + HOUR)
    assert keep_receipt(due, message_id(due, key), LATE + 2 * HOUR, refused="554 expired") == "failed"
    assert reach(due) == [("P1-1", "open")]


@pytest.mark.parametrize("name", ["no-such-id", "", "<@hospital.example>", "%"])
def test_an_id_that_was_never_sent_is_refused_and_changes_nothing(due, pigeon, name):
    deliver(due, [pigeon], LATE, limit=500)
    before = rows(due, models.Reminder), rows(due, models.Delivery)
    with pytest.raises(NoSuchMessage, match="nothing was saved"):
        keep_receipt(due, name, LATE + HOUR, refused="550")
    assert (rows(due, models.Reminder), rows(due, models.Delivery)) == before


def test_a_receipt_that_overtakes_the_rest_of_its_message(due, pigeon):
    """Carl's letter has come back before Clive's has left: the row still waits for Clive, and ends as he does."""
    hire(due, CARL, "clinician")
    pigeon.bad[CLIVE] = ChannelError("451 try later")
    key = sent(due, pigeon).key
    assert keep_receipt(due, message_id(due, key, CARL), LATE + HOUR, refused="550 no such user") == "waiting"
    pigeon.bad = {}
    row = sent(due, pigeon, LATE + 2 * HOUR)
    assert (row.outcome, CARL in row.because) == ("sent", True)
    assert [person for sent_key, person in pigeon.sent if sent_key == key] == [CARL, CLIVE]


def test_a_letter_that_came_back_is_not_lost_where_the_task_cannot_be_opened_at_once(due, pigeon):
    key = sent(due, pigeon).key
    accepted(due, "P1", Step("admin", "assign", {"owner": "Night desk"}), LATE + 2 * HOUR)
    now = LATE + HOUR
    assert keep_receipt(due, message_id(due, key), now, refused="550 gone") == "waiting"
    row = reminder(due)
    assert ("could not be opened" in row.because, row.settled_at) == (True, None)
    assert now < row.try_at <= now + LONGEST * 1.25
    row = sent(due, pigeon, LATE + 2 * HOUR)
    assert (row.outcome, row.settled_at) == ("failed", LATE + 2 * HOUR)
    assert reach(due) == [("P1-1", "open")]


def test_a_bounce_of_the_mail_is_not_taken_for_one_of_its_copy(due, tmp_path):
    """Both carry the same id to the same address, but a file sends nothing back."""
    mail = Pigeon("smtp")
    deliver(due, [mail, LogFile(tmp_path / "outbox.log")], LATE, limit=500)
    row = reminder(due)
    assert row.outcome == "sent"
    name = message_id(due, row.key, channel="smtp")
    assert name == message_id(due, row.key, channel="logfile")
    assert keep_receipt(due, name, LATE + HOUR, refused="550 gone") == "failed"
    answers = {attempt.channel: attempt.answer for attempt in rows(due, models.Delivery, ATTEMPTS.c.message_id == name)}
    assert answers == {"smtp": "refused for good: 550 gone", "logfile": "accepted"}
    assert reach(due) == [("P1-1", "open")]


def test_a_channel_that_says_at_once_that_it_reached_the_person_needs_no_receipt(due):
    class Answering(Pigeon):
        def send(self, message, recipient):
            super().send(message, recipient)
            return True

    done = deliver(due, [Answering()], LATE, limit=500)
    assert (done.sent, done.delivered) == (0, len(rows(due, models.Reminder)))
    assert "delivered" in done.line()


def test_a_house_message_that_came_back_has_failed_without_a_task(store, pigeon):
    staff(store)
    with store.database.writing() as connection:
        tell_staff(connection, "census:1", "CENSUS", "1 enrolled = 0", LATE)
    deliver(store, [pigeon], LATE)
    assert keep_receipt(store, message_id(store, "census:1", CORA), LATE + HOUR, refused="550 gone") == "failed"
    assert reminder(store, key="census:1").outcome == "failed"


# ---------------------------------------------------------------- replaced


def test_of_two_reminders_of_one_task_only_the_later_is_told(due, pigeon):
    """The mail was down when the week was over; both are still of use, and one letter is enough."""
    pigeon.trouble = ChannelDown("connection refused")
    deliver(due, [pigeon], LATE, limit=500)
    settle_all(due, LATE + days(7))
    pigeon.trouble = None
    for minutes in (0, 20):
        deliver(due, [pigeon], LATE + days(7) + timedelta(minutes=minutes), limit=500)
    found = rows(due, models.Reminder, OUTBOX.c.code == "K-REASSESS")
    assert {row.kind: (row.outcome, row.because) for row in found} == {
        "overdue": ("suppressed", "a later reminder of the same task took its place"),
        "repeat": ("sent", ""),
    }
    assert len([key for key, _ in pigeon.sent if ":K-REASSESS:" in key and ":repeat:" in key]) == 1
    assert not [key for key, _ in pigeon.sent if ":overdue:" in key]


def test_of_a_letter_whose_answer_was_lost_it_is_said_that_it_may_be_out(due, pigeon):
    """The database went away between the server's acceptance and its being written down; a week later the next
    reminder of the task is told, so the first is not sent again."""

    class Cut(Pigeon):
        def send(self, message, recipient):
            super().send(message, recipient)
            raise KeyboardInterrupt

    first = reminder(due, kind="overdue", code="K-REASSESS")
    change(due, update(OUTBOX).where(OUTBOX.c.key != first.key).values(try_at=LATE + HOUR))
    with pytest.raises(KeyboardInterrupt):
        deliver(due, [Cut()], LATE, limit=500)
    settle_all(due, LATE + days(7))
    for minutes in (0, 20):
        deliver(due, [pigeon], LATE + days(7) + timedelta(minutes=minutes), limit=500)
    row = reminder(due, kind="overdue", code="K-REASSESS")
    assert (row.outcome, row.because) == (
        "suppressed",
        "a later reminder of the same task took its place; "
        f"it may have gone out all the same: the answer for {CLIVE} was lost",
    )
    assert first.key not in [key for key, _ in pigeon.sent]


def test_an_earlier_reminder_waits_for_the_later_one_and_goes_with_it_to_a_person_if_that_fails_too(due, pigeon):
    pigeon.trouble = ChannelDown("connection refused")
    deliver(due, [pigeon], LATE, limit=500)
    settle_all(due, LATE + days(7))
    pigeon.trouble, pigeon.bad = None, {CLIVE: ChannelError("451 try later")}
    for minutes in (0, 20, 40):
        deliver(due, [pigeon], LATE + days(7) + timedelta(minutes=minutes), limit=500)
    found = {row.kind: row.outcome for row in rows(due, models.Reminder, OUTBOX.c.code == "K-REASSESS")}
    assert found == {"overdue": "too_late", "repeat": "waiting"}
    assert reach(due) == [("P1-1", "open")]


def test_reminders_of_different_tasks_do_not_replace_one_another(due, pigeon):
    red_flag(due, "P1", LATE + HOUR)
    settle_all(due, LATE + 3 * HOUR)
    deliver(due, [pigeon], LATE + 3 * HOUR, limit=500)
    reasons = {row.code: row.because for row in rows(due, models.Reminder, OUTBOX.c.outcome == "suppressed")}
    assert reasons["K-REASSESS"] == "the task is suspended"
    assert not any("took its place" in because for because in reasons.values())


def test_what_some_were_told_was_sent_although_a_later_one_came(due, pigeon):
    hire(due, CARL, "clinician")
    pigeon.bad[CLIVE] = ChannelError("451 try later")
    deliver(due, [pigeon], LATE, limit=500)
    settle_all(due, LATE + days(7))
    deliver(due, [pigeon], LATE + days(7), limit=500)
    row = reminder(due, kind="overdue", code="K-REASSESS")
    assert row.outcome == "sent"
    assert row.because == "some were not told: a later reminder of the same task goes out instead"


# ---------------------------------------------------------------- told to some


@pytest.mark.parametrize(
    ("meanwhile", "because"),
    [
        ("too late", "too late: it was of use until 25-Feb-2026 08:00"),
        ("done", "the task is closed: "),
        ("dead", "the patient has died"),
    ],
)
def test_what_some_were_told_was_sent_whatever_came_meanwhile(due, pigeon, meanwhile, because):
    hire(due, CARL, "clinician")
    pigeon.bad[CLIVE] = ChannelError("451 try later")
    deliver(due, [pigeon], LATE, limit=500)
    assert reminder(due).outcome == "waiting"
    if meanwhile == "done":
        symptoms = {"nrs": 5, "trend": "unchanged", "changed": False, "resolved": False}
        accepted(due, "P1", Step("observe", "symptoms", symptoms), LATE + HOUR)
        decision = Step("decide", "complete_reassessment", {"outcome": "continue"}, actor="clinician")
        accepted(due, "P1", decision, LATE + 2 * HOUR)
    if meanwhile == "dead":
        die(due, "P1", LATE + HOUR)
    row = sent(due, pigeon, LATE + (days(8) if meanwhile == "too late" else 3 * HOUR))
    assert row.outcome == "sent"
    assert row.because.startswith(f"some were not told: {because}")
    assert [person for key, person in pigeon.sent if key == row.key] == [CARL]


def test_a_passing_failure_for_ever_ends_when_its_use_ends(due, pigeon):
    pigeon.bad[CLIVE] = ChannelError("451 try later")
    for hour in range(0, 7 * 24 + 4, 3):
        deliver(due, [pigeon], LATE + hour * HOUR, limit=500)
    row = reminder(due)
    assert (row.outcome, row.settled_at) == ("too_late", LATE + 171 * HOUR)
    assert reach(due) == [("P1-1", "open")]


def test_a_row_taken_over_by_another_worker_is_ended_by_that_one_alone(due, pigeon):
    """The first worker is so slow that its lease ends: what it finds out then must not close the row."""

    class Slow(Pigeon):
        def send(self, message, recipient):
            if message.key == reminder(due).key:
                deliver(due, [pigeon], LATE + LEASE, limit=500)
                raise GONE
            return super().send(message, recipient)

    deliver(due, [Slow("pigeon")], LATE, limit=500)
    assert reminder(due).outcome == "sent"
    assert reach(due) == []


def test_what_a_worker_finds_out_after_its_lease_does_not_end_a_row_that_another_tries_again(due, pigeon):
    pigeon.bad[CLIVE] = ChannelError("451 try later")

    class Slow(Pigeon):
        def send(self, message, recipient):
            if message.key == reminder(due).key:
                deliver(due, [pigeon], LATE + LEASE, limit=500)
                raise GONE
            return super().send(message, recipient)

    deliver(due, [Slow("slow")], LATE, limit=500)
    row = reminder(due)
    assert (row.outcome, row.because, row.attempts) == ("waiting", "451 try later", 2)
    assert reach(due) == []


def test_a_round_that_a_slow_server_draws_out_ends_before_its_leases_do(store, monkeypatch):
    """Each letter takes three minutes, and a lease lasts for fifteen from the instant of the round."""
    staff(store)
    for number in range(8):
        enrol(store, f"P{number}")
    settle_all(store, LATE)
    passed = [timedelta()]
    monkeypatch.setattr("scheduler.outbox.uptime", lambda: passed[0])

    class Slow(Pigeon):
        def send(self, message, recipient):
            passed[0] += timedelta(minutes=3)
            assert passed[0] < LEASE
            return super().send(message, recipient)

    slow = Slow("pigeon")
    done = deliver(store, [slow], LATE, limit=500)
    assert (len(slow.sent), done.sent) == (3, 3)
    assert done.waiting == len(rows(store, models.Reminder)) - 3


def test_every_row_has_exactly_one_outcome_and_a_reason_where_it_was_not_told(store, pigeon):
    staff(store)
    for number in range(6):
        enrol(store, f"P{number}")
    settle_all(store, LATE)
    red_flag(store, "P1", LATE + HOUR)
    die(store, "P2", LATE + HOUR)
    settle_all(store, LATE + 2 * HOUR)
    pigeon.bad[CLIVE] = GONE
    done = deliver(store, [pigeon], LATE + 2 * HOUR, limit=500)
    found = rows(store, models.Reminder)
    assert {row.outcome for row in found} == {"sent", "suppressed", "too_late", "failed", "waiting"}
    # What still waits is the news that Clive's address takes nothing, which only came up in this round.
    assert [row.code for row in found if row.outcome == "waiting"] == ["ADDRESS_REFUSED"]
    ended = done.sent + done.delivered + done.suppressed + done.too_late + done.failed
    assert ended + done.waiting == len(found)
    assert all(row.because for row in found if row.outcome in ("suppressed", "too_late", "failed"))
    assert all((row.settled_at is None) == (row.outcome == "waiting") for row in found)
    assert verify(store).problems == []


def test_a_database_that_goes_away_is_not_mistaken_for_a_message_that_cannot_be_written(due, pigeon, monkeypatch):
    """The round ends with the trouble itself, and no row is marked by it."""

    def away(*_):
        raise StoreError("the server closed the connection")

    monkeypatch.setattr(due.database, "writing", away)
    with pytest.raises(StoreError):
        deliver(due, [pigeon], LATE, limit=500)
    monkeypatch.undo()
    with due.database.reading() as connection:
        assert set(connection.scalars(select(OUTBOX.c.attempts))) == {0}


def test_an_unknown_kind_of_message_waits_and_says_why(store, pigeon):
    staff(store)
    row = {
        **{"key": "strange", "kind": "strange", "code": "X", "role": "clinician", "detail": "{}", "because": ""},
        **{"due_at": LATE, "fired_at": LATE, "try_at": LATE, "outcome": "waiting", "attempts": 0},
    }
    change(store, insert(OUTBOX).values(**row))
    deliver(store, [pigeon], LATE)
    found = reminder(store, key="strange")
    assert (found.outcome, "cannot be written" in found.because) == ("waiting", True)
