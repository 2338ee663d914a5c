"""What is done for the ticked rows of the worklist at once: each in a transaction of its own, and none half said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Form
from fastapi.responses import Response

from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.pages.today import list_page
from coordinator.web.recording import record
from coordinator.web.showing import weekday
from coordinator.web.text import _, counted
from coordinator.web.typed import typed_day
from coordinator.web.work_filters import Filters, filters_of
from pathway.engine import Outcome
from pathway.errors import PathwayError
from pathway.journal import Step
from persistence.changes import episodes_named
from persistence.work_page import SIZES

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Ticked:
    """One row: the work, and the version of the record that the page showed."""

    key: str
    episode: str
    code: str
    seen: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one row; `because` where it was refused."""

    patient: str
    name: str
    birth_date: date | None
    title: str
    because: str = ""


@router.post("/work/selected")
def selected(
    desk: Desk = needs(May.ASSIGN),
    row: list[str] = Form([]),
    do: str = Form(""),
    to: str = Form(""),
    until: str = Form(""),
    because: str = Form(""),
    back: str = Form("/"),
) -> Response:
    asked = filters_of(dict(parse_qsl(urlsplit(back).query)), desk.store.engine.guideline)
    typed = {"to": to.strip(), "until": until.strip(), "because": because.strip()}
    ticked = _ticked(row)
    day = typed_day(typed["until"], desk.today) if typed["until"] else None
    faults = _faults(do, typed, day, ticked)
    if faults:
        return list_page(desk, asked, 422, faults=faults, typed=typed, ticked=row)
    if do == "assign":
        return _assign(desk, asked, ticked, typed["to"])
    assert isinstance(day, date)
    return _look_again(desk, asked, ticked, day, typed["because"])


def _faults(do: str, typed: dict[str, str], day: date | str | None, ticked: Sequence[Ticked]) -> list[str]:
    """What is missing or does not fit together: nothing is saved before it is clear what is meant."""
    found = [] if ticked else [_("No row is ticked, so nothing was saved.")]
    if do == "assign":
        if not typed["to"]:
            found.append(_("Choose who takes the patients over; nothing was saved."))
        if typed["until"] or typed["because"]:
            found.append(_("Hand over, or look again on a date? Empty the one you do not mean; nothing was saved."))
        return found
    if do != "look-again":
        return [_("It was not said what to do with the ticked rows; nothing was saved.")]
    if typed["to"]:
        found.append(_("Look again on a date, or hand over? Empty the one you do not mean; nothing was saved."))
    if not isinstance(day, date):
        found.append(_("Look again on: %(fault)s Nothing was saved.", fault=day or _("a day is needed.")))
    if not typed["because"]:
        found.append(_("Say why it can wait; nothing was saved."))
    return found


def _ticked(rows: Iterable[str]) -> list[Ticked]:
    """The rows of the form; what no page of ours wrote is left out."""
    found = []
    for key in dict.fromkeys(rows):
        parts = key.rsplit(" ", 3)
        if len(parts) == 4 and parts[3].isdigit():
            found.append(Ticked(key, parts[0], parts[1], int(parts[3])))
    return found[: max(SIZES)]


def _assign(desk: Desk, asked: Filters, ticked: Sequence[Ticked], owner: str) -> Response:
    """An episode is handed over once, however many of its tasks are ticked."""
    each = {row.episode: row for row in ticked}
    answers = _recorded(desk, list(each.values()), lambda _row: Step("admin", "assign", {"owner": owner}))
    done = sum(not answer.because for answer in answers)
    said = counted("%(num)s patient was handed to %(who)s", "%(num)s patients were handed to %(who)s", done, who=owner)
    return _told(desk, asked, answers, said)


def _look_again(desk: Desk, asked: Filters, ticked: Sequence[Ticked], day: date, because: str) -> Response:
    def step(row: Ticked) -> Step:
        return Step("admin", "look_again", {"code": row.code, "until": day, "reason": because})

    answers = _recorded(desk, ticked, step)
    done = sum(not answer.because for answer in answers)
    one, many = "%(num)s task was set aside until %(day)s", "%(num)s tasks were set aside until %(day)s"
    return _told(desk, asked, answers, counted(one, many, done, day=weekday(day)))


def _recorded(desk: Desk, ticked: Sequence[Ticked], step: Any) -> list[Answered]:
    with desk.store.database.reading() as connection:
        known = episodes_named(connection, [row.episode for row in ticked])
    guideline, answers, seen = desk.store.engine.guideline, [], dict[str, int]()
    for row in ticked:
        if row.episode not in known or row.code not in guideline.tasks:
            answers.append(Answered("", row.episode, None, row.code, _("there is no such work")))
            continue
        found = known[row.episode]
        because = ""
        try:
            # What this form saved itself a moment ago overtakes nobody.
            version = seen.get(row.episode, row.seen)
            outcome = record(desk, found.patient, step(row), episode=found.n, seen=version)
            because = outcome.refusal.because if outcome.refusal else ""
            seen |= _versions(outcome)
        except PathwayError as error:
            because = str(error)
        answers.append(Answered(found.patient, found.name, found.birth_date, guideline.tasks[row.code].title, because))
    return answers


def _versions(outcome: Outcome) -> dict[str, int]:
    return {change.episode.id: change.episode.seq for change in outcome.changes}


def _told(desk: Desk, asked: Filters, answers: Sequence[Answered], said: str) -> Response:
    """Back to the list where all went well; else a page that names what was done and what was not, and why."""
    back = asked.address(page=asked.page)
    if not any(answer.because for answer in answers):
        return desk.go(back, f"{said}.")
    done = [answer for answer in answers if not answer.because]
    refused = [answer for answer in answers if answer.because]
    return desk.page("selected.html", 409, said=said, done=done, refused=refused, back=back)
