"""The lines of an episode's journal. Everything that happens is one; nothing is edited or deleted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

ROLES = ("coordinator", "clinician", "system")


@dataclass(frozen=True, slots=True)
class Step:
    """What somebody asks the engine to record: the same shape from a form, a file, a test or a timer.

    `event` is register, observe, decide, task, admin, correct or new_fracture; `kind` says which one.
    `event_id` is the sender's own identity of the message: the same id twice has no second effect.
    `by` is the person's name where one is known; `actor` is the role in which they act.
    """

    event: str
    kind: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    actor: str = "coordinator"
    by: str = ""
    event_id: str | None = None
    obs_id: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer when something may not happen: a code, a reason in words, and what is missing."""

    code: str
    because: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal line: an input or a firing, with everything that it caused.

    occurred_at is the clinical time, recorded_at when we learned it (both aware, UTC). `effects` are the
    audit events in the order in which they happened, each a plain mapping with an `event` name.
    """

    seq: int
    kind: str
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    step: Step
    effects: tuple[Mapping[str, Any], ...] = ()
    refusal: Refusal | None = None


_PLAIN = frozenset({str, int, float, bool})


def plain(value: Any) -> Any:
    """The value as JSON can hold it: dates as ISO text, tuples as lists, mappings copied."""
    kind = type(value)
    if value is None or kind in _PLAIN:
        return value
    # The two that come most; what only behaves like them is asked for below.
    if kind is dict:
        return {str(key): plain(item) for key, item in value.items()}
    if kind is list:
        return [plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    return value


def written(step: Step) -> Step:
    """The step as a line holds it. Said value by value: `replace` asks at every line anew what the fields are."""
    data = plain(step.data)
    return Step(step.event, step.kind, data, step.actor, step.by, step.event_id, step.obs_id, step.number)
