"""The time machine: what lies ahead by day and by owner, a leave with its cover, and time let pass."""

import re
from datetime import date, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from coordinator.settings import Settings
from coordinator.web.app import create_app
from coordinator.web.house import House
from persistence import models
from persistence.forecast import Span, by_rule, coming, loads
from persistence.store import table
from scheduler.simulated import SimulatedClock
from tests.web.conftest import ADDRESS, NOW, PASSWORD, address

TODAY = date(2026, 3, 16)
FORTNIGHT = Span(TODAY, TODAY + timedelta(days=13))
COVERS = table(models.Cover)


def shown(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).replace("\xa0", " ").split())


def entered(house, role="coordinator") -> TestClient:
    browser = TestClient(create_app(house), ADDRESS, headers={"Origin": ADDRESS}, follow_redirects=False)
    assert browser.post("/sign-in", data={"email": address(role), "password": PASSWORD}).status_code == 303
    return browser


def notes(store):
    with store.database.reading() as connection:
        return connection.execute(select(COVERS)).all()


# ---------------------------------------------------------------- what lies ahead


def test_a_day_counts_what_the_journals_say_will_come(store):
    """The same numbers, made from every episode one by one."""
    by_hand = []
    for episode in store.episodes():
        owner = episode.owner or ""
        by_hand += [(t.due, "clock", owner) for t in episode.timers if t.status == "pending"]
        work = [t for t in episode.tasks if t.status == "open"]
        by_hand += [(t.due, "due", owner) for t in work]
        by_hand += [(t.overdue_after + timedelta(days=1), "late", owner) for t in work]
    wanted = [item for item in by_hand if FORTNIGHT.first <= item[0] <= FORTNIGHT.last]
    found = [load for load in loads(store, FORTNIGHT) for _ in range(load.count)]
    assert sorted((load.day, load.kind, load.owner) for load in found) == sorted(wanted)


def test_every_number_is_as_long_as_its_list(store):
    for load in loads(store, FORTNIGHT)[:12]:
        span = Span(load.day, load.day, (load.owner,), (load.kind,))
        assert coming(store, span).total == load.count
    rule = by_rule(store, FORTNIGHT)[0]
    assert coming(store, Span(FORTNIGHT.first, FORTNIGHT.last, (), (rule.kind,), rule.code)).total == rule.count


def test_a_number_opens_the_list_of_its_patients(coordinator, store):
    page = coordinator.get("/ahead").text
    (first, *_) = re.findall(r'<td class="num"><a href="(/ahead/list[^"]+)">(\d+)</a>', page)
    listed = coordinator.get(first[0].replace("&amp;", "&")).text
    assert f"{first[1]} " in shown(listed)
    assert listed.count("<tr data-row>") == min(int(first[1]), 50)
    assert "Born" in listed


def test_capacity_that_nobody_has_set_is_not_known(coordinator):
    page = coordinator.get("/ahead").text
    assert "Capacity is not known: no line is drawn." in shown(page)
    assert 'class="limit"' not in page


def test_capacity_counts_for_each_of_those_who_are_shown(store, clock):
    browser = entered(House(store, Settings(capacity=4), clock))
    assert "Capacity: 12 pieces of work a day" in shown(browser.get("/ahead").text)
    one = browser.get("/ahead", params={"owner": "B. Hughes (demo)"}).text
    assert "Capacity: 4 pieces of work a day" in shown(one)
    assert 'class="limit"' in one


def test_days_on_which_the_site_rests_are_said(store, clock):
    clock.now = NOW + timedelta(days=17)
    page = shown(entered(House(store, Settings(holidays="GB-ENG"), clock)).get("/ahead").text)
    assert "Fri 03-Apr-2026 holiday" in page
    assert "Sat 04-Apr-2026 site closed" in page


@pytest.mark.parametrize("first", ["31-Feb-2026", "01-Mar-2026", "+9999"])
def test_a_first_day_that_cannot_be_is_said(coordinator, first):
    answer = coordinator.get("/ahead", params={"first": first})
    assert answer.status_code == 200
    assert 'class="warning"' in answer.text
    assert "Mon 16-Mar-2026" in shown(answer.text)


# ---------------------------------------------------------------- a leave


def test_a_leave_shows_what_comes_for_me_and_for_whoever_stands_in(store, clock):
    for episode, owner in zip(store.episodes()[:40], ["A. Coordinator", "A. Lead"] * 20, strict=False):
        give(store, episode.id, owner)
    browser = entered(House(store, Settings(capacity=1), clock))
    asked = {"first": "17-Mar-2026", "last": "+30", "stand_in": address("lead")}
    page = shown(browser.get("/ahead/leave", params=asked).text)
    assert re.search(r"[1-9]\d* pieces? of work comes? for your patients", page)
    assert re.search(r"A\. Lead has [1-9]", page)
    assert "▲" in page
    assert notes(store) == []


