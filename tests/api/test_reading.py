"""What is read is what the screens show, page by page, as it was known then, and noted where it is about somebody."""

from datetime import timedelta

import pytest

from pathway.journal import Refusal, Step
from persistence import models
from persistence.audit import viewings
from persistence.merging import Asked, merge
from persistence.repeated import KEPT, forget_old_answers
from tests.api.calls import EPISODE, WRITES, send
from tests.api.conftest import FIRST, SECOND, address, version
from tests.persistence.shelf import rows
from tests.web.conftest import NOW
from tests.web.people import days_ago, episode, examined, registered, told

LISTS = ("/patients", "/episodes", "/worklist", "/tasks", "/outbox", f"/episodes/{EPISODE}/entries",
         f"/episodes/{EPISODE}/timeline", "/entries")  # fmt: skip


def all_of(client, path: str, size: int, cursor: str | None = None, **asked: object) -> list:
    found = []
    while True:
        answer = client.get(path, params={**asked, "limit": size, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return found
        assert len(answer.json()["items"]) == size


@pytest.mark.parametrize("path", LISTS)
def test_pages_hold_everything_once_in_one_order(program, path):
    client = program("lead")
    asked = {"tab": "all"} if path == "/worklist" else {}
    whole = all_of(client, path, 500, **asked)
    assert len(whole) > 1
    assert all_of(client, path, 1, **asked) == whole
    assert all_of(client, path, 3, **asked) == whole


def test_what_comes_in_between_two_pages_neither_repeats_nor_hides_anything(coordinator, store):
    before = [row["patient"] for row in all_of(coordinator, "/patients", 500)]
    first = coordinator.get("/patients", params={"limit": 1}).json()
    registered(store, "9990000001", days=1)
    registered(store, "9990000099", days=1)
    rest = all_of(coordinator, "/patients", 500, first["next"])
    seen = [row["patient"] for row in (*first["items"], *rest)]
    assert len(seen) == len(set(seen))
    assert set(before) < set(seen)


@pytest.mark.parametrize("cursor", ["x", "", "AAAA", "WyJhIl0x", "bnVsbA", "WzEsMiwzLDQsNSw2LDdd"])
@pytest.mark.parametrize("path", ["/patients", "/worklist", "/tasks", "/outbox", "/entries"])
def test_a_cursor_that_is_none_is_refused(program, path, cursor):
    answer = program("lead").get(path, params={"cursor": cursor})
    assert answer.status_code == 422
    assert "cursor" in answer.json()["detail"]


def test_the_worklist_is_that_of_the_screen(coordinator, store):
    told(store, examined(motor_deficit=True), patient=SECOND)
    rows_ = all_of(coordinator, "/worklist", 2, tab="all")
    assert rows_[0]["red_flag"]
    assert rows_[0]["patient"] == SECOND
    rest = [row["days_overdue"] for row in rows_ if not row["red_flag"]]
    assert rest == sorted(rest, reverse=True)


def test_the_etag_is_the_version(coordinator, store):
    answer = coordinator.get(f"/episodes/{EPISODE}")
    assert answer.headers["etag"] == f'"{version(store)}"'
    assert answer.json()["version"] == version(store)
    written = send(coordinator, WRITES["observe"], "k-1", version(store))
    assert coordinator.get(f"/episodes/{EPISODE}").headers["etag"] == written.headers["etag"]


def test_an_episode_is_answered_as_it_was_known_then(coordinator):
    then = (days_ago(20) + timedelta(minutes=30)).isoformat()
    now = coordinator.get(f"/episodes/{EPISODE}")
    before = coordinator.get(f"/episodes/{EPISODE}", params={"as_of": then})
    assert (before.json()["state"], now.json()["state"]) == ("ACUTE_ASSESSMENT", "CONSERVATIVE_CARE")
    assert "etag" not in before.headers, "nobody writes upon what is past"
    assert before.json()["version"] < now.json()["version"]
    short = coordinator.get(f"/episodes/{EPISODE}/timeline", params={"as_of": then}).json()["items"]
    assert 0 < len(short) < len(coordinator.get(f"/episodes/{EPISODE}/timeline").json()["items"])


def test_an_episode_that_nobody_knew_then_is_not_there(coordinator):
    answer = coordinator.get(f"/episodes/{EPISODE}", params={"as_of": days_ago(100).isoformat()})
    assert answer.status_code == 404
    assert "not known then" in answer.json()["detail"]


@pytest.mark.parametrize("path", [f"/episodes/{EPISODE}", f"/episodes/{EPISODE}/entries", "/census", "/worklist/as-of"])
@pytest.mark.parametrize(
    "bad",
    ["2027-01-01T00:00:00Z", "2026-03-01", "2026-03-01T08:00", "0001-01-01T00:00:00+14:00", "x", "0", "1773646200.5"],
)
def test_an_instant_that_is_none_of_the_past_is_refused(coordinator, path, bad):
    answer = coordinator.get(path, params={"as_of": bad})
    assert answer.status_code == 422, answer.text
    assert "as_of" in answer.json()["detail"]


def test_the_choices_say_what_is_possible_and_why_not(coordinator, store):
    found = {(row["kind"], row["outcome"]): row for row in coordinator.get(f"/episodes/{EPISODE}/choices").json()}
    surgery = found["refer_surgery", ""]
    assert surgery["possible"]
    assert surgery["role"] == "clinician"
    refused = [row for row in found.values() if not row["possible"]]
    assert refused
    assert all(row["not_possible_because"] for row in refused)


def test_the_preview_writes_nothing_and_says_when(coordinator, store):
    seen = version(store)
    found = coordinator.get(f"/episodes/{EPISODE}/preview", params={"days": 30}).json()
    assert "REASSESSMENT" in {row["moves_to"] for row in found}
    assert found == sorted(found, key=lambda row: row["at"])
    assert version(store) == seen
    first = coordinator.get("/preview", params={"days": 30, "limit": 1}).json()
    second = coordinator.get("/preview", params={"days": 30, "limit": 1, "cursor": first["next"]}).json()
    assert first["items"] == found
    assert {row["patient"] for row in second["items"]} == {SECOND}
    assert second["next"] is None


def test_the_journal_is_told_with_its_chain(coordinator, store):
    entries = all_of(coordinator, f"/episodes/{EPISODE}/entries", 4)
    assert [row["seq"] for row in entries] == list(range(1, version(store) + 1))
    assert [row["previous_hash"] for row in entries[1:]] == [row["hash"] for row in entries[:-1]]
    one = coordinator.get(f"/episodes/{EPISODE}/entries/2")
    assert one.json() == entries[1]
    assert coordinator.get(f"/episodes/{EPISODE}/entries/999").status_code == 404


def test_the_census_adds_up(coordinator):
    found = coordinator.get("/census").json()
    assert found["adds_up"]
    assert found["enrolled"] == found["active"] + found["held"] + found["closed"] == 2


ABOUT_SOMEBODY = {
    f"/patients/{FIRST}": "api patient",
    f"/episodes/{EPISODE}": "api episode",
    f"/episodes/{EPISODE}/entries": "api entries",
    f"/episodes/{EPISODE}/entries/1": "api entry 1",
    f"/episodes/{EPISODE}/timeline": "api timeline",
    f"/episodes/{EPISODE}/choices": "api choices",
    f"/episodes/{EPISODE}/preview": "api preview",
}


@pytest.mark.parametrize("path", ABOUT_SOMEBODY)
def test_who_looked_at_a_patient_is_noted(coordinator, store, path):
    assert coordinator.get(path).status_code == 200
    (seen,) = viewings(store, patient=FIRST)
    assert (seen.email, seen.role, seen.page, seen.at) == (
        address("coordinator"), "coordinator", ABOUT_SOMEBODY[path], NOW,
    )  # fmt: skip


@pytest.mark.parametrize("what", ["entries", "patients", "episodes"])
def test_who_reads_everybody_is_noted_as_well(program, store, what):
    program("auditor").get(f"/{what}")
    (seen,) = viewings(store)
    assert (seen.patient, seen.page) == ("*", f"api {what}")


def test_a_merged_record_is_answered_by_the_one_that_goes_on(coordinator, store):
    merged = merge(store, Asked(FIRST, SECOND, "same person", "C. Desk", goes_on=frozenset({EPISODE})), NOW)
    assert not isinstance(merged, Refusal), merged
    found = coordinator.get(f"/patients/{SECOND}").json()
    assert (found["patient"], found["former_numbers"]) == (FIRST, [SECOND])
    assert len(found["episodes"]) == 2
    assert [row["patient"] for row in coordinator.get("/patients").json()["items"]] == [FIRST]


@pytest.mark.parametrize("path", ["/patients/nobody", "/episodes/nobody-1", "/episodes/nobody-1/entries", "/nothing"])
def test_what_is_not_there_is_told_in_a_sentence(coordinator, store, path):
    answer = coordinator.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"].endswith(".")
    assert viewings(store) == []


def test_a_method_that_is_none_is_told_which_are(coordinator):
    answer = coordinator.delete(f"/patients/{FIRST}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["title"] == "This address cannot do that"
    assert coordinator.put("/patients").headers["allow"] == "GET, POST"
    assert coordinator.get("/scenarios/run").headers["allow"] == "POST"


def test_the_guideline_is_told_with_its_sources_and_marks(coordinator):
    rules = coordinator.get("/guideline/rules").json()["items"]
    known = {row["id"] for row in coordinator.get("/guideline/sources").json()["items"]}
    assert {cite for rule in rules for cite in rule["cites"]} <= known
    timers = {row["code"]: row for row in coordinator.get("/guideline/timers").json()["items"]}
    assert timers["REASSESS"]["value"] == 28
    assert any(row["engineering"] for row in coordinator.get("/guideline/tasks").json()["items"])
    assert coordinator.get("/guideline/timers", params={"profile": "none"}).status_code == 404
    assert coordinator.get("/vocabulary").json()["observations"]["symptoms"]["nrs"]["unit"] == "on the pain scale"


def test_a_token_says_who_it_acts_for(program):
    found = program("auditor").get("/me").json()
    assert (found["email"], found["role"], found["records_as"], found["scopes"]) == (
        address("auditor"), "auditor", None, ["read"],
    )  # fmt: skip


SCENARIO = {
    "id": "MY-001",
    "steps": [
        {"at": "2026-01-05T09:00", "event": "register", "data": {"birth_date": "1950-06-01", "level": "L1"}},
        {"at": "2026-01-20T09:00", "event": "advance"},
    ],
}


def test_a_scenario_runs_and_touches_nobody(coordinator, store):
    before = len(rows(store, models.Entry))
    asked = {**SCENARIO, "expect": [{"at": "2026-01-05T09:00", "check": "state", "is": "ACUTE_ASSESSMENT"}]}
    found = coordinator.post("/scenarios/run", json=asked)
    assert found.status_code == 200, found.text
    assert (found.json()["passed"], len(found.json()["trace"])) == (True, 2)
    wrong = {**SCENARIO, "expect": [{"at": "2026-01-05T09:00", "check": "state", "is": "SURVEILLANCE"}]}
    assert not coordinator.post("/scenarios/run", json=wrong).json()["passed"]
    assert len(rows(store, models.Entry)) == before


@pytest.mark.parametrize(
    "change",
    [
        {"steps": [{"at": "x", "event": "advance"}]},
        {"timezone": "Nowhere"},
        {"profile": "none"},
        {"profile_overrides": {"none": 1}},
        {"profile_overrides": {"imaging8w_days": "soon"}},
        {"steps": [*SCENARIO["steps"], {"at": "2126-01-01T09:00", "event": "advance"}]},
        {"expect": [{"at": "2026-01-05T09:00", "check": "calc", "name": 1}]},
        {"steps": []},
    ],
)
def test_a_scenario_that_cannot_run_says_why(coordinator, change):
    answer = coordinator.post("/scenarios/run", json={**SCENARIO, **change})
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"].endswith(".")


def test_answers_are_forgotten_when_they_are_of_no_use_any_more(coordinator, store):
    seen = version(store)
    send(coordinator, WRITES["observe"], "k-1", seen)
    assert forget_old_answers(store, NOW + KEPT) == 0
    assert forget_old_answers(store, NOW + KEPT + timedelta(seconds=1)) == 1
    again = send(coordinator, WRITES["observe"], "k-1", version(store))
    assert again.json()["duplicate"], "the token and the key stand in the journal"
    assert len([o for o in episode(store, FIRST).observations if o.kind == "symptoms"]) == 1


def test_a_step_of_a_colleague_is_read_at_once(coordinator, store):
    told(store, Step("admin", "contact", {"outcome": "reached"}), by="C. Colleague")
    lines = coordinator.get(f"/episodes/{EPISODE}/timeline").json()["items"]
    assert (lines[-1]["who"], lines[-1]["mark"]) == ("C. Colleague", "contact")
