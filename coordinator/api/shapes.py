"""What is answered, with what it means. Dates are local to the site (YYYY-MM-DD), instants carry an offset."""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field


def example(value: Any, description: str | None = None) -> Any:
    return Field(examples=[value], description=description)


PatientId = Annotated[str, example("9990000018", "The service's own identifier")]
EpisodeId = Annotated[str, example("9990000018-1", "Patient and number")]
State = Annotated[str, example("CONSERVATIVE_CARE")]
Sub = Annotated[str | None, example(None, "Sub-state, where the state has some")]
Cites = Annotated[list[str], example(["S1-31"], "Lines of the sources; /guideline/sources says what they say")]
Engineering = Annotated[bool, example(False, "[E]: an engineering choice, not in the sources; needs clinical sign-off")]
Day = Annotated[date, example("2026-03-16")]
Instant = Annotated[datetime, example("2026-03-16T07:30:00Z")]
Version = Annotated[int, example(12, "Number of the episode's last journal line; the ETag is this in quotes")]


class Standing(BaseModel):
    """Where an episode is."""

    episode: EpisodeId
    n: Annotated[int, example(1)]
    state: State
    sub: Sub
    title: Annotated[str, example("Conservative care", "The state in words")]
    owner: Annotated[str | None, example("B. Hughes", "Who looks after the patient")]


class PatientShape(BaseModel):
    patient: PatientId
    name: Annotated[str, example("SAMPLE, Ada")]
    surname: Annotated[str, example("Sample")]
    given: Annotated[str, example("Ada")]
    birth_date: Annotated[date | None, example("1945-06-01", "Null: not known")]
    sex: Annotated[str | None, example("F", "F, M, other; null: not known")]
    zone: Annotated[str, example("Europe/London")]
    former_numbers: Annotated[list[str], example([], "Of records that were merged into this one; not told in lists")]
    episodes: list[Standing]


class EpisodeShape(BaseModel):
    episode: EpisodeId
    patient: PatientId
    n: Annotated[int, example(1)]
    state: State
    sub: Sub
    title: Annotated[str, example("Conservative care")]
    closed: Annotated[bool, example(False)]
    since: Annotated[datetime | None, example("2026-02-24T08:30:00Z", "When it came to this state")]
    level: Annotated[str | None, example("L1")]
    onset: Annotated[date, example("2026-02-21", "From where clocks count")]
    identification: Annotated[date, example("2026-02-24")]
    care_start: Annotated[date | None, example("2026-02-24", "Null: conservative care has not begun")]
    owner: Annotated[str | None, example("B. Hughes")]
    guideline: Annotated[str, example("vcf/1.0")]
    profile: Annotated[str, example("default")]
    version: Version


class Work(BaseModel):
    """An open task with its rule's words."""

    code: Annotated[str, example("K-DXA")]
    n: Annotated[int, example(1)]
    title: Annotated[str, example("Bone density (DXA)")]
    role: Annotated[str, example("coordinator")]
    due: Day
    overdue_after: Annotated[date, example("2026-03-30")]
    days_overdue: Annotated[int, example(0)]
    closes: Annotated[str, example("a DXA result is recorded", "What closes it")]
    cites: Cites
    engineering: Engineering


class Recommended(BaseModel):
    """A recommendation of the sources that is shown now."""

    id: Annotated[str, example("R-MRI-BASE")]
    title: Annotated[str, example("MRI of the level")]
    text: Annotated[str, example("MRI shows whether the fracture is fresh.")]
    because: Annotated[list[str], example(["no MRI is recorded"])]
    missing: Annotated[list[str], example(["whether MRI is contraindicated"], "What is not known")]
    cites: Cites
    engineering: Engineering


class TimerShape(BaseModel):
    code: Annotated[str, example("REASSESS")]
    due: Day
    status: Annotated[str, example("pending", "pending, held, fired, cancelled or superseded")]
    outcome: Annotated[str | None, example(None)]
    fired_at: Annotated[datetime | None, example(None)]


