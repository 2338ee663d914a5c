"""Open work as a calendar file, and the way back from an entry to the patient."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from coordinator.cli.application import app
from coordinator.cli.base import JsonOption, opened
from coordinator.cli.output import day, errors, fail, grid, say, show_json
from pathway.guideline import Guideline
from persistence.store import Store
from scheduler.calendar_feed import Found, calendar_feed
from scheduler.calendar_feed import find as find_work


@app.command()
def calendar(
    role: Annotated[str | None, typer.Option("--role", help="Only work of this role.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Only patients of this owner.")] = None,
    worklist: Annotated[str | None, typer.Option("--worklist", help="Only this list, such as reassessment.")] = None,
    titles: Annotated[
        bool, typer.Option("--titles", help="Say what is to be done; without it entries name only the worklist.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="Write this file, whole or not at all.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--find", metavar="REF", help="Whose work an entry stands for; makes no calendar.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Open work as an iCalendar file without patients' names: printed, or written to a file.

    Example: pathway calendar --role clinician --output clinician.ics
    """
    chosen = [value for value in (role, owner, worklist, output) if value is not None] or titles
    if reference is not None and chosen:
        fail("--find looks up one entry and takes only --json beside it; nothing was looked up.")
    if as_json and output is None and reference is None:
        fail("--json goes with --output or --find, a printed calendar is for programs as it is; nothing was printed.")
    with opened() as (store, _, now):
        if reference is not None:
            _show_found(store, reference, as_json=as_json)
            return
        feed = calendar_feed(store, now, role=role, owner=owner, worklist=worklist, titles=titles)
    _give(feed, output, as_json=as_json)


def _give(feed: bytes, output: Path | None, *, as_json: bool) -> None:
    entries = feed.count(b"BEGIN:VEVENT")
    if not entries:
        errors.print("pathway: the calendar is empty: no such work is open.", markup=False)
    if output is None:
        typer.echo(feed, nl=False)
        return
    _write(output, feed)
    if as_json:
        show_json({"file": str(output), "entries": entries})
    else:
        say(f"{output}: {entries} entries")


def _write(output: Path, feed: bytes) -> None:
    """Beside it first, then in its place: whoever reads the file meanwhile has the old one or the new one."""
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(feed)
            file.flush()
            os.fsync(file.fileno())
        part.replace(output)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        fail(f"{output} could not be written: {error.strerror}; what was there is as it was.")


def _show_found(store: Store, reference: str, *, as_json: bool) -> None:
    found = find_work(store, reference)
    if not found:
        fail(f"no work of this database has the reference {reference!r}.")
    if as_json:
        show_json([_found_json(work) for work in found])
        return
    grid(
        f"Entry {reference}",
        ("Patient", "Where", "Work", "Due", "Status", "Owner"),
        [_found_row(work, store.engine.guideline) for work in found],
        empty="",
    )


def _found_row(work: Found, guideline: Guideline) -> tuple[str, ...]:
    return (
        f"{work.name}, born {day(work.birth_date)}, No. {work.patient}",
        guideline.states[work.state].shown(work.sub),
        f"{work.title} [{work.code}]",
        day(work.due),
        work.status,
        work.owner or "nobody",
    )


def _found_json(work: Found) -> dict[str, object]:
    names = "patient name birth_date episode state sub owner code title due status"
    return {name: getattr(work, name) for name in names.split()}
