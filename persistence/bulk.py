"""Many rows by one statement: compiled once, and handed to the driver as it takes them.

SQLAlchemy's own way asks of every value of every row how it is to be written; here a column is asked once, and an
instant that many rows share is written out once. What reaches the database is the same.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Date, DateTime, Insert
from sqlalchemy import insert as plain_insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel

Binder = Callable[[Any], Any]
Prepared = tuple[str, tuple[str, ...], dict[str, Any], tuple[tuple[int, Binder], ...]]


def append(connection: Connection, model: type[SQLModel], rows: list[dict[str, Any]]) -> None:
    """Insert; what has the same key as a row that is there is an IntegrityError."""
    _run(connection, model, rows, "append")


def upsert(connection: Connection, model: type[SQLModel], rows: list[dict[str, Any]], *, keep: bool = False) -> None:
    """Insert, or overwrite what has the same key; with `keep`, what is there stays as it is."""
    _run(connection, model, rows, "keep" if keep else "overwrite")


def _run(connection: Connection, model: type[SQLModel], rows: list[dict[str, Any]], how: str) -> None:
    if not rows:
        return
    statement, names, usual, binders = _prepared(connection.dialect, model, tuple(rows[0]), how)
    values = [[row[name] if name not in usual else usual[name] for name in names] for row in rows]
    for place, bind in binders:
        for each in values:
            each[place] = bind(each[place])
    connection.exec_driver_sql(statement, [tuple(each) for each in values])


@lru_cache(maxsize=128)
def _prepared(dialect: Any, model: type[SQLModel], names: tuple[str, ...], how: str) -> Prepared:
    """The statement in the driver's words, the columns in the order of its marks, what stands in those that the rows
    leave out, and who turns a value into the driver's."""
    target = model.__table__  # type: ignore[attr-defined]  # every table model has one
    # Every mark is positional, whatever the driver's own way is.
    positional = type(dialect)(paramstyle="qmark" if dialect.name == "sqlite" else "format")
    compiled = _statement(dialect.name, target, names, how).compile(dialect=positional, column_keys=list(names))
    order = tuple(compiled.positiontup or ())
    usual = {name: target.c[name].default.arg for name in order if name not in names}
    binders = []
    for place, name in enumerate(order):
        kind = target.c[name].type
        bind = kind.dialect_impl(dialect).bind_processor(dialect)
        if bind is not None:
            is_time = isinstance(getattr(kind, "impl", kind), Date | DateTime)
            binders.append((place, lru_cache(maxsize=4096)(bind) if is_time else bind))
    return str(compiled), order, usual, tuple(binders)


def _statement(dialect: str, target: Any, names: tuple[str, ...], how: str) -> Insert:
    if how == "append":
        return plain_insert(target)
    statement = (sqlite if dialect == "sqlite" else postgresql).insert(target)
    keys = [column.name for column in target.primary_key.columns]
    if how == "keep":
        return statement.on_conflict_do_nothing(index_elements=keys)
    others = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=others)
