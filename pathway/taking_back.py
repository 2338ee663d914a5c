"""Taking back work that was closed by hand and talks that were noted: both only ever add work and attention."""

from dataclasses import replace
from typing import Any

from pathway.deciding import HOWS, RANK
from pathway.episode import Task
from pathway.journal import Refusal
from pathway.machine import Machine
from pathway.moving import LATE_RESULT
from pathway.observing import tasks_closed_by
from pathway.turn import Turn


def reopen_task(turn: Turn, _machine: Machine) -> Refusal | None:
    """Exactly the task that a person had closed (the latest, if no number is named) is open again, as it was."""
    code, n = str(turn.data.get("code") or ""), _number(turn.data.get("n"))
    named = [task for task in turn.episode.tasks if task.code == code and n in (None, task.n)]
    if not named:
        which = f" number {n}" if n is not None else ""
        return Refusal("STATE", f"there is no work {code!r}{which} in this episode; nothing was saved")
    found = named[-1]
    refusal = _not_theirs(turn, found) or _no_use(turn, found)
    if refusal is not None:
        return refusal
    reason = turn.data.get("reason")
    turn.note("correction", target="task", code=code, n=found.n, was=found.closed_how, reason=reason)
    turn.replace_task(found, status="open", closed_at=None, closed_how="", why="")
    turn.note("task_resumed", code=code, n=found.n, because="its closing was taken back")
    return None


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _not_theirs(turn: Turn, task: Task) -> Refusal | None:
    """Only what a person closed can be taken back, by whoever might have closed it."""
    if task.status != "closed":
        return Refusal("STATE", f"{task.code} is open already, so there is nothing to take back")
    if task.closed_how not in HOWS:
        because = f"{task.code} was not closed by hand ({task.closed_how.replace('_', ' ')}), so it stays closed"
        return Refusal("STATE", because)
    role = "clinician" if task.closed_how != "done" else turn.guideline.tasks[task.code].person_role
    if RANK.get(turn.step.actor, 0) < RANK[role]:
        return Refusal("ROLE", f"opening {task.code} again needs a {role}")
    return None


def _no_use(turn: Turn, task: Task) -> Refusal | None:
    """Why it could not stand open where the episode is now, or has nothing left to ask."""
    code, state = task.code, turn.guideline.states[turn.episode.state]
    if state.terminal and (code != LATE_RESULT or state.id == "DECEASED"):
        return Refusal("TERMINAL", f"the episode is closed ({state.title}), so {code} stays closed")
    if [t for t in turn.episode.tasks if t.code == code][-1] != task:
        return Refusal("STATE", f"{code} has been asked for again since, so the earlier one stays closed")
    homes = [home for home in turn.guideline.states.values() if code in home.tasks]
    if homes and state not in homes:
        because = f"{code} belongs to {homes[0].title} and the patient is in {state.title}, so it stays closed"
        return Refusal("STATE", because)
    if any(code in tasks_closed_by(turn, o) for o in turn.episode.observations if not o.retracted):
        return Refusal("STATE", f"{code} has been answered by what was recorded since, so it stays closed")
    return None


def retract_contact(turn: Turn, _machine: Machine) -> Refusal | None:
    """A talk that never was: it silences no message any more, and is no last contact."""
    seq = _number(turn.data.get("seq"))
    found = next((contact for contact in turn.episode.contacts if contact.seq == seq), None)
    if found is None:
        return Refusal("STATE", f"journal line {seq} tells of no talk with the patient; nothing was saved")
    if found.retracted:
        return Refusal("STATE", "this talk with the patient has been taken back already; nothing was saved")
    turn.episode.contacts[turn.episode.contacts.index(found)] = replace(found, retracted=True)
    turn.note("correction", target="contact", seq=seq, outcome=found.outcome, reason=turn.data.get("reason"))
    return None
