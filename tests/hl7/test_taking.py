"""What a message does: the rules of a FHIR import, whoever speaks; and what came is stored whatever it was."""

import pytest

from pathway.journal import Step
from persistence.hl7_messages import WAITING, messages
from persistence.merging import Asked, merge
from persistence.verify import verify
from tests.hl7.messages import admission, dg1, merged, message, msh, obr, obx, pid, pv1, result


def test_a_sure_fracture_is_enrolled_with_the_message_as_its_source(desk):
    found = desk.taken(admission())
    assert "1 enrolled" in found.because
    (episode,) = desk.episodes()
    assert (episode.level, episode.state, episode.owner) == ("L1", "ACUTE_ASSESSMENT", "Desk")
    assert (episode.identification.isoformat(), episode.onset_source) == ("2026-03-02", "identification_fallback")
    assert desk.store.journal(episode.id)[0].step.by == "HL7 ADT^A01 M1 from HIS DEMO, line 5, DG1"
    assert desk.store.person("H1").surname == "EXAMPLE"
    assert verify(desk.store).problems == []


def test_the_same_admission_told_again_and_again_is_one_episode(desk):
    desk.taken(admission())
    lines = desk.lines()
    for number, event in enumerate(("A01", "A04", "A08", "A03"), 2):
        found = desk.taken(admission(f"M{number}", event, sent=f"2026031608000{number}+0000"))
        assert "1 followed already" in found.because
    assert desk.lines() == lines
    assert len(desk.episodes()) == 1


@pytest.mark.parametrize(
    ("diagnosis", "reason"),
    [
        (dg1(kind="A"), "provisional"),
        (dg1(kind="W"), "provisional"),
        (dg1(kind=""), "not confirmed"),
        (dg1("S32.000A"), "level unknown (lumbar)"),
        (dg1("S32.030A"), "outside the scope L1 and L2 (L3)"),
        (dg1("S32.010S"), "a late stage, no new fracture (sequela)"),
        (dg1("M80.031A", text="osteoporotic fracture of the forearm"), "forearm"),
    ],
)
def test_what_is_not_sure_waits_for_a_person_with_the_reason(small_desk, diagnosis, reason):
    found = small_desk.take(admission("M1", "A01", diagnosis))
    assert found.code == "AA"
    (candidate,) = small_desk.waiting()
    assert any(reason in said for said in candidate.reasons), candidate.reasons
    assert small_desk.store.episodes() == []


def test_a_diagnosis_that_is_sure_later_enrols_then(small_desk):
    small_desk.take(admission("M1", "A01", dg1(kind="A")))
    small_desk.taken(admission("M2", "A03", dg1(), sent="20260316090000+0000"))
    assert len(small_desk.episodes()) == 1
    assert small_desk.waiting() == []


def test_an_accident_dates_the_fracture(small_desk):
    small_desk.taken(message(msh(), pid(), pv1(), dg1(), "ACC|20260301103000"))
    (episode,) = small_desk.episodes()
    assert episode.fracture_date.isoformat() == "2026-03-01"


def test_a_diagnosis_that_is_deleted_is_for_a_person_to_close(small_desk):
    small_desk.taken(admission())
    small_desk.taken(admission("M2", "A08", dg1(action="D"), sent="20260316090000+0000"))
    (episode,) = small_desk.episodes()
    assert episode.open_task("K-DATAQ") is not None
    assert "entered in error in the source" in str(small_desk.store.journal(episode.id)[-1].step.data)


@pytest.mark.parametrize("dead", [{"dead": "Y"}, {"died": "20260315120000"}])
def test_a_death_is_for_a_person_to_record(small_desk, dead):
    small_desk.taken(admission())
    found = small_desk.taken(admission("M2", "A08", person=pid(**dead), sent="20260316090000+0000"))
    assert "for a person" in found.because
    (episode,) = small_desk.episodes()
    assert episode.state == "ACUTE_ASSESSMENT"
    assert episode.open_task("K-FREETEXT") is not None


