"""The worklist: red flags first, then the most overdue; and one definition of overdue for everybody."""

from datetime import UTC, date, datetime, timedelta

import pytest

from persistence import models
from persistence.store import Person
from persistence.worklist import WorkItem, worklist
from tests.journeys.people import GUIDELINE, WHY, decided, examined, fractured_again, happened, painless, registered
from tests.persistence.shelf import CARE, OPENED, rows, tell

ON_DAY_30 = OPENED + timedelta(days=30)


def settle(store, at: datetime) -> None:
    while store.settle(at).fired:
        pass


@pytest.fixture
def ward(store):
    """Three patients in care: one with a red flag, one registered late, and one nobody has looked after."""
    tell(store, *CARE, patient="P1")
    tell(store, *CARE, examined(motor_deficit=True), patient="P2")
    tell(store, registered("2026-01-20"), at=OPENED + timedelta(days=20), patient="P3")
    for patient, surname in (("P1", "Young"), ("P2", "Adams"), ("P3", "Brown")):
        store.name_person(Person(patient, "Europe/London", surname=surname, given="A"))
    settle(store, ON_DAY_30)
    return store


def test_red_flags_come_first_then_the_most_overdue(ward):
    found = worklist(ward, ON_DAY_30)
    assert (found[0].patient, found[0].code) == ("P2", "K-SURG-ACK")
    rest = [item for item in found if not item.red_flag]
    assert [item.days_overdue for item in rest] == sorted((i.days_overdue for i in rest), reverse=True)
    for one, other in zip(rest, rest[1:], strict=False):
        if one.days_overdue == other.days_overdue:
            assert (one.due, one.name) <= (other.due, other.name)


def test_every_open_task_is_on_it_once_and_nothing_else(ward):
    found = [(item.episode, item.code) for item in worklist(ward, ON_DAY_30)]
    assert sorted(found) == sorted((t.episode_id, t.code) for t in rows(ward, models.Task, status="open"))
    assert ("P2-1", "K-REASSESS") not in found


def test_work_is_overdue_from_the_day_after_its_window():
    def on(day: str) -> WorkItem:
        return item(today=date.fromisoformat(day))

    assert [(on(day).when, on(day).days_overdue) for day in ("2026-02-02", "2026-02-03", "2026-02-17")] == [
        ("upcoming", 0),
        ("due", 0),
        ("due", 0),
    ]
    assert [(on(day).when, on(day).days_overdue) for day in ("2026-02-18", "2027-03-24")] == [
        ("overdue", 1),
        ("overdue", 400),
    ]


def item(**other) -> WorkItem:
    values = {
        "patient": "P1",
        "name": "YOUNG, A",
        "birth_date": None,
        "episode": "P1-1",
        "n": 1,
        "state": "REASSESSMENT",
        "sub": None,
        "level": "L1",
        "code": "K-REASSESS",
        "title": "",
        "role": "clinician",
        "due": date(2026, 2, 3),
        "overdue_after": date(2026, 2, 17),
        "opened_at": OPENED,
        "owner": None,
        "red_flag": False,
        "engineering": False,
        "cites": (),
        "zone": "Europe/London",
    }
    return WorkItem(**{**values, **other})


@pytest.mark.parametrize("day", [1, 8, 9, 14, 15, 28, 42, 43, 44, 60, 100, 400])
def test_what_the_worklist_calls_overdue_is_what_staff_were_reminded_of_as_overdue(store, day):
    tell(store, *CARE)
    for number in range(1, day + 1):
        settle(store, OPENED.replace(hour=20) + timedelta(days=number))
    at = OPENED.replace(hour=20) + timedelta(days=day)
    shown = {found.code for found in worklist(store, at) if found.when == "overdue"}
    told = {row.code for row in rows(store, models.Reminder) if row.kind in ("overdue", "repeat")}
    assert shown == told


def test_the_day_is_the_one_on_the_wall_of_the_patient_s_site(store):
    for patient, zone in (("P1", "America/New_York"), ("P2", "Pacific/Auckland")):
        store.record(Person(patient, zone), registered(), OPENED)
    at = datetime(2026, 1, 12, 12, 0, tzinfo=UTC)
    days = {found.patient: found.today for found in worklist(store, at)}
    assert days == {"P1": date(2026, 1, 12), "P2": date(2026, 1, 13)}
    overdue = {found.patient for found in worklist(store, at) if found.code == "K-OPRX" and found.days_overdue}
    assert overdue == {"P2"}


def test_a_worklist_can_be_one_role_s_or_one_person_s(ward):
    tell(ward, happened("assign", owner="a.nurse"), at=ON_DAY_30, patient="P1")
    everything = worklist(ward, ON_DAY_30)
    mine = worklist(ward, ON_DAY_30, role="clinician")
    assert {found.role for found in mine} == {"clinician"}
    assert len(mine) + len(worklist(ward, ON_DAY_30, role="coordinator")) == len(everything)
    assert {found.patient for found in worklist(ward, ON_DAY_30, owner="a.nurse")} == {"P1"}


def test_a_patient_with_two_fractures_is_listed_under_both(store):
    tell(store, *CARE)
    tell(store, fractured_again("2026-01-05"))
    assert {found.n for found in worklist(store, OPENED)} == {1, 2}


def test_the_dead_and_the_discharged_are_on_no_worklist(store):
    tell(store, *CARE)
    tell(store, painless(), decided("resolved"), decided("discharge", override_reason="moves"))
    tell(store, *CARE, happened("death"), patient="P2")
    tell(store, *CARE, happened("withdraw", **WHY), patient="P3")
    assert worklist(store, OPENED + timedelta(days=400)) == []


def test_a_work_item_says_what_it_rests_on(ward):
    for found in worklist(ward, ON_DAY_30):
        rule = GUIDELINE.tasks[found.code]
        assert (found.title, found.cites, found.engineering) == (rule.title, rule.cites, rule.engineering)


def test_names_are_shown_as_a_banner_shows_them(ward):
    assert {found.name for found in worklist(ward, ON_DAY_30)} == {"YOUNG, A", "ADAMS, A", "BROWN, A"}


def test_red_flag_work_is_what_the_guideline_says():
    red = {rule.code for rule in GUIDELINE.tasks.values() if rule.red_flag}
    assert red == {"K-SURG-ACK", "K-LATE-RESULT", "K-RF-REVIEW", "K-FREETEXT"}
