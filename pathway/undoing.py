"""Undo of routine work: the step that takes an entry back. It is an entry itself, and nobody gets less safe by it.

An observation, a task ticked off, a talk, a new owner and work set aside are routine. Decisions, deaths,
withdrawals, red flags and corrections are not: those are never undone by one click.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pathway.episode import Episode
from pathway.journal import Entry, Step

UNDONE = "undone"
# A judgement, though it is recorded like a fact.
JUDGEMENTS = ("malignancy",)
FLAGGED_TASKS = ("K-RF-REVIEW", "K-LATE-RESULT")

Answer = Step | str
Effect = Mapping[str, Any]


def undo_of(entry: Entry, episode: Episode) -> Step | None:
    """The step that takes this routine entry of this episode back, in the role of who made it; None if there is none.

    Record it with `episode_n=episode.n` and, as `actor` and `by`, whoever undoes it. The engine has the last word.
    """
    answer = _answer(entry, episode)
    return answer if isinstance(answer, Step) else None


def no_undo_because(entry: Entry, episode: Episode) -> str:
    """Why undo_of has no step for this entry, as a sentence without its full stop; empty where it has one."""
    answer = _answer(entry, episode)
    return answer if isinstance(answer, str) else ""


def _answer(entry: Entry, episode: Episode) -> Answer:
    kinds: dict[tuple[str, str], Callable[[Entry, Effect, Episode], Answer]] = {
        ("observe", "observation"): _observation,
        ("task", "task_closed"): _task,
        ("admin", "contact"): _contact,
        ("admin", "assigned"): _owner,
        ("admin", "look_again"): _set_aside,
    }
    if entry.refusal is not None:
        return "it was refused, so there is nothing to undo"
    if entry.actor == "system":
        return "the engine did it, and only people's own work is undone"
    for effect in entry.effects:
        undoing = kinds.get((entry.kind, effect["event"]))
        if undoing is not None:
            return undoing(entry, effect, episode)
    return "this is not routine work, so it is not undone by one click"


def _observation(entry: Entry, effect: Effect, episode: Episode) -> Answer:
    found = next((o for o in episode.observations if o.id == effect["id"]), None)
    if found is None or found.retracted:
        return "this finding has been taken back already"
    if effect["kind"] in JUDGEMENTS or _alarmed(entry) or any(flag.source == found.id for flag in episode.flags):
        return "this finding raised an alarm or is a judgement, so it is not undone by one click; correct it instead"
    return _step(entry, "correct", "observation", obs_id=found.id)


def _alarmed(entry: Entry) -> bool:
    """Somebody was alerted, or must judge a finding."""
    to_judge = (e for e in entry.effects if e["event"] == "task_opened" and e["code"] in FLAGGED_TASKS)
    return any(to_judge) or any(effect["event"] == "alert" for effect in entry.effects)


def _task(entry: Entry, effect: Effect, episode: Episode) -> Answer:
    if effect["how"] != "done":
        return "that the work is declined or does not apply is a decision, so it is not undone by one click"
    found = next(t for t in episode.tasks if (t.code, t.n) == (effect["code"], effect["n"]))
    if found.status != "closed" or found.closed_at != entry.recorded_at:
        return "this closing has been taken back already"
    return _step(entry, "correct", "task", code=found.code, n=found.n)


def _contact(entry: Entry, _effect: Effect, episode: Episode) -> Answer:
    if any(contact.seq == entry.seq and contact.retracted for contact in episode.contacts):
        return "this talk has been taken back already"
    return _step(entry, "correct", "contact", seq=entry.seq)


def _owner(entry: Entry, effect: Effect, episode: Episode) -> Answer:
    if not effect.get("was"):
        return "there was no owner before, and nobody is left without one"
    if "instead_of" in entry.step.data:
        return "this was an undo itself; assign the patient instead"
    if episode.owner != effect["owner"]:
        return f"{episode.owner} has taken over since"
    return _step(entry, "admin", "assign", owner=effect["was"], instead_of=effect["owner"])


def _set_aside(entry: Entry, effect: Effect, episode: Episode) -> Answer:
    if effect.get("taken_back"):
        return "this was an undo itself; set the work aside again instead"
    if not any(aside.seq == entry.seq for aside in episode.set_aside):
        return "this has been taken back already, or another day was set since"
    task = episode.open_task(effect["code"])
    if task is None or task.n != effect["n"]:
        return "the work is not open any more"
    return _step(entry, "admin", "look_again", code=effect["code"], until=None)


def _step(entry: Entry, event: str, kind: str, **data: Any) -> Step:
    return Step(event, kind, {**data, "reason": UNDONE}, entry.actor)
