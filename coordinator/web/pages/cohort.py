"""The cohort in numbers, each of which opens the list of whom it counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.reckoning import Numbers, kept, numbers
from coordinator.web.text import _, counted
from pathway.guideline import Guideline
from persistence.episode_list import Line
from persistence.episodes_where import Which, ended_stays, episodes_where
from persistence.moved import moved_by_rule, that_reached

router = APIRouter()
SIZE = 50
MONTH, LONGEST = 30, 3660
THEMES = ("light", "dark")
CHARTS = ("patients", "stays", "reached")


@router.get("/cohort")
def cohort(desk: Desk = needs(May.SEE_COUNTS)) -> Response:
    found = numbers(desk)
    alts = {"patients": alt_patients(found), "stays": alt_stays(found), "reached": alt_reached(found)}
    return desk.page("cohort.html", numbers=found, alts=alts, targets={p.state: p.target for p in found.places})


@router.get("/cohort/chart/{name}.svg")
def chart_image(name: str, theme: str = "light", of: str = "", desk: Desk = needs(May.SEE_COUNTS)) -> Response:
    if name not in CHARTS or theme not in THEMES:
        raise HTTPException(404, _("There is no such chart."))
    # Imported here and nowhere else: matplotlib takes most of a second to load; see there.
    from coordinator.web.charts import chart  # noqa: PLC0415 loaded with the first chart, not with the site

    found = kept(desk).get(("marked", of), lambda: numbers(desk))
    image = kept(desk).get(("chart", name, theme, found.mark), lambda: chart(name, found, theme))
    return Response(image, media_type="image/svg+xml")


# ---------------------------------------------------------------- in one sentence


def alt_patients(found: Numbers) -> str:
    """What a chart mainly says, for whoever does not see it."""
    most = max(found.places, key=lambda place: place.episodes)
    late = max(found.places, key=lambda place: place.overdue)
    said = _("Bars: open episodes in each state, with the part that has overdue work.")
    more = _("Most are in %(state)s: %(count)s.", state=most.title, count=most.episodes)
    if not late.overdue:
        return f"{said} {more} {_('Nowhere is work overdue.')}"
    values = {"state": late.title, "late": late.overdue, "count": late.episodes}
    return f"{said} {more} {_('Most overdue in %(state)s: %(late)s of %(count)s.', **values)}"


def alt_stays(found: Numbers) -> str:
    said = _("For each state, days from the 10th to the 90th centile with the median, ended stays and those going on.")
    over = [stay for stay in found.stays if stay.ended.median is not None]
    if not over:
        return f"{said} {_('No stay has ended yet.')}"
    longest = max(over, key=lambda stay: stay.ended.median or 0)
    days = f"{longest.ended.median:.0f}"
    return f"{said} {_('The longest median is in %(state)s: %(days)s days.', state=longest.title, days=days)}"


def alt_reached(found: Numbers) -> str:
    said = _("Bars: how many episodes have ever been in each state.")
    parts = ", ".join(f"{one.title} {one.episodes}" for one in found.reached)
    return f"{said} {parts}."


# ---------------------------------------------------------------- the lists


@dataclass(frozen=True, slots=True)
class Listed:
    title: str
    rows: tuple[Line, ...]
    total: int
    stays: dict[int, tuple[datetime, datetime, float]]
    # The address of a file of the same episodes; empty where there is none.
    file: str = ""


@router.get("/cohort/list")
def episodes(page: int = 1, desk: Desk = needs(May.SEE_PATIENTS)) -> Response:
    asked, page = dict(desk.request.query_params), max(1, page)
    found = _listed(desk, asked, page)
    if found is None:
        raise HTTPException(404, _("There is no such list."))
    return desk.page("cohort_list.html", found=found, page=page, size=SIZE)


def _listed(desk: Desk, asked: dict[str, str], page: int) -> Listed | None:
    store, guideline = desk.store, desk.store.engine.guideline
    state = asked.get("state", asked.get("reached", asked.get("left", "")))
    if state and state not in guideline.paths():
        return None
    title = guideline.states[state].title if state in guideline.states else ""
    if "rule" in asked:
        typed = asked.get("days", "")
        days = min(int(typed), LONGEST) if typed.isascii() and typed.isdigit() else MONTH
        lines = moved_by_rule(store, asked["rule"], desk.now - timedelta(days=days), page=page, size=SIZE)
        one, many = "Moved by %(rule)s in the last %(num)s day", "Moved by %(rule)s in the last %(num)s days"
        said = counted(one, many, days, rule=asked["rule"])
        return Listed(said, lines.rows, lines.total, {})
    if "reached" in asked:
        lines = that_reached(store, state, page=page, size=SIZE)
        return Listed(_("Ever in %(state)s", state=title), lines.rows, lines.total, {})
    if "left" in asked:
        stays = ended_stays(store, state, page=page, size=SIZE)
        times = {n: (stay.came, stay.left, stay.days) for n, stay in enumerate(stays.rows)}
        said = _("Stays in %(state)s that have ended, the longest first", state=title)
        return Listed(said, tuple(stay.line for stay in stays.rows), stays.total, times)
    lines = episodes_where(store, desk.now, which_of(asked), page=page, size=SIZE)
    file = f"/export/cohort.csv?{desk.request.url.query}"
    return Listed(", ".join(_words(asked, guideline)), lines.rows, lines.total, {}, file)


FLAGS = ("open", "ended", "late", "red", "unowned", "held", "active", "dateless", "aside", "lost")


def which_of(asked: dict[str, str]) -> Which:
    state, _dot, sub = asked.get("state", "").partition(".")
    has = {name for name in FLAGS if asked.get(name) == "1"}
    held = True if "held" in has else False if "active" in has else None
    return Which(
        states=(state,) if state else (),
        sub=sub or None,
        open_only=bool(has & {"open", "held", "active", "unowned", "dateless"}),
        ended_only="ended" in has,
        late="late" in has,
        red="red" in has,
        unowned="unowned" in has,
        held=held,
        dateless="dateless" in has,
        set_aside="aside" in has,
    )


def _words(asked: dict[str, str], guideline: Guideline) -> Iterator[str]:
    state, _dot, sub = asked.get("state", "").partition(".")
    words = {
        "open": _("open episodes"),
        "ended": _("ended episodes"),
        "late": _("with overdue work"),
        "red": _("with open red-flag work"),
        "unowned": _("looked after by nobody"),
        "held": _("with a milestone that waits until it can speak"),
        "active": _("open, with no milestone that waits"),
        "dateless": _("without next date"),
        "aside": _("set aside by the engine"),
    }
    if state:
        yield guideline.states[state].shown(sub or None)
    found = [word for name, word in words.items() if asked.get(name) == "1"]
    yield from found
    if not state and not found:
        yield _("All episodes")
