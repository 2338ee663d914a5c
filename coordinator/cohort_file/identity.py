"""Who is who in a file: one number for two people, one person under two numbers, several fractures of one."""

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

from coordinator.cohort_file.findings import NOT_SAVED, Fault, Layout, Note
from coordinator.cohort_file.rows import ReadRow

_NUMBERS = {"hospital_number": "hospital number", "nhs_number": "NHS number"}


def same_person(surname: str, birth_date: date | None, other_surname: str, other_birth_date: date | None) -> bool:
    """Whether two people with one number can be the same: nothing known about them differs."""
    names_differ = surname and other_surname and _name_key(surname) != _name_key(other_surname)
    births_differ = birth_date and other_birth_date and birth_date != other_birth_date
    return not names_differ and not births_differ


def clashes(rows: list[ReadRow], layout: Layout) -> tuple[list[ReadRow], list[Note]]:
    """Refuse each row whose number an earlier row gives to somebody else, and say so at the earlier row."""
    holders: dict[tuple[str, str], ReadRow] = {}
    checked, notes = [], []
    for row in rows:
        found = []
        for field in _NUMBERS:
            number = row.readings.text(field)
            holder = holders.setdefault((field, number), row) if number else row
            if not _same(row, holder):
                found.append(_clash(row, holder, field, layout))
                notes.append(_to_check(row, holder, field, number))
        checked.append(replace(row, faults=(*row.faults, *found)))
    return checked, notes


def _same(row: ReadRow, other: ReadRow) -> bool:
    mine, theirs = row.readings.day("birth_date"), other.readings.day("birth_date")
    return same_person(row.surname, mine, other.surname, theirs)


def _clash(row: ReadRow, holder: ReadRow, field: str, layout: Layout) -> Fault:
    heading, number = layout.heading_of(field), row.readings.written[field]
    expected = "a number of this person's own"
    message = (
        f'"{number}" in "{heading}" is also the number of somebody else on line {holder.record.line};'
        f" expected {expected}; {NOT_SAVED}."
    )
    return Fault(row.record.line, heading, number, expected, message)


def _to_check(row: ReadRow, holder: ReadRow, field: str, number: str) -> Note:
    text = f"Line {row.record.line} gives the {_NUMBERS[field]} {number} to somebody else; check whose it is."
    return Note(holder.record.line, text)


def repeated_people(rows: list[ReadRow]) -> Iterator[Note]:
    """The same name and date of birth under two numbers may be one person registered twice."""
    first: dict[tuple[str, str, date | None], ReadRow] = {}
    for row in rows:
        key = (_name_key(row.surname), _name_key(row.readings.text("given")), row.readings.day("birth_date"))
        earlier = first.setdefault(key, row)
        if earlier.identifier != row.identifier and row.surname:
            text = f"Line {earlier.record.line} has the same name and date of birth under another number."
            yield Note(row.record.line, text)


def fractures_of_one_person(rows: list[ReadRow]) -> Iterator[tuple[ReadRow, str]]:
    """The rows of one person by date of fracture, each with what tells it from the first fracture."""
    ordered = sorted(rows, key=lambda row: (row.readings.onset or date.max, row.record.line))
    first = _fracture(ordered[0])
    for row in ordered:
        fracture = _fracture(row)
        yield row, "" if fracture == first else fracture


def _fracture(row: ReadRow) -> str:
    return f"{row.readings.text('level')} {row.readings.day('fracture_date') or 'unknown'}"


def _name_key(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return "".join(mark for mark in decomposed if mark.isalnum())
