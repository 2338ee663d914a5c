"""A seal is of everything that a verification compares: no column of any row may change unseen."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from persistence import models
from persistence.merges import places_of
from persistence.seals import COMPARED, LEFT_OUT, digests
from persistence.store import table
from scheduler.settle import settle_all
from tests.journeys.people import examined, happened
from tests.persistence.shelf import CARE, OPENED, store_on, tell

MODELS = (models.Episode, *COMPARED)
# Whose row it is: a row that becomes another's is gone from here, and that it is gone is tried apart.
WHOSE = ("episode_id", "id")
SEALED = [
    pytest.param(model, column, id=f"{model.__tablename__}.{column.name}")
    for model in MODELS
    for column in table(model).columns
    if column.name not in (*WHOSE, *LEFT_OUT.get(model.__tablename__, ()))
]


@pytest.fixture(scope="module")
def everything(new_url):
    """An episode that has at least one row in every table, and another patient."""
    with store_on(new_url()) as store:
        tell(store, *CARE, happened("contact", outcome="reached"))
        tell(store, happened("look_again", code="K-DXA", until="2026-01-12", reason="waits for the clinic"))
        tell(store, examined(motor_deficit=True))
        tell(store, *CARE, patient="P2")
        settle_all(store, OPENED + timedelta(days=10))
        yield store


def mine(model):
    target = table(model)
    return target.c["id" if model is models.Episode else "episode_id"] == "P1-1"


@pytest.mark.parametrize("model", COMPARED)
def test_no_row_can_go_unseen(everything, model):
    gone = delete(table(model)).where(*the_first(everything, model))
    assert changes_the_digest(everything, gone)


@pytest.mark.parametrize(("model", "column"), SEALED)
def test_no_column_is_left_out_of_a_seal(everything, model, column):
    edited = update(table(model)).where(*the_first(everything, model))
    with everything.database.reading() as connection:
        value = connection.scalar(select(column).where(*the_first(everything, model)))
    assert changes_the_digest(everything, edited.values({column.name: other_than(value, column)}))


def the_first(store, model):
    """The first row that P1-1 has there."""
    target = table(model)
    with store.database.reading() as connection:
        whose = target.c["id" if model is models.Episode else "episode_id"]
        row = connection.execute(select(target).where(whose == "P1-1")).first()
    return [key == row._mapping[key] for key in target.primary_key.columns]


def changes_the_digest(store, statement):
    with store.database.engine.connect() as connection:
        places = places_of(connection, ["P1-1"])
        before = digests(connection, "", places)
        # What hangs on the row goes first, so that the database lets it go.
        connection.execute(delete(table(models.Delivery)))
        assert connection.execute(statement).rowcount == 1
        after = digests(connection, "", places)
        connection.rollback()
    return before != after


def other_than(value, column):
    if column.foreign_keys:
        return "P2"
    others = {
        bool: not value,
        int: 977,
        str: f"{value}!",
        datetime: datetime(1999, 1, 1, tzinfo=UTC),
        date: date(1999, 1, 1),
    }
    return others[getattr(column.type, "impl", column.type).python_type]
