"""What a message is called, what became of it, and what holds it back, each in words and with a symbol."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coordinator.web.showing import instant
from coordinator.web.text import _
from pathway.guideline import Guideline
from persistence.messages import OUTCOMES
from scheduler.letters import HEADINGS
from scheduler.patients import PATIENT
from scheduler.round import NOBODY
from scheduler.site import Site

SYMBOLS = {
    "waiting": "○",
    "sent": "→",
    "delivered": "✓",
    "suppressed": "–",
    "too_late": "▲",
    "failed": "✕",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`tone`: which of the tags of the sheet it wears; `says`: what it means for people."""

    id: str
    word: str
    symbol: str
    tone: str
    says: str


def outcomes() -> dict[str, Outcome]:
    """In the order in which a message may come to them."""
    found = {
        "waiting": (_("Waiting"), "now", _("Not told yet. The reason is asked again at the moment of sending.")),
        "sent": (_("Sent"), "later", _("Every channel has taken it over.")),
        "delivered": (_("Delivered"), "later", _("And the far end has said that it arrived.")),
        "suppressed": (_("Suppressed"), "later", _("It was no longer so, so nobody was told; nothing follows.")),
        "too_late": (_("Too late"), "overdue", _("Its use was over before it could go out: a person has the work.")),
        "failed": (_("Failed"), "overdue", _("Refused for good by everybody it was for: a person has the work.")),
    }
    return {id_: Outcome(id_, word, SYMBOLS[id_], tone, says) for id_, (word, tone, says) in found.items()}


assert set(SYMBOLS) == set(OUTCOMES)


def about(guideline: Guideline, kind: str, code: str) -> str:
    """What the message is about: the work, the milestone or the alert by its title."""
    rule = guideline.tasks.get(code) or guideline.timers.get(code)
    if rule is not None:
        return rule.title
    patients = {
        "patient-review": _("The patient may call: a review has come"),
        "patient-missed": _("The patient may call: a reassessment was missed"),
    }
    return patients.get(code) or HEADINGS.get(code) or code.replace("_", " ").capitalize()


def role_word(role: str) -> str:
    known = {
        "coordinator": _("Coordinators"),
        "clinician": _("Clinicians"),
        "lead": _("Leads"),
        PATIENT: _("The patient"),
    }
    return known.get(role, role)


def holds(row: Any, rule: Any, site: Site, now: datetime, *, channels: bool, staff: bool) -> str:
    """Why a waiting message has not gone out, and until when it waits; empty where nothing holds it."""
    if not channels:
        return _("No channel is set up.")
    if not staff:
        return _("Nobody is on the staff list, so there is nobody to tell.")
    opens = site.opens_at(now)
    if rule is not None and not rule.urgent and row.role != PATIENT and opens > now:
        said = _("Held until %(when)s: quiet hours, or a day on which the site rests.")
        return said % {"when": instant(opens, site.zone)}
    if row.because == NOBODY:
        return _("Nobody active has this role, and there is no lead either.")
    if row.try_at > now:
        when = instant(row.try_at, site.zone)
        reason = row.because or _("it is in hand at this moment")
        return _("Held until %(when)s: %(reason)s", when=when, reason=reason)
    return row.because or ""
