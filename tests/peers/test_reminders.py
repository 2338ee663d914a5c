"""Seeds 1, 2, 3, 21, 22 and 23: what becomes of a message when something fails, and who is not to be told."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import cache, partial
from threading import Barrier

import pytest
from sqlalchemy import update

from pathway.calendar import fire_instant
from pathway.journal import Step
from persistence import models
from persistence.store import table
from persistence.verify import verify
from scheduler.channels import ChannelDown, ChannelError
from scheduler.channels.smtp import Smtp
from scheduler.jobs import run_deliver
from scheduler.outage import latest, outage_report
from scheduler.round import NOBODY
from tests.journeys.people import GUIDELINE
from tests.peers.house import (
    CLIVE,
    CORA,
    DAY,
    FOUR_WEEKS,
    HOUR,
    MINUTE,
    OUTBOX,
    OVERDUE,
    TEXTS,
    WRITES,
    agrees,
    attempts,
    beat,
    enrol,
    may_write,
    moments,
    never_down,
    outbox,
    reassessed,
    texts,
    to_telephone,
    walk,
)
from tests.persistence.shelf import OPENED, store_on
from tests.scheduler.ward import ZONE, Pigeon, accepted, change, die, hire, mail_server, rows, staff

ENTRIES, ATTEMPTS = table(models.Entry), table(models.Delivery)
BEFORE = FOUR_WEEKS - MINUTE
OUTAGES = (1, 3, 8, 40)


# ---------------------------------------------------------------- 1: outages


def enrolled(store):
    """Of one nobody hears again, one is seen on the first day of the outage, one dies on it."""
    enrol(store, "SILENT", "SEEN", "DIES")


def days_down(store, length, each_morning):
    """From the morning of the fourth week: what still works in the house, and what people record all the same."""
    for day in range(0, length, max(1, length // 8)):
        each_morning(FOUR_WEEKS + day * DAY)
        if day == 0:
            reassessed(store, "SEEN", FOUR_WEEKS + 6 * HOUR)
            die(store, "DIES", FOUR_WEEKS + 12 * HOUR)


@cache
def fell_due(length):
    """The moments of those days where nothing ever fails and everything fires at its moment."""
    with never_down() as house:
        enrolled(house)
        walk(house, BEFORE)
        days_down(house, length, partial(walk, house))
        walk(house, FOUR_WEEKS + length * DAY)
        return moments(rows(house, models.Reminder, OUTBOX.c.fired_at > BEFORE))


@pytest.mark.parametrize("length", OUTAGES)
@pytest.mark.parametrize("down", ["engine", "mail", "engine and mail"])
def test_seed_01_after_an_outage_every_moment_has_one_outcome_and_none_is_told_too_late(store, pigeon, down, length):
    staff(store)
    enrolled(store)
    beat(store, pigeon, BEFORE)
    assert outbox(store, outcome="waiting") == []
    pigeon.sent.clear()
    pigeon.trouble = ChannelDown("connection refused") if "mail" in down else None
    still_works = {
        "engine": lambda at: run_deliver(store, [pigeon], at, limit=1000),
        "mail": lambda at: beat(store, pigeon, at),
        "engine and mail": lambda at: None,
    }
    days_down(store, length, still_works[down])
    if (down, length) == ("mail", 40):
        assert to_telephone(store) == ["SEEN", "SILENT"], "nobody waits for the mail to come back"
    pigeon.trouble, back = None, FOUR_WEEKS + length * DAY
    beat(store, pigeon, back, rounds=3)

    due = rows(store, models.Reminder, OUTBOX.c.due_at > BEFORE, OUTBOX.c.due_at <= back)
    # The tasks to telephone come of the outage itself.
    of_the_pathway = [row for row in due if row.code != "K-REACH"]
    assert moments(of_the_pathway) == fell_due(length)
    of_silence = [row for row in of_the_pathway if row.patient_id == "SILENT"]
    assert [row.due_at for row in of_silence] == [eight_on(row.key.rpartition(":")[2]) for row in of_silence]
    outcomes = Counter(row.outcome for row in due)
    assert set(outcomes) <= {"sent", "suppressed", "too_late"}
    useful = {rule.kind: timedelta(hours=rule.useful_hours or 10**6) for rule in GUIDELINE.reminders.values()}
    assert [row.key for row in due if row.outcome == "sent" and row.settled_at - row.due_at > useful[row.kind]] == []
    assert sorted(key for key, _ in pigeon.sent) == sorted(row.key for row in due if row.outcome == "sent")
    assert handed_over(store) == sorted(row.key for row in due if row.outcome == "too_late")
    assert to_telephone(store) == sorted({row.patient_id for row in due if row.outcome == "too_late"})
    silent = {row.outcome for row in due if (row.patient_id, row.code) == ("SILENT", "REASSESS")}
    assert silent == {"too_late" if length == 40 else "sent"}

    report = outage_report(store, BEFORE, back)
    assert report.adds_up
    assert (report.sent, report.not_needed, report.tasks, report.waiting) == (
        outcomes["sent"],
        outcomes["suppressed"],
        outcomes["too_late"],
        0,
    )
    assert report.due + report.folded == sum(moments(due).values())
    since, until = latest(store)
    assert BEFORE <= since <= FOUR_WEEKS
    assert until == back
    assert verify(store).problems == []


def eight_on(day):
    return fire_instant(date.fromisoformat(day), "08:00", ZONE)


def handed_over(store):
    """The keys of the messages that became a person's work, as the journals tell."""
    lines = rows(store, models.Entry, ENTRIES.c.event_id.startswith("unreached:"))
    return sorted(line.event_id.partition(":")[2] for line in lines)


