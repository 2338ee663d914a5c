"""Seeds 1, 2, 3, 21, 22 and 23: what becomes of a message when something fails, and who is not to be told."""

import threading
from collections import Counter
from datetime import timedelta
from functools import cache, partial

import pytest
from sqlalchemy import update

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
    HOUR,
    MINUTE,
    OUTBOX,
    TEXTS,
    WRITES,
    agrees,
    attempts,
    beat,
    may_write,
    moments,
    never_down,
    outbox,
    reassessed,
    texts,
    to_telephone,
    walk,
)
from tests.persistence.shelf import store_on
from tests.scheduler.ward import (
    LATE,
    REASSESS_DUE,
    Pigeon,
    accepted,
    change,
    days,
    die,
    enrol,
    hire,
    mail_server,
    rows,
    staff,
)

ENTRIES = table(models.Entry)
BEFORE = REASSESS_DUE - MINUTE
OUTAGES = (1, 3, 8, 40)


# ---------------------------------------------------------------- 1: outages


def enrolled(store):
    """Of one patient nobody hears again, one is seen on the first day of the outage, one dies on it."""
    for patient in ("SILENT", "SEEN", "DIES"):
        enrol(store, patient)


def days_down(store, length, each_morning):
    """From the morning of the fourth week: what still works in the house, and what people record all the same."""
    for day in range(0, length, max(1, length // 8)):
        each_morning(REASSESS_DUE + days(day))
        if day == 0:
            reassessed(store, "SEEN", REASSESS_DUE + 6 * HOUR)
            die(store, "DIES", REASSESS_DUE + 12 * HOUR)


@cache
def fell_due(length):
    """The moments of those days where nothing ever fails and everything fires at its moment."""
    with never_down() as house:
        enrolled(house)
        walk(house, BEFORE)
        days_down(house, length, partial(walk, house))
        walk(house, REASSESS_DUE + days(length))
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
    pigeon.trouble, back = None, REASSESS_DUE + days(length)
    beat(store, pigeon, back, rounds=3)

    due = rows(store, models.Reminder, OUTBOX.c.due_at > BEFORE, OUTBOX.c.due_at <= back)
    # The tasks to telephone come of the outage itself.
    of_the_pathway = [row for row in due if row.code != "K-REACH"]
    assert moments(of_the_pathway) == fell_due(length)
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
    assert BEFORE <= since <= REASSESS_DUE
    assert until == back
    assert verify(store).problems == []


def handed_over(store):
    """The keys of the messages that became a person's work, as the journals tell."""
    lines = rows(store, models.Entry, ENTRIES.c.event_id.startswith("unreached:"))
    return sorted(line.event_id.partition(":")[2] for line in lines)


@pytest.mark.parametrize(("late", "outcome"), [(0, "sent"), (1, "too_late")])
def test_seed_01_a_message_is_of_use_to_the_last_second_of_its_window(store, pigeon, late, outcome):
    staff(store)
    enrol(store)
    walk(store, REASSESS_DUE)
    end = REASSESS_DUE + timedelta(hours=GUIDELINE.reminders["milestone"].useful_hours)
    run_deliver(store, [pigeon], end + timedelta(seconds=late), limit=1000)
    (milestone,) = outbox(store, code="REASSESS")
    assert milestone.outcome == outcome
