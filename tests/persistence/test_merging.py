"""Two records of one person become one and two again: both histories kept, nobody told twice, nobody lost."""

from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Barrier, Thread

import pytest
from hypothesis import given, settings
from sqlalchemy import select

from pathway.journal import Refusal
from persistence import models
from persistence.audit import Asked as Lines
from persistence.audit import journal_lines
from persistence.history import case_as_of, episodes_as_of
from persistence.merges import merges_of
from persistence.merging import Asked, Undoing, merge, unmerge
from persistence.registry import table
from persistence.search import search
from persistence.store import Person
from persistence.verify import verify
from persistence.worklist import worklist
from scheduler.census import census
from tests.journeys.histories import histories
from tests.journeys.people import examined, fractured_again, happened, observed, pain, registered, scanned
from tests.persistence.shelf import CARE, OPENED, ZONE, documents, rows, tell, tell_history

LATER = OPENED + timedelta(days=10)
AFTER = datetime(2026, 2, 20, 9, 0, tzinfo=UTC)
NUMBER = count(1)
WHY = {"because": "same NHS number", "by": "C. Desk"}


def two_records(store, retired="L1", day="2026-01-02"):
    """The same person as A and as B, B perhaps of another fracture."""
    tell(store, registered(owner="Desk"), *CARE[1:], patient="A")
    tell(store, registered(day, level=retired, owner="Desk"), examined(), scanned("2026-01-05"), patient="B")
    store.name_person(Person("A", ZONE, "default", "Sample", "Ada"))
    store.name_person(Person("B", ZONE, "default", "Maiden", "Ada"))


def joined(store, at=LATER, **more):
    made = merge(store, Asked("A", "B", **{**WHY, **more}), at)
    assert not isinstance(made, Refusal), made
    return made


def parted(store, made, at=AFTER, **more):
    found = unmerge(
        store, Undoing(made.id, "two people after all", "Dr C. Sample", **{"actor": "clinician", **more}), at
    )
    assert not isinstance(found, Refusal), found
    return found


def hashes(store):
    entries = table(models.Entry)
    query = select(entries.c.episode_id, entries.c.seq, entries.c.hash, entries.c.patient_id)
    with store.database.reading() as connection:
        return {tuple(row) for row in connection.execute(query.where(entries.c.episode_id != "intake"))}


def sound(store, at=AFTER):
    assert verify(store).problems == []
    assert census(store, at).adds_up


def test_two_fractures_go_on_in_one_record_and_no_line_of_a_journal_is_touched(store):
    two_records(store, retired="L2")
    before = hashes(store)
    made = joined(store)
    assert [(e.id, e.patient, e.n) for e in store.case("A").episodes] == [("A-1", "A", 1), ("B-1", "A", 2)]
    assert store.case("B") == store.case("A")
    assert hashes(store) == before
    assert {item.patient for item in worklist(store, LATER)} == {"A"}
    assert store.patients() == ["A"]
    assert store.numbers() == ["A", "B"]
    sound(store)
    parted(store, made)
    assert [(e.id, e.patient, e.n) for e in store.case("B").episodes] == [("B-1", "B", 1)]
    assert [e.id for e in store.case("A").episodes] == ["A-1"]
    assert hashes(store) == before
    sound(store)


def test_what_was_recorded_in_between_stays_with_its_episode(store):
    two_records(store, retired="L2")
    made = joined(store)
    store.record("A", pain(6), LATER, episode_n=2)
    store.record("B", pain(7), LATER, episode_n=1)
    store.record("B", fractured_again("2026-01-14", owner="Desk"), LATER)
    assert [e.id for e in store.case("A").episodes] == ["A-1", "B-1", "A-3"]
    store.settle(AFTER)
    sound(store)
    parted(store, made)
    assert [o.data["nrs"] for o in store.case("B").episodes[0].facts("symptoms")] == [6, 7]
    assert [e.id for e in store.case("A").episodes] == ["A-1", "A-3"]
    store.record("A", fractured_again("2026-02-14", level="L1", owner="Desk"), AFTER)
    store.record("B", fractured_again("2026-02-14", level="L1", owner="Desk"), AFTER)
    assert [e.id for e in store.case("A").episodes] == ["A-1", "A-3", "A-4"]
    assert [e.id for e in store.case("B").episodes] == ["B-1", "B-2"]
    sound(store)


def test_a_number_of_an_episode_is_never_taken_for_one_of_the_other_record(store):
    """A page that was open before the merge says episode 1 of B; that is not episode 1 of A."""
    two_records(store, retired="L2")
    joined(store)
    outcome = store.record("B", pain(6), LATER, episode_n=1)
    told = [change.episode.id for change in outcome.changes for entry in change.entries if entry.kind == "observe"]
    assert told == ["B-1"]
    refused = store.record("B", pain(6), LATER, episode_n=2)
    assert refused.refusal is not None
    assert "no such episode" in refused.refusal.because


