"""Corrections: an anchor date moves, or something that was recorded is taken back. Nothing is edited.

Timers are re-dated: a pending one is superseded and set again; a fired one is not un-fired. A later due date re-arms
the milestone and re-dates its open task, an earlier one that has passed fires at once.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

from pathway import assessments
from pathway.assessments import over_fifty_first_fracture
from pathway.calendar import show_date
from pathway.episode import Observation, Task, Timer
from pathway.facts import as_date
from pathway.guards import date_between
from pathway.guideline import TimerRule
from pathway.journal import Refusal
from pathway.machine import Machine
from pathway.moving import speak
from pathway.observing import suspect_malignancy, suspicion, tasks_closed_by
from pathway.registering import dates_refused, onset_of
from pathway.taking_back import reopen_task, retract_contact
from pathway.turn import Turn

# What may be taken back on a closed episode as well.
WHEREVER = ("observation", "task", "contact")
TASK_OF = {"REASSESS": "K-REASSESS", "FAILURE_REVIEW": "K-3M-DECISION"}


def correct(turn: Turn, machine: Machine) -> Refusal | None:
    corrections: dict[str, Callable[[Turn, Machine], Refusal | None]] = {
        "fracture_date": _correct_fracture,
        "identification_date": _correct_identification,
        "care_start": _correct_care_start,
        "observation": _retract,
        "task": reopen_task,
        "contact": retract_contact,
    }
    if turn.step.kind not in corrections:
        expected = ", ".join(corrections)
        because = f"{turn.step.kind!r} cannot be corrected; expected one of {expected}; nothing was saved"
        return Refusal("OUT_OF_RANGE", because)
    state = turn.guideline.states[turn.episode.state]
    if state.terminal and turn.step.kind not in WHEREVER:
        because = f"the episode is closed ({state.title}); a clinician may reopen it and correct the date then"
        return Refusal("TERMINAL", because)
    return corrections[turn.step.kind](turn, machine)


def _correct_fracture(turn: Turn, machine: Machine) -> Refusal | None:
    precision = turn.data.get("precision") or turn.data.get("fracture_date_precision") or "day"
    value = as_date(turn.data.get("value"))
    if value is None:
        precision = "unknown"
    episode = turn.episode
    refusal = _future(value, turn) or dates_refused(
        episode.birth_date, value, precision, episode.identification, turn.today
    )
    if refusal:
        return refusal
    refusal = _after_care_start(turn, onset_of(value, precision, episode.identification).day)
    if refusal:
        return refusal
    was = episode.fracture_date
    episode.fracture_date, episode.precision = value, precision
    _redate_onset(turn)
    turn.note("correction", target="fracture_date", was=was, now=value, precision=precision)
    _redate(turn, machine, "onset")
    return None


def _redate_onset(turn: Turn) -> None:
    episode = turn.episode
    onset = onset_of(episode.fracture_date, episode.precision, episode.identification)
    episode.onset, episode.onset_source = onset.day, onset.source


def _future(value: Any, turn: Turn) -> Refusal | None:
    if isinstance(value, date) and value > turn.today:
        return Refusal("FUTURE_DATE", f"{value} lies in the future; nothing was saved")
    return None


def _after_care_start(turn: Turn, onset: date) -> Refusal | None:
    start = turn.episode.care_start
    if start is None or onset <= start:
        return None
    because = f"the fracture would be dated {show_date(onset)}, after care started on {show_date(start)}"
    return Refusal("DATE_ORDER", f"{because}; correct care_start first; nothing was saved")


def _correct_identification(turn: Turn, machine: Machine) -> Refusal | None:
    value, episode = as_date(turn.data.get("value")), turn.episode
    if value is None:
        return Refusal("OUT_OF_RANGE", "identification_date needs a date; nothing was saved")
    refusal = dates_refused(episode.birth_date, episode.fracture_date, episode.precision, value, turn.today)
    if refusal:
        return refusal
    refusal = _after_care_start(turn, onset_of(episode.fracture_date, episode.precision, value).day)
    if refusal:
        return refusal
    was, shift = episode.identification, value - episode.identification
    episode.identification = value
    turn.note("correction", target="identification_date", was=was, now=value)
    for task in [t for t in episode.tasks if t.status != "closed"]:
        anchor = turn.guideline.tasks[task.code].anchor
        by_identification = turn.profile["calcitonin.stop_anchor"] == "identification"
        if anchor == "identification" or (anchor == "calcitonin" and by_identification):
            turn.redate_task(task, task.due + shift, task.overdue_after + shift)
    _redate_onset(turn)
    _redate(turn, machine, "onset")
    return None


def _correct_care_start(turn: Turn, machine: Machine) -> Refusal | None:
    value, episode = as_date(turn.data.get("value")), turn.episode
    if episode.care_start is None:
        return Refusal("STATE", "conservative care has not started, so its date cannot be corrected")
    if not isinstance(value, date):
        return Refusal("OUT_OF_RANGE", f"care_start {value!r} is not a date; nothing was saved")
    verdict = date_between(value, episode.onset, turn.today, "care start")
    if not verdict.holds:
        return Refusal(verdict.code, verdict.because)
    was, episode.care_start = episode.care_start, value
    turn.note("correction", target="care_start", was=was, now=value)
    _redate(turn, machine, "care_start")
    return None


# ---------------------------------------------------------------- timers


def _redate(turn: Turn, machine: Machine, anchor: str) -> None:
    for rule in turn.guideline.timers.values():
        if rule.anchor != anchor:
            continue
        timers = [timer for timer in turn.episode.timers if timer.code == rule.code]
        live = [timer for timer in timers if timer.status in ("pending", "held", "fired")]
        if live:
            _redate_one(turn, rule, live[-1])
            _ask_again(turn, machine, rule)


def _redate_one(turn: Turn, rule: TimerRule, timer: Timer) -> None:
    due = turn.timer_due(rule)
    if due == timer.due:
        return
    if timer.waiting:
        turn.arm(rule.code)
    elif due > timer.due:
        _rearm(turn, rule, due)


def _ask_again(turn: Turn, machine: Machine, rule: TimerRule) -> None:
    """Dated back to a day on which it has fired already: it cannot fire twice, but it is owed."""
    owed = turn.episode.owed(rule.code) if rule.milestone else None
    asked = any(turn.episode.open_task(code) for code in ("K-REASSESS", "K-IMGREV", "K-3M-DECISION", "K-AUG-CONFIRM"))
    if owed is not None and not asked and turn.episode.state in rule.effects:
        turn.note("milestone_still_owed", code=rule.code, due=owed.due)
        speak(turn, machine, owed)


def _rearm(turn: Turn, rule: TimerRule, due: date) -> None:
    """A milestone that fired too early by the new date: it is owed again then, and its task waits for it."""
    turn.episode.satisfied.pop(rule.code, None)
    turn.arm(rule.code)
    task = turn.episode.open_task(TASK_OF.get(rule.code, rule.effects.get(turn.episode.state, "")))
    if task is not None:
        turn.redate_task(task, due, due + turn.overdue_span(rule))


# ---------------------------------------------------------------- retraction


def _retract(turn: Turn, machine: Machine) -> Refusal | None:
    """Mark an observation as wrong. It never moves the patient towards less safety; work it closed reopens."""
    name = turn.data.get("obs_id") or turn.data.get("id") or turn.data.get("target") or turn.step.obs_id
    found = next((o for o in turn.episode.observations if o.id == name), None)
    if found is None or found.retracted:
        return Refusal("STATE", f"there is no standing observation {name!r} in this episode")
    at = turn.episode.observations.index(found)
    turn.episode.observations[at] = replace(found, retracted=True)
    turn.note("correction", target="observation", id=name, kind=found.kind, reason=turn.data.get("reason"))
    if turn.guideline.is_terminal(turn.episode.state):
        _owe_on_return(turn, found)
        return None
    if any(flag.source == name for flag in turn.episode.open_flags()):
        turn.open_task("K-RF-REVIEW")
    _reopen_work(turn, found)
    _suspect_again(turn, machine, found)
    _owe_imaging_again(turn, machine)
    return None


def _owe_on_return(turn: Turn, retracted: Observation) -> None:
    """On a closed episode nothing moves, but what the observation had answered is owed should it be reopened."""
    if _takes_back_exclusion(turn, retracted):
        turn.episode.malignancy = "suspected"
    closed = turn.episode.closed or {}
    unanswered = [[task.code, task.n] for task in _unanswered(turn, retracted)]
    turn.episode.closed = {**closed, "tasks": [*closed.get("tasks", []), *unanswered]}


def _unanswered(turn: Turn, retracted: Observation) -> list[Task]:
    """The tasks that only this observation had closed."""
    found = []
    for code in tasks_closed_by(turn, retracted):
        answered = any(code in tasks_closed_by(turn, o) for o in turn.episode.facts(retracted.kind))
        closed = [task for task in turn.episode.tasks if task.code == code and task.closed_how == "data"]
        if not answered and closed and turn.episode.open_task(code) is None:
            found.append(closed[-1])
    return found


def _reopen_work(turn: Turn, retracted: Observation) -> None:
    because = "the observation that closed it was retracted"
    for task in _unanswered(turn, retracted):
        turn.replace_task(task, status="open", closed_at=None, closed_how="", why="")
        turn.note("task_resumed", code=task.code, n=task.n, because=because)


def _suspect_again(turn: Turn, machine: Machine, retracted: Observation) -> None:
    """An exclusion that is taken back leaves the suspicion that it had closed."""
    if _takes_back_exclusion(turn, retracted):
        suspect_malignancy(turn, machine, "the exclusion was retracted")


def _takes_back_exclusion(turn: Turn, retracted: Observation) -> bool:
    """The last exclusion goes, and something had raised a suspicion for it to close."""
    standing = [o for o in turn.episode.observations if not o.retracted]
    if retracted.data.get("status") != "excluded" or turn.episode.malignancy != "excluded":
        return False
    still = any(o.kind == "malignancy" and o.data.get("status") == "excluded" for o in standing)
    by_age = turn.profile["malignancy.age50_first"] == "workup" and over_fifty_first_fracture(turn.episode)
    return not still and bool(by_age or any(suspicion(turn, o.kind, o.data) for o in standing))


def _owe_imaging_again(turn: Turn, machine: Machine) -> None:
    by_imaging = turn.episode.satisfied.get("IMAGING_8W") == "imaging"
    if not by_imaging or assessments.eight_week_imaging(turn.episode, turn.profile):
        return
    del turn.episode.satisfied["IMAGING_8W"]
    owed = turn.episode.owed("IMAGING_8W")
    if owed is None:
        return
    turn.note("milestone_still_owed", code="IMAGING_8W", due=owed.due)
    if turn.episode.state == "CONSERVATIVE_CARE":
        speak(turn, machine, owed)
