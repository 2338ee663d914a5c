"""The outbox by the page: what counting and sorting every message in Python gives."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from persistence import models
from persistence.outbox_page import OutboxView, outbox_page
from persistence.store import table
from tests.journeys.people import examined, registered
from tests.persistence.shelf import OPENED, rows, tell

OUTBOX = table(models.Reminder)
PEOPLE = ("P1", "P2", "P3")


@pytest.fixture
def outbox(store):
    """Messages about three patients, one of each ended, and one of the house itself about the first."""
    for hour, patient in enumerate(PEOPLE):
        at = OPENED + timedelta(hours=hour)
        tell(store, registered(), examined(motor_deficit=True), at=at, patient=patient)
    first = {row.patient_id: row for row in reversed(rows(store, models.Reminder))}
    with store.database.writing() as connection:
        for number, patient in enumerate(PEOPLE):
            ended = {"outcome": "sent", "settled_at": OPENED + timedelta(days=1, hours=(5, 9, 7)[number])}
            connection.execute(update(OUTBOX).where(OUTBOX.c.key == first[patient].key).values(**ended))
        of_none = dict.fromkeys(("detail", "kind", "code", "role"), "x") | {"key": "house", "patient_id": "P1"}
        times = {"fired_at": OPENED, "try_at": OPENED, "outcome": "waiting", "because": "", "attempts": 0}
        connection.execute(insert(OUTBOX).values(**of_none, **times))
    return store


def keys(page) -> list[str]:
    return [row.key for row in page.rows]


def test_what_has_ended_is_shown_the_latest_first_and_what_waits_by_when_it_fired(outbox):
    every = rows(outbox, models.Reminder)
    sent = sorted((row for row in every if row.outcome == "sent"), key=lambda row: row.settled_at, reverse=True)
    assert keys(outbox_page(outbox, OutboxView("sent"))) == [row.key for row in sent]
    assert [row.patient for row in outbox_page(outbox, OutboxView("sent")).rows] == ["P2", "P3", "P1"]
    waiting = sorted((row.fired_at, row.key) for row in every if row.outcome == "waiting")
    assert keys(outbox_page(outbox, OutboxView())) == [key for _, key in waiting]


def test_a_page_goes_on_where_the_one_before_it_ended(outbox):
    whole = keys(outbox_page(outbox, OutboxView()))
    pages = [outbox_page(outbox, OutboxView(), page=number, size=2) for number in range(1, len(whole) // 2 + 2)]
    assert [key for page in pages for key in keys(page)] == whole
    assert {page.total for page in pages} == {len(whole)}


@pytest.mark.parametrize("patient", [*PEOPLE, "P4"])
@pytest.mark.parametrize("outcome", ["waiting", "sent"])
def test_the_messages_about_somebody_are_those_of_their_episodes_and_those_of_none(outbox, patient, outcome):
    every = [row for row in rows(outbox, models.Reminder) if row.patient_id == patient]
    found = outbox_page(outbox, OutboxView(outcome, q=patient))
    assert sorted(keys(found)) == sorted(row.key for row in every if row.outcome == outcome)
    assert sum(found.counts.values()) == len(every)
    assert found.total == len(found.rows)
