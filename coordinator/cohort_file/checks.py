"""What makes a row unfit as a whole: its shape, what is missing, and cells that contradict each other."""

from collections.abc import Iterator
from datetime import date

from coordinator.cohort_file.cells import NotUnderstood
from coordinator.cohort_file.columns import Column
from coordinator.cohort_file.findings import NOT_SAVED, Fault, Layout, cell_fault, shortened
from coordinator.cohort_file.readings import Readings
from coordinator.cohort_file.table import Record
from coordinator.cohort_file.words import INDEX_LEVELS, expected_words
from pathway.calendar import show_date

_YOUNGEST, _OLDEST = 18, 120


def structure_fault(record: Record, layout: Layout) -> Fault | None:
    ours = {column.position for column in layout.columns if column.how == "our own"}
    theirs = [column for column in layout.columns if column.position not in ours]
    cells = [cell for position, cell in enumerate(record.cells) if position not in ours]
    because = _shape_problem(record, cells, theirs)
    if not because:
        return None
    message = f"This row {because}, so {NOT_SAVED}."
    return Fault(record.line, "", shortened(" | ".join(cells)), f"{len(theirs)} cells", message)


def _shape_problem(record: Record, cells: list[str], columns: list[Column]) -> str:
    if record.damage:
        return record.damage
    if len(cells) < len(columns):
        first, some = columns[len(cells)].heading, "cell" if len(cells) == 1 else "cells"
        short = f"has {len(cells)} {some} where the headings have {len(columns)}"
        return f'{short}, "{first}" being the first that is missing'
    extra = any(cell.strip() for cell in cells[len(columns) :])
    return f"has more cells than the {len(columns)} headings" if extra else ""


def missing(line: int, row: Readings, refused: set[str], layout: Layout) -> Iterator[Fault]:
    numbers = {layout.heading_of(name) for name in ("hospital_number", "nhs_number")}
    if not (row.text("hospital_number") or row.text("nhs_number") or refused & numbers):
        yield _blank(line, _carried("hospital_number", "nhs_number", layout), "a hospital or NHS number")
    for name, expected in (("level", expected_words("level")), ("birth_date", "a date of birth")):
        if name not in row.values and layout.heading_of(name) not in refused:
            yield _blank(line, layout.heading_of(name), expected)


def _carried(first: str, second: str, layout: Layout) -> str:
    fields = {column.field for column in layout.columns}
    return layout.heading_of(second if first not in fields and second in fields else first)


def _blank(line: int, heading: str, expected: str) -> Fault:
    return Fault(line, heading, "", expected, f'"{heading}" is missing; expected {expected}; {NOT_SAVED}.')


def contradictions(line: int, row: Readings, layout: Layout) -> Iterator[Fault]:
    """Faults that only show when the cells of a row are read together."""

    def fault(name: str, because: str, expected: str) -> Fault:
        return cell_fault(line, layout.heading_of(name), row.written[name], NotUnderstood(expected, because))

    if row.text("level") not in ("", *INDEX_LEVELS):
        yield fault("level", "is outside this pathway", expected_words("level"))
    future = {name for name, day in _days(row).items() if day > layout.today}
    for name in sorted(future):
        yield fault(name, "lies in the future", f"a date up to {show_date(layout.today)}")
    for name, because, expected in _out_of_order(row, layout.today):
        if name not in future:
            yield fault(name, because, expected)


def _days(row: Readings) -> dict[str, date]:
    return {name: day for name in row.values if (day := row.day(name)) is not None}


def _out_of_order(row: Readings, today: date) -> Iterator[tuple[str, str, str]]:
    birth, identified, onset = row.day("birth_date"), row.day("identification_date"), row.onset
    fracture, care, calcitonin = row.day("fracture_date"), row.day("care_start"), row.day("calcitonin_start")
    if birth and birth > today:
        birth = None
    for name, day in _days(row).items():
        if birth and name != "birth_date" and day <= birth:
            yield name, "is not after the date of birth", f"a date after {show_date(birth)}"
    if fracture and identified and fracture > identified:
        limit = show_date(identified)
        yield "fracture_date", f"is after the fracture was identified ({limit})", f"a date up to {limit}"
    if care and onset and care < onset:
        yield "care_start", f"is before the fracture ({show_date(onset)})", f"a date from {show_date(onset)}"
    if calcitonin and identified and calcitonin < identified:
        limit = show_date(identified)
        yield "calcitonin_start", f"is before the fracture was identified ({limit})", f"a date from {limit}"
    age = _age(birth, onset or today) if birth else _YOUNGEST
    if not _YOUNGEST <= age <= _OLDEST and age >= 0:
        yield "birth_date", f"makes an age of {age} at the fracture", f"an age of {_YOUNGEST} to {_OLDEST}"


def _age(birth: date, day: date) -> int:
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
