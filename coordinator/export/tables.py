"""The three tables: the worklist, the cohort and the journals."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coordinator.export.columns import DAY, INSTANT, NEVER, NUMBER, TEXT, UNKNOWN, WHOLE, YES_NO, Table, Value, column
from coordinator.telling import Told
from pathway.calendar import add_months
from pathway.episode import Episode
from pathway.guideline import Guideline
from persistence.audit import JournalLine
from persistence.every_episode import Followed
from persistence.journal import dumps, step_document


@dataclass(frozen=True, slots=True)
class CohortRecord:
    """An episode with whose it is, and what the guideline says of where it is."""

    followed: Followed
    guideline: Guideline

    @property
    def episode(self) -> Episode:
        return self.followed.episode


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """A line of a journal and the same in words."""

    line: JournalLine
    told: tuple[Told, ...]


WORKLIST = Table(
    "worklist",
    "one open task of one patient, the most urgent first",
    (
        column("patient", TEXT, "the number by which this service knows the patient"),
        column("name", TEXT, "SURNAME, Given; Not known where no name is on record"),
        column("birth_date", DAY, "date of birth", UNKNOWN),
        column("episode", TEXT, "the identity of the episode: one index fracture of one patient"),
        column("n", WHOLE, "which episode of this patient, counted from 1"),
        column("level", TEXT, "the fractured vertebra, such as L1", UNKNOWN),
        column("state", TEXT, "where the episode is: a state of the guideline"),
        column("sub", TEXT, "where in that state", "the state has no parts, or the episode is in none of them"),
        column("code", TEXT, "the task, as the guideline names it"),
        column("title", TEXT, "the task in words"),
        column("role", TEXT, "whose work it is: coordinator or clinician"),
        column("due", DAY, "from when it is to be done, on the site's wall"),
        column("overdue_after", DAY, "the last day on which it is in time"),
        column("when", TEXT, "upcoming, due or overdue on the day of the file"),
        column("days_overdue", WHOLE, "days since its time was over; 0 while it is in time", unit="days"),
        column("red_flag", YES_NO, "whether it is red-flag work"),
        column("engineering", YES_NO, "whether its dates are an engineering choice [E], not in the sources"),
        column("owner", TEXT, "who looks after the patient", "nobody"),
        column("opened_at", INSTANT, "when the task was opened"),
        column("zone", TEXT, "the time zone of the site"),
        column("cites", TEXT, "the lines of the sources behind it, separated by spaces", "no source is cited",
               of=lambda item: " ".join(item.cites)),
    ),
)  # fmt: skip


def _latest(kind: str, name: str) -> Callable[[CohortRecord], Value]:
    return lambda record: record.episode.value(kind, name)


def _latest_day(kind: str, name: str) -> Callable[[CohortRecord], Value]:
    def day(record: CohortRecord) -> Value:
        found = record.episode.latest(kind, name)
        return found.effective if found else None

    return day


def _beside(kind: str, name: str, other: str) -> Callable[[CohortRecord], Value]:
    """A field of the same observation as another: a score without its site means nothing."""

    def value(record: CohortRecord) -> Value:
        found = record.episode.latest(kind, name)
        return found.data.get(other) if found else None

    return value


def _age(record: CohortRecord) -> Value:
    birth, onset = record.episode.birth_date, record.episode.onset
    if birth is None:
        return None
    years = onset.year - birth.year
    return years - (add_months(birth, 12 * years) > onset)


def _last_scan(record: CohortRecord) -> Value:
    scans = record.episode.cross_sectional()
    return scans[-1].effective if scans else None


def _tasks(record: CohortRecord) -> list[Any]:
    return [task for task in record.episode.tasks if task.status == "open"]


def _late(record: CohortRecord) -> Value:
    return sum(task.overdue_after < record.followed.today for task in _tasks(record))


def _next_due(record: CohortRecord) -> Value:
    return min((task.due for task in _tasks(record)), default=None)


def _referral(service: str) -> Callable[[CohortRecord], Value]:
    def status(record: CohortRecord) -> Value:
        found = [referral for referral in record.episode.referrals if referral.service == service]
        return found[-1].status if found else None

    return status


def _symptoms_day(record: CohortRecord) -> Value:
    return _latest_day("symptoms", "nrs")(record)


COHORT = Table(
    "cohort",
    "one episode: one index fracture of one patient, open or closed",
    (
        column("patient", TEXT, "the number by which this service knows the patient", of="followed.patient"),
        column("surname", TEXT, "family name", UNKNOWN, of="followed.surname"),
        column("given", TEXT, "given names", UNKNOWN, of="followed.given"),
        column("birth_date", DAY, "date of birth", UNKNOWN, of="episode.birth_date"),
        column("sex", TEXT, "F, M or other", UNKNOWN, of="episode.sex"),
        column("episode", TEXT, "the identity of the episode", of="episode.id"),
        column("n", WHOLE, "which episode of this patient, counted from 1", of="episode.n"),
        column("level", TEXT, "the fractured vertebra, such as L1", UNKNOWN, of="episode.level"),
        column("mechanism", TEXT, "atraumatic, low_energy, high_energy or unknown", of="episode.mechanism"),
        column("first_fracture", YES_NO, "whether it is the first fracture", UNKNOWN, of="episode.first_fracture"),
        column("fracture_date", DAY, "the day of the fracture", UNKNOWN, of="episode.fracture_date"),
        column("fracture_date_precision", TEXT, "how well that day is known: day, month or unknown",
               of="episode.precision"),
        column("onset", DAY, "the day from which the clocks count", of="episode.onset"),
        column("onset_source", TEXT, "where that day comes from: fracture_date, month_earliest or "
               "identification_fallback", of="episode.onset_source"),
        column("age_at_onset", WHOLE, "age on the day of onset", "date of birth not known", of=_age, unit="years"),
        column("identification_date", DAY, "the day on which the fracture was found", of="episode.identification"),
        column("care_start", DAY, "the day on which conservative care began", "it has not begun",
               of="episode.care_start"),
        column("state", TEXT, "where the episode is: a state of the guideline", of="episode.state"),
        column("sub", TEXT, "where in that state", "the state has no parts, or the episode is in none of them",
               of="episode.sub"),
        column("since", INSTANT, "when it came to that state", of="followed.since"),
        column("open", YES_NO, "whether it is followed; no means that it has ended",
               of=lambda r: not r.guideline.is_terminal(r.episode.state)),
        column("owner", TEXT, "who looks after the patient", "nobody", of="episode.owner"),
        column("open_tasks", WHOLE, "how much work is open", of=lambda r: len(_tasks(r)), unit="tasks"),
        column("overdue_tasks", WHOLE, "how much of it is overdue", of=_late, unit="tasks"),
        column("next_due", DAY, "the earliest due date of the open work", "no work is open", of=_next_due),
        column("open_red_flags", WHOLE, "red flags that no clinician has judged yet",
               of=lambda r: len(r.episode.open_flags()), unit="red flags"),
        column("malignancy", TEXT, "suspected, confirmed or excluded", "never suspected", of="episode.malignancy"),
        column("pain_nrs", NUMBER, "the newest pain score, 0 to 10", "no pain score on record",
               of=_latest("symptoms", "nrs"), unit="NRS"),
        column("pain_date", DAY, "the day of that score", "no pain score on record", of=_symptoms_day),
        column("t_score", NUMBER, "the newest T-score", "no T-score on record", of=_latest("dxa", "t_score"),
               unit="SD"),
        column("t_score_site", TEXT, "where it was measured; scores of different sites are not compared",
               "no T-score on record, or its site was not told", of=_beside("dxa", "t_score", "site")),
        column("t_score_date", DAY, "the day of that score", "no T-score on record", of=_latest_day("dxa", "t_score")),
        column("bmi", NUMBER, "the newest body mass index", "not on record", of=_latest("anthropometry", "bmi"),
               unit="kg/m2"),
        column("last_mri_or_ct", DAY, "the day of the newest MRI or CT", "none on record", of=_last_scan),
        column("augmentation_referral", TEXT, "the newest referral for augmentation: draft, proposed, sent, on_hold, "
               "completed, declined, withdrawn or cancelled", "there was none", of=_referral("augmentation")),
        column("surgical_referral", TEXT, "the newest referral to surgery, in the same words", "there was none",
               of=_referral("surgery")),
        column("procedure_date", DAY, "the day of the augmentation or operation", "none is on record",
               of="episode.procedure"),
        column("profile", TEXT, "the profile of the guideline", of="episode.profile"),
        column("guideline", TEXT, "the guideline and its version", of="episode.guideline"),
        column("zone", TEXT, "the time zone of the site", of="episode.zone"),
        column("registered_at", INSTANT, "when the episode was opened here", of="episode.opened_at"),
        column("journal_lines", WHOLE, "how long its journal is", of="episode.seq", unit="lines"),
    ),
)  # fmt: skip

NOT_REFUSED = "it was not refused"

JOURNAL = Table(
    "journal",
    "one line of a journal, the newest first",
    (
        column("recorded_at", INSTANT, "when it was recorded", of="line.entry.recorded_at"),
        column("occurred_at", INSTANT, "when it happened, as far as that was told", of="line.entry.occurred_at"),
        column("patient", TEXT, "the number under which it was recorded", of="line.patient"),
        column("episode", TEXT, "the identity of the episode; intake where there was none yet", of="line.episode"),
        column("seq", WHOLE, "which line of that journal, counted from 1", of="line.entry.seq"),
        column("kind", TEXT, "what was recorded: register, observe, decide, task, admin, correct, new_fracture; or "
               "what fell due: timer, reminder", of="line.entry.kind"),
        column("actor", TEXT, "the role: coordinator, clinician or system", of="line.entry.actor"),
        column("by", TEXT, "the person, or the place in a file", "no name was given", of="line.entry.step.by"),
        column("refused", TEXT, "the code of the refusal", NOT_REFUSED,
               of=lambda r: r.line.entry.refusal and r.line.entry.refusal.code),
        column("because", TEXT, "why it was refused", NOT_REFUSED,
               of=lambda r: r.line.entry.refusal and r.line.entry.refusal.because),
        column("what", TEXT, "what it caused, in words", "it changed nothing that is told in words",
               of=lambda r: "; ".join(one.what for one in r.told)),
        column("rules", TEXT, "the rules by which the patient moved, separated by spaces", "nobody moved",
               of=lambda r: " ".join(dict.fromkeys(one.rule for one in r.told if one.rule))),
        column("step", TEXT, "what was recorded, whole, as JSON", of=lambda r: dumps(step_document(r.line.entry.step))),
        column("effects", TEXT, "what it caused, whole, as JSON",
               of=lambda r: json.dumps(list(r.line.entry.effects), ensure_ascii=False)),
        column("previous_hash", TEXT, "the hash of the line before; zeros for the first", of="line.previous_hash"),
        column("hash", TEXT, "sha256 over this line and the hash before it", of="line.hash"),
    ),
)  # fmt: skip

TABLES = {table.name: table for table in (WORKLIST, COHORT, JOURNAL)}

__all__ = ["COHORT", "JOURNAL", "NEVER", "TABLES", "WORKLIST", "CohortRecord", "JournalRecord"]
