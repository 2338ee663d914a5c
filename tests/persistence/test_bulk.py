"""Rows written as the driver takes them are those that the plain way writes: to the byte, on both databases."""

import pytest
from sqlalchemy import delete, insert, select, text

from persistence import models
from persistence.bulk import append, upsert
from persistence.store import table
from tests.persistence.shelf import store_on

WRITTEN = (
    models.Patient,
    models.Episode,
    models.Entry,
    models.Timer,
    models.Task,
    models.Referral,
    models.Alert,
    models.LookAgain,
    models.Move,
    models.Reminder,
)


def told(store, model):
    with store.database.reading() as connection:
        return [dict(row) for row in connection.execute(select(table(model))).mappings()]


def stored(store, model):
    """The values as they lie there, before any type of ours has read them."""
    keys = ", ".join(f'"{column.name}"' for column in table(model).primary_key.columns)
    with store.database.reading() as connection:
        return connection.execute(text(f'SELECT * FROM "{table(model).name}" ORDER BY {keys}')).all()


def plainly(connection, model, rows):
    connection.execute(insert(table(model)), rows)


def keeping(connection, model, rows):
    upsert(connection, model, rows, keep=True)


@pytest.fixture
def empty(new_url):
    with store_on(new_url()) as found:
        yield found


@pytest.mark.parametrize("write", [append, upsert, keeping], ids=["append", "upsert", "keep"])
def test_the_rows_of_a_whole_service_are_the_same_either_way(cohort, empty, write):
    for model in WRITTEN:
        rows = told(cohort, model)
        assert rows, model
        with empty.database.writing() as connection:
            write(connection, model, rows)
        assert stored(empty, model) == stored(cohort, model)
    for model in reversed(WRITTEN):
        with empty.database.writing() as connection:
            connection.execute(delete(table(model)))
    for model in WRITTEN:
        with empty.database.writing() as connection:
            plainly(connection, model, told(cohort, model))
        assert stored(empty, model) == stored(cohort, model)


def test_what_rows_leave_out_stands_as_the_table_says(cohort, empty):
    """A row without its reason, as an older caller writes it."""
    patient, episode, task = (told(cohort, model)[0] for model in (models.Patient, models.Episode, models.Task))
    episode["patient_id"], task["episode_id"] = patient["id"], episode["id"]
    del task["why"]
    with empty.database.writing() as connection:
        append(connection, models.Patient, [patient])
        append(connection, models.Episode, [episode])
        upsert(connection, models.Task, [task])
    (found,) = told(empty, models.Task)
    assert found == {**task, "why": ""}
