"""CDS Hooks over real HTTP: what is offered, which cards come, who may call, and what people made of the cards."""

import json
import threading
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from coordinator.cds.app import SERVICE
from coordinator.settings import Settings
from coordinator.web.app import create_app
from coordinator.web.house import House
from persistence import models
from tests.api.conftest import FIRST, SECOND
from tests.journeys.people import examined, pain
from tests.persistence.shelf import rows, store_on
from tests.web.conftest import NOW, Clock
from tests.web.people import in_care, told

PARTS = (
    *("hook", "hookInstance", "context", "prefetch", "patient", "patientId", "userId", "fhirServer", "resourceType"),
    *("identifier", "value", "type", "system", "use", "name", "family", "given", "birthDate", "gender", "id"),
    *("feedback", "card", "outcome", "outcomeTimestamp", "overrideReason", "reason", "userComment", "code", "display"),
)
HERE = "http://127.0.0.1:8000"
SERVICES, DO_NEXT = "/cds/cds-services", f"/cds/cds-services/{SERVICE}"
FEEDBACK = f"{DO_NEXT}/feedback"
ISSUER = "https://ehr.example.org"


def client_of(house, base=HERE, client=("127.0.0.1", 50000), **headers):
    return TestClient(create_app(house), base, client=client, headers=headers)


@pytest.fixture
def rehearsal(store, clock):
    """Nothing in it is real, and nothing is set up."""
    return House(store, Settings(), clock, simulation=True)


@pytest.fixture
def here(rehearsal):
    """Called from this very machine."""
    with client_of(rehearsal) as found:
        yield found


def person(number=FIRST, /, **parts):
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
    known = {
        "resourceType": "Patient",
        "id": "ehr-1",
        "identifier": [{"type": kind, "system": "urn:ehr", "value": number}],
        "name": [{"use": "official", "family": "Sample", "given": ["Ada"]}],
        "birthDate": "1945-06-01",
    }
    return {name: value for name, value in (known | parts).items() if value is not None}


def call(sent=None, /, **parts):
    context = {"userId": "Practitioner/p1", "patientId": "ehr-1"}
    known = {"hook": "patient-view", "hookInstance": str(uuid4()), "context": context, "prefetch": {"patient": sent}}
    return {name: value for name, value in (known | parts).items() if value is not None}


def cards(response):
    assert response.status_code == 200, response.text
    return response.json()["cards"]


# ---------------------------------------------------------------- what is offered, and the cards


def test_what_is_offered_is_open_and_says_what_it_needs(here):
    (service,) = here.get(SERVICES).json()["services"]
    assert (service["hook"], service["id"]) == ("patient-view", SERVICE)
    assert service["prefetch"] == {"patient": "Patient/{{context.patientId}}"}
    assert {"title", "description"} <= service.keys()


def test_each_card_names_its_rule_its_sources_and_marks_in_words(here, store, clock):
    clock.now = NOW + timedelta(days=60)
    store.settle(clock.now)
    found = cards(here.post(DO_NEXT, json=call(person())))
    assert len(found) > 2
    for card in found:
        assert len(card["summary"]) < 140
        assert card["indicator"] in ("info", "warning", "critical")
        assert card["source"]["label"].startswith("Clinical pathway engine, rule ")
        assert card["source"]["url"] == f"{HERE}/pathway/sources"
        assert card["links"][0] == {
            "label": "Open the patient on the pathway",
            "url": f"{HERE}/patient/{FIRST}",
            "type": "absolute",
        }
        assert "Sources:\n- S" in card["detail"]
        assert "does not replace clinical judgement" in card["detail"]
        assert "[E]" not in card["detail"].replace(store.engine.guideline.disclaimer, "")
    reassess = next(c for c in found if "(K-REASSESS)" in c["detail"])
    assert "days overdue" in reassess["summary"]
    assert reassess["indicator"] == "warning"
    assert "an engineering choice that no source contains" not in reassess["detail"]
    drug = next(c for c in found if "(K-OPRX)" in c["detail"])
    assert "This is an engineering choice that no source contains" in drug["detail"]
    assert "S1-22" in reassess["source"]["label"]


def test_a_red_flag_comes_first_and_is_critical(here, store):
    told(store, examined(motor_deficit=True), patient=FIRST)
    first, *others = cards(here.post(DO_NEXT, json=call(person())))
    assert first["indicator"] == "critical"
    assert first["source"]["topic"]["code"] == "K-SURG-ACK"
    assert "critical" not in {card["indicator"] for card in others}


