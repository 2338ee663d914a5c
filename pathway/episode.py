"""One fracture of one patient: everything the engine knows about it, as values.

An Episode is what the engine makes of its journal. The engine works on a copy and hands it back; the parts
inside (observations, timers, tasks, referrals) are frozen, so that a copy is shallow and cheap.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from functools import cache
from typing import Any

from pathway.calendar import local_date
from pathway.journal import plain

# A timer that has yet to speak.
WAITING = ("pending", "held")
OPEN_REFERRAL = ("draft", "proposed", "sent", "on_hold")
# How a task is closed that must be suspended again, not open, when the closure is taken back.
WHILE_SUSPENDED = "closed while suspended"


@dataclass(frozen=True, slots=True)
class Observation:
    """A measured fact with its own time. A retracted one stays, marked; a red flag in it stays open."""

    id: str
    kind: str
    data: Mapping[str, Any]
    effective: date
    recorded_at: datetime
    seq: int
    adjudicated: bool = False
    retracted: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """A red flag raised by an observation (or by the registration), open until a clinician has judged it."""

    code: str
    source: str
    raised_at: datetime
    adjudicated: bool = False


@dataclass(frozen=True, slots=True)
class Timer:
    """Due on a local date; pending, held, fired, cancelled or superseded. Unique by code and due date."""

    code: str
    due: date
    status: str = "pending"
    outcome: str | None = None
    why: str = ""
    fired_at: datetime | None = None

    @property
    def waiting(self) -> bool:
        return self.status in WAITING


@dataclass(frozen=True, slots=True)
class Task:
    """Work for a person: open, suspended or closed. Dates are local; a ladder counts elapsed hours.

    `reminded_on` is the last date of its reminder calendar that has been used up, `rung` the number of ladder
    steps; both make a reminder unique whatever the clock, the zone or the number of attempts.
    """

    code: str
    n: int
    opened_at: datetime
    due: date
    overdue_after: date
    repeat_days: int | None = None
    status: str = "open"
    reminded_on: date | None = None
    rung: int = 0
    closed_at: datetime | None = None
    closed_how: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Referral:
    service: str
    n: int
    status: str
    opened_at: datetime
    changed_at: datetime
    technique: str | None = None
    held_from: str | None = None
    # What has come back since it was sent: (step, ISO date), in the order of pathway.referral_loop.STEPS.
    progress: tuple[tuple[str, str], ...] = ()

    @property
    def open(self) -> bool:
        return self.status in OPEN_REFERRAL


@dataclass(frozen=True, slots=True)
class Contact:
    """A talk with the patient, or a try, by the journal line that tells of it."""

    seq: int
    outcome: str
    retracted: bool = False


@dataclass(frozen=True, slots=True)
class SetAside:
    """Open work that a person will look at again on a local day, by the journal line that says so."""

    code: str
    n: int
    until: date
    because: str
    seq: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a patient is, and how they got into an imaging review: enough to come back to."""

    state: str
    sub: str | None = None
    purposes: tuple[str, ...] = ()
    imaging_from: str | None = None
    imaging_since: int = 0


@dataclass(slots=True)
class Episode:
    id: str
    patient: str
    n: int
    zone: str
    profile: str
    guideline: str
    opened_at: datetime
    birth_date: date | None = None
    sex: str | None = None
    level: str | None = None
    mechanism: str = "unknown"
    first_fracture: bool | None = None
    fracture_date: date | None = None
    precision: str = "unknown"
    identification: date = date.min
    care_start: date | None = None
    onset: date = date.min
    onset_source: str = ""
    place: Place = Place("ACUTE_ASSESSMENT")
    former: Place | None = None
    malignancy: str | None = None
    procedure: date | None = None
    owner: str | None = None
    observations: list[Observation] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    referrals: list[Referral] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)
    satisfied: dict[str, str] = field(default_factory=dict)
    closed: dict[str, Any] | None = None
    event_ids: list[str] = field(default_factory=list)
    seq: int = 0

    @property
    def state(self) -> str:
        return self.place.state

    @property
    def sub(self) -> str | None:
        return self.place.sub

    @property
    def path(self) -> str:
        return f"{self.place.state}.{self.place.sub}" if self.place.sub else self.place.state

    def copy(self) -> "Episode":
        """An independent episode: lists are copied, what they hold is frozen."""
        twin = replace(self)
        for name in _LISTS:
            setattr(twin, name, list(getattr(self, name)))
        twin.satisfied = dict(self.satisfied)
        return twin

    def today(self, at: datetime) -> date:
        return local_date(at, self.zone)

    def facts(self, kind: str) -> Iterator[Observation]:
        """Observations of a kind that still stand, oldest first by clinical date, then as recorded."""
        standing = (o for o in self.observations if o.kind == kind and not o.retracted)
        return iter(sorted(standing, key=lambda o: (o.effective, o.seq)))

    def latest(self, kind: str, *names: str) -> Observation | None:
        """The newest standing observation of a kind that answers one of those fields (any, if none named)."""
        found = None
        for observation in self.facts(kind):
            if not names or any(name in observation.data for name in names):
                found = observation
        return found

    def value(self, kind: str, name: str) -> Any:
        """The newest known value of one field; None when it was never answered."""
        observation = self.latest(kind, name)
        return observation.data[name] if observation else None

    def cross_sectional(self) -> list[Observation]:
        """MRI and CT, oldest first by the day they were performed."""
        return [o for o in self.facts("imaging") if o.data.get("modality") in ("MRI", "CT")]

    def open_flags(self) -> list[Flag]:
        return [flag for flag in self.flags if not flag.adjudicated]

    def open_task(self, code: str) -> Task | None:
        return next((t for t in self.tasks if t.code == code and t.status != "closed"), None)

    def aside(self, task: Task) -> SetAside | None:
        """Until when that task was set aside; the day may have passed."""
        return next((a for a in self.set_aside if (a.code, a.n) == (task.code, task.n)), None)

    def open_referral(self, service: str) -> Referral | None:
        return next((r for r in self.referrals if r.service == service and r.open), None)

    def waiting_timer(self, code: str) -> Timer | None:
        return next((t for t in self.timers if t.code == code and t.waiting), None)

    def owed(self, code: str) -> Timer | None:
        """The fired timer of a milestone that nothing has satisfied yet and no newer date has replaced."""
        if code in self.satisfied or self.waiting_timer(code):
            return None
        fired = [t for t in self.timers if t.code == code and t.status == "fired"]
        return fired[-1] if fired else None

    def anchors(self) -> dict[str, Any]:
        return {
            "onset": self.onset,
            "onset_source": self.onset_source,
            "identification": self.identification,
            "care_start": self.care_start,
        }


