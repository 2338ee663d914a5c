"""The one datetime column: an instant goes in, the same instant comes out, and a wall time is refused."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import StatementError

from pathway.calendar import zone_named
from pathway.errors import NaiveTime
from persistence.utc import UtcDateTime
from tests.journeys.people import ZONES

METADATA = MetaData()
MOMENTS = Table("moment", METADATA, Column("id", Integer, primary_key=True), Column("at", UtcDateTime))
NAIVE = datetime(2026, 1, 5, 9, 0)  # noqa: DTZ001 a wall time is what this test is about


@pytest.fixture(scope="module")
def engine(new_url):
    found = create_engine(new_url())
    METADATA.create_all(found)
    yield found
    found.dispose()


def through(engine, moment):
    with engine.begin() as connection:
        key = connection.execute(MOMENTS.insert().values(at=moment)).inserted_primary_key[0]
        return connection.scalar(select(MOMENTS.c.at).where(MOMENTS.c.id == key))


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2190, 1, 1)),  # noqa: DTZ001 the zone is drawn beside it
    st.sampled_from(ZONES),
    st.integers(0, 1),
)
def test_an_instant_survives_whatever_zone_it_came_in(engine, wall, zone, fold):
    moment = wall.replace(tzinfo=zone_named(zone), fold=fold)
    back = through(engine, moment)
    assert back == moment.astimezone(UTC)
    assert back.utcoffset() == timedelta(0)


@pytest.mark.parametrize("offset", [-12, -3.5, 0, 10.5, 14])
def test_an_offset_is_turned_into_the_instant(engine, offset):
    moment = datetime(2026, 3, 29, 1, 30, 0, 123456, timezone(timedelta(hours=offset)))
    assert through(engine, moment) == moment


@pytest.mark.parametrize("value", [NAIVE, date(2026, 1, 5), "2026-01-05T09:00:00Z", 1767603600])
def test_what_is_no_instant_is_refused_and_not_saved(engine, value):
    with pytest.raises(StatementError) as refused:
        through(engine, value)
    assert isinstance(refused.value.orig, NaiveTime)
    assert "expected an aware time, nothing was saved" in str(refused.value)


def test_nothing_stays_nothing(engine):
    assert through(engine, None) is None


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()])
def test_both_databases_get_utc(dialect):
    column, noon = UtcDateTime(), datetime(2026, 7, 1, 12, 0, tzinfo=zone_named("Europe/London"))
    sent = column.process_bind_param(noon, dialect)
    assert (sent.hour, sent.tzinfo) == (11, None if dialect.name == "sqlite" else UTC)
    assert column.process_result_value(sent, dialect) == noon
