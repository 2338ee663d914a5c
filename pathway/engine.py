"""Journal entries in, changes out: pure, with the instant as an argument.

record() takes one step of one patient, after first firing all that was due before it; settle() fires what is
due; replay() makes an episode of its journal again. Nothing here reads a clock or a database.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from pathway import correcting, deciding, firing, observing, registering
from pathway.calendar import add_months, fire_instant, local_date
from pathway.episode import Episode, Timer
from pathway.errors import JournalBroken, NaiveTime, UnknownStep
from pathway.facts import as_date
from pathway.guideline import Guideline, Profile
from pathway.journal import Entry, Refusal, Step, written
from pathway.machine import Machine
from pathway.moving import move
from pathway.turn import Turn

Handler = Callable[[Turn, Machine], Refusal | None]

HANDLERS: Mapping[str, Handler] = {
    "observe": observing.observe,
    "decide": deciding.decide,
    "task": deciding.close_by_hand,
    "admin": deciding.administer,
    "correct": correcting.correct,
}
PATIENT_WIDE = ("death", "death_correction", "move_site")
DATA_REFUSALS = ("OUT_OF_RANGE", "FUTURE_DATE", "DATE_ORDER", "CONTRADICTION")
SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Change:
    """An episode as it now is, the version (journal length) it was made from, and its new lines."""

    episode: Episode
    entries: tuple[Entry, ...]

    @property
    def version(self) -> int:
        return self.entries[0].seq - 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step did: the episodes it changed, or the refusal (which is journalled all the same)."""

    changes: tuple[Change, ...] = ()
    refusal: Refusal | None = None
    duplicate: bool = False
    intake: Entry | None = None


@dataclass
class Case:
    """A patient's episodes, oldest first, and what a new one would need to know."""

    patient: str
    zone: str
    profile: str = "default"
    episodes: list[Episode] = field(default_factory=list)


