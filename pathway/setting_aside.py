"""Looking again on a date: open work leaves the view of today until a day, and nothing else about it changes.

It stays open, due, overdue, reminded and counted. It can be put off, never dismissed; red-flag work not even that.
"""

from datetime import date, timedelta
from typing import Any

from pathway.calendar import show_date
from pathway.episode import SetAside, Task
from pathway.facts import as_date
from pathway.journal import Refusal
from pathway.turn import Turn


def look_again(turn: Turn) -> Refusal | None:
    """Set open work aside until a local day, with a reason; without a day, look at it again from now on."""
    code, because = str(turn.data.get("code") or ""), str(turn.data.get("reason") or "").strip()
    task = turn.episode.open_task(code)
    if task is None or task.status != "open":
        return Refusal("STATE", f"{code or 'that work'} is not open, so there is nothing to look at again")
    until = as_date(turn.data.get("until") or None)
    refusal = _not_set_aside(turn, task) if until is None else _may_not_wait(turn, task, until)
    if refusal is None and not because:
        refusal = Refusal("REASON_REQUIRED", f"looking at {code} again needs a reason in words", ("reason",))
    if refusal is not None:
        return refusal
    _keep(turn, task, until, because)
    return None


def _not_set_aside(turn: Turn, task: Task) -> Refusal | None:
    if turn.episode.aside(task) is not None:
        return None
    return Refusal("STATE", f"{task.code} is not set aside, so there is nothing to take back")


def _may_not_wait(turn: Turn, task: Task, until: Any) -> Refusal | None:
    longest = turn.profile["look_again_max_days"]
    last = turn.today + timedelta(days=longest)
    if turn.guideline.tasks[task.code].red_flag:
        return Refusal("RED_FLAG_ACTIVE", f"{task.code} is red-flag work, which is never set aside")
    if not isinstance(until, date):
        return Refusal("OUT_OF_RANGE", f"until {until!r} is not a date; nothing was saved")
    if until <= turn.today:
        because = f"{show_date(until)} is not after today, so {task.code} would not wait; nothing was saved"
        return Refusal("DATE_ORDER", because)
    if until > last:
        because = f"work waits {longest} days at most, until {show_date(last)}, not {show_date(until)}"
        return Refusal("OUT_OF_RANGE", f"{because}; nothing was saved")
    return None


def _keep(turn: Turn, task: Task, until: date | None, because: str) -> None:
    """Taken back, it waits until today, which is over."""
    others = [aside for aside in turn.episode.set_aside if (aside.code, aside.n) != (task.code, task.n)]
    mine = [SetAside(task.code, task.n, until, because, turn.episode.seq)] if until else []
    turn.episode.set_aside = [*others, *mine]
    said = {"code": task.code, "n": task.n, "until": until or turn.today, "because": because}
    turn.note("look_again", **said, by=turn.step.by or None, taken_back=until is None or None)
