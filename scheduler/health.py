"""Is the machinery well? Figures and sentences for people and monitors; no patient is named in any of them.

What names an episode, or repeats the words of another system, is only in `for_staff`, for the command line.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from pathway.calendar import show_instant
from pathway.errors import StoreError, StoreNotReady
from pathway.journal import plain
from persistence import models
from persistence.store import CLOCK_TOLERANCE, Store, table
from scheduler.figures import Figures, are_due, read_figures

LEVELS = ("ok", "degraded", "down")
# Down: nothing is done for anybody until it is repaired. Degraded: the work goes on, but somebody must look.
LEVEL_OF = {
    "database": "down",
    "schema": "down",
    "clock_skew": "down",
    "clock_back": "down",
    "settle_never": "down",
    "settle_late": "down",
    "due_late": "degraded",
    "set_aside": "degraded",
    "outbox_untried": "degraded",
    "outbox_retried": "degraded",
    "failed": "degraded",
    "channel_down": "degraded",
    "census_wrong": "degraded",
    "census_old": "degraded",
    "verify_wrong": "degraded",
    "verify_old": "degraded",
    "hl7_waiting": "degraded",
    "webhook_untold": "degraded",
}
OTHER_VERSION = "The database is not of this version, so nothing is settled and nobody is told; run `pathway init`."
UNUSABLE = "The database cannot be used, so nothing is settled and nobody is told."
# A settling that is late by less is a slow machine, not a dead one.
LATE_AT_LEAST = timedelta(minutes=5)
# A day, and time enough for a long night's work and for the hour that moves in spring and autumn.
NIGHTLY_OLD = timedelta(hours=30)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a code for machines, a sentence for people."""

    code: str
    sentence: str

    @property
    def level(self) -> str:
        return LEVEL_OF[self.code]


@dataclass(frozen=True, slots=True)
class Health:
    """How things stand at `at`. `figures` is None when the database could not be asked."""

    at: datetime
    figures: Figures | None
    findings: tuple[Problem, ...]

    @property
    def level(self) -> str:
        return max((problem.level for problem in self.findings), key=LEVELS.index, default="ok")

    @property
    def ok(self) -> bool:
        return not self.findings

    @property
    def problems(self) -> list[str]:
        return [problem.sentence for problem in self.findings]

    def as_json(self) -> dict[str, Any]:
        """Counts and sentences as JSON can hold them; nothing in it names a patient or an episode."""
        found = [{"code": p.code, "level": p.level, "sentence": p.sentence} for p in self.findings]
        figures = plain(asdict(self.figures)) if self.figures else None
        return {"at": self.at.isoformat(), "level": self.level, "problems": found, "figures": figures}

    def line(self) -> str:
        if self.figures is None:
            return f"{self.level}: the database could not be asked"
        f = self.figures
        settled = f"settled {_ago(self.at, f.last_settle)}" if f.last_settle else "never settled"
        due = f"{f.due} due" + (f", the oldest for {_spoken(self.at - f.oldest_due)}" if f.oldest_due else "")
        told = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in f.outcomes.items())
        clocks = "one machine, one clock" if f.skew is None else f"clocks {abs(f.skew):.1f} s apart"
        work = f"{settled}; {due}; {f.set_aside} set aside; {f.waiting} waiting"
        return f"{self.level}: {work}; in 24 hours {told}; {clocks}"


def health(store: Store, now: datetime, *, settle_seconds: float | None = 60) -> Health:
    """How the machinery stands at `now`, which must be the machine's clock read just before.

    `settle_seconds`: how often something settles by itself. None for a rehearsal, whose time is moved by hand: then
    nobody is expected to settle, and no clock to agree. Raises nothing for a database that cannot be used: that is
    an answer too.
    """
    begun = perf_counter()
    try:
        store.database.require_ready()
        theirs = store.database.clock()
        # What it took to connect is no difference of the clocks.
        ours = now + timedelta(seconds=perf_counter() - begun)
        skew = None if theirs is None else round((theirs - ours).total_seconds(), 3)
        with store.database.reading() as connection:
            figures = read_figures(store, connection, now, skew)
    except (StoreError, SQLAlchemyError) as error:
        return without_database(now, error)
    return Health(now, figures, tuple(_findings(figures, now, settle_seconds)))


def without_database(now: datetime, error: Exception) -> Health:
    """The answer while the database cannot be used, or is of another version. The words of `error` are not in it."""
    if isinstance(error, StoreNotReady) and error.__cause__ is None:
        return Health(now, None, (Problem("schema", OTHER_VERSION),))
    return Health(now, None, (Problem("database", UNUSABLE),))


def for_staff(store: Store, now: datetime) -> list[str]:
    """The names and reasons behind the figures, a line each: for the command line, never for a log or a monitor."""
    episodes, breakers = table(models.Episode), table(models.Breaker)
    aside = select(episodes.c.id, episodes.c.failures, episodes.c.retry_at, episodes.c.failed_because)
    # Put in order here: asked for in the order of ids, a database would look at everybody in that order.
    aside = aside.where(are_due(now), episodes.c.failures > 0)
    with store.database.reading() as connection:
        broken = sorted(connection.execute(aside), key=lambda row: row.id)
        down = connection.execute(select(breakers).order_by(breakers.c.channel)).all()
    return [
        *(f"{e.id}: {e.failures} tries, the next after {_wall(e.retry_at)}: {e.failed_because}" for e in broken),
        *(f"{b.channel}: {b.failures} tries, the next after {_wall(b.open_until)}: {b.because}" for b in down),
    ]


