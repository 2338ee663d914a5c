"""What would come of steps that nobody has saved yet: the engine itself, asked on a copy. Nothing is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from coordinator.consequences import Consequence, consequences, preview_of
from coordinator.web.text import _
from pathway.engine import Case, Engine
from pathway.episode import Episode
from pathway.journal import Entry, Refusal, Step
from pathway.undoing import undo_of

# Set right by recording it again, so it needs no second look.
ROUTINE = ("referral_progress",)


@dataclass(frozen=True, slots=True)
class Outlook:
    """`consequential`: no one click takes it back, so a person looks at their answers once more."""

    refusal: Refusal | None
    consequential: bool
    moves: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    tells: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    alarm: bool = False


def outlook(engine: Engine, case: Case, steps: Sequence[Step], at: datetime, n: int | None) -> Outlook:
    """The steps one after the other, as if they were saved now."""
    told: list[Consequence] = []
    effects: list[Mapping[str, Any]] = []
    consequential = False
    for step in steps:
        outcome = preview_of(engine, case, step, at, n)
        if outcome.refusal is not None:
            return Outlook(outcome.refusal, consequential=False)
        told += consequences(outcome, engine.guideline)
        for change in outcome.changes:
            fresh = _caused_now(change.entries)
            effects += [effect for entry in fresh for effect in entry.effects]
            consequential |= any(_lasting(entry, change.episode) for entry in fresh)
        case = _after(case, [change.episode for change in outcome.changes])
    return _grouped(told, effects, consequential=consequential)


def _caused_now(entries: Sequence[Entry]) -> list[Entry]:
    """The person's own line and what follows it; what had fallen due before would have come anyway."""
    mine = next((number for number, entry in enumerate(entries) if entry.actor != "system"), len(entries))
    return list(entries[mine:])


def _lasting(entry: Entry, episode: Episode) -> bool:
    return entry.actor != "system" and entry.step.kind not in ROUTINE and undo_of(entry, episode) is None


def _after(case: Case, changed: Sequence[Episode]) -> Case:
    known = {episode.id: episode for episode in [*case.episodes, *changed]}
    return replace(case, episodes=list(known.values()))


def _grouped(told: Sequence[Consequence], effects: Sequence[Mapping[str, Any]], *, consequential: bool) -> Outlook:
    groups: dict[str, list[str]] = {"moves": [], "opens": [], "closes": [], "more": []}
    for one in told:
        groups[GROUPS.get(one.mark, "more")].append(one.words)
    return Outlook(
        None,
        consequential,
        tells=tuple(dict.fromkeys(_who_is_told(effects))),
        alarm=any(one.urgent for one in told),
        **{name: tuple(dict.fromkeys(said)) for name, said in groups.items()},
    )


GROUPS = {
    "transition": "moves",
    "alert": "moves",
    "task_opened": "opens",
    "task_resumed": "opens",
    "task_closed": "closes",
    "task_suspended": "closes",
}


def _who_is_told(effects: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """By whom the outbox will be read: an alert goes to the clinician, a notice to the coordinator."""
    for effect in effects:
        if effect["event"] == "alert":
            yield _("The clinician, at once (alert). This program does not call anyone: phone now.")
        elif effect["event"] == "notice":
            yield _("The coordinator (notice).")
        elif effect["event"] == "reminder":
            yield _("The %(role)s (message).", role=effect["role"])
