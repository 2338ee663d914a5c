"""The loop of every referral: drafted, sent, acknowledged, dated, attended, letter back; and what is still silent."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from coordinator.web.text import _, counted
from pathway.calendar import local_date, show_date
from pathway.episode import Episode, Referral
from pathway.journal import Entry

PROGRESS = ("acknowledged", "dated", "attended", "letter")
DRAFTS = ("draft", "proposed")


@dataclass(frozen=True, slots=True)
class Step:
    """`on` is None while it has not come; `note` says more, such as who recorded it."""

    id: str
    what: str
    on: date | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Loop:
    service: str
    n: int
    status: str
    since: date
    technique: str
    open: bool
    steps: tuple[Step, ...]
    next_step: str
    silent: str


def step_words() -> dict[str, str]:
    return {
        "drafted": _("Drafted"),
        "sent": _("Sent"),
        "acknowledged": _("Acknowledged"),
        "dated": _("Appointment on"),
        "attended": _("Attended"),
        "letter": _("Letter back"),
        "outcome": _("Outcome"),
    }


def service_words() -> dict[str, str]:
    return {"surgery": _("Surgical referral"), "augmentation": _("Augmentation referral")}


def status_words() -> dict[str, str]:
    return {
        "draft": _("drafted, nothing sent"),
        "proposed": _("proposed, nothing sent"),
        "sent": _("sent"),
        "on_hold": _("on hold"),
        "completed": _("completed"),
        "declined": _("declined"),
        "withdrawn": _("withdrawn"),
        "cancelled": _("cancelled"),
    }


def loops(episode: Episode, entries: Sequence[Entry], today: date) -> list[Loop]:
    """Every referral of the episode, the open ones first, then the latest."""
    found = [_loop(episode, referral, entries, today) for referral in episode.referrals]
    return sorted(found, key=lambda loop: (not loop.open, -loop.since.toordinal(), loop.service))


def _loop(episode: Episode, referral: Referral, entries: Sequence[Entry], today: date) -> Loop:
    days = dict(_days(episode, referral, entries))
    words = step_words()
    steps = [Step(name, words[name], days.get(name)) for name in ("drafted", "sent", *PROGRESS)]
    if not referral.open:
        steps.append(Step("outcome", words["outcome"], days.get("outcome"), status_words()[referral.status]))
    if "drafted" not in days:
        steps = steps[1:]
    was_sent = "sent" in days and referral.open
    waiting = next((name for name in PROGRESS if name not in days), "") if was_sent else ""
    since = local_date(referral.changed_at, episode.zone)
    return Loop(
        referral.service,
        referral.n,
        referral.status,
        since,
        referral.technique or "",
        referral.open,
        tuple(steps),
        waiting,
        _silent(referral, days, waiting, today),
    )


def _days(episode: Episode, referral: Referral, entries: Sequence[Entry]) -> Iterator[tuple[str, date]]:
    """When each step came, the last mention counting; a referral that was sent at once was never a draft."""
    for entry in entries:
        for effect in entry.effects:
            if _same(effect, referral):
                yield from _told(effect, local_date(entry.recorded_at, episode.zone))


def _same(effect: Any, referral: Referral) -> bool:
    told = effect["event"] in ("referral", "referral_progress")
    return told and (effect["service"], effect["n"]) == (referral.service, referral.n)


def _told(effect: Any, on: date) -> Iterator[tuple[str, date]]:
    if effect["event"] == "referral_progress":
        yield effect["step"], date.fromisoformat(effect["date"])
    elif effect["status"] in DRAFTS:
        yield "drafted", on
    elif effect["status"] == "sent" and effect.get("was") != "on_hold":
        yield "sent", on
    elif effect["status"] not in ("sent", "on_hold"):
        yield "outcome", on


def _silent(referral: Referral, days: dict[str, date], waiting: str, today: date) -> str:
    """What has not come back, and for how long; empty where nothing is awaited."""
    if referral.status in DRAFTS:
        return _("Nothing has been sent: a clinician must act first.")
    if not referral.open:
        return ""
    if referral.status == "on_hold":
        return _("On hold since %(day)s: a clinician decides whether it goes on.", day=show_date(max(days.values())))
    if not waiting:
        return _("Everything has come back; record the outcome.")
    latest = max(days.values(), default=today)
    quiet = {
        "acknowledged": _("nobody has said that it arrived"),
        "dated": _("no appointment is known"),
        "attended": _("it is not known whether the patient attended"),
        "letter": _("no letter has come back"),
    }[waiting]
    if latest > today:
        return _("The appointment is on %(day)s.", day=show_date(latest))
    return counted(
        "Silent for %(num)s day: %(what)s.", "Silent for %(num)s days: %(what)s.", (today - latest).days, what=quiet
    )
