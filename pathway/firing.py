"""What falls due: timers by local date, task reminders by their calendar, ladders by elapsed hours.

Oldest due thing first. A timer fires once for its code and due date, whatever the clock, the zone or the number
of attempts; reminders of a task that were missed together are told once.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from pathway.calendar import fire_instant
from pathway.episode import Episode, Task, Timer
from pathway.guideline import Guideline, Profile
from pathway.machine import Machine
from pathway.moving import speak
from pathway.turn import Turn

Due = tuple[datetime, Timer | Task]
"""Something that is due, and the instant at which it falls due."""
Known = dict[int, tuple[Task, datetime | None]]
"""The next moment of tasks by their identity, each with its task, which so lives as long as the entry."""


def due_things(episode: Episode, guideline: Guideline, profile: Profile, known: Known) -> Iterator[Due]:
    """Everything that has a next moment, in no order. A timer that is held has none.

    `known` is looked up and filled: a task that is the same object has the same moment, and most stay the same
    while others fire.
    """
    fire_time, zone = profile["fire_time"], episode.zone
    for timer in episode.timers:
        if timer.status == "pending" or (
            timer.status == "held" and episode.state in guideline.timers[timer.code].effects
        ):
            yield fire_instant(timer.due, fire_time, zone), timer
    for task in episode.tasks:
        if task.status == "open":
            if id(task) not in known:
                known[id(task)] = task, next_reminder(task, guideline, profile, zone)
            moment = known[id(task)][1]
            if moment is not None:
                yield moment, task


def next_due(episode: Episode, guideline: Guideline, profile: Profile, now: datetime, known: Known) -> Due | None:
    """The first thing to do at `now`: timers before reminders, each by the moment they fell due."""
    ready = [due for due in due_things(episode, guideline, profile, known) if due[0] <= now]
    if len(ready) < 2:
        return ready[0] if ready else None

    def order(due: Due) -> tuple[int, date, int, str]:
        moment, thing = due
        if isinstance(thing, Timer):
            return 0, thing.due, guideline.timers[thing.code].rank, thing.code
        return 1, moment, 0, thing.code

    return min(ready, key=order)


def next_wake(episode: Episode, guideline: Guideline, profile: Profile) -> datetime | None:
    """The next instant at which the episode has something to do; None when only a person can move it."""
    return min((moment for moment, _thing in due_things(episode, guideline, profile, {})), default=None)


# ---------------------------------------------------------------- the calendar of a task's reminders


def next_reminder(task: Task, guideline: Guideline, profile: Profile, zone: str) -> datetime | None:
    ladder = guideline.tasks[task.code].ladder_parameter
    if ladder:
        return _rung(task, profile[ladder], task.rung)
    day = _day_after(task, task.reminded_on, profile, zone)
    return fire_instant(day, profile["fire_time"], zone) if day else None


def _rung(task: Task, hours: tuple[int, ...], rung: int) -> datetime:
    """Elapsed hours from the alert, then every 24 hours after the last step."""
    last = len(hours) - 1
    elapsed = hours[rung] if rung <= last else hours[last] + 24 * (rung - last)
    return task.opened_at + timedelta(hours=elapsed)


def _day_after(task: Task, reminded_on: date | None, profile: Profile, zone: str) -> date | None:
    """The next day of the task's reminder calendar after the last one that has been used up."""
    overdue = task.overdue_after + timedelta(days=1)
    if reminded_on is None:
        noticed = task.opened_at >= fire_instant(task.due, profile["fire_time"], zone)
        # A task opened after its due moment was noticed by being opened.
        return overdue if noticed else task.due
    if reminded_on < overdue:
        return overdue
    if task.repeat_days is None:
        return None
    repeats = (reminded_on - overdue).days // task.repeat_days + 1
    return overdue + timedelta(days=repeats * task.repeat_days)


def remind(turn: Turn, task: Task) -> None:
    """Tell staff about a task once for all its moments up to now."""
    rule = turn.guideline.tasks[task.code]
    if rule.ladder_parameter:
        _escalate(turn, task, turn.profile[rule.ladder_parameter])
        return
    overdue = task.overdue_after + timedelta(days=1)
    zone, fire_time = turn.episode.zone, turn.profile["fire_time"]
    first_overdue = task.reminded_on is None or task.reminded_on < overdue
    day, folded, following = None, -1, _day_after(task, task.reminded_on, turn.profile, zone)
    while following is not None and fire_instant(following, fire_time, zone) <= turn.at:
        over = _surely_over(task, following, overdue, turn.today)
        day, folded = following + timedelta(days=over * (task.repeat_days or 0)), folded + 1 + over
        following = _day_after(task, day, turn.profile, zone)
    assert day is not None, f"{task.code} was reminded before it was due"
    turn.replace_task(task, reminded_on=day)
    kind = "due" if day < overdue else "overdue" if first_overdue else "repeat"
    _note_reminder(turn, task, kind, day.isoformat(), fire_instant(day, fire_time, zone), folded=folded or None)


def _surely_over(task: Task, repeat: date, overdue: date, today: date) -> int:
    """How many of the repeats after this one lie so far back that their moment is over whatever the zone did meanwhile:
    most of those that a long outage missed, without a look at each."""
    if task.repeat_days is None or repeat < overdue:
        return 0
    return max(0, (today - timedelta(days=2) - repeat).days // task.repeat_days)


def _escalate(turn: Turn, task: Task, hours: tuple[int, ...]) -> None:
    rung = task.rung
    while _rung(task, hours, rung) <= turn.at:
        rung += 1
    turn.replace_task(task, rung=rung)
    folded = rung - 1 - task.rung
    _note_reminder(turn, task, "escalation", str(rung), _rung(task, hours, rung - 1), step=rung, folded=folded or None)


def _note_reminder(turn: Turn, task: Task, kind: str, which: str, fell_due: datetime, **more: int | None) -> None:
    """`folded`: how many earlier moments of the task, missed together, this one stands for."""
    rule = turn.guideline.tasks[task.code]
    key = f"{turn.episode.id}:{task.code}:{task.n}:{kind}:{which}"
    about = {"code": task.code, "kind": kind, "role": rule.role, "task_n": task.n, **more}
    turn.note("reminder", **about, fell_due=fell_due, key=key)


# ---------------------------------------------------------------- timers


def fire(turn: Turn, machine: Machine, timer: Timer) -> None:
    """Let a due timer speak; where its state has nothing for it, it is held and still owed."""
    rule = turn.guideline.timers[timer.code]
    if turn.episode.state not in rule.effects:
        turn.replace_timer(timer, status="held")
        turn.note("timer_held", code=timer.code, due=timer.due, state=turn.episode.state)
        return
    # What was held could not speak before: its time begins now.
    fell_due = (
        turn.at if timer.status == "held" else fire_instant(timer.due, turn.profile["fire_time"], turn.episode.zone)
    )
    turn.replace_timer(timer, status="fired", fired_at=turn.at)
    key = f"{turn.episode.id}:{timer.code}:milestone:{timer.due.isoformat()}"
    about = {"code": timer.code, "kind": "milestone", "role": "coordinator", "due": timer.due}
    turn.note("reminder", **about, fell_due=fell_due, key=key)
    outcome = speak(turn, machine, timer)
    fired = next(t for t in turn.episode.timers if t.code == timer.code and t.due == timer.due)
    turn.replace_timer(fired, outcome=outcome)
    turn.note("timer_fired", code=timer.code, due=timer.due, outcome=outcome, cites=list(rule.cites))
