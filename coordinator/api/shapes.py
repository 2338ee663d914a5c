"""What is answered, with what it means. Dates are local to the site (YYYY-MM-DD), instants carry an offset."""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field


def _eg(example: Any, description: str | None = None) -> Any:
    return Field(examples=[example], description=description)


PatientId = Annotated[str, _eg("9990000018", "The service's own identifier")]
EpisodeId = Annotated[str, _eg("9990000018-1", "Patient and number")]
State = Annotated[str, _eg("CONSERVATIVE_CARE")]
Sub = Annotated[str | None, _eg(None, "Sub-state, where the state has some")]
Cites = Annotated[list[str], _eg(["S1-31"], "Lines of the sources; /guideline/sources says what they say")]
Engineering = Annotated[bool, _eg(False, "[E]: an engineering choice, not in the sources; needs clinical sign-off")]
Day = Annotated[date, _eg("2026-03-16")]
Instant = Annotated[datetime, _eg("2026-03-16T07:30:00Z")]
Version = Annotated[int, _eg(12, "Number of the episode's last journal line; the ETag is this in quotes")]


class Standing(BaseModel):
    """Where an episode is."""

    episode: EpisodeId
    n: Annotated[int, _eg(1)]
    state: State
    sub: Sub
    title: Annotated[str, _eg("Conservative care", "The state in words")]
    owner: Annotated[str | None, _eg("B. Hughes", "Who looks after the patient")]


class PatientShape(BaseModel):
    patient: PatientId
    name: Annotated[str, _eg("SAMPLE, Ada")]
    surname: Annotated[str, _eg("Sample")]
    given: Annotated[str, _eg("Ada")]
    birth_date: Annotated[date | None, _eg("1945-06-01", "Null: not known")]
    sex: Annotated[str | None, _eg("F", "F, M, other; null: not known")]
    zone: Annotated[str, _eg("Europe/London")]
    episodes: list[Standing]


class EpisodeShape(BaseModel):
    episode: EpisodeId
    patient: PatientId
    n: Annotated[int, _eg(1)]
    state: State
    sub: Sub
    title: Annotated[str, _eg("Conservative care")]
    closed: Annotated[bool, _eg(False)]
    since: Annotated[datetime | None, _eg("2026-02-24T08:30:00Z", "When it came to this state")]
    level: Annotated[str | None, _eg("L1")]
    onset: Annotated[date, _eg("2026-02-21", "From where clocks count")]
    identification: Annotated[date, _eg("2026-02-24")]
    care_start: Annotated[date | None, _eg("2026-02-24", "Null: conservative care has not begun")]
    owner: Annotated[str | None, _eg("B. Hughes")]
    guideline: Annotated[str, _eg("vcf/1.0")]
    profile: Annotated[str, _eg("default")]
    version: Version


class Work(BaseModel):
    """An open task with its rule's words."""

    code: Annotated[str, _eg("K-DXA")]
    n: Annotated[int, _eg(1)]
    title: Annotated[str, _eg("Bone density (DXA)")]
    role: Annotated[str, _eg("coordinator")]
    due: Day
    overdue_after: Annotated[date, _eg("2026-03-30")]
    days_overdue: Annotated[int, _eg(0)]
    closes: Annotated[str, _eg("a DXA result is recorded", "What closes it")]
    cites: Cites
    engineering: Engineering


class Recommended(BaseModel):
    """A recommendation of the sources that is shown now."""

    id: Annotated[str, _eg("R-MRI-BASE")]
    title: Annotated[str, _eg("MRI of the level")]
    text: Annotated[str, _eg("MRI shows whether the fracture is fresh.")]
    because: Annotated[list[str], _eg(["no MRI is recorded"])]
    missing: Annotated[list[str], _eg(["whether MRI is contraindicated"], "What is not known")]
    cites: Cites
    engineering: Engineering


class TimerShape(BaseModel):
    code: Annotated[str, _eg("REASSESS")]
    due: Day
    status: Annotated[str, _eg("pending", "pending, held, fired, cancelled or superseded")]
    outcome: Annotated[str | None, _eg(None)]
    fired_at: Annotated[datetime | None, _eg(None)]


class ObservationShape(BaseModel):
    id: Annotated[str, _eg("9990000018-1:4")]
    kind: Annotated[str, _eg("symptoms")]
    data: Annotated[dict[str, Any], _eg({"nrs": 7})]
    effective: Day
    recorded_at: Instant
    retracted: Annotated[bool, _eg(False)]