@pytest.mark.parametrize(("late", "outcome"), [(0, "sent"), (1, "too_late")])
def test_seed_01_a_message_is_of_use_to_the_last_second_of_its_window(store, pigeon, late, outcome):
    staff(store)
    enrol(store, "P1")
    walk(store, FOUR_WEEKS)
    end = FOUR_WEEKS + timedelta(hours=GUIDELINE.reminders["milestone"].useful_hours)
    run_deliver(store, [pigeon], end + timedelta(seconds=late), limit=1000)
    (milestone,) = outbox(store, code="REASSESS")
    assert milestone.outcome == outcome


# ---------------------------------------------------------------- 2: twice, and two at once


def test_seed_02_jobs_that_run_twice_send_once(store, pigeon):
    staff(store)
    enrol(store, "P1", "P2")
    for now in (OVERDUE, OVERDUE, OVERDUE + MINUTE, OVERDUE + HOUR):
        beat(store, pigeon, now)
    assert len(pigeon.sent) == len(set(pigeon.sent)) == len(outbox(store)) > 0
    assert {row.outcome for row in outbox(store)} == {"sent"}


def test_seed_02_what_one_worker_has_in_hand_another_leaves_alone(store, url):
    """While the first letter is on its way, another worker does a whole round."""

    class Slow(Pigeon):
        def send(self, message, recipient):
            if not self.sent:
                with store_on(url) as other:
                    run_deliver(other, [quick], FOUR_WEEKS, limit=1000)
            return super().send(message, recipient)

    staff(store)
    enrol(store, "P1", "P2")
    quick, slow = Pigeon(), Slow()
    beat(store, slow, FOUR_WEEKS)
    assert len(slow.sent) == 1
    assert sorted(key for key, _ in [*slow.sent, *quick.sent]) == [row.key for row in outbox(store, outcome="sent")]
    assert outbox(store, outcome="waiting") == []


def test_seed_02_two_workers_at_once_fire_and_send_each_thing_once(store, url, pigeon):
    """Each has a store of its own, as another process would. They begin together, once a week."""
    staff(store)
    enrol(store, *(f"P{number}" for number in range(6)))
    gate = Barrier(2)

    def work(now):
        with store_on(url) as mine:
            gate.wait(timeout=20)
            beat(mine, pigeon, now)

    weeks = [FOUR_WEEKS, OVERDUE]
    with ThreadPoolExecutor(2) as pool:
        for now in weeks:
            for done in [pool.submit(work, now) for _ in range(2)]:
                done.result(timeout=60)
    # One may have told people before the other had fired its half.
    beat(store, pigeon, weeks[-1], rounds=2)
    assert len(pigeon.sent) == len(set(pigeon.sent))
    assert {key for key, _ in pigeon.sent} == {row.key for row in outbox(store, outcome="sent")}
    assert Counter(row.code for row in outbox(store, kind="milestone")) == {"REASSESS": 6}
    assert outbox(store, outcome="waiting") == []
    assert verify(store).problems == []


