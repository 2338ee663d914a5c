"""The tables. `entry` is the truth; every other table is what the engine makes of it, kept for questions in SQL.

`episode.document` is the whole aggregate, read back in one piece; timer, task and referral repeat parts of it as
rows, so that worklists and unique keys live in the database. `pathway verify` compares all three.
"""

from datetime import date, datetime

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from persistence.account_models import (  # noqa: F401 tables are asked for here, whatever file they stand in
    Account,
    AccountChange,
    Attempt,
    SignIn,
    Viewing,
)
from persistence.api_models import (  # noqa: F401 tables like the others
    IdempotentWrite,
    Token,
    WebhookDelivery,
    WebhookEndpoint,
)
from persistence.candidate_models import Candidate  # noqa: F401 a table like the others
from persistence.card_models import Card, CardFeedback  # noqa: F401 tables like the others
from persistence.columns import if_open, if_waiting, in_code_order, instant, long_text
from persistence.hl7_models import Hl7Message  # noqa: F401 a table like the others
from persistence.merge_models import MovedEpisode, RecordMerge  # noqa: F401 tables like the others
from persistence.reckoning_models import Reckoning  # noqa: F401 a table like the others


class Patient(SQLModel, table=True):
    """A person. `id` is the identifier that the service itself uses (hospital or NHS number).

    `name_key` is the shown name in the spelling by which people are searched and sorted. `merged_into`: the number
    under which this record goes on, where two records of one person were merged.
    """

    __tablename__ = "patient"
    __table_args__ = (
        Index("ix_patient_merged_into", "merged_into"),
        # Whole, as far as a search by name goes, and in the order of its page.
        Index("ix_patient_name", "name_key", "id", "merged_into"),
    )
    id: str = Field(primary_key=True)
    surname: str = Field(default="", index=True)
    given: str = ""
    name_key: str = Field(default="", sa_column=in_code_order())
    birth_date: date | None = Field(default=None, index=True)
    sex: str | None = None
    zone: str
    profile: str
    created_at: datetime = Field(sa_column=instant())
    merged_into: str | None = None


class Episode(SQLModel, table=True):
    """One index fracture: where it is and since when, when it next has something to do, and the whole aggregate."""

    __tablename__ = "episode"
    __table_args__ = (
        Index(
            "ix_episode_due",
            "next_wake_at",
            "id",
            sqlite_where=text("next_wake_at IS NOT NULL"),
            postgresql_where=text("next_wake_at IS NOT NULL"),
        ),
        # Whole, as far as lists and counts go: a row of this table is long, and most of it is the document.
        Index("ix_episode_state", "state", "sub", "since", "owner", "id", "held"),
        Index("ix_episode_owner", "owner", "id", "state", "sub"),
        Index("ix_episode_zone", "zone"),
    )
    id: str = Field(primary_key=True)
    patient_id: str = Field(foreign_key="patient.id", index=True)
    n: int
    state: str
    sub: str | None = None
    since: datetime = Field(sa_column=instant())
    level: str | None = None
    onset: date
    identification: date
    care_start: date | None = None
    zone: str
    guideline: str
    profile: str
    owner: str | None = None
    version: int
    next_wake_at: datetime | None = Field(default=None, sa_column=instant(null=True))
    held: bool = False
    last_hash: str
    document: str = Field(sa_column=long_text())
    updated_at: datetime = Field(sa_column=instant())
    failures: int = 0
    failed_because: str | None = None
    retry_at: datetime | None = Field(default=None, sa_column=instant(null=True))


class Entry(SQLModel, table=True):
    """One journal line. Append-only; each carries the hash of the line before it."""

    __tablename__ = "entry"
    __table_args__ = (
        Index("ux_entry_event", "patient_id", "event_id", unique=True),
        Index("ix_entry_recorded", "recorded_at", "episode_id", "seq"),
    )
    episode_id: str = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    patient_id: str = Field(index=True)
    kind: str
    occurred_at: datetime = Field(sa_column=instant())
    recorded_at: datetime = Field(sa_column=instant())
    actor: str
    event_id: str | None = None
    refusal: str | None = None
    step: str = Field(sa_column=long_text())
    effects: str = Field(sa_column=long_text())
    previous_hash: str
    hash: str


class Seal(SQLModel, table=True):
    """An episode whose journal was replayed and agreed with all that was made of it. `digest` is of every byte that was
    compared and of the program that compared it: while it is the same, a replay would find the same again."""

    __tablename__ = "seal"
    episode_id: str = Field(primary_key=True)
    digest: str
    agreed_at: datetime = Field(sa_column=instant())


