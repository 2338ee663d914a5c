"""Telling people: what the engine put into the outbox goes out once, if it is still so.

A row is claimed in one short transaction, in which its reason is checked again; the claim is a lease, so no lock
is held while a mail server thinks. Each answer is written down as it comes. Should the program be killed between
a server's acceptance and that writing, the message goes out again when the lease is over, with the same
Message-ID: the one window that mail leaves open. The `delivery` row of such an attempt stays "unanswered".
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, func, insert, select, update

from pathway.errors import StoreError
from persistence import models
from persistence.store import Store, table
from scheduler.channels import Channel, ChannelDown, ChannelError, Message
from scheduler.letters import letter
from scheduler.reasons import matter_of, no_longer
from scheduler.recipients import recipients, roles_heard
from scheduler.settle import never

RETRY_FIRST, RETRY_LONGEST = timedelta(minutes=1), timedelta(minutes=15)
# Longer than a run may need for all the rows it claims at one and the same `now`.
LEASE = timedelta(minutes=15)
NOBODY = "nobody to tell"
UNANSWERED, ACCEPTED, FOR_GOOD = "unanswered", "accepted", "refused for good: "
NOT_TRIED = "not tried: the channel is down"

log = logging.getLogger(__name__)


@dataclass
class Delivered:
    """What one run did, in outbox rows. `waiting`: all that wait now; `nobody`: those of them, by role, for
    which there is nobody to tell."""

    sent: int = 0
    suppressed: int = 0
    failed: int = 0
    waiting: int = 0
    nobody: dict[str, int] = field(default_factory=dict)

    def counts(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        counts = f"{self.sent} sent, {self.suppressed} suppressed, {self.failed} failed, {self.waiting} waiting"
        unheard = ", ".join(f"{role} {count}" for role, count in sorted(self.nobody.items()))
        return f"{counts}; {NOBODY}: {unheard}" if unheard else counts


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt: the id of its delivery row, the channel and the address."""

    id: int
    channel: Channel
    recipient: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A row in hand. `attempts` marks it as ours until the lease is over; `people` are all to be told."""

    attempts: int
    message: Message
    people: tuple[str, ...]
    sendings: tuple[Sending, ...]


def deliver(
    store: Store,
    channels: Sequence[Channel],
    now: datetime,
    *,
    limit: int = 100,
    stop: Callable[[], bool] = never,
) -> Delivered:
    """Send what is waiting and still true at `now`: alerts first, then escalations, then the oldest."""
    done, up = Delivered(), list(channels)
    for key in _ready(store, now, limit):
        if stop() or not up:
            break
        outcome = _deliver_one(store, channels, up, key, now)
        if outcome in ("sent", "suppressed", "failed"):
            setattr(done, outcome, getattr(done, outcome) + 1)
    done.nobody = _unheard(store)
    done.waiting = _count_waiting(store)
    return done


# ---------------------------------------------------------------- what is waiting


def _ready(store: Store, now: datetime, limit: int) -> list[str]:
    """Keys in sending order. Rows that nobody would hear are left out, or they would block the others."""
    rows = table(models.Reminder)
    urgency = case((rows.c.kind == "alert", 0), (rows.c.kind == "escalation", 1), else_=2)
    query = select(rows.c.key).where(rows.c.outcome == "waiting", rows.c.try_at <= now)
    with store.database.reading() as connection:
        heard = roles_heard(connection)
        if heard is not None:
            query = query.where(rows.c.role.in_(heard))
        query = query.order_by(urgency, rows.c.fired_at, rows.c.key).limit(limit)
        return list(connection.scalars(query))


def _unheard(store: Store) -> dict[str, int]:
    """Count, by role, what nobody would hear, and say so in the rows."""
    rows = table(models.Reminder)
    with store.database.reading() as connection:
        heard = roles_heard(connection)
        if heard is None:
            return {}
        mute = (rows.c.outcome == "waiting") & rows.c.role.not_in(heard)
        counts = select(rows.c.role, func.count(), func.sum(case((rows.c.because == NOBODY, 0), else_=1)))
        found = connection.execute(counts.where(mute).group_by(rows.c.role)).all()
    if any(unmarked for _, _, unmarked in found):
        with store.database.writing() as connection:
            connection.execute(update(rows).where(mute, rows.c.because != NOBODY).values(because=NOBODY))
    return {role: count for role, count, _ in found}


def _count_waiting(store: Store) -> int:
    rows = table(models.Reminder)
    with store.database.reading() as connection:
        return connection.scalar(select(func.count()).where(rows.c.outcome == "waiting")) or 0


# ---------------------------------------------------------------- one row


def _deliver_one(store: Store, channels: Sequence[Channel], up: list[Channel], key: str, now: datetime) -> str:
    """The outcome of a row after this turn: sent, suppressed, failed, waiting, or empty if others have it."""
    try:
        claim = _claim(store, up, key, now)
    except StoreError:
        raise
    except Exception as error:
        # One message that cannot be written, whatever the rule that fails, must not keep the others back.
        log.exception("%s cannot be written", key)
        return _put_off(store, key, f"cannot be written: {type(error).__name__}: {error}", now)
    if isinstance(claim, str):
        return claim
    noted: dict[int, str] = {}
    for sending in claim.sendings:
        # The answer to one letter is safe before the next one leaves; that to the last goes with the outcome.
        _keep(store, noted)
        noted = {sending.id: _answer(claim.message, sending, up) if sending.channel in up else NOT_TRIED}
    return _finish(store, channels, claim, noted, now)


def _claim(store: Store, up: Sequence[Channel], key: str, now: datetime) -> Claim | str:
    with store.database.writing() as connection:
        row = _taken(connection, key, now)
        if row is None:
            return ""
        matter = matter_of(connection, row)
        over = no_longer(matter, store.engine.guideline)
        if over:
            return _close(connection, key, "suppressed", over, now)
        people = tuple(recipients(connection, row.role))
        if not people:
            return _wait(connection, key, NOBODY, now)
        message = letter(matter, store.engine.guideline, now)
        answered = _answered(connection, key)
        pairs = [(c, p) for c in up for p in people if (c.name, p) not in answered]
        sendings = tuple(_begin(connection, key, channel, person, now) for channel, person in pairs)
        return Claim(row.attempts, message, people, sendings)


def _taken(connection: Connection, key: str, now: datetime) -> Any:
    """The row, now ours for the time of the lease; None if somebody else has it."""
    rows = table(models.Reminder)
    free = (rows.c.key == key) & (rows.c.outcome == "waiting") & (rows.c.try_at <= now)
    values = {"attempts": rows.c.attempts + 1, "try_at": now + LEASE}
    if connection.execute(update(rows).where(free).values(**values)).rowcount != 1:
        return None
    return connection.execute(select(rows).where(rows.c.key == key)).first()


def _begin(connection: Connection, key: str, channel: Channel, recipient: str, now: datetime) -> Sending:
    row = {
        "reminder_key": key,
        "channel": channel.name,
        "recipient": recipient,
        "attempted_at": now,
        "ok": False,
        "answer": UNANSWERED,
    }
    done = connection.execute(insert(table(models.Delivery)).values(**row))
    assert done.inserted_primary_key is not None
    return Sending(done.inserted_primary_key[0], channel, recipient)


def _answer(message: Message, sending: Sending, up: list[Channel]) -> str:
    """Hand the message over; a channel that is down is not asked again in this run."""
    try:
        sending.channel.send(message, sending.recipient)
    except ChannelDown as error:
        up.remove(sending.channel)
        log.warning("%s is down: %s", sending.channel.name, error.because)
        return error.because
    except ChannelError as error:
        return FOR_GOOD + error.because if error.permanent else error.because
    except Exception as error:
        # A channel is other people's code and networks: whatever happens there concerns this sending only.
        log.exception("%s failed on %s", sending.channel.name, message.key)
        return f"{type(error).__name__}: {error}"
    return ACCEPTED


def _keep(store: Store, answers: Mapping[int, str]) -> None:
    if answers:
        with store.database.writing() as connection:
            _note(connection, answers)


def _note(connection: Connection, answers: Mapping[int, str]) -> None:
    rows = table(models.Delivery)
    for delivery, answer in answers.items():
        found = {"ok": answer == ACCEPTED, "answer": answer}
        connection.execute(update(rows).where(rows.c.id == delivery).values(**found))


def _answered(connection: Connection, key: str) -> dict[tuple[str, str], str]:
    """(channel, recipient) -> the answer that settles it: accepted, or refused for good."""
    rows = table(models.Delivery)
    query = select(rows.c.channel, rows.c.recipient, rows.c.answer).where(rows.c.reminder_key == key)
    found = connection.execute(query)
    return {(c, p): answer for c, p, answer in found if answer == ACCEPTED or answer.startswith(FOR_GOOD)}


# ---------------------------------------------------------------- how it ended


def _finish(store: Store, channels: Iterable[Channel], claim: Claim, noted: Mapping[int, str], now: datetime) -> str:
    """Sent when all are settled and one accepted; failed when all refused for good; else it waits."""
    key = claim.message.key
    with store.database.writing() as connection:
        _note(connection, noted)
        if not _still_ours(connection, claim):
            return ""
        answered = _answered(connection, key)
        if any((c.name, p) not in answered for c in channels for p in claim.people):
            return _wait(connection, key, _last_answer(connection, key), now)
        refused = [f"{p}: {a}" for (_, p), a in sorted(answered.items()) if a != ACCEPTED]
        outcome = "sent" if ACCEPTED in answered.values() else "failed"
        return _close(connection, key, outcome, "; ".join(refused), now)


def _still_ours(connection: Connection, claim: Claim) -> bool:
    rows = table(models.Reminder)
    ours = (rows.c.key == claim.message.key) & (rows.c.outcome == "waiting")
    query = select(rows.c.key).where(ours, rows.c.attempts == claim.attempts).with_for_update()
    return connection.execute(query).first() is not None


def _last_answer(connection: Connection, key: str) -> str:
    rows = table(models.Delivery)
    query = select(rows.c.answer).where(rows.c.reminder_key == key, ~rows.c.ok).order_by(rows.c.id.desc())
    return connection.scalar(query.limit(1)) or ""


def _put_off(store: Store, key: str, because: str, now: datetime) -> str:
    with store.database.writing() as connection:
        return _wait(connection, key, because, now) if _taken(connection, key, now) else ""


def _wait(connection: Connection, key: str, because: str, now: datetime) -> str:
    """Try again later, each time after twice as long, up to a limit."""
    rows = table(models.Reminder)
    attempts = connection.scalar(select(rows.c.attempts).where(rows.c.key == key)) or 1
    pause = min(RETRY_FIRST * 2 ** min(attempts - 1, 16), RETRY_LONGEST)
    values = {"try_at": now + pause, "because": because}
    connection.execute(update(rows).where(rows.c.key == key).values(**values))
    return "waiting"


def _close(connection: Connection, key: str, outcome: str, because: str, now: datetime) -> str:
    rows = table(models.Reminder)
    values = {"outcome": outcome, "because": because, "settled_at": now}
    connection.execute(update(rows).where(rows.c.key == key).values(**values))
    return outcome