def test_one_fracture_told_twice_goes_on_once_and_nobody_is_reminded_twice(store):
    two_records(store)
    asked = merge(store, Asked("A", "B", **WHY), LATER)
    assert isinstance(asked, Refusal)
    assert "episodes A-1 and B-1 may be one fracture of L1 (02-Jan-2026 and 02-Jan-2026); say which" in asked.because
    assert store.case("B").patient == "B"
    joined(store, goes_on=frozenset({"A-1"}))
    stays, rests = store.case("A").episodes
    assert (stays.state, rests.state) == ("CONSERVATIVE_CARE", "WITHDRAWN")
    store.settle(AFTER)
    due = [
        r.key for r in rows(store, models.Reminder) if r.kind in ("milestone", "due", "overdue") and r.due_at > LATER
    ]
    assert due
    assert {key.split(":")[0] for key in due} == {"A-1"}
    assert {item.episode for item in worklist(store, AFTER)} == {"A-1"}
    assert len(store.journal("B-1")) > 4
    found = census(store, AFTER)
    assert (found.enrolled, found.active + found.held, found.closed) == (2, 1, 1)
    sound(store)


def test_taking_it_back_brings_both_back_with_what_is_owed(store):
    two_records(store)
    owed = {task.code for task in store.case("B").episodes[0].tasks if task.status == "open"}
    made = joined(store, goes_on=frozenset({"A-1"}))
    parted(store, made)
    (back,) = store.case("B").episodes
    assert back.state == "ACUTE_ASSESSMENT"
    assert owed <= {task.code for task in back.tasks if task.status == "open"}
    assert store.case("A").episodes[0].state == "REASSESSMENT"
    assert {item.patient for item in worklist(store, AFTER)} == {"A", "B"}
    sound(store)


def test_milestones_that_fell_due_while_it_rested_are_owed_when_it_is_back(store):
    two_records(store)
    made = joined(store, goes_on=frozenset({"B-1"}))
    assert store.case("A").episodes[0].state == "WITHDRAWN"
    long_after = datetime(2026, 4, 20, 9, 0, tzinfo=UTC)
    store.settle(long_after)
    parted(store, made, at=long_after)
    (back,) = store.case("A").episodes
    assert back.state == "REASSESSMENT"
    assert {"K-REASSESS", "K-3M-DECISION"} <= {task.code for task in back.tasks if task.status == "open"}
    sound(store, long_after)


def test_what_people_did_with_a_resting_episode_is_not_undone(store):
    two_records(store)
    made = joined(store, goes_on=frozenset({"A-1"}))
    outcome = store.record("A", happened("death", actor="coordinator"), LATER)
    assert outcome.refusal is None
    assert {e.state for e in store.case("A").episodes} == {"DECEASED"}
    parted(store, made)
    assert store.case("B").episodes[0].state == "DECEASED"
    sound(store)


@pytest.mark.parametrize(("goes_on", "because"), [("A-1", "a red flag of B-1 has not been judged"), ("B-1", "")])
def test_a_red_flag_is_never_put_to_rest(store, goes_on, because):
    two_records(store)
    tell(store, examined(motor_deficit=True), at=OPENED, patient="B")
    answer = merge(store, Asked("A", "B", **WHY, goes_on=frozenset({goes_on})), LATER)
    if because:
        assert isinstance(answer, Refusal)
        assert because in answer.because
        assert store.case("B").episodes[0].path == "SURGICAL_REFERRAL.pending_ack"
    else:
        assert store.case("A").episodes[1].path == "SURGICAL_REFERRAL.pending_ack"
    sound(store)


def test_a_suspected_malignancy_is_never_put_to_rest(store):
    two_records(store)
    tell(store, observed("malignancy", status="suspected"), at=OPENED, patient="B")
    answer = merge(store, Asked("A", "B", **WHY, goes_on=frozenset({"A-1"})), LATER)
    assert isinstance(answer, Refusal)
    assert "malignancy is suspected in B-1" in answer.because


