"""Scenario files: the schema, the walk through virtual time, and the checks.

A scenario runs against a World (the real store and scheduler, or memory); time stops at every moment at which
something falls due, so that a year passes in milliseconds and nothing is leapt over.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pathway.calendar import zone_named
from pathway.deciding import DECISION_KINDS
from pathway.episode import Episode
from pathway.errors import ScenarioFaulty, UnknownZone
from pathway.facts import FIELDS
from pathway.guideline import Guideline, Profile
from pathway.journal import Refusal, Step

RECORDED = ("register", "observe", "decide", "task", "admin", "correct", "new_fracture")
KINDS: dict[str, tuple[str, ...]] = {
    "observe": tuple(FIELDS),
    "decide": DECISION_KINDS,
    "admin": ("death", "death_correction", "withdraw", "transfer_out", "move_site", "assign", "concern"),
    "correct": ("fracture_date", "care_start", "identification_date", "observation"),
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ScenarioStep(_Strict):
    at: str
    event: Literal[
        "register",
        "observe",
        "decide",
        "task",
        "admin",
        "correct",
        "new_fracture",
        "advance",
        "engine_down",
        "engine_up",
    ]
    patient: str = "P1"
    episode: int | None = None
    actor: Literal["coordinator", "clinician", "system"] = "coordinator"
    kind: str = ""
    code: str | None = None
    how: str | None = None
    event_id: str | None = None
    obs_id: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class Expectation(BaseModel):
    """One check; which further keys it takes depends on `check`."""

    model_config = ConfigDict(extra="allow")
    at: str
    check: Literal[
        "state",
        "timer",
        "task",
        "reminder",
        "alert",
        "notice",
        "rejected",
        "not_rejected",
        "referral",
        "anchor",
        "episodes",
        "audit",
        "recommendation",
        "calc",
        "invariants",
    ]
    patient: str = "P1"
    episode: int | None = None

    def get(self, name: str, default: Any = None) -> Any:
        return (self.model_extra or {}).get(name, default)


class Scenario(_Strict):
    id: str
    title: str = ""
    profile: str = "default"
    timezone: str = "Europe/London"
    profile_overrides: dict[str, Any] = Field(default_factory=dict)
    sources: list[str] = Field(default_factory=list)
    rules: list[str] = Field(default_factory=list)
    tags: list[str] = Field(default_factory=list)
    gwt: dict[str, str] = Field(default_factory=dict)
    steps: list[ScenarioStep]
    expect: list[Expectation] = Field(default_factory=list)

    def instant(self, at: str) -> datetime:
        return instant(at, self.timezone)


def instant(at: str, zone: str) -> datetime:
    """UTC instant of a local wall time in `zone`, or of an ISO time that carries its own offset."""
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone_named(zone))
    return moment.astimezone(UTC)


# ---------------------------------------------------------------- reading


class _PlainLoader(yaml.SafeLoader):
    """YAML without its guesses: 08:00 stays text and 2026-01-05 does too."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _number_without_sixties(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    text = loader.construct_scalar(node)
    return text if ":" in text else loader.construct_yaml_int(node)


_PlainLoader.add_constructor("tag:yaml.org,2002:int", _number_without_sixties)


def read_scenarios(path: Path, guideline: Guideline) -> list[Scenario]:
    """Every scenario of a file, checked; raises ScenarioFaulty with each place and reason."""
    try:
        # The loader derives from SafeLoader: it builds plain values only.
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScenarioFaulty(f"{path}: {' '.join(str(error).split())}") from error
    rows = document.get("scenarios") if isinstance(document, dict) else document
    if not isinstance(rows, list):
        raise ScenarioFaulty(f"{path}: expected a list of scenarios under the key 'scenarios'")
    faults: list[str] = []
    found = [_scenario(row, number, guideline, faults) for number, row in enumerate(rows, 1)]
    if faults:
        raise ScenarioFaulty(*(f"{path.name}: {fault}" for fault in faults))
    return [scenario for scenario in found if scenario is not None]


def _scenario(row: Any, number: int, guideline: Guideline, faults: list[str]) -> Scenario | None:
    name = row.get("id", f"number {number}") if isinstance(row, dict) else f"number {number}"
    try:
        scenario = Scenario.model_validate(row)
    except ValidationError as error:
        for fault in error.errors():
            place = ".".join(str(part) for part in fault["loc"])
            faults.append(f"{name}, {place}: {fault['msg']} (found {fault['input']!r:.60})")
        return None
    faults.extend(f"{name}, {fault}" for fault in scenario_faults(scenario, guideline))
    return scenario


