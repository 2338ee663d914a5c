"""What the command line shows: tables for people, JSON for programs, one sentence for what went wrong."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pathway.calendar import show_date
from pathway.guideline import Guideline
from pathway.journal import Refusal, plain

REFUSED = 2
E_MARK = "[E]"
E_NOTE = "[E] = engineering choice, not in the sources; needs clinical sign-off."

# A pipe has no width: wide enough for a worklist row on one line.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 220)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def show_json(value: Any) -> None:
    print(json.dumps(_plain(value), ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return plain(value)


def fail(message: str) -> NoReturn:
    """One sentence on standard error, exit code 2."""
    errors.print(f"pathway: {message}", markup=False)
    raise typer.Exit(REFUSED)


def refuse(refusal: Refusal, *, as_json: bool) -> NoReturn:
    """A refused step: it is in the journal, nothing else was saved."""
    if as_json:
        show_json({"accepted": False, "code": refusal.code, "because": refusal.because, "missing": refusal.missing})
        raise typer.Exit(REFUSED)
    fail(f"refused ({refusal.code}): {refusal.because}. The refusal is in the journal, nothing else was saved.")


def say(message: str = "", style: str | None = None) -> None:
    in_a_pipe = not console.is_terminal and not console.record
    console.print(message, style=style, markup=False, soft_wrap=in_a_pipe)


def grid(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """A table, or the sentence that says why it is empty."""
    found = list(rows)
    if not found:
        say(empty)
        return
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in found:
        table.add_row(*(str(cell) for cell in row))
    console.print(table, markup=False)


def sources(guideline: Guideline, cites: Iterable[str]) -> list[str]:
    """The cited lines in our words, each with its id."""
    return [f"{cite}: {guideline.sources[cite].says}" for cite in cites if cite in guideline.sources]


def day(value: date | None) -> str:
    return show_date(value)


def marked(title: str, *, engineering: bool) -> str:
    return f"{title} {E_MARK}" if engineering else title


def progress() -> Progress:
    """A bar on a terminal, nothing in a pipe."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True)