def test_the_same_matter_is_the_same_card(here, store):
    told(store, pain(8, "worsening"), patient=FIRST)
    once, again = (cards(here.post(DO_NEXT, json=call(person()))) for _ in range(2))
    assert [card["uuid"] for card in once] == [card["uuid"] for card in again]
    assert len({card["uuid"] for card in once}) == len(once)
    kept = {row.id: row.times for row in rows(store, models.Card)}
    assert kept == {card["uuid"]: 2 for card in once}


def test_who_looked_is_in_the_book(here, store):
    cards(here.post(DO_NEXT, json=call(person())))
    (look,) = rows(store, models.Viewing)
    assert (look.email, look.role, look.patient_id) == ("this machine Practitioner/p1", "another system", FIRST)


# ---------------------------------------------------------------- who it is about


def test_somebody_who_is_not_followed_gets_no_card_and_leaves_no_trace(here, store):
    for sent in (person("0000"), person(identifier=None), person(FIRST, identifier=[{"value": FIRST, "use": "old"}])):
        assert cards(here.post(DO_NEXT, json=call(sent))) == []
    assert rows(store, models.Viewing) == rows(store, models.Card) == []


@pytest.mark.parametrize("differs", [{"birthDate": "1950-01-01"}, {"name": [{"family": "Other"}]}])
def test_a_number_that_is_somebody_elses_here_shows_nothing_and_says_so(here, store, differs):
    (card,) = cards(here.post(DO_NEXT, json=call(person(**differs))))
    assert card["indicator"] == "warning"
    assert card["summary"] == "Not sure who this is on the pathway: nothing is shown"
    assert f"Number {FIRST} belongs here to somebody with another name or date of birth." in card["detail"]
    assert rows(store, models.Viewing) == []


def test_numbers_of_two_patients_show_nothing_and_say_so(here):
    both = [{"value": "9999"}, {"value": FIRST}, {"value": SECOND}]
    (card,) = cards(here.post(DO_NEXT, json=call(person(identifier=both))))
    assert "Its numbers belong to different patients here." in card["detail"]


def test_without_the_patient_it_cannot_be_told(here):
    answer = here.post(DO_NEXT, json=call(prefetch=None))
    assert answer.status_code == 412
    assert answer.json()["detail"].startswith("The patient was not sent along")