def give(store, episode: str, owner: str) -> None:
    rows = table(models.Episode)
    with store.database.writing() as connection:
        connection.execute(rows.update().where(rows.c.id == episode).values(owner=owner))


def test_saving_notes_the_cover_and_says_so(coordinator, store):
    form = {"first": "17-Mar-2026", "last": "27/03/2026", "stand_in": address("lead")}
    answer = coordinator.post("/ahead/leave", data=form)
    assert answer.status_code == 303
    (note,) = notes(store)
    assert (note.absent, note.stand_in) == (address("coordinator"), address("lead"))
    assert (note.first_day, note.last_day, note.noted_by) == (date(2026, 3, 17), date(2026, 3, 27), "A. Coordinator")
    assert "A. Lead stands in for you from 17-Mar-2026 to 27-Mar-2026" in shown(coordinator.get("/ahead/leave").text)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"first": "", "last": "+3"}, "is not a day"),
        ({"first": "+5", "last": "+3"}, "The last day lies before the first."),
        ({"first": "-9", "last": "-3"}, "The leave is over already."),
        ({"first": "+1", "last": "+500"}, "more than a year"),
        ({"stand_in": ""}, "Choose who stands in for you."),
        ({"stand_in": "coordinator@example.org"}, "somebody else than you"),
        ({"stand_in": "auditor@example.org"}, "must be an active colleague"),
    ],
)
def test_a_leave_that_cannot_be_saved_says_why_and_keeps_what_was_typed(coordinator, store, form, said):
    answer = coordinator.post("/ahead/leave", data={"first": "+1", "last": "+3", "stand_in": address("lead"), **form})
    assert answer.status_code == 422
    page = shown(answer.text)
    assert said in page
    assert "Nothing was saved." in page
    assert all(f'value="{typed}"' in answer.text for name, typed in form.items() if typed and name != "stand_in")
    assert notes(store) == []


def test_who_is_back_early_stands_in_for_themselves_from_today(coordinator, store, clock):
    coordinator.post("/ahead/leave", data={"first": "+0", "last": "+9", "stand_in": address("lead")})
    (note,) = notes(store)
    assert coordinator.post("/ahead/leave/back", data={"cover": note.id}).status_code == 303
    assert notes(store)[-1].stand_in == notes(store)[-1].absent == address("coordinator")
    assert notes(store)[-1].first_day == TODAY


def test_a_cover_of_somebody_else_is_ended_by_a_lead_only(coordinator, clinician, signed_in, store):
    coordinator.post("/ahead/leave", data={"first": "+0", "last": "+9", "stand_in": address("lead")})
    (note,) = notes(store)
    assert clinician.post("/ahead/leave/back", data={"cover": note.id}).status_code == 403
    assert len(notes(store)) == 1
    assert signed_in("lead").post("/ahead/leave/back", data={"cover": note.id}).status_code == 303


# ---------------------------------------------------------------- time passes


@pytest.fixture
def moving():
    return SimulatedClock(lambda: NOW)


@pytest.fixture
def simulation(store, moving):
    return entered(House(store, Settings(), moving, simulation=True))


def test_a_week_passes_and_everything_due_on_the_way_fires(simulation, store, moving):
    answer = simulation.post("/ahead/pass", data={"step": "7"})
    assert answer.status_code == 303
    assert moving() == NOW + timedelta(days=7)
    timers = table(models.Timer)
    with store.database.reading() as connection:
        late = (timers.c.status == "pending") & (timers.c.due < TODAY + timedelta(days=7))
        assert connection.execute(select(timers).where(late)).all() == []
    page = shown(simulation.get(answer.headers["location"]).text)
    assert "fell due on the way." in page
    assert "What happened since 16-Mar-2026 07:30" in page
    assert "Clocks that came" in page


def test_whoever_is_signed_in_stays_so_when_time_is_moved(simulation):
    simulation.post("/ahead/pass", data={"until": "+30"})
    assert simulation.get("/ahead").status_code == 200


@pytest.mark.parametrize("until", ["16-Mar-2026", "15-Mar-2026", "+93", "soon", ""])
def test_time_goes_forward_only_and_not_without_end(simulation, moving, until):
    answer = simulation.post("/ahead/pass", data={"until": until})
    assert answer.status_code == 422
    assert "Nothing was changed." in answer.text
    assert moving() == NOW


def test_where_anything_is_real_time_cannot_be_moved(coordinator, clock):
    assert "Let time pass" not in coordinator.get("/ahead").text
    answer = coordinator.post("/ahead/pass", data={"step": "1"})
    assert answer.status_code == 403
    assert "not a simulation" in answer.text
    assert clock.now == NOW


def test_a_real_clock_is_not_moved_even_in_a_simulation(store, clock):
    browser = entered(House(store, Settings(), clock, simulation=True))
    assert "Let time pass" not in browser.get("/ahead").text
    assert browser.post("/ahead/pass", data={"step": "1"}).status_code == 403
