"""FHIR R4 out: what is written is what R4 asks for, says what the engine knows, and refers only to what is there."""

import json
from collections import Counter
from datetime import timedelta

import pytest
from fhir.resources.R4B import get_fhir_model_class
from sqlalchemy import insert

from coordinator.demo_cohort import build
from coordinator.fhir.out.bundles import bundle
from coordinator.fhir.out.files import house, patient_bundle
from coordinator.fhir.out.names import episode_name, full_url, number_of, patient_id, system
from coordinator.fhir.out.record import TYPES, parts_of, resources
from pathway.facts import FIELDS
from pathway.journal import Step
from persistence import models
from persistence.charts import charts
from persistence.merges import Merged
from persistence.merging import Asked, merge
from persistence.store import table
from scheduler.channels.logfile import LogFile
from scheduler.outbox import deliver
from tests.fhir import r4
from tests.journeys.people import closed, decided, examined, happened, observed, pain, registered, scanned
from tests.persistence.cohorts import MORNING
from tests.persistence.shelf import OPENED, store_on, tell


def never(number, because):
    raise AssertionError(f"{number}: {because}")


@pytest.fixture(scope="module")
def service(new_url, tmp_path_factory):
    """A whole service with messages that were sent and people who looked."""
    with store_on(new_url()) as store:
        build(store, now=MORNING, patients=16)
        tell(store, examined(motor_deficit=True), at=MORNING, patient=store.patients()[-1])
        store.keep_user("desk@example.org", "Desk", "coordinator", active=True)
        store.keep_user("clinic@example.org", "Clinic", "clinician", active=True)
        deliver(store, [LogFile(tmp_path_factory.mktemp("sent") / "log")], MORNING + timedelta(minutes=1))
        number = store.patients()[0]
        row = {
            "at": MORNING,
            "email": "desk@example.org",
            "role": "coordinator",
            "patient_id": number,
            "page": "patient",
        }
        with store.database.writing() as connection:
            connection.execute(insert(table(models.Viewing)), [row])
        yield store


@pytest.fixture(scope="module")
def exported(service):
    told = [each for found in charts(service, never) for each in resources(found, service.engine.guideline, MORNING)]
    return [*told, *house(service, MORNING)]


def of(exported, kind):
    return [each for each in exported if each["resourceType"] == kind]


# ---------------------------------------------------------------- what R4 asks for


def test_every_type_that_is_promised_is_written(exported):
    kinds = Counter(each["resourceType"] for each in exported)
    promised = {*TYPES, "PlanDefinition", "CodeSystem", "ValueSet", "Measure", "MeasureReport"}
    assert promised <= set(kinds), promised - set(kinds)
    assert set(kinds) <= promised


def test_nothing_written_has_a_fault(exported):
    assert [fault for each in exported for fault in r4.faults(each)] == []


def test_every_resource_is_read_by_the_models(exported):
    for each in exported:
        get_fhir_model_class(each["resourceType"]).model_validate(each)


def test_every_reference_leads_to_a_resource(exported):
    there = [f"{each['resourceType']}/{each['id']}" for each in exported]
    assert len(there) == len(set(there))
    asked = {target for each in exported for target in r4.references(each)}
    assert asked
    assert asked <= set(there), asked - set(there)


def test_every_code_of_ours_is_in_its_code_system(exported):
    known = {s["url"]: {c["code"] for c in s["concept"]} for s in of(exported, "CodeSystem")}
    used = {found for each in exported for found in r4.codings(each) if found[0].startswith("urn:uuid:")}
    assert used
    assert [found for found in used if found[1] not in known.get(found[0], ())] == []


