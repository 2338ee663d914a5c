"""Cards of what to do next: one for each piece of work that is due, most urgent first, and one of the advice.

Every card names its rule and its sources; an engineering choice says in words that no source contains it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid5

from coordinator.fhir.out.names import OURS, system
from coordinator.patient import EpisodePage, PatientPage, Work
from pathway.advice import Advice
from pathway.calendar import show_date
from pathway.guideline import Guideline

LABEL = "Clinical pathway engine"
CHOICE = "This is an engineering choice that no source contains; it needs clinical sign-off before it is relied on."
LONGEST = 139
# More than these at once are read by nobody; the last one says how many there are.
MOST = 5


@dataclass(frozen=True, slots=True)
class Shown:
    """A card as the other system gets it, and as it is kept here."""

    card: dict[str, Any]
    row: dict[str, Any]


def cards_of(page: PatientPage, guideline: Guideline, base: str) -> list[Shown]:
    found = [shown for episode in page.episodes for shown in _episode(page, episode, guideline, base)]
    found.sort(key=lambda shown: ("critical", "warning", "info").index(shown.card["indicator"]))
    return found


def doubtful(because: str, base: str) -> dict[str, Any]:
    """Nothing about a patient is shown where it is not sure who it is; that is said, and never silently."""
    return {
        "uuid": str(uuid5(OURS, f"card:doubt:{because}")),
        "summary": "Not sure who this is on the pathway: nothing is shown",
        "detail": f"{because} A coordinator must look at the record before anything of the pathway is shown here.",
        "indicator": "warning",
        "source": {"label": LABEL, "url": f"{base}/pathway"},
    }


def _episode(page: PatientPage, episode: EpisodePage, guideline: Guideline, base: str) -> Iterator[Shown]:
    due = [work for work in episode.work if work.task.due <= episode.today]
    due.sort(key=lambda work: (not guideline.tasks[work.task.code].red_flag, -work.days_overdue, work.task.due))
    for number, work in enumerate(due[:MOST]):
        more = len(due) - MOST if number == MOST - 1 else 0
        yield _work(page, episode, work, guideline, base, max(0, more))
    if episode.advice:
        yield _advice(page, episode, guideline, base)


def _work(page: PatientPage, episode: EpisodePage, work: Work, guideline: Guideline, base: str, more: int) -> Shown:
    code, late = work.task.code, work.days_overdue
    red = guideline.tasks[code].red_flag
    when = f"{late} days overdue" if late else f"due {show_date(work.task.due)}"
    detail = [
        f"**{work.title}** ({code}), for a {work.role}: {when}. Done when {work.closes}.",
        f"The patient is in: {episode.state}.",
        *_why(work.cites, guideline),
        *([CHOICE] if work.engineering else []),
        *([f"{more} more pieces of work are due; open the patient to see them."] if more else []),
        guideline.disclaimer,
    ]
    indicator = "critical" if red else "warning" if late else "info"
    named = f"{code}:{work.task.n}"
    return _shown(page, episode, named, f"{work.title}: {when}", detail, indicator, work.cites, base, code)


def _advice(page: PatientPage, episode: EpisodePage, guideline: Guideline, base: str) -> Shown:
    cites = list(dict.fromkeys(cite for each in episode.advice for cite in each.rule.cites))
    detail = [*(_advised(each) for each in episode.advice), *_why(cites, guideline), guideline.disclaimer]
    ids = ", ".join(each.rule.id for each in episode.advice)
    summary = f"To consider ({len(episode.advice)}): {episode.advice[0].rule.title}"
    return _shown(page, episode, f"advice:{ids}", summary, detail, "info", cites, base, ids)


def _advised(each: Advice) -> str:
    because = f" Because: {'; '.join(each.because)}." if each.because else ""
    missing = f" Not known: {', '.join(each.missing)}." if each.missing else ""
    choice = f" {CHOICE}" if each.rule.engineering else ""
    return f"- **{each.rule.title}** ({each.rule.id}). {each.rule.text}{because}{missing}{choice}"


def _why(cites: Iterable[str], guideline: Guideline) -> list[str]:
    known = [guideline.sources[cite] for cite in cites if cite in guideline.sources]
    return ["\n".join(["Sources:", *(f"- {source.id}: {source.says}" for source in known)])] if known else []


def _shown(
    page: PatientPage,
    episode: EpisodePage,
    named: str,
    summary: str,
    detail: list[str],
    indicator: str,
    cites: Iterable[str],
    base: str,
    rule: str,
) -> Shown:
    name = str(uuid5(OURS, f"card:{episode.episode.id}:{named}"))
    short = summary if len(summary) <= LONGEST else f"{summary[: LONGEST - 1]}…"
    source: dict[str, Any] = {
        "label": f"{LABEL}, rule {rule}; sources {', '.join(cites)}"[:300],
        "url": f"{base}/pathway/sources",
    }
    if not named.startswith("advice"):
        source["topic"] = {"system": system("task"), "code": rule, "display": short}
    link = f"{base}/patient/{quote(page.patient, safe='')}"
    card = {
        "uuid": name,
        "summary": short,
        "detail": "\n\n".join(detail),
        "indicator": indicator,
        "source": source,
        "links": [{"label": "Open the patient on the pathway", "url": link, "type": "absolute"}],
    }
    kept = {"id": name, "patient_id": page.patient, "episode_id": episode.episode.id}
    return Shown(card, {**kept, "rule": rule[:200], "summary": short})
