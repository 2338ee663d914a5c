"""The columns of every table that is written out: the one list that the files and the dictionary are made from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any

Value = str | int | float | bool | date | datetime | None

TEXT, WHOLE, NUMBER, DAY, INSTANT, YES_NO = "text", "whole number", "number", "date", "instant", "yes or no"
TYPES = (TEXT, WHOLE, NUMBER, DAY, INSTANT, YES_NO)
NEVER = "never empty"
UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, its unit, what it means and what it means where it is empty.

    `of` reads the value off a record of the table; None is empty in the file, and so is a text without a character.
    """

    name: str
    type: str
    meaning: str
    empty: str
    of: Callable[[Any], Value]
    unit: str = ""

    def value(self, record: Any) -> Value:
        found = self.of(record)
        return None if found == "" else found


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    each: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


def column(name: str, kind: str, meaning: str, empty: str = NEVER, *, of: Any = None, unit: str = "") -> Column:
    """`of`: the dotted name of an attribute, the column's own by default, or a function of the record."""
    read = of if callable(of) else attrgetter(of or name)
    return Column(name, kind, meaning, empty, read, unit)
