"""Firing what is due: all of it, once, and one broken episode stops nobody."""

import json
from datetime import timedelta

from sqlalchemy import insert, update

from persistence import models
from persistence.store import table
from scheduler.outbox import deliver
from scheduler.settle import settle_all
from tests.scheduler.ward import REASSESS_DUE, Pigeon, change, days, enrol, rows, staff

EPISODES, ENTRIES = table(models.Episode), table(models.Entry)


def break_profile(store, episode, name="no-such-profile"):
    """Give the stored episode a profile that the engine does not know; the old name comes back."""
    (row,) = rows(store, models.Episode, EPISODES.c.id == episode)
    document = json.loads(row.document)
    old, document["profile"] = document["profile"], name
    spoilt = update(EPISODES).where(EPISODES.c.id == episode).values(document=json.dumps(document))
    with store.database.writing() as connection:
        connection.execute(spoilt)
    return old


def state(store, episode):
    (row,) = rows(store, models.Episode, EPISODES.c.id == episode)
    return row


def test_everything_due_fires_in_batches_and_a_second_time_nothing_does(store):
    for number in range(5):
        enrol(store, f"P{number}")
    seen = []
    done = settle_all(store, REASSESS_DUE, batch=2, on_batch=lambda batch: seen.append(batch.episodes))
    assert (done.episodes, seen) == (5, [2, 2, 1])
    assert {row.state for row in rows(store, models.Episode)} == {"REASSESSMENT"}
    assert settle_all(store, REASSESS_DUE).fired == 0


def test_settling_stops_between_two_batches_when_asked(store):
    for number in range(4):
        enrol(store, f"P{number}")
    batches = []
    settle_all(store, REASSESS_DUE, batch=2, on_batch=batches.append, stop=lambda: bool(batches))
    assert len(batches) == 1


def test_one_broken_episode_does_not_stop_the_others(store):
    broken, sound = enrol(store, "P1"), enrol(store, "P2")
    break_profile(store, broken)
    done = settle_all(store, REASSESS_DUE)
    assert list(done.set_aside) == [broken]
    assert "no-such-profile" in done.set_aside[broken]
    assert state(store, sound).state == "REASSESSMENT"
    assert state(store, broken).state == "CONSERVATIVE_CARE"


def test_a_document_that_cannot_be_read_does_not_stop_the_others(store):
    broken, sound = enrol(store, "P1"), enrol(store, "P2")
    with store.database.writing() as connection:
        connection.execute(update(EPISODES).where(EPISODES.c.id == broken).values(document="{"))
    assert list(settle_all(store, REASSESS_DUE).set_aside) == [broken]
    assert state(store, sound).state == "REASSESSMENT"


def test_an_episode_set_aside_is_alerted_once_however_often_it_fails(store):
    break_profile(store, enrol(store))
    staff(store)
    for hours in (0, 1, 2, 3):
        settle_all(store, REASSESS_DUE + timedelta(hours=hours))
    (alert,) = rows(store, models.Reminder, table(models.Reminder).c.code == "SET_ASIDE")
    assert (alert.kind, alert.episode_id, alert.patient_id) == ("alert", "P1-1", "P1")
    pigeon = Pigeon()
    deliver(store, [pigeon], REASSESS_DUE + timedelta(hours=3))
    (letter,) = [letter for letter in pigeon.letters if letter.key == alert.key]
    assert "no-such-profile" in letter.body
    assert letter.subject == "[pathway] alert: an episode is set aside"


def test_an_episode_set_aside_is_tried_again_after_growing_delays(store):
    break_profile(store, enrol(store))
    now, waits = REASSESS_DUE, []
    for _ in range(12):
        settle_all(store, now)
        waits.append(state(store, "P1-1").retry_at - now)
        assert settle_all(store, now + timedelta(seconds=30)).episodes == 0
        now = state(store, "P1-1").retry_at
    assert waits[:4] == [timedelta(minutes=m) for m in (1, 2, 4, 8)]
    assert waits[-1] == timedelta(hours=6)


def test_an_episode_that_failed_for_weeks_still_stops_nobody(store):
    break_profile(store, enrol(store))
    with store.database.writing() as connection:
        connection.execute(update(EPISODES).values(failures=200))
    settle_all(store, REASSESS_DUE)
    assert state(store, "P1-1").retry_at == REASSESS_DUE + timedelta(hours=6)


def test_an_episode_that_is_repaired_goes_on_and_its_alert_is_not_sent_late(store):
    episode = enrol(store)
    staff(store)
    old = break_profile(store, episode)
    settle_all(store, REASSESS_DUE)
    break_profile(store, episode, old)
    settle_all(store, REASSESS_DUE + days(1))
    assert (state(store, episode).state, state(store, episode).failures) == ("REASSESSMENT", 0)
    deliver(store, [Pigeon()], REASSESS_DUE + days(1))
    (alert,) = rows(store, models.Reminder, table(models.Reminder).c.code == "SET_ASIDE")
    assert (alert.outcome, alert.because) == ("suppressed", "the episode works again")


def test_a_second_trouble_of_a_repaired_episode_is_a_second_alert(store):
    episode = enrol(store)
    old = break_profile(store, episode)
    settle_all(store, REASSESS_DUE)
    break_profile(store, episode, old)
    settle_all(store, REASSESS_DUE + days(1))
    break_profile(store, episode)
    settle_all(store, REASSESS_DUE + days(30))
    assert len(rows(store, models.Reminder, table(models.Reminder).c.code == "SET_ASIDE")) == 2


def test_a_journal_that_takes_no_further_line_does_not_stop_the_others(store):
    broken, sound = enrol(store, "P1"), enrol(store, "P2")
    (last,) = rows(store, models.Entry, ENTRIES.c.episode_id == broken, ENTRIES.c.seq == state(store, broken).version)
    change(store, insert(ENTRIES).values(**{**last._mapping, "seq": last.seq + 1, "event_id": None}))
    done = settle_all(store, REASSESS_DUE)
    assert list(done.set_aside) == [broken]
    assert (state(store, broken).state, state(store, sound).state) == ("CONSERVATIVE_CARE", "REASSESSMENT")
    assert done.fired == len(rows(store, models.Entry, ENTRIES.c.episode_id == sound)) - 5
