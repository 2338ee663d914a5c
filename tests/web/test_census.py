"""The census and the health of the machinery on a screen."""

import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import text, update

from persistence import models
from persistence.store import table
from scheduler.breaker import trip
from scheduler.jobs import run_census, run_settle, run_verify
from scheduler.outage import note_silence
from tests.journeys.people import GUIDELINE
from tests.web.conftest import NOW
from tests.web.test_board import listed


def shown(page) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def numbers(page) -> list[int]:
    line = page.text.split("data-census>")[1].split("</p>")[0]
    return [int(number) for number in re.findall(r">(\d+)<", line)]


def test_the_line_adds_up_and_is_what_the_episodes_say(coordinator, store):
    enrolled, active, held, closed = numbers(coordinator.get("/census"))
    episodes = list(store.episodes())
    ended = [e for e in episodes if GUIDELINE.is_terminal(e.state)]
    waiting = [e for e in episodes if e not in ended and any(t.status == "held" for t in e.timers)]
    assert (enrolled, closed, held) == (len(episodes), len(ended), len(waiting))
    assert enrolled == active + held + closed


def test_every_number_of_the_census_opens_a_list_of_that_many(coordinator):
    page = coordinator.get("/census").text
    found = re.findall(r'<a href="(/cohort/list[^"]*)">(\d+)</a>', page)
    assert len(found) == 6
    for address, number in found:
        query = address if "?" in address else f"{address}?"
        assert listed(coordinator, unescape(query)) == int(number), address


def test_whoever_may_not_see_patients_sees_the_numbers_without_the_lists(signed_in, store):
    administrator = signed_in("administrator")
    page = administrator.get("/census")
    assert sum(numbers(page)[1:]) == numbers(page)[0]
    assert "/cohort/list" not in page.text
    assert not any(episode.id in page.text for episode in store.episodes())
    assert administrator.get("/cohort/list?open=1").status_code == 403


def test_somebody_without_owner_is_counted_and_listed(coordinator, store):
    episodes = table(models.Episode)
    with store.database.writing() as connection:
        some = connection.execute(episodes.select().where(episodes.c.state == "SURVEILLANCE").limit(1)).one()
        connection.execute(update(episodes).where(episodes.c.id == some.id).values(owner=None))
    page = coordinator.get("/census")
    assert "It does not add up. A lead must look today." in page.text
    assert "1 looked after by nobody" in shown(page)
    assert some.id in coordinator.get("/cohort/list?unowned=1").text


def test_runs_are_shown_with_their_results_the_newest_first(coordinator, store):
    assert "Neither a census nor a verification has run here yet." in coordinator.get("/census").text
    run_census(store, NOW - timedelta(days=1), zone="Europe/London")
    run_verify(store, NOW - timedelta(hours=5))
    page = shown(coordinator.get("/census"))
    assert page.index("Verification 16-Mar-2026") < page.index("Census 15-Mar-2026")
    assert "agrees: all" in page
    assert "enrolled =" in page


def test_a_difference_found_at_night_is_shown_by_symbol_and_word(coordinator, signed_in, store):
    with store.database.writing() as connection:
        connection.execute(text("UPDATE episode SET level = 'L9' WHERE id = (SELECT min(id) FROM episode)"))
    first = min(episode.id for episode in store.episodes())
    run_verify(store, NOW)
    page = coordinator.get("/census").text
    assert "✖" in page
    assert "differs" in page
    assert f"{first} after line" in unescape(page)
    assert first not in signed_in("administrator").get("/census").text


def level(page) -> str:
    return re.search(r'data-level="(\w+)"', page.text)[1]


def test_health_is_said_in_words_from_well_to_down(coordinator, store, clock):
    page = coordinator.get("/census")
    assert level(page) == "down"
    assert "✖" in page.text
    assert "Nothing has ever been settled here" in page.text
    run_settle(store, NOW)
    run_census(store, NOW, zone="Europe/London")
    run_verify(store, NOW)
    reminders = table(models.Reminder)
    with store.database.writing() as connection:
        connection.execute(update(reminders).values(outcome="sent", settled_at=NOW))
    page = coordinator.get("/census")
    assert level(page) == "ok"
    assert "Nothing is wrong that can be seen from here." in page.text


def test_a_channel_that_is_down_is_named_with_its_reason_for_staff_only(coordinator, signed_in, store):
    with store.database.writing() as connection:
        trip(connection, "mail", "550 mailbox of somebody", NOW)
    page = shown(coordinator.get("/census"))
    assert "The channel mail is down" in page
    assert "550 mailbox of somebody" in page
    assert "550 mailbox of somebody" not in signed_in("administrator").get("/census").text


def test_an_episode_that_was_set_aside_is_named_for_staff_only(coordinator, signed_in, store):
    episodes = table(models.Episode)
    with store.database.writing() as connection:
        some = connection.execute(episodes.select().where(episodes.c.next_wake_at.is_not(None)).limit(1)).one()
        failed = {"failures": 3, "failed_because": "a fault", "next_wake_at": NOW - timedelta(hours=1)}
        connection.execute(update(episodes).where(episodes.c.id == some.id).values(**failed))
    page = coordinator.get("/census").text
    assert f"{some.id}: 3 tries" in page
    assert listed(coordinator, "/cohort/list?aside=1") == 1
    assert some.id not in signed_in("administrator").get("/census").text


def test_what_an_outage_cost_is_a_report_that_adds_up(coordinator, store):
    with store.database.writing() as connection:
        note_silence(connection, NOW - timedelta(hours=9), NOW - timedelta(hours=2))
    page = shown(coordinator.get("/census"))
    assert "engine was down from 15-Mar-2026 22:30" in page
    assert "The report adds up." in page


def test_versions_are_named(coordinator, store):
    page = shown(coordinator.get("/census"))
    with store.database.reading() as connection:
        schema = connection.scalar(text("SELECT version_num FROM alembic_version"))
    assert f"Guideline {GUIDELINE.id} {GUIDELINE.version}" in page
    assert f"Schema of the database {schema}" in page


@pytest.mark.parametrize("role", ["coordinator", "clinician", "lead", "auditor", "administrator"])
def test_everybody_may_see_how_the_machinery_stands(signed_in, role):
    assert signed_in(role).get("/census").status_code == 200
