"""However fast it is done, what lies in the database is what the plain way leaves there, to the byte.

Several patients live through random histories twice, told the same things and settled at the same instants: as the
service does it, and in the plainest way there is (plain_way.py). Every column of every table is compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from pathway import turn
from pathway.journal import Step
from persistence import models
from persistence.database import Database
from persistence.store import Person, Store
from scheduler.settle import settle_all
from tests.journeys.histories import START, History, Told, histories
from tests.journeys.people import ENGINE, GUIDELINE
from tests.persistence.plain_way import PlainWay
from tests.persistence.shelf import store_on

# How long the engine was away before each sweep, and how far into a second it wakes.
AWAY = (*(timedelta(days=days) for days in (0, 0.3, 1, 9, 30, 250)), timedelta(seconds=36, microseconds=54_321))
TABLES = models.SQLModel.metadata.sorted_tables


@dataclass(frozen=True)
class Lives:
    """What happens to several patients, and when the engine wakes for all of them, `batch` episodes at a time."""

    histories: tuple[History, ...]
    sweeps: tuple[datetime, ...]
    batch: int

    def told(self) -> Iterator[tuple[datetime, Person | None, Told | None]]:
        """Everything in the order of time; a sweep is nobody's."""
        steps = [
            (one.at, Person(f"P{number}", history.zone, history.profile), one)
            for number, history in enumerate(self.histories)
            for one in history.told
        ]
        sweeps = [(at, None, None) for at in self.sweeps]
        yield from sorted([*steps, *sweeps], key=lambda happening: happening[0])


def corrections(_today: date) -> st.SearchStrategy[Step]:
    """Of the dates that clocks and open work count from."""
    anchors = st.sampled_from(("fracture_date", "identification_date", "care_start"))
    values = st.integers(-9, 40).map(lambda days: (START.date() + timedelta(days)).isoformat())
    return st.builds(lambda anchor, value: Step("correct", anchor, {"value": value}, "clinician"), anchors, values)


@st.composite
def lives(draw: st.DrawFn) -> Lives:
    """With a sweep at the end, long after the last word, and some, few or none at odd moments before."""
    a_history = st.one_of(histories(longest=6), histories(longest=5, make=corrections))
    people = draw(st.lists(a_history, min_size=2, max_size=3))
    sweeps = [*accumulate(draw(st.lists(st.sampled_from(AWAY), max_size=6)), initial=START)][1:]
    last = max([*sweeps, *(history.told[-1].at for history in people)])
    end = last + timedelta(draw(st.integers(0, 400)), microseconds=draw(st.integers(0, 10**11)))
    return Lives(tuple(people), (*sweeps, end), draw(st.sampled_from((1, 2, 200))))


def fast(store: Store, life: Lives) -> None:
    for at, person, one in life.told():
        if one is None:
            done = settle_all(store, at, batch=life.batch)
            assert not done.set_aside
        else:
            store.record(person, one.step, at, episode_n=one.n, catch_up=one.up)


def plain(way: PlainWay, life: Lives) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turn, "altered", replace)
        for at, person, one in life.told():
            if one is None:
                way.settle(at)
            else:
                way.record(person, one)


def everything(database: Database) -> dict[str, list[tuple]]:
    """The rows of every table as they lie there, before any type of ours has read them."""
    found = {}
    with database.reading() as connection:
        for table in TABLES:
            keys = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
            rows = connection.execute(text(f'SELECT * FROM "{table.name}" ORDER BY {keys}'))
            found[table.name] = [tuple(row) for row in rows]
    return found


def emptied(database: Database) -> None:
    with database.writing() as connection:
        for table in reversed(TABLES):
            connection.execute(delete(table))


@pytest.fixture(scope="module")
def both(new_url):
    """Two databases: of the fast way and of the plain one."""
    with store_on(new_url(), ENGINE) as store, store_on(new_url()) as other:
        yield store, PlainWay(other.database, GUIDELINE)


@settings(max_examples=settings().max_examples // 4)
@given(lives())
def test_the_fast_way_leaves_the_database_of_the_plain_way(both, life):
    store, way = both
    emptied(store.database)
    emptied(way.database)
    fast(store, life)
    plain(way, life)
    ours, theirs = everything(store.database), everything(way.database)
    for name, rows in ours.items():
        assert rows == theirs[name], name
