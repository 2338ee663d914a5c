"""The closed set of predicates that a transition rule may name.

Each answers yes, no or unknown, says why in words a coordinator may read, and names what is missing. Unknown
never counts as yes. The code is the refusal code when a person asked for the move.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from pathway import assessments
from pathway.calendar import add_months, show_date
from pathway.facts import as_date
from pathway.turn import Turn, offset_by

BONE_AND_SAFETY = ("K-OPRX", "K-BONEREF", "K-DXA", "K-CAVITD", "K-MALIG", "K-RF-REVIEW")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`holds` is True, False or None (unknown); `because` is a sentence without its full stop."""

    holds: bool | None
    because: str
    code: str = "STATE"
    missing: tuple[str, ...] = ()


Guard = Callable[[Turn], Verdict]


def neuro_examined(turn: Turn) -> Verdict:
    if assessments.neuro_status(turn.episode).complete:
        return Verdict(True, "a complete neurological examination is recorded")
    because = "no complete neurological examination is recorded"
    return Verdict(None, because, "NEURO_MISSING", ("neuro_exam",))


def neuro_clear(turn: Turn) -> Verdict:
    positive = assessments.neuro_status(turn.episode).positive
    if positive:
        found = ", ".join(positive).replace("_", " ")
        return Verdict(False, f"the latest examination found {found}", "RED_FLAG_ACTIVE")
    return Verdict(True, "the latest examination found no deficit")


def imaging_or_reason(turn: Turn) -> Verdict:
    if turn.episode.cross_sectional():
        return Verdict(True, "an MRI or CT is on file")
    if _reason(turn, "imaging_pending_reason"):
        return Verdict(True, "imaging is pending for a stated reason")
    if documented(turn):
        return Verdict(True, "care was already running; imaging is still asked for")
    because = "no MRI or CT is on file and no reason is given why it is pending"
    return Verdict(None, because, "IMAGING_MISSING", ("MRI or CT",))


def no_red_flag_open(turn: Turn) -> Verdict:
    flags = turn.episode.open_flags()
    if flags:
        named = ", ".join(sorted({flag.code for flag in flags}))
        return Verdict(False, f"a red flag is not yet judged by a clinician: {named}", "RED_FLAG_ACTIVE")
    return Verdict(True, "no red flag is open")


def malignancy_not_suspected(turn: Turn) -> Verdict:
    if turn.episode.malignancy == "suspected":
        return Verdict(False, "malignancy is suspected and not excluded", "MALIGNANCY_OPEN")
    return Verdict(True, "malignancy is not suspected")


def stability_accepted(turn: Turn) -> Verdict:
    found = assessments.stability(turn.episode, turn.profile)
    if found.value == "STABLE":
        return Verdict(True, "the fracture is stable by all five limits")
    against = ", ".join((*found.reasons, *(f"{name} not known" for name in found.missing)))
    if found.value == "INDETERMINATE" and turn.data.get("stability_confirmed") is True:
        return Verdict(True, f"the clinician confirmed stability although {against}")
    if found.value == "INDETERMINATE" and documented(turn):
        return Verdict(True, f"care was already running, although {against}; a clinician is asked to confirm")
    because = f"stability is {found.value.lower()} ({against}); a clinician must confirm it"
    return Verdict(False, because, "STABILITY_UNCONFIRMED", found.missing)


def documented(turn: Turn) -> bool:
    """Care that a service's own record says was running before the patient came here [E].

    Leaving such a patient in acute assessment would hold every milestone back; a clinician is asked to confirm
    stability instead (K-STABILITY). A missing examination or an open red flag still refuses.
    """
    return turn.data.get("documented") is True and turn.data.get("care_start") is not None


def care_start_in_order(turn: Turn) -> Verdict:
    start = as_date(turn.data.get("care_start"))
    if start is None:
        return Verdict(True, "care starts today")
    if not isinstance(start, date):
        return Verdict(False, f"care_start {start!r} is not a date", "OUT_OF_RANGE")
    return date_between(start, turn.episode.onset, turn.today, "care start")


def date_between(day: date, earliest: date, today: date, what: str) -> Verdict:
    if day > today:
        return Verdict(False, f"{what} {show_date(day)} lies in the future", "FUTURE_DATE")
    if day < earliest:
        because = f"{what} {show_date(day)} is before the fracture of {show_date(earliest)}"
        return Verdict(False, because, "DATE_ORDER")
    return Verdict(True, f"{what} is {show_date(day)}")


