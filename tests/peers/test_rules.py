"""Seeds 16 and 17: rules that change under a running episode, and rules that do not know."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from pathway.engine import Engine
from pathway.guards import GUARDS
from pathway.guideline import Guideline, Profile, profile_of
from pathway.journal import Step
from pathway.turn import Turn
from persistence.store import Person, Store
from persistence.verify import verify
from persistence.worklist import worklist
from scheduler.jobs import nightly_verify
from tests.journeys.clinic import clinic_in_memory
from tests.journeys.people import (
    ENGINE,
    GUIDELINE,
    decided,
    examined,
    fractured_again,
    pain,
    registered,
    scanned,
)
from tests.machine.places import ACTIVE, PLACES
from tests.peers.house import DAY, FOUR_WEEKS, HOUR, MINUTE, beat, enrol, outbox, walk
from tests.persistence.shelf import CARE, OPENED, ZONE, tell
from tests.scheduler.ward import staff

# ---------------------------------------------------------------- 16: the rules change


def site_profile(name: str, version: str, **values: object) -> Profile:
    """The default profile with other values, under a name and a version of the site's own."""
    base = GUIDELINE.profile("default")
    changed = {code: replace(base.parameters[code], value=value) for code, value in values.items()}
    return profile_of(replace(base, version=version), {**base.parameters, **changed}, name)


def due(store: Store, patient: str) -> dict[str, str]:
    return {timer.code: str(timer.due) for timer in store.case(patient).episodes[-1].timers}


def test_seed_16_a_profile_of_another_name_is_for_those_who_come_after_it(store):
    """A site asks after three weeks from now on; who is on the pathway keeps the four weeks, the next fracture too."""
    enrol(store, "P1")
    quick = site_profile("quick", "1", reassess_due_days=21, reassess_overdue_days=28)
    later = Store(store.database, Engine(GUIDELINE, {"quick": quick}))
    for step in CARE:
        assert later.record(Person("P2", ZONE, "quick"), step, OPENED).refusal is None
    assert (due(later, "P1")["REASSESS"], due(later, "P2")["REASSESS"]) == ("2026-02-02", "2026-01-26")
    walk(later, FOUR_WEEKS + DAY)
    fired = {row.patient_id: row.key.rpartition(":")[2] for row in outbox(later, code="REASSESS")}
    assert fired == {"P1": "2026-02-02", "P2": "2026-01-26"}
    for patient in ("P1", "P2"):
        tell(later, fractured_again("2026-02-02"), at=FOUR_WEEKS + DAY, patient=patient)
    assert [later.case(patient).episodes[-1].profile for patient in ("P1", "P2")] == ["default", "quick"]
    assert verify(later).problems == []


def edited_in_place() -> Guideline:
    """The guideline with other values and another version, but the old names."""
    edited = site_profile("default", "2", reassess_due_days=21, reassess_overdue_days=28, imaging8w_days=49)
    return replace(GUIDELINE, version="2", profiles=MappingProxyType({**GUIDELINE.profiles, "default": edited}))


def test_seed_16_an_edit_under_the_old_name_moves_no_date_that_was_set(store):
    enrol(store, "P1")
    before = due(store, "P1")
    later = Store(store.database, Engine(edited_in_place()))
    assert later.settle(FOUR_WEEKS - HOUR).set_aside == {}
    assert (due(later, "P1"), later.case("P1").episodes[0].guideline) == (before, "vcf/1")
    assert outbox(later, code="REASSESS") == []
    later.settle(FOUR_WEEKS)
    assert len(outbox(later, code="REASSESS")) == 1


def test_seed_16_an_edit_under_the_old_name_is_found_the_same_night_for_every_episode(store, pigeon):
    staff(store)
    enrol(store, "P1", "P2")
    assert verify(store).problems == []
    later = Store(store.database, Engine(edited_in_place()))
    found = nightly_verify(later, FOUR_WEEKS, zone=ZONE)
    assert [problem.split()[0] for problem in found.problems] == ["P1-1", "P2-1"]
    assert all("does not replay" in problem for problem in found.problems)
    beat(later, pigeon, FOUR_WEEKS)
    (alert,) = outbox(later, code="VERIFY")
    assert alert.outcome == "sent"


# ---------------------------------------------------------------- 17: the rules do not know


@pytest.mark.parametrize("place", [*ACTIVE, "nobody has looked at"])
def test_seed_17_a_guard_that_does_not_know_says_so_and_names_what_is_missing(place):
    clinic = PLACES[place]() if place in PLACES else clinic_in_memory().tell(registered(None))
    turn = Turn(clinic.episode.copy(), GUIDELINE, ENGINE.profile("default"), clinic.calendar.now, Step("decide"))
    verdicts = {name: guard(turn) for name, guard in GUARDS.items()}
    unknown = {name for name, verdict in verdicts.items() if verdict.holds is None}
    assert [name for name in unknown if not (verdicts[name].missing and verdicts[name].because)] == []
    # A rule that asks for the contrary would take "not known" for yes.
    contrary = {guard[1:] for rule in GUIDELINE.transitions for guard in rule.guards if guard.startswith("!")}
    assert contrary
    assert unknown.isdisjoint(contrary)
    if place not in PLACES:
        assert {"neuro_examined", "imaging_or_reason", "symptoms_fresh", "pain_persists", "care_failing"} <= unknown


def test_seed_17_who_asks_without_the_data_is_refused_with_the_name_of_what_is_missing(store):
    tell(store, registered())
    refusals = []
    half_measured = scanned()
    del half_measured.data["scoliosis"]
    for minutes, fact in enumerate((None, examined(), half_measured)):
        at = OPENED + minutes * MINUTE
        if fact is not None:
            tell(store, fact, at=at)
        refusals.append(store.record("P1", decided("start_conservative"), at).refusal)
    assert [(refusal.code, refusal.missing) for refusal in refusals] == [
        ("NEURO_MISSING", ("neuro_exam",)),
        ("IMAGING_MISSING", ("MRI or CT",)),
        ("STABILITY_UNCONFIRMED", ("scoliosis",)),
    ]
    assert [line.refusal for line in store.journal("P1-1") if line.refusal] == refusals
    assert store.case("P1").episodes[0].state == "ACUTE_ASSESSMENT"


@pytest.mark.parametrize(
    ("status", "place"),
    [(None, "REASSESSMENT"), (pain(2, "improving"), "REASSESSMENT"), (pain(5), "IMAGING_REVIEW")],
    ids=["not known", "no", "yes"],
)
def test_seed_17_a_question_at_eight_weeks_that_nobody_can_answer_is_put_to_a_person(store, pigeon, status, place):
    """Does pain persist? The machine moves on where it does; else, known or not, somebody decides, and is told."""
    staff(store)
    enrol(store, "P1")
    tell(store, pain(2, "improving"), decided("complete_reassessment", outcome="continue"), at=FOUR_WEEKS + HOUR)
    if status is not None:
        tell(store, status, at=FOUR_WEEKS + 20 * DAY)
    at = FOUR_WEEKS + 25 * DAY
    beat(store, pigeon, at)
    assert store.case("P1").episodes[0].state == place
    assert [row.outcome for row in outbox(store, code="IMAGING_8W")] == ["sent"]
    work = {item.code for item in worklist(store, at)} & {"K-REASSESS", "K-IMGREV"}
    assert work == {"K-IMGREV" if place == "IMAGING_REVIEW" else "K-REASSESS"}
