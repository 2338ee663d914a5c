"""People make tokens for their programs themselves, see each secret once, and end what they no longer need."""

import re

import pytest
from fastapi.testclient import TestClient

from persistence.audit import viewings
from persistence.tokens import Tokens
from tests.web.conftest import NOW, address
from tests.web.people import words

ASKED = {"name": "ward board", "scope": ["read", "record"], "days": "30"}


def made(browser: TestClient, **change: object) -> str:
    answer = browser.post("/account/tokens", data={**ASKED, **change})
    assert answer.status_code == 200, words(answer)
    found = re.search(r"pathway_[\w-]{40,}", answer.text)
    assert found
    return found[0]


def call(browser: TestClient, secret: str, path: str = "/me"):
    return browser.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {secret}"})


def test_a_token_of_ones_own_opens_the_api_and_its_secret_is_seen_once(coordinator, store):
    secret = made(coordinator)
    answer = call(coordinator, secret)
    assert (answer.status_code, answer.json()["email"]) == (200, address("coordinator"))
    page = coordinator.get("/account")
    assert secret not in page.text
    assert "ward board" in words(page)
    assert secret[:14] in page.text
    assert "Read what I may see, Record in my name" in words(page)


def test_a_token_is_ended_on_the_page(coordinator, store):
    secret = made(coordinator)
    (row,) = Tokens(store.database).all(address("coordinator"))
    answer = coordinator.post("/account/tokens/revoke", data={"token": row.id})
    assert answer.status_code == 303
    assert "opens nothing any more" in words(coordinator.get("/account"))
    assert call(coordinator, secret).status_code == 401
    again = coordinator.post("/account/tokens/revoke", data={"token": row.id})
    assert again.status_code == 404


def test_nobody_ends_the_token_of_somebody_else(coordinator, clinician, store):
    secret = made(coordinator)
    (row,) = Tokens(store.database).all(address("coordinator"))
    assert clinician.post("/account/tokens/revoke", data={"token": row.id}).status_code == 404
    assert call(coordinator, secret).status_code == 200
    assert "ward board" not in words(clinician.get("/account"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "what the token is for"),
        ({"scope": []}, "no scope was named"),
        ({"scope": ["webhooks"]}, "may not connect other systems"),
        ({"days": "900"}, "from 1 to 366 days"),
        ({"days": "soon"}, "as a number"),
    ],
)
def test_a_token_that_cannot_be_is_not_made(coordinator, store, change, said):
    answer = coordinator.post("/account/tokens", data={**ASKED, **change})
    assert answer.status_code == 422
    assert said in words(answer)
    assert Tokens(store.database).all() == []


def test_only_scopes_of_use_to_the_role_are_offered(signed_in):
    offered = {
        role: re.findall(r'name="scope" value="(\w+)"', signed_in(role).get("/account").text)
        for role in ("auditor", "coordinator", "lead", "administrator")
    }
    assert offered == {
        "auditor": ["read"],
        "coordinator": ["read", "record"],
        "lead": ["read", "record", "webhooks"],
        "administrator": ["read", "webhooks"],
    }


def test_what_was_done_about_tokens_is_on_record(coordinator, signed_in):
    made(coordinator)
    said = words(signed_in("auditor").get("/audit/accounts"))
    assert "token made → ward board: read record" in said


def test_who_looks_at_a_patient_by_a_token_is_on_record_like_on_a_page(coordinator, store):
    patient = store.patients()[0]
    assert call(coordinator, made(coordinator), f"/patients/{patient}").status_code == 200
    (seen,) = viewings(store, patient=patient)
    assert (seen.email, seen.page, seen.at) == (address("coordinator"), "api patient", NOW)
