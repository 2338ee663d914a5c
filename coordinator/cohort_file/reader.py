"""A whole cohort file: bytes in, people and everything that needs a person out."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from coordinator.cohort_file.attention import dangers_lost
from coordinator.cohort_file.cells import Customs, clean
from coordinator.cohort_file.columns import Column, assign_columns, is_known_heading, stated_order
from coordinator.cohort_file.concerns import Concern
from coordinator.cohort_file.dates import DateCell, DateOrder, Order, decide_order
from coordinator.cohort_file.findings import Fault, Layout, Note
from coordinator.cohort_file.headings import ELEMENTS
from coordinator.cohort_file.identity import clashes, fractures_of_one_person, repeated_people
from coordinator.cohort_file.mapping import Mapping
from coordinator.cohort_file.rows import ReadRow, read_row
from coordinator.cohort_file.steps import Step, steps_of
from coordinator.cohort_file.table import CohortFileUnreadable, Table, read_table


@dataclass(frozen=True)
class CohortRow:
    """One accepted row: who it is about, who looks after them, and the journal entries it becomes."""

    line: int
    identifier: str
    hospital_number: str
    nhs_number: str
    surname: str
    given: str
    birth_date: date
    level: str
    owner: str
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        return ", ".join(part for part in (self.surname, self.given) if part)


@dataclass(frozen=True)
class RefusedRow:
    """One row that was not accepted, as it stood in the file, with everything that is wrong with it."""

    line: int
    cells: tuple[str, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class CohortFile:
    """Everything that was found in a file. `zone` is where its dates are local."""

    encoding: str
    delimiter: str
    header_line: int
    zone: str
    date_order: Order | None
    date_order_because: str
    columns: tuple[Column, ...]
    people: tuple[CohortRow, ...]
    refused: tuple[RefusedRow, ...]
    concerns: tuple[Concern, ...]
    notes: tuple[Note, ...]

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(fault for row in self.refused for fault in row.faults)

    @property
    def unmapped(self) -> tuple[str, ...]:
        """The headings of which nothing was imported, though nobody said to ignore them."""
        return tuple(column.heading for column in self.columns if column.how == "unmapped")


def read_cohort(
    data: bytes, *, today: date, zone: str, mapping: Mapping | None = None
) -> CohortFile | CohortFileUnreadable:
    """Read a cohort file as of `today` in `zone`. Never raises, whatever the bytes."""
    mapping = mapping or Mapping()
    table = read_table(data, lambda heading: is_known_heading(heading, mapping))
    if isinstance(table, CohortFileUnreadable):
        return table
    assigned = assign_columns(table.headings, mapping)
    order = date_order_of(table, assigned.columns, stated_order(table.headings, mapping))
    layout = Layout(assigned.columns, Customs(order.order, mapping.words), today)
    rows, identity_notes = clashes([read_row(record, layout) for record in table.records], layout)
    good = [row for row in rows if not row.faults]
    notes = [*(Note(0, text) for text in (*assigned.notes, *_about_the_file(table, assigned.columns)))]
    notes += sorted((*identity_notes, *repeated_people(good), *_notes_of(good)), key=lambda note: note.line)
    return CohortFile(
        encoding=table.encoding,
        delimiter=table.delimiter,
        header_line=table.header_line,
        zone=zone,
        date_order=order.order,
        date_order_because=order.because,
        columns=assigned.columns,
        people=_people(good),
        refused=tuple(_refused(row) for row in rows if row.faults),
        concerns=tuple(concern for row in rows for concern in _raised(row, layout)),
        notes=tuple(notes),
    )


def date_order_of(table: Table, columns: tuple[Column, ...], stated: Order | None) -> DateOrder:
    dates = [column for column in columns if column.field and ELEMENTS[column.field].shape == "date"]
    cells = (
        DateCell(record.line, column.heading, clean(record.cells[column.position]))
        for record in table.records
        for column in dates
        if column.position < len(record.cells)
    )
    return decide_order(cells, [column.heading for column in dates], stated)


def _about_the_file(table: Table, columns: tuple[Column, ...]) -> Iterator[str]:
    if table.repeated_headers:
        lines = ", ".join(map(str, table.repeated_headers))
        yield f"The heading line is repeated on line {lines} and was skipped there."
    carried = {column.field for column in columns}
    needed = {"a hospital or NHS number": {"hospital_number", "nhs_number"}, "the level": {"level"}}
    for what, fields in (needed | {"the date of birth": {"birth_date"}}).items():
        if not fields & carried:
            yield f"No column is known to carry {what}, which every row needs; name it in a mapping file."


def _raised(row: ReadRow, layout: Layout) -> Iterator[Concern]:
    lost = dangers_lost(row.record.line, row.readings, layout, refused=bool(row.faults))
    for concern in (*row.concerns, *lost):
        yield replace(concern, identifier=row.identifier)


def _notes_of(rows: Iterable[ReadRow]) -> Iterator[Note]:
    for row in rows:
        yield from row.notes


def _people(rows: list[ReadRow]) -> tuple[CohortRow, ...]:
    by_person: dict[str, list[ReadRow]] = defaultdict(list)
    for row in rows:
        by_person[row.identifier].append(row)
    queues = {who: iter(fractures_of_one_person(theirs)) for who, theirs in by_person.items()}
    # A person's fractures are told in the order in which they happened, wherever their rows stand.
    ordered = (next(queues[row.identifier]) for row in rows)
    return tuple(_cohort_row(row, further) for row, further in ordered)


def _cohort_row(row: ReadRow, further: str) -> CohortRow:
    cells = row.readings
    birth = cells.day("birth_date")
    assert birth is not None
    return CohortRow(
        line=row.record.line,
        identifier=row.identifier,
        hospital_number=cells.text("hospital_number"),
        nhs_number=cells.text("nhs_number"),
        surname=row.surname,
        given=cells.text("given"),
        birth_date=birth,
        level=cells.text("level"),
        owner=cells.text("coordinator"),
        steps=steps_of(cells, row.identifier, further),
    )


def _refused(row: ReadRow) -> RefusedRow:
    record = row.record
    # A row whose quotation marks do not close is kept as one piece: taken apart, it would look whole.
    cells = (record.raw,) if record.damage else record.cells
    return RefusedRow(record.line, cells, row.faults)
