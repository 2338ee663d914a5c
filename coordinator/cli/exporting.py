"""Commands that write tables out: the worklist, the cohort, the journals, and what their columns mean."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from coordinator.cli.application import app
from coordinator.cli.base import AsOfOption, known_at, opened
from coordinator.cli.output import errors, fail
from coordinator.export import sources
from coordinator.export.columns import Table
from coordinator.export.csv_file import as_csv
from coordinator.export.dictionary import dictionary
from coordinator.export.tables import COHORT, JOURNAL, WORKLIST

FORMATS = ("csv", "parquet")

exports = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Write tables out, for whoever counts elsewhere."
)
app.add_typer(exports, name="export")

FormatOption = Annotated[str, typer.Option("--format", help="csv or parquet.")]
OutOption = Annotated[str, typer.Option("--out", "-o", help="Write this file, whole or not at all; - prints it.")]


@exports.command(name="worklist")
def export_worklist(kind: FormatOption = "csv", out: OutOption = "-", as_of: AsOfOption = None) -> None:
    """All open work, one task to a row, the most urgent first.

    Example: pathway export worklist --out worklist.csv
    """
    with opened() as (store, settings, now):
        then = known_at(as_of, settings, now)
        _write(WORKLIST, sources.work(store, now, as_of=then), kind, out)


@exports.command(name="cohort")
def export_cohort(kind: FormatOption = "csv", out: OutOption = "-", as_of: AsOfOption = None) -> None:
    """Every episode, open and closed, one to a row.

    Example: pathway export cohort --format parquet --out cohort.parquet
    """
    with opened() as (store, settings, now):
        then = known_at(as_of, settings, now)
        _write(COHORT, sources.cohort(store, now, as_of=then), kind, out)


@exports.command(name="journal")
def export_journal(kind: FormatOption = "csv", out: OutOption = "-", as_of: AsOfOption = None) -> None:
    """Every line of every journal, the newest first, with the hashes that bind them.

    Example: pathway export journal --as-of 03-Mar-2026 --out journal.csv
    """
    with opened() as (store, settings, now):
        then = known_at(as_of, settings, now)
        _write(JOURNAL, sources.journal(store, as_of=then), kind, out)


@exports.command(name="dictionary")
def export_dictionary() -> None:
    """What each column means, its type, its unit, and what it means where it is empty.

    Example: pathway export dictionary
    """
    sys.stdout.write(dictionary())


def _write(table: Table, records: Iterable[Any], kind: str, out: str) -> None:
    if kind not in FORMATS:
        fail(f"--format {kind!r} is not known; expected one of {', '.join(FORMATS)}; nothing was written.")
    if kind == "parquet" and out == "-" and sys.stdout.isatty():
        fail("Parquet is not for a screen; name a file with --out; nothing was written.")
    counted = _Counted(records)
    parts = _parts(table, counted, kind)
    if out == "-":
        _print(parts)
        return
    write_whole(Path(out), parts)
    errors.print(f"Wrote {counted.rows} rows to {out}.", markup=False)


class _Counted:
    """Records on their way, and how many have passed."""

    def __init__(self, records: Iterable[Any]) -> None:
        self.rows, self._records = 0, records

    def __iter__(self) -> Iterator[Any]:
        for record in self._records:
            self.rows += 1
            yield record


def _parts(table: Table, records: Iterable[Any], kind: str) -> Iterator[bytes]:
    if kind == "csv":
        yield from (line.encode() for line in as_csv(table, records))
        return
    # pyarrow takes longer to load than the rest of the program: only who needs it waits for it.
    from coordinator.export.parquet_file import as_parquet  # noqa: PLC0415 see above

    yield from as_parquet(table, records)


def _print(parts: Iterable[bytes]) -> None:
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def write_whole(path: Path, parts: Iterable[bytes]) -> None:
    """Whole or not at all: it gets its name when the last row is in it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            for part in parts:
                file.write(part)
        unfinished.replace(path)
    except OSError as error:
        fail(f"{path} cannot be written ({error.strerror}); nothing was written.")
    finally:
        with suppress(OSError):
            unfinished.unlink()