# ---------------------------------------------------------------- 3: one bad patient


def test_seed_03_an_episode_that_cannot_be_read_holds_up_nobody_behind_it(store, pigeon):
    staff(store)
    enrol(store, "P1", "P2", "P3")
    episodes = table(models.Episode)
    change(store, update(episodes).where(episodes.c.id == "P1-1").values(document="{"))
    beat(store, pigeon, FOUR_WEEKS)
    assert [row.patient_id for row in outbox(store, code="REASSESS", outcome="sent")] == ["P2", "P3"]
    (alert,) = outbox(store, code="SET_ASIDE")
    assert (alert.patient_id, alert.outcome) == ("P1", "sent")


def test_seed_03_a_patient_without_a_telephone_holds_up_nobody_behind_them(store):
    """P1 agreed to letters only, at P2's number the channel itself breaks; both are before the others."""
    staff(store)
    enrol(store, "P1", "P2", "P3", "P4")
    may_write(store)
    agrees(store, "P1", "1 Any Street", channel="letters")
    for number in (2, 3, 4):
        agrees(store, f"P{number}", f"+44163296000{number}")
    channel = texts()
    channel.bad["+441632960002"] = ZeroDivisionError("a bug of the channel")
    beat(store, channel, FOUR_WEEKS, site=WRITES)
    asked = {row.patient_id: (row.outcome, row.because) for row in outbox(store, role="patient")}
    assert asked == {
        "P1": ("suppressed", "no channel letters that reaches one person"),
        "P2": ("waiting", "ZeroDivisionError: a bug of the channel"),
        "P3": ("sent", ""),
        "P4": ("sent", ""),
    }


def test_seed_03_a_colleague_without_a_telephone_holds_up_nobody_else(store):
    for name in ("ann", "bob", "cid"):
        hire(store, f"{name}@example.org", "coordinator")
    people = table(models.User)
    change(store, update(people).where(people.c.email != "ann@example.org").values(phone=people.c.name))
    enrol(store, "P1")
    channel = texts()
    beat(store, channel, FOUR_WEEKS)
    (milestone,) = outbox(store, code="REASSESS")
    assert [person for key, person in channel.sent if key == milestone.key] == ["bob", "cid"]
    assert milestone.outcome == "sent"


# ---------------------------------------------------------------- 21: nobody to tell


@pytest.mark.parametrize("coordinators", [(), (CORA, "ann@example.org")], ids=["none", "each stands in for the other"])
def test_seed_21_where_nobody_is_to_be_told_no_stranger_is_told_and_a_person_gets_the_work(store, pigeon, coordinators):
    for email in coordinators:
        hire(store, email, "coordinator")
    hire(store, CLIVE, "clinician")
    away = {"first_day": FOUR_WEEKS.date(), "last_day": OVERDUE.date(), "noted_at": OPENED, "noted_by": "Desk"}
    for absent, stand_in in zip(coordinators, coordinators[::-1], strict=True):
        store.keep_cover({"absent": absent, "stand_in": stand_in, **away})
    enrol(store, "P1")
    for day in range(3):
        beat(store, pigeon, FOUR_WEEKS + day * DAY)
    (milestone,) = outbox(store, code="REASSESS")
    assert (milestone.outcome, milestone.because, attempts(store, milestone.key)) == ("failed", NOBODY, [])
    assert {row.role for row in outbox(store, outcome="sent")} <= {"clinician"}
    assert to_telephone(store) == ["P1"]


def test_seed_21_a_patient_who_has_not_agreed_is_not_written_to_and_nobody_in_their_stead(store):
    staff(store)
    enrol(store, "NEVER ASKED", "TAKEN BACK", "CALLS ONLY", "AGREED")
    may_write(store)
    agrees(store, "TAKEN BACK", "+441632960001")
    agrees(store, "CALLS ONLY", "+441632960002", channel="calls")
    agrees(store, "AGREED", "+441632960003")
    store.withdraw_consent("TAKEN BACK", TEXTS, FOUR_WEEKS.date(), "told the desk")
    channel = texts()
    beat(store, channel, FOUR_WEEKS, site=WRITES)
    asked = {row.patient_id: row.outcome for row in outbox(store, role="patient")}
    assert asked == {"CALLS ONLY": "suppressed", "AGREED": "sent"}
    assert [person for _, person in channel.sent] == ["+441632960003"]