def scenario_faults(scenario: Scenario, guideline: Guideline) -> Iterator[str]:
    """What does not fit in a scenario whose form is right, a sentence each."""
    if scenario.profile not in guideline.profiles:
        yield f"profile: {scenario.profile!r} is not one of {', '.join(guideline.profiles)}"
    try:
        zone_named(scenario.timezone)
    except UnknownZone as error:
        yield f"timezone: {error}"
        return
    before: datetime | None = None
    for number, step in enumerate(scenario.steps, 1):
        moment = _moment(scenario, step.at)
        if moment is None:
            yield f"step {number}, at: {step.at!r} is not a time such as 2026-01-05T09:00"
        elif before is not None and moment < before:
            yield f"step {number}, at: {step.at} is before the step above it"
        before = moment or before
        if step.event in KINDS and step.kind not in KINDS[step.event]:
            yield f"step {number}, kind: {step.kind!r} is not one of {', '.join(KINDS[step.event])}"
    for number, expectation in enumerate(scenario.expect, 1):
        if _moment(scenario, expectation.at) is None:
            yield f"expectation {number}, at: {expectation.at!r} is not a time such as 2026-01-05T09:00"


def _moment(scenario: Scenario, at: str) -> datetime | None:
    try:
        return scenario.instant(at)
    except ValueError:
        return None


# ---------------------------------------------------------------- walking


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit event of a journal line: whose, when it was recorded, and what it says."""

    patient: str
    episode: int | None
    at: datetime
    event: Mapping[str, Any]


class World(Protocol):
    """Where scenarios happen."""

    def record(
        self, patient: str, step: Step, at: datetime, *, episode_n: int | None, catch_up: bool
    ) -> Refusal | None:
        """Record one step of one patient; the refusal, if it was refused."""

    def settle(self, at: datetime) -> None:
        """Fire everything that is due at or before that instant."""

    def next_wake(self) -> datetime | None:
        """The next instant at which anything is due."""

    def episodes(self, patient: str) -> Sequence[Episode]:
        """The patient's episodes, oldest first."""

    def patients(self) -> Sequence[str]:
        """Everyone known."""

    def audits(self) -> Sequence[Audit]:
        """Every audit event so far, in order."""


@dataclass
class Walk:
    """A scenario on its way through a world."""

    scenario: Scenario
    world: World
    guideline: Guideline
    profile: Profile
    up: bool = True
    rejections: dict[int, str | None] = field(default_factory=dict)

    def forward(self, until: datetime, *, inclusive: bool) -> None:
        """Let time pass to `until`, stopping at every moment at which something falls due."""
        while self.up and (wake := self.world.next_wake()) is not None:
            if wake > until or (wake == until and not inclusive):
                return
            self.world.settle(wake)

    def take(self, number: int, step: ScenarioStep) -> None:
        at = self.scenario.instant(step.at)
        self.forward(at, inclusive=False)
        self.rejections[number] = None
        if step.event == "engine_down":
            self.up = False
        elif step.event == "engine_up":
            self.up = True
            self.world.settle(at)
        elif step.event != "advance":
            refusal = self.world.record(
                step.patient, _as_step(step, number), at, episode_n=step.episode, catch_up=self.up
            )
            self.rejections[number] = refusal.code if refusal else None
        self.forward(at, inclusive=True)


def _as_step(step: ScenarioStep, number: int) -> Step:
    data = dict(step.data)
    if step.event == "task":
        data = {"code": step.code or step.kind, "how": step.how or "done", **data}
    return Step(
        step.event,
        step.kind or str(data.get("code", "")),
        data,
        step.actor,
        event_id=step.event_id,
        obs_id=step.obs_id,
        number=number,
    )


def trace(walk: Walk) -> Iterator[dict[str, Any]]:
    """The world after each step, as one object a step."""
    for number, step in enumerate(walk.scenario.steps, 1):
        walk.take(number, step)
        yield _picture(walk, number, walk.scenario.instant(step.at))


def _picture(walk: Walk, number: int, at: datetime) -> dict[str, Any]:
    audits = walk.world.audits()
    return {
        "scenario": walk.scenario.id,
        "step": number,
        "at": at.isoformat(),
        "rejected": walk.rejections[number],
        "episodes": [
            _episode_picture(episode) for patient in walk.world.patients() for episode in walk.world.episodes(patient)
        ],
        "reminders": sum(audit.event["event"] == "reminder" for audit in audits),
        "alerts": sum(audit.event["event"] == "alert" for audit in audits),
    }


def _episode_picture(episode: Episode) -> dict[str, Any]:
    anchors = {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in episode.anchors().items()
        if name != "onset_source"
    }
    return {
        "patient": episode.patient,
        "n": episode.n,
        "state": episode.state,
        "sub": episode.sub,
        "anchors": anchors,
        "timers": sorted([t.code, t.due.isoformat(), t.status] for t in episode.timers),
        "tasks": sorted([t.code, t.due.isoformat(), t.overdue_after.isoformat(), t.status] for t in episode.tasks),
        "referrals": sorted([r.service, r.status] for r in episode.referrals),
        "satisfied": sorted(episode.satisfied),
    }
