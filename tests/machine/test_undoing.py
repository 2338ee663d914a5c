"""Undo of routine work: one click takes back what one click did, leaves its trace, and makes nobody less safe."""

import pytest

from coordinator.telling import tell
from pathway.engine import Engine
from pathway.journal import Entry, Step
from pathway.undoing import no_undo_because, undo_of
from tests.journeys.clinic import Clinic
from tests.journeys.people import (
    GUIDELINE,
    WHY,
    closed,
    corrected,
    decided,
    examined,
    happened,
    observed,
    pain,
    scanned,
)
from tests.machine.places import (
    deceased,
    in_care,
    in_reassessment,
    under_surveillance,
    with_augmentation_sent,
    with_red_flag,
    withdrawn,
)

TALK = happened("contact", actor="coordinator", outcome="reached")


def last(clinic: Clinic) -> Entry:
    return clinic.world.journals[clinic.episode.id][-1]


def told(clinic: Clinic, step: Step) -> Entry:
    """The journal line of a step that was accepted."""
    clinic.tell(step)
    return next(line for line in reversed(clinic.world.journals[clinic.episode.id]) if line.kind == step.event)


def undo(clinic: Clinic, entry: Entry) -> Step:
    step = undo_of(entry, clinic.episode)
    assert step is not None, no_undo_because(entry, clinic.episode)
    return step


# ---------------------------------------------------------------- what is undone


def test_a_finding_is_taken_back_with_its_reason_and_stays_in_the_journal():
    clinic = in_care().at("2026-01-10 10:00")
    entry = told(clinic, pain(9, effective="2026-01-09"))
    clinic.tell(undo(clinic, entry))
    assert clinic.episode.latest("symptoms") is None
    assert [o.retracted for o in clinic.episode.observations if o.kind == "symptoms"] == [True]
    assert last(clinic).step.data["reason"] == "undone"
    assert entry in clinic.world.journals["P1-1"]


def test_undoing_a_finding_reopens_the_work_that_it_closed():
    clinic = in_care().at("2026-01-10 10:00")
    entry = told(clinic, observed("dxa", t_score=-2.0))
    assert "K-DXA" not in clinic.open_tasks
    clinic.tell(undo(clinic, entry))
    assert "K-DXA" in clinic.open_tasks


def test_a_patient_whom_a_finding_moved_stays_where_it_is_looked_into():
    clinic = in_care().at("2026-01-20 10:00")
    entry = told(clinic, pain(5, changed=True))
    clinic.tell(undo(clinic, entry))
    assert clinic.place == "IMAGING_REVIEW"


def test_work_ticked_off_by_mistake_is_open_again_with_its_dates_and_goes_on_reminding():
    clinic = in_care().at("2026-01-10 10:00")
    before = clinic.task("K-DXA")
    entry = told(clinic, closed("K-DXA", actor="coordinator"))
    clinic.at("2026-01-12 10:00").tell(undo(clinic, entry))
    assert clinic.task("K-DXA") == before
    clinic.at("2026-03-01 10:00")
    assert clinic.reminders("K-DXA")[0] == "2026-02-02 08:00"


def test_a_talk_that_never_was_is_marked_and_kept():
    clinic = in_care()
    entry = told(clinic, TALK)
    clinic.tell(undo(clinic, entry))
    assert [(c.seq, c.outcome, c.retracted) for c in clinic.episode.contacts] == [(entry.seq, "reached", True)]


def test_a_talk_with_somebody_who_has_left_can_be_taken_back_as_well():
    clinic = withdrawn()
    clinic.tell(undo(clinic, told(clinic, TALK)))
    assert clinic.episode.contacts[0].retracted


def test_a_patient_given_away_by_mistake_comes_back_to_the_former_owner():
    clinic = in_care().tell(happened("assign", owner="A. Nurse"))
    clinic.tell(undo(clinic, told(clinic, happened("assign", owner="B. Nurse"))))
    assert clinic.episode.owner == "A. Nurse"


# ---------------------------------------------------------------- twice, or too late


