"""The thirteen safety rules of the screens, by number. docs/safety.md names exactly these tests."""

import ast
import re
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from coordinator.settings import Settings
from coordinator.web.app import create_app
from coordinator.web.house import House
from tests.journeys.people import registered
from tests.web.conftest import ADDRESS, NOW, PASSWORD, address
from tests.web.every_page import pages, who_may
from tests.web.people import NUMBER, told

ROOT = Path(__file__).parents[2]
RULES = 13
ROWS = re.compile(r"<tr[^>]*data-row.*?</tr>", re.DOTALL)
LISTS = ("/", "/reminders", "/ahead/list?days=14", "/cohort/list?state=SURVEILLANCE")


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).replace("\xa0", " ").split())


@pytest.fixture
def patient(store) -> str:
    """Somebody whose gender nobody knows."""
    told(store, registered(sex=None))
    return NUMBER


@pytest.fixture
def walked(coordinator, store) -> dict[str, str]:
    """Every page of a coordinator, by its address."""
    found = {}
    for path, asks in pages(coordinator.app, store):
        if "coordinator" in who_may(asks):
            answer = coordinator.get(path)
            if answer.headers.get("content-type", "").startswith("text/html"):
                found[path] = answer.text
    return found


def test_rule_01_every_screen_of_a_patient_says_who_it_is_and_unknown_is_said_so(coordinator, patient):
    for part in ("", "/record", "/record/observe/symptoms", "/red-flags"):
        page = coordinator.get(f"/patient/{patient}{part}").text
        banner = words(re.search(r'<section class="banner.*?</section>', page, re.DOTALL)[0])
        assert banner.startswith("SAMPLE, Ada")
        assert "Gender Not known" in banner
        assert f"No. {patient[:3]} {patient[3:6]} {patient[6:]}" in banner
        assert "?" not in banner
    part = coordinator.get(f"/patient/{patient}/record/observe/symptoms", headers={"X-Fragment": "sheet"}).text
    assert "SAMPLE, Ada" in part


def test_rule_02_dates_are_written_one_way_and_typed_as_text(walked):
    for path, page in walked.items():
        said = words(re.sub(r'translate="no"[^>]*>[^<]*', ">", page))
        assert not re.search(r"\b\d{1,2}/\d{1,2}/\d{4}\b", said), path
        assert not re.search(r'type="?(date|datetime-local|month)\b', page), path


def test_rule_03_every_row_of_a_list_has_two_identifiers(coordinator):
    for path in LISTS:
        rows = [row for row in ROWS.findall(coordinator.get(path).text) if "/patient/" in row]
        assert rows, path
        for row in rows:
            assert re.search(r"Born \d\d-\w{3}-\d{4}|Born Not known", words(row)), path
            assert re.search(r"No\. \d{3} \d{3} \d{4}", words(row)), path


def test_rule_03_a_search_that_finds_one_patient_opens_nothing_by_itself(coordinator, patient):
    answer = coordinator.get("/find", params={"q": patient})
    assert answer.status_code == 200
    assert "SAMPLE, Ada" in words(answer.text)


def test_rule_04_what_is_late_or_red_says_so_in_word_and_symbol(walked):
    for path, page in walked.items():
        for tag in re.findall(r'<span class="due overdue">.*?</span>.*?</span>', page, re.DOTALL):
            assert re.search(r"[▲✕]", tag), path
            assert re.search(r"\w", words(tag).replace("▲", "").replace("✕", "")), path
        for tag in re.findall(r'<span class="tag[^"]* red">.*?</span>\s*[^<]*</span>', page, re.DOTALL):
            assert re.search(r'aria-hidden="true">[^\w\s<]+</span>\s*\w', tag), path


def test_rule_05_routine_is_undone_and_what_weighs_is_looked_at_twice(coordinator, patient, store):
    path = f"/patient/{patient}/record/admin/contact"
    seen = store.episodes([f"{patient}-1"])[0].seq
    saved = coordinator.post(path, data={"outcome": "reached", "seen": seen}, follow_redirects=True)
    assert 'action="/undo"' in saved.text
    before = store.episodes([f"{patient}-1"])[0].seq
    typed = {"motor_deficit": "yes", "effective": "16-Mar-2026", "seen": before}
    flag = coordinator.post(f"/patient/{patient}/record/observe/neuro_exam", data=typed)
    assert "Check your answers" in words(flag.text)
    assert store.episodes([f"{patient}-1"])[0].seq == before


