"""The time machine: what falls due if nobody acts, a leave and who stands in, and time let pass in a simulation."""

from datetime import datetime

from fastapi import APIRouter, Form
from fastapi.responses import Response

from coordinator.web.access import May
from coordinator.web.ahead import leaving, looking, passing
from coordinator.web.desk import Desk
from coordinator.web.doors import Forbidden, needs
from coordinator.web.text import _, counted
from coordinator.web.typed import page_number
from pathway.calendar import show_date
from persistence.forecast import coming
from persistence.registry import Registry
from scheduler.simulated import let_time_pass

router = APIRouter()
SIZE = 50


@router.get("/ahead")
def ahead(desk: Desk = needs(May.LOOK_AHEAD)) -> Response:
    return ahead_page(desk)


def ahead_page(desk: Desk, status: int = 200, *, until: str = "", fault: str = "") -> Response:
    asked = looking.asked_of(desk)
    found = looking.outlook(desk, asked)
    return desk.page(
        "ahead.html",
        status,
        asked=asked,
        view=found,
        rules=found.rules,
        kinds=looking.kind_words(),
        symbols=looking.SYMBOLS,
        work=looking.WORK,
        spans=looking.SPANS,
        everybody=looking.everybody(desk),
        nobody=looking.NOBODY,
        list_address=looking.list_address,
        each=desk.house.settings.capacity,
        passable=passing.movable(desk) is not None,
        happened=_happened(desk),
        typed_until=until,
        fault=fault,
    )


@router.get("/ahead/list")
def ahead_list(desk: Desk = needs(May.LOOK_AHEAD)) -> Response:
    """Who stands behind a number: the patients, with what comes for each."""
    asked = looking.asked_of(desk)
    page = desk.request.query_params.get("page", "1")
    number = page_number(page)
    found = coming(desk.store, asked.span, page=number, size=SIZE)
    return desk.page(
        "ahead_list.html",
        asked=asked,
        found=found,
        number=number,
        size=SIZE,
        kinds=looking.kind_words(),
        symbols=looking.SYMBOLS,
        nobody=looking.NOBODY,
    )


# ---------------------------------------------------------------- a leave


@router.get("/ahead/leave")
def leave(desk: Desk = needs(May.LOOK_AHEAD)) -> Response:
    values = desk.request.query_params
    asked = leaving.read_leave(desk, values) if values.get("first") or values.get("last") else leaving.Leave({})
    return _leave_page(desk, asked)


@router.post("/ahead/leave")
def keep_leave(
    first: str = Form(""), last: str = Form(""), stand_in: str = Form(""), desk: Desk = needs(May.LOOK_AHEAD)
) -> Response:
    asked = leaving.read_leave(desk, {"first": first, "last": last, "stand_in": stand_in})
    faults = dict(asked.faults or {})
    if asked.stand_in is None:
        faults.setdefault("stand_in", _("Choose who stands in for you."))
    if faults or asked.first is None or asked.last is None or asked.stand_in is None:
        return _leave_page(desk, leaving.Leave(asked.typed, asked.first, asked.last, asked.stand_in, faults), 422)
    leaving.keep(desk, desk.me.email, asked.stand_in["email"], asked.first, asked.last)
    said = _(
        "Noted: %(who)s stands in for you from %(first)s to %(last)s.",
        who=asked.stand_in["name"],
        first=show_date(asked.first),
        last=show_date(asked.last),
    )
    return desk.go("/ahead/leave", said)


@router.post("/ahead/leave/back")
def back_early(cover: int = Form(...), desk: Desk = needs(May.LOOK_AHEAD)) -> Response:
    """Whoever is back stands in for themselves from today on."""
    found = next((note for note in desk.store.covers(desk.today) if note["id"] == cover), None)
    if found is None:
        return desk.go("/ahead/leave", _("That cover is over already, so nothing was changed."))
    if not leaving.may_end(desk, found):
        raise Forbidden(_("Only whoever is away, or a lead, may end a cover; nothing was saved."))
    leaving.keep(desk, found["absent"], found["absent"], max(found["first_day"], desk.today), found["last_day"])
    return desk.go("/ahead/leave", _("Noted: the cover is over, and work comes to its owner again."))


def _leave_page(desk: Desk, asked: leaving.Leave, status: int = 200) -> Response:
    registry: Registry = desk.store
    names = {user["email"]: user["name"] for user in registry.users()}
    return desk.page(
        "ahead_leave.html",
        status,
        asked=asked,
        faults=asked.faults or {},
        burdens=leaving.burdens(desk, asked),
        colleagues=leaving.colleagues(desk),
        covers=registry.covers(desk.today),
        names=names,
        may_end=lambda cover: leaving.may_end(desk, cover),
        each=desk.house.settings.capacity,
    )


# ---------------------------------------------------------------- time passes


@router.post("/ahead/pass")
def pass_time(step: str = Form(""), until: str = Form(""), desk: Desk = needs(May.LOOK_AHEAD)) -> Response:
    """Everything due on the way fires at its own moment; only where nothing is real, and never backward."""
    clock = passing.movable(desk)
    if clock is None:
        raise Forbidden(_("Time cannot be moved here: this is not a simulation. Nothing was changed."))
    aim = passing.aim(desk, step, until)
    if not isinstance(aim, datetime):
        return ahead_page(desk, 422, until=until, fault=_("%(fault)s Nothing was changed.", fault=aim))
    before = clock()
    passed = let_time_pass(desk.store, clock, aim)
    passing.carry_over(desk.store, clock() - before)
    said = counted("%(num)s thing fell due on the way.", "%(num)s things fell due on the way.", passed.fired)
    return desk.go(f"/ahead?since={passed.since.isoformat().replace('+', '%2B')}", said)


def _happened(desk: Desk) -> passing.Happened | None:
    """What fired since the instant in the address; only in a simulation, where that is a question."""
    if not desk.house.simulation or not (typed := desk.request.query_params.get("since")):
        return None
    try:
        since = datetime.fromisoformat(typed)
    except ValueError:
        return None
    return passing.happened(desk.store, since, desk.now) if since.tzinfo else None
