"""Nobody comes in by a door that is not theirs: every route, as nobody, with the wrong scope, as every wrong role.

The routes are read from the API itself, so a new one is tried as soon as it exists.
"""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from coordinator.settings import Settings
from coordinator.tokens import READ, SCOPES, TokenRefused, make_token
from coordinator.web.access import ROLES, refusal
from coordinator.web.app import create_app
from coordinator.web.house import House
from coordinator.web.passwords import hash_password
from persistence.accounts import Accounts
from persistence.tokens import Tokens
from tests.api.calls import routes
from tests.api.conftest import NOW, address, token, usable
from tests.web.conftest import PASSWORD
from tests.web.every_page import flat

PROBLEM = "application/problem+json"
OPEN = {("GET", "/problems")}


def ask(client, route, **headers):
    body = {"json": {}} if route.method == "POST" else {}
    return client.request(route.method, route.path, headers=headers, **body)


def test_every_route_has_exactly_one_door_or_is_written_out_here():
    assert {(r.method, r.template) for r in routes() if r.doors != 1} == OPEN


def test_the_application_serves_nothing_else(house):
    mounted = next(r for r in create_app(house).routes if getattr(r, "path", "") == "/api/v1")
    served = {(method, r.path) for r in flat(mounted.app.routes) for method in r.methods if method != "HEAD"}
    assert served == {(r.method, r.template) for r in routes()} | {("GET", "/openapi.json")}


@pytest.mark.parametrize("shown", [None, "Bearer nonsense", "Basic YTpi", "Bearer", "Bearer pathway_"])
def test_nobody_comes_in(nobody, shown):
    offenders = []
    for route in routes():
        if (route.method, route.template) in OPEN:
            continue
        answer = ask(nobody, route, **({"Authorization": shown} if shown else {}))
        problem = answer.headers.get("content-type") == PROBLEM and "Bearer" in answer.headers["www-authenticate"]
        if answer.status_code != 401 or not problem:
            offenders.append(f"{route.method} {route.path}: {answer.status_code} {answer.text[:80]}")
    assert not offenders, "\n".join(offenders)


@pytest.mark.parametrize("role", ROLES)
def test_the_wrong_role_is_told_which_one_it_needs(program, role):
    """With every scope that the role can use: what stops it here is the role, or a scope it cannot have."""
    client, offenders, tried = program(role), [], 0
    for route in routes():
        because = refusal(role, route.door.permission) if route.door else None
        if because is None:
            continue
        tried += 1
        answer = ask(client, route)
        known = because in answer.text if route.door.scope in usable(role) else route.door.scope in answer.text
        if answer.status_code != 403 or not known:
            offenders.append(f"{route.method} {route.path}: {answer.status_code} {answer.text[:120]}")
    assert not offenders, "\n".join(offenders)
    assert bool(tried) == (role != "lead"), "a lead may everything that the API offers"


@pytest.mark.parametrize("scope", SCOPES)
def test_the_wrong_scope_is_told_which_one_it_needs(program, scope):
    client, offenders, tried = program("lead", scope), [], 0
    for route in routes():
        if route.door is None or route.door.scope == scope:
            continue
        tried += 1
        answer = ask(client, route)
        if answer.status_code != 403 or f"needs the scope {route.door.scope}" not in answer.text:
            offenders.append(f"{route.method} {route.path}: {answer.status_code}")
    assert not offenders, "\n".join(offenders)
    assert tried


def test_the_right_role_and_scope_comes_in(program):
    """Or the tests above would pass with a door that is walled up."""
    clients = {role: program(role) for role in ROLES}
    for route in (r for r in routes() if r.door):
        role = next(r for r in ROLES if refusal(r, route.door.permission) is None and route.door.scope in usable(r))
        assert ask(clients[role], route).status_code not in (401, 403), route


