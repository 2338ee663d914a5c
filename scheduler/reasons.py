"""Whether what was to be told is still so, asked at the moment of telling."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, false, select

from pathway.calendar import show_instant
from pathway.guideline import Guideline, ReminderRule
from persistence import models
from persistence.store import table

DECEASED = "DECEASED"
SET_ASIDE = "SET_ASIDE"
# A service that expects a patient who has died must be told so, by staff.
TOLD_AFTER_DEATH = ("REFERRALS_CANCELLED",)
OF_A_TASK = ("due", "overdue", "repeat", "escalation")
TOLD = ("sent", "delivered")


@dataclass(frozen=True, slots=True)
class Matter:
    """What an outbox row is about: database rows as they stand now; None where it concerns no such thing.
    `superseded`: a later reminder of the same task has come; `replaced`: and somebody was told that one."""

    row: Any
    episode: Any = None
    task: Any = None
    patient_died: bool = False
    superseded: bool = False
    replaced: bool = False

    @property
    def detail(self) -> dict[str, Any]:
        return json.loads(self.row.detail)


def matter_of(connection: Connection, row: Any) -> Matter:
    if row.episode_id is None:
        return Matter(row)
    episodes = table(models.Episode)
    later, told = (_later(row), _later(row, TOLD)) if row.kind in OF_A_TASK else (false(), false())
    facts = (_died(row.patient_id).label("died"), later.label("superseded"), told.label("replaced"))
    found = connection.execute(select(episodes, *facts).where(episodes.c.id == row.episode_id)).first()
    if found is None:
        return Matter(row)
    task = _task(connection, row)
    return Matter(row, found, task, bool(found.died), bool(found.superseded), bool(found.replaced))


def _later(row: Any, outcomes: Collection[str] = ()) -> ColumnElement[bool]:
    """Whether a later reminder of the same task has come meanwhile, and has one of these outcomes, if any is named."""
    others = table(models.Reminder).alias()
    same = (others.c.episode_id == row.episode_id) & (others.c.code == row.code) & (others.c.task_n == row.task_n)
    later = exists().where(same, others.c.kind.in_(OF_A_TASK), others.c.due_at > row.due_at)
    return later.where(others.c.outcome.in_(outcomes)) if outcomes else later


def _task(connection: Connection, row: Any) -> Any:
    if row.task_n is None:
        return None
    tasks = table(models.Task)
    named = (tasks.c.episode_id == row.episode_id, tasks.c.code == row.code, tasks.c.n == row.task_n)
    return connection.execute(select(tasks).where(*named)).first()


def _died(patient: str) -> ColumnElement[bool]:
    episodes = table(models.Episode).alias()
    return exists().where(episodes.c.patient_id == patient, episodes.c.state == DECEASED)


def verdict(matter: Matter, guideline: Guideline, rule: ReminderRule, now: datetime, zone: str) -> tuple[str, str]:
    """The outcome of what is not to be told now, and why; empty where it is.

    One reminder of a task at a time is enough, so an earlier one waits for the latest. Where that reaches nobody
    either, the time of the earlier one runs out: taking one another's place never hides that nobody is told. At
    first sight it may be out already, after a long rest, say: then the latest has a minute to go out first.
    """
    over = no_longer(matter, guideline)
    if over:
        return "suppressed", over
    if matter.replaced:
        return "suppressed", "a later reminder of the same task took its place"
    late = too_late(matter, rule, now, zone)
    if late and not (matter.superseded and matter.row.attempts <= 1):
        return "too_late", late
    return ("waiting", "a later reminder of the same task goes out instead") if matter.superseded else ("", "")


def no_longer(matter: Matter, guideline: Guideline) -> str:
    """Why this need not be told any more, in words; empty while it must be."""
    if matter.patient_died and matter.row.code not in TOLD_AFTER_DEATH:
        return "the patient has died"
    if matter.row.kind in OF_A_TASK:
        return _task_over(matter)
    if matter.row.kind == "milestone":
        return _milestone_over(matter, guideline)
    if matter.row.code == SET_ASIDE and not matter.episode.failures:
        return "the episode works again"
    return ""


def _task_over(matter: Matter) -> str:
    """Closing an episode closes its tasks, save a critical late result: so the task alone decides."""
    task = matter.task
    if task is None:
        return "there is no such task any more"
    if task.status == "open":
        return ""
    return f"the task is closed: {task.closed_how}" if task.status == "closed" else "the task is suspended"


def _milestone_over(matter: Matter, guideline: Guideline) -> str:
    episode = matter.episode
    if guideline.is_terminal(episode.state):
        return f"the episode is closed: {guideline.states[episode.state].title}"
    rule = guideline.timers.get(matter.row.code)
    satisfied = json.loads(episode.document)["satisfied"].get(matter.row.code)
    if rule is not None and rule.milestone and satisfied:
        return f"the milestone is satisfied: {satisfied}"
    return ""


def too_late(matter: Matter, rule: ReminderRule, now: datetime, zone: str) -> str:
    """Why this is of no use to its recipient any more, in words; empty while it is."""
    if rule.useful_hours is None or matter.row.due_at is None:
        return ""
    until = matter.row.due_at + timedelta(hours=rule.useful_hours)
    return f"too late: it was of use until {show_instant(until, zone)}" if now > until else ""
