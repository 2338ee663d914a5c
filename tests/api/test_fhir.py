"""The FHIR service over real HTTP: reading, searching, paging, who may see what, and how it says what is wrong."""

from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
from fastapi.testclient import TestClient
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import given
from hypothesis import strategies as st

from coordinator.api.door import doors_of
from coordinator.api.limiting import RateLimit
from coordinator.api.paging import sealed
from coordinator.fhir.out.files import patient_bundle
from coordinator.fhir.serving.app import NEEDS, create_fhir
from coordinator.fhir.serving.parameters import PARAMETERS
from coordinator.settings import Settings
from coordinator.tokens import RECORD
from coordinator.web.access import ROLES, May, refusal
from coordinator.web.app import create_app
from coordinator.web.house import House
from persistence import models
from persistence.merges import Merged
from persistence.merging import Asked, merge
from tests.api.conftest import ADDRESS, FIRST, SECOND, give_account, token
from tests.fhir import r4
from tests.persistence.shelf import rows, store_on
from tests.web.conftest import NOW, Clock
from tests.web.every_page import flat
from tests.web.people import in_care

BASE = f"{ADDRESS}/fhir/R4"


@pytest.fixture
def nobody(house) -> Iterator[TestClient]:
    with TestClient(create_app(house), BASE) as found:
        yield found


@pytest.fixture
def caller(house) -> Iterator[TestClient]:
    yield from called(house, "coordinator")


@pytest.fixture
def lead(house) -> Iterator[TestClient]:
    yield from called(house, "lead")


def called(house, role):
    shown = {"Authorization": f"Bearer {token(house.store, role)}"}
    with TestClient(create_app(house), BASE, headers=shown) as found:
        yield found


def ok(response):
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/fhir+json; charset=utf-8"
    return response.json()