@pytest.mark.parametrize(
    ("step", "because"),
    [
        (pain(4), "no standing observation"),
        (closed("K-DXA", actor="coordinator"), "open already"),
        (TALK, "taken back already"),
        (happened("assign", owner="B. Nurse"), "A. Nurse looks after the patient by now, not B. Nurse"),
    ],
    ids=["finding", "task", "talk", "owner"],
)
def test_undoing_twice_is_refused_with_a_sentence_and_not_offered(step, because):
    clinic = in_care().tell(happened("assign", owner="A. Nurse")).at("2026-01-10 10:00")
    entry = told(clinic, step)
    again = undo(clinic, entry)
    clinic.tell(again)
    refusal = clinic.ask(again)
    assert refusal is not None
    assert because in refusal.because
    assert undo_of(entry, clinic.episode) is None
    assert no_undo_because(entry, clinic.episode)


def test_a_closing_is_not_undone_in_the_place_of_a_later_one():
    clinic = in_care().at("2026-01-10 10:00")
    first = told(clinic, closed("K-DXA"))
    clinic.tell(undo(clinic, first)).at("2026-01-11 10:00").tell(closed("K-DXA"))
    assert undo_of(first, clinic.episode) is None


def test_an_owner_is_not_taken_back_from_a_third_person():
    clinic = in_care().tell(happened("assign", owner="A. Nurse"))
    entry = told(clinic, happened("assign", owner="B. Nurse"))
    step = undo(clinic, entry)
    clinic.tell(happened("assign", owner="C. Nurse"))
    assert no_undo_because(entry, clinic.episode) == "C. Nurse has taken over since"
    assert clinic.refused(step) == "STATE"


def test_an_undone_change_of_hands_is_not_undone_back():
    clinic = in_care().tell(happened("assign", owner="A. Nurse"))
    step = undo(clinic, told(clinic, happened("assign", owner="B. Nurse")))
    assert undo_of(told(clinic, step), clinic.episode) is None


# ---------------------------------------------------------------- what is not routine


@pytest.mark.parametrize(
    ("place", "step"),
    [
        (in_reassessment, decided("complete_reassessment", outcome="continue")),
        (in_care, happened("death")),
        (deceased, happened("death_correction")),
        (in_care, happened("withdraw", **WHY)),
        (in_care, happened("transfer_out", **WHY)),
        (in_care, happened("move_site", timezone="Asia/Kolkata")),
        (in_care, happened("concern", text="cannot feel her feet", looks_like="red_flag")),
        (in_care, happened("assign", owner="A. Nurse")),
        (in_care, examined(motor_deficit=True)),
        (in_care, scanned(cord_compression=True)),
        (with_red_flag, examined(bowel_bladder=True)),
        (withdrawn, examined(motor_deficit=True)),
        (in_care, observed("malignancy_features", cancer_history=True)),
        (in_care, observed("malignancy", status="excluded")),
        (in_care, closed("K-DXA", "declined", **WHY)),
        (in_care, corrected("fracture_date", "2026-01-01")),
        (with_red_flag, corrected("observation", obs_id="flag")),
    ],
)
def test_what_is_not_routine_is_never_undone_by_one_click(place, step):
    clinic = place()
    entry = told(clinic, step)
    assert undo_of(entry, clinic.episode) is None
    assert no_undo_because(entry, clinic.episode)


def test_what_the_engine_did_and_what_was_refused_has_no_undo():
    clinic = in_care().at("2026-03-01 10:00")
    clinic.ask(decided("confirm_augmentation"))
    for entry in clinic.world.journals["P1-1"]:
        if entry.refusal or entry.actor == "system":
            assert undo_of(entry, clinic.episode) is None


def test_a_finding_that_a_profile_leaves_to_review_is_not_undone_by_one_click():
    profile = GUIDELINE.profile("default").overridden({"rf": {"radicular": "review"}})
    clinic = in_care(profile=profile.id, engine=Engine(GUIDELINE, {profile.id: profile}))
    entry = told(clinic, examined(radicular=True))
    assert "K-RF-REVIEW" in clinic.open_tasks
    assert undo_of(entry, clinic.episode) is None


# ---------------------------------------------------------------- opening work again by hand


def reopened(code: str, n: int = 1, actor: str = "clinician") -> Step:
    return corrected("task", actor=actor, code=code, n=n)


