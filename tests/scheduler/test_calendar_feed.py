"""Calendar feeds, read back by another library: what they say, what they never say, and when they say it anew."""

import hashlib
import json
import multiprocessing
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
import vobject
from sqlalchemy import event, select, update
from typer.testing import CliRunner

from coordinator.cli import app
from pathway.journal import Step
from persistence import models
from persistence.store import Person, table
from persistence.worklist import worklist
from scheduler.calendar_feed import ENTRIES, SALT, TASKS, NoReference, NoSuchFeed, calendar_feed, find, worklists
from scheduler.settle import settle_all
from tests.journeys.people import closed, corrected, happened, observed, registered
from tests.persistence.shelf import many_in_care, statements
from tests.scheduler.ward import (
    CARE,
    GUIDELINE,
    LATE,
    REASSESS_DUE,
    ZONE,
    accepted,
    change,
    days,
    die,
    enrol,
    open_store,
    red_flag,
    rows,
)

NOON = datetime(2026, 1, 8, 12, tzinfo=UTC)
BONE_WORK = {"K-CAVITD", "K-OPRX", "K-DXA", "K-BONEREF"}
MILESTONES = {"REASSESS", "IMAGING_8W", "FAILURE_REVIEW"}


@pytest.fixture
def ward(store):
    """One patient in conservative care, in whose episode every code occurs once."""
    enrol(store, "P1")
    return store


def parsed(feed: bytes):
    return vobject.readOne(feed.decode())


def events(feed: bytes) -> list:
    return parsed(feed).contents.get("vevent", [])


def reference(entry) -> str:
    return entry.summary.value.rpartition("ref ")[2]


def by_code(store, now, **feed) -> dict:
    """The entries of a ward in which every code occurs once, by the code of their work."""
    found = {}
    for entry in events(calendar_feed(store, now, **feed)):
        (work,) = find(store, reference(entry))
        assert work.code not in found
        found[work.code] = entry
    return found


def revisions(entries: dict) -> dict[str, tuple[str, int]]:
    return {code: (entry.status.value, int(entry.sequence.value)) for code, entry in entries.items()}


def said(store, now, code, **feed) -> tuple[str, int]:
    return revisions(by_code(store, now, **feed))[code]


def starts(entries: dict) -> dict[str, str]:
    return {code: entry.dtstart.value.isoformat() for code, entry in entries.items()}


# ---------------------------------------------------------------- what it says


def test_every_open_task_is_one_all_day_entry_over_its_window(ward):
    entries = by_code(ward, NOON)
    assert entries.keys() == BONE_WORK | MILESTONES
    for task in rows(ward, models.Task, TASKS.c.status == "open"):
        entry = entries[task.code]
        assert (entry.dtstart.value, entry.dtend.value) == (task.due, task.overdue_after + timedelta(days=1))
        assert (entry.status.value, entry.transp.value) == ("CONFIRMED", "TRANSPARENT")


def test_milestones_to_come_are_tentative_and_take_nobody_s_time(ward):
    entries = {code: entry for code, entry in by_code(ward, NOON).items() if code in MILESTONES}
    assert starts(entries) == {"REASSESS": "2026-02-03", "IMAGING_8W": "2026-02-27", "FAILURE_REVIEW": "2026-04-06"}
    for entry in entries.values():
        assert (entry.status.value, entry.transp.value) == ("TENTATIVE", "TRANSPARENT")
        assert entry.dtend.value - entry.dtstart.value == timedelta(days=1)


def test_the_head_says_what_it_is_and_how_often_to_ask(ward):
    feed = parsed(calendar_feed(ward, NOON, name="Bone clinic"))
    assert (feed.version.value, feed.method.value) == ("2.0", "PUBLISH")
    assert feed.prodid.value == "-//clinical-pathway-engine//open work//EN"
    assert feed.x_wr_calname.value == "Bone clinic"
    assert (feed.refresh_interval.value, feed.x_published_ttl.value) == ("PT1H", "PT1H")
    assert parsed(calendar_feed(ward, NOON, owner="Desk", role="clinician")).x_wr_calname.value == (
        "Pathway: Desk, clinician"
    )