@pytest.mark.parametrize(
    ("asked", "because"),
    [
        (Asked("A", "A", **WHY), "A is one record already; name two numbers"),
        (Asked("A", "C", **WHY), "there is no patient C"),
        (Asked("A", "B", because=" ", by="C. Desk"), "needs a reason and a name"),
        (Asked("A", "B", because="x", by=""), "needs a reason and a name"),
        (Asked("A", "B", **WHY, actor="system"), "needs a coordinator or a clinician"),
        (Asked("A", "B", **WHY, goes_on=frozenset({"A-9"})), "A-9 is no episode of A or B; expected one of A-1, B-1"),
        (Asked("A", "B", **WHY, seen={"A-1": 1, "B-1": 3}), "the records have changed since they were shown (A-1)"),
        (Asked("A", "B", **WHY, seen={"A-1": 4}), "the records have changed since they were shown (another episode)"),
    ],
)
def test_what_may_not_be_merged_is_refused_in_a_sentence_and_on_record(store, asked, because):
    two_records(store, retired="L2")
    answer = merge(store, asked, LATER)
    assert isinstance(answer, Refusal)
    assert because in answer.because
    assert merges_of(store.database, ["A", "B"]) == []
    last = store.journal("intake")[-1]
    assert (last.kind, last.refusal) == ("merge", answer)
    sound(store)


def test_the_dead_are_not_merged_with_the_living(store):
    two_records(store, retired="L2")
    tell(store, happened("death", actor="coordinator"), at=LATER, patient="B")
    answer = merge(store, Asked("A", "B", **WHY), LATER)
    assert isinstance(answer, Refusal)
    assert "only one is recorded as deceased" in answer.because
    tell(store, happened("death", actor="coordinator"), at=LATER, patient="A")
    joined(store)
    sound(store)


def test_a_record_goes_on_in_one_other_and_merges_are_taken_back_in_turn(store):
    two_records(store, retired="L2")
    tell(store, registered("2025-06-01", level="L1", owner="Desk"), at=OPENED, patient="C")
    first = joined(store)
    again = merge(store, Asked("C", "B", **WHY), LATER)
    assert isinstance(again, Refusal)
    assert "B goes on as A since it was merged by C. Desk" in again.because
    second = merge(store, Asked("C", "A", **WHY), LATER)
    assert not isinstance(second, Refusal)
    assert [(e.id, e.n) for e in store.case("B").episodes] == [("C-1", 1), ("A-1", 2), ("B-1", 3)]
    assert store.current_number("B") == "C"
    assert store.numbers_of("A") == ["C", "A", "B"]
    sound(store)
    early = unmerge(store, Undoing(first.id, "no", "Dr C. Sample", "clinician"), AFTER)
    assert isinstance(early, Refusal)
    assert "A itself goes on as C; take that merge back first" in early.because
    parted(store, second)
    assert store.current_number("B") == "A"
    assert [(e.id, e.n) for e in store.case("B").episodes] == [("A-1", 1), ("B-1", 2)]
    sound(store)
    parted(store, first)
    assert store.numbers_of("A") == ["A"]
    sound(store)
    twice = unmerge(store, Undoing(first.id, "no", "Dr C. Sample", "clinician"), AFTER)
    assert isinstance(twice, Refusal)
    assert "taken back by Dr C. Sample already" in twice.because
    unknown = unmerge(store, Undoing(999, "no", "Dr C. Sample"), AFTER)
    assert isinstance(unknown, Refusal)
    assert "there is no merge 999" in unknown.because


def test_reopening_needs_a_clinician_so_such_a_merge_is_taken_back_by_one(store):
    two_records(store)
    made = joined(store, goes_on=frozenset({"A-1"}))
    answer = unmerge(store, Undoing(made.id, "no", "C. Desk"), AFTER)
    assert isinstance(answer, Refusal)
    assert "it opens B-1 again, and reopening needs a clinician" in answer.because
    assert store.case("B").patient == "A"


def test_a_search_by_the_old_number_or_name_finds_the_record_that_goes_on(store):
    two_records(store, retired="L2")
    joined(store)
    for typed in ("A", "B", "sample", "maiden"):
        (found,) = search(store, typed).people
        assert (found.patient, found.name, found.formerly) == ("A", "SAMPLE, Ada", ("B",))
        assert search(store, typed).total == 1


def test_the_journals_are_found_by_the_number_in_use_and_by_the_old_one(store):
    two_records(store, retired="L2")
    joined(store)
    now = {line.episode for line in journal_lines(store, Lines(patient="A"))}
    assert now == {"A-1", "B-1", "intake"}
    assert {line.episode for line in journal_lines(store, Lines(patient="B"))} == {"B-1"}


def test_as_of_a_day_before_the_merge_both_journals_say_what_they_said_then(store):
    two_records(store, retired="L2")
    joined(store)
    store.record("A", pain(8), LATER, episode_n=2)
    then = case_as_of(store, "B", OPENED)
    assert [(e.id, e.n, e.seq) for e in then.episodes] == [("A-1", 1, 4), ("B-1", 2, 3)]
    assert sorted(e.id for e in episodes_as_of(store, OPENED)) == ["A-1", "B-1"]