def test_a_discharge_moves_nobody(small_desk):
    small_desk.taken(admission())
    lines = small_desk.lines()
    found = small_desk.take(admission("M2", "A03", sent="20260316090000+0000"))
    assert "the discharge is noted, nobody moves by it" in found.because
    assert small_desk.lines() == lines


def test_somebody_who_is_not_followed_is_noted_and_nothing_more(small_desk):
    found = small_desk.take(admission("M1", "A01", dg1("J18.9")))
    assert (found.code, found.outcome) == ("AA", "noted")
    assert small_desk.store.patients() == []
    assert [row.patient for row in small_desk.stored()] == ["H1"]


def test_a_number_of_somebody_else_takes_in_nothing(small_desk):
    small_desk.taken(admission())
    found = small_desk.take(admission("M2", person=pid(family="OTHER", born="19600101")))
    assert (found.code, found.outcome) == ("AE", "refused")
    assert "number H1 belongs here to somebody else" in found.because


# ---------------------------------------------------------------- results


def followed(desk):
    desk.taken(admission())


def test_results_become_journal_entries_with_the_message_as_their_source(desk):
    followed(desk)
    found = desk.taken(
        result(
            "R1",
            obr("24968-0"),
            obx("24968-0", "Fracture of L1.\\.br\\No canal narrowing.", "FT"),
            obr("38268-9", "B1", on="20260305"),
            obx("38267-1", "-2.9"),
            obx("38265-5", "-1.5", sub="2"),
            obx("39156-5", "22.4", unit="kg/m2"),
            obx("72514-3", "6", unit="{score}"),
        )
    )
    assert "5 recorded" in found.because
    assert {(o.data["t_score"], o.data["site"]) for o in desk.facts("dxa")} == {
        (-2.9, "lumbar spine"),
        (-1.5, "radius and ulna"),
    }
    (scan,) = desk.facts("imaging")
    assert (scan.data["modality"], scan.effective.isoformat()) == ("MRI", "2026-03-05")
    assert desk.facts("anthropometry")[0].data["bmi"] == 22.4
    assert desk.facts("symptoms")[0].data["nrs"] == 6
    said = {entry.step.by for entry in desk.store.journal("H1-1") if entry.kind == "observe"}
    assert all(name.startswith("HL7 ORU^R01 R1 from HIS DEMO, line ") for name in said)
    lines = desk.lines()
    again = desk.take(result("R2", obr("38268-9", "B1", on="20260305"), obx("38267-1", "-2.9")))
    assert "1 known" in again.because
    assert desk.lines() == lines
    assert verify(desk.store).problems == []


def dxa(control, value, *, status="F", order="F", sent="20260316080000+0000", **more):
    return result(control, obr("38268-9", "B1", on="20260305", status=order), obx("38267-1", value, status=status),
                  sent=sent, **more)  # fmt: skip


@pytest.mark.parametrize(("status", "order"), [("C", "C"), ("C", "F"), ("F", "C")])
def test_a_corrected_result_corrects_the_journal(small_desk, status, order):
    followed(small_desk)
    small_desk.taken(dxa("R1", "-2.9"))
    found = small_desk.taken(dxa("R2", "-2.4", status=status, order=order, sent="20260316090000+0000"))
    assert "1 corrected" in found.because
    assert [o.data["t_score"] for o in small_desk.facts("dxa")] == [-2.4]
    late = small_desk.take(dxa("R3", "-2.9", sent="20260316070000+0000"))
    assert "1 known" in late.because
    assert [o.data["t_score"] for o in small_desk.facts("dxa")] == [-2.4]


@pytest.mark.parametrize(("status", "order"), [("W", "F"), ("D", "F"), ("F", "X")])
def test_a_result_that_is_taken_back_is_retracted(small_desk, status, order):
    followed(small_desk)
    small_desk.taken(dxa("R1", "-2.9"))
    found = small_desk.taken(dxa("R2", "-2.9", status=status, order=order, sent="20260316090000+0000"))
    assert "1 retracted" in found.because
    assert small_desk.facts("dxa") == []
    assert len(small_desk.episodes()[0].observations) == 1


