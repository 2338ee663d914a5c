"""A first mapping file for a cohort file: what was recognised, and what somebody should name."""

import json
from collections.abc import Iterator

from coordinator.cohort_file.cells import Customs, FreeWords, NotUnderstood, clean, read_cell
from coordinator.cohort_file.columns import Column, assign_columns, is_known_heading
from coordinator.cohort_file.concerns import looks_like
from coordinator.cohort_file.headings import ELEMENTS
from coordinator.cohort_file.mapping import IGNORE, Mapping
from coordinator.cohort_file.reader import date_order_of
from coordinator.cohort_file.table import CohortFileUnreadable, Table, read_table
from coordinator.cohort_file.words import choices

_SAMPLES = 3
_SAMPLE_LENGTH = 24


def suggest_mapping(data: bytes, *, file_name: str = "this file") -> str | CohortFileUnreadable:
    """The text of a first mapping file. It reads back without a fault, and then changes nothing."""
    mapping = Mapping()
    table = read_table(data, lambda heading: is_known_heading(heading, mapping))
    if isinstance(table, CohortFileUnreadable):
        return table
    assigned = assign_columns(table.headings, mapping)
    lines = [
        f"# How the columns of {_one_line(file_name)} are read. Lines that begin with # have no effect.",
        "",
    ]
    lines += [*_file_part(table, assigned.columns), "", *_column_part(table, assigned.columns)]
    lines += [f"# {note}" for note in assigned.notes]
    lines += _value_part(table, assigned.columns)
    return "".join(f"{_printable(line) if line.startswith('#') else line}\n" for line in lines)


def _file_part(table: Table, columns: tuple[Column, ...]) -> Iterator[str]:
    order = date_order_of(table, columns, None)
    yield "[file]"
    yield f"# Day and month: {_one_line(order.because)}."
    yield f'# date_style = "{order.order or "dmy"}"  # "dmy" is day first, "mdy" is month first'


def _column_part(table: Table, columns: tuple[Column, ...]) -> Iterator[str]:
    yield "[columns]"
    named = [column for column in columns if column.field]
    unnamed = [column for column in columns if column.how == "unmapped"]
    for column in named:
        yield f'{_toml(column.heading)} = "{column.field}"'
    if unnamed:
        free = [name for name in ELEMENTS if name not in {column.field for column in named}]
        yield ""
        yield f'# Not recognised. Give each a field or "{IGNORE}", and remove the #. The fields left are:'
        yield from (f"#   {name}: {ELEMENTS[name].title}" for name in free)
    for column in unnamed:
        samples = ", ".join(_samples(table, column)) or "always blank"
        yield f'# {_toml(column.heading)} = ""  # {samples}'


def _samples(table: Table, column: Column) -> list[str]:
    distinct = dict.fromkeys(_cells(table, column))
    return [json.dumps(_short(text), ensure_ascii=False) for text in list(distinct)[:_SAMPLES]]


def _cells(table: Table, column: Column) -> Iterator[str]:
    for record in table.records:
        if column.position < len(record.cells) and (text := clean(record.cells[column.position])):
            yield text


def _value_part(table: Table, columns: tuple[Column, ...]) -> Iterator[str]:
    for column in columns:
        if column.field and choices(column.field) and (unknown := _unknown_words(table, column)):
            yield from ("", f"# Words under {_toml(column.heading)} that are not known. Each may be one of:")
            yield f"#   {', '.join(choices(column.field))}"
            yield f"[values.{column.field}]"
            yield from (f'# {_toml(word)} = ""' for word in unknown)


def _unknown_words(table: Table, column: Column) -> list[str]:
    assert column.field is not None
    element = ELEMENTS[column.field]
    readings = {text: read_cell(element, text, column.heading, Customs()) for text in _cells(table, column)}
    unknown = [text for text, reading in readings.items() if isinstance(reading, NotUnderstood | FreeWords)]
    # What looks like a red flag or a death is for a person to read, never for a mapping file to explain away.
    return [text for text in unknown if not looks_like(text)]


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _short(text: str) -> str:
    return text if len(text) <= _SAMPLE_LENGTH else f"{text[: _SAMPLE_LENGTH - 1]}…"


def _printable(comment: str) -> str:
    # TOML forbids control characters even in comments.
    return "".join(mark if mark.isprintable() else " " for mark in comment)


def _one_line(text: str) -> str:
    return " ".join(text.split())
