"""What auditors read, by the page and as a whole; and what others recorded since then."""

from datetime import timedelta
from itertools import islice

import pytest
from sqlalchemy import insert

from pathway.journal import Step
from persistence import changes, models
from persistence.audit import Asked, journal_lines, journal_page, sign_in_attempts, viewings
from persistence.changes import MOST, changed_since
from persistence.journal import INTAKE, entry_of
from persistence.store import table
from tests.persistence.cohorts import MORNING
from tests.persistence.shelf import CARE, OPENED, many_in_care, rows, tell

HOUR = timedelta(hours=1)


def some_patient(store):
    return rows(store, models.Episode)[0].patient_id


ASKED = {
    "all": lambda store: {},
    "a patient": lambda store: {"patient": some_patient(store)},
    "an episode": lambda store: {"episode": rows(store, models.Episode)[3].id},
    "a kind": lambda store: {"kind": "timer"},
    "a role": lambda store: {"actor": "clinician"},
    "a person": lambda store: {"by": "A. Okafor (demo)"},
    "refused": lambda store: {"refused": True},
    "a month": lambda store: {"since": MORNING - timedelta(days=60), "until": MORNING - timedelta(days=30)},
    "several": lambda store: {"kind": "observe", "by": "A. Okafor (demo)", "since": MORNING - timedelta(days=90)},
}


def reckoned(store, asked):
    """The same from the journals, in Python."""
    found = []
    for row in rows(store, models.Entry):
        if (
            asked.patient in (None, row.patient_id)
            and asked.episode in (None, row.episode_id)
            and asked.kind in (None, row.kind)
            and asked.actor in (None, row.actor)
            and asked.by in (None, entry_of(row).step.by)
            and (row.refusal or not asked.refused)
            and (asked.since is None or row.recorded_at >= asked.since)
            and (asked.until is None or row.recorded_at < asked.until)
        ):
            found.append((row.recorded_at, row.episode_id, row.seq))
    return found


@pytest.mark.parametrize("filters", ASKED.values(), ids=ASKED)
def test_the_journal_by_the_page_is_the_whole_of_it(cohort, filters):
    asked, pages, after = Asked(**filters(cohort)), [], None
    while True:
        page = journal_page(cohort, asked, after=after, size=200)
        pages += [line.place for line in page.lines]
        if (after := page.after) is None:
            break
    assert sorted(pages) == sorted(reckoned(cohort, asked))
    assert [place[0] for place in pages] == sorted((place[0] for place in pages), reverse=True)
    assert [line.place for line in journal_lines(cohort, asked)] == pages
    assert pages, "the cohort has such lines"


def test_whoever_stops_reading_early_leaves_nothing_open(cohort):
    assert len(list(islice(journal_lines(cohort, Asked()), 3))) == 3


def test_a_line_brings_its_place_in_the_chain(store):
    tell(store, *CARE)
    lines = list(reversed(journal_page(store, Asked(patient="P1")).lines))
    assert [line.entry for line in lines] == store.journal("P1-1")
    assert [line.previous_hash for line in lines[1:]] == [line.hash for line in lines[:-1]]


def test_views_and_attempts_come_newest_first_and_by_the_page(store):
    views = [
        {"at": OPENED + n * HOUR, "email": f"{'ab'[n % 2]}@x", "role": "lead", "patient_id": f"P{n % 3}", "page": "/"}
        for n in range(7)
    ]
    tries = [{"at": OPENED + n * HOUR, "email": "a@x", "address": "::1", "ok": n % 2 == 0} for n in range(5)]
    with store.database.writing() as connection:
        connection.execute(insert(table(models.Viewing)), views)
        connection.execute(insert(table(models.Attempt)), tries)
    hours = [(view.at - OPENED) // HOUR for view in viewings(store)]
    assert hours == [6, 5, 4, 3, 2, 1, 0]
    first = viewings(store, size=3)
    assert [view.id for view in [*first, *viewings(store, after=first[-1].id)]] == [v.id for v in viewings(store)]
    assert {view.patient for view in viewings(store, patient="P1", email="b@x")} == {"P1"}
    assert len(viewings(store, since=OPENED + HOUR, until=OPENED + 3 * HOUR)) == 2
    assert [attempt.ok for attempt in sign_in_attempts(store, email="a@x")] == [True, False, True, False, True]
    assert len(sign_in_attempts(store, failed=True)) == 2


def assigned(to: str, by: str) -> Step:
    return Step("admin", "assign", {"owner": to}, "coordinator", by)


def test_what_others_recorded_since_then_is_counted_by_patient(store):
    tell(store, *CARE, patient="P1")
    tell(store, *CARE, patient="P2")
    tell(store, assigned("x", "me@x"), at=OPENED + HOUR, patient="P1")
    tell(store, assigned("x", 'the "other"'), at=OPENED + HOUR, patient="P2")
    tell(store, assigned("y", 'the "other"'), at=OPENED + 2 * HOUR, patient="P2")
    assert changed_since(store.database, OPENED, but_by="me@x") == 1
    assert changed_since(store.database, OPENED, but_by='the "other"') == 1
    assert changed_since(store.database, OPENED, but_by="somebody") == 2
    assert changed_since(store.database, OPENED + 2 * HOUR, but_by="me@x") == 0


def test_more_than_so_many_are_not_counted_out(store):
    many_in_care(store, MOST + 20)
    assert changed_since(store.database, OPENED - HOUR) == MOST + 1


def test_many_lines_of_few_patients_are_counted_to_the_end(store, monkeypatch):
    tell(store, *CARE, patient="P1")
    tell(store, *CARE, at=OPENED + HOUR, patient="P2")
    monkeypatch.setattr(changes, "LINES", 2)
    assert changed_since(store.database, OPENED - HOUR) == 2


def test_what_was_refused_changed_nothing(store):
    tell(store, *CARE)
    refused = store.record("P1", Step("decide", "discharge", {}, "coordinator"), OPENED + HOUR).refusal
    unknown = store.record("P1", Step("observe", "unheard_of", {}, "coordinator"), OPENED + HOUR).refusal
    assert refused and unknown
    assert changed_since(store.database, OPENED) == 0
    assert INTAKE not in [line.episode for line in journal_lines(store, Asked(patient="P1"))]
