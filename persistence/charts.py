"""Whole patients, to be taken out: who they are, their journals, what was told about them, who looked at them.

Patients are read in pages, each page as one snapshot, so that memory stays flat whatever the size of the cohort.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select
from sqlmodel import SQLModel

from pathway.episode import Episode
from pathway.errors import StoreError
from pathway.journal import Entry
from persistence import models
from persistence.journal import entry_of
from persistence.registry import table
from persistence.rows import episode_of
from persistence.store import Store

PAGE = 50
# What of a chart may be left unread by who does not need it: journals, messages, and who looked.
LINES, MESSAGES, VIEWINGS = "lines", "messages", "viewings"
ALL = frozenset((LINES, MESSAGES, VIEWINGS))
OnFault = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Kept:
    """One episode: its row, what the row's document says, and its journal, oldest first: as rows and as read."""

    row: Any
    episode: Episode
    lines: Sequence[Any]
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """One patient as the database has them. Every list is of rows, oldest first.

    `retired`: the patients whose records go on in this one; `merges` and `moved`: how they came here.
    """

    patient: Any
    episodes: tuple[Kept, ...]
    messages: Sequence[Any]
    deliveries: Sequence[Any]
    viewings: Sequence[Any]
    retired: Sequence[Any] = ()
    merges: Sequence[Any] = ()
    moved: Sequence[Any] = ()


def chart(store: Store, patient: str, parts: Set[str] = ALL) -> Chart | None:
    """One patient, under whichever number the record goes on; None where the number is not known.

    Raises StoreError where what is stored cannot be read.
    """
    people = table(models.Patient)
    with store.database.reading() as connection:
        on = connection.scalar(select(people.c.merged_into).where(people.c.id == patient))
    found, _ = _page(store, "", 1, on or patient, _raise, parts)
    return found[0] if found else None


def charts(
    store: Store, on_fault: OnFault, *, after: str = "", page: int = PAGE, parts: Set[str] = ALL
) -> Iterator[Chart]:
    """Every patient in the order of their numbers, from after that one; merged records count once.

    One who cannot be read is left out and told of by `on_fault`, with the number and the reason, never silently.
    """
    while after is not None:
        found, last = _page(store, after, page, None, on_fault, parts)
        yield from found
        if last is None:
            return
        after = last


def _raise(patient: str, because: str) -> None:
    raise StoreError(f"patient {patient} cannot be read ({because})")


def _page(
    store: Store, after: str, size: int, only: str | None, on_fault: OnFault, wanted: Set[str]
) -> tuple[list[Chart], str | None]:
    """The charts of a page, and the number that the next page begins after; None after the last."""
    people = table(models.Patient)
    named = (people.c.id > after) & people.c.merged_into.is_(None) if only is None else people.c.id == only
    with store.database.snapshot() as connection:
        rows = connection.execute(select(people).where(named).order_by(people.c.id).limit(size)).all()
        parts = _parts(connection, [row.id for row in rows], wanted)
    found = []
    for row in rows:
        try:
            found.append(_chart(row, parts))
        except Exception as error:
            # A document that cannot be read concerns its own patient only.
            on_fault(row.id, f"{type(error).__name__}: {error}")
    return found, rows[-1].id if len(rows) == size and only is None else None


_Parts = dict[str, dict[Any, list[Any]]]


def _parts(connection: Connection, patients: list[str], wanted: Set[str]) -> _Parts:
    episodes, entries = table(models.Episode), table(models.Entry)
    reminders, deliveries, viewings = table(models.Reminder), table(models.Delivery), table(models.Viewing)
    found: _Parts = {"episodes": _grouped(connection, models.Episode, "patient_id", patients, episodes.c.n)}
    every = [row.id for rows in found["episodes"].values() for row in rows]
    ids = every if LINES in wanted else []
    found["lines"] = _grouped(connection, models.Entry, "episode_id", ids, entries.c.seq)
    ids = every if MESSAGES in wanted else []
    found["messages"] = _grouped(connection, models.Reminder, "episode_id", ids, reminders.c.fired_at, reminders.c.key)
    keys = [row.key for rows in found["messages"].values() for row in rows]
    found["deliveries"] = _grouped(connection, models.Delivery, "reminder_key", keys, deliveries.c.id)
    looked = patients if VIEWINGS in wanted else []
    found["viewings"] = _grouped(connection, models.Viewing, "patient_id", looked, viewings.c.id)
    found["retired"] = _grouped(connection, models.Patient, "merged_into", patients, table(models.Patient).c.id)
    numbers = [row.id for rows in found["retired"].values() for row in rows]
    merges = _grouped(connection, models.RecordMerge, "retired", numbers, table(models.RecordMerge).c.id)
    found["merges"] = {number: [row for row in rows if row.undone_at is None] for number, rows in merges.items()}
    moves = [row.id for rows in found["merges"].values() for row in rows]
    found["moved"] = _grouped(connection, models.MovedEpisode, "merge_id", moves)
    return found


# A statement takes so many values at most, on SQLite before 3.32 fewer than on others.
AT_ONCE = 900


def _grouped(
    connection: Connection, model: type[SQLModel], column: str, values: Sequence[Any], *order: Any
) -> dict[Any, list[Any]]:
    rows = table(model)
    found = defaultdict(list)
    for start in range(0, len(values), AT_ONCE):
        query = select(rows).where(rows.c[column].in_(values[start : start + AT_ONCE])).order_by(rows.c[column], *order)
        for row in connection.execute(query):
            found[getattr(row, column)].append(row)
    return found


def _chart(row: Any, parts: _Parts) -> Chart:
    episodes = parts["episodes"].get(row.id, [])
    messages = [message for each in episodes for message in parts["messages"].get(each.id, [])]
    retired = parts["retired"].get(row.id, [])
    merges = sorted((m for each in retired for m in parts["merges"].get(each.id, [])), key=lambda merge: merge.id)
    return Chart(
        row,
        tuple(_kept(each, parts["lines"].get(each.id, [])) for each in episodes),
        messages,
        [sent for message in messages for sent in parts["deliveries"].get(message.key, [])],
        parts["viewings"].get(row.id, []),
        retired,
        merges,
        [moved for merge in merges for moved in parts["moved"].get(merge.id, [])],
    )


def _kept(row: Any, lines: Sequence[Any]) -> Kept:
    return Kept(row, episode_of(row), lines, tuple(entry_of(line) for line in lines))
