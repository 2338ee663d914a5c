"""Figures of a large house are kept for some minutes and say of when they are; those of a small one are as of now."""

from contextlib import contextmanager
from datetime import timedelta

import pytest

from pathway.errors import StoreError
from persistence import models, reckonings
from persistence.board import board, house_board
from persistence.forecast import Span, by_rule, house_ahead, loads
from persistence.messages import OUTCOMES
from persistence.moved import house_moves, house_rules_fired, reached, rules_fired, stays
from persistence.outbox_page import OutboxView, outbox_page
from persistence.reckonings import AT_LATEST, EVERY, OLDEST, instants, reckoned, refresh
from scheduler.census import census
from scheduler.house_figures import house_census, keep_fresh
from tests.journeys.people import examined, registered
from tests.persistence.cohorts import MORNING
from tests.persistence.shelf import CARE, OPENED, many_in_care, rows, tell

SECOND = timedelta(seconds=1)
LONDON = {"zone": "Europe/London", "stop": lambda: False}


@pytest.fixture
def large(monkeypatch):
    """Every house is large, and every reckoning takes long."""
    monkeypatch.setattr(reckonings, "LARGE", 0)
    monkeypatch.setattr(reckonings, "WORTH_KEEPING", 0)


class Counted:
    """Figures that tell how often they were reckoned."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, store, at):
        self.times += 1
        return {"times": self.times, "at": at.isoformat()}


def kept(store):
    return [row.name for row in rows(store, models.Reckoning)]


def test_in_a_small_house_nothing_is_kept_however_long_it_takes(store, monkeypatch):
    monkeypatch.setattr(reckonings, "WORTH_KEEPING", 0)
    many_in_care(store, 3)
    figures = Counted()
    for second in range(3):
        at = OPENED + second * SECOND
        assert reckoned(store, at, "some", figures).at == at
    assert figures.times == 3
    assert kept(store) == []


def test_what_takes_no_time_is_not_kept(store, monkeypatch):
    monkeypatch.setattr(reckonings, "LARGE", 0)
    monkeypatch.setattr(reckonings, "WORTH_KEEPING", 60)
    many_in_care(store, 3)
    figures = Counted()
    assert [reckoned(store, OPENED, "some", figures).figures["times"] for _ in range(2)] == [1, 2]
    assert kept(store) == []


@pytest.mark.usefixtures("large")
def test_what_takes_long_is_kept_and_says_of_when_it_is(store):
    many_in_care(store, 1)
    figures = Counted()
    for later in (timedelta(0), SECOND, OLDEST):
        found = reckoned(store, OPENED + later, "some", figures)
        assert (found.at, found.figures) == (OPENED, {"times": 1, "at": OPENED.isoformat()})
    with store.database.reading() as connection:
        assert instants(connection, OPENED + OLDEST) == (("some", OPENED),)
        assert instants(connection, OPENED + OLDEST + SECOND) == ()


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("moved", [OLDEST + SECOND, -SECOND], ids=["too old", "from after the house's clock"])
def test_what_is_of_another_time_is_reckoned_anew(store, moved):
    many_in_care(store, 1)
    figures = Counted()
    reckoned(store, OPENED, "some", figures)
    found = reckoned(store, OPENED + moved, "some", figures)
    assert (found.at, found.figures["times"]) == (OPENED + moved, 2)


def test_what_takes_no_time_any_more_is_kept_no_more(store, large, monkeypatch):
    many_in_care(store, 1)
    reckoned(store, OPENED, "some", Counted())
    monkeypatch.setattr(reckonings, "WORTH_KEEPING", 60)
    assert reckoned(store, OPENED + OLDEST + SECOND, "some", Counted()).figures["times"] == 1
    assert kept(store) == []


@pytest.mark.usefixtures("large")
def test_a_database_that_cannot_be_written_shows_the_figures_all_the_same(store, monkeypatch):
    many_in_care(store, 1)

    @contextmanager
    def refused():
        raise StoreError("somebody holds it")
        yield

    monkeypatch.setattr(store.database, "writing", refused)
    assert reckoned(store, OPENED, "some", Counted()).figures["times"] == 1


@pytest.mark.usefixtures("large")
def test_the_engine_reckons_anew_what_is_kept_before_it_is_too_old(store):
    many_in_care(store, 1)
    some, other = Counted(), Counted()
    reckoned(store, OPENED, "some", some)
    reckoned(store, OPENED, "other version's", other)
    known = {"some": some}.get
    assert refresh(store, OPENED + EVERY - SECOND, known) == []
    assert refresh(store, OPENED + EVERY, known) == ["some"]
    assert refresh(store, OPENED + EVERY, known) == []
    assert refresh(store, OPENED - SECOND, known) == ["some"]
    assert (some.times, other.times) == (3, 1)
    assert reckoned(store, OPENED, "some", some).at == OPENED - SECOND


@pytest.mark.usefixtures("large")
def test_what_takes_very_long_is_reckoned_less_often_but_in_time(store, monkeypatch):
    many_in_care(store, 1)
    ticks = iter((0, 100, 200, 300))
    monkeypatch.setattr(reckonings, "perf_counter", lambda: next(ticks))
    some = Counted()
    reckoned(store, OPENED, "some", some)
    assert refresh(store, OPENED + AT_LATEST - SECOND, {"some": some}.get) == []
    assert refresh(store, OPENED + AT_LATEST, {"some": some}.get) == ["some"]
    assert AT_LATEST + timedelta(seconds=100) < OLDEST


@pytest.mark.usefixtures("large")
def test_two_processes_reckon_once(two_desks):
    one, two = two_desks
    many_in_care(one, 1)
    figures = Counted()
    reckoned(one, OPENED, "some", figures)

    def meanwhile(_store, _at):
        assert refresh(two, OPENED + EVERY, {"some": figures}.get) == []
        return figures(one, _at)

    assert refresh(one, OPENED + EVERY, {"some": meanwhile}.get) == ["some"]
    assert figures.times == 2


@pytest.mark.usefixtures("large")
def test_who_is_asked_to_stop_stops_between_two(store):
    many_in_care(store, 1)
    some = Counted()
    reckoned(store, OPENED, "some", some)
    assert refresh(store, OPENED + EVERY, {"some": some}.get, lambda: True) == []


# ---------------------------------------------------------------- what the pages show


@pytest.mark.usefixtures("large")
def test_kept_figures_are_those_that_were_counted(cohort):
    """The second look reads from the database what the first one kept there."""
    for at in (MORNING, MORNING + SECOND):
        assert house_board(cohort, at) == board(cohort, MORNING)
        moves = house_moves(cohort, at)
        assert (moves.reached, moves.stays, moves.at) == (reached(cohort), stays(cohort, MORNING), MORNING)
        assert house_census(cohort, at) == census(cohort, MORNING)
        assert outbox_page(cohort, OutboxView(), at=at).counts == outbox_page(cohort, OutboxView()).counts
        ahead = house_ahead(cohort, at, MORNING.date(), 28, today=MORNING.date())
        span = Span(MORNING.date(), MORNING.date() + timedelta(days=27))
        assert (ahead.loads, ahead.rules, ahead.by_owner) == (loads(cohort, span), by_rule(cohort, span), True)
        assert house_rules_fired(cohort, at, 90).figures == rules_fired(cohort, MORNING - timedelta(days=90))
        assert sorted(kept(cohort)) == ["ahead 28", "board", "census", "ended messages", "fired 90", "moved"]


@pytest.mark.usefixtures("large")
def test_whoever_has_a_red_flag_is_counted_at_once(store):
    tell(store, *CARE)
    before = house_board(store, OPENED)
    tell(store, registered(), examined(motor_deficit=True), at=OPENED + SECOND, patient="P2")
    found = house_board(store, OPENED + 2 * SECOND)
    assert found.at == before.at == OPENED
    assert [(p.state, p.episodes, p.red) for phase in found.phases for p in phase.places if p.episodes or p.red] == [
        ("CONSERVATIVE_CARE", 1, 0),
        ("SURGICAL_REFERRAL", 0, 1),
    ]


@pytest.mark.usefixtures("large")
def test_whom_nobody_looks_after_is_counted_at_once(store):
    many_in_care(store, 2)
    house_board(store, OPENED)
    house_census(store, OPENED)
    tell(store, *CARE, at=OPENED + SECOND, patient="P2")
    found = house_board(store, OPENED + 2 * SECOND)
    nobodys = sum(place.unowned for phase in found.phases for place in phase.places)
    assert nobodys == sum(p.unowned for phase in board(store, OPENED).phases for p in phase.places) > 0
    counted = house_census(store, OPENED + 2 * SECOND)
    assert (counted.at, counted.enrolled) == (OPENED, 2)
    assert counted.unowned == census(store, OPENED).unowned


@pytest.mark.usefixtures("large")
def test_another_day_s_look_ahead_is_no_answer_for_today(store):
    many_in_care(store, 2)
    house_ahead(store, OPENED, OPENED.date(), 7, today=OPENED.date())
    tomorrow = OPENED.date() + timedelta(days=1)
    later = OPENED + SECOND
    assert house_ahead(store, later, tomorrow, 7, today=OPENED.date()).at == later
    assert house_ahead(store, later, tomorrow, 7, today=tomorrow).at == later


def test_where_very_many_look_after_patients_nobody_is_told_apart(store, monkeypatch):
    many_in_care(store, 2)
    monkeypatch.setattr("persistence.forecast.MOST_OWNERS", -1)
    first = OPENED.date()
    ahead = house_ahead(store, OPENED, first, 91, today=first)
    span = Span(first, first + timedelta(days=90))
    assert not ahead.by_owner
    assert ahead.rules == by_rule(store, span)
    assert sum(load.count for load in ahead.loads) == sum(load.count for load in loads(store, span)) > 0
    assert {load.owner for load in ahead.loads} == {""}


@pytest.mark.usefixtures("large")
def test_every_figure_that_is_kept_is_one_that_the_engine_keeps_fresh(store):
    many_in_care(store, 2)
    for look in (house_board, house_moves, house_census):
        look(store, OPENED)
    outbox_page(store, OutboxView(), at=OPENED)
    house_ahead(store, OPENED, OPENED.date(), 14, today=OPENED.date())
    house_rules_fired(store, OPENED, 30)
    names = sorted(kept(store))
    assert len(names) == 6
    assert sorted(keep_fresh(store, OPENED + EVERY, **LONDON)) == names
    assert house_board(store, OPENED + EVERY).at == OPENED + EVERY
    at_midnight = OPENED.replace(hour=23, minute=59, second=59)
    assert len(keep_fresh(store, at_midnight, **LONDON)) == 6
    assert len(keep_fresh(store, at_midnight + EVERY, **LONDON)) == 6
    tomorrow = OPENED.date() + timedelta(days=1)
    assert house_ahead(store, at_midnight + EVERY, tomorrow, 14, today=tomorrow).at == at_midnight + EVERY


def test_messages_that_wait_are_counted_now(store, large):
    tell(store, *CARE)
    outbox_page(store, OutboxView(), at=OPENED)
    tell(store, registered(), examined(motor_deficit=True), at=OPENED + SECOND, patient="P2")
    page = outbox_page(store, OutboxView(), at=OPENED + 2 * SECOND)
    assert page.counted_at == OPENED
    assert page.total == len(rows(store, models.Reminder, outcome="waiting")) == len(page.rows) > 0
    assert set(page.counts) == set(OUTCOMES)
