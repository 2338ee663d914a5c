"""What SQLite and PostgreSQL say in different words: days between dates and instants, and text in one order."""

import sys
from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, String, and_, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class DaysBetween(FunctionElement):
    """Whole days from the second date to the first."""

    type = Integer()
    inherit_cache = True


class DaysElapsed(FunctionElement):
    """Days and parts of days from the second instant to the first."""

    type = Float()
    inherit_cache = True


class InCodeOrder(FunctionElement):
    """Text compared by its characters, as Python does, whatever language the server speaks."""

    type = String()
    inherit_cache = True


def begins_with(column: ColumnElement[Any], begun: str) -> ColumnElement[bool]:
    """Whether a text begins so, character by character; SQLite takes an index of the text for it."""
    return and_(InCodeOrder(column) >= begun, InCodeOrder(column) < begun + chr(sys.maxunicode))


def not_by_index(column: ColumnElement[Any], none: str | int = "") -> ColumnElement[Any]:
    """The value, or `none` where there is none, said so that SQLite is led by another condition: it guesses that a
    column with an index narrows a list most."""
    return func.coalesce(column, none)


def _two(element: Any, compiler: Any, **options: Any) -> tuple[str, str]:
    later, earlier = (compiler.process(part, **options) for part in element.clauses)
    return later, earlier


@compiles(DaysBetween, "sqlite")
def _(element: Any, compiler: Any, **options: Any) -> str:
    return "CAST(julianday({}) - julianday({}) AS INTEGER)".format(*_two(element, compiler, **options))


@compiles(DaysBetween, "postgresql")
def _(element: Any, compiler: Any, **options: Any) -> str:
    return "({} - {})".format(*_two(element, compiler, **options))


@compiles(DaysElapsed, "sqlite")
def _(element: Any, compiler: Any, **options: Any) -> str:
    return "(julianday({}) - julianday({}))".format(*_two(element, compiler, **options))


@compiles(DaysElapsed, "postgresql")
def _(element: Any, compiler: Any, **options: Any) -> str:
    return "(CAST(extract(epoch FROM ({} - {})) AS float) / 86400)".format(*_two(element, compiler, **options))


@compiles(InCodeOrder, "sqlite")
def _(element: Any, compiler: Any, **options: Any) -> str:
    (column,) = element.clauses
    return compiler.process(column, **options)


@compiles(InCodeOrder, "postgresql")
def _(element: Any, compiler: Any, **options: Any) -> str:
    (column,) = element.clauses
    return f'{compiler.process(column, **options)} COLLATE "C"'
