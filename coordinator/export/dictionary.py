"""docs/data-dictionary.md, made from the columns that the files are written with."""

import sys
from collections.abc import Iterator

from coordinator.export.columns import Column, Table
from coordinator.export.tables import TABLES

HEAD = """# Data dictionary

What `pathway export worklist`, `cohort` and `journal` write, and the same files on the screens. Made from the columns
of the program itself by `make docs`; a test holds it so. `pathway export dictionary` prints it.

- **CSV** is UTF-8 with a heading, separated by commas. Dates are 2026-03-16, instants 2026-03-16T07:30:00+00:00 (UTC),
  yes or no is true or false. A text that a spreadsheet would take for a formula has one apostrophe before it, and so
  has a text that begins with an apostrophe: whoever reads the file takes one away. Numbers stay numbers.
- **Parquet** has real types: string, int64, double, date32, timestamp (UTC) and bool; each column carries its meaning,
  its unit and what empty means.
- **Missing is empty** in CSV and null in Parquet, never 0 and never a word that stands for nothing.
- Dates are those of the site's wall; instants are UTC.
"""


def dictionary() -> str:
    """The page: one table of columns for each kind of file."""
    return "\n".join([HEAD, *(line for table in TABLES.values() for line in _section(table))])


def _section(table: Table) -> Iterator[str]:
    yield f"## {table.name}\n\nOne row: {table.each}.\n"
    yield "| column | type | unit | means | empty means |\n|---|---|---|---|---|"
    yield from (_row(column) for column in table.columns)
    yield ""


def _row(column: Column) -> str:
    return f"| `{column.name}` | {column.type} | {column.unit} | {column.meaning} | {column.empty} |"


if __name__ == "__main__":
    sys.stdout.write(dictionary())
