"""The outbox as people see it: each message with its outcome and why, and how it reads."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from coordinator.settings import Settings
from coordinator.web.house import House
from persistence import models
from persistence.store import table
from scheduler.handover import hand_over
from scheduler.reasons import matter_of
from tests.web.conftest import NOW, address

ROWS, TRIES, VIEWS = table(models.Reminder), table(models.Delivery), table(models.Viewing)


@pytest.fixture(autouse=True)
def with_a_channel(monkeypatch, tmp_path):
    """A site that could send: otherwise everything waits for a channel."""
    monkeypatch.setenv("PATHWAY_OUTBOX_LOG", str(tmp_path / "outbox.log"))


@pytest.fixture
def house(store, clock):
    return House(store, Settings(quiet_from="20:00", quiet_until="07:00"), clock)


@pytest.fixture
def row(store):
    """A message about a patient's overdue work that still waits."""
    with store.database.reading() as connection:
        wanted = (ROWS.c.outcome == "waiting") & (ROWS.c.kind == "overdue") & (ROWS.c.patient_id != "")
        return connection.execute(select(ROWS).where(wanted).order_by(ROWS.c.key.desc())).first()


def end(store, row, outcome, because=""):
    with store.database.writing() as connection:
        values = {"outcome": outcome, "because": because, "settled_at": NOW - timedelta(minutes=5)}
        connection.execute(update(ROWS).where(ROWS.c.key == row.key).values(**values))


def shown(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_each_outcome_has_a_tab_with_its_count(coordinator, store, row):
    end(store, row, "sent")
    page = shown(coordinator.get("/reminders").text)
    assert "→ Sent 1" in page
    assert re.search(r"○ Waiting \d+", page)


def test_a_row_says_when_due_to_whom_about_whom_and_why(coordinator, store, row):
    end(store, row, "suppressed", "the task is closed: done")
    page = shown(coordinator.get("/reminders", params={"outcome": "suppressed", "q": row.patient_id}).text)
    person = store.person(row.patient_id)
    assert person.surname.upper() in page
    grouped = f"{row.patient_id[:3]}\xa0{row.patient_id[3:6]}\xa0{row.patient_id[6:]}".replace("\xa0", " ")
    assert grouped in page
    assert "the task is closed: done" in page
    assert store.engine.guideline.tasks[row.code].title in page


def test_every_attempt_is_told_with_channel_and_answer(coordinator, store, row):
    with store.database.writing() as connection:
        tried = {"reminder_key": row.key, "channel": "smtp", "recipient": "ann@example.org"}
        connection.execute(insert(TRIES).values(**tried, attempted_at=NOW, ok=False, answer="451 try again later"))
    page = coordinator.get(f"/reminders/{row.key}").text
    assert "ann@example.org" in page
    assert "451 try again later" in page


def test_the_text_of_a_message_is_read_as_it_would_be_written_now(coordinator, store, row):
    page = coordinator.get(f"/reminders/{row.key}").text
    assert store.engine.guideline.tasks[row.code].title in page
    assert "As it would be written now" in page
    assert row.patient_id in page


def test_reading_a_message_about_a_patient_is_noted(coordinator, store, row):
    coordinator.get(f"/reminders/{row.key}")
    with store.database.reading() as connection:
        noted = connection.execute(select(VIEWS).where(VIEWS.c.patient_id == row.patient_id)).one()
    assert (noted.email, noted.page) == (address("coordinator"), "message")


def test_what_waits_over_the_night_says_until_when(coordinator, clock, store):
    clock.now = NOW.replace(hour=22)
    coordinator.post("/sign-in", data={"email": address("coordinator"), "password": "made up for the tests"})
    page = shown(coordinator.get("/reminders", params={"kind": "overdue"}).text)
    assert "Held until 17-Mar-2026 07:00: quiet hours, or a day on which the site rests." in page.replace("\xa0", " ")


def test_an_alert_waits_for_no_morning(coordinator, clock, store):
    clock.now = NOW.replace(hour=22)
    coordinator.post("/sign-in", data={"email": address("coordinator"), "password": "made up for the tests"})
    assert "Held until" not in coordinator.get("/reminders", params={"kind": "alert"}).text


def test_what_came_too_late_leads_to_the_work_that_a_person_has(coordinator, store, row):
    with store.database.reading() as connection:
        episode = matter_of(connection, row).episode
    assert hand_over(store, row, episode, "too late", NOW) == ""
    end(store, row, "too_late", "too late: it was of use until 10-Mar-2026 08:00")
    page = coordinator.get("/reminders", params={"outcome": "too_late"}).text
    assert f'href="/patient/{row.patient_id}"' in page
    assert store.engine.guideline.tasks["K-REACH"].title in page


def test_a_day_that_is_none_is_said_and_kept(coordinator):
    page = coordinator.get("/reminders", params={"since": "31-Feb-2026"}).text
    assert "31-Feb-2026 is not a day" in page
    assert 'value="31-Feb-2026"' in page


def test_an_empty_list_says_why_and_gives_the_way_out(coordinator):
    page = coordinator.get("/reminders", params={"outcome": "failed", "text": "nowhere"}).text
    assert "No message with this outcome fits these filters." in page
    assert 'href="/reminders?outcome=failed"' in page


def test_messages_to_patients_are_said_to_be_off(coordinator):
    assert "Messages to patients are switched off here." in coordinator.get("/reminders").text


def test_a_message_that_is_not_there_is_no_page(coordinator):
    assert coordinator.get("/reminders/nowhere").status_code == 404
