"""Five hundred patients fall due in one morning: the same handful of statements as for fifty."""

from datetime import timedelta

import pytest

from persistence import models
from tests.journeys.people import examined
from tests.persistence.shelf import OPENED, counts, many_in_care, rows, statements, store_on

DUE = OPENED + timedelta(days=28)
HANDFUL = 12


def settled(url: str, count: int) -> tuple[list[str], int]:
    with store_on(url) as store:
        many_in_care(store, count)
        with statements(store) as heard:
            done = store.settle(DUE, limit=count)
        assert done.episodes == count
        assert {row.state for row in rows(store, models.Episode)} == {"REASSESSMENT"}
        return heard, counts(store)["reminder"]


@pytest.fixture(scope="module")
def both(new_url):
    return {count: settled(new_url(), count) for count in (50, 500)}


def test_a_batch_takes_a_handful_of_statements(both):
    assert len(both[50][0]) <= HANDFUL, both[50][0]


def test_the_number_of_statements_does_not_grow_with_the_number_of_patients(both):
    assert len(both[500][0]) == len(both[50][0])


def test_everybody_is_told_of_once(both):
    assert both[500][1] == 10 * both[50][1]


def test_what_is_left_of_a_batch_is_taken_by_the_next(store):
    many_in_care(store, 25)
    assert [store.settle(DUE, limit=10).episodes for _ in range(4)] == [10, 10, 5, 0]


def test_the_longest_waiting_come_first(store):
    many_in_care(store, 3)
    first = store.next_wake()
    assert store.settle(first - timedelta(seconds=1)).episodes == 0
    assert store.settle(first).episodes == 3
    assert store.next_wake() > first


def test_a_step_of_one_patient_takes_a_handful_too(store):
    many_in_care(store, 20)
    with statements(store) as heard:
        store.record("N0007", examined(motor_deficit=True), DUE)
    assert len(heard) <= HANDFUL + 3, heard
