"""Signing in with the hospital's account, against a real provider on loopback: who comes in, and who never does."""

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient

from coordinator.settings import Settings
from coordinator.web import signing_in
from coordinator.web.app import create_app
from coordinator.web.house import House
from persistence.accounts import Accounts
from tests.web.conftest import ADDRESS, PASSWORD, address
from tests.web.provider import CLIENT, SECRET, Provider, running

BACK = "/sign-in/hospital/back"
KNOWN = {"email": "Coordinator@example.org", "email_verified": True}


def shown(page) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


@pytest.fixture
def provider(clock):
    with running(Provider(clock, claims=dict(KNOWN))) as found:
        yield found


def site_of(store, clock, issuer: str) -> TestClient:
    settings = Settings(oidc_issuer=issuer, oidc_client=CLIENT, oidc_secret=SECRET, oidc_name="St Demo's sign-in")
    app = create_app(House(store, settings, clock))
    return TestClient(app, ADDRESS, headers={"Origin": ADDRESS}, follow_redirects=False)


@pytest.fixture
def browser(store, clock, provider):
    with site_of(store, clock, provider.issuer) as found:
        yield found


def there(browser, path="/sign-in/hospital") -> str:
    """To the provider, and the address with which it sends the browser back."""
    asked = browser.get(path)
    assert asked.status_code == 303
    return httpx.get(asked.headers["location"]).headers["location"].removeprefix(ADDRESS)


def signed_in(browser) -> bool:
    return browser.get("/account").status_code == 200


def test_a_colleague_comes_in_and_goes_on_from_a_page_of_our_own(browser):
    assert "St Demo's sign-in" in unescape(browser.get("/sign-in").text)
    answer = browser.get(there(browser, "/sign-in/hospital?next=%2F%3Fdue%3Doverdue"))
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/?due=overdue">' in answer.text
    assert "A. Coordinator" in browser.get("/account").text


def test_the_session_is_strict_and_what_waits_for_the_answer_is_not_and_is_short_lived(browser):
    waiting = browser.get("/sign-in/hospital").headers["set-cookie"].lower()
    assert "samesite=lax" in waiting
    assert "httponly" in waiting
    assert "max-age=600" in waiting
    session = browser.get(there(browser)).headers["set-cookie"].lower()
    assert re.search(rf"{signing_in.COOKIE}=[^;]+; httponly; path=/; samesite=strict", session)


def test_the_question_hides_what_proves_it(browser):
    asked = parse_qs(urlsplit(browser.get("/sign-in/hospital").headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= asked.keys()
    assert SECRET not in str(asked)


def test_the_first_use_binds_the_account_so_that_a_later_address_does_not_matter(browser, store, provider):
    browser.get(there(browser))
    account = Accounts(store.database).find(address("coordinator"))
    assert account.subject == f"{provider.issuer} person-1"
    assert [row.what for row in Accounts(store.database).account_changes()] == ["hospital sign-in bound"]
    browser.post("/sign-out")
    provider.claims |= {"email": "married@example.org"}
    browser.get(there(browser))
    assert "A. Coordinator" in browser.get("/account").text


def test_an_account_that_is_bound_is_not_taken_over_by_its_address(browser, provider):
    browser.get(there(browser))
    browser.post("/sign-out")
    provider.claims |= {"sub": "person-2"}
    assert "you have no account here" in shown(browser.get(there(browser)))
    assert not signed_in(browser)


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "stranger@example.org"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"email": None},
    ],
)
def test_nobody_is_made_an_account_and_only_a_verified_address_counts(browser, store, provider, claims):
    before = len(Accounts(store.database).all())
    provider.claims |= claims
    answer = browser.get(there(browser))
    assert answer.status_code == 401
    assert "St Demo's sign-in knows you, but you have no account here: ask an administrator for one." in shown(answer)
    assert not signed_in(browser)
    assert len(Accounts(store.database).all()) == before


