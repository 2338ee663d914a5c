"""Work: the worklist in its order of urgency, every task as a row, and the outbox."""

from datetime import date, datetime
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from coordinator.api.asked import Day
from coordinator.api.asking import Instant, Typed, Word, known_at
from coordinator.api.door import Caller, needs
from coordinator.api.house_shapes import MessageShape
from coordinator.api.paging import USUAL, Cursor, Limit, Page, instant, number, opened, paged, sealed, text
from coordinator.api.shapes import TaskShape, WorkItemShape
from coordinator.web.access import May
from persistence.listing import MessagesAsked, TasksAsked, messages_after, tasks_after
from persistence.work_item import WorkItem
from persistence.work_page import View, work_items
from persistence.worklist import worklist

router = APIRouter(tags=["work"])
Outcome = Literal["waiting", "sent", "delivered", "suppressed", "too_late", "failed"]


@router.get("/worklist")
def get_worklist(
    tab: Annotated[
        Literal["now", "overdue", "today", "week", "aside", "all"],
        Query(description="now: due or overdue and not set aside; the others as on the screen Today"),
    ] = "now",
    state: Word = None,
    role: Word = None,
    owner: Word = None,
    red_only: Annotated[bool, Query(description="Only red-flag work")] = False,
    q: Typed = "",
    limit: Limit = USUAL,
    cursor: Cursor = None,
    caller: Caller = needs(May.SEE_WORK),
) -> Page[WorkItemShape]:
    """Who needs what, most urgent first, as of the first page: the cursor keeps its instant."""
    place = opened(cursor, instant, bool, _whole_number, _day, text, text, text)
    at = place[0] if place else caller.now
    view = View(tab, state=state, role=role, owners=(owner,) if owner else (), red_only=red_only, q=q)
    found = (item for item in work_items(caller.store, at, view) if place is None or item.urgency > place[1:])
    return paged(list(islice(found, limit + 1)), limit, _item, lambda item: _place(item, at))


@router.get("/worklist/as-of")
def get_worklist_as_of(
    as_of: Annotated[Instant, Query(description="With its offset; the future is refused")],
    role: Word = None,
    owner: Word = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
    caller: Caller = needs(May.SEE_WORK),
) -> Page[WorkItemShape]:
    """All open work as it stood then, most urgent first, made again from the journals."""
    after, then = opened(cursor, number), known_at(caller, as_of)
    items = list(enumerate(worklist(caller.store, caller.now, as_of=then, role=role, owner=owner), 1))
    rest = items[after[0] if after else 0 :][: limit + 1]
    return paged(rest, limit, lambda row: _item(row[1]), lambda row: sealed(row[0]))


@router.get("/tasks")
def list_tasks(
    status: Annotated[Literal["open", "suspended", "closed"] | None, Query(description="Leave out for all")] = None,
    role: Word = None,
    episode: Word = None,
    due_until: Annotated[Day | None, Query(description="Due on that day or before")] = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
    caller: Caller = needs(May.SEE_WORK),
) -> Page[TaskShape]:
    """Tasks in the order of episode and code: to keep a copy, where the worklist is to be read."""
    after = opened(cursor, text, text, number)
    asked = TasksAsked(status, role, episode, due_until)
    rows = tasks_after(caller.store, asked, (after[0], after[1], after[2]) if after else None, limit + 1)
    tasks = caller.store.engine.guideline.tasks
    return paged(
        rows, limit, lambda row: _task(row, tasks[row.code].title), lambda row: sealed(row.episode_id, row.code, row.n)
    )


@router.get("/outbox")
def list_outbox(
    outcome: Annotated[Outcome | None, Query(description="Leave out for all")] = None,
    kind: Word = None,
    patient: Word = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
    caller: Caller = needs(May.SEE_MESSAGES),
) -> Page[MessageShape]:
    """Everything that somebody must be or was told, the oldest first, each with its one outcome."""
    after = opened(cursor, instant, text)
    asked = MessagesAsked(outcome, kind, patient)
    rows = messages_after(caller.store, asked, (after[0], after[1]) if after else None, limit + 1)
    return paged(rows, limit, _message, lambda row: sealed(row.fired_at.isoformat(), row.key))


# ---------------------------------------------------------------- places and shapes


def _place(item: WorkItem, at: datetime) -> str:
    plain, late, due, *rest = item.urgency
    return sealed(at.isoformat(), plain, late, due.isoformat(), *rest)


def _day(value: Any) -> date:
    return date.fromisoformat(value)


def _whole_number(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError
    return value


def _item(item: WorkItem) -> WorkItemShape:
    names = ("patient", "name", "birth_date", "episode", "state", "sub", "level", "owner", "code", "title", "role")
    more = ("when", "due", "overdue_after", "days_overdue", "red_flag", "engineering")
    return WorkItemShape(**{name: getattr(item, name) for name in (*names, *more)}, cites=list(item.cites))


def _task(row: Any, title: str) -> TaskShape:
    names = ("code", "n", "role", "status", "due", "overdue_after", "opened_at", "closed_at", "closed_how")
    same = {name: getattr(row, name) for name in names}
    return TaskShape(episode=row.episode_id, patient=row.patient_id, title=title, red_flag=row.rank == 0, **same)


def _message(row: Any) -> MessageShape:
    names = ("key", "kind", "code", "role", "due_at", "fired_at", "outcome", "because", "attempts", "settled_at")
    same = {name: getattr(row, name) for name in names}
    return MessageShape(patient=row.patient_id, episode=row.episode_id, **same)