def test_what_the_worklist_calls_overdue_the_feed_calls_overdue(ward):
    enrol(ward, "P2")
    settle_all(ward, LATE)
    late = Counter((item.episode, item.code) for item in worklist(ward, LATE) if item.days_overdue)
    found = [find(ward, reference(entry)) for entry in events(calendar_feed(ward, LATE)) if overdue(entry)]
    assert Counter((work.episode, work.code) for (work,) in found) == late
    assert len(late) == 10


def overdue(entry) -> bool:
    return "(overdue)" in entry.summary.value


def test_words_name_the_worklist_unless_titles_are_asked_for(ward):
    plain, full = by_code(ward, NOON), by_code(ward, NOON, titles=True)
    assert plain["K-DXA"].summary.value == f"Pathway: care · ref {reference(plain['K-DXA'])}"
    assert full["K-DXA"].summary.value == f"Pathway: Obtain bone densitometry · ref {reference(full['K-DXA'])}"
    assert plain["REASSESS"].summary.value.startswith("Pathway: care (expected) · ref ")
    assert full["REASSESS"].summary.value.startswith("Pathway: Four-week reassessment (expected) · ref ")


def test_a_suspended_task_leaves_the_list_and_a_milestone_on_hold_stays(ward):
    before = by_code(ward, NOON)
    red_flag(ward, "P1", NOON + days(1))
    settle_all(ward, REASSESS_DUE)
    after = by_code(ward, REASSESS_DUE)
    assert after["K-SURG-ACK"].summary.value.startswith("Pathway: surgery (overdue) · ref ")
    assert after["REASSESS"].summary.value.startswith("Pathway: surgery (on hold) · ref ")
    assert after["REASSESS"].uid.value == before["REASSESS"].uid.value
    assert after["K-DXA"].status.value == "CONFIRMED"

    enrol(ward, "P2", owner="Ward 2")
    settle_all(ward, REASSESS_DUE)
    assert said(ward, REASSESS_DUE, "K-REASSESS", owner="Ward 2") == ("CONFIRMED", 0)
    red_flag(ward, "P2", REASSESS_DUE + days(1))
    assert said(ward, REASSESS_DUE + days(1), "K-REASSESS", owner="Ward 2") == ("CANCELLED", 1)


def test_an_entry_never_ends_before_it_begins(ward):
    beyond = {"due": date(2026, 3, 2), "overdue_after": date(2026, 2, 16)}
    change(ward, update(TASKS).where(TASKS.c.code == "K-OPRX").values(**beyond))
    entry = by_code(ward, NOON)["K-OPRX"]
    assert (entry.dtstart.value, entry.dtend.value) == (date(2026, 3, 2), date(2026, 3, 3))


def test_work_of_an_episode_that_has_ended_is_on_a_list_of_its_own(ward):
    accepted(ward, "P1", happened("withdraw", reason="moved away"), NOON)
    red_flag(ward, "P1", NOON)
    assert by_code(ward, NOON, worklist="ended").keys() == {"K-LATE-RESULT"}
    assert by_code(ward, NOON, worklist="care") == {}


# ---------------------------------------------------------------- whose it is, and whose it is not


def test_a_feed_can_be_a_role_s_an_owner_s_or_a_worklist_s(ward):
    enrol(ward, "P2", owner="Ward 2")
    settle_all(ward, REASSESS_DUE)
    everything = calendar_feed(ward, REASSESS_DUE)

    def holding(**feed) -> Counter:
        found = [find(ward, reference(entry)) for entry in events(calendar_feed(ward, REASSESS_DUE, **feed))]
        return Counter((work.owner, work.code) for (work,) in found)

    assert holding(role="clinician") == {("Desk", "K-REASSESS"): 1, ("Ward 2", "K-REASSESS"): 1}
    assert {code for _, code in holding(role="coordinator")} == BONE_WORK | {"IMAGING_8W", "FAILURE_REVIEW"}
    assert {owner for owner, _ in holding(owner="Ward 2")} == {"Ward 2"}
    assert len(holding(owner="Ward 2")) * 2 == len(events(everything)) == len(holding(worklist="reassessment"))
    assert holding(worklist="care") == holding(owner="nobody") == Counter()
    assert holding(role="clinician", owner="Desk", worklist="reassessment") == {("Desk", "K-REASSESS"): 1}