class Timer(SQLModel, table=True):
    __tablename__ = "timer"
    __table_args__ = (if_waiting("ix_timer_ahead", "due", "code", "status", "episode_id"),)
    episode_id: str = Field(primary_key=True, foreign_key="episode.id")
    code: str = Field(primary_key=True)
    due: date = Field(primary_key=True)
    status: str
    outcome: str | None = None
    fired_at: datetime | None = Field(default=None, sa_column=instant(null=True))


class Task(SQLModel, table=True):
    """Work for a person. `rank` 0 is red-flag work, first on every list; 1 is everything else."""

    __tablename__ = "task"
    __table_args__ = (
        # Late work is listed by the end of its window, the rest by when it falls due: one index for each, whole.
        if_open("ix_task_late", "rank", "overdue_after", "due", "role", "episode_id", "code", "n", "status"),
        if_open("ix_task_ahead", "rank", "due", "overdue_after", "role", "episode_id", "code", "n", "status"),
        if_open("ix_task_of", "episode_id", "rank", "due", "overdue_after", "role", "code", "n", "status"),
    )
    episode_id: str = Field(primary_key=True, foreign_key="episode.id")
    code: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    role: str
    rank: int = 1
    status: str
    due: date
    overdue_after: date
    opened_at: datetime = Field(sa_column=instant())
    closed_at: datetime | None = Field(default=None, sa_column=instant(null=True))
    closed_how: str = ""
    why: str = ""


class Referral(SQLModel, table=True):
    __tablename__ = "referral"
    episode_id: str = Field(primary_key=True, foreign_key="episode.id")
    service: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    status: str
    technique: str | None = None
    opened_at: datetime = Field(sa_column=instant())
    changed_at: datetime = Field(sa_column=instant())


class Reminder(SQLModel, table=True):
    """The outbox: one row for everything that somebody must be told, with exactly one outcome.

    A row without episode is about the house itself: a census that does not add up, say. `role` is that of staff,
    or "patient"; then `channel` names the one way that the patient agreed to. `due_at` is when it fell due, which
    after an outage lies before `fired_at`.

    outcome: waiting; sent; delivered (the far end says so); suppressed (no longer true); too_late (its use is over:
    a person has the work); failed (refused for good: a person has the work). `key` makes a second one impossible.
    """

    __tablename__ = "reminder"
    __table_args__ = (
        Index("ix_reminder_waiting", "outcome", "try_at"),
        Index("ix_reminder_outcome", "outcome", "fired_at", "key"),
        Index("ix_reminder_fired", "fired_at", "key"),
        # Nothing is in it while it waits, so what falls due writes nothing here.
        Index(
            "ix_reminder_settled",
            "outcome",
            "settled_at",
            "key",
            sqlite_where=text("settled_at IS NOT NULL"),
            postgresql_where=text("settled_at IS NOT NULL"),
        ),
    )
    key: str = Field(primary_key=True)
    episode_id: str | None = Field(default=None, foreign_key="episode.id", index=True)
    patient_id: str | None = None
    kind: str
    code: str
    role: str
    task_n: int | None = None
    channel: str | None = None
    detail: str = Field(default="{}", sa_column=long_text())
    due_at: datetime | None = Field(default=None, sa_column=instant(null=True, index=True))
    fired_at: datetime = Field(sa_column=instant())
    outcome: str = "waiting"
    because: str = ""
    attempts: int = 0
    try_at: datetime = Field(sa_column=instant())
    settled_at: datetime | None = Field(default=None, sa_column=instant(null=True))


class Delivery(SQLModel, table=True):
    """One attempt to tell somebody, by one channel. `message_id` is what a later receipt names."""

    __tablename__ = "delivery"
    id: int | None = Field(default=None, primary_key=True)
    reminder_key: str = Field(foreign_key="reminder.key", index=True)
    channel: str
    recipient: str
    attempted_at: datetime = Field(sa_column=instant())
    ok: bool
    answer: str = ""
    message_id: str | None = Field(default=None, index=True)


class Alert(SQLModel, table=True):
    """An alert or a notice: something that must be seen at once, kept for the record."""

    __tablename__ = "alert"
    episode_id: str = Field(primary_key=True, foreign_key="episode.id")
    seq: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    kind: str
    code: str
    detail: str = Field(sa_column=long_text())
    raised_at: datetime = Field(sa_column=instant(index=True))


