"""One round of the outbox at one instant: claim a row, check its reason again, tell people, write down how it ended.

A row is claimed in one short transaction, in which its reason is checked again; the claim is a lease, so no lock
is held while a mail server thinks. Each answer is written down as it comes. Should the program be killed between
a server's acceptance and that writing, the message goes out again when the lease is over, with the same
Message-ID: the one window that mail leaves open. The `delivery` row of such an attempt stays "unanswered".
"""

import logging
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, or_, select, update

from pathway.calendar import local_date
from pathway.errors import StoreError
from pathway.guideline import ReminderRule
from persistence import models
from persistence.store import Store, table
from scheduler import deliveries
from scheduler.audience import full_today, owed_to
from scheduler.backoff import pause
from scheduler.breaker import breakers, mend, trip
from scheduler.channels import Channel, ChannelDown, ChannelError, Message
from scheduler.deliveries import ACCEPTED, DELIVERED, FOR_GOOD, TAKEN
from scheduler.handover import hand_over
from scheduler.letters import facts_for_patient, letter
from scheduler.patients import PATIENT, channel_named, consent_to, rests_until, silenced, waits_because
from scheduler.reasons import Matter, matter_of, too_late, verdict
from scheduler.recipients import staff_on
from scheduler.rows import tell_staff
from scheduler.salt import salt_of
from scheduler.site import Site
from scheduler.words import Words, built_in

