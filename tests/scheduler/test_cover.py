"""Who is told: the owner or the role, who stands in for whom, and the leads, the higher the ladder the more."""

from datetime import UTC, date, datetime, timedelta

import pytest

from pathway.journal import Step
from persistence import models
from persistence.store import table
from scheduler.outbox import deliver
from scheduler.recipients import staff_on
from scheduler.settle import settle_all
from scheduler.site import Site
from tests.scheduler.ward import LATE, REASSESS_DUE, accepted, days, enrol, hire, red_flag, rows

FIRST, LAST = date(2026, 2, 2), date(2026, 2, 6)
DAY = date(2026, 2, 3)
OUTBOX = table(models.Reminder)


@pytest.fixture
def house(store):
    """Three coordinators, a clinician and a lead."""
    for name in ("ann", "bob", "cem"):
        hire(store, f"{name}@x.org", "coordinator")
    hire(store, "dora@x.org", "clinician")
    hire(store, "lea@x.org", "lead")
    return store


def away(store, absent, stand_in, first=FIRST, last=LAST, *, noted=datetime(2026, 1, 30, 12, tzinfo=UTC)):
    row = {"absent": f"{absent}@x.org", "stand_in": f"{stand_in}@x.org", "first_day": first, "last_day": last}
    store.keep_cover({**row, "noted_at": noted, "noted_by": "test"})


def told(store, *roles, day=DAY, owner=None):
    with store.database.reading() as connection:
        found = staff_on(connection, day).recipients(roles or ["coordinator"], owner=owner)
    return [colleague.email.partition("@")[0] for colleague in found]


def letters(pigeon, key):
    return sorted(person.partition("@")[0] for sent, person in pigeon.sent if sent == key)


def key_of(store, **columns):
    (row,) = rows(store, models.Reminder, *(OUTBOX.c[name] == value for name, value in columns.items()))
    return row.key


# ---------------------------------------------------------------- owner and role


def test_everybody_of_the_role_is_told_once_and_in_order(house):
    assert told(house) == ["ann", "bob", "cem"]
    assert told(house, "coordinator", "lead", "coordinator") == ["ann", "bob", "cem", "lea"]


@pytest.mark.parametrize("owner", ["bob", "bob@x.org", "BOB", "Bob@X.org"])
def test_an_owner_who_is_a_colleague_is_told_alone(house, owner):
    assert told(house, owner=owner) == ["bob"]


@pytest.mark.parametrize("owner", ["Coordination desk", "", None, "bobby", "dora", "lea"])
def test_an_owner_who_is_a_desk_or_works_in_another_role_means_the_whole_role(house, owner):
    assert told(house, owner=owner) == ["ann", "bob", "cem"]


def test_an_owner_speaks_for_the_first_role_only(house):
    assert told(house, "coordinator", "lead", owner="lea") == ["ann", "bob", "cem", "lea"]
    assert told(house, "clinician", "coordinator", owner="bob") == ["ann", "bob", "cem", "dora"]


def test_an_owner_who_has_left_means_the_whole_role(house):
    hire(house, "gone@x.org", "coordinator", active=False)
    assert told(house, owner="gone") == ["ann", "bob", "cem"]


def test_a_role_without_anybody_means_the_leads_and_without_leads_nobody(store):
    hire(store, "ann@x.org", "coordinator")
    assert told(store, "clinician") == []
    hire(store, "lea@x.org", "lead")
    hire(store, "leo@x.org", "lead")
    assert told(store, "clinician") == ["lea", "leo"]


# ---------------------------------------------------------------- cover


def test_who_stands_in_is_told_instead_of_who_is_away(house):
    away(house, "bob", "dora")
    assert told(house) == ["ann", "cem", "dora"]
    assert told(house, owner="bob") == ["dora"]


def test_who_stands_in_within_the_role_is_told_once(house):
    away(house, "bob", "ann")
    assert told(house) == ["ann", "cem"]


@pytest.mark.parametrize(
    ("day", "who"),
    [
        (FIRST - timedelta(days=1), "bob"),
        (FIRST, "dora"),
        (LAST, "dora"),
        (LAST + timedelta(days=1), "bob"),
    ],
)
def test_a_cover_counts_from_its_first_day_to_its_last(house, day, who):
    away(house, "bob", "dora")
    assert told(house, day=day, owner="bob") == [who]


def test_a_cover_of_one_day(house):
    away(house, "bob", "dora", DAY, DAY)
    assert [told(house, day=DAY + timedelta(days=n), owner="bob") for n in (-1, 0, 1)] == [["bob"], ["dora"], ["bob"]]


def test_a_chain_of_covers_is_followed_to_its_end(house):
    away(house, "ann", "bob")
    away(house, "bob", "cem")
    assert told(house, owner="ann") == ["cem"]
    away(house, "cem", "dora", DAY, DAY)
    assert told(house, owner="ann") == ["dora"]
    assert told(house, owner="ann", day=DAY + timedelta(days=1)) == ["cem"]


def test_covers_in_a_circle_lead_to_the_leads(house):
    away(house, "ann", "bob")
    away(house, "bob", "ann")
    assert told(house, owner="ann") == told(house, owner="bob") == ["lea"]
    assert told(house) == ["cem"], "one who is there is enough"
    away(house, "cem", "ann")
    assert told(house) == ["lea"]


def test_a_circle_that_one_only_leads_into_is_one_as_well(house):
    away(house, "ann", "bob")
    away(house, "bob", "cem")
    away(house, "cem", "bob")
    assert told(house, owner="ann") == ["lea"]


