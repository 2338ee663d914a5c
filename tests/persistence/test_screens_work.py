"""The worklist by the page: every tab and filter has the work that it should, in the order of urgency."""

from datetime import timedelta
from functools import cache
from itertools import chain

import pytest
from sqlalchemy import update

from pathway.calendar import local_date
from persistence import models
from persistence.names import full_name
from persistence.store import Person, table
from persistence.work_item import WorkItem, work_item
from persistence.work_page import PARTS, TABS, View, work_page
from persistence.worklist import worklist
from tests.journeys.people import GUIDELINE, examined, happened
from tests.persistence.cohorts import EVENING, MORNING, open_tasks
from tests.persistence.shelf import CARE, OPENED, rows, statements, tell

WEEK = timedelta(days=7)
VIEWS = {
    "everything": {},
    "a role": {"role": "clinician"},
    "an owner": {"owners": ("A. Okafor (demo)",)},
    "two owners": {"owners": ("A. Okafor (demo)", "B. Hughes (demo)")},
    "nobody's": {"owners": ("",)},
    "somebody's and nobody's": {"owners": ("A. Okafor (demo)", "")},
    "a state": {"state": "REASSESSMENT"},
    "a part of a state": {"state": "SURGICAL_REFERRAL", "sub": "pending_ack"},
    "red flags": {"red_only": True},
    "red flags of an owner": {"red_only": True, "owners": ("A. Okafor (demo)",)},
    "a name": {"q": "demo"},
    "all at once": {"role": "coordinator", "owners": ("B. Hughes (demo)",), "state": "ACUTE_ASSESSMENT"},
}


@cache
def everything(store, at) -> list[tuple[WorkItem, bool]]:
    """All open work from the episodes, in Python, and whether each is set aside."""
    people = {person.id: person for person in rows(store, models.Patient)}
    until = {(row.episode_id, row.code, row.n): row.until for row in rows(store, models.LookAgain)}
    found = []
    for episode, task in open_tasks(store):
        person, today = people[episode.patient], local_date(at, episode.zone)
        values = {
            "patient": episode.patient,
            "name": full_name(person.surname, person.given),
            "birth_date": episode.birth_date,
            "episode": episode.id,
            **{name: getattr(episode, name) for name in ("n", "state", "sub", "level", "owner", "zone")},
            **{name: getattr(task, name) for name in ("code", "due", "overdue_after", "opened_at")},
        }
        item = work_item(GUIDELINE, values, today)
        found.append((item, not item.red_flag and until.get((episode.id, task.code, task.n), today) > today))
    return sorted(found, key=lambda pair: pair[0].urgency)


def reckoned(store, at, tab, *, role=None, owners=(), state=None, sub=None, red_only=False, q="") -> list[WorkItem]:
    return [
        item
        for item, aside in everything(store, at)
        if belongs(item, tab, aside=aside)
        and role in (None, item.role)
        and (not owners or (item.owner or "") in owners)
        and state in (None, item.state)
        and sub in (None, item.sub)
        and (item.red_flag or not red_only)
        and q in item.name.lower()
    ]


def belongs(item: WorkItem, tab: str, *, aside: bool) -> bool:
    return {
        "now": item.when != "upcoming" and not aside,
        "overdue": item.when == "overdue",
        "today": item.when == "due",
        "week": item.when == "upcoming" and item.due <= item.today + WEEK,
        "aside": aside,
        "all": True,
    }[tab]


def paged(store, at, view, size=25) -> list[WorkItem]:
    """Every page, one after the other."""
    last = work_page(store, at, view, size=size).pages
    pages = [work_page(store, at, view, page=number, size=size) for number in range(1, last + 1)]
    return [row.item for row in chain.from_iterable(page.rows for page in pages)]


