"""What may be decided where a patient is: asked of the engine itself, by whom, with what, and why not yet."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from pathway import guards
from pathway.choices import ASKED_BY, STATABLE, Choice, choices
from pathway.guards import GUARDS
from pathway.journal import Step
from tests.journeys.clinic import Clinic
from tests.journeys.people import ENGINE, GUIDELINE, examined, observed, pain, painless, scanned
from tests.machine.places import PLACES, in_care, in_imaging_review, in_reassessment, under_surveillance, with_red_flag

# Only a service's own record says so, in a cohort file.
NOT_ASKED = {"documented"}


def offered(clinic: Clinic) -> dict[tuple[str, ...], Choice]:
    found = choices(clinic.episode, ENGINE, clinic.calendar.now)
    return {tuple(filter(None, (c.kind, c.service, c.outcome))): c for c in found}


def taken(choice: Choice, **data: object) -> Step:
    """The choice with everything that it requires, made by somebody who may."""
    stated = {name: STATABLE[name] for name in choice.required}
    return Step(choice.event, choice.kind, {**choice.data, **stated, **data}, choice.role)


# ---------------------------------------------------------------- place by place


@pytest.mark.parametrize("place", PLACES)
def test_every_choice_names_its_rule_its_role_and_where_it_leads(place):
    for choice in offered(PLACES[place]()).values():
        assert choice.title
        assert choice.rules
        assert choice.leads_to
        assert choice.role in ("coordinator", "clinician")
        assert choice.possible or (choice.because and choice.code)
        assert set(choice.required) <= set(choice.fields)
        assert all(cite in GUIDELINE.sources for cite in choice.cites)


@pytest.mark.parametrize("place", PLACES)
def test_whoever_lacks_the_role_is_refused(place):
    clinic = PLACES[place]()
    for choice in offered(clinic).values():
        lesser = {"clinician": "coordinator", "coordinator": "system"}[choice.role]
        _, refusal = ENGINE.take(clinic.episode, replace(taken(choice), actor=lesser), clinic.calendar.now)
        assert refusal is not None
        assert refusal.code == "ROLE"


@pytest.mark.parametrize(
    ("place", "kinds"),
    [
        (
            "ACUTE_ASSESSMENT",
            ["start_conservative", "refer_surgery", "discharge not_vcf", "death", "withdraw", "transfer_out"],
        ),
        (
            "IMAGING_REVIEW",
            [
                "review_imaging continue",
                "review_imaging reassess",
                "review_imaging resolved",
                "review_imaging refer_augmentation",
                "review_imaging refer_surgery",
                "discharge not_vcf",
                "death",
                "withdraw",
                "transfer_out",
            ],
        ),
        (
            "SURGICAL_REFERRAL.sent",
            [
                "discharge not_vcf",
                "referral_outcome surgery operated",
                "referral_outcome surgery augmented",
                "referral_outcome surgery conservative_advised",
                "referral_outcome surgery transferred",
                "death",
                "withdraw",
                "transfer_out",
            ],
        ),
        ("DISCHARGED", ["reopen", "death"]),
        ("DECEASED", ["death_correction"]),
    ],
)
def test_each_place_offers_its_own_words_once(place, kinds):
    assert [" ".join(key) for key in offered(PLACES[place]())] == kinds


def test_what_is_not_possible_yet_says_why_and_what_is_missing():
    choice = offered(in_care())["resolved",]
    assert not choice.possible
    assert (choice.code, choice.missing) == ("SYMPTOMS_STALE", ("symptoms",))
    assert choice.because == ("no symptom status of the last 14 days is recorded",)
    assert choice.leads_to == "Surveillance"


def test_what_is_possible_only_with_a_statement_says_which_and_why():
    choice = offered(under_surveillance())["discharge",]
    assert (choice.possible, choice.required) == (True, ("override_reason",))
    assert choice.because == ("surveillance runs until 02-Jan-2027, 12 months after the fracture",)


def test_a_handover_must_be_confirmed_only_while_a_red_flag_waits():
    assert offered(with_red_flag())["withdraw",].required == ("reason", "handover_confirmed")
    assert offered(in_care())["withdraw",].required == ("reason",)


def test_a_reason_is_needed_where_the_rules_ask_for_one():
    found = offered(in_care())
    assert "reason" in found["refer_surgery",].required
    assert "reason" not in found["death",].required
    assert "date" in found["death",].fields


def test_where_it_leads_depends_on_what_is_known():
    clinic = in_reassessment()
    assert offered(clinic)["complete_reassessment", "continue"].leads_to == "Conservative care"
    clinic.at("2026-03-02 10:00").tell(pain(5))
    owed = offered(clinic)["complete_reassessment", "continue"]
    assert (owed.leads_to, owed.rules, owed.required) == ("Imaging review", ("TR-15",), ())
    assert "imaging_waived_reason" in owed.fields


def test_a_finding_opens_the_choice_that_waited_for_it():
    clinic = in_imaging_review()
    assert offered(clinic)["review_imaging", "continue"].required == ("no_new_imaging_reason",)
    clinic.tell(scanned())
    assert offered(clinic)["review_imaging", "continue"].required == ()
    assert not offered(clinic)["review_imaging", "resolved"].possible
    assert offered(clinic.tell(painless()))["review_imaging", "resolved"].possible


def test_a_suspicion_closes_what_it_must():
    clinic = in_care().tell(observed("malignancy_features", cancer_history=True))
    assert offered(clinic)["review_imaging", "continue"].code == "MALIGNANCY_OPEN"
    assert offered(clinic)["discharge", "not_vcf"].code == "MALIGNANCY_OPEN"


def test_overruling_a_flag_leads_back_to_where_the_patient_was():
    assert offered(with_red_flag())["overrule_red_flag",].leads_to == "Conservative care"
    clinic = in_imaging_review().tell(examined(motor_deficit=True))
    assert offered(clinic)["overrule_red_flag",].leads_to == "Imaging review"


def test_what_is_due_but_not_fired_yet_counts_as_fired():
    clinic = in_care()
    clinic.scheduler_stops()
    clinic.at("2026-02-03 10:00")
    assert clinic.place == "CONSERVATIVE_CARE"
    assert ("complete_reassessment", "image") in offered(clinic)


def test_every_datum_that_a_guard_reads_is_asked_for():
    """Read from the guards themselves, so that a new guard cannot be forgotten here."""
    read = set()
    for node in ast.walk(ast.parse(Path(guards.__file__).read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="_reason"), args=[_, ast.Constant(value=name)]):
                read.add(name)
            case ast.Call(
                func=ast.Attribute(attr="get", value=ast.Attribute(attr="data")), args=[ast.Constant(value=n)]
            ):
                if n not in ("nrs", "modality"):
                    read.add(n)
    # A waiver settles the eight-week question before the guard is asked.
    assert {name for names in ASKED_BY.values() for name in names} == (read - NOT_ASKED) | {"imaging_waived_reason"}
    assert ASKED_BY.keys() <= GUARDS.keys()
