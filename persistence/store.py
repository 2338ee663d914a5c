"""The store: one transaction a step, bulk writes, and writes conditional on the version that was read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, true, update
from sqlalchemy.exc import IntegrityError, OperationalError

from pathway.engine import Case, Change, Engine, Outcome
from pathway.episode import Episode, registered_as
from pathway.errors import ClockWentBack, NoSuchPatient, Outrun
from pathway.journal import Entry, Step
from persistence import models
from persistence.bulk import append, upsert
from persistence.collector import paused_collector
from persistence.database import Database, in_turn
from persistence.intake import write_intake
from persistence.journal import FIRST, entry_of, row_of
from persistence.names import full_name, name_key
from persistence.overtaking import refuse_overtaken
from persistence.parts import write_parts
from persistence.registry import Person, Registry, goes_on_as, number_in_use, table
from persistence.rows import episode_of, episode_row

__all__ = ["Person", "Settled", "Store", "table"]

# A clock may lag a little behind the last line without being wrong (machines of one network differ).
CLOCK_TOLERANCE = timedelta(seconds=5)
RETRY_FIRST, RETRY_LONGEST = timedelta(minutes=1), timedelta(hours=6)


@dataclass
class Settled:
    """What one batch did: episodes looked at, firings, and those set aside with their error."""

    episodes: int = 0
    fired: int = 0
    set_aside: dict[str, str] = field(default_factory=dict)


class Store(Registry):
    """Episodes and their journals, on top of what the house keeps about people and jobs."""

    def __init__(self, database: Database, engine: Engine) -> None:
        super().__init__(database)
        self.engine = engine

    # ---------------------------------------------------------------- reading

    def case(self, patient: str) -> Case:
        """The patient with every episode, of a record that went on under another number that one; NoSuchPatient."""
        with self.database.reading() as connection:
            return self.case_within(connection, patient)

    def case_within(self, connection: Connection, patient: str, *, held: bool = False) -> Case:
        """The same as a part of a transaction. Held: nobody else writes these episodes until it ends."""
        people = table(models.Patient)
        row = connection.execute(select(people).where(people.c.id == number_in_use(patient))).first()
        if row is None:
            raise NoSuchPatient(patient)
        query = self._documents().where(table(models.Episode).c.patient_id == row.id)
        rows = connection.execute(query.with_for_update(key_share=True) if held else query)
        return Case(row.id, row.zone, row.profile, [episode_of(row) for row in rows])

    def _documents(self) -> Any:
        episodes = table(models.Episode)
        columns = episodes.c.document, episodes.c.patient_id, episodes.c.n
        return select(*columns).order_by(episodes.c.patient_id, episodes.c.n)

    def episodes(self, ids: Sequence[str] | None = None) -> list[Episode]:
        """Every episode, or those named, in the order of their ids."""
        query = self._documents()
        if ids is not None:
            query = query.where(table(models.Episode).c.id.in_(ids))
        with self.database.reading() as connection:
            return [episode_of(row) for row in connection.execute(query)]

    def patients(self) -> list[str]:
        """The numbers of everybody, each person once."""
        return self._numbers(table(models.Patient).c.merged_into.is_(None))

    def numbers(self) -> list[str]:
        """Every number that somebody has or had: those of records that go on under another one too."""
        return self._numbers(true())

    def _numbers(self, wanted: ColumnElement[bool]) -> list[str]:
        people = table(models.Patient)
        with self.database.reading() as connection:
            return list(
                connection.scalars(select(people.c.id).where(wanted).order_by(people.c.created_at, people.c.id))
            )

    def next_wake(self) -> datetime | None:
        """The next instant at which any episode has something to do."""
        episodes = table(models.Episode)
        with self.database.reading() as connection:
            return connection.scalar(select(func.min(episodes.c.next_wake_at)))

    def last_recorded(self, connection: Connection) -> datetime | None:
        entries = table(models.Entry)
        return connection.scalar(select(func.max(entries.c.recorded_at)))

    # ---------------------------------------------------------------- recording

    def record(
        self,
        person: Person | str,
        step: Step,
        at: datetime,
        *,
        episode_n: int | None = None,
        catch_up: bool = True,
        seen: int | None = None,
    ) -> Outcome:
        """One step of one patient in one transaction. A Person is added if new; a name must be known.

        `seen`: the version (Episode.seq) that the person had before their eyes, of the episode named by `episode_n`,
        else of the latest open one. Raises Overtaken where it has changed since, NoSuchPatient, Outrun (somebody
        else was first), ClockWentBack, StoreError.
        """
        with self.database.writing() as connection:
            return self.record_within(connection, person, step, at, episode_n=episode_n, catch_up=catch_up, seen=seen)

    def record_within(
        self,
        connection: Connection,
        person: Person | str,
        step: Step,
        at: datetime,
        *,
        episode_n: int | None = None,
        catch_up: bool = True,
        seen: int | None = None,
    ) -> Outcome:
        """The same as a part of a transaction that writes something else as well: both are saved or neither."""
        case = self._case_for(connection, person, at)
        self._refuse_older_clock(case, at, connection)
        episode_n = _numbered(case, person if isinstance(person, str) else person.id, episode_n)
        outcome = self.engine.record(case, step, at, episode_n=episode_n, catch_up=catch_up)
        if seen is not None:
            refuse_overtaken(connection, case, step, outcome, self.engine.guideline, seen, episode_n=episode_n)
        if outcome.intake is not None:
            write_intake(connection, case.patient, outcome.intake)
        loaded = {episode.id: episode for episode in case.episodes}
        self.write_changes(connection, outcome.changes, loaded)
        return outcome

    def _case_for(self, connection: Connection, person: Person | str, at: datetime) -> Case:
        name = person if isinstance(person, str) else person.id
        # One step of a patient at a time: a death and a further fracture write different rows, so no version tells.
        in_turn(connection, f"patient {goes_on_as(connection, name)}")
        try:
            return self.case_within(connection, name, held=True)
        except NoSuchPatient:
            if isinstance(person, str):
                raise
            return Case(person.id, person.zone, person.profile)

    def add_histories(self, people: Mapping[str, Person], changes: Sequence[Change]) -> None:
        """Whole new episodes, made by this engine elsewhere, in one transaction; raises Outrun if one is known."""
        # In one order, or two imports of the same people would wait for each other.
        changes = sorted(changes, key=lambda change: change.episode.id)
        with self.database.writing() as connection:
            for change in changes:
                episode, at = change.episode, change.entries[0].recorded_at
                self._add_person(connection, people[episode.patient], at, episode.birth_date, episode.sex)
            self.write_changes(connection, changes, {})

    def _add_person(
        self, connection: Connection, person: Person, at: datetime, birth_date: Any, sex: str | None
    ) -> None:
        row = {
            "id": person.id,
            "surname": person.surname,
            "given": person.given,
            "name_key": name_key(full_name(person.surname, person.given)),
            "birth_date": birth_date,
            "sex": sex,
            "zone": person.zone,
            "profile": person.profile,
            "created_at": at,
        }
        upsert(connection, models.Patient, [row], keep=True)

    def _refuse_older_clock(self, case: Case, at: datetime, connection: Connection) -> None:
        """A journal is in the order of recording, so a clock that went back may not write."""
        entries = table(models.Entry)
        numbers = {case.patient, *(registered_as(episode.id)[0] for episode in case.episodes)}
        last = connection.scalar(select(func.max(entries.c.recorded_at)).where(entries.c.patient_id.in_(numbers)))
        if last is not None and at < last - CLOCK_TOLERANCE:
            raise ClockWentBack(f"now {at.isoformat()}, last recorded {last.isoformat()}")

    # ---------------------------------------------------------------- settling

    @paused_collector()
    def settle(self, now: datetime, limit: int = 200) -> Settled:
        """Fire what is due in one batch of episodes, oldest first, in one transaction.

        An episode that fails is set aside with its error and tried again later; it never stops the others. Whoever
        waited to write meanwhile goes before the next batch.
        """
        turns, result = self.database.turns, Settled()
        turns.give_way()
        with self.database.writing() as connection:
            due = self._due(connection, now, turns.share(limit))
            loaded = self._opened(due, result)
            settled = (self._settle_one(episode, now, result) for episode in loaded.values())
            changes = self._write_batch(connection, [change for change in settled if change], loaded, result)
            self._set_aside(connection, {row.id: row.failures for row in due}, result.set_aside, now)
            quiet = loaded.keys() - {change.episode.id for change in changes} - result.set_aside.keys()
            self._correct_wakes(connection, [loaded[name] for name in sorted(quiet)])
            turns.look()
        result.episodes = len(due)
        result.fired = sum(len(change.entries) for change in changes)
        return result

    def _due(self, connection: Connection, now: datetime, limit: int) -> Sequence[Any]:
        episodes = table(models.Episode)
        ready = episodes.c.retry_at.is_(None) | (episodes.c.retry_at <= now)
        query = (
            select(*(episodes.c[name] for name in ("id", "patient_id", "n", "document", "failures")))
            .where(episodes.c.next_wake_at <= now, ready)
            .order_by(episodes.c.next_wake_at, episodes.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True, key_share=True)
        )
        return connection.execute(query).all()

    def _opened(self, rows: Iterable[Any], result: Settled) -> dict[str, Episode]:
        loaded = {}
        for row in rows:
            try:
                loaded[row.id] = episode_of(row)
            except Exception as error:
                # A document that cannot be read concerns its own patient only.
                result.set_aside[row.id] = f"{type(error).__name__}: {error}"
        return loaded

    def _settle_one(self, episode: Episode, now: datetime, result: Settled) -> Change | None:
        try:
            return self.engine.settle(episode, now)
        except Exception as error:
            # One bad patient never stops the others: kept with its error, alerted, tried again.
            result.set_aside[episode.id] = f"{type(error).__name__}: {error}"
            return None

    def _write_batch(
        self, connection: Connection, changes: list[Change], loaded: Mapping[str, Episode], result: Settled
    ) -> list[Change]:
        """The changes that could be written: all at once, or, where that fails, those that can be one by one."""
        try:
            with connection.begin_nested():
                self.write_changes(connection, changes, loaded)
        except OperationalError:
            raise
        except Exception:
            # Something in one of them: found by writing each alone, so that the others are not held up by it.
            return [change for change in changes if self._written(connection, change, loaded, result)]
        return changes

    def _written(self, connection: Connection, change: Change, loaded: Mapping[str, Episode], result: Settled) -> bool:
        try:
            with connection.begin_nested():
                self.write_changes(connection, [change], loaded)
        except OperationalError:
            raise
        except Exception as error:
            # Set aside like one that cannot be settled.
            result.set_aside[change.episode.id] = f"{type(error).__name__}: {error}"
            return False
        return True

    def _correct_wakes(self, connection: Connection, episodes: list[Episode]) -> None:
        """Due by the column but not by the engine (a profile was edited, say): the engine is right."""
        for episode in episodes:
            wake = self.engine.next_wake(episode)
            target = table(models.Episode)
            connection.execute(update(target).where(target.c.id == episode.id).values(next_wake_at=wake))

    def _set_aside(
        self, connection: Connection, failures: Mapping[str, int], failed: Mapping[str, str], now: datetime
    ) -> None:
        episodes = table(models.Episode)
        for name, because in failed.items():
            count = failures[name] + 1
            # The doubling is bounded before the limit is applied: 2 ** 200 minutes is no timedelta.
            wait = min(RETRY_FIRST * 2 ** min(count - 1, 16), RETRY_LONGEST)
            values = {"failures": count, "failed_because": because, "retry_at": now + wait}
            connection.execute(update(episodes).where(episodes.c.id == name).values(**values))

    # ---------------------------------------------------------------- writing

    def write_changes(self, connection: Connection, changes: Iterable[Change], loaded: Mapping[str, Episode]) -> None:
        """Every change of a step or a batch in a handful of statements."""
        changes = list(changes)
        if not changes:
            return
        hashes = self._last_hashes(connection, [change.episode.id for change in changes])
        lines: list[dict[str, Any]] = []
        for change in changes:
            lines += self._lines(change, hashes)
        self._write_episodes(connection, changes, loaded, hashes)
        append(connection, models.Entry, lines)
        write_parts(connection, changes, loaded, self.engine.guideline)

    def _last_hashes(self, connection: Connection, ids: list[str]) -> dict[str, str]:
        episodes = table(models.Episode)
        query = select(episodes.c.id, episodes.c.last_hash).where(episodes.c.id.in_(ids))
        return {row.id: row.last_hash for row in connection.execute(query)}

    def _lines(self, change: Change, hashes: dict[str, str]) -> list[dict[str, Any]]:
        episode, rows = change.episode, []
        for entry in change.entries:
            introduced = entry.step.event_id if entry.kind != "duplicate" else None
            if introduced is not None and introduced not in episode.event_ids:
                introduced = None
            # Under the number by which the episode was registered: a journal stays one whatever is merged.
            patient, _ = registered_as(episode.id)
            row = row_of(entry, episode.id, patient, hashes.get(episode.id, FIRST), introduced)
            hashes[episode.id] = row["hash"]
            rows.append(row)
        return rows

    def _write_episodes(
        self,
        connection: Connection,
        changes: list[Change],
        loaded: Mapping[str, Episode],
        hashes: Mapping[str, str],
    ) -> None:
        episodes = table(models.Episode)
        rows = [
            episode_row(change, self.engine.next_wake(change.episode), hashes[change.episode.id]) for change in changes
        ]
        new = [row for row in rows if row["id"] not in loaded]
        known = [{**row, "b_id": row["id"], "b_version": loaded[row["id"]].seq} for row in rows if row["id"] in loaded]
        if new:
            self._add_people(connection, changes, new)
            try:
                connection.execute(insert(episodes), new)
            except IntegrityError as error:
                raise Outrun(new[0]["id"]) from error
        if known:
            self._update_known(connection, known)

    def _update_known(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        """Only if nobody has written since we read: the row count tells."""
        # Whose an episode is changes only where records are merged or parted.
        lasting = ("id", "patient_id", "n", "b_id", "b_version")
        statement = _updating(tuple(name for name in rows[0] if name not in lasting))
        done = connection.execute(statement, rows)
        if done.rowcount != len(rows):
            raise Outrun(", ".join(row["id"] for row in rows[:3]))

    def _add_people(self, connection: Connection, changes: list[Change], new: list[dict[str, Any]]) -> None:
        opened = {row["id"] for row in new}
        for change in changes:
            episode = change.episode
            if episode.id in opened:
                person = Person(episode.patient, episode.zone, episode.profile)
                at = change.entries[0].recorded_at
                self._add_person(connection, person, at, episode.birth_date, episode.sex)

    # ---------------------------------------------------------------- journals

    def journal(self, episode_id: str, until: datetime | None = None) -> list[Entry]:
        """The lines of one episode (or of the intake), oldest first, as known at `until`."""
        entries = table(models.Entry)
        query = select(entries).where(entries.c.episode_id == episode_id).order_by(entries.c.seq)
        if until is not None:
            query = query.where(entries.c.recorded_at <= until)
        with self.database.reading() as connection:
            return [entry_of(row) for row in connection.execute(query)]


def _numbered(case: Case, number: str, n: int | None) -> int | None:
    """The number of an episode in the record, where it was given as one of a record that goes on in this one.

    0, which no episode has, where that record had none: never the episode that happens to have the same number.
    """
    if n is None or number == case.patient:
        return n
    return next((episode.n for episode in case.episodes if registered_as(episode.id) == (number, n)), 0)


@lru_cache(maxsize=4)
def _updating(columns: tuple[str, ...]) -> Any:
    """Write an episode where it still has the version that was read, and forget that it ever failed."""
    episodes = table(models.Episode)
    values: dict[str, Any] = {name: bindparam(name) for name in columns}
    # Lines that did not move it leave it there since when it was.
    values["since"] = func.coalesce(bindparam("since", type_=episodes.c.since.type), episodes.c.since)
    return (
        update(episodes)
        .where(episodes.c.id == bindparam("b_id"), episodes.c.version == bindparam("b_version"))
        .values(**values, failures=0, failed_because=None, retry_at=None)
    )
