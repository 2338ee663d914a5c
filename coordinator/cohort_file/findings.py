"""What is said about a row: faults, which refuse it, and notes, which do not."""

import re
from dataclasses import dataclass
from datetime import date

from coordinator.cohort_file.cells import Customs, NotUnderstood
from coordinator.cohort_file.columns import Column
from coordinator.cohort_file.headings import ELEMENTS

NOT_SAVED = "nothing in this row was saved"


@dataclass(frozen=True)
class Fault:
    """Why a row was refused: the place, what stood there, what was expected, and one sentence."""

    line: int
    column: str
    value: str
    expected: str
    message: str


@dataclass(frozen=True)
class Note:
    """Something a person should know that is no fault; line 0 is the file as a whole."""

    line: int
    text: str


@dataclass(frozen=True)
class Layout:
    """What all rows of one file have in common."""

    columns: tuple[Column, ...]
    customs: Customs
    today: date

    def heading_of(self, field: str) -> str:
        found = (column.heading for column in self.columns if column.field == field)
        return next(found, ELEMENTS[field].title)


def cell_fault(line: int, heading: str, value: str, refused: NotUnderstood) -> Fault:
    place = f'"{shortened(value)}" in "{heading}"'
    message = f"{place} {refused.because}; expected {refused.expected}; {NOT_SAVED}."
    return Fault(line, heading, value, refused.expected, message)


def shortened(text: str) -> str:
    one_line = re.sub(r"\s+", " ", text)
    return one_line if len(one_line) <= 80 else f"{one_line[:77]}..."
