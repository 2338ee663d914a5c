"""The page of fractures that an import did not dare to enrol: seen, accepted after a second look, dismissed."""

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from persistence import models
from persistence.store import table
from tests.web.conftest import NOW

CANDIDATES, EPISODES, VIEWS = table(models.Candidate), table(models.Episode), table(models.Viewing)
UNKNOWN_LEVEL, T12, WRIST = "demo3-9996580101", "demo4-9996580136", "demo5-9996580160"
NUMBER = "9996580101"


@pytest.fixture
def followed(store):
    """The candidate of somebody who is followed already."""
    with store.database.reading() as connection:
        return connection.scalar(select(CANDIDATES.c.id).where(CANDIDATES.c.id.startswith("demo8-")))


def row(store, name):
    with store.database.reading() as connection:
        return connection.execute(select(CANDIDATES).where(CANDIDATES.c.id == name)).one()


def episodes(store, patient=NUMBER):
    with store.database.reading() as connection:
        return connection.execute(select(EPISODES).where(EPISODES.c.patient_id == patient)).all()


def send(browser, name, **typed):
    return browser.post(f"/candidates/{name}/accept", data=typed)


def seen(answer):
    """The words of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.text)).split())


def test_the_list_shows_the_likely_ones_first_with_why_and_counts_the_others(coordinator):
    page = seen(coordinator.get("/candidates"))
    assert "Of the spine 3" in page
    assert "Osteoporotic, the site is not clear 1" in page
    assert page.index("KNAPWEED, Demo Hilda") < page.index("TORMENTIL, Demo Ivor")
    assert "level unknown" in page
    assert "wrist" not in page
    assert "the site is the wrist" in seen(coordinator.get("/candidates?kind=osteoporotic"))
    assert "No fracture of this kind waits" in seen(coordinator.get("/candidates?kind=elsewhere"))
    assert "after the last" in seen(coordinator.get("/candidates?page=9"))
    # A sign that looks like a digit and is no number names no page.
    for none in ("²", "", "-1", "x"):
        assert "KNAPWEED" in seen(coordinator.get("/candidates", params={"page": none}))


def test_the_list_has_pages(coordinator, store, monkeypatch):
    monkeypatch.setattr("coordinator.web.pages.candidates.SIZE", 2)
    first, second = (seen(coordinator.get(f"/candidates?kind=spine&page={n}")) for n in (1, 2))
    assert ("KNAPWEED" in first, "Fracture of lumbar spine" in first) == (True, False)
    assert ("KNAPWEED" in second, "Fracture of lumbar spine" in second) == (False, True)


def test_a_fracture_of_no_known_level_is_accepted_by_who_knows_it_after_a_second_look(coordinator, store):
    missing = send(coordinator, UNKNOWN_LEVEL, fracture_date="01-Mar-2026")
    assert missing.status_code == 422
    assert "Fractured level: this must be answered" in seen(missing)
    check = send(coordinator, UNKNOWN_LEVEL, level="L2", fracture_date="01-Mar-2026")
    assert "Nothing is saved yet" in seen(check)
    assert "Fractured level L2" in seen(check)
    assert episodes(store) == []
    saved = send(coordinator, UNKNOWN_LEVEL, level="L2", fracture_date="01-Mar-2026", stage="checked")
    assert (saved.status_code, saved.headers["location"].split("?")[0]) == (303, f"/patient/{NUMBER}")
    (episode,) = episodes(store)
    assert (episode.level, str(episode.onset), episode.owner) == ("L2", "2026-03-01", "A. Coordinator")
    assert store.person(NUMBER).surname == "KNAPWEED"
    closed = row(store, UNKNOWN_LEVEL)
    assert (closed.outcome, closed.closed_by, closed.episode_id) == ("accepted", "A. Coordinator", episode.id)
    assert "Accepted" in seen(coordinator.get(f"/candidates/{UNKNOWN_LEVEL}"))


def test_answers_may_be_changed_before_they_are_saved(coordinator, store):
    page = send(coordinator, UNKNOWN_LEVEL, level="L2", stage="change")
    assert page.status_code == 200
    assert 'value="L2" selected' in page.text
    assert episodes(store) == []


def test_nobody_accepts_it_twice(coordinator, store):
    for status in (303, 409):
        assert send(coordinator, UNKNOWN_LEVEL, level="L2", stage="checked").status_code == status
    assert len(episodes(store)) == 1


def test_a_level_outside_the_pathway_needs_a_clinician(coordinator, clinician, store):
    refused = send(coordinator, T12, level="T12")
    assert refused.status_code == 422
    assert "T12" in seen(refused)
    assert row(store, T12).outcome == "waiting"
    assert "Nothing is saved yet" in seen(send(clinician, T12, level="T12"))
    assert send(clinician, T12, level="T12", stage="checked").status_code == 303
    assert row(store, T12).outcome == "accepted"


def test_dismissing_needs_a_reason_and_is_kept_with_it(coordinator, store):
    nothing = coordinator.post(f"/candidates/{WRIST}/dismiss", data={"because": " "})
    assert nothing.status_code == 422
    assert "Say why it is no fracture for this pathway; nothing was saved." in seen(nothing)
    assert row(store, WRIST).outcome == "waiting"
    done = coordinator.post(f"/candidates/{WRIST}/dismiss", data={"because": "the wrist"})
    assert done.headers["location"] == "/candidates?kind=osteoporotic"
    kept = row(store, WRIST)
    assert (kept.outcome, kept.closed_by, kept.closed_because) == ("dismissed", "A. Coordinator", "the wrist")
    assert "No fracture of this kind waits" in seen(coordinator.get("/candidates?kind=osteoporotic"))
    again = coordinator.post(f"/candidates/{WRIST}/dismiss", data={"because": "again"})
    assert again.status_code == 409


def test_of_somebody_who_is_followed_the_page_shows_what_is_known_and_a_further_fracture_is_said_to_be_one(
    coordinator, store, followed
):
    known = row(store, followed).patient_id
    page = seen(coordinator.get(f"/candidates/{followed}"))
    assert "This patient is known here" in page
    assert store.person(known).surname in page
    check = seen(send(coordinator, followed, level="L1"))
    assert "belongs to somebody who is known here. This becomes a further fracture" in check


def test_a_number_that_was_typed_is_shown_with_whom_it_belongs_to(coordinator, store, followed):
    with store.database.writing() as connection:
        connection.execute(update(CANDIDATES).where(CANDIDATES.c.id == UNKNOWN_LEVEL).values(patient_id=""))
    asked = send(coordinator, UNKNOWN_LEVEL, level="L2")
    assert "Number: this must be answered" in seen(asked)
    other = row(store, followed).patient_id
    check = seen(send(coordinator, UNKNOWN_LEVEL, level="L2", patient=other))
    assert store.person(other).surname in check


@pytest.mark.parametrize("role", ["coordinator", "clinician"])
def test_whoever_looks_at_a_candidate_is_noted(signed_in, store, role):
    signed_in(role).get(f"/candidates/{UNKNOWN_LEVEL}")
    with store.database.reading() as connection:
        views = connection.execute(select(VIEWS).where(VIEWS.c.patient_id == NUMBER)).all()
    assert [(view.email, view.page) for view in views] == [(f"{role}@example.org", "candidate")]


def test_one_that_is_not_there_is_said_to_be_none(coordinator):
    answer = coordinator.get("/candidates/nothing")
    assert answer.status_code == 404
    assert "There is no such candidate" in seen(answer)


def test_what_was_found_is_dated(coordinator):
    assert f"{NOW - timedelta(days=1):%d-%b-%Y}" in seen(coordinator.get("/candidates"))


def test_the_worklist_and_the_patient_say_that_a_fracture_waits(coordinator, store, followed):
    assert "4 fractures of an import wait for a person" in seen(coordinator.get("/"))
    known = row(store, followed).patient_id
    assert "An import found another fracture of this patient" in seen(coordinator.get(f"/patient/{known}"))
    coordinator.post(f"/candidates/{followed}/dismiss", data={"because": "the same one"})
    assert "3 fractures of an import wait" in seen(coordinator.get("/"))
    assert "An import found another" not in seen(coordinator.get(f"/patient/{known}"))