def test_a_patient_of_our_own_fhir_service_is_known_by_our_id(here):
    context = {"userId": "Practitioner/p1", "patientId": FIRST}
    asked = call(prefetch=None, context=context, fhirServer=f"{HERE}/fhir/R4")
    assert cards(here.post(DO_NEXT, json=asked))
    assert here.post(DO_NEXT, json={**asked, "fhirServer": "https://ehr.example.org/fhir"}).status_code == 412


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"hook": "order-sign"}, "hook is 'order-sign'; expected patient-view"),
        ({"hookInstance": "x"}, "hookInstance is no UUID"),
        ({"context": {}}, "context.patientId is missing"),
        ({"prefetch": {"patient": {"resourceType": "Group"}}}, "prefetch.patient is no Patient resource"),
        ({"prefetch": {"patient": {**person(), "id": "other"}}}, "is not the patient of context.patientId"),
    ],
)
def test_a_call_that_cannot_be_understood_is_refused_in_a_sentence(here, spoil, said):
    answer = here.post(DO_NEXT, json={**call(person()), **spoil})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_what_is_no_json_is_refused(here):
    sent = {"Content-Type": "application/json"}
    assert here.post(DO_NEXT, content=b"{", headers=sent).status_code == 422
    assert here.post(DO_NEXT, content=b"[1]", headers=sent).status_code == 422
    assert here.post(DO_NEXT, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415


# ---------------------------------------------------------------- feedback


def word(card, outcome="accepted", **parts):
    return {"card": card, "outcome": outcome, "outcomeTimestamp": "2026-03-16T09:00:00Z", **parts}


def test_what_people_made_of_a_card_is_kept_once(here, store):
    one, other, *_ = cards(here.post(DO_NEXT, json=call(person())))
    reason = {"reason": {"code": "seen", "display": "Seen yesterday"}, "userComment": "The scan is booked"}
    told_of = [word(one["uuid"]), word(other["uuid"], "overridden", overrideReason=reason)]
    for _ in range(2):
        assert here.post(FEEDBACK, json={"feedback": told_of}).status_code == 200
    kept = {row.card_id: (row.outcome, row.reason, row.comment) for row in rows(store, models.CardFeedback)}
    assert kept == {
        one["uuid"]: ("accepted", "", ""),
        other["uuid"]: ("overridden", "Seen yesterday", "The scan is booked"),
    }


@pytest.mark.parametrize(
    ("spoil", "status", "said"),
    [
        ({"card": str(uuid4())}, 404, "was never shown from here"),
        ({"outcome": "ignored"}, 422, "feedback[1].outcome is none of accepted, overridden"),
        ({"outcomeTimestamp": "yesterday"}, 422, "feedback[1].outcomeTimestamp is no time"),
        ({"outcomeTimestamp": "2026-03-16T09:00:00"}, 422, "feedback[1].outcomeTimestamp has no zone"),
        ({"card": 7}, 422, "feedback[1].card is missing"),
    ],
)
def test_feedback_is_kept_whole_or_not_at_all(here, store, spoil, status, said):
    card, *_ = cards(here.post(DO_NEXT, json=call(person())))
    answer = here.post(FEEDBACK, json={"feedback": [word(card["uuid"]), {**word(card["uuid"]), **spoil}]})
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert rows(store, models.CardFeedback) == []


# ---------------------------------------------------------------- who may call


@pytest.mark.parametrize(
    ("base", "client", "headers"),
    [
        (HERE, ("10.0.0.7", 50000), {}),
        ("http://evil.example.org", ("127.0.0.1", 50000), {}),
        (HERE, ("127.0.0.1", 50000), {"X-Forwarded-For": "10.0.0.7"}),
        (HERE, ("127.0.0.1", 50000), {"Forwarded": "for=10.0.0.7"}),
    ],
)
def test_with_nothing_set_up_only_this_machine_itself_may_call(rehearsal, base, client, headers):
    with client_of(rehearsal, base, client, **headers) as other:
        answer = other.post(DO_NEXT, json=call(person()))
        assert answer.status_code == 401
        assert "PATHWAY_CDS_ISSUERS" in answer.json()["detail"]
        assert other.get(SERVICES).status_code == 200


def test_of_real_patients_nobody_is_told_without_proof_not_even_here(house, store):
    with client_of(house) as near:
        assert near.post(DO_NEXT, json=call(person())).status_code == 401
        assert near.post(FEEDBACK, json={"feedback": [word("x")]}).status_code == 401
    assert rows(store, models.Viewing) == []


@pytest.fixture(scope="module")
def key():
    return ECKey.generate_key("P-384", {"kid": "one", "use": "sig"}, private=True)


@pytest.fixture(scope="module")
def stranger():
    return ECKey.generate_key("P-384", {"kid": "one", "use": "sig"}, private=True)


@contextmanager
def serving(keys):
    """A hospital's system that publishes its keys, on a real port."""
    app = FastAPI()
    app.get("/keys")(lambda: {"keys": [each.as_dict(private=False) for each in keys]})
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ready = threading.Event()
    while not server.started:
        assert thread.is_alive(), "the keys are not served"
        ready.wait(0.02)
    (socket,) = server.servers[0].sockets
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}/keys"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def hospital(store, clock, key):
    """The service with one system set up whose keys are at an address; calls come from far away."""
    with serving([key]) as address:
        house = House(store, Settings(cds_issuers={ISSUER: address}, web_url="https://pathway.example.org"), clock)
        with client_of(house, "https://pathway.example.org", ("10.0.0.7", 50000)) as found:
            yield found


AUDIENCE = f"https://pathway.example.org{DO_NEXT}"


def signed(key, *, header=None, **claims):
    at = int(NOW.timestamp())
    known = {"iss": ISSUER, "aud": AUDIENCE, "iat": at, "exp": at + 300, "jti": str(uuid4())}
    whole = {name: value for name, value in (known | claims).items() if value is not None}
    token = jwt.encode({"alg": "ES384", "kid": "one", **(header or {})}, whole, key, algorithms=["ES384"])
    return {"Authorization": f"Bearer {token}"}


def test_a_system_that_proves_itself_gets_the_cards_and_stands_in_the_book(hospital, key, store):
    assert cards(hospital.post(DO_NEXT, json=call(person()), headers=signed(key)))
    (look,) = rows(store, models.Viewing)
    assert look.email == f"{ISSUER} Practitioner/p1"


