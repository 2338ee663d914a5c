"""Accounts: the first one, the idle lock that loses nothing, guessing, one's own account, and the administrator."""

import json
import re
from datetime import timedelta
from html import unescape

import pytest
from fastapi.testclient import TestClient

from coordinator.settings import Settings
from coordinator.web import signing_in
from coordinator.web.app import create_app
from coordinator.web.first_code import FirstCode
from coordinator.web.house import House
from coordinator.web.pages.account import browser_name
from persistence import models
from persistence.accounts import Accounts
from persistence.database import Database
from persistence.store import Store, table
from tests.journeys.people import ENGINE
from tests.web.conftest import ADDRESS, PASSWORD, address

NEW = "quite another password"


def shown(page) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def sign_in(browser, role="coordinator", password=PASSWORD, email=None):
    return browser.post("/sign-in", data={"email": email or address(role), "password": password})


def hidden(page, name: str) -> str:
    return unescape(re.search(rf'name="{name}" value="([^"]*)"', page.text)[1])


def attempts(store) -> list[bool]:
    with store.database.reading() as connection:
        return [row.ok for row in connection.execute(table(models.Attempt).select())]


# ---------------------------------------------------------------- the very first account


@pytest.fixture
def empty(tmp_path, clock):
    """A site in which nobody has an account, and the code that was printed when it started."""
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    database.upgrade()
    code, first = FirstCode.drawn()
    house = House(Store(database, ENGINE), Settings(), clock, first_code=first)
    with TestClient(create_app(house), ADDRESS, headers={"Origin": ADDRESS}, follow_redirects=False) as browser:
        browser.code = code
        yield browser
    database.close()


FIRST = {"name": "A. First", "email": "First@Example.org", "password": "a few good words"}


def test_the_first_account_is_an_administrators_and_then_there_is_no_second_first(empty):
    assert "/first-run" in empty.get("/sign-in").text
    answer = empty.post("/first-run", data={**FIRST, "code": empty.code.lower()})
    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts")
    assert "A. First" in shown(empty.get("/accounts"))
    assert empty.get("/first-run").headers["location"] == "/sign-in"
    assert empty.post("/first-run", data={**FIRST, "email": "second@example.org", "code": empty.code}).is_redirect
    assert "/first-run" not in empty.get("/sign-in").text


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"code": "AAAA-BBBB-CCCC"}, 401, "not the code which the program printed"),
        ({"name": " "}, 422, "Say your name"),
        ({"email": "nobody"}, 422, "is not an e-mail address; nothing was saved."),
        ({"password": "short"}, 422, "A password needs at least 12 characters; nothing was saved."),
    ],
)
def test_a_first_account_that_is_not_right_is_not_made(empty, fields, status, said):
    answer = empty.post("/first-run", data={**FIRST, "code": empty.code, **fields})
    assert answer.status_code == status
    assert said in shown(answer)
    assert not Accounts(empty.app.state.house.store.database).any()


def test_after_ten_wrong_codes_the_right_one_opens_nothing(empty):
    for _try in range(10):
        answer = empty.post("/first-run", data={**FIRST, "code": "AAAA-BBBB-CCCC"})
    assert "start the program again for a new one" in shown(answer)
    assert empty.post("/first-run", data={**FIRST, "code": empty.code}).status_code == 401


# ---------------------------------------------------------------- cookies and guessing


def test_the_cookie_is_out_of_reach_of_scripts_other_sites_and_plain_http(signed_in, house, nobody):
    plain = sign_in(nobody).headers["set-cookie"].lower()
    assert "httponly" in plain
    assert "samesite=strict" in plain
    assert "secure" not in plain
    safe = House(house.store, house.settings.model_copy(update={"web_url": "https://pathway.example"}), house.clock)
    with TestClient(create_app(safe), ADDRESS, headers={"Origin": ADDRESS}, follow_redirects=False) as browser:
        answer = sign_in(browser)
    assert "secure" in answer.headers["set-cookie"].lower()
    assert "max-age" in answer.headers["strict-transport-security"]


