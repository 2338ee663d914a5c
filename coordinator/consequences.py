"""What a step would do, in words, before it is saved: for the page on which a person checks their answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from coordinator.telling import Told, tell
from pathway.engine import Case, Change, Engine, Outcome
from pathway.guideline import Guideline
from pathway.journal import Entry, Step

# What a person has just typed themselves, or what concerns clocks that nobody has to act on now.
LEFT_OUT = ("observation", "correction", "contact", "look_again", "assigned", "timer_cancelled", "timer_superseded")
# How each is put before it happens: what the timeline says, and what this page says instead.
AHEAD: Mapping[str, tuple[str, str]] = {
    "transition": ("Moved to", "Moves to"),
    "task_opened": ("Work opened", "Opens work"),
    "task_closed": ("Work closed", "Closes work"),
    "task_suspended": ("Work suspended", "Suspends work"),
    "task_resumed": ("Work resumed", "Opens work again"),
    "task_redated": ("Work re-dated", "Re-dates work"),
    "timer_set": ("Clock set", "Sets a clock"),
    "timer_fired": ("Fell due", "Falls due at once"),
    "timer_held": ("Held, still owed", "Will be held, still owed"),
}
TOLD_AT_ONCE = {"alert": "a clinician is told at once", "notice": "the coordinators are told at once"}


@dataclass(frozen=True, slots=True)
class Consequence:
    """One thing that a step would do. `episode_n`: to which episode; `urgent`: somebody is alerted by it."""

    episode_n: int
    mark: str
    words: str
    because: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()
    rule: str = ""
    urgent: bool = False


def preview_of(engine: Engine, case: Case, step: Step, at: datetime, episode_n: int | None = None) -> Outcome:
    """What Store.record would answer: the refusal, or the changes. Nothing is recorded, and the case stays as it is.

    Message ids are left out, so that the step itself is not taken for a message that came before.
    """
    return engine.record(case, replace(step, event_id=None), at, episode_n=episode_n)


def consequences(outcome: Outcome, guideline: Guideline) -> list[Consequence]:
    """What the step itself causes, in words; not what was due anyway. Empty where nothing but the record changes."""
    if outcome.refusal is not None:
        return []
    return [found for change in outcome.changes for found in _of_change(change, guideline)]


def _of_change(change: Change, guideline: Guideline) -> Iterator[Consequence]:
    for told in tell(_from_the_step_on(change), guideline):
        if told.mark not in LEFT_OUT:
            yield Consequence(
                change.episode.n,
                told.mark,
                _ahead(told),
                told.because,
                told.cites,
                told.rule,
                urgent=told.mark == "alert",
            )


def _from_the_step_on(change: Change) -> list[Entry]:
    """The step's line and what falls due because of it; what fired before it was due anyway."""
    places = [n for n, entry in enumerate(change.entries) if entry.kind not in ("timer", "reminder")]
    return list(change.entries[places[0] :]) if places else []


def _ahead(told: Told) -> str:
    past, future = AHEAD.get(told.mark, ("", ""))
    words = future + told.what.removeprefix(past) if past else told.what
    at_once = TOLD_AT_ONCE.get(told.mark)
    return f"{words}; {at_once}" if at_once else words
