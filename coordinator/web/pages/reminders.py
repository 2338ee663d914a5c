"""Reminders: every message with its one outcome and the reason, what holds those that wait, and how each reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.messages import preview, words
from coordinator.web.text import _
from coordinator.web.typed import page_number, typed_day
from coordinator.wiring import open_channels, open_site
from pathway.calendar import fire_instant
from persistence.accounts import Accounts
from persistence.messages import OUTCOMES
from persistence.outbox_page import OutboxRow, OutboxView, outbox_page
from scheduler.patients import PATIENT
from scheduler.site import Site

router = APIRouter()
SIZE = 50
ROLES = ("coordinator", "clinician", "lead", PATIENT)


@dataclass(frozen=True, slots=True)
class Line:
    """A row as the page shows it."""

    row: OutboxRow
    about: str
    kind: str
    rule: Any
    held: str


@router.get("/reminders")
def reminders(desk: Desk = needs(May.SEE_MESSAGES)) -> Response:
    asked = desk.request.query_params
    since, fault = _since(desk, asked.get("since", ""))
    view = OutboxView(
        outcome=_among(asked, "outcome", OUTCOMES) or "waiting",
        kind=_among(asked, "kind", tuple(desk.store.engine.guideline.reminders)),
        role=_among(asked, "role", ROLES),
        q=asked.get("q", "").strip()[:200],
        text=asked.get("text", "").strip()[:200],
        since=since,
    )
    page = asked.get("page", "1")
    number = page_number(page)
    found = outbox_page(desk.store, view, page=number, size=SIZE, at=desk.now)
    known = words.outcomes()
    return desk.page(
        "reminders.html",
        found=found,
        view=view,
        since=asked.get("since", "").strip(),
        fault=fault,
        outcome=known[view.outcome],
        lines=_lines(desk, found.rows),
        tabs=[
            (desk.query(outcome=o.id, page=None), f"{o.symbol} {o.word}", found.counts[o.id], o.id == view.outcome)
            for o in known.values()
        ],
        roles=[(role, words.role_word(role)) for role in ROLES],
        narrowed=bool(view.kind or view.role or view.q or view.text or view.since),
        site=open_site(desk.house.settings),
        channels=[channel.name for channel in open_channels(desk.house.settings)],
    )


@router.get("/reminders/{key:path}")
def message(key: str, desk: Desk = needs(May.SEE_MESSAGES)) -> Response:
    """One message: who is told, by what it was tried, and how it reads."""
    store, settings = desk.store, desk.house.settings
    with store.database.reading() as connection:
        matter = preview.matter_named(connection, key)
        if matter is None:
            raise HTTPException(404, _("There is no such message."))
        reading = preview.read(connection, store, settings, matter, desk.now)
        people = preview.recipients(connection, store, matter, desk.now, settings.zone)
        whom = preview.about(connection, matter)
    if whom is not None:
        note = Accounts(store.database).note_view
        note(desk.me.email, desk.me.role.id, whom.patient, "message", desk.now)
    row = matter.row
    line = _line(desk, row, open_site(settings), bool(open_channels(settings)), staff=True)
    return desk.page(
        "message.html",
        row=row,
        line=line,
        outcome=words.outcomes()[row.outcome],
        reading=reading,
        people=people,
        whom=whom,
        to=words.role_word(row.role),
        attempts=preview.attempts(store, key),
    )


def _lines(desk: Desk, rows: Sequence[OutboxRow]) -> list[Line]:
    settings = desk.house.settings
    site, channels = open_site(settings), bool(open_channels(settings))
    staff = preview.anybody_on_staff(desk.store.database)
    return [_line(desk, row, site, channels, staff=staff) for row in rows]


def _line(desk: Desk, row: Any, site: Site, channels: bool, *, staff: bool) -> Line:
    guideline = desk.store.engine.guideline
    rule = guideline.reminders.get(row.kind)
    waits = row.outcome == "waiting"
    held = words.holds(row, rule, site, desk.now, channels=channels, staff=staff) if waits else ""
    kind = rule.title if rule else row.kind
    return Line(row, words.about(guideline, row.kind, row.code), kind, guideline.tasks.get(row.code) or rule, held)


def _among(asked: Mapping[str, str], name: str, allowed: Sequence[str]) -> str:
    value = asked.get(name, "")
    return value if value in allowed else ""


def _since(desk: Desk, typed: str) -> tuple[datetime | None, str]:
    if not typed.strip():
        return None, ""
    day = typed_day(typed, desk.today)
    if isinstance(day, date):
        return fire_instant(day, "00:00", desk.zone), ""
    return None, day