# ---------------------------------------------------------------- what is wrong


def _findings(f: Figures, now: datetime, settle_seconds: float | None) -> Iterator[Problem]:
    if settle_seconds is not None:
        yield from _clocks(f, now)
        yield from _settling(f, now, settle_seconds)
        yield from _nightly(f, now)
    yield from _setbacks(f)
    yield from _telling(f)
    if f.hl7_waiting:
        told = f"HL7 v2 messages that wait for a person: {f.hl7_waiting}"
        yield Problem("hl7_waiting", f"{told}; see `pathway hl7 messages --outcome waiting`.")
    if f.webhooks_untold:
        told = f"State changes of which another system was not told in time: {f.webhooks_untold}"
        yield Problem("webhook_untold", f"{told}; see `pathway webhook list`.")


def _clocks(f: Figures, now: datetime) -> Iterator[Problem]:
    if f.skew is not None and abs(f.skew) > CLOCK_TOLERANCE.total_seconds():
        here, there = _second(now), _second(now + timedelta(seconds=f.skew))
        told = f"this machine says {here}, the database {there}"
        yield Problem("clock_skew", f"The clocks differ by {abs(f.skew):.0f} s: {told}; set the wrong one right.")
    if f.last_work is not None and now < f.last_work - CLOCK_TOLERANCE:
        told = f"This machine's clock says {_second(now)}, but work is on record at {_second(f.last_work)}"
        yield Problem("clock_back", f"{told}; nothing is done until it is right.")


def _settling(f: Figures, now: datetime, settle_seconds: float) -> Iterator[Problem]:
    limit = max(LATE_AT_LEAST, timedelta(seconds=5 * settle_seconds))
    if f.last_settle is None:
        yield Problem("settle_never", "Nothing has ever been settled here; start `pathway run` or `pathway worker`.")
    elif now - f.last_settle > limit:
        told = f"Nothing has been settled since {_wall(f.last_settle)}, {_ago(now, f.last_settle)}"
        yield Problem("settle_late", f"{told}; every {_spoken(timedelta(seconds=settle_seconds))} is expected.")
    if f.oldest_due is not None and now - f.oldest_due > limit:
        waits = f"the oldest for {_spoken(now - f.oldest_due)}"
        yield Problem("due_late", f"Due and not done: {_many(f.due, 'episode')}, {waits}.")


def _nightly(f: Figures, now: datetime) -> Iterator[Problem]:
    for code, what, check in (("census_old", "census", f.census), ("verify_old", "verification", f.verify)):
        since = check.at if check else f.first_settle
        if since is not None and now - since > NIGHTLY_OLD:
            yield Problem(code, f"There has been no {what} since {_wall(since)}, {_ago(now, since)}.")


def _setbacks(f: Figures) -> Iterator[Problem]:
    if f.set_aside:
        told = f"Set aside after up to {_many(f.set_aside_tries, 'try', 'tries')}: {_many(f.set_aside, 'episode')}"
        yield Problem("set_aside", f"{told}; follow these patients by hand, `pathway health --names` says whose.")
    if f.census and not f.census.content:
        yield Problem("census_wrong", f"The census of {_wall(f.census.at)} does not add up; see `pathway census`.")
    if f.verify and not f.verify.content:
        told = f"The verification of {_wall(f.verify.at)} found differences"
        yield Problem("verify_wrong", f"{told}; see `pathway verify`.")


def _telling(f: Figures) -> Iterator[Problem]:
    if f.untried:
        told = "To go out more than an hour ago and not taken up"
        yield Problem("outbox_untried", f"{told}: {_many(f.untried, 'message')}.")
    if f.retried:
        told = "Not handed over for more than an hour, in spite of trying"
        yield Problem("outbox_retried", f"{told}: {_many(f.retried, 'message')}.")
    if f.outcomes["failed"]:
        told = f"Refused for good in the last 24 hours: {_many(f.outcomes['failed'], 'message')}"
        yield Problem("failed", f"{told}; see that a person passes on what they say.")
    for outage in f.outages:
        told = f"The channel {outage.channel} is down since {_wall(outage.since)}"
        after = f"after {_many(outage.failures, 'try', 'tries')}; the next is not before {_wall(outage.open_until)}"
        yield Problem("channel_down", f"{told}, {after}.")


# ---------------------------------------------------------------- words


def _wall(instant: datetime) -> str:
    return f"{show_instant(instant, 'UTC')} UTC"


def _second(instant: datetime) -> str:
    return f"{show_instant(instant, 'UTC')}:{instant:%S} UTC"


def _ago(now: datetime, then: datetime) -> str:
    return f"{_spoken(now - then)} ago"


def _spoken(span: timedelta) -> str:
    """The largest unit that leaves a number worth reading."""
    seconds = max(span.total_seconds(), 0)
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"
