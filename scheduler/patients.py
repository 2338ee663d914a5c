"""Messages to patients: only where the site, the patient, a clinician and the calendar all allow it.

Off by default. What staff are told of a milestone may also be told to the patient, in words that name neither a
person nor a finding, by a channel that this patient agreed to.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from pathway.calendar import local_date, show_date, show_instant
from pathway.guideline import Guideline
from persistence import models
from persistence.journal import dumps
from persistence.store import Store, table
from scheduler.deliveries import UNANSWERED
from scheduler.reasons import Matter, matter_of, no_longer
from scheduler.rows import insert_once
from scheduler.site import Site
from scheduler.words import Words, approved

PATIENT = "patient"
# What staff are told, and the words for the patient that go with it.
SAID = {"milestone": "patient-review", "overdue": "patient-missed"}
# Overdue work that the patient must come for; the rest is for staff alone.
COME_FOR = ("K-REASSESS",)
# A talk that took place, or a message that was left, says more than a machine would.
TALKS = ("reached", "left_message", "declined")
SILENCE = timedelta(days=7)
WEEK = timedelta(days=7)


def plan_messages(store: Store, now: datetime, site: Site) -> int:
    """Put into the outbox what patients may be told of the reminders of late; how many are new."""
    if not site.patient_messages or not site.service_phone:
        return 0
    hours = store.engine.guideline.reminders[PATIENT].useful_hours
    rows, consents = table(models.Reminder), table(models.Consent)
    query = (
        select(rows, consents.c.channel.label("by_channel"))
        .join(consents, consents.c.patient_id == rows.c.patient_id)
        .where(rows.c.kind.in_(SAID), rows.c.due_at > now - timedelta(hours=hours or 0))
        .where(consents.c.withdrawn_on.is_(None), consents.c.noted_at <= now)
    )
    with store.database.reading() as connection:
        wanted = [_row(row, now) for row in connection.execute(query) if _concerns(row)]
    if not wanted:
        return 0
    with store.database.writing() as connection:
        return sum(insert_once(connection, models.Reminder, row) for row in wanted)


def _concerns(row: Any) -> bool:
    return row.kind == "milestone" or row.code in COME_FOR


def _row(row: Any, now: datetime) -> dict[str, Any]:
    return {
        "key": f"{row.key}:{PATIENT}:{row.by_channel}",
        "episode_id": row.episode_id,
        "patient_id": row.patient_id,
        "kind": PATIENT,
        "code": SAID[row.kind],
        "role": PATIENT,
        "channel": row.by_channel,
        "task_n": None,
        "detail": dumps({"event": PATIENT, "beside": row.key}),
        "due_at": row.due_at,
        "fired_at": now,
        "try_at": now,
        "outcome": "waiting",
        "because": "",
        "attempts": 0,
    }


def consent_to(connection: Connection, row: Any) -> Any:
    """The patient's valid agreement to the row's channel, the latest; None where there is none."""
    notes = table(models.Consent)
    valid = (notes.c.patient_id == row.patient_id) & (notes.c.channel == row.channel) & notes.c.withdrawn_on.is_(None)
    return connection.execute(select(notes).where(valid).order_by(notes.c.id.desc()).limit(1)).first()


def silenced(
    connection: Connection, matter: Matter, site: Site, words: Words, guideline: Guideline, now: datetime
) -> str:
    """Why this patient is not written to now, in words; empty while nothing stands against it."""
    return next(_objections(connection, matter, site, words, guideline, now), "")


def _objections(
    connection: Connection, matter: Matter, site: Site, words: Words, guideline: Guideline, now: datetime
) -> Iterator[str]:
    row, episode = matter.row, matter.episode
    if not site.patient_messages or not site.service_phone:
        yield "messages to patients are switched off"
    if matter.patient_died:
        yield "the patient has died"
    if guideline.is_terminal(episode.state):
        yield f"the episode is closed: {guideline.states[episode.state].title}"
    if consent_to(connection, row) is None:
        yield f"the patient has not agreed to {row.channel}, or not any more"
    over = _over(connection, matter, guideline)
    if over:
        yield over
    template = words.of_kind(row.code)
    if approved(connection, template) is None:
        yield f"no clinician has approved the wording of {template.name}, version {template.version}"
    talked = _talked(connection, row.patient_id, now)
    if talked is not None:
        yield f"staff spoke to the patient on {show_date(local_date(talked, episode.zone))}"
    told = _told_of_late(connection, row, now)
    if told >= site.patient_weekly_cap:
        yield f"the patient has had {told} messages in seven days, and no more than {site.patient_weekly_cap} are sent"


def _over(connection: Connection, matter: Matter, guideline: Guideline) -> str:
    """Why what staff were told of it is not so any more: a patient who has been is not asked to come."""
    rows = table(models.Reminder)
    beside = connection.execute(select(rows).where(rows.c.key == matter.detail["beside"])).first()
    return no_longer(matter_of(connection, beside), guideline) if beside is not None else ""


def _talked(connection: Connection, patient: str, now: datetime) -> datetime | None:
    talks = table(models.Contact)
    mine = (talks.c.patient_id == patient) & talks.c.outcome.in_(TALKS) & talks.c.retracted.is_(False)
    recent = (talks.c.happened_at > now - SILENCE) & (talks.c.happened_at <= now)
    return connection.scalar(select(func.max(talks.c.happened_at)).where(mine, recent))


def _told_of_late(connection: Connection, row: Any, now: datetime) -> int:
    """Messages to this patient in the last week, over all reasons and channels; two workers count in turn."""
    people, attempts, rows = table(models.Patient), table(models.Delivery), table(models.Reminder)
    connection.execute(select(people.c.id).where(people.c.id == row.patient_id).with_for_update())
    mine = (rows.c.patient_id == row.patient_id) & (rows.c.kind == PATIENT) & (rows.c.key != row.key)
    sent = (attempts.c.ok | (attempts.c.answer == UNANSWERED)) & (attempts.c.attempted_at > now - WEEK)
    query = select(func.count(rows.c.key.distinct())).join(attempts, attempts.c.reminder_key == rows.c.key)
    return connection.scalar(query.where(mine, sent)) or 0


def rests_until(matter: Matter, site: Site, now: datetime) -> datetime:
    """When the patient's own day allows a message: `now` where it does."""
    return site.opens_at(now, matter.episode.zone)


def channel_named(name: str, channels: Iterable[Any]) -> Any:
    """The channel that reaches one person by that name; None where it is not set up, or reaches a whole room."""
    return next((c for c in channels if c.name == name and c.reach != "room"), None)


def waits_because(until: datetime, zone: str) -> str:
    return f"the patient is not written to before {show_instant(until, zone)}"
