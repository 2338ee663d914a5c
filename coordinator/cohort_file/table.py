"""From bytes to records: encoding, delimiter, heading line, and cells that keep their line numbers."""

import codecs
import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

from coordinator.cohort_file.concerns import without_apostrophe

_DELIMITERS = (",", ";", "\t")
# No cell of a cohort file is longer than this many lines; a longer one is a quotation mark left open.
_LONGEST_CELL = 30
_HEADING_WITHIN = 15
_WORKBOOKS = {b"PK\x03\x04": "an Excel or LibreOffice workbook", b"\xd0\xcf\x11\xe0": "an Excel workbook"}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class CohortFileUnreadable:
    """The file as a whole could not be read; one sentence says why."""

    sentence: str


@dataclass(frozen=True)
class Record:
    """One row as it stands in the file. `damage` says why its cells cannot be trusted, if they cannot."""

    line: int
    cells: tuple[str, ...]
    damage: str = ""
    raw: str = ""


@dataclass(frozen=True)
class Table:
    encoding: str
    delimiter: str
    header_line: int
    headings: tuple[str, ...]
    records: tuple[Record, ...]
    repeated_headers: tuple[int, ...] = ()


def read_table(data: bytes, is_known: Callable[[str], bool]) -> Table | CohortFileUnreadable:
    """The heading line and the rows below it; `is_known` tells a heading from other text."""
    decoded = _decode(data)
    if isinstance(decoded, CohortFileUnreadable):
        return decoded
    encoding, text = decoded
    lines = re.split(r"\r\n|\n|\r", text)
    readings = [_under(delimiter, lines, is_known) for delimiter in _DELIMITERS]
    delimiter, header, records = max(readings, key=lambda reading: _likelihood(reading[1], is_known))
    if header is None:
        return CohortFileUnreadable("The file is empty: there is no heading line in it.")
    if len(header.cells) < 2:
        return CohortFileUnreadable("No comma, semicolon or tab separates the headings in the first lines.")
    return _table(encoding, delimiter, header, records)


def _decode(data: bytes) -> tuple[str, str] | CohortFileUnreadable:
    for signature, what in _WORKBOOKS.items():
        if data.startswith(signature):
            return CohortFileUnreadable(f"This is {what}; save it as CSV (UTF-8) and import that.")
    for encoding in _encodings(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            return CohortFileUnreadable("The file holds zero bytes, so it is not a text file.")
        return encoding, text
    return CohortFileUnreadable("The file is neither UTF-8 nor Windows-1252 text; save it as CSV (UTF-8).")


def _encodings(data: bytes) -> tuple[str, ...]:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return (encoding,)
    return ("utf-8", "cp1252")


def _under(
    delimiter: str, lines: list[str], is_known: Callable[[str], bool]
) -> tuple[str, Record | None, list[Record]]:
    records = [record for record in _records(lines, delimiter) if not _hint_of_excel(record)]
    filled = [record for record in records if any(cell.strip() for cell in record.cells)]
    header = _header_among(filled[:_HEADING_WITHIN], is_known)
    return delimiter, header, [record for record in filled if header and record.line > header.line]


def _hint_of_excel(record: Record) -> bool:
    return record.line == 1 and "".join(record.cells).casefold().startswith("sep=")


def _header_among(candidates: list[Record], is_known: Callable[[str], bool]) -> Record | None:
    # Titles and print dates stand above the headings in many files; they hold no known heading.
    best = max(candidates, key=lambda record: _known(record, is_known), default=None)
    if best is None or _known(best, is_known) >= 2:
        return best
    fullest = max(_filled(record) for record in candidates)
    return next(record for record in candidates if 2 * _filled(record) >= fullest)


def _filled(record: Record) -> int:
    return sum(bool(cell.strip()) for cell in record.cells)


def _known(record: Record, is_known: Callable[[str], bool]) -> int:
    return sum(is_known(cell) for cell in record.cells)


def _likelihood(header: Record | None, is_known: Callable[[str], bool]) -> tuple[int, int]:
    return (_known(header, is_known), len(header.cells)) if header else (-1, 0)


def _records(lines: list[str], delimiter: str) -> Iterator[Record]:
    at = 0
    while at < len(lines):
        cells, used, damage = _one_record(lines, at, delimiter)
        yield Record(at + 1, cells, damage, lines[at])
        at += used


def _one_record(lines: list[str], at: int, delimiter: str) -> tuple[tuple[str, ...], int, str]:
    if '"' not in lines[at]:
        return tuple(lines[at].split(delimiter)), 1, ""
    for used in range(1, min(_LONGEST_CELL, len(lines) - at) + 1):
        cells = _parsed(lines[at : at + used], delimiter, strict=True)
        if cells is not None:
            return cells, used, ""
    # Read alone, so that one stray quotation mark cannot swallow the rows below it.
    closed = _parsed([lines[at]], delimiter, strict=False)
    return closed or (lines[at],), 1, "has a quotation mark that is opened and not properly closed"


def _parsed(lines: list[str], delimiter: str, *, strict: bool) -> tuple[str, ...] | None:
    try:
        rows = list(csv.reader([f"{line}\n" for line in lines], delimiter=delimiter, strict=strict))
    except csv.Error:
        return None
    return tuple(cell.removesuffix("\n") for cell in rows[0]) if len(rows) == 1 else None


def _table(encoding: str, delimiter: str, header: Record, records: list[Record]) -> Table:
    headings = [without_apostrophe(cell).strip() for cell in header.cells]
    while headings and not headings[-1]:
        headings.pop()
    again = tuple(record.line for record in records if _same_cells(record, header))
    rows = tuple(record for record in records if record.line not in again)
    return Table(encoding, delimiter, header.line, _told_apart(headings), rows, again)


def _same_cells(record: Record, header: Record) -> bool:
    return [cell.strip() for cell in record.cells] == [cell.strip() for cell in header.cells]


def _told_apart(headings: list[str]) -> tuple[str, ...]:
    named: dict[str, None] = {}
    for position, heading in enumerate(headings, 1):
        name = heading or f"(no heading, column {position})"
        choices = (name if number == 1 else f"{name} ({number})" for number in count(1))
        named[next(choice for choice in choices if choice not in named)] = None
    return tuple(named)