def symptoms_fresh(turn: Turn) -> Verdict:
    status = assessments.fresh_symptoms(turn.episode, turn.profile, turn.today)
    days = turn.profile["symptom_fresh_days"]
    if status is None:
        because = f"no symptom status of the last {days} days is recorded"
        return Verdict(None, because, "SYMPTOMS_STALE", ("symptoms",))
    return Verdict(True, f"symptoms were recorded for {show_date(status.effective)}")


def pain_resolved(turn: Turn) -> Verdict:
    found = assessments.symptom_class(turn.episode, turn.profile, turn.today)
    if found.value == "resolved":
        return Verdict(True, "the newest status says that pain has resolved")
    nrs = found.status.data.get("nrs") if found.status else None
    shown = "not known" if nrs is None else f"{nrs:g}/10"
    because = f"the newest status does not say resolved (pain {shown}, {found.value})"
    return Verdict(False, because, "CONTRADICTION")


def pain_not_resolved(turn: Turn) -> Verdict:
    if not pain_resolved(turn).holds:
        return Verdict(True, "the newest status does not say that pain has resolved")
    return Verdict(False, "the newest status says that pain has resolved", "CONTRADICTION")


def eight_weeks_settled(turn: Turn) -> Verdict:
    due = turn.episode.onset + timedelta(days=turn.profile["imaging8w_days"])
    if turn.today < due or "IMAGING_8W" in turn.episode.satisfied or _never_due(turn):
        return Verdict(True, "the eight-week imaging question is answered or not yet due")
    because = "eight-week imaging is owed: no MRI or CT late enough, pain is not mild, no waiver is given"
    return Verdict(False, because, "IMAGING_8W_DUE", ("MRI or CT",))


def _never_due(turn: Turn) -> bool:
    states = {timer.status for timer in turn.episode.timers if timer.code == "IMAGING_8W"}
    return not states & {"pending", "held", "fired"}


def eight_weeks_settled_by_review(turn: Turn) -> Verdict:
    # Before care has started the question waits: it is asked again when care begins.
    if turn.episode.owed("IMAGING_8W") is None or turn.episode.care_start is None:
        return Verdict(True, "eight-week imaging is not owed yet")
    return eight_weeks_settled(turn)


def eight_week_imaging_automatic(turn: Turn) -> Verdict:
    automatic = turn.profile["imaging8w"] == "auto"
    return Verdict(automatic, f"the profile says {turn.profile['imaging8w']} for eight-week imaging")


def pain_persists(turn: Turn) -> Verdict:
    found = assessments.symptom_class(turn.episode, turn.profile, turn.today)
    holds = None if found.value == "unknown" else found.value in ("persistent", "failing")
    return Verdict(holds, f"pain is classed {found.value.replace('_', ' ')}", missing=found.missing)


def care_failing(turn: Turn) -> Verdict:
    holds = assessments.care_failing(turn.episode, turn.profile, turn.today)
    found = assessments.symptom_class(turn.episode, turn.profile, turn.today)
    shown = found.value.replace("_", " ")
    return Verdict(holds, f"pain is classed {shown}", missing=found.missing if holds is None else ())


def imaging_current(turn: Turn) -> Verdict:
    if assessments.imaging_current(turn.episode, turn.profile, turn.today):
        return Verdict(True, "the newest MRI or CT is not more than three months old")
    because = "there is no MRI or CT of the last three months"
    return Verdict(False, because, "IMAGING_STALE", ("MRI or CT",))


def time_or_indication(turn: Turn) -> Verdict:
    early = assessments.early_indications(turn.episode, turn.profile)
    if early:
        return Verdict(True, f"early indication: {', '.join(early).replace('_', ' ')}")
    if _reason(turn, "override_reason"):
        return Verdict(True, "the clinician gave a reason to refer early")
    start = turn.episode.care_start
    if start is None:
        because = "conservative care has not started and no early indication is recorded"
        return Verdict(None, because, "TOO_EARLY", ("care_start",))
    earliest = offset_by(start, turn.profile["failure_after"])
    if turn.today >= earliest:
        return Verdict(True, f"conservative care has run since {show_date(start)}")
    because = f"conservative care must run until {show_date(earliest)} and no early indication is recorded"
    return Verdict(False, because, "TOO_EARLY")