def test_a_closed_account_stays_closed(browser, store, clock):
    Accounts(store.database).set_active(address("coordinator"), active=False, at=clock(), by="tests")
    assert browser.get(there(browser)).status_code == 401
    assert not signed_in(browser)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"nonce": "of another question"},
        {"nonce": None},
        {"aud": "another program"},
        {"aud": None},
        {"iss": "https://elsewhere.example"},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"iat": 4102444800},
    ],
)
def test_an_answer_that_proves_too_little_lets_nobody_in(browser, provider, spoiled):
    provider.spoiled = spoiled
    answer = browser.get(there(browser))
    assert answer.status_code == 401
    assert "could not be proven" in shown(answer)
    assert not signed_in(browser)


def test_an_answer_for_several_programs_must_name_this_one_as_the_one_that_asked(browser, provider):
    provider.spoiled = {"aud": [CLIENT, "another program"], "azp": "another program"}
    assert "was meant for another program" in shown(browser.get(there(browser)))
    assert not signed_in(browser)


@pytest.mark.parametrize("how", ["forged", "unsigned"])
def test_a_signature_that_is_not_the_providers_lets_nobody_in(browser, provider, how):
    setattr(provider, how, True)
    answer = browser.get(there(browser))
    assert answer.status_code == 401
    assert "could not be proven" in shown(answer)
    assert not signed_in(browser)


def test_an_answer_to_a_question_that_this_browser_did_not_ask_lets_nobody_in(browser, store, clock, provider):
    back = there(browser)
    with site_of(store, clock, provider.issuer) as other:
        assert "not begun in this browser" in shown(other.get(back))
    browser.get("/sign-in/hospital")
    assert "belongs to another question" in shown(browser.get(back))
    assert not signed_in(browser)


def test_an_answer_that_comes_too_late_lets_nobody_in(browser, clock):
    back = there(browser)
    clock.now += timedelta(minutes=11)
    assert "or too long ago" in shown(browser.get(back))


def test_an_answer_is_good_once(browser):
    back = there(browser)
    browser.get(back)
    browser.post("/sign-out")
    assert browser.get(back).status_code == 401
    assert not signed_in(browser)


def test_a_provider_that_says_no_is_believed(browser, provider):
    provider.refuses = "access_denied"
    assert "St Demo's sign-in let nobody in." in shown(browser.get(there(browser)))
    assert not signed_in(browser)


def test_a_provider_that_takes_the_secret_in_the_form_gets_it_there(browser, provider):
    provider.methods = ("client_secret_post",)
    assert browser.get(there(browser)).status_code == 200
    assert signed_in(browser)


def test_a_provider_that_calls_itself_otherwise_is_not_asked(browser, provider):
    provider.described = {"issuer": "https://elsewhere.example"}
    answer = browser.get("/sign-in/hospital")
    assert answer.status_code == 503
    assert "does not describe itself as this program expects" in shown(answer)


def test_a_provider_that_is_down_is_one_sentence_and_passwords_still_work(store, clock):
    with running(Provider(clock)) as gone:
        issuer = gone.issuer
    with site_of(store, clock, issuer) as browser:
        answer = browser.get("/sign-in/hospital")
        assert answer.status_code == 503
        assert "St Demo's sign-in does not answer. Sign in with a password, or try again later." in shown(answer)
        sent = browser.post("/sign-in", data={"email": address("coordinator"), "password": PASSWORD})
        assert sent.status_code == 303


def test_without_a_provider_there_is_no_such_way_in(nobody):
    assert "/sign-in/hospital" not in nobody.get("/sign-in").text
    assert nobody.get("/sign-in/hospital").headers["location"] == "/sign-in"
    assert nobody.get(BACK).headers["location"] == "/sign-in"


def test_a_locked_browser_is_unlocked_by_the_hospitals_sign_in_and_what_was_typed_is_saved(browser, clock):
    browser.get(there(browser))
    clock.now += timedelta(minutes=16)
    page = browser.post("/work/selected", data={"do": "assign", "to": "somebody"})
    fields = {n: unescape(re.search(rf'name="{n}" value="([^"]*)"', page.text)[1]) for n in ("who", "next", "kept")}
    browser.get(there(browser))
    answer = browser.post("/locked", data=fields)
    assert "Continue saving as A. Coordinator" in shown(answer)
    assert 'value="somebody"' in answer.text