@pytest.mark.parametrize("end", ["expired", "revoked", "closed", "demoted"])
def test_a_token_opens_nothing_when_it_is_over(program, store, clock, end):
    client = program("coordinator")
    assert client.get("/patients").status_code == 200
    expected = {"expired": "time is over", "revoked": "revoked", "closed": "revoked", "demoted": "may not see patients"}
    if end == "expired":
        clock.now = NOW + timedelta(days=30)
    elif end == "revoked":
        (row,) = Tokens(store.database).all(address("coordinator"))
        assert Tokens(store.database).revoke(row.id, NOW, "tests")
    elif end == "closed":
        Accounts(store.database).set_active(address("coordinator"), active=False, at=NOW, by="tests")
    else:
        Accounts(store.database).set_role(address("coordinator"), "administrator", at=NOW, by="tests")
    answer = client.get("/patients")
    if end == "closed":
        Accounts(store.database).set_active(address("coordinator"), active=True, at=NOW, by="tests")
        assert client.get("/patients").status_code == 401, "who comes back makes a new one"
    assert answer.status_code == (403 if end == "demoted" else 401)
    assert expected[end] in answer.json()["detail"]


def test_a_scope_that_the_role_cannot_use_makes_no_token(store):
    with pytest.raises(TokenRefused, match="may not record"):
        make_token(store, address("auditor"), "x", ["record"], days=1, at=NOW, by="tests")
    assert Tokens(store.database).all() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"email": "nobody@example.org"}, "no open account"),
        ({"name": " "}, "what the token is for"),
        ({"scopes": []}, "no scope was named"),
        ({"scopes": ["all"]}, "is no scope"),
        ({"days": 0}, "from 1 to 366 days"),
        ({"days": 367}, "from 1 to 366 days"),
    ],
)
def test_what_makes_no_token_is_said_in_a_sentence(store, change, said):
    asked = {"email": address("lead"), "name": "x", "scopes": [READ], "days": 1, **change}
    with pytest.raises(TokenRefused, match=said):
        make_token(store, **asked, at=NOW, by="tests")


def test_the_secret_is_kept_by_nobody(store):
    secret = token(store, "lead")
    (row,) = Tokens(store.database).all()
    assert secret.startswith(row.prefix)
    assert all(secret not in str(value) for value in row)


def test_a_cookie_opens_nothing_and_no_other_site_is_asked_for(program, nobody, store):
    """No cookie of a signed-in browser is heeded, so a write of a program needs no page of ours around it."""
    Accounts(store.database).change(address("lead"), password_hash=hash_password(PASSWORD))
    site = "http://testserver"
    answer = nobody.post(
        f"{site}/sign-in",
        data={"email": address("lead"), "password": PASSWORD},
        headers={"Origin": site},
        follow_redirects=False,
    )
    assert answer.status_code == 303
    assert nobody.cookies
    assert nobody.get("/patients").status_code == 401
    foreign = {"Origin": "https://elsewhere.example"}
    assert nobody.post("/patients", json={}, headers=foreign).status_code == 401
    assert program().post("/patients", json={}, headers=foreign).status_code == 422


def test_too_many_calls_are_told_how_long_to_wait(store, clock, program):
    house = House(store, Settings(api_per_minute=3), clock)
    with TestClient(create_app(house), "http://testserver/api/v1") as client:
        first, second = ({"Authorization": f"Bearer {token(store, role)}"} for role in ("lead", "coordinator"))
        answers = [client.get("/me", headers=first) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert client.get("/me", headers=second).status_code == 200


def test_when_a_token_was_last_used_is_kept(program, store, clock):
    client = program("lead")
    assert client.get("/me").status_code == 200
    clock.now += timedelta(seconds=30)
    client.get("/me")
    (row,) = Tokens(store.database).all()
    assert row.last_used_at == NOW
    clock.now += timedelta(minutes=5)
    client.get("/me")
    (row,) = Tokens(store.database).all()
    assert row.last_used_at == clock.now
