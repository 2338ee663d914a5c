"""Writing what was made of an episode besides its document: rows of its parts, in a handful of statements."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, update

from pathway.engine import Change
from pathway.episode import Episode
from pathway.guideline import Guideline
from persistence import models
from persistence.bulk import upsert
from persistence.registry import table
from persistence.rows import (
    announcements,
    changed,
    contacts,
    looks_again,
    moves,
    referral_row,
    taken_back_contacts,
    task_row,
    timer_row,
    told,
)
from persistence.webhooks import announce, patients_of


def write_parts(
    connection: Connection, changes: Iterable[Change], loaded: Mapping[str, Episode], guideline: Guideline
) -> None:
    """`loaded`: the episodes as they were read; only what differs from them is written."""
    changes = list(changes)
    timers, tasks, referrals, alerts, calls, undone, aside, moved, outbox = [], [], [], [], [], [], [], [], []
    for change in changes:
        episode, before = change.episode, loaded.get(change.episode.id)
        timers += [timer_row(episode, t) for t in changed(before.timers if before else (), episode.timers)]
        tasks += [task_row(episode, t, guideline) for t in changed(before.tasks if before else (), episode.tasks)]
        referrals += [referral_row(episode, r) for r in changed(before.referrals if before else (), episode.referrals)]
        for entry in change.entries:
            alerts += announcements(episode, entry)
            calls += contacts(episode, entry)
            undone += taken_back_contacts(episode, entry)
            moved += moves(episode, entry)
        aside += looks_again(episode, change.entries)
        outbox += told(episode, change.entries)
    upsert(connection, models.Timer, timers)
    upsert(connection, models.Task, tasks)
    upsert(connection, models.Referral, referrals)
    upsert(connection, models.Alert, alerts, keep=True)
    upsert(connection, models.Contact, calls, keep=True)
    _retract(connection, undone)
    upsert(connection, models.LookAgain, aside)
    upsert(connection, models.Move, moved, keep=True)
    upsert(connection, models.Reminder, outbox, keep=True)
    announce(connection, moved, patients_of(changes))


def _retract(connection: Connection, named: list[dict[str, Any]]) -> None:
    if not named:
        return
    talks = table(models.Contact)
    same = (talks.c.episode_id == bindparam("of_episode")) & (talks.c.seq == bindparam("of_line"))
    connection.execute(update(talks).where(same).values(retracted=True), named)