def test_only_the_hash_of_the_cookie_is_in_the_database(coordinator, store):
    secret = coordinator.cookies[signing_in.COOKIE]
    with store.database.reading() as connection:
        kept = [row.secret_hash for row in connection.execute(table(models.SignIn).select())]
    assert kept == [signing_in.hashed(secret)]


def test_after_five_wrong_passwords_the_right_one_is_answered_like_a_wrong_one(nobody, store, clock):
    wrong = [sign_in(nobody, password="a wrong password") for _try in range(5)]
    right = sign_in(nobody)
    assert right.status_code == wrong[0].status_code == 401
    assert shown(right) == shown(wrong[0])
    assert attempts(store) == [False] * 5
    clock.now += signing_in.WINDOW + timedelta(seconds=1)
    assert sign_in(nobody).status_code == 303


def test_somebody_unknown_is_answered_like_a_wrong_password(nobody):
    known, unknown = sign_in(nobody, password="wrong"), sign_in(nobody, email="who@example.org")
    assert known.status_code == unknown.status_code == 401
    assert shown(known) == shown(unknown)


def test_an_address_that_tries_many_accounts_is_slowed_down_too(nobody):
    for number in range(signing_in.PER_ADDRESS):
        sign_in(nobody, email=f"guess{number}@example.org")
    assert sign_in(nobody).status_code == 401


# ---------------------------------------------------------------- the idle lock


@pytest.fixture
def left_alone(coordinator, house, clock):
    clock.now += timedelta(minutes=house.settings.idle_minutes, seconds=1)
    return coordinator


def test_an_idle_browser_asks_for_the_password_and_goes_back_where_it_was(left_alone):
    answer = left_alone.get("/?due=overdue")
    assert answer.headers["location"] == "/locked?next=%2F%3Fdue%3Doverdue"
    page = left_alone.get(answer.headers["location"])
    assert "A. Coordinator is signed in here" in shown(page)
    fields = {"who": hidden(page, "who"), "next": hidden(page, "next"), "password": PASSWORD}
    assert left_alone.post("/locked", data={**fields, "password": "wrong"}).status_code == 401
    assert left_alone.get("/").is_redirect
    assert left_alone.post("/locked", data=fields).headers["location"] == "/?due=overdue"
    assert left_alone.get("/?due=overdue").status_code == 200


def test_what_was_typed_before_the_lock_is_kept_and_saved_after_it(left_alone, store):
    row = "9990000000-1 K-DXA 1 7"
    typed = {"row": [row, "other row"], "do": "assign", "to": "", "because": "<b>“quoted” & kept</b>", "back": "/"}
    page = left_alone.post("/work/selected", data=typed)
    assert page.status_code == 401
    assert "What you typed is not saved yet." in shown(page)
    fields = {name: hidden(page, name) for name in ("who", "next", "kept")}
    wrong = left_alone.post("/locked", data={**fields, "password": "wrong"})
    assert hidden(wrong, "kept") == fields["kept"]
    on = left_alone.post("/locked", data={**fields, "password": PASSWORD})
    assert "Continue saving as A. Coordinator" in shown(on)
    assert 'action="/work/selected"' in on.text
    again = [(name, unescape(value)) for name, value in re.findall(r'hidden" name="(\w+)" value="([^"]*)"', on.text)]
    assert again == [(n, v) for n, vs in typed.items() for v in (vs if isinstance(vs, list) else [vs])]
    assert left_alone.post("/work/selected", data=typed).status_code == 422


def test_passwords_are_not_kept_on_the_lock_page(left_alone):
    page = left_alone.post("/account/password", data={"old_password": PASSWORD, "new_password": NEW})
    assert PASSWORD not in page.text
    assert NEW not in page.text
    assert "A file or a password cannot be kept: give it again." in shown(page)


@pytest.mark.parametrize("path", ["https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example"])
def test_the_lock_sends_nothing_and_nobody_to_another_site(left_alone, path):
    kept = json.dumps({"path": path, "fields": [["a", "b"]]})
    data = {"who": address("coordinator"), "password": PASSWORD, "kept": kept, "next": path}
    answer = left_alone.post("/locked", data=data)
    assert answer.headers["location"] == "/"


