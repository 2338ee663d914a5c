"""A world in memory: the real engine without a store, for properties over thousands of histories."""

from collections.abc import Sequence
from datetime import datetime

from pathway.engine import Case, Engine, Outcome
from pathway.episode import Episode
from pathway.journal import Entry, Refusal, Step
from pathway.scenario import Audit


class MemoryWorld:
    def __init__(self, engine: Engine, zone: str, profile: str) -> None:
        self.engine, self.zone, self.profile = engine, zone, profile
        self.cases: dict[str, Case] = {}
        self.journals: dict[str, list[Entry]] = {}
        self._audits: list[Audit] = []

    def record(
        self, patient: str, step: Step, at: datetime, *, episode_n: int | None = None, catch_up: bool = True
    ) -> Refusal | None:
        case = self.cases.setdefault(patient, Case(patient, self.zone, self.profile))
        outcome = self.engine.record(case, step, at, episode_n=episode_n, catch_up=catch_up)
        self._keep(case, outcome)
        if outcome.intake:
            self._audits += [Audit(patient, None, at, effect) for effect in outcome.intake.effects]
        return outcome.refusal

    def _keep(self, case: Case, outcome: Outcome) -> None:
        for change in outcome.changes:
            self._keep_episode(case, change.episode, change.entries)

    def _keep_episode(self, case: Case, episode: Episode, entries: Sequence[Entry]) -> None:
        others = [e for e in case.episodes if e.id != episode.id]
        case.episodes = sorted([*others, episode], key=lambda e: e.n)
        self.journals.setdefault(episode.id, []).extend(entries)
        for entry in entries:
            self._audits += [Audit(case.patient, episode.n, entry.recorded_at, e) for e in entry.effects]

    def settle(self, at: datetime) -> None:
        for case in self.cases.values():
            for episode in case.episodes:
                change = self.engine.settle(episode, at)
                if change:
                    self._keep_episode(case, change.episode, change.entries)

    def next_wake(self) -> datetime | None:
        wakes = [self.engine.next_wake(e) for case in self.cases.values() for e in case.episodes]
        return min((wake for wake in wakes if wake is not None), default=None)

    def episodes(self, patient: str) -> Sequence[Episode]:
        return self.cases[patient].episodes if patient in self.cases else []

    def patients(self) -> Sequence[str]:
        return list(self.cases)

    def audits(self) -> Sequence[Audit]:
        return self._audits
