"""What was taken back stays in the journal, and the rows that were made of it say so."""

from datetime import timedelta

from sqlalchemy import update

from pathway.engine import Change
from pathway.undoing import undo_of
from persistence import models
from persistence.store import Person, table
from persistence.verify import verify
from tests.journeys.people import closed, happened, observed
from tests.persistence.shelf import CARE, OPENED, ZONE, episode, rows, tell

LATER = OPENED + timedelta(days=1)
TALK = happened("contact", actor="coordinator", outcome="reached")


def test_a_talk_that_was_taken_back_is_marked_in_its_row(store):
    tell(store, *CARE, TALK)
    tell(store, TALK, at=LATER)
    tell(store, undo_of(store.journal("P1-1")[-1], episode(store)), at=LATER)
    kept = [(row.happened_at, row.retracted) for row in rows(store, models.Contact)]
    assert sorted(kept) == [(OPENED, False), (LATER, True)]
    assert verify(store).problems == []


def test_a_row_that_was_marked_by_hand_is_found(store):
    tell(store, *CARE, TALK)
    with store.database.writing() as connection:
        connection.execute(update(table(models.Contact)).values(retracted=True))
    assert [problem.partition(": ")[2] for problem in verify(store).problems] == [
        "contact 5: retracted says True, the journal False"
    ]


def test_a_whole_history_brings_its_talks_as_they_ended(store):
    tell(store, *CARE, TALK)
    tell(store, undo_of(store.journal("P1-1")[-1], episode(store)))
    lines = store.journal("P1-1")
    with store.database.writing() as connection:
        for model in (models.Timer, models.Task, models.Contact, models.Move, models.Entry):
            connection.execute(table(model).delete())
        connection.execute(table(models.Episode).delete())
    store.add_histories({"P1": Person("P1", ZONE)}, [Change(store.engine.replay(lines), tuple(lines))])
    assert [row.retracted for row in rows(store, models.Contact)] == [True]
    assert verify(store).problems == []


def test_work_that_is_opened_again_is_one_row_and_open(store):
    tell(store, *CARE, closed("K-DXA"))
    tell(store, undo_of(store.journal("P1-1")[-1], episode(store)), at=LATER)
    (row,) = rows(store, models.Task, code="K-DXA")
    assert (row.status, row.closed_at, row.closed_how) == ("open", None, "")
    assert verify(store).problems == []


def test_a_finding_is_undone_in_the_store(store):
    tell(store, *CARE, observed("dxa", t_score=-2.0))
    tell(store, undo_of(store.journal("P1-1")[-1], episode(store)), at=LATER)
    (row,) = rows(store, models.Task, code="K-DXA")
    assert row.status == "open"
    assert verify(store).problems == []