@pytest.mark.parametrize("feed", [{"role": "nurse"}, {"worklist": "Reassessment"}])
def test_a_role_or_list_that_does_not_exist_is_refused_and_not_empty(ward, feed):
    with pytest.raises(NoSuchFeed, match=r"expected one of .*(clinician|follow-up).*; no calendar was made"):
        calendar_feed(ward, NOON, **feed)


def test_the_lists_are_those_of_the_guideline():
    assert worklists(GUIDELINE)[:3] == ("assessment", "care", "reassessment")
    assert worklists(GUIDELINE)[-1] == "ended"
    assert len(set(worklists(GUIDELINE))) == len(worklists(GUIDELINE)) == 8


# ---------------------------------------------------------------- what it never says

STRANGER = Person("9991002375", ZONE)
NAMED = {"surname": "Żółć-O'Brien", "given": "Zoë 王"}


@pytest.mark.parametrize("titles", [False, True])
def test_no_patient_is_named_whatever_is_asked_for(store, titles):
    accepted(store, STRANGER, registered(), CARE)
    people = table(models.Patient)
    change(store, update(people).where(people.c.id == STRANGER.id).values(**NAMED))
    red_flag(store, STRANGER.id, CARE)
    calendar_feed(store, CARE, titles=titles)
    die(store, STRANGER.id, CARE + days(1))
    for now in (CARE, CARE + days(2)):
        feed = unfolded(calendar_feed(store, now, titles=titles)).lower()
        assert feed.count("begin:vevent") > 5
        for secret in (STRANGER.id, "żółć", "o'brien", "zoë", "王", "1950-06-01", "19500601", "l1"):
            assert secret not in feed, secret


def test_no_finding_is_named_unless_titles_are_asked_for(ward):
    red_flag(ward, "P1", NOON)
    feed = unfolded(calendar_feed(ward, NOON))
    words = {title for title in titles_and_codes() if title in feed}
    assert words == set()
    assert "Red flag: a clinician must act now" in unfolded(calendar_feed(ward, NOON, titles=True))


def unfolded(feed: bytes) -> str:
    return feed.replace(b"\r\n ", b"").decode()


def titles_and_codes() -> set[str]:
    rules = [*GUIDELINE.tasks.values(), *GUIDELINE.timers.values()]
    states = [state.title for state in GUIDELINE.states.values() if " " in state.title]
    return {text for rule in rules for text in (rule.code, rule.title)} | set(states) | set(GUIDELINE.states)


def test_names_cannot_be_guessed_from_the_identifier_and_differ_from_database_to_database(ward, new_url):
    other = open_store(new_url())
    enrol(other, "P1")
    uids = [{entry.uid.value for entry in events(calendar_feed(store, NOON))} for store in (ward, other)]
    other.database.close()
    assert len(uids[0]) == len(uids[1]) == 7
    assert uids[0].isdisjoint(uids[1])
    guesses = {
        hashlib.sha256(text.encode()).hexdigest()[:10] for text in ("P1-1\nK-DXA\n1", "P1-1K-DXA1", "P1-1:K-DXA:1")
    }
    assert guesses.isdisjoint(uid[:10] for uid in uids[0])


def test_the_same_task_has_the_same_name_in_every_feed(ward):
    named = {by_code(ward, NOON, **feed)["K-DXA"].uid.value for feed in ({}, {"owner": "Desk"}, {"titles": True})}
    assert len(named) == 1


# ---------------------------------------------------------------- the way back