def wrong(response, status):
    """The sentence of an OperationOutcome."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/fhir+json; charset=utf-8"
    found = response.json()
    get_fhir_model_class("OperationOutcome").model_validate(found)
    return found["issue"][0]["diagnostics"]


def found(bundle):
    assert list(faults_of(bundle)) == []
    return [e["resource"] for e in bundle.get("entry", ()) if e["search"]["mode"] == "match"]


def faults_of(bundle):
    get_fhir_model_class("Bundle").model_validate(bundle)
    for entry in bundle.get("entry", ()):
        if entry["search"]["mode"] == "match":
            assert entry["fullUrl"] == f"{BASE}/{entry['resource']['resourceType']}/{entry['resource']['id']}"
            yield from r4.faults(entry["resource"])


def pages(client, address):
    """Every page from that address on."""
    while address:
        bundle = ok(client.get(address))
        yield bundle
        address = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)


# ---------------------------------------------------------------- metadata


def test_the_capability_statement_is_true_to_what_is_there(nobody, lead):
    stated = ok(nobody.get("/metadata"))
    get_fhir_model_class("CapabilityStatement").model_validate(stated)
    assert stated["fhirVersion"] == "4.0.1"
    (rest,) = stated["rest"]
    assert {each["type"] for each in rest["resource"]} == set(PARAMETERS)
    for each in rest["resource"]:
        assert ok(lead.get(f"/{each['type']}?_count=1"))["type"] == "searchset"
        for parameter in each["searchParam"]:
            value = "2026-01-01" if parameter["type"] == "date" else "x"
            strict = {"Prefer": "handling=strict"}
            ok(lead.get(f"/{each['type']}?{parameter['name']}={value}", headers=strict))


# ---------------------------------------------------------------- reading


def test_each_type_is_read_by_its_id_and_says_its_version(lead):
    seen = 0
    for kind in PARAMETERS:
        for each in found(ok(lead.get(f"/{kind}?_count=2"))):
            response = lead.get(f"/{kind}/{each['id']}")
            assert ok(response)["meta"]["versionId"] == each["meta"]["versionId"]
            assert response.headers["etag"] == f'W/"{each["meta"]["versionId"]}"'
            seen += 1
    assert seen > 20


def test_what_has_not_changed_is_not_sent_again(caller, store):
    first = caller.get(f"/Patient/{FIRST}")
    again = caller.get(f"/Patient/{FIRST}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    ready = next(t for t in found(ok(caller.get(f"/Task?patient={FIRST}"))) if t["status"] == "requested")
    etag = caller.get(f"/Task/{ready['id']}").headers["etag"]
    assert caller.get(f"/Task/{ready['id']}", headers={"If-None-Match": etag}).status_code == 304


def test_time_alone_makes_a_new_version_of_a_task(caller, clock, store):
    task = min(
        (t for t in found(ok(caller.get(f"/Task?patient={FIRST}"))) if t["status"] == "requested"),
        key=lambda t: t["restriction"]["period"]["start"],
    )
    before = caller.get(f"/Task/{task['id']}")
    clock.now = NOW.fromisoformat(f"{task['restriction']['period']['start']}T12:00:00+00:00")
    after = caller.get(f"/Task/{task['id']}", headers={"If-None-Match": before.headers["etag"]})
    assert ok(after)["status"] == "ready"
    assert after.json()["meta"]["lastUpdated"] > before.json()["meta"]["lastUpdated"]


@pytest.mark.parametrize("address", ["/Patient/nobody", "/Task/1.2.3", f"/Task/{FIRST}.1.K-NONE.1", "/CodeSystem/x"])
def test_what_is_not_there_is_not_found(caller, address):
    assert wrong(caller.get(address), 404).startswith("There is no ")


def test_every_patient_page_is_in_the_book_of_looks(caller, store):
    caller.get(f"/Patient/{FIRST}")
    caller.get("/Task?_count=500")
    caller.get(f"/Patient/{SECOND}/$everything")
    looks = [(row.patient_id, row.page, row.role) for row in rows(store, models.Viewing)]
    assert (FIRST, "api fhir Patient", "coordinator") in looks
    assert {patient for patient, page, _ in looks if page == "api fhir Task"} == {FIRST, SECOND}
    assert (SECOND, "api fhir $everything", "coordinator") in looks


# ---------------------------------------------------------------- searching


def test_a_patients_own_work_is_found(caller, store):
    mine = found(ok(caller.get(f"/Task?patient=Patient/{FIRST}")))
    (episode,) = store.case(FIRST).episodes
    assert len(mine) == len(episode.tasks) > 0
    assert {t["for"]["reference"] for t in mine} == {f"Patient/{FIRST}"}
    for spelt in (FIRST, f"{BASE}/Patient/{FIRST}"):
        assert len(found(ok(caller.get(f"/Task?{urlencode({'patient': spelt})}")))) == len(mine)
    ready = found(ok(caller.get(f"/Task?patient={FIRST}&status=ready")))
    assert 0 < len(ready) < len(mine)
    assert {t["status"] for t in ready} == {"ready"}
    either = found(ok(caller.get(f"/Task?patient={FIRST}&status=ready,completed")))
    assert {t["status"] for t in either} == {"ready", "completed"}


def test_codes_are_found_with_and_without_their_system(caller):
    code = "K-OPRX"
    (task, *_) = found(ok(caller.get(f"/Task?code={code}&patient={FIRST}")))
    system = task["code"]["coding"][0]["system"]
    for text, hits in ((f"{system}|{code}", 1), (f"|{code}", 0), (f"{system}|", None), (f"urn:x|{code}", 0)):
        got = found(ok(caller.get(f"/Task?{urlencode({'code': text, 'patient': FIRST})}")))
        assert len(got) == hits if hits is not None else len(got) > 1, text


def test_a_patient_is_found_by_number(caller):
    (person,) = found(ok(caller.get(f"/Patient?identifier={FIRST}")))
    assert person["id"] == FIRST
    assert found(ok(caller.get(f"/Patient?identifier=urn:other|{FIRST}"))) == []
    assert found(ok(caller.get("/Patient?identifier=0000"))) == []


@pytest.mark.parametrize(
    ("sent", "fits"),
    [
        ("_lastUpdated=ge2000", True),
        ("_lastUpdated=lt2000-01", False),
        ("_lastUpdated=gt2000-01-01T00:00:00Z", True),
        ("_lastUpdated=ge2000&_lastUpdated=le2001", False),
        ("_lastUpdated=eb2000", False),
        ("_lastUpdated=sa2000", True),
    ],
)
def test_what_changed_since_is_found(caller, sent, fits):
    assert bool(found(ok(caller.get(f"/Task?{sent}")))) is fits


def test_a_day_in_the_question_is_the_whole_of_that_day(caller):
    (person,) = found(ok(caller.get(f"/Patient?_id={FIRST}")))
    born = person["birthDate"]
    for text, hit in ((born, 1), (born[:7], 1), (born[:4], 1), (f"ne{born}", 0), (f"ge{born}", 1), (f"gt{born}", 0)):
        assert len(found(ok(caller.get(f"/Patient?birthdate={text}&_id={FIRST}")))) == hit, text


def test_pages_together_are_all_of_it_and_each_but_once(lead):
    for kind in ("Task", "Provenance", "Patient", "CodeSystem"):
        whole = found(ok(lead.get(f"/{kind}?_count=200")))
        for size in (1, 3, 7):
            paged = [each for page in pages(lead, f"/{kind}?_count={size}") for each in found(page)]
            assert [p["id"] for p in paged] == [w["id"] for w in whole], (kind, size)


def test_a_search_that_is_complete_says_how_many(caller):
    assert ok(caller.get(f"/Task?patient={FIRST}&_count=200"))["total"] > 0
    assert "total" not in ok(caller.get(f"/Task?patient={FIRST}&_count=1"))


def test_parameters_may_come_in_a_form(caller):
    asked = {"patient": FIRST, "status": "ready"}
    posted = caller.post("/Task/_search", data=asked)
    assert found(ok(posted)) == found(ok(caller.get(f"/Task?{urlencode(asked)}")))
    assert wrong(caller.post("/Task/_search", json=asked), 415).startswith("The parameters of _search")


def test_an_unknown_parameter_is_left_out_and_said_or_refused_where_so_asked(caller):
    lenient = ok(caller.get(f"/Task?patient={FIRST}&colour=red"))
    (note,) = [e["resource"] for e in lenient["entry"] if e["search"]["mode"] == "outcome"]
    assert "colour" in note["issue"][0]["diagnostics"]
    assert "colour" not in lenient["link"][0]["url"]
    said = wrong(caller.get("/Task?colour=red", headers={"Prefer": "handling=strict"}), 400)
    assert said.startswith("colour is no search parameter of Task here; expected one of _id, _lastUpdated")


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/Task?status:not=ready", 400, "status:not: modifiers are not supported here"),
        ("/Task?_count=many", 400, "_count: 'many' is not a number"),
        ("/Task?_lastUpdated=yesterday", 400, "_lastUpdated: 'yesterday' is no date"),
        ("/Task?_lastUpdated=9999-12-31", 400, "_lastUpdated: '9999-12-31' is no date"),
        ("/Task?_lastUpdated=2026-02-30", 400, "_lastUpdated: '2026-02-30' is no date"),
        ("/Task?patient=", 400, "patient has no value"),
        ("/Task?_cursor=nonsense", 422, "query.cursor: this is no cursor"),
        ("/Appointment", 404, "There is no Appointment here"),
        ("/Task?_format=xml", 406, "Only application/fhir+json is spoken here"),
        ("/nothing/at/all/here", 404, "There is nothing at this address"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(caller, address, status, said):
    assert said in wrong(caller.get(address), status)


def test_nothing_can_be_written(caller, store):
    assert "is not possible here" in wrong(caller.put(f"/Patient/{FIRST}", json={}), 405)
    assert "is not possible here" in wrong(caller.delete(f"/Patient/{FIRST}"), 405)
    assert "is not possible here" in wrong(caller.post("/Patient", json={}), 405)


# ---------------------------------------------------------------- everything


def test_everything_of_a_patient_is_on_one_page_and_refers_to_what_is_there(lead):
    bundle = ok(lead.get(f"/Patient/{FIRST}/$everything"))
    told = found(bundle)
    assert bundle["total"] == len(told)
    kinds = {each["resourceType"] for each in told}
    assert {"Patient", "Condition", "CarePlan", "Task", "Observation", "Provenance", "DocumentReference"} <= kinds
    there = {f"{each['resourceType']}/{each['id']}" for each in told}
    assert {target for each in told for target in r4.references(each)} <= there


def test_everything_may_be_narrowed_and_says_what_it_left_out_of_account(lead):
    address = f"/Patient/{FIRST}/$everything"
    some = ok(lead.get(f"{address}?_type=Task,Patient&_since=2000-01-01&start=2026"))
    assert {each["resourceType"] for each in found(some)} == {"Task", "Patient"}
    (note,) = [e["resource"] for e in some["entry"] if e["search"]["mode"] == "outcome"]
    assert note["issue"][0]["diagnostics"].startswith("start: no parameter here")
    assert found(ok(lead.get(f"{address}?_since=2100-01-01"))) == []
    assert "is no date" in wrong(lead.get(f"{address}?_since=soon"), 400)


def test_a_merged_record_is_read_where_it_goes_on(caller, store):
    (old,) = found(ok(caller.get(f"/CarePlan?patient={SECOND}")))
    both = frozenset(episode.id for number in (FIRST, SECOND) for episode in store.case(number).episodes)
    assert isinstance(merge(store, Asked(FIRST, SECOND, "one person", "D. Sample", goes_on=both), NOW), Merged)
    assert ok(caller.get(f"/CarePlan/{old['id']}"))["subject"]["reference"] == f"Patient/{FIRST}"
    assert ok(caller.get(f"/Patient/{SECOND}"))["link"][0]["type"] == "replaced-by"
    assert len(found(ok(caller.get(f"/CarePlan?patient={FIRST}")))) == 2
    assert len(found(ok(caller.get("/Patient")))) == 2


# ---------------------------------------------------------------- who may see what


def test_without_a_token_nothing_but_the_statement_is_open(nobody):
    for address in ("/Patient", f"/Patient/{FIRST}", "/CodeSystem", f"/Patient/{FIRST}/$everything"):
        response = nobody.get(address)
        assert "Send a token" in wrong(response, 401)
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_every_route_but_the_statement_has_one_door(house):
    found = {r.path: len(list(doors_of(r.dependant))) for r in flat(create_fhir(house, RateLimit(60)).routes)}
    assert {path for path, doors in found.items() if doors != 1} == {"/metadata"}
    assert len(found) == 5


def test_a_token_that_was_not_made_for_reading_opens_nothing(house):
    shown = {"Authorization": f"Bearer {token(house.store, 'coordinator', RECORD)}"}
    with TestClient(create_app(house), BASE, headers=shown) as client:
        assert "This needs the scope read" in wrong(client.get("/Patient"), 403)


@pytest.mark.parametrize("role", sorted(ROLES))
def test_each_role_sees_what_the_one_table_says(house, role):
    for client in called(house, role):
        for kind in PARAMETERS:
            permitted = refusal(role, NEEDS.get(kind, May.SEE_PATIENTS)) is None
            response = client.get(f"/{kind}?_count=1")
            if permitted:
                ok(response)
            else:
                assert "may not" in wrong(response, 403)
        if refusal(role, May.SEE_PATIENTS) is None:
            kinds = {each["resourceType"] for each in found(ok(client.get(f"/Patient/{FIRST}/$everything")))}
            assert ("DocumentReference" in kinds) is (refusal(role, May.AUDIT) is None)


def test_what_the_service_says_is_what_is_exported(caller, store):
    exported = {
        e["resource"]["id"]: e["resource"]
        for e in patient_bundle(store, FIRST, NOW)["entry"]
        if e["resource"]["resourceType"] == "Task"
    }
    served = found(ok(caller.get(f"/Task?patient={FIRST}&_count=200")))
    assert {each["id"] for each in served} == set(exported)
    for each in served:
        assert each["restriction"] == exported[each["id"]]["restriction"]
        assert each["status"] == exported[each["id"]]["status"]


# ---------------------------------------------------------------- whatever is asked


WORDS = st.one_of(
    st.sampled_from(
        (FIRST, f"{FIRST}.1", "-00", "--", "-2", "x-ZZ", "..", "ge2026", "9999-12-31", "0000", "a|b", ",", "|")
    ),
    st.text(max_size=12),
)
NAMES = st.sampled_from(
    (
        "_id",
        "_count",
        "_cursor",
        "_lastUpdated",
        "patient",
        "status",
        "code",
        "identifier",
        "birthdate",
        "target",
        "url",
    )
)


@pytest.fixture(scope="module")
def asked(new_url):
    """A service of its own that answers a lead, for many questions."""
    with store_on(new_url()) as store:
        in_care(store, FIRST)
        give_account(store, "lead")
        house = House(store, Settings(api_per_minute=1_000_000), Clock(NOW))
        shown = {"Authorization": f"Bearer {token(store, 'lead')}"}
        with TestClient(create_app(house), BASE, headers=shown, raise_server_exceptions=False) as client:
            yield client


@given(kind=st.sampled_from(sorted(PARAMETERS)), name=WORDS)
def test_any_id_is_answered_in_a_sentence(asked, kind, name):
    for address in (f"/{kind}/{quote(name, safe='')}", f"/Patient/{quote(name, safe='')}/$everything"):
        answer = asked.get(address)
        assert answer.status_code < 500, (address, answer.text)


@given(kind=st.sampled_from(sorted(PARAMETERS)), sent=st.lists(st.tuples(NAMES, WORDS), max_size=3))
def test_any_search_is_answered_in_a_sentence(asked, kind, sent):
    answer = asked.get(f"/{kind}?{urlencode(sent)}")
    assert answer.status_code < 500, (kind, sent, answer.text)
    assert answer.json()["resourceType"] in ("Bundle", "OperationOutcome")


@given(place=st.lists(st.one_of(WORDS, st.integers(), st.none()), max_size=3))
def test_any_cursor_is_answered_in_a_sentence(asked, place):
    answer = asked.get(f"/Task?_cursor={sealed(*place)}")
    assert answer.status_code < 500, (place, answer.text)
