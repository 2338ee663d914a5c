"""One row of the file: its cells read, its faults, and what a person should look at."""

from dataclasses import dataclass

from coordinator.cohort_file.attention import concerns_in, notes_on
from coordinator.cohort_file.cells import FreeWords, NotUnderstood, Value, clean, read_cell
from coordinator.cohort_file.checks import contradictions, missing, structure_fault
from coordinator.cohort_file.concerns import Concern
from coordinator.cohort_file.findings import Fault, Layout, Note, cell_fault
from coordinator.cohort_file.headings import ELEMENTS
from coordinator.cohort_file.readings import Readings
from coordinator.cohort_file.table import Record


@dataclass(frozen=True)
class ReadRow:
    record: Record
    readings: Readings
    faults: tuple[Fault, ...]
    concerns: tuple[Concern, ...]
    notes: tuple[Note, ...] = ()

    @property
    def identifier(self) -> str:
        return self.readings.text("hospital_number") or self.readings.text("nhs_number")

    @property
    def surname(self) -> str:
        return self.readings.text("surname")


def read_row(record: Record, layout: Layout) -> ReadRow:
    """Read one row. Any fault refuses it as a whole; what its text looks like is raised all the same."""
    readings, refused, free = _read_cells(record, layout)
    structure = structure_fault(record, layout)
    faults = [structure] if structure else [*refused, *_row_faults(record.line, readings, refused, layout)]
    concerns = concerns_in(record, layout, free, columns_hold=structure is None)
    return ReadRow(record, readings, tuple(faults), tuple(concerns), tuple(notes_on(record.line, readings)))


def _row_faults(line: int, readings: Readings, refused: list[Fault], layout: Layout) -> list[Fault]:
    already = {fault.column for fault in refused}
    return [*missing(line, readings, already, layout), *contradictions(line, readings, layout)]


def _read_cells(record: Record, layout: Layout) -> tuple[Readings, list[Fault], set[int]]:
    values: dict[str, Value] = {}
    written: dict[str, str] = {}
    faults: list[Fault] = []
    free: set[int] = set()
    for column, raw in zip(layout.columns, record.cells, strict=False):
        if column.field is None:
            continue
        reading = read_cell(ELEMENTS[column.field], clean(raw), column.heading, layout.customs)
        if isinstance(reading, NotUnderstood):
            faults.append(cell_fault(record.line, column.heading, clean(raw), reading))
        elif isinstance(reading, FreeWords):
            free.add(column.position)
        elif reading is not None:
            values[column.field] = reading
            written[column.field] = clean(raw)
    return Readings(_with_split_name(values), written), faults, free


def _with_split_name(values: dict[str, Value]) -> dict[str, Value]:
    full = values.get("full_name")
    if isinstance(full, str) and "surname" not in values:
        surname, given = split_name(full)
        values = {"given": given, **values, "surname": surname}
    return values


def split_name(full: str) -> tuple[str, str]:
    """ "OWEN, Kathleen" and "Kathleen OWEN" tell the surname; any other name is kept in one piece."""
    if "," in full:
        surname, given = full.split(",", 1)
        return surname.strip(), given.strip()
    words = full.split()
    capitals = [word for word in words if word.isupper() and len(word) > 1]
    if capitals and len(capitals) < len(words):
        return " ".join(capitals), " ".join(word for word in words if word not in capitals)
    return " ".join(words), ""
