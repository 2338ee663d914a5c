"""Calendar feeds by their address: made by oneself, read by a program that signs in nowhere, ended when need be."""

import re
from datetime import timedelta

import pytest
import vobject

from coordinator.tokens import CALENDAR, TokenRefused, make_token
from tests.web.conftest import ADDRESS, NOW, address


@pytest.fixture
def feed(coordinator):
    """The address of the coordinator's own feed, as the page shows it once."""
    page = coordinator.post("/account/calendar")
    found = re.findall(rf"{ADDRESS}(/calendar/[\w-]+\.ics)", page.text)
    assert len(found) == 2
    assert found[0] not in coordinator.get("/account").text
    return found[0]


def entries(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    return getattr(vobject.readOne(answer.text), "vevent_list", [])


def test_a_program_that_signs_in_nowhere_reads_the_work_without_names(nobody, feed, store):
    found = entries(nobody.get(feed))
    assert len(found) > 50
    assert "Demo" not in nobody.get(feed).text
    mine = entries(nobody.get(feed, params={"owner": "A. Okafor (demo)"}))
    assert 0 < len(mine) < len(found)
    lists = entries(nobody.get(feed, params={"worklist": "reassessment"}))
    assert {entry.summary.value for entry in lists} != {entry.summary.value for entry in found}


def test_a_list_that_is_none_is_said_to_be_none(nobody, feed):
    answer = nobody.get(feed, params={"worklist": "nonsense"})
    assert answer.status_code == 404
    assert "nonsense" in answer.text


def test_an_address_that_was_ended_opens_nothing(nobody, coordinator, feed):
    (token,) = re.findall(r'name="token" value="(\w+)"', coordinator.get("/account").text)
    coordinator.post("/account/tokens/revoke", data={"token": token})
    answer = nobody.get(feed)
    assert (answer.status_code, "revoked" in answer.text) == (404, True)
    assert nobody.get("/calendar/guessed.ics").status_code == 404


def test_it_ends_after_a_year_and_with_its_account(nobody, feed, store, clock):
    clock.now = NOW + timedelta(days=365)
    assert nobody.get(feed).status_code == 200
    clock.now = NOW + timedelta(days=367)
    assert "time is over" in nobody.get(feed).text
    clock.now = NOW
    store.keep_user(address("coordinator"), "A. Coordinator", "coordinator", active=False)
    assert nobody.get(feed).status_code == 404


def test_a_token_of_a_program_is_no_calendar_address_and_the_other_way_round(nobody, feed, store):
    made = make_token(store, address("coordinator"), "a program", ["read"], days=9, at=NOW, by="tests")
    answer = nobody.get(f"/calendar/{made.secret}.ics")
    assert (answer.status_code, "revoke it" in answer.text) == (403, True)
    secret = feed.removeprefix("/calendar/").removesuffix(".ics")
    asked = nobody.get("/api/v1/patients", headers={"Authorization": f"Bearer {secret}"})
    assert asked.status_code == 403


def test_it_stands_alone_and_is_for_those_who_see_the_work(store, signed_in):
    for role, scopes in (("coordinator", [CALENDAR, "read"]), ("auditor", [CALENDAR])):
        with pytest.raises(TokenRefused):
            make_token(store, address(role), "a calendar", scopes, days=9, at=NOW, by="tests")
    auditor = signed_in("auditor")
    assert "/account/calendar" not in auditor.get("/account").text
    assert auditor.post("/account/calendar").status_code == 403


def test_who_may_no_longer_see_the_work_reads_no_feed_either(nobody, feed, store):
    store.keep_user(address("coordinator"), "A. Coordinator", "auditor", active=True)
    answer = nobody.get(feed)
    assert (answer.status_code, "may not see the work" in answer.text) == (403, True)