def test_a_token_is_good_once(hospital, key):
    token = signed(key)
    assert cards(hospital.post(DO_NEXT, json=call(person()), headers=token))
    answer = hospital.post(DO_NEXT, json=call(person()), headers=token)
    assert answer.status_code == 401
    assert "used before" in answer.json()["detail"]


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example.org"},
        {"iss": None},
        {"aud": "https://pathway.example.org/cds/cds-services"},
        {"aud": None},
        {"exp": int(NOW.timestamp()) - 600, "iat": int(NOW.timestamp()) - 900},
        {"exp": int(NOW.timestamp()) + 7200},
        {"exp": None},
        {"iat": None},
        {"iat": int(NOW.timestamp()) + 3600, "exp": int(NOW.timestamp()) + 3700},
        {"jti": None},
    ],
)
def test_a_token_that_says_anything_else_opens_nothing(hospital, key, store, claims):
    answer = hospital.post(DO_NEXT, json=call(person()), headers=signed(key, **claims))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert rows(store, models.Viewing) == []


def test_a_token_of_another_key_opens_nothing(hospital, stranger):
    assert hospital.post(DO_NEXT, json=call(person()), headers=signed(stranger)).status_code == 401


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer x", "Bearer a.b.c", "Basic YTpi", "Bearer eyJhbGciOiJub25lIn0.e30."]
)
def test_what_is_no_token_opens_nothing(hospital, shown):
    answer = hospital.post(DO_NEXT, json=call(person()), headers={"Authorization": shown} if shown else {})
    assert answer.status_code == 401


def test_keys_may_stand_in_a_file(store, clock, key, tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    house = House(store, Settings(cds_issuers={ISSUER: str(file)}, web_url="https://pathway.example.org"), clock)
    with client_of(house, "https://pathway.example.org", ("10.0.0.7", 50000)) as far:
        assert cards(far.post(DO_NEXT, json=call(person()), headers=signed(key)))
        file.unlink()
        clock.now = NOW + timedelta(hours=1)
        assert far.post(DO_NEXT, json=call(person()), headers=signed(key)).status_code == 401


def test_once_a_system_is_set_up_this_machine_too_needs_proof(store, clock, key):
    with serving([key]) as address:
        house = House(store, Settings(cds_issuers={ISSUER: address}), clock, simulation=True)
    with client_of(house) as near:
        assert near.post(DO_NEXT, json=call(person())).status_code == 401


# ---------------------------------------------------------------- browsers


def test_only_configured_origins_may_ask_from_a_browser(store, clock):
    house = House(store, Settings(cds_origins=("https://sandbox.example.org",)), clock)
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    with client_of(house) as near:
        ours = near.options(DO_NEXT, headers={"Origin": "https://sandbox.example.org", **asked})
        assert ours.headers["access-control-allow-origin"] == "https://sandbox.example.org"
        theirs = near.options(DO_NEXT, headers={"Origin": "https://evil.example.org", **asked})
        assert "access-control-allow-origin" not in theirs.headers


def test_with_no_origin_configured_no_browser_may_ask(here):
    asked = {"Origin": "https://sandbox.example.org", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in here.options(DO_NEXT, headers=asked).headers


# ---------------------------------------------------------------- whatever is sent

ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(("\x00", FIRST, "\ud800"))),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(PARTS), inner, max_size=3)),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def asked(new_url):
    with store_on(new_url()) as store:
        in_care(store, FIRST)
        house = House(store, Settings(api_per_minute=1_000_000), Clock(NOW), simulation=True)
        with TestClient(create_app(house), HERE, client=("127.0.0.1", 5), raise_server_exceptions=False) as client:
            yield client


@given(name=st.sampled_from(PARTS), odd=ODD, where=st.sampled_from(("body", "context", "patient", "feedback")))
def test_whatever_is_sent_is_answered_in_a_sentence(asked, name, odd, where):
    body, person_sent, said = call(person()), person(), word("x")
    if where == "body":
        body[name] = odd
    elif where == "context":
        body["context"] = {**body["context"], name: odd}
    elif where == "patient":
        person_sent[name] = odd
        body["prefetch"] = {"patient": person_sent}
    else:
        said[name] = odd
        body = {"feedback": [said]}
    address = FEEDBACK if where == "feedback" else DO_NEXT
    sent = json.dumps(body).encode()
    answer = asked.post(address, content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, (sent, answer.text)
