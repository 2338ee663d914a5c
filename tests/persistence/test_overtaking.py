"""Two people on one record: the second save is refused, says who came first, and leaves nothing behind."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from pathway.errors import Overtaken, StoreError
from persistence import models
from persistence.verify import verify
from tests.journeys.people import closed, decided, examined, fractured_again, happened, observed, pain
from tests.persistence.shelf import CARE, OPENED, counts, documents, episode, rows, store_on, tell
from tests.persistence.test_racing import in_threads

LATER = OPENED + timedelta(days=1)


def by(name, step):
    return replace(step, by=name)


def opened_page(store, patient="P1"):
    """The version that a person who looks now has before their eyes."""
    return episode(store, patient).seq


def test_the_second_save_is_refused_and_says_who_saved_what_and_when(store):
    tell(store, *CARE)
    seen = opened_page(store)
    store.record("P1", by("A. Nurse", pain(5)), LATER, seen=seen)
    before, stored = counts(store), documents(store, "P1")
    with pytest.raises(Overtaken) as refused:
        store.record("P1", closed("K-DXA"), LATER + timedelta(minutes=5), seen=seen)
    assert str(refused.value) == (
        "This record has changed since you looked at it, so nothing was saved: "
        "A. Nurse saved symptoms on 06-Jan-2026 09:00"
    )
    assert [(e.step.by, e.step.kind) for e in refused.value.entries] == [("A. Nurse", "symptoms")]
    assert isinstance(refused.value, StoreError)
    assert (counts(store), documents(store, "P1")) == (before, stored)
    store.record("P1", closed("K-DXA"), LATER + timedelta(minutes=6), seen=opened_page(store))
    assert verify(store).problems == []


def test_several_saves_before_ours_are_counted_and_carried(store):
    tell(store, *CARE)
    seen = opened_page(store)
    tell(store, by("A. Nurse", pain(5)), by("B. Doctor", closed("K-DXA")), at=LATER)
    with pytest.raises(Overtaken, match=r"B\. Doctor saved K-DXA on .*, and 1 more before it"):
        store.record("P1", observed("function", scale="x"), LATER, seen=seen)


def test_whoever_has_no_name_is_told_by_role(store):
    tell(store, *CARE)
    seen = opened_page(store)
    tell(store, pain(5), at=LATER)
    with pytest.raises(Overtaken, match="a coordinator saved symptoms"):
        store.record("P1", pain(6), LATER, seen=seen)


def test_without_a_version_nobody_is_overtaken(store):
    tell(store, *CARE)
    tell(store, pain(5), pain(6), at=LATER)


def test_what_fell_due_without_moving_the_patient_overtakes_nobody(store):
    tell(store, *CARE)
    seen = opened_page(store)
    store.settle(OPENED + timedelta(days=9))
    assert opened_page(store) > seen
    assert store.record("P1", pain(5), OPENED + timedelta(days=9), seen=seen).refusal is None


def test_a_patient_whom_a_clock_has_moved_is_looked_at_again_first(store):
    tell(store, *CARE)
    seen, now = opened_page(store), OPENED + timedelta(days=30)
    store.settle(now)
    before = counts(store)
    with pytest.raises(Overtaken, match="the engine moved the patient to Reassessment on 04-Feb-2026 09:00") as refused:
        store.record("P1", pain(5), now, seen=seen)
    assert {entry.kind for entry in refused.value.entries} == {"timer"}
    assert counts(store) == before


def test_an_overtaken_save_fires_nothing_that_is_due(store):
    tell(store, *CARE)
    seen = opened_page(store)
    tell(store, pain(5), at=LATER)
    before = counts(store)
    with pytest.raises(Overtaken):
        store.record("P1", pain(6), OPENED + timedelta(days=40), seen=seen)
    assert counts(store) == before


def test_what_is_due_but_not_fired_yet_overtakes_nobody(store):
    """Else nobody could save while the scheduler rests: they would look again and see the same."""
    tell(store, *CARE)
    late = OPENED + timedelta(days=40)
    assert store.record("P1", pain(5), late, seen=opened_page(store)).refusal is None
    assert episode(store).path == "REASSESSMENT"


def test_a_colleague_who_was_refused_overtakes_nobody(store):
    tell(store, *CARE)
    seen = opened_page(store)
    assert store.record("P1", decided("confirm_augmentation"), LATER).refusal
    assert store.record("P1", pain(5), LATER, seen=seen).refusal is None


def test_a_machine_that_hands_work_over_overtakes_nobody(store):
    tell(store, *CARE)
    seen = opened_page(store)
    tell(store, happened("unreached", actor="system", because="no such mailbox"), at=LATER)
    assert store.record("P1", pain(5), LATER, seen=seen).refusal is None


def test_a_message_that_comes_twice_is_a_duplicate_and_not_overtaken(store):
    tell(store, *CARE)
    seen, once = opened_page(store), pain(5, event_id="form-1")
    tell(store, once, at=LATER)
    assert store.record("P1", once, LATER, seen=seen).duplicate


@pytest.mark.parametrize("place", ["open", "closed"])
def test_a_red_flag_is_taken_in_whoever_was_first(store, place):
    tell(store, *CARE)
    seen = opened_page(store)
    tell(store, happened("withdraw", reason="asked") if place == "closed" else pain(5), at=LATER)
    store.record("P1", examined(motor_deficit=True), LATER, seen=seen)
    assert len(episode(store).open_flags()) == 1
    assert episode(store).open_task("K-LATE-RESULT" if place == "closed" else "K-SURG-ACK")


def test_a_finding_without_a_red_flag_is_refused_like_everything_else(store):
    tell(store, *CARE)
    seen = opened_page(store)
    tell(store, pain(5), at=LATER)
    with pytest.raises(Overtaken):
        store.record("P1", examined(), LATER, seen=seen)


# ---------------------------------------------------------------- several episodes


def test_a_save_on_another_fracture_overtakes_nobody(store):
    tell(store, *CARE)
    tell(store, fractured_again("2026-01-05"), at=LATER)
    first, second = store.case("P1").episodes
    store.record("P1", pain(5), LATER, episode_n=1, seen=first.seq)
    assert store.record("P1", pain(5), LATER, episode_n=2, seen=second.seq).refusal is None
    with pytest.raises(Overtaken):
        store.record("P1", pain(6), LATER, episode_n=1, seen=first.seq)


def test_what_concerns_all_fractures_is_held_against_the_latest_open_one(store):
    tell(store, *CARE)
    tell(store, fractured_again("2026-01-05"), at=LATER)
    store.record("P1", pain(5), LATER, episode_n=1)
    seen = opened_page(store)
    store.record("P1", pain(5), LATER, episode_n=2)
    with pytest.raises(Overtaken):
        store.record("P1", happened("death"), LATER, seen=seen)
    assert store.record("P1", happened("death"), LATER, seen=opened_page(store)).refusal is None
    assert {row.state for row in rows(store, models.Episode)} == {"DECEASED"}


# ---------------------------------------------------------------- at one moment


def test_of_two_who_save_at_one_moment_exactly_one_wins(url):
    with store_on(url) as one, store_on(url) as other:
        tell(one, *CARE)
        for round_number in range(5):
            at = LATER + timedelta(hours=round_number)
            seen = opened_page(one)
            names = ("A. Nurse", "B. Nurse")
            saves = [partial(saved, desk, name, at, seen) for desk, name in zip((one, other), names, strict=True)]
            answers = in_threads(*saves)
            won = [name for name, answer in zip(names, answers, strict=True) if answer is None]
            lost = [answer for answer in answers if answer is not None]
            assert (len(won), len(lost)) == (1, 1)
            assert [entry.step.by for entry in lost[0].entries] == won
            assert one.journal("P1-1")[-1].step.by == won[0]
        assert verify(one).problems == []


def saved(desk, name, at, seen):
    """None, or how the save was refused."""
    try:
        desk.record("P1", by(name, observed("function", scale=name)), at, seen=seen)
    except Overtaken as refused:
        return refused
    return None
