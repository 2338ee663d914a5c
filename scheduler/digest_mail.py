"""Everybody's own digest: what is theirs, what nobody in particular has, and what those leave whom they cover."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pathway.calendar import local_date
from persistence.store import Store
from persistence.worklist import WorkItem, worklist
from scheduler.channels import Channel, ChannelError, Message
from scheduler.digest import Digest
from scheduler.job_runs import done_on, keep_report, once_a_day, report_of
from scheduler.outage import outage_report, outages
from scheduler.recipients import LEAD, Colleague, Staff, staff_on
from scheduler.salt import salt_of
from scheduler.site import ALWAYS_OPEN, Site
from scheduler.words import Words

ROLES = ("coordinator", "clinician", LEAD)
SINCE_YESTERDAY = timedelta(days=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reader:
    """A colleague who is there today, and those for whom they answer, themselves among them."""

    colleague: Colleague
    answers_for: tuple[Colleague, ...]


def readers(staff: Staff) -> list[Reader]:
    """Everybody who is there, by address."""
    answers: dict[str, list[Colleague]] = {}
    for colleague in staff.people.values():
        there = staff.who_is_there(colleague)
        if there is not None:
            answers.setdefault(there.email, []).append(colleague)
    return [Reader(staff.people[email], tuple(answers[email])) for email in sorted(answers)]


def send_digests(
    store: Store,
    channels: Sequence[Channel],
    now: datetime,
    *,
    site: Site = ALWAYS_OPEN,
    roles: Sequence[str] = ROLES,
    words: Words | None = None,
) -> dict[str, Digest]:
    """Send everybody their digest by mail, once a local working day; those sent by this call, by address.

    Raises ChannelError when somebody could not be reached; asking again then tells only those who were not.
    """
    day = local_date(now, site.zone)
    with store.database.reading() as connection:
        staff = staff_on(connection, day)
    found = readers(staff)
    wanted = [r for r in found if r.colleague.role in roles and not done_on(store, _job(r.colleague), day)]
    if not wanted or not site.works_on(day):
        return {}
    items, news = worklist(store, now), _news(store, now)
    held = {there.role for reader in found for there in reader.answers_for}
    sent, troubles = {}, []
    for reader in wanted:
        mine = Digest(
            reader.colleague.role, day, tuple(_theirs(reader, items, staff.people, held)), store.engine.guideline, news
        )
        try:
            if _send(store, channels, now, reader.colleague, mine, words) is not None:
                sent[reader.colleague.email] = mine
        except ChannelError as error:
            troubles.append(f"{reader.colleague.email}: {error.because}")
    if troubles:
        raise ChannelError("; ".join(troubles))
    return sent


def _theirs(
    reader: Reader, items: Iterable[WorkItem], staff: Mapping[str, Colleague], held: set[str]
) -> Iterable[WorkItem]:
    """Work of a role is its owner's, where the owner is a colleague of that role, else everybody's in the role.

    A lead sees what is red or overdue in every role, and all work of a role that nobody holds.
    """
    leads = any(colleague.role == LEAD for colleague in reader.answers_for)
    for item in items:
        owners = [c for c in staff.values() if c.role == item.role and c.is_called(item.owner)]
        of_role = [c for c in reader.answers_for if c.role == item.role]
        mine = any(not owners or colleague in owners for colleague in of_role)
        if mine or (leads and (item.red_flag or item.when == "overdue" or item.role not in held)):
            yield item


def _news(store: Store, now: datetime) -> str:
    """Each outage that ended since yesterday, and what became of what fell due in it."""
    with store.database.reading() as connection:
        over = [outage for outage in outages(connection) if now - SINCE_YESTERDAY < outage.until <= now]
    if not over:
        return ""
    since, until = min(outage.since for outage in over), max(outage.until for outage in over)
    names = ", ".join(sorted({outage.what for outage in over}))
    return f"After an outage ({names}): {outage_report(store, since, until).line()}."


def _job(colleague: Colleague) -> str:
    return f"digest:{colleague.email}"


def _send(
    store: Store,
    channels: Sequence[Channel],
    now: datetime,
    colleague: Colleague,
    mine: Digest,
    words: Words | None,
) -> Any:
    job = _job(colleague)
    message = replace(mine.message(f"{job}:{mine.day.isoformat()}", now, words), salt=salt_of(store, now))
    by_mail = [channel for channel in channels if channel.reach == "email"]

    def work() -> Digest:
        return _tell(store, by_mail, job, colleague.email, message, mine)

    return once_a_day(store, job, mine.day, now, work, lambda found: {"line": found.line()})


def _tell(store: Store, channels: Iterable[Channel], job: str, address: str, message: Message, mine: Digest) -> Digest:
    """By every channel that has not told them by an attempt that broke off; raises ChannelError for the rest."""
    told = report_of(store, job, mine.day).get("told", {})
    troubles = []
    for channel in channels:
        if channel.name in told:
            continue
        try:
            channel.send(message, address)
            told[channel.name] = "accepted"
        except ChannelError as error:
            if not error.permanent:
                troubles.append(f"{channel.name}: {error.because}")
                continue
            told[channel.name] = error.because
        except Exception as error:
            # A channel is other people's code: whatever happens there keeps no other from being asked.
            log.exception("a channel failed", extra={"channel": channel.name})
            troubles.append(f"{channel.name}: {type(error).__name__}: {error}")
            continue
        keep_report(store, job, mine.day, {"told": told})
    if troubles:
        raise ChannelError("; ".join(troubles))
    return mine
