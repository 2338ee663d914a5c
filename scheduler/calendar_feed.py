"""Calendar feeds: open work as all-day entries of RFC 5545, for programs outside the house.

A feed leaves the house, so it never says who. An entry has its dates, the worklist on which staff find it, and a
reference that only this database can resolve. The table calendar_entry keeps what each feed last said, so that a
sequence number rises exactly when that changes, and what left the list can be called off.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from icalendar import Calendar, Event, vText
from sqlalchemy import Connection, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from pathway.calendar import local_date
from pathway.episode import WAITING
from pathway.errors import PathwayError
from pathway.guideline import Guideline
from persistence import models
from persistence.store import Store, table
from persistence.work_page import IS_OPEN
from persistence.worklist import full_name
from scheduler.salt import SALT, keyed, salt_in, salt_of

ENTRIES, EPISODES = table(models.CalendarEntry), table(models.Episode)
TASKS, TIMERS = table(models.Task), table(models.Timer)

CONFIRMED, TENTATIVE, CANCELLED = "CONFIRMED", "TENTATIVE", "CANCELLED"
# So long does a feed call off what has left its list; by then every calendar has asked again.
CALLED_OFF = timedelta(days=30)
HOURLY = timedelta(hours=1)
DAY = timedelta(days=1)

# Identifiers are few and guessable, so everything that stands for one is a keyed hash. The key is a row of its own.
UID_LENGTH, REFERENCE_LENGTH, FEED_LENGTH = 40, 10, 16
REFERENCE = re.compile(rf"(?:ref\s+)?([0-9a-f]{{{REFERENCE_LENGTH},{UID_LENGTH}}})(?:@pathway)?")

# Whom the engine tells of a milestone, whatever work comes of it.
MILESTONE_ROLE = "coordinator"
# The list of what is open in an episode that has ended, such as a late result; the guideline has no name for it.
ENDED = "ended"


class NoSuchFeed(PathwayError):
    """There is no such list of work."""


class NoReference(PathwayError):
    """This is not the reference of a calendar entry; expected ten characters such as 3f9c0a12bb."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Whose work: None stands for everybody's. With `titles` the entries say what is to be done."""

    role: str | None
    owner: str | None
    worklist: str | None
    titles: bool

    def key(self, salt: str) -> str:
        return keyed(salt, json.dumps([self.role, self.owner, self.worklist, self.titles]))[:FEED_LENGTH]


@dataclass(frozen=True, slots=True)
class Said:
    """What a feed says of one thing: the local day on which it begins and the day after it ends, and in words."""

    status: str
    start: date
    end: date
    words: str

    @property
    def fingerprint(self) -> str:
        return f"{self.status} {self.start} {self.end} {self.words}"

    @classmethod
    def of(cls, fingerprint: str) -> "Said":
        status, start, end, words = fingerprint.split(" ", 3)
        return cls(status, date.fromisoformat(start), date.fromisoformat(end), words)

    def called_off(self) -> "Said":
        """The same days, off the list; nothing about why, for a task may be done, suspended or handed over."""
        return replace(self, status=CANCELLED, words="no longer on this list")


@dataclass(frozen=True, slots=True)
class Line:
    """What a feed has said, how often it has said otherwise before, and since when."""

    said: Said
    sequence: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """The work behind a reference. `status` is that of the task, or of the timer where it is a milestone."""

    patient: str
    name: str
    birth_date: date | None
    episode: str
    state: str
    sub: str | None
    owner: str | None
    code: str
    title: str
    due: date
    status: str


def calendar_feed(
    store: Store,
    now: datetime,
    *,
    role: str | None = None,
    owner: str | None = None,
    worklist: str | None = None,
    titles: bool = False,
    name: str | None = None,
) -> bytes:
    """A VCALENDAR of the open work and the milestones ahead, the same bytes as long as the work is the same.

    `name` is what calendars show as the title of the whole. Raises NoSuchFeed for a role or worklist that the
    guideline does not know.
    """
    feed = Feed(role, owner, worklist, titles)
    _refuse_unknown(store.engine.guideline, feed)
    return _rendered(_lines(store, feed, now), name or _named(feed))


def worklists(guideline: Guideline) -> tuple[str, ...]:
    """The names of the lists on which people find patients, in the order of the guideline."""
    return tuple(dict.fromkeys(_list_of(guideline, state) for state in guideline.states))


def find(store: Store, reference: str) -> list[Found]:
    """The work behind the reference of an entry, open or not; more than one only by a rare coincidence.

    Raises NoReference.
    """
    match = REFERENCE.fullmatch(reference.strip().lower())
    if match is None:
        raise NoReference(f"found {reference!r}")
    with store.database.reading() as connection:
        salt = salt_in(connection)
        # Without the key no feed was ever made.
        found = [] if salt is None else [key for key in _keys(connection) if _uid(salt, *key).startswith(match[1])]
        return [_found(connection, store.engine.guideline, *key) for key in found]


