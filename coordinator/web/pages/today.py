"""Today: who needs what, red flags first, then the most overdue."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from coordinator.fhir.candidates import counts
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.showing import local
from coordinator.web.text import _, counted
from coordinator.web.work_filters import NOBODY, Filters, filters_of, paths, tab_words
from pathway.guideline import TaskRule
from persistence.changes import MOST, changed_since, owners
from persistence.search import namesakes
from persistence.work_page import SIZES, Counts, Page, Row, work_page

router = APIRouter()
CARERS = ("coordinator", "clinician", "lead")
# A line is dated before it is committed: so far back a change may still appear after a list was read.
OVERLAP = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Line:
    """A row as the page shows it. `key` names the work in a form: episode, task, its number and the version seen."""

    row: Row
    rule: TaskRule
    alike: bool
    days_there: int
    key: str


@dataclass(frozen=True, slots=True)
class Empty:
    """Why a list is empty, and the way out."""

    said: str
    way_out: str = ""
    href: str = ""


@router.get("/")
def today(desk: Desk = needs(May.SEE_WORK)) -> Response:
    if desk.me.role.id == "clinician" and not desk.request.query_params:
        return desk.go(Filters(role="clinician").address())
    return list_page(desk, filters_of(desk.request.query_params, desk.store.engine.guideline))


@router.get("/changes")
def changes(since: datetime, desk: Desk = needs(May.SEE_WORK, quiet=True)) -> Response:
    """For a page that stands open: how many patients have changed meanwhile. It moves no row."""
    count = changed_since(desk.store.database, since - OVERLAP, but_by=desk.me.name) if since.tzinfo else 0
    said = counted("%(num)s patient has changed since", "%(num)s patients have changed since", count)
    if count > MOST:
        said = _("More than %(num)s patients have changed since", num=MOST)
    return JSONResponse({"count": count, "said": said})


def list_page(
    desk: Desk,
    asked: Filters,
    status: int = 200,
    *,
    faults: Sequence[str] = (),
    typed: Mapping[str, str] | None = None,
    ticked: Collection[str] = (),
) -> Response:
    """The list; with what somebody typed and ticked, and what was wrong with it, where it could not be saved."""
    found = work_page(desk.store, desk.now, asked.view, page=asked.page, size=asked.size)
    lines = _lines(desk, found)
    with desk.store.database.reading() as connection:
        known = owners(connection)
    return desk.page(
        "today.html",
        status,
        asked=asked,
        found=found,
        lines=lines,
        tabs=_tabs(asked, found.counts),
        owners=[(NOBODY, _("Nobody")), *((name, name) for name in known)],
        states=list(paths(desk.store.engine.guideline).items()),
        sizes=SIZES,
        colleagues=_colleagues(desk, known),
        empty=None if lines else _empty(asked, found),
        faults=faults,
        typed={"to": "", "until": "", "because": "", **(typed or {})},
        ticked=ticked,
        candidates=sum(counts(desk.store).values()) if desk.me.may(May.RECORD) else 0,
    )


def _lines(desk: Desk, found: Page) -> list[Line]:
    with desk.store.database.reading() as connection:
        alike = namesakes(connection, {row.item.patient for row in found.rows})
    return [
        Line(
            row,
            desk.store.engine.guideline.tasks[row.item.code],
            row.item.patient in alike,
            (row.item.today - local(row.since, row.item.zone)).days,
            f"{row.item.episode} {row.item.code} {row.task_n} {row.version}",
        )
        for row in found.rows
    ]


def _tabs(asked: Filters, counts: Counts) -> list[tuple[str, str, int, bool]]:
    return [(asked.address(due=tab), word, getattr(counts, tab), tab == asked.due) for tab, word in tab_words().items()]


def _colleagues(desk: Desk, known: Sequence[str]) -> list[str]:
    """Whom patients may be handed to: who can record, and the desks that already have some."""
    people = (user["name"] for user in desk.store.users() if user["active"] and user["role"] in CARERS)
    return sorted({*people, *known})


def _empty(asked: Filters, found: Page) -> Empty:
    counts = found.counts
    if found.total:
        said = counted(
            "This page is after the last: the list has %(num)s task.",
            "This page is after the last: the list has %(num)s tasks.",
            found.total,
        )
        return Empty(said, _("First page"), asked.address())
    if asked.narrowed and counts.all == 0:
        return Empty(_("No open work fits these filters."), _("Clear the filters"), Filters(due="all").address())
    if counts.all == 0:
        said = _("There is no open work at all: nobody is registered yet, or everything is done.")
        return Empty(said, _("See how many patients there are"), "/census")
    fits = _(" that fits these filters") if asked.narrowed else ""
    said = {
        "now": _("Nothing is due now%(fits)s, and nothing is overdue.", fits=fits),
        "overdue": _("Nothing is overdue%(fits)s.", fits=fits),
        "today": _("Nothing is due today%(fits)s that is not overdue already.", fits=fits),
        "week": _("Nothing falls due within seven days%(fits)s.", fits=fits),
        "aside": _("Nothing is set aside until a later day%(fits)s.", fits=fits),
    }[asked.due]
    all_open = counted("All open work (%(num)s task)", "All open work (%(num)s tasks)", counts.all)
    return Empty(said, all_open, asked.address(due="all"))
