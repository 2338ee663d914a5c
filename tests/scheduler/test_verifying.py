"""Whoever edits what was recorded, or what was made of it, is found, and the place is named."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import delete, insert, update

from pathway.engine import Engine
from pathway.journal import Step
from persistence import models
from persistence.database import Database
from persistence.journal import INTAKE, line_hash
from persistence.store import Person, Store, table
from persistence.verify import verify
from scheduler.jobs import Interrupted, nightly_verify, run_verify
from scheduler.settle import settle_all
from tests.persistence.shelf import store_in
from tests.scheduler.test_settling import break_profile
from tests.scheduler.ward import LATE, ZONE, change, days, die, enrol, open_store, red_flag, register, rows, staff

ENTRIES, EPISODES, TASKS = table(models.Entry), table(models.Episode), table(models.Task)
OUTBOX = table(models.Reminder)


@pytest.fixture(params=["never verified", "sealed"])
def ward(store, request):
    """Whatever is edited must be found in a journal that agreed yesterday as well."""
    for patient in ("P1", "P2"):
        enrol(store, patient)
    settle_all(store, LATE)
    if request.param == "sealed":
        assert verify(store, at=LATE).unchanged == 0
        assert verify(store, at=LATE).unchanged == 2
    return store


def line(seq, episode="P1-1"):
    return (ENTRIES.c.episode_id == episode) & (ENTRIES.c.seq == seq)


def problem(store):
    found = verify(store, at=LATE)
    assert len(found.problems) == 1, found.problems
    return found.problems[0]


def test_what_was_recorded_agrees_with_what_is_stored(ward):
    seen = []
    found = verify(ward, lambda: seen.append(1))
    assert (found.line(), found.problems) == ("all 2 episodes agree", [])
    assert (found.lines, len(seen)) == (len(rows(ward, models.Entry)), 2)


def test_a_long_story_with_a_death_and_a_second_fracture_agrees(store):
    enrol(store, "P1")
    red_flag(store, "P1", LATE)
    settle_all(store, LATE + days(30))
    second = {"level": "L2", "mechanism": "low_energy", "fracture_date": "2026-03-20"}
    store.record("P1", Step("new_fracture", data=second), LATE + days(31))
    store.record("P1", Step("admin", "death", event_id="m1"), LATE + days(32))
    store.record("P1", Step("admin", "death", event_id="m1"), LATE + days(33))
    assert verify(store).problems == []


def test_an_empty_database_agrees(store):
    assert verify(store).line() == "all 0 episodes agree"


def test_more_episodes_than_a_page_are_all_read(store, monkeypatch):
    monkeypatch.setattr("persistence.verify.PAGE", 2)
    for number in range(5):
        register(store, f"P{number}")
    assert verify(store).episodes == 5


def test_an_edited_effect_is_found_and_the_line_named(ward):
    (row,) = rows(ward, models.Entry, line(1))
    change(ward, update(ENTRIES).where(line(1)).values(effects=row.effects.replace("L1", "L2") + " "))
    assert problem(ward) == "P1-1 line 1 (register): the line was changed after it was written"


def test_an_edit_that_forges_every_hash_is_found_by_the_replay(ward):
    last, previous = rows(ward, models.Episode, EPISODES.c.id == "P1-1")[0].version, None
    for seq in range(1, last + 1):
        (row,) = rows(ward, models.Entry, line(seq))
        forged = {**row._mapping, "previous_hash": previous or row.previous_hash}
        if seq == 3:
            forged["step"] = row.step.replace('"complete":true', '"complete":false')
        forged["hash"] = previous = line_hash(forged)
        change(ward, update(ENTRIES).where(line(seq)).values(**forged))
    change(ward, update(EPISODES).where(EPISODES.c.id == "P1-1").values(last_hash=previous))
    assert problem(ward).startswith("P1-1 line 3 (observe): the line does not replay: ")


def test_a_deleted_line_is_found(ward):
    change(ward, delete(ENTRIES).where(line(3)))
    assert problem(ward) == "P1-1 line 3: the line is missing"


def test_a_deleted_last_line_is_found(ward):
    (row,) = rows(ward, models.Episode, EPISODES.c.id == "P1-1")
    change(ward, delete(ENTRIES).where(line(row.version)))
    assert problem(ward) == (
        f"P1-1 line {row.version - 1}: the journal ends here, the episode knows {row.version} lines"
    )


def test_a_column_outside_the_hash_is_compared_with_its_line(ward):
    change(ward, update(ENTRIES).where(line(2)).values(refusal="STATE"))
    assert problem(ward) == "P1-1 line 2 (admin): its columns do not fit what it says"


def test_a_journal_whose_episode_is_gone_is_found(ward):
    (row,) = rows(ward, models.Entry, line(1))
    change(ward, insert(ENTRIES).values(**{**row._mapping, "episode_id": "P9-1"}))
    assert problem(ward) == "P9-1 line 1: the episode of this journal is gone"


def test_an_edited_document_is_found_and_the_field_named(ward):
    (row,) = rows(ward, models.Episode, EPISODES.c.id == "P1-1")
    document = json.loads(row.document) | {"owner": "Mallory"}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    change(ward, update(EPISODES).where(EPISODES.c.id == "P1-1").values(document=text))
    assert problem(ward) == f"P1-1 after line {row.version}: the stored document differs in owner"


def test_a_document_that_cannot_be_read_is_found(ward):
    change(ward, update(EPISODES).where(EPISODES.c.id == "P1-1").values(document="{"))
    assert problem(ward).endswith("the stored document differs in everything: it cannot be read")


def test_a_document_of_a_profile_that_does_not_exist_is_found(ward):
    break_profile(ward, "P1-1")
    assert problem(ward).endswith("the stored document differs in profile")


@pytest.mark.parametrize(
    ("column", "value"), [("state", "SURVEILLANCE"), ("owner", None), ("next_wake_at", None), ("held", True)]
)
def test_an_edited_column_of_the_episode_is_found(ward, column, value):
    change(ward, update(EPISODES).where(EPISODES.c.id == "P1-1").values({column: value}))
    assert f"column {column} says {value!r}" in problem(ward)


def test_a_changed_task_row_is_found(ward):
    mine = (TASKS.c.episode_id == "P1-1") & (TASKS.c.code == "K-DXA")
    change(ward, update(TASKS).where(mine).values(status="closed"))
    assert ": task K-DXA 1: status says 'closed', the journal 'open'" in problem(ward)


@pytest.mark.parametrize("model", [models.Timer, models.Task])
def test_a_missing_row_is_found(ward, model):
    target = table(model)
    first = rows(ward, model, target.c.episode_id == "P1-1")[0]
    change(ward, delete(target).where(target.c.episode_id == "P1-1", target.c.code == first.code))
    assert f"{target.name} {first.code}" in problem(ward)
    assert problem(ward).endswith("is missing")


def test_a_reminder_that_was_issued_and_is_gone_is_found(ward):
    change(ward, delete(OUTBOX).where(OUTBOX.c.code == "K-DXA", OUTBOX.c.episode_id == "P1-1"))
    assert problem(ward).endswith("reminder P1-1:K-DXA:1:overdue:2026-02-17 is missing")


def test_a_reminder_that_no_journal_knows_is_found(ward):
    (row, *_) = rows(ward, models.Reminder, OUTBOX.c.episode_id == "P1-1")
    change(ward, insert(OUTBOX).values(**{**row._mapping, "key": "P1-1:K-DXA:9:due:2026-01-01"}))
    assert problem(ward).endswith("reminder P1-1:K-DXA:9:due:2026-01-01 is in no journal")


def test_how_a_reminder_was_delivered_is_not_the_journals_affair(ward):
    change(ward, update(OUTBOX).values(outcome="sent", attempts=3, because="told"))
    assert verify(ward).problems == []


def test_an_alert_of_the_house_about_an_episode_is_no_difference(ward):
    old = break_profile(ward, "P1-1")
    settle_all(ward, LATE + days(30))
    break_profile(ward, "P1-1", old)
    settle_all(ward, LATE + days(31))
    assert len(rows(ward, models.Reminder, OUTBOX.c.code == "SET_ASIDE")) == 1
    document = json.loads(rows(ward, models.Episode, EPISODES.c.id == "P1-1")[0].document)
    assert document["profile"] == "default"
    assert verify(ward).problems == []


def test_the_intake_chain_is_checked_as_well(ward):
    for fracture in ("2099-01-01", "2098-01-01"):
        person = Person("P7", ZONE)
        step = Step("register", data={"level": "L1", "mechanism": "low_energy", "fracture_date": fracture})
        assert ward.record(person, step, LATE).refusal
    assert len(rows(ward, models.Entry, ENTRIES.c.episode_id == INTAKE)) == 2
    assert verify(ward).problems == []
    change(ward, delete(ENTRIES).where(line(1, INTAKE)))
    assert problem(ward) == "intake line 1: the line is missing"


def test_each_episode_has_at_most_one_problem_and_none_hides_another(ward):
    change(ward, update(TASKS).values(status="closed"))
    found = verify(ward)
    assert [text.partition(" ")[0] for text in found.problems] == ["P1-1", "P2-1"]
    assert found.line() == "2 differences in 2 episodes"


# ---------------------------------------------------------------- what agreed is not replayed until it changes


def test_only_what_changed_is_replayed(store):
    for patient in ("P1", "P2", "P3"):
        enrol(store, patient)
    assert verify(store, at=LATE).how() == "3 replayed, 0 unchanged to the byte since they last agreed"
    red_flag(store, "P2", LATE)
    again = verify(store, at=LATE)
    assert (again.episodes, again.unchanged, again.lines) == (3, 2, len(rows(store, models.Entry)))
    assert verify(store, at=LATE).unchanged == 3


def test_the_whole_is_replayed_when_it_is_asked_for(store):
    enrol(store, "P1")
    verify(store, at=LATE)
    assert verify(store, at=LATE, whole=True).unchanged == 0


def test_without_an_instant_nothing_is_sealed_or_left_out(store):
    enrol(store, "P1")
    assert verify(store).unchanged == verify(store, at=LATE).unchanged == 0


def test_what_differs_is_never_sealed(store):
    enrol(store, "P1")
    change(store, update(TASKS).values(status="closed"))
    for _ in range(2):
        found = verify(store, at=LATE)
        assert (len(found.problems), found.unchanged) == (1, 0)


@pytest.mark.parametrize(
    ("what", "value"),
    [("persistence.seals._code", lambda: "other code"), ("platform.python_version", lambda: "9.9.9")],
)
def test_another_program_replays_everything(store, monkeypatch, what, value):
    enrol(store, "P1")
    verify(store, at=LATE)
    monkeypatch.setattr(what, value)
    assert verify(store, at=LATE).unchanged == 0


def test_other_rules_replay_everything(store):
    enrol(store, "P1")
    verify(store, at=LATE)
    rules = replace(store.engine.guideline, title="Another guideline")
    assert verify(Store(store.database, Engine(rules)), at=LATE).unchanged == 0


def test_a_database_that_can_only_be_read_is_verified_all_the_same(tmp_path):
    """SQLite only: there a file can be opened for reading alone."""
    with store_in(tmp_path / "pathway.db") as store:
        enrol(store, "P1")
    database = Database(f"sqlite:///file:{tmp_path / 'pathway.db'}?mode=ro&uri=true")
    reading = Store(database, store.engine)
    for _ in range(2):
        assert verify(reading, at=LATE).how() == "1 replayed, 0 unchanged to the byte since they last agreed"
    database.close()


def test_while_another_program_writes_what_agrees_is_told_and_sealed_next_time(file):
    """SQLite only: there a writer keeps all others out."""
    store = open_store(f"sqlite:///{file}?timeout=0.1")
    enrol(store, "P1")
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert verify(store, at=LATE).line() == "all 1 episodes agree"
    assert verify(store, at=LATE).unchanged == 0
    assert verify(store, at=LATE).unchanged == 1
    store.database.close()


def test_a_difference_alerts_staff_once_a_day(ward):
    staff(ward)
    change(ward, update(TASKS).values(status="closed"))
    assert nightly_verify(ward, LATE, zone=ZONE).problems
    assert nightly_verify(ward, LATE, zone=ZONE) is None
    run_verify(ward, LATE, zone=ZONE)
    (alert,) = rows(ward, models.Reminder, OUTBOX.c.code == "VERIFY")
    assert "task" in json.loads(alert.detail)["because"]


def test_a_verification_asked_to_stop_leaves_the_day_free(ward):
    with pytest.raises(Interrupted):
        nightly_verify(ward, LATE, zone=ZONE, stop=lambda: True)
    assert nightly_verify(ward, LATE, zone=ZONE) is not None


def test_a_death_of_a_patient_with_two_episodes_agrees(store):
    enrol(store)
    store.record("P1", Step("new_fracture", data={"level": "L2", "mechanism": "low_energy"}), LATE)
    die(store, "P1", LATE + days(1))
    assert verify(store).line() == "all 2 episodes agree"
