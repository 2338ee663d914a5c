"""The red-flag form: nothing is filled in, every question is answered, and what follows is seen before it is saved."""

import re

import pytest

from coordinator.web.patient import red_flags
from tests.journeys.people import GUIDELINE
from tests.web.conftest import NOW
from tests.web.people import NUMBER, episode, in_care, saved, send, shown, words

PATH = f"/patient/{NUMBER}/red-flags"
QUESTIONS = tuple(q.name for group in red_flags.groups(NOW.date()) for q in group.questions if q.shape == "yes_no")
NOT_ASKED = dict.fromkeys(QUESTIONS, "unknown") | {"effective": shown(0)}
EXAMINED = NOT_ASKED | dict.fromkeys(red_flags.DEFICITS, "no") | {"complete": "yes"}


def lines(store):
    return store.journal(episode(store).id)


def test_every_red_flag_of_the_guideline_is_asked_for_or_has_its_place_elsewhere():
    assert {*red_flags.ASKS, *red_flags.ELSEWHERE} == set(GUIDELINE.red_flags)
    assert {name for names in red_flags.ASKS.values() for name in names} <= set(QUESTIONS)


def test_nothing_is_filled_in_and_nobody_is_called(coordinator, store):
    in_care(store)
    page = coordinator.get(PATH)
    assert " checked" not in page.text
    assert len(re.findall(r'type="radio"', page.text)) == 3 * len(QUESTIONS)
    assert "This program does not call anyone. Phone now." in words(page)


def test_what_is_not_answered_is_named_and_nothing_is_saved(coordinator, store):
    in_care(store)
    before = len(lines(store))
    typed = {name: answer for name, answer in EXAMINED.items() if name not in ("motor_deficit", "weight_loss")}
    answer = send(coordinator, PATH, **typed)
    assert answer.status_code == 422
    said = words(answer)
    assert "Nothing was saved. 2 answers need another look: Weakness (motor deficit) Unexplained weight loss" in said
    assert re.search(r'name="sensory_deficit" value="no" checked', answer.text)
    assert len(lines(store)) == before


def test_a_yes_shows_the_move_the_work_and_who_is_told_before_it_is_saved(coordinator, store):
    in_care(store)
    before = len(lines(store))
    typed = EXAMINED | {"bowel_bladder": "yes"}
    page = send(coordinator, PATH, **typed)
    assert page.status_code == 200
    said = words(page)
    assert "New bowel or bladder problem Yes" in said
    assert "Moves to Surgical referral" in said
    assert "Opens work: Red flag: a clinician must act now [K-SURG-ACK]" in said
    assert "This program does not call anyone. Phone now." in said
    assert len(lines(store)) == before
    page = saved(coordinator, PATH, **typed, stage="checked")
    assert episode(store).path == "SURGICAL_REFERRAL.pending_ack"
    assert "No undo: this finding raised an alarm or is a judgement" in words(page)


def test_even_when_all_is_well_the_answers_are_looked_at_once_more(coordinator, store):
    in_care(store)
    assert "Check your answers" in words(send(coordinator, PATH, **EXAMINED))
    saved(coordinator, PATH, **EXAMINED, stage="checked")
    assert episode(store).state == "CONSERVATIVE_CARE"
    assert [o.kind for o in episode(store).observations][-1:] == ["neuro_exam"]


def test_answers_of_several_kinds_are_an_observation_each(coordinator, store):
    in_care(store)
    images = {"cord_compression": "no", "modality": "CT", "performed": shown(2)}
    typed = EXAMINED | images | {"cancer_history": "no", "weight_loss": "no"}
    page = saved(coordinator, PATH, **typed, stage="checked")
    found = episode(store).observations[-3:]
    assert [o.kind for o in found] == ["neuro_exam", "malignancy_features", "imaging"]
    assert dict(found[2].data) == {"modality": "CT", "performed": found[2].effective, "cord_compression": False}
    assert all(o.id in words(page) for o in found)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, "Nothing was asked, so there is nothing to save."),
        ({"complete": "yes"}, "An examination is not complete while something was not asked."),
        ({"cord_compression": "no"}, "Which imaging? Findings on imaging need to say so."),
        ({"motor_deficit": "no", "effective": ""}, "Asked on: this must be answered."),
        ({"motor_deficit": "no", "effective": "+3"}, "lies in the future"),
    ],
)
def test_what_does_not_fit_together_is_said_and_not_saved(coordinator, store, answers, said):
    in_care(store)
    before = len(lines(store))
    answer = send(coordinator, PATH, **(NOT_ASKED | answers))
    assert answer.status_code == 422
    assert said in words(answer)
    assert len(lines(store)) == before


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        ({"pathologic_confirmed": "yes", "pathologic_suspected": "no"}, "confirmed"),
        ({"pathologic_confirmed": "no", "pathologic_suspected": "yes"}, "suspected"),
        ({"pathologic_confirmed": "no", "pathologic_suspected": "no"}, "none"),
        ({"pathologic_confirmed": "no", "cord_compression": "no"}, None),
    ],
)
def test_a_pathologic_fracture_is_none_only_where_both_questions_say_so(coordinator, store, answers, kept):
    in_care(store)
    typed = NOT_ASKED | {"modality": "MRI", "performed": shown(1)} | answers
    saved(coordinator, PATH, **typed, stage="checked")
    assert episode(store).observations[-1].data.get("pathologic") == kept


def test_a_red_flag_gets_in_though_somebody_else_was_first(coordinator, signed_in, store):
    seen = str(in_care(store).seq)
    other = signed_in("lead")
    saved(other, f"/patient/{NUMBER}/record/task/K-DXA", how="done")
    answer = send(coordinator, PATH, seen=seen, **EXAMINED, stage="checked")
    assert answer.status_code == 409
    assert "A. Lead: Work closed: Obtain bone densitometry" in words(answer)
    assert re.search(r'name="motor_deficit" value="no" checked', answer.text)
    answer = send(coordinator, PATH, seen=seen, **(EXAMINED | {"motor_deficit": "yes"}), stage="checked")
    assert answer.status_code == 303
    assert episode(store).state == "SURGICAL_REFERRAL"