def test_what_one_colleague_typed_is_not_saved_by_the_next(left_alone):
    page = left_alone.post("/work/selected", data={"do": "assign"})
    sign_in(left_alone, "clinician")
    answer = left_alone.post("/locked", data={"who": hidden(page, "who"), "kept": hidden(page, "kept")})
    assert answer.status_code == 409
    assert "nothing of what coordinator@example.org typed was saved" in shown(answer)


def test_a_locked_browser_can_sign_out(left_alone):
    left_alone.get("/")
    assert left_alone.post("/sign-out").headers["location"] == "/sign-in"
    assert left_alone.get("/").headers["location"] == "/sign-in"


def test_twelve_hours_end_it_however_busy(coordinator, clock):
    for _quarter in range(12 * 6 + 1):
        clock.now += timedelta(minutes=10)
        answer = coordinator.get("/account")
    assert answer.headers["location"].startswith("/sign-in")


# ---------------------------------------------------------------- my account


def change(browser, **fields):
    typed = {"old_password": PASSWORD, "new_password": NEW, "again_password": NEW, **fields}
    return browser.post("/account/password", data=typed)


def test_a_new_password_signs_every_other_browser_out(signed_in, nobody):
    here, there = signed_in("coordinator"), signed_in("coordinator")
    assert change(here).headers["location"] == "/account"
    assert "The password was changed" in shown(here.get("/account"))
    assert there.get("/").headers["location"] == "/sign-in"
    assert sign_in(nobody).status_code == 401
    assert sign_in(nobody, password=NEW).status_code == 303


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"old_password": "wrong"}, 401, "The old password does not fit"),
        ({"again_password": "typed otherwise"}, 422, "typed in two ways"),
        ({"new_password": "short", "again_password": "short"}, 422, "at least 12 characters"),
        ({"new_password": PASSWORD, "again_password": PASSWORD}, 422, "That is the old password again"),
    ],
)
def test_a_password_that_is_not_right_changes_nothing(coordinator, nobody, fields, status, said):
    answer = change(coordinator, **fields)
    assert answer.status_code == status
    assert said in shown(answer)
    assert sign_in(nobody).status_code == 303


def test_shortcuts_can_be_turned_off_and_on(coordinator):
    assert 'data-shortcuts="on"' in coordinator.get("/account").text
    coordinator.post("/account/shortcuts", data={"on": ""})
    assert 'data-shortcuts="off"' in coordinator.get("/account").text
    coordinator.post("/account/shortcuts", data={"on": "1"})
    assert 'data-shortcuts="on"' in coordinator.get("/account").text


def test_one_sees_where_one_is_signed_in_and_ends_one_or_all_others(signed_in):
    here, there, third = (signed_in("coordinator") for _browser in range(3))
    page = here.get("/account")
    assert page.text.count("testclient") == 3 * 2
    ids = re.findall(r'name="which" value="(\w{16})"', page.text)
    (other,) = [i for i in ids if signing_in.hashed(there.cookies[signing_in.COOKIE]).startswith(i)]
    here.post("/account/browsers", data={"which": other})
    assert there.get("/").is_redirect
    assert third.get("/").status_code == 200
    here.post("/account/browsers", data={"which": "others"})
    assert third.get("/").is_redirect
    assert here.get("/").status_code == 200


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("curl/8", "curl/8"),
        ("", "Not known"),
    ],
)
def test_a_browser_is_called_what_its_owner_calls_it(agent, said):
    assert browser_name(agent) == said


def test_nobody_ends_the_browser_of_somebody_else(coordinator, clinician):
    theirs = signing_in.hashed(clinician.cookies[signing_in.COOKIE])[:16]
    coordinator.post("/account/browsers", data={"which": theirs})
    assert not clinician.get("/account").is_redirect


# ---------------------------------------------------------------- the administrator


@pytest.fixture
def administrator(signed_in):
    return signed_in("administrator")


def do(browser, what, role="coordinator", **more):
    return browser.post("/accounts/change", data={"email": address(role), "do": what, **more})


