"""What comes back from a service after a referral has been sent: it arrived, it is dated, the patient went, a letter.

Each step is told by a person and moves nobody; what became of the patient is an outcome, which is a decision.
"""

from datetime import date
from typing import Any

from pathway.calendar import local_date, show_date
from pathway.episode import Referral
from pathway.facts import as_date
from pathway.journal import Refusal
from pathway.turn import Turn

# In the order in which they come; the day of an appointment may lie ahead.
STEPS = ("acknowledged", "dated", "attended", "letter")
MAY_LIE_AHEAD = ("dated",)


def referral_progress(turn: Turn) -> Refusal | None:
    """Keep a step of the loop with its day; told again, the later word counts."""
    service, step = str(turn.data.get("service") or ""), str(turn.data.get("step") or "")
    referral = turn.episode.open_referral(service)
    if step not in STEPS:
        because = f"{step!r} is no step of a referral; expected one of {', '.join(STEPS)}; nothing was saved"
        return Refusal("OUT_OF_RANGE", because)
    if referral is None:
        return Refusal("STATE", f"no referral to {service or 'that service'} is open; nothing was saved")
    if "sent" not in (referral.status, referral.held_from):
        return Refusal("STATE", f"the referral to {service} has not been sent, so nothing can come back")
    day = as_date(turn.data.get("date")) or turn.today
    refusal = _out_of_order(turn, referral, step, day)
    if refusal is None:
        was = _day(referral, step)
        changed = {**dict(referral.progress), step: day.isoformat()}
        progress = tuple((name, changed[name]) for name in STEPS if name in changed)
        turn.progress_referral(referral, progress)
        turn.note("referral_progress", service=service, n=referral.n, step=step, date=day, was=was)
    return refusal


def _day(referral: Referral, step: str) -> date | None:
    found = dict(referral.progress).get(step)
    return date.fromisoformat(found) if found else None


def _out_of_order(turn: Turn, referral: Referral, step: str, day: Any) -> Refusal | None:
    if not isinstance(day, date):
        return Refusal("OUT_OF_RANGE", f"{day!r} is not a date; nothing was saved")
    if day > turn.today and step not in MAY_LIE_AHEAD:
        return Refusal("FUTURE_DATE", f"{show_date(day)} lies in the future; nothing was saved")
    opened = local_date(referral.opened_at, turn.episode.zone)
    if day < opened:
        because = f"{step} on {show_date(day)} is before the referral of {show_date(opened)}; nothing was saved"
        return Refusal("DATE_ORDER", because)
    place = STEPS.index(step)
    for other, known in ((name, _day(referral, name)) for name in STEPS):
        late = known is not None and STEPS.index(other) < place and day < known
        early = known is not None and STEPS.index(other) > place and day > known
        if known is not None and (late or early):
            because = f"{step} on {show_date(day)} does not fit {other} on {show_date(known)}; nothing was saved"
            return Refusal("DATE_ORDER", because)
    return None
