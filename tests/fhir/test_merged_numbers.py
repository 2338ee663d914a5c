"""An export that speaks of the number that was merged away lands in the record that goes on, and is known there."""

from coordinator.fhir.candidates import waiting
from pathway.journal import Refusal
from persistence.merging import Asked, Undoing, merge, unmerge
from persistence.verify import verify
from tests.fhir.exports import condition, observation, patient

DXA = "38267-1"


def two(desk):
    """One person under two numbers, with a fracture in each."""
    desk.take(patient("p1", "H1"), condition("c1"))
    desk.take(patient("p2", "H2"), condition("c2", "S32.020A", of="p2"))
    made = merge(desk.store, Asked("H1", "H2", "one person", "C. Desk"), desk.now)
    assert not isinstance(made, Refusal), made
    return made


def test_the_old_number_again_changes_nothing(desk):
    two(desk)
    lines = desk.lines()
    report = desk.take(patient("p2", "H2"), condition("c2", "S32.020A", of="p2"))
    assert (report.enrolled.known, report.enrolled.registered) == (1, [])
    assert desk.lines() == lines
    assert verify(desk.store).problems == []


def test_what_is_new_under_the_old_number_lands_in_the_record_and_is_known_under_the_other(desk):
    two(desk)
    fact = observation("o1", DXA, -2.9, "2026-03-01", "{T-score}", of="p2")
    report = desk.take(patient("p2", "H2"), fact)
    assert report.observed.recorded == 2
    assert [len(list(e.facts("dxa"))) for e in desk.episodes("H1")] == [1, 1]
    again = desk.take(patient("p1", "H1"), observation("o1", DXA, -2.9, "2026-03-01", "{T-score}"))
    assert (again.observed.recorded, again.observed.known) == (0, 2)
    corrected = desk.take(patient("p1", "H1"), observation("o1", DXA, -2.4, "2026-03-01", "{T-score}"))
    assert corrected.observed.corrected == 2
    assert [[o.data["t_score"] for o in e.facts("dxa")] for e in desk.episodes("H1")] == [[-2.4], [-2.4]]
    assert verify(desk.store).problems == []


def test_a_further_fracture_under_the_old_number_is_one_of_the_record(desk):
    made = two(desk)
    later = {"onsetDateTime": "2026-03-10", "recordedDate": "2026-03-10"}
    report = desk.take(patient("p2", "H2"), condition("c9", "S32.010A", of="p2", **later))
    assert len(report.enrolled.candidates) == 1, "a second fracture of a level that is followed is for a person"
    assert [found.patient for found in waiting(desk.store, desk.now, patient="H1")] == ["H2"]
    parted = unmerge(desk.store, Undoing(made.id, "two people", "Dr C. Sample", "clinician"), desk.now)
    assert not isinstance(parted, Refusal), parted
    assert [e.id for e in desk.episodes("H2")] == ["H2-1"]
    assert desk.take(patient("p2", "H2"), condition("c2", "S32.020A", of="p2")).enrolled.known == 1