def one_time(page) -> str:
    return re.search(r"<dd><kbd[^>]*>([^<]+)</kbd>", page.text)[1]


def test_a_new_colleague_gets_a_password_once_and_must_change_it(administrator, nobody):
    new = {"name": "N. New", "email": "New@Example.org", "role": "clinician"}
    page = administrator.post("/accounts/add", data=new)
    password = one_time(page)
    assert password not in administrator.get("/accounts").text
    assert sign_in(nobody, email="new@example.org", password=password).status_code == 303
    assert nobody.get("/").headers["location"] == "/account"
    assert "Choose your own before anything else." in shown(nobody.get("/account"))
    assert change(nobody, old_password=password).is_redirect
    assert nobody.get("/?due=now").status_code == 200


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "Say the name"),
        ({"email": "new"}, "is not an e-mail address"),
        ({"role": "king"}, "Choose a role"),
        ({"how": "hospital"}, "There is no hospital sign-in here"),
        ({"email": "coordinator@example.org"}, "There is an account of that address already, so nothing was saved"),
    ],
)
def test_an_account_that_is_not_right_is_not_made(administrator, store, fields, said):
    before = len(Accounts(store.database).all())
    new = {"name": "N. New", "email": "new@example.org", "role": "clinician", "how": "password", **fields}
    answer = administrator.post("/accounts/add", data=new)
    assert answer.status_code in (409, 422)
    assert said in shown(answer)
    assert len(Accounts(store.database).all()) == before


def test_a_closed_account_is_signed_out_everywhere_at_once_and_can_be_opened_again(
    administrator, coordinator, signed_in, nobody
):
    assert do(administrator, "close").is_redirect
    assert "was signed out everywhere" in shown(administrator.get("/accounts"))
    assert coordinator.get("/").headers["location"] == "/sign-in"
    assert sign_in(nobody).status_code == 401
    do(administrator, "open")
    assert sign_in(nobody).status_code == 303


def test_a_changed_role_is_in_force_at_the_next_page(administrator, coordinator):
    administrator.post("/accounts/change", data={"email": address("coordinator"), "do": "role", "role": "auditor"})
    assert coordinator.get("/").status_code == 403


@pytest.mark.parametrize("fields", [{"do": "close"}, {"do": "role", "role": "coordinator"}])
def test_the_last_administrator_stays_one(administrator, fields):
    answer = administrator.post("/accounts/change", data={"email": address("administrator"), **fields})
    assert answer.status_code == 409
    assert "this is the last active administrator, so nothing was saved" in shown(answer)
    assert administrator.get("/accounts").status_code == 200


def test_one_of_two_administrators_may_go(administrator):
    administrator.post("/accounts/change", data={"email": address("lead"), "do": "role", "role": "administrator"})
    gone = administrator.post("/accounts/change", data={"email": address("administrator"), "do": "close"})
    assert gone.is_redirect
    assert administrator.get("/accounts").headers["location"].startswith("/sign-in")


def test_a_reset_password_ends_the_lock_and_every_browser(administrator, coordinator, nobody):
    password = one_time(do(administrator, "password"))
    assert coordinator.get("/").headers["location"] == "/sign-in"
    assert sign_in(nobody).status_code == 401
    assert sign_in(nobody, password=password).status_code == 303


def test_everything_an_administrator_does_is_written_down(administrator, store):
    new = {"name": "N. New", "email": "new@example.org", "role": "clinician"}
    administrator.post("/accounts/add", data=new)
    for fields in ({"do": "role", "role": "lead"}, {"do": "password"}, {"do": "close"}, {"do": "open"}):
        administrator.post("/accounts/change", data={"email": "new@example.org", **fields})
    found = [(row.what, row.was, row.became) for row in Accounts(store.database).account_changes()]
    assert found[::-1] == [
        ("account made", "", "clinician"),
        ("role", "clinician", "lead"),
        ("password reset", "", ""),
        ("account closed", "", ""),
        ("account opened again", "", ""),
    ]
    assert {row.by for row in Accounts(store.database).account_changes()} == {address("administrator")}
    assert "role from Clinician to Lead" in shown(administrator.get("/accounts"))