def test_a_stand_in_who_has_left_means_the_lead(house):
    hire(house, "gone@x.org", "coordinator", active=False)
    away(house, "bob", "gone")
    assert told(house, owner="bob") == ["lea"]
    assert told(house) == ["ann", "cem"]


def test_a_lead_who_is_away_is_covered_like_anybody(house):
    away(house, "lea", "cem")
    assert told(house, "lead") == ["cem"]
    away(house, "ann", "bob")
    away(house, "bob", "ann")
    assert told(house, owner="ann") == ["cem"]


def test_with_the_only_lead_away_and_nobody_in_place_there_is_nobody(store):
    hire(store, "lea@x.org", "lead")
    hire(store, "gone@x.org", "lead", active=False)
    away(store, "lea", "gone")
    assert told(store, "lead") == []


def test_of_two_notes_about_one_day_the_later_counts(house):
    away(house, "bob", "ann")
    away(house, "bob", "dora", DAY, DAY, noted=datetime(2026, 2, 1, tzinfo=UTC))
    away(house, "bob", "cem", DAY, DAY, noted=datetime(2026, 1, 31, tzinfo=UTC))
    assert told(house, owner="bob") == ["dora"]
    assert told(house, owner="bob", day=FIRST) == ["ann"]


def test_who_is_back_early_is_told_again(house):
    away(house, "bob", "ann")
    away(house, "bob", "bob", DAY, LAST, noted=datetime(2026, 2, 2, tzinfo=UTC))
    assert told(house, owner="bob", day=FIRST) == ["ann"]
    assert told(house, owner="bob", day=DAY) == ["bob"]
    assert told(house, day=DAY) == ["ann", "bob", "cem"]


def test_letters_follow_the_owner_the_cover_and_the_wall_of_the_site(house, pigeon):
    """Half past eleven in the morning in London is half past midnight of the next day in Auckland."""
    enrol(house, owner="bob")
    away(house, "bob", "cem", last=DAY)
    settle_all(house, REASSESS_DUE)
    milestone = key_of(house, code="REASSESS", kind="milestone")
    now = datetime(2026, 2, 3, 11, 30, tzinfo=UTC)
    deliver(house, [pigeon], now, limit=500, site=Site("Pacific/Auckland"))
    assert letters(pigeon, milestone) == ["bob"], "there it is the fourth, and Bob is back"


def test_on_the_last_day_of_a_cover_the_letter_goes_to_who_stands_in(house, pigeon):
    enrol(house, owner="bob")
    away(house, "bob", "cem", last=DAY)
    settle_all(house, REASSESS_DUE)
    deliver(house, [pigeon], datetime(2026, 2, 3, 23, 59, tzinfo=UTC), limit=500, site=Site("Europe/London"))
    assert letters(pigeon, key_of(house, code="REASSESS", kind="milestone")) == ["cem"]


# ---------------------------------------------------------------- the ladder


def escalations(store):
    return rows(store, models.Reminder, OUTBOX.c.kind == "escalation", OUTBOX.c.code == "K-SURG-ACK")


def test_a_red_flag_climbs_from_the_clinicians_to_the_lead_to_the_coordinators(house, pigeon):
    enrol(house)
    raised = datetime(2026, 2, 1, 23, 30, tzinfo=UTC)
    red_flag(house, "P1", raised)
    rest = Site("Europe/London", "20:00", "07:00", frozenset(range(5)), daily_cap=1)
    told_at = []
    # Sunday night to Wednesday night, a round every half hour: quiet hours, the weekend and the cap hold nothing up.
    for half_hours in range(0, 2 * 72 + 1):
        now = raised + timedelta(minutes=30 * half_hours)
        settle_all(house, now)
        deliver(house, [pigeon], now, limit=500, site=rest)
        new = [row for row in escalations(house) if row.settled_at == now]
        told_at += [(half_hours / 2, letters(pigeon, row.key), row.outcome) for row in new]
    clinic, everybody = ["dora", "lea"], ["ann", "bob", "cem", "dora", "lea"]
    assert told_at == [
        (1, clinic, "sent"),
        (4, everybody, "sent"),
        (24, everybody, "sent"),
        (48, everybody, "sent"),
        (72, everybody, "sent"),
    ]
    alert = key_of(house, code="RED_FLAG", kind="alert")
    assert letters(pigeon, alert) == ["dora"]


def test_the_ladder_ends_when_a_clinician_answers(house, pigeon):
    enrol(house)
    red_flag(house, "P1", LATE)
    settle_all(house, LATE + timedelta(hours=1))
    deliver(house, [pigeon], LATE + timedelta(hours=1), limit=500)
    accepted(house, "P1", Step("decide", "acknowledge_red_flag", actor="clinician"), LATE + timedelta(hours=2))
    settle_all(house, LATE + days(3))
    deliver(house, [pigeon], LATE + days(3), limit=500)
    assert len(escalations(house)) == 1


def test_work_that_stays_overdue_reaches_the_lead_with_its_first_repetition(house, pigeon):
    enrol(house)
    for day in range(31):
        settle_all(house, REASSESS_DUE + days(day))
        deliver(house, [pigeon], REASSESS_DUE + days(day), limit=500)
    found = rows(house, models.Reminder, OUTBOX.c.code == "K-REASSESS")
    ladder = [
        ((row.due_at - REASSESS_DUE).days, row.kind, letters(pigeon, row.key), row.outcome)
        for row in sorted(found, key=lambda row: row.due_at)
    ]
    assert ladder == [
        (15, "overdue", ["dora"], "sent"),
        (22, "repeat", ["dora", "lea"], "sent"),
        (29, "repeat", ["dora", "lea"], "sent"),
    ]