def test_a_reference_leads_staff_to_the_patient_and_the_work(ward):
    entries = by_code(ward, NOON)
    (work,) = find(ward, reference(entries["K-DXA"]))
    assert (work.patient, work.name, work.title) == ("P1", "SECRET, Name of P1", "Obtain bone densitometry")
    assert (work.due.isoformat(), work.status, work.owner) == ("2026-02-02", "open", "Desk")
    (milestone,) = find(ward, reference(entries["REASSESS"]))
    assert (milestone.title, milestone.status) == ("Four-week reassessment", "pending")


def test_a_reference_leads_there_as_people_paste_it_and_after_the_work_is_closed(ward):
    entry = by_code(ward, NOON)["K-CAVITD"]
    accepted(ward, "P1", closed("K-CAVITD", actor="coordinator"), NOON)
    name = reference(entry)
    for pasted in (name, name.upper(), f" ref {name} ", entry.uid.value, entry.uid.value.partition("@")[0]):
        assert [(work.code, work.status) for work in find(ward, pasted)] == [("K-CAVITD", "closed")]


@pytest.mark.parametrize("text", ["", "3f9c", "K-DXA", "zzzzzzzzzz", "%"])
def test_what_is_no_reference_is_refused(ward, text):
    with pytest.raises(NoReference, match="expected ten characters"):
        find(ward, text)


def test_looking_up_before_any_feed_was_made_finds_nothing_and_writes_nothing(ward):
    assert find(ward, "0" * 10) == []
    assert rows(ward, models.CalendarEntry) == []


# ---------------------------------------------------------------- saying it anew


def test_an_unchanged_list_is_the_same_bytes_and_nothing_is_written(ward):
    first = calendar_feed(ward, NOON)
    kept = rows(ward, models.CalendarEntry)
    with statements(ward) as heard:
        assert calendar_feed(ward, NOON + timedelta(hours=3, microseconds=7)) == first
    assert rows(ward, models.CalendarEntry) == kept
    assert {statement.split()[0] for statement in heard} <= {"SELECT", "BEGIN"}
    assert len([statement for statement in heard if statement.startswith("SELECT")]) == 4


def test_entries_stand_in_an_order_that_says_nothing_about_patients(ward):
    enrol(ward, "P2")
    found = [(entry.dtstart.value, entry.uid.value) for entry in events(calendar_feed(ward, NOON))]
    assert found == sorted(found)
    assert len(found) == 14


def test_asking_with_titles_and_without_in_turn_says_nothing_anew(ward):
    for titles in (False, True, False, True):
        assert said(ward, NOON, "K-DXA", titles=titles) == ("CONFIRMED", 0)


def test_a_task_that_is_moved_is_the_same_entry_said_once_more(ward):
    before = by_code(ward, NOON)
    moved = NOON + timedelta(hours=1)
    accepted(ward, "P1", corrected("identification_date", "2026-01-04"), moved)
    after = by_code(ward, moved)
    assert revisions({code: after[code] for code in BONE_WORK}) == dict.fromkeys(BONE_WORK, ("CONFIRMED", 1))
    assert (starts(before)["K-DXA"], starts(after)["K-DXA"]) == ("2026-02-02", "2026-02-01")
    assert {code: after[code].uid.value for code in after} == {code: before[code].uid.value for code in before}
    assert revisions({code: after[code] for code in MILESTONES}) == dict.fromkeys(MILESTONES, ("TENTATIVE", 0))
    assert (after["K-DXA"].dtstamp.value, after["REASSESS"].dtstamp.value) == (moved, NOON)
    assert after["K-DXA"].last_modified.value == moved
    assert calendar_feed(ward, moved + timedelta(hours=1)) == calendar_feed(ward, moved + timedelta(hours=2))
    assert revisions(by_code(ward, moved + timedelta(hours=2))) == revisions(after)


def test_a_milestone_that_is_moved_is_called_off_on_the_old_day_and_expected_on_the_new(ward):
    calendar_feed(ward, NOON)
    accepted(ward, "P1", corrected("fracture_date", "2026-01-03"), NOON)
    found = [
        (entry.status.value, entry.dtstart.value.isoformat(), int(entry.sequence.value))
        for entry in events(calendar_feed(ward, NOON))
        if find(ward, reference(entry))[0].code == "IMAGING_8W"
    ]
    assert found == [("CANCELLED", "2026-02-27", 1), ("TENTATIVE", "2026-02-28", 0)]


