"""Walking a random history through a world in memory, and reading what it left behind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pathway.engine import Engine
from pathway.episode import Episode
from pathway.journal import Entry, Refusal, Step
from tests.journeys.histories import History, Told
from tests.journeys.people import ENGINE
from tests.memory_world import MemoryWorld

MILESTONES = ("REASSESS", "IMAGING_8W", "FAILURE_REVIEW")


@dataclass(frozen=True)
class Moment:
    """The world just after something was told."""

    told: Told
    refusal: Refusal | None
    world: MemoryWorld
    lines: list[tuple[Episode, Entry]]

    @property
    def episodes(self) -> list[Episode]:
        return list(self.world.episodes("P1"))


def moments(history: History, engine: Engine = ENGINE, *, ticking: bool = False) -> Iterator[Moment]:
    """Tell everything; when ticking, the scheduler wakes at every deadline in between."""
    world = MemoryWorld(engine, history.zone, history.profile)
    for told in history.told:
        while ticking and told.up and (due := world.next_wake()) is not None and due < told.at:
            world.settle(due)
        known = {name: len(lines) for name, lines in world.journals.items()}
        refusal = tell(world, told)
        new = [(e, entry) for e, lines in journals(world) for entry in lines[known.get(e.id, 0) :]]
        yield Moment(told, refusal, world, new)


def walked(history: History, engine: Engine = ENGINE, *, ticking: bool = False) -> MemoryWorld:
    return [*moments(history, engine, ticking=ticking)][-1].world


def tell(world: MemoryWorld, told: Told) -> Refusal | None:
    return world.record("P1", told.step, told.at, episode_n=told.n, catch_up=told.up)


def journals(world: MemoryWorld) -> list[tuple[Episode, list[Entry]]]:
    return [(episode, world.journals[episode.id]) for episode in world.episodes("P1")]


def caused(world: MemoryWorld, event: str) -> list[tuple[Entry, dict[str, Any]]]:
    """Every audit event of that name, with the journal line that caused it."""
    return [
        (entry, dict(effect))
        for _, lines in journals(world)
        for entry in lines
        for effect in entry.effects
        if effect["event"] == event
    ]


def milestones(world: MemoryWorld) -> list[tuple[str, str]]:
    """The milestone reminders that were given, by code and due date."""
    found = caused(world, "reminder")
    return sorted((e["code"], e["due"]) for _, e in found if e["kind"] == "milestone")


def owed(episode: Episode) -> set[str]:
    """Milestones that are set, waiting or fired, and that nothing has finished."""
    live = {t.code for t in episode.timers if t.status in ("pending", "held", "fired")}
    return {code for code in live & set(MILESTONES) if code not in episode.satisfied}


def story_so_far(episode: Episode) -> dict[str, Any]:
    """What a coordinator could see, without the dates of work that counts from the day it was opened."""
    return {
        "place": episode.path,
        "timers": sorted((t.code, t.due, t.status, t.outcome or "") for t in episode.timers),
        "tasks": sorted((t.code, t.n, t.status) for t in episode.tasks),
        "referrals": sorted((r.service, r.n, r.status) for r in episode.referrals),
        "satisfied": episode.satisfied,
        "anchors": episode.anchors(),
        "malignancy": episode.malignancy,
    }


def asked(episode: Episode, step: Step, told: Told) -> tuple[Episode, Refusal | None]:
    """The episode as it would be after one more step at that moment; nothing is kept."""
    change, refusal = ENGINE.take(episode, step, told.at)
    return change.episode, refusal
