"""Every write happens once, whoever sends it again; and never upon a record that somebody has changed meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from coordinator.settings import Settings
from coordinator.web.app import create_app
from coordinator.web.house import House
from pathway.errors import NoSuchPatient
from pathway.journal import Step
from persistence import models
from persistence.verify import verify
from tests.api.calls import EPISODE, NEW, WRITES, send
from tests.api.conftest import ADDRESS, FIRST, SECOND, token, version
from tests.persistence.shelf import counts, rows, store_on
from tests.web.conftest import Clock
from tests.web.people import NOW, told

OBSERVE = WRITES["observe"]


def lines(store, patient: str) -> list[tuple[int, str]]:
    """The lines that people made, of all episodes."""
    found = rows(store, models.Entry, patient_id=patient)
    return [(row.seq, row.kind) for row in found if row.actor != "system"]


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_is_sent_twice_happens_once(program, store, name):
    write, client = WRITES[name], program(WRITES[name].role)
    seen = version(store)
    first = send(client, write, "k-1", seen)
    assert first.status_code == write.status, first.text
    assert first.json()["saved"]
    before = counts(store)
    again = send(client, write, "k-1", seen)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert counts(store) == before
    assert client.get(first.headers["location"].removeprefix("/api/v1")).status_code == 200
    assert not verify(store).problems


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_is_sent_twice_at_once_happens_once(url, store, name):
    """By two processes, each with a store of its own."""
    write, seen = WRITES[name], version(store)
    before = len(lines(store, write.patient))
    shown = {"Authorization": f"Bearer {token(store, write.role)}"}
    start = Barrier(2)

    def post(client: TestClient) -> Response:
        start.wait()
        return send(client, write, "k-1", seen)

    with ExitStack() as opened, ThreadPoolExecutor(2) as pool:
        desks = [opened.enter_context(store_on(url)) for _ in range(2)]
        apps = [create_app(House(desk, Settings(), Clock(NOW))) for desk in desks]
        clients = [TestClient(app, f"{ADDRESS}/api/v1", headers=shown) for app in apps]
        # The framework makes its routes ready at the first call, and not in several threads at once.
        assert {client.get("/me").status_code for client in clients} == {200}
        answers = list(pool.map(post, clients))
    assert {answer.status_code for answer in answers} == {write.status}, [answer.text for answer in answers]
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 1
    assert len(lines(store, write.patient)) == before + 1


def test_a_key_belongs_to_its_request(coordinator, store):
    seen = version(store)
    assert send(coordinator, OBSERVE, "k-1", seen).status_code == 201
    before = counts(store)
    other = coordinator.post(
        OBSERVE.path,
        json={"kind": "symptoms", "data": {"nrs": 6}},
        headers={"Idempotency-Key": "k-1", "If-Match": '"1"'},
    )
    elsewhere = send(coordinator, WRITES["administer"], "k-1", seen)
    assert [answer.status_code for answer in (other, elsewhere)] == [422, 422]
    assert "another request" in other.json()["detail"]
    assert counts(store) == before


def test_a_key_belongs_to_its_token(program, store):
    """Two programs that count from one do not answer for each other."""
    for role in ("coordinator", "clinician"):
        answer = send(program(role), OBSERVE, "1", version(store))
        assert answer.status_code == 201
        assert "idempotency-replayed" not in answer.headers


def test_how_a_request_is_spelt_does_not_make_it_another(coordinator, store):
    headers = {"Idempotency-Key": "k-1", "If-Match": f'"{version(store)}"', "Content-Type": "application/json"}
    one, other = b'{"kind":"symptoms","data":{"nrs":5}}', b'{ "data": {"nrs": 5},  "kind": "symptoms" }'
    first = coordinator.post(OBSERVE.path, content=one, headers=headers)
    assert first.status_code == 201
    assert coordinator.post(OBSERVE.path, content=other, headers=headers).json() == first.json()


@pytest.mark.parametrize("name", WRITES)
def test_a_write_needs_a_key(program, store, name):
    write, client = WRITES[name], program(WRITES[name].role)
    before = counts(store)
    headers = {"If-Match": f'"{version(store)}"'}
    answer = client.post(write.path, json=write.body, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["place"] == "header.Idempotency-Key"
    assert counts(store) == before


@pytest.mark.parametrize("name", [name for name, write in WRITES.items() if write.versioned])
def test_a_write_on_an_episode_names_the_version_that_was_read(program, store, name):
    write, client, before = WRITES[name], program(WRITES[name].role), lines(store, FIRST)
    missing = send(client, write, "k-1", None)
    assert (missing.status_code, missing.json()["type"]) == (428, "/api/v1/problems#condition-missing")
    for tag in ("*", "12", 'W/"12"', '"a"', '"1", "2"', '"99999999999"'):
        answer = client.post(write.path, json=write.body, headers={"Idempotency-Key": "k-1", "If-Match": tag})
        assert answer.status_code == 422, tag
    ahead = send(client, write, "k-1", version(store) + 1)
    assert ahead.status_code == 412
    assert lines(store, FIRST) == before
    assert send(client, write, "k-1", version(store)).status_code == 201, "a key is free as long as nothing was saved"


def test_who_was_first_is_told_to_who_was_second(program, store):
    seen = version(store)
    told(store, Step("admin", "contact", {"outcome": "reached"}), by="C. Colleague")
    before = lines(store, FIRST)
    answer = send(program("clinician"), WRITES["decide"], "k-1", seen)
    assert answer.status_code == 412
    (first,) = answer.json()["saved_since"]
    assert (first["who"], first["kind"]) == ("C. Colleague", "contact")
    assert "C. Colleague saved contact" in answer.json()["detail"]
    assert lines(store, FIRST) == before


def test_a_red_flag_is_taken_in_whoever_was_first(coordinator, store):
    seen = version(store)
    told(store, Step("admin", "contact", {"outcome": "reached"}), by="C. Colleague")
    answer = coordinator.post(
        OBSERVE.path,
        json={"kind": "neuro_exam", "data": {"motor_deficit": True, "complete": True}},
        headers={"Idempotency-Key": "k-1", "If-Match": f'"{seen}"'},
    )
    assert answer.status_code == 201
    assert answer.json()["standings"][0]["state"] == "SURGICAL_REFERRAL"
    assert "alert" in {line["mark"] for line in answer.json()["happened"]}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"kind": "symptoms", "data": {"nrs": 11}}, 422, "OUT_OF_RANGE"),
        ({"kind": "symptoms", "data": {"nrs": 5}, "effective": "2026-12-31"}, 422, "FUTURE_DATE"),
        ({"kind": "pulse", "data": {"rate": 80}}, 422, "OUT_OF_RANGE"),
    ],
)
def test_what_the_engine_refuses_is_in_the_journal_once(coordinator, store, body, status, code):
    headers = {"Idempotency-Key": "k-1", "If-Match": f'"{version(store)}"'}
    answer = coordinator.post(OBSERVE.path, json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "nothing else was saved" in answer.json()["detail"]
    refused = [row for row in rows(store, models.Entry, patient_id=FIRST) if row.refusal]
    assert [row.refusal for row in refused] == [code]
    again = coordinator.post(OBSERVE.path, json=body, headers=headers)
    assert (again.status_code, again.json()) == (status, answer.json())
    assert again.headers["content-type"] == "application/problem+json"
    assert len([row for row in rows(store, models.Entry, patient_id=FIRST) if row.refusal]) == 1


def test_what_needs_a_clinician_is_refused_to_a_coordinator(coordinator, store):
    answer = send(coordinator, WRITES["decide"], "k-1", version(store))
    assert (answer.status_code, answer.json()["code"]) == (403, "ROLE")
    assert "needs a clinician" in answer.json()["detail"]


def test_a_step_that_has_no_place_is_refused(program, store):
    body = {"kind": "complete_reassessment", "outcome": "continue", "reason": "better"}
    headers = {"Idempotency-Key": "k-1", "If-Match": f'"{version(store)}"'}
    answer = program("clinician").post(f"/episodes/{EPISODE}/decisions", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "STATE")


def test_the_journal_names_the_colleague_and_the_program(coordinator, store):
    send(coordinator, OBSERVE, "k-1", version(store))
    entry = store.journal(EPISODE)[-1]
    assert (entry.actor, entry.step.by) == ("coordinator", "A. Coordinator (a program of coordinator)")


@pytest.mark.parametrize("name", WRITES)
def test_a_dry_run_says_what_would_happen_and_saves_nothing(program, store, name):
    write, client = WRITES[name], program(WRITES[name].role)
    client.get("/me")
    before = counts(store)
    answer = send(client, write, "k-1", version(store), params={"dry_run": "true"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"], answer.text
    assert not answer.json()["saved"]
    assert counts(store) == before
    if name in ("register", "decide"):
        assert "transition" in {line["mark"] for line in answer.json()["would_happen"]}


def test_a_dry_run_says_why_it_would_be_refused(coordinator, store):
    before = counts(store)["entry"]
    answer = send(coordinator, WRITES["decide"], "k-1", version(store), params={"dry_run": "true"})
    assert (answer.status_code, answer.json()["accepted"], answer.json()["code"]) == (200, False, "ROLE")
    assert counts(store)["entry"] == before


def test_a_known_patient_is_not_registered_again(coordinator, store):
    write = WRITES["register"]
    assert send(coordinator, write, "k-1", None).status_code == 201
    before = counts(store)
    answer = send(coordinator, write, "k-2", None)
    assert (answer.status_code, answer.json()["type"]) == (409, "/api/v1/problems#exists")
    assert counts(store) == before


def test_a_message_of_the_sender_counts_once_under_any_key(coordinator, store):
    body = {"kind": "symptoms", "data": {"nrs": 5}, "event_id": "lab-1"}
    first, second = (
        coordinator.post(OBSERVE.path, json=body, headers={"Idempotency-Key": key, "If-Match": f'"{version(store)}"'})
        for key in ("k-1", "k-2")
    )
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["duplicate"]
    assert len(store.case(FIRST).episodes[0].observations) == len(
        {o.id for o in store.case(FIRST).episodes[0].observations}
    )
    assert [o.id for o in store.case(FIRST).episodes[0].observations].count("lab-1") == 1


def test_a_registration_keeps_what_is_not_known_unknown(coordinator, store):
    body = {"patient": NEW, "level": "L2"}
    answer = coordinator.post("/patients", json=body, headers={"Idempotency-Key": "k-1"})
    assert answer.status_code == 201
    (episode,) = store.case(NEW).episodes
    assert (episode.birth_date, episode.sex, episode.fracture_date) == (None, None, None)
    assert episode.onset_source == "identification_fallback"
    assert episode.owner == "A. Coordinator"


@pytest.mark.parametrize(
    "change", [{"birth_date": 0}, {"fracture_date": 1773646200}, {"first_fracture": 1}, {"scope_override": "yes"}]
)
def test_nothing_is_guessed_from_a_value_of_another_kind(coordinator, store, change):
    """A number is not read as a day of 1970, and 1 is not yes."""
    body = {"patient": NEW, "level": "L1", **change}
    answer = coordinator.post("/patients", json=body, headers={"Idempotency-Key": "k-1"})
    assert (answer.status_code, answer.json()["faults"][0]["place"]) == (422, f"body.{next(iter(change))}")
    with pytest.raises(NoSuchPatient):
        store.case(NEW)


def test_nothing_is_saved_of_a_refused_registration_but_the_refusal(coordinator, store):
    answer = coordinator.post("/patients", json={"patient": NEW, "level": "C1"}, headers={"Idempotency-Key": "k-1"})
    assert (answer.status_code, answer.json()["code"]) == (422, "OUT_OF_RANGE")
    with pytest.raises(NoSuchPatient):
        store.case(NEW)
    assert [row.refusal for row in rows(store, models.Entry, patient_id=NEW)] == ["OUT_OF_RANGE"]


BAD = {
    "no JSON": (b"{", "application/json", 422),
    "a list": (b"[]", "application/json", 422),
    "a form": (b"kind=symptoms", "application/x-www-form-urlencoded", 415),
    "no type": (b"{}", "", 415),
    "too large": (b'{"kind":"' + b"x" * 1_100_000 + b'"}', "application/json", 413),
    "NUL": (b'{"kind":"symptoms","data":{"note":"\\u0000"}}', "application/json", 422),
    "half a pair": (b'{"kind":"symptoms","data":{"note":"\\ud800"}}', "application/json", 422),
    "not a number": (b'{"kind":"symptoms","data":{"nrs":NaN}}', "application/json", 422),
    "infinite": (b'{"kind":"symptoms","data":{"nrs":1e999}}', "application/json", 422),
    "a tower": (b'{"kind":"symptoms","data":' + b'{"a":' * 60 + b"1" + b"}" * 60 + b"}", "application/json", 422),
    "a number for a date": (b'{"kind":"symptoms","data":{"nrs":1},"effective":0}', "application/json", 422),
    "a time for a date": (
        b'{"kind":"symptoms","data":{"nrs":1},"effective":"2026-03-15T00:00:00"}',
        "application/json",
        422,
    ),
    "an unknown name": (b'{"kind":"symptoms","data":{"nrs":1},"nsr":2}', "application/json", 422),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_body_is_one_problem_and_nothing_saved(coordinator, store, name):
    content, kind, status = BAD[name]
    coordinator.get("/me")
    before = counts(store)
    headers = {"Idempotency-Key": "k-1", "If-Match": f'"{version(store)}"', "Content-Type": kind}
    answer = coordinator.post(OBSERVE.path, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "othing was saved" in answer.json()["detail"]
    assert counts(store) == before


def test_a_body_in_pieces_is_counted_as_well(coordinator, store):
    pieces = (b"x" * 100_000 for _ in range(12))
    headers = {"Idempotency-Key": "k-1", "If-Match": '"1"', "Content-Type": "application/json"}
    assert coordinator.post(OBSERVE.path, content=pieces, headers=headers).status_code == 413


def test_a_step_on_somebody_else_leaves_everybody_alone(coordinator, store):
    before = lines(store, SECOND)
    send(coordinator, OBSERVE, "k-1", version(store))
    assert lines(store, SECOND) == before