def test_a_task_that_closed_is_called_off_for_thirty_days(ward):
    calendar_feed(ward, NOON)
    done = NOON + timedelta(hours=1)
    accepted(ward, "P1", closed("K-CAVITD", actor="coordinator"), done)
    entry = by_code(ward, done)["K-CAVITD"]
    assert (entry.status.value, entry.sequence.value, entry.dtstamp.value) == ("CANCELLED", "1", done)
    assert entry.summary.value == f"Pathway: no longer on this list · ref {reference(entry)}"
    assert (entry.dtstart.value, entry.dtend.value) == (date(2026, 1, 5), date(2026, 1, 13))
    assert said(ward, done + days(30), "K-CAVITD") == ("CANCELLED", 1)
    assert "K-CAVITD" not in by_code(ward, done + days(30) + timedelta(seconds=1))


def test_a_task_that_closed_before_anyone_asked_was_in_no_calendar(ward):
    accepted(ward, "P1", closed("K-CAVITD", actor="coordinator"), NOON)
    assert "K-CAVITD" not in by_code(ward, NOON)


@pytest.mark.parametrize("wait", [1, 60])
def test_a_task_that_is_opened_again_goes_on_counting(ward, wait):
    assert said(ward, NOON, "K-DXA") == ("CONFIRMED", 0)
    accepted(ward, "P1", observed("dxa", t_score=-2.6, obs_id="x"), NOON)
    assert said(ward, NOON, "K-DXA") == ("CANCELLED", 1)
    again = NOON + days(wait)
    accepted(ward, "P1", corrected("observation", obs_id="x"), again)
    assert said(ward, again, "K-DXA") == ("CONFIRMED", 2)
    assert said(ward, again + timedelta(hours=1), "K-DXA") == ("CONFIRMED", 2)


def test_a_task_that_becomes_overdue_is_said_once_more(ward):
    last_day = datetime(2026, 1, 12, 12, tzinfo=UTC)
    assert said(ward, NOON, "K-CAVITD") == said(ward, last_day, "K-CAVITD") == ("CONFIRMED", 0)
    for late in (1, 2, 30):
        assert said(ward, last_day + days(late), "K-CAVITD") == ("CONFIRMED", 1)


def test_a_milestone_that_fired_is_called_off_and_its_task_comes(ward):
    calendar_feed(ward, NOON)
    settle_all(ward, REASSESS_DUE)
    found = revisions(by_code(ward, REASSESS_DUE))
    assert (found["REASSESS"], found["K-REASSESS"]) == (("CANCELLED", 1), ("CONFIRMED", 0))


def test_work_that_is_handed_over_is_called_off_in_the_one_calendar_and_new_in_the_other(ward):
    for owner in ("Desk", "Ward 2"):
        calendar_feed(ward, NOON, owner=owner)
    accepted(ward, "P1", Step("admin", "assign", {"owner": "Ward 2"}), NOON)
    assert said(ward, NOON, "K-DXA", owner="Desk") == ("CANCELLED", 1)
    assert said(ward, NOON, "K-DXA", owner="Ward 2") == ("CONFIRMED", 0)
    assert said(ward, NOON, "K-DXA") == ("CONFIRMED", 0)


def test_a_patient_who_moves_on_leaves_the_calendar_of_the_list(ward):
    calendar_feed(ward, NOON, worklist="care")
    settle_all(ward, REASSESS_DUE)
    assert said(ward, REASSESS_DUE, "K-DXA", worklist="care") == ("CANCELLED", 1)
    assert said(ward, REASSESS_DUE, "K-DXA", worklist="reassessment") == ("CONFIRMED", 0)


# ---------------------------------------------------------------- days


