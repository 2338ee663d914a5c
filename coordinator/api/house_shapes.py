"""What is answered of the house itself: who calls, the census, the outbox, webhooks, the guideline."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel

from coordinator.api.shapes import EpisodeId, Instant, PatientId, Version, example


class CensusShape(BaseModel):
    """The proof that nobody is lost: enrolled = active + held + closed, and nobody without owner or next date."""

    at: Instant
    enrolled: Annotated[int, example(80)]
    active: Annotated[int, example(60)]
    held: Annotated[int, example(4)]
    closed: Annotated[int, example(16)]
    unowned: Annotated[list[str], example([])]
    without_next_date: Annotated[list[str], example([])]
    unknown_state: Annotated[list[str], example([])]
    adds_up: Annotated[bool, example(True)]
    line: Annotated[str, example("80 enrolled = 60 active + 4 held + 16 closed; unowned 0; without next date 0")]


class MessageShape(BaseModel):
    """A row of the outbox: something that somebody must be told, with exactly one outcome."""

    key: Annotated[str, example("9990000018-1:REASSESS:2026-03-16")]
    kind: Annotated[str, example("milestone")]
    code: Annotated[str, example("REASSESS")]
    role: Annotated[str, example("coordinator", "Whom it tells: a role of staff, or patient")]
    patient: Annotated[str | None, example("9990000018", "Null: about the house itself")]
    episode: Annotated[str | None, example("9990000018-1")]
    due_at: Annotated[datetime | None, example("2026-03-16T07:30:00Z")]
    fired_at: Instant
    outcome: Annotated[str, example("waiting", "waiting, sent, delivered, suppressed, too_late or failed")]
    because: Annotated[str, example("", "Why it has that outcome")]
    attempts: Annotated[int, example(0)]
    settled_at: Annotated[datetime | None, example(None)]


class Me(BaseModel):
    """Who calls: the colleague for whom the program acts, and the token it shows."""

    email: Annotated[str, example("b.hughes@example.org")]
    name: Annotated[str, example("B. Hughes")]
    role: Annotated[str, example("coordinator")]
    records_as: Annotated[str | None, example("coordinator", "Null: this role records nothing")]
    may: Annotated[list[str], example(["see patients"])]
    token: Annotated[str, example("5f0c2a9d71e4")]
    token_name: Annotated[str, example("ward board")]
    scopes: Annotated[list[str], example(["read", "record"])]
    expires_at: Instant


class ScenarioResult(BaseModel):
    """What became of a scenario: failures (none: it passed), and the world after each step."""

    id: Annotated[str, example("MY-001")]
    passed: Annotated[bool, example(True)]
    failures: Annotated[list[dict[str, Any]], example([])]
    trace: Annotated[list[dict[str, Any]], example([{"step": 1, "episodes": []}])]


class WebhookShape(BaseModel):
    id: Annotated[str, example("0a1b2c3d4e5f")]
    url: Annotated[str, example("https://interface.example.org/pathway")]
    events: Annotated[list[str], example(["transition"])]
    created_by: Annotated[str, example("lead@example.org")]
    created_at: Instant
    stopped_at: Annotated[datetime | None, example(None)]
    failures: Annotated[int, example(0, "Tries in a row that failed; 0: the last one came through")]
    next_try: Annotated[datetime | None, example(None, "Where the last try failed: not before then")]
    deliveries: Annotated[dict[str, int], example({"delivered": 12, "waiting": 1}, "How many have each outcome")]


class WebhookMade(WebhookShape):
    """A new webhook with its secret, which signs every call."""

    secret: Annotated[str, example("whsec_7Zk…", "Shown with this answer only")]


class DeliveryShape(BaseModel):
    id: Annotated[str, example("6e0f4f9a8f0b5b0f9a3c0b1d2e3f4a5b", "The Idempotency-Key of the call")]
    event: Annotated[str, example("transition")]
    episode: EpisodeId
    patient: PatientId
    version: Version
    happened_at: Instant
    outcome: Annotated[str, example("delivered", "waiting, delivered, failed or stopped")]
    because: Annotated[str, example("", "Why the last try failed")]
    attempts: Annotated[int, example(1)]
    settled_at: Annotated[datetime | None, example("2026-03-16T07:31:00Z")]


class Again(BaseModel):
    """A delivery that was given up is tried once more."""

    id: Annotated[str, example("6e0f4f9a8f0b5b0f9a3c0b1d2e3f4a5b")]
    outcome: Annotated[str, example("waiting")]


class ProblemKind(BaseModel):
    type: Annotated[str, example("/api/v1/problems#overtaken")]
    code: Annotated[str, example("overtaken")]
    status: Annotated[int, example(412)]
    title: Annotated[str, example("The record has changed since it was read")]
    remedy: Annotated[str, example("Read again, look at what was saved since.")]


class GuidelineShape(BaseModel):
    id: Annotated[str, example("vcf")]
    version: Annotated[str, example("1.0")]
    title: Annotated[str, example("Vertebral compression fracture")]
    disclaimer: Annotated[str, example("Supports coordinators; replaces no clinical judgement.")]
    clinical_review: Annotated[str, example("not reviewed")]
    scope_levels: Annotated[list[str], example(["L1", "L2"])]
    states: Annotated[list[dict[str, Any]], example([{"id": "CONSERVATIVE_CARE", "title": "Conservative care"}])]
    profiles: Annotated[list[dict[str, Any]], example([{"id": "default", "version": "1", "sign_off": ""}])]
    active_profile: Annotated[str, example("default", "The profile of new episodes here")]


class Rows(BaseModel):
    """Rows of the guideline as the engine holds them."""

    items: Annotated[list[dict[str, Any]], example([{"id": "TR-01", "cites": ["S1-31"]}])]


class Vocabulary(BaseModel):
    """What can be recorded: kinds of observation with their fields, decisions, administrative events."""

    observations: Annotated[
        dict[str, Any], example({"symptoms": {"nrs": {"expected": "a whole number from 0 to 10", "unit": ""}}})
    ]
    decisions: Annotated[list[str], example(["start_conservative"])]
    administration: Annotated[list[str], example(["contact"])]
    corrections: Annotated[list[str], example(["observation"])]
    levels: Annotated[list[str], example(["L1"])]