def test_a_declined_task_is_opened_again_by_a_clinician_only():
    clinic = in_care().tell(closed("K-OPRX", "declined", **WHY))
    assert clinic.refused(reopened("K-OPRX", actor="coordinator")) == "ROLE"
    clinic.tell(reopened("K-OPRX"))
    assert "K-OPRX" in clinic.open_tasks


@pytest.mark.parametrize(
    ("code", "n", "because"),
    [
        ("K-NEURO", 1, "was not closed by hand"),
        ("K-DXA", 1, "open already"),
        ("K-DXA", 2, "no work 'K-DXA' number 2"),
        ("K-POLISH", 1, "no work 'K-POLISH'"),
        ("K-START", 1, "was not closed by hand (left state)"),
    ],
)
def test_only_what_a_person_closed_is_opened_again(code, n, because):
    refusal = in_care().ask(reopened(code, n))
    assert refusal is not None
    assert refusal.code == "STATE"
    assert because in refusal.because


def test_work_that_was_asked_for_again_since_stays_closed():
    clinic = in_care()
    clinic.refused(observed("dxa", t_score=99))
    clinic.tell(closed("K-DATAQ")).refused(observed("dxa", t_score=99))
    assert clinic.task("K-DATAQ").n == 2
    assert clinic.refused(reopened("K-DATAQ", 1)) == "STATE"


def test_work_that_data_has_answered_since_stays_closed():
    clinic = in_care().tell(closed("K-DXA"), observed("dxa", t_score=-2.0, obs_id="x"))
    assert clinic.refused(reopened("K-DXA")) == "STATE"
    clinic.tell(corrected("observation", obs_id="x"), reopened("K-DXA"))
    assert "K-DXA" in clinic.open_tasks


def test_work_of_a_place_that_the_patient_has_left_stays_closed():
    clinic = with_augmentation_sent().tell(pain(8, changed=True)).tell(closed("K-IMG-PREPROC"))
    clinic.tell(decided("decline_augmentation", **WHY))
    assert clinic.refused(reopened("K-IMG-PREPROC")) == "STATE"


def test_the_six_month_check_is_opened_again_where_it_belongs():
    clinic = under_surveillance().at("2026-07-10 10:00").tell(closed("K-SURV"))
    assert "K-SURV" in clinic.tell(reopened("K-SURV")).open_tasks


def test_on_a_closed_episode_only_a_critical_result_is_opened_again():
    clinic = in_care().tell(closed("K-DXA"), happened("withdraw", **WHY))
    assert clinic.refused(reopened("K-DXA")) == "TERMINAL"
    clinic.tell(examined(motor_deficit=True), closed("K-LATE-RESULT"))
    assert "K-LATE-RESULT" in clinic.tell(reopened("K-LATE-RESULT")).open_tasks


def test_nobody_is_chased_about_the_dead():
    clinic = in_care().tell(happened("withdraw", **WHY), examined(motor_deficit=True), closed("K-LATE-RESULT"))
    clinic.tell(happened("death"))
    assert clinic.refused(reopened("K-LATE-RESULT")) == "TERMINAL"


@pytest.mark.parametrize("seq", [1, 99, None, "x"])
def test_a_line_that_tells_of_no_talk_cannot_be_taken_back_as_one(seq):
    assert in_care().tell(TALK).refused(corrected("contact", seq=seq)) == "STATE"


def test_a_machine_takes_nothing_back():
    clinic = in_care().tell(closed("K-DXA"))
    assert clinic.refused(reopened("K-DXA", actor="system")) == "ROLE"


def test_it_is_told_in_words():
    clinic = in_care().at("2026-01-10 10:00")
    clinic.tell(undo(clinic, told(clinic, closed("K-DXA"))))
    talk = told(clinic, TALK)
    clinic.tell(undo(clinic, talk))
    said = [line.what for line in tell(clinic.world.journals["P1-1"], GUIDELINE)]
    assert "Taken back: the closing of Obtain bone densitometry [K-DXA]" in said
    assert f"Talk with the patient: reached [line {talk.seq}]" in said
    assert f"Taken back: the talk with the patient (reached) [line {talk.seq}]" in said
