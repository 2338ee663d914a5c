"""What will fire if nobody does anything: the engine itself, walked forward on a copy. Nothing is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pathway.engine import Engine
from pathway.episode import Episode
from pathway.journal import Entry


@dataclass(frozen=True, slots=True)
class Expected:
    """A firing that lies ahead: when, of which episode, and the journal line it would make."""

    at: datetime
    patient: str
    episode: str
    owner: str | None
    entry: Entry

    @property
    def moves_to(self) -> str | None:
        """The state the patient would be in after it, when it moves them."""
        moves = [effect["to"] for effect in self.entry.effects if effect["event"] == "transition"]
        return moves[-1] if moves else None

    @property
    def reminder_kinds(self) -> tuple[str, ...]:
        return tuple(e["kind"] for e in self.entry.effects if e["event"] == "reminder")


def preview(engine: Engine, episode: Episode, until: datetime, now: datetime) -> Iterator[Expected]:
    """Every firing of one episode from `now` to `until`, each at the moment it falls due."""
    while (wake := engine.next_wake(episode)) is not None and wake <= until:
        change = engine.settle(episode, max(wake, now))
        if change is None:
            return
        episode = change.episode
        for entry in change.entries:
            yield Expected(entry.recorded_at, episode.patient, episode.id, episode.owner, entry)
