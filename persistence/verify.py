"""Is what is stored still what was recorded? Every hash chain is computed again, every journal replayed, and the
result compared with the document and the rows.

Episodes are read in pages, each page as one snapshot, so that people go on working meanwhile.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, func, select

from pathway.engine import Change
from pathway.episode import Episode, registered_as
from pathway.journal import Entry
from persistence import models
from persistence.collector import paused_collector
from persistence.journal import FIRST, INTAKE, entry_of, line_hash
from persistence.merges import astray, places_of
from persistence.rows import (
    announcements,
    contacts,
    episode_row,
    looks_again,
    moves,
    referral_row,
    task_row,
    timer_row,
    told,
)
from persistence.seals import COMPARED, digests, program, seal, sealed
from persistence.store import Store, table

PAGE = 100
# Messages of the house itself: about an episode, and in no journal.
OF_THE_HOUSE = ("SET_ASIDE",)


@dataclass
class Verified:
    """How much was read, and at most one problem per episode, each one sentence.

    `unchanged`: episodes that are byte for byte as they were when they last agreed.
    """

    episodes: int = 0
    lines: int = 0
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)

    def line(self) -> str:
        if self.problems:
            return f"{len(self.problems)} differences in {self.episodes} episodes"
        return f"all {self.episodes} episodes agree"

    def how(self) -> str:
        replayed = self.episodes - self.unchanged
        return f"{replayed} replayed, {self.unchanged} unchanged to the byte since they last agreed"


class _Differs(Exception):
    """The first difference of an episode, as a sentence."""


def verify(
    store: Store, on_episode: Callable[[], None] | None = None, *, at: datetime | None = None, whole: bool = False
) -> Verified:
    """Compare every journal with everything that was made of it; `on_episode` is called after each.

    `at`: the instant of the look, under which what agrees is sealed (persistence/seals.py). What is sealed and
    unchanged is then not replayed, unless the `whole` is asked for. Without an instant, everything is replayed.
    """
    found = Verified()
    last, under = "", program(store.engine) if at is not None else None
    while page := _page(store, last, under=under, skip=not whole):
        with paused_collector():
            agreed = _compared(store, page, found, on_episode)
        if at is not None and agreed:
            seal(store.database, {name: page.digests[name] for name in agreed}, at)
        last = page.last
    _note(found, partial(_check_intake, store, found))
    found.problems += _orphans(store)
    found.problems += astray(store)
    return found


def _compared(store: Store, page: "_Page", found: Verified, on_episode: Callable[[], None] | None) -> list[str]:
    """Those of a page that were replayed and agree."""
    agreed = []
    for name, stored in page.episodes.items():
        found.episodes += 1
        if stored is None:
            found.unchanged += 1
        elif _note(found, partial(_check, store, stored)):
            agreed.append(name)
        if on_episode:
            on_episode()
    found.lines += page.lines
    return agreed


def verify_episode(store: Store, name: str) -> Verified:
    """The same for one episode, or for the intake: while people look at it."""
    found = Verified()
    if name == INTAKE:
        _note(found, partial(_check_intake, store, found))
        return found
    if page := _page(store, "", only=name):
        _compared(store, page, found, None)
    return found


def _note(found: Verified, check: Callable[[], None]) -> bool:
    """Whether all agreed."""
    try:
        check()
    except _Differs as difference:
        found.problems.append(str(difference))
        return False
    return True


# ---------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class _Stored:
    """An episode as the database has it: its row, its journal, and the rows of its parts by table name."""

    row: Any
    lines: Sequence[Any]
    parts: Mapping[str, Sequence[Any]]
    # Whose it is and as which number: as it was registered, or as the merges say.
    place: tuple[str, int]


PARTS = [model for model in COMPARED if model is not models.Entry]


@dataclass(frozen=True, slots=True)
class _Page:
    """Episodes that follow one another; None stands for one that is sealed and unchanged. `digests`: where a program
    was named. `lines`: of all of them."""

    episodes: Mapping[str, _Stored | None]
    digests: Mapping[str, str]
    lines: int
    last: str


def _page(
    store: Store, after: str, *, only: str | None = None, under: str | None = None, skip: bool = False
) -> _Page | None:
    """The next page in the order of ids, or the one episode; None where there is nobody. `under` a program, digests
    are taken, and with `skip` what is sealed with the same one is not read."""
    episodes = table(models.Episode)
    with store.database.snapshot() as connection:
        wanted = episodes.c.id > after if only is None else episodes.c.id == only
        query = select(episodes.c.id, episodes.c.version).where(wanted).order_by(episodes.c.id).limit(PAGE)
        versions: dict[str, int] = {row.id: row.version for row in connection.execute(query)}
        if not versions:
            return None
        ids = list(versions)
        places = places_of(connection, ids)
        found = digests(connection, under, places) if under is not None else {}
        known = sealed(connection, ids) if found and skip else {}
        read = _read(connection, {n: places[n] for n in ids if n not in known or known[n] != found[n]})
        lines = sum(len(read[name].lines) if name in read else versions[name] for name in ids)
        return _Page({name: read.get(name) for name in ids}, found, lines, ids[-1])


def _read(connection: Connection, places: Mapping[str, tuple[str, int]]) -> dict[str, _Stored]:
    if not places:
        return {}
    ids = list(places)
    episodes, entries = table(models.Episode), table(models.Entry)
    rows = connection.execute(select(episodes).where(episodes.c.id.in_(ids))).all()
    lines = _by_episode(connection, entries, ids, entries.c.seq)
    parts = {str(model.__tablename__): _by_episode(connection, table(model), ids) for model in PARTS}
    return {
        row.id: _Stored(row, lines[row.id], {name: found[row.id] for name, found in parts.items()}, places[row.id])
        for row in rows
    }


def _by_episode(connection: Connection, target: Any, ids: Sequence[str], *order: Any) -> dict[str, list[Any]]:
    query = select(target).where(target.c.episode_id.in_(ids)).order_by(target.c.episode_id, *order)
    found = defaultdict(list)
    for row in connection.execute(query):
        found[row.episode_id].append(row)
    return found


# ---------------------------------------------------------------- one episode


def _check(store: Store, stored: _Stored) -> None:
    """Raises _Differs at the first difference: the chain, the replay, the document, the rows."""
    _check_chain(stored.row.id, stored.lines)
    _check_end(stored)
    entries = _entries(stored)
    episode = _replayed(store, stored.row.id, entries)
    episode.patient, episode.n = stored.place
    _check_row(store, stored, episode, entries)
    _check_parts(store, stored, episode, entries)


def _check_chain(name: str, lines: Iterable[Any]) -> tuple[int, str]:
    """The number of the last line and its hash, if every line is there, bound to the one before, and unedited."""
    seq, previous = 0, FIRST
    for row in lines:
        if row.seq != seq + 1:
            raise _Differs(f"{name} line {seq + 1}: the line is missing")
        if line_hash(row._mapping) != row.hash:
            raise _Differs(f"{name} line {row.seq} ({row.kind}): the line was changed after it was written")
        if row.previous_hash != previous:
            raise _Differs(f"{name} line {row.seq} ({row.kind}): it does not follow the line before it")
        seq, previous = row.seq, row.hash
    return seq, previous


def _check_end(stored: _Stored) -> None:
    row, lines = stored.row, stored.lines
    if not lines:
        raise _Differs(f"{row.id} line 1: the journal is empty")
    if row.version != lines[-1].seq:
        raise _Differs(f"{row.id} line {lines[-1].seq}: the journal ends here, the episode knows {row.version} lines")
    if row.last_hash != lines[-1].hash:
        raise _Differs(f"{row.id} line {lines[-1].seq}: the episode remembers another last line")


def _entries(stored: _Stored) -> list[Entry]:
    """The lines as entries; raises _Differs where a column outside the hash says otherwise than the line."""
    found = []
    for row in stored.lines:
        entry = entry_of(row)
        code = entry.refusal.code if entry.refusal else None
        if row.refusal != code or row.patient_id != registered_as(row.episode_id)[0]:
            raise _Differs(f"{row.episode_id} line {row.seq} ({row.kind}): its columns do not fit what it says")
        found.append(entry)
    return found


def _replayed(store: Store, name: str, entries: Sequence[Entry]) -> Episode:
    read: list[Entry] = []
    try:
        return store.engine.replay(_remembered(entries, read))
    except Exception as error:
        # A damaged journal can fail anywhere in the rules; it must not end the check of the others.
        place = f"{name} line {read[-1].seq} ({read[-1].kind})"
        raise _Differs(f"{place}: the line does not replay: {type(error).__name__}: {error}") from error


def _remembered(entries: Iterable[Entry], read: list[Entry]) -> Iterator[Entry]:
    for entry in entries:
        read.append(entry)
        yield entry


# ---------------------------------------------------------------- what was made of the journal


def _check_row(store: Store, stored: _Stored, episode: Episode, entries: Sequence[Entry]) -> None:
    row, last = stored.row, entries[-1].seq
    change = Change(episode, tuple(entries))
    made = episode_row(change, store.engine.next_wake(episode), row.last_hash)
    if row.document != made["document"]:
        where = _difference(row.document, made["document"])
        raise _Differs(f"{row.id} after line {last}: the stored document differs in {where}")
    for column, value in made.items():
        if getattr(row, column) != value:
            raise _Differs(
                f"{row.id} after line {last}: column {column} says {_said(getattr(row, column))}, "
                f"the journal {_said(value)}"
            )


def _difference(stored: str, made: str) -> str:
    """The first field in which two documents differ."""
    try:
        ours, theirs = json.loads(stored), json.loads(made)
        names = sorted({*ours, *theirs})
        return next((n for n in names if ours.get(n) != theirs.get(n)), "its spelling")
    except (ValueError, TypeError, AttributeError):
        return "everything: it cannot be read"


def _check_parts(store: Store, stored: _Stored, episode: Episode, entries: Sequence[Entry]) -> None:
    guideline = store.engine.guideline
    made = {
        "timer": ([timer_row(episode, t) for t in episode.timers], ("code", "due")),
        "task": ([task_row(episode, t, guideline) for t in episode.tasks], ("code", "n")),
        "referral": ([referral_row(episode, r) for r in episode.referrals], ("service", "n")),
        "alert": ([row for e in entries for row in announcements(episode, e)], ("seq", "number")),
        "contact": ([row for e in entries for row in contacts(episode, e)], ("seq",)),
        "look_again": (looks_again(episode, entries), ("code", "n")),
        "move": ([row for e in entries for row in moves(episode, e)], ("seq", "number")),
        "reminder": ([_issued(row) for row in told(episode, entries)], ("key",)),
    }
    for name, (rows, keys) in made.items():
        there = [row for row in stored.parts[name] if name != "reminder" or _from_the_journal(row)]
        _compare(f"{stored.row.id} after line {entries[-1].seq}: {name}", rows, there, keys)


def _from_the_journal(row: Any) -> bool:
    return row.code not in OF_THE_HOUSE and row.kind != "patient"


def _issued(row: dict[str, Any]) -> dict[str, Any]:
    """What of an outbox row comes from the journal; the rest is the story of its delivery."""
    # When it fell due depends on which lines were written together, which the journal does not tell.
    delivery = ("outcome", "because", "attempts", "try_at", "due_at")
    return {column: value for column, value in row.items() if column not in delivery}


def _compare(place: str, made: Iterable[dict[str, Any]], there: Iterable[Any], keys: Sequence[str]) -> None:
    # The first of two rows with one key is the one that was kept.
    expected: dict[tuple, dict[str, Any]] = {}
    for row in made:
        expected.setdefault(tuple(row[key] for key in keys), row)
    found = {tuple(getattr(row, key) for key in keys): row for row in there}
    for key in sorted({*expected, *found}):
        name = " ".join(map(str, key))
        if key not in found:
            raise _Differs(f"{place} {name} is missing")
        if key not in expected:
            raise _Differs(f"{place} {name} is in no journal")
        for column, value in expected[key].items():
            if getattr(found[key], column) != value:
                said = f"{column} says {_said(getattr(found[key], column))}, the journal {_said(value)}"
                raise _Differs(f"{place} {name}: {said}")


def _said(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)


# ---------------------------------------------------------------- what belongs to no episode


def _check_intake(store: Store, found: Verified) -> None:
    entries = table(models.Entry)
    query = select(entries).where(entries.c.episode_id == INTAKE).order_by(entries.c.seq)
    with (
        store.database.snapshot() as connection,
        # Closed here: a difference ends the reading half way, and PostgreSQL would keep the rest of the rows ready.
        connection.execution_options(yield_per=500).execute(query) as rows,
    ):
        _check_chain(INTAKE, _counted(rows, found))


def _counted(rows: Iterable[Any], found: Verified) -> Iterator[Any]:
    for row in rows:
        found.lines += 1
        yield row


def _orphans(store: Store) -> list[str]:
    """Journals whose episode is gone."""
    entries, episodes = table(models.Entry), table(models.Episode)
    known = select(episodes.c.id)
    query = (
        select(entries.c.episode_id, func.max(entries.c.seq))
        .where(entries.c.episode_id != INTAKE, entries.c.episode_id.not_in(known))
        .group_by(entries.c.episode_id)
        .order_by(entries.c.episode_id)
    )
    with store.database.reading() as connection:
        return [f"{name} line {seq}: the episode of this journal is gone" for name, seq in connection.execute(query)]