@pytest.mark.parametrize("status", ["P", "R", "S", "I", ""])
def test_what_is_not_final_is_not_recorded(small_desk, status):
    followed(small_desk)
    found = small_desk.take(dxa("R1", "-2.9", status=status))
    assert (found.code, found.outcome) == ("AA", "noted")
    assert small_desk.facts("dxa") == []


@pytest.mark.parametrize(
    ("segment", "because"),
    [
        (obx("39156-5", "22.4", unit="lb"), "its unit is 'lb', expected 'kg/m2'; not recorded"),
        (obx("38267-1", "<^-2", "SN"), "its value is < -2, no measured value; not recorded"),
        (obx("38267-1", "low", "ST"), "it has no number; not recorded"),
        (obx("38267-1", "nan"), "it has no number; not recorded"),
        (obx("38267-1", "1^-^2", "SN"), "it has no number; not recorded"),
        (obx("38267-1", "-2.9", on="yesterday"), ""),
        (obx("72514-3", "6.5", unit="{score}"), "nrs"),
    ],
)
def test_a_value_that_cannot_be_used_is_said_and_the_rest_goes_in(small_desk, segment, because):
    followed(small_desk)
    found = small_desk.take(result("R1", obr("38268-9", "B1"), segment, obx("39156-5", "24", unit="kg/m2", sub="9")))
    assert small_desk.facts("anthropometry")[-1].data["bmi"] == 24
    assert because in found.because
    assert found.code == ("AE" if because else "AA")


def test_a_report_that_speaks_of_a_red_flag_is_for_a_person(small_desk):
    followed(small_desk)
    text = "Compression of the spinal cord at L1, cauda equina syndrome possible."
    small_desk.taken(result("R1", obr("24968-0"), obx("24968-0", text, "TX")))
    (episode,) = small_desk.episodes()
    assert episode.open_task("K-FREETEXT") is not None
    assert text in str(small_desk.store.journal(episode.id)[-2:])


def test_results_of_somebody_who_is_not_followed_are_noted(small_desk):
    found = small_desk.take(dxa("R1", "-2.9"))
    assert (found.code, found.outcome) == ("AA", "noted")
    assert small_desk.store.episodes() == []


def test_results_without_an_order_number_are_still_the_same_when_they_come_again(small_desk):
    followed(small_desk)
    one = result("R1", obr("38268-9", "", on="20260305"), obx("38267-1", "-2.9"))
    other = result(
        "R2", obr("38268-9", "", on="20260305"), obx("38267-1", "-2.4", status="C"), sent="20260316090000+0000"
    )
    small_desk.taken(one)
    assert "1 corrected" in small_desk.taken(other).because


# ---------------------------------------------------------------- who somebody is


def test_a_name_that_changed_is_taken_over_and_both_are_on_record(small_desk):
    followed(small_desk)
    found = small_desk.taken(admission("M2", "A08", person=pid(family="MARRIED"), sent="20260316090000+0000"))
    assert "name changed from EXAMPLE, Ann to MARRIED, Ann" in found.because
    assert small_desk.store.person("H1").surname == "MARRIED"
    last = small_desk.store.journal("intake")[-1]
    assert (last.kind, last.step.data["was"]) == ("rename", "EXAMPLE, Ann")
    assert verify(small_desk.store).problems == []


@pytest.mark.parametrize(
    ("changed", "question"),
    [
        ({"born": "19500611"}, "the date of birth 11-Jun-1950, and here it is 01-Jun-1950"),
        ({"sex": "M"}, "the sex M, and here it is F"),
        ({"family": "MARRIED", "born": ""}, "no date of birth says that it is one person"),
    ],
)
def test_what_may_be_another_person_is_asked(small_desk, changed, question):
    followed(small_desk)
    found = small_desk.take(admission("M2", "A08", dg1("J18.9"), person=pid(**changed), sent="20260316090000+0000"))
    assert question in found.because
    assert small_desk.store.person("H1").surname == "EXAMPLE"
    assert small_desk.episodes()[0].open_task("K-DATAQ") is not None


def test_a_null_in_a_name_changes_nothing(small_desk):
    followed(small_desk)
    small_desk.take(admission("M2", "A08", person=pid(family='""', given='""'), sent="20260316090000+0000"))
    assert small_desk.store.person("H1").surname == "EXAMPLE"