@pytest.mark.parametrize("filters", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("at", [MORNING, EVENING], ids=["one day", "two days"])
def test_every_tab_and_filter_pages_through_what_the_episodes_say(cohort, at, tab, filters):
    expected = reckoned(cohort, at, tab, **filters)
    assert paged(cohort, at, View(tab, **filters)) == expected
    assert work_page(cohort, at, View(tab, **filters)).total == len(expected)


@pytest.mark.parametrize("filters", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("at", [MORNING, EVENING], ids=["one day", "two days"])
def test_the_numbers_on_the_tabs_are_those_of_their_lists(cohort, at, filters):
    counts = work_page(cohort, at, View(**filters)).counts
    assert {tab: getattr(counts, tab) for tab in TABS} == {
        tab: len(reckoned(cohort, at, tab, **filters)) for tab in TABS
    }
    assert counts.red == sum(item.red_flag for item in reckoned(cohort, at, "all", **filters))


@pytest.mark.parametrize("at", [MORNING, EVENING], ids=["one day", "two days"])
def test_the_worklist_of_letters_is_the_same_list(cohort, at):
    assert worklist(cohort, at) == paged(cohort, at, View("all")) == reckoned(cohort, at, "all")
    assert worklist(cohort, at, role="clinician") == paged(cohort, at, View("all", role="clinician"))


def test_the_cohort_puts_the_page_to_the_test(cohort):
    counts = work_page(cohort, MORNING, View()).counts
    assert min(counts.now, counts.overdue, counts.today, counts.week, counts.aside, counts.red) > 0
    aside = {(row.episode_id, row.code) for row in rows(cohort, models.LookAgain)}
    assert any((item.episode, item.code) in aside for item in worklist(cohort, MORNING) if item.red_flag)


def test_a_page_after_the_last_is_empty_and_keeps_its_numbers(cohort):
    found = work_page(cohort, MORNING, View("all"), page=99, size=25)
    assert (found.rows, found.pages) == ((), -(-found.total // 25))


def test_a_row_says_since_when_and_what_the_page_has_seen(cohort):
    episodes = {row.id: row for row in rows(cohort, models.Episode)}
    until = {(row.episode_id, row.code, row.n): row.until for row in rows(cohort, models.LookAgain)}
    for row in work_page(cohort, MORNING, View("all"), size=200).rows:
        there = episodes[row.item.episode]
        assert (row.since, row.version) == (there.since, there.version)
        day = until.get((row.item.episode, row.item.code, row.task_n), row.item.today)
        assert row.aside_until == (day if day > row.item.today and not row.item.red_flag else None)


def test_red_flag_work_cannot_be_set_aside(store):
    tell(store, *CARE, examined(motor_deficit=True))
    set_aside(store, "P1-1", "K-SURG-ACK", OPENED.date() + WEEK)
    found = work_page(store, OPENED, View())
    assert ("K-SURG-ACK", None) in [(row.item.code, row.aside_until) for row in found.rows]
    assert found.counts.aside == 0


def test_work_set_aside_comes_back_on_its_day_and_counts_meanwhile(store):
    tell(store, *CARE)
    set_aside(store, "P1-1", "K-CAVITD", OPENED.date() + WEEK)

    def seen(days, tab):
        found = work_page(store, OPENED + timedelta(days=days), View(tab)).rows
        return [row.aside_until for row in found if row.item.code == "K-CAVITD"]

    assert (seen(6, "now"), seen(7, "now")) == ([], [None])
    assert seen(6, "aside") == seen(6, "all") == seen(6, "today") == [OPENED.date() + WEEK]
    assert seen(7, "aside") == []


def set_aside(store, episode: str, code: str, until) -> None:
    row = {"episode_id": episode, "code": code, "n": 1, "until": until, "because": "", "noted_by": "desk"}
    with store.database.writing() as connection:
        connection.execute(table(models.LookAgain).insert(), {**row, "noted_at": OPENED})


def test_the_last_contact_is_the_latest_that_still_stands(store):
    tell(store, *CARE, patient="P1")
    tell(store, *CARE, patient="P2")
    for day, outcome in ((1, "reached"), (2, "no_answer")):
        tell(store, happened("contact", actor="coordinator", outcome=outcome), at=OPENED + timedelta(days=day))
    assert contacts(store)["P1"] == (OPENED + timedelta(days=2), "no_answer")
    assert contacts(store)["P2"] is None
    calls = table(models.Contact)
    with store.database.writing() as connection:
        connection.execute(update(calls).where(calls.c.outcome == "no_answer").values(retracted=True))
    assert contacts(store)["P1"] == (OPENED + timedelta(days=1), "reached")


def contacts(store):
    found = work_page(store, OPENED, View("all")).rows
    return {row.item.patient: row.last_contact and (row.last_contact.at, row.last_contact.outcome) for row in found}


def test_names_stand_in_the_order_of_people_whatever_their_accents(store):
    for number, surname in enumerate(("Zola", "Ähre", "O'Brien", "ahorn", "Obst", "Łąka")):
        tell(store, *CARE, patient=f"P{number}")
        store.name_person(Person(f"P{number}", "Europe/London", surname=surname))
    found = [row.item.name for row in work_page(store, OPENED, View("all")).rows if row.item.code == "K-DXA"]
    assert found == ["AHORN", "ÄHRE", "O'BRIEN", "OBST", "ZOLA", "ŁĄKA"]


def test_an_empty_house_has_an_empty_page(store):
    found = work_page(store, MORNING, View())
    assert (found.rows, found.total, found.pages) == ((), 0, 1)


def test_a_page_is_a_handful_of_statements_however_much_it_shows(cohort):
    with statements(cohort) as heard:
        work_page(cohort, MORNING, View("all"), size=200)
    assert len(heard) <= 3 + 2 * 2 * len(PARTS)