def test_every_public_code_has_its_check_digit_and_was_looked_up(exported):
    used = {found for each in exported for found in r4.codings(each)}
    loinc = {code for uri, code in used if uri == "http://loinc.org"}
    snomed = {code for uri, code in used if uri == "http://snomed.info/sct"}
    assert "72514-3" in loinc
    assert "66794005" in snomed
    assert [code for code in loinc if not r4.loinc_digit_is_right(code)] == []
    assert [code for code in snomed if not r4.snomed_digit_is_right(code)] == []


def test_the_checks_see_a_wrong_digit():
    assert r4.loinc_digit_is_right("38267-1")
    assert not r4.loinc_digit_is_right("38267-2")
    assert r4.snomed_digit_is_right("42942008")
    assert not r4.snomed_digit_is_right("241648003")


SPOILT = [
    ("Task", {"status": "overdue"}, "required value set"),
    ("CarePlan", {"status": "in-progress"}, "required value set"),
    ("Task", {"lastModified": "2020-01-01T00:00:00Z"}, "inv-1"),
    ("Observation", {"issued": "2026-01-01"}, "no instant"),
    ("Observation", {"note": []}, "empty list"),
    ("Condition", {"id": "a_b"}, "the id"),
    ("PlanDefinition", {"version": ""}, "nothing is written"),
]


def test_the_checks_see_what_is_spoilt(exported):
    for kind, spoil, said in SPOILT:
        assert said in " ".join(r4.faults({**of(exported, kind)[0], **spoil})), (kind, spoil)


def test_in_a_bundle_every_reference_is_the_address_of_an_entry(service):
    for number in service.patients()[:4]:
        whole = patient_bundle(service, number, MORNING)
        get_fhir_model_class("Bundle").model_validate(whole)
        addresses = [entry["fullUrl"] for entry in whole["entry"]]
        assert len(addresses) == len(set(addresses))
        assert set(r4.references(whole)) <= set(addresses)
        plans = [e["resource"] for e in whole["entry"] if e["resource"]["resourceType"] == "CarePlan"]
        urls = {f"{e['resource']['url']}|{e['resource']['version']}" for e in whole["entry"] if "url" in e["resource"]}
        assert {url for plan in plans for url in plan["instantiatesCanonical"]} <= urls


def test_the_same_patient_is_the_same_at_every_export(service):
    number = service.patients()[0]
    once, again = (patient_bundle(service, number, MORNING) for _ in range(2))
    assert json.dumps(once) == json.dumps(again)


def test_a_type_is_the_same_with_no_more_read_of_the_chart_than_it_is_made_of(service, exported):
    for kind in TYPES:
        for found in charts(service, never, parts=parts_of(kind)):
            made = list(resources(found, service.engine.guideline, MORNING, [kind]))
            whole = {each["id"]: each for each in of(exported, kind)}
            assert made == [whole[each["id"]] for each in made], kind
    sizes = Counter(each["resourceType"] for each in exported)
    less = Counter(
        each["resourceType"]
        for kind in TYPES
        for found in charts(service, never, parts=parts_of(kind))
        for each in resources(found, service.engine.guideline, MORNING, [kind])
    )
    assert less == {kind: sizes[kind] for kind in TYPES}


# ---------------------------------------------------------------- what the engine knows


def test_each_episode_is_a_plan_and_each_task_a_task_with_its_window(service, exported):
    tasks = {each["id"]: each for each in of(exported, "Task")}
    plans = {each["id"]: each for each in of(exported, "CarePlan")}
    seen = 0
    for episode in service.episodes():
        plan = plans[episode_name(episode.id)]
        assert plan["category"][0]["coding"][0]["code"] == episode.path
        due = [a["detail"]["scheduledPeriod"]["start"] for a in plan["activity"] if "detail" in a]
        assert due == [timer.due.isoformat() for timer in episode.timers]
        for task in episode.tasks:
            found = tasks[f"{episode_name(episode.id)}.{task.code}.{task.n}"]
            window = found["restriction"]["period"]
            assert window == {"start": task.due.isoformat(), "end": max(task.due, task.overdue_after).isoformat()}
            assert (found["status"] in ("requested", "ready")) is (task.status == "open")
            seen += 1
    assert seen == len(tasks)