# ---------------------------------------------------------------- 22: an address that does not exist


def test_seed_22_an_address_that_takes_nothing_is_asked_once_for_each_message_and_a_person_gets_the_work(store):
    staff(store)
    enrol(store, "P1")
    with mail_server() as (post, port):
        post.answers[CORA] = "550 5.1.1 no such mailbox"
        mail = Smtp("127.0.0.1", port, sender="pathway@hospital.example")
        for day in range(0, 20, 2):
            beat(store, mail, FOUR_WEEKS + day * DAY)
        (milestone,) = outbox(store, code="REASSESS")
        assert milestone.outcome == "failed"
        assert milestone.because.startswith(f"{CORA}: refused for good: 550 5.1.1 no such mailbox")
        tried = Counter(row.reminder_key for row in rows(store, models.Delivery, ATTEMPTS.c.recipient == CORA))
        assert tried[milestone.key] == max(tried.values()) == 1
        assert to_telephone(store) == ["P1"]
        assert [letter["To"] for letter in post.letters if letter["To"] == CORA] == []


def test_seed_22_a_number_that_does_not_exist_is_dialled_once_and_a_person_gets_the_work(store):
    staff(store)
    enrol(store, "P1")
    may_write(store)
    agrees(store, "P1", "+441632960001")
    channel = texts()
    channel.bad["+441632960001"] = ChannelError("no such number", permanent=True)
    for hour in range(0, 96, 8):
        beat(store, channel, FOUR_WEEKS + hour * HOUR, site=WRITES)
    (row,) = outbox(store, role="patient")
    assert (row.outcome, len(attempts(store, row.key))) == ("failed", 1)
    assert to_telephone(store) == ["P1"]


# ---------------------------------------------------------------- 23: somebody has called


def test_seed_23_after_a_talk_with_the_patient_the_robot_is_silent_for_a_week(store):
    calls = {"reached": 1, "left_message": 6, "declined": 1, "no_answer": 1, "wrong_number": 1}
    staff(store)
    enrol(store, *calls, "a week ago")
    may_write(store)
    for number, (patient, days_ago) in enumerate({**calls, "a week ago": 7}.items()):
        agrees(store, patient, f"+44163296000{number}")
        call = Step("admin", "contact", {"outcome": patient if patient in calls else "reached"})
        accepted(store, patient, call, FOUR_WEEKS - days_ago * DAY)
    channel = texts()
    beat(store, channel, FOUR_WEEKS, site=WRITES)
    told = {row.patient_id: row.because for row in outbox(store, role="patient")}
    assert told == {
        "reached": "staff spoke to the patient on 01-Feb-2026",
        "left_message": "staff spoke to the patient on 27-Jan-2026",
        "declined": "staff spoke to the patient on 01-Feb-2026",
        **dict.fromkeys(("no_answer", "wrong_number", "a week ago"), ""),
    }
    assert sorted(person for _, person in channel.sent) == [f"+44163296000{number}" for number in (3, 4, 5)]
    assert {row.outcome for row in outbox(store, kind="milestone")} == {"failed"}, "staff have no telephone here"


def test_seed_23_a_call_of_yesterday_that_is_entered_today_between_planning_and_sending_counts(store):
    staff(store)
    enrol(store, "P1")
    may_write(store)
    agrees(store, "P1", "+441632960001")
    channel = texts()
    channel.trouble = ChannelDown("connection refused")
    beat(store, channel, FOUR_WEEKS, site=WRITES)
    (row,) = outbox(store, role="patient")
    assert row.outcome == "waiting"
    call = Step("admin", "contact", {"outcome": "reached", "date": "2026-02-01"})
    accepted(store, "P1", call, FOUR_WEEKS + HOUR)
    channel.trouble = None
    beat(store, channel, FOUR_WEEKS + 2 * HOUR, site=WRITES)
    (row,) = outbox(store, role="patient")
    assert (row.outcome, row.because) == ("suppressed", "staff spoke to the patient on 01-Feb-2026")
    assert channel.sent == []
