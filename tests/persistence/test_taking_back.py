"""What was taken back stays in the journal, and the rows that were made of it say so."""

from datetime import timedelta

from sqlalchemy import update

from pathway.engine import Change
from pathway.journal import Step
from pathway.undoing import undo_of
from persistence import models
from persistence.rows import looks_again
from persistence.store import Person, table
from persistence.verify import verify
from persistence.worklist import worklist
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


# ---------------------------------------------------------------- work set aside


def aside(until: str | None, reason: str = "the scan is booked", **by: str) -> Step:
    return Step("admin", "look_again", {"code": "K-DXA", "until": until, "reason": reason}, **by)


def test_work_set_aside_is_one_row_and_the_last_word_counts(store):
    tell(store, *CARE, aside("2026-01-09", by="A. Nurse"))
    tell(store, aside("2026-01-12", "booked anew"), at=LATER)
    (row,) = rows(store, models.LookAgain)
    assert (row.episode_id, row.code, row.n, row.until.isoformat()) == ("P1-1", "K-DXA", 1, "2026-01-12")
    assert (row.because, row.noted_by, row.noted_at) == ("booked anew", "coordinator", LATER)
    assert verify(store).problems == []


def test_work_that_is_taken_back_waits_for_no_later_day(store):
    tell(store, *CARE, aside("2026-01-12"))
    tell(store, undo_of(store.journal("P1-1")[-1], episode(store)), at=LATER)
    (row,) = rows(store, models.LookAgain)
    assert (row.until, row.because) == (LATER.date(), "undone")
    assert verify(store).problems == []


def test_the_day_it_was_taken_back_stays_when_the_patient_moves_to_another_zone(store):
    tell(store, *CARE, aside("2026-01-12"), aside(None))
    tell(store, happened("move_site", timezone="Pacific/Auckland"), at=LATER)
    assert verify(store).problems == []


def test_a_row_that_was_changed_by_hand_and_one_of_no_journal_are_found(store):
    tell(store, *CARE, aside("2026-01-12"))
    looks = table(models.LookAgain)
    with store.database.writing() as connection:
        connection.execute(update(looks).values(because="forgotten"))
    (problem,) = verify(store).problems
    assert problem.endswith("look_again K-DXA 1: because says 'forgotten', the journal 'the scan is booked'")
    with store.database.writing() as connection:
        connection.execute(update(looks).values(code="K-OPRX"))
    (problem,) = verify(store).problems
    assert problem.endswith("look_again K-DXA 1 is missing")


def test_a_whole_history_brings_what_was_set_aside(store):
    tell(store, *CARE, aside("2026-01-09"), aside("2026-01-12"))
    change = Change(episode(store), tuple(store.journal("P1-1")))
    (row,) = looks_again(change.episode, change.entries)
    assert row["until"].isoformat() == "2026-01-12"


def test_work_set_aside_is_still_open_overdue_and_on_the_worklist(store):
    tell(store, *CARE, at=OPENED)
    now = OPENED + timedelta(days=50)
    tell(store, aside("2026-03-01"), at=now)
    (item,) = [item for item in worklist(store, now) if item.code == "K-DXA"]
    assert item.when == "overdue"