# ---------------------------------------------------------------- whose work


def _refuse_unknown(guideline: Guideline, feed: Feed) -> None:
    """An empty calendar because of a slip of the pen would look like a day without work."""
    roles = tuple(dict.fromkeys(rule.role for rule in guideline.tasks.values()))
    for what, wanted, known in (("role", feed.role, roles), ("worklist", feed.worklist, worklists(guideline))):
        if wanted is not None and wanted not in known:
            raise NoSuchFeed(f"{what} {wanted!r}; expected one of {', '.join(known)}; no calendar was made")


def _list_of(guideline: Guideline, state: str) -> str:
    return guideline.states[state].worklist or ENDED


def _named(feed: Feed) -> str:
    return "Pathway: " + (", ".join(filter(None, (feed.owner, feed.role, feed.worklist))) or "all work")


def _whose(guideline: Guideline, feed: Feed) -> Iterator[Any]:
    """The conditions on episodes."""
    if feed.owner is not None:
        yield EPISODES.c.owner == feed.owner
    if feed.worklist is not None:
        yield EPISODES.c.state.in_([s for s in guideline.states if _list_of(guideline, s) == feed.worklist])


# ---------------------------------------------------------------- what is owed


def _owed(
    connection: Connection, guideline: Guideline, feed: Feed, salt: str, now: datetime
) -> Iterator[tuple[str, Said]]:
    """Each open task and each waiting timer of the feed by its uid."""
    for row in connection.execute(_open_tasks(guideline, feed)):
        yield _uid(salt, row.id, row.code, row.n), _said_of_task(guideline, feed, row, now)
    if feed.role in (None, MILESTONE_ROLE):
        for row in connection.execute(_waiting_timers(guideline, feed)):
            yield _uid(salt, row.id, row.code, row.due), _said_of_timer(guideline, feed, row)


def _open_tasks(guideline: Guideline, feed: Feed) -> Any:
    codes = [rule.code for rule in guideline.tasks.values() if feed.role in (None, rule.role)]
    return (
        select(EPISODES.c.id, EPISODES.c.state, EPISODES.c.zone)
        .add_columns(TASKS.c.code, TASKS.c.n, TASKS.c.due, TASKS.c.overdue_after)
        .join_from(TASKS, EPISODES, TASKS.c.episode_id == EPISODES.c.id)
        .where(IS_OPEN, TASKS.c.code.in_(codes), *_whose(guideline, feed))
    )


def _waiting_timers(guideline: Guideline, feed: Feed) -> Any:
    return (
        select(EPISODES.c.id, EPISODES.c.state, TIMERS.c.code, TIMERS.c.due, TIMERS.c.status)
        .join_from(TIMERS, EPISODES, TIMERS.c.episode_id == EPISODES.c.id)
        .where(TIMERS.c.status.in_(WAITING), *_whose(guideline, feed))
    )


def _said_of_task(guideline: Guideline, feed: Feed, row: Any, now: datetime) -> Said:
    """From the due day to the last day of the window. Overdue as the worklist has it: the window is over."""
    # A profile may set the due day of a drug beyond the window; an entry must not end before it begins.
    last = max(row.due, row.overdue_after)
    words = guideline.tasks[row.code].title if feed.titles else _list_of(guideline, row.state)
    overdue = local_date(now, row.zone) > row.overdue_after
    return Said(CONFIRMED, row.due, last + DAY, f"{words} (overdue)" if overdue else words)


def _said_of_timer(guideline: Guideline, feed: Feed, row: Any) -> Said:
    """A milestone on hold waits for the patient to come back: still owed, so it is not called off."""
    words = guideline.timers[row.code].title if feed.titles else _list_of(guideline, row.state)
    return Said(TENTATIVE, row.due, row.due + DAY, f"{words} ({'on hold' if row.status == 'held' else 'expected'})")


# ---------------------------------------------------------------- what the feed says


def _lines(store: Store, feed: Feed, now: datetime) -> Mapping[str, Line]:
    """Every line of the feed by its uid; writes only where something has to be said anew."""
    guideline, salt = store.engine.guideline, salt_of(store, now)
    with store.database.reading() as connection:
        known = _known(connection, feed.key(salt), now)
        if not _news(known, dict(_owed(connection, guideline, feed, salt, now))):
            return known
    with store.database.writing() as connection:
        # One at a time, and looked at again: a second reader would say the same twice, or what is no longer so.
        connection.execute(select(ENTRIES.c.uid).where(ENTRIES.c.uid == SALT).with_for_update())
        known = _known(connection, feed.key(salt), now)
        _say(connection, feed.key(salt), _news(known, dict(_owed(connection, guideline, feed, salt, now))), now)
        return _known(connection, feed.key(salt), now)