def test_each_move_has_who_when_by_which_rule_and_from_which_sources(service, exported):
    moves = [row for found in charts(service, never) for kept in found.episodes for row in kept.entries]
    wanted = sum(effect["event"] == "transition" for entry in moves for effect in entry.effects)
    told = of(exported, "Provenance")
    assert len(told) == wanted > 0
    for each in told:
        assert {"occurredDateTime", "recorded"} <= each.keys()
        assert each["policy"][0].startswith("urn:uuid:")
        assert each["agent"][0]["who"]["display"]
        assert each["reason"][0]["coding"][0]["system"] == system("rule")
        assert [e["what"]["identifier"]["value"] for e in each["entity"]]


def one(store, *steps, at=OPENED, then=()):
    """The resources of one patient, by type, after these steps."""
    tell(store, *steps, at=at)
    for moment, step in then:
        tell(store, step, at=moment)
    (found,) = charts(store, never)
    now = then[-1][0] if then else at
    kinds: dict[str, list] = {}
    for each in resources(found, store.engine.guideline, now):
        kinds.setdefault(each["resourceType"], []).append(each)
    return kinds


@pytest.fixture
def store(url):
    with store_on(url) as found:
        yield found


def test_a_fracture_says_its_level_and_how_well_its_date_is_known(store):
    month = registered("2025-12-10", fracture_date_precision="month")
    (found,) = one(store, month)["Condition"]
    assert found["onsetDateTime"] == "2025-12"
    assert {c["code"] for c in found["bodySite"][0]["coding"]} == {"L1", "66794005"}
    assert found["clinicalStatus"]["coding"][0]["code"] == "active"


def test_what_is_not_known_is_not_written(store):
    tell(store, Step("register", data={"level": "L2"}))
    (found,) = charts(store, never)
    whole = list(resources(found, store.engine.guideline, OPENED))
    (person,) = of(whole, "Patient")
    assert not {"name", "birthDate", "gender", "deceasedBoolean"} & person.keys()
    (fracture,) = of(whole, "Condition")
    assert "onsetDateTime" not in fracture
    assert fracture["onsetString"].startswith("Not known")


def test_pain_is_found_by_its_loinc_code_and_belongs_to_what_was_recorded(store):
    kinds = one(store, registered(), pain(6, "unchanged"))
    (score,) = [o for o in kinds["Observation"] if "valueQuantity" in o]
    assert score["code"]["coding"][0] == {"system": "http://loinc.org", "code": "72514-3"}
    assert score["valueQuantity"] == {
        "value": 6,
        "unit": "{score}",
        "system": "http://unitsofmeasure.org",
        "code": "{score}",
    }
    (whole,) = [o for o in kinds["Observation"] if "hasMember" in o]
    assert whole["hasMember"] == [{"reference": f"Observation/{score['id']}"}]
    (trend,) = whole["component"]
    assert trend["valueCodeableConcept"]["coding"][0]["code"] == "symptoms.trend.unchanged"


@pytest.mark.parametrize(("site", "code"), [("lumbar spine", "38267-1"), ("hip", "38264-8"), ("shin", None)])
def test_a_t_score_has_the_code_of_its_site_or_none(store, site, code):
    found = one(store, registered(), observed("dxa", t_score=-2.6, site=site))["Observation"]
    public = [c["code"] for o in found for c in o["code"]["coding"] if c["system"] == "http://loinc.org"]
    assert public == ([code] if code else [])
    assert any(-2.6 in (o.get("valueQuantity", {}).get("value"), *_numbers(o)) for o in found)


def _numbers(observation):
    return [part.get("valueQuantity", {}).get("value") for part in observation.get("component", ())]


