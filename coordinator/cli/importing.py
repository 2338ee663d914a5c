"""Commands that take files in, and the free text that a person must read."""

from pathlib import Path
from typing import Annotated

import typer

from coordinator.cli.application import app
from coordinator.cli.base import AsOfOption, ByOption, JsonOption, known_at, opened, unless_said
from coordinator.cli.output import REFUSED, day, fail, grid, progress, say, show_json
from coordinator.cohort_file import (
    CohortFile,
    CohortFileUnreadable,
    Mapping,
    MappingFaults,
    read_cohort,
    read_mapping,
    suggest_mapping,
    write_rejects,
)
from coordinator.importing import ImportReport, Intake, take_in
from pathway.calendar import local_date

LOOKS = {
    "red_flag": "looks like a red flag",
    "death": "looks like a death",
    "formula": "looks like a formula, taken as text only",
    "other_free_text": "free text",
}


imports = typer.Typer(
    cls=unless_said("csv"), no_args_is_help=True, rich_markup_mode=None, help="Take files in: a spreadsheet, or FHIR."
)
app.add_typer(imports, name="import")


@imports.command(name="csv")
def import_(
    file: Annotated[Path, typer.Argument(help="A cohort spreadsheet saved as CSV.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen; write nothing.")] = False,
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="Names the columns that are not recognised.")
    ] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest-mapping", help="Write a first mapping file for this spreadsheet and stop.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option("--rejects", help="Where refused rows go; default NAME.rejected.csv here.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take in a cohort file: good rows go in, bad rows are named and written to a file that can be fixed.

    Example: pathway import csv examples/cohort.csv --dry-run

    The word csv may be left out: pathway import examples/cohort.csv
    """
    data = _bytes_of(file)
    if suggest:
        _write_suggestion(file, data)
        return
    with opened() as (store, settings, now):
        found = read_cohort(data, today=local_date(now, settings.zone), zone=settings.zone, mapping=_mapping(mapping))
        if isinstance(found, CohortFileUnreadable):
            fail(f"{file.name}: {found.sentence}")
        intake = Intake(store, now, settings.zone, settings.profile, settings.owner, file.name, dry_run)
        with progress() as bar:
            track = bar.add_task("Importing", total=len(found.people))
            report = take_in(intake, found, lambda: bar.advance(track))
    rejected = rejects or Path(f"{file.stem}.rejected.csv")
    if found.refused and not dry_run:
        rejected.write_bytes(write_rejects(found))
    if as_json:
        show_json(_as_json(found, report, rejected if found.refused and not dry_run else None))
    else:
        _show(file, found, report, rejected, dry_run=dry_run)
    if found.refused or report.count("refused"):
        raise typer.Exit(REFUSED)


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror}); expected a CSV file; nothing was saved.")


def _mapping(path: Path | None) -> Mapping | None:
    if path is None:
        return None
    found = read_mapping(_bytes_of(path).decode("utf-8-sig", errors="replace"))
    if isinstance(found, MappingFaults):
        fail(f"{path.name}: {' '.join(found.sentences)} Nothing was saved.")
    return found


def _write_suggestion(file: Path, data: bytes) -> None:
    found = suggest_mapping(data, file_name=file.name)
    if isinstance(found, CohortFileUnreadable):
        fail(f"{file.name}: {found.sentence}")
    target = Path(f"{file.stem}.mapping.toml")
    if target.exists():
        fail(f"{target} exists already; move it away first; nothing was written.")
    target.write_text(found, encoding="utf-8")
    say(f"Wrote {target}. Read it, correct it, then: pathway import {file} --mapping {target}")


def _show(file: Path, found: CohortFile, report: ImportReport, rejected: Path, *, dry_run: bool) -> None:
    if dry_run:
        say("Dry run: nothing is written.", style="bold")
    columns = ", ".join(f"{c.heading} → {c.field}" for c in found.columns if c.field)
    say(f"{file.name}: {found.encoding}, separated by {found.delimiter!r}, dates {found.date_order_because}.")
    say(f"Columns: {columns}.")
    if found.unmapped:
        say(
            f"Not imported, no data element known: {', '.join(found.unmapped)} (see --suggest-mapping).",
            style="bold",
        )
    for note in found.notes:
        say(f"Note{f', line {note.line}' if note.line else ''}: {note.text}")
    for fault in found.faults:
        say(f"Line {fault.line} refused: {fault.message}")
    for row in report.rows:
        for what, refusal in row.refusals:
            verb = "refused" if row.what == "refused" else f"needs a person, {what.replace('_', ' ')} not accepted"
            say(f"Line {row.line} ({row.identifier}) {verb}: {refusal.because} ({refusal.code}).")
    for concern in found.concerns:
        words = LOOKS[concern.looks_like]
        say(f"Line {concern.line}, {concern.column}: {words}, a person must read it: {concern.text!r}")
    _show_summary(found, report, rejected, dry_run=dry_run)


def _show_summary(found: CohortFile, report: ImportReport, rejected: Path, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    refused = len(found.refused) + report.count("refused")
    say(
        f"{len(found.people) + len(found.refused)} rows: {report.count('recorded')} {would}recorded, "
        f"{report.count('already known')} already known, {refused} refused; "
        f"{len(found.concerns)} free texts for a person.",
        style="bold",
    )
    if found.refused and not dry_run:
        say(f"Refused rows are in {rejected}: fix them there and import that file.")


def _as_json(found: CohortFile, report: ImportReport, rejected: Path | None) -> dict[str, object]:
    return {
        "recorded": report.count("recorded"),
        "already_known": report.count("already known"),
        "refused": [{"line": f.line, "column": f.column, "value": f.value, "message": f.message} for f in found.faults],
        "rows": [
            {
                "line": row.line,
                "patient": row.identifier,
                "what": row.what,
                "state": row.state,
                "recorded": row.recorded,
                "refusals": [
                    {"step": what, "code": refusal.code, "because": refusal.because} for what, refusal in row.refusals
                ],
            }
            for row in report.rows
        ],
        "concerns": [
            {"line": c.line, "column": c.column, "text": c.text, "looks_like": c.looks_like} for c in found.concerns
        ],
        "unmapped": list(found.unmapped),
        "rejected_file": str(rejected) if rejected else None,
    }


@app.command()
def concerns(
    close: Annotated[str | None, typer.Option("--close", help="Close the concern of this id.")] = None,
    because: Annotated[str, typer.Option("--because", help="What was done about it.")] = "",
    by: ByOption = "",
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Free text of refused rows that looks like a red flag or a death, until a person has closed it.

    Example: pathway concerns --close 3f2a --because "phoned, no deficit" --by "B. Sample"
    """
    with opened() as (store, settings, now):
        if close is not None:
            if not because.strip() or not by.strip():
                fail("closing a concern needs --because and --by; nothing was saved.")
            if not store.close_concern(close, now, by, because):
                fail(f"there is no open concern {close!r}; nothing was saved.")
        found = store.concerns(known_at(as_of, settings, now) or now)
    if as_json:
        show_json(found)
        return
    rows = [
        (c["id"], c["looks_like"], c["patient_id"], c["place"], c["text"], day(c["raised_at"].date())) for c in found
    ]
    grid(
        "Free text for a person",
        ("Id", "Looks like", "No.", "Where", "Text", "Raised"),
        rows,
        "No free text waits.",
    )
