"""Recording and settling in the plainest way there is, for comparing the fast way with.

One thing fires at a time, each on an episode that was read anew from its document, each in a transaction of its own.
Nothing that was found out for one firing is known to the next. What an episode consists of is written as a whole,
row by row, by SQLAlchemy's own statements. What a row says is asked of the same functions.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update

from pathway.engine import Case, Change, Engine
from pathway.episode import Episode, Timer, registered_as
from pathway.firing import Due, fire, next_due, remind
from pathway.guideline import Guideline
from pathway.journal import Entry, Step
from pathway.turn import Turn
from persistence import models
from persistence.database import Database
from persistence.journal import FIRST, INTAKE, row_of
from persistence.names import full_name, name_key
from persistence.registry import Person, table
from persistence.rows import (
    announcements,
    contacts,
    episode_of,
    episode_row,
    looks_again,
    moves,
    referral_row,
    taken_back_contacts,
    task_row,
    timer_row,
    told,
)
from tests.journeys.histories import Told

EPISODES, ENTRIES, CONTACTS = (table(model) for model in (models.Episode, models.Entry, models.Contact))
INSTANT = timedelta(microseconds=1)


class PlainWay:
    """`guideline`: an engine of its own is made of it, so that nothing is shared with the fast way's."""

    def __init__(self, database: Database, guideline: Guideline) -> None:
        self.database, self.engine = database, Engine(guideline)

    def record(self, person: Person, one: Told) -> None:
        """All that was due before, then the step, then what is due because of it, unless the scheduler is down."""
        before = self._case(person).episodes
        again = one.step.event_id is not None and any(one.step.event_id in e.event_ids for e in before)
        wakes = one.up and not again
        for episode in before if wakes else ():
            self._fire_all(episode.id, one.at - INSTANT, one.at)
        outcome = self.engine.record(self._case(person), one.step, one.at, episode_n=one.n, catch_up=False)
        if outcome.intake is not None:
            self._write_intake(person.id, outcome.intake)
        for change in outcome.changes:
            self._write(change, caused=False)
        stepped = {change.episode.id for change in outcome.changes}
        for episode in self._case(person).episodes if wakes else ():
            self._fire_all(episode.id, one.at, one.at, caused=episode.id in stepped)

    def settle(self, now: datetime) -> None:
        """Whatever the column says of when an episode is next due: everybody is asked."""
        with self.database.reading() as connection:
            names = list(connection.scalars(select(EPISODES.c.id)))
        for name in names:
            self._fire_all(name, now, now)

    # ---------------------------------------------------------------- firing

    def _fire_all(self, name: str, limit: datetime, now: datetime, *, caused: bool = False) -> None:
        while (due := self._due(episode := self._read(name), limit)) is not None:
            self._write(Change(episode, (self._fired(episode, due, now),)), caused=caused)

    def _due(self, episode: Episode, limit: datetime) -> Due | None:
        return next_due(episode, self.engine.guideline, self.engine.profile(episode.profile), limit, {})

    def _fired(self, episode: Episode, due: Due, now: datetime) -> Entry:
        moment, thing = due
        is_timer = isinstance(thing, Timer)
        kind, which = ("timer", {"due": thing.due}) if is_timer else ("reminder", {"n": thing.n})
        step = Step(kind, thing.code, which, "system")
        one = Turn(episode, self.engine.guideline, self.engine.profile(episode.profile), now, step)
        if is_timer:
            fire(one, self.engine.machine, thing)
        else:
            remind(one, thing)
        return one.entry(kind, min(moment, now))

    # ---------------------------------------------------------------- reading

    def _case(self, person: Person) -> Case:
        people = table(models.Patient)
        with self.database.reading() as connection:
            row = connection.execute(select(people).where(people.c.id == person.id)).first()
            mine = select(EPISODES).where(EPISODES.c.patient_id == person.id).order_by(EPISODES.c.n)
            episodes = [episode_of(found) for found in connection.execute(mine)]
        zone, profile = (row.zone, row.profile) if row else (person.zone, person.profile)
        return Case(person.id, zone, profile, episodes)

    def _read(self, name: str) -> Episode:
        with self.database.reading() as connection:
            return episode_of(connection.execute(select(EPISODES).where(EPISODES.c.id == name)).one())

    # ---------------------------------------------------------------- writing

    def _write(self, change: Change, *, caused: bool) -> None:
        """One line and what is made of it. `caused`: it fell due only because of the step before it."""
        (entry,) = change.entries
        with self.database.writing() as connection:
            line = _line(connection, change.episode, entry)
            self._write_episode(connection, change, line["hash"])
            connection.execute(insert(ENTRIES).values(line))
            self._write_parts(connection, change.episode)
            _write_effects(connection, change.episode, entry, caused=caused)

    def _write_episode(self, connection: Connection, change: Change, last_hash: str) -> None:
        episode, at = change.episode, change.entries[0].recorded_at
        person = {"id": episode.patient, "zone": episode.zone, "profile": episode.profile, "created_at": at}
        person |= {"birth_date": episode.birth_date, "sex": episode.sex, "name_key": name_key(full_name("", ""))}
        _put(connection, models.Patient, person, keep=True)
        row = episode_row(change, self.engine.next_wake(episode), last_hash)
        if row["since"] is None:
            del row["since"]
        _put(connection, models.Episode, row)

    def _write_parts(self, connection: Connection, episode: Episode) -> None:
        tasks = [task_row(episode, task, self.engine.guideline) for task in episode.tasks]
        _write_anew(connection, models.Timer, episode, [timer_row(episode, timer) for timer in episode.timers])
        _write_anew(connection, models.Task, episode, tasks)
        _write_anew(connection, models.Referral, episode, [referral_row(episode, r) for r in episode.referrals])

    def _write_intake(self, patient: str, entry: Entry) -> None:
        """A message that was refused before there was an episode is kept once."""
        with self.database.writing() as connection:
            kept = connection.execute(select(ENTRIES).where(ENTRIES.c.episode_id == INTAKE)).all()
            row = row_of(replace(entry, seq=len(kept) + 1), INTAKE, patient, _last_hash(connection, INTAKE), None)
            same = [k for k in kept if all(getattr(k, c) == row[c] for c in ("patient_id", "step", "effects"))]
            if not same or entry.step.event_id is None:
                connection.execute(insert(ENTRIES).values(row))