def test_a_retracted_finding_is_marked_and_stays(store):
    step = Step("observe", "symptoms", {"nrs": 9}, obs_id="o1")
    undo = Step("correct", "observation", {"obs_id": "o1"})
    found = one(store, registered(), step, then=[(OPENED + timedelta(hours=1), undo)])["Observation"]
    assert {each["status"] for each in found} == {"entered-in-error"}


def test_a_red_flag_asks_for_surgery_at_once_and_nothing_is_ordered_by_the_engine(store):
    kinds = one(store, registered(), examined(motor_deficit=True))
    (asked,) = kinds["ServiceRequest"]
    assert (asked["status"], asked["intent"], asked["priority"]) == ("draft", "proposal", "stat")
    assert "requester" not in asked
    later = OPENED + timedelta(hours=2)
    tell(store, decided("acknowledge_red_flag"), at=later)
    (found,) = charts(store, never)
    (sent,) = of(resources(found, store.engine.guideline, later), "ServiceRequest")
    assert (sent["status"], sent["intent"]) == ("active", "order")
    assert sent["requester"]["display"]


def test_a_plan_is_held_while_a_milestone_cannot_speak_and_revoked_by_a_withdrawal(store):
    care = (registered(), examined(), scanned("2026-01-05"), decided("start_conservative"))
    flagged = OPENED + timedelta(days=20)
    due = OPENED + timedelta(days=30)
    kinds = one(store, *care, then=[(flagged, examined(motor_deficit=True)), (due, pain(4, "unchanged"))])
    assert kinds["CarePlan"][0]["status"] == "on-hold"
    assert "on-hold" in {a["detail"]["status"] for a in kinds["CarePlan"][0]["activity"] if "detail" in a}
    gone = due + timedelta(days=1)
    tell(store, happened("withdraw", reason="moved away", handover_confirmed=True), at=gone)
    (found,) = charts(store, never)
    (plan,) = of(resources(found, store.engine.guideline, gone), "CarePlan")
    assert plan["status"] == "revoked"
    assert plan["period"]["end"].startswith(gone.date().isoformat())


def test_work_that_a_clinician_declined_is_cancelled_with_the_reason(store):
    declined = closed("K-DXA", "declined", reason="refused by the patient")
    found = one(store, registered(), declined)["Task"]
    (task,) = [t for t in found if t["code"]["coding"][0]["code"] == "K-DXA"]
    assert task["status"] == "cancelled"
    assert task["statusReason"]["text"] == "refused by the patient"
    assert task["businessStatus"]["coding"][0]["code"] == "declined"


def test_what_is_overdue_follows_from_the_window_and_is_never_a_status(exported):
    assert not [t for t in of(exported, "Task") if "overdue" in (t["status"], t["businessStatus"]["coding"][0]["code"])]
    late = [t for t in of(exported, "Task") if t["status"] == "ready" and t["restriction"]["period"]["end"] < "2026-03"]
    assert late


def test_the_definition_has_windows_conditions_sources_and_marks(service, exported):
    plans = {plan["id"]: plan for plan in of(exported, "PlanDefinition")}
    assert len(plans) == len(service.engine.guideline.profiles)
    actions = {action["id"]: action for action in plans["vcf-default"]["action"]}
    (offset,) = actions["REASSESS"]["relatedAction"]
    assert offset["actionId"] == "anchor-care-start"
    assert [offset["offsetRange"][end]["value"] for end in ("low", "high")] == [28, 42]
    (months,) = actions["FAILURE-REVIEW"]["relatedAction"]
    assert (months["offsetRange"]["low"]["value"], months["offsetRange"]["low"]["code"]) == (3, "mo")
    assert "calendar months" in plans["vcf-default"]["description"]
    start = next(a for a in actions.values() if a["title"].startswith("TR-02:"))
    assert "%neuro_clear" in start["condition"][0]["expression"]["expression"]
    assert [d["label"] for d in start["documentation"]] == ["S0-02", "S1-02", "S2-09", "S3-22", "S4-04"]
    assert actions["INTERVAL-REVIEW"]["title"].endswith("[E]")
    assert plans["vcf-default"]["status"] == "draft"


