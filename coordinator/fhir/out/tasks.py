"""Work for people as Tasks: the window as a period, our status beside the one that R4 requires.

Whether work is overdue is nowhere written as a status: it follows from the end of the period.
"""

from collections.abc import Iterator
from datetime import date, datetime

from coordinator.fhir.out.elements import (
    Json,
    concept,
    day,
    instant,
    marked,
    person,
    reference,
    resource,
    subject,
)
from coordinator.fhir.out.names import episode_name, spelled
from coordinator.fhir.out.terms import TASK_STATES
from pathway.calendar import fire_instant
from pathway.episode import Episode, Task
from pathway.guideline import Guideline, TaskRule
from persistence.charts import Kept

DONE = ("data", "decided", "acknowledged", "judged", "confirmed", "done")


def task_name(episode: Episode, task: Task) -> str:
    return f"{episode_name(episode.id)}.{spelled(task.code)}.{task.n}"


def tasks(kept: Kept, guideline: Guideline, today: date) -> Iterator[Json]:
    for found in kept.episode.tasks:
        yield _task(kept, found, guideline, today)


def _task(kept: Kept, found: Task, guideline: Guideline, today: date) -> Json:
    episode, rule = kept.episode, guideline.tasks[found.code]
    plan = reference("CarePlan", episode_name(episode.id))
    title = marked(rule.title, engineering=rule.engineering)
    how = (found.closed_how or found.status).replace(" ", "_")
    return resource(
        "Task",
        task_name(episode, found),
        updated=max(kept.row.updated_at, _window_opened(found, episode, today)),
        basedOn=[plan],
        status=status(found, rule, today),
        statusReason={"text": found.why} if found.why else None,
        businessStatus=concept("task-status", how, TASK_STATES.get(how, how)),
        intent="plan",
        priority="stat" if rule.red_flag else "routine",
        code=concept("task", found.code, title),
        description=title,
        focus=plan,
        **{"for": subject(episode.patient)},
        executionPeriod={"end": instant(found.closed_at)} if found.closed_at else None,
        authoredOn=instant(found.opened_at),
        lastModified=instant(found.closed_at or found.opened_at),
        performerType=[{"text": rule.role}],
        owner=person(episode.owner) if episode.owner else None,
        reasonCode=concept("source", rule.cites[0], ", ".join(rule.cites)) if rule.cites else None,
        restriction={"period": {"start": day(found.due), "end": day(max(found.due, found.overdue_after))}},
    )


def _window_opened(found: Task, episode: Episode, today: date) -> datetime:
    """The last change that time alone has made: from requested to ready."""
    waits = found.status == "open" and found.due <= today
    return fire_instant(found.due, "00:00", episode.zone) if waits else found.opened_at


def status(found: Task, rule: TaskRule, today: date) -> str:
    """The status that R4 requires: requested before the window opens, ready from then on, however late it is."""
    if found.status == "suspended":
        return "on-hold"
    if found.status == "open":
        return "ready" if found.due <= today else "requested"
    if found.closed_how in DONE:
        return "completed"
    # Some work is done exactly by leaving the state; for other work leaving means that it is no longer asked for.
    done_by_leaving = found.closed_how == "left_state" and rule.closed_by == ("state",)
    return "completed" if done_by_leaving else "cancelled"