class ObservationShape(BaseModel):
    id: Annotated[str, example("9990000018-1:4")]
    kind: Annotated[str, example("symptoms")]
    data: Annotated[dict[str, Any], example({"nrs": 7})]
    effective: Day
    recorded_at: Instant
    retracted: Annotated[bool, example(False)]


class ReferralShape(BaseModel):
    service: Annotated[str, example("surgery")]
    n: Annotated[int, example(1)]
    status: Annotated[str, example("sent", "draft, proposed, sent, on_hold, or how it ended")]
    technique: Annotated[str | None, example(None)]
    opened_at: Instant
    changed_at: Instant


class FlagShape(BaseModel):
    code: Annotated[str, example("NEURO")]
    source: Annotated[str, example("9990000018-1:7", "The observation that raised it")]
    raised_at: Instant
    open: Annotated[bool, example(True, "False: a clinician has judged it")]


class EpisodeWhole(EpisodeShape):
    """Everything the engine knows of one episode. With as_of: as it was known then."""

    onset_source: Annotated[str, example("fracture_date", "fracture_date, month_earliest or identification_fallback")]
    mechanism: Annotated[str, example("low_energy")]
    first_fracture: Annotated[bool | None, example(True, "Null: not known")]
    malignancy: Annotated[str | None, example(None, "suspected, confirmed, excluded; null: nothing speaks of it")]
    work: list[Work]
    recommendations: list[Recommended]
    timers: list[TimerShape]
    referrals: list[ReferralShape]
    flags: list[FlagShape]
    observations: list[ObservationShape]
    disclaimer: Annotated[str, example("Supports coordinators; replaces no clinical judgement.")]


class EntryShape(BaseModel):
    """A line of the journal: an input or a firing, with everything that it caused."""

    episode: EpisodeId
    patient: PatientId
    seq: Annotated[int, example(4)]
    kind: Annotated[str, example("observe", "register, observe, decide, task, admin, correct, timer, reminder, …")]
    occurred_at: Annotated[datetime, example("2026-03-15T08:00:00Z", "When it was so")]
    recorded_at: Annotated[datetime, example("2026-03-16T07:30:00Z", "When it was learned")]
    actor: Annotated[str, example("coordinator", "coordinator, clinician or system")]
    step: Annotated[dict[str, Any], example({"event": "observe", "kind": "symptoms", "data": {"nrs": 7}})]
    effects: Annotated[list[dict[str, Any]], example([{"event": "observation", "kind": "symptoms"}])]
    refusal: Annotated[str | None, example(None, "The code of the refusal, where it was refused")]
    previous_hash: Annotated[str, example("0" * 64)]
    hash: Annotated[str, example("9f" * 32, "Over the line and the hash before it")]


class Line(BaseModel):
    """A line of the story of an episode, in words."""

    recorded_at: Instant
    occurred_at: Instant
    what: Annotated[str, example("Moved to Conservative care (rule TR-02)")]
    who: Annotated[str, example("Dr C. Demo")]
    mark: Annotated[str, example("transition", "What kind of line it is")]
    because: Annotated[list[str], example(["stability was confirmed"])]
    rule: Annotated[str, example("TR-02", "Empty where no rule moved anybody")]
    cites: Cites


class TaskShape(BaseModel):
    episode: EpisodeId
    patient: PatientId
    code: Annotated[str, example("K-DXA")]
    n: Annotated[int, example(1)]
    title: Annotated[str, example("Bone density (DXA)")]
    role: Annotated[str, example("coordinator")]
    status: Annotated[str, example("open", "open, suspended or closed")]
    red_flag: Annotated[bool, example(False)]
    due: Day
    overdue_after: Annotated[date, example("2026-03-30")]
    opened_at: Instant
    closed_at: Annotated[datetime | None, example(None)]
    closed_how: Annotated[str, example("", "done, data, declined, not_applicable, …")]


