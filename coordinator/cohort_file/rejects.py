"""The refused rows as a file of the same kind, to be put right and fed again."""

import csv
import io

from coordinator.cohort_file.columns import LINE, WHY, WHY_WITH_ORDER
from coordinator.cohort_file.concerns import neutralised
from coordinator.cohort_file.reader import CohortFile, RefusedRow


def write_rejects(cohort: CohortFile) -> bytes:
    """Every refused row with its line and what is wrong, in UTF-8 with the mark that spreadsheets expect.

    `line` and `why` stand first, so that a row with too few cells still has too few when it is fed again.
    """
    ours = {column.position for column in cohort.columns if column.how == "our own"}
    headings = [column.heading for column in cohort.columns if column.position not in ours]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=cohort.delimiter, lineterminator="\r\n")
    writer.writerow([LINE, _why_heading(cohort), *map(neutralised, headings)])
    for row in cohort.refused:
        writer.writerow([row.line, _why(row), *_cells(row, ours)])
    return text.getvalue().encode("utf-8-sig")


def _why_heading(cohort: CohortFile) -> str:
    # A few rows may not show by themselves which way round the whole file writes its dates.
    return WHY_WITH_ORDER[cohort.date_order] if cohort.date_order else WHY


def _why(row: RefusedRow) -> str:
    return neutralised(" ".join(fault.message for fault in row.faults))


def _cells(row: RefusedRow, ours: set[int]) -> list[str]:
    return [neutralised(cell) for position, cell in enumerate(row.cells) if position not in ours]