class ReferralShape(BaseModel):
    service: Annotated[str, _eg("surgery")]
    n: Annotated[int, _eg(1)]
    status: Annotated[str, _eg("sent", "draft, proposed, sent, on_hold, or how it ended")]
    technique: Annotated[str | None, _eg(None)]
    opened_at: Instant
    changed_at: Instant


class FlagShape(BaseModel):
    code: Annotated[str, _eg("NEURO")]
    source: Annotated[str, _eg("9990000018-1:7", "The observation that raised it")]
    raised_at: Instant
    open: Annotated[bool, _eg(True, "False: a clinician has judged it")]


class EpisodeWhole(EpisodeShape):
    """Everything the engine knows of one episode. With as_of: as it was known then."""

    onset_source: Annotated[str, _eg("fracture_date", "fracture_date, month_earliest or identification_fallback")]
    mechanism: Annotated[str, _eg("low_energy")]
    first_fracture: Annotated[bool | None, _eg(True, "Null: not known")]
    malignancy: Annotated[str | None, _eg(None, "suspected, confirmed, excluded; null: nothing speaks of it")]
    work: list[Work]
    recommendations: list[Recommended]
    timers: list[TimerShape]
    referrals: list[ReferralShape]
    flags: list[FlagShape]
    observations: list[ObservationShape]
    disclaimer: Annotated[str, _eg("Supports coordinators; replaces no clinical judgement.")]


class EntryShape(BaseModel):
    """A line of the journal: an input or a firing, with everything that it caused."""

    episode: EpisodeId
    patient: PatientId
    seq: Annotated[int, _eg(4)]
    kind: Annotated[str, _eg("observe", "register, observe, decide, task, admin, correct, timer, reminder, …")]
    occurred_at: Annotated[datetime, _eg("2026-03-15T08:00:00Z", "When it was so")]
    recorded_at: Annotated[datetime, _eg("2026-03-16T07:30:00Z", "When it was learned")]
    actor: Annotated[str, _eg("coordinator", "coordinator, clinician or system")]
    step: Annotated[dict[str, Any], _eg({"event": "observe", "kind": "symptoms", "data": {"nrs": 7}})]
    effects: Annotated[list[dict[str, Any]], _eg([{"event": "observation", "kind": "symptoms"}])]
    refusal: Annotated[str | None, _eg(None, "The code of the refusal, where it was refused")]
    previous_hash: Annotated[str, _eg("0" * 64)]
    hash: Annotated[str, _eg("9f" * 32, "Over the line and the hash before it")]


class Line(BaseModel):
    """A line of the story of an episode, in words."""

    recorded_at: Instant
    occurred_at: Instant
    what: Annotated[str, _eg("Moved to Conservative care (rule TR-02)")]
    who: Annotated[str, _eg("Dr C. Demo")]
    mark: Annotated[str, _eg("transition", "What kind of line it is")]
    because: Annotated[list[str], _eg(["stability was confirmed"])]
    rule: Annotated[str, _eg("TR-02", "Empty where no rule moved anybody")]
    cites: Cites


class TaskShape(BaseModel):
    episode: EpisodeId
    patient: PatientId
    code: Annotated[str, _eg("K-DXA")]
    n: Annotated[int, _eg(1)]
    title: Annotated[str, _eg("Bone density (DXA)")]
    role: Annotated[str, _eg("coordinator")]
    status: Annotated[str, _eg("open", "open, suspended or closed")]
    red_flag: Annotated[bool, _eg(False)]
    due: Day
    overdue_after: Annotated[date, _eg("2026-03-30")]
    opened_at: Instant
    closed_at: Annotated[datetime | None, _eg(None)]
    closed_how: Annotated[str, _eg("", "done, data, declined, not_applicable, …")]


class WorkItemShape(BaseModel):
    """A row of the worklist: red flags first, then the most overdue."""

    patient: PatientId
    name: Annotated[str, _eg("SAMPLE, Ada")]
    birth_date: Annotated[date | None, _eg("1945-06-01")]
    episode: EpisodeId
    state: State
    sub: Sub
    level: Annotated[str | None, _eg("L1")]
    owner: Annotated[str | None, _eg("B. Hughes")]
    code: Annotated[str, _eg("K-REASSESS")]
    title: Annotated[str, _eg("Reassess the patient")]
    role: Annotated[str, _eg("clinician")]
    when: Annotated[str, _eg("overdue", "overdue, due or upcoming")]
    due: Day
    overdue_after: Annotated[date, _eg("2026-03-15")]
    days_overdue: Annotated[int, _eg(1)]
    red_flag: Annotated[bool, _eg(False)]
    cites: Cites
    engineering: Engineering


