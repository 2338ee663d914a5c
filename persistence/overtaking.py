"""The second save is refused: what a person had before their eyes when they wrote is no longer what is stored."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from pathway.calendar import show_instant
from pathway.engine import Case, Outcome, addressed
from pathway.episode import Episode
from pathway.errors import Overtaken
from pathway.guideline import Guideline
from pathway.journal import Entry, Step
from persistence import models
from persistence.journal import entry_of
from persistence.registry import table
from persistence.rows import FIRINGS, MOVED

# What a person tells, as against what they decide upon what they saw.
TOLD = ("observe", "register", "new_fracture")
FLAGGED = ("RED_FLAG", "LATE_RED_FLAG")


def refuse_overtaken(
    connection: Connection,
    case: Case,
    step: Step,
    outcome: Outcome,
    guideline: Guideline,
    seen: int,
    *,
    episode_n: int | None = None,
) -> None:
    """Raise Overtaken where a person has saved since version `seen`, or the patient has moved since.

    Only what is stored counts, not what this step fires first: else nobody could save while the scheduler rests.
    A message that came twice is still answered as such, and a red flag is taken in whoever was first.
    """
    episode = _before_their_eyes(case, step, guideline, episode_n)
    if episode is None or outcome.duplicate or _raises_a_flag(step, outcome):
        return
    entries = table(models.Entry)
    query = select(entries).where(entries.c.episode_id == episode.id, entries.c.seq > seen).order_by(entries.c.seq)
    since = [entry_of(row) for row in connection.execute(query)]
    by_people = tuple(entry for entry in since if _by_a_person(entry))
    overtaking = by_people or _moves(since, episode)
    if overtaking:
        raise Overtaken(_said(overtaking, episode, guideline), entries=overtaking)


def _before_their_eyes(case: Case, step: Step, guideline: Guideline, episode_n: int | None) -> Episode | None:
    """The episode that `seen` belongs to: the named one, else the latest open one that the step concerns."""
    if episode_n is not None:
        return next((episode for episode in case.episodes if episode.n == episode_n), None)
    found = addressed(case, step, None, guideline)
    still_open = [episode for episode in found if not guideline.is_terminal(episode.state)]
    return next(reversed(still_open or found), None)


def _raises_a_flag(step: Step, outcome: Outcome) -> bool:
    effects = (effect for change in outcome.changes for entry in change.entries for effect in entry.effects)
    return step.event in TOLD and any(e["event"] == "alert" and e["code"] in FLAGGED for e in effects)


def _by_a_person(entry: Entry) -> bool:
    """A refused step saved nothing, so it overtakes nobody."""
    return entry.kind not in FIRINGS and entry.actor != "system" and entry.refusal is None


def _moves(since: Sequence[Entry], episode: Episode) -> tuple[Entry, ...]:
    """The lines that moved the patient, if they ended elsewhere than they began."""
    lines = tuple(entry for entry in since if any(effect["event"] == MOVED for effect in entry.effects))
    moved = [effect for entry in lines for effect in entry.effects if effect["event"] == MOVED]
    if not moved:
        return ()
    began = ".".join(filter(None, (moved[0].get("from"), moved[0].get("from_sub"))))
    return lines if began != episode.path else ()


def _said(entries: Sequence[Entry], episode: Episode, guideline: Guideline) -> str:
    last = entries[-1]
    when = show_instant(last.recorded_at, episode.zone)
    if last.actor == "system":
        return f"the engine moved the patient to {guideline.states[episode.state].shown(episode.sub)} on {when}"
    more = f", and {len(entries) - 1} more before it" if len(entries) > 1 else ""
    what = (last.step.kind or last.step.event).replace("_", " ")
    return f"{last.step.by or f'a {last.actor}'} saved {what} on {when}{more}"