def registered_as(name: str) -> tuple[str, int]:
    """The patient and the number under which the episode of that id was registered: its id says both, for ever.

    Its record may go on under another number since, where two records of one person were merged.
    """
    patient, _, n = name.rpartition("-")
    return patient, int(n)


_PARTS: dict[str, Any] = {
    "observations": Observation,
    "flags": Flag,
    "timers": Timer,
    "tasks": Task,
    "referrals": Referral,
    "contacts": Contact,
    "set_aside": SetAside,
}
_LISTS = (*_PARTS, "event_ids")
# Left out of a document while empty: documents that were written before they existed read the same.
_LATER = ("contacts", "set_aside")


def altered(part: Any, **changes: Any) -> Any:
    """The part with other values: dataclasses.replace, which asks each time anew what the fields are."""
    return part.__class__(**{name: getattr(part, name) for name in _names(part.__class__)} | changes)


def to_document(episode: Episode) -> dict[str, Any]:
    """The episode as JSON can hold it; from_document is its inverse."""
    document: dict[str, Any] = {}
    for name in _names(Episode):
        value = getattr(episode, name)
        if name in _LATER and not value:
            continue
        if name in _PARTS:
            document[name] = [_part_document(part) for part in value]
        elif isinstance(value, Place):
            document[name] = _part_document(value)
        else:
            document[name] = plain(value)
    return document


def _part_document(part: Any) -> dict[str, Any]:
    """Without what is empty. A referral of which nothing has come back reads as one of before anything could."""
    document: dict[str, Any] = {}
    for name in _names(part.__class__):
        value = getattr(part, name)
        if not (value is None or value == "" or (name == "progress" and not value)):
            document[name] = plain(value)
    return document


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(spec.name for spec in fields(kind))


def from_document(document: Mapping[str, Any]) -> Episode:
    values = dict(document)
    for name, part in _PARTS.items():
        rows = values.get(name, ()) if name in _LATER else values[name]
        values[name] = [_part(part, row) for row in rows]
    values["place"] = _part(Place, values["place"])
    values["former"] = _part(Place, values["former"]) if values["former"] else None
    for name in _DATES & values.keys():
        values[name] = date.fromisoformat(values[name]) if values[name] else None
    values["opened_at"] = datetime.fromisoformat(values["opened_at"])
    return Episode(**values)


def _part(part: type, row: Mapping[str, Any]) -> Any:
    return part(**{name: _TYPED[name](value) if name in _TYPED else value for name, value in row.items()})


def _with_dates(data: Mapping[str, Any]) -> dict[str, Any]:
    return {k: date.fromisoformat(v) if k in _DATA_DATES else v for k, v in data.items()}


_INSTANTS = frozenset({"recorded_at", "raised_at", "fired_at", "opened_at", "closed_at", "changed_at"})
_DATES = frozenset(
    {
        "effective",
        "due",
        "overdue_after",
        "reminded_on",
        "until",
        "birth_date",
        "fracture_date",
        "identification",
        "care_start",
        "onset",
        "procedure",
    }
)
_DATA_DATES = frozenset({"performed", "date", "start"})
# How a value of a part is read back from JSON, where it is not as it stands there.
_TYPED: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_INSTANTS, datetime.fromisoformat),
    **dict.fromkeys(_DATES, date.fromisoformat),
    "purposes": tuple,
    "progress": lambda rows: tuple((step, day) for step, day in rows),
    "data": _with_dates,
}
