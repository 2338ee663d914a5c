"""A clinic with a calendar on its wall: everything is recorded at the time it shows, and nothing due is leapt over.

`forward` stops at every deadline on its way, as a scheduler that never sleeps would; `leap` is the scheduler that
slept and wakes once, at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from coordinator.scenario_runner import StoreWorld
from pathway.calendar import zone_named
from pathway.engine import Engine
from pathway.episode import Episode, Task, Timer
from pathway.guideline import Guideline
from pathway.journal import Refusal, Step
from pathway.scenario import Audit, World
from persistence.store import Store
from tests.journeys.people import ENGINE
from tests.memory_world import MemoryWorld

EIGHT = "08:00"


@dataclass
class Calendar:
    """The wall time of one site, and the instant that it stands for."""

    zone: str
    now: datetime

    def instant(self, wall: str) -> datetime:
        """2026-02-03 (at eight) or 2026-02-03 09:30, on this site's wall, as an instant."""
        shown = datetime.fromisoformat(wall if ":" in wall else f"{wall} {EIGHT}")
        return shown.replace(tzinfo=zone_named(self.zone)).astimezone(UTC)

    def later(self, **delta: float) -> datetime:
        """Days are days on the wall: the same time tomorrow, be tomorrow 23 or 25 hours away."""
        days, rest = timedelta(days=delta.pop("days", 0)), timedelta(**delta)
        wall = self.now.astimezone(zone_named(self.zone)) + days
        return wall.astimezone(UTC) + rest

    @property
    def today(self) -> date:
        return self.now.astimezone(zone_named(self.zone)).date()


@dataclass
class Clinic:
    world: World
    calendar: Calendar
    guideline: Guideline = ENGINE.guideline
    up: bool = True
    last: dict[str, Refusal | None] = field(default_factory=dict)

    # ---------------------------------------------------------------- time

    def forward(self, **delta: float) -> "Clinic":
        return self.pass_to(self.calendar.later(**delta))

    def at(self, wall: str) -> "Clinic":
        return self.pass_to(self.calendar.instant(wall))

    def pass_to(self, target: datetime) -> "Clinic":
        assert target >= self.calendar.now, f"{target} has passed"
        while self.up and (due := self.world.next_wake()) is not None and due <= target:
            self.calendar.now = max(due, self.calendar.now)
            self.world.settle(self.calendar.now)
        self.calendar.now = target
        return self

    def leap(self, wall: str) -> "Clinic":
        """The scheduler slept until then and wakes once."""
        self.calendar.now = self.calendar.instant(wall)
        self.world.settle(self.calendar.now)
        return self

    def scheduler_stops(self) -> None:
        self.up = False

    def scheduler_returns(self) -> None:
        self.up = True
        self.world.settle(self.calendar.now)

    # ---------------------------------------------------------------- telling

    def tell(self, *steps: Step, patient: str = "P1", n: int | None = None) -> "Clinic":
        """Record what must be accepted."""
        for step in steps:
            refusal = self.ask(step, patient=patient, n=n)
            assert refusal is None, f"{step.kind or step.event} at {self.calendar.now}: {refusal}"
        return self

    def ask(self, step: Step, *, patient: str = "P1", n: int | None = None) -> Refusal | None:
        refusal = self.world.record(patient, step, self.calendar.now, episode_n=n, catch_up=self.up)
        if self.up:
            self.world.settle(self.calendar.now)
        return refusal

    def refused(self, step: Step, *, patient: str = "P1", n: int | None = None) -> str:
        """The code with which a step is refused; it must be."""
        refusal = self.ask(step, patient=patient, n=n)
        assert refusal is not None, f"{step.kind or step.event} was accepted in {self.place}"
        return refusal.code

    # ---------------------------------------------------------------- looking

    def episodes(self, patient: str = "P1") -> Sequence[Episode]:
        return self.world.episodes(patient)

    @property
    def episode(self) -> Episode:
        """The one episode of P1, or the newest."""
        return self.world.episodes("P1")[-1]

    @property
    def place(self) -> str:
        return self.episode.path

    @property
    def state(self) -> str:
        return self.episode.state

    def timer(self, code: str) -> Timer:
        """The newest timer of that code."""
        return [timer for timer in self.episode.timers if timer.code == code][-1]

    def task(self, code: str) -> Task:
        return [task for task in self.episode.tasks if task.code == code][-1]

    @property
    def open_tasks(self) -> set[str]:
        return {task.code for task in self.episode.tasks if task.status == "open"}

    @property
    def referrals(self) -> list[tuple[str, str]]:
        return [(referral.service, referral.status) for referral in self.episode.referrals]

    def heard(self, event: str, **match: object) -> list[Audit]:
        """The audit events of that name that agree with everything named."""
        found = (audit for audit in self.world.audits() if audit.event["event"] == event)
        return [a for a in found if all(a.event.get(name) == value for name, value in match.items())]

    def reminders(self, code: str, kind: str | None = None) -> list[str]:
        """When staff were reminded of that timer or task, on this site's wall."""
        match = {"code": code} if kind is None else {"code": code, "kind": kind}
        return [self.shown(audit.at) for audit in self.heard("reminder", **match)]

    @property
    def milestones(self) -> list[tuple[str, str]]:
        return [(self.shown(a.at), str(a.event["code"])) for a in self.heard("reminder", kind="milestone")]

    @property
    def alerts(self) -> list[str]:
        return [str(audit.event["code"]) for audit in self.heard("alert")]

    @property
    def story(self) -> list[tuple[str, str, str]]:
        """Every move: the day on the wall, the rule, and where it led."""
        moves = self.heard("transition")
        return [
            (self.shown(a.at)[:10], str(a.event["rule"]), _path(a.event["to"], a.event.get("to_sub"))) for a in moves
        ]

    def shown(self, instant: datetime) -> str:
        return f"{instant.astimezone(zone_named(self.calendar.zone)):%Y-%m-%d %H:%M}"


def _path(state: object, sub: object) -> str:
    return f"{state}.{sub}" if sub else f"{state}"


def clinic_in_memory(
    zone: str = "Europe/London",
    profile: str = "default",
    now: str = "2026-01-05 09:00",
    engine: Engine = ENGINE,
) -> Clinic:
    calendar = Calendar(zone, datetime.min.replace(tzinfo=UTC))
    calendar.now = calendar.instant(now)
    return Clinic(MemoryWorld(engine, zone, profile), calendar)


def clinic_with_store(
    store: Store, zone: str = "Europe/London", profile: str = "default", now: str = "2026-01-05 09:00"
) -> Clinic:
    """The same clinic on a real database."""
    calendar = Calendar(zone, datetime.min.replace(tzinfo=UTC))
    calendar.now = calendar.instant(now)
    return Clinic(StoreWorld(store, zone, profile), calendar)