@pytest.mark.parametrize(
    ("identified", "window", "midnight"),
    [
        ("2026-03-22", ("2026-03-22", "2026-03-30"), datetime(2026, 3, 29, 23, tzinfo=UTC)),
        ("2026-10-18", ("2026-10-18", "2026-10-26"), datetime(2026, 10, 26, 0, tzinfo=UTC)),
    ],
)
def test_days_on_which_the_clock_changes_are_whole_days(store, identified, window, midnight):
    at = datetime.fromisoformat(f"{identified}T10:00:00+00:00")
    accepted(store, Person("P1", ZONE), registered(identified), at)
    entry = by_code(store, at)["K-CAVITD"]
    assert (entry.dtstart.value.isoformat(), entry.dtend.value.isoformat()) == window
    assert b"DTSTART;VALUE=DATE:" in calendar_feed(store, at)
    assert not overdue(by_code(store, midnight - timedelta(seconds=1))["K-CAVITD"])
    assert overdue(by_code(store, midnight)["K-CAVITD"])


def test_overdue_is_a_matter_of_the_day_at_the_site(store):
    for patient, zone in (("P1", "America/New_York"), ("P2", "Pacific/Auckland")):
        accepted(store, Person(patient, zone), registered(), datetime(2026, 1, 5, 9, tzinfo=UTC))
    feed = calendar_feed(store, datetime(2026, 1, 12, 12, tzinfo=UTC))
    late = {
        find(store, reference(entry))[0].patient for entry in events(feed) if overdue(entry) and is_oprx(store, entry)
    }
    assert late == {"P2"}


def is_oprx(store, entry) -> bool:
    return find(store, reference(entry))[0].code == "K-OPRX"


# ---------------------------------------------------------------- the form


def test_lines_are_folded_for_any_reader_and_whole_again_after_reading(ward):
    long = "Pflegeteam Zoë Ångström-Übelhör, Orthopädische Ambulanz; Haus «Süd», 2. Stock, 王医生 " * 2
    feed = calendar_feed(ward, NOON, name=long, titles=True)
    lines = feed.split(b"\r\n")
    assert b"\n" not in feed.replace(b"\r\n", b"")
    assert max(map(len, lines)) <= 75
    assert sum(line.startswith(b" ") for line in lines) > 2
    for line in lines:
        line.decode()
    assert parsed(feed).x_wr_calname.value == long
    assert all(" · ref " in entry.summary.value for entry in events(feed))


def test_an_owner_s_name_may_be_of_any_alphabet(store):
    enrol(store, "P1", owner="Дежурная сестра Ö.")
    assert len(events(calendar_feed(store, NOON, owner="Дежурная сестра Ö."))) == 7


# ---------------------------------------------------------------- many at once


def test_many_tasks_take_no_more_statements_than_few(store):
    def selects() -> int:
        with statements(store) as heard:
            feed = calendar_feed(store, CARE)
        assert len(events(feed)) == len(rows(store, models.CalendarEntry)) - 1
        return len(heard)

    many_in_care(store, 1)
    few = selects() - selects()
    many_in_care(store, 100, prefix="M")
    more = selects() - selects()
    assert more <= few
    assert len(rows(store, models.CalendarEntry)) == 1 + 101 * 7


def fetch(url: str, together, answers) -> None:
    """Another process: waits for the others and asks for the feed."""
    store = open_store(url)
    together.wait(timeout=60)
    answers.put(calendar_feed(store, NOON))
    store.database.close()


def test_processes_that_ask_at_once_say_the_same_once(store, url):
    many_in_care(store, 60)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.scheduler.test_calendar_feed"])
    together, answers = processes.Barrier(4), processes.Queue()
    crew = [processes.Process(target=fetch, args=(url, together, answers)) for _ in range(4)]
    for process in crew:
        process.start()
    feeds = {answers.get(timeout=60) for _ in crew}
    for process in crew:
        process.join(timeout=60)
    assert len(feeds) == 1
    kept = rows(store, models.CalendarEntry, ENTRIES.c.uid != SALT)
    assert (len(kept), {row.sequence for row in kept}) == (60 * 7, {0})
    assert len(events(feeds.pop())) == 60 * 7