class WorkItemShape(BaseModel):
    """A row of the worklist: red flags first, then the most overdue."""

    patient: PatientId
    name: Annotated[str, example("SAMPLE, Ada")]
    birth_date: Annotated[date | None, example("1945-06-01")]
    episode: EpisodeId
    state: State
    sub: Sub
    level: Annotated[str | None, example("L1")]
    owner: Annotated[str | None, example("B. Hughes")]
    code: Annotated[str, example("K-REASSESS")]
    title: Annotated[str, example("Reassess the patient")]
    role: Annotated[str, example("clinician")]
    when: Annotated[str, example("overdue", "overdue, due or upcoming")]
    due: Day
    overdue_after: Annotated[date, example("2026-03-15")]
    days_overdue: Annotated[int, example(1)]
    red_flag: Annotated[bool, example(False)]
    cites: Cites
    engineering: Engineering


class ChoiceShape(BaseModel):
    """A decision that has a meaning where the episode stands. `possible` is false where it would be refused now."""

    event: Annotated[str, example("decide", "decide: POST …/decisions; admin: POST …/administration")]
    kind: Annotated[str, example("complete_reassessment")]
    outcome: Annotated[str, example("continue")]
    service: Annotated[str, example("")]
    title: Annotated[str, example("Continue conservative care")]
    leads_to: Annotated[str, example("Conservative care")]
    role: Annotated[str, example("clinician", "The least role that may decide this")]
    possible: Annotated[bool, example(True)]
    not_possible_because: Annotated[list[str], example([], "Why it would be refused now")]
    because: Annotated[list[str], example([], "Why it needs more than a reason")]
    missing: Annotated[list[str], example([], "What the record lacks")]
    required: Annotated[list[str], example(["reason"], "What must be sent with it")]
    fields: Annotated[list[str], example(["reason"], "What may be sent with it")]
    rules: Annotated[list[str], example(["TR-05"])]
    cites: Cites
    engineering: Engineering


class Firing(BaseModel):
    """Something that will fire if nobody does anything."""

    at: Instant
    patient: PatientId
    episode: EpisodeId
    owner: Annotated[str | None, example("B. Hughes")]
    code: Annotated[str, example("REASSESS")]
    reminders: Annotated[list[str], example(["milestone"])]
    moves_to: Annotated[str | None, example("REASSESSMENT", "The state it would move the patient to")]


class Happened(BaseModel):
    """One consequence, in words."""

    what: Annotated[str, example("Moved to Reassessment (rule TR-04)")]
    mark: Annotated[str, example("transition")]
    rule: Annotated[str, example("TR-04")]
    because: Annotated[list[str], example(["pain is worsening"])]
    cites: Cites


class Recorded(BaseModel):
    """What a write did. `duplicate`: the same message came before, and nothing changed."""

    saved: Annotated[bool, example(True)]
    duplicate: Annotated[bool, example(False)]
    episode: Annotated[str | None, example("9990000018-1")]
    version: Annotated[int | None, example(13, "For the next If-Match")]
    entries: Annotated[list[str], example(["/api/v1/episodes/9990000018-1/entries/13"], "The lines it made")]
    observation: Annotated[str | None, example("api:5f0c2a9d71e4:k-1", "The id by which an observation is taken back")]
    standings: list[Standing]
    happened: list[Happened]


class Foreseen(BaseModel):
    """What a write would do (`dry_run`). Nothing was saved, neither the step nor its refusal."""

    saved: Annotated[bool, example(False)]
    accepted: Annotated[bool, example(True)]
    code: Annotated[str | None, example(None, "The code of the refusal, where it would be refused")]
    because: Annotated[str | None, example(None, "Why it would be refused")]
    missing: Annotated[list[str], example([])]
    would_happen: list[Happened]