class Engine:
    def __init__(self, guideline: Guideline, extra_profiles: Mapping[str, Profile] | None = None) -> None:
        self.guideline = guideline
        self.machine = Machine(guideline)
        self.profiles = {**guideline.profiles, **(extra_profiles or {})}

    def profile(self, name: str) -> Profile:
        return self.profiles[name] if name in self.profiles else self.guideline.profile(name)

    # ---------------------------------------------------------------- time

    def next_wake(self, episode: Episode) -> datetime | None:
        return firing.next_wake(episode, self.guideline, self.profile(episode.profile))

    def settle(self, episode: Episode, now: datetime, *, before: datetime | None = None) -> Change | None:
        """Fire everything due at or before `now` (strictly before `before`, if given), recorded at `now`."""
        _aware(now)
        limit = now if before is None else before - timedelta(microseconds=1)
        profile, entries, known = self.profile(episode.profile), list[Entry](), firing.Known()
        due = firing.next_due(episode, self.guideline, profile, limit, known)
        if due is None:
            return None
        # One copy for all that fires: nobody sees the episode between two firings.
        episode = episode.copy()
        while due is not None:
            entries.append(self._fire(episode, due, now))
            due = firing.next_due(episode, self.guideline, profile, limit, known)
        return Change(episode, tuple(entries))

    def _fire(self, episode: Episode, due: firing.Due, now: datetime) -> Entry:
        moment, thing = due
        if isinstance(thing, Timer):
            step = Step("timer", thing.code, {"due": thing.due}, SYSTEM)
        else:
            step = Step("reminder", thing.code, {"n": thing.n}, SYSTEM)
        return self._take_firing(episode, step, min(moment, now), now)

    def _take_firing(self, episode: Episode, step: Step, occurred: datetime, now: datetime) -> Entry:
        """Fires on the very episode that is given: it is the caller's own copy."""
        turn = Turn(episode, self.guideline, self.profile(episode.profile), now, step)
        if step.event == "timer":
            due = as_date(step.data["due"])
            timer = next(t for t in episode.timers if t.code == step.kind and t.due == due)
            firing.fire(turn, self.machine, timer)
        else:
            task = next(t for t in episode.tasks if t.code == step.kind and t.n == step.data["n"])
            firing.remind(turn, task)
        return turn.entry(step.event, occurred)

    def _turn(self, episode: Episode, at: datetime, step: Step) -> Turn:
        return Turn(episode.copy(), self.guideline, self.profile(episode.profile), at, step)

    # ---------------------------------------------------------------- what people record

    def record(
        self, case: Case, step: Step, at: datetime, *, episode_n: int | None = None, catch_up: bool = True
    ) -> Outcome:
        """Take one step at an aware instant. With catch_up, all that was due before it fires first.

        Raises UnknownStep where the step is not one the engine knows; everything else is an answer.
        """
        _aware(at)
        if step.event not in (*HANDLERS, "register", "new_fracture"):
            raise UnknownStep(step.event)
        found = self._duplicate(case, step, at)
        if found is not None:
            return found
        settled = [self._caught_up(episode, at) if catch_up else (episode, ()) for episode in case.episodes]
        current = replace(case, episodes=[episode for episode, _ in settled])
        outcome = self._take(current, step, at, episode_n)
        return self._with_firings(settled, outcome, at if catch_up else None)

    def _caught_up(self, episode: Episode, at: datetime) -> tuple[Episode, tuple[Entry, ...]]:
        change = self.settle(episode, at, before=at)
        return (change.episode, change.entries) if change else (episode, ())

    def _with_firings(
        self, settled: Sequence[tuple[Episode, tuple[Entry, ...]]], outcome: Outcome, at: datetime | None
    ) -> Outcome:
        """Join what fired before the step, the step, and what is due once it is taken."""
        merged = {episode.id: (episode, entries) for episode, entries in settled}
        for change in outcome.changes:
            before = merged.get(change.episode.id, (change.episode, ()))[1]
            merged[change.episode.id] = (change.episode, (*before, *change.entries))
        changes = []
        for episode, entries in merged.values():
            after = self.settle(episode, at) if at is not None else None
            lines = (*entries, *after.entries) if after else entries
            if lines:
                changes.append(Change(after.episode if after else episode, tuple(lines)))
        return replace(outcome, changes=tuple(changes))

    def _duplicate(self, case: Case, step: Step, at: datetime) -> Outcome | None:
        for episode in case.episodes:
            if step.event_id is not None and step.event_id in episode.event_ids:
                turn = self._turn(episode, at, step)
                turn.note("duplicate_event_ignored", id=step.event_id)
                entry = turn.entry("duplicate", at)
                return Outcome((Change(turn.episode, (entry,)),), duplicate=True)
        return None

    def _take(self, case: Case, step: Step, at: datetime, episode_n: int | None) -> Outcome:
        if step.event in ("register", "new_fracture"):
            return self._register(case, step, at)
        targets = addressed(case, step, episode_n, self.guideline)
        if not targets:
            because = f"patient {case.patient} has no such episode; nothing was saved"
            return self._refused_at_intake(step, at, Refusal("STATE", because))
        changes, refusals = [], []
        for number, episode in enumerate(targets):
            # The sender's id is spent once, whatever the number of episodes that the event concerns.
            mine = step if number == 0 else replace(step, event_id=None)
            change, refusal = self.take(episode, mine, at)
            changes.append(change)
            refusals.append(refusal)
        # A patient-wide event that any episode accepts is accepted.
        refusal = None if any(r is None for r in refusals) else refusals[0]
        return Outcome(tuple(changes), refusal)

    def take(self, episode: Episode, step: Step, at: datetime) -> tuple[Change, Refusal | None]:
        """One step on one episode, accepted or refused; either way it is a journal line."""
        turn = self._turn(episode, at, step)
        refusal = HANDLERS[step.event](turn, self.machine)
        if refusal is not None:
            turn = self._refused(episode, step, at, refusal)
        turn.spend_event_id()
        entry = turn.entry(step.event, self._occurred(turn, step, at), refusal)
        return Change(turn.episode, (entry,)), refusal

    def _occurred(self, turn: Turn, step: Step, at: datetime) -> datetime:
        """The clinical time of a step: now, or the firing time of the date it gives."""
        given = step.data.get("effective") or step.data.get("date") or step.data.get("performed")
        day = as_date(given)
        if not isinstance(day, date) or day >= turn.today:
            return at
        return fire_instant(day, turn.profile["fire_time"], turn.episode.zone)

    def _refused(self, episode: Episode, step: Step, at: datetime, refusal: Refusal) -> Turn:
        turn = self._turn(episode, at, step)
        turn.note("rejected", **_rejection(step, refusal))
        closed = self.guideline.is_terminal(episode.state)
        if step.event == "observe" and refusal.code in DATA_REFUSALS and not closed:
            turn.open_task("K-DATAQ")
        return turn

    # ---------------------------------------------------------------- registration

    def _register(self, case: Case, step: Step, at: datetime) -> Outcome:
        further = step.event == "new_fracture"
        data = self._registration(case, step, at)
        today = local_date(at, data["zone"])
        refusal = registering.registration_refused(
            data, step.actor, case.episodes, self.guideline, today, further=further
        )
        if refusal is not None:
            return self._refused_registration(case, step, at, refusal)
        changes = [] if not further else self._supersede(case, step, at)
        changes.append(self._open(replace(step, data=data), at))
        return Outcome(tuple(changes))

    def _registration(self, case: Case, step: Step, at: datetime) -> dict[str, Any]:
        """The registration as the journal keeps it: complete, so that a replay needs nothing else."""
        data = dict(step.data)
        # Not how many there are: records that were merged and parted again leave gaps, and an id is used once.
        n = 1 + max((episode.n for episode in case.episodes), default=0)
        known = case.episodes[-1] if case.episodes else None
        if known is not None:
            data["birth_date"] = data.get("birth_date") or known.birth_date
            data["sex"] = data.get("sex") or known.sex
        data.update(
            patient=case.patient,
            n=n,
            episode=f"{case.patient}-{n}",
            zone=known.zone if known else case.zone,
            profile=known.profile if known and step.event == "new_fracture" else case.profile,
            guideline=f"{self.guideline.id}/{self.guideline.version}",
        )
        if step.event == "new_fracture" and known is not None:
            data["refracture"] = self._refracture(known, data, at)
        return data

    def _refracture(self, earlier: Episode, data: Mapping[str, Any], at: datetime) -> dict[str, Any]:
        identified = as_date(data.get("identification_date")) or local_date(at, data["zone"])
        fracture = as_date(data.get("fracture_date"))
        precision = data.get("fracture_date_precision") or "day"
        if not isinstance(identified, date) or not isinstance(fracture, date | None):
            return {}
        onset = registering.onset_of(fracture, precision, identified).day
        within = onset <= add_months(earlier.onset, 12)
        return {"of": earlier.n, "days": (onset - earlier.onset).days, "within_12m": within}

    def _supersede(self, case: Case, step: Step, at: datetime) -> list[Change]:
        changes = []
        for episode in case.episodes:
            if episode.state == "SURVEILLANCE":
                turn = self._turn(episode, at, replace(step, kind="superseded", event_id=None))
                refusal = move(turn, self.machine, "superseded")
                assert refusal is None, refusal
                changes.append(Change(turn.episode, (turn.entry("superseded", at),)))
        return changes

    def _open(self, step: Step, at: datetime) -> Change:
        data = step.data
        blank = Episode(
            data["episode"], data["patient"], data["n"], data["zone"], data["profile"], data["guideline"], at
        )
        turn = self._turn(blank, at, step)
        registering.start(turn, self.machine)
        turn.spend_event_id()
        return Change(turn.episode, (turn.entry(step.event, at),))

    def _refused_registration(self, case: Case, step: Step, at: datetime, refusal: Refusal) -> Outcome:
        if not case.episodes:
            return self._refused_at_intake(step, at, refusal)
        turn = self._refused(case.episodes[-1], step, at, refusal)
        turn.spend_event_id()
        entry = turn.entry(step.event, at, refusal)
        return Outcome((Change(turn.episode, (entry,)),), refusal)

    def _refused_at_intake(self, step: Step, at: datetime, refusal: Refusal) -> Outcome:
        """A refusal with no episode to hold it goes to the intake journal."""
        effect = {"event": "rejected", **_rejection(step, refusal)}
        entry = Entry(0, step.event, at, at, step.actor, written(step), (effect,), refusal)
        return Outcome(refusal=refusal, intake=entry)

    # ---------------------------------------------------------------- replay

    def replay(self, entries: Iterable[Entry]) -> Episode:
        """Make an episode of its journal again; raises JournalBroken at the first line that differs."""
        episode: Episode | None = None
        for entry in entries:
            episode, again = self._again(episode, entry)
            if again.effects != entry.effects or again.refusal != entry.refusal:
                raise JournalBroken(f"line {entry.seq} ({entry.kind}) of {episode.id} does not replay")
        if episode is None:
            raise JournalBroken("the journal is empty")
        return episode

    def _again(self, episode: Episode | None, entry: Entry) -> tuple[Episode, Entry]:
        step, at = entry.step, entry.recorded_at
        if episode is None:
            change = self._open(step, at)
            return change.episode, change.entries[0]
        if entry.kind in ("timer", "reminder"):
            return episode, self._take_firing(episode, step, entry.occurred_at, at)
        if entry.kind == "superseded":
            turn = self._turn(episode, at, step)
            move(turn, self.machine, "superseded")
            return turn.episode, turn.entry("superseded", at)
        if entry.kind == "duplicate":
            turn = self._turn(episode, at, step)
            turn.note("duplicate_event_ignored", id=step.event_id)
            return turn.episode, turn.entry("duplicate", at)
        if entry.kind in ("register", "new_fracture"):
            assert entry.refusal is not None
            turn = self._refused(episode, step, at, entry.refusal)
            turn.spend_event_id()
            return turn.episode, turn.entry(entry.kind, at, entry.refusal)
        change, _ = self.take(episode, step, at)
        return change.episode, change.entries[0]


def addressed(case: Case, step: Step, episode_n: int | None, guideline: Guideline) -> list[Episode]:
    """The episodes that a step concerns: all for a death or a move, else the named or the latest open one."""
    if step.event == "admin" and step.kind in PATIENT_WIDE:
        return case.episodes
    if episode_n is not None:
        return [episode for episode in case.episodes if episode.n == episode_n]
    still_open = [e for e in case.episodes if not guideline.is_terminal(e.state)]
    return (still_open or case.episodes)[-1:]


def _rejection(step: Step, refusal: Refusal) -> dict[str, Any]:
    found = {
        "code": refusal.code,
        "because": refusal.because,
        "missing": list(refusal.missing),
        "step": step.number,
        "actor": step.actor,
        "kind": step.kind or step.event,
    }
    return {name: value for name, value in found.items() if value is not None}


def _aware(at: datetime) -> None:
    if at.utcoffset() != timedelta(0):
        raise NaiveTime(f"{at!r}; expected UTC")