def test_the_census_counts_and_names_nobody(service, exported):
    (report,) = of(exported, "MeasureReport")
    counts = {g["code"].get("coding", [{}])[0].get("code"): g["population"][0]["count"] for g in report["group"]}
    assert counts["enrolled"] == len(service.episodes())
    (states,) = [g["stratifier"][0]["stratum"] for g in report["group"] if "coding" in g["code"] and "stratifier" in g]
    assert sum(s["population"][0]["count"] for s in states) == counts["enrolled"]
    assert not [number for number in service.patients() if number in json.dumps(report)]


def test_messages_and_looks_are_told(service, exported):
    sent = of(exported, "Communication")
    assert {each["status"] for each in sent} == {"completed"}
    asked = {each["id"]: each["status"] for each in of(exported, "CommunicationRequest")}
    assert {asked[each["basedOn"][0]["reference"].partition("/")[2]] for each in sent} == {"completed"}
    (look,) = of(exported, "AuditEvent")
    assert look["agent"][0]["who"]["identifier"]["value"] == "mailto:desk@example.org"


def test_a_merged_record_says_where_it_goes_on_and_nothing_of_it_changes_its_name(store):
    tell(store, registered())
    tell(store, registered(level="L2"), patient="P2")
    before = {
        found.patient.id: list(resources(found, store.engine.guideline, OPENED)) for found in charts(store, never)
    }
    made = merge(store, Asked("P1", "P2", "one person", "D. Sample"), OPENED + timedelta(days=1))
    assert isinstance(made, Merged), made
    (found,) = charts(store, never)
    after = list(resources(found, store.engine.guideline, OPENED))
    one, other = sorted(of(after, "Patient"), key=lambda person: person["id"])
    assert one["link"] == [{"other": {"reference": "Patient/P2"}, "type": "replaces"}]
    assert (other["active"], other["link"][0]["type"]) == (False, "replaced-by")
    names = {f"{each['resourceType']}/{each['id']}" for each in after}
    assert {f"{e['resourceType']}/{e['id']}" for each in before.values() for e in each} - names == {
        "DocumentReference/P2"
    }
    assert {plan["subject"]["reference"] for plan in of(after, "CarePlan")} == {"Patient/P1"}
    assert [fault for each in after for fault in r4.faults(each)] == []


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("number", ["P100", "A-1.2", "12 34/5", "Ü7", "a_b", "0"])
def test_a_number_is_read_back_from_an_id(number):
    name = patient_id(number)
    assert r4.ID.fullmatch(name)
    assert number_of(f"{name}.1.K-NEURO.1") == number


def test_a_number_that_is_too_long_still_has_an_id_of_its_own():
    one, other = (patient_id(f"{'9' * 60}{end}") for end in "ab")
    assert one != other
    assert all(r4.ID.fullmatch(f"{name}.12.12345.malignancy-features-x") for name in (one, other))
    assert number_of(one) is None


def test_a_bundle_is_addressed_by_what_is_in_it():
    task = {"resourceType": "Task", "id": "a", "basedOn": [{"reference": "CarePlan/a"}]}
    whole = bundle([task, {"resourceType": "CarePlan", "id": "a"}], MORNING)
    (asked,) = whole["entry"][0]["resource"]["basedOn"]
    assert asked == {"reference": full_url("CarePlan/a"), "type": "CarePlan"}


def test_every_data_element_that_can_be_recorded_has_a_code(exported):
    (known,) = [s for s in of(exported, "CodeSystem") if s["url"] == system("observation")]
    codes = {c["code"] for c in known["concept"]}
    assert {f"{kind}.{name}" for kind, fields in FIELDS.items() for name in fields} <= codes
