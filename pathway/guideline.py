"""The guideline as data: what may happen, with sources. Read from TOML, checked before anyone is enrolled."""

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pathway.errors import GuidelineFaulty, UnknownProfile

VCF = Path(__file__).parent / "guidelines" / "vcf"
ACTIVE = "ACTIVE"
FORMER = "@former"


@dataclass(frozen=True, slots=True)
class State:
    id: str
    title: str
    means: str
    phase: str
    rank: int
    terminal: bool = False
    mandated: bool = False
    worklist: str = ""
    tasks: tuple[str, ...] = ()
    subs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cites: tuple[str, ...] = ()

    def shown(self, sub: str | None) -> str:
        return f"{self.title} ({self.subs[sub]['title']})" if sub else self.title


@dataclass(frozen=True, slots=True)
class TransitionRule:
    id: str
    title: str
    trigger: str
    sources: tuple[str, ...]
    to: str
    guards: tuple[str, ...]
    actor: str
    actions: tuple[str, ...]
    cites: tuple[str, ...]
    engineering: bool = False


@dataclass(frozen=True, slots=True)
class TimerRule:
    code: str
    title: str
    anchor: str
    parameter: str
    rank: int
    milestone: bool
    purpose: str
    effects: Mapping[str, str]
    satisfied: str
    cites: tuple[str, ...]
    parameter_index: int | None = None
    overdue_days: int = 0
    overdue_parameter: str = ""
    lives_in: str = ""
    cancelled_by: tuple[str, ...] = ()
    engineering: bool = False


@dataclass(frozen=True, slots=True)
class TaskRule:
    code: str
    title: str
    role: str
    anchor: str
    opened: str
    closes: str
    closed_by: tuple[str, ...]
    cites: tuple[str, ...]
    due_days: int = 0
    due_parameter: str = ""
    overdue_days: int | None = None
    repeat_days: int | None = None
    elective_days: int | None = None
    elective_repeat_days: int | None = None
    ladder_parameter: str = ""
    person_role: str = "coordinator"
    bone: bool = False
    red_flag: bool = False
    engineering: bool = False


@dataclass(frozen=True, slots=True)
class ReminderRule:
    """How a kind of message is told. `useful_hours` after it fell due it is worth nothing to its recipient, and a
    person gets the work instead; None: as long as it is true. An urgent one heeds neither quiet hours nor caps;
    of the others the highest `rank` gives way first. `also_by_step`: further roles, the last for all later steps.
    """

    kind: str
    title: str
    rank: int
    useful_hours: int | None = None
    urgent: bool = False
    also_by_step: tuple[tuple[str, ...], ...] = ()
    engineering: bool = False

    def also(self, step: int) -> tuple[str, ...]:
        return self.also_by_step[min(step, len(self.also_by_step)) - 1] if self.also_by_step else ()


@dataclass(frozen=True, slots=True)
class RedFlagRule:
    code: str
    title: str
    parameter: str
    cites: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recommendation:
    id: str
    title: str
    text: str
    when: str
    predicate: str
    states: tuple[str, ...]
    cites: tuple[str, ...]
    safety_notes: tuple[str, ...] = ()
    engineering: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """One line of one guideline summary, in our own words."""

    id: str
    seed: str
    line: int
    says: str
    evidence: str
    citable: bool
    truncated: bool = False
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    value: Any
    unit: str = ""
    engineering: bool = False
    cites: tuple[str, ...] = ()
    note: str = ""
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Profile:
    """A versioned, immutable set of parameters. `sign_off` empty: no clinician has signed it off."""

    id: str
    version: str
    title: str
    parameters: Mapping[str, Parameter]
    sign_off: str = ""
    note: str = ""
    author: str = ""
    effective: date | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def overridden(self, overrides: Mapping[str, Any]) -> "Profile":
        """The same profile with some values replaced, under a name that shows it."""
        changed = {
            name: Parameter(name, _tuple(value), note="overridden") for name, value in flattened(overrides).items()
        }
        unknown = sorted(set(changed) - set(self.parameters))
        if unknown:
            raise UnknownProfile(f"{self.id} has no parameter {', '.join(unknown)}")
        return profile_of(self, {**self.parameters, **changed}, self._name_with(changed))

    def _name_with(self, changed: Mapping[str, Parameter]) -> str:
        return f"{self.id}+" + ",".join(f"{name}={changed[name].value}" for name in sorted(changed))


def profile_of(base: Profile, parameters: Mapping[str, Parameter], name: str) -> Profile:
    values = {key: parameter.value for key, parameter in parameters.items()}
    return Profile(
        name,
        base.version,
        base.title,
        parameters,
        base.sign_off,
        base.note,
        base.author,
        base.effective,
        values,
    )