class ChoiceShape(BaseModel):
    """A decision that has a meaning where the episode stands. `possible` is false where it would be refused now."""

    event: Annotated[str, _eg("decide", "decide: POST …/decisions; admin: POST …/administration")]
    kind: Annotated[str, _eg("complete_reassessment")]
    outcome: Annotated[str, _eg("continue")]
    service: Annotated[str, _eg("")]
    title: Annotated[str, _eg("Continue conservative care")]
    leads_to: Annotated[str, _eg("Conservative care")]
    role: Annotated[str, _eg("clinician", "The least role that may decide this")]
    possible: Annotated[bool, _eg(True)]
    not_possible_because: Annotated[list[str], _eg([], "Why it would be refused now")]
    because: Annotated[list[str], _eg([], "Why it needs more than a reason")]
    missing: Annotated[list[str], _eg([], "What the record lacks")]
    required: Annotated[list[str], _eg(["reason"], "What must be sent with it")]
    fields: Annotated[list[str], _eg(["reason"], "What may be sent with it")]
    rules: Annotated[list[str], _eg(["TR-05"])]
    cites: Cites
    engineering: Engineering


class Firing(BaseModel):
    """Something that will fire if nobody does anything."""

    at: Instant
    patient: PatientId
    episode: EpisodeId
    owner: Annotated[str | None, _eg("B. Hughes")]
    code: Annotated[str, _eg("REASSESS")]
    reminders: Annotated[list[str], _eg(["milestone"])]
    moves_to: Annotated[str | None, _eg("REASSESSMENT", "The state it would move the patient to")]


class CensusShape(BaseModel):
    """The proof that nobody is lost: enrolled = active + held + closed, and nobody without owner or next date."""

    at: Instant
    enrolled: Annotated[int, _eg(80)]
    active: Annotated[int, _eg(60)]
    held: Annotated[int, _eg(4)]
    closed: Annotated[int, _eg(16)]
    unowned: Annotated[list[str], _eg([])]
    without_next_date: Annotated[list[str], _eg([])]
    unknown_state: Annotated[list[str], _eg([])]
    adds_up: Annotated[bool, _eg(True)]
    line: Annotated[str, _eg("80 enrolled = 60 active + 4 held + 16 closed; unowned 0; without next date 0")]


class MessageShape(BaseModel):
    """A row of the outbox: something that somebody must be told, with exactly one outcome."""

    key: Annotated[str, _eg("9990000018-1:REASSESS:2026-03-16")]
    kind: Annotated[str, _eg("milestone")]
    code: Annotated[str, _eg("REASSESS")]
    role: Annotated[str, _eg("coordinator", "Whom it tells: a role of staff, or patient")]
    patient: Annotated[str | None, _eg("9990000018", "Null: about the house itself")]
    episode: Annotated[str | None, _eg("9990000018-1")]
    due_at: Annotated[datetime | None, _eg("2026-03-16T07:30:00Z")]
    fired_at: Instant
    outcome: Annotated[str, _eg("waiting", "waiting, sent, delivered, suppressed, too_late or failed")]
    because: Annotated[str, _eg("", "Why it has that outcome")]
    attempts: Annotated[int, _eg(0)]
    settled_at: Annotated[datetime | None, _eg(None)]


class Happened(BaseModel):
    """One consequence, in words."""

    what: Annotated[str, _eg("Moved to Reassessment (rule TR-04)")]
    mark: Annotated[str, _eg("transition")]
    rule: Annotated[str, _eg("TR-04")]
    because: Annotated[list[str], _eg(["pain is worsening"])]
    cites: Cites


class Recorded(BaseModel):
    """What a write did. `duplicate`: the same message came before, and nothing changed."""

    saved: Annotated[bool, _eg(True)]
    duplicate: Annotated[bool, _eg(False)]
    episode: Annotated[str | None, _eg("9990000018-1")]
    version: Annotated[int | None, _eg(13, "For the next If-Match")]
    entries: Annotated[list[str], _eg(["/api/v1/episodes/9990000018-1/entries/13"], "The lines it made")]
    observation: Annotated[str | None, _eg("api:5f0c2a9d71e4:k-1", "The id by which an observation is taken back")]
    standings: list[Standing]
    happened: list[Happened]


class Foreseen(BaseModel):
    """What a write would do (`dry_run`). Nothing was saved, neither the step nor its refusal."""

    saved: Annotated[bool, _eg(False)]
    accepted: Annotated[bool, _eg(True)]
    code: Annotated[str | None, _eg(None, "The code of the refusal, where it would be refused")]
    because: Annotated[str | None, _eg(None, "Why it would be refused")]
    missing: Annotated[list[str], _eg([])]
    would_happen: list[Happened]


