"""Time is an argument: the one function that reads a clock is frozen, and store and scheduler follow it."""

from datetime import timedelta

import pytest
from freezegun import freeze_time

from persistence import models
from scheduler.clock import utcnow
from scheduler.settle import settle_all
from tests.journeys.people import decided, pain
from tests.persistence.shelf import CARE, OPENED, episode, rows, store_in, tell


class Calendar:
    """The clinic's day, with a heartbeat at every deadline on its way."""

    def __init__(self, store, frozen) -> None:
        self.store, self.frozen = store, frozen

    def forward(self, **delta) -> None:
        target = utcnow() + timedelta(**delta)
        while (due := self.store.next_wake()) is not None and due <= target:
            self.frozen.move_to(max(due, utcnow()))
            settle_all(self.store, utcnow())
        self.frozen.move_to(target)


@pytest.fixture
def store(tmp_path):
    with store_in(tmp_path / "pathway.db") as found:
        yield found


@pytest.fixture
def calendar(store):
    # The test runner keeps its own watch.
    with freeze_time(OPENED, ignore=["_pytest.timing"]) as frozen:
        tell(store, *CARE, at=utcnow())
        yield Calendar(store, frozen)


def story(store) -> list[tuple[str, str]]:
    told = [row for row in rows(store, models.Reminder) if row.kind == "milestone"]
    return sorted((f"{row.fired_at:%Y-%m-%d %H:%M}", row.code) for row in told)


def test_a_quarter_of_neglect_is_told_milestone_by_milestone(store, calendar):
    calendar.forward(days=100)
    assert story(store) == [
        ("2026-02-02 08:00", "REASSESS"),
        ("2026-02-27 08:00", "IMAGING_8W"),
        ("2026-04-05 07:00", "FAILURE_REVIEW"),
    ]


def test_a_long_sleep_and_one_heartbeat_tell_the_same(store, calendar):
    calendar.frozen.move_to(OPENED + timedelta(days=100))
    settle_all(store, utcnow())
    assert [code for _, code in story(store)] == ["FAILURE_REVIEW", "IMAGING_8W", "REASSESS"]
    dated = [line for line in store.journal("P1-1") if line.kind == "timer"]
    assert [f"{line.occurred_at:%Y-%m-%d}" for line in dated] == ["2026-02-02", "2026-02-27", "2026-04-05"]
    assert {line.recorded_at for line in dated} == {utcnow()}


def test_a_visit_is_recorded_at_the_frozen_instant(store, calendar):
    calendar.forward(days=28, hours=3)
    tell(store, pain(5), decided("complete_reassessment", outcome="continue"), at=utcnow())
    assert episode(store).state == "CONSERVATIVE_CARE"
    (row,) = rows(store, models.Episode)
    assert row.updated_at == utcnow() == OPENED + timedelta(days=28, hours=3)


def test_while_the_clock_stands_still_nothing_falls_due(store, calendar):
    for _ in range(5):
        assert settle_all(store, utcnow()).fired == 0
    assert story(store) == []


def test_a_heartbeat_every_hour_says_nothing_twice(store, calendar):
    for _ in range(24 * 30):
        calendar.frozen.tick(timedelta(hours=1))
        settle_all(store, utcnow())
    keys = [row.key for row in rows(store, models.Reminder)]
    assert len(keys) == len(set(keys))
    assert story(store) == [("2026-02-02 08:00", "REASSESS")]