class User(SQLModel, table=True):
    """Staff who are told things: reminders go to everyone active in the role."""

    __tablename__ = "user"
    email: str = Field(primary_key=True)
    name: str
    role: str
    active: bool = True
    phone: str | None = None


class Cover(SQLModel, table=True):
    """Who stands in for whom, on which local days, both included."""

    __tablename__ = "cover"
    id: int | None = Field(default=None, primary_key=True)
    absent: str = Field(foreign_key="user.email", index=True)
    stand_in: str = Field(foreign_key="user.email")
    first_day: date
    last_day: date
    noted_at: datetime = Field(sa_column=instant())
    noted_by: str


class Consent(SQLModel, table=True):
    """A patient's own agreement to be written to by one channel, with its date and where it came from."""

    __tablename__ = "consent"
    id: int | None = Field(default=None, primary_key=True)
    patient_id: str = Field(foreign_key="patient.id", index=True)
    channel: str
    address: str
    given_on: date
    source: str
    noted_at: datetime = Field(sa_column=instant())
    noted_by: str
    withdrawn_on: date | None = None
    withdrawn_source: str = ""


class Approval(SQLModel, table=True):
    """A named clinician has approved exactly this wording of a template; another wording needs another."""

    __tablename__ = "approval"
    template: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    version: str
    approved_by: str
    approved_at: datetime = Field(sa_column=instant())


class Move(SQLModel, table=True):
    """A transition that happened, as the journal says, kept for counting. `moved_at` is when it was recorded."""

    __tablename__ = "move"
    __table_args__ = (Index("ix_move_rule", "moved_at", "rule"), Index("ix_move_to", "to_state", "episode_id"))
    episode_id: str = Field(primary_key=True, foreign_key="episode.id")
    seq: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    moved_at: datetime = Field(sa_column=instant())
    from_state: str | None = None
    from_sub: str | None = None
    to_state: str
    to_sub: str | None = None
    rule: str
    actor: str


class LookAgain(SQLModel, table=True):
    """Work that a person set aside until a local day, with the reason; it stays open and is counted all the while."""

    __tablename__ = "look_again"
    episode_id: str = Field(primary_key=True, foreign_key="episode.id")
    code: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    until: date
    because: str
    noted_by: str
    noted_at: datetime = Field(sa_column=instant())


class Contact(SQLModel, table=True):
    """A call or another contact that staff had with a patient, as the journal says."""

    __tablename__ = "contact"
    episode_id: str = Field(primary_key=True, foreign_key="episode.id")
    seq: int = Field(primary_key=True)
    patient_id: str = Field(index=True)
    outcome: str
    happened_at: datetime = Field(sa_column=instant(index=True))
    retracted: bool = False


class Breaker(SQLModel, table=True):
    """A channel that failed of late: until when no machine asks it."""

    __tablename__ = "breaker"
    channel: str = Field(primary_key=True)
    failures: int
    since: datetime = Field(sa_column=instant())
    open_until: datetime = Field(sa_column=instant())
    because: str = Field(sa_column=long_text())


class CalendarEntry(SQLModel, table=True):
    """What a calendar feed last said of one thing, so that a change raises its sequence number."""

    __tablename__ = "calendar_entry"
    uid: str = Field(primary_key=True)
    fingerprint: str
    sequence: int
    changed_at: datetime = Field(sa_column=instant())


class Concern(SQLModel, table=True):
    """Free text of an imported file that looks like a red flag or a death: for a person, never interpreted."""

    __tablename__ = "concern"
    id: str = Field(primary_key=True)
    patient_id: str = Field(index=True)
    looks_like: str
    place: str
    text: str = Field(sa_column=long_text())
    raised_at: datetime = Field(sa_column=instant())
    closed_at: datetime | None = Field(default=None, sa_column=instant(null=True))
    closed_by: str = ""
    closed_because: str = ""


class JobRun(SQLModel, table=True):
    """A job that happened. `slot` is what makes a daily job happen once, whoever asks."""

    __tablename__ = "job_run"
    job: str = Field(primary_key=True)
    slot: str = Field(primary_key=True)
    started_at: datetime = Field(sa_column=instant())
    finished_at: datetime | None = Field(default=None, sa_column=instant(null=True))
    report: str = Field(default="{}", sa_column=long_text())