def test_a_talk_under_the_old_number_is_a_talk_with_the_person(store):
    two_records(store, retired="L2")
    tell(store, happened("contact", outcome="reached", actor="coordinator"), at=OPENED, patient="B")
    store.settle(LATER)
    made = joined(store)
    assert {row.patient_id for row in rows(store, models.Contact)} == {"A"}
    assert {row.patient_id for row in rows(store, models.Reminder)} == {"A"}
    parted(store, made)
    assert {row.patient_id for row in rows(store, models.Contact)} == {"B"}
    assert {row.patient_id for row in rows(store, models.Reminder)} == {"A", "B"}
    sound(store)


def test_a_message_that_came_before_the_merge_is_still_known_and_one_after_parting_is_new(store):
    two_records(store, retired="L2")
    tell(store, observed("symptoms", nrs=4, trend="unchanged", event_id="m1"), at=OPENED, patient="B")
    made = joined(store)
    assert store.record("A", observed("symptoms", nrs=4, trend="unchanged", event_id="m1"), LATER).duplicate
    store.record("A", observed("symptoms", nrs=5, trend="unchanged", event_id="m2"), LATER, episode_n=2)
    parted(store, made)
    assert store.record("B", observed("symptoms", nrs=5, trend="unchanged", event_id="m2"), AFTER).duplicate
    assert not store.record("A", observed("symptoms", nrs=5, trend="unchanged", event_id="m2"), AFTER).duplicate
    sound(store)


def test_a_table_of_patients_that_disagrees_with_the_merges_is_found(store):
    two_records(store, retired="L2")
    joined(store)
    people = table(models.Patient)
    with store.database.writing() as connection:
        connection.execute(people.update().where(people.c.id == "B").values(merged_into=None))
    assert verify(store).problems == ["number B: the patient says None, the merges 'A'"]


def test_an_episode_in_the_wrong_record_is_found(store):
    two_records(store, retired="L2")
    episodes = table(models.Episode)
    with store.database.writing() as connection:
        connection.execute(episodes.update().where(episodes.c.id == "B-1").values(patient_id="A", n=2))
    (problem,) = verify(store).problems
    assert "B-1" in problem
    assert "patient_id" in problem


def test_two_who_merge_the_same_records_at_once_merge_them_once(two_desks):
    one, other = two_desks
    two_records(one, retired="L2")
    ready, answers = Barrier(2), []

    def press(store, by):
        ready.wait()
        answers.append(merge(store, Asked("A", "B", because="same person", by=by), LATER))

    people = [Thread(target=press, args=(store, by)) for store, by in ((one, "first"), (other, "second"))]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(isinstance(answer, Refusal) for answer in answers) == [False, True]
    assert len(merges_of(one.database, ["A"])) == 1
    sound(one)


@settings(max_examples=12)
@given(histories(), histories())
def test_whatever_happened_to_two_records_they_become_one_and_two_again(shelf, first, second):
    """Random histories; every open episode goes on, so that what comes back must be exactly what went."""
    one, other = (f"M{next(NUMBER)}" for _ in range(2))
    for patient, history in ((one, first), (other, second)):
        assert [*tell_history(shelf, history, patient)]
    before = [documents(shelf, patient) for patient in (one, other)]
    at = max(entry.at for history in (first, second) for entry in history.told)
    everything = frozenset(episode["id"] for record in before for episode in record)
    answer = merge(shelf, Asked(one, other, **WHY, goes_on=everything), at)
    dead = [any(e["place"]["state"] == "DECEASED" for e in record) for record in before]
    if not before[0] or not before[1]:
        # Refused at the door, so that there is no record, or one without an episode.
        return
    if any(dead) and not all(dead):
        assert isinstance(answer, Refusal)
        return
    assert not isinstance(answer, Refusal), answer
    assert {e.id for e in shelf.case(other).episodes} == everything
    assert len({e.n for e in shelf.case(one).episodes}) == len(everything)
    assert verify(shelf).problems == []
    parted(shelf, answer, at=at)
    assert [documents(shelf, patient) for patient in (one, other)] == before
    assert verify(shelf).problems == []


def test_a_line_that_was_put_under_another_number_is_found(store):
    """A journal keeps the number under which its episode was registered, merged or not."""
    two_records(store, retired="L2")
    joined(store)
    entries = table(models.Entry)
    with store.database.writing() as connection:
        mine = (entries.c.episode_id == "B-1") & (entries.c.seq == 2)
        connection.execute(entries.update().where(mine).values(patient_id="A"))
    assert verify(store).problems == ["B-1 line 2 (observe): its columns do not fit what it says"]