def technique_allowed(turn: Turn) -> Verdict:
    if turn.profile["vertebroplasty"] == "blocked" and turn.data.get("technique") == "vertebroplasty":
        because = f"profile {turn.profile.id} does not allow vertebroplasty"
        return Verdict(False, because, "VERTEBROPLASTY_BLOCKED")
    return Verdict(True, "the technique is allowed")


def reason_given(turn: Turn) -> Verdict:
    if _reason(turn, "reason"):
        return Verdict(True, "a reason is given")
    return Verdict(False, "a reason in words is required", "REASON_REQUIRED", ("reason",))


def _reason(turn: Turn, name: str) -> bool:
    return bool(str(turn.data.get(name) or "").strip())


def imaging_since_entry(turn: Turn) -> Verdict:
    since = turn.episode.place.imaging_since
    if any(image.seq > since for image in turn.episode.facts("imaging")):
        return Verdict(True, "imaging has been recorded since the review began")
    if _reason(turn, "no_new_imaging_reason"):
        return Verdict(True, "a reason is given why there is no new imaging")
    because = "no imaging has been recorded since the review began and no reason is given"
    return Verdict(None, because, "IMAGING_MISSING", ("imaging",))


def red_flag_acknowledged(turn: Turn) -> Verdict:
    if turn.episode.sub == "sent":
        return Verdict(True, "the red flag was acknowledged")
    return Verdict(False, "a clinician must acknowledge the red flag first", "ACK_REQUIRED")


def procedure_date_in_order(turn: Turn) -> Verdict:
    day = as_date(turn.data.get("procedure_date"))
    if day is None:
        return Verdict(True, "the procedure was today")
    if not isinstance(day, date):
        return Verdict(False, f"procedure_date {day!r} is not a date", "OUT_OF_RANGE")
    return date_between(day, turn.episode.onset, turn.today, "procedure date")


def surgery_already_sent(turn: Turn) -> Verdict:
    referral = turn.episode.open_referral("surgery")
    sent = referral is not None and referral.status == "sent"
    return Verdict(sent, "a surgical referral is out" if sent else "no surgical referral is out")


def care_started(turn: Turn) -> Verdict:
    started = turn.episode.care_start is not None
    return Verdict(started, "care has started" if started else "care never started")


def twelve_months_or_reason(turn: Turn) -> Verdict:
    months = turn.profile["surveillance_months"][-1]
    earliest = add_months(turn.episode.onset, months)
    if turn.today >= earliest or _reason(turn, "override_reason"):
        return Verdict(True, "surveillance is complete or a reason is given")
    because = f"surveillance runs until {show_date(earliest)}, {months} months after the fracture"
    return Verdict(False, because, "TOO_EARLY")


def bone_tasks_closed_or_reason(turn: Turn) -> Verdict:
    still_open = [code for code in BONE_AND_SAFETY if turn.episode.open_task(code)]
    if not still_open or _reason(turn, "override_reason"):
        return Verdict(True, "bone-health and safety tasks are closed or a reason is given")
    return Verdict(False, f"tasks are still open: {', '.join(still_open)}", "OPEN_TASKS", tuple(still_open))


def handover_confirmed(turn: Turn) -> Verdict:
    if turn.episode.sub != "pending_ack" or turn.data.get("handover_confirmed") is True:
        return Verdict(True, "no red flag waits, or the handover is confirmed")
    because = "a red flag waits for a clinician; the handover must be confirmed first"
    return Verdict(False, because, "HANDOVER_REQUIRED")


GUARDS: dict[str, Guard] = {
    guard.__name__: guard
    for guard in (
        neuro_examined,
        neuro_clear,
        imaging_or_reason,
        no_red_flag_open,
        malignancy_not_suspected,
        stability_accepted,
        care_start_in_order,
        symptoms_fresh,
        pain_resolved,
        pain_not_resolved,
        eight_weeks_settled,
        eight_weeks_settled_by_review,
        eight_week_imaging_automatic,
        pain_persists,
        care_failing,
        imaging_current,
        time_or_indication,
        technique_allowed,
        reason_given,
        imaging_since_entry,
        red_flag_acknowledged,
        procedure_date_in_order,
        surgery_already_sent,
        care_started,
        twelve_months_or_reason,
        bone_tasks_closed_or_reason,
        handover_confirmed,
    )
}
