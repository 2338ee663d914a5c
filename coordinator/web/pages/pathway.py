"""The pathway: the picture, and the rules, clocks, conflicts, profiles and sources in words."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from coordinator.web import rule_words, rules
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.diagram import Count, diagram
from coordinator.web.doors import needs
from coordinator.web.text import _
from persistence.board import Board, house_board
from persistence.moved import house_rules_fired
from persistence.reckonings import Reckoned

router = APIRouter()
FIRED = 30


@router.get("/pathway")
def picture(desk: Desk = needs(May.SEE_RULES)) -> Response:
    found = house_board(desk.store, desk.now) if desk.me.may(May.SEE_COUNTS) else None
    shown = diagram(desk.store.engine.guideline, counts_of(found) if found else None)
    fired = _fired(desk)
    as_of = min(fired.at, found.at) if found else fired.at
    return _page(desk, "pathway.html", picture=shown, rows=_rules(desk, fired), as_of=as_of)


@router.get("/pathway/rules")
def table_of_rules(only: str = "", desk: Desk = needs(May.SEE_RULES)) -> Response:
    known = {rule.id for rule in desk.store.engine.guideline.transitions}
    wanted = tuple(name for name in only.split(",") if name in known)
    fired = _fired(desk)
    return _page(desk, "pathway_rules.html", rows=_rules(desk, fired, wanted), only=wanted, as_of=fired.at)


@router.get("/pathway/timers")
def timers(profile: str = "", desk: Desk = needs(May.SEE_RULES)) -> Response:
    guideline = desk.store.engine.guideline
    chosen = guideline.profiles.get(profile) or guideline.profile(desk.house.settings.profile)
    return _page(
        desk,
        "pathway_timers.html",
        profile=chosen,
        timers=rules.timers_of(guideline, chosen),
        tasks=rules.tasks_of(guideline, chosen),
    )


@router.get("/pathway/conflicts")
def conflicts(desk: Desk = needs(May.SEE_RULES)) -> Response:
    guideline = desk.store.engine.guideline
    return _page(desk, "pathway_conflicts.html", conflicts=rules.conflicts_of(guideline))


@router.get("/pathway/profiles")
def profiles(desk: Desk = needs(May.SEE_RULES)) -> Response:
    guideline = desk.store.engine.guideline
    return _page(desk, "pathway_profiles.html", choices=rules.differences(guideline))


@router.get("/pathway/sources")
def sources(desk: Desk = needs(May.SEE_RULES)) -> Response:
    return _page(desk, "pathway_sources.html", cited=rules.cited(desk.store.engine.guideline))


def counts_of(found: Board) -> dict[str, Count]:
    """How many are where."""
    places = [place for phase in found.phases for place in phase.places] + list(found.ends)
    return {place.state: Count(place.episodes, place.overdue) for place in places}


def _fired(desk: Desk) -> Reckoned:
    return house_rules_fired(desk.store, desk.now, FIRED)


def _rules(desk: Desk, fired: Reckoned, only: tuple[str, ...] = ()) -> list[rules.Rules]:
    return rules.rules_of(desk.store.engine.guideline, fired.figures, only)


def _page(desk: Desk, template: str, **values: Any) -> Response:
    tabs = [
        ("/pathway", _("Picture")),
        ("/pathway/rules", _("Rules")),
        ("/pathway/timers", _("Clocks and work")),
        ("/pathway/conflicts", _("Conflicts")),
        ("/pathway/profiles", _("Profiles")),
        ("/pathway/sources", _("Sources")),
    ]
    here = desk.request.url.path
    shown = [(path, word, None, path == here) for path, word in tabs]
    return desk.page(template, tabs=shown, words=rule_words, **values)
