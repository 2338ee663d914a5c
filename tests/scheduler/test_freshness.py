"""How fresh a page is: when the engine last ran, when patients last came in, and what is behind."""

from datetime import timedelta

from scheduler.freshness import Freshness, freshness
from scheduler.job_runs import note_beat
from tests.persistence.shelf import CARE, OPENED, statements, tell

MINUTE = timedelta(minutes=1)


def test_a_new_house_has_never_settled(store):
    found = freshness(store, OPENED)
    assert found == Freshness(None, None, 0)
    assert found.late(OPENED)


def test_the_last_run_and_the_last_import_are_told(store):
    for minute in (0, 1, 2):
        note_beat(store, "settle", OPENED + minute * MINUTE, {})
    note_beat(store, "deliver", OPENED + 9 * MINUTE, {})
    store.mark_job("import", OPENED.isoformat(), OPENED)
    found = freshness(store, OPENED + 3 * MINUTE)
    assert found == Freshness(OPENED + 2 * MINUTE, OPENED, 0)
    assert not found.late(OPENED + 7 * MINUTE)
    assert found.late(OPENED + 8 * MINUTE)


def test_what_fell_due_and_did_not_fire_is_counted_after_five_minutes(store):
    tell(store, *CARE)
    tell(store, *CARE, patient="P2")
    wake = store.next_wake()
    assert [freshness(store, wake + minutes * MINUTE).due_late for minutes in (0, 4, 5)] == [0, 0, 2]
    note_beat(store, "settle", wake + 5 * MINUTE, {})
    assert freshness(store, wake + 5 * MINUTE).late(wake + 5 * MINUTE)
    while store.settle(wake).fired:
        pass
    assert freshness(store, wake + 5 * MINUTE).due_late == 0


def test_freshness_is_one_short_question(store):
    with statements(store) as heard:
        freshness(store, OPENED)
    assert len([statement for statement in heard if statement.startswith("SELECT")]) == 1