# ---------------------------------------------------------------- A40


def two(desk, code="S32.020A", **person):
    desk.taken(admission())
    desk.taken(admission("M2", "A01", dg1(code), person=pid("H2", **person)))


def test_two_records_are_merged_where_nothing_speaks_against_it(desk):
    two(desk)
    found = desk.taken(merged("H1", "H2"))
    assert "H2 was merged into H1" in found.because
    assert [(e.id, e.level) for e in desk.episodes("H1")] == [("H1-1", "L1"), ("H2-1", "L2")]
    desk.taken(merged("H1", "H2", control="A2", sent="20260316090000+0000"))
    late = desk.take(result("R1", obr("38268-9", "B1"), obx("38267-1", "-2.9"), person=pid("H2")))
    assert "2 recorded" in late.because
    assert [len(list(e.facts("dxa"))) for e in desk.episodes("H1")] == [1, 1]
    known = desk.take(
        result("R2", obr("38268-9", "B1"), obx("38267-1", "-2.9"), person=pid("H1"), sent="20260316100000+0000")
    )
    assert "2 known" in known.because
    assert verify(desk.store).problems == []


def test_a_correction_under_the_number_in_use_corrects_what_came_under_the_old_one(small_desk):
    two(small_desk)
    small_desk.taken(dxa("R1", "-2.9", person=pid("H2")))
    small_desk.taken(merged("H1", "H2"))
    small_desk.taken(dxa("R2", "-2.4", status="C", sent="20260316100000+0000"))
    assert [o.data["t_score"] for o in small_desk.episodes("H1")[1].facts("dxa")] == [-2.4]


def test_one_fracture_followed_twice_is_a_question_for_a_person(small_desk):
    two(small_desk, code="S32.010A")
    found = small_desk.taken(merged("H1", "H2"))
    assert "Episodes H1-1 and H2-1 may be one fracture of L1" in found.because
    assert "which goes on?" in found.because
    assert small_desk.store.current_number("H2") == "H2"
    assert small_desk.episodes("H1")[0].open_task("K-DATAQ") is not None


@pytest.mark.parametrize(
    ("build", "because"),
    [
        (lambda desk: two(desk, family="OTHER"), "differ in surname"),
        (lambda desk: two(desk, born="19500611"), "differ in date of birth"),
        (lambda desk: desk.taken(admission(person=pid("H2"))), "which is not known here"),
    ],
)
def test_what_is_not_safe_to_merge_is_a_question(small_desk, build, because):
    build(small_desk)
    found = small_desk.taken(merged("H1", "H2"))
    assert because in found.because
    assert small_desk.store.current_number("H2") == "H2"


def test_a_question_about_somebody_whom_nobody_follows_any_more_waits_as_a_message(small_desk):
    two(small_desk, family="OTHER")
    for number in ("H1", "H2"):
        small_desk.store.record(number, Step("admin", "withdraw", {"reason": "moved"}, by="C. Desk"), small_desk.now)
    found = small_desk.take(merged("H1", "H2"))
    assert (found.code, found.outcome) == ("AA", "question")
    assert [row.id for row in messages(small_desk.store.database, outcomes=WAITING)] == [found.id]


def test_a_merge_of_somebody_who_is_not_known_is_noted(small_desk):
    small_desk.taken(admission())
    found = small_desk.take(merged("H1", "H2"))
    assert (found.code, found.outcome) == ("AA", "noted")
    assert "H2 is not known here, so there is nothing to merge" in found.because


def test_a_merge_that_a_person_has_made_already_is_known(small_desk):
    two(small_desk)
    merge(small_desk.store, Asked("H1", "H2", "one person", "C. Desk"), small_desk.now)
    assert "H2 goes on as H1 already" in small_desk.taken(merged("H1", "H2")).because


def test_a_merge_message_that_names_nobody_is_refused(small_desk):
    found = small_desk.take(message(msh("ADT^A40", "A1"), "EVN|A40", pid()))
    assert (found.code, found.outcome) == ("AE", "refused")
    assert "does not say which record is merged into which" in found.because
