"""Nobody comes in by a door that is not theirs: every route, by every method, as nobody and as every wrong role.

The routes are read from the application itself, so a new one is tried as soon as it exists.
"""

import re
from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import Mount

from coordinator.settings import Settings
from coordinator.web.access import ROLES, refusal
from coordinator.web.app import create_app
from coordinator.web.house import House
from tests.web.conftest import address
from tests.web.every_page import examples, flat, routes

# Everything that anybody may ask for, written out: a page that is added here was thought about.
OPEN = {
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("POST", "/demo-sign-in"),
    ("GET", "/sign-in/hospital"),
    ("GET", "/sign-in/hospital/back"),
    ("GET", "/locked"),
    ("POST", "/locked"),
    ("GET", "/first-run"),
    ("POST", "/first-run"),
    # By a token of its own, which stands in the address.
    ("GET", "/calendar/{secret}.ics"),
}


@pytest.fixture
def app(house) -> FastAPI:
    return create_app(house)


def ways_in(app: FastAPI, store) -> list[tuple[str, str, object]]:
    """Every method of every route that asks for something, with an address."""
    values = examples(store)
    found = []
    for route in routes(app):
        path = re.sub(r"{(\w+)(?::path)?}", lambda name: values.get(name[1], "x"), route.path)
        found += [(method, path, route.asks) for method in route.methods if route.asks is not None]
    return found


def test_every_route_has_exactly_one_door(app):
    offenders = [f"{route.methods} {route.path}: {route.doors} doors" for route in routes(app) if route.doors != 1]
    assert not offenders, "\n".join(offenders)


def test_nothing_but_routes_the_static_files_and_the_doors_for_programs_is_served(app):
    """The doors for programs are tried where their own tests stand."""
    others = [route for route in flat(app.routes) if not isinstance(route, APIRoute)]
    mounts = [(Mount, path) for path in ("/api/v1", "/fhir/R4", "/cds", "/static")]
    assert [(type(route), getattr(route, "path", "")) for route in others] == mounts
    assert routes(app)


def test_what_anybody_may_ask_for_is_written_out_here(app):
    found = {(method, route.path) for route in routes(app) if route.asks is None for method in route.methods}
    assert found == OPEN


def test_nobody_is_sent_to_sign_in_from_everywhere(app, store, nobody):
    offenders = []
    for method, path, _asks in ways_in(app, store):
        answer = nobody.request(method, path)
        if answer.status_code != 303 or not answer.headers["location"].startswith("/sign-in"):
            offenders.append(f"{method} {path}: {answer.status_code}")
    assert not offenders, "\n".join(offenders)


@pytest.mark.parametrize("role", ROLES)
def test_the_wrong_role_is_told_which_one_it_needs(app, store, signed_in, role):
    """Asked without anything in the form: the door comes before whatever lies behind it."""
    browser, offenders, tried = signed_in(role), [], 0
    for method, path, asks in ways_in(app, store):
        because = refusal(role, asks)
        if because is None:
            continue
        tried += 1
        answer = browser.request(method, path)
        if answer.status_code != 403 or because not in answer.text:
            offenders.append(f"{method} {path}: {answer.status_code}")
    assert not offenders, "\n".join(offenders)
    assert tried


@pytest.mark.parametrize("role", ROLES)
def test_the_menu_leads_nowhere_that_the_role_may_not_go(signed_in, role):
    browser = signed_in(role)
    menu = re.findall(r'<a href="(/[^"]*)" data-key', browser.get("/account").text)
    assert menu
    assert {path: browser.get(path).status_code for path in menu if browser.get(path).status_code == 403} == {}


def test_a_locked_browser_opens_nothing_either(app, store, coordinator, house):
    browser = coordinator
    house.clock.now += timedelta(minutes=house.settings.idle_minutes + 1)
    offenders = []
    for method, path, _asks in ways_in(app, store):
        if path == "/sign-out":
            continue
        answer = browser.request(method, path)
        kept = method != "GET" and answer.status_code == 401 and "<h1>Locked</h1>" in answer.text
        if not kept and not (answer.is_redirect and answer.headers["location"].startswith(("/locked", "/sign-in"))):
            offenders.append(f"{method} {path}: {answer.status_code}")
    assert not offenders, "\n".join(offenders)


def test_demo_accounts_open_only_in_a_demo_on_this_machine(store, clock, nobody):
    data = {"email": address("coordinator")}
    assert nobody.post("/demo-sign-in", data=data).status_code == 403
    for demo, simulation, host in ((True, False, "127.0.0.1"), (False, True, "127.0.0.1"), (True, True, "10.0.0.9")):
        house = House(store, Settings(), clock, demo=demo, simulation=simulation)
        with TestClient(create_app(house), headers={"Origin": "http://testserver"}, client=(host, 1)) as browser:
            assert browser.post("/demo-sign-in", data=data).status_code == 403
    house = House(store, Settings(), clock, demo=True, simulation=True)
    browser = TestClient(
        create_app(house), headers={"Origin": "http://testserver"}, client=("127.0.0.1", 1), follow_redirects=False
    )
    assert browser.post("/demo-sign-in", data=data).status_code == 303


def test_a_write_that_another_site_sends_is_refused_on_every_route(app, store, coordinator):
    writes = [path for method, path, _asks in ways_in(app, store) if method != "GET"]
    answers = {path: coordinator.post(path, headers={"Origin": "https://elsewhere.example"}) for path in writes}
    offenders = {path: answer.status_code for path, answer in answers.items() if answer.status_code != 403}
    assert writes
    assert not offenders
    assert coordinator.get("/account").status_code == 200