# Longer than a run may need for all the rows it claims at one and the same `now`.
LEASE = timedelta(minutes=15)
NOBODY = "nobody to tell"
PERHAPS = "it may have gone out all the same"
NOT_TRIED = "not tried: the channel is down"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sending:
    """One attempt: the id of its delivery row, the channel and the address."""

    id: int
    channel: Channel
    recipient: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A row in hand. `row.attempts` marks it as ours until the lease is over; `owed` is everybody to be told, by
    channel and address, of whom `sendings` are told now; those who are `full` have had enough today."""

    row: Any
    message: Message
    owed: tuple[tuple[str, str], ...]
    sendings: tuple[Sending, ...]
    full: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ending:
    """A row that is not sent: what its outcome is, or until when it waits, and why. A person gets the work of what
    came too late or failed."""

    row: Any
    outcome: str
    because: str
    episode: Any
    until: datetime | None = None


class Round:
    """One round of the outbox at one instant. `up`: the channels that have not failed of late; `worked`: those that
    took the last message they were given."""

    def __init__(
        self, store: Store, channels: Sequence[Channel], now: datetime, site: Site, words: Words | None
    ) -> None:
        self.store, self.now, self.site, self.channels = store, now, site, channels
        self.words, self.salt = words or built_in(), salt_of(store, now)
        self.guideline = store.engine.guideline
        with store.database.reading() as connection:
            self.ailing = breakers(connection, [channel.name for channel in channels])
            self.staff = staff_on(connection, local_date(now, site.zone))
        self.up = [c for c in channels if c.name not in self.ailing or self.ailing[c.name].open_until <= now]
        self.worked = set[str]()
        self.began_up = bool(self.up)

    @property
    def cut_off(self) -> bool:
        """Whether the last channel went down in this round."""
        return self.began_up and not self.up

    # ---------------------------------------------------------------- what is waiting

    def ready(self, limit: int) -> list[str]:
        """Keys in sending order. While the site rests, only what is urgent; while no channel works, only what is
        too late for its recipient, because a person must have that work all the same."""
        rows, rules = table(models.Reminder), self.guideline.reminders.values()
        if not self.staff.people or not self.channels:
            return []
        rank = case({rule.kind: rule.rank for rule in rules}, value=rows.c.kind, else_=len(rules))
        query = select(rows.c.key).where(rows.c.outcome == "waiting", rows.c.try_at <= self.now)
        if not self.up:
            query = query.where(or_(*self._outdated()))
        elif self.site.opens_at(self.now) > self.now:
            query = query.where(rows.c.kind.in_([rule.kind for rule in rules if rule.urgent]))
        query = query.order_by(rank, rows.c.fired_at, rows.c.key).limit(limit)
        with self.store.database.reading() as connection:
            return list(connection.scalars(query))

    def _outdated(self) -> Iterator[ColumnElement[bool]]:
        rows = table(models.Reminder)
        for rule in self.guideline.reminders.values():
            if rule.useful_hours is not None:
                yield (rows.c.kind == rule.kind) & (rows.c.due_at < self.now - timedelta(hours=rule.useful_hours))

    def unheard(self) -> dict[str, int]:
        """What waits because there is nobody to tell, by role."""
        rows = table(models.Reminder)
        mute = rows.c.outcome == "waiting"
        if self.staff.people:
            mute &= rows.c.because == NOBODY
        with self.store.database.reading() as connection:
            found = connection.execute(select(rows.c.role, func.count()).where(mute).group_by(rows.c.role))
            return {row.role: row[1] for row in found}

    # ---------------------------------------------------------------- one row

    def deliver_one(self, key: str) -> str:
        """The outcome of a row after this turn; waiting, or empty if others have it."""
        try:
            claim = self._claim(key)
        except StoreError:
            raise
        except Exception as error:
            # One message that cannot be written, whatever the rule that fails, must not keep the others back.
            log.exception("a message cannot be written")
            return self._put_off(key, f"cannot be written: {type(error).__name__}: {error}")
        if isinstance(claim, Ending):
            return self._end(claim)
        return self._send(claim) if claim is not None else ""

    def _send(self, claim: Claim) -> str:
        noted: dict[int, str] = {}
        for sending in claim.sendings:
            # The answer to one letter is safe before the next one leaves; that to the last goes with the outcome.
            self._keep(noted)
            up = sending.channel in self.up
            noted = {sending.id: self._answer(claim.message, sending) if up else NOT_TRIED}
        return self._finish(claim, noted)

    def _claim(self, key: str) -> Claim | Ending | None:
        with self.store.database.writing() as connection:
            row = self._taken(connection, key)
            if row is None:
                return None
            matter = matter_of(connection, row)
            rule = self.guideline.reminders[row.kind]
            if row.role == PATIENT:
                return self._to_patient(connection, matter, rule)
            over = self._over(connection, matter, rule)
            if over is not None:
                return over
            carrying = self._carrying(rule)
            if not carrying:
                return Ending(row, "suppressed", "no channel of this site carries it", matter.episode)
            owed = owed_to(self.staff, matter, rule, carrying)
            if not owed:
                return self._nobody(row, matter)
            message = letter(matter, self.guideline, self.now, self.words)
            return self._begun(connection, row, rule, message, owed)

    def _carrying(self, rule: ReminderRule) -> list[Channel]:
        return [c for c in self.channels if rule.urgent or c.name not in self.site.urgent_only]

    def _taken(self, connection: Connection, key: str) -> Any:
        """The row, now ours for the time of the lease; None if somebody else has it."""
        rows = table(models.Reminder)
        free = (rows.c.key == key) & (rows.c.outcome == "waiting") & (rows.c.try_at <= self.now)
        values = {"attempts": rows.c.attempts + 1, "try_at": self.now + LEASE}
        return connection.execute(update(rows).where(free).values(**values).returning(rows)).first()

    def _over(self, connection: Connection, matter: Matter, rule: ReminderRule) -> Ending | None:
        """How it ends without being sent; what somebody has been told already was sent, whoever else was not."""
        row = matter.row
        outcome, because = verdict(matter, self.guideline, rule, self.now, self.site.zone)
        if not outcome:
            return None
        carrying = [channel.name for channel in self._carrying(rule)]
        if set(deliveries.telling(deliveries.settled(connection, row.key), carrying)) & set(TAKEN):
            return Ending(row, "sent", f"some were not told: {because}", matter.episode)
        perhaps = deliveries.perhaps_told(connection, row.key)
        if perhaps:
            because += f"; {PERHAPS}: the answer for {', '.join(perhaps)} was lost"
        return Ending(row, outcome, because, matter.episode)

    def _to_patient(self, connection: Connection, matter: Matter, rule: ReminderRule) -> Claim | Ending:
        row = matter.row
        against = silenced(connection, matter, self.site, self.words, self.guideline, self.now)
        if against:
            return Ending(row, "suppressed", against, matter.episode)
        late = too_late(matter, rule, self.now, matter.episode.zone)
        if late:
            return Ending(row, "too_late", late, matter.episode)
        until = rests_until(matter, self.site, self.now)
        if until > self.now:
            return Ending(row, "waiting", waits_because(until, matter.episode.zone), matter.episode, until)
        channel = channel_named(row.channel, self.channels)
        if channel is None:
            return Ending(row, "suppressed", f"no channel {row.channel} that reaches one person", matter.episode)
        address = consent_to(connection, row).address
        message = self.words.message(row.code, facts_for_patient(self.site.service_phone), row.key, self.now)
        return self._begun(connection, row, rule, message, ((channel, address),))

    def _nobody(self, row: Any, matter: Matter) -> Ending:
        return Ending(row, "failed" if matter.episode is not None else "waiting", NOBODY, matter.episode)

    def _begun(
        self,
        connection: Connection,
        row: Any,
        rule: ReminderRule,
        message: Message,
        owed: Sequence[tuple[Channel, str]],
    ) -> Claim:
        message = replace(message, salt=self.salt)
        answered = deliveries.settled(connection, row.key)
        people = [] if rule.urgent else [person for channel, person in owed if channel.reach != "room"]
        full = full_today(connection, people, self.site, self.now, row.key)
        open_pairs = [(c, p) for c, p in owed if c in self.up and (c.name, p) not in answered]
        sendings = tuple(
            Sending(deliveries.begin(connection, row.key, c.name, p, message.id_for(p), self.now), c, p)
            for c, p in open_pairs
            if p not in full
        )
        return Claim(row, message, tuple((c.name, p) for c, p in owed), sendings, frozenset(full))

    # ---------------------------------------------------------------- handing over

    def _answer(self, message: Message, sending: Sending) -> str:
        """Hand the message over; a channel that is down is not asked again in this run."""
        try:
            reached = sending.channel.send(message, sending.recipient)
        except ChannelDown as error:
            self._down(sending.channel, error.because)
            return error.because
        except ChannelError as error:
            return FOR_GOOD + error.because if error.permanent else error.because
        except Exception as error:
            # A channel is other people's code and networks: whatever happens there concerns this sending only.
            log.exception("a channel failed", extra={"channel": sending.channel.name})
            return f"{type(error).__name__}: {error}"
        self.worked.add(sending.channel.name)
        return DELIVERED if reached else ACCEPTED

    def _down(self, channel: Channel, because: str) -> None:
        self.up.remove(channel)
        self.worked.discard(channel.name)
        log.warning("a channel is down", extra={"channel": channel.name})
        with self.store.database.writing() as connection:
            trip(connection, channel.name, because, self.now)

    def _mended(self, connection: Connection) -> None:
        for name in sorted(self.ailing.keys() & self.worked):
            mend(connection, name, self.now)
            del self.ailing[name]

    def _keep(self, answers: Mapping[int, str]) -> None:
        if answers:
            with self.store.database.writing() as connection:
                deliveries.note(connection, answers)

    # ---------------------------------------------------------------- how it ended

    def _finish(self, claim: Claim, noted: Mapping[int, str]) -> str:
        """Sent when all are settled and one accepted; failed when all refused for good; else it waits."""
        row = claim.row
        with self.store.database.writing() as connection:
            deliveries.note(connection, noted)
            if not self._still_ours(connection, row):
                return ""
            answered = deliveries.settled(connection, row.key)
            self._mended(connection)
            rest = {person for channel, person in claim.owed if (channel, person) not in answered}
            if rest:
                return self._wait_for_the_rest(connection, claim, rest)
            refused = {person: answer for (_, person), answer in sorted(answered.items()) if answer not in TAKEN}
            if row.role != PATIENT:
                self._tell_of_addresses(connection, refused)
            because = "; ".join(f"{person}: {answer}" for person, answer in refused.items())
            outcome = deliveries.outcome_of(deliveries.telling(answered, [channel for channel, _ in claim.owed]))
            if outcome != "failed":
                return self._close(connection, row.key, outcome, because)
            episode = matter_of(connection, row).episode
        return self._end(Ending(row, outcome, because, episode))

    def _wait_for_the_rest(self, connection: Connection, claim: Claim, rest: Set[str]) -> str:
        """A cap counts by the day, so what gives way waits for the next working day, once nobody else is left."""
        key = claim.row.key
        if not rest <= claim.full:
            return self._wait(connection, key, deliveries.last_answer(connection, key))
        because = f"the day's {self.site.daily_cap} messages are reached: it waits, and stands in the digest"
        return self._wait(connection, key, because, self.site.next_opening(self.now))

    def _tell_of_addresses(self, connection: Connection, refused: Mapping[str, str]) -> None:
        """An address that takes nothing is the house's trouble, told once a day."""
        for person, answer in refused.items():
            key = f"address:{person}:{local_date(self.now, self.site.zone).isoformat()}"
            tell_staff(connection, key, "ADDRESS_REFUSED", f"{person}: {answer}", self.now)

    def _end(self, ending: Ending) -> str:
        """Close a row that is not sent; first, what was to be told becomes somebody's work."""
        key, because = ending.row.key, ending.because
        trouble = ""
        if ending.outcome in ("too_late", "failed") and ending.episode is not None and ending.row.patient_id:
            trouble = hand_over(self.store, ending.row, ending.episode, because, self.now)
        with self.store.database.writing() as connection:
            if not self._still_ours(connection, ending.row):
                return ""
            if trouble or ending.outcome == "waiting":
                return self._wait(connection, key, trouble or because, ending.until)
            return self._close(connection, key, ending.outcome, because)

    def _still_ours(self, connection: Connection, row: Any) -> bool:
        rows = table(models.Reminder)
        ours = (rows.c.key == row.key) & (rows.c.outcome == "waiting") & (rows.c.attempts == row.attempts)
        return connection.execute(select(rows.c.key).where(ours).with_for_update()).first() is not None

    def _put_off(self, key: str, because: str) -> str:
        with self.store.database.writing() as connection:
            return self._wait(connection, key, because) if self._taken(connection, key) is not None else ""

    def _wait(self, connection: Connection, key: str, because: str, until: datetime | None = None) -> str:
        """Try again then, or later each time."""
        rows = table(models.Reminder)
        if until is None:
            attempts = connection.scalar(select(rows.c.attempts).where(rows.c.key == key)) or 1
            until = self.now + pause(key, attempts)
        connection.execute(update(rows).where(rows.c.key == key).values(try_at=until, because=because))
        return "waiting"

    def _close(self, connection: Connection, key: str, outcome: str, because: str) -> str:
        rows = table(models.Reminder)
        values = {"outcome": outcome, "because": because, "settled_at": self.now}
        connection.execute(update(rows).where(rows.c.key == key).values(**values))
        return outcome
