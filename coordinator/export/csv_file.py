"""A table as CSV, one line after the other. No text in it is a formula to a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

from coordinator.export.columns import TEXT, Table, Value

# What spreadsheets take for the beginning of a formula, and the mark that keeps them from it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
           "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip
MARK = "'"


def as_csv(table: Table, records: Iterable[Any]) -> Iterator[str]:
    """The heading, then a line for each record, each as it is read."""
    yield _line(table.names)
    for record in records:
        yield _line([_cell(column.type, column.value(record)) for column in table.columns])


def text_of(cell: str) -> str | None:
    """What stood in a text column before it was written: the way back, for whoever reads such a file."""
    return None if cell == "" else cell.removeprefix(MARK)


def _cell(kind: str, value: Value) -> str:
    if value is None:
        return ""
    if kind == TEXT:
        text = str(value)
        # One mark is taken away by whoever reads: so a text that has one of its own gets another.
        return MARK + text if text.startswith((*FORMULA, MARK)) else text
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _line(cells: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