class Me(BaseModel):
    """Who calls: the colleague for whom the program acts, and the token it shows."""

    email: Annotated[str, _eg("b.hughes@example.org")]
    name: Annotated[str, _eg("B. Hughes")]
    role: Annotated[str, _eg("coordinator")]
    records_as: Annotated[str | None, _eg("coordinator", "Null: this role records nothing")]
    may: Annotated[list[str], _eg(["see patients"])]
    token: Annotated[str, _eg("5f0c2a9d71e4")]
    token_name: Annotated[str, _eg("ward board")]
    scopes: Annotated[list[str], _eg(["read", "record"])]
    expires_at: Instant


class ScenarioResult(BaseModel):
    """What became of a scenario: failures (none: it passed), and the world after each step."""

    id: Annotated[str, _eg("MY-001")]
    passed: Annotated[bool, _eg(True)]
    failures: Annotated[list[dict[str, Any]], _eg([])]
    trace: Annotated[list[dict[str, Any]], _eg([{"step": 1, "episodes": []}])]


class WebhookShape(BaseModel):
    id: Annotated[str, _eg("0a1b2c3d4e5f")]
    url: Annotated[str, _eg("https://interface.example.org/pathway")]
    events: Annotated[list[str], _eg(["transition"])]
    created_by: Annotated[str, _eg("lead@example.org")]
    created_at: Instant
    stopped_at: Annotated[datetime | None, _eg(None)]
    failures: Annotated[int, _eg(0, "Tries in a row that failed; 0: the last one came through")]
    next_try: Annotated[datetime | None, _eg(None, "Where the last try failed: not before then")]
    deliveries: Annotated[dict[str, int], _eg({"delivered": 12, "waiting": 1}, "How many have each outcome")]


class WebhookMade(WebhookShape):
    """A new webhook with its secret, which signs every call."""

    secret: Annotated[str, _eg("whsec_7Zk…", "Shown with this answer only")]


class DeliveryShape(BaseModel):
    id: Annotated[str, _eg("6e0f4f9a8f0b5b0f9a3c0b1d2e3f4a5b", "The Idempotency-Key of the call")]
    event: Annotated[str, _eg("transition")]
    episode: EpisodeId
    patient: PatientId
    version: Version
    happened_at: Instant
    outcome: Annotated[str, _eg("delivered", "waiting, delivered, failed or stopped")]
    because: Annotated[str, _eg("", "Why the last try failed")]
    attempts: Annotated[int, _eg(1)]
    settled_at: Annotated[datetime | None, _eg("2026-03-16T07:31:00Z")]


class Again(BaseModel):
    """A delivery that was given up is tried once more."""

    id: Annotated[str, _eg("6e0f4f9a8f0b5b0f9a3c0b1d2e3f4a5b")]
    outcome: Annotated[str, _eg("waiting")]


class ProblemKind(BaseModel):
    type: Annotated[str, _eg("/api/v1/problems#overtaken")]
    code: Annotated[str, _eg("overtaken")]
    status: Annotated[int, _eg(412)]
    title: Annotated[str, _eg("The record has changed since it was read")]
    remedy: Annotated[str, _eg("Read again, look at what was saved since.")]


class GuidelineShape(BaseModel):
    id: Annotated[str, _eg("vcf")]
    version: Annotated[str, _eg("1.0")]
    title: Annotated[str, _eg("Vertebral compression fracture")]
    disclaimer: Annotated[str, _eg("Supports coordinators; replaces no clinical judgement.")]
    clinical_review: Annotated[str, _eg("not reviewed")]
    scope_levels: Annotated[list[str], _eg(["L1", "L2"])]
    states: Annotated[list[dict[str, Any]], _eg([{"id": "CONSERVATIVE_CARE", "title": "Conservative care"}])]
    profiles: Annotated[list[dict[str, Any]], _eg([{"id": "default", "version": "1", "sign_off": ""}])]
    active_profile: Annotated[str, _eg("default", "The profile of new episodes here")]


class Rows(BaseModel):
    """Rows of the guideline as the engine holds them."""

    items: Annotated[list[dict[str, Any]], _eg([{"id": "TR-01", "cites": ["S1-31"]}])]


class Vocabulary(BaseModel):
    """What can be recorded: kinds of observation with their fields, decisions, administrative events."""

    observations: Annotated[
        dict[str, Any], _eg({"symptoms": {"nrs": {"expected": "a whole number from 0 to 10", "unit": ""}}})
    ]
    decisions: Annotated[list[str], _eg(["start_conservative"])]
    administration: Annotated[list[str], _eg(["contact"])]
    corrections: Annotated[list[str], _eg(["observation"])]
    levels: Annotated[list[str], _eg(["L1"])]