@dataclass(frozen=True)
class Guideline:
    id: str
    version: str
    title: str
    disclaimer: str
    clinical_review: str
    scope_levels: tuple[str, ...]
    states: Mapping[str, State]
    transitions: tuple[TransitionRule, ...]
    timers: Mapping[str, TimerRule]
    tasks: Mapping[str, TaskRule]
    red_flags: Mapping[str, RedFlagRule]
    reminders: Mapping[str, ReminderRule]
    recommendations: Mapping[str, Recommendation]
    sources: Mapping[str, Source]
    outside: Mapping[str, Mapping[str, Any]]
    seeds: tuple[Mapping[str, Any], ...]
    conflicts: tuple[Mapping[str, Any], ...]
    profiles: Mapping[str, Profile]
    duplicates: tuple[str, ...] = ()

    @property
    def active_states(self) -> tuple[str, ...]:
        return tuple(state.id for state in self.states.values() if not state.terminal)

    def profile(self, name: str) -> Profile:
        if name not in self.profiles:
            raise UnknownProfile(f"{name!r}; known are {', '.join(self.profiles)}")
        return self.profiles[name]

    def is_terminal(self, state: str) -> bool:
        return self.states[state].terminal

    def expanded(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """State names with ACTIVE spelt out."""
        found: list[str] = []
        for name in names:
            found.extend(self.active_states if name == ACTIVE else [name])
        return tuple(found)

    def paths(self) -> tuple[str, ...]:
        """Every state and sub-state as the machine names it, such as SURGICAL_REFERRAL.sent."""
        return tuple(
            path for state in self.states.values() for path in (state.id, *(f"{state.id}.{sub}" for sub in state.subs))
        )


def flattened(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"rf": {"cord": x}} as {"rf.cord": x}; a duration such as {"months": 3} is a value."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and not set(value) <= {"months", "days"}:
            flat.update(flattened(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def read_guideline(folder: Path) -> Guideline:
    """The guideline as written, unchecked; raises GuidelineFaulty where the form itself is wrong."""
    try:
        return _read(folder)
    except (OSError, tomllib.TOMLDecodeError, TypeError, KeyError, ValueError) as error:
        raise GuidelineFaulty(f"{folder.name}: {type(error).__name__}: {error}") from error


def _read(folder: Path) -> Guideline:
    rules = _toml(folder / "pathway.toml")
    texts = _toml(folder / "sources.toml")
    advice = _toml(folder / "recommendations.toml")
    conflicts = _toml(folder / "conflicts.toml")
    head = rules["guideline"]
    return Guideline(
        id=head["id"],
        version=head["version"],
        title=head["title"],
        disclaimer=head["disclaimer"],
        clinical_review=head["clinical_review"],
        scope_levels=tuple(head["scope_levels"]),
        states=_by(_state(row) for row in rules["state"]),
        transitions=tuple(_transition(row) for row in rules["transition"]),
        timers=_by((TimerRule(**_tupled(row)) for row in rules["timer"]), "code"),
        tasks=_by((TaskRule(**_tupled(row)) for row in rules["task"]), "code"),
        red_flags=_by((RedFlagRule(**_tupled(row)) for row in rules["red_flag"]), "code"),
        reminders=_by((ReminderRule(**_tupled(row)) for row in rules["reminder"]), "kind"),
        recommendations=_by(Recommendation(**_tupled(row)) for row in advice["recommendation"]),
        sources=_by(Source(**_tupled(row)) for row in texts["source"]),
        outside=MappingProxyType({row["id"]: row for row in texts.get("outside", [])}),
        seeds=tuple(texts["seed"]),
        conflicts=tuple(conflicts["conflict"]),
        profiles=_profiles(folder / "profiles"),
        duplicates=_duplicates(rules, texts, advice, conflicts),
    )


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def _tupled(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _tuple(value) for key, value in row.items()}


def _by(rows: Any, key: str = "id") -> Mapping[str, Any]:
    return MappingProxyType({getattr(row, key): row for row in rows})


def _duplicates(*documents: Mapping[str, Any]) -> tuple[str, ...]:
    """Names that two entries of one kind share; the last one counts, so this must not pass unseen."""
    found = []
    for document in documents:
        for kind, rows in document.items():
            # Several transitions may carry one rule id: the same rule from different triggers.
            if isinstance(rows, list) and kind != "transition":
                names = Counter(row.get("id") or row.get("code") or row.get("kind") for row in rows)
                found += [f"{kind} {name} is defined twice" for name, count in names.items() if count > 1]
    return tuple(found)


def _state(row: dict[str, Any]) -> State:
    fields = _tupled(row)
    subs = {sub["id"]: sub for sub in fields.pop("sub", ())}
    return State(subs=MappingProxyType(subs), **fields)


def _transition(row: dict[str, Any]) -> TransitionRule:
    fields = _tupled(row)
    return TransitionRule(sources=fields.pop("from"), **fields)


def _profiles(folder: Path) -> Mapping[str, Profile]:
    documents = {path.stem: _toml(path) for path in sorted(folder.glob("*.toml"))}
    default = documents["default"]["parameter"]
    found = {}
    for name, document in documents.items():
        own = document.get("parameter", [])
        parameters = {row["name"]: Parameter(**_tupled(row)) for row in default}
        for row in own:
            # An override keeps the closed set of values that the default declares.
            choices = parameters[row["name"]].choices if row["name"] in parameters else ()
            parameters[row["name"]] = replace(Parameter(**_tupled(row)), choices=choices)
        head = document["profile"]
        bare = Profile(
            head["id"],
            head["version"],
            head["title"],
            {},
            head["sign_off"],
            head.get("note", ""),
            head["author"],
            head["effective"],
        )
        found[name] = profile_of(bare, parameters, head["id"])
    return MappingProxyType(found)