def _known(connection: Connection, key: str, now: datetime) -> dict[str, Line]:
    """What the feed has said, without what it called off long ago."""
    mine = ENTRIES.c.uid.between(key, key + "g")  # all that follows the key is hexadecimal
    recent = ENTRIES.c.changed_at >= now - CALLED_OFF
    query = select(ENTRIES).where(mine, or_(recent, ~ENTRIES.c.fingerprint.startswith(f"{CANCELLED} ")))
    return {
        row.uid[FEED_LENGTH:]: Line(Said.of(row.fingerprint), row.sequence, row.changed_at)
        for row in connection.execute(query)
    }


def _news(known: Mapping[str, Line], owed: Mapping[str, Said]) -> dict[str, Said]:
    """What has to be said anew: what came or changed, and what is no longer there."""
    gone = {uid: line.said.called_off() for uid, line in known.items() if uid not in owed}
    return {uid: said for uid, said in {**gone, **owed}.items() if uid not in known or known[uid].said != said}


def _say(connection: Connection, key: str, news: Mapping[str, Said], now: datetime) -> None:
    """A thing said for the first time has sequence 0; one that was said before, however long ago, one more."""
    rows = [
        {"uid": key + uid, "fingerprint": said.fingerprint, "sequence": 0, "changed_at": now}
        for uid, said in news.items()
    ]
    statement = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(ENTRIES)
    new = statement.excluded
    values = {"fingerprint": new.fingerprint, "sequence": ENTRIES.c.sequence + 1, "changed_at": new.changed_at}
    if rows:
        connection.execute(statement.on_conflict_do_update(index_elements=["uid"], set_=values), rows)


# ---------------------------------------------------------------- names that nobody can guess


def _uid(salt: str, episode: str, code: str, which: int | date) -> str:
    """The name of a task by its number, of a timer by its due date; the same in every feed."""
    return keyed(salt, f"{episode}\n{code}\n{which}")[:UID_LENGTH]


def _keys(connection: Connection) -> Iterator[tuple[str, str, int | date]]:
    for row in connection.execute(select(TASKS.c.episode_id, TASKS.c.code, TASKS.c.n)):
        yield row.episode_id, row.code, row.n
    for row in connection.execute(select(TIMERS.c.episode_id, TIMERS.c.code, TIMERS.c.due)):
        yield row.episode_id, row.code, row.due


def _found(connection: Connection, guideline: Guideline, episode: str, code: str, which: int | date) -> Found:
    people = table(models.Patient)
    part, last = (TASKS, TASKS.c.n) if isinstance(which, int) else (TIMERS, TIMERS.c.due)
    row = connection.execute(
        select(EPISODES.c.patient_id, EPISODES.c.state, EPISODES.c.sub, EPISODES.c.owner)
        .add_columns(people.c.surname, people.c.given, people.c.birth_date, part.c.due, part.c.status)
        .join_from(part, EPISODES, part.c.episode_id == EPISODES.c.id)
        .join(people, people.c.id == EPISODES.c.patient_id)
        .where(part.c.episode_id == episode, part.c.code == code, last == which)
    ).one()
    return Found(
        patient=row.patient_id,
        name=full_name(row.surname, row.given),
        birth_date=row.birth_date,
        episode=episode,
        state=row.state,
        sub=row.sub,
        owner=row.owner,
        code=code,
        title=(guideline.tasks.get(code) or guideline.timers[code]).title,
        due=row.due,
        status=row.status,
    )


# ---------------------------------------------------------------- the file


def _rendered(lines: Mapping[str, Line], name: str) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//clinical-pathway-engine//open work//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    # Of a property beyond the standard the library does not know that it is text, and would not escape a comma.
    calendar.add("x-wr-calname", vText(name))
    calendar.add("refresh-interval", HOURLY, parameters={"VALUE": "DURATION"})
    # The same for programs older than that property.
    calendar.add("x-published-ttl", "PT1H")
    for uid, line in sorted(lines.items(), key=lambda item: (item[1].said.start, item[0])):
        calendar.add_component(_event(uid, line))
    return calendar.to_ical()


def _event(uid: str, line: Line) -> Event:
    """An entry that takes nobody's time: work is owed on those days, the days are not taken."""
    reference = uid[:REFERENCE_LENGTH]
    event = Event()
    event.add("uid", f"{uid}@pathway")
    event.add("dtstamp", line.changed_at)
    event.add("last-modified", line.changed_at)
    event.add("sequence", line.sequence)
    event.add("dtstart", line.said.start)
    event.add("dtend", line.said.end)
    event.add("summary", f"Pathway: {line.said.words} · ref {reference}")
    event.add("description", f"Whose it is: pathway calendar --find {reference}")
    event.add("status", line.said.status)
    event.add("transp", "TRANSPARENT")
    return event