def _line(connection: Connection, episode: Episode, entry: Entry) -> dict[str, Any]:
    event_id = entry.step.event_id
    spent = event_id if entry.kind != "duplicate" and event_id in episode.event_ids else None
    return row_of(entry, episode.id, registered_as(episode.id)[0], _last_hash(connection, episode.id), spent)


def _last_hash(connection: Connection, name: str) -> str:
    lines = select(ENTRIES.c.hash).where(ENTRIES.c.episode_id == name).order_by(ENTRIES.c.seq.desc())
    return connection.scalars(lines).first() or FIRST


def _write_effects(connection: Connection, episode: Episode, entry: Entry, *, caused: bool) -> None:
    """What is said once stays as it was said; work that is set aside again has the newer day."""
    for row in announcements(episode, entry):
        _put(connection, models.Alert, row, keep=True)
    for row in contacts(episode, entry):
        _put(connection, models.Contact, row, keep=True)
    for named in taken_back_contacts(episode, entry):
        same = (CONTACTS.c.episode_id == named["of_episode"]) & (CONTACTS.c.seq == named["of_line"])
        connection.execute(update(CONTACTS).where(same).values(retracted=True))
    for row in looks_again(episode, [entry]):
        _put(connection, models.LookAgain, row)
    for row in moves(episode, entry):
        _put(connection, models.Move, row, keep=True)
    for row in told(episode, [entry]):
        since_the_step = {"due_at": entry.recorded_at} if caused else {}
        _put(connection, models.Reminder, row | since_the_step, keep=True)


def _write_anew(connection: Connection, model: Any, episode: Episode, rows: list[dict[str, Any]]) -> None:
    connection.execute(delete(table(model)).where(table(model).c.episode_id == episode.id))
    if rows:
        connection.execute(insert(table(model)), rows)


def _put(connection: Connection, model: Any, row: dict[str, Any], *, keep: bool = False) -> None:
    """Insert a row, or write it over the one that has its key; with `keep`, that one stays as it is."""
    target = table(model)
    same = and_(*(column == row[column.name] for column in target.primary_key.columns))
    if connection.execute(select(target).where(same)).first() is None:
        connection.execute(insert(target).values(row))
    elif not keep:
        connection.execute(update(target).where(same).values(row))
