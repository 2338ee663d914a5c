"""What a write brings, as the caller writes it. The clinical rules are the engine's; here only the form is checked."""

import math
import re
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, model_validator

from pathway.deciding import CONTACT_OUTCOMES, DECISION_KINDS, HOWS
from pathway.facts import FIELDS, LEVELS, MECHANISMS
from pathway.registering import PRECISIONS
from pathway.scenario import Expectation, ScenarioStep

DEEPEST, LONGEST_TEXT = 20, 4000
CORRECTED = ("fracture_date", "identification_date", "care_start", "observation", "task", "contact")
ADMINISTRATIVE = (
    "contact",
    "assign",
    "look_again",
    "referral_progress",
    "concern",
    "death",
    "death_correction",
    "withdraw",
    "transfer_out",
    "move_site",
)


def _word(choices: Any, example: str) -> Any:
    """Text of which the engine knows these words; it refuses the others itself, and the journal keeps that."""
    return Field(max_length=80, json_schema_extra={"enum": list(choices), "examples": [example]})


Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Name = Annotated[str, Field(max_length=200)]
Number = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=64,
        description="The service's own identifier, such as the NHS number",
        examples=["9990000018"],
    ),
]
Level = Annotated[str, _word(LEVELS, "L1")]


def _written_day(value: Any) -> Any:
    """A number is no date: 0 would be read as a day of the year 1970."""
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) or not isinstance(value, str | date):
        raise ValueError("expected a date such as 2026-03-16")
    return value


Day = Annotated[date, BeforeValidator(_written_day)]


def sound(value: Any, depth: int = 0) -> Any:
    """The value, if a database can hold all of it; raises ValueError, which says what it cannot."""
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} deep")
    if isinstance(value, str):
        if "\x00" in value or any(0xD800 <= ord(c) <= 0xDFFF for c in value):
            raise ValueError("text holds a sign that cannot be kept (NUL, or half of a pair)")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is infinite or none at all")
    elif isinstance(value, int):
        if abs(value) >= 2**63:
            raise ValueError("a whole number is larger than anything that is measured")
    elif isinstance(value, dict):
        for name, item in value.items():
            sound(name, depth + 1)
            sound(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            sound(item, depth + 1)
    return value


class Asked(BaseModel):
    """A body. An unknown name is refused, so that nobody believes that it was saved."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _sound(cls, value: Any) -> Any:
        return sound(value)


class _Write(Asked):
    event_id: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="The sender's own id of this message: the same one again, under whatever key, has no second effect",
        examples=["lab-2026-000417"],
    )


class Fracture(_Write):
    """A fracture. What is left out is not known; no date is ever made up."""

    level: Level = Field(description="Fractured level; the pathway is for L1 and L2")
    fracture_date: Day | None = Field(default=None, examples=["2026-03-02"])
    fracture_date_precision: Annotated[str, _word(PRECISIONS, "day")] | None = Field(
        default=None, description="How well the date is known; without a date: unknown"
    )
    identification_date: Day | None = Field(
        default=None, description="When it was found; today where it is not said", examples=["2026-03-05"]
    )
    mechanism: Annotated[str, _word(MECHANISMS, "low_energy")] | None = None
    first_fracture: StrictBool | None = Field(default=None, examples=[True])
    owner: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Who looks after the patient; the caller's colleague if it is not said"
    )
    scope_override: StrictBool | None = Field(
        default=None, description="A clinician takes in a level outside the pathway"
    )


class Registration(Fracture):
    """A new patient with the first fracture that is followed."""

    patient: Number
    surname: Name = Field(default="", examples=["Sample"])
    given: Name = Field(default="", examples=["Ada"])
    birth_date: Day | None = Field(default=None, examples=["1945-06-01"])
    sex: Annotated[str, Field(pattern="^(F|M|other)$")] | None = Field(default=None, examples=["F"])


class Observation(_Write):
    """A measured fact. Which fields each kind has, with their units, stands in docs/api.md and in /vocabulary."""

    kind: Annotated[str, _word(FIELDS, "symptoms")]
    data: dict[str, Any] = Field(
        min_length=1, description="The fields of that kind; dates as YYYY-MM-DD", examples=[{"nrs": 7}]
    )
    effective: Day | None = Field(
        default=None, description="The day on which it was true; today where it is not said", examples=["2026-03-16"]
    )


class Decision(_Write):
    """A clinician's or coordinator's choice. /episodes/{episode}/choices names those that are possible now."""

    kind: Annotated[str, _word(DECISION_KINDS, "complete_reassessment")]
    outcome: Text | None = Field(default=None, examples=["continue"])
    service: Text | None = Field(default=None, description="Of a referral_outcome: augmentation or surgery")
    reason: Text | None = Field(default=None, examples=["pain is improving"])
    data: dict[str, Any] = Field(default={}, description="What the choice names as required beside the reason")


class Closing(_Write):
    """Work that a person closes by hand, where the guideline allows it."""

    how: Annotated[str, _word(HOWS, "done")] = "done"
    reason: Text | None = Field(default=None, examples=["seen by the dietitian"])


class Correction(_Write):
    """Something that was recorded is put right or taken back; nothing is erased."""

    what: Annotated[str, _word(CORRECTED, "observation")]
    value: Day | None = Field(default=None, description="The right date, where a date is corrected")
    precision: Annotated[str, _word(PRECISIONS, "day")] | None = Field(default=None, description="Of a fracture date")
    obs_id: Text | None = Field(default=None, description="The observation that is taken back")
    code: Text | None = Field(default=None, description="The task that is opened again")
    seq: Annotated[StrictInt, Field(ge=0, lt=2**31)] | None = Field(
        default=None, description="The journal line of the contact that is taken back"
    )
    reason: Text | None = Field(default=None, examples=["of another patient"])


class Administration(_Write):
    """A contact, a new owner, work to be looked at again, a death, a withdrawal, a transfer, a move to another site."""

    kind: Annotated[str, _word(ADMINISTRATIVE, "contact")]
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = Field(
        default=None, description="The day on which it happened", examples=["2026-03-16"]
    )
    reason: Text | None = None
    data: dict[str, Any] = Field(
        default={},
        description=f"What the kind needs: outcome of a contact ({', '.join(CONTACT_OUTCOMES)}); owner; code and until",
        examples=[{"outcome": "reached"}],
    )


class ScenarioAsked(Asked):
    """A story with a calendar, as docs/scenarios.md describes it. It runs in memory and touches no patient."""

    id: Annotated[str, Field(max_length=80)] = Field(examples=["MY-001"])
    title: Name = ""
    profile: Name = "default"
    timezone: Name = "Europe/London"
    profile_overrides: dict[str, Any] = {}
    steps: Annotated[list[ScenarioStep], Field(min_length=1, max_length=60)]
    expect: Annotated[list[Expectation], Field(max_length=60)] = []


class WebhookAsked(Asked):
    """An address that is to be called for each state change."""

    url: Annotated[str, Field(max_length=2000)] = Field(
        description="https, or http on this machine itself; no user name, no fragment",
        examples=["https://interface.example.org/pathway"],
    )
    events: Annotated[
        list[Annotated[str, _word(("transition",), "transition")]], Field(min_length=1, max_length=10)
    ] = ["transition"]