@contextmanager
def at_the_door(store):
    """An event that is set when the store begins to write."""
    knocked = threading.Event()

    def listen(_connection, _cursor, statement, *_rest) -> None:
        if statement.startswith("BEGIN IMMEDIATE") or "FOR UPDATE" in statement:
            knocked.set()

    event.listen(store.database.engine, "before_cursor_execute", listen)
    yield knocked
    event.remove(store.database.engine, "before_cursor_execute", listen)


def test_who_had_to_wait_looks_again_before_saying_anything(ward, url):
    calendar_feed(ward, NOON)
    mine = (TASKS.c.episode_id == "P1-1") & (TASKS.c.code == "K-DXA")
    change(ward, update(TASKS).where(mine).values(due=date(2026, 2, 1)))
    other, heard = open_store(url), list[bytes]()
    asking = threading.Thread(target=lambda: heard.append(calendar_feed(other, NOON)))
    with at_the_door(other) as knocked, ward.database.writing() as connection:
        connection.execute(select(ENTRIES.c.uid).where(ENTRIES.c.uid == SALT).with_for_update())
        asking.start()
        assert knocked.wait(timeout=30)
        connection.execute(update(TASKS).where(mine).values(status="closed"))
    asking.join(timeout=30)
    other.database.close()
    assert said(ward, NOON, "K-DXA") == ("CANCELLED", 1)
    assert heard == [calendar_feed(ward, NOON)]


# ---------------------------------------------------------------- the command


@pytest.fixture
def pathway(url, ward, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", url)
    ward.mark_job("simulation", "init", NOON)
    return lambda *words: CliRunner().invoke(app, ["--now", "2026-01-08T12:00", "calendar", *words])


def test_the_command_prints_what_the_feed_says(pathway, ward):
    found = pathway("--owner", "Desk", "--role", "coordinator", "--worklist", "care", "--titles")
    asked = {"owner": "Desk", "role": "coordinator", "worklist": "care", "titles": True}
    assert found.exit_code == 0
    assert found.stdout_bytes == calendar_feed(ward, NOON, **asked)
    assert len(events(found.stdout_bytes)) == 7


def test_the_command_writes_a_file_whole(pathway, ward, tmp_path):
    file = tmp_path / "work.ics"
    file.write_text("old")
    reader = file.open()
    assert pathway("--output", "work.ics").stdout == "work.ics: 7 entries\n"
    assert file.read_bytes() == calendar_feed(ward, NOON)
    assert reader.read() == "old"
    reader.close()
    assert json.loads(pathway("-o", "work.ics", "--json").stdout) == {"file": "work.ics", "entries": 7}
    assert [found.name for found in tmp_path.glob("*work*")] == ["work.ics"]


def test_the_command_leads_from_an_entry_to_the_patient(pathway, ward):
    entry = by_code(ward, NOON)["K-DXA"]
    shown = pathway("--find", reference(entry))
    assert "SECRET, Name of P1" in shown.stdout
    assert "Obtain bone densitometry [K-DXA]" in shown.stdout
    (work,) = json.loads(pathway("--find", reference(entry), "--json").stdout)
    assert (work["patient"], work["code"], work["due"]) == ("P1", "K-DXA", "2026-02-02")


@pytest.mark.parametrize(
    ("words", "because"),
    [
        (("--find", "0000000000"), "no work of this database has the reference '0000000000'"),
        (("--find", "0000000000", "--titles"), "takes only --json beside it; nothing was looked up"),
        (("--json",), "--json goes with --output or --find"),
        (("-o", "no/such/folder.ics"), "could not be written: No such file or directory; what was there is as it was"),
    ],
)
def test_bad_input_of_the_command_is_one_sentence(pathway, words, because):
    found = pathway(*words)
    assert (found.exit_code, found.stdout) == (2, "")
    assert because in found.stderr.replace("\n", " ")


def test_the_command_says_that_a_calendar_is_empty(pathway):
    found = pathway("--owner", "Dsek")
    assert (found.exit_code, events(found.stdout_bytes)) == (0, [])
    assert "the calendar is empty: no such work is open" in found.stderr