def test_rule_06_red_flag_questions_presume_nothing_and_say_that_nobody_is_called(coordinator, patient):
    page = coordinator.get(f"/patient/{patient}/red-flags").text
    form = re.search(r'<form[^>]*method="post"[^>]*red-flags.*?</form>', page, re.DOTALL)
    assert form
    assert not re.search(r'type="radio"[^>]*\bchecked\b', form[0])
    assert "does not call anyone" in words(page)


def test_rule_07_every_page_says_how_fresh_it_is_and_a_silent_engine_loudly(coordinator, clock, store):
    assert "The engine has never run here" in words(coordinator.get("/").text)
    store.mark_job("settle", "once", NOW - timedelta(hours=3))
    page = words(coordinator.get("/").text)
    assert re.search(r"The engine has been silent for \d+ minutes", page)
    assert "Engine last ran 16-Mar-2026" in page


def test_rule_08_why_is_on_every_row_and_says_rule_and_source(coordinator):
    for path in ("/", "/ahead/list?days=7"):
        for row in ROWS.findall(coordinator.get(path).text):
            why = re.search(r'<details class="why">.*?</details>', row, re.DOTALL)
            assert why, path
            assert "<cite>" in why[0] or "no clinical source" in why[0], path


def test_rule_09_shortcuts_can_be_turned_off(coordinator):
    assert 'data-shortcuts="on"' in coordinator.get("/").text
    assert coordinator.post("/account/shortcuts", data={}).status_code == 303
    assert 'data-shortcuts="off"' in coordinator.get("/").text


def test_rule_10_a_simulation_says_so_in_title_page_and_print(store, clock):
    house = House(store, Settings(), clock, simulation=True)
    browser = TestClient(create_app(house), ADDRESS, headers={"Origin": ADDRESS})
    page = browser.post("/sign-in", data={"email": address("coordinator"), "password": PASSWORD}).text
    assert re.search(r"<title>SIMULATION", page)
    assert 'class="ribbon"' in page
    assert "SIMULATION" in re.search(r'<p class="onpaper">.*?</p>', page, re.DOTALL)[0]


def test_rule_11_nothing_is_kept_a_browser_locks_and_paper_says_whose_it_is(coordinator, clock):
    answer = coordinator.get("/")
    assert answer.headers["cache-control"] == "no-store"
    paper = words(re.search(r'<p class="onpaper">.*?</p>', answer.text, re.DOTALL)[0])
    assert "Printed 16-Mar-2026 07:30 by A. Coordinator. Confidential waste." in paper
    clock.now = NOW + timedelta(minutes=16)
    assert coordinator.get("/").headers["location"].startswith("/locked")


def test_rule_12_a_refusal_says_what_was_not_saved_and_keeps_what_was_typed(coordinator, patient):
    typed = {"first": "31-Feb-2026", "last": "+3", "stand_in": address("lead")}
    for path, form in (
        ("/ahead/leave", typed),
        (f"/patient/{patient}/record/observe/symptoms", {"nrs": "99", "seen": "1"}),
    ):
        answer = coordinator.post(path, data=form)
        assert answer.status_code == 422, path
        assert re.search(r"[Nn]othing was saved", words(answer.text)), path
        assert any(f'value="{value}"' in answer.text for value in form.values()), path


def test_rule_13_an_empty_list_says_why_and_gives_the_way_out(coordinator):
    for path in (
        "/?q=nobodycalledthis",
        "/reminders?outcome=failed",
        "/ahead/list?first=%2B3000",
        "/find?q=nobodycalledthis",
    ):
        empty = re.search(r'<p class="empty">.*?</p>', coordinator.get(path).text, re.DOTALL)
        assert empty, path
        assert len(words(empty[0])) > 15, path
    assert 'href="' in re.search(r'<p class="empty">.*?</p>', coordinator.get("/?q=nobodycalledthis").text)[0]


# ---------------------------------------------------------------- the table


def in_the_table() -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    part = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8").partition("## Rules of the screens")[2]
    for line in part.splitlines():
        if re.match(r"\| \d", line):
            number, rule, tests = (cell.strip() for cell in line.strip("|").split("|"))
            assert rule, f"rule {number} says nothing"
            found[int(number)] = re.findall(r"`(\w+)`", tests)
    return found


def in_this_file() -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for node in ast.parse(Path(__file__).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and (number := re.match(r"test_rule_(\d\d)_", node.name)):
            found.setdefault(int(number[1]), []).append(node.name)
    return found


def test_every_rule_has_its_row_and_the_table_names_exactly_the_tests_that_there_are():
    assert list(in_the_table()) == list(range(1, RULES + 1))
    assert in_the_table() == in_this_file()
